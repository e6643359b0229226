"""Check an order against the filters of its symbol before a request is spent.

Everything is exact decimal arithmetic. Nothing is rounded for the producer: a value off its step is refused,
and the text names the nearest allowed value below it, or the bound, so that the next signal can be right. A
bound that depends on a price of the venue's own is checked only when that price is at hand; the venue checks
it anyway.

Sources: Binance spot filters.md (steps count from zero), Bitrue spot README (quantity steps count from
`minQty`, `minVal` is measured on the last price), Binance USD-M "Exchange Information" (all steps count from the
smallest value, a market order is measured on the mark price).
"""

from dataclasses import replace
from decimal import ROUND_DOWN, ROUND_UP, Decimal
from typing import Final

from adapters.errors import VenueError, refusal
from adapters.model import Order, OrderType, Side, SymbolRules
from adapters.values import value_type
from adapters.wire import EXACT, plain

_ZERO: Final = Decimal(0)
_ONE: Final = Decimal(1)


@value_type
class Grid:
    """The values a filter allows: `low` to `high` in steps that count from `offset`; `None` switches a part off."""

    low: Decimal | None = None
    high: Decimal | None = None
    step: Decimal | None = None
    offset: Decimal = _ZERO

    def allows(self, value: Decimal) -> bool:
        """Check one value."""
        if (self.low is not None and value < self.low) or (self.high is not None and value > self.high):
            return False
        return self.step is None or not EXACT.remainder(EXACT.subtract(value, self.offset), self.step)

    def floor(self, value: Decimal) -> Decimal:
        """Return the largest allowed value that is not above the given one, or else the smallest allowed."""
        if self.high is not None and value > self.high:
            value = self.high
        below = self._down(value)
        return below if self.low is None or below >= self.low else self._up(self.low)

    def ceiling(self, value: Decimal) -> Decimal:
        """Return the smallest allowed value that is not below the given one, whether or not it is too large."""
        return self._up(value if self.low is None else max(value, self.low))

    def _down(self, value: Decimal) -> Decimal:
        if self.step is None:
            return value
        excess = EXACT.remainder(EXACT.subtract(value, self.offset), self.step)
        below = EXACT.subtract(value, excess)
        return below if excess >= 0 else EXACT.subtract(below, self.step)

    def _up(self, value: Decimal) -> Decimal:
        below = self._down(value)
        return below if self.step is None or below == value else EXACT.add(below, self.step)


def price_grid(rules: SymbolRules) -> Grid:
    """Return the prices a symbol allows."""
    return Grid(low=rules.min_price, high=rules.max_price, step=rules.tick_size, offset=rules.price_offset)


def lot_grid(rules: SymbolRules) -> Grid:
    """Return the quantities a symbol allows."""
    return Grid(
        low=rules.min_quantity, high=rules.max_quantity, step=rules.step_size, offset=rules.step_offset
    )


def market_lot_grid(rules: SymbolRules) -> Grid:
    """Return the quantities a symbol allows in market orders, beside the general ones."""
    return Grid(
        low=rules.market_min_quantity,
        high=rules.market_max_quantity,
        step=rules.market_step_size,
        offset=rules.market_step_offset,
    )


def trailing_grid(order: Order, rules: SymbolRules) -> Grid:
    """Return how far, in whole basis points, a stop may trail the market: above it or below it, as it is placed."""
    takes_profit = order.type in (OrderType.TAKE_PROFIT, OrderType.TAKE_PROFIT_LIMIT)
    if (order.side is Side.BUY) is not takes_profit:
        return Grid(low=rules.min_trailing_above, high=rules.max_trailing_above, step=_ONE)
    return Grid(low=rules.min_trailing_below, high=rules.max_trailing_below, step=_ONE)


def check_filters(order: Order, rules: SymbolRules, last_price: Decimal | None) -> VenueError | None:
    """Return the first filter that an order breaks."""
    return (
        _check_price("price", order.price, rules)
        or _check_price("stop_price", order.stop_price, rules)
        or _check_trailing_delta(order, rules)
        or _check_quantity(order, rules)
        or _check_precision("quote_quantity", order.quote_quantity, rules.quote_precision)
        or _check_notional(order, rules, last_price)
        or _check_percent_price(order, rules, last_price)
    )


