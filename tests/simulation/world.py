"""One simulated run: hosts with real workers, the broker, the venues and producers, until every signal is answered."""

import asyncio
import traceback
from collections import Counter
from collections.abc import Callable
from contextvars import copy_context
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
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
from tests.simulation.broker import Broker
from tests.simulation.links import Connection, Host, Server, bind_accounts, declare
from tests.simulation.loop import Process, SimulationLoop, dispose
from tests.simulation.scenario import Accident, Scenario
from tests.simulation.venues import Sent, SimTransport, Venue
from tests.simulation.workload import (
    BINANCE,
    BITRUE,
    EXCHANGE_ACCOUNTS,
    LIMIT_GROUPS,
    PRICES,
    Producer,
    Publication,
    worker_accounts,
)
from tests.virtual_time import START_S, START_WALL_MS
from worker.amqp import Message
from worker.app import Worker
from worker.core.shards import Names
from worker.ports import Ports
from worker.settings import Settings

SHARDS: Final = 3
PATIENCE_S: Final = 1_500.0
DRAIN_S: Final = 60
NAMES: Final = Names(namespace="beeline", shards=SHARDS)
ACCOUNTS: Final = worker_accounts()


class HostClock:
    """The clocks of a host: each drifts, the wall can be stepped."""

    def __init__(self, loop: SimulationLoop, number: int, wall_offset_ms: float, drift_ppm: float) -> None:
        self._loop, self._rate = loop, 1 + drift_ppm / 1e6
        self._epoch_s = 10_000.0 * (number + 1)
        self.wall_offset_ms = wall_offset_ms

    def monotonic(self) -> float:
        """Seconds that never step."""
        return self._epoch_s + (self._loop.time() - START_S) * self._rate

    def wall_ms(self) -> float:
        """Epoch milliseconds as this host believes."""
        return START_WALL_MS + (self._loop.time() - START_S) * 1000 * self._rate + self.wall_offset_ms


@dataclass(slots=True, kw_only=True, eq=False)
class Machine:
    """One host and the worker that runs on it now."""

    host: Host
    clock: HostClock
    number: int
    runs: int = 0
    process: Process | None = None
    worker: Worker | None = None
    program: asyncio.Task[None] | None = None


@dataclass(slots=True, kw_only=True)
class Record:
    """What happened, for the checks."""

    published: list[Publication] = field(default_factory=list)
    outcomes: list[dict[str, Any]] = field(default_factory=list)
    orders: list[Order] = field(default_factory=list)
    dead: int = 0
    left: int = 0
    wrong: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    trace: list[tuple[float, str, str]] = field(default_factory=list)
    ended_s: float = 0.0
    steps: int = 0


