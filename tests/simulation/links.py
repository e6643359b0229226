"""Connections between simulated processes and the broker model: frames in order, late, held back or lost.

A connection is two pipes. Cutting a host off holds its frames back in both directions, as TCP does: they arrive when
the cut heals, unless an end gave up before. The broker gives a silent connection up between two and three heartbeats
after the last frame and promotes the next consumer at once; the client library needs three heartbeats and three
seconds to notice (measured, see `worker/epoch.py`). A killed process loses nothing that it wrote to its socket before.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from contextvars import Context, copy_context
from random import Random
from typing import Any, TypeVar

from tests.simulation.broker import Broker, Consumer, Queue, Stream
from tests.simulation.loop import TICK_S, Process, SimulationLoop
from worker.amqp import (
    CONNECT_TIMEOUT_S,
    PUBLISH_TIMEOUT_S,
    RPC_TIMEOUT_S,
    BrokerError,
    Message,
    OnMessage,
    UnroutableError,
)
from worker.core.shards import Names

T = TypeVar("T")

OnPoint = Callable[[str, Process], None]


class Host:
    """A machine: which of its processes' links are cut off from the broker."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.cut: set[str] = set()
        self.links: dict[Connection, None] = {}


class Pipe:
    """One direction of a connection: everything arrives in order."""

    def __init__(self, loop: SimulationLoop, random: Random, context: Context, longest_s: float) -> None:
        self._loop, self._random, self._context, self._longest_s = loop, random, context, longest_s
        self._last_s = 0.0
        self._held: list[tuple[Callable[..., object], tuple[object, ...]]] = []
        self.is_blocked = False

    def send(self, action: Callable[..., object], *arguments: object, late_s: float = 0.0) -> None:
        """Let something happen at the other end."""
        if self.is_blocked:
            self._held.append((action, arguments))
            return
        travel_s = 0.0002 + self._random.random() * self._longest_s + late_s
        self._last_s = max(self._last_s + TICK_S, self._loop.time() + travel_s)
        self._loop.at(self._last_s, action, *arguments, context=self._context)

    def heal(self) -> None:
        """Send what was held back."""
        self.is_blocked = False
        held, self._held = self._held, []
        for action, arguments in held:
            self.send(action, *arguments)


class Server:
    """The broker as a program: it listens, commits, notices dead links, crashes and comes back."""

    def __init__(self, loop: SimulationLoop, broker: Broker, random: Random, on_point: OnPoint) -> None:
        self.loop, self.broker, self.random, self.on_point = loop, broker, random, on_point
        self.world = copy_context()
        self.is_up = True
        self.life = 0
        self.commits_at_once = True
        self.longest_travel_s = 0.001
        self.longest_notice_s = 0.0
        self.connections: dict[Connection, None] = {}
        self.lost_by: dict[object, str] = {}
        self._committed_s: dict[str, float] = {}

    def crash(self) -> None:
        """Lose every connection; what was committed stays."""
        self.is_up = self.broker.is_running = False
        self.life += 1
        for connection in list(self.connections):
            connection.drop("broker crash")

    def start(self) -> None:
        """Listen again."""
        self.is_up = self.broker.is_running = True

    def affected(self, host: Host) -> list["Connection"]:
        """Return a host's connections."""
        return [link for link in host.links if link.is_open_here or link.is_open_there]

    def cut(self, host: Host, kinds: Iterable[str]) -> None:
        """Hold back what a host and the broker send each other."""
        host.cut.update(kinds)
        for connection in self.affected(host):
            connection.obey_cut()

    def heal(self, host: Host) -> None:
        """Let everything through again."""
        host.cut.clear()
        for connection in self.affected(host):
            connection.obey_cut()

    def publish(self, exchange: str, message: Message, done: Callable[[], None]) -> bool:
        """Take a message: commit it in each place and say when that is done; `False` when nothing takes it.

        Queues and streams are separate logs, so a crash can leave a message in one place and not in the other.
        """
        destinations = self.broker.destinations(exchange, message.routing_key)
        if not destinations:
            return False
        life, missing = self.life, len(destinations)

        def commit(destination: str) -> None:
            nonlocal missing
            if self.life != life or not self.is_up:
                return
            self.broker.store(destination, message)
            missing -= 1
            if not missing:
                done()

        together_s = self._commit_time(destinations)
        for number, destination in enumerate(destinations):
            at_s = together_s + number * TICK_S if self.commits_at_once else self._commit_time([destination])
            self._committed_s[destination] = at_s
            self.loop.at(at_s, commit, destination, context=self.world)
        return True

    def _commit_time(self, destinations: list[str]) -> float:
        earliest_s = self.loop.time() + 0.0003 + self.random.random() * 0.003
        return max([earliest_s, *(self._committed_s.get(name, 0.0) + 10 * TICK_S for name in destinations)])

    async def dial(self, process: Process, host: Host, *, heartbeat: int, name: str) -> "SimLink":
        """Connect a process."""
        kind = "consume" if "consume" in name else "publish"
        await asyncio.sleep(0.002 + self.random.random() * 0.01)
        if kind in host.cut:
            await asyncio.sleep(CONNECT_TIMEOUT_S)
            raise BrokerError("no connection")
        if not self.is_up:
            raise BrokerError("connection refused")
        connection = Connection(self, process, host, kind, heartbeat)
        self.connections[connection] = None
        host.links[connection] = None
        connection.obey_cut()
        self.on_point("connected", process)
        return SimLink(connection)


