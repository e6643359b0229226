"""Single steps of an order, each in microseconds: the best of several runs, in this process and without I/O."""

import atexit
import os
import timeit
import tracemalloc
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr
from dataclasses import replace
from decimal import Decimal
from itertools import count
from pathlib import Path
from time import process_time

import orjson

from adapters.http import Transport
from adapters.model import Accepted, LimitKind, Order, OrderType, RateLimit, Reply, Side, SymbolRules
from adapters.signing import make_signer
from adapters.venues import discover
from tests.bench.bench import Bench
from worker.clock_sync import SystemClock, VenueClock
from worker.core.clock_offset import Probe, stamp_ms
from worker.core.memory import ShardMemory
from worker.core.outcome import Journey, Outcome, Subject, build_outcome, client_order_id, settle_placement
from worker.core.signals import read_signal
from worker.core.token_bucket import BudgetSet, Reservation, cancel, claim_at_once, release, reserve
from worker.core.windows import Rank
from worker.journal import Journal
from worker.logs import configure_logging
from worker.telemetry import Telemetry

TRIAL = 200
RUN_S = 0.05
NOW_MS = 1_795_000_000_000.0
BODY = orjson.dumps(
    {
        "signal_id": "signal-000001",
        "account": "bench-0",
        "symbol": "BTC/USDT",
        "side": "buy",
        "type": "limit",
        "quantity": "0.01",
        "price": "65000.10",
        "time_in_force": "ioc",
    }
)
LIMITS = (
    RateLimit(kind=LimitKind.REQUEST_WEIGHT, interval_s=60, limit=1_000_000_000),
    RateLimit(kind=LimitKind.RAW_REQUESTS, interval_s=300, limit=1_000_000_000),
    RateLimit(kind=LimitKind.ORDERS, interval_s=10, limit=1_000_000_000),
    RateLimit(kind=LimitKind.ORDERS, interval_s=86400, limit=1_000_000_000),
)
REFUSAL = Reply(
    status=400,
    headers={"content-type": "application/json"},
    body=b'{"code":-2010,"msg":"Account has insufficient balance for requested action."}',
)


def an_order() -> Order:
    return Order(
        client_order_id=client_order_id("bench-0", "signal-000001"),
        symbol="BTCUSDT",
        side=Side.BUY,
        type=OrderType.MARKET,
        quantity=Decimal("0.01"),
    )


def a_reply(order: Order) -> Reply:
    document = {
        "symbol": "BTCUSDT",
        "orderId": 28,
        "orderListId": -1,
        "clientOrderId": order.client_order_id,
        "transactTime": int(NOW_MS),
        "price": "0.00000000",
        "origQty": "0.01000000",
        "executedQty": "0.01000000",
        "cummulativeQuoteQty": "650.00000000",
        "status": "FILLED",
        "timeInForce": "GTC",
        "type": "MARKET",
        "side": "BUY",
        "fills": [
            {"price": "65000.00", "qty": "0.01000000", "commission": "0.00001", "commissionAsset": "BTC"}
        ],
    }
    headers = {"content-type": "application/json", "x-mbx-used-weight-1m": "1", "x-mbx-order-count-10s": "1"}
    return Reply(status=200, headers=headers, body=orjson.dumps(document))


def steps(many: int) -> dict[str, Callable[[], object]]:
    """The steps, by what the table calls them."""
    adapter = discover()["binance"]
    signer = make_signer("k" * 64, "s" * 64)
    order = an_order()
    call, reply = adapter.place(order), a_reply(order)
    clock = _a_clock()

    def stamp() -> int:
        reading = clock.read_to_sign()
        assert reading is not None
        return stamp_ms(reading)

    def sign() -> object:
        return adapter.sign(
            call, signer, base_url="https://api.binance.com", timestamp_ms=int(NOW_MS), recv_window_ms=5000
        )

    build = _outcome_builder()
    numbers, rules = count(), _rules()
    return {
        "decode signal": lambda: read_signal(BODY, "bench-0"),
        "client order id": lambda: client_order_id("bench-0", f"signal-{next(numbers)}"),
        "check order": lambda: adapter.prepare(order, rules, None),
        **reservations(many),
        "stamp": stamp,
        "encode placement": lambda: adapter.place(order),
        "sign (encode + HMAC)": sign,
        "read reply": lambda: adapter.read_placement(order, reply),
        "classify error reply": lambda: adapter.error(REFUSAL),
        "build outcome": lambda: build("signal-000001"),
        **telling(build),
    }


def telling(build: Callable[[str], Outcome]) -> dict[str, Callable[[], object]]:
    """What is told of a settled signal, as the worker writes it to a pipe."""
    outcome, subject, journey = build("signal-000001"), _subject("signal-000001"), _journey()
    telemetry = Telemetry(lambda _: True)
    nowhere = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - the log writes to it until the process ends
    atexit.register(nowhere.close)
    with redirect_stderr(nowhere):
        configure_logging("info", "json")
    journal = Journal(telemetry, SystemClock())
    return {
        "metrics": lambda: telemetry.settled(outcome, subject, journey, 0.01),
        "metrics + log line": lambda: journal.settled(outcome, subject, journey),
    }