def _check_price(name: str, price: Decimal | None, rules: SymbolRules) -> VenueError | None:
    if price is None:
        return None
    error = _check_grid(name, price, price_grid(rules), "price_filter")
    if error is None and rules.tick_size is None:
        error = _check_precision(name, price, rules.quote_precision)
    return error


def _check_trailing_delta(order: Order, rules: SymbolRules) -> VenueError | None:
    if order.trailing_delta is None:
        return None
    return _check_grid("trailing_delta", order.trailing_delta, trailing_grid(order, rules), "trailing_delta")


def _check_quantity(order: Order, rules: SymbolRules) -> VenueError | None:
    quantity = order.quantity
    if quantity is None:
        return None
    error = _check_grid("quantity", quantity, lot_grid(rules), "lot_size")
    if error is None and order.type is OrderType.MARKET:
        error = _check_grid("quantity", quantity, market_lot_grid(rules), "market_lot_size")
    if error is None and rules.step_size is None:
        error = _check_precision("quantity", quantity, rules.base_precision)
    return error


def _broken(filter_name: str, detail: str) -> VenueError:
    return refusal(f"filter_{filter_name}", detail=detail)


def _check_grid(name: str, value: Decimal, grid: Grid, filter_name: str) -> VenueError | None:
    if grid.allows(value):
        return None
    if grid.low is not None and value < grid.low:
        fault = f"is below the minimum {plain(grid.low)}"
    elif grid.high is not None and value > grid.high:
        fault = f"is above the maximum {plain(grid.high)}"
    else:
        start = f", counted from {plain(grid.offset)}" if grid.offset else ""
        fault = f"is not in steps of {plain(grid.step or _ZERO)}{start}"
    nearest = plain(grid.floor(value))
    return _broken(filter_name, f"{name} {plain(value)} {fault}; the nearest allowed value is {nearest}")


def _check_precision(name: str, value: Decimal | None, precision: int | None) -> VenueError | None:
    if value is None or precision is None:
        return None
    allowed = value.quantize(Decimal(1).scaleb(-precision), ROUND_DOWN, EXACT)
    if allowed == value:
        return None
    detail = (
        f"{name} {plain(value)} has more than {precision} decimals; the nearest below is {plain(allowed)}"
    )
    return _broken("precision", detail)


# --- Rules that need a price --------------------------------------------------------------------------------


def _check_notional(order: Order, rules: SymbolRules, last_price: Decimal | None) -> VenueError | None:
    low, high = rules.min_notional, rules.max_notional
    if order.type is OrderType.MARKET:
        low = low if rules.min_notional_on_market else None
        high = high if rules.max_notional_on_market else None
    if order.reduce_only and not rules.min_notional_on_reduce_only:
        low = None
    if low is None and high is None:
        return None
    measured_on_last = order.type is OrderType.MARKET or rules.notional_on_last_price
    price = last_price if measured_on_last else order.price
    value = order.quote_quantity
    if value is None:
        if order.quantity is None or price is None:
            return None
        value = EXACT.multiply(order.quantity, price)
    if low is not None and value < low:
        return _broken(
            rules.notional_filter,
            f"the order is worth {plain(value)} {rules.quote}, at least {plain(low)} is required"
            + _smallest(order, rules, low, price),
        )
    if high is not None and value > high:
        return _broken(
            rules.notional_filter,
            f"the order is worth {plain(value)} {rules.quote}, at most {plain(high)} is allowed"
            + _largest(order, rules, high, price),
        )
    return None


def _smallest(order: Order, rules: SymbolRules, low: Decimal, price: Decimal | None) -> str:
    if order.quantity is None or not price:
        return ""
    quantity = lot_grid(rules).ceiling(EXACT.divide(low, price))
    return f"; the smallest quantity at {plain(price)} is {plain(_short(quantity, rules, ROUND_UP))}"


def _largest(order: Order, rules: SymbolRules, high: Decimal, price: Decimal | None) -> str:
    if order.quantity is None or not price:
        return ""
    quantity = lot_grid(rules).floor(EXACT.divide(high, price))
    return f"; the largest quantity at {plain(price)} is {plain(_short(quantity, rules, ROUND_DOWN))}"


