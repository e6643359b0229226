"""Rounds: one contender works one full queue off; neither its start and warm-up nor the tail of the round count.

Signals are published before the contender starts, so it is saturated from the first to the last, and the measured
stretch begins and ends with its pipeline full. What it cost is the CPU time of its own process, read from the
operating system at both ends; broker, venue and bench are processes of their own and are left out.
"""

import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from tests.bench.broker import BeelineQueues, Desk, NaiveQueues, Queues, desk_at
from tests.bench.child import Child, child

ACCOUNTS = tuple(f"bench-{number}" for number in range(8))
SYMBOLS = (("BTCUSDT", "0.01"), ("ETHUSDT", "0.1"), ("BNBUSDT", "0.5"), ("SOLUSDT", "2"))
VALIDITY_S = 900

Progress = Callable[[str, int, int], None]


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One measurement of one contender."""

    contender: str
    orders: int
    seconds: float
    cpu_s: float
    rss_mb: float

    @property
    def orders_per_s(self) -> float:
        return self.orders / self.seconds

    @property
    def cpu_us_per_order(self) -> float:
        return self.cpu_s / self.orders * 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Where contenders perform: a broker, a venue, and a folder for logs."""

    amqp_url: str
    venue_url: str
    accounts_file: Path
    logs: Path
    run_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """Something that works signals off: its queues, and how its process is started."""

    name: str
    queues: Queues
    start: Callable[[], AbstractAsyncContextManager[Child]]


@asynccontextmanager
async def stage_at(amqp_url: str, logs: Path) -> AsyncIterator[Stage]:
    """Start the venue."""
    with tempfile.TemporaryDirectory(prefix="beeline-bench-") as folder:
        accounts_file = Path(folder) / "accounts.toml"
        arguments = ("-m", "tests.bench.venue", "--accounts", str(accounts_file), *ACCOUNTS)
        async with child(*arguments, log=logs / "venue.log") as venue:
            yield Stage(
                amqp_url=amqp_url,
                venue_url=await venue.first_line(),
                accounts_file=accounts_file,
                logs=logs,
                run_id=f"{time.time_ns() // 1_000_000:x}",
            )


def beeline(stage: Stage, label: str, *, memory_s: int = VALIDITY_S, python: Sequence[str] = ()) -> Contender:
    """One worker as it is deployed; `python` are options of the interpreter, for a profiler."""
    namespace = f"bench-{stage.run_id}-{label}"
    env = {
        "BEELINE_AMQP_URL": stage.amqp_url,
        "BEELINE_NAMESPACE": namespace,
        "BEELINE_ACCOUNTS": str(stage.accounts_file),
        "BEELINE_HTTP_PORT": "0",
        "BEELINE_SIGNAL_TTL": str(VALIDITY_S),
        "BEELINE_MEMORY": str(memory_s),
        "BEELINE_WORKER_ID": "bench",
    }
    return Contender(
        name="beeline",
        queues=BeelineQueues(stage.amqp_url, namespace, ACCOUNTS),
        start=lambda: child(*python, "-m", "worker", "worker", env=env, log=stage.logs / "beeline.log"),
    )


def naive(stage: Stage, label: str) -> Contender:
    """The loop written by hand."""
    namespace = f"bench-{stage.run_id}-{label}"
    accounts_file = str(stage.accounts_file)
    options = ("--amqp-url", stage.amqp_url, "--namespace", namespace, "--accounts", accounts_file)
    return Contender(
        name="naive",
        queues=NaiveQueues(stage.amqp_url, namespace),
        start=lambda: child("-m", "tests.bench.naive_loop", *options, log=stage.logs / "naive.log"),
    )


def signals(prefix: str, count: int) -> list[dict[str, Any]]:
    """Market orders in turn over all accounts and symbols, buying and selling, so that no balance runs out."""
    return [_signal(prefix, number) for number in range(count)]


def _signal(prefix: str, number: int) -> dict[str, Any]:
    lap, account = divmod(number, len(ACCOUNTS))
    lap, symbol = divmod(lap, len(SYMBOLS))
    name, quantity = SYMBOLS[symbol]
    return {
        "signal_id": f"{prefix}-{number}",
        "account": ACCOUNTS[account],
        "symbol": name,
        "side": "sell" if lap % 2 else "buy",
        "type": "market",
        "quantity": quantity,
    }


