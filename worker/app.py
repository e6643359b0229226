"""The composition root: builds the worker, keeps its connections, and takes it down in order.

One task group owns every task. Two supervisors keep one connection each, one for consuming and one for
publishing, with a jittered back-off between attempts. Each consuming connection is an epoch.

The order of a drain: nothing new is started; what has sent something comes to its end, is published and
acknowledged; then shard by shard the acknowledgements are flushed, the release is announced and the channel
closed; then the connections go, and the metrics last. A second signal stops waiting, and still rejects
nothing: what is unacknowledged goes to the next owner.
"""

import asyncio
import random
import signal
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final, Protocol

import structlog

from adapters.http import Transport
from adapters.venues import discover
from worker.accounts import Account, AccountsError, load_accounts
from worker.amqp import BrokerError, Link, dial
from worker.clock_sync import Clock, Sender, SystemClock
from worker.consumer import Consumer
from worker.control import Control
from worker.core.shards import Names
from worker.dispatcher import Dispatcher
from worker.epoch import Epoch, lease_s
from worker.gateway import Gateway
from worker.lane import Lanes
from worker.prices import Prices
from worker.publisher import Publisher
from worker.settings import Settings
from worker.status import StatusServer
from worker.telemetry import Telemetry
from worker.topology import TopologyError, bind_accounts, declare
from worker.trade import Desk

FIRST_BACKOFF_S: Final = 0.1
LONGEST_BACKOFF_S: Final = 10.0
RELOAD_INTERVAL_S: Final = 2.0
BURST_POLL_S: Final = 0.2

log = structlog.get_logger("beeline.worker")


class Transporting(Sender, Protocol):
    """Sends requests to venues, and can be closed."""

    async def close(self) -> None:
        """Close all connections."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Everything of the worker that touches the world, so that a simulation can put its own in place."""

    clock: Clock = field(default_factory=SystemClock)
    transport: Callable[[float], Transporting] = Transport
    dial: Callable[..., Awaitable[Link]] = dial
    declare: Callable[[Any, Names], Awaitable[None]] = declare
    bind_accounts: Callable[[Any, Names, Iterable[tuple[str, int]]], Awaitable[None]] = bind_accounts
    jitter: Callable[[float, float], float] = random.uniform


class StoppedError(Exception):
    """Ends the task group: everything that had to be finished is."""


