"""Several workers on one broker: what 1, 2 and 4 of them do together, and how long a shard goes without one.

Only RabbitMQ 4 spreads the shards of a namespace over a pool; on 3.x the first worker serves all of them and the others
stand by. So this part has a RabbitMQ 4 of its own where the machine can have one; elsewhere it tells what 3.x does.
"""

import asyncio
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import Any

import psutil

from tests.bench.bench import Bench
from tests.bench.broker import desk_at, server_version
from tests.bench.growth import CONSUMING, until_logged
from tests.bench.handover import hand_over
from tests.bench.rounds import Counted, Progress, Round, teller, verify
from tests.bench.saturation import as_row
from tests.bench.stage import Contender, Stage, pool, signals
from tests.integration.rabbitmq_node import RELEASE_WITH_4, RabbitNode, is_rabbitmq_4_possible

BACKLOG = 3
"""A pool gets so many times the signals that are measured, so that none of its workers runs out of them early."""


async def measure(bench: Bench) -> dict[str, Any]:
    async with _broker_for_pools(bench) as stage:
        rows = []
        for count in bench.scale.workers:
            workers = pool(stage, f"pool-{count}", bench.scale.pool_accounts, count)
            line = bench.line(f"{count} workers")
            rows.append({"workers": count} | as_row(await _play(bench, stage, workers, line)))
        handed = [
            await hand_over(bench, stage, signal.Signals[how], bench.line(f"hand-over after {how}"))
            for how in bench.scale.hand_over_s
        ]
        version = await server_version(stage.amqp_url)
    return {"broker": version, "workers": rows, "hand_over": handed}


@asynccontextmanager
async def _broker_for_pools(bench: Bench) -> AsyncIterator[Stage]:
    """The stage with a broker that spreads shards, if it can be had."""
    if not (bench.scale.wants_rabbitmq_4 and bench.stage.broker and is_rabbitmq_4_possible()):
        yield bench.stage
        return
    node = await asyncio.to_thread(RabbitNode, release=RELEASE_WITH_4)
    try:
        await asyncio.to_thread(node.start)
        yield replace(bench.stage, amqp_url=node.url, broker=psutil.Process(node.pid))
    finally:
        await asyncio.to_thread(node.delete)


async def _play(bench: Bench, stage: Stage, workers: Sequence[Contender], on_progress: Progress) -> Round:
    """Let a pool work a queue off; what counts begins once all of it consumes, and ends while all are busy."""
    total = bench.scale.warm_up + BACKLOG * bench.scale.signals
    first = workers[0]
    async with desk_at(stage.amqp_url, first.queues) as desk:
        await stage.ask_venue("POST", "/sandbox/reset")
        rows = signals("s", total, first.accounts)
        await desk.fill(rows, lambda done: on_progress("publishing", done, total))

        def while_all_are_busy(done: int) -> int:
            return done + min(bench.scale.signals, (total - done) // 2)

        async with AsyncExitStack() as stack:
            processes = [await stack.enter_async_context(worker.start()) for worker in workers]
            for process in processes:
                await until_logged(process, CONSUMING)
            counted = Counted(stage=stage, desk=desk, processes=processes)
            tell = teller(processes, "working", total, on_progress)
            played = await counted.round_of(first, bench.scale.warm_up, while_all_are_busy, tell)
            await desk.until(total, teller(processes, "finishing", total, on_progress))
        await verify(stage, desk, total)
    return played
