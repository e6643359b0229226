"""What the worker relies on in a broker, asked through its own port: the model and the real RabbitMQ must answer alike.

`test_broker_model.py` asks the model, `tests/integration/test_broker_contract.py` the real one.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import pytest

from worker.amqp import Line, Link, UnroutableError
from worker.core.shards import Names
from worker.message import Message

PATIENCE_S: Final = 20.0
ACCOUNT: Final = "main"
SHARD: Final = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """A broker with everything declared. `has_priorities` is true from RabbitMQ 4 on."""

    names: Names
    dial: Callable[[str], Awaitable[Link]]
    has_priorities: bool

    @property
    def queue(self) -> str:
        """The shard queue under test."""
        return self.names.signals_queue(SHARD)


class Taker:
    """A consumer that keeps what it is given."""

    def __init__(self, link: Link, line: Line) -> None:
        self.link, self.line = link, line
        self.messages: list[Message] = []
        self._came = asyncio.Event()

    def take(self, message: Message) -> None:
        """Keep a message."""
        self.messages.append(message)
        self._came.set()

    @property
    def bodies(self) -> list[str]:
        """What came, in order."""
        return [message.body.decode() for message in self.messages]

    async def until(self, count: int) -> None:
        """Wait for a number of messages."""
        async with asyncio.timeout(PATIENCE_S):
            while len(self.messages) < count:
                self._came.clear()
                await self._came.wait()

    async def nothing_more(self, queue: str) -> None:
        """Give the broker every chance to deliver: round trips on the same channel come after deliveries."""
        for _ in range(3):
            await self.line.ping(queue)


async def taker(bench: Bench, queue: str, *, prefetch: int = 50, **arguments: object) -> Taker:
    """Consume a queue on a connection of its own."""
    link = await bench.dial("beeline-consume contract")
    found = Taker(link, await link.open_line(prefetch=prefetch))
    options = {f"x-{name.replace('_', '-')}": value for name, value in arguments.items()}
    await found.line.consume(queue, found.take, options)
    return found


async def publish(bench: Bench, *bodies: str, exchange: str | None = None, key: str = ACCOUNT) -> None:
    """Publish with confirms."""
    link = await bench.dial("beeline-publish contract")
    line = await link.open_line(confirms=True)
    for body in bodies:
        message = Message(body=body.encode(), routing_key=key)
        await line.publish(bench.names.signals if exchange is None else exchange, message)
    await link.close()


# --- The clauses --------------------------------------------------------------------------------------------


async def unacknowledged_messages_come_back_in_order_before_the_rest(bench: Bench) -> None:
    """Closing a channel returns what it held; the next consumer gets it first, marked as delivered before."""
    first = await taker(bench, bench.queue, prefetch=3)
    second = await taker(bench, bench.queue)
    await publish(bench, "a", "b", "c", "d", "e")
    await first.until(3)
    await first.line.close()
    await second.until(5)
    assert second.bodies == ["a", "b", "c", "d", "e"]
    assert [message.redelivered for message in second.messages] == [True, True, True, False, False]


async def a_closed_connection_returns_what_it_held(bench: Bench) -> None:
    """A connection that goes takes nothing with it, again and again."""
    for _ in range(3):
        holder = await taker(bench, bench.queue)
        if not _:
            await publish(bench, "a", "b")
        await holder.until(2)
        assert holder.bodies == ["a", "b"]
        await holder.link.close()


async def acknowledged_messages_never_come_back(bench: Bench) -> None:
    """An acknowledgement that a later reply has overtaken is applied."""
    first = await taker(bench, bench.queue)
    await publish(bench, "a", "b", "c")
    await first.until(3)
    first.line.ack(first.messages[0].tag)
    first.line.ack(first.messages[1].tag)
    await first.line.ping(bench.queue)
    await first.link.close()
    second = await taker(bench, bench.queue)
    await second.until(1)
    await second.nothing_more(bench.queue)
    assert second.bodies == ["c"]


async def one_consumer_is_active_and_the_next_takes_over(bench: Bench) -> None:
    """A shard has one consumer at a time."""
    first, second = await taker(bench, bench.queue), await taker(bench, bench.queue)
    await publish(bench, "a", "b")
    await first.until(2)
    await second.nothing_more(bench.queue)
    assert second.bodies == []
    for message in first.messages:
        first.line.ack(message.tag)
    await first.line.close()
    await publish(bench, "c")
    await second.until(1)
    assert (second.bodies, second.messages[0].redelivered) == (["c"], False)


async def a_higher_priority_takes_over_once_everything_is_acknowledged(bench: Bench) -> None:
    """From RabbitMQ 4 on; before, the first to come stays."""
    first = await taker(bench, bench.queue, priority=1)
    await publish(bench, "a")
    await first.until(1)
    second = await taker(bench, bench.queue, priority=9)
    await publish(bench, "b")
    await second.nothing_more(bench.queue)
    assert second.bodies == []
    if bench.has_priorities:
        assert first.bodies == ["a"]
    first.line.ack(first.messages[0].tag)
    await first.line.ping(bench.queue)
    if bench.has_priorities:
        await second.until(1)
        assert (second.bodies, second.messages[0].redelivered) == (["b"], False)
    else:
        await first.until(2)
        assert first.bodies == ["a", "b"]


async def streams_are_read_from_the_first_record_or_from_a_time(bench: Bench) -> None:
    """Each reader sees the whole stream, or what came after a time."""
    stream = bench.names.control
    await publish(bench, "1", "2", exchange="", key=stream)
    for _ in range(2):
        reader = await taker(bench, stream, stream_offset="first")
        await reader.until(2)
        assert reader.bodies == ["1", "2"]
    past = datetime(2020, 1, 1, tzinfo=UTC)
    since = await taker(bench, stream, stream_offset=past)
    await since.until(2)
    await publish(bench, "3", exchange="", key=stream)
    await since.until(3)
    assert since.bodies == ["1", "2", "3"]


async def an_outcome_reaches_the_results_and_the_memory_of_its_shard(bench: Bench) -> None:
    """One publish, both places; the memory of another shard stays as it was."""
    names = bench.names
    key = names.outcome_key(SHARD, ACCOUNT, "filled")
    await publish(bench, "told", exchange=names.outcomes, key=key)
    results = await taker(bench, names.outcomes)
    memory = await taker(bench, names.memory_stream(SHARD), stream_offset="first")
    other = await taker(bench, names.memory_stream(SHARD + 1), stream_offset="first")
    await results.until(1)
    await memory.until(1)
    await other.nothing_more(names.memory_stream(SHARD + 1))
    assert (results.bodies, memory.bodies, other.bodies) == (["told"], ["told"], [])


async def what_nobody_is_bound_to_is_kept_or_refused(bench: Bench) -> None:
    """A signal for an unknown account goes to the unrouted ones; a message to no queue at all is returned."""
    await publish(bench, "stray", key="nobody")
    strays = await taker(bench, bench.names.unrouted)
    await strays.until(1)
    assert strays.bodies == ["stray"]
    with pytest.raises(UnroutableError):
        await publish(bench, "lost", exchange="", key="no-such-queue")


CLAUSES: Final = (
    unacknowledged_messages_come_back_in_order_before_the_rest,
    a_closed_connection_returns_what_it_held,
    acknowledged_messages_never_come_back,
    one_consumer_is_active_and_the_next_takes_over,
    a_higher_priority_takes_over_once_everything_is_acknowledged,
    streams_are_read_from_the_first_record_or_from_a_time,
    an_outcome_reaches_the_results_and_the_memory_of_its_shard,
    what_nobody_is_bound_to_is_kept_or_refused,
)
