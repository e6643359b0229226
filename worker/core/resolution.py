"""One order per signal: what to do next about a placement, decided from facts alone.

A client order id is unique among open orders only, so an id makes no resend safe; only asking the venue does.
Asking becomes conclusive because a venue checks `server time - timestamp <= recv window` again right before
its matching engine: once its clock has passed the last signed timestamp + recv window, nothing of ours can enter,
and a read lag later what entered is seen. That its clock has passed is not reckoned but proven by the look-up itself:
a venue refuses a stamp that is a second ahead of its clock, and it took the look-up's. So a clock that steps back
while an order is in doubt makes the wait longer, and nothing else. One that steps forward may pass in an instant:
therefore the same time has to pass on our own clock as well.

    phase      what is known                              facts that move it on
    ---------  -----------------------------------------  ----------------------------------------------------------
    READY      nothing of ours can be at the venue        Answered → Settle | AWAY | DOUBTFUL | LANDED | READY (again)
    AWAY       a firewall says that it let nothing pass   Sighted  → Settle | LANDED | AWAY (ask later) | READY
    DOUBTFUL   something of ours may be at the venue      Sighted  → Settle | LANDED | DOUBTFUL (ask later) | READY
    LANDED     the venue took it, its fate is not known   Sighted  → Settle | LANDED (ask later)

`TRANSITIONS` below is that table. Every step returns the next `Case` and one `Step`: Place, LookUp or Settle.
The lane does what the step says and brings the next fact. No clock is read here: a `Moment` comes with every
fact.
"""

from collections.abc import Callable
from dataclasses import replace
from enum import StrEnum
from math import inf
from typing import Final

from adapters.errors import Landed, Retry, Scope, VenueError
from adapters.model import (
    Absent,
    Accepted,
    Ambiguous,
    ExecutionReport,
    Found,
    LookupFailed,
    Order,
    OrderState,
    Refused,
    Sighting,
    Unproven,
    Verdict,
)
from adapters.values import value_type
from worker.core.outcome import Settlement, Status, settle_placement

READ_LAG_MS: Final = 2_000.0
STAMP_AHEAD_MS: Final = 1_000.0
"""Venues refuse a stamp that is this far ahead of their clock, or further."""
WAIT_FACTOR: Final = 1.001
"""While we wait we become less certain of the venue's time, by twice less than this."""
SETTLE_PATIENCE_MS: Final = 10_000.0
BACKOFF_MS: Final = (200.0, 400.0, 800.0, 1_600.0, 3_200.0, 5_000.0)


class Phase(StrEnum):
    """What is known of a placement."""

    READY = "ready"
    AWAY = "away"
    DOUBTFUL = "doubtful"
    LANDED = "landed"


@value_type
class Moment:
    """When a fact became known.

    `venue_ms` is the earliest time it can be at the venue, `wall_ms` this host's time (validity counts on it)
    and `mono_ms` the monotonic time (budgets count on it).
    """

    venue_ms: float
    wall_ms: float
    mono_ms: float


@value_type
class Instant:
    """A point in time on the venue's clock and on our monotonic one, which may part when the venue's steps."""

    venue_ms: float
    mono_ms: float

    def or_later(self, other: "Instant | None") -> "Instant":
        """The later of two on either clock."""
        if other is None:
            return self
        return Instant(venue_ms=max(self.venue_ms, other.venue_ms), mono_ms=max(self.mono_ms, other.mono_ms))

    def plus(self, venue_ms: float, mono_ms: float) -> "Instant":
        """A later one."""
        return Instant(venue_ms=self.venue_ms + venue_ms, mono_ms=self.mono_ms + mono_ms)

    def is_after(self, other: "Instant") -> bool:
        """Whether this is not before another, on both clocks."""
        return self.venue_ms >= other.venue_ms and self.mono_ms >= other.mono_ms


NEVER: Final = Instant(venue_ms=-inf, mono_ms=-inf)


