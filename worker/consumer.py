"""Takes signals from the broker: owns shards, hands deliveries over in order, acknowledges last.

Every worker consumes every shard on a channel of its own; the broker decides who is active. It does not tell:
the first delivery does. A shard is then taken over before its first signal is handled: the take-over is
announced and the shard's memory is read, while deliveries wait in their order. A shard is given up by closing
its channel, never by `basic.cancel`, and only a release with nothing in flight is announced as clean.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Final, Protocol

import structlog

from worker.amqp import BrokerError, Line, Link
from worker.clock_sync import Clock
from worker.control import Control
from worker.core.memory import ShardMemory
from worker.core.shards import Names, consumer_priority
from worker.epoch import Epoch
from worker.message import Message
from worker.publisher import Publisher
from worker.recall import recall_shard

UNROUTED_PREFETCH: Final = 100
REANNOUNCE_S: Final = 86_400.0

log = structlog.get_logger("beeline.consumer")


class Ownership(StrEnum):
    """Where this worker stands with a shard."""

    WAITING = "waiting"
    TAKING_OVER = "taking_over"
    OWNED = "owned"
    RELEASED = "released"


@dataclass(slots=True, kw_only=True)
class Delivery:
    """One message of a shard in one epoch. `shard` is `None` for accounts nobody configured."""

    message: Message
    line: Line
    epoch: Epoch
    shard: "Shard | None"
    received_s: float
    received_ms: float

    @property
    def is_current(self) -> bool:
        """Whether the broker still waits for the acknowledgement of this very delivery."""
        return self.epoch.is_alive

    @property
    def redelivered(self) -> bool:
        """Whether anybody may have handled the message before."""
        return self.message.redelivered

    def ack(self) -> None:
        """Acknowledge; a delivery of an ended epoch comes again instead."""
        if self.is_current:
            self.line.ack(self.message.tag)


class OnDelivery(Protocol):
    """Whoever handles deliveries; called in the order of the shard."""

    def __call__(self, delivery: Delivery) -> None:
        """Take one delivery; never blocks."""


@dataclass(slots=True, kw_only=True)
class Shard:
    """One shard in one epoch."""

    number: int
    epoch: Epoch
    line: Line
    ownership: Ownership
    waiting: deque[Delivery]
    memory: ShardMemory
    sending_until_ms: float = 0.0
    generation: str = ""

    @property
    def is_owned(self) -> bool:
        """Whether this worker serves the shard right now."""
        return self.epoch.is_alive and self.ownership is Ownership.OWNED


class Consumer:
    """All shards of this worker."""

    def __init__(
        self,
        names: Names,
        publisher: Publisher,
        control: Control,
        clock: Clock,
        tasks: asyncio.TaskGroup,
        *,
        worker_id: str,
        prefetch: int,
        memory_s: float,
    ) -> None:
        self._names, self._publisher, self._control = names, publisher, control
        self._clock, self._tasks = clock, tasks
        self._worker_id, self._prefetch, self._memory_s = worker_id, prefetch, memory_s
        self._shards: dict[int, Shard] = {}
        self._attached: Epoch | None = None
        self._is_over = False
        self.takeovers = 0
        self.on_delivery: OnDelivery = _nobody
        self.on_taken_over: list[Callable[[Shard], None]] = []
        control.on_foreign_takeover = self._forget

    @property
    def owned(self) -> list[int]:
        """Numbers of the shards this worker serves."""
        return sorted(shard.number for shard in self._current() if shard.ownership is Ownership.OWNED)

    @property
    def is_attached(self) -> bool:
        """Whether every shard is being consumed."""
        return self._attached is not None and self._attached.is_alive

    @property
    def remembered(self) -> int:
        """Answered signals that are kept in memory."""
        return sum(len(shard.memory) for shard in self._current())

    @property
    def buffered(self) -> int:
        """Deliveries that wait for a take-over."""
        return sum(len(shard.waiting) for shard in self._current())

    def _current(self) -> list[Shard]:
        return [shard for shard in self._shards.values() if shard.epoch.is_alive]

    async def attach(self, link: Link, epoch: Epoch) -> None:
        """Consume everything through a new link."""
        self._shards = {}
        async with asyncio.TaskGroup() as opening:
            # Where the first to come owns a shard (RabbitMQ 3), this order shares the shards out.
            for number in sorted(range(self._names.shards), key=self._priority, reverse=True):
                opening.create_task(self._open(link, epoch, number))
            opening.create_task(self._open_unrouted(link, epoch))
        self._attached = epoch

    async def _open(self, link: Link, epoch: Epoch, number: int) -> None:
        line = await link.open_line(prefetch=self._prefetch)
        shard = Shard(
            number=number,
            epoch=epoch,
            line=line,
            ownership=Ownership.WAITING,
            waiting=deque(),
            memory=ShardMemory(keep_ms=0),
        )
        self._shards[number] = shard
        on_message = self._receiver(link, line, epoch, shard)
        await line.consume(
            self._names.signals_queue(number), on_message, {"x-priority": self._priority(number)}
        )

    def _priority(self, number: int) -> int:
        return consumer_priority(self._worker_id, number)

    async def _open_unrouted(self, link: Link, epoch: Epoch) -> None:
        line = await link.open_line(prefetch=UNROUTED_PREFETCH)
        await line.consume(self._names.unrouted, self._receiver(link, line, epoch, None))

    def _receiver(
        self, link: Link, line: Line, epoch: Epoch, shard: Shard | None
    ) -> Callable[[Message], None]:
        def on_message(message: Message) -> None:
            if self._is_over:
                return
            delivery = Delivery(
                message=message,
                line=line,
                epoch=epoch,
                shard=shard,
                received_s=self._clock.monotonic(),
                received_ms=self._clock.wall_ms(),
            )
            if shard is None or (shard.ownership is Ownership.OWNED and not message.redelivered):
                self.on_delivery(delivery)
            elif shard.ownership is not Ownership.RELEASED:
                shard.waiting.append(delivery)
                if shard.ownership is not Ownership.TAKING_OVER:
                    # Also when it is ours: somebody else had this message, and we may not have noticed.
                    shard.ownership = Ownership.TAKING_OVER
                    self._tasks.create_task(self._take_over(link, shard))

        return on_message

    async def _take_over(self, link: Link, shard: Shard) -> None:
        """Learn what earlier owners answered and may still be sending, then handle what waits."""
        epoch = shard.epoch
        history, memory = None, None
        while history is None or history.generation != self._control.history(shard.number).generation:
            history = await self._control.announce_takeover(shard.number, lambda: epoch.is_alive)
            memory = await self._recall(link, shard)
            if history is None or memory is None or shard.ownership is not Ownership.TAKING_OVER:
                return
        assert memory is not None  # noqa: S101 - the loop ran once
        memory.absorb(shard.memory)
        shard.memory, shard.sending_until_ms = memory, history.sending_until_ms
        shard.generation = history.generation
        shard.ownership = Ownership.OWNED
        self.takeovers += 1
        log.info("shard taken over", shard=shard.number, answered=len(memory), waiting=len(shard.waiting))
        for take_over in self.on_taken_over:
            take_over(shard)
        while shard.waiting:
            self.on_delivery(shard.waiting.popleft())

    async def _recall(self, link: Link, shard: Shard) -> ShardMemory | None:
        """Read what was answered in a shard; an epoch that cannot read it is over."""
        try:
            return await recall_shard(
                link,
                self._publisher,
                self._names,
                shard.number,
                memory_s=self._memory_s,
                now_ms=self._clock.wall_ms(),
                wanted=lambda: shard.epoch.is_alive,
            )
        except BrokerError as error:
            shard.epoch.end(f"the memory of shard {shard.number} could not be read: {error}")
            return None

    def _forget(self, number: int) -> None:
        """Another worker took a shard over: what this one remembers of it is out of date from now on."""
        shard = self._shards.get(number)
        if shard is not None and shard.ownership is Ownership.OWNED:
            shard.ownership = Ownership.WAITING
            log.info("shard went to another worker", shard=number)

    async def reannounce(self) -> None:
        """Say again what is owned, before the control stream forgets its oldest records."""
        while True:
            await asyncio.sleep(REANNOUNCE_S)
            for number in self.owned:
                shard = self._shards[number]
                await self._control.announce_takeover(number, partial(getattr, shard, "is_owned"))
            if 0 in self.owned:
                await self._control.repeat_holds()

    # --- Leaving

    def stop_taking(self) -> None:
        """Handle no new delivery; what the broker sent already goes back when the channels close."""
        for shard in self._current():
            if shard.ownership is not Ownership.OWNED:
                shard.ownership = Ownership.RELEASED
            shard.waiting.clear()

    def stop(self) -> None:
        """Ignore whatever still comes in while the connection goes down: nobody is left to handle it."""
        self._is_over = True

    async def release(self) -> None:
        """Give every shard up, nothing being in flight: flush, announce, close channel by channel."""
        owned = [shard for shard in self._current() if shard.ownership is Ownership.OWNED]
        for shard in self._current():
            shard.ownership = Ownership.RELEASED
        for shard in owned:
            try:
                await shard.line.ping(self._names.signals_queue(shard.number))
                await self._control.announce_release(shard.number, lambda: shard.epoch.is_alive)  # noqa: B023 - awaited
            except BrokerError as error:
                log.warning(
                    "shard not released cleanly; its next owner asks the venue first", reason=str(error)
                )
        for shard in self._current():
            await shard.line.close()


def _nobody(delivery: Delivery) -> None:
    raise RuntimeError(f"nobody handles deliveries yet: {delivery.message.tag}")
