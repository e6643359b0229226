"""Reads back what a shard was answered with, from its memory stream.

A new owner publishes a marker to the stream and reads from the time an answer may still matter up to its own
marker: it has then seen every outcome that any earlier owner ever got confirmed.
"""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import uuid4

import orjson
import structlog

from worker.amqp import BrokerError, Link
from worker.core.memory import ShardMemory
from worker.core.outcome import MESSAGE_TYPE, Outcome, Status
from worker.core.shards import Names
from worker.message import Message
from worker.publisher import Publisher

HASH_HEADER: Final = "beeline-content-hash"
MARKER_TYPE: Final = "marker"
CLOCK_MARGIN: Final = timedelta(seconds=60)
PREFETCH: Final = 1000
ACK_EVERY: Final = 250
IDLE_TIMEOUT_S: Final = 10.0

log = structlog.get_logger("beeline.memory")


async def recall_shard(
    link: Link,
    publisher: Publisher,
    names: Names,
    shard: int,
    *,
    memory_s: float,
    now_ms: float,
    wanted: Callable[[], bool],
) -> ShardMemory | None:
    """Read a shard's answers; `None` when nobody wants them any more.

    Raises:
        BrokerError: the stream could not be read to the marker.
    """
    stream, marker = names.memory_stream(shard), uuid4().hex
    memory = ShardMemory(keep_ms=memory_s * 1000)
    message = Message(body=b"{}", routing_key=stream, message_id=marker, type=MARKER_TYPE)
    if not await publisher.publish("", message, wanted=wanted):
        return None
    line = await link.open_line(prefetch=PREFETCH)
    complete, count = asyncio.Event(), 0

    def on_message(message: Message) -> None:
        nonlocal count
        count += 1
        if message.type == MARKER_TYPE:
            if message.message_id == marker:
                complete.set()
        else:
            _record(memory, message)
        if count % ACK_EVERY == 0:
            line.ack(message.tag, multiple=True)

    since = datetime.fromtimestamp(now_ms / 1000, UTC) - timedelta(seconds=memory_s) - CLOCK_MARGIN
    try:
        await line.consume(stream, on_message, {"x-stream-offset": since})
        while not complete.is_set():
            before = count
            try:
                async with asyncio.timeout(IDLE_TIMEOUT_S):
                    await complete.wait()
            except TimeoutError:
                if count == before:
                    raise BrokerError(f"{stream} did not show the marker that was written to it") from None
    finally:
        await line.close()
    return memory


def _record(memory: ShardMemory, message: Message) -> None:
    outcome = read_outcome(message)
    if outcome is None or message.timestamp is None:
        return
    if outcome.code != "signal_id_conflict":  # an answer to a second use of an id, not the answer to the id
        memory.record(outcome, message.timestamp.timestamp() * 1000)


def read_outcome(message: Message) -> Outcome | None:
    """Read an outcome message back; `None` when it is none of ours."""
    if message.type != MESSAGE_TYPE:
        return None
    try:
        document = orjson.loads(message.body)
        error = document["error"]
        return Outcome(
            outcome_id=document["outcome_id"],
            signal_id=document["signal_id"],
            account=document["account"],
            status=Status(document["status"]),
            code=error["code"] if error else None,
            content_hash=str(message.headers.get(HASH_HEADER, "")),
            revision=int(document.get("revision") or 0),
            body=message.body,
        )
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        log.warning("an outcome in the memory stream is unreadable and was passed over")
        return None
