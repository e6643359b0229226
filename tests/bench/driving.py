"""Signals on a schedule, and the times of each: the producer's, the venue's and the reader's notes put together."""

import math
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import orjson

from tests.bench.child import Child, child
from tests.bench.stage import Contender, Stage, signals
from tests.bench.venue import ARRIVALS

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


async def drive(
    stage: Stage,
    contender: Contender,
    prefix: str,
    count: int,
    *,
    rate: float,
    meanwhile: Callable[[], Awaitable[None]] | None = None,
) -> Times:
    """Have signals published at a rate (0: at once), and return what was noted of each."""
    output = stage.folder / f"{prefix}.json"
    await stage.ask_venue("POST", ARRIVALS)
    async with _open_loop(stage, contender, prefix, count, rate, output) as process:
        await process.first_line()
        if meanwhile is not None:
            await meanwhile()
        if await process.process.wait():
            process.check()
    noted = orjson.loads(output.read_bytes())
    arrivals = await stage.ask_venue("GET", ARRIVALS)
    rows = signals(prefix, count, contender.accounts)
    return Times(at_venue_ns=[arrivals[contender.order_id(row)] for row in rows], **noted)


def _open_loop(
    stage: Stage, contender: Contender, prefix: str, count: int, rate: float, output: Path
) -> AbstractAsyncContextManager[Child]:
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
