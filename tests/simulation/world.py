"""One simulated run: hosts with real workers, the broker, the venues and producers, until every signal is answered."""

import asyncio
import traceback
from contextvars import copy_context
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

import orjson
from pydantic import SecretStr

from adapters.model import Answer
from adapters.sandbox.config import default_config
from adapters.sandbox.exchange import Exchange
from adapters.sandbox.faults import FaultCatalogue
from adapters.sandbox.model import Order
from tests.simulation.accidents import Accidents
from tests.simulation.broker import Broker
from tests.simulation.links import bind_accounts, declare, dial
from tests.simulation.loop import Process, SimulationLoop, dispose
from tests.simulation.scenario import Scenario
from tests.simulation.stage import HostClock, Machine, Record, Stage, true_ms
from tests.simulation.venues import Sent, SimTransport, Venue
from tests.simulation.wire import Connection, Host, Server
from tests.simulation.workload import (
    BINANCE,
    BITRUE,
    EXCHANGE_ACCOUNTS,
    LIMIT_GROUPS,
    Producer,
    Publication,
    exchange_accounts,
    worker_accounts,
)
from tests.virtual_time import START_S, START_WALL_MS
from worker.app import Worker
from worker.core.shards import Names
from worker.message import Message
from worker.ports import Ports
from worker.settings import Settings

SHARDS: Final = 3
PATIENCE_S: Final = 1_500.0
DRAIN_S: Final = 60
LONGEST_DELAY_S: Final = 32.0
"""How long after the last signal a producer may still publish one again."""

NAMES: Final = Names(namespace="beeline", shards=SHARDS)
ACCOUNT_OF_KEY: Final = {
    config.api_key: config.name for configs in EXCHANGE_ACCOUNTS.values() for config in configs
}


