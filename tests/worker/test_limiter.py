"""Gateways against the sandbox's own limits, in virtual time: the sandbox counts every breach."""

import asyncio
from collections import Counter
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from adapters.model import (
    Accepted,
    Answer,
    Call,
    Fault,
    FaultKind,
    HttpRequest,
    LimitKind,
    Order,
    OrderType,
    RateLimit,
    Side,
    TimeInForce,
)
from adapters.sandbox.config import (
    AccountConfig,
    BinanceLimits,
    BitrueLimits,
    LimitConfig,
    UsdmLimits,
    make_account,
)
from adapters.sandbox.fault_rules import FaultKind as SandboxFault
from adapters.sandbox.model import Dialect
from adapters.signing import make_signer
from adapters.venues import get
from tests.virtual_time import VirtualClock, settled, virtual_time
from tests.worker.builders import BASE_URL, BITRUE, MAIN
from tests.worker.fakes import SandboxSender
from worker.gateway import Gateway
from worker.passage import Exchange, Fenced, Sending, Throttled
from worker.trade import throttled

USDM = make_account("futures", Dialect.BINANCE_USDM)
CONFIGS = {"binance": MAIN, "bitrue": BITRUE, "binance_usdm": USDM}


def a_venue(clock: VirtualClock, **limits: Any) -> SandboxSender:
    venue = SandboxSender(clock)
    venue.exchange.add_account(USDM)
    venue.exchange.set_limits(replace(LimitConfig(), **limits))
    return venue


async def a_gateway(venue: SandboxSender, clock: VirtualClock, name: str = "binance", **over: Any) -> Gateway:
    options: dict[str, Any] = {"recv_window_ms": 5_000, "ip_share": 1.0} | over
    gateway = Gateway(get(name), BASE_URL, venue, clock, **options)
    await gateway.clock.synchronise()
    assert not await gateway._refresh_rules()
    return gateway


def an_order(number: int, *, fills: bool = False) -> Order:
    return Order(
        client_order_id=f"b{number:026d}",
        symbol="BTCUSDT",
        side=Side.BUY,
        type=OrderType.LIMIT,
        quantity=Decimal("0.01"),
        price=Decimal(70_000 if fills else 40_000),
        time_in_force=TimeInForce.IOC,
    )


def sending(gateway: Gateway, *, deadline_ms: float | None = None) -> Sending:
    config: AccountConfig = CONFIGS[gateway.adapter.name]
    return Sending(
        signer=make_signer(config.api_key, config.secret_key),
        budget=gateway.budget(config.name),
        may_send=lambda: True,
        deadline_ms=deadline_ms,
    )


async def place(
    gateway: Gateway, number: int, *, fills: bool = False, **over: Any
) -> Exchange | Throttled | Fenced:
    """Place an order as a placement does, its effect on the budget included."""
    order = an_order(number, fills=fills)
    call = gateway.adapter.place(order)
    if gateway.adapter.name == "bitrue":  # it has no ioc
        call = replace(call, params=tuple(pair for pair in call.params if pair[0] != "timeInForce"))
    passage = await gateway.send(call, sending(gateway, **over))
    if isinstance(passage, Exchange):
        verdict = gateway.adapter.read_placement(order, passage.answer)
        if isinstance(verdict, Accepted) and verdict.report.executed_quantity:
            gateway.budget(CONFIGS[gateway.adapter.name].name).limits.doubt(LimitKind.ORDERS, 1)
    return passage


async def flood(gateway: Gateway, lanes: int, seconds: float, *, fills: bool = False, first: int = 0) -> int:
    """Place one order after another in each of several lanes, for some time; return how many went out."""
    numbers = iter(range(first, first + 1_000_000))
    ends_ms = gateway._time.wall_ms() + seconds * 1000

    async def lane() -> int:
        count = 0
        while isinstance(await place(gateway, next(numbers), fills=fills, deadline_ms=ends_ms), Exchange):
            count += 1
        return count

    return sum(await asyncio.gather(*(lane() for _ in range(lanes))))


def breaches(venue: SandboxSender) -> dict[str, int]:
    return {kind.value: count for kind, count in venue.exchange.state.violations.counts.items()}