class Connection:
    """One connection, both ends of it."""

    def __init__(self, server: Server, process: Process, host: Host, kind: str, heartbeat: int) -> None:
        self.server, self.process, self.host, self.kind = server, process, host, kind
        self.heartbeat = heartbeat
        loop, random, longest_s = server.loop, server.random, server.longest_travel_s
        self.up = Pipe(loop, random, server.world, longest_s)
        self.down = Pipe(loop, random, process.context, longest_s)
        self.is_open_here = self.is_open_there = True
        self.reason = "the connection was closed"
        self.lost = asyncio.Event()
        self.lost_at_s: float | None = None
        self.waiting: dict[asyncio.Future[Any], None] = {}
        self.channels: dict[Channel, None] = {}
        self._heard_s = loop.time()
        self._patience: asyncio.TimerHandle | None = None
        self._suspicion: asyncio.TimerHandle | None = None

    # --- The broker's end

    def drop(self, cause: str) -> None:
        """Give the connection up at the broker: everything unacknowledged goes back."""
        if not self.is_open_there:
            return
        self.is_open_there = False
        self.server.connections.pop(self, None)
        self.server.lost_by[self] = cause
        if self._patience is not None:
            self._patience.cancel()
        for channel in list(self.channels):
            channel.close_there(cause)
        late_s = (
            self.server.random.random() * self.server.longest_notice_s if cause == "broker crash" else 0.0
        )
        self.down.send(self.lose, f"connection reset ({cause})", late_s=late_s)

    def heard(self, action: Callable[..., object], *arguments: object) -> None:
        """Handle a frame that came in."""
        if self.is_open_there:
            self._heard_s = self.server.loop.time()
            action(*arguments)

    def recheck(self) -> None:
        """Start or stop losing patience with a client that is silent."""
        silent = self.up.is_blocked or self.process.is_frozen or self.process.is_dead
        if not silent:
            if self._patience is not None:
                self._patience.cancel()
            self._patience = None
        elif self._patience is None and self.is_open_there:
            now_s = self.server.loop.time()
            heard_s = max(self._heard_s, now_s - self.heartbeat / 2)
            at_s = heard_s + self.heartbeat * (2 + self.server.random.random())
            self._patience = self.server.loop.at(at_s, self.drop, "heartbeat", context=self.server.world)

    # --- The client's end

    def write(self, action: Callable[..., object], *arguments: object) -> None:
        """Send a frame."""
        if self.is_open_here and not self.process.is_dead:
            self.up.send(self.heard, action, *arguments)

    def lose(self, reason: str) -> None:
        """Learn at the client that the connection is gone."""
        if not self.is_open_here:
            return
        self.is_open_here = False
        self.reason = reason
        self.lost_at_s = self.server.loop.time()
        if self._suspicion is not None:
            self._suspicion.cancel()
        self.lost.set()
        waiting, self.waiting = self.waiting, {}
        for future in waiting:
            if not future.done():
                future.set_exception(BrokerError(reason))

    async def ask(self, action: Callable[[Callable[[Any], None]], None], timeout_s: float) -> Any:
        """Carry out a round trip: `action` runs at the broker and is given what to answer with."""
        if not self.is_open_here:
            raise BrokerError("the connection is closed")
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.waiting[future] = None

        def come_back(result: Any) -> None:
            if not future.done() and self.is_open_here:
                future.set_result(result)

        self.write(action, lambda result: self.down.send(come_back, result))
        try:
            async with asyncio.timeout(timeout_s):
                return await future
        except TimeoutError:
            raise BrokerError("the broker did not answer in time") from None
        finally:
            self.waiting.pop(future, None)

    def hang_up(self) -> None:
        """Close the socket: what was written before still goes out."""
        self.up.send(self.heard, self.drop, "closed")
        self.is_open_here = False

    def obey_cut(self) -> None:
        """Take a change of the host's cut over."""
        blocked = self.kind in self.host.cut
        if blocked == self.up.is_blocked:
            return
        if blocked:
            self.up.is_blocked = self.down.is_blocked = True
            if self.is_open_here:
                at_s = self.server.loop.time() + 3 * (self.heartbeat + 1)
                reason = "the link is stuck"
                self._suspicion = self.server.loop.at(at_s, self.lose, reason, context=self.process.context)
        else:
            if self._suspicion is not None:
                self._suspicion.cancel()
            self.up.heal()
            self.down.heal()
        self.recheck()