@value_type
class Case:
    """Everything known about one placement.

    `last_entry` is the last instant at which anything that was sent for it can enter: its stamp and its recv window.
    `abridged` is a report that tells its fate and not all of it: a look-up adds the rest, and it is what settles the
    case when none can.
    """

    order: Order
    phase: Phase
    valid_until_ms: float
    give_up_at_ms: float | None = None
    budget_ms: float = 300_000.0
    last_entry: Instant | None = None
    landed_at_ms: float | None = None
    venue_order_id: str | None = None
    abridged: ExecutionReport | None = None
    resynchronised: bool = False
    tries: int = 0
    error: VenueError | None = None

    @property
    def conclusive_at(self) -> Instant:
        """From when on an absence proves that nothing of ours is or will be there."""
        last = self.last_entry
        return last.plus(READ_LAG_MS + STAMP_AHEAD_MS, READ_LAG_MS) if last else NEVER


# --- Facts ------------------------------------------------------------------------------------------------------------


@value_type
class Answered:
    """A placement was sent that can enter until `last_entry`, and this is what its answer means."""

    verdict: Verdict
    last_entry: Instant


@value_type
class Sighted:
    """A look-up: what the venue said, and when it was asked, as the request was stamped."""

    sighting: Sighting
    asked: Instant


Fact = Answered | Sighted


# --- Steps ------------------------------------------------------------------------------------------------------------


@value_type
class Place:
    """Place the order, after `wait_ms`."""

    wait_ms: float = 0.0


@value_type
class LookUp:
    """Ask the venue for the order, after `wait_ms`."""

    wait_ms: float = 0.0


@value_type
class Settle:
    """The signal ended."""

    settlement: Settlement


Step = Place | LookUp | Settle


# --- Beginning --------------------------------------------------------------------------------------------------------


def begin(
    order: Order,
    *,
    valid_until_ms: float,
    budget_ms: float,
    suspect_until: Instant | None,
) -> tuple[Case, Step]:
    """Open a case.

    Args:
        order: the order, checked against the venue's rules.
        valid_until_ms: wall time after which nothing is sent.
        budget_ms: how long the resolution of a doubt may take.
        suspect_until: `None` on a first delivery; otherwise the last instant at which a request that an earlier owner
            sent for this signal can enter, `NEVER` when it is known that there was none.
    """
    if suspect_until is None:
        phase: Phase = Phase.READY
    else:
        phase = Phase.DOUBTFUL
    case = Case(
        order=order,
        phase=phase,
        valid_until_ms=valid_until_ms,
        budget_ms=budget_ms,
        last_entry=suspect_until,
    )
    return case, Place() if phase is Phase.READY else LookUp()


def advance(
    case: Case, fact: Fact, now: Moment, expired: VenueError, unresolved: VenueError
) -> tuple[Case, Step]:
    """Take one fact in and say what to do next.

    Args:
        case: what was known.
        fact: what became known.
        now: when it became known.
        expired: the refusal to use when the validity ends before anything is sent.
        unresolved: the error to use when the resolution budget ends in doubt.
    """
    reading = fact.verdict if isinstance(fact, Answered) else fact.sighting
    context = Context(fact=fact, now=now, expired=expired, unresolved=unresolved)
    return TRANSITIONS[case.phase, type(reading)](case, context)


@value_type
class Context:
    """One fact with the time it became known and the refusals a transition may need."""

    fact: Fact
    now: Moment
    expired: VenueError
    unresolved: VenueError

    @property
    def report(self) -> ExecutionReport:
        """The report inside the fact."""
        reading = self.fact.verdict if isinstance(self.fact, Answered) else self.fact.sighting
        assert isinstance(reading, Accepted | Found)  # noqa: S101 - the table guarantees it
        return reading.report

    @property
    def error(self) -> VenueError:
        """The error inside the fact."""
        reading = self.fact.verdict if isinstance(self.fact, Answered) else self.fact.sighting
        assert isinstance(reading, Refused | Unproven | LookupFailed)  # noqa: S101 - the table guarantees it
        return reading.error