class World:
    """Everything of one run."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario, self.record = scenario, Record()
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SimulationLoop)
        self.loop = loop
        self.context = copy_context()
        self.broker = Broker(has_priorities=scenario.has_priorities, now_ms=self.now_ms)
        self.server = Server(loop, self.broker, scenario.random("broker"), self.on_point)
        self.server.longest_travel_s = scenario.broker_travel_s
        self.server.longest_notice_s = scenario.late_notice_s
        self.server.commits_at_once = not scenario.separate_commits
        self.broker.on_promoted, self.broker.on_demoted = self._promoted, self._demoted
        self.venues = {url: self._venue(number, url) for number, url in enumerate((BINANCE, BITRUE))}
        self.machines = [
            Machine(
                host=Host(f"w{number}"),
                clock=HostClock(loop, number, plan.wall_offset_ms, plan.drift_ppm),
                number=number,
            )
            for number, plan in enumerate(scenario.hosts)
        ]
        self._chance = scenario.random("points")
        self._fate = scenario.random("fates")
        self._at_points_left = scenario.most_at_points
        self._is_calm = self._is_stopping = False
        self._all: list[Process] = []
        self._active: dict[str, Connection] = {}
        self._demotions: dict[tuple[str, Process], tuple[Connection, str]] = {}
        self._account_of_key = {
            config.api_key: config.name for configs in EXCHANGE_ACCOUNTS.values() for config in configs
        }

    def now_ms(self) -> float:
        """True wall time."""
        return START_WALL_MS + (self.loop.time() - START_S) * 1000

    def _venue(self, number: int, url: str) -> Venue:
        scenario = self.scenario
        exchange = Exchange(default_config(EXCHANGE_ACCOUNTS[url]), scenario.random(f"exchange {url}"))
        exchange.state.visibility_lag_ms = scenario.visibility_lag_ms
        exchange.clock.set_skew(scenario.venue_skew_ms[number], int(self.now_ms()))
        exchange.clock.set_drift(scenario.venue_drift_ppm[number], int(self.now_ms()))
        faults = FaultCatalogue(scenario.random(f"faults {url}"))
        for rule in scenario.rules:
            faults.add(rule)
        network = scenario.network
        return Venue(self.loop, exchange, faults, network, scenario.random(f"network {url}"))

    def note(self, text: str, process: Process | None = None) -> None:
        """Write down what happened."""
        self.record.trace.append((self.loop.time() - START_S, process.name if process else "-", text))

    # --- The run

    async def run(self) -> Record:
        """Play the scenario to its end."""
        self.broker.declare(NAMES)
        for name in ACCOUNTS:
            self.broker.bind(NAMES.signals_queue(shard_of(name)), NAMES.signals, name)
        scenario = self.scenario
        for machine, plan in zip(self.machines, scenario.hosts, strict=True):
            self._later(plan.joins_at_s, self._start, machine)
        random = scenario.random("producer")
        producer = Producer(random, now_ms=lambda at_s: START_WALL_MS + at_s * 1000)
        times = sorted(random.uniform(0.5, scenario.span_s) for _ in range(scenario.signals))
        if scenario.burst_s is not None:
            times = [scenario.burst_s + at_s / scenario.span_s for at_s in times]
        for at_s in times:
            for publication in producer.write(at_s):
                self._later(publication.at_s, self._publish, publication, None)
        for at_s, accident in scenario.accidents:
            self._later(at_s, self._strike, accident, None)
        await asyncio.sleep(scenario.span_s + 10)
        self._calm_down()
        await self._until_answered()
        await self._stop_all()
        self._close_the_books()
        for process in self._all:
            await dispose(process)
        return self.record

    def _later(self, delay_s: float, action: Callable[..., object], *arguments: object) -> None:
        self.loop.at(self.loop.time() + delay_s, action, *arguments, context=self.context)

    def _calm_down(self) -> None:
        """End all faults: what is still open now must come to its end."""
        self._is_calm = True
        self.note("all faults end")
        for venue in self.venues.values():
            venue.faults.clear()
            network = venue.network
            network.refused = network.lost_before = network.lost_after = 0.0
        if not self.server.is_up:
            self.server.start()
        for machine in self.machines:
            self.server.heal(machine.host)
            if machine.process is not None and machine.process.is_frozen:
                self._thaw(machine.process)

    async def _until_answered(self) -> None:
        ends_s = self.loop.time() + PATIENCE_S
        quiet = 0
        while quiet < 8 and self.loop.time() < ends_s:
            await asyncio.sleep(1.0)
            quiet = (
                quiet + 1
                if self._depth() == 0 and self.loop.time() > START_S + self.scenario.span_s + 32
                else 0
            )

    def _depth(self) -> int:
        queues = [NAMES.signals_queue(shard) for shard in range(SHARDS)] + [NAMES.unrouted]
        return sum(self.broker.queues[queue].depth for queue in queues)

    async def _stop_all(self) -> None:
        self._is_stopping = True
        self.record.left = self._depth()
        for machine in self.machines:
            if machine.worker is not None and machine.process is not None and not machine.process.is_dead:
                machine.process.context.run(machine.worker.stop)
        programs = [machine.program for machine in self.machines if machine.program is not None]
        waiting = [program for program in programs if not program.done()]
        if waiting:
            _, late = await asyncio.wait(waiting, timeout=DRAIN_S)
            if late:
                self.record.wrong.append(f"{len(late)} workers did not end after a drain")

    def _close_the_books(self) -> None:
        record = self.record
        outcomes = self.broker.queues[NAMES.outcomes].ready
        record.outcomes = [
            orjson.loads(stored.message.body) | {"at_s": stored.at_ms} for stored in sorted(outcomes)
        ]
        record.dead = self.broker.queues[NAMES.dead].depth
        for venue in self.venues.values():
            record.orders += venue.exchange.engine.ledger.orders
            record.counts.update({f"venue: {kind.value}": hits for kind, hits in venue.faults.hits.items()})
        record.counts["redeliveries"] = self.broker.redeliveries
        record.wrong += self.loop.failures
        record.ended_s = self.loop.time() - START_S
        record.steps = self.loop.steps

    # --- Producers

    def _publish(self, publication: Publication, first_ms: float | None) -> None:
        """Publish with confirm, and again while the broker does not confirm."""
        created_ms = first_ms if first_ms is not None else self.now_ms()
        again = partial(self._publish, publication, created_ms)
        if not self.server.is_up:
            self._later(0.5, again)
            return
        confirmed = False

        def done() -> None:
            nonlocal confirmed
            confirmed = True
            self.record.published.append(publication)
            signal_id = publication.signal.signal_id if publication.signal else "?"
            self.note(
                f"published {signal_id} ({publication.kind}) for {publication.account}: {publication.body!r}"
            )

        def check() -> None:
            if not confirmed:
                again()

        self.server.publish(NAMES.signals, _message(publication, created_ms), done)
        self._later(1.0, check)

    # --- Processes

    def _start(self, machine: Machine) -> None:
        if self._is_stopping or (machine.process is not None and not machine.process.is_dead):
            return
        machine.runs += 1
        process = machine.process = Process(f"{machine.host.name}.{machine.runs}")
        self._all.append(process)
        machine.program = self.loop.create_task(self._program(machine, process), context=process.context)
        self.note("started", process)

    async def _program(self, machine: Machine, process: Process) -> None:
        """The process itself."""
        worker = machine.worker = Worker(
            self._settings(machine), ACCOUNTS, ports=self._ports(machine, process)
        )
        try:
            await worker.run()
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            text = "".join(traceback.format_exception(error))
            self.record.wrong.append(f"{process.name} ended by itself: {text}")
        self.note("ended", process)
        self.loop.at(self.loop.time(), self._end, machine, process, False, context=self.context)

    def _settings(self, machine: Machine) -> Settings:
        return Settings(
            amqp_url=SecretStr("amqp://simulated"),
            shards=SHARDS,
            worker_id=machine.host.name,
            heartbeat=self.scenario.heartbeat,
            accounts=Path("/dev/null/no-accounts"),
            resolution_budget=120.0,
            drain_timeout=25.0,
        )

    def _ports(self, machine: Machine, process: Process) -> Ports:
        random = self.scenario.random(f"process {process.name}")
        return Ports(
            clock=machine.clock,
            transport=lambda timeout_s: SimTransport(
                process,
                self.venues,
                self,
                ip=f"10.0.0.{machine.number + 1}",
                timeout_s=timeout_s,
                spawn=self._carry,
            ),
            dial=lambda _, heartbeat, name: self.server.dial(
                process, machine.host, heartbeat=heartbeat, name=name
            ),
            declare=declare,
            bind_accounts=bind_accounts,
            jitter=random.uniform,
        )

    def _carry(self, answered: "asyncio.Future[Answer]", venue: Venue, sent: Sent) -> None:
        async def carry() -> None:
            answer = await venue.serve(sent, self)
            if not answered.done():
                answered.set_result(answer)

        self.loop.create_task(carry(), context=self.context.copy())

    def _end(self, machine: Machine, process: Process, silently: bool) -> None:
        """The process is gone; its sockets are closed by the kernel, or vanish with the machine."""
        process.is_dead = True
        for connection in self.server.affected(machine.host):
            if connection.process is process:
                if silently:
                    connection.recheck()
                else:
                    connection.hang_up()
        if not self._is_stopping:
            self._later(self._fate.uniform(0.3, 20.0), self._start, machine)

    def _thaw(self, process: Process) -> None:
        process.thaw(self.loop)
        self.note("thawed", process)
        for connection in list(self.server.connections):
            if connection.process is process:
                connection.recheck()

    # --- Accidents

    def on_point(self, point: str, process: Process) -> None:
        """A process is at a point where accidents hurt."""
        if self._is_calm or not self._at_points_left or not self.scenario.at_points:
            return
        for accident, rate in self.scenario.at_points.items():
            if self._chance.random() < rate:
                self._at_points_left -= 1
                self.record.counts[f"at a point: {point}"] += 1
                self.note(f"accident while {point}", process)
                self._strike(accident, self._machine_of(process))
                return

    def _machine_of(self, process: Process) -> Machine:
        return next(machine for machine in self.machines if machine.process is process)

    def _strike(self, accident: Accident, target: Machine | None) -> None:
        """Let something go wrong."""
        if self._is_calm:
            return
        fate = self._fate
        machine = target or fate.choice(self.machines)
        process = machine.process
        self.record.counts[accident.value] += 1
        self.note(f"*** {accident.value} at {machine.host.name}")
        match accident:
            case Accident.BROKER_CRASH:
                if self.server.is_up:
                    self.server.crash()
                    self._later(fate.uniform(0.2, 8), self.server.start)
            case Accident.WALL_STEP:
                machine.clock.wall_offset_ms = fate.uniform(-950, 950)
            case Accident.VENUE_STEP:
                venue = fate.choice(list(self.venues.values()))
                venue.exchange.clock.step(fate.choice((-500, 700, 1_500, 4_000)))
            case Accident.PRICE:
                self._move_a_price()
            case _ if process is None or process.is_dead:
                return
            case Accident.CRASH:
                self._end(machine, process, False)
            case Accident.POWER_LOSS:
                self._end(machine, process, True)
            case Accident.RESTART:
                if machine.worker is not None:
                    process.context.copy().run(machine.worker.stop)
            case Accident.FREEZE:
                self._freeze(process)
            case Accident.CUT | Accident.CUT_PUBLISHING | Accident.CUT_CONSUMING:
                self._cut(machine, accident)

    def _freeze(self, process: Process) -> None:
        if process.is_frozen:
            return
        process.freeze()
        for connection in list(self.server.connections):
            if connection.process is process:
                connection.recheck()
        self._later(
            self._fate.choice((0.5, 3.0, 8.0, 12.0, 20.0)) * self._fate.uniform(0.8, 1.2), self._thaw, process
        )

    def _cut(self, machine: Machine, accident: Accident) -> None:
        kinds = {
            Accident.CUT: ("publish", "consume"),
            Accident.CUT_PUBLISHING: ("publish",),
            Accident.CUT_CONSUMING: ("consume",),
        }[accident]
        self.server.cut(machine.host, kinds)
        length_s = self._fate.choice((1.0, 6.0, 11.0, 16.0, 25.0)) * self._fate.uniform(0.8, 1.2)
        self._later(length_s, self.server.heal, machine.host)

    def _move_a_price(self) -> None:
        fate = self._fate
        symbol = fate.choice(list(PRICES))
        price = PRICES[symbol] * (1 + Decimal(fate.randint(-30, 30)) / 1000)
        for venue in self.venues.values():
            venue.exchange.set_price(
                symbol.replace("/", ""), price.quantize(Decimal("0.01")), int(self.now_ms())
            )

    # --- What the checks must see as it happens

    def _promoted(self, queue: str, owner: object) -> None:
        assert isinstance(owner, Connection)
        self._active[queue] = owner
        self.note(f"active on {queue}", owner.process)

    def _demoted(self, queue: str, owner: object, cause: str) -> None:
        assert isinstance(owner, Connection)
        self._active.pop(queue, None)
        self._demotions[queue, owner.process] = (owner, cause)
        self.note(f"no longer active on {queue}: {cause}", owner.process)

    def on_sending(self, sent: Sent) -> None:
        """An order request leaves: its sender must own the shard, as far as it can know."""
        account = self._account_of_key[sent.key]
        request = sent.request
        self.note(
            f"sends {request.method} {request.path} {_public(request.query)} for {account}", sent.process
        )
        self.record.counts["order requests"] += 1
        queue = NAMES.signals_queue(shard_of(account))
        active = self._active.get(queue)
        if active is not None and active.process is sent.process:
            return
        connection, cause = self._demotions.get((queue, sent.process), (None, "never was"))
        if connection is not None and cause not in ("heartbeat", "drained", "channel closed", "closed"):
            if connection.lost_at_s in (None, self.loop.time()):
                return  # the connection broke and this end cannot know yet: no lease covers that, the look-ups do
        self.record.wrong.append(f"{sent.process.name} sent for {account} without owning its shard ({cause})")

    def on_accepted(self, sent: Sent, orders: list[Order]) -> None:
        """The venue took orders."""
        for order in orders:
            self.note(
                f"venue took {order.spec.client_order_id} as {order.order_id}: {order.status}", sent.process
            )


def shard_of(account: str) -> int:
    """Return an account's shard."""
    return NAMES.shard_of(account, LIMIT_GROUPS.get(account))


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
