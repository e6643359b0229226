"""The broker port: the only file that knows aio-pika and aiormq.

The rest of the worker speaks of links (one connection), lines (one channel) and messages. What was learnt
about the client library stays here:

- Delivery callbacks only hand a `Message` over: a task of a channel is cancelled when its connection dies,
  and an order must not die with it.
- `Line.ack` only queues the frame. That an acknowledgement was applied is proven by a later reply on the same
  channel.
- Publishing is mandatory and confirmed, a returned message raises, and a timeout says nothing about what the
  broker did: the channel is given up, and the caller publishes again elsewhere.
- A consumer that the broker cancels is a lost line, never consumed again under the same tag.
- Before Python 3.12 the client's time limits swallow a cancellation that arrives together with the broker's reply.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Protocol, TypeVar
from uuid import uuid4

import aio_pika
import aiormq
from aio_pika.abc import AbstractChannel, AbstractConnection
from aiormq.abc import ChannelFrame, DeliveredMessage
from pamqp.commands import Basic
from pamqp.frame import marshal

from worker.core.letters import REPLAYED_HEADER

T = TypeVar("T")

SEEN_BEFORE: Final = ("x-acquired-count", "x-delivery-count", "x-death", REPLAYED_HEADER)
"""Headers of a message that somebody may have handled: delivered before, or moved back from the dead letters, for
which older brokers clear the `redelivered` flag, and `beeline dead replay` sets a header of its own."""

CONNECT_TIMEOUT_S: Final = 10.0
ACK_DELAY_S: Final = 0.002
PUBLISH_TIMEOUT_S: Final = 5.0
RPC_TIMEOUT_S: Final = 10.0

# The client's queue of outgoing frames holds ten by default, and an acknowledgement that finds it full raises. What
# can be waiting there is bounded already: acknowledgements by the prefetch, all else is awaited.
aiormq.Connection.FRAME_BUFFER_SIZE = 0

BROKER_ERRORS: Final = (
    aiormq.exceptions.AMQPError,
    OSError,
    TimeoutError,
    asyncio.InvalidStateError,
    RuntimeError,  # "closed", from a connection that went away between two calls
    StopAsyncIteration,  # a peer that closes a new connection before its first frame, as a proxy without a broker does
)
"""Everything that a broken link, channel or broker raises."""


class BrokerError(Exception):
    """The broker could not do what was asked; the text names no password."""


class UnroutableError(BrokerError):
    """No queue took a mandatory message."""


class RefusedError(BrokerError):
    """The broker refused: no permission, or something exists with other arguments."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message to publish or one that was delivered. `redelivered` is true when anybody may have seen it before."""

    body: bytes = field(repr=False)
    routing_key: str = ""
    headers: Mapping[str, Any] = field(default_factory=dict)
    message_id: str | None = None
    correlation_id: str | None = None
    type: str | None = None
    reply_to: str | None = None
    timestamp: datetime | None = None
    content_type: str | None = "application/json"
    redelivered: bool = False
    tag: int = 0


OnMessage = Callable[[Message], None]


class Line(Protocol):
    """One channel."""

    async def consume(
        self, queue: str, on_message: OnMessage, arguments: Mapping[str, Any] | None = None
    ) -> None:
        """Start deliveries of a queue or stream; acknowledgements are ours to send."""

    def ack(self, tag: int, *, multiple: bool = False) -> None:
        """Queue an acknowledgement; raises nothing, a closed line is redelivered anyway."""

    async def ping(self, queue: str) -> int:
        """Ask for a queue by passive declare: one round trip through the broker, in order after every acknowledgement.

        Returns:
            How many messages of the queue are ready, which leaves out the unacknowledged ones.
        """

    async def publish(self, exchange: str, message: Message, *, mandatory: bool = True) -> None:
        """Publish persistently and wait for the confirm."""

    async def close(self) -> None:
        """Close the channel: whatever is unacknowledged goes back in order, and the next consumer takes over."""


class Link(Protocol):
    """One connection."""

    @property
    def reason(self) -> str:
        """Why the connection was lost."""

    @property
    def broker_version(self) -> str:
        """The broker's version, such as `4.1.2`."""

    async def open_line(self, *, prefetch: int = 0, confirms: bool = False) -> Line:
        """Open a channel."""

    async def lost(self) -> None:
        """Wait until the connection or one of its lines is gone."""

    async def close(self) -> None:
        """Close the connection."""


