"""Read what a venue says of an order, whichever shape it has: acknowledgement, result, full reply, query, cancel.

A report never claims more than was read. A status nobody knows, or a closed one without the executed
quantity, leaves `state` empty, which means "ask again"; an unreadable execution drops the list of fills
rather than shortening it.
"""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Final

from adapters.model import (
    Absent,
    Ambiguous,
    ExecutionReport,
    Fill,
    Found,
    Order,
    OrderState,
    OrderType,
    Side,
    Sighting,
    TimeInForce,
)
from adapters.wire import EXACT, decimal, milliseconds, rows, text

STATES: Final[Mapping[str, OrderState]] = {
    "NEW": OrderState.OPEN,
    "PARTIALLY_FILLED": OrderState.OPEN,
    "PENDING_CANCEL": OrderState.OPEN,
    "PENDING_NEW": OrderState.PENDING,
    "PENDING_CREATE": OrderState.PENDING,
    "INIT": OrderState.PENDING,
    "FILLED": OrderState.FILLED,
    "CANCELED": OrderState.CANCELLED,
    "CANCELLED": OrderState.CANCELLED,
    "REJECTED": OrderState.REJECTED,
    "EXPIRED": OrderState.EXPIRED,
    "EXPIRED_IN_MATCH": OrderState.EXPIRED,
}
_SIDES: Final = {side.upper(): side for side in Side}
_TYPES: Final = {kind.upper(): kind for kind in OrderType}
_TIMES_IN_FORCE: Final = {time.upper(): time for time in TimeInForce}
_ZERO: Final = Decimal(0)
TIME_SLACK_MS: Final = 2_000
REUSE_MS: Final = 900_000  # the longest validity: before it, an order with our id is another signal's
"""A stamp may run up to a second ahead of the venue, and venues cut times to seconds in places."""
_SURE_MS: Final = 250
"""How far a clock that is good enough to sign with may be off; an order older than that may be a predecessor."""

Row = Mapping[str, object]


def read_report(row: Row, placed: Order | None = None) -> ExecutionReport | None:
    """Read one order; `None` when it has no order id, without which it is no order.

    In the answer to a placement, what the venue leaves out is taken from the order `placed`. In the answer to
    a cancel `clientOrderId` is the id of the cancel, and the order's own is `origClientOrderId`.
    """
    get = row.get
    venue_order_id = text(get("orderIdStr")) or text(get("orderId"))
    if venue_order_id is None:
        return None
    status = text(get("status"))
    kind = _TYPES.get(_upper(get("type")))
    quantity = decimal(get("origQty"))
    fills = _read_fills(get("fills"))
    state = None if status is None else STATES.get(status.upper())
    executed = _executed_quantity(row, state, quantity)
    transact_time_ms = milliseconds(get("transactTime")) or milliseconds(get("updateTime"))
    created_ms = milliseconds(get("time"))
    symbol = _upper(get("symbol"))
    if placed is None:
        client_order_id = text(get("origClientOrderId")) or text(get("clientOrderId")) or ""
    else:
        client_order_id = placed.client_order_id
        symbol = symbol or placed.symbol
        created_ms = created_ms or transact_time_ms
    return ExecutionReport(
        client_order_id=client_order_id,
        venue_order_id=venue_order_id,
        symbol=symbol,
        state=None if executed is None else state,
        venue_status=status,
        side=_SIDES.get(_upper(get("side"))),
        type=kind,
        time_in_force=None if kind is OrderType.MARKET else _TIMES_IN_FORCE.get(_upper(get("timeInForce"))),
        quantity=quantity,
        price=decimal(get("price")) or None,
        executed_quantity=executed,
        executed_quote=_executed_quote(row, executed, fills),
        fills=fills,
        transact_time_ms=transact_time_ms,
        created_ms=created_ms,
    )


def _upper(value: object) -> str:
    return value.upper() if isinstance(value, str) else ""


def _executed_quantity(row: Row, state: OrderState | None, quantity: Decimal | None) -> Decimal | None:
    executed = decimal(row.get("executedQty"))
    if executed is not None and executed >= _ZERO:
        return executed
    if state is OrderState.FILLED:
        return quantity
    return _ZERO if state in (OrderState.REJECTED, OrderState.PENDING) else None


def _executed_quote(row: Row, executed: Decimal | None, fills: tuple[Fill, ...]) -> Decimal | None:
    """Read what was paid or received; negative means that the venue does not know."""
    for name in ("cummulativeQuoteQty", "cumulativeQuoteQty", "cumQuote"):
        quote = decimal(row.get(name))
        if quote is not None and quote >= _ZERO:
            return quote
    if executed is not None and not executed:
        return _ZERO
    average = decimal(row.get("avgPrice"))
    if executed is not None and average is not None and average > 0:
        return EXACT.multiply(executed, average)
    return _quote_of(fills) if executed is not None and _quantity_of(fills) == executed else None


