"""What every kind of work on a signal shares: its account, its gateway, and the time it has left."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from adapters.base import Flow
from adapters.errors import Landed, Retry, VenueError, refusal
from adapters.model import Accepted, LimitKind, LookupFailed, Refused, Sighting, SymbolRules, Verdict
from worker.account_book import AccountBook
from worker.accounts import Account
from worker.clock_sync import Clock
from worker.core.holds import StopRecord, Stops
from worker.core.outcome import Settlement, Status
from worker.core.resolution import Moment
from worker.dispatcher import Dispatcher
from worker.execution import Execution
from worker.keys import Keys
from worker.passage import Exchange, Fenced, Sending, Throttled
from worker.settings import Settings

T = TypeVar("T")

RETRY_MS: Final = (200.0, 400.0, 800.0, 1_600.0, 3_200.0, 5_000.0)


EXPIRED: Final = refusal("signal_expired")
EXHAUSTED: Final = refusal("resolution_exhausted")

WAITS_OTHERWISE: Final = (Retry.AFTER_HOLD, Retry.AFTER_RESYNC)
"""What another attempt waits for in any case: rejects for these reasons need no slowing down."""


class AbandonedError(Exception):
    """This worker may not send for the signal any more."""


class TooLateError(Exception):
    """What is needed of the venue cannot be had while the signal is valid; carries the refusal."""

    def __init__(self, error: VenueError) -> None:
        super().__init__(error.code)
        self.error = error


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What every lane works with."""

    settings: Settings
    clock: Clock
    dispatcher: Dispatcher
    book: AccountBook
    stops: Stops
    keys: Keys


