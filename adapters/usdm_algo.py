"""Conditional orders of USD-M, which live in a service of their own: `/fapi/v1/algoOrder`.

Until it triggers, a conditional order is known to the algo service only, under our id as `clientAlgoId`; asking
`/fapi/v1/order` for it finds nothing. When it triggers, the service sends an ordinary order and names it
(`actualOrderId`): from then on that order tells what becomes of it. Nothing here takes one of the two for the
whole: a look-up follows from the first to the second, and an order is absent only when neither is there.

Source: Binance USD-M documentation, "New Algo Order" and "Query Algo Order", mandatory since 2025-12-09.
"""

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from adapters.base import Flow
from adapters.dialect import UNREADABLE, Params, Rest, denies, doubt, lookup_failed
from adapters.model import (
    Absent,
    Accepted,
    Answer,
    Call,
    ExecutionReport,
    Found,
    Order,
    OrderState,
    OrderType,
    PositionSide,
    Purpose,
    Side,
    Sighting,
    TimeInForce,
    Unproven,
    Verdict,
)
from adapters.reports import Row, fits, read_report, sight
from adapters.usdm_rules import WIRE_TYPES, purpose
from adapters.wire import decimal, milliseconds, plain, text

CONDITIONAL: Final = frozenset(OrderType) - {OrderType.MARKET, OrderType.LIMIT, OrderType.LIMIT_MAKER}
NO_SUCH_ORDER: Final = frozenset({-2013})
_STATES: Final = {
    "NEW": OrderState.OPEN,
    "TRIGGERING": OrderState.PENDING,
    "CANCELED": OrderState.CANCELLED,
    "EXPIRED": OrderState.EXPIRED,
    "REJECTED": OrderState.REJECTED,
}
"""TRIGGERED and FINISHED are left out: only the ordinary order tells what they mean."""
_TYPES: Final = {WIRE_TYPES[kind]: kind for kind in CONDITIONAL}
_SIDES: Final = {side.upper(): side for side in Side}
_TIMES_IN_FORCE: Final = {time.upper(): time for time in TimeInForce}
_BASIS_POINTS_IN_A_PERCENT: Final = Decimal(100)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """What is known of a conditional order, and the ordinary order it became, if it did."""

    sighting: Sighting
    actual_order_id: str | None = None


class AlgoOrders:
    """The conversations with the algo service."""

    def __init__(self, rest: Rest) -> None:
        self._rest = rest

    def place(self, order: Order) -> Call:
        """Encode a placement; it counts as an order and weighs nothing."""
        return self._rest.call("POST", "algoOrder", purpose(order), algo_params(order), weight=0, orders=1)

    def read_placement(self, order: Order, answer: Answer) -> Verdict:
        """Read the answer to a placement."""
        body, error = self._rest.table.read(answer)
        if error is not None:
            return doubt(error)
        report = read_algo(body, order.client_order_id) if isinstance(body, dict) else None
        if report is None or not fits(order, report):
            return Unproven(error=UNREADABLE)
        return Accepted(report=report)

    def trace(self, symbol: str, client_order_id: str, since_ms: int) -> Flow[Trace]:
        """Look an order up by our id, and follow it to the ordinary order it became."""
        body, error = yield from self._rest.ask(
            self._rest.call("GET", "algoOrder", Purpose.LOOKUP, _named(symbol, client_order_id))
        )
        if error is not None:
            return Trace(sighting=Absent() if denies(error, NO_SUCH_ORDER) else lookup_failed(error))
        report = read_algo(body, client_order_id) if isinstance(body, dict) else None
        if report is None:
            return Trace(sighting=lookup_failed(None))
        sighting = sight(report, since_ms)
        actual = _actual_order_id(body) if isinstance(body, dict) else None
        if not isinstance(sighting, Found) or actual is None:
            return Trace(sighting=sighting)
        return Trace(sighting=(yield from self._follow(report, actual)), actual_order_id=actual)

    def _follow(self, report: ExecutionReport, actual_order_id: str) -> Flow[Sighting]:
        params = (("symbol", report.symbol), ("orderId", actual_order_id))
        body, error = yield from self._rest.ask(self._rest.call("GET", "order", Purpose.LOOKUP, params))
        if error is not None and denies(error, NO_SUCH_ORDER):
            return Found(report=replace(report, state=None))  # triggered, and not shown yet
        if error is not None:
            return lookup_failed(error)
        actual = read_report(body) if isinstance(body, dict) else None
        if actual is None or actual.venue_order_id != actual_order_id:
            return lookup_failed(None)
        created_ms = report.created_ms
        return Found(report=replace(actual, client_order_id=report.client_order_id, created_ms=created_ms))

    def cancel(self, symbol: str, client_order_id: str) -> Call:
        """Encode a cancel; it is answered with ids only."""
        return self._rest.call("DELETE", "algoOrder", Purpose.CANCEL, _named(symbol, client_order_id))


