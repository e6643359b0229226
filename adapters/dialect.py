"""What Binance-like REST dialects share: how one is described, and what all of them ask and conclude the same way.

A `Dialect` is an API, its error table, what it can be asked for, how its symbols are read, and the
conversations about its orders (`Orders`). A venue is a dialect and a `Profile`; `rest_venue.py` puts them
together. A flow here yields one `Call` at a time and is sent its `Answer`; it never decides when, or whether,
a request is sent.
"""

from collections.abc import Callable, Container
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final, Protocol

from adapters.abilities import Abilities
from adapters.base import Flow
from adapters.error_tables.common import UNREADABLE_REPLY, proves_nothing
from adapters.error_tables.table import ErrorTable
from adapters.errors import REFUSALS, Landed, VenueError
from adapters.exchange_info import Filters, Row, read_rules
from adapters.model import (
    UNKNOWN_KEY_FORM,
    Accepted,
    Answer,
    Balance,
    Call,
    CancelledOrder,
    ExecutionReport,
    KeyForm,
    KeyRights,
    LookupFailed,
    Order,
    OrderType,
    Purpose,
    RateLimit,
    Refused,
    Security,
    Sighting,
    Sweep,
    SymbolRules,
    Unproven,
    VenueRules,
    Verdict,
)
from adapters.reports import fits, names_other, read_report, with_fills
from adapters.wire import decimal, milliseconds, plain, rows

UNREADABLE: Final = VenueError(entry=UNREADABLE_REPLY)

Params = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """The documented request weights of one venue.

    Order counts cannot be asked where their weight is `None`; `placed_free` says that an accepted placement or
    cancel costs none.
    """

    rules: int
    price: int
    query: int
    open_orders: int
    trades: int
    account: int
    order_counts: int | None = None
    placed_free: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What differs between venues of one dialect."""

    name: str
    base_url: str
    weights: Weights
    fallback_limits: tuple[RateLimit, ...]
    key_form: KeyForm = UNKNOWN_KEY_FORM
    kept_for_reducing: float = 0.0


class Orders(Protocol):
    """The conversations about orders; see `Adapter`, which hands them on."""

    def place(self, order: Order) -> Call:
        """Encode a placement."""

    def read_placement(self, order: Order, answer: Answer) -> Verdict:
        """Read the answer to a placement."""

    def test_order(self, order: Order) -> Call | None:
        """Encode a dry run, `None` where there is none."""

    def find(self, order: Order, *, venue_order_id: str | None, since_ms: int) -> Flow[Sighting]:
        """Look an order up."""

    def find_by_id(self, symbol: str, client_order_id: str, *, since_ms: int) -> Flow[Sighting]:
        """Look an order up by our id alone."""

    def cancel(self, symbol: str, client_order_id: str, venue_order_id: str | None) -> Flow[Verdict]:
        """Cancel one order."""

    def cancel_all(self, symbol: str) -> Flow[Sweep]:
        """Cancel every open order of a symbol."""


def _as_it_is(order: Order, rules: SymbolRules, price: Decimal | None) -> Order | VenueError:
    del rules, price
    return order


def _never(order: Order, rules: SymbolRules) -> bool:
    del order, rules
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How every venue with one API is spoken to.

    `price` is the resource and the field that hold the price its rules are measured with; `needs_price` tells
    when they are, and `write` puts an order the API's way once it is known to have what the order asks for.
    `spends_balances` is false where margin, and not what is held, decides about an order. `knows_by_shape` is true
    where a look-up may have to take an order without our id for ours because it looks like it.
    """

    api: str
    table: ErrorTable
    abilities: Abilities
    orders: Callable[["Rest"], Orders]
    read_symbol: Callable[[Row, Filters], SymbolRules | None]
    read_limit: Callable[[Row], RateLimit | None]
    key_rights: Callable[["Rest"], Flow[KeyRights | VenueError]]
    balances: Callable[["Rest"], Flow[tuple[Balance, ...] | VenueError]]
    price: tuple[str, str] = ("ticker/price", "price")
    spends_balances: bool = True
    knows_by_shape: bool = False
    needs_price: Callable[[Order, SymbolRules], bool] = _never
    write: Callable[[Order, SymbolRules, Decimal | None], Order | VenueError] = _as_it_is


