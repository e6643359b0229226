"""Budgets against a venue that counts as venues do: in fixed windows of its own clock, when a request arrives."""

import heapq
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.model import LimitKind, RateLimit
from worker.core.token_bucket import (
    BudgetSet,
    Reservation,
    WindowBudget,
    cancel,
    claim,
    release,
    reserve,
)

START_MS = 1_795_000_020_000.0
WINDOW_MS = 10_000


@dataclass
class Request:
    """When somebody wants to send it, how long it takes there and back, and what it costs."""

    at_ms: float
    there_ms: float = 20.0
    back_ms: float = 20.0
    cost: int = 1
    free: bool = False


@dataclass
class World:
    """One client with one budget and one venue; true time is the venue's, the client's reading is off by its error."""

    budget: WindowBudget
    guard_ms: float = 0.0
    error_ms: Callable[[float], float] = lambda _: 0.0
    tells_usage: bool = False
    counted: Counter[int] = field(default_factory=Counter)
    sent: list[Request] = field(default_factory=list)
    _events: list[tuple[float, int, Callable[[float], None]]] = field(default_factory=list)

    def play(self, requests: list[Request], until_ms: float = float("inf")) -> None:
        for request in requests:
            self._at(request.at_ms, self._asker(request))
        while self._events:
            now_ms, _, happen = heapq.heappop(self._events)
            if now_ms > until_ms:
                return
            happen(now_ms)

    def _at(self, when_ms: float, happen: Callable[[float], None]) -> None:
        self._number = getattr(self, "_number", 0) + 1
        heapq.heappush(self._events, (when_ms, self._number, happen))

    def _reading(self, now_ms: float) -> float:
        return now_ms + self.error_ms(now_ms)

    def _asker(self, request: Request) -> Callable[[float], None]:
        def ask(now_ms: float) -> None:
            here_ms = self._reading(now_ms)
            reservation = reserve(
                [(self.budget, request.cost)], here_ms, share=1.0, guard_ms=self.guard_ms, in_order=True
            )
            self._at(
                now_ms + reservation.ready_at_ms - here_ms, lambda then_ms: try_to_send(then_ms, reservation)
            )

        def try_to_send(now_ms: float, reservation: Reservation) -> None:
            if not claim(reservation, self._reading(now_ms), guard_ms=self.guard_ms):
                ask(now_ms)
                return
            self.sent.append(request)
            self._at(now_ms + request.there_ms, lambda then_ms: arrive(then_ms, now_ms, reservation))

        def arrive(now_ms: float, sent_ms: float, reservation: Reservation) -> None:
            if not request.free:
                self.counted[int(now_ms // self.budget.interval_ms)] += request.cost
            count = self.counted[int(now_ms // self.budget.interval_ms)]
            self._at(now_ms + request.back_ms, lambda then_ms: answer(then_ms, sent_ms, count, reservation))

        def answer(now_ms: float, sent_ms: float, count: int, reservation: Reservation) -> None:
            free = frozenset({self.budget}) if request.free else frozenset()
            release(reservation, self._reading(now_ms), guard_ms=self.guard_ms, free=free)
            if self.tells_usage:
                self.budget.observe(count, sent_at_ms=self._reading(sent_ms))

        return ask


REQUESTS = st.lists(
    st.builds(
        Request,
        at_ms=st.floats(0, 5_000).map(lambda later: START_MS + later),
        there_ms=st.floats(0.1, 1_500),
        back_ms=st.floats(0, 1_500),
        cost=st.integers(1, 3),
        free=st.booleans(),
    ),
    max_size=60,
)


@given(
    requests=REQUESTS,
    limit=st.integers(3, 12),
    guard_ms=st.floats(0, 200),
    error=st.floats(-1, 1),
    swing=st.booleans(),
    tells_usage=st.booleans(),
)
def test_no_window_of_the_venue_ever_holds_more_than_its_limit(
    requests: list[Request], limit: int, guard_ms: float, error: float, swing: bool, tells_usage: bool
) -> None:
    def error_ms(now_ms: float) -> float:
        return guard_ms * error * (1 - (now_ms - START_MS) / 10_000 if swing else 1)

    world = World(WindowBudget(limit, 1_000), guard_ms, error_ms, tells_usage)
    world.play(requests, until_ms=START_MS + 20_000)
    assert max(world.counted.values(), default=0) <= limit


@pytest.mark.parametrize("seed", range(5))
def test_no_window_is_exceeded_when_everything_happens_around_boundaries(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(1_000):
        guard_ms = rng.choice([0.0, 10.0, 100.0])
        requests = [
            Request(
                at_ms=START_MS + 1_000 * rng.randrange(3) + rng.uniform(-3, 3) * max(guard_ms, 2.0),
                there_ms=rng.choice([0.1, 5.0, 80.0]),
                back_ms=rng.choice([0.0, 5.0, 800.0]),
                free=rng.random() < 0.1,
            )
            for _ in range(rng.randint(2, 12))
        ]
        error_ms = rng.choice([-guard_ms, guard_ms])
        world = World(WindowBudget(rng.randint(1, 4), 1_000), guard_ms, lambda _, error_ms=error_ms: error_ms)  # type: ignore[misc]
        world.play(requests, until_ms=START_MS + 30_000)
        assert max(world.counted.values(), default=0) <= world.budget.limit


@given(requests=REQUESTS, limit=st.integers(3, 12), guard_ms=st.floats(0, 100))
def test_everybody_is_served_in_the_end(requests: list[Request], limit: int, guard_ms: float) -> None:
    world = World(WindowBudget(limit, 1_000), guard_ms)
    world.play(requests, until_ms=START_MS + 600_000)
    assert len(world.sent) == len(requests)


@pytest.mark.parametrize("tells_usage", [False, True])
@pytest.mark.parametrize("guard_ms", [0.0, 5.0, 60.0])
@pytest.mark.parametrize("longest_ms", [1.0, 80.0, 400.0])
def test_a_saturated_budget_is_used_to_at_least_95_percent(
    longest_ms: float, guard_ms: float, *, tells_usage: bool
) -> None:
    rng = random.Random(7)
    windows, limit = 30, 50
    requests = [
        Request(
            at_ms=START_MS + rng.uniform(0, windows * WINDOW_MS * 0.9),
            there_ms=rng.uniform(0.1, longest_ms / 2),
            back_ms=rng.uniform(0, longest_ms / 2),
        )
        for _ in range(windows * limit * 2)
    ]
    error_ms = rng.uniform(-guard_ms, guard_ms)
    world = World(WindowBudget(limit, WINDOW_MS), guard_ms, lambda _: error_ms, tells_usage)
    world.play(requests, until_ms=START_MS + windows * WINDOW_MS)
    full = [count for window, count in world.counted.items() if window < (START_MS // WINDOW_MS) + windows]
    assert max(full) <= limit
    # The first window has to fill up from nothing.
    assert sum(full) >= 0.95 * limit * (windows - 1)


def test_requests_go_in_the_order_they_asked() -> None:
    requests = [Request(at_ms=START_MS + number, cost=1 + number % 3) for number in range(200)]
    world = World(WindowBudget(7, WINDOW_MS), guard_ms=2.0)
    world.play(list(requests))
    assert world.sent == requests


# --- One reservation --------------------------------------------------------------------------------------------------


def a_budget(limit: int = 3, interval_ms: int = WINDOW_MS, *, keeps_reserve: bool = False) -> WindowBudget:
    return WindowBudget(limit, interval_ms, keeps_reserve=keeps_reserve)


def ask(
    *budgets: WindowBudget,
    at_ms: float = START_MS,
    cost: int = 1,
    share: float = 1.0,
    guard_ms: float = 0.0,
    in_order: bool = True,
) -> Reservation:
    costs = [(budget, cost) for budget in budgets]
    return reserve(costs, at_ms, share=share, guard_ms=guard_ms, in_order=in_order)


def go(reservation: Reservation, at_ms: float | None = None, guard_ms: float = 0.0) -> bool:
    return claim(reservation, reservation.ready_at_ms if at_ms is None else at_ms, guard_ms=guard_ms)


def test_a_full_window_makes_the_next_one_the_earliest() -> None:
    budget = a_budget()
    assert [ask(budget).ready_at_ms - START_MS for _ in range(7)] == [0, 0, 0, 10_000, 10_000, 10_000, 20_000]


def test_who_was_told_a_time_can_go_at_that_time() -> None:
    budget = a_budget(limit=2)
    reservations = [ask(budget, guard_ms=3.3) for _ in range(9)]
    for reservation in sorted(reservations, key=lambda item: item.ready_at_ms):
        assert go(reservation, guard_ms=3.3)
        release(reservation, reservation.ready_at_ms + 5, guard_ms=3.3)


@given(st.floats(0, 500, allow_subnormal=False), st.floats(0, 60_000, allow_subnormal=False))
def test_a_promised_time_holds_whatever_the_rounding(guard_ms: float, offset_ms: float) -> None:
    budget = a_budget(limit=1)
    for at_ms in (START_MS + offset_ms, START_MS + offset_ms + 0.1):
        reservation = ask(budget, at_ms=at_ms, guard_ms=guard_ms)
        assert go(reservation, guard_ms=guard_ms)
        release(reservation, reservation.ready_at_ms, guard_ms=guard_ms)


def test_nobody_goes_into_a_new_window_before_the_clock_is_surely_there() -> None:
    budget = a_budget(limit=1)
    assert go(ask(budget, guard_ms=50.0), guard_ms=50.0)
    assert ask(budget, guard_ms=50.0).ready_at_ms == START_MS + 10_050


def test_what_is_in_flight_over_a_boundary_counts_on_both_sides() -> None:
    budget = a_budget(limit=1)
    late = ask(budget, at_ms=START_MS + 9_999)
    assert go(late)
    assert ask(budget, at_ms=START_MS + 10_001).ready_at_ms == START_MS + 20_000


def test_a_reply_that_nobody_saw_a_boundary_before_counts_on_both_sides() -> None:
    budget = a_budget(limit=1)
    late = ask(budget, at_ms=START_MS + 9_999)
    assert go(late)
    release(late, START_MS + 10_050, guard_ms=0.0)
    assert ask(budget, at_ms=START_MS + 10_051).ready_at_ms == START_MS + 20_000


def test_a_request_that_turns_out_free_gives_its_tokens_back_in_any_window() -> None:
    budget = a_budget(limit=1)
    for later_ms in (5_000, 10_050):
        request = ask(budget, at_ms=START_MS + 4_000)
        assert go(request)
        release(request, START_MS + later_ms, guard_ms=0.0, free=frozenset({budget}))
        assert ask(budget, at_ms=START_MS + later_ms).ready_at_ms == START_MS + later_ms
        budget = a_budget(limit=1)


def test_all_budgets_of_a_request_are_reserved_together() -> None:
    second, minute = a_budget(1, 1_000), a_budget(2, 60_000)
    times = [ask(second, minute).ready_at_ms - START_MS for _ in range(5)]
    assert times == [0, 1_000, 60_000, 61_000, 120_000]
    assert sum(second.booked.values()) == sum(minute.booked.values()) == 5


def test_a_reservation_given_back_is_free_again_in_every_budget() -> None:
    second, minute = a_budget(1, 1_000), a_budget(2, 60_000)
    cancel(ask(second, minute))
    assert (second.booked, minute.booked) == ({}, {})
    assert ask(second, minute).ready_at_ms == START_MS


def test_a_reservation_far_ahead_that_is_given_back_holds_nobody_up() -> None:
    budget = a_budget()
    cancel(ask(budget, at_ms=START_MS + 900_000))
    assert ask(budget).ready_at_ms == START_MS


def test_a_window_that_filled_otherwise_sends_nobody() -> None:
    budget = a_budget()
    reservation = ask(budget)
    budget.observe(3, sent_at_ms=START_MS)
    assert not go(reservation)
    assert ask(budget).ready_at_ms == START_MS + 10_000


def test_a_share_is_kept_for_what_must_not_starve() -> None:
    budget = a_budget(limit=10, keeps_reserve=True)
    for _ in range(9):
        assert go(ask(budget, share=0.9))
    assert ask(budget, share=0.9).ready_at_ms == START_MS + 10_000
    assert ask(budget, share=1.0, in_order=False).ready_at_ms == START_MS
    assert ask(budget, share=1.0, in_order=False).ready_at_ms == START_MS + 10_000


def test_an_order_budget_keeps_no_reserve() -> None:
    budget = a_budget(limit=10)
    assert all(ask(budget, share=0.8).ready_at_ms == START_MS for _ in range(10))


def test_a_request_that_costs_more_than_the_limit_has_a_window_for_itself() -> None:
    budget = a_budget(limit=3)
    first = ask(budget, cost=20)
    assert go(first)
    second = ask(budget, cost=20)
    assert second.ready_at_ms == START_MS + 10_000
    release(first, START_MS + 50, guard_ms=0.0)
    assert go(second)


@given(st.integers(1, 30), st.integers(1, 50), st.floats(0.05, 1.0), st.floats(0, 100), st.booleans())
def test_whoever_is_told_to_go_now_really_can(
    limit: int, cost: int, share: float, guard_ms: float, keeps_reserve: bool
) -> None:
    """A limiter that says "now" and then "no" would be asked again without end."""
    budget = a_budget(limit, keeps_reserve=keeps_reserve)
    now_ms = START_MS + 3
    for _ in range(20):
        reservation = ask(budget, at_ms=now_ms, cost=cost, share=share, guard_ms=guard_ms)
        assert reservation.ready_at_ms >= now_ms
        now_ms = reservation.ready_at_ms
        assert go(reservation, now_ms, guard_ms)
        release(reservation, now_ms, guard_ms=guard_ms)


def test_a_clock_set_back_over_a_boundary_waits_for_the_window_it_knows() -> None:
    budget = a_budget(limit=1)
    assert go(ask(budget, at_ms=START_MS + 10_000))
    reservation = ask(budget, at_ms=START_MS + 9_990)
    assert reservation.ready_at_ms == START_MS + 20_000


def test_the_count_of_the_venue_only_ever_raises_ours() -> None:
    budget = a_budget(limit=10)
    reservation = ask(budget)
    assert go(reservation)
    release(reservation, START_MS + 10, guard_ms=0.0)
    budget.observe(7, sent_at_ms=START_MS)
    assert budget.used == 7
    budget.observe(2, sent_at_ms=START_MS)
    assert budget.used == 7
    budget.observe(9, sent_at_ms=START_MS - 1)
    assert budget.used == 7


# --- Sets of budgets --------------------------------------------------------------------------------------------------


def a_limit(kind: LimitKind, limit: int, interval_s: int) -> RateLimit:
    return RateLimit(kind=kind, limit=limit, interval_s=interval_s)


def test_a_share_of_an_ip_is_a_share_of_each_limit_and_at_least_one() -> None:
    limits = [a_limit(LimitKind.REQUEST_WEIGHT, 6_000, 60), a_limit(LimitKind.RAW_REQUESTS, 2, 300)]
    budgets = BudgetSet(limits, share=0.25).budgets
    assert [budget.limit for budget in budgets.values()] == [1_500, 1]


def test_changed_limits_keep_what_was_counted() -> None:
    budgets = BudgetSet([a_limit(LimitKind.ORDERS, 50, 10), a_limit(LimitKind.ORDERS, 9, 60)])
    kept = budgets.budgets[LimitKind.ORDERS, 10]
    assert go(ask(kept))
    budgets.update([a_limit(LimitKind.ORDERS, 100, 10), a_limit(LimitKind.ORDERS, 1_000, 86_400)])
    assert set(budgets.budgets) == {(LimitKind.ORDERS, 10), (LimitKind.ORDERS, 86_400)}
    assert (budgets.budgets[LimitKind.ORDERS, 10], kept.limit, kept.used) == (kept, 100, 1)


def test_a_request_without_a_cost_touches_no_budget() -> None:
    budgets = BudgetSet([a_limit(LimitKind.ORDERS, 50, 10)])
    assert budgets.costs(LimitKind.ORDERS, 0) == []
    assert len(budgets.costs(LimitKind.ORDERS, 2)) == 1
    assert budgets.costs(LimitKind.REQUEST_WEIGHT, 1) == []


def test_usage_of_a_window_nobody_knows_is_passed_over() -> None:
    budgets = BudgetSet([a_limit(LimitKind.ORDERS, 50, 10)])
    budgets.observe(LimitKind.ORDERS, 60, 5, sent_at_ms=START_MS)
    assert budgets.budgets[LimitKind.ORDERS, 10].used == 0


def test_a_reservation_costs_the_same_however_many_wait() -> None:
    def seconds(waiting: int) -> float:
        budget = a_budget(limit=50)
        for _ in range(waiting):
            ask(budget)
        began = perf_counter()
        for _ in range(1_000):
            ask(budget)
        return perf_counter() - began

    seconds(10)
    assert min(seconds(100_000) for _ in range(3)) < 10 * min(seconds(100) for _ in range(3)) + 0.01
