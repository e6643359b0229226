"""The control stream: what every worker of the pool has to know, replayed at start and followed live.

It carries take-overs and clean releases of shards, the holds that venues impose and those of operators. A
record of our own that has come back on the stream proves that everything written before it was read: a take-over
is complete then, and nothing is sent to a venue before the first.
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from uuid import uuid4

import orjson
import structlog

from worker.amqp import Link
from worker.clock_sync import Clock
from worker.core.holds import HoldRecord, Holds, KeyRelease, StopRecord, Stops
from worker.core.ownership import OwnershipRecord, ShardHistory
from worker.core.shards import Names
from worker.message import Message
from worker.publisher import Publisher

PREFETCH = 500
ACK_EVERY = 100
SEEN_TIMEOUT_S = 5.0

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
        self.on_hold: Callable[[HoldRecord], None] = lambda _: None
        self.on_key_release: Callable[[str, float], None] = lambda *_: None
        self.stops = Stops()
        self._holds = Holds()
        self._read_once = asyncio.Event()
        self._histories: dict[int, ShardHistory] = {}
        self._awaited: dict[str, asyncio.Event] = {}

    def history(self, shard: int) -> ShardHistory:
        """What is known of a shard's owners."""
        return self._histories.get(shard, ShardHistory())

    async def attach(self, link: Link) -> None:
        """Follow the stream from its beginning through a new link."""
        self._histories.clear()
        self.stops.clear()
        line = await link.open_line(prefetch=PREFETCH)

        def on_message(message: Message) -> None:
            self._follow(message)
            if message.tag % ACK_EVERY == 0:
                line.ack(message.tag, multiple=True)

        await line.consume(self._names.control, on_message, {"x-stream-offset": "first"})

    async def read_once(self) -> None:
        """Wait until everything that stood on the stream has been read: holds outlive a restart."""
        await self._read_once.wait()

    async def catch_up(self, wanted: Callable[[], bool]) -> None:
        """Read up to a mark of our own."""
        mark = Message(body=b'{"kind": "mark"}', routing_key=self._names.control, type="mark")
        if await self._write_and_see(mark, wanted):
            self._read_once.set()

    def _follow(self, message: Message) -> None:
        match _read(message):
            case OwnershipRecord() as record:
                self._histories[record.shard] = self.history(record.shard).follow(record)
                if record.kind == "takeover" and record.incarnation != self.incarnation:
                    self.on_foreign_takeover(record.shard)
            case HoldRecord() as record:
                self._holds.follow(record)
                self.on_hold(record)
            case StopRecord() as record:
                self.stops.follow(record)
            case KeyRelease() as record:
                self.on_key_release(record.account, record.at_ms)
            case None:
                pass
        awaited = self._awaited.get(message.message_id or "")
        if awaited is not None:
            awaited.set()

    async def announce_takeover(self, shard: int, wanted: Callable[[], bool]) -> ShardHistory | None:
        """Announce that this worker owns a shard from now on.

        Returns:
            The shard's history up to and including this take-over, `None` when nobody wants it any more.
        """
        seen = await self._write_and_see(self._ownership("takeover", shard), wanted)
        return self.history(shard) if seen else None

    async def announce_release(self, shard: int, wanted: Callable[[], bool]) -> bool:
        """Announce that nothing of this worker is in flight in a shard any more, and that it sends nothing more."""
        return await self._publisher.publish("", self._ownership("release", shard), wanted=wanted)

    async def announce_hold(self, hold: HoldRecord) -> None:
        """Tell the pool that a venue wants to be left alone."""
        body = orjson.dumps(hold.document())
        message = Message(body=body, routing_key=self._names.control, type="hold")
        await self._publisher.publish("", message, wanted=lambda: self._clock.wall_ms() < hold.until_ms)

    async def announce_stop(self, stop: StopRecord) -> None:
        """Tell the pool of an operator's hold or its end; complete once it stands on the stream."""
        body = orjson.dumps(stop.document())
        message = Message(body=body, routing_key=self._names.control, type="stop")
        await self._publisher.publish("", message, wanted=lambda: True)

    async def announce_key_release(self, release: KeyRelease) -> None:
        """Tell the pool that an operator ends an account's quarantine."""
        body = orjson.dumps(release.document())
        message = Message(body=body, routing_key=self._names.control, type="key_release")
        await self._publisher.publish("", message, wanted=lambda: True)

    async def repeat_holds(self) -> None:
        """Write all holds in force again, before the stream forgets its oldest records."""
        for stop in self.stops.in_force():
            await self.announce_stop(stop)
        for hold in self._holds.in_force(self._clock.wall_ms()):
            await self.announce_hold(hold)

    async def _write_and_see(self, message: Message, wanted: Callable[[], bool]) -> bool:
        """Write a record and wait until it has come back; `False` when nobody wants it any more."""
        identity = uuid4().hex
        seen = self._awaited[identity] = asyncio.Event()
        try:
            while await self._publisher.publish("", replace(message, message_id=identity), wanted=wanted):
                try:
                    async with asyncio.timeout(SEEN_TIMEOUT_S):
                        await seen.wait()
                except TimeoutError:
                    log.warning("a record did not come back on the control stream, writing it again")
                else:
                    return True
            return False
        finally:
            del self._awaited[identity]

    def _ownership(self, kind: str, shard: int) -> Message:
        record = {
            "kind": kind,
            "shard": shard,
            "worker": self._worker_id,
            "incarnation": self.incarnation,
            "lease_ms": self._lease_ms,
            "at_ms": self._clock.wall_ms(),
        }
        return Message(body=orjson.dumps(record), routing_key=self._names.control, type=kind)


def _read(message: Message) -> OwnershipRecord | HoldRecord | StopRecord | KeyRelease | None:
    try:
        fields = orjson.loads(message.body)
        if fields.get("kind") == "hold":
            return HoldRecord.read(fields)
        if fields.get("kind") == "stop":
            return StopRecord.read(fields)
        if fields.get("kind") == "key_release":
            return KeyRelease.read(fields)
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
