"""Resident memory of a worker over a long round, and what is left of its growth once it has settled."""

import statistics
from dataclasses import dataclass
from typing import Any

from tests.bench import micro
from tests.bench.bench import Bench
from tests.bench.broker import desk_at
from tests.bench.rounds import Progress, teller, verify
from tests.bench.stage import Contender, Stage, beeline, signals

KEEP_S = 1
SAMPLES = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryCurve:
    """Resident memory over a long round: samples of (orders done, MB)."""

    samples: list[tuple[int, float]]
    settled_after: int

    @property
    def growth_mb_per_1000(self) -> float:
        """Growth from where it has settled to the end: the slope of the line that fits best."""
        settled = [sample for sample in self.samples if sample[0] >= self.settled_after]
        slope, _ = statistics.linear_regression(*zip(*settled, strict=True))
        return slope * 1000

    @property
    def growth_mb(self) -> float:
        """What that is over the whole stretch since it has settled."""
        return self.growth_mb_per_1000 * (self.samples[-1][0] - self.settled_after) / 1000


async def measure(bench: Bench) -> dict[str, Any]:
    scale = bench.scale
    contender = beeline(bench.stage, "memory", scale.compared_at, settings={"BEELINE_MEMORY": str(KEEP_S)})
    curve = await watch(bench.stage, contender, scale.memory_signals, bench.line("memory"))
    return {
        "samples": [(done, round(rss_mb, 2)) for done, rss_mb in curve.samples],
        "settled_after": curve.settled_after,
        "growth_mb": round(curve.growth_mb, 3),
        "growth_mb_per_1000": round(curve.growth_mb_per_1000, 4),
        "remembered_outcome_bytes": round(micro.remembered_outcome_bytes()),
    }


async def watch(stage: Stage, contender: Contender, total: int, on_progress: Progress) -> MemoryCurve:
    """Let a contender work a long queue off and sample its resident memory on the way."""
    curve: list[tuple[int, float]] = []
    async with desk_at(stage.amqp_url, contender.queues) as desk:
        await stage.ask_venue("POST", "/sandbox/reset")
        rows = signals("m", total, contender.accounts)
        await desk.fill(rows, lambda done: on_progress("publishing", done, total))
        async with contender.start() as process:
            tell = teller([process], "working", total, on_progress)
            for step in range(1, SAMPLES + 1):
                done = await desk.until(total * step // SAMPLES, tell)
                curve.append((done, process.rss_mb()))
        await verify(stage, desk, total)
    return MemoryCurve(samples=curve, settled_after=total // 5)
