"""What a run is played on: hosts with their clocks, the venues, the broker, and the record of what happens."""

import asyncio
from collections import Counter
from collections.abc import Callable
from contextvars import Context
from dataclasses import dataclass, field
from typing import Any

from adapters.sandbox.model import Order
from tests.simulation.loop import Process, SimulationLoop
from tests.simulation.scenario import Scenario
from tests.simulation.venues import Venue
from tests.simulation.wire import Host, Server
from tests.simulation.workload import Publication
from tests.virtual_time import START_S, START_WALL_MS
from worker.accounts import Account
from worker.app import Worker


class HostClock:
    """The clocks of a host: each drifts, the wall can be stepped."""

    def __init__(self, loop: SimulationLoop, number: int, wall_offset_ms: float, drift_ppm: float) -> None:
        self._loop, self._rate = loop, 1 + drift_ppm / 1e6
        self._epoch_s = 10_000.0 * (number + 1)
        self.wall_offset_ms = wall_offset_ms
        self.slept_s = self._miscounted_s = 0.0

    def monotonic(self) -> float:
        """Seconds that never step, and go on while the host is suspended."""
        return self._epoch_s + (self._loop.time() - START_S) * self._rate + self._miscounted_s

    def wake(self, slept_s: float, error_s: float) -> None:
        """Go on after a suspension, which was counted wrong by so much."""
        self.slept_s += slept_s
        self._miscounted_s += error_s

    def wall_ms(self) -> float:
        """Epoch milliseconds as this host believes."""
        return START_WALL_MS + (self._loop.time() - START_S) * 1000 * self._rate + self.wall_offset_ms

    def asleep_s(self) -> float:
        """How long this host has been suspended."""
        return self.slept_s


@dataclass(slots=True, kw_only=True, eq=False)
class Machine:
    """One host and the worker that runs on it now."""

    host: Host
    clock: HostClock
    number: int
    runs: int = 0
    process: Process | None = None
    worker: Worker | None = None
    program: "asyncio.Task[None] | None" = None

    @property
    def running(self) -> Process | None:
        """The process that is not dead."""
        return None if self.process is None or self.process.is_dead else self.process


@dataclass(slots=True, kw_only=True)
class Record:
    """What happened, for the checks."""

    published: list[Publication] = field(default_factory=list)
    outcomes: list[dict[str, Any]] = field(default_factory=list)
    orders: list[Order] = field(default_factory=list)
    dead: int = 0
    left: int = 0
    wrong: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    trace: list[tuple[float, str, str]] = field(default_factory=list)
    ended_s: float = 0.0


@dataclass(slots=True, kw_only=True)
class Stage:
    """Everything that has a place in a run. `context` is the world's: what runs in it belongs to no process."""

    loop: SimulationLoop
    context: Context
    scenario: Scenario
    server: Server
    venues: dict[str, Venue]
    accounts: dict[str, Account]
    machines: list[Machine]
    record: Record

    def now_ms(self) -> float:
        """True wall time."""
        return true_ms(self.loop)

    def note(self, text: str, process: Process | None = None) -> None:
        """Write down what happened."""
        name = process.name if process else "-"
        self.record.trace.append((self.loop.time() - START_S, name, text))

    def later(self, delay_s: float, action: Callable[..., object], *arguments: object) -> None:
        """Let the world do something after a while."""
        self.loop.at(self.loop.time() + delay_s, action, *arguments, context=self.context)


def true_ms(loop: SimulationLoop) -> float:
    """Return the true wall time, which no host knows exactly."""
    return START_WALL_MS + (loop.time() - START_S) * 1000
