"""The node that the other tests stand on does what they rely on."""

import asyncio
import time

import aio_pika
import pytest

from tests.integration.rabbitmq_node import RabbitNode, RabbitNodeError, is_rabbitmq_installed

pytestmark = pytest.mark.skipif(not is_rabbitmq_installed(), reason="rabbitmq-server is not installed")


async def _publish_confirmed(url: str, queue_name: str) -> None:
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        await channel.declare_queue(queue_name, durable=True, arguments={"x-queue-type": "quorum"})
        message = aio_pika.Message(b"kept", delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
        await channel.default_exchange.publish(message, routing_key=queue_name)


async def _take_one(url: str, queue_name: str) -> bytes:
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        queue = await channel.get_queue(queue_name)
        message = await queue.get(timeout=10)
        await message.ack()
        return message.body


async def test_a_killed_node_comes_back_at_the_same_url_with_what_it_confirmed() -> None:
    node = RabbitNode()
    try:
        await asyncio.to_thread(node.start)
        url = node.url
        await _publish_confirmed(url, "kept")
        await asyncio.to_thread(node.kill)
        with pytest.raises(aio_pika.exceptions.AMQPConnectionError):
            await aio_pika.connect(url)
        await asyncio.to_thread(node.restart)
        assert node.url == url
        assert await _take_one(url, "kept") == b"kept"
    finally:
        await asyncio.to_thread(node.delete)


async def test_virtual_hosts_of_one_node_do_not_see_each_other(rabbit: RabbitNode, amqp_url: str) -> None:
    other_url = rabbit.new_vhost()
    await _publish_confirmed(amqp_url, "here")
    async with await aio_pika.connect(other_url) as connection:
        channel = await connection.channel()
        with pytest.raises(aio_pika.exceptions.ChannelNotFoundEntity):
            await channel.declare_queue("here", passive=True)
    rabbit.delete_vhost(other_url)


def test_a_node_that_cannot_start_says_so_at_once() -> None:
    node = RabbitNode()
    try:
        node.start()
        node.stop()
        (node.folder / "rabbitmq.conf").write_text("no such setting = 1\n")
        began = time.monotonic()
        with pytest.raises(RabbitNodeError, match="did not start"):
            node.start()
        assert time.monotonic() - began < 30
    finally:
        node.delete()
