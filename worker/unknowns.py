"""Outcomes that ended as unknown: counted, aged, and corrected when the truth becomes known.

An unknown outcome is an answer, but not the last word. While its shard is owned here, the venue is asked again
at a slow pace for as long as the id is remembered; what it says then is published as the same outcome with the
next revision. A new owner finds the unknown ones in the shard's memory and goes on asking.
"""

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any, Final

import orjson
import structlog

from adapters.base import Adapter
from adapters.errors import Landed, refusal
from adapters.model import Absent, Found, Order, OrderType, Side, Sighting, TimeInForce
from worker.account_book import AccountBook
from worker.accounts import Account
from worker.clock_sync import Clock
from worker.consumer import Shard
from worker.core.outcome import Outcome, Settlement, correct_outcome, settle_placement
from worker.core.resolution import READ_LAG_MS, STAMP_AHEAD_MS, Instant
from worker.gateway import Gateway
from worker.keys import Keys
from worker.passage import Exchange, Sending
from worker.settings import Settings
from worker.trade import always, expired, seen

FIRST_PAUSE_S: Final = 10.0
LONGEST_PAUSE_S: Final = 60.0
SINCE_MS: Final = 1_800_000.0

log = structlog.get_logger("beeline.unknown")

Correct = Callable[[Outcome, Shard], Awaitable[None]]


class Unknowns:
    """Every unknown outcome of the shards owned here."""

    def __init__(
        self,
        clock: Clock,
        book: AccountBook,
        keys: Keys,
        tasks: asyncio.TaskGroup,
        correct: Correct,
        *,
        settings: Settings,
    ) -> None:
        self._clock, self._book, self._keys, self._tasks = clock, book, keys, tasks
        self._correct = correct
        self._memory_s = settings.memory
        self._open: dict[str, float] = {}

    @property
    def count(self) -> int:
        """How many are open."""
        return len(self._open)

    @property
    def oldest_s(self) -> float:
        """Age of the oldest, in seconds; 0 when there is none."""
        now_s = self._clock.monotonic()
        return max((now_s - since_s for since_s in self._open.values()), default=0.0)

    def resume(self, shard: Shard) -> None:
        """Go on asking for what earlier owners of a shard left unknown."""
        for outcome in shard.memory.unknown():
            self.watch(outcome, shard)

    def watch(self, outcome: Outcome, shard: Shard) -> None:
        """Ask for the fate of a placement until it is known, the id is forgotten, or the shard is not ours."""
        if outcome.outcome_id in self._open:
            return
        order = _order(orjson.loads(outcome.body))
        if order is not None:
            self._open[outcome.outcome_id] = self._clock.monotonic()
            self._tasks.create_task(self._follow(outcome, order, shard))

    async def _follow(self, outcome: Outcome, order: Order, shard: Shard) -> None:
        began_s, pause_s = self._clock.monotonic(), FIRST_PAUSE_S
        conclusive_at = self._conclusive_at(outcome.account, shard)
        try:
            while self._clock.monotonic() < began_s + self._memory_s:
                await asyncio.sleep(pause_s)
                if not shard.is_owned:
                    return
                pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
                conclusive_at = conclusive_at or self._conclusive_at(outcome.account, shard)
                sighting = await self._ask(outcome, order, conclusive_at)
                if not _is_about(sighting, orjson.loads(outcome.body)):
                    continue
                settlement = _truth(sighting, order)
                if settlement is not None:
                    status = settlement.status.value
                    log.info("unknown outcome corrected", signal_id=outcome.signal_id, status=status)
                    corrected = correct_outcome(outcome, settlement, order, self._clock.wall_ms())
                    await self._correct(corrected, shard)
                    return
        finally:
            del self._open[outcome.outcome_id]

    def _conclusive_at(self, name: str, shard: Shard) -> Instant | None:
        """From when on an absence proves something; `None` while the venue's time is not known.

        Until then a request can still enter: ours, or one of an earlier owner whose lease had not ended.
        """
        gateway = self._gateway_of(name)
        if gateway is None:
            return None
        lease_left_ms = max(0.0, shard.sending_until_ms - self._clock.wall_ms())
        now = Instant(venue_ms=gateway.latest_venue_ms(), mono_ms=self._clock.monotonic() * 1000)
        wait_ms = lease_left_ms + gateway.recv_window_max_ms + READ_LAG_MS
        # What a venue took was stamped less than a second ahead of its clock, and so is what it will take.
        return now.plus(wait_ms + 2 * STAMP_AHEAD_MS, wait_ms)

    def _gateway_of(self, name: str) -> Gateway | None:
        """The gateway of an account that may ask, once its venue's time is known."""
        account = self._book.accounts.get(name)
        if account is None or account.signer is None or self._keys.error(account) is not None:
            return None
        gateway = self._book.gateway_of(account)
        return gateway if gateway.clock.read() is not None else None

    async def _ask(self, outcome: Outcome, order: Order, conclusive_at: Instant | None) -> Sighting | None:
        """Look the order up; an absence that proves nothing yet is none."""
        account, gateway = self._book.accounts.get(outcome.account), self._gateway_of(outcome.account)
        if account is None or gateway is None or conclusive_at is None:
            return None
        sending = Sending(signer=account.signer, budget=None, may_send=always)
        since_ms, asked_s = int(gateway.earliest_venue_ms() - SINCE_MS), self._clock.monotonic()
        venue_order_id = orjson.loads(outcome.body)["venue_order_id"]
        flow = gateway.adapter.find(order, venue_order_id=venue_order_id, since_ms=since_ms)
        stamps_ms: list[float] = []

        def hear(exchange: Exchange) -> None:
            stamps_ms.append(exchange.stamped_ms)
            self._hear(account, gateway.adapter, exchange)

        sighting = seen(await gateway.drive(flow, sending, hear))
        asked = Instant(venue_ms=min(stamps_ms, default=0.0), mono_ms=asked_s * 1000)
        return None if isinstance(sighting, Absent) and not asked.is_after(conclusive_at) else sighting

    def _hear(self, account: Account, adapter: Adapter, exchange: Exchange) -> None:
        error = adapter.error(exchange.answer)
        if error is not None:
            self._keys.hear(account, error, self._clock.monotonic() - exchange.venue_ms / 1000)


