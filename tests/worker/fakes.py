"""Small stand-ins for the world around a worker, in virtual time: a broker link, a venue, and the parts between.

Everything between the broker and the venue is the real thing. The venue is the sandbox's pure exchange, asked through
the real dialects; the link keeps what is published and lets a test decide when a confirm comes.
"""

import asyncio
import random
from collections import Counter, defaultdict, deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import orjson

from adapters.model import Answer, Fault, FaultKind, HttpRequest, Reply
from adapters.sandbox.exchange import Exchange
from adapters.sandbox.fault_rules import FaultRule
from adapters.sandbox.faults import FaultCatalogue, FaultPlan, Wire
from adapters.sandbox.ledger import describe
from adapters.sandbox.model import SandboxReply, SandboxRequest
from tests.virtual_time import VirtualClock, settled
from tests.worker.builders import a_message, a_sandbox, some_accounts, some_settings
from worker.account_book import AccountBook
from worker.accounts import Account
from worker.amqp import BrokerError, OnMessage, UnroutableError
from worker.consumer import Delivery, Ownership, Shard
from worker.core.holds import Stops
from worker.core.memory import ShardMemory
from worker.core.outcome import Outcome
from worker.core.shards import Names
from worker.dispatcher import Dispatcher
from worker.epoch import Epoch
from worker.execution import Execution
from worker.keys import Keys
from worker.lane import Lanes
from worker.message import Message
from worker.ports import Ports
from worker.publisher import Publisher
from worker.recall import read_outcome
from worker.settings import Settings
from worker.telemetry import Telemetry
from worker.trade import Desk

HEARTBEAT_S = 3_600.0
"""Long enough for a lease to outlive any test that is not about leases."""


# --- Broker -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Published:
    """A message the link took, and whether the publisher learnt of it."""

    exchange: str
    message: Message


class FakeLine:
    """One channel: what happens on it is written down in the link, in order."""

    def __init__(self, link: "FakeLink", number: int) -> None:
        self.link, self.number = link, number
        self.is_closed = False

    async def consume(
        self, queue: str, on_message: OnMessage, arguments: Mapping[str, Any] | None = None
    ) -> None:
        await self.link.pass_through("consume", queue)
        self.link.consumers[queue] = (self, on_message)
        self.link.arguments[queue] = dict(arguments or {})
        for message in list(self.link.streams.get(queue, ())):
            asyncio.get_running_loop().call_soon(self._hand_over, on_message, message)

    def _hand_over(self, on_message: OnMessage, message: Message) -> None:
        if not self.is_closed:
            on_message(message)

    def ack(self, tag: int, *, multiple: bool = False) -> None:
        del multiple
        self.link.acks.append((self.number, tag))
        self.link.log.append(f"ack {tag}")

    async def ping(self, queue: str) -> int:
        await self.link.pass_through("ping", queue)
        return 0

    async def publish(self, exchange: str, message: Message, *, mandatory: bool = True) -> None:
        if self.is_closed:
            raise BrokerError("the channel is closed")
        self.link.publishing.append(Published(exchange, message))
        await self.link.pass_through("publish", exchange)
        if self.link.unroutable and mandatory:
            raise UnroutableError("no queue took the message")
        self.link.store(Published(exchange, message))

    async def close(self) -> None:
        self.is_closed = True
        self.link.log.append(f"close {self.number}")


