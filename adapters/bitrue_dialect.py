"""The REST dialect of Bitrue spot (`/api/v1`).

It looks like Binance's and behaves otherwise:

- a placement is only acknowledged, so what became of it has to be asked, and success does not mean acceptance
- business errors arrive under HTTP 200
- there are market and limit orders good till cancelled and nothing else; a quote quantity is converted here,
  rounded down
- orders are looked up and cancelled without an id that can be relied on: see `bitrue_orders.py`

Source: Bitrue spot README of July 2023, and what ccxt and hummingbot saw live.
"""

from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import Final

from adapters import keys
from adapters.abilities import Abilities
from adapters.bitrue_orders import BitrueOrders
from adapters.bitrue_rules import TYPES, read_limit, read_symbol
from adapters.dialect import Dialect
from adapters.error_tables.bitrue_spot import TABLE
from adapters.errors import VenueError, refusal
from adapters.filters import to_base
from adapters.model import Order, SymbolRules, TimeInForce

_UNPROVEN: Final = (
    "Bitrue has no endpoint that tells what a key may do, and the flags of its account reply mean nothing: "
    "look at the key's rights and its IP list on the website; the first order proves the right to trade"
)


def _needs_price(order: Order, rules: SymbolRules) -> bool:
    """Whether an amount has to be converted at the market, or the minimum value is measured there."""
    return rules.min_notional is not None or (order.quote_quantity is not None and order.price is None)


def _with_quantity(order: Order, rules: SymbolRules, last_price: Decimal | None) -> Order | VenueError:
    if order.quote_quantity is None:
        return order
    price = order.price or last_price
    if price is None:
        return refusal("venue_unavailable", detail="the venue's last price, needed to convert, is not known")
    quantity = to_base(order.quote_quantity, price, rules)
    return replace(order, quantity=quantity, quote_quantity=None)


BITRUE_SPOT: Final = Dialect(
    api="/api/v1",
    table=TABLE,
    abilities=Abilities(
        order_types=TYPES,
        times_in_force=frozenset({TimeInForce.GTC}),
        quote_quantity_types=TYPES,
    ),
    orders=BitrueOrders,
    knows_by_shape=True,
    read_symbol=read_symbol,
    read_limit=read_limit,
    key_rights=partial(keys.rights_from_account, note=_UNPROVEN),
    balances=keys.balances,
    needs_price=_needs_price,
    write=_with_quantity,
)
