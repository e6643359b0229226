"""One signal at a time per (account, symbol), from admission to its outcome.

Read `Lanes._run` for the order of signals, `_execute` for what is asked, and `_place` for the loop that the promise rests on:
the pure machine in `core/resolution.py` says place, look up or settle, this file does it and brings the next fact. Whatever
happens here, a signal leaves a lane in one of two ways: settled, or abandoned because this worker may not send for it any
more, in which case its next owner asks the venue first.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

import structlog

from adapters.errors import Landed, Retry, VenueError, refusal
from adapters.model import (
    Accepted,
    AllCancelled,
    Ambiguous,
    Found,
    LookupFailed,
    Order,
    OrderState,
    Refused,
    Sighting,
    SymbolRules,
    Unproven,
)
from worker.accounts import Account
from worker.clock_sync import Clock
from worker.core.outcome import Settlement, Status, Subject, client_order_id, settle_cancellation
from worker.core.resolution import (
    READ_LAG_MS,
    Answered,
    Case,
    LookUp,
    Moment,
    Place,
    Settle,
    Sighted,
    Step,
    advance,
    begin,
)
from worker.core.signals import Action, Signal
from worker.dispatcher import LONGEST_VALIDITY_MS, Dispatcher, Execution
from worker.gateway import Exchange, Fenced, Gateway, Sending, Throttled
from worker.prices import Prices
from worker.settings import Settings

RETRY_MS: Final = (200.0, 400.0, 800.0, 1_600.0, 3_200.0, 5_000.0)
SINCE_SLACK_MS: Final = 60_000.0
"""How far the clock of a producer may be ahead before an order of ours is taken for an older one."""

CANCEL_HORIZON_MS: Final = 86_400_000.0

log = structlog.get_logger("beeline.lane")


class AbandonedError(Exception):
    """This worker may not send for the signal any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What every lane works with."""

    settings: Settings
    clock: Clock
    dispatcher: Dispatcher
    accounts: Callable[[], Mapping[str, Account]]
    gateway_of: Callable[[Account], Gateway]
    prices_of: Callable[[Gateway], Prices]


class Lanes:
    """All lanes. A lane has a task only while it has work, so idle accounts cost nothing."""

    def __init__(self, desk: Desk, tasks: asyncio.TaskGroup) -> None:
        self._desk, self._tasks = desk, tasks
        self._waiting: dict[tuple[str, str], deque[Execution]] = {}
        self._running: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._draining = False

    @property
    def busy(self) -> int:
        """How many lanes have work."""
        return len(self._waiting)

    def enqueue(self, execution: Execution) -> None:
        """Put a signal at the end of its lane."""
        key = (execution.signal.account, execution.signal.symbol)
        waiting = self._waiting.get(key)
        if waiting is not None:
            waiting.append(execution)
            return
        self._waiting[key] = deque([execution])
        self._running[key] = self._tasks.create_task(self._run(key))

    async def _run(self, key: tuple[str, str]) -> None:
        """Work on one signal after another, until nothing waits."""
        waiting = self._waiting[key]
        try:
            while waiting:
                execution = waiting[0]
                if self._draining:
                    self._desk.dispatcher.abandon(execution)
                else:
                    await Work(self._desk, execution).run()
                waiting.popleft()
        finally:
            del self._waiting[key], self._running[key]

    def drain(self) -> None:
        """Start nothing new; stop what has sent nothing yet, and let the rest come to its end."""
        self._draining = True
        for key, waiting in list(self._waiting.items()):
            if not waiting[0].sent:
                for execution in waiting:
                    self._desk.dispatcher.abandon(execution)
                self._running[key].cancel()


class Work:
    """The work on one signal."""

    def __init__(self, desk: Desk, execution: Execution) -> None:
        self._desk, self._execution = desk, execution
        self._signal, self._journey = execution.signal, execution.journey
        self._account = desk.accounts().get(execution.signal.account)
        self._rules: SymbolRules | None = None
        self._asked: Order | None = None
        start_ms = execution.created_ms
        given_ms = execution.signal.valid_until_ms
        wanted_ms = start_ms + desk.settings.signal_ttl * 1000 if given_ms is None else given_ms
        self._valid_until_ms = min(wanted_ms, start_ms + LONGEST_VALIDITY_MS)

    async def run(self) -> None:
        """Bring the signal to its outcome, or abandon it."""
        if not self._execution.is_wanted:
            self._desk.dispatcher.abandon(self._execution)
            return
        try:
            settlement = await self._execute()
        except AbandonedError:
            self._desk.dispatcher.abandon(self._execution)
            return
        except Exception:
            log.exception(
                "signal ends as internal_error, which is an error in Beeline",
                signal_id=self._signal.signal_id,
            )
            settlement = self._internal_error()
        self._desk.dispatcher.settle(self._execution, self._subject(), settlement, self._asked)

    def _internal_error(self) -> Settlement:
        touched = self._journey.attempts > 0 or self._execution.suspect_until_ms is not None
        error = refusal("internal_error")
        if touched:
            return Settlement(status=Status.UNKNOWN, landed=Landed.UNKNOWN, error=error)
        return Settlement(status=Status.REJECTED, landed=Landed.NO, error=error)

    async def _execute(self) -> Settlement:
        signal, account = self._signal, self._account
        if account is None:
            return _rejected(refusal("unknown_account"))
        if account.signer is None:
            return _rejected(refusal("account_refused", detail=account.refused))
        if not account.allows(signal.symbol):
            return _rejected(refusal("symbol_not_allowed"))
        trade = Trade(self._desk, self._execution, account, self._valid_until_ms)
        settlement: Settlement
        match signal.action:
            case Action.PLACE:
                settlement, self._asked = await Placement(trade).run()
            case Action.CANCEL:
                settlement = await Cancellation(trade).run()
            case Action.CANCEL_ALL:
                settlement = await Clearance(trade).run()
        self._rules = trade.gateway.known_rules(signal.symbol)
        return settlement

    def _subject(self) -> Subject:
        signal, account = self._signal, self._account
        about = signal.cancels if signal.action is Action.CANCEL else signal.signal_id
        named = None if signal.action is Action.CANCEL_ALL or about is None else about
        return Subject(
            signal_id=signal.signal_id,
            account=signal.account,
            venue=account.venue if account else None,
            action=signal.action,
            symbol=self._rules.display if self._rules else signal.symbol_text,
            content_hash=signal.content_hash,
            client_order_id=client_order_id(signal.account, named) if named else None,
        )


def _rejected(error: VenueError) -> Settlement:
    return Settlement(status=Status.REJECTED, landed=Landed.NO, error=error)


class Trade:
    """One signal at one account: sending for it, and the time it has left."""

    def __init__(self, desk: Desk, execution: Execution, account: Account, valid_until_ms: float) -> None:
        assert account.signer is not None  # noqa: S101 - refused accounts never get here
        self.desk, self.execution, self.account = desk, execution, account
        self.signal, self.journey = execution.signal, execution.journey
        self.gateway = desk.gateway_of(account)
        self.adapter = self.gateway.adapter
        self.valid_until_ms = valid_until_ms
        budget = self.gateway.budget(account.limit_group or account.name)
        self.sending = Sending(
            signer=account.signer, budget=budget, may_send=execution.may_send, deadline_ms=valid_until_ms
        )
        self.asking = replace(self.sending, may_send=_always, deadline_ms=None)

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
        return refusal("signal_expired", detail=f"The last attempt ended with {last.code}" if last else None)

    async def pause(self, wait_ms: float) -> None:
        """Wait while resolving a doubt."""
        if wait_ms > 0:
            await asyncio.sleep(wait_ms / 1000)
            self.journey.resolve_ms += wait_ms

    def check_owned(self) -> None:
        """Stop here when no delivery waits for the outcome any more."""
        if not self.execution.is_wanted:
            raise AbandonedError

    # --- Requests

    def count(self, exchange: Exchange) -> None:
        """Add a look-up's or cancel's request to the journey."""
        self.journey.limiter_ms += exchange.limiter_ms
        self.journey.resolve_ms += exchange.venue_ms

    async def ready_rules(self) -> SymbolRules | VenueError:
        """Return the symbol's rules, waiting for a venue that cannot tell them now while the signal is valid."""
        await self._clock_known()
        tries = 0
        while True:
            rules = await self.gateway.symbol_rules(self.signal.symbol)
            if rules is None:
                return refusal("unknown_symbol")
            if isinstance(rules, SymbolRules):
                return rules
            wait_ms = _retry_ms(tries)
            if self.desk.clock.wall_ms() + wait_ms >= self.valid_until_ms:
                return self.expired(rules)
            await asyncio.sleep(wait_ms / 1000)
            self.check_owned()
            tries += 1

    async def _clock_known(self) -> None:
        """Wait for the venue's time no longer than the signal is valid."""
        try:
            async with asyncio.timeout(max(0.0, (self.valid_until_ms - self.desk.clock.wall_ms()) / 1000)):
                await self.gateway.clock.known()
        except TimeoutError:
            return

    @property
    def clock_is_known(self) -> bool:
        """Whether a request can be stamped."""
        return self.gateway.clock.read() is not None


