"""Orders of USD-M: ordinary ones at `/fapi/v1/order`, conditional ones at the algo service (`usdm_algo.py`).

Which of the two an order is follows from its type. A cancel knows our id alone, so it asks both, the ordinary one
first; so does a look-up by id. Our id is the same at both, and no two orders share it.

Replies to a placement leave out what was paid (since mid-2026), fees always, and of a limit that crosses that it
has filled. So an order is looked up before it is told, unless it has ended without an execution. Post-only is the
time in force GTX. Batch and modify are not used.

Source: Binance USD-M documentation, "New Order", "Query Order", "Cancel All Open Orders".
"""

from dataclasses import replace
from functools import partial
from typing import Final

from adapters.base import Flow
from adapters.dialect import (
    UNREADABLE,
    Params,
    Rest,
    cancelled_orders,
    doubt,
)
from adapters.errors import VenueError
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
    OrderState,
    OrderType,
    Purpose,
    Sighting,
    Sweep,
    Unproven,
    Verdict,
)
from adapters.reports import fits
from adapters.single_orders import SingleOrders, cancel_until_closed, conclude_cancel
from adapters.usdm_algo import CONDITIONAL, NO_SUCH_ORDER, AlgoOrders, Trace, position_params
from adapters.usdm_rules import WIRE_TYPES, purpose
from adapters.wire import plain, rows, text

_NO_SUCH_ADDRESS: Final = frozenset({404, 405})
_NOT_OPEN: Final = frozenset({-2011, *NO_SUCH_ORDER})


class UsdmOrders:
    """The conversations about orders on USD-M."""

    def __init__(self, rest: Rest) -> None:
        self._rest = rest
        self._algo = AlgoOrders(rest)
        self._single = SingleOrders(rest, unknown=NO_SUCH_ORDER, trades="userTrades")

    # --- Placing

    def place(self, order: Order) -> Call:
        """Encode a placement; it counts as an order and weighs nothing."""
        if order.type in CONDITIONAL:
            return self._algo.place(order)
        return self._rest.call("POST", "order", purpose(order), _order_params(order), weight=0, orders=1)

    def read_placement(self, order: Order, answer: Answer) -> Verdict:
        """Read the answer to a placement, which tells the whole fate of an order that ended with nothing done only."""
        if order.type in CONDITIONAL:
            return self._algo.read_placement(order, answer)
        verdict = self._rest.read_placement(order, answer)
        if not isinstance(verdict, Accepted) or _says_all(verdict.report):
            return verdict
        return Accepted(report=replace(verdict.report, is_abridged=True))

    def test_order(self, order: Order) -> Call | None:
        """Encode a dry run; the algo service has none."""
        if order.type in CONDITIONAL:
            return None
        return self._rest.call("POST", "order/test", Purpose.LOOKUP, _order_params(order))

    # --- Looking up

    def find(self, order: Order, *, venue_order_id: str | None, since_ms: int) -> Flow[Sighting]:  # noqa: ARG002
        """Look an order up by our id where its type says it is, and compare what was found."""
        if order.type in CONDITIONAL:
            trace = yield from self._algo.trace(order.symbol, order.client_order_id, since_ms)
            sighting = trace.sighting
        else:
            sighting = Absent()
        if isinstance(sighting, Absent):
            sighting = yield from self._single.look_up(order.symbol, order.client_order_id, since_ms)
        if isinstance(sighting, Found) and not fits(order, sighting.report):
            return Ambiguous(candidates=1)
        return (yield from self._single.completed(sighting))

    def find_by_id(self, symbol: str, client_order_id: str, *, since_ms: int) -> Flow[Sighting]:
        """Look an order up by our id alone: absent only when neither service knows it."""
        sighting = yield from self._single.look_up(symbol, client_order_id, since_ms)
        if isinstance(sighting, Absent):
            sighting = (yield from self._trace(symbol, client_order_id, since_ms)).sighting
        return (yield from self._single.completed(sighting))

    def _trace(self, symbol: str, client_order_id: str, since_ms: int) -> Flow[Trace]:
        """Look for an order that may never have been conditional: a house without the algo service has none."""
        trace = yield from self._algo.trace(symbol, client_order_id, since_ms)
        if isinstance(trace.sighting, LookupFailed) and _has_no_service(trace.sighting.error):
            return Trace(sighting=Absent())
        return trace

    # --- Cancelling

    def cancel(self, symbol: str, client_order_id: str, venue_order_id: str | None) -> Flow[Verdict]:  # noqa: ARG002
        """Cancel one order, ordinary or conditional; one that is not open any more is looked up."""
        return (yield from cancel_until_closed(partial(self._cancel_once, symbol, client_order_id)))

    def _cancel_once(self, symbol: str, client_order_id: str) -> Flow[Verdict]:
        verdict = yield from self._cancel_ordinary(symbol, ("origClientOrderId", client_order_id))
        if isinstance(verdict, Accepted) or verdict.error.venue_code not in _NOT_OPEN:
            return verdict
        _, error = yield from self._rest.ask(self._algo.cancel(symbol, client_order_id))
        if error is not None and not _has_no_such(error):
            return doubt(error)
        sighting = yield from self._single.look_up(symbol, client_order_id, 0)
        if isinstance(sighting, Absent):
            trace = yield from self._trace(symbol, client_order_id, 0)
            if error is not None and _is_open(trace.sighting) and trace.actual_order_id is not None:
                return (yield from self._cancel_ordinary(symbol, ("orderId", trace.actual_order_id)))
            sighting = trace.sighting
        sighting = yield from self._single.completed(sighting)
        return conclude_cancel(sighting, verdict.error if error is not None else None)

    def _cancel_ordinary(self, symbol: str, name: tuple[str, str]) -> Flow[Verdict]:
        params = (("symbol", symbol), name)
        return (yield from self._single.cancel(self._rest.call("DELETE", "order", Purpose.CANCEL, params)))

    def cancel_all(self, symbol: str) -> Flow[Sweep]:
        """Cancel every open order of a symbol, ordinary and conditional; the lists asked before tell which."""
        closed: tuple[CancelledOrder, ...] = ()
        for listing, sweep, read in (
            ("openOrders", "allOpenOrders", cancelled_orders),
            ("openAlgoOrders", "algoOpenOrders", _cancelled_algo_orders),
        ):
            body, error = yield from self._rest.ask(
                self._rest.call("GET", listing, Purpose.CANCEL, (("symbol", symbol),))
            )
            if read is _cancelled_algo_orders and error is not None and _has_no_service(error):
                break
            if error is None and isinstance(body, list) and body:
                _, error = yield from self._rest.ask(
                    self._rest.call("DELETE", sweep, Purpose.CANCEL, (("symbol", symbol),))
                )
            touched = closed + read(body)
            if error is not None and error.venue_code not in _NOT_OPEN:
                return Unproven(error=error, orders=touched) if closed else doubt(error, touched)
            if not isinstance(body, list):
                return Unproven(error=UNREADABLE, orders=closed)
            closed = touched
        return AllCancelled(orders=closed)