class FakeLink:
    """One connection and the broker behind it, as far as a worker can tell.

    `gates` holds calls back (`publish`, `ping`, `consume`, `open_line`) until the test opens them, and `failures` makes
    the next ones fail.
    """

    broker_version = "4.1.2"

    def __init__(self) -> None:
        self.log: list[str] = []
        self.acks: list[tuple[int, int]] = []
        self.publishing: list[Published] = []
        self.published: list[Published] = []
        self.consumers: dict[str, tuple[FakeLine, OnMessage]] = {}
        self.arguments: dict[str, dict[str, Any]] = {}
        self.streams: defaultdict[str, list[Message]] = defaultdict(list)
        self.lines: list[FakeLine] = []
        self.gates: dict[str, asyncio.Event] = {}
        self.failures: Counter[str] = Counter()
        self.unroutable = False
        self.reason = "the link was cut"
        self._lost = asyncio.Event()
        self._tags = 0

    async def pass_through(self, kind: str, subject: str) -> None:
        if kind in self.gates:
            await self.gates[kind].wait()
        if self.failures[kind] > 0:
            self.failures[kind] -= 1
            raise BrokerError(f"{kind} {subject} failed")

    def hold(self, kind: str) -> asyncio.Event:
        """Hold calls of a kind back until the returned event is set."""
        self.gates[kind] = asyncio.Event()
        return self.gates[kind]

    async def open_line(self, *, prefetch: int = 0, confirms: bool = False) -> FakeLine:
        del prefetch, confirms
        await self.pass_through("open_line", "")
        self.lines.append(FakeLine(self, len(self.lines)))
        return self.lines[-1]

    async def lost(self) -> None:
        await self._lost.wait()

    async def close(self) -> None:
        self._lost.set()

    def store(self, published: Published) -> None:
        """Keep what was published, and show it to who follows a stream."""
        message = published.message
        self.published.append(published)
        self.log.append(f"confirm {message.correlation_id or message.type or published.exchange}")
        self._tags += 1
        for queue in self._queues_of(published):
            stored = replace(message, tag=self._tags)
            self.streams[queue].append(stored)
            if queue in self.consumers:
                self.consumers[queue][1](stored)

    @staticmethod
    def _queues_of(published: Published) -> list[str]:
        if published.exchange == "":
            return [published.message.routing_key]
        if published.exchange.endswith(".outcomes"):
            shard, namespace = (
                published.message.routing_key.split(".")[0],
                published.exchange.rsplit(".", 1)[0],
            )
            return [f"{namespace}.memory.{shard}"]
        return []

    def deliver(self, queue: str, message: Message) -> int:
        """Deliver to whoever consumes a queue; return the tag."""
        self._tags += 1
        self.consumers[queue][1](replace(message, tag=self._tags))
        return self._tags

    # --- What tests ask

    def outcomes(self, signal_id: str | None = None) -> list[dict[str, Any]]:
        """The bodies of the outcomes that were confirmed."""
        return [
            orjson.loads(item.message.body)
            for item in self.published
            if item.exchange.endswith(".outcomes") and signal_id in (None, item.message.correlation_id)
        ]

    def dead(self) -> list[Message]:
        """The messages that were moved to the dead letters."""
        return [item.message for item in self.published if item.exchange.endswith(".dead")]


# --- Venue ------------------------------------------------------------------------------------------------------------