class Acknowledgements:
    """Writes the acknowledgements of all channels of a connection, gathered for a moment, as one piece.

    Nobody waits for one: a late acknowledgement holds a place of the prefetch a moment longer, and one that is
    lost with its connection means a redelivery that is answered from memory. One at a time, each is a system call
    here and a packet at the broker.
    """

    def __init__(self, write_queue: "asyncio.Queue[ChannelFrame]") -> None:
        self._write_queue = write_queue
        self._frames: list[bytes] = []

    def add(self, channel: int, tag: int, *, multiple: bool) -> None:
        """Gather one."""
        if not self._frames:
            asyncio.get_running_loop().call_later(ACK_DELAY_S, self.flush)
        self._frames.append(marshal(Basic.Ack(delivery_tag=tag, multiple=multiple), channel))

    def flush(self) -> None:
        """Write what was gathered, before whatever is written next."""
        if self._frames:
            self._write_queue.put_nowait(ChannelFrame(payload=b"".join(self._frames), should_close=False))
            self._frames.clear()


class AmqpLine:
    """A channel of aiormq."""

    def __init__(
        self, channel: aiormq.Channel, acknowledgements: Acknowledgements, on_lost: Callable[[str], None]
    ) -> None:
        self._channel, self._acknowledgements = channel, acknowledgements
        self._on_lost = on_lost
        channel.closing.add_done_callback(self._closed)
        self._leaving = False
        channel.on_consumer_cancel_callbacks.add(self._cancelled)

    def _closed(self, _: object) -> None:
        if not self._leaving:
            self._on_lost("a channel was closed")

    def _cancelled(self, _: object) -> None:
        self._on_lost("the broker cancelled a consumer")

    async def consume(
        self, queue: str, on_message: OnMessage, arguments: Mapping[str, Any] | None = None
    ) -> None:
        """Start deliveries."""

        async def hand_over(delivered: DeliveredMessage) -> None:
            on_message(_read(delivered))

        await guarded(
            self._channel.basic_consume(
                queue, hand_over, arguments=dict(arguments or {}), timeout=RPC_TIMEOUT_S
            )
        )

    def ack(self, tag: int, *, multiple: bool = False) -> None:
        """Queue an acknowledgement."""
        if not self._leaving and not self._channel.is_closed:
            self._acknowledgements.add(self._channel.number, tag, multiple=multiple)

    async def ping(self, queue: str) -> int:
        """One round trip."""
        self._acknowledgements.flush()
        declared = await guarded(self._channel.queue_declare(queue, passive=True, timeout=RPC_TIMEOUT_S))
        return declared.message_count or 0

    async def publish(self, exchange: str, message: Message, *, mandatory: bool = True) -> None:
        """Publish and wait for the confirm.

        Raises:
            UnroutableError: no queue took the message.
            BrokerError: anything else; the message may or may not have been taken.
        """
        properties = Basic.Properties(
            delivery_mode=2,
            content_type=message.content_type,
            headers=dict(message.headers),
            message_id=message.message_id or uuid4().hex,
            correlation_id=message.correlation_id,
            reply_to=message.reply_to,
            message_type=message.type,
            timestamp=message.timestamp,
            app_id="beeline",
        )
        confirmation = await guarded(
            self._channel.basic_publish(
                message.body,
                exchange=exchange,
                routing_key=message.routing_key,
                properties=properties,
                mandatory=mandatory,
                timeout=PUBLISH_TIMEOUT_S,
                wait=False,
            )
        )
        if not isinstance(confirmation, Basic.Ack):
            raise BrokerError("the broker did not take a message")

    async def close(self) -> None:
        """Close the channel."""
        self._leaving = True
        self._acknowledgements.flush()
        with suppress(BrokerError):
            await guarded(self._channel.close())