class Placement:
    """Places an order once: does what `core/resolution.py` says."""

    def __init__(self, trade: Trade) -> None:
        self._trade = trade
        self._signal = trade.signal
        self._order = _order(trade.signal)
        self._prepared = False
        self._first_stamp_ms: float | None = None

    async def run(self) -> tuple[Settlement, Order]:
        """Return how the signal ended, and the order as it was asked of the venue."""
        trade = self._trade
        if self._signal.dry_run:
            return await self._rehearse(), self._order
        case, step = begin(
            self._order,
            valid_until_ms=trade.valid_until_ms,
            recv_window_ms=trade.gateway.recv_window_ms,
            budget_ms=trade.desk.settings.resolution_budget * 1000,
            suspect_until_ms=await self._suspect_until_ms(),
        )
        while not isinstance(step, Settle):
            case, step = await self._take(case, step)
        return step.settlement, self._order

    async def _suspect_until_ms(self) -> float | None:
        wall_ms = self._trade.execution.suspect_until_ms
        if wall_ms is None:
            return None
        await self._trade.gateway.clock.known()
        return self._trade.venue_time_of(wall_ms) if wall_ms else 0.0

    async def _take(self, case: Case, step: Step) -> tuple[Case, Step]:
        match step:
            case Place():
                return await self._place(case, step)
            case LookUp():
                return await self._look_up(case, step)
            case Settle():
                return case, step

    async def _place(self, case: Case, step: Place) -> tuple[Case, Step]:
        trade = self._trade
        await trade.pause(step.wait_ms)
        if step.resynchronise:
            await trade.gateway.clock.resynchronise()
        if not trade.is_valid:
            return case, _expire(trade.expired(case.error))
        if not self._prepared:
            problem = await self._prepare()
            if problem is not None:
                return case, _refuse(problem)
            case = replace(case, order=self._order)
        passage = await trade.gateway.send(trade.adapter.place(self._order), trade.sending)
        match passage:
            case Fenced():
                raise AbandonedError
            case Throttled():
                trade.journey.limiter_ms += passage.limiter_ms
                return case, _refuse(_rate_limited(passage))
            case Exchange():
                trade.journey.attempts += 1
                trade.journey.limiter_ms += passage.limiter_ms
                trade.journey.venue_ms += passage.venue_ms
                self._first_stamp_ms = self._first_stamp_ms or passage.stamped_ms
                verdict = trade.adapter.read_placement(self._order, passage.answer)
                return self._advance(case, Answered(verdict=verdict, stamped_ms=passage.stamped_ms))

    async def _look_up(self, case: Case, step: LookUp) -> tuple[Case, Step]:
        trade = self._trade
        await trade.pause(step.wait_ms)
        trade.check_owned()
        asked_ms = trade.gateway.earliest_venue_ms()
        flow = trade.adapter.find(case.order, venue_order_id=case.venue_order_id, since_ms=self._since_ms())
        trade.journey.lookups += 1
        sighting = await trade.gateway.drive(flow, trade.asking, trade.count)
        return self._advance(case, Sighted(sighting=_asked(sighting), asked_ms=asked_ms))

    def _since_ms(self) -> int:
        """Venue time before which no order can be this signal's: our first stamp, or what an earlier owner may have had."""
        trade = self._trade
        if self._first_stamp_ms is not None and trade.execution.suspect_until_ms is None:
            return int(self._first_stamp_ms)
        return int(trade.venue_time_of(trade.execution.earliest_ms) - SINCE_SLACK_MS)

    def _advance(self, case: Case, fact: Answered | Sighted) -> tuple[Case, Step]:
        unresolved = refusal(
            "resolution_exhausted", detail=f"It began with {case.error.code}" if case.error else None
        )
        return advance(case, fact, self._trade.moment(), self._trade.expired(case.error), unresolved)

    async def _prepare(self) -> VenueError | None:
        """Check the order against the venue's rules and write it the venue's way, before a request is spent."""
        trade = self._trade
        rules = await trade.ready_rules()
        if isinstance(rules, VenueError):
            return rules
        last_price: Decimal | None = None
        if trade.adapter.needs_price(self._order, rules):
            price = await trade.desk.prices_of(trade.gateway).price(rules.symbol)
            if isinstance(price, Decimal):
                last_price = price
        prepared = trade.adapter.prepare(self._order, rules, last_price)
        if isinstance(prepared, VenueError):
            return prepared
        self._order, self._prepared = prepared, True
        if not trade.is_valid or not trade.clock_is_known:
            return trade.expired()
        return None

    async def _rehearse(self) -> Settlement:
        """Validate at the venue, placing nothing."""
        trade, tries = self._trade, 0
        problem = trade.expired() if not trade.is_valid else await self._prepare()
        if problem is not None:
            return _refuse(problem).settlement
        call = trade.adapter.test_order(self._order)
        validated = Settlement(status=Status.VALIDATED, landed=Landed.NO)
        if call is None:
            return validated
        while True:
            passage = await trade.gateway.send(call, trade.sending)
            if isinstance(passage, Fenced):
                raise AbandonedError
            if isinstance(passage, Throttled):
                return _refuse(_rate_limited(passage)).settlement
            trade.journey.attempts += 1
            trade.journey.venue_ms += passage.venue_ms
            error = trade.adapter.error(passage.answer)
            if error is None:
                return validated
            if error.entry.retry is Retry.NEVER:
                return _rejected(replace(error, entry=replace(error.entry, landed=Landed.NO)))
            if error.entry.retry is Retry.AFTER_RESYNC:
                if tries:
                    return _rejected(error)
                await trade.gateway.clock.resynchronise()
            await asyncio.sleep(_retry_ms(tries) / 1000)
            tries += 1
            if not trade.is_valid:
                return _expire(trade.expired(error)).settlement


