"""Everything Beeline declares on the broker, in one place.

`declare` creates what is missing and is refused when something exists with other arguments; a worker without
the right to declare checks passively that all is there. The number of shards is pinned by the length limit of
an empty queue, because the broker compares such arguments for us: another number is refused, naming both.
"""

import asyncio
import re
from collections.abc import Collection, Iterable, Iterator
from typing import Any, Final

from aio_pika import ExchangeType
from aio_pika.abc import AbstractChannel

from worker.amqp import AmqpLink, BrokerError, RefusedError, guarded
from worker.core.shards import Names

DELIVERY_LIMIT: Final = 100
LOOKING_LIMIT: Final = 1_000_000
"""Deliveries of a dead letter: looking at one and putting it back counts as a delivery, and without a limit of its own
RabbitMQ 4 would drop it after twenty."""

BINDING_CHANNELS: Final = 8
"""Accounts are bound on several channels at once: a round trip for each shard adds up with thousands of accounts."""

MEMORY_MAX_AGE: Final = "1h"
CONTROL_MAX_AGE: Final = "7D"


class TopologyError(Exception):
    """What is declared on the broker does not fit this configuration; the text says what to do."""


def _dead_lettered(names: Names) -> dict[str, Any]:
    """Arguments of a queue that loses nothing: bounded deliveries, then dead letters, at least once."""
    return {
        "x-queue-type": "quorum",
        "x-delivery-limit": DELIVERY_LIMIT,
        "x-dead-letter-exchange": names.dead,
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
    }


def _queues(names: Names) -> Iterable[tuple[str, dict[str, Any]]]:
    """Every queue and stream with its arguments."""
    yield names.shard_count, {"x-max-length": names.shards}
    yield names.dead, {"x-queue-type": "quorum", "x-delivery-limit": LOOKING_LIMIT}
    yield names.outcomes, {"x-queue-type": "quorum"}
    yield names.control, {"x-queue-type": "stream", "x-max-age": CONTROL_MAX_AGE}
    yield names.unrouted, _dead_lettered(names)
    for shard in range(names.shards):
        yield names.memory_stream(shard), {"x-queue-type": "stream", "x-max-age": MEMORY_MAX_AGE}
        yield names.signals_queue(shard), _dead_lettered(names) | {"x-single-active-consumer": True}


def queue_arguments(names: Names) -> dict[str, dict[str, Any]]:
    """Every queue and stream by name, with its arguments."""
    return dict(_queues(names))


def _exchanges(names: Names) -> Iterable[tuple[str, ExchangeType, dict[str, Any]]]:
    yield names.dead, ExchangeType.FANOUT, {}
    yield names.unrouted, ExchangeType.FANOUT, {}
    yield names.outcomes, ExchangeType.TOPIC, {}
    yield names.signals, ExchangeType.DIRECT, {"alternate-exchange": names.unrouted}


def _bindings(names: Names) -> Iterable[tuple[str, str, str]]:
    """Queue, exchange and routing key of the fixed bindings."""
    yield names.dead, names.dead, ""
    yield names.unrouted, names.unrouted, ""
    yield names.outcomes, names.outcomes, "#"
    for shard in range(names.shards):
        yield names.memory_stream(shard), names.outcomes, f"{names.label(shard)}.#"


async def declare(link: AmqpLink, names: Names) -> None:
    """Declare everything, or check that it is there when declaring is not permitted.

    Raises:
        TopologyError: something exists with other arguments, or is missing and may not be declared.
        BrokerError: the broker cannot be reached.
    """
    channel = await link.open_channel()
    try:
        await _declare_all(channel, names)
        await guarded(channel.close())
    except RefusedError as error:
        if "ACCESS_REFUSED" in str(error):
            await _check_all(link, names)
        elif "PRECONDITION_FAILED" in str(error):
            raise TopologyError(_explain(str(error), names)) from None
        else:  # a queue whose leader is not up yet, after a restart of the broker
            raise BrokerError(str(error)) from None


