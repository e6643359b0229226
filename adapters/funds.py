"""Check an order against what the account holds, for accounts that want it before a request is spent.

Only what is certain is refused: what a limit order or an amount costs is known, what a market order by quantity costs
is not, so the venue judges that. Fees are left out for the same reason. It is a look at one moment: an order that fills
between the look and the order can make room or take it.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Final

from adapters.errors import VenueError, refusal
from adapters.model import Balance, Order, Side, SymbolRules
from adapters.wire import EXACT, plain

_NOTHING: Final = Decimal(0)


def check_funds(order: Order, rules: SymbolRules, balances: Iterable[Balance]) -> VenueError | None:
    """Return why the account cannot carry an order, if that is certain."""
    held = {balance.asset: balance for balance in balances}
    asset, cost = _cost(order, rules)
    free = held[asset].free if asset in held else _NOTHING
    if cost is not None and cost > free:
        detail = f"the order takes {plain(cost)} {asset}, and {plain(free)} {asset} is free"
        return refusal("insufficient_balance", detail=detail)
    return _check_position(order, rules, held.get(rules.base))


def _cost(order: Order, rules: SymbolRules) -> tuple[str, Decimal | None]:
    """What an order takes of which asset; `None` when only the market can tell."""
    if order.side is Side.SELL:
        return rules.base, order.quantity
    if order.quote_quantity is not None:
        return rules.quote, order.quote_quantity
    if order.price is None or order.quantity is None:
        return rules.quote, None
    return rules.quote, EXACT.multiply(order.price, order.quantity)


def _check_position(order: Order, rules: SymbolRules, base: Balance | None) -> VenueError | None:
    """MAX_POSITION bounds what a buy may bring the holding to; open buys count at the venue as well."""
    if rules.max_position is None or order.side is Side.SELL or order.quantity is None:
        return None
    held = _NOTHING if base is None else EXACT.add(base.free, base.locked)
    after = EXACT.add(held, order.quantity)
    if after <= rules.max_position:
        return None
    detail = (
        f"the account would hold {plain(after)} {rules.base}, at most {plain(rules.max_position)} is allowed"
    )
    return refusal("filter_max_position", detail=detail)