# --- Transitions ------------------------------------------------------------------------------------------------------


def _reported(case: Case, context: Context) -> tuple[Case, Step]:
    """The venue has the order: settle it, or ask again while its fate is open."""
    report, now = context.report, context.now
    is_final = _is_final(report, case.order)
    if is_final and not report.is_abridged:
        return case, Settle(settlement=settle_placement(report, case.order))
    landed_at_ms = case.landed_at_ms if case.landed_at_ms is not None else now.mono_ms
    known = replace(
        case,
        phase=Phase.LANDED,
        landed_at_ms=landed_at_ms,
        venue_order_id=report.venue_order_id or case.venue_order_id,
    )
    if is_final:
        return replace(known, abridged=report, tries=0, give_up_at_ms=_give_up_at(case, now)), LookUp()
    if report.state is not None and now.mono_ms - landed_at_ms >= SETTLE_PATIENCE_MS:
        return known, Settle(settlement=settle_placement(report, case.order))
    if report.state is None and case.phase is not Phase.LANDED:
        return replace(known, tries=0, give_up_at_ms=_give_up_at(case, now)), LookUp()
    return _ask_again(known, context)


def _is_final(report: ExecutionReport, order: Order) -> bool:
    """Whether the report tells the fate: closed, or resting where the order may rest."""
    if report.state is None or report.state is OrderState.PENDING:
        return False
    return report.state.is_closed or not order.is_immediate


def _refused(case: Case, context: Context) -> tuple[Case, Step]:
    """Proven not to have landed: settle, or try again when the error allows it and the signal is still valid."""
    error, now = context.error, context.now
    ready = replace(case, phase=Phase.READY, error=error, tries=case.tries + 1)
    rejected = Settle(settlement=Settlement(status=Status.REJECTED, landed=Landed.NO, error=error))
    match error.entry.retry:
        case Retry.NEVER:
            return ready, rejected
        case Retry.AFTER_RESYNC:
            if case.resynchronised:
                return ready, rejected
            return replace(ready, resynchronised=True), Place()
        case Retry.AFTER_HOLD if error.is_of_a_firewall:
            # Whoever stands in front of the venue does not know what the venue did: it is asked before the next try.
            assert isinstance(context.fact, Answered)  # noqa: S101 - the table guarantees it
            last_entry = context.fact.last_entry.or_later(case.last_entry)
            return replace(ready, phase=Phase.AWAY, last_entry=last_entry, tries=0), LookUp()
        case Retry.AFTER_HOLD:
            return ready, Place()
        case Retry.AFTER_BACKOFF | Retry.AFTER_LOOKUP if not _is_transient(error):
            return ready, rejected  # the venue's word on this order; whether to try again is the producer's
        case Retry.AFTER_BACKOFF | Retry.AFTER_LOOKUP:
            wait_ms = _backoff_ms(case.tries)
            if now.wall_ms + wait_ms >= case.valid_until_ms:
                return ready, _expire(context.expired)
            return ready, Place(wait_ms=wait_ms)


def _is_transient(error: VenueError) -> bool:
    """Whether an error speaks of the way to the venue or of the venue as a whole, not of this order."""
    return error.venue_code is None or error.entry.scope is Scope.VENUE


def _doubtful(case: Case, context: Context) -> tuple[Case, Step]:
    """No proof either way: from here on only the venue's own records count."""
    assert isinstance(context.fact, Answered)  # noqa: S101 - the table guarantees it
    doubtful = replace(
        case,
        phase=Phase.DOUBTFUL,
        error=context.error,
        last_entry=context.fact.last_entry.or_later(case.last_entry),
        give_up_at_ms=_give_up_at(case, context.now),
        tries=0,
    )
    return doubtful, LookUp()


def _absent(case: Case, context: Context) -> tuple[Case, Step]:
    """Not seen: conclusive only when nothing could still enter as the look-up was stamped."""
    assert isinstance(context.fact, Sighted)  # noqa: S101 - the table guarantees it
    if not context.fact.asked.is_after(case.conclusive_at):
        return _ask_again(case, context)
    ready = replace(case, phase=Phase.READY, last_entry=None, give_up_at_ms=None, tries=0)
    if context.now.wall_ms >= case.valid_until_ms:
        return ready, _expire(context.expired)
    return ready, Place()