def _named(symbol: str, client_order_id: str) -> Params:
    return (("symbol", symbol), ("clientAlgoId", client_order_id))


def _actual_order_id(row: Row) -> str | None:
    """Read the ordinary order's id, which is empty or zero until there is one."""
    return None if text(row.get("actualOrderId")) in (None, "0") else text(row.get("actualOrderId"))


def algo_params(order: Order) -> Params:
    """Write a conditional order as parameters; a delta in basis points is a rate in percent here."""
    params = [
        ("algoType", "CONDITIONAL"),
        ("symbol", order.symbol),
        ("side", order.side.upper()),
        ("type", WIRE_TYPES[order.type]),
        *position_params(order),
    ]
    if order.time_in_force is not None:
        params.append(("timeInForce", order.time_in_force.upper()))
    if order.quantity is not None:
        params.append(("quantity", plain(order.quantity)))
    if order.price is not None:
        params.append(("price", plain(order.price)))
    if order.stop_price is not None:
        trails = order.type is OrderType.TRAILING_STOP
        params.append(("activatePrice" if trails else "triggerPrice", plain(order.stop_price)))
    if order.trailing_delta is not None:
        params.append(("callbackRate", plain(order.trailing_delta / _BASIS_POINTS_IN_A_PERCENT)))
    params.append(("clientAlgoId", order.client_order_id))
    return tuple(params)


def position_params(order: Order) -> Params:
    """Write what an order does to which position.

    What is not asked for is left out, as hedge mode demands; there side and position side say what only reduces.
    """
    params = []
    if order.position_side is not None:
        params.append(("positionSide", order.position_side.upper()))
    if order.close_position:
        params.append(("closePosition", "true"))
    elif order.reduce_only and order.position_side in (None, PositionSide.BOTH):
        params.append(("reduceOnly", "true"))
    return tuple(params)


def read_algo(row: Row, client_order_id: str) -> ExecutionReport | None:
    """Read a conditional order that must carry our id; one that has not triggered has executed nothing."""
    algo_id = text(row.get("algoId"))
    if algo_id is None or text(row.get("clientAlgoId")) != client_order_id:
        return None
    status = text(row.get("algoStatus"))
    state = None if status is None else _STATES.get(status.upper())
    return ExecutionReport(
        client_order_id=client_order_id,
        venue_order_id=algo_id,
        symbol=text(row.get("symbol")) or "",
        state=state,
        venue_status=status,
        side=_SIDES.get(text(row.get("side")) or ""),
        type=_TYPES.get(text(row.get("orderType")) or ""),
        time_in_force=_TIMES_IN_FORCE.get(text(row.get("timeInForce")) or ""),
        quantity=decimal(row.get("quantity")) or None,
        price=decimal(row.get("price")) or None,
        executed_quantity=None if state is None else Decimal(0),
        executed_quote=None if state is None else Decimal(0),
        transact_time_ms=milliseconds(row.get("updateTime")),
        created_ms=milliseconds(row.get("createTime")),
    )
