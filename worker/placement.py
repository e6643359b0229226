"""Places an order once: does what `core/resolution.py` says, and brings the next fact.

The pure machine decides between placing, looking up and settling. Here is what each of them takes: the order
is checked against the venue's rules before the first request is spent, a placement is admitted by limits and
fenced by the lease, and a look-up is neither, because asking changes nothing.
"""

from dataclasses import replace
from decimal import Decimal
from typing import Final

from adapters.errors import Landed, Retry, Scope, VenueError, refusal
from adapters.filters import state_rule
from adapters.funds import check_funds
from adapters.model import Absent, ExecutionReport, Found, Order, Refused, SymbolRules, TimeInForce, Verdict
from worker.core.outcome import Settlement, Status, client_order_id
from worker.core.resolution import (
    NEVER,
    STAMP_AHEAD_MS,
    Answered,
    Case,
    Instant,
    LookUp,
    Phase,
    Place,
    Settle,
    Sighted,
    Step,
    advance,
    begin,
    give_up,
)
from worker.core.signals import Signal
from worker.passage import Exchange, Fenced, Passage, Throttled
from worker.trade import (
    EXHAUSTED,
    AbandonedError,
    TooLateError,
    Trade,
    expired,
    refused,
    rejected,
    retry_ms,
    throttled,
    unresolved,
)

NO_SUCH_ENDPOINT: Final = (404, 405)
"""A venue without a test endpoint: its rules, checked here, are all there is to validate against."""

SINCE_SLACK_MS: Final = 60_000.0
"""How far the clock of a producer may be ahead before an order of ours is taken for an older one."""