class Cancellation:
    """Cancels one order. Asking again is safe here: an order can be cancelled once."""

    def __init__(self, trade: Trade) -> None:
        self._trade = trade
        self._error: VenueError | None = None
        self._absent_before = False
        self._sent = trade.execution.suspect_until_ms is not None

    async def run(self) -> Settlement:
        """Return how the signal ended."""
        trade, tries = self._trade, 0
        rules = await trade.ready_rules()
        if isinstance(rules, VenueError):
            return _refuse(rules).settlement
        if trade.signal.dry_run:
            return Settlement(status=Status.VALIDATED, landed=Landed.NO)
        give_up_s = trade.desk.clock.monotonic() + trade.desk.settings.resolution_budget
        while True:
            settlement = await (self._cancel() if trade.is_valid else self._look_up())
            if settlement is not None:
                return settlement
            if trade.desk.clock.monotonic() >= give_up_s:
                return Settlement(
                    status=Status.UNKNOWN, landed=Landed.UNKNOWN, error=refusal("resolution_exhausted")
                )
            await trade.pause(READ_LAG_MS if self._absent_before else _retry_ms(tries))
            trade.check_owned()
            tries += 1

    @property
    def _target(self) -> str:
        signal = self._trade.signal
        return client_order_id(signal.account, signal.cancels or "")

    async def _cancel(self) -> Settlement | None:
        trade = self._trade
        flow = trade.adapter.cancel(trade.signal.symbol, self._target, None)
        verdict = await trade.gateway.drive(flow, trade.sending, trade.count)
        match verdict:
            case Fenced():
                raise AbandonedError
            case Throttled():
                return None if self._sent else _refuse(_rate_limited(verdict)).settlement
            case Accepted(report=report):
                self._count_attempt()
                if report.state in (None, OrderState.OPEN, OrderState.PENDING):
                    return None  # the venue cancels late: ask again
                return settle_cancellation(report, refusal("too_late_to_cancel"))
            case Unproven(error=error):
                self._count_attempt()
                self._error = error
                return None
            case Refused(error=error):
                self._count_attempt()
                return await self._refused(error)

    def _count_attempt(self) -> None:
        self._sent = True
        self._trade.journey.attempts += 1

    async def _refused(self, error: VenueError) -> Settlement | None:
        self._error = error
        if error.code == "order_not_found" and not self._absent_before:
            self._absent_before = True
            return None
        if error.entry.retry is Retry.NEVER:
            return _rejected(error)
        if error.entry.retry is Retry.AFTER_RESYNC:
            await self._trade.gateway.clock.resynchronise()
        return None

    async def _look_up(self) -> Settlement | None:
        """Nothing may be sent any more: only ask what became of the order."""
        trade = self._trade
        expired = _expire(trade.expired(self._error)).settlement
        if not self._sent:
            return expired
        since_ms = int(trade.gateway.earliest_venue_ms() - CANCEL_HORIZON_MS)
        flow = trade.adapter.find_by_id(trade.signal.symbol, self._target, since_ms=since_ms)
        trade.journey.lookups += 1
        sighting = _asked(await trade.gateway.drive(flow, trade.asking, trade.count))
        match sighting:
            case Found(report=report) if report.state is not None and report.state.is_closed:
                return settle_cancellation(report, refusal("too_late_to_cancel"))
            case Found(report=report):
                return replace(expired, landed=Landed.YES, report=report)
            case LookupFailed():
                return None
            case Ambiguous():
                return Settlement(
                    status=Status.UNKNOWN, landed=Landed.UNKNOWN, error=refusal("resolution_exhausted")
                )
            case _ if self._absent_before:
                return _rejected(refusal("order_not_found"))
            case _:
                self._absent_before = True
                return None


