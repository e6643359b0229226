"""One order per signal: each transition by itself, and the machine as a whole against a venue that may do anything."""

import random
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.errors import ErrorEntry, Landed, Owner, Retry, Scope, VenueError, refusal
from adapters.model import (
    Absent,
    Accepted,
    Ambiguous,
    ExecutionReport,
    Found,
    LookupFailed,
    Order,
    OrderState,
    OrderType,
    Refused,
    Side,
    Sighting,
    TimeInForce,
    Unproven,
    Verdict,
)
from worker.core.outcome import Settlement, Status
from worker.core.resolution import (
    BACKOFF_MS,
    NEVER,
    READ_LAG_MS,
    SETTLE_PATIENCE_MS,
    STAMP_AHEAD_MS,
    TRANSITIONS,
    WAIT_FACTOR,
    Answered,
    Case,
    Fact,
    Instant,
    LookUp,
    Moment,
    Phase,
    Place,
    Settle,
    Sighted,
    Step,
    advance,
    begin,
)

NOW_MS = 1_795_000_020_000.0
WINDOW_MS = 5_000.0
BUDGET_MS = 300_000.0
VALID_UNTIL_MS = NOW_MS + 30_000

MARKET = Order(
    client_order_id="bxyz", symbol="BTCUSDT", side=Side.BUY, type=OrderType.MARKET, quantity=Decimal(1)
)
LIMIT = replace(MARKET, type=OrderType.LIMIT, price=Decimal(60_000), time_in_force=TimeInForce.GTC)

EXPIRED, UNRESOLVED = refusal("signal_expired"), refusal("resolution_exhausted")


def an_error(retry: Retry = Retry.NEVER, landed: Landed = Landed.NO, code: str = "some_error") -> VenueError:
    return VenueError(
        entry=ErrorEntry(
            code=code, landed=landed, retry=retry, scope=Scope.ORDER, owner=Owner.VENUE, hint="Look."
        )
    )


def a_report(state: OrderState | None = OrderState.FILLED, **over: Any) -> ExecutionReport:
    executed = Decimal(1) if state is OrderState.FILLED else Decimal(0)
    report = ExecutionReport(
        client_order_id="bxyz", venue_order_id="28", symbol="BTCUSDT", state=state, executed_quantity=executed
    )
    return replace(report, **over)


def a_moment(later_ms: float = 0.0) -> Moment:
    return Moment(venue_ms=NOW_MS + later_ms, wall_ms=NOW_MS + later_ms, mono_ms=later_ms)


def a_case(phase: Phase = Phase.READY, **over: Any) -> Case:
    case = Case(
        order=MARKET,
        phase=phase,
        valid_until_ms=VALID_UNTIL_MS,
        budget_ms=BUDGET_MS,
    )
    if phase in (Phase.AWAY, Phase.DOUBTFUL):
        case = replace(case, last_entry=an_instant(WINDOW_MS), give_up_at_ms=BUDGET_MS)
    if phase is Phase.LANDED:
        case = replace(case, landed_at_ms=0.0, give_up_at_ms=BUDGET_MS, venue_order_id="28")
    return replace(case, **over)


def an_instant(later_ms: float) -> Instant:
    return Instant(venue_ms=NOW_MS + later_ms, mono_ms=later_ms)


def answered(verdict: Verdict, stamped_after_ms: float = 0.0) -> Answered:
    return Answered(verdict=verdict, last_entry=an_instant(stamped_after_ms + WINDOW_MS))


def sighted(sighting: Sighting, asked_after_ms: float = 0.0) -> Sighted:
    return Sighted(sighting=sighting, asked=an_instant(asked_after_ms))


def go(case: Case, fact: Fact, later_ms: float = 0.0) -> tuple[Case, Step]:
    return advance(case, fact, a_moment(later_ms), EXPIRED, UNRESOLVED)


def settlement_of(step: Step) -> Settlement:
    assert isinstance(step, Settle)
    return step.settlement