class Placement:
    """Places an order once: does what `core/resolution.py` says."""

    def __init__(self, trade: Trade) -> None:
        self._trade = trade
        self._signal = trade.signal
        self._order = order_of(trade.signal)
        self._prepared = False
        self._earliest_stamp_ms: float | None = None
        self._first_sent_s = 0.0

    async def run(self) -> tuple[Settlement, Order]:
        """Return how the signal ended, and the order as it was asked of the venue."""
        trade = self._trade
        if self._signal.dry_run:
            return await self._rehearse(), self._order
        if trade.execution.suspect_until_ms is None:
            problem = await self._prepare() if trade.is_valid else trade.expired()
            if problem is not None:
                return refused(problem), self._order
        else:
            await trade.clock_known(trade.desk.settings.resolution_budget)
            if not trade.clock_is_known:
                return unresolved(), self._order
        case, step = begin(
            self._order,
            valid_until_ms=trade.valid_until_ms,
            budget_ms=trade.desk.settings.resolution_budget * 1000,
            suspect_until=self._suspect_until(),
        )
        while not isinstance(step, Settle):
            act = self._place(case, step) if isinstance(step, Place) else self._look_up(case, step)
            case, step = await act
        settlement = step.settlement
        if settlement.error is not None:
            settlement = await self._name_the_rule(settlement, settlement.error)
        if settlement.report is not None and trade.adapter.knows_by_shape:
            trade.told.tell(settlement.report.venue_order_id, self._order.client_order_id)
        return settlement, self._order

    def _suspect_until(self) -> Instant | None:
        """The last instant at which what an earlier owner sent can enter.

        What that owner took for the venue's time is not ours to know, but no venue takes a stamp that is a second ahead
        of its clock. What it took before it stepped its clock back counts for that much longer.
        """
        trade, suspect_ms = self._trade, self._trade.execution.suspect_until_ms
        if not suspect_ms:
            return None if suspect_ms is None else NEVER
        gateway, wall_ms = trade.gateway, trade.desk.clock.wall_ms()
        created_s = self._now_s() - (wall_ms - trade.execution.earliest_ms) / 1000
        stepped_ms = gateway.clock.offset.stepped_back_ms(since_s=created_s)
        sent = Instant(venue_ms=gateway.latest_venue_ms(), mono_ms=self._now_s() * 1000).plus(
            suspect_ms - wall_ms, suspect_ms - wall_ms
        )
        window_ms = gateway.recv_window_max_ms
        return sent.plus(STAMP_AHEAD_MS + stepped_ms + window_ms, window_ms)

    def _still_suspecting(self, case: Case) -> Case:
        """Reckon again how long an earlier owner is to be reckoned with: the venue's clock may have stepped since."""
        suspect_until = self._suspect_until()
        return replace(case, last_entry=suspect_until.or_later(case.last_entry)) if suspect_until else case

    async def _place(self, case: Case, step: Place) -> tuple[Case, Step]:
        trade = self._trade
        await trade.pause(step.wait_ms)
        if not trade.is_valid:
            return case, Settle(settlement=expired(trade.expired(case.error)))
        if not self._prepared:
            problem = await self._prepare()
            if problem is not None:
                return case, Settle(settlement=refused(problem))
            case = replace(case, order=self._order)
        passage: Passage | None = None
        if (wait_s := trade.slowed_s) > 0:
            passage = await trade.slow_down(wait_s)
        if passage is None:
            passage = await trade.gateway.send(trade.adapter.place(self._order), trade.placing)
        if isinstance(passage, Exchange):
            return await self._take_in(case, passage)
        if isinstance(passage, Throttled):
            trade.journey.limiter_ms += passage.limiter_ms
            return case, Settle(settlement=refused(throttled(passage, case.error)))
        obstacle = trade.obstacle()
        if obstacle is None:
            raise AbandonedError
        return case, Settle(settlement=rejected(obstacle))

    async def _take_in(self, case: Case, exchange: Exchange) -> tuple[Case, Step]:
        """Learn from the answer to a placement."""
        trade = self._trade
        trade.journey.attempts += 1
        trade.journey.limiter_ms += exchange.limiter_ms
        trade.journey.venue_ms += exchange.venue_ms
        # Not the first: a stamp from a clock that ran ahead is refused, and the next one is before it.
        self._earliest_stamp_ms = min(self._earliest_stamp_ms or exchange.stamped_ms, exchange.stamped_ms)
        self._first_sent_s = self._first_sent_s or self._now_s() - exchange.venue_ms / 1000
        verdict = trade.adapter.read_placement(self._order, exchange.answer)
        trade.note(verdict)
        if isinstance(verdict, Refused) and trade.hear(exchange, verdict.error):
            # Refused for the sake of a key that is not in force any more, or of a ban.
            await trade.admit()
            return case, Place()
        return self._advance(case, Answered(verdict=verdict, last_entry=exchange.last_entry))

    async def _look_up(self, case: Case, step: LookUp) -> tuple[Case, Step]:
        trade = self._trade
        await trade.pause(step.wait_ms)
        trade.check_owned()
        key_error = trade.key_error()
        if key_error is not None:
            # Asked again when the key is accepted: `worker/unknowns.py`.
            return case, give_up(case, key_error)
        flow = trade.adapter.find(case.order, venue_order_id=case.venue_order_id, since_ms=self._since_ms())
        trade.journey.lookups += 1
        budget_ms = self._time_to_ask_ms(case)
        asked_s, asked_ms, stamps_ms = self._now_s(), trade.gateway.earliest_venue_ms(), list[float]()
        sighting = await trade.ask(flow, budget_ms, lambda exchange: stamps_ms.append(exchange.stamped_ms))
        stamped_ms = min(stamps_ms, default=0.0)
        # Stamped earlier than asked: our clock was put back in between, and `since` may have been too late.
        is_steady = stamped_ms >= int(asked_ms)
        asked = Instant(venue_ms=stamped_ms, mono_ms=asked_s * 1000) if is_steady else NEVER
        if isinstance(sighting, Found) and self._is_a_twin(sighting.report):
            sighting = Absent()
        return self._advance(self._still_suspecting(case), Sighted(sighting=sighting, asked=asked))

    def _time_to_ask_ms(self, case: Case) -> float:
        """How long a look-up may wait for its turn: behind a firewall's hold no longer than the signal is valid."""
        left_ms = case.budget_ms
        if case.give_up_at_ms is not None:
            left_ms = case.give_up_at_ms - self._now_s() * 1000
        if case.phase is Phase.AWAY:
            left_ms = min(left_ms, case.valid_until_ms - self._trade.desk.clock.wall_ms())
        return left_ms

    def _is_a_twin(self, report: ExecutionReport) -> bool:
        """Whether an order is known by its shape only, and was told as another signal's.

        One that carries our id is ours whatever was told: a venue's own ids may repeat from symbol to symbol.
        """
        ours = self._order.client_order_id
        return report.client_order_id != ours and self._trade.told.is_another_s(report.venue_order_id, ours)

    def _since_ms(self) -> int:
        """Venue time before which no order can be this signal's: our earliest stamp, or an earlier owner's.

        A venue that has stepped its clock back since dates the order earlier than we stamped it.
        """
        trade = self._trade
        if self._earliest_stamp_ms is not None and trade.execution.suspect_until_ms is None:
            sent_ago_ms = (self._now_s() - self._first_sent_s) * 1000
            return int(min(self._earliest_stamp_ms, trade.gateway.earliest_venue_ms() - sent_ago_ms))
        return int(trade.venue_time_of(trade.execution.earliest_ms) - SINCE_SLACK_MS)

    def _now_s(self) -> float:
        return self._trade.desk.clock.monotonic()

    async def _name_the_rule(self, settlement: Settlement, error: VenueError) -> Settlement:
        """Add what a rule allows to a refusal by it: the order passed the rules known here, so they are read again."""
        trade = self._trade
        if error.venue_code is None or error.detail or not error.code.startswith("filter_"):
            return settlement
        try:
            rules = await trade.in_time(trade.gateway.symbol_rules(self._signal.symbol))
        except TooLateError:
            return settlement
        if not isinstance(rules, SymbolRules):
            return settlement
        broken = trade.adapter.prepare(self._order, rules, None)
        known = broken.detail if isinstance(broken, VenueError) else None
        detail = known or state_rule(error.code, rules)
        return replace(settlement, error=replace(error, detail=detail))

    def _advance(self, case: Case, fact: Answered | Sighted) -> tuple[Case, Step]:
        if isinstance(fact, Answered) and _breaks_a_rule(fact.verdict):
            self._trade.gateway.doubt_rules(self._signal.symbol)
        unresolved = EXHAUSTED
        if case.error is not None:
            unresolved = refusal("resolution_exhausted", detail=f"It began with {case.error.code}")
        return advance(case, fact, self._trade.moment(), self._trade.expired(case.error), unresolved)

    async def _prepare(self) -> VenueError | None:
        """Check the order against the venue's rules and write it the venue's way, before a request is spent."""
        trade = self._trade
        await trade.admit()
        obstacle = trade.obstacle()
        if obstacle is not None:
            return obstacle
        if not trade.account.allows(self._signal.symbol):
            return refusal("symbol_not_allowed")
        rules = await trade.ready_rules()
        if isinstance(rules, VenueError):
            return rules
        last_price: Decimal | None = None
        if trade.adapter.needs_price(self._order, rules):
            try:
                price = await trade.in_time(trade.desk.book.prices_of(trade.gateway).price(rules.symbol))
            except TooLateError as late:
                return late.error
            if isinstance(price, Decimal):
                last_price = price
        prepared = trade.adapter.prepare(self._order, rules, last_price)
        if isinstance(prepared, VenueError):
            return prepared
        shortage = await self._check_balance(prepared, rules)
        if shortage is not None:
            return shortage
        self._order, self._prepared = prepared, True
        if not trade.is_valid or not trade.clock_is_known:
            return trade.expired()
        return None

    async def _check_balance(self, order: Order, rules: SymbolRules) -> VenueError | None:
        """Look whether the account can carry the order, if it wants that; what cannot be asked, the venue judges."""
        trade = self._trade
        if not trade.account.check_balance:
            return None
        asking = trade.gateway.drive(trade.adapter.balances(), trade.sending, trade.count)
        try:
            held = await trade.in_time(asking)
        except TooLateError as late:
            return late.error
        return check_funds(order, rules, held) if isinstance(held, tuple) else None

    async def _rehearse(self) -> Settlement:
        """Validate at the venue, placing nothing; asking again is safe."""
        trade, tries = self._trade, 0
        problem = await self._prepare() if trade.is_valid else trade.expired()
        if problem is not None:
            return refused(problem)
        call = trade.adapter.test_order(self._order)
        while call is not None:
            passage = await trade.gateway.send(call, trade.sending)
            if isinstance(passage, Fenced):
                raise AbandonedError
            if isinstance(passage, Throttled):
                return refused(throttled(passage))
            trade.journey.attempts += 1
            trade.journey.venue_ms += passage.venue_ms
            error = trade.adapter.error(passage.answer)
            if error is not None and trade.hear(passage, error):
                continue
            if error is None or error.http_status in NO_SUCH_ENDPOINT:
                break
            if error.entry.retry is Retry.NEVER or (error.entry.retry is Retry.AFTER_RESYNC and tries):
                return rejected(error)
            await trade.pause(retry_ms(tries))
            tries += 1
            if not trade.is_valid:
                return expired(trade.expired(error))
        return Settlement(status=Status.VALIDATED, landed=Landed.NO)


def _breaks_a_rule(verdict: Verdict) -> bool:
    """Whether a venue refused by a rule of the symbol: the order passed ours, so ours may be out of date."""
    if not isinstance(verdict, Refused) or verdict.error.venue_code is None:
        return False
    return verdict.error.code.startswith("filter_") or verdict.error.entry.scope is Scope.SYMBOL


def order_of(signal: Signal) -> Order:
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
        good_till_ms=signal.valid_until_ms if signal.time_in_force is TimeInForce.GTD else None,
    )
