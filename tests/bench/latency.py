"""Added latency at a tenth, half and nine tenths of what a contender can do.

- *On the wire*: from when a signal was due to be published until the venue's process got the order's request. The
  broker's way of the signal is in it.
- *Answered*: from when it was due until the bench had its outcome, minus the venue's own time for the order. The
  broker's way of the outcome is in it, its confirm is not awaited.

What a contender can do is measured just before, with the same producer and reader at work: all signals at once.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson

from tests.bench.bench import Bench
from tests.bench.broker import desk_at
from tests.bench.child import child
from tests.bench.rounds import Progress, WrongResultError
from tests.bench.stage import Contender, Stage, beeline, naive, signals
from tests.bench.venue import ARRIVALS

LOADS: Final = (0.1, 0.5, 0.9)
LONGEST_S: Final = 10.0
RAMP: Final = 0.2
"""The first part of a flood, which does not count for its speed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """When each signal was due, published, taken by the venue and answered; nanoseconds."""

    due_ns: list[int]
    published_ns: list[int]
    answered_ns: list[int]
    at_venue_ns: list[tuple[int, int]]

    def wire_ms(self) -> list[float]:
        rows = zip(self.due_ns, self.at_venue_ns, strict=True)
        return [(arrived - due) / 1e6 for due, (arrived, _) in rows]

    def answer_ms(self) -> list[float]:
        rows = zip(self.due_ns, self.answered_ns, self.at_venue_ns, strict=True)
        return [(answered - due - (left - arrived)) / 1e6 for due, answered, (arrived, left) in rows]

    def lateness_ms(self) -> list[float]:
        return [(done - due) / 1e6 for due, done in zip(self.due_ns, self.published_ns, strict=True)]

    def flood_per_s(self) -> float:
        """Outcomes a second of signals published all at once, after the first of them."""
        times = sorted(self.answered_ns)
        first = int(len(times) * RAMP)
        return (len(times) - 1 - first) / (times[-1] - times[first]) * 1e9


def quantiles(values: Sequence[float]) -> dict[str, float]:
    """p50, p99, p99.9 and the longest, by nearest rank."""
    ranked = sorted(values)
    shares = {"p50": 0.5, "p99": 0.99, "p99_9": 0.999, "longest": 1.0}
    return {name: round(ranked[math.ceil(share * len(ranked)) - 1], 3) for name, share in shares.items()}


async def measure(bench: Bench) -> dict[str, Any]:
    rows: list[dict[str, Any]] = []
    for make in (naive, beeline):
        contender = make(bench.stage, "latency", bench.scale.compared_at)
        rows += await _measure(bench, contender, bench.line(f"latency of {contender.name}"))
    return {"accounts": bench.scale.compared_at, "loads": rows}


async def _measure(bench: Bench, contender: Contender, on_progress: Progress) -> list[dict[str, Any]]:
    stage, scale, rows = bench.stage, bench.scale, []
    async with desk_at(stage.amqp_url, contender.queues):
        await stage.ask_venue("POST", "/sandbox/reset")
        async with contender.start() as process:
            on_progress("warming up", 0, len(LOADS))
            total = scale.warm_up + scale.signals
            await drive(stage, contender, "w", scale.warm_up, rate=0)
            flood = await drive(stage, contender, "f", scale.signals, rate=0)
            for number, share in enumerate(LOADS):
                on_progress(f"{share:.0%} load", number, len(LOADS))
                rate = flood.flood_per_s() * share
                count = min(
                    max(scale.latency_signals, round(rate * scale.latency_s)), round(rate * LONGEST_S)
                )
                cpu_s = process.cpu_s()
                times = await drive(stage, contender, f"l{number}", count, rate=rate)
                rows.append(_row(contender, share, rate, times, process.cpu_s() - cpu_s))
                total += count
            on_progress("finishing", len(LOADS), len(LOADS))
    ledger = await stage.ask_venue("GET", "/sandbox/ledger/summary")
    if ledger["orders"] != total or ledger["placed_more_than_once"]:
        raise WrongResultError(f"{total} signals became {ledger['orders']} orders")
    return rows


def _row(contender: Contender, share: float, rate: float, times: Times, cpu_s: float) -> dict[str, Any]:
    return {
        "contender": contender.name,
        "load": share,
        "signals_per_s": round(rate, 1),
        "signals": len(times.due_ns),
        "wire_ms": quantiles(times.wire_ms()),
        "answer_ms": quantiles(times.answer_ms()),
        "producer_late_ms": quantiles(times.lateness_ms()),
        "cpu_us_per_order": round(cpu_s / len(times.due_ns) * 1e6, 1),
    }


async def drive(stage: Stage, contender: Contender, prefix: str, count: int, *, rate: float) -> Times:
    """Have signals published at a rate, and return what the producer and the venue noted of each."""
    output = stage.folder / f"{prefix}.json"
    await stage.ask_venue("POST", ARRIVALS)
    async with open_loop(stage, contender, prefix, count, rate, output) as process:
        if await process.process.wait():
            process.check()
    noted = orjson.loads(output.read_bytes())
    arrivals = await stage.ask_venue("GET", ARRIVALS)
    rows = signals(prefix, count, contender.accounts)
    return Times(at_venue_ns=[arrivals[contender.order_id(row)] for row in rows], **noted)


def open_loop(stage: Stage, contender: Contender, prefix: str, count: int, rate: float, output: Path) -> Any:
    exchange, key = contender.queues.route("")  # an empty key stands for the account of each signal
    options = {
        "amqp-url": stage.amqp_url,
        "exchange": exchange,
        "queue": key,
        "outcomes": contender.queues.outcomes,
        "accounts": contender.accounts,
        "prefix": prefix,
        "count": count,
        "rate": rate,
        "output": output,
    }
    arguments = [f"--{name}={value}" for name, value in options.items()]
    return child("-m", "tests.bench.open_loop", *arguments, log=stage.logs / "open-loop.log")
