"""One order, asked for and cancelled by our id, where a venue keeps that id: Binance spot, ordinary orders of USD-M.

A look-up by client order id counts only with the age of what it found, because the id is unique among open orders only.
A cancel that is answered "unknown order" may mean filled, or not there yet: it proves nothing until the order was
looked up, and it is sent once more when the order turns out to be open.
"""

from collections.abc import Callable, Container

from adapters.base import Flow
from adapters.dialect import UNREADABLE, Rest, denies, doubt, lookup_failed, not_found
from adapters.errors import VenueError
from adapters.model import (
    Absent,
    Accepted,
    Call,
    ExecutionReport,
    Found,
    LookupFailed,
    OrderState,
    Purpose,
    Sighting,
    Unproven,
    Verdict,
)
from adapters.reports import names_other, read_report, sight


class SingleOrders:
    """What is asked about one order: `unknown` are the codes of "no such order", `trades` lists its executions."""

    def __init__(self, rest: Rest, *, unknown: Container[int | None], trades: str) -> None:
        self._rest, self._unknown, self._trades = rest, unknown, trades

    def look_up(self, symbol: str, client_order_id: str, since_ms: int) -> Flow[Sighting]:
        """Look an order up by our id."""
        params = (("symbol", symbol), ("origClientOrderId", client_order_id))
        weight = self._rest.weights.query
        body, error = yield from self._rest.ask(
            self._rest.call("GET", "order", Purpose.LOOKUP, params, weight=weight)
        )
        if error is not None:
            return Absent() if denies(error, self._unknown) else lookup_failed(error)
        if not isinstance(body, dict) or names_other(body, client_order_id):
            return lookup_failed(None)
        report = read_report(body)
        return lookup_failed(None) if report is None else sight(report, since_ms)

    def completed(self, sighting: Sighting) -> Flow[Sighting]:
        """Add fills and fees to an order that was found."""
        if not isinstance(sighting, Found):
            return sighting
        return Found(report=(yield from self._complete(sighting.report)))

    def cancel(self, call: Call) -> Flow[Verdict]:
        """Send a cancel that is answered with the order."""
        body, error = yield from self._rest.ask(call)
        if error is not None:
            return doubt(error)
        report = read_report(body) if isinstance(body, dict) else None
        if report is None:
            return Unproven(error=UNREADABLE)
        return Accepted(report=(yield from self._complete(report)))

    def _complete(self, report: ExecutionReport) -> Flow[ExecutionReport]:
        trades = (("orderId", report.venue_order_id), ("limit", "1000"))
        return (yield from self._rest.complete(report, trades, self._trades))


def cancel_until_closed(cancel: Callable[[], Flow[Verdict]]) -> Flow[Verdict]:
    """Cancel, and once more where the order was unknown and is open: it reached the book in between, or triggered."""
    verdict = yield from cancel()
    if isinstance(verdict, Accepted) and verdict.report.state is OrderState.OPEN:
        verdict = yield from cancel()
    return verdict


def conclude_cancel(sighting: Sighting, refusal: VenueError | None) -> Verdict:
    """Say what a look-up after a cancel proves; `refusal` is how the cancel was refused, `None` when it was accepted.

    An order that a cancel did not know and that is not shown does not exist; after an accepted one it has to be.
    """
    match sighting:
        case Found(report=report):
            return Accepted(report=report)
        case LookupFailed(error=error):
            return Unproven(error=error)
        case Absent() if refusal is not None:
            return not_found(refusal)
        case _:
            return Unproven(error=UNREADABLE)
