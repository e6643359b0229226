"""The switch takes what comes once for each signal, and hands everything else to the client library."""

import asyncio
from collections.abc import Iterator

import pytest
from pamqp import frame
from pamqp.body import ContentBody
from pamqp.commands import Basic, Queue
from pamqp.header import ContentHeader
from pamqp.heartbeat import Heartbeat

from worker.amqp_switch import SIGN_OF_LIFE_S, Switch
from worker.message import Message

OURS, OTHER = 3, 4


class Told:
    """A taker that keeps what it is told."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.returns: list[str | None] = []
        self.confirms: list[tuple[int, bool, bool]] = []

    def delivered(self, message: Message) -> None:
        self.messages.append(message)

    def returned(self, message: Message) -> None:
        self.returns.append(message.message_id)

    def confirmed(self, tag: int, *, multiple: bool, is_taken: bool) -> None:
        self.confirms.append((tag, multiple, is_taken))


class Stage:
    """A switch with one taker, and what the library gets to read."""

    def __init__(self, now_s: list[float]) -> None:
        loop = asyncio.get_running_loop()
        self.library = asyncio.StreamReader()
        self.switch = Switch(self.library, loop, lambda: now_s[0])
        self.told = Told()
        self.switch.take(OURS, self.told)

    async def left_to_the_library(self) -> bytes:
        self.library.feed_eof()
        return await self.library.read()


def delivery(body: bytes, channel: int = OURS, tag: int = 1) -> bytes:
    frames: list[frame.FrameTypes] = [
        Basic.Deliver(
            consumer_tag="c", delivery_tag=tag, redelivered=False, exchange="x", routing_key="main"
        ),
        ContentHeader(body_size=len(body), properties=Basic.Properties(message_id="m")),
        *([ContentBody(body)] if body else []),
    ]
    return b"".join(frame.marshal(part, channel) for part in frames)


def returned(message_id: str) -> bytes:
    frames: list[frame.FrameTypes] = [
        Basic.Return(reply_code=312, reply_text="NO_ROUTE", exchange="", routing_key="nobody"),
        ContentHeader(body_size=2, properties=Basic.Properties(message_id=message_id)),
        ContentBody(b"{}"),
    ]
    return b"".join(frame.marshal(part, OURS) for part in frames)


@pytest.fixture
def now_s() -> list[float]:
    return [0.0]


@pytest.fixture
async def stage(now_s: list[float]) -> Stage:
    return Stage(now_s)


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


OTHERS = (
    frame.marshal(Queue.DeclareOk(queue="q", message_count=1, consumer_count=0), OURS)
    + delivery(b"elsewhere", OTHER)
    + frame.marshal(Basic.ConsumeOk(consumer_tag="c"), OURS)
    + frame.marshal(Heartbeat(), 0)
)


@pytest.mark.parametrize("size", [1, 2, 7, 8, 13, 64, 100_000])
async def test_frames_part_however_they_are_cut_on_the_wire(stage: Stage, size: int) -> None:
    ours = (
        delivery(b"a") + frame.marshal(Basic.Ack(delivery_tag=7, multiple=True), OURS) + delivery(b"", tag=2)
    )
    half = frame.marshal(Basic.Nack(delivery_tag=8, multiple=False), OURS)
    for piece in pieces(OTHERS + ours + OTHERS + returned("r-1") + half, size):
        stage.switch.data_received(piece)
    assert [(message.body, message.tag) for message in stage.told.messages] == [(b"a", 1), (b"", 2)]
    assert stage.told.confirms == [(7, True, True), (8, False, False)]
    assert stage.told.returns == ["r-1"]
    assert await stage.left_to_the_library() == OTHERS + OTHERS


async def test_a_channel_that_was_left_is_the_librarys(stage: Stage) -> None:
    stage.switch.leave(OURS)
    stage.switch.data_received(delivery(b"a"))
    assert await stage.left_to_the_library() == delivery(b"a")


async def test_a_busy_connection_shows_the_library_that_it_lives(stage: Stage, now_s: list[float]) -> None:
    for now_s[0] in (SIGN_OF_LIFE_S, SIGN_OF_LIFE_S * 1.5, SIGN_OF_LIFE_S * 2):
        stage.switch.data_received(delivery(b"a"))
    assert await stage.left_to_the_library() == frame.marshal(Heartbeat(), 0) * 2


@pytest.mark.parametrize(
    "greeting",
    [b"AMQP\x00\x00\x09\x01", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x01\x00\x00\x00\x00\x00\x01ab"],
)
async def test_what_is_no_amqp_is_left_to_the_library(stage: Stage, greeting: bytes) -> None:
    for piece in pieces(greeting + b"and so on", 9):
        stage.switch.data_received(piece)
    assert await stage.left_to_the_library() == greeting + b"and so on"
