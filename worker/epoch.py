"""An epoch: the life of one consuming connection, and the lease to send orders that comes with it.

Single-active-consumer is no fence: when a link dies silently, the broker promotes another worker seconds
before this one notices. The broker cannot have given this connection up before `ping sent + 2 x heartbeat`,
so a worker may send only until a second before that, and every round trip renews the lease. A delivery of an
ended epoch is never acknowledged, and nothing is placed for it.
"""

import asyncio
from typing import Final

from worker.amqp import BrokerError, Line
from worker.clock_sync import Clock

LEASE_MARGIN_S: Final = 1.0


def lease_s(heartbeat_s: float) -> float:
    """How long after a ping was sent orders may still go out."""
    return 2 * heartbeat_s - LEASE_MARGIN_S


class Epoch:
    """One (re)connection. Ends once and for all."""

    def __init__(self, clock: Clock, heartbeat_s: float, number: int) -> None:
        self.number = number
        self._clock = clock
        self._heartbeat_s = heartbeat_s
        self._ended = asyncio.Event()
        self._lease_until_s = 0.0
        self.reason: str | None = None

    @property
    def is_alive(self) -> bool:
        """Whether deliveries of this epoch still count."""
        return not self._ended.is_set()

    @property
    def lease_remaining_s(self) -> float:
        """How much longer orders may be sent without another round trip."""
        return self._lease_until_s - self._clock.monotonic() if self.is_alive else 0.0

    def may_send(self) -> bool:
        """Whether an order may go out right now.

        What a lapsed lease refuses comes again with the next epoch only, so the epoch ends with it: a lease
        renewed late would leave that signal behind and let the next one of its lane overtake it.
        """
        if self.is_alive and self._clock.monotonic() >= self._lease_until_s:
            self.end("the lease ran out: the broker did not answer in time")
        return self.is_alive

    def end(self, reason: str) -> None:
        """End the epoch."""
        if self.is_alive:
            self.reason = reason
            self._ended.set()

    async def ended(self) -> None:
        """Wait for the end."""
        await self._ended.wait()

    async def renew(self, line: Line, queue: str) -> None:
        """Renew the lease by one round trip.

        Raises:
            BrokerError: the round trip failed.
        """
        sent_s = self._clock.monotonic()
        await line.ping(queue)
        self._lease_until_s = sent_s + lease_s(self._heartbeat_s)

    async def confirm(self, line: Line, queue: str) -> None:
        """Renew the lease, or end the epoch when the broker does not answer before it runs out."""
        try:
            async with asyncio.timeout(max(0.1, self.lease_remaining_s)):
                await self.renew(line, queue)
        except (BrokerError, TimeoutError):
            self.end("the lease ran out: the broker did not answer in time")

    async def keep(self, line: Line, queue: str) -> None:
        """Renew the lease until the epoch ends; a lease that runs out ends it."""
        while self.is_alive:
            await asyncio.sleep(self._heartbeat_s / 3)
            await self.confirm(line, queue)
