"""The venue's time is kept known: asked on a schedule, again at once when a stamp was wrong, never during a hold."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import structlog

from adapters.errors import VenueError
from adapters.venues import get
from tests.virtual_time import VirtualClock, settled, virtual_time
from tests.worker.builders import BASE_URL
from tests.worker.fakes import SandboxSender
from worker.clock_sync import BURST, INTERVAL_S, VenueClock


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
        await running(clock, 3 * INTERVAL_S + 1)
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


@pytest.mark.parametrize(
    ("offset_ms", "level"), [(100.0, None), (-700.0, "warning"), (700.0, "warning"), (1_500.0, "error")]
)
@virtual_time
async def test_a_wall_clock_that_is_off_is_told_of(offset_ms: float, level: str | None) -> None:
    async with a_clock(wall_offset_ms=offset_ms) as (clock, _, _):
        structlog.reset_defaults()
        with structlog.testing.capture_logs() as logs:
            await running(clock, 1)
        told = [(line["log_level"], line["wall_minus_venue_ms"]) for line in logs]
        assert told == ([] if level is None else [(level, pytest.approx(offset_ms, abs=15))])
