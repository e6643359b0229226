import asyncio

import pytest

from tests.virtual_time import (
    START_S,
    START_WALL_MS,
    DeadlockError,
    HorizonError,
    VirtualClock,
    run_virtually,
    virtual_time,
    within,
)


@virtual_time
async def test_sleeping_takes_no_time_and_moves_all_clocks() -> None:
    clock = VirtualClock()
    await asyncio.sleep(3_600)
    assert clock.monotonic() == START_S + 3_600
    assert clock.wall_ms() == START_WALL_MS + 3_600_000


@virtual_time
async def test_timers_fire_in_the_order_of_their_times() -> None:
    woke: list[int] = []

    async def sleeper(seconds: int) -> None:
        await asyncio.sleep(seconds)
        woke.append(seconds)

    async with asyncio.TaskGroup() as tasks:
        for seconds in (5, 1, 4, 2, 3):
            tasks.create_task(sleeper(seconds))
    assert woke == [1, 2, 3, 4, 5]


@virtual_time
async def test_a_timeout_ends_a_wait_at_its_very_instant() -> None:
    clock = VirtualClock()
    with pytest.raises(TimeoutError):
        await within(7.5, asyncio.Event().wait())
    assert clock.monotonic() == START_S + 7.5


@virtual_time
async def test_a_stepped_wall_clock_leaves_monotonic_time_alone() -> None:
    clock = VirtualClock(wall_offset_ms=250)
    clock.step_wall(-5_000)
    assert clock.monotonic() == START_S
    assert clock.wall_ms() == START_WALL_MS + 250 - 5_000


def test_waiting_for_nothing_is_an_error() -> None:
    async def wait() -> None:
        await asyncio.Event().wait()

    with pytest.raises(DeadlockError):
        run_virtually(wait())


def test_time_without_end_is_an_error() -> None:
    async def poll() -> None:
        while True:  # noqa: ASYNC110 - it is the mistake that this test is about
            await asyncio.sleep(30)

    with pytest.raises(HorizonError):
        run_virtually(poll(), horizon_s=600)