class AmqpLink:
    """A connection of aio-pika."""

    def __init__(self, connection: AbstractConnection) -> None:
        self._connection = connection
        self._lost = asyncio.Event()
        self._acknowledgements: Acknowledgements | None = None
        self.reason = "the connection was closed"
        connection.close_callbacks.add(self._closed)

    @property
    def broker_version(self) -> str:
        """The broker's version."""
        transport = self._connection.transport
        underlay = transport.connection if transport else None
        known = underlay.server_properties.get("version") if isinstance(underlay, aiormq.Connection) else None
        return str(known or "unknown")

    def _closed(self, *_: object) -> None:
        self._lost.set()

    def _fail(self, reason: str) -> None:
        if not self._lost.is_set():
            self.reason = reason
            self._lost.set()

    async def open_channel(self, *, confirms: bool = False) -> AbstractChannel:
        """Open a channel of aio-pika, for declaring."""
        channel = self._connection.channel(publisher_confirms=confirms, on_return_raises=confirms)
        await guarded(channel.initialize(timeout=RPC_TIMEOUT_S))
        return channel

    async def open_line(self, *, prefetch: int = 0, confirms: bool = False) -> Line:
        """Open a channel."""
        channel = await self.open_channel(confirms=confirms)
        if prefetch:
            await guarded(channel.set_qos(prefetch_count=prefetch, timeout=RPC_TIMEOUT_S))
        underlay = await channel.get_underlay_channel()
        assert isinstance(underlay, aiormq.Channel)  # noqa: S101 - the only implementation there is
        if self._acknowledgements is None:
            self._acknowledgements = Acknowledgements(underlay.write_queue)
        return AmqpLine(underlay, self._acknowledgements, self._fail)

    async def lost(self) -> None:
        """Wait until the connection or one of its lines is gone."""
        await self._lost.wait()

    async def close(self) -> None:
        """Close the connection."""
        with suppress(BrokerError, TimeoutError):
            async with asyncio.timeout(RPC_TIMEOUT_S):
                await guarded(self._connection.close())


async def dial(url: str, *, heartbeat: int, name: str) -> AmqpLink:
    """Connect once.

    Raises:
        BrokerError: the broker cannot be reached or does not let us in; the text names no password.
    """
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            connection = await guarded(
                aio_pika.connect(
                    url,
                    heartbeat=heartbeat,
                    client_properties={"connection_name": name, "product": "beeline"},
                )
            )
    except TimeoutError:
        raise BrokerError(f"no answer within {CONNECT_TIMEOUT_S:.0f} s") from None
    return AmqpLink(connection)


def _without_url(error: BaseException) -> str:
    """Say what went wrong without the connection URL, which holds a password."""
    text = str(error)
    return "no connection" if "://" in text or not text else text.splitlines()[0][:200]


async def guarded(awaitable: Awaitable[T]) -> T:
    """Await the client library and turn its exceptions into ours; a cancellation that it swallowed still cancels."""
    task = asyncio.current_task()
    cancelled_before = task.cancelling() if task else 0
    try:
        result = await awaitable
    except aiormq.exceptions.PublishError:
        raise UnroutableError("no queue took the message") from None
    except (
        aiormq.exceptions.ChannelAccessRefused,
        aiormq.exceptions.ChannelPreconditionFailed,
        aiormq.exceptions.ChannelNotFoundEntity,
    ) as error:
        raise RefusedError(str(error)) from None
    except BROKER_ERRORS as error:
        raise BrokerError(f"{type(error).__name__}: {_without_url(error)}") from None
    except Exception as error:
        # What aiormq throws into everybody who waits when a channel goes away without a reason: `Exception` itself.
        if type(error) is not Exception:
            raise
        raise BrokerError("the channel went away") from None
    if task is not None and task.cancelling() > cancelled_before:
        raise asyncio.CancelledError
    return result


def _read(delivered: DeliveredMessage) -> Message:
    delivery, properties = delivered.delivery, delivered.header.properties
    assert isinstance(delivery, Basic.Deliver)  # noqa: S101 - consumers get nothing else
    headers = properties.headers or {}
    seen = delivery.redelivered or any(headers.get(name) for name in SEEN_BEFORE)
    return Message(
        body=delivered.body,
        routing_key=delivery.routing_key or "",
        headers=headers,
        message_id=properties.message_id,
        correlation_id=properties.correlation_id,
        type=properties.message_type,
        reply_to=properties.reply_to,
        timestamp=properties.timestamp,
        content_type=properties.content_type,
        redelivered=bool(seen),
        tag=delivery.delivery_tag or 0,
    )