class Channel:
    """One channel at the broker."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.subscriptions: list[tuple[Queue | Stream, Consumer]] = []
        self.last_tag = 0
        connection.channels[self] = None

    def close_there(self, cause: str) -> None:
        """Close the channel at the broker."""
        self.connection.channels.pop(self, None)
        subscriptions, self.subscriptions = self.subscriptions, []
        for place, consumer in subscriptions:
            place.detach(consumer, cause)

    def acknowledge(self, tag: int, *, multiple: bool) -> None:
        """Apply an acknowledgement."""
        for place, consumer in list(self.subscriptions):
            tags = [known for known in consumer.unacked if known <= tag] if multiple else [tag]
            place.acknowledge(consumer, tags)


class SimLine:
    """A channel at the client: the worker's `Line`."""

    def __init__(self, connection: Connection, channel: Channel, prefetch: int) -> None:
        self._connection, self._channel, self._prefetch = connection, channel, prefetch
        self._is_closed = False

    async def consume(
        self, queue: str, on_message: OnMessage, arguments: Mapping[str, Any] | None = None
    ) -> None:
        """Start deliveries."""
        connection, channel = self._connection, self._channel
        options = dict(arguments or {})

        def hand_over(message: Message) -> None:
            if not self._is_closed and connection.is_open_here:
                connection.server.on_point("delivered", connection.process)
                on_message(message)

        def deliver(message: Message) -> int:
            channel.last_tag += 1
            tag = channel.last_tag
            connection.down.send(hand_over, _with_tag(message, tag))
            return tag

        def subscribe(answer: Callable[[Any], None]) -> None:
            place = connection.server.broker.place_of(queue)
            if place is None:
                answer(BrokerError(f"no queue {queue}"))
                return
            consumer = Consumer(
                owner=connection,
                deliver=deliver,
                priority=int(options.get("x-priority", 0)),
                prefetch=self._prefetch,
            )
            answer(None)
            channel.subscriptions.append((place, consumer))
            if isinstance(place, Stream):
                place.attach(consumer, options.get("x-stream-offset"))
            else:
                place.attach(consumer)

        await self._ask(subscribe, RPC_TIMEOUT_S)

    def ack(self, tag: int, *, multiple: bool = False) -> None:
        """Queue an acknowledgement."""
        if self._is_closed:
            return
        self._connection.server.on_point("acknowledging", self._connection.process)
        self._connection.write(lambda: self._channel.acknowledge(tag, multiple=multiple))

    async def ping(self, queue: str) -> int:
        """One round trip."""

        def count(answer: Callable[[Any], None]) -> None:
            place = self._connection.server.broker.place_of(queue)
            answer(len(place.ready) if place is not None else BrokerError(f"no queue {queue}"))

        return int(await self._ask(count, RPC_TIMEOUT_S))

    async def publish(self, exchange: str, message: Message, *, mandatory: bool = True) -> None:
        """Publish and wait for the confirm."""
        connection = self._connection
        server, process = connection.server, connection.process
        server.on_point("publishing", process)

        def take(answer: Callable[[Any], None]) -> None:
            def confirm() -> None:
                if connection.is_open_there:
                    answer(None)

            if not server.publish(exchange, message, confirm):
                answer(UnroutableError("no queue took the message") if mandatory else None)

        await self._ask(take, PUBLISH_TIMEOUT_S)
        server.on_point("confirmed", process)

    async def close(self) -> None:
        """Close the channel."""
        if self._is_closed:
            return

        def shut(answer: Callable[[Any], None]) -> None:
            self._channel.close_there("channel closed")
            answer(None)

        try:
            await self._connection.ask(shut, RPC_TIMEOUT_S)
        except BrokerError:
            return
        finally:
            self._is_closed = True

    async def _ask(self, action: Callable[[Callable[[Any], None]], None], timeout_s: float) -> Any:
        if self._is_closed:
            raise BrokerError("the channel is closed")
        result = await self._connection.ask(action, timeout_s)
        if isinstance(result, BrokerError):
            raise result
        return result


