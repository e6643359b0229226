"""The loop that Beeline is measured against: what an engineer writes by hand with aio-pika and aiohttp.

It does the work of the happy path and nothing else: consume, decode, sign, POST, publish with confirm, acknowledge.
It knows no symbol rules, limits, clocks or retries, and sends orders twice when it is killed. Concurrency comes from
the client library, which runs a callback per message, up to the prefetch.
"""

import argparse
import asyncio
import hashlib
import hmac
import signal
import time
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aio_pika
import aiohttp
import orjson
import uvloop
from aio_pika.abc import AbstractIncomingMessage

PREFETCH = 50
RECV_WINDOW_MS = 5000


def signed_query(row: dict[str, Any], secret: str) -> str:
    query = urlencode(
        {
            "symbol": row["symbol"],
            "side": row["side"].upper(),
            "type": row["type"].upper(),
            "quantity": row["quantity"],
            "newClientOrderId": row["signal_id"],
            "newOrderRespType": "FULL",
            "recvWindow": RECV_WINDOW_MS,
            "timestamp": int(time.time() * 1000),
        }
    )
    return f"{query}&signature={hmac.new(secret.encode(), query.encode(), hashlib.sha256).hexdigest()}"


def outcome_body(row: dict[str, Any], reply: dict[str, Any]) -> bytes:
    return orjson.dumps(
        {
            "signal_id": row["signal_id"],
            "account": row["account"],
            "symbol": row["symbol"],
            "status": str(reply.get("status", "REJECTED")).lower(),
            "venue_order_id": reply.get("orderId"),
            "executed_quantity": reply.get("executedQty"),
            "executed_quote": reply.get("cummulativeQuoteQty"),
            "fills": reply.get("fills"),
            "code": reply.get("code"),
        }
    )


async def run(amqp_url: str, namespace: str, accounts: dict[str, dict[str, str]]) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    connection = await aio_pika.connect_robust(amqp_url)
    async with connection, aiohttp.ClientSession() as session:
        incoming = await connection.channel()
        await incoming.set_qos(prefetch_count=PREFETCH)
        outgoing = await connection.channel(publisher_confirms=True)
        exchange = await outgoing.get_exchange(f"{namespace}.outcomes")
        queue = await incoming.get_queue(f"{namespace}.signals")

        async def on_message(message: AbstractIncomingMessage) -> None:
            row = orjson.loads(message.body)
            account = accounts[row["account"]]
            url = f"{account['base_url']}/api/v3/order?{signed_query(row, account['secret_key'])}"
            async with session.post(url, headers={"X-MBX-APIKEY": account["api_key"]}) as response:
                reply = orjson.loads(await response.read())
            outcome = aio_pika.Message(
                outcome_body(row, reply),
                content_type="application/json",
                correlation_id=row["signal_id"],
                delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
            )
            await exchange.publish(outcome, routing_key=f"{row['account']}.{reply.get('status')}")
            await message.ack()

        await queue.consume(on_message)
        await stop.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--amqp-url", required=True)
    parser.add_argument("--namespace", required=True)
    parser.add_argument("--accounts", type=Path, required=True)
    options = parser.parse_args()
    accounts = tomllib.loads(options.accounts.read_text(encoding="utf-8"))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run(options.amqp_url, options.namespace, accounts))


if __name__ == "__main__":
    main()
