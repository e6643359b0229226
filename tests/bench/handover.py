"""One of two workers ends under a steady load: how long was the longest any shard went without an order?

SIGTERM is a clean end: what is in flight is finished, then the shards are given up. SIGKILL is an end at any
instruction: the next owner serves new signals at once, but has to ask the venue about those that the dead one had.
"""

import asyncio
import itertools
import signal
import time
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from tests.bench.bench import Bench
from tests.bench.broker import desk_at
from tests.bench.driving import Times, drive, quantiles
from tests.bench.growth import CONSUMING, until_logged
from tests.bench.rounds import Progress, WrongResultError
from tests.bench.stage import Contender, Stage, pool, signals
from worker.core.shards import Names

UNDISTURBED = 0.25
"""The share of the load that passes before the worker is ended."""
LATE_MS = 1_000.0


async def hand_over(bench: Bench, stage: Stage, how: signal.Signals, on_progress: Progress) -> dict[str, Any]:
    """End the worker that came first, and return what that did to the signals."""
    scale = bench.scale
    first, second = pool(stage, f"over-{how.name.lower()}", scale.pool_accounts, 2)
    seconds, rate = scale.hand_over_s[how.name], scale.hand_over_rate
    count = round(seconds * rate)
    async with desk_at(stage.amqp_url, first.queues):
        await stage.ask_venue("POST", "/sandbox/reset")
        async with first.start() as ending:
            await until_logged(ending, CONSUMING)
            async with second.start() as staying:
                await until_logged(staying, CONSUMING)
                ended_ns: list[int] = []

                async def end() -> None:
                    await asyncio.sleep(seconds * UNDISTURBED)
                    on_progress("one worker ends", 1, 2)
                    ended_ns.append(time.monotonic_ns())
                    ending.process.send_signal(how)
                    await ending.process.wait()
                    ended_ns.append(time.monotonic_ns())

                on_progress("steady", 0, 2)
                times = await drive(stage, first, "h", count, rate=rate, meanwhile=end)
                staying.check()
        on_progress("finishing", 2, 2)
        await _check_ledger(stage, count)
    return {"how": how.name, "signals": count, "signals_per_s": rate} | _told(first, times, *ended_ns)


async def _check_ledger(stage: Stage, count: int) -> None:
    ledger = await stage.ask_venue("GET", "/sandbox/ledger/summary")
    if ledger["orders"] != count or ledger["placed_more_than_once"]:
        raise WrongResultError(f"{count} signals became {ledger['orders']} orders over a hand-over")


def _told(contender: Contender, times: Times, ended_ns: int, gone_ns: int) -> dict[str, Any]:
    waits_ms = times.answer_ms()
    before, after = gaps_ms(arrivals_by_shard(contender, times), ended_ns)
    return {
        "gone_after_ms": round((gone_ns - ended_ns) / 1e6, 1),
        "longest_gap_before_ms": round(before, 1),
        "longest_gap_ms": round(after, 1),
        "answer_ms": quantiles(waits_ms),
        "late_signals": sum(wait > LATE_MS for wait in waits_ms),
    }


def arrivals_by_shard(contender: Contender, times: Times) -> list[list[int]]:
    """When the orders of each shard came to the venue, in their order."""
    names, arrivals = Names(), defaultdict(list)
    rows = signals("h", len(times.due_ns), contender.accounts)
    for row, (arrived_ns, _) in zip(rows, times.at_venue_ns, strict=True):
        arrivals[names.shard_of(row["account"])].append(arrived_ns)
    return [sorted(own) for own in arrivals.values()]


def gaps_ms(shards: Iterable[list[int]], ended_ns: int) -> tuple[float, float]:
    """The longest time between two orders of one shard, of those before an instant and of those that end after it."""
    before = after = 0
    for arrivals in shards:
        for one, other in itertools.pairwise(arrivals):
            if other <= ended_ns:
                before = max(before, other - one)
            else:
                after = max(after, other - one)
    return before / 1e6, after / 1e6
