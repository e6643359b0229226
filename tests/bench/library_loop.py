"""The loop of `naive_loop.py` with the order placed by an exchange library: ccxt or python-binance.

Each library is set up the way its documents say for speed: no rate limiter of its own, markets loaded before the first
order and shared by all accounts (ccxt), no request beyond the order itself. Everything around the order is the naive
loop's: consume, decode, place, publish with confirm, acknowledge, a callback per message up to the same prefetch.
"""

import argparse
import asyncio
import signal
import tomllib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aio_pika
import aiohttp
import ccxt.async_support as ccxt
import orjson
import uvloop
from aio_pika.abc import AbstractIncomingMessage
from binance import AsyncClient

from tests.bench.naive_loop import PREFETCH, outcome_body

Accounts = Mapping[str, Mapping[str, str]]
Place = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]


@asynccontextmanager
async def with_ccxt(accounts: Accounts) -> AsyncIterator[Place]:
    """One client for each account, as its documents say; they share a session and the markets of the first."""
    async with aiohttp.ClientSession() as session:
        clients = {name: _ccxt_client(account, session) for name, account in accounts.items()}
        first, *others = clients.values()
        await first.load_markets()
        for client in others:
            client.set_markets_from_exchange(first)
        unified = {market["id"]: symbol for symbol, market in first.markets.items()}

        async def place(row: dict[str, Any]) -> dict[str, Any]:
            order = await clients[row["account"]].create_order(
                unified[row["symbol"]],
                row["type"],
                row["side"],
                row["quantity"],
                None,
                {"newClientOrderId": row["signal_id"]},
            )
            reply: dict[str, Any] = order["info"]
            return reply

        try:
            yield place
        finally:
            for client in clients.values():
                client.session = None


def _ccxt_client(account: Mapping[str, str], session: aiohttp.ClientSession) -> Any:
    client = ccxt.binance(
        {
            "apiKey": account["api_key"],
            "secret": account["secret_key"],
            "session": session,
            "enableRateLimit": False,
            "options": {
                "fetchMarkets": {"types": ["spot"]},
                "fetchCurrencies": False,
                "fetchMargins": False,
            },
        }
    )
    client.urls["api"] = {
        name: f"{account['base_url']}/{url.split('://', 1)[1].partition('/')[2]}"
        for name, url in client.urls["api"].items()
        if isinstance(url, str)
    }
    return client


@asynccontextmanager
async def with_python_binance(accounts: Accounts) -> AsyncIterator[Place]:
    """One client for each account; the constructor asks the venue nothing."""
    async with AsyncExitStack() as stack:
        clients = {}
        for name, account in accounts.items():
            client = AsyncClient(account["api_key"], account["secret_key"])
            stack.push_async_callback(client.close_connection)
            client.API_URL = f"{account['base_url']}/api"
            clients[name] = client

        async def place(row: dict[str, Any]) -> dict[str, Any]:
            reply: dict[str, Any] = await clients[row["account"]].create_order(
                symbol=row["symbol"],
                side=row["side"].upper(),
                type=row["type"].upper(),
                quantity=row["quantity"],
                newClientOrderId=row["signal_id"],
                newOrderRespType="FULL",
            )
            return reply

        yield place


LIBRARIES = {"ccxt": with_ccxt, "python-binance": with_python_binance}


async def run(amqp_url: str, namespace: str, library: str, accounts: Accounts) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with await aio_pika.connect_robust(amqp_url) as connection, LIBRARIES[library](accounts) as place:
        incoming = await connection.channel()
        await incoming.set_qos(prefetch_count=PREFETCH)
        outgoing = await connection.channel(publisher_confirms=True)
        exchange = await outgoing.get_exchange(f"{namespace}.outcomes")
        queue = await incoming.get_queue(f"{namespace}.signals")

        async def on_message(message: AbstractIncomingMessage) -> None:
            row = orjson.loads(message.body)
            reply = await place(row)
            outcome = aio_pika.Message(
                outcome_body(row, reply),
                content_type="application/json",
                correlation_id=row["signal_id"],
                delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
            )
            await exchange.publish(outcome, routing_key=f"{row['account']}.{reply['status']}")
            await message.ack()

        await queue.consume(on_message)
        await stop.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("library", choices=LIBRARIES)
    parser.add_argument("--amqp-url", required=True)
    parser.add_argument("--namespace", required=True)
    parser.add_argument("--accounts", type=Path, required=True)
    options = parser.parse_args()
    accounts = tomllib.loads(options.accounts.read_text(encoding="utf-8"))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run(options.amqp_url, options.namespace, options.library, accounts))


if __name__ == "__main__":
    main()
