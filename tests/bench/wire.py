"""AMQP for the bench itself: a blocking connection with one channel, a few microseconds a message.

What produces signals and reads outcomes shares two cores with what is measured, so it must cost next to nothing;
aio-pika takes some 75 µs for a publish and 40 µs for a delivery. Frames of the few methods that matter are written and
read by hand here, everything around them by pamqp. Made for a broker nearby and messages that fit into a frame.
"""

import socket
import struct
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final, Self
from urllib.parse import unquote, urlsplit

import pamqp.frame
from pamqp import commands
from pamqp.base import Frame
from pamqp.header import ContentHeader, ProtocolHeader

from worker.amqp_frames import ACK, BODY, CONFIRM, DELIVER, FRAME_START, HEADER, METHOD, METHOD_ID

CHANNEL: Final = 1
TIMEOUT_S: Final = 60.0
CHUNK: Final = 1 << 18
_BASIC: Final = 60
_CONTENT: Final = struct.Struct(">HHQ")


class WireError(RuntimeError):
    """The broker said something that the bench cannot go on with."""


class Encoder:
    """Writes publishes of persistent JSON messages, mandatory, all with the same time."""

    def __init__(self, timestamp: datetime) -> None:
        properties = commands.Basic.Properties(
            content_type="application/json", delivery_mode=2, timestamp=timestamp
        )
        header = pamqp.frame.marshal(ContentHeader(0, 0, properties), CHANNEL)
        self._properties = header[FRAME_START.size + _CONTENT.size : -1]
        self._methods: dict[tuple[str, str], bytes] = {}

    def encode(self, exchange: str, routing_key: str, body: bytes) -> bytes:
        """Return all frames of one message."""
        place = (exchange, routing_key)
        method = self._methods.get(place)
        if method is None:
            publish = commands.Basic.Publish(exchange=exchange, routing_key=routing_key, mandatory=True)
            method = self._methods[place] = pamqp.frame.marshal(publish, CHANNEL)
        content = _CONTENT.pack(_BASIC, 0, len(body)) + self._properties
        return b"".join((method, _frame(HEADER, content), _frame(BODY, body)))


def _frame(kind: int, payload: bytes) -> bytes:
    return b"%b%b\xce" % (FRAME_START.pack(kind, CHANNEL, len(payload)), payload)


class Wire:
    """One connection with one open channel, publisher confirms on."""

    def __init__(self, amqp_url: str) -> None:
        parts = urlsplit(amqp_url)
        self._socket = socket.create_connection((parts.hostname, parts.port or 5672), TIMEOUT_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = b""
        self.published = 0
        self._confirmed_to = 0
        self._confirmed_beyond: set[int] = set()
        self._greet(
            unquote(parts.username or "guest"), unquote(parts.password or "guest"), parts.path[1:] or "/"
        )

    def _greet(self, user: str, password: str, vhost: str) -> None:
        self._socket.sendall(ProtocolHeader(0, 9, 1).marshal())
        self._expect(commands.Connection.Start)
        secret = f"\0{user}\0{password}"
        self._send(commands.Connection.StartOk({}, "PLAIN", secret, "en_US"), 0)
        tune = self._expect(commands.Connection.Tune)
        self._send(commands.Connection.TuneOk(tune.channel_max, tune.frame_max, 0), 0)
        self._send(commands.Connection.Open(unquote(vhost)), 0)
        self._expect(commands.Connection.OpenOk)
        self.call(commands.Channel.Open(), commands.Channel.OpenOk)
        self.call(commands.Confirm.Select(), commands.Confirm.SelectOk)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def fileno(self) -> int:
        """Let `select` wait for it."""
        return self._socket.fileno()

    # --- Methods that are rare

    def call(self, method: Frame, answer: type[Frame]) -> Any:
        """Send a method on the channel and return the answer to it."""
        self._send(method, CHANNEL)
        return self._expect(answer)

    def _send(self, method: Frame, channel: int) -> None:
        self._socket.sendall(pamqp.frame.marshal(method, channel))

    def _expect(self, answer: type[Frame]) -> Any:
        while True:
            size, _, frame = pamqp.frame.unmarshal(self._buffer) if len(self._buffer) > 7 else (0, 0, None)
            if frame is None:
                self._receive()
                continue
            self._buffer = self._buffer[size:]
            if isinstance(frame, answer):
                return frame
            raise WireError(f"{answer.__name__} was expected, {frame!r} came")

    # --- Publishing

    def publish(self, messages: bytes, count: int) -> None:
        """Send encoded messages (see `Encoder`)."""
        self._socket.sendall(messages)
        self.published += count

    @property
    def unconfirmed(self) -> int:
        return self.published - self._confirmed_to - len(self._confirmed_beyond)

    def await_confirms(self) -> None:
        """Wait until the broker has everything."""
        while self.unconfirmed:
            for _ in self.bodies():
                raise WireError("a delivery came to a connection that only publishes")

    def _confirm(self, tag: int, *, is_multiple: bool) -> None:
        beyond = self._confirmed_beyond
        if is_multiple:
            self._confirmed_to = max(self._confirmed_to, tag)
            beyond -= {known for known in beyond if known <= self._confirmed_to}
        else:
            beyond.add(tag)
        while self._confirmed_to + 1 in beyond:
            self._confirmed_to += 1
            beyond.remove(self._confirmed_to)

    # --- Consuming

    def consume(self, queue: str) -> None:
        """Have all messages of a queue sent, acknowledged by that."""
        self.call(commands.Basic.Consume(queue=queue, no_ack=True), commands.Basic.ConsumeOk)

    def bodies(self) -> Iterator[bytes]:
        """Receive once (which may wait), take confirms into account, and yield the bodies that came, all of them."""
        if not self._has_frame():
            self._receive()
        buffer, at, length = self._buffer, 0, len(self._buffer)
        while length - at >= 8:
            kind, _, size = FRAME_START.unpack_from(buffer, at)
            end = at + 7 + size
            if end >= length:
                break
            if kind == BODY:
                yield buffer[at + 7 : end]
            elif kind == METHOD:
                self._note(buffer, at + 7)
            at = end + 1
        self._buffer = buffer[at:]

    def _has_frame(self) -> bool:
        """Tell whether a whole frame is left over, as it may be after an answer that others followed at once."""
        return len(self._buffer) >= 8 and len(self._buffer) >= 8 + FRAME_START.unpack_from(self._buffer)[2]

    def _note(self, buffer: bytes, at: int) -> None:
        """Confirms are counted, deliveries are known by their bodies, and nothing else may come."""
        (method,) = METHOD_ID.unpack_from(buffer, at)
        if method == ACK:
            tag, is_multiple = CONFIRM.unpack_from(buffer, at + METHOD_ID.size)
            self._confirm(tag, is_multiple=bool(is_multiple))
        elif method != DELIVER:
            raise WireError(f"method {method >> 16}.{method & 0xFFFF} came: {buffer[at : at + 200]!r}")

    def _receive(self) -> None:
        chunk = self._socket.recv(CHUNK)
        if not chunk:
            raise WireError("the broker closed the connection")
        self._buffer += chunk
