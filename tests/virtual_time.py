"""Time that passes as fast as the code runs: an event loop whose clock jumps to the next timer when nothing is ready.

A test or a simulation in virtual time sleeps through minutes in no time, and takes the same course on each run: the
order of events follows from the program alone, because no thread, socket or real clock has a say. Two ways in which
such a program can hang are errors here: nothing is left that could ever happen (`DeadlockError`), and time went past
the horizon while something still waits, usually a poller that outlives its purpose (`HorizonError`).

    @virtual_time
    async def test_a_minute_passes() -> None:
        clock = VirtualClock()
        await asyncio.sleep(60)
        assert clock.monotonic() == START_S + 60
"""

import asyncio
import functools
import selectors
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, ParamSpec, TypeVar

from typing_extensions import override

P = ParamSpec("P")
T = TypeVar("T")

START_S: Final = 1_000.0
"""Where the monotonic clock starts; not 0, so that nobody takes an unset time for an early one."""

START_WALL_MS: Final = 1_795_000_020_000.0
"""Where wall clocks start: a whole minute, so that every fixed window of a venue starts there as well."""

HORIZON_S: Final = 86_400.0


class DeadlockError(RuntimeError):
    """Everything waits for something that nobody will do."""


class HorizonError(RuntimeError):
    """More virtual time passed than the run was given."""


class _JumpingSelector(selectors.SelectSelector):
    """Instead of waiting for files, it lets time pass."""

    def __init__(self, advance: Callable[[float | None], None]) -> None:
        super().__init__()
        self._advance = advance

    @override
    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self._advance(timeout)
        return []


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop in virtual time."""

    def __init__(self, *, start_s: float = START_S, horizon_s: float = HORIZON_S) -> None:
        self._now_s = start_s
        self._end_s = start_s + horizon_s
        super().__init__(_JumpingSelector(self._advance))

    @override
    def time(self) -> float:
        """Virtual seconds; the same until everything that can run has run."""
        return self._now_s

    def _advance(self, timeout_s: float | None) -> None:
        if timeout_s is None:
            raise DeadlockError("nothing is ready and no timer is set: a wait will never end")
        if timeout_s <= 0:
            return
        self._now_s += timeout_s
        if self._now_s > self._end_s:
            raise HorizonError(f"still busy after {self._now_s - START_S:.0f} virtual seconds")


class VirtualClock:
    """The clocks of one host in virtual time; its wall clock can be wrong and can be stepped."""

    def __init__(self, *, wall_offset_ms: float = 0.0, start_wall_ms: float = START_WALL_MS) -> None:
        self._loop = asyncio.get_running_loop()
        self._wall_ms_at_zero = start_wall_ms + wall_offset_ms - START_S * 1000
        self.slept_s = 0.0

    def monotonic(self) -> float:
        """Seconds that never step."""
        return self._loop.time()

    def wall_ms(self) -> float:
        """Epoch milliseconds as this host believes."""
        return self._wall_ms_at_zero + self._loop.time() * 1000

    def asleep_s(self) -> float:
        """How long this host has been suspended."""
        return self.slept_s

    def step_wall(self, step_ms: float) -> None:
        """Step the wall clock, as an operator or a first NTP reply does."""
        self._wall_ms_at_zero += step_ms


def run_virtually(
    main: Coroutine[Any, Any, T], *, start_s: float = START_S, horizon_s: float = HORIZON_S
) -> T:
    """Run a program to its end in virtual time."""

    def new_loop() -> VirtualTimeLoop:
        return VirtualTimeLoop(start_s=start_s, horizon_s=horizon_s)

    with asyncio.Runner(loop_factory=new_loop) as runner:
        return runner.run(main)


def virtual_time(test: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, T]:
    """Run an async test in virtual time."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        return run_virtually(test(*args, **kwargs))

    return run


async def settled() -> None:
    """Let everything run that is ready now, without any time passing."""
    for _ in range(100):
        await asyncio.sleep(0)


async def within(seconds: float, awaitable: Awaitable[T]) -> T:
    """Wait, but no longer than some virtual seconds."""
    async with asyncio.timeout(seconds):
        return await awaitable
