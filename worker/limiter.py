"""The limits and holds of one venue at one address: who may send when, and what each reply teaches.

Holds come first, then tokens: what was set aside behind a hold would hold up whoever the hold does not concern.
An IP's hold stops everything, probes of the venue's time included; an account's hold stops what counts
against its orders, so that cancels still take risk away.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import structlog

from adapters.base import Adapter
from adapters.errors import Retry, Scope, VenueError
from adapters.model import (
    Answer,
    Call,
    Fault,
    FaultKind,
    LimitKind,
    OrderCount,
    Purpose,
    RateLimit,
    Reply,
)
from adapters.usage import read_usage
from worker.budget import AccountBudget, Hold
from worker.clock_sync import Clock
from worker.core.clock_offset import ClockReading
from worker.core.holds import HoldRecord
from worker.core.token_bucket import (
    BudgetSet,
    Claim,
    Cost,
    Costs,
    Reservation,
    cancel,
    claim,
    claim_at_once,
    release,
    reserve,
    take,
)
from worker.core.windows import FixedWindow, Rank, Window

RANKS: Final[Mapping[Purpose, Rank]] = {
    Purpose.CANCEL: Rank.FIRST,
    Purpose.REDUCE: Rank.FIRST,
    Purpose.PLACE: Rank.ORDER,
    Purpose.LOOKUP: Rank.ASKING,
    Purpose.PROBE: Rank.ASKING,
    Purpose.RULES: Rank.ASKING,
}

LONGEST_BAN_S: Final = 7 * 24 * 3600.0
"""What a text says beyond that is a mistake; no venue bans for longer than three days."""

FOREIGN_SHARE: Final = 0.1
FOREIGN_SAID_EVERY_S: Final = 300.0

log = structlog.get_logger("beeline.limits")


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitState:
    """One limit as it stands now."""

    kind: LimitKind
    interval_s: int
    limit: int
    used: int
    reserved: int
    foreign: int


class Limiter:
    """Budgets and holds of one gateway."""

    def __init__(
        self,
        adapter: Adapter,
        base_url: str,
        time: Clock,
        read_clock: Callable[[], ClockReading | None],
        *,
        ip_share: float,
        egress: str,
        on_hold: Callable[[HoldRecord], None] | None,
    ) -> None:
        self._adapter, self._base_url, self._time, self._read_clock = adapter, base_url, time, read_clock
        self._egress, self._on_hold = egress, on_hold
        self._limits = tuple(adapter.fallback_limits)
        self._foreign_said_s: dict[str, float] = {}
        self.hold = Hold()
        self.ip = BudgetSet(_of_ip(self._limits), share=ip_share)
        self._costs_of_ip: dict[tuple[int, int], tuple[Cost, ...]] = {}
        """What a request of a weight and a number of orders takes of the IP's limits: there are few different ones."""
        self.accounts: dict[str, AccountBudget] = {}

    def account(self, limit_group: str) -> AccountBudget:
        """Return the order budget of an exchange account."""
        budget = self.accounts.get(limit_group)
        if budget is None:
            limits = BudgetSet(_of_account(self._limits), kept=self._adapter.kept_for_reducing)
            budget = self.accounts[limit_group] = AccountBudget(limit_group, limits)
        return budget

    def adopt(self, limits: Iterable[RateLimit]) -> None:
        """Follow the limits that the venue names now; kinds it does not name stay the documented ones."""
        named = tuple(limits)
        kinds = {limit.kind for limit in named}
        limits = named + tuple(limit for limit in self._adapter.fallback_limits if limit.kind not in kinds)
        if limits == self._limits:
            return  # as nearly always: the budgets of thousands of accounts need not be gone through
        self._limits = limits
        self._costs_of_ip.clear()
        self.ip.update(_of_ip(self._limits))
        for budget in self.accounts.values():
            budget.limits.update(_of_account(self._limits))

    def venue_ms(self) -> float:
        """Venue time, or the closest thing to it before it is known."""
        return self._now().venue_ms

    def _now(self) -> ClockReading:
        """Venue time and the guard it needs, or the closest thing to it before it is known."""
        return self._read_clock() or ClockReading(venue_ms=self._time.wall_ms(), uncertainty_ms=0.0)

    # --- Admission

    def admit_at_once(
        self, call: Call, budget: AccountBudget | None, deadline_ms: float | None, now: ClockReading
    ) -> Claim | None:
        """Let a request go without a wait; `None` says that it has to be admitted in turn."""
        if self.hold_ms(budget if call.orders else None) > 0 or self._outlives(0.0, deadline_ms):
            return None
        costs, rank = self._costs(call, budget), RANKS[call.purpose]
        return claim_at_once(costs, now.venue_ms, rank=rank, guard_ms=now.uncertainty_ms)

    async def admit(
        self, call: Call, budget: AccountBudget | None, deadline_ms: float | None
    ) -> Claim | float:
        """Wait for holds and budgets; a float is the wait in milliseconds that would outlive the deadline."""
        costs, rank, queues = self._costs(call, budget), RANKS[call.purpose], True
        concerned = budget if call.orders else None
        while True:
            hold_ms = self.hold_ms(concerned)
            if self._outlives(hold_ms, deadline_ms):
                return hold_ms
            if hold_ms > 0:
                await asyncio.sleep(hold_ms / 1000)
                continue
            now = self._now()
            claimed = claim_at_once(costs, now.venue_ms, rank=rank, guard_ms=now.uncertainty_ms)
            if claimed is not None:
                return claimed
            reservation = reserve(costs, now.venue_ms, rank=rank, guard_ms=now.uncertainty_ms, queues=queues)
            wait_ms = reservation.ready_at_ms - now.venue_ms
            if self._outlives(wait_ms, deadline_ms):
                cancel(reservation)
                return wait_ms
            await self._wait(reservation, wait_ms)
            if self.hold_ms(concerned) > 0:
                cancel(reservation)
                continue
            claimed = claim(reservation, self.venue_ms(), guard_ms=now.uncertainty_ms)
            if claimed is not None:
                return claimed
            queues = False

    @staticmethod
    async def _wait(reservation: Reservation, wait_ms: float) -> None:
        """Wait for a turn; who gives up leaves it to the next."""
        if wait_ms > 0:
            try:
                await asyncio.sleep(wait_ms / 1000)
            except asyncio.CancelledError:
                cancel(reservation)
                raise

    def _costs(self, call: Call, budget: AccountBudget | None) -> Costs:
        costs = self._costs_of_ip.get((call.weight, call.orders))
        if costs is None:
            costs = self.ip.costs(LimitKind.REQUEST_WEIGHT, call.weight)
            costs += self.ip.costs(LimitKind.RAW_REQUESTS, 1)
            costs += self.ip.costs(LimitKind.ORDERS_BY_IP, call.orders)
            self._costs_of_ip[call.weight, call.orders] = costs
        if budget is not None and call.orders:
            return costs + budget.limits.costs(LimitKind.ORDERS, call.orders)
        return costs

    def take(self, weight: int) -> Claim:
        """Count a request that cannot wait for its turn: one that measures the venue's time."""
        costs = self.ip.costs(LimitKind.REQUEST_WEIGHT, weight) + self.ip.costs(LimitKind.RAW_REQUESTS, 1)
        now = self._now()
        return take(costs, now.venue_ms, guard_ms=now.uncertainty_ms)

    def _outlives(self, wait_ms: float, deadline_ms: float | None) -> bool:
        """Whether a wait would end after the signal does."""
        return deadline_ms is not None and self._time.wall_ms() + wait_ms > deadline_ms

    # --- Replies

    def release(self, claimed: Claim, free: Collection[Window] = frozenset()) -> None:
        """Record that a request got its reply, or never will."""
        self._release(claimed, free, self._now())

    @staticmethod
    def _release(claimed: Claim, free: Collection[Window], now: ClockReading) -> None:
        release(claimed, now.venue_ms, guard_ms=now.uncertainty_ms, free=free)

    def learn(
        self,
        call: Call,
        budget: AccountBudget | None,
        claimed: Claim,
        answer: Answer,
        error: VenueError | None,
    ) -> None:
        """Take from a reply what it cost, what the venue counted, and where to stay away."""
        now = self._now()
        self._release(claimed, self._free(call, claimed, answer, error), now)
        if error is not None and call.orders and budget is not None:
            budget.limits.doubt(LimitKind.ORDERS, call.orders)
        self._observe(claimed, answer, budget, now)
        if error is not None and error.entry.retry is Retry.AFTER_HOLD:
            self.heed_error(error, budget)
        elif isinstance(answer, Reply):
            now_s = self._time.monotonic()
            self.hold.succeed(now_s)
            if budget is not None:
                budget.hold.succeed(now_s)

    def _free(
        self, call: Call, claimed: Claim, answer: Answer, error: VenueError | None
    ) -> Collection[Window]:
        """The limits that a request was not counted against."""
        if isinstance(answer, Fault) and answer.kind is FaultKind.NOT_SENT:
            return claimed.marks.keys()
        if call.free_when_accepted and error is None:
            return [window for window, _ in self.ip.costs(LimitKind.REQUEST_WEIGHT, 1)]
        return ()

    def observe(self, claimed: Claim, answer: Answer) -> None:
        """Compare the venue's counts with ours after a request that no account sent."""
        self._observe(claimed, answer, None, self._now())

    def _observe(
        self, claimed: Claim, answer: Answer, budget: AccountBudget | None, now: ClockReading
    ) -> None:
        if not isinstance(answer, Reply):
            return
        marks, sent_ms = claimed.marks, claimed.sent_ms
        now_ms, guard_ms = now.venue_ms, now.uncertainty_ms
        for kind, interval_s, count in read_usage(answer.headers):
            of_account = budget if kind is LimitKind.ORDERS else None
            limits = self.ip if kind is not LimitKind.ORDERS else of_account.limits if of_account else None
            window = None if limits is None else limits.window(kind, interval_s)
            if window is None:
                continue
            window.observe(count, marks.get(window), sent_ms=sent_ms, now_ms=now_ms, guard_ms=guard_ms)
            if window.foreign > window.limit * FOREIGN_SHARE:
                scope, name = ("account", of_account.limit_group) if of_account else ("ip", self._egress)
                self._warn_of_others(scope, name, kind, interval_s, window)

    def count_orders(self, budget: AccountBudget, counts: Iterable[OrderCount], asked_ms: float) -> bool:
        """Take in what the venue says an account has placed; `False` when it names limits only."""
        now, told = self._now(), False
        for count in counts:
            window = budget.limits.window(LimitKind.ORDERS, count.interval_s)
            if window is not None and count.used is not None:
                window.observe(
                    count.used, None, sent_ms=asked_ms, now_ms=now.venue_ms, guard_ms=now.uncertainty_ms
                )
                told = True
        return told

    def _warn_of_others(
        self, scope: str, name: str, kind: LimitKind, interval_s: int, window: Window
    ) -> None:
        now_s = self._time.monotonic()
        if now_s - self._foreign_said_s.get(f"{scope} {name}", float("-inf")) < FOREIGN_SAID_EVERY_S:
            return
        self._foreign_said_s[f"{scope} {name}"] = now_s
        log.warning(
            "somebody else spends this budget too; what they use is left to them, and orders wait for the rest",
            venue=self._adapter.name,
            scope=scope,
            name=name,
            kind=kind.value,
            window_s=interval_s,
            limit=window.limit,
            foreign=window.foreign,
        )

    # --- Holds

    def hold_ms(self, budget: AccountBudget | None = None) -> float:
        """How long this venue, or an account there, wants to be left alone."""
        until_s = max(self.hold.until_s, budget.hold.until_s if budget else 0.0)
        return max(0.0, (until_s - self._time.monotonic()) * 1000)

    def heed_error(self, error: VenueError, budget: AccountBudget | None = None) -> None:
        """Stay away when an answer asks for it, and tell the pool."""
        if error.entry.retry is not Retry.AFTER_HOLD:
            return
        concerned = budget if error.entry.scope in (Scope.ACCOUNT, Scope.ORDER, Scope.SYMBOL) else None
        hold = self.hold if concerned is None else concerned.hold
        advised_s = error.hold_ms / 1000 if error.hold_ms is not None else None
        if error.banned_until_ms is not None:
            until_s = min((error.banned_until_ms - self.venue_ms()) / 1000, LONGEST_BAN_S)
            if until_s > 0:
                advised_s = max(until_s, advised_s or 0.0)
        window_s = 0.0 if concerned is None else self._rest_of_window_s(concerned)
        length_s = hold.extend(self._time.monotonic(), advised_s, error.code, at_least_s=window_s)
        log.warning(
            "venue asks to stay away; signals that stay valid go on afterwards",
            venue=self._adapter.name,
            scope=error.entry.scope,
            code=error.code,
            seconds=round(length_s, 1),
        )
        if self._on_hold is not None:
            self._on_hold(
                HoldRecord(
                    scope=error.entry.scope,
                    venue=self._adapter.name,
                    base_url=self._base_url,
                    egress=self._egress,
                    limit_group=None if concerned is None else concerned.limit_group,
                    reason=error.code,
                    until_ms=self._time.wall_ms() + length_s * 1000,
                )
            )

    def _rest_of_window_s(self, budget: AccountBudget) -> float:
        """How long the shortest order window still surely lasts: before its end a full budget stays full."""
        fixed = [seconds for _, seconds, window in budget.limits if isinstance(window, FixedWindow)]
        interval_s = min(fixed, default=0)
        if not interval_s:
            return 0.0
        now = self._now()
        return interval_s - now.venue_ms / 1000 % interval_s + now.uncertainty_ms / 1000

    def heed(self, record: HoldRecord) -> None:
        """Stay away because a worker of the pool was told to."""
        left_s = (record.until_ms - self._time.wall_ms()) / 1000
        if left_s > 0 and record.covers(self._adapter.name, self._base_url, self._egress):
            hold = self.hold if record.limit_group is None else self.account(record.limit_group).hold
            hold.impose(self._time.monotonic() + left_s, record.reason)

    # --- What is told of it

    def in_use(self) -> Iterator[tuple[str, str, LimitState]]:
        """The limits of the IP and of every account that uses any: `ip` or `account`, egress or limit group, limit."""
        for state in self.states(self.ip):
            yield "ip", self._egress, state
        now_ms = self.venue_ms()
        for name, budget in self.accounts.items():
            if budget.limits.is_in_use(now_ms):
                for state in self.states(budget.limits):
                    yield "account", name, state

    def states(self, limits: BudgetSet) -> Iterator[LimitState]:
        """Each limit of a scope as it stands now."""
        now_ms = self.venue_ms()
        for kind, interval_s, window in limits:
            window.roll(now_ms)
            yield LimitState(
                kind=kind,
                interval_s=interval_s,
                limit=window.limit,
                used=window.used,
                reserved=window.reserved,
                foreign=window.foreign,
            )

    def holds(self) -> Iterator[tuple[str, str, str | None, float]]:
        """Every hold in force: scope, name, reason, seconds left."""
        now_s = self._time.monotonic()
        named = [("venue", self._adapter.name, self.hold)]
        named += [("account", name, budget.hold) for name, budget in self.accounts.items()]
        for scope, name, hold in named:
            if hold.until_s > now_s:
                yield scope, name, hold.reason, hold.until_s - now_s


def _of_ip(limits: Iterable[RateLimit]) -> list[RateLimit]:
    return [limit for limit in limits if limit.kind is not LimitKind.ORDERS]


def _of_account(limits: Iterable[RateLimit]) -> list[RateLimit]:
    return [limit for limit in limits if limit.kind is LimitKind.ORDERS]
