"""The composition root: builds the worker, keeps its connections, and takes it down in order.

One task group owns every task.

The order of a drain: nothing new is started; what has sent something comes to its end, is published and
acknowledged; then shard by shard the acknowledgements are flushed, the release is announced and the channel
closed; then the connections go, and the metrics last. A second signal stops waiting, and still rejects
nothing: what is unacknowledged goes to the next owner.
"""

import asyncio
import gc
import os
import signal
from collections.abc import Awaitable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Final
from urllib.parse import urlsplit

import structlog

from adapters.venues import discover
from worker.account_book import AccountBook
from worker.accounts import Account, load_accounts
from worker.amqp import BrokerError
from worker.connections import Connections
from worker.consumer import Consumer
from worker.control import Control
from worker.core.holds import HoldRecord
from worker.core.shards import Names
from worker.dispatcher import Dispatcher
from worker.epoch import lease_s
from worker.execution import Execution
from worker.gauges import publish_gauges, watch_loop
from worker.greeting import greet
from worker.hand_over import HandOver
from worker.journal import Trace
from worker.keys import Keys
from worker.lane import Lanes
from worker.logs import Threshold
from worker.ports import Ports
from worker.publisher import Publisher
from worker.report import Report
from worker.settings import Settings
from worker.status import StatusServer
from worker.telemetry import Telemetry
from worker.trade import Desk
from worker.unknowns import Unknowns

BURST_POLL_S: Final = 0.2
COLLECTOR_VARIABLES: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")

log = structlog.get_logger("beeline.worker")


class StoppedError(Exception):
    """Ends the task group: everything that had to be finished is."""


class Worker:
    """One worker process."""

    def __init__(
        self,
        settings: Settings,
        accounts: Mapping[str, Account],
        *,
        burst: bool = False,
        ports: Ports | None = None,
        trace: Trace | None = None,
    ) -> None:
        self._settings, self._burst, self._trace = settings, burst, trace
        self._ports = ports or Ports()
        self._names = Names(namespace=settings.namespace, shards=settings.shards)
        self._transport = self._ports.transport(settings.venue_timeout)
        self._book = AccountBook(settings, accounts, self._ports, self._transport)
        self._telemetry = Telemetry(lambda name: name in self._book.accounts)
        self._draining = False
        self._stop = asyncio.Event()
        self._hurry = asyncio.Event()

    async def serve(self) -> None:
        """Work as a process of its own: with HTTP endpoints, until a signal tells it to stop.

        Raises:
            TopologyError: the broker holds something that does not fit this configuration.
            BrokerError: the broker cannot be reached, in burst mode.
            OSError: the HTTP port is taken.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        loop.add_signal_handler(signal.SIGHUP, self._book.reload)
        greet(self._settings, self._book)
        await self.run(serve_status=True)

    async def run(self, *, serve_status: bool = False) -> None:
        """Work until `stop` is called; raises as `serve` does."""
        status: StatusServer | None = None
        try:
            async with asyncio.TaskGroup() as tasks:
                self._build(tasks)
                self._dispatcher.journal.trace = self._trace
                if serve_status:
                    status = await self._serve_status()
                    tasks.create_task(watch_loop(self._telemetry, self._ports.clock))
                self._book.open_gateways(tasks)
                if serve_status:
                    tame_collector()
                tasks.create_task(self._connections.keep_publishing())
                tasks.create_task(self._connections.keep_consuming())
                tasks.create_task(self._book.follow(tasks, self._connections.bind_accounts))
                tasks.create_task(self._lead())
        except* StoppedError:
            pass
        finally:
            await self._transport.close()
            if status is not None:
                await status.stop()

    def _build(self, tasks: asyncio.TaskGroup) -> None:
        settings, names, clock = self._settings, self._names, self._ports.clock
        publisher = Publisher()
        control = Control(
            names, publisher, clock, worker_id=settings.worker_id, lease_ms=lease_s(settings.heartbeat) * 1000
        )
        self._consumer = Consumer(
            names,
            publisher,
            control,
            clock,
            tasks,
            worker_id=settings.worker_id,
            prefetch=settings.prefetch,
            memory_s=settings.memory,
        )
        self._dispatcher = Dispatcher(
            names,
            publisher,
            clock,
            self._telemetry,
            tasks,
            worker_id=settings.worker_id,
            accounts=lambda: self._book.accounts,
            enqueue=self._enqueue,
        )
        control.on_hold = self._book.heed
        self._book.ready_to_ask = control.read_once
        self._book.on_hold = lambda hold: self._tell_pool(tasks, control, hold)
        keys = Keys(clock, self._book, tasks)
        self._book.on_loaded = keys.follow
        control.on_key_release = keys.release
        unknowns = Unknowns(clock, self._book, keys, tasks, self._dispatcher.correct, settings=settings)
        self._dispatcher.on_unknown = unknowns.watch
        self._consumer.on_taken_over = [HandOver(names, self._book, clock).take_over, unknowns.resume]
        self._consumer.on_delivery = self._dispatcher.dispatch
        desk = Desk(
            settings=settings,
            clock=clock,
            dispatcher=self._dispatcher,
            book=self._book,
            stops=control.stops,
            keys=keys,
        )
        self._lanes = Lanes(desk, tasks)
        self._connections = Connections(
            settings,
            names,
            self._ports,
            self._book,
            publisher,
            control,
            self._consumer,
            patient=not self._burst,
        )
        self._report = Report(
            settings=settings,
            clock=clock,
            book=self._book,
            publisher=publisher,
            consumer=self._consumer,
            connections=self._connections,
            dispatcher=self._dispatcher,
            lanes=self._lanes,
            unknowns=unknowns,
            control=control,
            keys=keys,
            is_draining=lambda: self._draining,
        )
        publish_gauges(self._report, self._telemetry)

    @staticmethod
    def _tell_pool(tasks: asyncio.TaskGroup, control: Control, hold: HoldRecord) -> None:
        tasks.create_task(control.announce_hold(hold))

    def _enqueue(self, execution: Execution) -> None:
        self._lanes.enqueue(execution)

    async def _serve_status(self) -> StatusServer:
        host = self._settings.http_host
        status = StatusServer(self._telemetry, self._report.status, self._report.obstacles)
        port = await status.start(host, self._settings.http_port)
        log.info("status served", url=f"http://{host}:{port}/", worker=self._settings.worker_id)
        return status

    # --- Stopping

    def stop(self) -> None:
        """Drain and end; a second call stops waiting for what is in flight."""
        if self._stop.is_set():
            self._hurry.set()
        self._stop.set()

    async def _lead(self) -> None:
        """Wait for the end, then drain."""
        if self._burst:
            await self._until_worked_off()
        else:
            await self._stop.wait()
        await self._drain()
        raise StoppedError

    async def _until_worked_off(self) -> None:
        """Wait until no shard has anything ready and nothing is in flight."""
        while not self._stop.is_set() and not await self._is_worked_off():
            with suppress(TimeoutError):
                async with asyncio.timeout(BURST_POLL_S):
                    await self._stop.wait()

    async def _is_worked_off(self) -> bool:
        link = self._connections.consuming
        if link is None or not self._connections.is_consuming:
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
        with suppress(TimeoutError):
            async with asyncio.timeout(self._settings.drain_timeout):
                await _first(self._dispatcher.idle(), self._hurry.wait())
        if self._dispatcher.in_flight:
            log.warning(
                "stopping with signals in flight; their next owner asks the venue",
                in_flight=self._dispatcher.in_flight,
            )
        else:
            await self._consumer.release()
        self._consumer.stop()
        log.info("drained")


async def _first(*waits: Awaitable[object]) -> None:
    """Wait for whichever comes first."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()