# --- A flood ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "limits", "budget", "kept"),
    [
        ("binance", {"binance": BinanceLimits(orders_per_10_seconds=50)}, 50, 0.0),
        ("binance_usdm", {"binance_usdm": UsdmLimits(orders_per_10_seconds=100)}, 100, 0.05),
        ("bitrue", {"bitrue": BitrueLimits(orders_user_per_10_seconds=200)}, 200, 0.0),
        ("bitrue", {"bitrue": BitrueLimits(orders_ip_per_6_seconds=120)}, 200, 0.0),
    ],
    ids=["binance", "usdm", "bitrue", "bitrue by ip"],
)
@virtual_time
async def test_a_flood_uses_nearly_all_of_an_order_budget_and_no_more(
    name: str, limits: dict[str, Any], budget: int, kept: float
) -> None:
    clock = VirtualClock()
    venue = a_venue(clock, **limits)
    gateway = await a_gateway(venue, clock, name)
    windows = 6
    went = await flood(gateway, lanes=9, seconds=windows * 10 - 0.5)
    assert breaches(venue) == {}
    assert went >= (1 - kept) * 0.95 * budget * windows


@virtual_time
async def test_orders_that_fill_are_not_held_up_by_a_budget_that_fills_give_back() -> None:
    clock = VirtualClock()
    venue = a_venue(clock, binance=BinanceLimits(orders_per_10_seconds=20))
    gateway = await a_gateway(venue, clock)
    went = await flood(gateway, lanes=3, seconds=9.5, fills=True)
    assert breaches(venue) == {}
    assert went > 200


