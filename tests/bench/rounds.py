"""Rounds: one contender works one full queue off; neither its start and warm-up nor the tail of the round count.

Signals are published before the contender starts, so it is saturated from the first to the last, and the measured
stretch begins and ends with its pipeline full. What it cost is the CPU time of its own process, read from the
operating system at both ends; broker, venue and bench are processes of their own and are left out.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tests.bench.broker import Desk, desk_at
from tests.bench.child import Child
from tests.bench.stage import Contender, Stage, signals

Progress = Callable[[str, int, int], None]
Tell = Callable[[int], None]


class WrongResultError(RuntimeError):
    """A contender did not do the work it was measured at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """How many signals a round has: a warm-up, the measured ones, and a tail that keeps the end saturated."""

    warm_up: int
    measured: int
    tail: int

    @property
    def total(self) -> int:
        return self.warm_up + self.measured + self.tail


def load_of(measured: int, accounts: int, warm_up: int) -> Load:
    """A round in which the warm-up has at least one signal for each account: an account's first order costs more."""
    return Load(warm_up=max(warm_up, accounts), measured=measured, tail=max(20, measured // 25))


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One measurement of one contender; `shared_cpu_s` is what broker and venue spent meanwhile."""

    contender: str
    accounts: int
    orders: int
    seconds: float
    cpu_s: float
    rss_mb: float
    shared_cpu_s: Mapping[str, float]

    @property
    def orders_per_s(self) -> float:
        return self.orders / self.seconds

    @property
    def cpu_us_per_order(self) -> float:
        return self.cpu_s / self.orders * 1e6


async def play(stage: Stage, contender: Contender, load: Load, on_progress: Progress) -> Round:
    """Let a contender work one full queue off, check what it did, and return what it cost."""
    async with desk_at(stage.amqp_url, contender.queues) as desk:
        await stage.ask_venue("POST", "/sandbox/reset")
        rows = signals("s", load.total, contender.accounts)
        await desk.fill(rows, lambda done: on_progress("publishing", done, load.total))
        async with contender.start() as process:
            counted = Counted(stage=stage, desk=desk, processes=[process])
            tell = teller([process], "working", load.total, on_progress)
            result = await counted.round_of(contender, load.warm_up, lambda _: load.total - load.tail, tell)
            await desk.until(load.total, teller([process], "finishing", load.total, on_progress))
        await verify(stage, desk, load.total)
    return result


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """The processes whose cost counts, and where they work."""

    stage: Stage
    desk: Desk
    processes: Sequence[Child]

    async def round_of(
        self, contender: Contender, begin: int, end: Callable[[int], int], tell: Tell
    ) -> Round:
        """Measure from an outcome on (not before the `begin`-th) until the one that `end` names then."""
        first = await self.desk.until(begin, tell)
        began_s, cpu_s, shared_s = time.monotonic(), self._cpu_s(), self.stage.shared_cpu_s()
        last = await self.desk.until(end(first), tell)
        return Round(
            contender=contender.name,
            accounts=contender.accounts,
            orders=last - first,
            seconds=time.monotonic() - began_s,
            cpu_s=self._cpu_s() - cpu_s,
            rss_mb=sum(process.rss_mb() for process in self.processes),
            shared_cpu_s={name: spent - shared_s[name] for name, spent in self.stage.shared_cpu_s().items()},
        )

    def _cpu_s(self) -> float:
        return sum(process.cpu_s() for process in self.processes)


def teller(processes: Sequence[Child], what: str, total: int, on_progress: Progress) -> Tell:
    """Tell how far processes are, or that one of them has ended."""

    def tell(done: int) -> None:
        for process in processes:
            process.check()
        on_progress(what, done, total)

    return tell


async def verify(stage: Stage, desk: Desk, total: int) -> None:
    """Speed counts only when every signal became one order and one outcome."""
    statuses = await desk.take_statuses(total)
    ledger = await stage.ask_venue("GET", "/sandbox/ledger/summary")
    if statuses != {"filled": total} or ledger["orders"] != total or ledger["placed_more_than_once"]:
        raise WrongResultError(
            f"{total} signals became outcomes {dict(statuses)} and {ledger['orders']} orders; "
            f"placed more than once: {len(ledger['placed_more_than_once'])}"
        )


def of(rounds: Sequence[Round], contender: str, accounts: int | None = None) -> list[Round]:
    """A contender's rounds, those that cost least first: what else ran on the machine only ever adds."""
    own = [
        played for played in rounds if played.contender == contender and accounts in {None, played.accounts}
    ]
    return sorted(own, key=lambda played: played.cpu_us_per_order)
