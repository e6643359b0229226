"""The contract of the broker's model, asked of the real one: what the simulation assumes is what RabbitMQ does."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from tests.simulation.broker_contract import ACCOUNT, CLAUSES, SHARD, Bench
from worker.amqp import AmqpLink, Link, dial
from worker.core.shards import Names
from worker.topology import bind_accounts, declare

Clause = Callable[[Bench], Awaitable[None]]


@pytest.fixture
async def bench(amqp_url: str) -> AsyncIterator[Bench]:
    links: list[AmqpLink] = []

    async def connect(name: str) -> Link:
        links.append(await dial(amqp_url, heartbeat=5, name=name))
        return links[-1]

    names = Names(shards=2)
    link = await dial(amqp_url, heartbeat=5, name="declaring")
    await declare(link, names)
    await bind_accounts(link, names, [(ACCOUNT, SHARD)])
    yield Bench(names=names, dial=connect, has_priorities=not link.broker_version.startswith("3."))
    for opened in [link, *links]:
        await opened.close()


@pytest.mark.parametrize("clause", CLAUSES, ids=lambda clause: clause.__name__)
async def test_rabbitmq_keeps_the_contract(clause: Clause, bench: Bench) -> None:
    await clause(bench)
