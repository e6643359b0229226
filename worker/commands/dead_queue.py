"""The dead letters at the broker: looked at, and put back at their places.

Whatever is not removed goes back when the channel closes, also when this program dies in the middle. It keeps its place
because one consumer held all of it: what several consumers or single `get`s hold comes back in any order, and what one
gives back of letters that were looked at before goes behind the others. Looking at a letter counts as a delivery of it;
`worker/topology.py` gives the queue a limit that nobody reaches. A letter is removed only after what replaces it is
confirmed.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, Self

from worker.amqp import Line, Link
from worker.core.letters import Letter, read_letter, replayed_headers
from worker.core.shards import Names
from worker.message import Message

MOST: Final = 2_000
"""Letters that a quorum queue hands out before it wants some of them back; of more, the first ones lose their place."""

QUIET_ROUNDS: Final = 3
PATIENT_ROUNDS: Final = 50
ROUND_S: Final = 0.02


class DeadQueue:
    """The dead letters of one namespace, each held from the moment it was read."""

    def __init__(self, holding: Line, sending: Line, names: Names) -> None:
        self._holding, self._sending, self._names = holding, sending, names
        self._messages: list[Message] = []

    @classmethod
    @asynccontextmanager
    async def hold(cls, link: Link, names: Names) -> AsyncIterator[Self]:
        """Hold the oldest letters; they go back at the end."""
        holding = await link.open_line(prefetch=MOST)
        sending = await link.open_line(confirms=True)
        queue = cls(holding, sending, names)
        try:
            await queue._fill()
            yield queue
        finally:
            await holding.close()
            await sending.close()

    async def _fill(self) -> None:
        """Wait until everything that can be held is: deliveries come when they come, an answer tells what is left."""
        expected = min(MOST, await self._holding.ping(self._names.dead))
        await self._holding.consume(self._names.dead, self._messages.append)
        quiet = 0
        while len(self._messages) < MOST and quiet < PATIENT_ROUNDS:
            before = len(self._messages)
            left = await self._holding.ping(self._names.dead)
            quiet = 0 if left or len(self._messages) > before else quiet + 1
            if quiet >= QUIET_ROUNDS and len(self._messages) >= expected:
                return
            await asyncio.sleep(ROUND_S if quiet else 0)

    @property
    def letters(self) -> list[Letter]:
        """The letters held, the oldest first; those that somebody else looks at right now are not among them."""
        return [_letter(message) for message in self._messages]

    async def waiting(self) -> int:
        """How many letters there are beyond those that are held."""
        return await self._sending.ping(self._names.dead)

    async def replay(self, letter: Letter, now_ms: float) -> None:
        """Send a letter the way it came, then remove it. Should this end in between, it is there once more."""
        message = next(message for message in self._messages if message.tag == letter.tag)
        signal = Message(
            body=letter.body,
            routing_key=letter.routing_key,
            headers=replayed_headers(letter, now_ms),
            message_id=message.message_id,
            correlation_id=message.correlation_id,
            type=message.type,
            reply_to=message.reply_to,
            timestamp=message.timestamp,
            content_type=message.content_type,
        )
        await self._sending.publish(self._names.signals, signal)
        await self.remove(letter)

    async def remove(self, letter: Letter) -> None:
        """Take a letter off the queue for good."""
        self._holding.ack(letter.tag)
        # An acknowledgement has no answer; the one to a later question says that it was applied.
        await self._holding.ping(self._names.dead)


def _letter(message: Message) -> Letter:
    return read_letter(
        message.body,
        routing_key=message.routing_key,
        headers=message.headers,
        message_id=message.message_id,
        timestamp=message.timestamp,
        tag=message.tag,
    )
