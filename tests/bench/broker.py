"""What the bench does at the broker: declare, fill, count, verify, remove."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Protocol

import aio_pika
import orjson
from aio_pika.abc import AbstractChannel
from aiormq.abc import FieldTable

from tests.bench.wire import Encoder, Wire
from worker.amqp import dial
from worker.core.shards import Names
from worker.topology import bind_accounts, declare

PUBLISH_BATCH = 500
POLL_S = 0.01
STALL_TIMEOUT_S = 60.0


class StalledError(RuntimeError):
    """No outcome arrived for a long time."""


class Queues(Protocol):
    """Where signals go and outcomes come from."""

    @property
    def outcomes(self) -> str: ...

    async def declare(self) -> None: ...

    async def remove(self, channel: AbstractChannel) -> None: ...

    def route(self, account: str) -> tuple[str, str]:
        """Exchange and routing key of an account's signals."""
        ...


class BeelineQueues:
    """The topology that Beeline declares."""

    def __init__(self, amqp_url: str, namespace: str, accounts: Sequence[str], *, shards: int) -> None:
        self._amqp_url, self._accounts = amqp_url, accounts
        self.names = Names(namespace=namespace, shards=shards)
        self.outcomes = self.names.outcomes

    async def declare(self) -> None:
        link = await dial(self._amqp_url, heartbeat=30, name="bench-topology")
        try:
            await declare(link, self.names)
            shards = [(account, self.names.shard_of(account)) for account in self._accounts]
            await bind_accounts(link, self.names, shards, known=frozenset(shards))
        finally:
            await link.close()

    async def remove(self, channel: AbstractChannel) -> None:
        names = self.names
        for exchange in (names.signals, names.unrouted, names.outcomes, names.dead):
            await channel.exchange_delete(exchange)
        numbers = range(names.shards)
        queues = [names.unrouted, names.outcomes, names.dead, names.control, names.shard_count]
        queues += [names.signals_queue(number) for number in numbers]
        queues += [names.memory_stream(number) for number in numbers]
        for queue in queues:
            await channel.queue_delete(queue)

    def route(self, account: str) -> tuple[str, str]:
        return self.names.signals, account


class NaiveQueues:
    """What the loop written by hand uses: one quorum queue in, one out."""

    def __init__(self, amqp_url: str, namespace: str) -> None:
        self._amqp_url = amqp_url
        self._signals = f"{namespace}.signals"
        self.outcomes = f"{namespace}.outcomes"

    async def declare(self) -> None:
        quorum: FieldTable = {"x-queue-type": "quorum"}
        async with await aio_pika.connect(self._amqp_url) as connection, connection.channel() as channel:
            await channel.declare_queue(self._signals, durable=True, arguments=quorum)
            queue = await channel.declare_queue(self.outcomes, durable=True, arguments=quorum)
            await channel.declare_exchange(self.outcomes, aio_pika.ExchangeType.TOPIC, durable=True)
            await queue.bind(self.outcomes, "#")

    async def remove(self, channel: AbstractChannel) -> None:
        await channel.exchange_delete(self.outcomes)
        for queue in (self._signals, self.outcomes):
            await channel.queue_delete(queue)

    def route(self, account: str) -> tuple[str, str]:
        return "", self._signals


class Desk:
    """What the bench does with the queues of one contender."""

    def __init__(self, amqp_url: str, channel: AbstractChannel, queues: Queues) -> None:
        self._amqp_url, self._channel, self._queues = amqp_url, channel, queues

    async def fill(self, rows: Iterable[Mapping[str, Any]], on_progress: Callable[[int], None]) -> None:
        """Publish all signals, persistent and confirmed, before anybody consumes them."""
        await asyncio.to_thread(self._fill, rows, on_progress)

    def _fill(self, rows: Iterable[Mapping[str, Any]], on_progress: Callable[[int], None]) -> None:
        encoder = Encoder(datetime.now(UTC))
        with Wire(self._amqp_url) as wire:
            for batch in batched(rows, PUBLISH_BATCH):
                messages = [
                    encoder.encode(*self._queues.route(row["account"]), orjson.dumps(row)) for row in batch
                ]
                wire.publish(b"".join(messages), len(messages))
                wire.await_confirms()
                on_progress(wire.published)

    async def count(self) -> int:
        """Outcomes so far. Nobody consumes them while the bench measures, so nothing but this question disturbs."""
        queue = await self._channel.declare_queue(self._queues.outcomes, passive=True)
        return queue.declaration_result.message_count or 0

    async def until(self, target: int, on_progress: Callable[[int], None]) -> int:
        """Wait until that many outcomes are there; return how many are. `on_progress` is told at each question."""
        best, changed_s = -1, time.monotonic()
        while True:
            count = await self.count()
            on_progress(count)
            if count >= target:
                return count
            if count > best:
                best, changed_s = count, time.monotonic()
            elif time.monotonic() - changed_s > STALL_TIMEOUT_S:
                raise StalledError(
                    f"{count} of {target} outcomes arrived, then none for {STALL_TIMEOUT_S:.0f} s"
                )
            await asyncio.sleep(POLL_S)

    async def take_statuses(self, expected: int) -> Counter[str]:
        """Empty the outcome queue; return how often each status came, of one outcome for each signal.

        An outcome that comes again (after a hand-over, say) is the same outcome; another one for its signal is not.
        """
        return Counter((await asyncio.to_thread(self._take_outcomes, expected)).values())

    def _take_outcomes(self, expected: int) -> dict[str, str]:
        statuses: dict[str, str] = {}
        with Wire(self._amqp_url) as wire:
            wire.consume(self._queues.outcomes)
            while len(statuses) < expected:
                for outcome in map(orjson.loads, wire.bodies()):
                    known = statuses.setdefault(outcome["signal_id"], outcome["status"])
                    if known != outcome["status"]:
                        raise ValueError(
                            f"a signal that was answered with {known} is answered with {outcome}"
                        )
        return statuses


def batched(rows: Iterable[Mapping[str, Any]], size: int) -> Iterator[list[Mapping[str, Any]]]:
    """Yield lists of so many rows, the last one shorter."""
    remaining = iter(rows)
    while batch := list(islice(remaining, size)):
        yield batch


@asynccontextmanager
async def desk_at(amqp_url: str, queues: Queues) -> AsyncIterator[Desk]:
    """Declare the queues, and remove them in the end."""
    async with await aio_pika.connect(amqp_url) as connection, connection.channel() as channel:
        await queues.declare()
        try:
            yield Desk(amqp_url, channel, queues)
        finally:
            async with connection.channel() as removing:
                await queues.remove(removing)


async def server_version(amqp_url: str) -> str:
    connection = await aio_pika.connect(amqp_url)
    async with connection:
        transport = connection.transport
        assert transport is not None
        properties = getattr(transport.connection, "server_properties", {}) or {}
        return f"{properties.get('product', 'broker')} {properties.get('version', '?')}"
