"""The broker port under a burst: many signals may settle in one turn of the event loop."""

import asyncio

from worker.amqp import dial, guarded
from worker.message import Message

BURST = 300


async def test_a_burst_of_acknowledgements_is_applied_and_breaks_nothing(amqp_url: str) -> None:
    link = await dial(amqp_url, heartbeat=5, name="test")
    channel = await (await link.open_channel()).get_underlay_channel()
    await guarded(channel.queue_declare("burst", durable=True, arguments={"x-queue-type": "quorum"}))
    publisher = await link.open_line(confirms=True)
    await asyncio.gather(
        *(publisher.publish("", Message(body=b"{}", routing_key="burst")) for _ in range(BURST))
    )
    line = await link.open_line(prefetch=BURST)
    tags: list[int] = []
    complete = asyncio.Event()

    def take(message: Message) -> None:
        tags.append(message.tag)
        if len(tags) == BURST:
            complete.set()

    async with asyncio.timeout(30):
        await line.consume("burst", take)
        await complete.wait()
        for tag in tags:
            line.ack(tag)
        await line.ping("burst")
        await line.close()
        # Closing gives back what was not acknowledged; another channel of the connection sees it in order.
        assert (await guarded(channel.queue_declare("burst", passive=True))).message_count == 0
    await link.close()
