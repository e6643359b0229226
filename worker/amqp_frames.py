"""The frames that come and go once for each signal, written and read by hand: AMQP 0-9-1, class `basic`.

The client library builds an object for every method, header and property and looks each of its fields up by name, which
costs several times what a signal's whole way through a lane does. What comes once for each signal is therefore read
and written here; everything else stays with the library, and so do header tables, whose types are many.

Source of the layout: the specification of AMQP 0-9-1, sections 4.2 (framing) and 1.8 (class `basic`).
"""

from contextlib import suppress
from dataclasses import dataclass, field
from struct import Struct
from typing import Final

from pamqp import decode, encode

from worker.core.letters import REPLAYED_HEADER
from worker.message import Message

METHOD, HEADER, BODY, HEARTBEAT = 1, 2, 3, 8
FRAME_END: Final = 0xCE
FRAME_BYTES: Final = 8
"""What a frame has around its payload: kind, channel and size before it, an end mark after it."""

RETURN, DELIVER, ACK, NACK = 0x003C0032, 0x003C003C, 0x003C0050, 0x003C0078
"""Class and method of what is read here."""

HEARTBEAT_FRAME: Final = bytes((HEARTBEAT, 0, 0, 0, 0, 0, 0, FRAME_END))

FRAME_START: Final = Struct(">BHI")
METHOD_ID: Final = Struct(">I")
CONFIRM: Final = Struct(">QB")

SEEN_BEFORE: Final = frozenset({"x-acquired-count", "x-delivery-count", "x-death", REPLAYED_HEADER})
"""Headers of a message that somebody may have handled: delivered before, or moved back from the dead letters, for
which older brokers clear the `redelivered` flag, and `beeline dead replay` sets a header of its own."""

_ACK_FRAME: Final = Struct(">BHIIQBB")
_ACK_BYTES: Final = 13
_PUBLISH: Final = b"\x00\x3c\x00\x28\x00\x00"
_CONTENT: Final = Struct(">HHQH")
_CONTENT_BASIC: Final = 60
_LONG_LONG: Final = Struct(">Q")
_SIZE: Final = Struct(">I")
_SHORT_TEXT_BYTES: Final = 255

(
    _CONTENT_TYPE,
    _HEADERS,
    _DELIVERY_MODE,
    _CORRELATION_ID,
    _REPLY_TO,
    _MESSAGE_ID,
    _TIMESTAMP,
    _TYPE,
    _APP_ID,
) = (1 << bit for bit in (15, 13, 12, 10, 9, 7, 6, 5, 3))
_CONTENT_ENCODING, _PRIORITY, _EXPIRATION = (1 << bit for bit in (14, 11, 8))
_PERSISTENT: Final = b"\x02"
_OUT_OF_RANGE: Final = (ValueError, OverflowError, OSError)
_APP: Final = b"\x07beeline"


# --- Writing ----------------------------------------------------------------------------------------------------------


def ack_frame(channel: int, tag: int, *, multiple: bool) -> bytes:
    """Write an acknowledgement."""
    return _ACK_FRAME.pack(METHOD, channel, _ACK_BYTES, ACK, tag, multiple, FRAME_END)


def publish_frames(
    channel: int, exchange: str, message: Message, message_id: str, *, mandatory: bool, frame_max: int
) -> bytes:
    """Write a persistent message, whole: method, properties, and the body in as many frames as it takes.

    Raises:
        ValueError: a name or a property is longer than the 255 bytes that fit.
    """
    body = message.body
    method = b"".join(
        (_PUBLISH, _short(exchange), _short(message.routing_key), b"\x01" if mandatory else b"\x00")
    )
    flags, properties = _properties(message, message_id)
    header = _CONTENT.pack(_CONTENT_BASIC, 0, len(body), flags) + properties
    parts = [*_frame(METHOD, channel, method), *_frame(HEADER, channel, header)]
    room = frame_max - FRAME_BYTES
    for start in range(0, len(body), room):
        parts += _frame(BODY, channel, body[start : start + room] if len(body) > room else body)
    return b"".join(parts)


def _frame(kind: int, channel: int, payload: bytes) -> tuple[bytes, bytes, bytes]:
    return FRAME_START.pack(kind, channel, len(payload)), payload, b"\xce"


def _short(text: str) -> bytes:
    encoded = text.encode()
    if len(encoded) > _SHORT_TEXT_BYTES:
        raise ValueError(f"a name or property of a message has {len(encoded)} bytes, at most 255 fit")
    return bytes((len(encoded),)) + encoded


