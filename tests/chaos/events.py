"""Breaks things when their time has come: workers, their links, the broker and the venue."""

import asyncio
import random
import signal
from collections import Counter, deque
from collections.abc import Callable
from typing import Any, Final

from tests.chaos.broker_side import Answers
from tests.chaos.plan import Event
from tests.chaos.processes import Seat
from tests.chaos.venue import Venue
from tests.integration.rabbitmq_node import RabbitNode

AT_ONCE: Final = 2
"""How many events may overlap, so that somebody is left to work."""

OWNER_CHANCE: Final = 0.7
"""How often an event is aimed at a worker that owns shards, where there is one."""


class Director:
    """Makes the planned events happen, each at its count of answered signals."""

    def __init__(
        self,
        seats: list[Seat],
        node: RabbitNode,
        venue: Venue,
        answers: Answers,
        *,
        seed: int,
        tell: Callable[[str], None],
    ) -> None:
        self._seats, self._node, self._venue, self._answers = seats, node, venue, answers
        self._draw = random.Random(f"{seed} director")
        self._tell = tell
        self._room = asyncio.Semaphore(AT_ONCE)
        self._broker = asyncio.Lock()
        self.done: Counter[Event] = Counter()
        self.failed_drains: list[str] = []

    async def run(self, events: deque[tuple[int, Event]]) -> None:
        """Carry out the plan to its end."""
        async with asyncio.TaskGroup() as tasks:
            for after, event in events:
                await self._until_answered(after)
                await self._room.acquire()
                tasks.create_task(self._happen(event))

    async def plant(self, faults: deque[tuple[int, dict[str, Any]]]) -> None:
        """Plant the venue's stopping faults."""
        for after, fault in faults:
            await self._until_answered(after)
            await self._venue.tell("faults", fault)

    async def guard(self, seat: Seat) -> None:
        """Start a worker again that ended by itself; that it did is a violation, and the run goes on."""
        while True:
            await seat.ended_by_itself()
            self._tell(f"worker {seat.number} died")
            async with seat.lock:
                if not seat.is_running:
                    await self._start(seat)

    async def start_all(self) -> None:
        """Start every worker, one after another, as a roll-out does."""
        for seat in self._seats:
            await self._start(seat)

    async def drain_all(self) -> None:
        """End every worker in order."""
        for seat in self._seats:
            async with seat.lock:
                await self._drain(seat)

    async def _until_answered(self, count: int) -> None:
        await self._answers.until(lambda: self._answers.answered >= count or self._answers.is_complete)

    async def _start(self, seat: Seat) -> None:
        await seat.start(heartbeat=self._draw.choice([2, 2, 3, 4]))

    async def _happen(self, event: Event) -> None:
        try:
            if event is Event.BROKER_KILL:
                await self._kill_broker()
            else:
                seat = self._aim()
                async with seat.lock:
                    self._tell(f"{event}, worker {seat.number}")
                    await self._strike(event, seat)
            self.done[event] += 1
        finally:
            self._room.release()

    def _aim(self) -> Seat:
        owners = [seat for seat in self._seats if seat.owned and not seat.lock.locked()]
        free = [seat for seat in self._seats if not seat.lock.locked()]
        at_owner = owners and self._draw.random() < OWNER_CHANCE
        return self._draw.choice(owners if at_owner else free or self._seats)

    async def _strike(self, event: Event, seat: Seat) -> None:
        draw = self._draw
        match event:
            case Event.KILL:
                await seat.end(signal.SIGKILL)
                await asyncio.sleep(draw.uniform(0, 1.5))
                await self._start(seat)
            case Event.DRAIN:
                await self._drain(seat)
                await self._start(seat)
            case Event.FREEZE:
                seat.send(signal.SIGSTOP)
                await asyncio.sleep(draw.choice([draw.uniform(0.2, 2), draw.uniform(6, 14)]))
                seat.send(signal.SIGCONT)
            case Event.CUT:
                seat.proxy.cut()
            case Event.BLACK_HOLE:
                seat.proxy.black_hole()
                await asyncio.sleep(draw.uniform(2, 14))
                seat.proxy.heal()
            case Event.BROKER_KILL:
                raise AssertionError(event)

    async def _drain(self, seat: Seat) -> None:
        code = await seat.end(signal.SIGTERM)
        if code != 0:
            self.failed_drains.append(f"worker {seat.number} ended with {code} after SIGTERM")

    async def _kill_broker(self) -> None:
        async with self._broker:
            self._tell(str(Event.BROKER_KILL))
            await asyncio.to_thread(self._node.kill)
            await asyncio.sleep(self._draw.uniform(0, 2))
            await asyncio.to_thread(self._node.start)
