"""One rolling restart from its beginning to its result."""

import asyncio
import signal
import time
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, field
from math import ceil
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from tests.chaos.processes import SandboxProcess, Seat
from tests.chaos.proxy import Proxy
from tests.chaos.venue import GENEROUS, Venue
from tests.integration.rabbitmq_node import RabbitNode
from tests.rolling.load import Load

PATIENCE_S: Final = 60.0
WARM_UP_SIGNALS: Final = 50
HEARTBEAT_S: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How large the pool is, how hard it works, and how often it is restarted."""

    workers: int = 4
    rate: float = 50.0
    rounds: int = 1
    accounts: int = 16
    shards: int = 16
    release: str | None = None


@dataclass(slots=True, kw_only=True)
class Result:
    """What was counted; the three lists are empty when nothing was lost or doubled."""

    signals: int
    restarts: int
    lost: list[str]
    doubled: list[str]
    contradicted: list[str]
    redelivered: int
    repeated_outcomes: int
    statuses: dict[str, int]
    broker: str
    seconds: float
    p50_ms: float
    p99_ms: float
    longest_ms: float
    drain_s: list[float] = field(default_factory=list)

    @property
    def is_kept(self) -> bool:
        """Whether the promise was."""
        return not (self.lost or self.doubled or self.contradicted)

    def document(self) -> dict[str, Any]:
        """The result as data."""
        return asdict(self)


async def roll(options: Options, folder: Path, say: Callable[[str], None]) -> Result:
    """Start a pool, load it, restart one worker after another, and compare outcomes with the venue's ledger."""
    async with AsyncExitStack() as stack:
        node = RabbitNode(release=options.release)
        await asyncio.to_thread(node.start)
        stack.callback(node.delete)
        names = [f"account-{number:02}" for number in range(options.accounts)]
        venue = await _open_venue(stack, names, folder)
        seats = await _open_seats(stack, options, node, folder)
        say(f"starting {options.workers} workers")
        for seat in seats:
            await seat.start(heartbeat=HEARTBEAT_S)
        load = Load(node.url, names, rate=options.rate)
        began_s = time.monotonic()
        async with asyncio.TaskGroup() as tasks:
            following = tasks.create_task(load.follow())
            publishing = tasks.create_task(load.publish())
            drains_s = await _restart_all(options, seats, load, say)
            load.stop()
            await publishing
            say(f"waiting for the last of {len(load.published_s)} outcomes")
            await load.complete(PATIENCE_S)
            following.cancel()
        result = _compare(load, await venue.ledger(), drains_s)
        result.seconds = time.monotonic() - began_s
        result.broker = node.ctl("version").strip()
        died = [text for seat in seats for text in seat.died]
        assert not died, died
        return result


async def _open_venue(stack: AsyncExitStack, names: list[str], folder: Path) -> Venue:
    sandbox = SandboxProcess()
    stack.push_async_callback(sandbox.stop)
    await sandbox.start(seed=1, binance=names, bitrue=[], accounts_file=folder / "accounts.toml")
    venue = Venue(sandbox.url)
    stack.push_async_callback(venue.close)
    await venue.tell("limits", dict(GENEROUS))
    return venue


async def _open_seats(stack: AsyncExitStack, options: Options, node: RabbitNode, folder: Path) -> list[Seat]:
    at = urlsplit(node.url)
    seats = []
    for number in range(options.workers):
        proxy = Proxy(at.hostname or "", at.port or 0)
        await proxy.start()
        stack.push_async_callback(proxy.stop)
        settings = {
            "BEELINE_AMQP_URL": f"amqp://{at.username}:{at.password}@127.0.0.1:{proxy.port}/",
            "BEELINE_ACCOUNTS": str(folder / "accounts.toml"),
            "BEELINE_SHARDS": str(options.shards),
            "BEELINE_HTTP_PORT": "0",
            "BEELINE_LOG_FORMAT": "json",
            "BEELINE_IP_SHARE": str(1 / options.workers),
        }
        seats.append(Seat(number, folder, proxy, settings))
        stack.push_async_callback(seats[-1].destroy)
    return seats


async def _restart_all(
    options: Options, seats: list[Seat], load: Load, say: Callable[[str], None]
) -> list[float]:
    """Restart every worker in turn, the next one once the one before consumes; return how long each drain took."""
    drains_s = []
    await load.until(WARM_UP_SIGNALS, PATIENCE_S)
    for _ in range(options.rounds):
        for seat in seats:
            began_s = time.monotonic()
            owned = len(seat.owned)
            code = await seat.end(signal.SIGTERM)
            drains_s.append(round(time.monotonic() - began_s, 2))
            assert code == 0, f"{seat.worker_id} ended with {code}"
            await seat.start(heartbeat=HEARTBEAT_S)
            say(f"{seat.worker_id} restarted: it served {owned} shards, and was gone after {drains_s[-1]} s")
            await load.until(len(load.outcomes) + WARM_UP_SIGNALS, PATIENCE_S)
    return drains_s


def _compare(load: Load, ledger: list[dict[str, Any]], drains_s: list[float]) -> Result:
    orders = Counter((order["account"], order["client_order_id"]) for order in ledger)
    outcomes = load.outcomes.values()
    expected = {
        (outcome["account"], outcome["client_order_id"]) for outcome in outcomes if outcome["landed"] == "yes"
    }
    ranked = sorted(load.latencies_ms.values())
    return Result(
        signals=len(load.published_s),
        restarts=len(drains_s),
        lost=sorted(load.published_s.keys() - load.outcomes.keys()),
        doubled=[f"{name} of {account}" for (account, name), count in orders.items() if count > 1],
        contradicted=[*load.disagreeing, *(name for _, name in expected ^ orders.keys())],
        redelivered=sum(outcome["redelivered"] for outcome in outcomes),
        repeated_outcomes=sum(load.answers.values()) - len(load.outcomes),
        statuses=dict(Counter(outcome["status"] for outcome in outcomes)),
        broker="",
        seconds=0.0,
        p50_ms=_rank(ranked, 0.5),
        p99_ms=_rank(ranked, 0.99),
        longest_ms=_rank(ranked, 1.0),
        drain_s=drains_s,
    )


def _rank(ranked: list[float], share: float) -> float:
    return round(ranked[max(0, ceil(share * len(ranked)) - 1)], 1) if ranked else 0.0
