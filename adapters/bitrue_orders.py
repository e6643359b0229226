"""Look orders up at Bitrue and cancel them, without an id that can be relied on.

Our own id may be stored empty, and looking an order up by it is not documented to work. So an order whose
venue id is unknown is searched among the open orders, then among all since the signal: by our id, and failing
that by its shape, but only among orders that carry no id. Two candidates are ambiguous, never a guess. There
is no cancel-all (one DELETE an order), and a cancel takes effect after it was answered, so it is asked again.

Source: Bitrue spot README of July 2023, and what ccxt and hummingbot saw live.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

from adapters.base import Flow
from adapters.dialect import UNREADABLE, Params, Rest, denies, doubt, lookup_failed, not_found, order_params
from adapters.errors import VenueError, refusal
from adapters.model import (
    Absent,
    Accepted,
    AllCancelled,
    Ambiguous,
    Answer,
    Call,
    CancelledOrder,
    ExecutionReport,
    Found,
    LookupFailed,
    Order,
    Purpose,
    Refused,
    Sighting,
    Sweep,
    Unproven,
    Verdict,
)
from adapters.reports import TIME_SLACK_MS, fits, has_shape, is_older, is_surely_recent, read_report, sight
from adapters.single_orders import conclude_cancel
from adapters.wire import rows

_NO_SUCH_ORDER: Final = frozenset({-2013})
_NOT_OPEN: Final = frozenset({-2010, -2011, *_NO_SUCH_ORDER})
_PAGE: Final = 1_000
_PAGES: Final = 10


class BitrueOrders:
    """The conversations about orders that exist, or may."""

    def __init__(self, rest: Rest) -> None:
        self._rest = rest

    # --- Placing

    def place(self, order: Order) -> Call:
        """Encode a placement."""
        return self._rest.call("POST", "order", Purpose.PLACE, tuple(order_params(order)), orders=1)

    def read_placement(self, order: Order, answer: Answer) -> Verdict:
        """Read the acknowledgement of a placement."""
        return self._rest.read_placement(order, answer)

    def test_order(self, order: Order) -> Call | None:  # noqa: ARG002 - the protocol's signature
        """Bitrue has no dry run."""
        return None

    # --- Looking up

    def find(self, order: Order, *, venue_order_id: str | None, since_ms: int) -> Flow[Sighting]:
        """Look an order up: by the venue's id when it is known, by our id and its shape otherwise."""
        if venue_order_id is not None:
            sighting = yield from self._find_by_venue_id(order.symbol, venue_order_id)
        else:
            sighting = yield from self._search(order.symbol, order.client_order_id, since_ms, shape=order)
        if not isinstance(sighting, Found):
            return sighting
        if not fits(order, sighting.report):
            return Ambiguous(candidates=1)
        return Found(report=(yield from self._complete(sighting.report)))

    def _complete(self, report: ExecutionReport) -> Flow[ExecutionReport]:
        """Add fills and fees from the list of trades, which cannot be asked for one order."""
        if report.created_ms is None:
            return report
        trades = (("startTime", str(report.created_ms - TIME_SLACK_MS)), ("limit", str(_PAGE)))
        return (yield from self._rest.complete(report, trades, "/api/v2/myTrades"))

    def find_by_id(self, symbol: str, client_order_id: str, *, since_ms: int) -> Flow[Sighting]:
        """Look an order up by our id alone."""
        sighting = yield from self._search(symbol, client_order_id, since_ms, shape=None)
        return (
            Found(report=(yield from self._complete(sighting.report)))
            if isinstance(sighting, Found)
            else sighting
        )

    def _find_by_venue_id(self, symbol: str, venue_order_id: str) -> Flow[Sighting]:
        params = (("symbol", symbol), ("orderId", venue_order_id))
        body, error = yield from self._rest.ask(self._rest.call("GET", "order", Purpose.LOOKUP, params))
        if error is not None:
            return Absent() if denies(error, _NO_SUCH_ORDER) else lookup_failed(error)
        report = read_report(body) if isinstance(body, dict) else None
        if report is None or report.venue_order_id != venue_order_id:
            return lookup_failed(None)
        return Found(report=report)

    def _search(
        self, symbol: str, client_order_id: str, since_ms: int, *, shape: Order | None
    ) -> Flow[Sighting]:
        """Search the open orders, then all since a moment; each order counts once however often it is listed."""
        seen = yield from self._open_orders(symbol, Purpose.LOOKUP)
        if isinstance(seen, VenueError):
            return lookup_failed(seen)
        sighting = _pick(seen.values(), client_order_id, since_ms, None)
        if not isinstance(sighting, Absent):
            return sighting
        everything = yield from self._all_orders(symbol, since_ms)
        if isinstance(everything, VenueError):
            return lookup_failed(everything)
        return _pick((seen | everything).values(), client_order_id, since_ms, shape)

    def _open_orders(self, symbol: str, purpose: Purpose) -> Flow[dict[str, ExecutionReport] | VenueError]:
        call = self._rest.call("GET", "openOrders", purpose, (("symbol", symbol),))
        body, error = yield from self._rest.ask(call)
        return error or (_by_id(body) if isinstance(body, list) else UNREADABLE)

    def _all_orders(self, symbol: str, since_ms: int) -> Flow[dict[str, ExecutionReport] | VenueError]:
        """Read every order since a moment, page by page; absence from a cut list would prove nothing."""
        found: dict[str, ExecutionReport] = {}
        start_ms = since_ms - TIME_SLACK_MS
        for _ in range(_PAGES):
            page = yield from self._orders_page(symbol, start_ms)
            if isinstance(page, VenueError):
                return page
            if len(page) < _PAGE or start_ms <= 0:
                return found | page
            if not found and not (yield from self._lists_oldest_first(symbol, start_ms, page)):
                break
            found |= page
            newest_ms = max(_created_ms(report) for report in page.values())
            if newest_ms <= start_ms:
                break
            start_ms = newest_ms
        return UNREADABLE

    def _lists_oldest_first(self, symbol: str, start_ms: int, page: dict[str, ExecutionReport]) -> Flow[bool]:
        """Ask which end of a longer list a page is: a page of the newest would leave a gap that nobody sees."""
        first = yield from self._orders_page(symbol, start_ms, 1)
        if isinstance(first, VenueError) or len(first) != 1:
            return False
        oldest_ms = min(_created_ms(report) for report in page.values())
        return all(_created_ms(report) == oldest_ms for report in first.values())

    def _orders_page(
        self, symbol: str, start_ms: int, limit: int = _PAGE
    ) -> Flow[dict[str, ExecutionReport] | VenueError]:
        """Read one page, the newest one when there is no moment to start from."""
        params = [("symbol", symbol), ("limit", str(limit))]
        if start_ms > 0:
            params.append(("startTime", str(start_ms)))
        call = self._rest.call("GET", "allOrders", Purpose.LOOKUP, tuple(params), weight=5)
        body, error = yield from self._rest.ask(call)
        return error or (_by_id(body) if isinstance(body, list) else UNREADABLE)

    # --- Cancelling

    def cancel(self, symbol: str, client_order_id: str, venue_order_id: str | None) -> Flow[Verdict]:
        """Cancel one order by the venue's id, then ask what became of it."""
        verdict = yield from self._cancel(symbol, client_order_id, venue_order_id)
        return (
            Accepted(report=(yield from self._complete(verdict.report)))
            if isinstance(verdict, Accepted)
            else verdict
        )

    def _cancel(self, symbol: str, client_order_id: str, venue_order_id: str | None) -> Flow[Verdict]:
        if venue_order_id is None:
            sighting = yield from self._search(symbol, client_order_id, 0, shape=None)
            match sighting:
                case Found(report=report) if _is_closed(report):
                    return Accepted(report=report)
                case Found(report=report):
                    venue_order_id = report.venue_order_id
                case LookupFailed(error=error):
                    return Unproven(error=error)
                case Ambiguous():
                    return Unproven(error=refusal("resolution_exhausted"))
                case Absent():
                    # Not listed under our id. The venue may still know it by that id, or prove that it does not.
                    return (yield from self._cancel_by_our_id(symbol, client_order_id))
        return (yield from self._cancel_by_venue_id(symbol, venue_order_id))

    def _cancel_by_our_id(self, symbol: str, client_order_id: str) -> Flow[Verdict]:
        call = self._delete((("symbol", symbol), ("origClientOrderId", client_order_id)))
        body, error = yield from self._rest.ask(call)
        if error is not None:
            return not_found(error) if denies(error, _NO_SUCH_ORDER) else doubt(error)
        report = read_report(body) if isinstance(body, dict) else None
        if report is None:
            return Unproven(error=UNREADABLE)
        return (yield from self._confirm(symbol, report.venue_order_id, refusal_seen=None))

    def _cancel_by_venue_id(self, symbol: str, venue_order_id: str) -> Flow[Verdict]:
        verdict, is_accepted = yield from self._cancel_once(symbol, venue_order_id)
        if not is_accepted and _is_open(verdict):
            # Refused as not open, yet it is open: it reached the book between the two requests.
            verdict, _ = yield from self._cancel_once(symbol, venue_order_id)
        return verdict

    def _cancel_once(self, symbol: str, venue_order_id: str) -> Flow[tuple[Verdict, bool]]:
        call = self._delete((("symbol", symbol), ("orderId", venue_order_id)))
        _, error = yield from self._rest.ask(call)
        if error is not None and error.venue_code not in _NOT_OPEN:
            return doubt(error), False
        verdict = yield from self._confirm(symbol, venue_order_id, refusal_seen=error)
        return verdict, error is None

    def _confirm(self, symbol: str, venue_order_id: str, *, refusal_seen: VenueError | None) -> Flow[Verdict]:
        """Ask twice at most: a cancel is answered before it takes effect."""
        sighting = yield from self._find_by_venue_id(symbol, venue_order_id)
        if refusal_seen is None and isinstance(sighting, Found) and not _is_closed(sighting.report):
            sighting = yield from self._find_by_venue_id(symbol, venue_order_id)
        return conclude_cancel(sighting, refusal_seen)

    def cancel_all(self, symbol: str) -> Flow[Sweep]:
        """Cancel every open order of a symbol one by one, and look whether any is left."""
        closed: dict[str, ExecutionReport] = {}
        for _ in range(2):
            still_open = yield from self._open_orders(symbol, Purpose.CANCEL)
            if isinstance(still_open, VenueError):
                return _half_swept(still_open, closed)
            if not still_open:
                return AllCancelled(orders=_cancelled(closed.values()))
            for venue_order_id, report in still_open.items():
                call = self._delete((("symbol", symbol), ("orderId", venue_order_id)))
                _, error = yield from self._rest.ask(call)
                if error is None:
                    closed[venue_order_id] = report
                elif error.venue_code not in _NOT_OPEN:
                    return _half_swept(error, closed, report)
        still_open = yield from self._open_orders(symbol, Purpose.CANCEL)
        if isinstance(still_open, VenueError):
            return _half_swept(still_open, closed)
        if still_open:
            detail = f"{len(still_open)} orders of {symbol} are still open after their cancels were accepted"
            return Unproven(error=replace(UNREADABLE, detail=detail), orders=_cancelled(closed.values()))
        return AllCancelled(orders=_cancelled(closed.values()))

    def _delete(self, params: Params) -> Call:
        # A cancel counts as an order here.
        return self._rest.call("DELETE", "order", Purpose.CANCEL, params, orders=1)


