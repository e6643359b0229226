"""Takes orders off the book. Asking again is safe here: an order can be cancelled once, a symbol swept twice."""

from dataclasses import replace
from typing import Final

import orjson

from adapters.errors import Landed, Retry, VenueError, refusal
from adapters.model import (
    Accepted,
    AllCancelled,
    Ambiguous,
    CancelledOrder,
    Found,
    LookupFailed,
    OrderState,
    Refused,
    Unproven,
)
from worker.core.outcome import Settlement, Status, client_order_id, settle_cancellation
from worker.core.resolution import READ_LAG_MS
from worker.core.signals import Action
from worker.passage import Fenced, Throttled
from worker.trade import (
    AbandonedError,
    Trade,
    expired,
    refused,
    rejected,
    retry_ms,
    throttled,
    unresolved,
)

CANCEL_HORIZON_MS: Final = 86_400_000.0
"""How old the order may be that a cancel is looked up for."""


class Cancellation:
    """Cancels one order. Asking again is safe here: an order can be cancelled once."""

    def __init__(self, trade: Trade) -> None:
        self._trade = trade
        self._error: VenueError | None = None
        self._absent_before = False
        self._give_up_s = trade.desk.clock.monotonic() + trade.desk.settings.resolution_budget
        self._sent = trade.execution.suspect_until_ms is not None
        self._doubtful = self._sent

    async def run(self) -> Settlement:
        """Return how the signal ended."""
        trade, tries = self._trade, 0
        if not trade.account.allows(trade.signal.symbol):
            return rejected(refusal("symbol_not_allowed"))
        rules = await trade.ready_rules()
        if isinstance(rules, VenueError):
            return refused(rules)
        if trade.signal.dry_run:
            return Settlement(status=Status.VALIDATED, landed=Landed.NO)
        while True:
            key_error = trade.key_error()
            if key_error is not None:
                return unresolved(key_error) if self._doubtful else rejected(key_error)
            settlement = await (self._cancel() if trade.is_valid else self._look_up())
            if settlement is not None:
                return settlement
            if self._left_ms() <= 0:
                return unresolved()
            await trade.pause(READ_LAG_MS if self._absent_before else retry_ms(tries))
            trade.check_owned()
            tries += 1

    def _left_ms(self) -> float:
        """What is left of the time to find out."""
        return (self._give_up_s - self._trade.desk.clock.monotonic()) * 1000

    @property
    def _target(self) -> str:
        signal = self._trade.signal
        return client_order_id(signal.account, signal.cancels or "")

    def _venue_order_id(self) -> str | None:
        """The venue's id of the order, if its outcome is remembered: a venue may not know the order by ours."""
        signal = self._trade.signal
        for delivery in self._trade.execution.deliveries:
            memory = delivery.shard.memory if delivery.shard else None
            outcome = memory.recall(signal.account, signal.cancels or "") if memory else None
            if outcome is not None:
                told = orjson.loads(outcome.body)
                return told["venue_order_id"] if told["action"] == Action.PLACE else None
        return None

    async def _cancel(self) -> Settlement | None:
        trade = self._trade
        flow = trade.adapter.cancel(trade.signal.symbol, self._target, self._venue_order_id())
        verdict = await trade.gateway.drive(flow, trade.sending, trade.count)
        match verdict:
            case Fenced():
                raise AbandonedError
            case Throttled():
                return None if self._sent else refused(throttled(verdict))
            case Accepted(report=report):
                self._count_attempt()
                if report.state in (None, OrderState.OPEN, OrderState.PENDING):
                    return None  # the venue cancels late: ask again
                return settle_cancellation(report, refusal("too_late_to_cancel"))
            case Unproven(error=error):
                self._count_attempt()
                self._error, self._doubtful = error, True
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
        if error.entry.retry is Retry.NEVER and not self._trade.is_excused:
            return ended(error, is_doubtful=self._doubtful)
        return None

    async def _look_up(self) -> Settlement | None:
        """Nothing may be sent any more: only ask what became of the order."""
        trade = self._trade
        too_late = expired(trade.expired(self._error))
        if not self._sent:
            return too_late
        since_ms = int(trade.gateway.earliest_venue_ms() - CANCEL_HORIZON_MS)
        flow = trade.adapter.find_by_id(trade.signal.symbol, self._target, since_ms=since_ms)
        trade.journey.lookups += 1
        sighting = await trade.ask(flow, self._left_ms())
        match sighting:
            case Found(report=report) if report.state is not None and report.state.is_closed:
                return settle_cancellation(report, refusal("too_late_to_cancel"))
            case Found(report=report):
                return replace(too_late, landed=Landed.YES, report=report)
            case LookupFailed():
                return None
            case Ambiguous():
                return unresolved()
            case _ if self._absent_before:
                is_told = self._venue_order_id() is not None
                return unresolved() if is_told else rejected(refusal("order_not_found"))
            case _:
                self._absent_before = True
                return None


def ended(error: VenueError, *, is_doubtful: bool) -> Settlement:
    """End with an error that no resend cures; unless it is about the order, an attempt in doubt stays in doubt."""
    return unresolved(error) if is_doubtful and error.code != "order_not_found" else rejected(error)


class Clearance:
    """Cancels every open order of a symbol; asking again is safe."""

    def __init__(self, trade: Trade) -> None:
        self._trade = trade
        self._error: VenueError | None = None
        self._doubtful = trade.execution.suspect_until_ms is not None
        self._swept: dict[str, CancelledOrder] = {}

    async def run(self) -> Settlement:
        """Return how the signal ended."""
        trade, tries = self._trade, 0
        if not trade.account.allows(trade.signal.symbol):
            return rejected(refusal("symbol_not_allowed"))
        rules = await trade.ready_rules()
        if isinstance(rules, VenueError):
            return refused(rules)
        if trade.signal.dry_run:
            return Settlement(status=Status.VALIDATED, landed=Landed.NO)
        while trade.is_valid:
            key_error = trade.key_error()
            if key_error is not None:
                return unresolved(key_error) if self._doubtful else rejected(key_error)
            settlement = await self._sweep(rules.symbol)
            if settlement is not None:
                return settlement
            await trade.pause(retry_ms(tries))
            trade.check_owned()
            tries += 1
        return unresolved() if self._doubtful else expired(trade.expired(self._error))

    async def _sweep(self, symbol: str) -> Settlement | None:
        """Try once; `None` asks for another try."""
        trade = self._trade
        sweep = await trade.gateway.drive(trade.adapter.cancel_all(symbol), trade.sending, trade.count)
        if isinstance(sweep, Fenced):
            raise AbandonedError
        if isinstance(sweep, Throttled):
            return unresolved() if self._doubtful else refused(throttled(sweep))
        trade.journey.attempts += 1
        if isinstance(sweep, AllCancelled | Unproven):
            # Those of a sweep whose answer was lost are not listed again.
            self._swept |= {order.venue_order_id: order for order in sweep.orders}
        if isinstance(sweep, AllCancelled):
            orders = tuple(self._swept.values())
            return Settlement(status=Status.CANCELLED, landed=Landed.YES, orders=orders)
        self._error = sweep.error
        if isinstance(sweep, Unproven):
            self._doubtful = True
        elif sweep.error.entry.retry is Retry.NEVER and not trade.is_excused:
            return ended(sweep.error, is_doubtful=self._doubtful)
        return None