class Rest:
    """The requests of one API at one venue, and the answers that are read the same way everywhere."""

    def __init__(self, api: str, table: ErrorTable, weights: Weights) -> None:
        self._api = api
        self.table, self.weights = table, weights

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
        """Describe a request to one of the API's resources; a name that starts with a slash is a path of its own."""
        return Call(
            method=method,
            path=name if name.startswith("/") else f"{self._api}/{name}",
            params=params,
            security=security,
            purpose=purpose,
            weight=weight,
            orders=orders,
            free_when_accepted=free_when_accepted,
        )

    def ask(self, call: Call) -> Flow[tuple[object, VenueError | None]]:
        """Send a request; return the decoded body and the error, if it is one."""
        return self.table.read((yield call))

    def server_time(self) -> Flow[int | VenueError]:
        """Ask the venue's clock."""
        body, error = yield from self.ask(self.call("GET", "time", Purpose.PROBE, security=Security.NONE))
        now_ms = milliseconds(body.get("serverTime")) if isinstance(body, dict) else None
        return error or now_ms or UNREADABLE

    def venue_rules(
        self,
        read_symbol: Callable[[Row, Filters], SymbolRules | None],
        read_limit: Callable[[Row], RateLimit | None],
    ) -> Flow[VenueRules | VenueError]:
        """Read symbols, filters and limits; asked for without parameters, which every venue understands."""
        weight = self.weights.rules
        call = self.call("GET", "exchangeInfo", Purpose.RULES, weight=weight, security=Security.NONE)
        body, error = yield from self.ask(call)
        return error or read_rules(body, read_symbol, read_limit) or UNREADABLE

    def last_price(self, symbol: str, resource: str, field: str) -> Flow[Decimal | VenueError]:
        """Ask the price that rules are measured with; some venues answer with an array of one."""
        params = (("symbol", symbol),)
        weight = self.weights.price
        call = self.call("GET", resource, Purpose.LOOKUP, params, weight=weight, security=Security.NONE)
        body, error = yield from self.ask(call)
        price = next((decimal(row.get(field)) for row in rows(body)), None)
        return error or (price if price and price > 0 else UNREADABLE)

    def read_placement(self, order: Order, answer: Answer) -> Verdict:
        """Read the answer to a placement: accepted only on the strength of a body that names this very order."""
        body, error = self.table.read(answer)
        if error is not None:
            return doubt(error)
        if not isinstance(body, dict) or names_other(body, order.client_order_id):
            return Unproven(error=UNREADABLE)
        report = read_report(body, order)
        if report is None or not fits(order, report):
            return Unproven(error=UNREADABLE)
        return Accepted(report=report)

    def complete(self, report: ExecutionReport, trades: Params, resource: str) -> Flow[ExecutionReport]:
        """Add the fills and fees of an order, which a query of the order itself does not tell.

        They are an addition: a venue that does not tell them, or not all of them yet, leaves the report as it is.
        """
        if not report.executed_quantity or report.fills:
            return report
        params = (("symbol", report.symbol), *trades)
        call = self.call("GET", resource, Purpose.LOOKUP, params, weight=self.weights.trades)
        body, error = yield from self.ask(call)
        return report if error is not None else with_fills(report, body)


def order_params(order: Order) -> list[tuple[str, str]]:
    """Write a spot order as parameters, leaving out what it has not; a trailing stop is a stop loss that trails."""
    kind = OrderType.STOP_LOSS if order.type is OrderType.TRAILING_STOP else order.type
    params = [("symbol", order.symbol), ("side", order.side.upper()), ("type", kind.upper())]
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
    if order.trailing_delta is not None:
        params.append(("trailingDelta", plain(order.trailing_delta)))
    params.append(("newClientOrderId", order.client_order_id))
    return params


def doubt(error: VenueError, orders: tuple[CancelledOrder, ...] = ()) -> Refused | Unproven:
    """Say what an error proves of a placement, a cancel, or a sweep of these orders."""
    if error.entry.landed is Landed.NO:
        return Refused(error=error)
    return Unproven(error=error, orders=orders)


def denies(error: VenueError, numbers: Container[int | None]) -> bool:
    """Whether a venue says that it has no such order; from a server in trouble even that proves nothing."""
    return error.venue_code in numbers and not proves_nothing(error.http_status or 0)


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