class Worker:
    """One worker process."""

    def __init__(
        self,
        settings: Settings,
        accounts: dict[str, Account],
        *,
        burst: bool = False,
        ports: Ports | None = None,
    ) -> None:
        self._settings, self._burst = settings, burst
        self._accounts = accounts
        self._ports = ports or Ports()
        self._venues = discover()
        self._clock = self._ports.clock
        self._names = Names(namespace=settings.namespace, shards=settings.shards)
        self._transport = self._ports.transport(settings.venue_timeout)
        self._gateways: dict[tuple[str, str], Gateway] = {}
        self._prices: dict[tuple[str, str], Prices] = {}
        self._publisher = Publisher()
        self._telemetry = Telemetry(lambda name: name in self._accounts)
        self._epoch: Epoch | None = None
        self._epochs = 0
        self._consuming: Link | None = None
        self._draining = False
        self._stop = asyncio.Event()
        self._hurry = asyncio.Event()
        self._reload = asyncio.Event()
        self._fatal: Exception | None = None

    # --- Running

    async def serve(self) -> None:
        """Work as a process of its own: with HTTP endpoints, until a signal tells it to stop.

        Raises:
            TopologyError: the broker holds something that does not fit this configuration.
            BrokerError: the broker cannot be reached, in burst mode.
            OSError: the HTTP port is taken.
        """
        self._listen_for_signals()
        status = StatusServer(self._telemetry, self.status, self.obstacles)
        port = await status.start(self._settings.http_host, self._settings.http_port)
        log.info(
            "status served", url=f"http://{self._settings.http_host}:{port}/", worker=self._settings.worker_id
        )
        try:
            await self.run()
        finally:
            await status.stop()

    async def run(self) -> None:
        """Work until `stop` is called; raises as `serve` does."""
        try:
            async with asyncio.TaskGroup() as tasks:
                self._build(tasks)
                self._adopt_accounts(tasks)
                tasks.create_task(self._supervise("beeline-publish", self._publish_through))
                tasks.create_task(self._supervise("beeline-consume", self._consume_through))
                tasks.create_task(self._follow_accounts(tasks))
                tasks.create_task(self._lead())
        except* StoppedError:
            pass
        finally:
            await self._transport.close()
        if self._fatal is not None:
            raise self._fatal

    def _build(self, tasks: asyncio.TaskGroup) -> None:
        settings = self._settings
        self._control = Control(
            self._names,
            self._publisher,
            self._clock,
            worker_id=settings.worker_id,
            lease_ms=lease_s(settings.heartbeat) * 1000,
        )
        self._consumer = Consumer(
            self._names,
            self._publisher,
            self._control,
            self._clock,
            tasks,
            worker_id=settings.worker_id,
            prefetch=settings.prefetch,
            memory_s=settings.memory,
        )
        self._dispatcher = Dispatcher(
            self._names,
            self._publisher,
            self._clock,
            self._telemetry,
            tasks,
            worker_id=settings.worker_id,
            accounts=lambda: self._accounts,
            enqueue=lambda execution: self._lanes.enqueue(execution),
        )
        desk = Desk(
            settings=settings,
            clock=self._clock,
            dispatcher=self._dispatcher,
            accounts=lambda: self._accounts,
            gateway_of=lambda account: self._gateways[account.venue, account.base_url],
            prices_of=lambda gateway: self._prices[gateway.adapter.name, gateway.base_url],
        )
        self._lanes = Lanes(desk, tasks)
        self._consumer.on_delivery = self._dispatcher.dispatch
        self._measure()

    def _measure(self) -> None:
        telemetry = self._telemetry
        telemetry.gauge(
            "beeline_shards_owned", "Shards this worker serves.", lambda: len(self._consumer.owned)
        )
        telemetry.gauge(
            "beeline_signals_in_flight", "Signals being worked on.", lambda: self._dispatcher.in_flight
        )
        telemetry.gauge("beeline_lanes_busy", "Lanes with work.", lambda: self._lanes.busy)
        telemetry.gauge("beeline_accounts", "Accounts that may trade.", self._usable_accounts)
        telemetry.gauge(
            "beeline_lease_remaining_seconds", "Time left to send orders.", self._lease_remaining_s
        )
        self._clock_gauges = {
            "offset": telemetry.labelled_gauge(
                "beeline_clock_offset_seconds", "Venue minus wall clock.", "venue"
            ),
            "uncertainty": telemetry.labelled_gauge(
                "beeline_clock_uncertainty_seconds", "Bound of the error of the venue's time.", "venue"
            ),
        }

    def _usable_accounts(self) -> float:
        return sum(account.signer is not None for account in self._accounts.values())

    def _lease_remaining_s(self) -> float:
        return self._epoch.lease_remaining_s if self._epoch else 0.0

    # --- Accounts

    def _adopt_accounts(self, tasks: asyncio.TaskGroup) -> None:
        """Open a gateway for each venue and address in use."""
        for account in self._accounts.values():
            if account.refused is not None:
                log.error(
                    "account refused; its signals are answered account_refused",
                    account=account.name,
                    reason=account.refused,
                )
            key = (account.venue, account.base_url)
            if account.signer is None or key in self._gateways:
                continue
            settings = self._settings
            gateway = Gateway(
                self._venues[account.venue],
                account.base_url,
                self._transport,
                self._clock,
                recv_window_ms=settings.recv_window_ms,
                ip_share=settings.ip_share,
            )
            self._gateways[key] = gateway
            self._prices[key] = Prices(gateway, self._clock)
            tasks.create_task(gateway.clock.run())
            tasks.create_task(gateway.keep_rules_fresh())
            self._clock_gauges["offset"].labels(account.venue).set_function(partial(_offset_s, gateway))
            self._clock_gauges["uncertainty"].labels(account.venue).set_function(
                partial(_uncertainty_s, gateway)
            )

    async def _follow_accounts(self, tasks: asyncio.TaskGroup) -> None:
        """Load the accounts again when their files change or on SIGHUP; a file that is broken changes nothing."""
        seen = _fingerprint(self._settings.accounts)
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(RELOAD_INTERVAL_S):
                    await self._reload.wait()
            now = _fingerprint(self._settings.accounts)
            if now == seen and not self._reload.is_set():
                continue
            self._reload.clear()
            seen = now
            await self._reload_accounts(tasks)

    async def _reload_accounts(self, tasks: asyncio.TaskGroup) -> None:
        try:
            accounts = load_accounts(self._settings.accounts, self._venues)
        except AccountsError as error:
            log.error("accounts not reloaded, the ones loaded before stay in force", reason=str(error))
            return
        self._accounts = accounts
        self._adopt_accounts(tasks)
        if self._consuming is not None:
            with suppress(BrokerError):  # the next connection binds them
                await self._ports.bind_accounts(self._consuming, self._names, self._account_shards())
        log.info("accounts loaded", accounts=len(accounts), usable=self._usable_accounts())

    def _account_shards(self) -> list[tuple[str, int]]:
        return [
            (account.name, self._names.shard_of(account.name, account.limit_group))
            for account in self._accounts.values()
        ]

    # --- Connections

    async def _supervise(self, name: str, use: Callable[[Link], Awaitable[str]]) -> None:
        """Keep one connection: connect, use it until it is lost, back off, again."""
        tries = 0
        while True:
            try:
                link = await self._ports.dial(
                    self._settings.amqp_url.get_secret_value(),
                    heartbeat=self._settings.heartbeat,
                    name=f"{name} {self._settings.worker_id}",
                )
            except BrokerError as error:
                tries += 1
                log.warning("broker unreachable, trying again", connection=name, reason=str(error))
                self._give_up_burst(error, tries)
            else:
                tries = 0
                try:
                    reason = await use(link)
                    log.warning("broker connection lost, connecting again", connection=name, reason=reason)
                except BrokerError as error:
                    tries = 1
                    log.warning(
                        "broker connection failed, connecting again", connection=name, reason=str(error)
                    )
                except TopologyError as error:
                    self._fail(error)
                finally:
                    await link.close()
            ceiling_s = min(LONGEST_BACKOFF_S, FIRST_BACKOFF_S * 2**tries)
            await asyncio.sleep(self._ports.jitter(FIRST_BACKOFF_S / 2, ceiling_s))

    def _give_up_burst(self, error: BrokerError, tries: int) -> None:
        if self._burst and tries > 3:
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        self._fatal = error
        raise StoppedError

    async def _publish_through(self, link: Link) -> str:
        await self._publisher.attach(link)
        try:
            await link.lost()
        finally:
            self._publisher.detach()
        return link.reason

    async def _consume_through(self, link: Link) -> str:
        """Live one epoch."""
        await self._ports.declare(link, self._names)
        await self._ports.bind_accounts(link, self._names, self._account_shards())
        self._epochs += 1
        self._telemetry.connected()
        epoch = Epoch(self._clock, self._settings.heartbeat, self._epochs)
        line = await link.open_line()
        lease_queue = self._names.signals_queue(0)
        await epoch.renew(line, lease_queue)
        self._epoch, self._consuming = epoch, link
        try:
            async with asyncio.TaskGroup() as living:
                living.create_task(self._watch(link, epoch))
                keeper = living.create_task(epoch.keep(line, lease_queue))
                await self._control.attach(link)
                await self._consumer.attach(link, epoch)
                log.info("consuming", shards=self._names.shards, epoch=epoch.number)
                await epoch.ended()
                keeper.cancel()
                raise _EpochEndedError
        except* (_EpochEndedError, BrokerError):
            epoch.end("setting up failed")
        finally:
            epoch.end("shutting down")
            self._consuming = None
        return epoch.reason or "unknown"

    @staticmethod
    async def _watch(link: Link, epoch: Epoch) -> None:
        await link.lost()
        epoch.end(link.reason)

    # --- Stopping

    def _listen_for_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        loop.add_signal_handler(signal.SIGHUP, self._reload.set)

    def stop(self) -> None:
        """Drain and end; a second call stops waiting for what is in flight."""
        if self._stop.is_set():
            self._hurry.set()
        self._stop.set()

    async def _lead(self) -> None:
        """Wait for the end, then drain."""
        if self._burst:
            await self._until_drained()
        else:
            await self._stop.wait()
        await self._drain()
        raise StoppedError

    async def _until_drained(self) -> None:
        """Wait until no shard has anything ready and nothing is in flight."""
        while not self._stop.is_set():
            if await self._is_empty():
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(BURST_POLL_S):
                    await self._stop.wait()

    async def _is_empty(self) -> bool:
        link, epoch = self._consuming, self._epoch
        if link is None or epoch is None or not self._consumer.is_attached:
            return False
        try:
            line = await link.open_line()
            queues = [self._names.signals_queue(shard) for shard in range(self._names.shards)]
            ready = sum([await line.ping(queue) for queue in [*queues, self._names.unrouted]])
            await line.close()
        except BrokerError:
            return False
        return ready == 0 and self._dispatcher.in_flight == 0 and self._consumer.buffered == 0

    async def _drain(self) -> None:
        self._draining = True
        log.info("draining: nothing new is started", in_flight=self._dispatcher.in_flight)
        self._consumer.stop_taking()
        self._lanes.drain()
        try:
            async with asyncio.timeout(self._settings.drain_timeout):
                await _first(self._dispatcher.idle(), self._hurry.wait())
        except TimeoutError:
            log.warning("drain timed out", in_flight=self._dispatcher.in_flight)
        if self._dispatcher.in_flight:
            log.warning(
                "stopping with signals in flight; their next owner asks the venue",
                in_flight=self._dispatcher.in_flight,
            )
        else:
            await self._consumer.release()
        log.info("drained")

    # --- Telling

    def obstacles(self) -> list[str]:
        """Why signals cannot be handled now; empty when they can."""
        found = []
        if self._draining:
            found.append("draining")
        if self._epoch is None or not self._epoch.is_alive or not self._consumer.is_attached:
            found.append("not consuming from the broker")
        if not self._publisher.is_connected:
            found.append("not connected for publishing")
        for gateway in self._gateways.values():
            reading = gateway.clock.read()
            if reading is None:
                found.append(f"the time at {gateway.adapter.name} is not known yet")
            elif reading.uncertainty_ms > self._settings.recv_window_ms / 2:
                found.append(f"the time at {gateway.adapter.name} is too uncertain")
        return found

    def status(self) -> dict[str, Any]:
        """The worker's state, without anything secret."""
        return {
            "worker_id": self._settings.worker_id,
            "draining": self._draining,
            "obstacles": self.obstacles(),
            "shards": self._consumer.owned,
            "in_flight": self._dispatcher.in_flight,
            "lanes": self._lanes.busy,
            "lease_remaining_s": round(self._lease_remaining_s(), 3),
            "accounts": [
                {
                    "name": account.name,
                    "venue": account.venue,
                    "label": account.label,
                    "refused": account.refused,
                }
                for account in self._accounts.values()
            ],
            "holds": self._holds(),
            "clock": [_clock_status(gateway) for gateway in self._gateways.values()],
        }

    def _holds(self) -> list[dict[str, Any]]:
        now_s = self._clock.monotonic()
        holds = []
        for gateway in self._gateways.values():
            named = [("venue", gateway.adapter.name, gateway.hold)]
            named += [("account", name, budget.hold) for name, budget in gateway.budgets()]
            holds += [
                {
                    "scope": scope,
                    "name": name,
                    "venue": gateway.adapter.name,
                    "reason": hold.reason,
                    "seconds_left": round(hold.until_s - now_s, 1),
                }
                for scope, name, hold in named
                if hold.until_s > now_s
            ]
        return holds