def _rules() -> SymbolRules:
    return SymbolRules(
        symbol="BTCUSDT",
        base="BTC",
        quote="USDT",
        is_trading=True,
        order_types=frozenset(OrderType),
        base_precision=8,
        quote_precision=8,
        min_price=Decimal("0.01"),
        max_price=Decimal(1_000_000),
        tick_size=Decimal("0.01"),
        min_quantity=Decimal("0.00001"),
        max_quantity=Decimal(9_000),
        step_size=Decimal("0.00001"),
        min_notional=Decimal(5),
    )


def reservations(many: int) -> dict[str, Callable[[], object]]:
    """What one order costs in the limiter, with hardly an order before it and with very many."""
    found: dict[str, Callable[[], object]] = {}
    for kind, sliding in (("fixed", False), ("sliding", True)):
        limits = [replace(limit, is_sliding=sliding) for limit in LIMITS]
        for logged in (1, many):
            found[f"claim + release, {kind}, {logged:,} logged"] = _admitter(limits, logged)
        found[f"reserve + give back, {kind}, {many:,} waiting"] = _queuer(many, sliding=sliding)
    return found


def _admitter(limits: Sequence[RateLimit], logged: int) -> Callable[[], None]:
    budgets = BudgetSet(limits)

    def admit() -> None:
        costs = [cost for kind in LimitKind for cost in budgets.costs(kind, 1)]
        claimed = claim_at_once(costs, NOW_MS, rank=Rank.ORDER, guard_ms=1.0)
        assert claimed is not None
        release(claimed, NOW_MS, guard_ms=1.0)

    for _ in range(logged):
        admit()
    return admit


def _queuer(many: int, *, sliding: bool) -> Callable[[], None]:
    """An order limit that is full for a long time to come."""
    limit = RateLimit(kind=LimitKind.ORDERS, interval_s=10, limit=50, is_sliding=sliding)
    budgets = BudgetSet([limit])

    def queue() -> Reservation:
        return reserve(budgets.costs(LimitKind.ORDERS, 1), NOW_MS, rank=Rank.ORDER, guard_ms=1.0)

    for _ in range(many):
        queue()
    return lambda: cancel(queue())


def _a_clock() -> VenueClock:
    """A venue's clock on the clocks of this host, known since a moment ago."""
    system = SystemClock()
    clock = VenueClock(
        discover()["binance"],
        "https://api.binance.com",
        Transport(1.0),
        system,
        recv_window_ms=5_000,
        recv_window_max_ms=5_000,
        held_s=lambda: 0.0,
        on_error=lambda _: None,
    )
    now_s = system.monotonic()
    clock.take_in([Probe(sent_s=now_s - 0.002, received_s=now_s, server_ms=int(NOW_MS))])
    return clock


def _journey() -> Journey:
    return Journey(received_s=1.0, attempts=1, venue_ms=8.1234, queued_ms=1.2345)


def _subject(signal_id: str) -> Subject:
    return Subject(
        signal_id=signal_id,
        account="bench-0",
        venue="binance",
        action="place",
        symbol="BTC/USDT",
        content_hash="0" * 32,
        client_order_id=client_order_id("bench-0", signal_id),
    )


def _outcome_builder() -> Callable[[str], Outcome]:
    """Everything that is known when a signal settles, ready to be written."""
    order = an_order()
    verdict = discover()["binance"].read_placement(order, a_reply(order))
    assert isinstance(verdict, Accepted)
    settlement = settle_placement(verdict.report, order)
    journey = _journey()

    def build(signal_id: str) -> Outcome:
        return build_outcome(
            _subject(signal_id),
            settlement,
            asked=order,
            journey=journey,
            now_s=1.01,
            settled_at_ms=NOW_MS,
            worker="bench",
        )

    return build


async def measure(bench: Bench) -> dict[str, float]:
    scale = bench.scale
    return {
        name: round(microseconds(step, scale.micro_repeats), 2)
        for name, step in steps(scale.micro_many).items()
    }


def microseconds(step: Callable[[], object], repeats: int) -> float:
    """CPU time of the best of several runs: everything that disturbs a run makes it longer."""
    timer = timeit.Timer(step, timer=process_time)
    once_s = timer.timeit(TRIAL) / TRIAL
    number = max(1, round(RUN_S / once_s))
    return min(timer.repeat(repeats, number)) / number * 1e6


def remembered_outcome_bytes(count: int = 5_000) -> float:
    """Memory that one answered signal takes for as long as it is remembered."""
    build, memory = _outcome_builder(), ShardMemory(keep_ms=1e12)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for number in range(count):
            memory.record(build(f"signal-{number:06d}"), NOW_MS)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return (after - before) / count
