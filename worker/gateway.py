"""The way of one request: admit, stamp, sign, send. Nothing reaches a venue except through here.

The order is the point. Waiting for limits comes first, because a stamp ages; the stamp, the signature, the
check of the lease and the hand-over to the transport follow without an `await` in between, so that no request
is signed before its turn and none is sent by a worker whose lease may have ended. The lease is checked after
the stamp: a process that freezes in between sends a stamp from before the freeze, which the venue refuses
once it is older than the recv window.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, TypeVar

import structlog

from adapters.base import Adapter, Flow
from adapters.errors import Retry, Scope, VenueError
from adapters.model import (
    Answer,
    Call,
    LimitKind,
    Purpose,
    RateLimit,
    Reply,
    Security,
    SymbolRules,
    VenueRules,
)
from adapters.signing import Signer
from adapters.usage import read_usage
from worker.budget import AccountBudget, Hold
from worker.clock_sync import Clock, Sender, VenueClock
from worker.core.clock_offset import stamp_ms
from worker.core.holds import HoldRecord
from worker.core.token_bucket import BudgetSet, Reservation, WindowBudget, cancel, claim, release, reserve

T = TypeVar("T")

SHARES: Final = {
    Purpose.CANCEL: 1.0,
    Purpose.PLACE: 0.9,
    Purpose.LOOKUP: 0.8,
    Purpose.PROBE: 0.8,
    Purpose.RULES: 0.8,
}
"""The part of an IP's weight each kind of request may fill: a tenth is kept for cancels, look-ups cannot
starve orders."""


RULES_INTERVAL_S: Final = 600.0
RULES_RETRY_S: Final = 2.0
RULES_MIN_AGE_S: Final = 30.0

log = structlog.get_logger("beeline.gateway")


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """A request that was sent: its answer, the time it was signed with (venue epoch ms) and what it took."""

    answer: Answer
    stamped_ms: float
    limiter_ms: float
    venue_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Throttled:
    """Nothing was sent: the wait for limits or a hold would have outlived the signal."""

    wait_ms: float
    limiter_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Fenced:
    """Nothing was sent: this worker may not send for the shard any more."""


Passage = Exchange | Throttled | Fenced


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """Who sends and until when it makes sense: `may_send` is asked right before the bytes go out."""

    signer: Signer | None
    budget: AccountBudget | None
    may_send: Callable[[], bool]
    deadline_ms: float | None = None


class Gateway:
    """One venue at one address."""

    def __init__(
        self,
        adapter: Adapter,
        base_url: str,
        sender: Sender,
        clock: Clock,
        *,
        recv_window_ms: int,
        ip_share: float,
        egress: str = "default",
        on_hold: Callable[[HoldRecord], None] | None = None,
    ) -> None:
        self._egress, self._on_hold = egress, on_hold
        self.adapter, self.base_url = adapter, base_url
        self.recv_window_ms = recv_window_ms
        self.hold = Hold()
        self.clock = VenueClock(
            adapter,
            base_url,
            sender,
            clock,
            held_s=lambda: self.hold.until_s - clock.monotonic(),
            on_error=self._heed,
        )
        self.ip_limits = BudgetSet(_ip_limits(adapter.fallback_limits), share=ip_share)
        self._order_limits = _order_limits(adapter.fallback_limits)
        self._budgets: dict[str, AccountBudget] = {}
        self._sender, self._time = sender, clock
        self._rules: VenueRules | None = None
        self._rules_read_s = 0.0
        self._rules_lock = asyncio.Lock()

    def budget(self, limit_group: str) -> AccountBudget:
        """Return the order budget of an exchange account."""
        if limit_group not in self._budgets:
            self._budgets[limit_group] = AccountBudget(limit_group, BudgetSet(self._order_limits))
        return self._budgets[limit_group]

    def budgets(self) -> Iterable[tuple[str, AccountBudget]]:
        """Every order budget in use, by limit group."""
        return self._budgets.items()

    def earliest_venue_ms(self) -> float:
        """The earliest time it can be at the venue; only meaningful once the clock is known."""
        reading = self.clock.read()
        return reading.venue_ms - reading.uncertainty_ms if reading else 0.0

    # --- One request

    async def send(self, call: Call, sending: Sending) -> Passage:
        """Admit, stamp, sign and send one request."""
        if call.security is Security.SIGNED:
            await self.clock.known()
        began_s = self._time.monotonic()
        with _waiting(sending.budget):
            reservation = await self._admit(call, sending)
        limiter_ms = (self._time.monotonic() - began_s) * 1000
        if isinstance(reservation, float):
            return Throttled(wait_ms=reservation, limiter_ms=limiter_ms)
        # No await from the stamp to the send.
        reading = self.clock.read()
        stamped_ms = stamp_ms(reading) if reading else 0
        request = self.adapter.sign(
            call,
            sending.signer,
            base_url=self.base_url,
            timestamp_ms=stamped_ms,
            recv_window_ms=self.recv_window_ms,
        )
        sent_s, sent_ms = self._time.monotonic(), self._venue_ms()
        if not sending.may_send():
            unused = frozenset(budget for budget, _ in reservation.costs)
            release(reservation, sent_ms, guard_ms=self._guard_ms(), free=unused)
            return Fenced()
        try:
            answer = await self._sender.send(request)
        except BaseException:
            release(reservation, self._venue_ms(), guard_ms=self._guard_ms())
            raise
        self._learn(call, sending, reservation, answer, sent_ms)
        venue_ms = (self._time.monotonic() - sent_s) * 1000
        return Exchange(answer=answer, stamped_ms=stamped_ms, limiter_ms=limiter_ms, venue_ms=venue_ms)

    async def _admit(self, call: Call, sending: Sending) -> Reservation | float:
        """Wait for holds and budgets; a float is the wait in milliseconds that would outlive the deadline."""
        costs = self.ip_limits.costs(LimitKind.REQUEST_WEIGHT, call.weight)
        costs += self.ip_limits.costs(LimitKind.RAW_REQUESTS, 1)
        if sending.budget is not None:
            costs += sending.budget.limits.costs(LimitKind.ORDERS, call.orders)
        in_order = call.purpose is not Purpose.CANCEL
        while True:
            # A hold comes first: tokens set aside behind one would hold up whoever it does not concern.
            hold_ms = self._hold_ms(sending)
            if hold_ms > 0:
                if self._outlives(hold_ms, sending):
                    return hold_ms
                await asyncio.sleep(hold_ms / 1000)
                continue
            now_ms, guard_ms = self._venue_ms(), self._guard_ms()
            reservation = reserve(
                costs, now_ms, share=SHARES[call.purpose], guard_ms=guard_ms, in_order=in_order
            )
            wait_ms = reservation.ready_at_ms - now_ms
            if self._outlives(wait_ms, sending):
                cancel(reservation)
                return wait_ms
            if wait_ms > 0:
                try:
                    await asyncio.sleep(wait_ms / 1000)
                except asyncio.CancelledError:
                    cancel(reservation)
                    raise
            if self._hold_ms(sending) > 0:
                cancel(reservation)
            elif claim(reservation, self._venue_ms(), guard_ms=guard_ms):
                return reservation

    def _outlives(self, wait_ms: float, sending: Sending) -> bool:
        """Whether a wait would end after the signal does."""
        return sending.deadline_ms is not None and self._time.wall_ms() + wait_ms > sending.deadline_ms

    def hold_ms(self) -> float:
        """How long this venue wants to be left alone."""
        return max(0.0, (self.hold.until_s - self._time.monotonic()) * 1000)

    def _hold_ms(self, sending: Sending) -> float:
        until_s = max(self.hold.until_s, sending.budget.hold.until_s if sending.budget else 0.0)
        return max(0.0, (until_s - self._time.monotonic()) * 1000)

    def _venue_ms(self) -> float:
        reading = self.clock.read()
        return reading.venue_ms if reading else self._time.wall_ms()

    def _guard_ms(self) -> float:
        reading = self.clock.read()
        return reading.uncertainty_ms if reading else 0.0

    def _learn(
        self, call: Call, sending: Sending, reservation: Reservation, answer: Answer, sent_ms: float
    ) -> None:
        """Take from a reply what it tells about limits: what it cost, what was counted, where to stay away."""
        error = None if _is_plain_success(answer) else self.adapter.error(answer)
        free: frozenset[WindowBudget] = frozenset()
        if call.free_when_accepted and error is None:
            weighed = self.ip_limits.costs(LimitKind.REQUEST_WEIGHT, 1)
            free = frozenset(budget for budget, _ in weighed)
        release(reservation, self._venue_ms(), guard_ms=self._guard_ms(), free=free)
        if isinstance(answer, Reply):
            for kind, interval_s, count in read_usage(answer.headers):
                limits = (
                    sending.budget.limits if kind is LimitKind.ORDERS and sending.budget else self.ip_limits
                )
                limits.observe(kind, interval_s, count, sent_at_ms=sent_ms)
        if error is not None and error.entry.retry is Retry.AFTER_HOLD:
            self._stay_away(sending.budget, error)
        elif isinstance(answer, Reply):
            now_s = self._time.monotonic()
            self.hold.succeed(now_s)
            if sending.budget is not None:
                sending.budget.hold.succeed(now_s)

    def _heed(self, error: VenueError) -> None:
        """Stay away when the answer to a question about the time says so."""
        if error.entry.retry is Retry.AFTER_HOLD:
            self._stay_away(None, error)

    def _stay_away(self, budget: AccountBudget | None, error: VenueError) -> None:
        account_only = error.entry.scope in (Scope.ACCOUNT, Scope.ORDER, Scope.SYMBOL)
        hold = budget.hold if account_only and budget is not None else self.hold
        advised_s = error.hold_ms / 1000 if error.hold_ms is not None else None
        if error.banned_until_ms is not None:
            until_s = max(0.0, (error.banned_until_ms - self._venue_ms()) / 1000)
            advised_s = max(until_s, advised_s or 0.0)
        length_s = hold.extend(self._time.monotonic(), advised_s, error.code)
        log.warning(
            "venue asks to stay away; signals that stay valid go on afterwards",
            venue=self.adapter.name,
            scope=error.entry.scope,
            code=error.code,
            seconds=round(length_s, 1),
        )
        if self._on_hold is not None:
            self._on_hold(
                HoldRecord(
                    scope=error.entry.scope,
                    venue=self.adapter.name,
                    base_url=self.base_url,
                    egress=self._egress,
                    limit_group=budget.limit_group if account_only and budget is not None else None,
                    reason=error.code,
                    until_ms=self._time.wall_ms() + length_s * 1000,
                )
            )

    def heed(self, record: HoldRecord) -> None:
        """Stay away because a worker of the pool was told to."""
        left_s = (record.until_ms - self._time.wall_ms()) / 1000
        if left_s > 0 and record.covers(self.adapter.name, self.base_url, self._egress):
            hold = self.hold if record.limit_group is None else self.budget(record.limit_group).hold
            hold.impose(self._time.monotonic() + left_s, record.reason)

    # --- Conversations

    async def drive(
        self, flow: Flow[T], sending: Sending, on_exchange: Callable[[Exchange], None]
    ) -> T | Throttled | Fenced:
        """Carry a conversation out, one request after another."""
        try:
            call = next(flow)
            while True:
                passage = await self.send(call, sending)
                if not isinstance(passage, Exchange):
                    flow.close()
                    return passage
                on_exchange(passage)
                call = flow.send(passage.answer)
        except StopIteration as stop:
            result: T = stop.value
            return result

    # --- Rules

    async def symbol_rules(self, symbol: str) -> SymbolRules | VenueError | None:
        """Return the rules of a venue symbol; `None` when the venue has no such symbol."""
        error = None
        if self._rules is None or (symbol not in self._rules.symbols and self._is_old()):
            error = await self._refresh_rules()
        if self._rules is None:
            return error
        return self._rules.symbols.get(symbol)

    def _is_old(self) -> bool:
        return self._time.monotonic() - self._rules_read_s > RULES_MIN_AGE_S

    def known_rules(self, symbol: str) -> SymbolRules | None:
        """Return the rules of a symbol if they were read already."""
        return self._rules.symbols.get(symbol) if self._rules else None

    async def _refresh_rules(self) -> VenueError | None:
        asked_s = self._time.monotonic()
        async with self._rules_lock:
            if self._rules is not None and self._rules_read_s >= asked_s:
                return None
            sending = Sending(signer=None, budget=None, may_send=_always)
            rules = await self.drive(self.adapter.venue_rules(), sending, _ignore)
            if isinstance(rules, VenueError):
                return rules
            if isinstance(rules, VenueRules):
                self._adopt(rules)
            return None

    def _adopt(self, rules: VenueRules) -> None:
        self._rules, self._rules_read_s = rules, self._time.monotonic()
        limits = rules.limits or tuple(self.adapter.fallback_limits)
        self.ip_limits.update(_ip_limits(limits))
        self._order_limits = _order_limits(limits)
        for budget in self._budgets.values():
            budget.limits.update(self._order_limits)

    async def keep_rules_fresh(self) -> None:
        """Read the rules again on a schedule, for as long as the task lives."""
        while True:
            error = await self._refresh_rules()
            if error is not None:
                log.warning(
                    "symbol rules could not be read, trying again", venue=self.adapter.name, code=error.code
                )
            await asyncio.sleep(RULES_INTERVAL_S if error is None else RULES_RETRY_S)


@contextmanager
def _waiting(budget: AccountBudget | None) -> Iterator[None]:
    """Count who waits for its turn."""
    if budget is None:
        yield
        return
    budget.waiting += 1
    try:
        yield
    finally:
        budget.waiting -= 1


def _ip_limits(limits: Iterable[RateLimit]) -> list[RateLimit]:
    return [limit for limit in limits if limit.kind is not LimitKind.ORDERS]


def _order_limits(limits: Iterable[RateLimit]) -> list[RateLimit]:
    return [limit for limit in limits if limit.kind is LimitKind.ORDERS]


def _is_plain_success(answer: Answer) -> bool:
    """Whether a reply cannot be an error: reading its body twice would cost more than signing the request."""
    return isinstance(answer, Reply) and 200 <= answer.status < 300 and b'"code"' not in answer.body


def _always() -> bool:
    return True


def _ignore(exchange: Exchange) -> None:
    del exchange
