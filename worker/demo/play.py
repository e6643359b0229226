"""Plays a demo from start to proof, and leaves nothing behind: no process, no namespace, no file.

Everything that was started is ended in the reverse order, whatever happens in between; Ctrl-C is one of the things that
may happen. A second Ctrl-C ends the children at once instead of asking them.
"""

import asyncio
import contextlib
import os
import shutil
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final

import aiohttp
import orjson

from worker.amqp import AmqpLink, BrokerError
from worker.commands.client import Producer, connected, follow_outcomes, until_lost
from worker.commands.shell import CommandError, Exit
from worker.core.shards import Names
from worker.demo.processes import Family, announced, status_url
from worker.demo.report import Plan, Report, make_report
from worker.demo.scenario import write_scenario
from worker.demo.screen import Scene, Screen
from worker.demo.tally import Tally
from worker.demo.venues import equip, write_accounts
from worker.demo.verdict import judge
from worker.demo.windows import Sandbox, WorkerWindow
from worker.demo.writer import ACCOUNTS, Publication
from worker.settings import Settings
from worker.topology import declare, delete

SHARDS: Final = 10
LOOK_EVERY_S: Final = 0.25
QUIET_S: Final = 40.0
"""So long nothing may happen before what has not come is called lost."""

WORKER_SETTINGS: Final = {
    "shards": str(SHARDS),
    "http_port": "0",
    "log_format": "json",
    # An ambiguous order is looked up until it can no longer enter: a shorter window shortens the demo, not the proof.
    "recv_window_ms": "2000",
    "venue_timeout": "4",
    "heartbeat": "3",
    # A lane that resolves a doubt holds up the signals behind it; they are to wait, not to expire.
    "signal_ttl": "300",
    "drain_timeout": "5",
}


async def play(settings: Settings, plan: Plan, screen: Screen) -> Report:
    """Play a demo.

    Raises:
        CommandError: something could not be started, or ended by itself.
        BrokerError: the broker cannot be reached, or was lost.
    """
    demo = Demo(settings, plan, screen)
    with demo.interruptible():
        return await demo.run()


