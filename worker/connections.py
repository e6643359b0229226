"""Keeps the two connections to the broker: one to consume, one to publish.

Each is connected, used until it is lost, and connected again after a jittered back-off, so that a pool does
not come back in step. Each consuming connection is an epoch: it declares what is missing, holds a lease, and
when it ends for whatever reason, everything that was delivered through it is void.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Final

import structlog

from worker.account_book import AccountBook
from worker.amqp import BrokerError, Line, Link
from worker.consumer import Consumer
from worker.control import Control
from worker.core.shards import Names
from worker.epoch import Epoch
from worker.ports import Ports
from worker.publisher import Publisher
from worker.settings import Settings
from worker.topology import TopologyError

CONSUMING: Final = "beeline-consume"
PUBLISHING: Final = "beeline-publish"
FIRST_BACKOFF_S: Final = 0.1
LONGEST_BACKOFF_S: Final = 10.0
BURST_TRIES: Final = 4

log = structlog.get_logger("beeline.broker")


class _EpochEndedError(Exception):
    """Ends the tasks of an epoch."""


class Connections:
    """The worker's connections and the epoch it lives in."""

    def __init__(
        self,
        settings: Settings,
        names: Names,
        ports: Ports,
        book: AccountBook,
        publisher: Publisher,
        control: Control,
        consumer: Consumer,
        *,
        patient: bool,
    ) -> None:
        self._settings, self._names, self._ports, self._book = settings, names, ports, book
        self._publisher, self._control, self._consumer = publisher, control, consumer
        self._patient = patient
        self.epoch: Epoch | None = None
        self._lease: tuple[Line, str] | None = None
        self.epochs = 0
        self.connected: Counter[str] = Counter({CONSUMING: 0, PUBLISHING: 0})
        self.consuming: Link | None = None
        self._bound: frozenset[tuple[str, int]] = frozenset()

    @property
    def is_consuming(self) -> bool:
        """Whether every shard is being consumed."""
        return self.epoch is not None and self.epoch.is_alive and self._consumer.is_attached

    @property
    def lease_remaining_s(self) -> float:
        """How much longer orders may be sent without another round trip."""
        return self.epoch.lease_remaining_s if self.epoch else 0.0

    async def keep_publishing(self) -> None:
        """Keep the publishing connection."""
        await self._keep(PUBLISHING, self._publish_through)

    async def keep_consuming(self) -> None:
        """Keep the consuming connection.

        Raises:
            TopologyError: on the first connection, when the broker holds something that does not fit.
            BrokerError: the broker stays unreachable, for a worker that is not patient.
        """
        await self._keep(CONSUMING, self._consume_through)

    async def bind_accounts(self) -> None:
        """Route accounts to their shards now; without a connection the next one does."""
        if self.consuming is not None:
            with suppress(BrokerError):
                await self._bind(self.consuming)

    async def _bind(self, link: Link) -> None:
        """Route accounts to their shards, as far as this user may."""
        shards = self._book.shards(self._names)
        try:
            await self._ports.bind_accounts(link, self._names, shards, known=self._bound)
            self._bound = frozenset(shards)
        except TopologyError as error:
            log.warning("accounts not bound; signals of new ones are not routed here", reason=str(error))

    async def _keep(self, name: str, use: Callable[[Link], Coroutine[None, None, str]]) -> None:
        tries = 0
        while True:
            try:
                link = await self._dial(name)
            except BrokerError as error:
                tries += 1
                log.warning("broker unreachable, trying again", connection=name, reason=str(error))
                if not self._patient and tries >= BURST_TRIES:
                    raise
            else:
                self.connected[name] += 1
                tries = await self._use(name, link, use)
            ceiling_s = min(LONGEST_BACKOFF_S, FIRST_BACKOFF_S * 2**tries)
            await asyncio.sleep(self._ports.jitter(FIRST_BACKOFF_S / 2, ceiling_s))

    async def _dial(self, name: str) -> Link:
        url = self._settings.amqp_url.get_secret_value()
        full_name = f"{name} {self._settings.worker_id}"
        return await self._ports.dial(url, heartbeat=self._settings.heartbeat, name=full_name)

    async def _use(self, name: str, link: Link, use: Callable[[Link], Coroutine[None, None, str]]) -> int:
        """Use a link until it is lost; return how many tries the next back-off should count."""
        try:
            reason = await _apart(use(link))
            # Said at once: closing a link that does not answer takes its time.
            log.warning("broker connection lost, connecting again", connection=name, reason=reason)
        except BrokerError as error:
            log.warning("broker connection failed, connecting again", connection=name, reason=str(error))
            return 1
        except TopologyError as error:
            if self.epochs == 0:
                raise
            log.warning("topology does not fit any more, trying again", reason=str(error))
            return 1
        finally:
            await link.close()
        return 0

    async def _publish_through(self, link: Link) -> str:
        await self._confirm_epoch()
        await self._publisher.attach(link)
        try:
            await link.lost()
        finally:
            self._publisher.detach()
        return link.reason

    async def _confirm_epoch(self) -> None:
        """Ask whether the broker that comes back still knows our consumers, before anything is told in their name.

        One that restarted has given every connection up, and somebody else may own our shards, although the lease runs:
        an answer that it had no part in would then stand beside the new owner's.
        """
        if self.epoch is not None and self.epoch.is_alive and self._lease is not None:
            await self.epoch.confirm(*self._lease)

    async def _consume_through(self, link: Link) -> str:
        """Live one epoch."""
        await self._ports.declare(link, self._names)
        await self._bind(link)
        self.epochs += 1
        epoch = Epoch(self._ports.clock, self._settings.heartbeat, self.epochs)
        line = await link.open_line()
        lease = line, self._names.signals_queue(0)
        await epoch.renew(*lease)
        self.epoch, self.consuming, self._lease = epoch, link, lease
        try:
            async with asyncio.TaskGroup() as living:
                living.create_task(_watch(link, epoch))
                living.create_task(epoch.keep(*lease))
                living.create_task(self._consumer.reannounce())
                await self._control.attach(link)
                living.create_task(self._control.catch_up(lambda: epoch.is_alive))
                await self._consumer.attach(link, epoch)
                self._say_consuming(link, epoch)
                await epoch.ended()
                raise _EpochEndedError  # noqa: TRY301 - the way to end a task group
        except* (_EpochEndedError, BrokerError):
            epoch.end("setting up failed")
        finally:
            epoch.end("shutting down")
            self.consuming = None
        return epoch.reason or "unknown"

    def _say_consuming(self, link: Link, epoch: Epoch) -> None:
        version = link.broker_version
        rule = (
            "first come, first served: later workers stand by" if version.startswith("3.") else "by priority"
        )
        log.info("consuming", shards=self._names.shards, epoch=epoch.number, broker=version, ownership=rule)


async def _watch(link: Link, epoch: Epoch) -> None:
    await link.lost()
    epoch.end(link.reason)


async def _apart(work: Coroutine[None, None, str]) -> str:
    """Do something in a task of its own, so that a cancellation always ends the one that waits.

    Before Python 3.13 a task group that fails while its task is being cancelled swallows the cancellation: a
    worker told to stop at the moment its connection is lost would connect again, for ever.
    """
    task = asyncio.create_task(work)
    try:
        await asyncio.wait([task])
        return task.result()
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait([task])
