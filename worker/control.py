"""The control stream: what every worker of the pool has to know, replayed at start and followed live.

It carries take-overs and clean releases of shards. A take-over is complete when its own record has come back
on the stream: everything written before it has then been read.
"""

import asyncio
from collections.abc import Callable
from uuid import uuid4

import orjson
import structlog

from worker.amqp import Link, Message
from worker.clock_sync import Clock
from worker.core.ownership import OwnershipRecord, ShardHistory
from worker.core.shards import Names
from worker.publisher import Publisher

PREFETCH = 500
ACK_EVERY = 100

log = structlog.get_logger("beeline.control")


class Control:
    """This worker's reading of the control stream, and its voice on it."""

    def __init__(
        self, names: Names, publisher: Publisher, clock: Clock, *, worker_id: str, lease_ms: float
    ) -> None:
        self._names, self._publisher, self._clock = names, publisher, clock
        self._worker_id, self._lease_ms = worker_id, lease_ms
        self.incarnation = uuid4().hex
        self.on_foreign_takeover: Callable[[int], None] = lambda _: None
        self._histories: dict[int, ShardHistory] = {}
        self._awaited: dict[str, asyncio.Event] = {}

    def history(self, shard: int) -> ShardHistory:
        """What is known of a shard's owners."""
        return self._histories.get(shard, ShardHistory())

    async def attach(self, link: Link) -> None:
        """Follow the stream from its beginning through a new link."""
        self._histories.clear()
        line = await link.open_line(prefetch=PREFETCH)

        def on_message(message: Message) -> None:
            self._follow(message)
            if message.tag % ACK_EVERY == 0:
                line.ack(message.tag, multiple=True)

        await line.consume(self._names.control, on_message, {"x-stream-offset": "first"})

    def _follow(self, message: Message) -> None:
        record = _read(message)
        if record is not None:
            self._histories[record.shard] = self.history(record.shard).follow(record)
            if record.kind == "takeover" and record.incarnation != self.incarnation:
                self.on_foreign_takeover(record.shard)
        awaited = self._awaited.get(message.message_id or "")
        if awaited is not None:
            awaited.set()

    async def announce_takeover(self, shard: int, wanted: Callable[[], bool]) -> ShardHistory | None:
        """Announce that this worker owns a shard from now on.

        Returns:
            The shard's history up to and including this take-over, `None` when nobody wants it any more.
        """
        identity = uuid4().hex
        seen = self._awaited[identity] = asyncio.Event()
        try:
            while await self._publish("takeover", shard, identity, wanted):
                try:
                    async with asyncio.timeout(5.0):
                        await seen.wait()
                    return self.history(shard)
                except TimeoutError:
                    log.warning(
                        "a take-over did not come back on the control stream, announcing again", shard=shard
                    )
            return None
        finally:
            del self._awaited[identity]

    async def announce_release(self, shard: int, wanted: Callable[[], bool]) -> bool:
        """Announce that nothing of this worker is in flight in a shard any more, and that it sends nothing more."""
        return await self._publish("release", shard, uuid4().hex, wanted)

    async def _publish(self, kind: str, shard: int, identity: str, wanted: Callable[[], bool]) -> bool:
        record = {
            "kind": kind,
            "shard": shard,
            "worker": self._worker_id,
            "incarnation": self.incarnation,
            "lease_ms": self._lease_ms,
            "at_ms": self._clock.wall_ms(),
        }
        message = Message(
            body=orjson.dumps(record), routing_key=self._names.control, message_id=identity, type=kind
        )
        return await self._publisher.publish("", message, wanted=wanted)


def _read(message: Message) -> OwnershipRecord | None:
    try:
        fields = orjson.loads(message.body)
        if fields.get("kind") not in ("takeover", "release"):
            return None
        return OwnershipRecord(
            kind=fields["kind"],
            shard=int(fields["shard"]),
            worker=str(fields["worker"]),
            incarnation=str(fields["incarnation"]),
            lease_ms=float(fields["lease_ms"]),
            at_ms=float(fields["at_ms"]),
        )
    except (orjson.JSONDecodeError, AttributeError, KeyError, TypeError, ValueError):
        log.warning("a record on the control stream is unreadable and was passed over")
        return None