class Demo:
    """One run."""

    def __init__(self, settings: Settings, plan: Plan, screen: Screen) -> None:
        self._settings, self._plan, self._screen = settings, plan, screen
        namespace = f"demo-{time.time_ns() // 1_000_000:x}-{os.getpid()}"
        self._names = Names(namespace=namespace, shards=SHARDS)
        self._script = write_scenario(plan.seed, plan.signals)
        self._tally = Tally.of(self._script)
        self._scene = Scene(plan=plan, tally=self._tally)
        self._family = Family(folder=Path())
        self._killed: str | None = None
        self._is_broken = False
        self._began_s = self._ended_s = 0.0

    @contextlib.contextmanager
    def interruptible(self) -> Iterator[None]:
        """Let Ctrl-C, a hang-up and SIGTERM end the demo in order."""
        loop = asyncio.get_running_loop()
        task = asyncio.current_task()
        numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        interrupted = False

        def interrupt() -> None:
            nonlocal interrupted
            if interrupted or task is None:
                self._family.kill()
                return
            interrupted = True
            self._screen.say("stopping everything; once more ends it at once")
            task.cancel()

        for number in numbers:
            loop.add_signal_handler(number, interrupt)
        try:
            yield
        except asyncio.CancelledError:
            if interrupted:
                raise CommandError(Exit.INTERRUPTED, "interrupted; nothing is left running") from None
            raise
        finally:
            for number in numbers:
                loop.remove_signal_handler(number)

    async def run(self) -> Report:
        """Start everything, publish, wait, compare, and take everything down again."""
        async with AsyncExitStack() as stack:
            stack.enter_context(self._folder())
            stack.enter_context(self._screen)
            link = await stack.enter_async_context(self._namespace())
            http = await stack.enter_async_context(aiohttp.ClientSession())
            stack.push_async_callback(self._family.stop)
            sandbox = await self._start_sandbox(http)
            await self._start_workers(http)
            await follow_outcomes(link, self._names, self._receive)
            await self._stream(link, http, sandbox)
            return await self._compare(sandbox)

    @contextlib.contextmanager
    def _folder(self) -> Iterator[None]:
        """Hold a folder for logs; it stays when the promise was broken, with all that it takes to see why."""
        folder = Path(tempfile.mkdtemp(prefix="beeline-demo-"))
        self._family.folder = folder
        try:
            yield
        finally:
            self._accounts_file.unlink(missing_ok=True)
            if not self._is_broken:
                shutil.rmtree(folder, ignore_errors=True)

    # --- Starting

    def _step(self, text: str) -> None:
        self._scene.step = text
        self._screen.say(text)
        self._screen.show(self._scene)

    @asynccontextmanager
    async def _namespace(self) -> AsyncIterator[AmqpLink]:
        """Hold a fresh namespace and a connection to it."""
        async with connected(self._settings, "demo") as link:
            self._step(f"declaring namespace {self._names.namespace}")
            try:
                await declare(link, self._names)
                yield link
            finally:
                await self._delete_namespace()

    async def _delete_namespace(self) -> None:
        try:
            async with connected(self._settings, "demo clean-up") as link:
                await delete(link, self._names)
        except BrokerError as error:
            self._screen.say(f"namespace {self._names.namespace} could not be deleted: {error}")

    async def _start_sandbox(self, http: aiohttp.ClientSession) -> Sandbox:
        self._step("starting the sandbox")
        file = self._accounts_file
        arguments = ["sandbox", "--port", "0", "--seed", str(self._plan.seed), "--accounts-file", str(file)]
        for account in ACCOUNTS:
            arguments += [f"--{account.venue.replace('_', '-')}", account.name]
        child = await self._family.start("sandbox", arguments, {})
        sandbox = Sandbox(http, await announced(child, "sandbox listening on "))
        write_accounts(file)
        await equip(sandbox, faults=self._plan.faults)
        return sandbox

    @property
    def _accounts_file(self) -> Path:
        return self._family.folder / "accounts.toml"

    async def _start_workers(self, http: aiohttp.ClientSession) -> None:
        self._step(f"starting {self._plan.workers} workers")
        settings = WORKER_SETTINGS | {
            "amqp_url": self._settings.amqp_url.get_secret_value(),
            "namespace": self._names.namespace,
            "accounts": str(self._accounts_file),
        }
        children = [
            await self._family.start(
                f"worker-{number}", ["worker"], settings | {"worker_id": f"worker-{number}"}
            )
            for number in range(1, self._plan.workers + 1)
        ]
        windows = [WorkerWindow(child=child, url=await status_url(child)) for child in children]
        self._scene.workers = windows
        for window in windows:
            await window.ready(http)

    # --- Streaming

    def _receive(self, outcome: dict[str, Any]) -> None:
        self._tally.receive(outcome, _now_s())

    async def _stream(self, link: AmqpLink, http: aiohttp.ClientSession, sandbox: Sandbox) -> None:
        """Publish everything, and wait until all is answered or nothing happens any more."""
        self._step(f"publishing {len(self._script)} messages")
        self._began_s = self._tally.changed_at_s = _now_s()
        producer = await Producer.open(link, self._names)
        async with asyncio.TaskGroup() as tasks:
            loss = tasks.create_task(until_lost(link))
            publishing = tasks.create_task(self._publish(producer))
            await self._watch(link, http, sandbox, publishing)
            loss.cancel()
        self._ended_s = self._tally.changed_at_s

    async def _publish(self, producer: Producer) -> None:
        half = len(self._script) // 2
        for number, item in enumerate(self._script):
            if number == half and self._plan.crash:
                self._kill_a_worker()
            await self._publish_one(producer, item)
            due_s = self._began_s + (number + 1) / self._plan.rate
            await asyncio.sleep(max(0.0, due_s - _now_s()))

    async def _publish_one(self, producer: Producer, item: Publication) -> None:
        self._tally.publish(item, _now_s())
        await producer.publish(item.body, item.account)

    def _kill_a_worker(self) -> None:
        """Kill the worker that owns the most shards, without a warning."""
        running = [window for window in self._scene.workers if window.child.is_running]
        victim = max(running, key=lambda window: len(window.status.get("shards", ()))).child
        self._killed = victim.name
        victim.send(signal.SIGKILL)
        self._screen.say(f"{victim.name} killed (SIGKILL); the others take its shards over")

    async def _watch(
        self,
        link: AmqpLink,
        http: aiohttp.ClientSession,
        sandbox: Sandbox,
        publishing: asyncio.Task[None],
    ) -> None:
        """Keep the screen up to date, until everything is published and answered or nothing happens any more."""
        line = await link.open_line()
        while True:
            for window in self._scene.workers:
                await window.look(http)
            self._scene.faults = await sandbox.fault_hits()
            self._tally.bury(await line.ping(self._names.dead), _now_s())
            self._scene.elapsed_s = _now_s() - self._began_s
            self._screen.show(self._scene)
            self._check_children()
            if publishing.done():
                self._scene.step = "waiting for the last outcomes"
                if not self._tally.waiting or _now_s() - self._tally.changed_at_s > QUIET_S:
                    return
            await asyncio.sleep(LOOK_EVERY_S)

    def _check_children(self) -> None:
        for child in self._family.children:
            if not child.is_running and child.name != self._killed:
                raise child.dead()

    # --- Comparing

    async def _compare(self, sandbox: Sandbox) -> Report:
        self._step("comparing the outcomes with the ledger")
        await sandbox.clear_faults()
        ledger = await sandbox.ledger()
        verdict = judge(self._script, self._tally.answers, ledger, dead_letters=self._tally.dead_letters)
        if not verdict.is_kept:
            self._keep_evidence(ledger)
        return make_report(
            self._plan,
            self._script,
            self._tally,
            verdict,
            ledger,
            faults=await sandbox.fault_hits(),
            limit_breaches=(await sandbox.get("violations"))["total"],
            killed=self._killed,
            seconds=self._ended_s - self._began_s,
        )

    def _keep_evidence(self, ledger: list[dict[str, Any]]) -> None:
        self._is_broken = True
        folder = self._family.folder
        (folder / "ledger.json").write_bytes(orjson.dumps(ledger))
        (folder / "outcomes.json").write_bytes(orjson.dumps(self._tally.answers))
        self._screen.say(f"the logs, the ledger and the outcomes are kept in {folder}")


def _now_s() -> float:
    return asyncio.get_running_loop().time()
