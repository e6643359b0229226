"""What Binance-like REST dialects ask and conclude the same way; each dialect holds a `Rest` and adds its own orders.

A flow here yields one `Call` at a time and is sent its `Answer`; it never decides when, or whether, a request
is sent.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from adapters.base import Flow
from adapters.error_tables.common import UNREADABLE_REPLY
from adapters.error_tables.table import ErrorTable
from adapters.errors import REFUSALS, Landed, VenueError
from adapters.exchange_info import Filters, Row, read_rules
from adapters.model import (
    UNKNOWN_KEY_FORM,
    Call,
    CancelledOrder,
    KeyForm,
    LookupFailed,
    Order,
    Purpose,
    RateLimit,
    Refused,
    Security,
    SymbolRules,
    Unproven,
    VenueRules,
)
from adapters.reports import read_report
from adapters.wire import decimal, milliseconds, plain, rows

UNREADABLE: Final = VenueError(entry=UNREADABLE_REPLY)

Params = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What differs between venues of one dialect."""

    name: str
    base_url: str
    api: str
    fallback_limits: tuple[RateLimit, ...]
    key_form: KeyForm = UNKNOWN_KEY_FORM


class Rest:
    """The requests of one API and the answers to its public ones."""

    def __init__(self, api: str, table: ErrorTable) -> None:
        self._api = api
        self._table = table

    def call(
        self,
        method: str,
        name: str,
        purpose: Purpose,
        params: Params = (),
        *,
        weight: int = 1,
        orders: int = 0,
        security: Security = Security.SIGNED,
        free_when_accepted: bool = False,
    ) -> Call:
        """Describe a request to one of the API's resources."""
        return Call(
            method=method,
            path=f"{self._api}/{name}",
            params=params,
            security=security,
            purpose=purpose,
            weight=weight,
            orders=orders,
            free_when_accepted=free_when_accepted,
        )

    def ask(self, call: Call) -> Flow[tuple[object, VenueError | None]]:
        """Send a request; return the decoded body and the error, if it is one."""
        return self._table.read((yield call))

    def server_time(self) -> Flow[int | VenueError]:
        """Ask the venue's clock."""
        body, error = yield from self.ask(self.call("GET", "time", Purpose.PROBE, security=Security.NONE))
        now_ms = milliseconds(body.get("serverTime")) if isinstance(body, dict) else None
        return error or now_ms or UNREADABLE

    def venue_rules(
        self,
        read_symbol: Callable[[Row, Filters], SymbolRules | None],
        read_limit: Callable[[Row], RateLimit | None],
        *,
        weight: int,
    ) -> Flow[VenueRules | VenueError]:
        """Read symbols, filters and limits; asked for without parameters, which every venue understands."""
        call = self.call("GET", "exchangeInfo", Purpose.RULES, weight=weight, security=Security.NONE)
        body, error = yield from self.ask(call)
        return error or read_rules(body, read_symbol, read_limit) or UNREADABLE

    def last_price(self, symbol: str, *, weight: int) -> Flow[Decimal | VenueError]:
        """Ask the last price of a symbol; some venues answer with an array of one."""
        params = (("symbol", symbol),)
        call = self.call("GET", "ticker/price", Purpose.LOOKUP, params, weight=weight, security=Security.NONE)
        body, error = yield from self.ask(call)
        price = next((decimal(row.get("price")) for row in rows(body)), None)
        return error or (price if price and price > 0 else UNREADABLE)


def order_params(order: Order) -> list[tuple[str, str]]:
    """Write an order as parameters, leaving out what it has not."""
    params = [("symbol", order.symbol), ("side", order.side.upper()), ("type", order.type.upper())]
    if order.time_in_force is not None:
        params.append(("timeInForce", order.time_in_force.upper()))
    if order.quantity is not None:
        params.append(("quantity", plain(order.quantity)))
    if order.quote_quantity is not None:
        params.append(("quoteOrderQty", plain(order.quote_quantity)))
    if order.price is not None:
        params.append(("price", plain(order.price)))
    if order.stop_price is not None:
        params.append(("stopPrice", plain(order.stop_price)))
    params.append(("newClientOrderId", order.client_order_id))
    return params


def doubt(error: VenueError) -> Refused | Unproven:
    """Say what an error proves of a placement or a cancel."""
    return Refused(error=error) if error.entry.landed is Landed.NO else Unproven(error=error)


def not_found(error: VenueError | None) -> Refused:
    """Say that the venue proves that there is no such order, in the venue's words when it used any."""
    entry = REFUSALS["order_not_found"]
    return Refused(error=VenueError(entry=entry) if error is None else replace(error, entry=entry))


def lookup_failed(error: VenueError | None) -> LookupFailed:
    """Say that the venue could not be asked."""
    return LookupFailed(error=error or UNREADABLE)


def cancelled_orders(body: object) -> tuple[CancelledOrder, ...]:
    """Read the ids of orders; order lists carry theirs one level deeper."""
    found = []
    for row in rows(body):
        for entry in rows(row.get("orderReports")) or [row]:
            report = read_report(entry)
            if report is not None:
                found.append(
                    CancelledOrder(
                        client_order_id=report.client_order_id, venue_order_id=report.venue_order_id
                    )
                )
    return tuple(found)
