import asyncio
from collections.abc import Awaitable, Callable
from random import Random

import pytest

from tests.simulation.broker import Broker
from tests.simulation.broker_contract import ACCOUNT, CLAUSES, SHARD, Bench
from tests.simulation.links import bind_accounts, declare, dial
from tests.simulation.loop import Process, SimulationLoop, run_simulated
from tests.simulation.stage import true_ms
from tests.simulation.wire import Host, Server
from worker.amqp import Link
from worker.core.shards import Names

Clause = Callable[[Bench], Awaitable[None]]


async def _bench(*, has_priorities: bool) -> Bench:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, SimulationLoop)
    broker = Broker(has_priorities=has_priorities, now_ms=lambda: true_ms(loop))
    server = Server(loop, broker, Random(1), lambda *_: None)
    names, process, host = Names(shards=2), Process("client"), Host("host")

    async def connect(name: str) -> Link:
        return await dial(server, process, host, heartbeat=5, name=name)

    link = await dial(server, process, host, heartbeat=5, name="beeline-consume")
    await declare(link, names)
    await bind_accounts(link, names, [(ACCOUNT, SHARD)])
    return Bench(names=names, dial=connect, has_priorities=has_priorities)


@pytest.mark.parametrize("has_priorities", [True, False], ids=["RabbitMQ 4", "RabbitMQ 3"])
@pytest.mark.parametrize("clause", CLAUSES, ids=lambda clause: clause.__name__)
def test_the_model_keeps_the_contract(clause: Clause, has_priorities: bool) -> None:
    async def check() -> None:
        await clause(await _bench(has_priorities=has_priorities))

    run_simulated(check, horizon_s=600)