def _short(quantity: Decimal, rules: SymbolRules, rounding: str) -> Decimal:
    """Cut a quotient that no step has cut already."""
    if rules.step_size is not None:
        return quantity
    return quantity.quantize(Decimal(1).scaleb(-(rules.base_precision or 8)), rounding, EXACT)


def _check_percent_price(order: Order, rules: SymbolRules, last_price: Decimal | None) -> VenueError | None:
    if last_price is None or order.price is None or order.stop_price is not None:
        return None  # a waiting order is measured when it triggers
    if order.side is Side.BUY:
        up, down = rules.bid_multiplier_up, rules.bid_multiplier_down
    else:
        up, down = rules.ask_multiplier_up, rules.ask_multiplier_down
    highest = None if up is None else EXACT.multiply(last_price, up)
    lowest = None if down is None else EXACT.multiply(last_price, down)
    if Grid(low=lowest, high=highest).allows(order.price):
        return None
    grid = replace(price_grid(rules), low=None, high=None)
    nearest = (
        grid.ceiling(lowest) if lowest is not None and order.price < lowest else grid.floor(highest or _ZERO)
    )
    return _broken(
        rules.percent_price_filter,
        f"price {plain(order.price)} is too far from the {rules.measured_on} {plain(last_price)}; "
        f"the nearest allowed value is {plain(nearest)}",
    )


# --- Writing the venue's way --------------------------------------------------------------------------------


def to_base(quote_quantity: Decimal, price: Decimal, rules: SymbolRules) -> Decimal:
    """Convert an amount of the quote asset at a price, rounded down to a quantity step; zero when it buys none."""
    offset = rules.step_offset
    if rules.step_size is None:
        quantity = EXACT.divide(quote_quantity, price)
        return quantity.quantize(Decimal(1).scaleb(-(rules.base_precision or 8)), ROUND_DOWN, EXACT)
    rest = EXACT.subtract(quote_quantity, EXACT.multiply(offset, price))
    if rest < 0:
        return _ZERO
    # A division to whole steps: no quotient is ever rounded, so it cannot be rounded up.
    steps = EXACT.divide_int(rest, EXACT.multiply(rules.step_size, price))
    return EXACT.add(offset, EXACT.multiply(steps, rules.step_size))


def without_idle_zeros(order: Order, rules: SymbolRules) -> Order:
    """Drop zeros behind the venue's precision, which it would refuse; all other digits stay as they were given."""
    quantity = _within(order.quantity, rules.base_precision)
    price = _within(order.price, rules.quote_precision)
    stop_price = _within(order.stop_price, rules.quote_precision)
    quote_quantity = _within(order.quote_quantity, rules.quote_precision)
    if (
        quantity is order.quantity
        and price is order.price
        and stop_price is order.stop_price
        and quote_quantity is order.quote_quantity
    ):
        return order
    return replace(
        order, quantity=quantity, price=price, stop_price=stop_price, quote_quantity=quote_quantity
    )


def _within(value: Decimal | None, precision: int | None) -> Decimal | None:
    if value is None or precision is None:
        return value
    exponent = value.as_tuple().exponent
    if not isinstance(exponent, int) or -exponent <= precision:
        return value
    cut = value.quantize(Decimal(1).scaleb(-precision), ROUND_DOWN, EXACT)
    return cut if cut == value else value


def state_rule(code: str, rules: SymbolRules) -> str | None:
    """Say what a rule of a symbol allows, for an order that only the venue could measure it on."""
    match code:
        case "filter_price_filter":
            return _range("prices", price_grid(rules))
        case "filter_lot_size":
            return _range("quantities", lot_grid(rules))
        case "filter_market_lot_size":
            return _range("quantities of market orders", market_lot_grid(rules))
        case "filter_min_notional" | "filter_notional":
            return _range("price times quantity", Grid(low=rules.min_notional, high=rules.max_notional))
        case _:
            return None


def _range(what: str, grid: Grid) -> str | None:
    bounds = (("from", grid.low), ("to", grid.high), ("in steps of", grid.step))
    parts = [f"{word} {plain(bound)}" for word, bound in bounds if bound is not None]
    return f"the symbol takes {what} {' '.join(parts)}" if parts else None
