"""The rules a contract puts on an order: each has a code of its own instead of "Filter failure".

Ticks and steps are counted from the minimum: `(value - minimum) % step == 0`. The price band is around the
mark price, and each side has one bound only. The source is the reference's section on futures filters.
"""

from decimal import Decimal
from typing import Final

from adapters.sandbox.model import NewOrder, Side
from adapters.sandbox.usdm_account import must_reduce
from adapters.sandbox.usdm_engine import Contract
from adapters.sandbox.venue import VenueError
from adapters.sandbox.wire import plain

MAX_OPEN_ALGO_ORDERS: Final = 200


def check_rules(order: NewOrder, contract: Contract) -> None:
    """Check precision, prices, quantity and value; raises `VenueError` with -1111 or a code of -40xx."""
    rules = contract.rules
    if order.quantity is not None:
        _check_precision(order.quantity, rules.step)
    for price in (order.price, order.stop_price):
        if price is not None:
            _check_precision(price, rules.tick)
    if order.price is not None:
        _check_price(order.price, contract)
    if order.stop_price is not None:
        _check_stop_price(order.stop_price, contract)
    if order.quantity is not None:
        _check_quantity(order.quantity, contract, at_market=not order.type.has_price)
    if not order.type.is_conditional:
        _check_band(order, contract)
        _check_value(order, contract)


def _check_precision(value: Decimal, unit: Decimal) -> None:
    exponent, allowed = value.normalize().as_tuple().exponent, unit.as_tuple().exponent
    if isinstance(exponent, int) and isinstance(allowed, int) and exponent < allowed:
        raise VenueError(400, -1111, "Precision is over the maximum defined for this asset.")


def _check_price(price: Decimal, contract: Contract) -> None:
    rules = contract.rules
    smallest = rules.tick if rules.min_price is None else rules.min_price
    if price < smallest:
        raise VenueError(400, -4013, "Price less than min price.")
    if price > rules.max_price:
        raise VenueError(400, -4002, "Price greater than max price.")
    if (price - smallest) % rules.tick:
        raise VenueError(400, -4014, "Price not increased by tick size.")


def _check_stop_price(price: Decimal, contract: Contract) -> None:
    rules = contract.rules
    if price <= 0:
        raise VenueError(400, -4006, "Stop price less than zero.")
    if price > rules.max_price:
        raise VenueError(400, -4007, "Stop price greater than max price.")
    if (price - (rules.min_price or rules.tick)) % rules.tick:
        raise VenueError(400, -4014, "Price not increased by tick size.")


def _check_quantity(quantity: Decimal, contract: Contract, *, at_market: bool) -> None:
    rules = contract.rules
    if quantity <= 0:
        raise VenueError(400, -4003, "Quantity less than zero.")
    if quantity < rules.min_quantity:
        raise VenueError(400, -4004, "Quantity less than min quantity.")
    if quantity > (rules.market_max_quantity if at_market else rules.max_quantity):
        raise VenueError(400, -4005, "Quantity greater than max quantity.")
    if (quantity - rules.min_quantity) % rules.step:
        raise VenueError(400, -4023, "Qty not increased by step size.")


def _check_band(order: NewOrder, contract: Contract) -> None:
    mark, rules = contract.mark_price, contract.rules
    is_buy = order.side is Side.BUY
    price = order.price or (contract.best_ask if is_buy else contract.best_bid)
    if is_buy and price > mark * rules.percent_price_up:
        code, text = -4016, "Price is higher than mark price multiplier cap."
    elif not is_buy and price < mark * rules.percent_price_down:
        code, text = -4024, "Price is lower than mark price multiplier floor."
    else:
        return
    if order.price is None:
        code = -4131
        text = "The counterparty's best price does not meet the PERCENT_PRICE filter limit"
    raise VenueError(400, code, text)


def _check_value(order: NewOrder, contract: Contract) -> None:
    smallest = contract.rules.min_notional
    value = (order.price or contract.mark_price) * (order.quantity or Decimal(0))
    if value < smallest and not must_reduce(order):
        text = f"Order's notional must be no smaller than {plain(smallest)} (unless you choose reduce only)"
        raise VenueError(400, -4164, text)
