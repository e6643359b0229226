"""Two connections that are lost and found independently of each other, and what the one must know of the other."""

import asyncio
from typing import Any, cast

from tests.virtual_time import VirtualClock, settled, virtual_time
from tests.worker.fakes import FakeLink
from worker.account_book import AccountBook
from worker.connections import CONSUMING, PUBLISHING, Connections
from worker.consumer import Consumer
from worker.control import Control
from worker.core.shards import Names
from worker.message import Message
from worker.ports import Ports
from worker.publisher import Publisher
from worker.settings import Settings

MESSAGE = Message(body=b"{}", routing_key="k", message_id="m-1")


class Idle:
    """Takes the place of whatever else lives in an epoch."""

    async def attach(self, *_: object) -> None:
        return

    async def catch_up(self, *_: object) -> None:
        await asyncio.Event().wait()

    async def reannounce(self) -> None:
        await asyncio.Event().wait()

    def shards(self, _: Names) -> list[tuple[str, int]]:
        return []


async def _declared(*_: object, **__: object) -> None:
    return


class Pair:
    """The two connections of a worker, each through the fake links that it is given one after another."""

    def __init__(self, tasks: asyncio.TaskGroup) -> None:
        self.links: dict[str, asyncio.Queue[FakeLink]] = {
            CONSUMING: asyncio.Queue(),
            PUBLISHING: asyncio.Queue(),
        }
        ports = Ports(
            clock=VirtualClock(),
            dial=self._dial,
            declare=_declared,
            bind_accounts=_declared,
            jitter=lambda low, _: low,
        )
        self.publisher = Publisher()
        idle = Idle()
        self.connections = Connections(
            Settings(shards=1, heartbeat=5),
            Names(shards=1),
            ports,
            cast("AccountBook", idle),
            self.publisher,
            cast("Control", idle),
            cast("Consumer", idle),
            patient=True,
        )
        self.keeping = [
            tasks.create_task(self.connections.keep_publishing()),
            tasks.create_task(self.connections.keep_consuming()),
        ]

    async def _dial(self, _: str, *, heartbeat: int, name: str) -> Any:
        del heartbeat
        return await self.links[name.split(" ", maxsplit=1)[0]].get()

    async def connect(self, kind: str) -> FakeLink:
        link = FakeLink()
        await self.links[kind].put(link)
        await settled()
        return link

    def stop(self) -> None:
        for task in self.keeping:
            task.cancel()


@virtual_time
async def test_through_a_broker_that_restarted_nothing_is_told_for_a_consumer_that_it_does_not_know() -> None:
    async with asyncio.TaskGroup() as tasks:
        pair = Pair(tasks)
        consuming = await pair.connect(CONSUMING)
        first = await pair.connect(PUBLISHING)
        epoch = pair.connections.epoch
        assert epoch is not None
        assert epoch.is_alive
        consuming.hold("ping")  # the broker restarts; the consuming connection hangs and nobody notices yet
        await first.close()
        telling = tasks.create_task(
            pair.publisher.publish("outcomes", MESSAGE, wanted=lambda: epoch.is_alive)
        )
        await asyncio.sleep(1)
        second = await pair.connect(PUBLISHING)
        assert not await telling
        assert second.publishing == []
        pair.stop()


@virtual_time
async def test_while_the_consumer_is_known_a_new_publishing_connection_tells_what_waits() -> None:
    async with asyncio.TaskGroup() as tasks:
        pair = Pair(tasks)
        await pair.connect(CONSUMING)
        first = await pair.connect(PUBLISHING)
        await first.close()
        epoch = pair.connections.epoch
        assert epoch is not None
        telling = tasks.create_task(
            pair.publisher.publish("outcomes", MESSAGE, wanted=lambda: epoch.is_alive)
        )
        await asyncio.sleep(1)
        second = await pair.connect(PUBLISHING)
        assert await telling
        assert [item.message for item in second.published] == [MESSAGE]
        pair.stop()