def _is_about(sighting: Sighting | None, document: dict[str, Any]) -> bool:
    """Whether a sighting can correct an outcome: by its ids, never by its shape, and never against a landing."""
    if isinstance(sighting, Found):
        report = sighting.report
        ids = (document["client_order_id"], document["venue_order_id"])
        return report.client_order_id == ids[0] or (
            bool(report.venue_order_id) and report.venue_order_id == ids[1]
        )
    return bool(document["landed"] != Landed.YES)


def _truth(sighting: Sighting | None, order: Order) -> Settlement | None:
    """What a look-up long after the last possible request proves; `None` when it proves nothing."""
    match sighting:
        case Found(report=report) if report.state is not None:
            return settle_placement(report, order)
        case Absent():
            return expired(refusal("signal_expired", detail="The venue has no such order"))
        case _:
            return None


def _order(document: dict[str, Any]) -> Order | None:
    """Rebuild the order an outcome speaks of; `None` for anything but a placement."""
    asked = document.get("order")
    if document.get("action") != "place" or not asked or not document.get("client_order_id"):
        return None
    return Order(
        client_order_id=document["client_order_id"],
        symbol=document["symbol"].replace("/", "").upper(),
        side=Side(asked["side"]),
        type=OrderType(asked["type"]),
        quantity=_decimal(asked["quantity"]),
        price=_decimal(asked["price"]),
        time_in_force=TimeInForce(asked["time_in_force"]) if asked["time_in_force"] else None,
    )


def _decimal(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)