class Clearance:
    """Cancels every open order of a symbol; asking again is safe."""

    def __init__(self, trade: Trade) -> None:
        self._trade = trade

    async def run(self) -> Settlement:
        """Return how the signal ended."""
        trade, tries, sent = self._trade, 0, False
        rules = await trade.ready_rules()
        if isinstance(rules, VenueError):
            return _refuse(rules).settlement
        if trade.signal.dry_run:
            return Settlement(status=Status.VALIDATED, landed=Landed.NO)
        error: VenueError | None = None
        while trade.is_valid:
            sweep = await trade.gateway.drive(
                trade.adapter.cancel_all(rules.symbol), trade.sending, trade.count
            )
            match sweep:
                case Fenced():
                    raise AbandonedError
                case Throttled():
                    if not sent:
                        return _refuse(_rate_limited(sweep)).settlement
                    break
                case AllCancelled(orders=orders):
                    trade.journey.attempts += 1
                    return Settlement(status=Status.CANCELLED, landed=Landed.YES, orders=orders)
                case Refused(error=error) if error.entry.retry is Retry.NEVER:
                    trade.journey.attempts += 1
                    return _rejected(error)
                case Refused(error=error) | Unproven(error=error):
                    trade.journey.attempts += 1
                    sent = sent or isinstance(sweep, Unproven)
                    if error.entry.retry is Retry.AFTER_RESYNC:
                        await trade.gateway.clock.resynchronise()
            await trade.pause(_retry_ms(tries))
            trade.check_owned()
            tries += 1
        if sent:
            return Settlement(
                status=Status.UNKNOWN, landed=Landed.UNKNOWN, error=refusal("resolution_exhausted")
            )
        return _expire(trade.expired(error)).settlement