# --- Beginning --------------------------------------------------------------------------------------------------------


def start(suspect_until: Instant | None) -> tuple[Case, Step]:
    return begin(
        MARKET,
        valid_until_ms=VALID_UNTIL_MS,
        budget_ms=BUDGET_MS,
        suspect_until=suspect_until,
    )


def test_a_first_delivery_is_placed() -> None:
    case, step = start(None)
    assert (case.phase, step) == (Phase.READY, Place())


def test_what_was_delivered_before_is_looked_up_first() -> None:
    case, step = start(an_instant(9_000))
    assert (case.phase, step) == (Phase.DOUBTFUL, LookUp())
    assert case.conclusive_at == an_instant(9_000).plus(READ_LAG_MS + STAMP_AHEAD_MS, READ_LAG_MS)


def test_after_a_clean_release_the_first_absence_is_conclusive() -> None:
    case, step = start(NEVER)
    assert step == LookUp()
    case, step = go(case, sighted(Absent()))
    assert (case.phase, step) == (Phase.READY, Place())


# --- The table --------------------------------------------------------------------------------------------------------


def test_the_table_has_a_row_for_whatever_can_become_known() -> None:
    answers, sightings = (Accepted, Refused, Unproven), (Found, Absent, Ambiguous, LookupFailed)
    expected = {
        *product([Phase.READY], answers),
        *product([Phase.AWAY, Phase.DOUBTFUL, Phase.LANDED], sightings),
    }
    assert TRANSITIONS.keys() == expected


CONCLUSIVE = WINDOW_MS + READ_LAG_MS + STAMP_AHEAD_MS
FIREWALL = replace(an_error(Retry.AFTER_HOLD), http_status=403)
DOUBT, GONE = an_error(Retry.AFTER_LOOKUP, Landed.UNKNOWN), an_error(Retry.AFTER_BACKOFF)


