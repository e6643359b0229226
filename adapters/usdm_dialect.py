"""The REST dialect of Binance's USD-M futures (`/fapi/v1`).

What an order can ask for here that spot has not: which position it is about (`position_side`, in hedge mode), only to
reduce it (`reduce_only`), to close it (`close_position`, on stop orders), a date it ends at (`gtd`). There are no quote
quantities. How orders are placed and found is in `usdm_orders.py`, how symbols are read in `usdm_rules.py`.

Source: Binance USD-M documentation of January 2026 and its change log, and the official SDK of August 2026.
"""

from decimal import Decimal
from functools import partial
from typing import Final

from adapters import keys
from adapters.abilities import OPTIONS, Abilities
from adapters.base import Flow
from adapters.dialect import UNREADABLE, Dialect, Rest
from adapters.error_tables.binance_usdm import TABLE
from adapters.errors import VenueError, refusal
from adapters.exchange_info import read_limit
from adapters.model import Balance, Order, OrderType, PositionSide, Purpose, Side, SymbolRules, TimeInForce
from adapters.usdm_algo import CONDITIONAL
from adapters.usdm_orders import UsdmOrders
from adapters.usdm_rules import read_symbol
from adapters.wire import decimal, rows, text

_CLOSING_TYPES: Final = frozenset({OrderType.STOP_LOSS, OrderType.TAKE_PROFIT})
_UNPROVEN: Final = (
    "The futures API does not tell what a key may do: look at the key's rights on the website "
    "(the same key can be checked as an account of venue binance)"
)


def _needs_price(order: Order, rules: SymbolRules) -> bool:
    """Whether a rule of the mark price applies: to a market order its notional, to a limit the band."""
    if order.type is OrderType.MARKET:
        return rules.min_notional is not None and not order.reduce_only
    has_band = rules.bid_multiplier_up is not None or rules.ask_multiplier_down is not None
    return has_band and order.type not in CONDITIONAL


def _write(order: Order, rules: SymbolRules, price: Decimal | None) -> Order | VenueError:
    """Refuse what the API has no words for; the order stays as it is otherwise."""
    del rules, price
    if order.close_position and order.type not in _CLOSING_TYPES:
        return refusal(
            "unsupported_option",
            detail="binance_usdm takes close_position on stop_loss, take_profit orders only",
        )
    if order.reduce_only and not order.close_position and _opens_a_side(order):
        return refusal(
            "unsupported_option",
            detail=f"a {order.side} of the {order.position_side} position opens it and takes no reduce_only",
        )
    if order.time_in_force is not TimeInForce.GTD:
        return order
    if order.type in CONDITIONAL:
        return refusal(
            "unsupported_time_in_force",
            detail=f"binance_usdm has no gtd {order.type} orders; it has fok, gtc, ioc",
        )
    if order.good_till_ms is None:
        return refusal("invalid_signal", detail="a gtd order needs a valid_until, until which it rests")
    return order


def _opens_a_side(order: Order) -> bool:
    return (order.position_side, order.side) in {
        (PositionSide.LONG, Side.BUY),
        (PositionSide.SHORT, Side.SELL),
    }


def _balances(rest: Rest) -> Flow[tuple[Balance, ...] | VenueError]:
    """Ask what the futures wallet holds; what margin and positions bind is locked."""
    call = rest.call("GET", "/fapi/v3/balance", Purpose.RULES, weight=rest.weights.account)
    body, error = yield from rest.ask(call)
    if error is not None or not isinstance(body, list):
        return error or UNREADABLE
    found = []
    for row in rows(body):
        asset, total, free = (
            text(row.get("asset")),
            decimal(row.get("balance")),
            decimal(row.get("availableBalance")),
        )
        if asset is not None and total is not None and free is not None and (total or free):
            found.append(Balance(asset=asset.upper(), free=free, locked=max(total - free, Decimal(0))))
    return tuple(found)


USDM: Final = Dialect(
    api="/fapi/v1",
    table=TABLE,
    abilities=Abilities(
        order_types=frozenset(OrderType),
        times_in_force=frozenset(TimeInForce),
        trailing_types=frozenset({OrderType.TRAILING_STOP}),
        options=frozenset(OPTIONS),
    ),
    orders=UsdmOrders,
    read_symbol=read_symbol,
    read_limit=read_limit,
    key_rights=partial(keys.rights_from_account, ask=_balances, note=_UNPROVEN),
    balances=_balances,
    spends_balances=False,
    price=("premiumIndex", "markPrice"),
    needs_price=_needs_price,
    write=_write,
)
