"""The broker port: the only file that knows aio-pika and aiormq.

The rest of the worker speaks of links (one connection), lines (one channel) and messages. What was learnt
about the client library stays here:

- Deliveries and confirms do not go through the library (`amqp_switch.py`): they come once for each signal, and cost it
  several tasks, queues and objects each.
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
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar
from uuid import uuid4

import aio_pika
import aiormq
import structlog
from aio_pika.abc import AbstractChannel, AbstractConnection

from worker.amqp_frames import ack_frame, publish_frames
from worker.amqp_switch import Switch, SwitchFactory
from worker.message import Message

T = TypeVar("T")

log = structlog.get_logger("beeline.amqp")

CONNECT_TIMEOUT_S: Final = 10.0
ACK_DELAY_S: Final = 0.002
PUBLISH_TIMEOUT_S: Final = 5.0
RPC_TIMEOUT_S: Final = 10.0

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

    def __init__(self, switch: Switch) -> None:
        self._switch = switch
        self._frames: list[bytes] = []

    def add(self, frame: bytes) -> None:
        """Gather one."""
        if not self._frames:
            asyncio.get_running_loop().call_later(ACK_DELAY_S, self.flush)
        self._frames.append(frame)

    def flush(self) -> None:
        """Write what was gathered, before whatever is written next."""
        if self._frames:
            self._switch.write(b"".join(self._frames))
            self._frames.clear()


@dataclass(slots=True)
class Unconfirmed:
    """A message that was written and is not confirmed yet."""

    message_id: str
    until_s: float
    confirm: asyncio.Future[None]

    def fail(self, error: BrokerError) -> None:
        """Tell the publisher, if it still waits."""
        if not self.confirm.done():
            self.confirm.set_exception(error)


class AmqpLine:
    """A channel: aiormq opens it, asks through it and closes it, the switch brings messages and confirms."""

    def __init__(
        self,
        channel: aiormq.Channel,
        switch: Switch,
        acknowledgements: Acknowledgements,
        on_lost: Callable[[str], None],
    ) -> None:
        self._channel, self._switch, self._acknowledgements = channel, switch, acknowledgements
        self._number = channel.number
        self._frame_max = channel.connection.connection_tune.frame_max
        self._loop = asyncio.get_running_loop()
        self._on_lost = on_lost
        self._on_message: OnMessage = _ignore
        self._id, self._published = uuid4().hex, 0
        self._unconfirmed: dict[int, Unconfirmed] = {}
        self._watch: asyncio.TimerHandle | None = None
        self._is_open, self._leaving = True, False
        channel.closing.add_done_callback(self._closed)
        channel.on_consumer_cancel_callbacks.add(self._cancelled)
        switch.take(self._number, self)

    def _closed(self, _: object) -> None:
        self._is_open = False
        self._switch.leave(self._number)
        self._give_up(BrokerError("the channel was closed"))
        if not self._leaving:
            self._on_lost("a channel was closed")

    def _cancelled(self, _: object) -> None:
        self._on_lost("the broker cancelled a consumer")

    # --- Consuming

    async def consume(
        self, queue: str, on_message: OnMessage, arguments: Mapping[str, Any] | None = None
    ) -> None:
        """Start deliveries."""
        self._on_message = on_message
        await guarded(
            self._channel.basic_consume(
                queue, _never_called, arguments=dict(arguments or {}), timeout=RPC_TIMEOUT_S
            )
        )

    def delivered(self, message: Message) -> None:
        """Hand a message over."""
        try:
            self._on_message(message)
        except Exception:
            log.exception("a message was not handled, which is an error in Beeline")

    def ack(self, tag: int, *, multiple: bool = False) -> None:
        """Queue an acknowledgement."""
        if self._is_open and not self._leaving:
            self._acknowledgements.add(ack_frame(self._number, tag, multiple=multiple))

    async def ping(self, queue: str) -> int:
        """One round trip."""
        self._acknowledgements.flush()
        declared = await guarded(self._channel.queue_declare(queue, passive=True, timeout=RPC_TIMEOUT_S))
        return declared.message_count or 0

    # --- Publishing

    async def publish(self, exchange: str, message: Message, *, mandatory: bool = True) -> None:
        """Publish and wait for the confirm.

        Raises:
            UnroutableError: no queue took the message.
            BrokerError: anything else; the message may or may not have been taken.
        """
        if not self._is_open or self._leaving:
            raise BrokerError("the channel was closed")
        message_id = message.message_id or f"{self._id}-{self._published}"
        self._switch.write(
            publish_frames(
                self._number,
                exchange,
                message,
                message_id,
                mandatory=mandatory,
                frame_max=self._frame_max,
            )
        )
        self._published += 1
        confirm: asyncio.Future[None] = self._loop.create_future()
        until_s = self._loop.time() + PUBLISH_TIMEOUT_S
        self._unconfirmed[self._published] = Unconfirmed(message_id, until_s, confirm)
        if self._watch is None:
            self._watch = self._loop.call_at(until_s, self._expire)
        await confirm

    def confirmed(self, tag: int, *, multiple: bool, is_taken: bool) -> None:
        """Tell the publishers."""
        tags = [known for known in self._unconfirmed if known <= tag] if multiple else [tag]
        for known in tags:
            waiting = self._unconfirmed.pop(known, None)
            if waiting is None or waiting.confirm.done():
                continue
            if is_taken:
                waiting.confirm.set_result(None)
            else:
                waiting.fail(BrokerError("the broker did not take a message"))

    def returned(self, message: Message) -> None:
        """Tell the publisher that no queue took its message; the confirm that follows finds nobody waiting."""
        for waiting in self._unconfirmed.values():
            if waiting.message_id == message.message_id:
                waiting.fail(UnroutableError("no queue took the message"))

    def _expire(self) -> None:
        """Give up waiting for what is overdue; one timer watches the oldest message, all others come after it."""
        self._watch = None
        now_s = self._loop.time()
        while self._unconfirmed:
            tag, oldest = next(iter(self._unconfirmed.items()))
            if oldest.until_s > now_s:
                self._watch = self._loop.call_at(oldest.until_s, self._expire)
                return
            oldest.fail(BrokerError("the broker did not confirm a message in time"))
            del self._unconfirmed[tag]

    def _give_up(self, error: BrokerError) -> None:
        for waiting in self._unconfirmed.values():
            waiting.fail(error)
        self._unconfirmed.clear()
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None

    async def close(self) -> None:
        """Close the channel."""
        self._leaving = True
        self._acknowledgements.flush()
        with suppress(BrokerError):
            await guarded(self._channel.close())


class _Connection(aio_pika.Connection):
    """A connection of aio-pika through a switch."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.transports = SwitchFactory()
        self.kwargs["transport_factory"] = self.transports


