"""Values that most adapter tests need, and a driver for flows."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import TypeVar

from adapters.base import Adapter, Flow
from adapters.model import (
    Answer,
    Call,
    Fault,
    FaultKind,
    Order,
    OrderType,
    Reply,
    Side,
    SymbolRules,
    TimeInForce,
    VenueRules,
)

T = TypeVar("T")

CLIENT_ORDER_ID = "bq5kbr6bkcfjwk4mqwhmbrzfvzm"
NOW_MS = 1_795_000_000_000


def an_order(**over: object) -> Order:
    """Build a limit order, or what `over` makes of it."""
    order = Order(
        client_order_id=CLIENT_ORDER_ID,
        symbol="BTCUSDT",
        side=Side.BUY,
        type=OrderType.LIMIT,
        quantity=Decimal("0.01"),
        price=Decimal("65000.10"),
        time_in_force=TimeInForce.GTC,
    )
    return replace(order, **over)  # type: ignore[arg-type]


def a_market_order(**over: object) -> Order:
    """Build a market order."""
    return an_order(**({"type": OrderType.MARKET, "price": None, "time_in_force": None} | over))


def some_rules(**over: object) -> SymbolRules:
    """Build the rules of a symbol that allows most things."""
    rules = SymbolRules(
        symbol="BTCUSDT",
        base="BTC",
        quote="USDT",
        is_trading=True,
        order_types=frozenset(OrderType),
        quote_quantity_allowed=True,
    )
    return replace(rules, **over)  # type: ignore[arg-type]


def a_reply(body: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
    """Build a reply; bytes and text are sent as they are, everything else as JSON."""
    if isinstance(body, str):
        body = body.encode()
    raw = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
    return Reply(status=status, headers=headers or {}, body=raw)


def an_error(code: int, message: str = "", status: int = 400) -> Reply:
    """Build a venue's error reply."""
    return a_reply({"code": code, "msg": message}, status)


LOST = Fault(kind=FaultKind.LOST, detail="the connection broke")


def run(flow: Flow[T], *answers: Answer) -> tuple[T, list[Call]]:
    """Drive a flow with prepared answers; return its result and what it asked."""
    calls: list[Call] = []
    remaining = list(answers)
    try:
        calls.append(next(flow))
        while True:
            calls.append(flow.send(remaining.pop(0)))
    except StopIteration as stop:
        assert not remaining, f"not asked for: {remaining}"
        result: T = stop.value
        return result, calls


def answered_by(flow: Flow[T], answer: Callable[[Call], Answer]) -> T:
    """Drive a flow with answers that depend on what it asks."""
    try:
        call = next(flow)
        while True:
            call = flow.send(answer(call))
    except StopIteration as stop:
        result: T = stop.value
        return result


def shown(calls: Sequence[Call]) -> list[str]:
    """Write calls as lines to compare with."""
    return [
        f"{call.method} {call.path}?" + "&".join(f"{name}={value}" for name, value in call.params)
        for call in calls
    ]


def rules_of(adapter: Adapter, body: object) -> VenueRules:
    """Read rules from a reply."""
    rules, _ = run(adapter.venue_rules(), a_reply(body))
    assert isinstance(rules, VenueRules)
    return rules
