"""How cost grows with accounts and with shards: start, rest and work of one worker for each.

A worker is started with one signal waiting for it, so that its first order tells when it was of use; then it is left
alone for a while, which is its cost at rest; then it is given a full queue.
"""

import asyncio
import time
from typing import Any

from tests.bench.bench import Bench
from tests.bench.broker import Desk, desk_at
from tests.bench.child import Child
from tests.bench.rounds import Counted, Load, Progress, Round, load_of, teller, verify
from tests.bench.saturation import as_row
from tests.bench.stage import Contender, Stage, beeline, signals
from tests.bench.venue import ARRIVALS

START_TIMEOUT_S = 600.0
LOG_POLL_S = 0.01
CONSUMING = b'"event":"consuming"'


async def measure(bench: Bench) -> dict[str, Any]:
    scale = bench.scale
    grown = [(accounts, scale.shards) for accounts in scale.growth_accounts]
    grown += [(scale.growth_shards_accounts, shards) for shards in scale.growth_shards]
    rows = []
    for accounts, shards in grown:
        label = f"growth-{accounts}-{shards}"
        contender = beeline(bench.stage, label, accounts, shards=shards)
        line = bench.line(f"growth, {accounts:,} accounts, {shards} shards")
        rows.append({"shards": shards} | await _observe(bench, contender, line))
    return {
        "rows": rows,
        "rest_s": scale.rest_s,
        "shards": scale.shards,
        "shards_accounts": scale.growth_shards_accounts,
    }


async def _observe(bench: Bench, contender: Contender, on_progress: Progress) -> dict[str, Any]:
    """Start a worker, let it rest, let it work."""
    stage, scale = bench.stage, bench.scale
    load = load_of(scale.signals, contender.accounts, scale.warm_up)
    async with desk_at(stage.amqp_url, contender.queues) as desk:
        await stage.ask_venue("POST", "/sandbox/reset")
        await stage.ask_venue("POST", ARRIVALS)
        await desk.fill(signals("first", 1, contender.accounts), lambda _: None)
        on_progress("starting", 0, load.total)
        spawned_ns = time.monotonic_ns()
        async with contender.start() as process:
            started = await _started(stage, desk, process, spawned_ns)
            on_progress("resting", 0, load.total)
            rest = await _rest(process, scale.rest_s)
            played = await _work(stage, contender, desk, process, load, on_progress)
        await verify(stage, desk, load.total + 1)
    return {**started, **rest, "work": as_row(played)}


async def _started(stage: Stage, desk: Desk, process: Child, spawned_ns: int) -> dict[str, float]:
    """Wait for the first order; return when the worker said that it consumes and when that order reached the venue."""
    await until_logged(process, CONSUMING)
    ready_ns = time.monotonic_ns()
    await desk.until(1, lambda _: process.check())
    ((arrived_ns, _),) = (await stage.ask_venue("GET", ARRIVALS)).values()
    return {
        "ready_s": round((ready_ns - spawned_ns) / 1e9, 3),
        "first_order_s": round((arrived_ns - spawned_ns) / 1e9, 3),
        "start_cpu_s": round(process.cpu_s(), 2),
    }


async def until_logged(process: Child, text: bytes) -> None:
    """Wait until a process has written something to its log."""
    async with asyncio.timeout(START_TIMEOUT_S):
        while text not in process.log.read_bytes():
            process.check()
            await asyncio.sleep(LOG_POLL_S)


async def _rest(process: Child, seconds: float) -> dict[str, float]:
    """Leave a worker alone and return what share of a core it uses, and its memory."""
    began_s, cpu_s = time.monotonic(), process.cpu_s()
    await asyncio.sleep(seconds)
    used_s, passed_s = process.cpu_s() - cpu_s, time.monotonic() - began_s
    return {"rest_core_share": round(used_s / passed_s, 4), "rest_rss_mb": round(process.rss_mb(), 1)}


async def _work(
    stage: Stage, contender: Contender, desk: Desk, process: Child, load: Load, on_progress: Progress
) -> Round:
    """Publish a full queue while the worker runs; the warm-up lasts until all of it is there."""
    filling = asyncio.create_task(desk.fill(signals("s", load.total, contender.accounts), lambda _: None))
    counted = Counted(stage=stage, desk=desk, processes=[process])
    tell = teller([process], "working", load.total, on_progress)
    played = await counted.round_of(contender, load.warm_up, lambda _: load.total - load.tail, tell)
    await filling
    await desk.until(load.total + 1, teller([process], "finishing", load.total, on_progress))
    return played
