"""The producers and the reader of the outcomes, which have to survive what the run does to the broker.

A producer publishes the signals of its lanes one after another and each until it is confirmed, so that what
was published first is first in the queue, and every signal was accepted at least once. A publish that failed
may have been accepted all the same: then the signal is in the queue twice, which is what producers do.
"""

import asyncio
from collections import Counter, defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

import aio_pika
import aiormq
import orjson

from tests.chaos.plan import Planned

BROKER_ERRORS: Final = (
    aiormq.exceptions.AMQPError,
    OSError,
    TimeoutError,
    RuntimeError,
    asyncio.InvalidStateError,
    StopAsyncIteration,
)
RETRY_S: Final = 0.3
PUBLISH_TIMEOUT_S: Final = 5.0
RPC_TIMEOUT_S: Final = 10.0
NAMESPACE: Final = "beeline"
LATER: Final = 4
"""After how many further signals of a producer an id is used again."""


@asynccontextmanager
async def _connected(url: str) -> AsyncIterator[aio_pika.abc.AbstractConnection]:
    async with asyncio.timeout(PUBLISH_TIMEOUT_S):
        connection = await aio_pika.connect(url, heartbeat=10)
    try:
        yield connection
    finally:
        with suppress(*BROKER_ERRORS):
            async with asyncio.timeout(1):
                await connection.close()


async def _forever(work: Callable[[], Awaitable[None]]) -> None:
    """Do something that loses its broker, until it comes to its end."""
    while True:
        try:
            return await work()
        except BROKER_ERRORS:
            await asyncio.sleep(RETRY_S)


class Answers:
    """Every outcome that was ever published, in the order they came."""

    def __init__(self, planned: Iterable[Planned]) -> None:
        self._open = {signal_.signal_id for signal_ in planned}
        self._conflicts = {signal_.signal_id for signal_ in planned if signal_.conflicting}
        self.outcomes: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
        self.statuses: Counter[str] = Counter()
        self.answered = 0
        self.copies = 0
        self.dead: list[str] = []
        self._changed = asyncio.Condition()

    @property
    def is_complete(self) -> bool:
        """Whether every signal and every conflict has its answer."""
        return not self._open and not self._conflicts

    def expect_only(self, published: Iterable[Planned]) -> None:
        """Forget what was never published."""
        known = {signal_.signal_id for signal_ in published}
        self._open &= known
        self._conflicts &= known

    async def record(self, body: bytes) -> None:
        """Take one outcome in."""
        outcome = orjson.loads(body)
        signal_id = outcome["signal_id"]
        is_copy = any(known["outcome_id"] == outcome["outcome_id"] for known in self.outcomes[signal_id])
        self.outcomes[signal_id].append(outcome)
        self.copies += is_copy
        if is_conflict(outcome):
            self._conflicts.discard(signal_id)
        elif signal_id in self._open:
            self._open.discard(signal_id)
            self.answered += 1
            self.statuses[outcome["status"]] += 1
        async with self._changed:
            self._changed.notify_all()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until what was answered satisfies a condition."""
        async with self._changed:
            await self._changed.wait_for(condition)

    async def poke(self) -> None:
        """Let whoever waits look again."""
        async with self._changed:
            self._changed.notify_all()

    # --- Reading

    async def follow(self, url: str) -> None:
        """Read the outcomes and the dead letters, through as many connections as it takes."""
        await _forever(lambda: self._follow(url))

    async def _follow(self, url: str) -> None:
        async with _connected(url) as connection:
            lost = asyncio.Event()
            connection.close_callbacks.add(lambda *_: lost.set())
            async with asyncio.timeout(RPC_TIMEOUT_S):
                channel = await connection.channel()
                channel.close_callbacks.add(lambda *_: lost.set())
                await channel.set_qos(prefetch_count=200)
                outcomes = await channel.get_queue(f"{NAMESPACE}.outcomes", ensure=False)
                await outcomes.consume(self._on_outcome)
                dead = await channel.get_queue(f"{NAMESPACE}.dead", ensure=False)
                await dead.consume(self._on_dead)
            await lost.wait()
        raise ConnectionResetError

    async def _on_outcome(self, message: aio_pika.abc.AbstractIncomingMessage) -> None:
        await self.record(message.body)
        await message.ack()

    async def _on_dead(self, message: aio_pika.abc.AbstractIncomingMessage) -> None:
        self.dead.append(message.body.decode(errors="replace"))
        await message.ack()


class Producers:
    """Publishes what was planned, as fast as it is answered."""

    def __init__(self, url: str, answers: Answers, *, outstanding: int) -> None:
        self._url, self._answers, self._outstanding = url, answers, outstanding
        self.published = 0
        self.messages = 0
        self.retries = 0
        self._stopped = False

    def stop(self) -> None:
        """Publish nothing more than what has begun."""
        self._stopped = True

    async def run(self, planned: Iterable[Planned], count: int) -> list[Planned]:
        """Publish with several producers, each with lanes of its own; return what was published."""
        parts: list[list[Planned]] = [[] for _ in range(count)]
        for signal_ in planned:
            parts[hash_of(signal_.lane) % count].append(signal_)
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(self._produce(part)) for part in parts]
        return [signal_ for part in running for signal_ in part.result()]

    async def _produce(self, part: list[Planned]) -> list[Planned]:
        waiting = deque(_messages(part))
        done: dict[str, Planned] = {}

        async def work() -> None:
            async with _connected(self._url) as connection:
                channel = await connection.channel(on_return_raises=True)
                exchange = await channel.get_exchange(f"{NAMESPACE}.signals", ensure=False)
                while waiting:
                    signal_, body = waiting[0]
                    is_new = signal_.signal_id not in done
                    if is_new:
                        await self._wait_for_room()
                    if is_new and self._stopped:
                        waiting.popleft()
                        continue
                    await self._publish(exchange, signal_, body)
                    waiting.popleft()
                    self.published += is_new
                    done[signal_.signal_id] = signal_

        await _forever(work)
        return list(done.values())

    async def _wait_for_room(self) -> None:
        room = self._outstanding
        await self._answers.until(lambda: self._stopped or self.published - self._answers.answered < room)

    async def _publish(self, exchange: aio_pika.abc.AbstractExchange, signal_: Planned, body: bytes) -> None:
        message = aio_pika.Message(
            body, content_type="application/json", delivery_mode=aio_pika.DeliveryMode.PERSISTENT
        )
        self.retries += 1
        await exchange.publish(message, signal_.account, mandatory=True, timeout=PUBLISH_TIMEOUT_S)
        self.retries -= 1
        self.messages += 1


def is_conflict(outcome: dict[str, Any]) -> bool:
    """Whether an outcome answers the second use of an id."""
    return bool(outcome["error"]) and outcome["error"]["code"] == "signal_id_conflict"


def hash_of(lane: tuple[str, str]) -> int:
    """Number a lane, the same in every run."""
    return sum(f"{lane}".encode())


def _messages(part: Iterable[Planned]) -> Iterator[tuple[Planned, bytes]]:
    """What is published for signals: each once, some again a little later, some with another payload."""
    later: deque[tuple[int, Planned, bytes]] = deque()
    for place, signal_ in enumerate(part):
        body = orjson.dumps(signal_.fields)
        yield signal_, body
        if signal_.doubled:
            later.append((place + LATER, signal_, body))
        if signal_.conflicting:
            later.append((place + LATER, signal_, orjson.dumps(signal_.conflict())))
        while later and later[0][0] <= place:
            _, again, body = later.popleft()
            yield again, body
    yield from ((signal_, body) for _, signal_, body in later)