async def play(stage: Stage, contender: Contender, load: Load, on_progress: Progress) -> Round:
    """Let a contender work one full queue off, check what it did, and return what it cost."""
    async with desk_at(stage.amqp_url, contender.queues) as desk:
        await _reset_venue(stage)
        await desk.fill(signals("s", load.total), lambda done: on_progress("publishing", done, load.total))
        async with contender.start() as process:
            result = await _measure(contender, desk, process, load, on_progress)
            await desk.until(load.total, _teller(process, "finishing", load.total, on_progress))
        await _verify(stage, desk, load.total)
    return result


async def _measure(
    contender: Contender, desk: Desk, process: Child, load: Load, on_progress: Progress
) -> Round:
    tell = _teller(process, "working", load.total, on_progress)
    first = await desk.until(load.warm_up, tell)
    began_s, cpu_s = time.monotonic(), process.cpu_s()
    last = await desk.until(load.warm_up + load.measured, tell)
    return Round(
        contender=contender.name,
        orders=last - first,
        seconds=time.monotonic() - began_s,
        cpu_s=process.cpu_s() - cpu_s,
        rss_mb=process.rss_mb(),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryCurve:
    """Resident memory over a long round: samples of (orders done, MB)."""

    samples: list[tuple[int, float]]
    settled_after: int

    @property
    def growth_mb_per_1000(self) -> float:
        """Growth from where it has settled to the end."""
        settled = [sample for sample in self.samples if sample[0] >= self.settled_after]
        (first, from_mb), (last, to_mb) = settled[0], settled[-1]
        return (to_mb - from_mb) / (last - first) * 1000


async def watch_memory(
    stage: Stage, contender: Contender, *, total: int, on_progress: Progress, samples: int = 50
) -> MemoryCurve:
    """Let a contender work a long queue off and sample its resident memory on the way."""
    curve: list[tuple[int, float]] = []
    async with desk_at(stage.amqp_url, contender.queues) as desk:
        await _reset_venue(stage)
        await desk.fill(signals("m", total), lambda done: on_progress("publishing", done, total))
        async with contender.start() as process:
            tell = _teller(process, "working", total, on_progress)
            for step in range(1, samples + 1):
                done = await desk.until(total * step // samples, tell)
                curve.append((done, process.rss_mb()))
        await _verify(stage, desk, total)
    return MemoryCurve(samples=curve, settled_after=total // 5)


def _teller(process: Child, what: str, total: int, on_progress: Progress) -> Callable[[int], None]:
    """Tell how far a process is, or that it has ended."""

    def tell(done: int) -> None:
        process.check()
        on_progress(what, done, total)

    return tell


async def _reset_venue(stage: Stage) -> None:
    async with aiohttp.ClientSession() as session, session.post(f"{stage.venue_url}/sandbox/reset") as reply:
        reply.raise_for_status()


async def _verify(stage: Stage, desk: Desk, total: int) -> None:
    """Speed counts only when every signal became one order and one outcome."""
    statuses = await desk.take_statuses(total)
    url = f"{stage.venue_url}/sandbox/ledger/summary"
    async with aiohttp.ClientSession() as session, session.get(url) as reply:
        ledger = await reply.json()
    if statuses != {"filled": total} or ledger["orders"] != total or ledger["placed_more_than_once"]:
        raise WrongResultError(
            f"{total} signals became outcomes {dict(statuses)} and {ledger['orders']} orders; "
            f"placed more than once: {len(ledger['placed_more_than_once'])}"
        )


async def alternate(stage: Stage, load: Load, rounds: int, line: Callable[[str], Progress]) -> list[Round]:
    """Play the contenders in turn, so that whatever else the machine does falls on both."""
    played: list[Round] = []
    for number in range(1, rounds + 1):
        for make in (naive, beeline):
            contender = make(stage, f"{number}")
            played.append(await play(stage, contender, load, line(f"{contender.name} {number}/{rounds}")))
    return played
