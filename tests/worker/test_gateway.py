"""The way of a request: admitted in turn, stamped, signed and sent without a pause, and what replies teach."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

import orjson
import pytest

from adapters.binance_dialect import BINANCE_SPOT
from adapters.model import (
    Answer,
    Call,
    HttpRequest,
    LimitKind,
    Purpose,
    RateLimit,
    Reply,
    Security,
    SymbolRules,
)
from adapters.sandbox.fault_rules import FaultKind as SandboxFault
from adapters.signing import make_signer
from adapters.venues import get
from tests.virtual_time import START_WALL_MS, VirtualClock, settled, virtual_time
from tests.worker.builders import BASE_URL, MAIN, a_signal
from tests.worker.fakes import SandboxSender, a_rig
from worker.budget import Hold
from worker.gateway import Gateway
from worker.passage import Exchange, Fenced, Passage, Sending, Throttled

API = BINANCE_SPOT.api
PLACE = Call(method="POST", path=f"{API}/order", purpose=Purpose.PLACE, orders=1)
CANCEL = Call(method="DELETE", path=f"{API}/order", purpose=Purpose.CANCEL)
LOOKUP = Call(method="GET", path=f"{API}/order", purpose=Purpose.LOOKUP, weight=4)


@dataclass
class Scripted:
    """A venue that tells its time, and answers everything else from a script, the last line for ever."""

    clock: VirtualClock
    script: list[Reply] = field(default_factory=lambda: [ok()])
    latency_s: float = 0.001
    sent: list[tuple[float, HttpRequest]] = field(default_factory=list)
    gate: asyncio.Event | None = None

    async def send(self, request: HttpRequest) -> Answer:
        await asyncio.sleep(self.latency_s)
        if request.url.endswith("/time"):
            answer: Answer = ok({"serverTime": int(self.clock.wall_ms())})
        else:
            self.sent.append((self.clock.monotonic(), request))
            if self.gate is not None:
                await self.gate.wait()
            answer = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        await asyncio.sleep(self.latency_s)
        return answer

    async def close(self) -> None:
        """Nothing is open."""


def ok(body: object = None, **headers: str) -> Reply:
    return Reply(
        status=200,
        headers={name.replace("_", "-"): value for name, value in headers.items()},
        body=orjson.dumps({} if body is None else body),
    )


def refused(status: int, code: int, message: str = "", **headers: str) -> Reply:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status=status, headers=given, body=orjson.dumps({"code": code, "msg": message}))


@asynccontextmanager
async def a_gateway(*, ip_share: float = 1.0) -> AsyncIterator[tuple[Gateway, Scripted]]:
    clock = VirtualClock()
    venue = Scripted(clock)
    gateway = Gateway(get("binance"), BASE_URL, venue, clock, recv_window_ms=5_000, ip_share=ip_share)
    await gateway.clock.synchronise()
    yield gateway, venue


def sending(
    gateway: Gateway, *, group: str = "main", deadline_ms: float | None = None, allowed: bool = True
) -> Sending:
    return Sending(
        signer=make_signer(MAIN.api_key, MAIN.secret_key),
        budget=gateway.budget(group),
        may_send=lambda: allowed,
        deadline_ms=deadline_ms,
    )


async def many(gateway: Gateway, call: Call, count: int, *, group: str = "main") -> list[Passage]:
    return list(
        await asyncio.gather(*(gateway.send(call, sending(gateway, group=group)) for _ in range(count)))
    )


def set_limits(gateway: Gateway, *, weight: int = 6_000, orders: int = 50) -> None:
    gateway.limiter.adopt(
        [
            RateLimit(kind=LimitKind.REQUEST_WEIGHT, limit=weight, interval_s=60),
            RateLimit(kind=LimitKind.ORDERS, limit=orders, interval_s=10),
        ]
    )


# --- Stamp, sign, send ------------------------------------------------------------------------------------------------


@virtual_time
async def test_a_request_is_stamped_after_its_wait_and_not_before() -> None:
    async with a_gateway() as (gateway, venue):
        gateway.budget("main")
        set_limits(gateway, orders=1)
        await many(gateway, PLACE, 3)
        for sent_s, request in venue.sent:
            stamp = int(dict(parse_qsl(urlsplit(request.url).query))["timestamp"])
            now_ms = START_WALL_MS + (sent_s - 1_000) * 1000
            assert -20 <= stamp - now_ms <= 0
        times = [sent_s - venue.sent[0][0] for sent_s, _ in venue.sent]
        assert times == pytest.approx([0, 10, 20], abs=0.05)


@virtual_time
async def test_a_fenced_request_is_not_sent_and_costs_nothing() -> None:
    async with a_gateway() as (gateway, venue):
        gateway.budget("main")
        set_limits(gateway, orders=1)
        assert isinstance(await gateway.send(PLACE, sending(gateway, allowed=False)), Fenced)
        passage = await gateway.send(PLACE, sending(gateway))
        assert isinstance(passage, Exchange)
        assert passage.limiter_ms == 0
        assert len(venue.sent) == 1


@virtual_time
async def test_the_lease_is_asked_after_the_wait() -> None:
    async with a_gateway() as (gateway, venue):
        gateway.budget("main")
        set_limits(gateway, orders=1)
        await gateway.send(PLACE, sending(gateway))
        asked: list[float] = []

        def may_send() -> bool:
            asked.append(venue.clock.monotonic())
            return True

        given = sending(gateway)
        waiting = Sending(signer=given.signer, budget=given.budget, may_send=may_send)
        await gateway.send(PLACE, waiting)
        assert asked == [venue.sent[-1][0] - venue.latency_s]


@virtual_time
async def test_a_signed_request_waits_for_the_venues_time() -> None:
    clock = VirtualClock()
    venue = Scripted(clock)
    gateway = Gateway(get("binance"), BASE_URL, venue, clock, recv_window_ms=5_000, ip_share=1.0)
    task = asyncio.create_task(gateway.send(PLACE, sending(gateway)))
    await asyncio.sleep(5)
    assert venue.sent == []
    await gateway.clock.synchronise()
    assert isinstance(await task, Exchange)


# --- Limits -----------------------------------------------------------------------------------------------------------


@virtual_time
async def test_a_wait_beyond_the_deadline_is_refused_at_once() -> None:
    async with a_gateway() as (gateway, venue):
        gateway.budget("main")
        set_limits(gateway, orders=1)
        await gateway.send(PLACE, sending(gateway))
        began_s = venue.clock.monotonic()
        passage = await gateway.send(PLACE, sending(gateway, deadline_ms=venue.clock.wall_ms() + 5_000))
        assert isinstance(passage, Throttled)
        assert 9_000 < passage.wait_ms < 10_100
        assert venue.clock.monotonic() == began_s
        patient = await gateway.send(PLACE, sending(gateway, deadline_ms=venue.clock.wall_ms() + 15_000))
        assert isinstance(patient, Exchange)


@virtual_time
async def test_who_gives_up_waiting_leaves_the_turn_to_the_next() -> None:
    async with a_gateway() as (gateway, venue):
        gateway.budget("main")
        set_limits(gateway, orders=1)
        await gateway.send(PLACE, sending(gateway))
        impatient = asyncio.create_task(gateway.send(PLACE, sending(gateway)))
        await settled()
        impatient.cancel()
        await settled()
        await gateway.send(PLACE, sending(gateway))
        assert venue.sent[-1][0] - venue.sent[0][0] == pytest.approx(10, abs=0.05)


@virtual_time
async def test_cancels_pass_when_the_rest_of_the_weight_is_used_up() -> None:
    async with a_gateway() as (gateway, venue):
        gateway.budget("main")
        set_limits(gateway, weight=100, orders=1_000)
        venue.script = [refused(400, -1121)]
        began_s = venue.clock.monotonic()
        lookups = asyncio.create_task(many(gateway, LOOKUP, 40))
        places = asyncio.create_task(many(gateway, PLACE, 40))
        await asyncio.sleep(1)
        assert isinstance(await gateway.send(CANCEL, sending(gateway)), Exchange)
        assert venue.clock.monotonic() - began_s < 2
        await asyncio.gather(lookups, places)


@virtual_time
async def test_a_limit_smaller_than_a_request_slows_it_down_and_does_not_hang() -> None:
    async with a_gateway(ip_share=0.0001) as (gateway, venue):
        async with asyncio.timeout(300):
            await many(gateway, LOOKUP, 3)
        assert len(venue.sent) == 3


@virtual_time
async def test_an_accepted_spot_order_gives_its_weight_back() -> None:
    async with a_gateway() as (gateway, _):
        gateway.budget("main")
        set_limits(gateway, weight=8, orders=1_000)  # half of it went to ask the time
        free = Call(
            method="POST", path=f"{API}/order", purpose=Purpose.PLACE, orders=1, free_when_accepted=True
        )
        for _ in range(20):
            passage = await gateway.send(free, sending(gateway))
            assert isinstance(passage, Exchange)
            assert passage.limiter_ms == 0


@virtual_time
async def test_what_others_used_of_a_limit_is_learnt_from_a_reply() -> None:
    async with a_gateway() as (gateway, venue):
        gateway.budget("main")
        set_limits(gateway, orders=50)
        venue.script = [ok(x_mbx_order_count_10s="50"), ok()]
        await gateway.send(PLACE, sending(gateway))
        passage = await gateway.send(PLACE, sending(gateway))
        assert isinstance(passage, Exchange)
        assert passage.limiter_ms > 9_000


# --- Holds ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "reply",
    [
        refused(429, -1003, "Too many requests", retry_after="20"),
        refused(418, -1003, "Way too many requests", retry_after="20"),
        refused(418, -1003, f"IP(127.0.0.1) banned until {int(START_WALL_MS) + 20_000}."),
    ],
    ids=["429", "418", "banned until"],
)
@virtual_time
async def test_a_venue_that_wants_to_be_left_alone_is_left_alone(reply: Reply) -> None:
    async with a_gateway() as (gateway, venue):
        venue.script = [reply, ok()]
        await gateway.send(PLACE, sending(gateway))
        await asyncio.gather(
            gateway.send(LOOKUP, sending(gateway)),
            gateway.send(CANCEL, sending(gateway)),
            gateway.send(PLACE, sending(gateway, group="other")),
        )
        assert [sent_s - venue.sent[0][0] >= 19.9 for sent_s, _ in venue.sent] == [False, True, True, True]


@pytest.mark.parametrize(
    ("until", "seconds"),
    [
        (int(START_WALL_MS * 1000) + 20_000_000, 20),
        (int(START_WALL_MS) * 50, 7 * 86_400),
        (int(START_WALL_MS) // 1000 + 20, 5),
    ],
    ids=["microseconds", "beyond reason", "seconds"],
)
@virtual_time
async def test_a_ban_whose_end_is_written_oddly_neither_lasts_for_ever_nor_is_over_at_once(
    until: int, seconds: float
) -> None:
    async with a_gateway() as (gateway, venue):
        venue.script = [refused(418, -1003, f"IP banned until {until}.")]
        await gateway.send(PLACE, sending(gateway))
        assert gateway.hold_ms() / 1000 == pytest.approx(seconds, abs=0.1)


@virtual_time
async def test_a_hold_on_one_account_leaves_the_others_alone() -> None:
    async with a_gateway() as (gateway, venue):
        venue.script = [refused(429, -1015, "Too many new orders", retry_after="60"), ok()]
        await gateway.send(PLACE, sending(gateway, group="one"))
        held = asyncio.create_task(gateway.send(PLACE, sending(gateway, group="one")))
        await settled()
        passage = await gateway.send(PLACE, sending(gateway, group="other"))
        assert isinstance(passage, Exchange)
        assert passage.limiter_ms < 1_000
        assert not held.done()
        await held
        assert venue.sent[-1][0] - venue.sent[0][0] >= 60


@virtual_time
async def test_a_hold_on_one_account_makes_nobody_forget_what_the_ip_has_used() -> None:
    async with a_gateway() as (gateway, venue):
        gateway.budget("one")
        set_limits(gateway, weight=20, orders=1_000)
        await many(gateway, PLACE, 12, group="other")
        venue.script = [refused(429, -1015, "Too many new orders", retry_after="120"), ok()]
        await gateway.send(PLACE, sending(gateway, group="one"))
        held = asyncio.create_task(gateway.send(PLACE, sending(gateway, group="one")))
        await settled()
        await many(gateway, PLACE, 20, group="other")
        first_minute = [sent_s for sent_s, _ in venue.sent if sent_s < 1_060]
        assert 12 <= len(first_minute) <= 16  # of 18 that orders may use, 4 went to ask the time
        await held


@virtual_time
async def test_a_hold_that_is_made_longer_is_waited_for_to_its_end() -> None:
    async with a_gateway() as (gateway, venue):
        venue.script = [refused(429, -1003, retry_after="5"), ok()]
        await gateway.send(PLACE, sending(gateway))
        waiting = asyncio.create_task(gateway.send(PLACE, sending(gateway)))
        await asyncio.sleep(3)
        gateway.limiter.hold.extend(venue.clock.monotonic(), 60.0, "ip_banned")
        await waiting
        assert venue.sent[-1][0] - venue.sent[0][0] >= 63


@virtual_time
async def test_advice_to_come_back_at_once_is_not_taken_at_its_word() -> None:
    async with a_rig() as rig:
        await rig.outcome(a_signal("warm-up"))

        async def never(request: HttpRequest) -> Answer:
            rig.venue.requests.append(rig.venue.requests[0])
            del request
            await asyncio.sleep(0.001)
            return refused(429, -1003, "Too many requests", retry_after="0")

        before = len(rig.venue.requests)
        rig.venue.send = never  # type: ignore[method-assign]
        await rig.outcome(a_signal())
        assert len(rig.venue.requests) - before < 60  # in the 30 s that the signal is valid


def test_holds_without_advice_grow_and_start_small_again_after_a_success() -> None:
    hold, now_s, lengths = Hold(), 0.0, []
    for _ in range(8):
        lengths.append(hold.extend(now_s, None, "too_many_requests"))
        now_s = hold.until_s
    assert lengths == [5, 10, 20, 40, 80, 160, 300, 300]
    hold.succeed(now_s + 1)
    assert hold.extend(now_s + 1, None, "too_many_requests") == 5


def test_replies_to_requests_that_were_under_way_lengthen_no_hold_twice() -> None:
    hold = Hold()
    assert [hold.extend(now_s, None, "x") for now_s in (0.0, 1.0, 2.0)] == [5, 4, 3]
    assert hold.until_s == 5


# --- Rules ------------------------------------------------------------------------------------------------------------


@virtual_time
async def test_rules_are_read_once_for_all_who_wait_for_them() -> None:
    clock = VirtualClock()
    venue = SandboxSender(clock)
    gateway = Gateway(get("binance"), BASE_URL, venue, clock, recv_window_ms=5_000, ip_share=1.0)
    rules = await asyncio.gather(*(gateway.symbol_rules("BTCUSDT") for _ in range(10)))
    assert all(isinstance(rule, SymbolRules) and rule.display == "BTC/USDT" for rule in rules)
    assert venue.sent("GET", "exchangeInfo") == 1


@virtual_time
async def test_a_symbol_nobody_knows_is_asked_for_again_only_after_a_while() -> None:
    clock = VirtualClock()
    venue = SandboxSender(clock)
    gateway = Gateway(get("binance"), BASE_URL, venue, clock, recv_window_ms=5_000, ip_share=1.0)
    for _ in range(10):
        assert await gateway.symbol_rules("NOPEUSDT") is None
    assert venue.sent("GET", "exchangeInfo") == 1
    await asyncio.sleep(31)
    assert await gateway.symbol_rules("NOPEUSDT") is None
    assert venue.sent("GET", "exchangeInfo") == 2


@virtual_time
async def test_rules_in_doubt_are_read_again_by_one_order_of_their_symbol_and_keep_no_other_waiting() -> None:
    clock = VirtualClock()
    venue = SandboxSender(clock)
    gateway = Gateway(get("binance"), BASE_URL, venue, clock, recv_window_ms=5_000, ip_share=1.0)
    await gateway.symbol_rules("BTCUSDT")
    await asyncio.sleep(31)
    venue.break_next(SandboxFault.HANG, method="GET", path="*/exchangeInfo", count=9)
    gateway.doubt_rules("BTCUSDT")
    reading = asyncio.create_task(gateway.symbol_rules("BTCUSDT"))
    await settled()
    before_s = clock.monotonic()
    assert isinstance(await gateway.symbol_rules("ETHUSDT"), SymbolRules)
    assert isinstance(await gateway.symbol_rules("BTCUSDT"), SymbolRules)
    assert clock.monotonic() == before_s
    assert isinstance(await reading, SymbolRules), "what is known goes on to count"


@virtual_time
async def test_rules_that_cannot_be_read_tell_why() -> None:
    clock = VirtualClock()
    venue = SandboxSender(clock)
    venue.is_unreachable = True
    gateway = Gateway(get("binance"), BASE_URL, venue, clock, recv_window_ms=5_000, ip_share=1.0)
    error = await gateway.symbol_rules("BTCUSDT")
    assert error is not None
    assert not isinstance(error, SymbolRules)
    assert PLACE.security is Security.SIGNED
