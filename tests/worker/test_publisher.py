"""A message is published until the broker confirms it, or nobody wants it any more."""

import asyncio

import pytest

from tests.virtual_time import settled, virtual_time
from tests.worker.fakes import FakeLink
from worker.message import Message
from worker.publisher import Publisher

MESSAGE = Message(body=b"{}", routing_key="k", message_id="m-1")


def always() -> bool:
    return True


@virtual_time
async def test_a_confirmed_message_is_published() -> None:
    link, publisher = FakeLink(), Publisher()
    await publisher.attach(link)
    assert await publisher.publish("x", MESSAGE, wanted=always)
    assert [item.message for item in link.published] == [MESSAGE]
    assert publisher.failures == 0


@virtual_time
async def test_without_a_link_a_publish_waits_for_one() -> None:
    link, publisher = FakeLink(), Publisher()
    task = asyncio.create_task(publisher.publish("x", MESSAGE, wanted=always))
    await asyncio.sleep(60)
    assert not task.done()
    await publisher.attach(link)
    assert await task


@virtual_time
async def test_a_failed_publish_goes_out_again_on_a_fresh_channel() -> None:
    link, publisher = FakeLink(), Publisher()
    await publisher.attach(link)
    link.failures["publish"] = 2
    assert await publisher.publish("x", MESSAGE, wanted=always)
    assert [line.is_closed for line in link.lines] == [True, True, False]
    assert publisher.failures == 2


@virtual_time
async def test_publishes_that_fail_together_open_one_channel() -> None:
    link, publisher = FakeLink(), Publisher()
    await publisher.attach(link)
    link.failures["publish"] = 10
    broken = link.hold("publish")
    together = asyncio.gather(*(publisher.publish("x", MESSAGE, wanted=always) for _ in range(10)))
    await settled()
    broken.set()
    assert all(await together)
    assert len(link.lines) == 2


@virtual_time
async def test_a_message_no_queue_takes_is_tried_until_one_does() -> None:
    link, publisher = FakeLink(), Publisher()
    await publisher.attach(link)
    link.unroutable = True
    task = asyncio.create_task(publisher.publish("x", MESSAGE, wanted=always))
    await asyncio.sleep(30)
    assert not task.done()
    link.unroutable = False
    assert await task
    assert len(link.lines) == 1


@virtual_time
async def test_a_publish_that_nobody_wants_any_more_ends() -> None:
    link, publisher, wanted = FakeLink(), Publisher(), True
    task = asyncio.create_task(publisher.publish("x", MESSAGE, wanted=lambda: wanted))
    await asyncio.sleep(1)
    wanted = False
    assert not await task
    assert link.published == []


@virtual_time
async def test_a_lost_link_is_replaced_by_the_next_one() -> None:
    first, second, publisher = FakeLink(), FakeLink(), Publisher()
    await publisher.attach(first)
    publisher.detach()
    assert not publisher.is_connected
    task = asyncio.create_task(publisher.publish("x", MESSAGE, wanted=always))
    await settled()
    await publisher.attach(second)
    assert await task
    assert (len(first.published), len(second.published)) == (0, 1)


@pytest.mark.parametrize("failures", [1, 3])
@virtual_time
async def test_a_channel_that_cannot_be_opened_is_tried_again_while_the_link_lives(failures: int) -> None:
    link, publisher = FakeLink(), Publisher()
    await publisher.attach(link)
    link.failures["publish"], link.failures["open_line"] = 1, failures
    async with asyncio.timeout(60):
        assert await publisher.publish("x", MESSAGE, wanted=always)
