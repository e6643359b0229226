"""Symbol filters in the order the spot venue applies them; the answer names the first one that fails.

Minimum and maximum come before the step: a forty-digit number must be refused before a remainder is taken of
it.
"""

from decimal import Decimal
from typing import Final

from adapters.sandbox.book import Market
from adapters.sandbox.config import SymbolConfig
from adapters.sandbox.model import NewOrder, OrderType, Side
from adapters.sandbox.triggers import is_above_market

PRICE_FILTER: Final = "PRICE_FILTER"
PERCENT_PRICE_BY_SIDE: Final = "PERCENT_PRICE_BY_SIDE"
LOT_SIZE: Final = "LOT_SIZE"
MARKET_LOT_SIZE: Final = "MARKET_LOT_SIZE"
NOTIONAL: Final = "NOTIONAL"
TRAILING_DELTA: Final = "TRAILING_DELTA"
MAX_NUM_ORDERS: Final = "MAX_NUM_ORDERS"
MAX_NUM_ALGO_ORDERS: Final = "MAX_NUM_ALGO_ORDERS"
MAX_ALGO_ORDERS: Final = 5

_MARKET_TYPES: Final = frozenset({OrderType.MARKET, OrderType.STOP_LOSS, OrderType.TAKE_PROFIT})


def failing_filter(order: NewOrder, market: Market, open_orders: int, open_algo_orders: int) -> str | None:
    """Return the name of the first filter that an order fails."""
    rules = market.rules
    for price in (order.price, order.stop_price):
        if price is not None and not price_passes(price, rules):
            return PRICE_FILTER
    if order.price is not None and not percent_price_passes(order.side, order.price, market):
        return PERCENT_PRICE_BY_SIDE
    failing_lot = _failing_lot(order, rules)
    if failing_lot is not None:
        return failing_lot
    if not _trailing_passes(order, rules):
        return TRAILING_DELTA
    if not _notional_passes(order, market):
        return NOTIONAL
    if order.type is not OrderType.MARKET and open_orders >= rules.max_open_orders:
        return MAX_NUM_ORDERS
    if order.type.is_conditional and open_algo_orders >= MAX_ALGO_ORDERS:
        return MAX_NUM_ALGO_ORDERS
    return None


def price_passes(price: Decimal, rules: SymbolConfig) -> bool:
    """Check a price's range and tick."""
    smallest = rules.tick if rules.min_price is None else rules.min_price
    return smallest <= price <= rules.max_price and price % rules.tick == 0


def lot_passes(quantity: Decimal, smallest: Decimal, largest: Decimal, step: Decimal) -> bool:
    """Check a quantity's range and step."""
    return smallest <= quantity <= largest and quantity % step == 0


def percent_price_passes(side: Side, price: Decimal, market: Market) -> bool:
    """Check that a price lies within the band around the market's price."""
    rules = market.rules
    lowest, highest = market.price * rules.percent_price_down, market.price * rules.percent_price_up
    if side is Side.BUY:
        return price <= highest and (lowest <= price or not rules.percent_price_down)
    return lowest <= price <= highest


def _failing_lot(order: NewOrder, rules: SymbolConfig) -> str | None:
    if order.quantity is None:
        return None
    if not lot_passes(order.quantity, rules.min_quantity, rules.max_quantity, rules.step):
        return LOT_SIZE
    if order.type in _MARKET_TYPES and order.quantity > rules.market_max_quantity:
        return MARKET_LOT_SIZE
    return None


def _trailing_passes(order: NewOrder, rules: SymbolConfig) -> bool:
    if order.trailing_delta is None:
        return True
    smallest, largest = rules.trailing_above if is_above_market(order) else rules.trailing_below
    return smallest <= order.trailing_delta <= largest


def _notional_passes(order: NewOrder, market: Market) -> bool:
    rules = market.rules
    if order.quote_quantity is not None:
        notional = order.quote_quantity
    else:
        price = market.price if order.price is None else order.price
        notional = price * (order.quantity or Decimal(0))
    is_bounded = order.type not in _MARKET_TYPES
    return rules.min_notional <= notional and (notional <= rules.max_notional or not is_bounded)
