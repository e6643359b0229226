"""Every order the sandbox ever took and every execution: the truth that checks compare outcomes with.

Orders are never forgotten until a reset. The indexes answer the venue's own queries and the question that
matters most: which client order ids were placed, or even executed, more than once.
"""

from collections import Counter
from collections.abc import Callable, Container, Iterator
from decimal import Decimal
from itertools import islice
from typing import Any

from adapters.sandbox.model import Dialect, Order
from adapters.sandbox.wire import plain

_Key = tuple[str, str]


class Ledger:
    """Orders by id, by account and symbol, and by client order id."""

    def __init__(self) -> None:
        self.orders: list[Order] = []
        self._by_id: dict[int, Order] = {}
        self._by_symbol: dict[_Key, list[Order]] = {}
        self._open: dict[_Key, dict[int, Order]] = {}
        self._by_client_id: dict[_Key, list[Order]] = {}
        self._repeated: set[_Key] = set()

    def add(self, order: Order) -> None:
        """Record a new order."""
        spec = order.spec
        place = (spec.account, spec.symbol)
        self.orders.append(order)
        self._by_id[order.order_id] = order
        self._by_symbol.setdefault(place, []).append(order)
        self._open.setdefault(place, {})[order.order_id] = order
        if not spec.client_order_id:
            return
        same = self._by_client_id.setdefault((spec.account, spec.client_order_id), [])
        same.append(order)
        if len(same) > 1:
            self._repeated.add((spec.account, spec.client_order_id))

    def add_id(self, order_id: int, order: Order) -> None:
        """Record a second id of an order."""
        self._by_id[order_id] = order

    def closed(self, order: Order) -> None:
        """Note that an order left the book."""
        self._open[order.spec.account, order.spec.symbol].pop(order.order_id, None)

    def by_id(self, account: str, symbol: str | None, order_id: int) -> Order | None:
        """Return an account's order; no symbol means any."""
        order = self._by_id.get(order_id)
        if order is None or order.spec.account != account or symbol not in {None, order.spec.symbol}:
            return None
        return order

    def by_client_id(
        self,
        account: str,
        symbol: str | None,
        client_order_id: str,
        visible_at_ms: int | None = None,
        *,
        where: Callable[[Order], bool] = lambda _: True,
    ) -> Order | None:
        """Return the newest order with a client order id; an open one goes before those that have closed."""
        candidates = [
            order
            for order in reversed(self._by_client_id.get((account, client_order_id), ()))
            if symbol in {None, order.spec.symbol}
            and (visible_at_ms is None or order.visible_at_ms <= visible_at_ms)
            and where(order)
        ]
        return next((order for order in candidates if order.is_open), candidates[0] if candidates else None)

    def is_open(self, account: str, client_order_id: str) -> bool:
        """Tell whether an open order has this client order id."""
        same = self._by_client_id.get((account, client_order_id))
        return bool(same) and any(order.is_open for order in reversed(same or ()))

    def open_orders(self, account: str, symbol: str | None = None) -> list[Order]:
        """Return an account's open orders, oldest first."""
        if symbol is not None:
            return list(self._open.get((account, symbol), {}).values())
        found = [
            order
            for (owner, _), orders in self._open.items()
            if owner == account
            for order in orders.values()
        ]
        return sorted(found, key=lambda order: order.order_id)

    def count_open(self, account: str, symbol: str) -> int:
        """Return how many orders an account has open on a symbol."""
        return len(self._open.get((account, symbol), ()))

    def all_open(self, symbol: str, dialects: Container[Dialect]) -> Iterator[Order]:
        """Yield everybody's open orders on a symbol of these venues."""
        for (_, name), orders in list(self._open.items()):
            if name == symbol:
                yield from [order for order in orders.values() if order.spec.dialect in dialects]

    def history(self, account: str, symbol: str) -> list[Order]:
        """Return all of an account's orders on a symbol, oldest first."""
        return self._by_symbol.get((account, symbol), [])

    def page(self, account: str | None, after: int, limit: int) -> dict[str, Any]:
        """Return orders as JSON values; `next` is the `after` of the next page, or null at the end."""
        chosen = (
            (index, order)
            for index, order in enumerate(islice(self.orders, after, None), start=after)
            if account is None or order.spec.account == account
        )
        rows = list(islice(chosen, limit))
        following = rows[-1][0] + 1 if len(rows) == limit and rows[-1][0] + 1 < len(self.orders) else None
        return {
            "orders": [describe(order) for _, order in rows],
            "next": following,
            "total": len(self.orders),
        }

    def summary(self) -> dict[str, Any]:
        """Return counts, and the client order ids that were placed or executed more than once."""
        repeated = sorted(self._repeated)
        executed = [
            key for key in repeated if sum(bool(order.fills) for order in self._by_client_id[key]) > 1
        ]
        return {
            "orders": len(self.orders),
            "executions": sum(len(order.fills) for order in self.orders),
            "by_status": Counter(order.status.value for order in self.orders),
            "by_account": Counter(order.spec.account for order in self.orders),
            "placed_more_than_once": [self._repetition(key) for key in repeated],
            "executed_more_than_once": [self._repetition(key) for key in executed],
        }

    def _repetition(self, key: _Key) -> dict[str, Any]:
        account, client_order_id = key
        orders = self._by_client_id[key]
        return {
            "account": account,
            "client_order_id": client_order_id,
            "venue_order_ids": [str(order.order_id) for order in orders],
        }


def describe(order: Order) -> dict[str, Any]:
    """Return an order and its executions as JSON values; decimals are strings."""
    spec = order.spec
    return {
        "account": spec.account,
        "dialect": spec.dialect.value,
        "client_order_id": spec.client_order_id,
        "venue_order_id": str(order.order_id),
        "symbol": spec.symbol,
        "side": spec.side.value,
        "type": spec.type.value,
        "time_in_force": spec.time_in_force.value,
        "quantity": plain(order.quantity),
        "quote_quantity": _optional(spec.quote_quantity),
        "price": _optional(spec.price),
        "stop_price": _optional(spec.stop_price),
        "trailing_delta": spec.trailing_delta,
        "position_side": spec.position_side.value,
        "reduce_only": spec.is_reduce_only or spec.closes_position,
        "status": order.status.value,
        "executed_quantity": plain(order.executed_quantity),
        "executed_quote": plain(order.executed_quote),
        "received_at_ms": order.received_at_ms,
        "accepted_at_ms": order.accepted_at_ms,
        "updated_at_ms": order.updated_at_ms,
        "executions": [
            {
                "trade_id": fill.trade_id,
                "price": plain(fill.price),
                "quantity": plain(fill.quantity),
                "fee": plain(fill.fee),
                "fee_asset": fill.fee_asset,
                "is_maker": fill.is_maker,
                "at_ms": fill.at_ms,
            }
            for fill in order.fills
        ],
    }


def _optional(value: Decimal | None) -> str | None:
    return None if value is None else plain(value)
