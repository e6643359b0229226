"""Outcomes as workers write them."""

from decimal import Decimal
from typing import Any

import orjson

from adapters.errors import Landed, refusal
from adapters.model import ExecutionReport, Fill, Order, OrderState, OrderType, Side
from worker.core.outcome import (
    Journey,
    Settlement,
    Status,
    Subject,
    build_outcome,
    client_order_id,
    settle_placement,
)

Json = dict[str, Any]


def an_order() -> Order:
    return Order(
        client_order_id=client_order_id("main", "s-1"),
        symbol="BTCUSDT",
        side=Side.BUY,
        type=OrderType.MARKET,
        quantity=Decimal("0.01"),
    )


def a_filled_outcome(**over: Any) -> Json:
    order = an_order()
    report = ExecutionReport(
        client_order_id=order.client_order_id,
        venue_order_id="28",
        symbol="BTCUSDT",
        state=OrderState.FILLED,
        venue_status="FILLED",
        executed_quantity=Decimal("0.01"),
        executed_quote=Decimal(650),
        fills=(
            Fill(price=Decimal(65000), quantity=Decimal("0.01"), fee=Decimal("0.00001"), fee_asset="BTC"),
        ),
        transact_time_ms=1_795_197_122_023,
    )
    return _document(settle_placement(report, order), order) | over


def a_refused_outcome(code: str = "unknown_symbol", **over: Any) -> Json:
    settlement = Settlement(status=Status.REJECTED, landed=Landed.NO, error=refusal(code))
    return _document(settlement, None) | over


def a_cleared_outcome() -> Json:
    settlement = Settlement(status=Status.CANCELLED, landed=Landed.YES, orders=())
    return _document(settlement, None) | {"action": "cancel_all"}


def _document(settlement: Settlement, asked: Order | None) -> Json:
    subject = Subject(
        signal_id="s-1",
        account="main",
        venue="binance",
        action="place",
        symbol="BTC/USDT",
        content_hash="0" * 32,
        client_order_id=client_order_id("main", "s-1"),
    )
    outcome = build_outcome(
        subject,
        settlement,
        asked=asked,
        journey=Journey(received_s=1.0, queued_ms=1.5, venue_ms=8.1, attempts=1),
        now_s=1.0123,
        settled_at_ms=1_795_197_122_000,
        worker="worker-1",
    )
    document: Json = orjson.loads(outcome.body)
    return document