@pytest.mark.parametrize(
    ("case", "fact", "later_ms", "phase", "step"),
    [
        # READY: an attempt was answered.
        (a_case(), answered(Unproven(error=DOUBT)), 0, Phase.DOUBTFUL, LookUp()),
        (
            a_case(),
            answered(Refused(error=an_error(Retry.AFTER_BACKOFF))),
            0,
            Phase.READY,
            Place(wait_ms=200),
        ),
        (a_case(tries=3), answered(Refused(error=GONE)), 0, Phase.READY, Place(wait_ms=1_600)),
        (a_case(tries=99), answered(Refused(error=GONE)), 0, Phase.READY, Place(wait_ms=5_000)),
        (a_case(), answered(Refused(error=an_error(Retry.AFTER_LOOKUP))), 0, Phase.READY, Place(wait_ms=200)),
        (a_case(), answered(Refused(error=an_error(Retry.AFTER_HOLD))), 0, Phase.READY, Place()),
        (a_case(), answered(Refused(error=FIREWALL)), 0, Phase.AWAY, LookUp()),
        (a_case(), answered(Refused(error=replace(FIREWALL, venue_code=-1003))), 0, Phase.READY, Place()),
        (
            a_case(),
            answered(Refused(error=an_error(Retry.AFTER_RESYNC))),
            0,
            Phase.READY,
            Place(),
        ),
        (a_case(), answered(Accepted(report=a_report(None))), 0, Phase.LANDED, LookUp()),
        (
            a_case(),
            answered(Accepted(report=a_report(OrderState.OPEN))),
            0,
            Phase.LANDED,
            LookUp(wait_ms=200),
        ),
        (
            a_case(),
            answered(Accepted(report=a_report(OrderState.PENDING))),
            0,
            Phase.LANDED,
            LookUp(wait_ms=200),
        ),
        # AWAY: a firewall answered, and it was looked for before the next try.
        (a_case(Phase.AWAY), sighted(Found(report=a_report(None))), 0, Phase.LANDED, LookUp()),
        (a_case(Phase.AWAY), sighted(Absent()), 0, Phase.AWAY, LookUp(wait_ms=200)),
        (a_case(Phase.AWAY), sighted(Absent(), CONCLUSIVE), CONCLUSIVE, Phase.READY, Place()),
        (a_case(Phase.AWAY), sighted(LookupFailed(error=FIREWALL)), 0, Phase.AWAY, LookUp(wait_ms=200)),
        # DOUBTFUL: it was looked for.
        (a_case(Phase.DOUBTFUL), sighted(Absent()), 0, Phase.DOUBTFUL, LookUp(wait_ms=200)),
        (
            a_case(Phase.DOUBTFUL, tries=5),
            sighted(Absent(), CONCLUSIVE - 1),
            CONCLUSIVE - 1,
            Phase.DOUBTFUL,
            LookUp(wait_ms=WAIT_FACTOR),
        ),
        # The look-up began before the time, so what it did not see may still have come.
        (
            a_case(Phase.DOUBTFUL),
            sighted(Absent(), CONCLUSIVE - 1),
            CONCLUSIVE + 500,
            Phase.DOUBTFUL,
            LookUp(wait_ms=200),
        ),
        (a_case(Phase.DOUBTFUL), sighted(Absent(), CONCLUSIVE), CONCLUSIVE, Phase.READY, Place()),
        (
            a_case(Phase.DOUBTFUL, tries=4),
            sighted(LookupFailed(error=DOUBT)),
            0,
            Phase.DOUBTFUL,
            LookUp(wait_ms=3_200),
        ),
        (
            a_case(Phase.DOUBTFUL, tries=9),
            sighted(LookupFailed(error=DOUBT), 60_000),
            60_000,
            Phase.DOUBTFUL,
            LookUp(wait_ms=5_000),
        ),
        (
            a_case(Phase.DOUBTFUL, tries=9),
            sighted(LookupFailed(error=DOUBT), BUDGET_MS - 10),
            BUDGET_MS - 10,
            Phase.DOUBTFUL,
            LookUp(wait_ms=10),
        ),
        (a_case(Phase.DOUBTFUL), sighted(Found(report=a_report(None))), 0, Phase.LANDED, LookUp()),
        (
            a_case(Phase.DOUBTFUL),
            sighted(Found(report=a_report(OrderState.OPEN))),
            0,
            Phase.LANDED,
            LookUp(wait_ms=200),
        ),
        # LANDED: it is there, and its fate is asked for.
        (a_case(Phase.LANDED), sighted(Found(report=a_report(None))), 0, Phase.LANDED, LookUp(wait_ms=200)),
        (a_case(Phase.LANDED), sighted(Absent(), 99_000), 99_000, Phase.LANDED, LookUp(wait_ms=200)),
        (a_case(Phase.LANDED), sighted(LookupFailed(error=DOUBT)), 0, Phase.LANDED, LookUp(wait_ms=200)),
    ],
)
def test_what_becomes_known_says_what_to_do_next(
    case: Case, fact: Fact, later_ms: float, phase: Phase, step: Step
) -> None:
    after, next_step = go(case, fact, later_ms)
    assert (after.phase, next_step) == (phase, step)


FILLED = a_report()


