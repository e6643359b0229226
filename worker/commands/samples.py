"""Examples of the two messages, for documents; outcomes are written by what writes them for real."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

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

SETTLED_AT_MS: Final = 1_795_197_122_000


@dataclass(frozen=True, slots=True)
class Sample:
    """One message and what it shows."""

    name: str
    summary: str
    payload: dict[str, Any]


SIGNALS: Final = (
    Sample(
        "market",
        "Buy at the market",
        {
            "signal_id": "momentum-4711",
            "account": "main",
            "symbol": "BTC/USDT",
            "side": "buy",
            "type": "market",
            "quantity": "0.01",
        },
    ),
    Sample(
        "limit",
        "Sell at a price or better, for ten minutes at most if the exchange cannot be reached",
        {
            "signal_id": "momentum-4712",
            "account": "main",
            "symbol": "ETH/USDT",
            "side": "sell",
            "type": "limit",
            "quantity": "0.5",
            "price": "4200.10",
            "time_in_force": "gtc",
            "valid_until": "2026-11-25T12:10:00Z",
        },
    ),
    Sample(
        "spend",
        "Buy for an amount of the quote asset",
        {
            "signal_id": "savings-2026-11",
            "account": "main",
            "symbol": "BTC/USDT",
            "side": "buy",
            "type": "market",
            "quote_quantity": "250",
        },
    ),
    Sample(
        "cancel",
        "Take an earlier order off the book",
        {
            "signal_id": "momentum-4712-cancel",
            "account": "main",
            "symbol": "ETH/USDT",
            "action": "cancel",
            "cancels": "momentum-4712",
        },
    ),
    Sample(
        "cancel_all",
        "Take every open order of a symbol off the book",
        {
            "signal_id": "stop-2026-11-25",
            "account": "main",
            "symbol": "BTC/USDT",
            "action": "cancel_all",
        },
    ),
    Sample(
        "dry_run",
        "Validate an order, place nothing",
        {
            "signal_id": "check-1",
            "account": "main",
            "symbol": "BTC/USDT",
            "side": "buy",
            "type": "market",
            "quantity": "0.01",
            "dry_run": True,
        },
    ),
)


def outcomes() -> tuple[Sample, ...]:
    """One outcome of each kind that a consumer has to tell apart."""
    order = Order(
        client_order_id=client_order_id("main", "momentum-4711"),
        symbol="BTCUSDT",
        side=Side.BUY,
        type=OrderType.MARKET,
        quantity=Decimal("0.01"),
    )
    fill = Fill(price=Decimal(65000), quantity=Decimal("0.01"), fee=Decimal("0.00001"), fee_asset="BTC")
    report = ExecutionReport(
        client_order_id=order.client_order_id,
        venue_order_id="28",
        symbol="BTCUSDT",
        state=OrderState.FILLED,
        venue_status="FILLED",
        executed_quantity=Decimal("0.01"),
        executed_quote=Decimal(650),
        fills=(fill,),
        transact_time_ms=SETTLED_AT_MS - 5,
    )
    refused = Settlement(status=Status.REJECTED, landed=Landed.NO, error=refusal("symbol_not_allowed"))
    doubtful = Settlement(status=Status.UNKNOWN, landed=Landed.UNKNOWN, error=refusal("resolution_exhausted"))
    return (
        Sample("filled", "The order was executed", _document(settle_placement(report, order), order)),
        Sample("rejected", "Nothing was placed, and why", _document(refused, order)),
        Sample("unknown", "Nobody could tell; nothing was sent twice", _document(doubtful, order)),
    )


def _document(settlement: Settlement, asked: Order) -> dict[str, Any]:
    subject = Subject(
        signal_id="momentum-4711",
        account="main",
        venue="binance",
        action="place",
        symbol="BTC/USDT",
        content_hash="",
        client_order_id=asked.client_order_id,
    )
    outcome = build_outcome(
        subject,
        settlement,
        asked=asked,
        journey=Journey(received_s=0.0, queued_ms=1.2, venue_ms=8.1, attempts=1),
        now_s=0.0099,
        settled_at_ms=SETTLED_AT_MS,
        worker="beeline-0",
    )
    document: dict[str, Any] = orjson.loads(outcome.body)
    return document