def _by_id(body: Iterable[object]) -> dict[str, ExecutionReport]:
    reports = [read_report(row) for row in rows(body)]
    return {report.venue_order_id: report for report in reports if report is not None}


def _created_ms(report: ExecutionReport) -> int:
    return report.created_ms or 0


def _pick(
    reports: Iterable[ExecutionReport], client_order_id: str, since_ms: int, shape: Order | None
) -> Sighting:
    """Choose the order with our id, else the only one of that shape that carries no id."""
    known = list(reports)
    named = [report for report in known if report.client_order_id == client_order_id]
    if len(named) == 1:
        return sight(named[0], since_ms)
    recent = [report for report in known if not is_older(report, since_ms)]
    matching = [report for report in recent if report.client_order_id == client_order_id]
    if not matching and shape is not None:
        matching = [report for report in recent if not report.client_order_id and has_shape(shape, report)]
        # A twin from just before, or one of unknown size, may be another signal's order.
        if matching and (shape.quantity is None or not is_surely_recent(matching[0], since_ms)):
            return Ambiguous(candidates=len(matching))
    if not matching:
        return Absent()
    return Found(report=matching[0]) if len(matching) == 1 else Ambiguous(candidates=len(matching))


def _is_closed(report: ExecutionReport) -> bool:
    return report.state is not None and report.state.is_closed


def _is_open(verdict: Verdict) -> bool:
    return isinstance(verdict, Accepted) and not _is_closed(verdict.report)


def _cancelled(reports: Iterable[ExecutionReport]) -> tuple[CancelledOrder, ...]:
    return tuple(
        CancelledOrder(client_order_id=report.client_order_id, venue_order_id=report.venue_order_id)
        for report in reports
    )


def _half_swept(
    error: VenueError, closed: Mapping[str, ExecutionReport], *asked: ExecutionReport
) -> Refused | Unproven:
    """Read an error in the middle of a sweep: no refusal once an order was closed."""
    orders = _cancelled([*closed.values(), *asked])
    return Unproven(error=error, orders=orders) if closed else doubt(error, orders)
