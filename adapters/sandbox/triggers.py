"""What conditional spot orders wait for: a stop price, or a market that comes back from the best price seen.

An order that trails is activated by its stop price, if it has one, and at once if not. A buy then follows the
market down and triggers when it rises by the delta; a sale follows it up and triggers when it falls. That holds
for stop losses and take profits alike: they differ in the side on which their stop price has to be.
"""

from decimal import Decimal
from typing import Final

from adapters.sandbox.model import NewOrder, Order, OrderType, Side, Trail

_RISING: Final = frozenset(
    {
        (OrderType.STOP_LOSS, Side.BUY),
        (OrderType.STOP_LOSS_LIMIT, Side.BUY),
        (OrderType.TAKE_PROFIT, Side.SELL),
        (OrderType.TAKE_PROFIT_LIMIT, Side.SELL),
    }
)
_BASIS_POINTS: Final = 10_000


def is_above_market(spec: NewOrder) -> bool:
    """Tell whether the market has to rise to an order's stop price; otherwise it has to fall."""
    return (spec.type, spec.side) in _RISING


def reaches_stop(spec: NewOrder, price: Decimal) -> bool:
    """Tell whether the market has reached an order's stop price; never, when it has none."""
    if spec.stop_price is None:
        return False
    return price >= spec.stop_price if is_above_market(spec) else price <= spec.stop_price


def follow(order: Order, price: Decimal, venue_ms: int) -> None:
    """Let an order that trails see the market's price: activate it, or keep the best price so far."""
    spec = order.spec
    if spec.trailing_delta is None:
        return
    if order.trail is not None:
        best = min if spec.side is Side.BUY else max
        order.trail.best_price = best(order.trail.best_price, price)
    elif spec.stop_price is None or reaches_stop(spec, price):
        order.trail = Trail(best_price=price, since_ms=venue_ms)


def is_triggered(order: Order, price: Decimal) -> bool:
    """Tell whether what an order waits for has happened."""
    spec = order.spec
    if spec.trailing_delta is None:
        return reaches_stop(spec, price)
    if order.trail is None:
        return False
    delta = order.trail.best_price * spec.trailing_delta / _BASIS_POINTS
    if spec.side is Side.BUY:
        return price >= order.trail.best_price + delta
    return price <= order.trail.best_price - delta
