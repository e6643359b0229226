"""A steady load: signals at a rate, whoever answers them and however long it takes, with the latency of each."""

import asyncio
import itertools
import time
from collections import Counter
from contextlib import suppress
from typing import Any, Final

import aio_pika
import orjson

NAMESPACE: Final = "beeline"
ORDERS: Final = (("BTC/USDT", "0.001"), ("ETH/USDT", "0.02"))
"""Small enough for every balance, and large enough for the venue: a refusal that repeats is slowed down on purpose."""


class Load:
    """Publishes market orders over many lanes, and takes the time until the outcome of each."""

    def __init__(self, url: str, accounts: list[str], *, rate: float) -> None:
        self._url, self._accounts, self._rate = url, accounts, rate
        self._stopped = asyncio.Event()
        self._changed = asyncio.Condition()
        self.published_s: dict[str, float] = {}
        self.latencies_ms: dict[str, float] = {}
        self.outcomes: dict[str, dict[str, Any]] = {}
        self.answers: Counter[str] = Counter()
        self.disagreeing: list[str] = []

    def stop(self) -> None:
        """Publish no more."""
        self._stopped.set()

    async def publish(self) -> None:
        """Publish until stopped; a signal that could not be published in time is published late, not left out."""
        async with await aio_pika.connect(self._url) as connection:
            channel = await connection.channel(on_return_raises=True)
            exchange = await channel.get_exchange(f"{NAMESPACE}.signals", ensure=False)
            began_s = time.monotonic()
            for number in itertools.count(1):
                await self._publish_one(exchange, number)
                left_s = began_s + number / self._rate - time.monotonic()
                with suppress(TimeoutError):
                    async with asyncio.timeout(max(0.0, left_s)):
                        await self._stopped.wait()
                if self._stopped.is_set():
                    return

    async def _publish_one(self, exchange: aio_pika.abc.AbstractExchange, number: int) -> None:
        account = self._accounts[number % len(self._accounts)]
        symbol, quantity = ORDERS[number // len(self._accounts) % len(ORDERS)]
        signal = {
            "signal_id": f"rolling-{number}",
            "account": account,
            "symbol": symbol,
            "side": "buy" if number % 2 else "sell",
            "type": "market",
            "quantity": quantity,
        }
        message = aio_pika.Message(orjson.dumps(signal), delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
        self.published_s[signal["signal_id"]] = time.monotonic()
        await exchange.publish(message, account, mandatory=True)

    async def follow(self) -> None:
        """Read outcomes for as long as the task lives."""
        async with await aio_pika.connect(self._url) as connection:
            channel = await connection.channel()
            await channel.set_qos(prefetch_count=200)
            queue = await channel.get_queue(f"{NAMESPACE}.outcomes", ensure=False)
            await queue.consume(self._take)
            await asyncio.Event().wait()

    async def _take(self, message: aio_pika.abc.AbstractIncomingMessage) -> None:
        outcome = orjson.loads(message.body)
        name = outcome["signal_id"]
        self.answers[name] += 1
        if name not in self.outcomes:
            self.outcomes[name] = outcome
            self.latencies_ms[name] = (time.monotonic() - self.published_s[name]) * 1000
        elif outcome["outcome_id"] != self.outcomes[name]["outcome_id"]:
            self.disagreeing.append(name)
        await message.ack()
        async with self._changed:
            self._changed.notify_all()

    async def until(self, count: int, patience_s: float) -> None:
        """Wait until so many signals are answered."""
        async with asyncio.timeout(patience_s), self._changed:
            await self._changed.wait_for(lambda: len(self.outcomes) >= count)

    async def complete(self, patience_s: float) -> None:
        """Wait until everything published is answered, or nothing more comes in a long time."""
        with suppress(TimeoutError):
            while len(self.outcomes) < len(self.published_s):
                await self.until(len(self.outcomes) + 1, patience_s)
