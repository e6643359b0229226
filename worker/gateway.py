"""The way of one request: admit, stamp, sign, send. Nothing reaches a venue except through here.

The order is the point. Waiting for limits comes first, because a stamp ages; the stamp, the signature, the
check of the lease and the hand-over to the transport follow without an `await` in between, so that no request
is signed before its turn and none is sent by a worker whose lease may have ended. The lease is checked after
the stamp: a process that freezes in between sends a stamp from before the freeze, which the venue refuses
once it is older than the recv window.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final, TypeVar

import structlog

from adapters.base import Adapter, Flow
from adapters.errors import Retry, VenueError
from adapters.model import (
    Answer,
    Call,
    Fault,
    FaultKind,
    HttpRequest,
    Reply,
    Security,
    SymbolRules,
    VenueRules,
)
from worker.budget import AccountBudget
from worker.clock_sync import Clock, Sender, VenueClock
from worker.core.clock_offset import ClockReading, stamp_ms
from worker.core.holds import HoldRecord
from worker.core.resolution import Instant
from worker.core.token_bucket import Claim
from worker.limiter import Limiter
from worker.passage import Exchange, Fenced, Passage, Sending, Throttled

T = TypeVar("T")

UNSTAMPED: Final = ClockReading(venue_ms=0.0, uncertainty_ms=0.0)
"""For requests that carry no time, sent before the venue's is known."""

RULES_INTERVAL_S: Final = 600.0
RULES_RETRY_S: Final = 2.0
RULES_MIN_AGE_S: Final = 30.0
TIME_WEIGHT: Final = 1
COUNT_PATIENCE_S: Final = 3.0
"""How long the first order of an account waits for the venue's count of what was placed before; half of its validity at
most, or no order that is valid for less would ever go."""

