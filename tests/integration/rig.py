"""A whole Beeline around one test: real broker, sandbox over HTTP, worker processes that may be killed.

Nothing here waits for a time to pass. A worker is ready when it says so, a signal is answered when its
outcome is on the results queue, and the truth is the sandbox's ledger.
"""

import asyncio
import itertools
import json
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any, Self

import aio_pika
import aiohttp
import orjson

from adapters.sandbox.config import default_config, make_account, render_accounts_toml
from adapters.sandbox.model import Dialect
from adapters.sandbox.server import SandboxServer, serve
from worker.core.outcome import client_order_id

PATIENCE_S = 150.0
NAMESPACE = "beeline"


class WorkerProcess:
    """One `beeline worker` process, and everything it said."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.lines: list[dict[str, Any]] = []
        self.changed = asyncio.Condition()
        self._reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self.process.stderr is not None
        async for line in self.process.stderr:
            try:
                said = json.loads(line)
            except ValueError:
                said = {"event": line.decode(errors="replace").rstrip()}
            async with self.changed:
                self.lines.append(said)
                self.changed.notify_all()
        async with self.changed:
            self.changed.notify_all()

    def said(self, event: str) -> list[dict[str, Any]]:
        return [line for line in self.lines if line["event"].startswith(event)]

    async def until(self, event: str, *, count: int = 1) -> dict[str, Any]:
        """Wait until the worker has logged an event `count` times, and return the last of them."""
        async with asyncio.timeout(PATIENCE_S), self.changed:
            await self.changed.wait_for(lambda: len(self.said(event)) >= count or self._reader.done())
        assert len(self.said(event)) >= count, f"{event!r} not said by:\n{self.transcript()}"
        return self.said(event)[count - 1]

    def transcript(self) -> str:
        return "\n".join(json.dumps(line) for line in self.lines)

    @property
    def http(self) -> str:
        """Base URL of the worker's endpoints."""
        return str(self.said("status served")[0]["url"]).rstrip("/")

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    async def ended(self) -> int:
        """Wait for the process to end and return its exit code."""
        async with asyncio.timeout(PATIENCE_S):
            code = await self.process.wait()
            await self._reader
        return code

    async def kill(self) -> None:
        with suppress(ProcessLookupError):
            self.process.kill()
        await self.ended()


