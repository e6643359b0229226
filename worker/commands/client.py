"""What commands do at the broker: publish signals the way a producer should, and follow outcomes without taking any.

Signals go out persistent, mandatory and confirmed, with the account as routing key and the time of their creation in a
header. Outcomes come through exclusive queues that vanish with the connection, so nobody else misses one.
"""

import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

import aiormq
import orjson

from worker.amqp import AmqpLink, BrokerError, Line, RefusedError, UnroutableError, dial, guarded
from worker.commands.shell import CommandError, Exit
from worker.core.shards import Names
from worker.message import Message
from worker.settings import Settings

PREFETCH: Final = 200
FOLLOW_LIMIT: Final = 100_000
"""Outcomes that the broker keeps for a follower that stopped reading; the oldest go first."""

OnOutcome = Callable[[dict[str, Any]], None]


@asynccontextmanager
async def connected(settings: Settings, name: str) -> AsyncIterator[AmqpLink]:
    """Hold a connection to the broker.

    Raises:
        BrokerError: the broker cannot be reached.
    """
    link = await dial(
        settings.amqp_url.get_secret_value(), heartbeat=settings.heartbeat, name=f"beeline {name}"
    )
    try:
        yield link
    finally:
        await link.close()


async def check_namespace(link: AmqpLink, names: Names) -> None:
    """Make sure that the namespace exists on this broker.

    Raises:
        CommandError: it does not.
    """
    channel = await _channel(link)
    for exchange in (names.signals, names.outcomes):
        try:
            await guarded(channel.exchange_declare(exchange, passive=True))
        except RefusedError:
            raise CommandError(
                Exit.CONFIGURATION,
                f"the broker has no namespace {names.namespace!r} ({exchange} is missing).\n"
                "Check --namespace (BEELINE_NAMESPACE) and --amqp-url, or declare it: "
                f"beeline topology --namespace {names.namespace}",
            ) from None
    await guarded(channel.close())


class Producer:
    """Publishes signals one by one, so that their order is the order they were handed in."""

    def __init__(self, line: Line, names: Names) -> None:
        self._line, self._names = line, names

    @classmethod
    async def open(cls, link: AmqpLink, names: Names) -> "Producer":
        """Publish through a connection; checks that the namespace exists."""
        await check_namespace(link, names)
        return cls(await link.open_line(confirms=True), names)

    async def publish(
        self, body: bytes, account: str, *, created_ms: float | None = None, reply_to: str | None = None
    ) -> None:
        """Publish one signal and wait until the broker has it safe.

        Args:
            body: the JSON of the signal.
            account: the routing key.
            created_ms: when the signal was made, epoch milliseconds; its validity starts there. Default: now.
            reply_to: a queue that gets a copy of the outcome.

        Raises:
            CommandError: no queue of the namespace took the signal.
            BrokerError: the broker did not confirm; it may have the signal or not.
        """
        created_us = time.time_ns() // 1000 if created_ms is None else round(created_ms * 1000)
        message = Message(
            body=body, routing_key=account, headers={"created_at_us": created_us}, reply_to=reply_to
        )
        try:
            await self._line.publish(self._names.signals, message)
        except UnroutableError:
            raise CommandError(
                Exit.CONFIGURATION,
                f"no queue of namespace {self._names.namespace!r} takes a signal for {account!r}, nothing was "
                f"published.\nDeclare it again: beeline topology --namespace {self._names.namespace}",
            ) from None


async def open_replies(link: AmqpLink, on_outcome: OnOutcome) -> str:
    """Take outcomes through a queue of our own; return its name, for `reply_to`."""
    return await _consume(link, on_outcome, exchange=None, arguments={})


async def follow_outcomes(
    link: AmqpLink, names: Names, on_outcome: OnOutcome, *, keep: int = FOLLOW_LIMIT
) -> None:
    """Take a copy of every outcome of the namespace; the durable queue keeps its own."""
    await check_namespace(link, names)
    arguments = {"x-max-length": keep, "x-overflow": "drop-head"}
    await _consume(link, on_outcome, exchange=names.outcomes, arguments=arguments)


async def _consume(
    link: AmqpLink, on_outcome: OnOutcome, *, exchange: str | None, arguments: Mapping[str, Any]
) -> str:
    channel = await _channel(link)
    declared = await guarded(
        channel.queue_declare("", exclusive=True, auto_delete=True, arguments=dict(arguments))
    )
    queue = declared.queue or ""
    if exchange is not None:
        await guarded(channel.queue_bind(queue, exchange, "#"))
    line = await link.open_line(prefetch=PREFETCH)

    def take(message: Message) -> None:
        line.ack(message.tag)
        on_outcome(orjson.loads(message.body))

    await line.consume(queue, take)
    return queue


async def until_lost(link: AmqpLink) -> None:
    """Wait for the loss of a connection, which is an error.

    Raises:
        BrokerError: the connection is gone.
    """
    await link.lost()
    raise BrokerError(f"the connection was lost: {link.reason}")


async def _channel(link: AmqpLink) -> aiormq.abc.AbstractChannel:
    channel = await link.open_channel()
    return await channel.get_underlay_channel()