def _properties(message: Message, message_id: str) -> tuple[int, bytes]:
    """Write the properties, in the order of their flags, the highest first."""
    flags, parts = _DELIVERY_MODE | _MESSAGE_ID | _APP_ID, list[bytes]()
    if message.content_type is not None:
        flags |= _CONTENT_TYPE
        parts.append(_short(message.content_type))
    if message.headers:
        flags |= _HEADERS
        parts.append(encode.field_table(dict(message.headers)))
    parts.append(_PERSISTENT)
    if message.correlation_id is not None:
        flags |= _CORRELATION_ID
        parts.append(_short(message.correlation_id))
    if message.reply_to is not None:
        flags |= _REPLY_TO
        parts.append(_short(message.reply_to))
    parts.append(_short(message_id))
    if message.timestamp is not None:
        flags |= _TIMESTAMP
        parts.append(_LONG_LONG.pack(int(message.timestamp.timestamp())))
    if message.type is not None:
        flags |= _TYPE
        parts.append(_short(message.type))
    parts.append(_APP)
    return flags, b"".join(parts)


# --- Reading ----------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Content:
    """A message that is arriving: a delivery or a return, until its body is complete."""

    routing_key: str
    tag: int = 0
    redelivered: bool = False
    is_returned: bool = False
    size: int = 0
    flags: int = 0
    properties: bytes = b""
    parts: list[bytes] = field(default_factory=list)

    def begin(self, payload: bytes) -> None:
        """Take the content header, whose properties are read when the body is there."""
        _, _, self.size, self.flags = _CONTENT.unpack_from(payload)
        self.properties = payload[_CONTENT.size :]

    def add(self, part: bytes) -> None:
        """Take a piece of the body."""
        self.parts.append(part)
        self.size -= len(part)

    @property
    def is_complete(self) -> bool:
        """Whether the body is all there."""
        return self.size <= 0

    def message(self) -> Message:
        """Read the message."""
        body = self.parts[0] if len(self.parts) == 1 else b"".join(self.parts)
        message = Message(
            body=body,
            routing_key=self.routing_key,
            tag=self.tag,
            redelivered=self.redelivered,
            content_type=None,
        )
        _read_properties(message, self.flags, self.properties)
        if not message.redelivered and not SEEN_BEFORE.isdisjoint(message.headers):
            message.redelivered = any(message.headers.get(name) for name in SEEN_BEFORE)
        return message


def read_delivery(payload: bytes) -> Content:
    """Read `basic.deliver`."""
    at = 5 + payload[4]  # behind the consumer tag
    (tag,) = _LONG_LONG.unpack_from(payload, at)
    redelivered = bool(payload[at + 8] & 1)
    key_at = at + 10 + payload[at + 9]  # behind the exchange
    return Content(_read_short(payload, key_at)[0], tag, redelivered)


def read_return(payload: bytes) -> Content:
    """Read `basic.return`: a mandatory message that no queue took."""
    at = 7 + payload[6]  # behind the reply code and its text
    key_at = at + 1 + payload[at]  # behind the exchange
    return Content(_read_short(payload, key_at)[0], is_returned=True)


def _read_properties(message: Message, flags: int, data: bytes) -> None:  # noqa: C901 - one step for each property
    """Read the properties that are used, step over the others.

    What a producer wrote into them must not end the connection, on which the message would come again: text that is not
    UTF-8 is replaced, a date out of every calendar is none, and a message whose headers cannot be read counts as seen.
    """
    at = 0
    if flags & _CONTENT_TYPE:
        message.content_type, at = _read_short(data, at)
    if flags & _CONTENT_ENCODING:
        _, at = _read_short(data, at)
    if flags & _HEADERS:
        end = at + _SIZE.size + _SIZE.unpack_from(data, at)[0]
        try:
            _, message.headers = decode.field_table(data[at:end])
        except (*_OUT_OF_RANGE, RecursionError):
            message.redelivered = True
        at = end
    at += bool(flags & _DELIVERY_MODE) + bool(flags & _PRIORITY)
    if flags & _CORRELATION_ID:
        message.correlation_id, at = _read_short(data, at)
    if flags & _REPLY_TO:
        message.reply_to, at = _read_short(data, at)
    if flags & _EXPIRATION:
        _, at = _read_short(data, at)
    if flags & _MESSAGE_ID:
        message.message_id, at = _read_short(data, at)
    if flags & _TIMESTAMP:
        with suppress(*_OUT_OF_RANGE):
            _, message.timestamp = decode.timestamp(data[at : at + _LONG_LONG.size])
        at += _LONG_LONG.size
    if flags & _TYPE:
        message.type, at = _read_short(data, at)


def _read_short(data: bytes, at: int) -> tuple[str, int]:
    end = at + 1 + data[at]
    return data[at + 1 : end].decode(errors="replace"), end