class World:
    """Everything of one run."""

    def __init__(self, scenario: Scenario) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SimulationLoop)
        broker = Broker(has_priorities=scenario.has_priorities, now_ms=lambda: true_ms(loop))
        broker.on_promoted, broker.on_demoted = self._promoted, self._demoted
        server = Server(loop, broker, scenario.random("broker"), self.on_point)
        server.longest_travel_s = scenario.broker_travel_s
        server.longest_notice_s = scenario.late_notice_s
        server.commits_at_once = not scenario.separate_commits
        self.stage = Stage(
            loop=loop,
            context=copy_context(),
            scenario=scenario,
            server=server,
            venues={url: _venue(loop, scenario, number, url) for number, url in enumerate((BINANCE, BITRUE))},
            accounts=worker_accounts(is_futures=scenario.is_futures),
            machines=[
                Machine(
                    host=Host(f"w{number}"),
                    clock=HostClock(loop, number, plan.wall_offset_ms, plan.drift_ppm),
                    number=number,
                )
                for number, plan in enumerate(scenario.hosts)
            ],
            record=Record(),
        )
        self._broker, self._record = broker, self.stage.record
        self._accidents = Accidents(self.stage, self._start)
        self._is_stopping = False
        self._processes: list[Process] = []
        self._active: dict[str, Connection] = {}
        self._demotions: dict[tuple[str, Process], tuple[Connection, str]] = {}

    # --- The run

    async def run(self) -> Record:
        """Play the scenario to its end."""
        stage, scenario = self.stage, self.stage.scenario
        self._broker.declare(NAMES)
        for name in stage.accounts:
            self._broker.bind(NAMES.signals_queue(shard_of(name)), NAMES.signals, name)
        for machine, plan in zip(stage.machines, scenario.hosts, strict=True):
            stage.later(plan.joins_at_s, self._start, machine)
        self._schedule_signals(scenario)
        for at_s, accident in scenario.accidents:
            stage.later(at_s, self._accidents.strike, accident)
        await asyncio.sleep(scenario.span_s + 10)
        self._accidents.end()
        await self._until_answered()
        await self._stop_all()
        self._close_the_books()
        for machine in stage.machines:
            for connection in machine.host.links:
                connection.is_open_here = False
        for process in self._processes:
            await dispose(process, stage.loop)
        return self._record

    def _schedule_signals(self, scenario: Scenario) -> None:
        random = scenario.random("producer")
        producer = Producer(
            random, now_ms=lambda at_s: START_WALL_MS + at_s * 1000, is_futures=scenario.is_futures
        )
        times = sorted(random.uniform(0.5, scenario.span_s) for _ in range(scenario.signals))
        if scenario.burst_s is not None:
            times = [scenario.burst_s + at_s / scenario.span_s for at_s in times]
        for at_s in times:
            for publication in producer.write(at_s):
                self.stage.later(publication.at_s, self._publish, publication, None)

    async def _until_answered(self) -> None:
        loop = self.stage.loop
        ends_s = loop.time() + PATIENCE_S
        last_s = START_S + self.stage.scenario.span_s + LONGEST_DELAY_S
        quiet = 0
        while quiet < 8 and loop.time() < ends_s:
            await asyncio.sleep(1.0)
            quiet = quiet + 1 if self._depth() == 0 and loop.time() > last_s else 0

    def _depth(self) -> int:
        queues = [NAMES.signals_queue(shard) for shard in range(SHARDS)] + [NAMES.unrouted]
        return sum(self._broker.queues[queue].depth for queue in queues)

    async def _stop_all(self) -> None:
        self._is_stopping = True
        self._record.left = self._depth()
        for machine in self.stage.machines:
            if machine.worker is not None and machine.running is not None:
                machine.running.context.run(machine.worker.stop)
        programs = [
            machine.program
            for machine in self.stage.machines
            if machine.program is not None and machine.running is not None
        ]
        if programs:
            _, late = await asyncio.wait(programs, timeout=DRAIN_S)
            if late:
                self._record.wrong.append(f"{len(late)} workers did not end after a drain")

    def _close_the_books(self) -> None:
        record, loop = self._record, self.stage.loop
        outcomes = sorted(self._broker.queues[NAMES.outcomes].ready)
        record.outcomes = [orjson.loads(stored.message.body) for stored in outcomes]
        record.dead = self._broker.queues[NAMES.dead].depth
        for venue in self.stage.venues.values():
            record.orders += venue.exchange.engine.ledger.orders
            record.counts.update({f"venue: {kind.value}": hits for kind, hits in venue.faults.hits.items()})
        record.counts["redeliveries"] = self._broker.redeliveries
        record.wrong += loop.failures
        record.ended_s = loop.time() - START_S

    # --- Producers

    def _publish(self, publication: Publication, first_ms: float | None) -> None:
        """Publish with confirm, and again while the broker does not confirm."""
        stage = self.stage
        created_ms = first_ms if first_ms is not None else stage.now_ms()
        again = partial(self._publish, publication, created_ms)
        if not stage.server.is_up:
            stage.later(0.5, again)
            return
        confirmed = False

        def done() -> None:
            nonlocal confirmed
            confirmed = True
            self._record.published.append(publication)
            stage.note(
                f"published {publication.name} ({publication.kind}) for {publication.account}: "
                f"{publication.body.decode()}"
            )

        def check() -> None:
            if not confirmed:
                again()

        stage.server.publish(NAMES.signals, _message(publication, created_ms), done)
        stage.later(1.0, check)

    # --- Processes

    def _start(self, machine: Machine) -> None:
        if self._is_stopping or machine.running is not None:
            return
        machine.runs += 1
        process = machine.process = Process(f"{machine.host.name}.{machine.runs}")
        self._processes.append(process)
        self.stage.note("started", process)
        machine.program = self.stage.loop.create_task(
            self._program(machine, process), context=process.context
        )

    async def _program(self, machine: Machine, process: Process) -> None:
        """The process itself."""
        worker = machine.worker = Worker(
            _settings(machine, self.stage), self.stage.accounts, ports=self._ports(machine, process)
        )
        try:
            await worker.run()
        except Exception as error:  # noqa: BLE001 - whatever ends a worker by itself is a finding
            text = "".join(traceback.format_exception(error))
            self._record.wrong.append(f"{process.name} ended by itself: {text}")
        if not process.is_dead:
            self.stage.note("ended", process)
            self.stage.later(0.0, self._accidents.end_process, machine, process)

    def _ports(self, machine: Machine, process: Process) -> Ports:
        server = self.stage.server
        return Ports(
            clock=machine.clock,
            transport=lambda timeout_s: SimTransport(
                process,
                self.stage.venues,
                self,
                ip=f"10.0.0.{machine.number + 1}",
                timeout_s=timeout_s,
                spawn=self._carry,
            ),
            dial=lambda _, heartbeat, name: dial(
                server, process, machine.host, heartbeat=heartbeat, name=name
            ),
            declare=declare,
            bind_accounts=bind_accounts,
            jitter=self.stage.scenario.random(f"process {process.name}").uniform,
        )

    def _carry(self, answered: "asyncio.Future[Answer]", venue: Venue, sent: Sent) -> None:
        """Let the world carry a request: what has left is executed whatever becomes of its sender."""

        async def carry() -> None:
            answer = await venue.serve(sent, self)
            if not answered.done():
                answered.set_result(answer)

        task = self.stage.loop.create_task(carry(), context=self.stage.context.copy())
        self.stage.loop.keep(task)

    # --- What the checks must see as it happens

    def on_point(self, point: str, process: Process) -> None:
        """A process is at a point where it may be hit."""
        self._accidents.on_point(point, process)

    def _promoted(self, queue: str, owner: object) -> None:
        assert isinstance(owner, Connection)
        self._active[queue] = owner
        self.stage.note(f"active on {queue}", owner.process)

    def _demoted(self, queue: str, owner: object, cause: str) -> None:
        assert isinstance(owner, Connection)
        self._active.pop(queue, None)
        self._demotions[queue, owner.process] = (owner, cause)
        self.stage.note(f"no longer active on {queue}: {cause}", owner.process)

    def on_sending(self, sent: Sent) -> None:
        """An order request leaves: its sender must own the shard, as far as it can know."""
        account, request = ACCOUNT_OF_KEY[sent.key], sent.request
        self.stage.note(
            f"sends {request.method} {request.path} {_public(request.query)} for {account}", sent.process
        )
        self._record.counts["order requests"] += 1
        queue = NAMES.signals_queue(shard_of(account))
        active = self._active.get(queue)
        if active is not None and active.process is sent.process:
            return
        connection, cause = self._demotions.get((queue, sent.process), (None, "never was"))
        # A connection that broke by itself is news to its client only later: no lease covers that, the look-ups do.
        is_news = connection is not None and connection.lost_at_s in (None, self.stage.loop.time())
        if not is_news or cause in ("heartbeat", "drained", "channel closed", "closed"):
            self._record.wrong.append(
                f"{sent.process.name} sent for {account} without owning its shard ({cause})"
            )

    def on_accepted(self, sent: Sent, orders: list[Order]) -> None:
        """The venue took orders."""
        for order in orders:
            self.stage.note(
                f"venue took {order.spec.client_order_id} as {order.order_id}: {order.status}", sent.process
            )


