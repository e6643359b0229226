"""Refuse what a venue does not have, before a request is spent, and name what it has instead."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from adapters.errors import VenueError, refusal
from adapters.model import Order, OrderType, SymbolRules, TimeInForce

PRICED_TYPES = frozenset(
    {OrderType.LIMIT, OrderType.LIMIT_MAKER, OrderType.STOP_LOSS_LIMIT, OrderType.TAKE_PROFIT_LIMIT}
)
STOP_TYPES = frozenset(
    {
        OrderType.STOP_LOSS,
        OrderType.STOP_LOSS_LIMIT,
        OrderType.TAKE_PROFIT,
        OrderType.TAKE_PROFIT_LIMIT,
    }
)
_TIMED_TYPES = PRICED_TYPES - {OrderType.LIMIT_MAKER}


OPTIONS = ("reduce_only", "close_position", "position_side", "trailing_delta")
"""Fields of an order that not every venue has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Abilities:
    """What a dialect can be asked for; `quote_quantity_types` take an amount of the quote asset."""

    order_types: frozenset[OrderType]
    times_in_force: frozenset[TimeInForce]
    quote_quantity_types: frozenset[OrderType] = frozenset()
    trailing_types: frozenset[OrderType] = frozenset()
    options: frozenset[str] = frozenset()


def with_time_in_force(order: Order) -> Order:
    """Write the default: limits are good till cancelled, other orders carry no time in force."""
    if order.type in _TIMED_TYPES:
        return order if order.time_in_force else replace(order, time_in_force=TimeInForce.GTC)
    return replace(order, time_in_force=None) if order.time_in_force is TimeInForce.GTC else order


def check_abilities(order: Order, rules: SymbolRules, abilities: Abilities, venue: str) -> VenueError | None:
    """Return the first thing asked for that the venue or the symbol has not."""
    if not rules.is_trading:
        return refusal("symbol_not_trading", detail=f"{rules.display} does not trade on {venue} now")
    if order.type not in abilities.order_types or order.type not in rules.order_types:
        have = abilities.order_types & rules.order_types
        return refusal(
            "unsupported_order_type",
            detail=f"{venue} has no {order.type} order for {rules.display}; it has {_listed(have)}",
        )
    return (
        _check_time_in_force(order, abilities, venue)
        or _check_options(order, rules, abilities, venue)
        or _check_completeness(order)
    )


def _check_time_in_force(order: Order, abilities: Abilities, venue: str) -> VenueError | None:
    wanted = order.time_in_force
    if wanted is None:
        return None
    if order.type not in _TIMED_TYPES:
        return refusal("unsupported_time_in_force", detail=f"a {order.type} order takes no time in force")
    if wanted in abilities.times_in_force:
        return None
    have = _listed(abilities.times_in_force)
    return refusal("unsupported_time_in_force", detail=f"{venue} has no {wanted} orders; it has {have}")


def _check_options(order: Order, rules: SymbolRules, abilities: Abilities, venue: str) -> VenueError | None:
    for name in OPTIONS:
        # `false` asks for nothing, so it does not need to be supported.
        if getattr(order, name) not in (None, False) and name not in abilities.options:
            return refusal("unsupported_option", detail=f"{venue} has no {name}")
    trailing = abilities.trailing_types & rules.order_types if rules.lets_stops_trail else frozenset()
    if order.trailing_delta is not None and order.type not in trailing:
        have = _listed(trailing)
        return refusal("unsupported_option", detail=f"{venue} takes a trailing_delta on {have} orders only")
    if order.quote_quantity is None:
        return None
    if not abilities.quote_quantity_types:
        return refusal("unsupported_option", detail=f"{venue} has no quote_quantity; send a quantity")
    if order.type not in abilities.quote_quantity_types:
        have = _listed(abilities.quote_quantity_types)
        return refusal("unsupported_option", detail=f"{venue} takes a quote_quantity on {have} orders only")
    if not rules.quote_quantity_allowed:
        return refusal(
            "unsupported_option", detail=f"{rules.display} takes no quote_quantity; send a quantity"
        )
    return None


def _check_completeness(order: Order) -> VenueError | None:
    """Find a field that the type needs or does not take; signals are checked for it long before."""
    kind, trails = order.type, order.trailing_delta is not None
    is_stop = kind in STOP_TYPES
    problem = None
    if (order.price is not None) is not (kind in PRICED_TYPES):
        problem = "needs a price" if order.price is None else "takes no price"
    elif order.stop_price is None and is_stop and not trails:
        problem = "needs a stop_price"
    elif order.stop_price is not None and not is_stop and kind is not OrderType.TRAILING_STOP:
        problem = "takes no stop_price"
    elif kind is OrderType.TRAILING_STOP and not trails:
        problem = "needs a trailing_delta"
    if problem is not None:
        return refusal("invalid_signal", detail=f"a {kind} order {problem}")
    amounts = (order.quantity is not None) + (order.quote_quantity is not None)
    if order.close_position and amounts:
        return refusal("invalid_signal", detail="an order that closes a position takes no quantity")
    if not order.close_position and amounts != 1:
        return refusal("invalid_signal", detail="an order has either a quantity or a quote_quantity")
    return None


def _listed(values: Iterable[str]) -> str:
    return ", ".join(sorted(values)) or "none"
