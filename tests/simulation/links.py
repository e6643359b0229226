"""The worker's `Link` and `Line` over simulated connections, and its ports for declaring and binding."""

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from tests.simulation.broker import Consumer, Stream
from tests.simulation.loop import Process
from tests.simulation.wire import Channel, Connection, Host, Server
from worker.amqp import (
    CONNECT_TIMEOUT_S,
    PUBLISH_TIMEOUT_S,
    RPC_TIMEOUT_S,
    BrokerError,
    OnMessage,
    UnroutableError,
)
from worker.core.shards import Names
from worker.message import Message


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

    @property
    def broker_version(self) -> str:
        """The broker's version."""
        return "4.1.2" if self.connection.server.broker.has_priorities else "3.13.7"

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


async def bind_accounts(
    link: SimLink,
    names: Names,
    shards: Iterable[tuple[str, int]],
    *,
    known: Collection[tuple[str, int]] = (),
) -> None:
    """Bind accounts to their shards and to no others."""
    broker, wanted = link.connection.server.broker, list(shards)

    def bind() -> None:
        for account, shard in wanted:
            others = () if (account, shard) in known else set(range(names.shards)) - {shard}
            for other in others:
                broker.unbind(names.signals_queue(other), names.signals, account)
            broker.bind(names.signals_queue(shard), names.signals, account)

    await _at_broker(link, bind)


async def _at_broker(link: SimLink, action: Callable[[], None]) -> None:
    def act(answer: Callable[[Any], None]) -> None:
        action()
        answer(None)

    await link.connection.ask(act, RPC_TIMEOUT_S)


async def dial(server: Server, process: Process, host: Host, *, heartbeat: int, name: str) -> "SimLink":
    """Connect a process."""
    kind = "consume" if "consume" in name else "publish"
    await asyncio.sleep(0.002 + server.random.random() * 0.01)
    if kind in host.cut:
        await asyncio.sleep(CONNECT_TIMEOUT_S)
        raise BrokerError("no connection")
    if not server.is_up:
        raise BrokerError("connection refused")
    connection = Connection(server, process, host, kind, heartbeat)
    server.connections[connection] = None
    host.links[connection] = None
    connection.obey_cut()
    server.on_point("connected", process)
    return SimLink(connection)
