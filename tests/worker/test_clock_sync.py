"""The venue's time is kept known: asked on a schedule, again at once when a stamp was wrong, never during a hold."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
import structlog
from typing_extensions import override

from adapters.errors import VenueError
from adapters.venues import get
from tests.virtual_time import VirtualClock, settled, virtual_time
from tests.worker.builders import BASE_URL
from tests.worker.fakes import SandboxSender
from worker.clock_sync import BURST, SystemClock, VenueClock
from worker.core.clock_offset import Doubt, Probe


@asynccontextmanager
async def a_clock(
    *, venue: str = "binance", wall_offset_ms: float = 0.0, held_s: float = 0.0
) -> AsyncIterator[tuple[VenueClock, SandboxSender, VirtualClock]]:
    true, host = VirtualClock(), VirtualClock(wall_offset_ms=wall_offset_ms)
    sender = SandboxSender(true)
    held_until_s = true.monotonic() + held_s
    yield (
        VenueClock(
            get(venue),
            BASE_URL,
            sender,
            host,
            recv_window_ms=5_000,
            recv_window_max_ms=5_000,
            held_s=lambda: held_until_s - true.monotonic(),
            on_error=lambda _: None,
        ),
        sender,
        true,
    )


async def running(clock: VenueClock, seconds: float) -> None:
    task = asyncio.create_task(clock.run())
    await asyncio.sleep(seconds)
    task.cancel()
    await settled()


@pytest.mark.parametrize("venue", ["binance", "bitrue"])
@virtual_time
async def test_the_venues_time_is_known_within_its_bound(venue: str) -> None:
    async with a_clock(venue=venue, wall_offset_ms=123_456) as (clock, sender, true):
        sender.exchange.clock.step(7_000)
        await clock.synchronise()
        reading = clock.read()
        assert reading is not None
        assert abs(reading.venue_ms - (true.wall_ms() + 7_000)) <= reading.uncertainty_ms
        assert clock.wall_drift_ms == pytest.approx(123_456 - 7_000, abs=reading.uncertainty_ms)


@virtual_time
async def test_nothing_is_known_until_the_venue_answers_and_whoever_waits_is_woken_then() -> None:
    async with a_clock() as (clock, sender, _):
        sender.is_unreachable = True
        waiting, polling = asyncio.create_task(clock.known()), asyncio.create_task(clock.run())
        await asyncio.sleep(5)
        assert not waiting.done()
        assert (clock.read(), clock.wall_drift_ms) == (None, None)
        sender.is_unreachable = False
        await waiting
        assert clock.read() is not None
        polling.cancel()


@virtual_time
async def test_time_is_asked_in_bursts_on_a_schedule() -> None:
    async with a_clock() as (clock, sender, _):
        await running(clock, 3 * 30 + 1)
        assert sender.sent("GET", "time") == 4 * BURST


@virtual_time
async def test_a_venue_that_wants_to_be_left_alone_is_not_asked() -> None:
    async with a_clock(held_s=100) as (clock, sender, _):
        await clock.resynchronise()
        await running(clock, 99)
        assert sender.sent("GET", "time") == 0
        await running(clock, 2)
        assert sender.sent("GET", "time") == BURST


@virtual_time
async def test_many_who_ask_at_once_share_a_burst() -> None:
    async with a_clock() as (clock, sender, _):
        await asyncio.gather(*(clock.resynchronise() for _ in range(20)))
        assert sender.sent("GET", "time") == BURST


@virtual_time
async def test_who_asks_after_a_burst_gets_another() -> None:
    async with a_clock() as (clock, sender, _):
        await clock.resynchronise()
        await asyncio.sleep(1)
        await clock.resynchronise()
        assert sender.sent("GET", "time") == 2 * BURST


@virtual_time
async def test_a_failed_burst_keeps_what_was_known() -> None:
    async with a_clock() as (clock, sender, true):
        await clock.synchronise()
        sender.is_unreachable = True
        await asyncio.sleep(20)
        assert isinstance(await clock.synchronise(), VenueError)
        reading = clock.read()
        assert reading is not None
        assert abs(reading.venue_ms - true.wall_ms()) <= reading.uncertainty_ms


async def told_of_the_wall_clock(*steps_ms: float) -> list[tuple[str, Any]]:
    """What is logged of a wall clock that is stepped again and again, a minute each time."""
    async with a_clock() as (clock, _, _):
        structlog.reset_defaults()
        with structlog.testing.capture_logs() as logs:
            task = asyncio.create_task(clock.run())
            for step_ms in steps_ms:
                clock._clock.step_wall(step_ms)  # type: ignore[attr-defined]
                await asyncio.sleep(61)
            task.cancel()
        return [
            (line["log_level"], line["wall_minus_venue_ms"]) for line in logs if "wall clock" in line["event"]
        ]


@pytest.mark.parametrize(
    ("offset_ms", "level"), [(100.0, None), (-700.0, "warning"), (700.0, "warning"), (1_500.0, "error")]
)
@virtual_time
async def test_a_wall_clock_that_is_off_is_told_of_once(offset_ms: float, level: str | None) -> None:
    told = await told_of_the_wall_clock(offset_ms)
    assert told == ([] if level is None else [(level, pytest.approx(offset_ms, abs=15))])


@virtual_time
async def test_a_wall_clock_that_gets_worse_and_right_again_is_told_of_each_time() -> None:
    told = await told_of_the_wall_clock(600, 500, -1_000, 10)
    assert [level for level, _ in told] == ["warning", "error", "info"]


@virtual_time
async def test_what_is_told_of_a_wall_clock_says_what_to_do_and_the_metric_shows_the_threshold() -> None:
    async with a_clock(wall_offset_ms=-1_500) as (clock, _, _):
        structlog.reset_defaults()
        with structlog.testing.capture_logs() as logs:
            await running(clock, 1)
        assert "NTP" in logs[0]["event"]
        assert clock.wall_level == 2


# --- Doubts -----------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def a_known_clock(
    host: VirtualClock | None = None,
) -> AsyncIterator[tuple[VenueClock, SandboxSender, VirtualClock]]:
    """A clock that was synchronised a moment ago, on a host whose clocks a test may bend."""
    true = host or VirtualClock()
    sender = SandboxSender(true)
    clock = VenueClock(
        get("binance"),
        BASE_URL,
        sender,
        true,
        recv_window_ms=5_000,
        recv_window_max_ms=20_000,
        held_s=lambda: 0.0,
        on_error=lambda _: None,
    )
    await clock.synchronise()
    await asyncio.sleep(1)
    assert clock.read_to_sign() is not None
    yield clock, sender, true


def step_the_wall(clock: VenueClock, host: VirtualClock) -> None:
    del clock
    host.step_wall(-2_000)


def sleep(clock: VenueClock, host: VirtualClock) -> None:
    del clock
    host.slept_s += 3


def refuse_a_stamp(clock: VenueClock, host: VirtualClock) -> None:
    del host
    clock.refused()


DOUBTS = {Doubt.WALL_STEP: step_the_wall, Doubt.SUSPEND: sleep, Doubt.REFUSED_STAMP: refuse_a_stamp}


@pytest.mark.parametrize("doubt", DOUBTS)
@virtual_time
async def test_after_a_jump_or_a_refusal_nothing_is_signed_until_the_venue_was_asked(doubt: Doubt) -> None:
    async with a_known_clock() as (clock, sender, host):
        DOUBTS[doubt](clock, host)
        assert clock.read_to_sign() is None
        assert clock.read() is not None, "what needs no stamp goes on with what is known"
        before = sender.sent("GET", "time")
        await clock.fit_to_sign()
        assert clock.read_to_sign() is not None
        assert sender.sent("GET", "time") == before + BURST
        assert clock.doubts == {doubt: 1}


@virtual_time
async def test_a_doubt_that_comes_up_during_a_burst_needs_another() -> None:
    async with a_known_clock() as (clock, sender, _):
        before = sender.sent("GET", "time")
        burst = asyncio.create_task(clock.resynchronise())
        await asyncio.sleep(0.03)
        clock.refused()
        await burst
        assert clock.read_to_sign() is None
        await clock.fit_to_sign()
        assert sender.sent("GET", "time") == before + 2 * BURST


@virtual_time
async def test_all_who_wait_for_a_venue_that_cannot_be_asked_try_together_once_a_second() -> None:
    async with a_known_clock() as (clock, sender, _):
        sender.is_unreachable = True
        clock.refused()
        waiting = [asyncio.create_task(clock.fit_to_sign()) for _ in range(50)]
        asked = 0
        probe = clock._probe

        async def counted() -> Probe | VenueError:
            nonlocal asked
            asked += 1
            return await probe()

        clock._probe = counted  # type: ignore[method-assign]
        await asyncio.sleep(10)
        assert 5 <= asked <= 11
        sender.is_unreachable = False
        await asyncio.gather(*waiting)
        assert clock.read_to_sign() is not None


@virtual_time
async def test_a_slow_venue_is_heard_to_the_end_though_nobody_waits_that_long() -> None:
    async with a_known_clock() as (clock, sender, _):
        sender._one_way_s = 0.5
        clock.refused()
        for _ in range(5):
            with suppress(TimeoutError):
                async with asyncio.timeout(1):
                    await clock.fit_to_sign()
        assert clock.read_to_sign() is not None


class Interrupted(VirtualClock):
    """A host that lets the process wait for its turn in the middle of a look at the clocks."""

    is_about_to_stop = False
    stopped_s = 0.0

    @override
    def monotonic(self) -> float:
        return super().monotonic() + self.stopped_s

    @override
    def wall_ms(self) -> float:
        if self.is_about_to_stop:
            self.is_about_to_stop, self.stopped_s = False, self.stopped_s + 0.2
        return super().wall_ms() + self.stopped_s * 1000


@virtual_time
async def test_a_process_that_waits_for_its_turn_between_two_clocks_sees_no_jump() -> None:
    async with a_known_clock(Interrupted()) as (clock, _, host):
        assert isinstance(host, Interrupted)
        host.is_about_to_stop = True
        assert clock.read_to_sign() is not None
        assert clock.read_to_sign() is not None
        assert not clock.doubts


@virtual_time
async def test_a_hold_that_comes_during_a_burst_ends_it() -> None:
    async with a_clock() as (clock, sender, _):
        clock._held_s = lambda: 5.0 if sender.sent("GET", "time") >= 2 else 0.0
        await clock.resynchronise()
        assert sender.sent("GET", "time") == 2
        assert clock.read() is not None


@virtual_time
async def test_after_hours_without_an_answer_the_venue_is_asked_before_anything_is_signed() -> None:
    async with a_known_clock() as (clock, _, _):
        await asyncio.sleep(2_400)
        assert clock.read_to_sign() is not None
        await asyncio.sleep(200)
        assert clock.read_to_sign() is None
        assert clock.doubts == {Doubt.AGE: 1}


@virtual_time
async def test_a_venue_that_steps_its_clock_is_watched_closely() -> None:
    async with a_clock() as (clock, sender, _):
        task = asyncio.create_task(clock.run())
        await asyncio.sleep(10)
        sender.exchange.clock.step(-1_800)
        await clock.resynchronise()
        before = sender.sent("GET", "time")
        await asyncio.sleep(8)
        assert sender.sent("GET", "time") == before + 3 * BURST  # after 1, 3 and 7 s
        assert clock.offset.steps == 1
        task.cancel()


@virtual_time
async def test_a_slow_way_widens_the_recv_window_within_its_bound() -> None:
    async with a_known_clock() as (clock, sender, _):
        windows = []
        for one_way_s in (0.01, 1.5, 8.0):
            sender._one_way_s, sender._timeout_s = one_way_s, 60.0
            await clock.synchronise()
            reading = clock.read()
            assert reading is not None
            windows.append(clock.window_ms(reading))
        assert windows[0] == 5_000
        assert 9_000 <= windows[1] <= 10_000
        assert windows[2] == 20_000


def test_the_monotonic_clock_of_this_host_goes_on_while_it_sleeps() -> None:
    """A lease ends while its holder sleeps, and the difference to the clock that stops is the time asleep."""
    before, asleep_s, after = time.monotonic(), SystemClock.asleep_s(), time.monotonic()
    assert before + asleep_s - 0.001 <= SystemClock.monotonic()
    assert asleep_s > -(after - before) - 0.001
