"""Publishes outcomes and records: confirmed, mandatory, and again for as long as it matters.

The publisher has a connection of its own, because a broker under a memory alarm blocks connections that
publish, and one that only consumes keeps flowing. A failed publish says nothing about what the broker did, so
it is repeated with the same identity and consumers see one outcome twice rather than none.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import structlog

from worker.amqp import BrokerError, Line, Link, UnroutableError
from worker.message import Message

RETRY_S: Final = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0)

log = structlog.get_logger("beeline.publisher")


class Publisher:
    """Publishes through whatever link it is given; waits while there is none."""

    def __init__(self) -> None:
        self._line: Line | None = None
        self._link: Link | None = None
        self._connected = asyncio.Event()
        self._is_opening = False
        self.failures = 0

    @property
    def is_connected(self) -> bool:
        """Whether a link is at hand."""
        return self._connected.is_set()

    async def attach(self, link: Link) -> None:
        """Publish through a new link."""
        self._line = await link.open_line(confirms=True)
        self._link = link
        self._connected.set()

    def detach(self) -> None:
        """Forget a lost link."""
        self._connected.clear()
        self._line = self._link = None

    async def publish(
        self, exchange: str, message: Message, *, wanted: Callable[[], bool], mandatory: bool = True
    ) -> bool:
        """Publish until the broker confirms, or until nobody wants it any more.

        Returns:
            True when the broker confirmed the message.
        """
        tries = 0
        while wanted():
            line = self._line
            if line is None:
                await self._open()
                with suppress(TimeoutError):
                    async with asyncio.timeout(RETRY_S[-1]):
                        await self._connected.wait()
                continue
            try:
                await line.publish(exchange, message, mandatory=mandatory)
            except UnroutableError:
                log.warning(
                    "no queue takes this message, trying again; run `beeline topology`", exchange=exchange
                )
            except BrokerError as error:
                log.warning(
                    "publish failed, trying again on a fresh channel", exchange=exchange, reason=str(error)
                )
                await self._replace(line)
            else:
                return True
            self.failures += 1
            await asyncio.sleep(RETRY_S[min(tries, len(RETRY_S) - 1)])
            tries += 1
        return False

    async def _replace(self, broken: Line) -> None:
        """Open a fresh channel, once for all publishes that failed on the old one."""
        if self._line is not broken or self._link is None:
            return
        self._line = None
        self._connected.clear()
        await broken.close()
        await self._open()

    async def _open(self) -> None:
        """Open a channel on a link that has none; whoever still waits tries again when that fails."""
        link = self._link
        if link is None or self._line is not None or self._is_opening:
            return
        self._is_opening = True
        try:
            line = await link.open_line(confirms=True)
        except BrokerError:
            return
        finally:
            self._is_opening = False
        if self._link is link:
            self._line = line
            self._connected.set()