@pytest.mark.parametrize(
    ("case", "fact", "later_ms", "status", "landed"),
    [
        (a_case(), answered(Accepted(report=FILLED)), 0, "filled", "yes"),
        (a_case(order=LIMIT), answered(Accepted(report=a_report(OrderState.OPEN))), 0, "resting", "yes"),
        (a_case(), answered(Accepted(report=a_report(OrderState.EXPIRED))), 0, "unfilled", "yes"),
        (a_case(), answered(Accepted(report=a_report(OrderState.REJECTED))), 0, "rejected", "no"),
        (a_case(), answered(Refused(error=an_error())), 0, "rejected", "no"),
        (
            a_case(resynchronised=True),
            answered(Refused(error=an_error(Retry.AFTER_RESYNC))),
            0,
            "rejected",
            "no",
        ),
        (a_case(), answered(Refused(error=GONE)), 29_900, "expired", "no"),
        (a_case(Phase.DOUBTFUL), sighted(Found(report=FILLED)), 0, "filled", "yes"),
        (a_case(Phase.DOUBTFUL), sighted(Found(report=FILLED)), 10 * BUDGET_MS, "filled", "yes"),
        (
            a_case(Phase.DOUBTFUL, order=LIMIT),
            sighted(Found(report=a_report(OrderState.OPEN))),
            0,
            "resting",
            "yes",
        ),
        (a_case(Phase.DOUBTFUL), sighted(Absent(), 30_000), 30_000, "expired", "no"),
        (a_case(Phase.DOUBTFUL), sighted(Ambiguous(candidates=2)), 0, "unknown", "unknown"),
        (a_case(Phase.DOUBTFUL), sighted(LookupFailed(error=DOUBT)), BUDGET_MS, "unknown", "unknown"),
        (
            a_case(Phase.DOUBTFUL, last_entry=an_instant(BUDGET_MS)),
            sighted(Absent()),
            BUDGET_MS,
            "unknown",
            "unknown",
        ),
        (a_case(Phase.LANDED), sighted(Found(report=FILLED)), 0, "filled", "yes"),
        (
            a_case(Phase.LANDED),
            sighted(Found(report=a_report(OrderState.OPEN))),
            SETTLE_PATIENCE_MS,
            "resting",
            "yes",
        ),
        (a_case(Phase.LANDED), sighted(Absent(), BUDGET_MS), BUDGET_MS, "unknown", "yes"),
        (a_case(Phase.LANDED), sighted(LookupFailed(error=DOUBT)), BUDGET_MS, "unknown", "yes"),
        (a_case(Phase.LANDED), sighted(Ambiguous(candidates=2)), 0, "unknown", "yes"),
    ],
)
def test_what_becomes_known_ends_a_signal(
    case: Case, fact: Fact, later_ms: float, status: str, landed: str
) -> None:
    settlement = settlement_of(go(case, fact, later_ms)[1])
    assert (settlement.status, settlement.landed) == (status, landed)


def test_an_unknown_end_names_the_resolution_and_a_refusal_names_itself() -> None:
    unknown = settlement_of(go(a_case(Phase.DOUBTFUL), sighted(Ambiguous(candidates=2)))[1])
    assert unknown.error == UNRESOLVED
    rejected = settlement_of(go(a_case(), answered(Refused(error=an_error(code="insufficient_balance"))))[1])
    assert rejected.error is not None
    assert rejected.error.code == "insufficient_balance"


def test_a_refused_stamp_is_signed_anew_once() -> None:
    case, step = go(a_case(), answered(Refused(error=an_error(Retry.AFTER_RESYNC))))
    assert step == Place()
    _, step = go(case, answered(Refused(error=an_error(Retry.AFTER_RESYNC))))
    assert settlement_of(step).status is Status.REJECTED


def test_an_abridged_report_is_followed_by_a_look_up_and_settles_when_none_succeeds() -> None:
    abridged = a_report(is_abridged=True)
    case, step = go(a_case(), answered(Accepted(report=abridged)))
    assert step == LookUp()
    told = a_report(executed_quote=Decimal(65_000))
    assert settlement_of(go(case, sighted(Found(report=told)))[1]).report == told
    failed = sighted(LookupFailed(error=an_error()))
    case, step = go(case, failed, SETTLE_PATIENCE_MS - 1)
    assert isinstance(step, LookUp)
    for fact in (failed, sighted(Absent())):
        settlement = settlement_of(go(case, fact, SETTLE_PATIENCE_MS)[1])
        assert (settlement.status, settlement.landed) == (Status.FILLED, Landed.YES)
        assert settlement.report == abridged