def tame_collector() -> None:
    """Take what stays out of the garbage collector's sight, before the first order waits for it.

    Accounts, keys and the tasks that follow them stay as long as the process: a walk through those of 10,000 accounts
    took 100 ms, in which no order goes out. What a signal leaves behind is remembered in a form that is not followed
    (`core/memory.py`), so the generations hold little, and the thresholds only make walks rarer.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    gc.enable()


async def run_worker(settings: Settings, threshold: Threshold, *, burst: bool) -> None:
    """Run one worker to its end.

    Raises:
        AccountsError: the account file cannot be used at all.
        TopologyError: the broker holds something that does not fit this configuration.
        BrokerError: the broker cannot be reached, in burst mode.
    """
    gc.disable()  # until everything that stays is there: with 10,000 accounts it would walk through them five times
    accounts = load_accounts(settings.accounts, discover())
    threshold.follow_signals(asyncio.get_running_loop())
    with export_traces(settings.worker_id) as trace:
        await Worker(settings, accounts, burst=burst, trace=trace).serve()


@contextmanager
def export_traces(worker_id: str) -> Iterator[Trace | None]:
    """Export traces where a collector is named; what is wrong with that never keeps a worker from its work."""
    url = next(filter(None, map(os.environ.get, COLLECTOR_VARIABLES)), None)
    if url is None:
        yield None
        return
    try:
        from worker.trace_export import Tracing  # noqa: PLC0415 - OpenTelemetry is an extra

        collector = urlsplit(url).netloc.rpartition("@")[2]  # the rest of the URL may hold a secret
        tracing = Tracing(worker_id, collector=collector)
    except ModuleNotFoundError:
        log.warning("traces are not exported: pip install 'beeline-worker[otel]'")
        yield None
        return
    except ValueError:
        log.warning("traces are not exported: one of the OTEL_… variables has a value that cannot be read")
        yield None
        return
    log.info("traces are exported", collector=collector)
    try:
        yield tracing.record
    finally:
        tracing.close()