async def _declare_all(channel: AbstractChannel, names: Names) -> None:
    for name, kind, arguments in _exchanges(names):
        await guarded(channel.declare_exchange(name, kind, durable=True, arguments=arguments))
    underlay = await channel.get_underlay_channel()
    for name, arguments in _queues(names):
        await guarded(underlay.queue_declare(name, durable=True, arguments=arguments))
    for queue, exchange, key in _bindings(names):
        await guarded(underlay.queue_bind(queue, exchange, key))


async def _check_all(link: AmqpLink, names: Names) -> None:
    """Check passively that everything is there, and not more shards than that: a broker tells no queue's arguments."""
    channel = await link.open_channel()
    underlay = await channel.get_underlay_channel()
    try:
        for name, _ in _queues(names):
            await guarded(underlay.queue_declare(name, passive=True))
        await guarded(channel.close())
    except RefusedError as error:
        raise TopologyError(
            f"{error}; this user may not declare it: run `beeline topology` once as a user who may"
        ) from None
    if await _exists(link, names.signals_queue(names.shards)):
        raise TopologyError(
            f"namespace {names.namespace} has more than the {names.shards} shards this worker is set to: "
            "set BEELINE_SHARDS to the number in use"
        )


async def _exists(link: AmqpLink, queue: str) -> bool:
    channel = await link.open_channel()
    underlay = await channel.get_underlay_channel()
    try:
        await guarded(underlay.queue_declare(queue, passive=True))
        await guarded(channel.close())
    except RefusedError:
        return False
    return True


async def bind_accounts(
    link: AmqpLink,
    names: Names,
    shards: Iterable[tuple[str, int]],
    *,
    known: Collection[tuple[str, int]] = (),
) -> None:
    """Bind accounts to their shards and to no others, as far as permitted.

    An account moves when its limit group changes. Were it bound to two shards, each of its signals would reach two
    owners and become two orders; so it is unbound from all others first, and a signal that comes in between is told
    that nobody knows its account.

    Args:
        link: the connection to use.
        names: the namespace.
        shards: account names with their shard.
        known: those of them that are bound to no other shard for sure, which saves a request for each shard.
    """
    accounts = list(shards)
    waiting = iter(accounts)
    channels = range(min(BINDING_CHANNELS, len(accounts)))
    ends = await asyncio.gather(
        *(_bind_next(link, names, waiting, known) for _ in channels), return_exceptions=True
    )
    error = next(filter(None, ends), None)
    if isinstance(error, RefusedError):
        advice = "this user may not bind accounts: run `beeline topology` as a user who may"
        raise TopologyError(f"{error}; {advice}")
    if error is not None:
        raise error


async def _bind_next(
    link: AmqpLink, names: Names, waiting: Iterator[tuple[str, int]], known: Collection[tuple[str, int]]
) -> None:
    """Bind one account after another, as long as any waits."""
    channel = await link.open_channel()
    underlay = await channel.get_underlay_channel()
    for account, shard in waiting:
        others = () if (account, shard) in known else set(range(names.shards)) - {shard}
        for other in others:
            await guarded(underlay.queue_unbind(names.signals_queue(other), names.signals, account))
        await guarded(underlay.queue_bind(names.signals_queue(shard), names.signals, account))
    await guarded(channel.close())


async def delete(link: AmqpLink, names: Names) -> None:
    """Delete everything that `declare` made, with all that is in it; what is gone already is no error.

    Raises:
        BrokerError: the broker cannot be reached, or this user may not delete.
    """
    channel = await link.open_channel()
    underlay = await channel.get_underlay_channel()
    for queue, _ in _queues(names):
        await guarded(underlay.queue_delete(queue))
    for exchange, *_ in _exchanges(names):
        await guarded(underlay.exchange_delete(exchange))
    await guarded(channel.close())


def _explain(text: str, names: Names) -> str:
    """Turn the broker's refusal into what an operator should do."""
    if names.shard_count in text and (numbers := re.findall(r"'(\d+)'", text)):
        return (
            f"namespace {names.namespace} has {numbers[-1]} shards, this worker is set to {names.shards}: "
            "set BEELINE_SHARDS to the number in use, or choose another BEELINE_NAMESPACE"
        )
    return f"{text}: it was declared by something else; choose another BEELINE_NAMESPACE or delete it"
