"""One 429 with `Retry-After` in the middle of traffic, and whether the whole pool heard it.

The sandbox notes every request that comes more than 100 ms after the reply and before the time is over, whoever
sends it and whatever it asks, as a breach.
"""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from tests.integration.rig import Rig, WorkerProcess
from tests.limits.flood import SHARDS

FOLLOWED_BY_MS: Final = 60_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What came of it: how long nothing reached the venue, breaches by kind, and what the signals were told."""

    silent_s: float
    breaches: Mapping[str, int]
    statuses: Mapping[str, int]
    workers: Mapping[str, int]
    orders: int
    signals: int


async def refuse_once(
    rig: Rig, accounts: tuple[str, ...], *, retry_after_s: int, workers: int, restarts: bool
) -> Heard:
    """Let traffic flow over all workers, refuse one placement, and let what is still valid end."""
    pool = [await rig.start_worker(worker_id=f"pool-{number}", shards=SHARDS) for number in range(workers)]
    await rig.follow_outcomes()
    for account in accounts:
        await rig.place(account=account)
    signals: list[dict[str, Any]] = []
    traffic = asyncio.create_task(_traffic(rig, accounts, signals))
    await rig.control(
        "faults", kind="rate_limit_429", retry_after=retry_after_s, method="POST", path="*/order", count=1
    )
    await rig.until_fault("rate_limit_429")
    told_s = time.monotonic()
    if restarts:
        await _restart(rig, pool)
    silent_s = await _silence(rig, told_s)
    traffic.cancel()
    await asyncio.gather(traffic, return_exceptions=True)
    wanted = {signal_["signal_id"] for signal_ in signals}
    await rig.until(lambda: wanted <= {outcome["signal_id"] for outcome in rig.outcomes})
    told = [outcome for outcome in rig.outcomes if outcome["signal_id"] in wanted]
    return Heard(
        silent_s=silent_s,
        breaches=(await rig.control("violations"))["counts"],
        statuses=Counter(outcome["status"] for outcome in told),
        workers=Counter(outcome["worker"] for outcome in told),
        orders=len({order["client_order_id"] for order in await rig.ledger()}),
        signals=len(signals) + len(accounts),
    )


async def _traffic(rig: Rig, accounts: tuple[str, ...], signals: list[dict[str, Any]]) -> None:
    """Publish for one account after another, until cancelled."""
    for account in itertools.cycle(accounts):
        valid_until = int(time.time() * 1000) + FOLLOWED_BY_MS
        signals.append(rig.a_signal(account=account, valid_until=valid_until))
        await rig.publish(signals[-1])
        await asyncio.sleep(0.02)


async def _restart(rig: Rig, pool: list[WorkerProcess]) -> None:
    """Kill every worker once it has heard, and start as many new ones: what the stream holds is all that is left."""
    for worker in pool:
        await rig.status_of(worker, lambda status: status["holds"])
    for worker in pool:
        await worker.kill()
    starting = [
        rig.start_worker(worker_id=f"successor-{number}", shards=SHARDS) for number in range(len(pool))
    ]
    await asyncio.gather(*starting)


async def _silence(rig: Rig, since_s: float) -> float:
    """Wait for the next request that reaches the venue, 0.1 s after the refusal, and return when it came."""
    await asyncio.sleep(max(0.0, since_s + 0.1 - time.monotonic()))
    before = await _requests(rig)
    while await _requests(rig) == before:
        pass
    return time.monotonic() - since_s


async def _requests(rig: Rig) -> int:
    counted = (await rig.control("requests"))["requests"]
    return sum(count for name, count in counted.items() if not name.startswith("sandbox"))