def _order_params(order: Order) -> Params:
    params = [
        ("symbol", order.symbol),
        ("side", order.side.upper()),
        ("type", WIRE_TYPES[order.type]),
        *position_params(order),
    ]
    if order.type is OrderType.LIMIT_MAKER:
        params.append(("timeInForce", "GTX"))
    elif order.time_in_force is not None:
        params.append(("timeInForce", order.time_in_force.upper()))
    if order.quantity is not None:
        params.append(("quantity", plain(order.quantity)))
    if order.price is not None:
        params.append(("price", plain(order.price)))
    if order.good_till_ms is not None:
        params.append(("goodTillDate", str(order.good_till_ms // 1000 * 1000)))
    params += [("newClientOrderId", order.client_order_id), ("newOrderRespType", "RESULT")]
    return tuple(params)


def _cancelled_algo_orders(body: object) -> tuple[CancelledOrder, ...]:
    return tuple(
        CancelledOrder(client_order_id=text(row.get("clientAlgoId")) or "", venue_order_id=algo_id)
        for row in rows(body)
        if (algo_id := text(row.get("algoId"))) is not None
    )


def _says_all(report: ExecutionReport) -> bool:
    """Whether a reply tells the whole fate: closed, with nothing executed."""
    return report.state is not None and report.state.is_closed and not report.executed_quantity


def _has_no_such(error: VenueError) -> bool:
    return error.venue_code in _NOT_OPEN or _has_no_service(error)


def _has_no_service(error: VenueError) -> bool:
    """Whether nothing answers at an address; said of the algo service, after the ordinary one has answered."""
    return error.http_status in _NO_SUCH_ADDRESS


def _is_open(sighting: Sighting) -> bool:
    return isinstance(sighting, Found) and sighting.report.state is OrderState.OPEN
