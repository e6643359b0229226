"""A producer of signals: publishes one, waits for the broker's confirm, then for its outcome.

Needs aio-pika:  AMQP_URL=amqp://user:password@broker/ python producer.py main BTC/USDT buy 0.01
"""

import asyncio
import json
import os
import sys
import time
import uuid

import aio_pika

EXCHANGE = "beeline.signals"


async def main(account: str, symbol: str, side: str, quantity: str) -> int:
    signal = {
        # Your own id, and never the same one for another order: it is what makes a repetition safe.
        "signal_id": f"example-{uuid.uuid4()}",
        "account": account,
        "symbol": symbol,
        "side": side,
        "type": "market",
        "quantity": quantity,  # a decimal as text, never a float
    }
    async with await aio_pika.connect(os.environ["AMQP_URL"]) as connection:
        # With confirms, and an exception for what no queue takes: else a signal can be lost without a word.
        channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
        replies = await channel.declare_queue(exclusive=True)
        message = aio_pika.Message(
            json.dumps(signal).encode(),
            content_type="application/json",
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
            reply_to=replies.name,  # a copy of the outcome; the original goes to beeline.outcomes
            headers={"created_at_us": time.time_ns() // 1000},  # its validity starts here
        )
        exchange = await channel.get_exchange(EXCHANGE, ensure=False)
        # If this fails, publish the same message again with the same signal_id: it is executed once.
        await exchange.publish(message, routing_key=account, mandatory=True)
        async with replies.iterator(no_ack=True) as outcomes:
            outcome = json.loads((await anext(outcomes)).body)
    print(json.dumps(outcome, indent=2))
    return 0 if outcome["status"] == "filled" else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main(*sys.argv[1:])))
