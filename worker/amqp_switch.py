"""Where the bytes of a broker connection part: what comes once for each signal is taken here, the rest is aiormq's.

The switch stands between the socket and aiormq, where aiormq lets its transport be made by others. It cuts what arrives
into frames. Deliveries and confirms of a channel that has a taker are read at once, in the turn of the event loop in
which they came: no queue, no task and no wake-up lies between the socket and the lane. Everything else (connecting,
heartbeats, declaring, closing) is fed to aiormq byte for byte.

It writes to the socket next to aiormq, always whole frames, so nothing is torn apart. What is written here goes out at
the end of the turn, and what aiormq is asked for later waits for the turn of its writer: the order stays as it was.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Protocol, cast

import aiormq
from aiormq.connection import SSLContextProvider, TransportFactory
from typing_extensions import override
from yarl import URL

from worker.amqp_frames import (
    ACK,
    BODY,
    CONFIRM,
    DELIVER,
    FRAME_BYTES,
    FRAME_END,
    FRAME_START,
    HEADER,
    HEARTBEAT,
    HEARTBEAT_FRAME,
    METHOD,
    METHOD_ID,
    NACK,
    RETURN,
    Content,
    read_delivery,
    read_return,
)
from worker.message import Message

KINDS = (METHOD, HEADER, BODY, HEARTBEAT)
SIGN_OF_LIFE_S = 1.0


class Taker(Protocol):
    """Who is told what comes in on a channel."""

    def delivered(self, message: Message) -> None:
        """A message of a consumer."""

    def returned(self, message: Message) -> None:
        """A mandatory message that no queue took; its confirm follows."""

    def confirmed(self, tag: int, *, multiple: bool, is_taken: bool) -> None:
        """The broker took a message, or with `multiple` all up to it, or refused to."""


class _Channel:
    """What is arriving on one channel."""

    __slots__ = ("content", "taker")

    def __init__(self, taker: Taker) -> None:
        self.taker = taker
        self.content: Content | None = None

    def take(self, kind: int, payload: bytes) -> bool:
        """Take a frame; `False` when it is none of ours."""
        if kind == METHOD:
            return self._take_method(payload)
        content = self.content
        if content is None:
            return False
        if kind == HEADER:
            content.begin(payload)
        else:
            content.add(payload)
        if content.is_complete:
            self.content = None
            told = self.taker.returned if content.is_returned else self.taker.delivered
            told(content.message())
        return True

    def _take_method(self, payload: bytes) -> bool:
        (method,) = METHOD_ID.unpack_from(payload)
        if method == DELIVER:
            self.content = read_delivery(payload)
        elif method in (ACK, NACK):
            tag, flags = CONFIRM.unpack_from(payload, METHOD_ID.size)
            self.taker.confirmed(tag, multiple=bool(flags & 1), is_taken=method == ACK)
        elif method == RETURN:
            self.content = read_return(payload)
        else:
            return False
        return True


class Switch(asyncio.StreamReaderProtocol):
    """The protocol of a connection."""

    def __init__(
        self, reader: asyncio.StreamReader, loop: asyncio.AbstractEventLoop, now_s: Callable[[], float]
    ) -> None:
        super().__init__(reader, loop=loop)
        self._soon, self._now_s = loop.call_soon, now_s
        self._channels: dict[int, _Channel] = {}
        self._rest = b""
        self._unwritten: list[bytes] = []
        self._is_foreign = False
        self._alive_s = 0.0
        self._wire: asyncio.WriteTransport | None = None

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        self._wire = cast("asyncio.WriteTransport", transport)  # uvloop's is one in all but its class
        super().connection_made(transport)

    def take(self, channel: int, taker: Taker) -> None:
        """Take what comes in on a channel from now on."""
        self._channels[channel] = _Channel(taker)

    def leave(self, channel: int) -> None:
        """Leave a channel, whose number the library may use again."""
        self._channels.pop(channel, None)

    def write(self, frames: bytes) -> None:
        """Write whole frames at the end of this turn of the event loop, together with all others of the turn.

        A system call costs more than a frame takes to make, and it wakes the broker, which then wants the processor.
        """
        if not self._unwritten:
            self._soon(self._flush)
        self._unwritten.append(frames)

    def _flush(self) -> None:
        """Write; on a connection that is gone frames are lost, as they would be a moment later."""
        frames, self._unwritten = self._unwritten, []
        if self._wire is not None and not self._wire.is_closing():
            self._wire.write(b"".join(frames))

    @override
    def data_received(self, data: bytes) -> None:
        """Part what has arrived."""
        if self._is_foreign:
            super().data_received(data)
            return
        if self._rest:
            data = self._rest + data
        others = self._part(data)
        now_s = self._now_s()
        if not others and now_s - self._alive_s >= SIGN_OF_LIFE_S:
            # The library takes a connection on which it sees nothing for dead, and the broker sends no heartbeats while
            # it sends messages.
            others.append(HEARTBEAT_FRAME)
        if others:
            self._alive_s = now_s
            super().data_received(b"".join(others))

    def _part(self, data: bytes) -> list[bytes]:
        """Take what has a taker, return all other frames, and keep the first incomplete one."""
        others: list[bytes] = []
        channels, at, end = self._channels, 0, len(data)
        while end - at >= FRAME_BYTES:
            kind, number, size = FRAME_START.unpack_from(data, at)
            behind = at + FRAME_BYTES + size
            if kind not in KINDS or (behind <= end and data[behind - 1] != FRAME_END):
                # No AMQP, or another version of it: the library knows what to say.
                self._is_foreign = True
                return [*others, data[at:]]
            if behind > end:
                break
            channel = channels.get(number)
            if channel is None or not channel.take(kind, data[at + FRAME_START.size : behind - 1]):
                others.append(data[at:behind])
            at = behind
        self._rest = data[at:]
        return others


class SwitchFactory(TransportFactory):
    """Makes the transport of one connection."""

    def __init__(self) -> None:
        self.switch: Switch | None = None

    @override
    async def create(self, url: URL, **kwargs: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect; called by aiormq."""
        loop = asyncio.get_running_loop()
        tls: SSLContextProvider = kwargs.pop("ssl_context_provider")
        context = await tls.get_context() if url.scheme == "amqps" else None
        reader = asyncio.StreamReader(loop=loop)
        switch = Switch(reader, loop, loop.time)
        try:
            transport, _ = await loop.create_connection(
                lambda: switch, url.host or "", url.port or 0, ssl=context, **kwargs
            )
        except OSError as error:
            raise aiormq.exceptions.AMQPConnectionError(*error.args) from error
        self.switch = switch
        return reader, asyncio.StreamWriter(transport, switch, reader, loop)