class SandboxSender:
    """Sends requests to the sandbox's pure exchange and acts its faults out in virtual time."""

    def __init__(self, clock: VirtualClock, *, one_way_s: float = 0.01, timeout_s: float = 11.0) -> None:
        self.exchange = Exchange(a_sandbox(), random.Random(1))
        self.faults = FaultCatalogue(random.Random(2))
        self.requests: list[SandboxRequest] = []
        self.is_unreachable = False
        self.breaks_with: Exception | None = None
        self._clock, self._one_way_s, self._timeout_s = clock, one_way_s, timeout_s
        self._late: set[asyncio.Task[SandboxReply]] = set()

    def break_next(self, kind: Any, **options: Any) -> None:
        """Let the next placement meet a fault; other requests with a `method` and a `path`."""
        where: dict[str, Any] = {"method": "POST", "path": "*/order", "count": 1}
        self.faults.add(FaultRule(kind=kind, **(where | options)))

    async def send(self, request: HttpRequest) -> Answer:
        """Send once; failures are answers too."""
        if self.is_unreachable:
            await asyncio.sleep(self._one_way_s)
            return Fault(kind=FaultKind.NOT_SENT, detail="connection refused")
        parts = urlsplit(request.url)
        received = SandboxRequest(
            method=request.method, path=parts.path, query=parts.query, headers=request.headers
        )
        self.requests.append(received)
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._travel(received)
        except TimeoutError:
            return Fault(kind=FaultKind.TIMEOUT, detail="no reply in time")

    async def _travel(self, received: SandboxRequest) -> Answer:
        await asyncio.sleep(self._one_way_s)
        plan = self.faults.plan(received, self.exchange, self._now_ms())
        if plan is None:
            reply: SandboxReply | None = self.exchange.handle(received, self._now_ms())
            wire = Wire.NORMAL
        else:
            reply, wire = await self._act_out(received, plan), plan.wire
        await asyncio.sleep(self._one_way_s)
        if self.breaks_with is not None and received.method == "POST":
            raise self.breaks_with
        match wire:
            case Wire.NORMAL if reply is not None:
                return _reply(reply, reply.body)
            case Wire.TRUNCATE if reply is not None:
                return _reply(reply, reply.body[: len(reply.body) // 2])
            case Wire.HANG:
                await asyncio.Event().wait()
            case _:
                pass
        return Fault(kind=FaultKind.LOST, detail="the connection broke")

    async def _act_out(self, received: SandboxRequest, plan: FaultPlan) -> SandboxReply | None:
        actual: SandboxReply | None = None
        if plan.executes and plan.enter_after_ms:
            task = asyncio.create_task(self._enter_late(received, plan))
            self._late.add(task)
            task.add_done_callback(self._late.discard)
            if plan.wire is not Wire.CLOSE:
                actual = await asyncio.shield(task)
        elif plan.executes:
            actual = self.exchange.handle(received, self._now_ms(), visibility_lag_ms=plan.visibility_lag_ms)
        await asyncio.sleep(plan.reply_after_ms / 1000)
        return plan.reply_to(actual)

    async def _enter_late(self, received: SandboxRequest, plan: FaultPlan) -> SandboxReply:
        call = self.exchange.admit(received, self._now_ms())
        if isinstance(call, SandboxReply):
            return call
        await asyncio.sleep(plan.enter_after_ms / 1000)
        return self.exchange.execute(call, self._now_ms(), visibility_lag_ms=plan.visibility_lag_ms)

    async def close(self) -> None:
        """Nothing is open."""

    def _now_ms(self) -> int:
        return int(self._clock.wall_ms())

    # --- What tests ask

    def orders(self, account: str | None = None) -> list[dict[str, Any]]:
        """Every order the venue ever took, the ledger's truth."""
        return [
            describe(order)
            for order in self.exchange.engine.ledger.orders
            if account in (None, order.spec.account)
        ]

    def sent(self, method: str, name: str) -> int:
        """How many requests of a kind left."""
        return sum(item.method == method and item.path.endswith(f"/{name}") for item in self.requests)

    def set_price(self, price: str, symbol: str = "BTCUSDT") -> None:
        self.exchange.set_price(symbol, Decimal(price), self._now_ms())


def _reply(reply: SandboxReply, body: bytes) -> Reply:
    headers = {name.lower(): value for name, value in reply.headers.items()}
    return Reply(status=reply.status, headers=headers | {"content-type": reply.content_type}, body=body)


# --- The parts between ------------------------------------------------------------------------------------------------


@dataclass
class Rig:
    """Dispatcher, lanes and gateways of one worker, with a broker link and a venue of a test's own."""

    clock: VirtualClock
    link: FakeLink
    venue: SandboxSender
    publisher: Publisher
    dispatcher: Dispatcher
    lanes: Lanes
    book: AccountBook
    keys: Keys
    settings: Settings
    tasks: asyncio.TaskGroup
    epoch: Epoch = field(init=False)
    shard: Shard = field(init=False)
    _tag: int = 0

    async def begin_epoch(self, *, heartbeat_s: float = HEARTBEAT_S, sending_until_ms: float = 0.0) -> None:
        """Connect anew: a shard taken over, with the memory that an earlier epoch left in the stream."""
        memory = ShardMemory(keep_ms=self.settings.memory * 1000)
        for stored in self.link.streams["beeline.memory.01"]:
            outcome = read_outcome(stored)
            assert outcome is not None
            assert stored.timestamp is not None
            if outcome.code == "signal_id_conflict":
                continue
            memory.record(outcome, stored.timestamp.timestamp() * 1000)
        line = await self.link.open_line()
        self.epoch = Epoch(self.clock, heartbeat_s, 1)
        await self.epoch.renew(line, "beeline.signals.00")
        self.shard = Shard(
            number=1,
            epoch=self.epoch,
            line=line,
            ownership=Ownership.OWNED,
            waiting=deque(),
            memory=memory,
            sending_until_ms=sending_until_ms,
        )

    def deliver(self, body: dict[str, Any] | bytes, *, unrouted: bool = False, **over: Any) -> Delivery:
        """Hand a delivery to the dispatcher, as the consumer of an owned shard does."""
        self._tag += 1
        delivery = Delivery(
            message=replace(a_message(body, **over), tag=self._tag),
            line=self.shard.line,
            epoch=self.epoch,
            shard=None if unrouted else self.shard,
            received_s=self.clock.monotonic(),
            received_ms=self.clock.wall_ms(),
        )
        self.dispatcher.dispatch(delivery)
        return delivery

    async def outcome(self, body: dict[str, Any], **over: Any) -> dict[str, Any]:
        """Deliver a signal and wait until everything is answered; return its newest outcome."""
        self.deliver(body, **over)
        await self.idle()
        return self.link.outcomes(str(body["signal_id"]))[-1]

    async def idle(self) -> None:
        """Wait until nothing is being worked on or answered."""
        await settled()
        await self.dispatcher.idle()

    def acked(self, delivery: Delivery) -> bool:
        """Whether a delivery was acknowledged."""
        return f"ack {delivery.message.tag}" in self.link.log

    def remembered(self, signal_id: str, account: str = "main") -> Outcome | None:
        return self.shard.memory.recall(account, signal_id)


@asynccontextmanager
async def a_rig(
    *,
    accounts: Mapping[str, Account] | None = None,
    tune: Callable[[SandboxSender], None] | None = None,
    wall_offset_ms: float = 0.0,
    **settings: Any,
) -> AsyncIterator[Rig]:
    """Set a rig up; `tune` changes the venue before anybody asked it anything."""
    clock = VirtualClock()
    host = VirtualClock(wall_offset_ms=wall_offset_ms)
    link, venue, publisher = FakeLink(), SandboxSender(clock), Publisher()
    if tune is not None:
        tune(venue)
    chosen = some_settings(**settings)
    names = Names(shards=chosen.shards)
    ports = Ports(clock=host)
    book = AccountBook(chosen, accounts or some_accounts(), ports, venue)
    await publisher.attach(link)
    try:
        async with asyncio.TaskGroup() as tasks:
            rig = _assemble(host, link, venue, publisher, book, chosen, names, tasks)
            book.open_gateways(tasks)
            await rig.begin_epoch()
            yield rig
            raise _DoneError
    except BaseExceptionGroup as group:
        others = [error for error in group.exceptions if not isinstance(error, _DoneError)]
        if others:
            raise others[0] from None  # what a test asserts reads better by itself


class _DoneError(Exception):
    """Ends the task group of a rig, pollers included."""


def _assemble(
    clock: VirtualClock,
    link: FakeLink,
    venue: SandboxSender,
    publisher: Publisher,
    book: AccountBook,
    settings: Settings,
    names: Names,
    tasks: asyncio.TaskGroup,
) -> Rig:
    lanes: Lanes

    def enqueue(execution: Execution) -> None:
        lanes.enqueue(execution)

    dispatcher = Dispatcher(
        names,
        publisher,
        clock,
        Telemetry(lambda name: name in book.accounts),
        tasks,
        worker_id=settings.worker_id,
        accounts=lambda: book.accounts,
        enqueue=enqueue,
    )
    keys = Keys(clock, book, tasks)
    book.on_loaded = keys.follow
    desk = Desk(settings=settings, clock=clock, dispatcher=dispatcher, book=book, stops=Stops(), keys=keys)
    lanes = Lanes(desk, tasks)
    return Rig(clock, link, venue, publisher, dispatcher, lanes, book, keys, settings, tasks)