@virtual_time
async def test_weight_is_used_to_the_share_that_orders_have_and_no_further() -> None:
    clock = VirtualClock()
    venue = a_venue(clock, binance=BinanceLimits(weight_per_minute=300, orders_per_10_seconds=10_000))
    gateway = await a_gateway(venue, clock)
    call = gateway.adapter.find(an_order(1), venue_order_id=None, since_ms=0)
    lookup: Call = next(call)
    deadline_ms = clock.wall_ms() + 59_000
    went = [await gateway.send(lookup, sending(gateway, deadline_ms=deadline_ms)) for _ in range(100)]
    assert breaches(venue) == {}
    assert sum(isinstance(passage, Exchange) for passage in went) == (300 * 8 // 10 - 4 - 20) // 4
    assert isinstance(await place(gateway, 1, deadline_ms=deadline_ms), Exchange)


# --- Hand-over --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["binance", "binance_usdm"])
@virtual_time
async def test_a_new_owner_starts_from_what_the_venue_counted(name: str) -> None:
    clock = VirtualClock()
    venue = a_venue(
        clock,
        binance=BinanceLimits(orders_per_10_seconds=20),
        binance_usdm=UsdmLimits(orders_per_10_seconds=20),
    )
    earlier = await a_gateway(venue, clock, name)
    for number in range(15):
        assert isinstance(await place(earlier, number), Exchange)
    new = await a_gateway(venue, clock, name)
    new.inherit(CONFIGS[name].name, [])
    await flood(new, lanes=9, seconds=5, first=1_000)
    assert breaches(venue) == {}
    counted = Counter(order.spec.account for order in venue.exchange.engine.ledger.orders)
    assert counted[CONFIGS[name].name] >= 19  # of futures a part is kept for what reduces a position


@virtual_time
async def test_a_new_owner_counts_what_the_memory_holds_where_the_venue_tells_nothing() -> None:
    clock = VirtualClock()
    venue = a_venue(clock, bitrue=BitrueLimits(orders_user_per_10_seconds=20))
    earlier = await a_gateway(venue, clock, "bitrue")
    spent = []
    for number in range(15):
        assert isinstance(await place(earlier, number), Exchange)
        spent.append((clock.wall_ms(), 1))
    new = await a_gateway(venue, clock, "bitrue")
    new.inherit(BITRUE.name, spent)
    went = await flood(new, lanes=9, seconds=5, first=1_000)
    assert breaches(venue) == {}
    assert went == 5


@virtual_time
async def test_an_order_of_an_account_just_taken_over_waits_for_its_count_only_once() -> None:
    clock = VirtualClock()
    venue = a_venue(clock)
    gateway = await a_gateway(venue, clock)
    gateway.inherit("main", [])
    await asyncio.gather(*(place(gateway, number) for number in range(5)))
    assert venue.sent("GET", "rateLimit/order") == 1
    assert venue.sent("POST", "order") == 5


@pytest.mark.parametrize("valid_s", [30, 1])
@virtual_time
async def test_a_first_order_waits_only_a_moment_for_a_count_that_does_not_come(valid_s: float) -> None:
    clock = VirtualClock()
    venue = a_venue(clock)
    gateway = await a_gateway(venue, clock)
    gateway.inherit("main", [])
    venue.break_next(SandboxFault.HANG, method="GET", path="*/rateLimit/order", count=9)
    began_s = clock.monotonic()
    await asyncio.gather(
        *(place(gateway, number, deadline_ms=clock.wall_ms() + valid_s * 1_000) for number in range(5))
    )
    assert venue.sent("POST", "order") == 5
    assert clock.monotonic() - began_s < 4


@virtual_time
async def test_a_first_order_is_not_kept_waiting_by_a_count_that_has_no_weight_left() -> None:
    clock = VirtualClock()
    venue = a_venue(clock, binance=BinanceLimits(weight_per_minute=100))
    gateway = await a_gateway(venue, clock)
    gateway.inherit("main", [])
    gateway.limiter.take(50)
    began_s = clock.monotonic()
    assert isinstance(await place(gateway, 1, deadline_ms=clock.wall_ms() + 65_000), Exchange)
    assert clock.monotonic() - began_s < 1


@virtual_time
async def test_an_order_that_was_not_answered_leaves_the_count_unknown() -> None:
    clock = VirtualClock()
    venue = a_venue(clock)
    gateway = await a_gateway(venue, clock)
    gateway.inherit("main", [])
    venue.is_unreachable = True
    assert isinstance(await place(gateway, 1), Exchange)
    venue.is_unreachable = False
    await place(gateway, 2)
    assert venue.sent("GET", "rateLimit/order") == 1


@virtual_time
async def test_who_waits_for_the_count_waits_no_longer_than_the_signal_is_valid() -> None:
    clock = VirtualClock()
    venue = a_venue(clock)
    gateway = await a_gateway(venue, clock)
    gateway.inherit("main", [])
    for method, path in (("GET", "*/rateLimit/order"), ("POST", "*/order")):
        venue.break_next(SandboxFault.HANG, method=method, path=path, count=9)
    slow = asyncio.create_task(place(gateway, 1))
    await asyncio.sleep(0.1)
    began_s = clock.monotonic()
    passage = await place(gateway, 2, deadline_ms=clock.wall_ms() + 2_000)
    assert isinstance(passage, Throttled)
    assert throttled(passage).code == "signal_expired"
    assert clock.monotonic() - began_s == pytest.approx(2, abs=0.01)
    await slow


@virtual_time
async def test_an_error_right_before_the_send_leaves_nothing_in_flight() -> None:
    clock = VirtualClock()
    gateway = await a_gateway(a_venue(clock), clock)

    def fail() -> bool:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        await gateway.send(gateway.adapter.place(an_order(1)), replace(sending(gateway), may_send=fail))
    limits = [*gateway.limiter.ip, *gateway.budget("main").limits]
    assert all(window.in_flight == 0 for _, _, window in limits)


@virtual_time
async def test_only_accounts_that_use_their_limits_are_told_of() -> None:
    clock = VirtualClock()
    gateway = await a_gateway(a_venue(clock), clock)
    gateway.limiter.adopt([RateLimit(kind=LimitKind.ORDERS, limit=50, interval_s=10)])
    gateway.budget("idle")
    await place(gateway, 1)
    assert {(scope, name) for scope, name, _ in gateway.limiter.in_use()} == {
        ("ip", "default"),
        ("account", "main"),
    }
    await asyncio.sleep(20)
    assert {scope for scope, _, _ in gateway.limiter.in_use()} == {"ip"}


# --- Others -----------------------------------------------------------------------------------------------------------


@virtual_time
async def test_what_somebody_else_places_for_the_account_is_left_to_them_and_told() -> None:
    clock = VirtualClock()
    venue = a_venue(clock, binance=BinanceLimits(orders_per_10_seconds=50))
    stranger, gateway = await a_gateway(venue, clock), await a_gateway(venue, clock)
    await place(gateway, 1)
    for number in range(100, 120):
        await place(stranger, number)
    await flood(gateway, lanes=6, seconds=5, first=1_000)
    assert breaches(venue) == {}
    window = gateway.budget("main").limits.window(LimitKind.ORDERS, 10)
    assert window is not None
    assert (window.used, window.foreign) == (50, 20)


@virtual_time
async def test_workers_that_share_an_ip_take_nothing_from_each_other() -> None:
    clock = VirtualClock()
    venue = a_venue(clock, binance=BinanceLimits(weight_per_minute=1_000))
    pool = [await a_gateway(venue, clock, ip_share=0.25) for _ in range(4)]
    flow = pool[0].adapter.find(an_order(1), venue_order_id=None, since_ms=0)
    lookup: Call = next(flow)
    deadline_ms = clock.wall_ms() + 50_000

    async def ask(gateway: Gateway) -> int:
        went = 0
        while isinstance(await gateway.send(lookup, sending(gateway, deadline_ms=deadline_ms)), Exchange):
            went += 1
        return went

    went = await asyncio.gather(*(ask(gateway) for gateway in pool for _ in range(3)))
    assert breaches(venue) == {}
    ours = [sum(went[number * 3 : number * 3 + 3]) for number in range(4)]
    assert all(count == (250 * 8 // 10 - 4 - 20) // 4 for count in ours)
    assert all(window.foreign == 0 for gateway in pool for _, _, window in gateway.limiter.ip)


# --- Holds ------------------------------------------------------------------------------------------------------------


@virtual_time
async def test_a_hold_that_begins_during_a_burst_of_time_probes_ends_the_burst() -> None:
    clock = VirtualClock()
    venue = a_venue(clock)
    gateway = await a_gateway(venue, clock)
    before = len(venue.requests)
    asking = asyncio.create_task(gateway.clock.synchronise())
    await asyncio.sleep(0.025)
    gateway.limiter.hold.impose(clock.monotonic() + 60, "ip_banned")
    await asking
    assert len(venue.requests) - before == 2


@virtual_time
async def test_a_full_order_budget_stops_orders_and_not_cancels() -> None:
    clock = VirtualClock()
    venue = a_venue(clock)
    gateway = await a_gateway(venue, clock)
    gateway.budget("main").hold.impose(clock.monotonic() + 60, "too_many_orders")
    cancel = next(gateway.adapter.cancel("BTCUSDT", an_order(1).client_order_id, None))
    passage = await gateway.send(cancel, sending(gateway))
    assert isinstance(passage, Exchange)
    assert passage.limiter_ms == 0
    throttled = await place(gateway, 2, deadline_ms=clock.wall_ms() + 30_000)
    assert isinstance(throttled, Throttled)
    assert throttled.wait_ms > 59_000


@virtual_time
async def test_a_full_order_budget_without_advice_is_left_alone_to_the_end_of_its_window() -> None:
    clock = VirtualClock()
    venue = a_venue(clock)
    gateway = await a_gateway(venue, clock, "binance_usdm")
    await place(gateway, 1)
    venue.exchange.set_limits(replace(LimitConfig(), binance_usdm=UsdmLimits(orders_per_10_seconds=1)))
    await place(gateway, 2)
    assert breaches(venue) == {"orders": 1}
    hold_ms = gateway.limiter.hold_ms(gateway.budget("futures"))
    assert 0 <= (clock.wall_ms() + hold_ms) % 10_000 < 50
    assert hold_ms > 5_000


@virtual_time
async def test_a_request_that_never_left_costs_nothing() -> None:
    clock = VirtualClock()
    venue = a_venue(clock)
    gateway = await a_gateway(venue, clock)

    async def refuse(request: HttpRequest) -> Answer:
        del request
        await settled()
        return Fault(kind=FaultKind.NOT_SENT, detail="no connection")

    gateway._sender = type("Refusing", (), {"send": staticmethod(refuse)})()
    window = gateway.budget("main").limits.window(LimitKind.ORDERS, 10)
    assert window is not None
    for number in range(5):
        await place(gateway, number)
    assert window.used == 0