class SimLink:
    """A connection at the client: the worker's `Link`."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    broker_version = "4.1.2"

    @property
    def reason(self) -> str:
        """Why the link was lost."""
        return self.connection.reason

    async def open_line(self, *, prefetch: int = 0, confirms: bool = False) -> SimLine:
        """Open a channel."""
        connection = self.connection
        channel = await connection.ask(lambda answer: answer(Channel(connection)), RPC_TIMEOUT_S)
        return SimLine(connection, channel, prefetch)

    async def lost(self) -> None:
        """Wait until the connection is gone."""
        await self.connection.lost.wait()

    def fail(self, reason: str) -> None:
        """Give the link up."""
        self.connection.reason = reason
        self.connection.lost.set()

    async def close(self) -> None:
        """Close the connection."""
        connection = self.connection
        if not connection.is_open_here:
            return

        def end(answer: Callable[[Any], None]) -> None:
            answer(None)
            connection.drop("closed")

        try:
            await connection.ask(end, RPC_TIMEOUT_S)
        except BrokerError:
            if connection.is_open_here:
                connection.hang_up()
        connection.is_open_here = False
        connection.lost.set()


def _with_tag(message: Message, tag: int) -> Message:
    return Message(
        body=message.body,
        routing_key=message.routing_key,
        headers=message.headers,
        message_id=message.message_id,
        correlation_id=message.correlation_id,
        type=message.type,
        reply_to=message.reply_to,
        timestamp=_in_seconds(message),
        content_type=message.content_type,
        redelivered=message.redelivered,
        tag=tag,
    )


def _in_seconds(message: Message) -> Any:
    """AMQP carries whole seconds."""
    return message.timestamp.replace(microsecond=0) if message.timestamp is not None else None


async def declare(link: SimLink, names: Names) -> None:
    """Declare everything, in one round trip instead of hundreds."""
    broker = link.connection.server.broker
    await _at_broker(link, lambda: broker.declare(names))


async def bind_accounts(link: SimLink, names: Names, shards: Iterable[tuple[str, int]]) -> None:
    """Bind accounts to their shards."""
    broker, wanted = link.connection.server.broker, list(shards)

    def bind() -> None:
        for account, shard in wanted:
            broker.bind(names.signals_queue(shard), names.signals, account)

    await _at_broker(link, bind)


async def _at_broker(link: SimLink, action: Callable[[], None]) -> None:
    def act(answer: Callable[[Any], None]) -> None:
        action()
        answer(None)

    await link.connection.ask(act, RPC_TIMEOUT_S)