def _lost_sight(case: Case, context: Context) -> tuple[Case, Step]:
    """The venue took it but does not show it yet, or cannot be asked: ask later."""
    return _ask_again(case, context)


def _turned_away(case: Case, context: Context) -> tuple[Case, Step]:
    """The venue cannot be asked either: the firewall's word counts when the validity ends."""
    if context.now.wall_ms >= case.valid_until_ms:
        return case, _expire(context.expired)
    return _ask_again(case, context)


def _several(case: Case, context: Context) -> tuple[Case, Step]:
    """Several orders could be ours: never a guess."""
    return case, give_up(case, context.unresolved)


def _ask_again(case: Case, context: Context) -> tuple[Case, Step]:
    now = context.now
    if case.abridged is not None and now.mono_ms - (case.landed_at_ms or 0.0) >= SETTLE_PATIENCE_MS:
        return case, Settle(settlement=settle_placement(case.abridged, case.order))
    give_up_at_ms = _give_up_at(case, now)
    if now.mono_ms >= give_up_at_ms:
        return case, give_up(case, context.unresolved)
    wait_ms = _backoff_ms(case.tries)
    until_conclusive_ms = WAIT_FACTOR * max(
        case.conclusive_at.venue_ms - now.venue_ms, case.conclusive_at.mono_ms - now.mono_ms
    )
    if case.phase is not Phase.LANDED and until_conclusive_ms > 0:
        wait_ms = min(wait_ms, until_conclusive_ms)
    wait_ms = min(wait_ms, give_up_at_ms - now.mono_ms)
    return replace(case, tries=case.tries + 1, give_up_at_ms=give_up_at_ms), LookUp(wait_ms=wait_ms)


def _give_up_at(case: Case, now: Moment) -> float:
    return now.mono_ms + case.budget_ms if case.give_up_at_ms is None else case.give_up_at_ms


def _backoff_ms(tries: int) -> float:
    return BACKOFF_MS[min(tries, len(BACKOFF_MS) - 1)]


def _expire(expired: VenueError) -> Settle:
    return Settle(settlement=Settlement(status=Status.EXPIRED, landed=Landed.NO, error=expired))


def give_up(case: Case, error: VenueError) -> Settle:
    """End a doubt that the venue cannot be asked about any more: what is known is told, and nothing is guessed."""
    landed = Landed.YES if case.phase is Phase.LANDED else Landed.UNKNOWN
    report = None
    if case.venue_order_id:
        report = ExecutionReport(
            client_order_id=case.order.client_order_id,
            venue_order_id=case.venue_order_id,
            symbol=case.order.symbol,
        )
    settlement = Settlement(status=Status.UNKNOWN, landed=landed, error=error, report=report)
    return Settle(settlement=settlement)


TRANSITIONS: Final[dict[tuple[Phase, type], Callable[[Case, Context], tuple[Case, Step]]]] = {
    (Phase.READY, Accepted): _reported,
    (Phase.READY, Refused): _refused,
    (Phase.READY, Unproven): _doubtful,
    (Phase.AWAY, Found): _reported,
    (Phase.AWAY, Absent): _absent,
    (Phase.AWAY, Ambiguous): _several,
    (Phase.AWAY, LookupFailed): _turned_away,
    (Phase.DOUBTFUL, Found): _reported,
    (Phase.DOUBTFUL, Absent): _absent,
    (Phase.DOUBTFUL, Ambiguous): _several,
    (Phase.DOUBTFUL, LookupFailed): _lost_sight,
    (Phase.LANDED, Found): _reported,
    (Phase.LANDED, Absent): _lost_sight,
    (Phase.LANDED, Ambiguous): _several,
    (Phase.LANDED, LookupFailed): _lost_sight,
}
