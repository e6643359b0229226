"""Last prices of one venue, asked when a rule cannot be checked without them, and kept for a moment."""

import asyncio
from decimal import Decimal
from typing import Final

from adapters.errors import VenueError
from worker.clock_sync import Clock
from worker.gateway import Gateway
from worker.passage import Fenced, Sending, Throttled

MAX_AGE_S: Final = 5.0


class Prices:
    """A cache of last prices; requests for one symbol are shared."""

    def __init__(self, gateway: Gateway, clock: Clock) -> None:
        self._gateway, self._clock = gateway, clock
        self._prices: dict[str, tuple[float, Decimal]] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def price(self, symbol: str) -> Decimal | VenueError | None:
        """Return the last price of a venue symbol, at most a few seconds old."""
        async with self._locks.setdefault(symbol, asyncio.Lock()):
            known = self._prices.get(symbol)
            if known is not None and self._clock.monotonic() - known[0] < MAX_AGE_S:
                return known[1]
            sending = Sending(signer=None, budget=None, may_send=lambda: True)
            price = await self._gateway.drive(
                self._gateway.adapter.last_price(symbol), sending, lambda _: None
            )
            if isinstance(price, Throttled | Fenced):
                return None
            if isinstance(price, Decimal):
                self._prices[symbol] = (self._clock.monotonic(), price)
            return price