def shard_of(account: str) -> int:
    """Return an account's shard."""
    return NAMES.shard_of(account, LIMIT_GROUPS.get(account))


def _venue(loop: SimulationLoop, scenario: Scenario, number: int, url: str) -> Venue:
    now_ms = int(true_ms(loop))
    accounts = exchange_accounts(is_futures=scenario.is_futures)[url]
    exchange = Exchange(default_config(accounts), scenario.random(f"exchange {url}"))
    exchange.state.visibility_lag_ms = scenario.visibility_lag_ms
    exchange.clock.set_skew(scenario.venue_skew_ms[number], now_ms)
    exchange.clock.set_drift(scenario.venue_drift_ppm[number], now_ms)
    faults = FaultCatalogue(scenario.random(f"faults {url}"))
    for rule in scenario.rules:
        faults.add(rule)
    return Venue(loop, exchange, faults, scenario.network, scenario.random(f"network {url}"))


def _settings(machine: Machine, stage: Stage) -> Settings:
    return Settings(
        amqp_url=SecretStr("amqp://simulated"),
        shards=SHARDS,
        worker_id=machine.host.name,
        heartbeat=stage.scenario.heartbeat,
        accounts=Path("/dev/null/no-accounts"),
        resolution_budget=120.0,
        drain_timeout=25.0,
    )


def _message(publication: Publication, created_ms: float) -> Message:
    headers: dict[str, Any] = {}
    timestamp = None
    if publication.dated == "header":
        headers["created_at_us"] = int(created_ms * 1000)
    elif publication.dated == "timestamp":
        timestamp = datetime.fromtimestamp(int(created_ms / 1000), UTC)
    return Message(
        body=publication.body, routing_key=publication.account, headers=headers, timestamp=timestamp
    )


def _public(query: str) -> str:
    return "&".join(part for part in query.split("&") if not part.startswith("signature="))