def _quantity_of(fills: tuple[Fill, ...]) -> Decimal:
    return sum((fill.quantity for fill in fills), _ZERO)


def _quote_of(fills: tuple[Fill, ...]) -> Decimal:
    total = _ZERO
    for fill in fills:
        total = EXACT.add(total, EXACT.multiply(fill.price, fill.quantity))
    return total


def with_fills(report: ExecutionReport, trades: object) -> ExecutionReport:
    """Add the fills that a list of trades holds of an order, once they are all there; until then it stays as it is."""
    own = [row for row in rows(trades) if text(row.get("orderId")) == report.venue_order_id]
    fills = _read_fills(own)
    if not fills or _quantity_of(fills) != report.executed_quantity:
        return report
    quotes = [decimal(row.get("quoteQty")) for row in own]
    known = [quote for quote in quotes if quote is not None]
    # What the order itself says is rounded in places; its trades are what was paid.
    quote = sum(known, _ZERO) if len(known) == len(own) else _quote_of(fills)
    return replace(report, fills=fills, executed_quote=quote)


def _read_fills(value: object) -> tuple[Fill, ...]:
    fills = []
    for row in value if isinstance(value, list) else ():
        fill = _read_fill(row)
        if fill is None:
            return ()
        fills.append(fill)
    return tuple(fills)


def _read_fill(row: object) -> Fill | None:
    if not isinstance(row, dict):
        return None
    price, quantity = decimal(row.get("price")), decimal(row.get("qty"))
    if price is None or quantity is None:
        return None
    asset = _upper(row.get("commissionAsset")) or _upper(row.get("commissionAssert"))
    return Fill(price=price, quantity=quantity, fee=decimal(row.get("commission")), fee_asset=asset or None)


# --- Is it this order? --------------------------------------------------------------------------------------


def is_surely_recent(report: ExecutionReport, since_ms: int) -> bool:
    """Tell whether an order was taken after a moment, with no benefit of the doubt."""
    return report.created_ms is not None and report.created_ms >= since_ms - _SURE_MS


def names_other(row: Row, client_order_id: str) -> bool:
    """Tell whether an answer names another order than ours; one without an id names none."""
    return (text(row.get("clientOrderId")) or client_order_id) != client_order_id


def is_older(report: ExecutionReport, since_ms: int) -> bool:
    """Tell whether an order was taken before a moment, by its creation or at least by its last change."""
    moment = report.created_ms or report.transact_time_ms
    return moment is not None and moment < since_ms - TIME_SLACK_MS


def sight(report: ExecutionReport, since_ms: int) -> Sighting:
    """Read an order that carries our very id: long before the signal it is an earlier use of the id.

    One that looks only somewhat too old may be ours and a clock wrong: then nobody can tell, and nothing is guessed.
    """
    if not is_older(report, since_ms):
        return Found(report=report)
    return Absent() if is_older(report, since_ms - REUSE_MS) else Ambiguous(candidates=1)


_SHOWN_AS: Final[Mapping[OrderType, frozenset[OrderType | None]]] = {
    OrderType.LIMIT_MAKER: frozenset({None, OrderType.LIMIT_MAKER, OrderType.LIMIT}),
    OrderType.STOP_LOSS: frozenset({None, OrderType.STOP_LOSS, OrderType.MARKET}),
    OrderType.TRAILING_STOP: frozenset(
        {None, OrderType.TRAILING_STOP, OrderType.STOP_LOSS, OrderType.MARKET}
    ),
    OrderType.TAKE_PROFIT: frozenset({None, OrderType.TAKE_PROFIT, OrderType.MARKET}),
    OrderType.STOP_LOSS_LIMIT: frozenset({None, OrderType.STOP_LOSS_LIMIT, OrderType.LIMIT}),
    OrderType.TAKE_PROFIT_LIMIT: frozenset({None, OrderType.TAKE_PROFIT_LIMIT, OrderType.LIMIT}),
}


def fits(order: Order, report: ExecutionReport) -> bool:
    """Tell whether a report can be of an order: what both state must agree; what a venue leaves out proves nothing.

    A stop order may be shown as what it turned into, and a post-only limit as a limit.
    """
    return (
        report.symbol in ("", order.symbol)
        and report.side in (None, order.side)
        and report.type in _SHOWN_AS.get(order.type, (None, order.type))
        and (report.quantity is None or order.quantity in (None, report.quantity))
        and (report.price is None or order.price in (None, report.price))
    )


def has_shape(order: Order, report: ExecutionReport) -> bool:
    """Tell whether a report without our id must be taken for an order: here a venue has to state everything."""
    return (
        report.symbol == order.symbol
        and report.side is order.side
        and report.type is order.type
        and report.created_ms is not None
        and (order.quantity is None or report.quantity == order.quantity)
        and (order.price is None or report.price == order.price)
    )