# --- Small words ------------------------------------------------------------------------------------------------------


def _order(signal: Signal) -> Order:
    """The order a signal asks for."""
    assert signal.side is not None  # noqa: S101 - signals are validated
    assert signal.type is not None  # noqa: S101
    return Order(
        client_order_id=client_order_id(signal.account, signal.signal_id),
        symbol=signal.symbol,
        side=signal.side,
        type=signal.type,
        quantity=signal.quantity,
        quote_quantity=signal.quote_quantity,
        price=signal.price,
        stop_price=signal.stop_price,
        trailing_delta=signal.trailing_delta,
        time_in_force=signal.time_in_force,
        reduce_only=signal.reduce_only,
        close_position=signal.close_position,
        position_side=signal.position_side,
    )


def _asked(sighting: Sighting | Throttled | Fenced) -> Sighting:
    """A look-up has neither deadline nor fence, so it always comes back with a sighting."""
    if isinstance(sighting, Throttled | Fenced):
        return LookupFailed(error=refusal("rate_limited"))
    return sighting


def _rate_limited(passage: Throttled) -> VenueError:
    return refusal("rate_limited", detail=f"It would have waited {passage.wait_ms / 1000:.1f} s")


def _refuse(error: VenueError) -> Settle:
    """Nothing was sent for this attempt and nothing will be."""
    if error.code == "signal_expired":
        return _expire(error)
    return Settle(settlement=_rejected(error))


def _expire(error: VenueError) -> Settle:
    return Settle(settlement=Settlement(status=Status.EXPIRED, landed=Landed.NO, error=error))


def _retry_ms(tries: int) -> float:
    return RETRY_MS[min(tries, len(RETRY_MS) - 1)]


def _always() -> bool:
    return True