def test_doubt_counts_from_the_last_stamp_of_anybody() -> None:
    case, _ = start(an_instant(9_000))
    case, _ = go(case, sighted(Absent(), 16_000), 16_000)
    assert case.phase is Phase.READY
    case, _ = go(case, answered(Unproven(error=DOUBT), 16_500), 16_500)
    assert case.conclusive_at.venue_ms == NOW_MS + 16_500 + CONCLUSIVE


def test_a_second_doubt_has_a_budget_of_its_own() -> None:
    case, _ = go(a_case(Phase.DOUBTFUL, give_up_at_ms=10_000.0), sighted(Absent(), CONCLUSIVE), CONCLUSIVE)
    case, _ = go(case, answered(Unproven(error=DOUBT), CONCLUSIVE), CONCLUSIVE)
    assert case.give_up_at_ms == CONCLUSIVE + BUDGET_MS


# --- The whole machine against a venue --------------------------------------------------------------------------------


@dataclass
class Attempt:
    """A placement on its way: its stamp, and when it enters (true time), if ever."""

    stamped_ms: float
    enters_ms: float | None
    is_over: bool = False
    visible_ms: float = 0.0


@dataclass
class World:
    """A venue that does anything it is allowed to, and a lane that does what the machine says.

    Time is `now_ms`. The venue's clock is ahead of it by its steps so far, all in one direction. The lane believes in a
    step only when a request of its own is refused, or when it happens to ask the venue's time; its reading is the
    earliest that it believes possible, up to `doubt_ms` behind.
    """

    rng: random.Random
    doubt_ms: float
    trouble: float
    steps: list[tuple[float, float]] = field(default_factory=list)
    now_ms: float = NOW_MS
    attempts: list[Attempt] = field(default_factory=list)
    taken: int = 0
    believed_ms: float = 0.0
    seen_back_ms: float = 0.0
    earlier_until_ms: float = NOW_MS + 9_000
    sent_until_ms: float | None = None

    def play(self, order: Order, *, earlier_owner: bool) -> tuple[Settlement, float]:
        if earlier_owner:
            self.sent_until_ms = self.earlier_until_ms
            if self.rng.random() < 0.8:
                early_ms = self.rng.uniform(self.sent_until_ms - 9_000, self.sent_until_ms)
                sent_ms = self.rng.choice([early_ms, self.sent_until_ms])
                ahead_ms = self.rng.choice([self.rng.uniform(-self.doubt_ms, 999), 999])
                self._launch(self._venue_ms(sent_ms) + ahead_ms, sent_ms)
        if self.rng.random() < 0.5:
            self._synchronise()
        case, step = begin(
            order, valid_until_ms=VALID_UNTIL_MS, budget_ms=BUDGET_MS, suspect_until=self._suspect_until()
        )
        while not isinstance(step, Settle):
            self.taken += 1
            assert self.taken < 2_000
            case, step = self._take(case, step, order)
        return step.settlement, self.now_ms

    def _take(self, case: Case, step: Step, order: Order) -> tuple[Case, Step]:
        if isinstance(step, Settle):
            return case, step
        self.now_ms += step.wait_ms
        if self.rng.random() < 0.4:
            self._synchronise()
        if isinstance(step, Place):
            if self.now_ms >= case.valid_until_ms:
                return case, Settle(
                    settlement=Settlement(status=Status.EXPIRED, landed=Landed.NO, error=EXPIRED)
                )
            self._check_that_nothing_can_be_there()
            if self.rng.random() < 0.2:
                self.now_ms += self.rng.uniform(0, 3_000)  # the limiter
            fact: Fact = self._place(order)
        else:
            fact = self._look()
            suspect_until = self._suspect_until()
            if suspect_until is not None:
                case = replace(case, last_entry=suspect_until.or_later(case.last_entry))
        moment = Moment(venue_ms=self._earliest_ms(), wall_ms=self.now_ms, mono_ms=self.now_ms)
        return advance(case, fact, moment, EXPIRED, UNRESOLVED)

    # --- Clocks

    def _venue_ms(self, at_ms: float) -> float:
        return at_ms + sum(size_ms for stepped_ms, size_ms in self.steps if stepped_ms <= at_ms)

    def _earliest_ms(self) -> float:
        return self.now_ms + self.believed_ms - self.rng.uniform(0, self.doubt_ms)

    def _synchronise(self) -> None:
        truth_ms = self._venue_ms(self.now_ms) - self.now_ms
        self.seen_back_ms += max(0.0, self.believed_ms - truth_ms)
        self.believed_ms = truth_ms

    def _suspect_until(self) -> Instant | None:
        if self.sent_until_ms is None:
            return None
        sent = Instant(venue_ms=self.sent_until_ms + self.believed_ms, mono_ms=self.sent_until_ms)
        return sent.plus(STAMP_AHEAD_MS + self.seen_back_ms + WINDOW_MS, WINDOW_MS)

    # --- The venue

    def _enters_at(self, attempt: Attempt, at_ms: float) -> bool:
        return self._venue_ms(at_ms) - attempt.stamped_ms <= WINDOW_MS

    def _check_that_nothing_can_be_there(self) -> None:
        for attempt in self.attempts:
            assert attempt.enters_ms is None, "placed again although an earlier attempt enters"
            assert attempt.is_over or not self._enters_at(attempt, self.now_ms), (
                "placed again before it was safe"
            )

    def _launch(self, stamped_ms: float, sent_ms: float) -> Attempt:
        """Send: it enters at once, late, at the very end of its window as the clock goes, or never."""
        attempt = Attempt(stamped_ms, None)
        self.attempts.append(attempt)
        if not 1_000 > stamped_ms - self._venue_ms(sent_ms) >= -WINDOW_MS:
            attempt.is_over = True  # refused
            return attempt
        later = [sent_ms + ms for ms in range(0, 12_000, 50) if self._enters_at(attempt, sent_ms + ms)]
        attempt.enters_ms = self.rng.choice([sent_ms, self.rng.choice(later), later[-1], None])
        if attempt.enters_ms is not None:
            attempt.visible_ms = attempt.enters_ms + self.rng.choice(
                [0, READ_LAG_MS, self.rng.uniform(0, READ_LAG_MS)]
            )
        return attempt

    def _place(self, order: Order) -> Answered:
        sent_ms = self.now_ms
        attempt = self._launch(self._earliest_ms(), sent_ms)
        last_entry = Instant(venue_ms=attempt.stamped_ms, mono_ms=sent_ms).plus(WINDOW_MS, WINDOW_MS)
        self.now_ms += self.rng.choice([5, 50, 11_000])
        return Answered(verdict=self._verdict(attempt, order), last_entry=last_entry)

    def _verdict(self, attempt: Attempt, order: Order) -> Verdict:
        if self.rng.random() < self.trouble:
            return Unproven(error=DOUBT)
        if attempt.is_over:
            self._synchronise()
            return Refused(error=an_error(Retry.AFTER_RESYNC))
        if attempt.enters_ms is None:
            attempt.is_over = True
            return Refused(error=an_error(self.rng.choice(list(Retry))))
        if attempt.enters_ms > self.now_ms:
            return Unproven(error=DOUBT)
        return Accepted(report=self._report(order))

    def _report(self, order: Order) -> ExecutionReport:
        states = [
            OrderState.FILLED,
            OrderState.FILLED,
            OrderState.EXPIRED,
            OrderState.OPEN,
            OrderState.PENDING,
            None,
        ]
        del order
        return a_report(self.rng.choice(states))

    def _look(self) -> Sighted:
        asked = Instant(venue_ms=self._earliest_ms(), mono_ms=self.now_ms)
        if asked.venue_ms >= self._venue_ms(self.now_ms) + 1_000:
            self._synchronise()
            return Sighted(sighting=LookupFailed(error=DOUBT), asked=asked)
        seen = [a for a in self.attempts if a.enters_ms is not None and a.visible_ms <= self.now_ms]
        self.now_ms += self.rng.choice([5, 50, 2_000])
        draw = self.rng.random()
        if draw < self.trouble * 0.8:
            return Sighted(sighting=LookupFailed(error=DOUBT), asked=asked)
        if draw < self.trouble * 0.82:
            return Sighted(sighting=Ambiguous(candidates=2), asked=asked)
        return Sighted(sighting=Found(report=self._report(MARKET)) if seen else Absent(), asked=asked)

    def is_there(self) -> bool:
        return any(attempt.enters_ms is not None for attempt in self.attempts)


