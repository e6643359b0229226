"""What the client library does is turned into something that the rest can rely on."""

import asyncio
from types import SimpleNamespace
from typing import cast

import aiormq
import pytest
from typing_extensions import override

from tests.virtual_time import settled, virtual_time
from worker.amqp import (
    PUBLISH_TIMEOUT_S,
    Acknowledgements,
    AmqpLine,
    BrokerError,
    UnroutableError,
    guarded,
)
from worker.amqp_frames import ack_frame
from worker.amqp_switch import Switch
from worker.message import Message


async def _swallow() -> str:
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        return "declared"
    return "never"


async def test_a_cancellation_that_arrives_with_the_reply_still_cancels() -> None:
    replied: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    call = asyncio.create_task(guarded(asyncio.wait_for(replied, 60)))
    await asyncio.sleep(0)
    replied.set_result("declared")
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call


async def test_a_swallowed_cancellation_still_cancels() -> None:
    call = asyncio.create_task(guarded(_swallow()))
    await asyncio.sleep(0)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call


async def test_a_time_limit_around_a_swallowing_call_is_a_time_out() -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await guarded(_swallow())


async def test_an_earlier_cancellation_that_was_dealt_with_does_not_count() -> None:
    async def work() -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return await guarded(asyncio.sleep(0, "cleaned up"))
        return "never"

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    assert await task == "cleaned up"


# --- A line: publishes and their confirms -------------------------------------------------------------------


class Opened:
    """As much of a channel of aiormq as a line wants to know."""

    def __init__(self) -> None:
        self.number = 3
        self.connection = SimpleNamespace(connection_tune=SimpleNamespace(frame_max=131_072))
        self.closing: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.on_consumer_cancel_callbacks: set[object] = set()

    async def basic_consume(self, *_: object, **__: object) -> None:
        """Consuming is the library's business."""


class Wire(Switch):
    """A switch that keeps what is written."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        super().__init__(asyncio.StreamReader(), loop, loop.time)
        self.written: list[bytes] = []

    @override
    def write(self, frames: bytes) -> None:
        self.written.append(frames)


class Stage:
    """A line on a made-up channel."""

    def __init__(self) -> None:
        self.channel, self.wire = Opened(), Wire()
        self.lost: list[str] = []
        channel = cast("aiormq.Channel", self.channel)
        self.line = AmqpLine(channel, self.wire, Acknowledgements(self.wire), self.lost.append)

    async def publish(self, *ids: str) -> list[asyncio.Task[None]]:
        publishes = [
            asyncio.create_task(self.line.publish("x", Message(body=b"{}", message_id=name))) for name in ids
        ]
        await settled()
        return publishes


def errors(publishes: list[asyncio.Task[None]]) -> list[type | None]:
    """How publishes ended, `None` for one that was confirmed."""
    return [type(error) if (error := publish.exception()) else None for publish in publishes]


@virtual_time
async def test_one_confirm_may_answer_several_publishes() -> None:
    stage = Stage()
    publishes = await stage.publish("a", "b", "c")
    stage.line.confirmed(2, multiple=True, is_taken=True)
    await settled()
    assert [publish.done() for publish in publishes] == [True, True, False]
    stage.line.confirmed(3, multiple=False, is_taken=False)
    await settled()
    assert errors(publishes) == [None, None, BrokerError]
    assert len(stage.wire.written) == 3


@virtual_time
async def test_a_returned_message_is_unroutable_whatever_its_confirm_says() -> None:
    stage = Stage()
    publishes = await stage.publish("a", "b")
    stage.line.returned(Message(body=b"{}", message_id="a"))
    stage.line.confirmed(2, multiple=True, is_taken=True)
    await settled()
    assert errors(publishes) == [UnroutableError, None]


@virtual_time
async def test_what_is_not_confirmed_in_time_is_given_up_one_by_one() -> None:
    stage = Stage()
    first = await stage.publish("a")
    await asyncio.sleep(PUBLISH_TIMEOUT_S / 2)
    second = await stage.publish("b")
    await asyncio.sleep(PUBLISH_TIMEOUT_S * 0.6)
    assert (errors(first), second[0].done()) == ([BrokerError], False)
    stage.line.confirmed(1, multiple=False, is_taken=True)  # late: nobody waits for it
    await asyncio.sleep(PUBLISH_TIMEOUT_S)
    assert errors(second) == [BrokerError]
    third = await stage.publish("c")
    stage.line.confirmed(3, multiple=False, is_taken=True)
    await settled()
    assert errors(third) == [None]


@virtual_time
async def test_a_cancelled_publish_leaves_the_others_alone() -> None:
    stage = Stage()
    cancelled, other = await stage.publish("a", "b")
    cancelled.cancel()
    await settled()
    stage.line.confirmed(2, multiple=True, is_taken=True)
    await settled()
    assert (cancelled.cancelled(), errors([other])) == (True, [None])


@virtual_time
async def test_a_channel_that_closes_fails_what_is_unconfirmed_and_takes_nothing_more() -> None:
    stage = Stage()
    publishes = await stage.publish("a", "b")
    stage.channel.closing.set_result(None)
    await settled()
    late = await stage.publish("c")
    stage.line.ack(1)
    await asyncio.sleep(1)
    assert errors(publishes + late) == [BrokerError] * 3
    assert (stage.lost, len(stage.wire.written)) == (["a channel was closed"], 2)


@virtual_time
async def test_acknowledgements_of_a_moment_are_written_together() -> None:
    stage = Stage()
    stage.line.ack(1)
    stage.line.ack(2, multiple=True)
    await asyncio.sleep(1)
    stage.line.ack(3)
    await asyncio.sleep(1)
    frames = [ack_frame(3, tag, multiple=tag == 2) for tag in (1, 2, 3)]
    assert stage.wire.written == [frames[0] + frames[1], frames[2]]


@virtual_time
async def test_a_consumer_that_fails_does_not_end_the_connection() -> None:
    stage, handled = Stage(), list[int]()

    def fail_once(message: Message) -> None:
        handled.append(message.tag)
        if message.tag == 1:
            raise ValueError("cannot be handled")

    await stage.line.consume("q", fail_once)
    for tag in (1, 2):
        stage.line.delivered(Message(body=b"{}", tag=tag))
    assert handled == [1, 2]
