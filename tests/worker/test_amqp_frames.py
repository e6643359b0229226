"""Frames written and read by hand are what the client library writes and reads."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from struct import pack
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pamqp import frame
from pamqp.body import ContentBody
from pamqp.commands import Basic
from pamqp.header import ContentHeader

from worker.amqp_frames import (
    CONFIRM,
    FRAME_BYTES,
    FRAME_START,
    METHOD_ID,
    SEEN_BEFORE,
    Content,
    ack_frame,
    publish_frames,
    read_delivery,
    read_return,
)
from worker.core.letters import REPLAYED_HEADER
from worker.message import Message

FRAME_MAX = 131_072
SHORT = st.text(max_size=60)
SOME = st.text(min_size=1, max_size=60)  # the library leaves an empty text out
VALUES = st.one_of(st.booleans(), st.integers(-(2**31), 2**31 - 1), st.text(max_size=40), st.none())
MESSAGES = st.builds(
    Message,
    body=st.binary(max_size=300),
    routing_key=SHORT,
    headers=st.dictionaries(SHORT.filter(lambda name: name not in SEEN_BEFORE), VALUES, max_size=4),
    message_id=st.text(min_size=1, max_size=40),
    correlation_id=st.none() | SOME,
    type=st.none() | SOME,
    reply_to=st.none() | SOME,
    timestamp=st.none()
    | st.datetimes(
        datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)  # noqa: DTZ001 - hypothesis wants them bare
    ).map(lambda moment: moment.replace(microsecond=0)),
    content_type=st.none() | SOME,
)  # fmt: skip


def cut(data: bytes) -> list[tuple[int, bytes]]:
    """Cut bytes into frames: kind and payload of each."""
    found = []
    while data:
        kind, _, size = FRAME_START.unpack_from(data)
        found.append((kind, data[FRAME_START.size : FRAME_START.size + size]))
        data = data[FRAME_BYTES + size :]
    return found


def properties_of(message: Message) -> Basic.Properties:
    return Basic.Properties(
        delivery_mode=2,
        content_type=message.content_type,
        headers=dict(message.headers) or None,
        message_id=message.message_id,
        correlation_id=message.correlation_id,
        reply_to=message.reply_to,
        message_type=message.type,
        timestamp=message.timestamp,
        app_id="beeline",
    )


def written(message: Message, *, frame_max: int = FRAME_MAX, exchange: str = "x") -> bytes:
    return publish_frames(7, exchange, message, message.message_id or "", mandatory=True, frame_max=frame_max)


def arriving(method: Basic.Deliver | Basic.Return, properties: Basic.Properties, body: bytes) -> Content:
    """A message as the library would write it, taken frame by frame."""
    (_, payload) = cut(frame.marshal(method, 7))[0]
    content = read_delivery(payload) if isinstance(method, Basic.Deliver) else read_return(payload)
    header = ContentHeader(body_size=len(body), properties=properties)
    content.begin(cut(frame.marshal(header, 7))[0][1])
    if body:
        content.add(body)
    assert content.is_complete
    return content


def delivered(properties: Basic.Properties, body: bytes = b"{}", *, redelivered: bool = False) -> Message:
    method = Basic.Deliver(
        consumer_tag="ctag", delivery_tag=2**40, redelivered=redelivered, exchange="x", routing_key="main"
    )
    return arriving(method, properties, body).message()


@given(
    message=MESSAGES, exchange=st.from_regex(r"[a-z0-9._-]{0,40}", fullmatch=True), mandatory=st.booleans()
)
def test_a_message_is_written_as_the_library_writes_it(
    message: Message, exchange: str, *, mandatory: bool
) -> None:
    method = Basic.Publish(exchange=exchange, routing_key=message.routing_key, mandatory=mandatory)
    header = ContentHeader(body_size=len(message.body), properties=properties_of(message))
    parts: list[frame.FrameTypes] = [method, header, *([ContentBody(message.body)] if message.body else [])]
    assert publish_frames(
        7, exchange, message, message.message_id or "", mandatory=mandatory, frame_max=FRAME_MAX
    ) == b"".join(frame.marshal(part, 7) for part in parts)


@given(message=MESSAGES, redelivered=st.booleans())
def test_a_message_is_read_as_the_library_reads_it(message: Message, *, redelivered: bool) -> None:
    found = delivered(properties_of(message), message.body, redelivered=redelivered)
    header = frame.marshal(ContentHeader(properties=properties_of(message)), 7)
    _, _, library = frame.unmarshal(header)
    assert isinstance(library, ContentHeader)
    known = library.properties
    assert found == replace(
        message,
        routing_key="main",
        headers=known.headers or {},
        content_type=known.content_type,
        correlation_id=known.correlation_id,
        reply_to=known.reply_to,
        type=known.message_type,
        redelivered=redelivered,
        tag=2**40,
    )


def test_properties_that_are_not_used_are_stepped_over() -> None:
    found = delivered(
        Basic.Properties(
            content_encoding="utf-8",
            priority=3,
            expiration="60000",
            message_type="t",
            user_id="u",
            app_id="a",
        )
    )
    assert found.type == "t"


@pytest.mark.parametrize("name", ["x-acquired-count", "x-delivery-count", "x-death", REPLAYED_HEADER])
def test_a_message_that_somebody_may_have_handled_counts_as_redelivered(name: str) -> None:
    assert delivered(Basic.Properties(headers={name: 1})).redelivered
    assert not delivered(Basic.Properties(headers={name: 0})).redelivered


def test_a_large_body_is_cut_into_frames_and_put_together() -> None:
    body = bytes(range(256)) * 40
    message = Message(body=body, message_id="m")
    method, header, *bodies = cut(written(message, frame_max=4096))
    assert [len(payload) + FRAME_BYTES for _, payload in bodies[:-1]] == [4096] * (len(bodies) - 1)
    content = Content("main")
    content.begin(header[1])
    for _, part in bodies:
        assert not content.is_complete
        content.add(part)
    assert (content.is_complete, content.message().body, method[0]) == (True, body, 1)


def test_a_returned_message_is_told_by_its_id() -> None:
    method = Basic.Return(reply_code=312, reply_text="NO_ROUTE", exchange="x", routing_key="main")
    content = arriving(method, Basic.Properties(message_id="m-1"), b"{}")
    assert (content.is_returned, content.message().message_id) == (True, "m-1")


@pytest.mark.parametrize("multiple", [False, True])
def test_an_acknowledgement_is_written_as_the_library_writes_it(*, multiple: bool) -> None:
    assert ack_frame(7, 2**40, multiple=multiple) == frame.marshal(
        Basic.Ack(delivery_tag=2**40, multiple=multiple), 7
    )


@pytest.mark.parametrize("multiple", [False, True])
def test_a_confirm_is_read(*, multiple: bool) -> None:
    ((_, payload),) = cut(frame.marshal(Basic.Ack(delivery_tag=2**40, multiple=multiple), 7))
    assert CONFIRM.unpack_from(payload, METHOD_ID.size) == (2**40, int(multiple))


@pytest.mark.parametrize(
    "message",
    [
        Message(body=b"", routing_key="k" * 256),
        Message(body=b"", correlation_id="é" * 128),
    ],
)
def test_a_text_that_does_not_fit_is_an_error(message: Message) -> None:
    with pytest.raises(ValueError, match="256 bytes, at most 255 fit"):
        written(message)


# --- What producers write wrong ---------------------------------------------------------------------------------------


def delivered_raw(flags: int, properties: bytes) -> Message:
    content = Content("main")
    content.begin(pack(">HHQH", 60, 0, 2, flags) + properties)
    content.add(b"{}")
    return content.message()


def test_a_date_out_of_every_calendar_is_none() -> None:
    found = delivered_raw(1 << 6 | 1 << 5, pack(">Q", 2**63) + b"\x01t")
    assert (found.timestamp, found.type) == (None, "t")


def test_text_that_is_not_utf_8_is_replaced() -> None:
    assert delivered_raw(1 << 7, b"\x02\xff\xfe").message_id == "��"


@pytest.mark.parametrize(
    "table",
    [
        b"\x01a?",  # a type that nobody knows
        b"\x01aT" + pack(">Q", 2**63),  # a date
        b"\x05a",  # a name that is longer than the table
        b"\x01\xffI\x00\x00\x00\x01",  # a name that is no text
    ],
)
def test_a_message_whose_headers_cannot_be_read_counts_as_seen(table: bytes) -> None:
    found = delivered_raw(1 << 13 | 1 << 5, pack(">I", len(table)) + table + b"\x01t")
    headers: Mapping[str, Any] = found.headers
    assert (headers, found.redelivered, found.type) == ({}, True, "t")