class Rig:
    """Sandbox, broker connection and workers of one test."""

    def __init__(self, amqp_url: str, folder: Path, *, accounts: Sequence[str] = ()) -> None:
        self.amqp_url = amqp_url
        self._accounts = [make_account(name) for name in accounts]
        self.accounts_file = folder / "accounts.toml"
        self.outcomes: list[dict[str, Any]] = []
        self.messages: list[aio_pika.abc.AbstractIncomingMessage] = []
        self.workers: list[WorkerProcess] = []
        self._ids = itertools.count(1)
        self._answered = asyncio.Condition()

    async def __aenter__(self) -> Self:
        accounts = self._accounts or [
            make_account("main"),
            make_account("second", balances={"USDT": Decimal(10)}),
            make_account("main-bitrue", Dialect.BITRUE),
        ]
        self.sandbox: SandboxServer = await serve(default_config(accounts, port=0))
        self.write_accounts(render_accounts_toml(accounts, self.sandbox.url))
        self.http = aiohttp.ClientSession()
        await self.connect()
        return self

    async def __aexit__(self, *_: object) -> None:
        for worker in self.workers:
            await worker.kill()
        with suppress(Exception):
            await self.connection.close()
        await self.http.close()
        await self.sandbox.stop()

    async def connect(self) -> None:
        """Connect the producer's and the reader's side, which is what a test does again after a broker restart."""
        self.connection = await aio_pika.connect(self.amqp_url)
        self.channel = await self.connection.channel(on_return_raises=True)

    def write_accounts(self, text: str) -> None:
        self.accounts_file.touch(mode=0o600)
        self.accounts_file.write_text(text, encoding="utf-8")

    # --- Processes

    def environment(self, **settings: str) -> dict[str, str]:
        own = {
            "BEELINE_AMQP_URL": self.amqp_url,
            "BEELINE_ACCOUNTS": str(self.accounts_file),
            "BEELINE_SHARDS": "4",
            "BEELINE_HTTP_PORT": "0",
            "BEELINE_RECV_WINDOW_MS": "1000",
            "BEELINE_HEARTBEAT": "2",
        }
        return {**os.environ, **own, **{f"BEELINE_{name.upper()}": value for name, value in settings.items()}}

    async def spawn(self, *arguments: str, **settings: str) -> WorkerProcess:
        """Start a command without waiting for anything."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "worker",
            *arguments,
            env=self.environment(**settings),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        worker = WorkerProcess(process)
        self.workers.append(worker)
        return worker

    async def start_worker(self, **settings: str) -> WorkerProcess:
        """Start a worker and wait until it consumes."""
        worker = await self.spawn("worker", **settings)
        await worker.until("consuming")
        return worker

    async def follow_outcomes(self) -> None:
        """Collect everything on the results queue from now on."""
        queue = await self.channel.get_queue(f"{NAMESPACE}.outcomes")
        await queue.consume(self._on_outcome)

    async def _on_outcome(self, message: aio_pika.abc.AbstractIncomingMessage) -> None:
        await message.ack()
        async with self._answered:
            self.outcomes.append(orjson.loads(message.body))
            self.messages.append(message)
            self._answered.notify_all()

    # --- Signals

    def a_signal(self, **over: Any) -> dict[str, Any]:
        signal_ = {
            "signal_id": f"s-{next(self._ids)}",
            "account": "main",
            "symbol": "BTC/USDT",
            "side": "buy",
            "type": "market",
            "quantity": "0.01",
        } | over
        return {name: value for name, value in signal_.items() if value is not None}

    async def publish(
        self, signal_: Mapping[str, Any] | bytes, *, key: str | None = None, **properties: Any
    ) -> None:
        body = signal_ if isinstance(signal_, bytes) else orjson.dumps(signal_)
        routing_key = key if key is not None else signal_["account"]  # type: ignore[call-overload]
        exchange = await self.channel.get_exchange(f"{NAMESPACE}.signals", ensure=False)
        message = aio_pika.Message(body, delivery_mode=aio_pika.DeliveryMode.PERSISTENT, **properties)
        await exchange.publish(message, routing_key=routing_key, mandatory=True)

    async def place(self, **over: Any) -> dict[str, Any]:
        """Publish one signal and return its outcome."""
        signal_ = self.a_signal(**over)
        await self.publish(signal_)
        return await self.outcome(signal_["signal_id"])

    @staticmethod
    async def until_said(worker: WorkerProcess, text: str) -> None:
        """Wait until a worker has written a text, in whichever format it logs."""
        async with asyncio.timeout(PATIENCE_S), worker.changed:
            await worker.changed.wait_for(lambda: text in worker.transcript())

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until the outcomes so far satisfy a condition."""
        try:
            async with asyncio.timeout(PATIENCE_S), self._answered:
                await self._answered.wait_for(condition)
        except TimeoutError:
            said = "\n\n".join(worker.transcript()[-6000:] for worker in self.workers)
            raise AssertionError(f"outcomes so far: {self.outcomes}\n{said}") from None

    async def outcome(self, signal_id: str, *, count: int = 1) -> dict[str, Any]:
        """Wait for the outcome of a signal, or for its `count`-th copy."""
        await self.until(lambda: len(self.outcomes_of(signal_id)) >= count)
        return self.outcomes_of(signal_id)[count - 1]

    def outcomes_of(self, signal_id: str) -> list[dict[str, Any]]:
        return [outcome for outcome in self.outcomes if outcome["signal_id"] == signal_id]

    async def dead_letter(self) -> aio_pika.abc.AbstractIncomingMessage:
        """Wait for the next dead letter."""
        queue = await self.channel.get_queue(f"{NAMESPACE}.dead")
        arrived: asyncio.Queue[aio_pika.abc.AbstractIncomingMessage] = asyncio.Queue()
        tag = await queue.consume(arrived.put)
        async with asyncio.timeout(PATIENCE_S):
            message = await arrived.get()
        await message.ack()
        await queue.cancel(tag)
        return message

    # --- The venue

    async def control(self, endpoint: str, /, **body: Any) -> Any:
        """Ask the sandbox, or tell it something when there is a body."""
        url = f"{self.sandbox.url}/sandbox/{endpoint}"
        request = self.http.post(url, json=body) if body else self.http.get(url)
        async with request as reply:
            answer = await reply.json()
            assert reply.status == 200, answer
            return answer

    async def ledger(self) -> list[dict[str, Any]]:
        """Every order the venue ever took."""
        orders: list[dict[str, Any]] = (await self.control("ledger?limit=100000"))["orders"]
        return orders

    async def orders_of(self, outcome: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The orders that the venue took for a signal."""
        return [
            order for order in await self.ledger() if order["client_order_id"] == outcome["client_order_id"]
        ]

    async def status_of(
        self, worker: WorkerProcess, condition: Callable[[dict[str, Any]], object]
    ) -> dict[str, Any]:
        """Ask a worker for its status until it satisfies a condition."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                async with self.http.get(f"{worker.http}/status") as reply:
                    status: dict[str, Any] = await reply.json()
                if condition(status):
                    return status

    async def until_placed(self, signal_: Mapping[str, Any]) -> None:
        """Wait until the venue has taken a signal's order."""
        wanted = client_order_id(signal_["account"], signal_["signal_id"])
        async with asyncio.timeout(PATIENCE_S):
            while not any(order["client_order_id"] == wanted for order in await self.ledger()):
                pass

    async def until_fault(self, kind: str) -> None:
        """Wait until the sandbox has acted a fault out."""
        async with asyncio.timeout(PATIENCE_S):
            while not (await self.control("faults"))["hits"][kind]:
                pass
