"""Added latency at several loads: shares of what a contender can do.

- *On the wire*: from when a signal was due to be published until the venue's process got the order's request. The
  broker's way of the signal is in it.
- *Answered*: from when it was due until the bench had its outcome, minus the venue's own time for the order. The
  broker's way of the outcome is in it, its confirm is not awaited.

What a contender can do is measured just before, with the same producer and reader at work: all signals at once.
"""

from typing import Any, Final

from tests.bench.bench import Bench
from tests.bench.broker import desk_at
from tests.bench.driving import Times, drive, quantiles
from tests.bench.rounds import Progress, WrongResultError
from tests.bench.stage import Contender, beeline, naive

LONGEST_S: Final = 8.0


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
            on_progress("warming up", 0, len(scale.loads))
            total = scale.warm_up + scale.signals
            await drive(stage, contender, "w", scale.warm_up, rate=0)
            flood = await drive(stage, contender, "f", scale.signals, rate=0)
            for number, share in enumerate(scale.loads):
                on_progress(f"{share:.0%} load", number, len(scale.loads))
                rate = flood.flood_per_s() * share
                count = min(
                    max(scale.latency_signals, round(rate * scale.latency_s)), round(rate * LONGEST_S)
                )
                cpu_s = process.cpu_s()
                times = await drive(stage, contender, f"l{number}", count, rate=rate)
                rows.append(_row(contender, share, rate, times, process.cpu_s() - cpu_s))
                total += count
            on_progress("finishing", len(scale.loads), len(scale.loads))
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
