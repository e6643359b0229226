"""An event loop that many simulated processes share, each of which can be killed, frozen and thawed on its own.

Whatever a process starts inherits its context, so every callback is known to belong to a process or to the world
around it. A callback of a dead process never runs: that is what SIGKILL does, no `finally` included. A callback of a
frozen process waits until it is thawed: that is what SIGSTOP does. Callbacks run in a fixed order, also those of tasks
that sit in sets, because tasks hash by their number here instead of their address.
"""

import asyncio
import heapq
import traceback
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context, ContextVar, copy_context
from typing import Any, Final, TypeVar

from typing_extensions import override

from tests.virtual_time import DeadlockError, HorizonError, VirtualTimeLoop

T = TypeVar("T")


MOST_STEPS: Final = 50_000
TICK_S: Final = 1e-6


class LivelockError(RuntimeError):
    """A program runs and runs while no time passes."""


class Process:
    """One run of a program on a host: its callbacks, and whether they may run."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_dead = False
        self.is_frozen = False
        self.parked: list[asyncio.Handle] = []
        self.tasks: list[asyncio.Task[Any]] = []
        self.context = copy_context()
        self.context.run(PROCESS.set, self)

    def freeze(self) -> None:
        """Run nothing from now on."""
        self.is_frozen = True

    def thaw(self, loop: "SimulationLoop") -> None:
        """Run what had to wait, in the order in which it came up."""
        self.is_frozen = False
        if not self.is_dead:
            parked, self.parked = self.parked, []
            loop.take_back(parked)


PROCESS: Final[ContextVar[Process | None]] = ContextVar("process", default=None)


class _Task(asyncio.Task[Any]):
    """A task with a hash that is the same on each run."""

    _numbers = 0

    def __init__(self, coroutine: Coroutine[Any, Any, Any], **options: Any) -> None:
        _Task._numbers += 1
        self._number = _Task._numbers
        super().__init__(coroutine, **options)

    @override
    def __hash__(self) -> int:
        return self._number


def _new_task(
    loop: asyncio.AbstractEventLoop,
    coroutine: Coroutine[Any, Any, Any] | Generator[Any, None, Any],
    **options: Any,
) -> "asyncio.Task[Any]":
    assert isinstance(coroutine, Coroutine)
    task = _Task(coroutine, loop=loop, **options)
    process = (options.get("context") or copy_context()).get(PROCESS)
    if process is not None:
        process.tasks.append(task)
    return task


class SimulationLoop(VirtualTimeLoop):
    """Virtual time for several processes."""

    _ready: deque[asyncio.Handle]
    _scheduled: list[asyncio.TimerHandle]

    def __init__(self, *, horizon_s: float) -> None:
        super().__init__(horizon_s=horizon_s)
        _Task._numbers = 0
        self.set_task_factory(_new_task)
        self.steps = self._steps_before = 0
        self.failures: list[str] = []
        self._kept: set[asyncio.Task[Any]] = set()
        self.set_exception_handler(self._fail)

    def _fail(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Keep errors of callbacks; what asyncio says of tasks that nobody waits for is the lot of killed processes."""
        if "handle" in context:
            error = context["exception"]
            self.failures.append("".join(traceback.format_exception(error)))

    @override
    def call_at(
        self,
        when: float,
        callback: Callable[..., object],
        *args: object,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Call at a time, but never without any time passing: so fine is no real clock either."""
        return super().call_at(max(when, self._now_s + TICK_S), callback, *args, context=context)

    def at(
        self, when_s: float, callback: Callable[..., object], *arguments: object, context: Context
    ) -> asyncio.TimerHandle:
        """Call something of a process or of the world at a time."""
        return self.call_at(when_s, callback, *arguments, context=context)

    def keep(self, task: "asyncio.Task[Any]") -> None:
        """Hold on to a task that nobody else knows, until it is done."""
        self._kept.add(task)
        task.add_done_callback(self._kept.discard)

    def take_back(self, handles: list[asyncio.Handle]) -> None:
        """Run handles that were held back."""
        self._ready.extend(handles)

    def _run_once(self) -> None:
        """Let time pass if nothing is ready, then run what is; replaces the loop's own, which would ask the system."""
        ready, scheduled = self._ready, self._scheduled
        while scheduled and scheduled[0]._cancelled:
            heapq.heappop(scheduled)
        if not ready:
            self._jump()
        while scheduled and scheduled[0].when() <= self._now_s:
            ready.append(heapq.heappop(scheduled))
        for _ in range(len(ready)):
            handle = ready.popleft()
            if handle._cancelled:
                continue
            process: Process | None = handle._context.get(PROCESS)  # type: ignore[attr-defined]
            if process is not None and (process.is_dead or process.is_frozen):
                process.parked.append(handle)
                continue
            self.steps += 1
            if self.steps - self._steps_before > MOST_STEPS:
                raise LivelockError(f"busy without letting time pass, at {handle!r}")
            handle._run()

    def _jump(self) -> None:
        if self._stopping:  # type: ignore[attr-defined]
            return
        if not self._scheduled:
            raise DeadlockError("nothing is ready and no timer is set: a wait will never end")
        self._now_s = max(self._now_s, self._scheduled[0].when())
        self._steps_before = self.steps
        if self._now_s > self._end_s:
            raise HorizonError("the simulation does not come to its end")


def run_simulated(main: Callable[[], Coroutine[Any, Any, T]], *, horizon_s: float) -> T:
    """Run a program and all of its processes to the end."""
    loop = SimulationLoop(horizon_s=horizon_s)
    try:
        return loop.run_until_complete(main())
    finally:
        loop.close()


async def dispose(process: Process, loop: SimulationLoop) -> None:
    """End the tasks of a process that is over, so that nothing of it outlives the simulation."""
    for task in process.tasks:
        task.cancel()
    process.is_dead = process.is_frozen = False
    process.thaw(loop)
    for _ in range(20):
        open_tasks = [task for task in process.tasks if not task.done()]
        if not open_tasks:
            break
        for task in open_tasks:
            task.cancel()
        await asyncio.wait(open_tasks, timeout=30)
    process.is_dead = True
