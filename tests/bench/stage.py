"""Where contenders perform, and who they are: a broker, a venue, Beeline, and the loops it is measured against."""

import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import Any, Final

import aiohttp
import psutil

from adapters.sandbox.config import make_account, render_accounts_toml
from tests.bench.broker import BeelineQueues, NaiveQueues, Queues
from tests.bench.child import Child, child, tree_cpu_s
from tests.bench.venue import account_name
from worker.core.outcome import client_order_id

SYMBOLS: Final = (("BTCUSDT", "0.01"), ("ETHUSDT", "0.1"), ("BNBUSDT", "0.5"), ("SOLUSDT", "2"))
VALIDITY_S: Final = 900
SHARDS: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A broker, a venue, and folders for what contenders read and write."""

    amqp_url: str
    broker: psutil.Process | None
    venue: Child
    venue_url: str
    folder: Path
    logs: Path
    run_id: str

    def namespace(self, label: str) -> str:
        """Return a name on the broker that no other run uses."""
        return f"bench-{self.run_id}-{label}"

    def accounts_file(self, count: int) -> Path:
        """Return the file with the first accounts of the venue, as a worker reads it."""
        path = self.folder / f"accounts-{count}.toml"
        if not path.exists():
            path.touch(mode=0o600)
            accounts = [make_account(name) for name in names(count)]
            path.write_text(render_accounts_toml(accounts, self.venue_url), encoding="utf-8")
        return path

    def shared_cpu_s(self) -> dict[str, float]:
        """CPU time so far of the broker (when it is ours to read) and of the venue."""
        spent = {"venue": self.venue.cpu_s()}
        return spent if self.broker is None else spent | {"broker": tree_cpu_s(self.broker)}

    async def ask_venue(self, method: str, path: str) -> Any:
        """Send a request to the control side of the venue, and return what it answers."""
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, f"{self.venue_url}{path}") as reply,
        ):
            reply.raise_for_status()
            return await reply.json()


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """Something that works signals off: for how many accounts, through which queues, and how it is started.

    `order_id` tells which client order id it gives to the order of a signal.
    """

    name: str
    accounts: int
    queues: Queues
    start: Callable[[], AbstractAsyncContextManager[Child]]
    order_id: Callable[[Mapping[str, Any]], str]


@asynccontextmanager
async def stage_at(
    amqp_url: str, broker: psutil.Process | None, *, accounts: int, logs: Path
) -> AsyncIterator[Stage]:
    """Start a venue that knows so many accounts."""
    with tempfile.TemporaryDirectory(prefix="beeline-bench-") as folder:
        arguments = ("-m", "tests.bench.venue", "--accounts", str(accounts))
        async with child(*arguments, log=logs / "venue.log") as venue:
            yield Stage(
                amqp_url=amqp_url,
                broker=broker,
                venue=venue,
                venue_url=await venue.first_line(),
                folder=Path(folder),
                logs=logs,
                run_id=f"{time.time_ns() // 1_000_000:x}",
            )


def names(count: int) -> list[str]:
    return [account_name(number) for number in range(count)]


def beeline(
    stage: Stage,
    label: str,
    accounts: int,
    *,
    shards: int = SHARDS,
    worker: str = "bench",
    python: Sequence[str] = (),
    settings: Mapping[str, str] | None = None,
) -> Contender:
    """One worker as it is deployed; `python` are options of the interpreter, for a profiler."""
    namespace = stage.namespace(label)
    env = {
        "BEELINE_AMQP_URL": stage.amqp_url,
        "BEELINE_NAMESPACE": namespace,
        "BEELINE_SHARDS": str(shards),
        "BEELINE_ACCOUNTS": str(stage.accounts_file(accounts)),
        "BEELINE_HTTP_PORT": "0",
        "BEELINE_SIGNAL_TTL": str(VALIDITY_S),
        "BEELINE_MEMORY": str(VALIDITY_S),
        "BEELINE_WORKER_ID": worker,
    } | dict(settings or {})
    log = stage.logs / f"beeline-{worker}.log"
    return Contender(
        name="beeline",
        accounts=accounts,
        queues=BeelineQueues(stage.amqp_url, namespace, names(accounts), shards=shards),
        start=lambda: child(*python, "-m", "worker", "worker", env=env, log=log),
        order_id=lambda row: client_order_id(row["account"], row["signal_id"]),
    )


def pool(stage: Stage, label: str, accounts: int, count: int) -> list[Contender]:
    """So many workers on the same queues."""
    return [beeline(stage, label, accounts, worker=f"bench-{number}") for number in range(count)]


def _loop(name: str, program: Sequence[str], stage: Stage, label: str, accounts: int) -> Contender:
    namespace, file = stage.namespace(label), str(stage.accounts_file(accounts))
    options = ("--amqp-url", stage.amqp_url, "--namespace", namespace, "--accounts", file)
    return Contender(
        name=name,
        accounts=accounts,
        queues=NaiveQueues(stage.amqp_url, namespace),
        start=lambda: child(*program, *options, log=stage.logs / f"{name}.log"),
        order_id=itemgetter("signal_id"),
    )


naive = partial(_loop, "naive", ("-m", "tests.bench.naive_loop"))
ccxt = partial(_loop, "ccxt", ("-m", "tests.bench.library_loop", "ccxt"))
python_binance = partial(_loop, "python-binance", ("-m", "tests.bench.library_loop", "python-binance"))


def signals(prefix: str, count: int, accounts: int) -> Iterator[dict[str, Any]]:
    """Market orders in turn over all accounts and symbols, buying and selling, so that no balance runs out."""
    return (a_signal(prefix, number, accounts) for number in range(count))


def a_signal(prefix: str, number: int, accounts: int) -> dict[str, Any]:
    lap, account = divmod(number, accounts)
    lap, symbol = divmod(lap, len(SYMBOLS))
    name, quantity = SYMBOLS[symbol]
    return {
        "signal_id": f"{prefix}-{number}",
        "account": account_name(account),
        "symbol": name,
        "side": "sell" if lap % 2 else "buy",
        "type": "market",
        "quantity": quantity,
    }