class AmqpLink:
    """A connection of aio-pika."""

    def __init__(self, connection: AbstractConnection, switch: Switch) -> None:
        self._connection, self._switch = connection, switch
        self._lost = asyncio.Event()
        self._acknowledgements = Acknowledgements(switch)
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
        return AmqpLine(underlay, self._switch, self._acknowledgements, self._fail)

    async def lost(self) -> None:
        """Wait until the connection or one of its lines is gone."""
        await self._lost.wait()

    async def close(self) -> None:
        """Close the connection."""
        with suppress(BrokerError, TimeoutError):
            async with asyncio.timeout(RPC_TIMEOUT_S):
                await guarded(self._connection.close())


def _ignore(_: Message) -> None:
    """What is delivered before anybody consumes: nothing."""


async def _never_called(_: object) -> None:
    """What aiormq wants for a consumer; its deliveries take the other way."""


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
                    connection_class=_Connection,
                    heartbeat=heartbeat,
                    client_properties={"connection_name": name, "product": "beeline"},
                )
            )
    except TimeoutError:
        raise BrokerError(f"no answer within {CONNECT_TIMEOUT_S:.0f} s") from None
    assert isinstance(connection, _Connection)  # noqa: S101 - what was asked for
    switch = connection.transports.switch
    assert switch is not None  # noqa: S101 - it is connected
    return AmqpLink(connection, switch)


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