class _EpochEndedError(Exception):
    """Ends the tasks of an epoch."""


async def _first(*waits: Awaitable[object]) -> None:
    """Wait for whichever comes first."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()


def _offset_s(gateway: Gateway) -> float:
    drift_ms = gateway.clock.wall_drift_ms
    return float("nan") if drift_ms is None else -drift_ms / 1000


def _uncertainty_s(gateway: Gateway) -> float:
    reading = gateway.clock.read()
    return float("nan") if reading is None else reading.uncertainty_ms / 1000


def _clock_status(gateway: Gateway) -> dict[str, Any]:
    reading, drift_ms = gateway.clock.read(), gateway.clock.wall_drift_ms
    return {
        "venue": gateway.adapter.name,
        "wall_minus_venue_ms": None if drift_ms is None else round(drift_ms, 3),
        "uncertainty_ms": None if reading is None else round(reading.uncertainty_ms, 3),
        "drift_ppm": round(gateway.clock.offset.drift_ppm, 3),
        "round_trip_ms": gateway.clock.offset.round_trip_ms,
    }


def _fingerprint(path: Path) -> Mapping[str, tuple[int, int]]:
    """What changes when account files do."""
    files = sorted(path.glob("*")) if path.is_dir() else [path]
    marks: dict[str, tuple[int, int]] = {}
    for file in files:
        with suppress(OSError):
            stat = file.stat()
            marks[str(file)] = (stat.st_mtime_ns, stat.st_size)
    return marks


async def run_worker(settings: Settings, *, burst: bool) -> None:
    """Run one worker to its end.

    Raises:
        AccountsError: the account file cannot be used at all.
        TopologyError: the broker holds something that does not fit this configuration.
        BrokerError: the broker cannot be reached, in burst mode.
    """
    accounts = load_accounts(settings.accounts, discover())
    await Worker(settings, accounts, burst=burst).serve()