log = structlog.get_logger("beeline.gateway")


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
        recv_window_max_ms: int = 0,
        ip_share: float,
        egress: str = "default",
        on_hold: Callable[[HoldRecord], None] | None = None,
    ) -> None:
        self.adapter, self.base_url = adapter, base_url
        self.recv_window_max_ms = max(recv_window_ms, recv_window_max_ms)
        self._sender, self._time = sender, clock
        self._log = log.bind()  # for each line the logger of a module is looked up anew
        self.limiter = Limiter(
            adapter,
            base_url,
            clock,
            self._read_clock,
            ip_share=ip_share,
            egress=egress,
            on_hold=on_hold,
        )
        self.clock = VenueClock(
            adapter,
            base_url,
            _TimeSender(sender, self.limiter),
            clock,
            recv_window_ms=recv_window_ms,
            recv_window_max_ms=self.recv_window_max_ms,
            held_s=lambda: self.limiter.hold_ms() / 1000,
            on_error=self.limiter.heed_error,
        )
        self._rules: VenueRules | None = None
        self._rules_read_s = 0.0
        self._doubted: set[str] = set()
        self._rules_lock = asyncio.Lock()

    def _read_clock(self) -> ClockReading | None:
        return self.clock.read()

    def budget(self, limit_group: str) -> AccountBudget:
        """Return the order budget of an exchange account."""
        return self.limiter.account(limit_group)

    def inherit(self, limit_group: str, spent: Sequence[tuple[float, int]]) -> None:
        """Take an exchange account over from whoever had it; `spent` are wall times and tokens that are known of."""
        now_ms, wall_ms = self.limiter.venue_ms(), self._time.wall_ms()
        self.budget(limit_group).inherit([(now_ms + at - wall_ms, tokens) for at, tokens in spent], now_ms)

    def hold_ms(self) -> float:
        """How long this venue wants to be left alone."""
        return self.limiter.hold_ms()

    def earliest_venue_ms(self) -> float:
        """The earliest time it can be at the venue; only meaningful once the clock is known."""
        reading = self.clock.read()
        return reading.venue_ms - reading.uncertainty_ms if reading else 0.0

    def latest_venue_ms(self) -> float:
        """The latest time it can be at the venue; only meaningful once the clock is known."""
        reading = self.clock.read()
        return reading.venue_ms + reading.uncertainty_ms if reading else 0.0

    # --- One request

    async def send(self, call: Call, sending: Sending) -> Passage:
        """Admit, stamp, sign and send one request."""
        budget = sending.budget
        if budget is None or budget.is_counted or not call.orders:
            return await self._send(call, sending)
        return await self._send_uncounted(call, sending, budget)

    async def _send_uncounted(self, call: Call, sending: Sending, budget: AccountBudget) -> Passage:
        """Send an order of an account of which nobody knows yet what it has placed already: one after another."""
        try:
            async with asyncio.timeout(self._left_s(sending)):
                await budget.counting.acquire()
        except TimeoutError:
            return Throttled(wait_ms=0.0, limiter_ms=0.0)
        try:
            if not await self._count_orders(budget, sending):
                # Nobody can tell: this one goes alone, and its reply does.
                passage = await self._send(call, sending)
                budget.is_counted = isinstance(passage, Exchange) and isinstance(passage.answer, Reply)
                return passage
        finally:
            budget.counting.release()
        return await self._send(call, sending)

    def _left_s(self, sending: Sending) -> float | None:
        """How much longer it makes sense to send."""
        if sending.deadline_ms is None:
            return None
        return max(0.0, (sending.deadline_ms - self._time.wall_ms()) / 1000)

    async def _send(self, call: Call, sending: Sending) -> Passage:
        admitted, limiter_ms = self._admit_at_once(call, sending), 0.0
        if admitted is None:
            began_s = self._time.monotonic()
            waited = await self._admit(call, sending)
            limiter_ms = (self._time.monotonic() - began_s) * 1000
            if isinstance(waited, Throttled):
                return replace(waited, limiter_ms=limiter_ms)
            admitted = waited
        claimed, reading = admitted
        try:
            # No await from the stamp to the send.
            stamped_ms, window_ms = stamp_ms(reading), self.clock.window_ms(reading)
            request = self.adapter.sign(
                call,
                sending.signer,
                base_url=self.base_url,
                timestamp_ms=stamped_ms,
                recv_window_ms=window_ms,
            )
            sent_s = self._time.monotonic()
            if not sending.may_send():
                self._give_back(claimed)
                return Fenced()
            answer = await self._sender.send(request)
        except BaseException:
            self.limiter.release(claimed)
            raise
        venue_ms = (self._time.monotonic() - sent_s) * 1000
        error = None if _is_plain_success(answer) else self.adapter.error(answer)
        self.limiter.learn(call, sending.budget, claimed, answer, error)
        if error is not None and error.entry.retry is Retry.AFTER_RESYNC:
            self.clock.refused()
        if self._log.is_enabled_for(logging.DEBUG):
            self._tell(call, answer, error, venue_ms)
        return Exchange(
            answer=answer,
            stamped_ms=stamped_ms,
            last_entry=Instant(venue_ms=stamped_ms + window_ms, mono_ms=sent_s * 1000 + window_ms),
            limiter_ms=limiter_ms,
            venue_ms=venue_ms,
        )

    def _tell(self, call: Call, answer: Answer, error: VenueError | None, venue_ms: float) -> None:
        self._log.debug(
            "request answered",
            venue=self.adapter.name,
            method=call.method,
            path=call.path,
            answer=answer.status if isinstance(answer, Reply) else answer.kind.value,
            code=error.code if error else None,
            venue_ms=round(venue_ms, 1),
        )

    def _admit_at_once(self, call: Call, sending: Sending) -> tuple[Claim, ClockReading] | None:
        """Let a signed request go that has to wait for nothing: one look at the clock is enough for it."""
        reading = self.clock.read_to_sign() if call.security is Security.SIGNED else None
        if reading is None:
            return None
        claimed = self.limiter.admit_at_once(call, sending.budget, sending.deadline_ms, reading)
        return None if claimed is None else (claimed, reading)

    async def _admit(self, call: Call, sending: Sending) -> tuple[Claim, ClockReading] | Throttled:
        """Wait for the venue's time and for a turn, and count who waits."""
        budget = sending.budget
        if budget is None:
            return await self._admit_in_turn(call, sending)
        budget.waiting += 1
        try:
            return await self._admit_in_turn(call, sending)
        finally:
            budget.waiting -= 1

    async def _admit_in_turn(self, call: Call, sending: Sending) -> tuple[Claim, ClockReading] | Throttled:
        """Wait for what is missing; nothing is signed while there is a doubt about the time."""
        is_signed = call.security is Security.SIGNED
        while True:
            if is_signed and self.clock.read_to_sign() is None:
                throttled = await self._fit_to_sign(sending)
                if throttled is not None:
                    return throttled
            claimed = await self.limiter.admit(call, sending.budget, sending.deadline_ms)
            if isinstance(claimed, float):
                return Throttled(wait_ms=claimed, limiter_ms=0.0)
            if not is_signed:
                return claimed, self.clock.read() or UNSTAMPED
            reading = self.clock.read_to_sign()
            if reading is not None:
                return claimed, reading
            self._give_back(claimed)

    async def _fit_to_sign(self, sending: Sending) -> Throttled | None:
        """Wait until requests may be signed, but for no longer than the signal is valid."""
        left_s, hold_ms = self._left_s(sending), self.limiter.hold_ms()
        if left_s is not None and 0 < hold_ms > left_s * 1000:
            return Throttled(wait_ms=hold_ms, limiter_ms=0.0)
        try:
            async with asyncio.timeout(left_s):
                await self.clock.fit_to_sign()
        except TimeoutError:
            return Throttled(wait_ms=(left_s or 0.0) * 1000, limiter_ms=0.0, for_time=True)
        return None

    def _give_back(self, claimed: Claim) -> None:
        """Return what was claimed for a request that was not sent."""
        self.limiter.release(claimed, claimed.marks.keys())

    async def _count_orders(self, budget: AccountBudget, sending: Sending) -> bool:
        """Ask what an account has placed already, where the venue can be asked: an earlier owner may have filled it.

        An order waits for the answer no longer than a moment: one that goes alone tells as much.
        """
        flow = self.adapter.order_counts()
        if budget.is_counted or flow is None:
            return budget.is_counted
        asked_ms = self.limiter.venue_ms()
        left_s = self._left_s(sending)
        patience_s = COUNT_PATIENCE_S if left_s is None else min(COUNT_PATIENCE_S, left_s / 2)
        deadline_ms = self._time.wall_ms() + patience_s * 1000
        asking = replace(sending, may_send=_always, deadline_ms=deadline_ms)
        try:
            async with asyncio.timeout(patience_s):
                counts = await self.drive(flow, asking, _ignore)
        except TimeoutError:
            return False
        if isinstance(counts, Throttled | Fenced | VenueError):
            return False
        budget.is_counted = self.limiter.count_orders(budget, counts, asked_ms)
        return budget.is_counted

    def heed(self, record: HoldRecord) -> None:
        """Stay away because a worker of the pool was told to."""
        self.limiter.heed(record)

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
        is_missing = self._rules is None or symbol not in self._rules.symbols
        if self._rules is None or ((is_missing or symbol in self._doubted) and self._is_old()):
            # One order waits for it; were it to fail, the next refusal would raise the doubt again.
            self._doubted.discard(symbol)
            error = await self._refresh_rules()
        if self._rules is None:
            return error
        return self._rules.symbols.get(symbol)

    def _is_old(self) -> bool:
        return self._time.monotonic() - self._rules_read_s > RULES_MIN_AGE_S

    def doubt_rules(self, symbol: str) -> None:
        """Read the rules again before the symbol's next order: the venue refused one by a rule not known here.

        A burst of such refusals reads them once in `RULES_MIN_AGE_S`.
        """
        self._doubted.add(symbol)

    def ready_rules(self, symbol: str) -> SymbolRules | None:
        """Return the rules of a symbol if an order can go by them at once: nothing has to be asked before."""
        is_doubtful = not self.clock.is_known or symbol in self._doubted
        return None if is_doubtful else self.known_rules(symbol)

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
        self._doubted.clear()
        self.limiter.adopt(rules.limits)

    async def keep_rules_fresh(self) -> None:
        """Read the rules again on a schedule, for as long as the task lives."""
        while True:
            error = await self._refresh_rules()
            if error is not None:
                log.warning(
                    "symbol rules could not be read, trying again", venue=self.adapter.name, code=error.code
                )
            await asyncio.sleep(RULES_INTERVAL_S if error is None else RULES_RETRY_S)


class _TimeSender:
    """Sends probes of the venue's time: at once, because they measure it, but counted, and never during a hold."""

    def __init__(self, sender: Sender, limiter: Limiter) -> None:
        self._sender, self._limiter = sender, limiter

    async def send(self, request: HttpRequest) -> Answer:
        if self._limiter.hold_ms() > 0:
            return Fault(kind=FaultKind.NOT_SENT, detail="the venue wants to be left alone")
        claimed = self._limiter.take(TIME_WEIGHT)
        try:
            answer = await self._sender.send(request)
        finally:
            self._limiter.release(claimed)
        self._limiter.observe(claimed, answer)
        return answer


def _is_plain_success(answer: Answer) -> bool:
    """Whether a reply cannot be an error: reading its body twice would cost more than signing the request."""
    return isinstance(answer, Reply) and 200 <= answer.status < 300 and b'"code"' not in answer.body


def _always() -> bool:
    return True


def _ignore(exchange: Exchange) -> None:
    del exchange