def some_steps(rng: random.Random, kind: str, began_ms: float) -> list[tuple[float, float]]:
    """Steps of the venue's clock while an order may be in doubt, all in one direction."""
    match kind:
        case "none":
            return []
        case "forward":
            return [(began_ms + rng.uniform(0, 6_000), rng.uniform(5_000, 20_000))]
        case "back a little":
            return [(began_ms + rng.uniform(-2_000, 30_000), -rng.uniform(0, 600)) for _ in range(3)]
        case _:  # before any look-up can have been conclusive
            return [(began_ms + rng.uniform(0, 4_000), -rng.uniform(0, 8_000))]


@settings(max_examples=1_000)
@given(
    seed=st.integers(0, 2**32),
    doubt_ms=st.floats(0, 500),
    trouble=st.sampled_from([0.0, 0.3, 0.6, 0.9, 1.0]),
    earlier_owner=st.booleans(),
    order=st.sampled_from([MARKET, LIMIT]),
    steps=st.sampled_from(["none", "forward", "back a little", "back far"]),
)
def test_never_two_orders_and_never_a_false_word_about_one(
    seed: int, doubt_ms: float, trouble: float, earlier_owner: bool, order: Order, steps: str
) -> None:
    rng = random.Random(seed)
    earlier_until_ms = NOW_MS + rng.choice([-3_000, 0, 9_000])
    began_ms = earlier_until_ms if earlier_owner else NOW_MS
    world = World(rng, doubt_ms, trouble, some_steps(rng, steps, began_ms), earlier_until_ms=earlier_until_ms)
    settlement, ended_ms = world.play(order, earlier_owner=earlier_owner)
    assert sum(attempt.enters_ms is not None for attempt in world.attempts) <= 1
    if settlement.landed is Landed.YES:
        assert world.is_there()
    if settlement.landed is Landed.NO:
        assert not world.is_there()
        assert settlement.status in {Status.REJECTED, Status.EXPIRED}
    if settlement.landed is Landed.UNKNOWN:
        assert settlement.status is Status.UNKNOWN
    slack_ms = 15_000 + max(BACKOFF_MS)
    assert ended_ms - NOW_MS <= VALID_UNTIL_MS - NOW_MS + BUDGET_MS + slack_ms


@pytest.mark.parametrize("earlier_owner", [False, True])
def test_the_property_meets_every_way_a_signal_can_end(*, earlier_owner: bool) -> None:
    """A property that never sees an end proves nothing about it."""
    ends = set()
    for seed in range(600):
        world = World(random.Random(seed), 100.0, (seed % 6) / 5)
        settlement, _ = world.play(MARKET, earlier_owner=earlier_owner)
        ends.add((settlement.status, settlement.landed))
    assert {
        (Status.FILLED, Landed.YES),
        (Status.UNFILLED, Landed.YES),
        (Status.RESTING, Landed.YES),
        (Status.REJECTED, Landed.NO),
        (Status.EXPIRED, Landed.NO),
        (Status.UNKNOWN, Landed.UNKNOWN),
    } <= ends


def test_a_firewall_that_lets_no_question_through_either_is_believed_when_the_validity_ends() -> None:
    _, step = go(a_case(Phase.AWAY), sighted(LookupFailed(error=FIREWALL)), later_ms=30_000)
    settlement = settlement_of(step)
    assert (settlement.status, settlement.landed) == (Status.EXPIRED, Landed.NO)