class Trade:
    """One signal at one account: sending for it, and the time it has left."""

    def __init__(self, desk: Desk, execution: Execution, account: Account, valid_until_ms: float) -> None:
        assert account.signer is not None  # noqa: S101 - refused accounts never get here
        self.desk, self.execution, self.account = desk, execution, account
        self.signal, self.journey = execution.signal, execution.journey
        self.gateway = desk.book.gateway_of(account)
        self.adapter = self.gateway.adapter
        self.valid_until_ms = valid_until_ms
        self.is_excused = False
        """Whether the last request of a conversation failed for the sake of a key that is not in force, or of a ban."""
        budget = self.gateway.budget(account.limit_group or account.name)
        self.budget, self.told = budget, budget.told

    def _sending(self, may_send: Callable[[], bool], deadline_ms: float) -> Sending:
        """Sending with the account's key as it is now: it may be replaced while the signal is worked on."""
        self.account = self.desk.book.in_force(self.account)
        return Sending(
            signer=self.account.signer, budget=self.budget, may_send=may_send, deadline_ms=deadline_ms
        )

    @property
    def sending(self) -> Sending:
        """Sending that the lease fences."""
        return self._sending(self.execution.may_send, self.valid_until_ms)

    @property
    def placing(self) -> Sending:
        """Sending that an operator's hold or a quarantine stops at the last moment, too."""
        return self._sending(self._may_place, self.valid_until_ms)

    def asking(self, budget_ms: float) -> Sending:
        """Sending that only asks: no fence, and no longer than what is left of the time to find out."""
        return self._sending(always, self.desk.clock.wall_ms() + budget_ms)

    # --- What stands in the way

    def stop(self) -> StopRecord | None:
        """The operator's hold that stops this order."""
        return self.desk.stops.on(
            account=self.account.name, venue=self.account.venue, symbol=self.signal.symbol
        )

    def obstacle(self) -> VenueError | None:
        """Why nothing may be placed now: an operator's hold, or a key that the venue does not accept."""
        stop = self.stop()
        return self.key_error() if stop is None else refusal("held", detail=stop.reason)

    def key_error(self) -> VenueError | None:
        """Why nothing at all is sent for the account now: its key would not be accepted."""
        return self.desk.keys.error(self.desk.book.in_force(self.account))

    async def admit(self) -> None:
        """Have the account's key asked about if nothing is known of it yet, and wait a moment for the answer."""
        await self.desk.keys.admit(self.desk.book.in_force(self.account))

    def hear(self, exchange: Exchange, error: VenueError) -> bool:
        """Take in what an error says of the account's key.

        Returns:
            Whether something else explains an error of the key, so that the same request may be sent again.
        """
        sent_s = self.desk.clock.monotonic() - exchange.venue_ms / 1000
        return self.desk.keys.hear(self.account, error, sent_s)

    def _may_place(self) -> bool:
        return self.obstacle() is None and self.execution.may_send()

    # --- Time

    @property
    def is_valid(self) -> bool:
        """Whether anything may still be sent for the signal."""
        return self.desk.clock.wall_ms() < self.valid_until_ms

    def moment(self) -> Moment:
        """The present, on the three clocks that decisions need."""
        return Moment(
            venue_ms=self.gateway.earliest_venue_ms(),
            wall_ms=self.desk.clock.wall_ms(),
            mono_ms=self.desk.clock.monotonic() * 1000,
        )

    def venue_time_of(self, wall_ms: float) -> float:
        """Convert a time of this host to the venue's clock."""
        return self.gateway.earliest_venue_ms() + wall_ms - self.desk.clock.wall_ms()

    def expired(self, last: VenueError | None = None) -> VenueError:
        """The refusal of a signal whose validity ended; it names what stood in the way."""
        return (
            refusal("signal_expired", detail=f"The last attempt ended with {last.code}") if last else EXPIRED
        )

    async def pause(self, wait_ms: float) -> None:
        """Wait while resolving a doubt."""
        if wait_ms > 0:
            await asyncio.sleep(wait_ms / 1000)
            self.journey.resolve_ms += wait_ms

    async def wait_until_told(self) -> None:
        """Wait until the outcomes before it in its lane are confirmed, no longer than the signal is valid."""
        left_s = max(0.0, (self.valid_until_ms - self.desk.clock.wall_ms()) / 1000)
        with suppress(TimeoutError):
            async with asyncio.timeout(left_s):
                await self.desk.dispatcher.told(self.signal.account, self.signal.symbol)
        self.check_owned()

    def check_owned(self) -> None:
        """Stop here when no delivery waits for the outcome any more."""
        if not self.execution.is_wanted:
            raise AbandonedError

    # --- Requests

    def count(self, exchange: Exchange) -> None:
        """Add a look-up's or cancel's request to the journey."""
        self.journey.limiter_ms += exchange.limiter_ms
        self.journey.resolve_ms += exchange.venue_ms
        error = self.adapter.error(exchange.answer)
        self.is_excused = error is not None and self.hear(exchange, error)

    @property
    def slowed_s(self) -> float:
        """How long the next placement has to wait because the venue refused the same again and again."""
        return self.budget.rejects.wait_s(self.signal.symbol, self.desk.clock.monotonic())

    async def slow_down(self, wait_s: float) -> Throttled | None:
        """Wait, or say that the wait would outlive the signal."""
        if self.desk.clock.wall_ms() + wait_s * 1000 > self.valid_until_ms:
            return Throttled(wait_ms=wait_s * 1000, limiter_ms=0.0)
        await asyncio.sleep(wait_s)
        self.journey.limiter_ms += wait_s * 1000
        return None

    def note(self, verdict: Verdict) -> None:
        """Take from the answer to a placement what the next ones have to know."""
        if isinstance(verdict, Accepted):
            self.budget.rejects.accepted(self.signal.symbol)
            if verdict.report.executed_quantity:
                self.budget.limits.doubt(LimitKind.ORDERS, 1)  # the first fill gives order budget back
        elif isinstance(verdict, Refused) and verdict.error.entry.retry not in WAITS_OTHERWISE:
            now_s = self.desk.clock.monotonic()
            self.budget.rejects.refused(self.signal.symbol, verdict.error.code, now_s)

    async def ready_rules(self) -> SymbolRules | VenueError:
        """Return the symbol's rules, waiting for a venue that cannot tell them now while the signal is valid."""
        known, tries = self.gateway.ready_rules(self.signal.symbol), 0
        if known is not None:
            return known
        while True:
            try:
                await self.in_time(self.gateway.clock.known())
                rules = await self.in_time(self.gateway.symbol_rules(self.signal.symbol))
            except TooLateError as late:
                return late.error
            if rules is None:
                return refusal("unknown_symbol")
            if isinstance(rules, SymbolRules):
                return rules
            wait_ms = retry_ms(tries)
            if self.desk.clock.wall_ms() + wait_ms >= self.valid_until_ms:
                return self.expired(rules)
            await asyncio.sleep(wait_ms / 1000)
            self.check_owned()
            tries += 1

    async def ask(
        self, flow: Flow[Sighting], budget_ms: float, on_exchange: Callable[[Exchange], None] | None = None
    ) -> Sighting:
        """Look something up."""

        def learn(exchange: Exchange) -> None:
            self.count(exchange)
            if on_exchange is not None:
                on_exchange(exchange)

        return seen(await self.gateway.drive(flow, self.asking(budget_ms), learn))

    async def in_time(self, asking: Coroutine[Any, Any, T]) -> T:
        """Await what a venue may have to be asked for, but no longer than the signal is valid.

        Raises:
            TooLateError: it would have come too late; nothing is waited for behind a hold that outlives the signal.
        """
        left_ms = self.valid_until_ms - self.desk.clock.wall_ms()
        hold_ms = self.gateway.hold_ms()
        try:
            async with asyncio.timeout(0.0 if hold_ms > left_ms else max(0.0, left_ms / 1000)):
                return await asking
        except TimeoutError:
            passage = Throttled(wait_ms=hold_ms, limiter_ms=0.0)
            raise TooLateError(throttled(passage) if hold_ms > left_ms else self.expired()) from None

    async def clock_known(self, limit_s: float) -> None:
        """Wait for the venue's time, but not longer than this."""
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, limit_s)):
                await self.gateway.clock.known()

    @property
    def clock_is_known(self) -> bool:
        """Whether a request can be stamped."""
        return self.gateway.clock.is_known


# --- How a signal ends without having been sent -----------------------------------------------------------------------


def rejected(error: VenueError) -> Settlement:
    """Nothing landed, for this reason."""
    return Settlement(status=Status.REJECTED, landed=Landed.NO, error=error)


def expired(error: VenueError) -> Settlement:
    """Its validity ended with nothing at the venue."""
    return Settlement(status=Status.EXPIRED, landed=Landed.NO, error=error)


def refused(error: VenueError) -> Settlement:
    """Refused by this worker: expired when that is what the refusal says, rejected otherwise."""
    return expired(error) if error.code == "signal_expired" else rejected(error)


def unresolved(error: VenueError | None = None) -> Settlement:
    """Nobody could tell within the resolution budget, or for another reason."""
    return Settlement(status=Status.UNKNOWN, landed=Landed.UNKNOWN, error=error or EXHAUSTED)


def throttled(passage: Throttled, last: VenueError | None = None) -> VenueError:
    """The refusal of a request whose turn, or whose time, would have come too late; `last` is how it ended before."""
    if passage.for_time:
        after = f" The last attempt ended with {last.code}" if last else ""
        return refusal("signal_expired", detail=f"The venue's time could not be had.{after}")
    if passage.wait_ms <= 0:
        detail = f"The last attempt ended with {last.code}" if last else "Its turn had not come by then"
        return refusal("signal_expired", detail=detail)
    return refusal("rate_limited", detail=f"It would have waited {passage.wait_ms / 1000:.1f} s")


def seen(sighting: Sighting | Throttled | Fenced) -> Sighting:
    """Read a look-up; one has neither deadline nor fence, so it always comes back with a sighting."""
    if isinstance(sighting, Throttled | Fenced):
        return LookupFailed(error=refusal("rate_limited"))
    return sighting


def retry_ms(tries: int) -> float:
    """How long to wait before another try."""
    return RETRY_MS[min(tries, len(RETRY_MS) - 1)]


def always() -> bool:
    """Allow: asking is never fenced."""
    return True
