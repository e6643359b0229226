"""Reservations of several limits at once: in turn, for the first instant when all have room, and flat in time."""

from collections.abc import Callable
from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.model import LimitKind, RateLimit
from worker.core.sliding_window import SlidingWindow
from worker.core.token_bucket import BudgetSet, Claim, Reservation, cancel, claim, release, reserve
from worker.core.windows import Ceilings, FixedWindow, Rank, Window

START_MS = 1_795_000_020_000.0
WINDOW_MS = 10_000

either = pytest.mark.parametrize("kind", [FixedWindow, SlidingWindow], ids=["fixed", "sliding"])


def a_window(
    limit: int = 3, interval_ms: int = WINDOW_MS, *, ceilings: Ceilings | None = None
) -> FixedWindow:
    return FixedWindow(limit, interval_ms, ceilings=ceilings)


def ask(
    *windows: Window,
    at_ms: float = START_MS,
    cost: int = 1,
    rank: Rank = Rank.ORDER,
    guard_ms: float = 0.0,
) -> Reservation:
    return reserve([(window, cost) for window in windows], at_ms, rank=rank, guard_ms=guard_ms)


def go(reservation: Reservation, at_ms: float | None = None, guard_ms: float = 0.0) -> Claim | None:
    return claim(reservation, reservation.ready_at_ms if at_ms is None else at_ms, guard_ms=guard_ms)


def gone(reservation: Reservation, at_ms: float | None = None, guard_ms: float = 0.0) -> Claim:
    claimed = go(reservation, at_ms, guard_ms)
    assert claimed is not None
    return claimed


# --- One limit --------------------------------------------------------------------------------------------------------


def test_a_full_window_makes_the_next_one_the_earliest() -> None:
    window = a_window()
    assert [ask(window).ready_at_ms - START_MS for _ in range(7)] == [0, 0, 0, 10_000, 10_000, 10_000, 20_000]


def test_a_full_span_makes_the_earliest_a_windows_length_after_it() -> None:
    window = SlidingWindow(3, WINDOW_MS)
    times = [ask(window).ready_at_ms - START_MS for _ in range(7)]
    assert times[:3] == [0, 0, 0]
    assert all(10_000 < at_ms <= 10_200 for at_ms in times[3:6])
    assert 20_000 < times[6] <= 20_400


@either
def test_who_was_told_a_time_can_go_at_that_time(kind: Callable[[int, int], Window]) -> None:
    window = kind(2, WINDOW_MS)
    reservations = [ask(window, guard_ms=3.3) for _ in range(9)]
    for reservation in sorted(reservations, key=lambda item: item.ready_at_ms):
        release(gone(reservation, guard_ms=3.3), reservation.ready_at_ms + 5, guard_ms=3.3)


@given(st.floats(0, 500, allow_subnormal=False), st.floats(0, 60_000, allow_subnormal=False))
def test_a_promised_time_holds_whatever_the_rounding(guard_ms: float, offset_ms: float) -> None:
    window = a_window(limit=1)
    for at_ms in (START_MS + offset_ms, START_MS + offset_ms + 0.1):
        reservation = ask(window, at_ms=at_ms, guard_ms=guard_ms)
        release(gone(reservation, guard_ms=guard_ms), reservation.ready_at_ms, guard_ms=guard_ms)


def test_nobody_goes_into_a_new_window_before_the_clock_is_surely_there() -> None:
    window = a_window(limit=1)
    gone(ask(window, guard_ms=50.0), guard_ms=50.0)
    assert ask(window, guard_ms=50.0).ready_at_ms == START_MS + 10_050


def test_what_is_in_flight_over_a_boundary_counts_on_both_sides() -> None:
    window = a_window(limit=1)
    gone(ask(window, at_ms=START_MS + 9_999))
    assert ask(window, at_ms=START_MS + 10_001).ready_at_ms == START_MS + 20_000


def test_a_reply_that_nobody_saw_a_boundary_before_counts_on_both_sides() -> None:
    window = a_window(limit=1)
    late = gone(ask(window, at_ms=START_MS + 9_999))
    release(late, START_MS + 10_050, guard_ms=0.0)
    assert ask(window, at_ms=START_MS + 10_051).ready_at_ms == START_MS + 20_000


def test_a_token_of_a_sliding_window_is_taken_from_its_sending_to_a_window_after_its_reply() -> None:
    window = SlidingWindow(1, WINDOW_MS)
    taken = gone(ask(window))
    assert ask(window, at_ms=START_MS + 15_000).ready_at_ms > START_MS + 25_000
    release(taken, START_MS + 16_000, guard_ms=0.0)
    again = SlidingWindow(1, WINDOW_MS)
    taken = gone(ask(again))
    release(taken, START_MS + 3_000, guard_ms=0.0)
    assert START_MS + 13_000 < ask(again, at_ms=START_MS + 4_000).ready_at_ms <= START_MS + 13_200


@either
@pytest.mark.parametrize("later_ms", [5_000, 10_050])
def test_a_request_that_turns_out_free_gives_its_tokens_back_in_any_window(
    kind: Callable[[int, int], Window], later_ms: float
) -> None:
    window = kind(1, WINDOW_MS)
    taken = gone(ask(window, at_ms=START_MS + 4_000))
    release(taken, START_MS + later_ms, guard_ms=0.0, free={window})
    assert ask(window, at_ms=START_MS + later_ms).ready_at_ms == START_MS + later_ms


@either
def test_a_reservation_far_ahead_that_is_given_back_holds_nobody_up(
    kind: Callable[[int, int], Window],
) -> None:
    window = kind(3, WINDOW_MS)
    ask(window)
    cancel(ask(window, at_ms=START_MS + 900_000))
    assert ask(window).ready_at_ms == START_MS


def test_a_window_that_filled_otherwise_sends_nobody() -> None:
    window = a_window()
    reservation = ask(window)
    window.observe(3, None, sent_ms=START_MS, now_ms=START_MS + 1, guard_ms=0)
    assert not go(reservation)
    assert ask(window).ready_at_ms == START_MS + 10_000


@either
def test_a_request_that_costs_more_than_the_limit_has_a_window_for_itself(
    kind: Callable[[int, int], Window],
) -> None:
    window = kind(3, WINDOW_MS)
    first = gone(ask(window, cost=20))
    second = ask(window, cost=20)
    assert START_MS + 10_000 <= second.ready_at_ms < START_MS + 10_200
    release(first, START_MS + 50, guard_ms=0.0)
    assert go(second)


@given(
    st.integers(1, 30),
    st.integers(1, 50),
    st.floats(0.05, 1.0),
    st.sampled_from(Rank),
    st.floats(0, 100),
    st.booleans(),
)
def test_whoever_is_told_to_go_now_really_can(
    limit: int, cost: int, share: float, rank: Rank, guard_ms: float, slides: bool
) -> None:
    """A limiter that says "now" and then "no" would be asked again without end."""
    ceilings = (limit, int(limit * share), int(limit * share * share))
    window = (SlidingWindow if slides else FixedWindow)(limit, WINDOW_MS, ceilings=ceilings)
    now_ms = START_MS + 3
    for _ in range(20):
        reservation = ask(window, at_ms=now_ms, cost=cost, rank=rank, guard_ms=guard_ms)
        assert reservation.ready_at_ms >= now_ms
        now_ms = reservation.ready_at_ms
        release(gone(reservation, now_ms, guard_ms), now_ms, guard_ms=guard_ms)


def test_a_clock_set_back_over_a_boundary_waits_for_the_window_it_knows() -> None:
    window = a_window(limit=1)
    gone(ask(window, at_ms=START_MS + 10_000))
    assert ask(window, at_ms=START_MS + 9_990).ready_at_ms == START_MS + 20_000


@either
def test_a_clock_that_was_far_ahead_stops_nothing_once_it_is_right(
    kind: Callable[[int, int], Window],
) -> None:
    window = kind(2, WINDOW_MS)
    release(gone(ask(window, at_ms=START_MS + 3_600_000)), START_MS + 3_600_000, guard_ms=0.0)
    assert window.used == 1
    gone(ask(window, at_ms=START_MS))
    assert START_MS + 10_000 <= ask(window, at_ms=START_MS + 20).ready_at_ms < START_MS + 10_200
    window.roll(START_MS + 25_000)
    assert window.used == 1  # the one that is in flight


# --- Several limits ---------------------------------------------------------------------------------------------------


def test_all_limits_of_a_request_are_reserved_together() -> None:
    second, minute = a_window(1, 1_000), a_window(2, 60_000)
    times = [ask(second, minute).ready_at_ms - START_MS for _ in range(5)]
    assert times == [0, 1_000, 60_000, 61_000, 120_000]
    assert second.reserved == minute.reserved == 5


def test_a_reservation_given_back_is_free_again_in_every_limit() -> None:
    second, minute = a_window(1, 1_000), a_window(2, 60_000)
    cancel(ask(second, minute))
    assert (second.reserved, minute.reserved) == (0, 0)
    assert ask(second, minute).ready_at_ms == START_MS


def test_who_waits_for_its_own_account_holds_nobody_up_at_the_shared_limit() -> None:
    weight = a_window(100, 60_000)
    throttled, idle = a_window(1), a_window(1)
    for _ in range(8):
        ask(throttled, weight)
    assert ask(throttled, weight).ready_at_ms == START_MS + 80_000
    assert ask(idle, weight).ready_at_ms == START_MS


# --- Ranks ------------------------------------------------------------------------------------------------------------


def test_a_share_is_kept_for_what_takes_risk_away() -> None:
    window = a_window(limit=10, ceilings=(10, 9, 8))
    for _ in range(9):
        gone(ask(window))
    assert ask(window).ready_at_ms == START_MS + 10_000
    assert ask(window, rank=Rank.FIRST).ready_at_ms == START_MS
    assert ask(window, rank=Rank.FIRST).ready_at_ms == START_MS + 10_000


def test_who_only_asks_holds_no_order_up() -> None:
    window = a_window(limit=10, ceilings=(10, 9, 8))
    assert [ask(window, rank=Rank.ASKING).ready_at_ms - START_MS for _ in range(10)] == [0] * 8 + [10_000] * 2
    assert ask(window).ready_at_ms == START_MS
    assert ask(window, rank=Rank.ASKING).ready_at_ms == START_MS + 10_000


# --- Sets of limits ---------------------------------------------------------------------------------------------------


def a_limit(kind: LimitKind, limit: int, interval_s: int, *, is_sliding: bool = False) -> RateLimit:
    return RateLimit(kind=kind, limit=limit, interval_s=interval_s, is_sliding=is_sliding)


def test_a_share_of_an_ip_is_a_share_of_each_limit_and_at_least_one() -> None:
    limits = [a_limit(LimitKind.REQUEST_WEIGHT, 6_000, 60), a_limit(LimitKind.RAW_REQUESTS, 2, 300)]
    windows = [window for _, _, window in BudgetSet(limits, share=0.25)]
    assert [(window.limit, window.ceilings) for window in windows] == [
        (1_500, (1_500, 1_350, 1_200)),
        (1, (1, 0, 0)),
    ]


@pytest.mark.parametrize(("kept", "ceiling"), [(0.0, 300), (0.05, 285)])
def test_a_part_of_an_order_limit_can_be_kept_for_reducing_positions(kept: float, ceiling: int) -> None:
    (window,) = [window for _, _, window in BudgetSet([a_limit(LimitKind.ORDERS, 300, 10)], kept=kept)]
    assert window.ceilings == (300, ceiling, 300)


def test_changed_limits_keep_what_was_counted() -> None:
    budgets = BudgetSet([a_limit(LimitKind.ORDERS, 50, 10), a_limit(LimitKind.ORDERS, 9, 60)])
    kept = budgets.window(LimitKind.ORDERS, 10)
    assert kept is not None
    gone(ask(kept))
    budgets.update([a_limit(LimitKind.ORDERS, 100, 10), a_limit(LimitKind.ORDERS, 1_000, 86_400)])
    assert [(kind, interval_s) for kind, interval_s, _ in budgets] == [
        (LimitKind.ORDERS, 10),
        (LimitKind.ORDERS, 86_400),
    ]
    assert budgets.window(LimitKind.ORDERS, 10) is kept
    assert (kept.limit, kept.used) == (100, 1)


def test_a_limit_slides_where_the_venue_says_so() -> None:
    budgets = BudgetSet([a_limit(LimitKind.ORDERS, 50, 10, is_sliding=True)])
    assert isinstance(budgets.window(LimitKind.ORDERS, 10), SlidingWindow)


def test_a_request_without_a_cost_touches_no_limit() -> None:
    budgets = BudgetSet([a_limit(LimitKind.ORDERS, 50, 10)])
    assert not budgets.costs(LimitKind.ORDERS, 0)
    assert len(budgets.costs(LimitKind.ORDERS, 2)) == 1
    assert not budgets.costs(LimitKind.REQUEST_WEIGHT, 1)
    assert budgets.window(LimitKind.ORDERS, 60) is None


# --- Speed ------------------------------------------------------------------------------------------------------------


@either
def test_a_reservation_costs_the_same_however_many_wait(kind: Callable[[int, int], Window]) -> None:
    def seconds(waiting: int) -> float:
        window = kind(50, WINDOW_MS)
        for _ in range(waiting):
            ask(window)
        began = perf_counter()
        for _ in range(1_000):
            ask(window)
        return perf_counter() - began

    seconds(10)
    assert min(seconds(100_000) for _ in range(3)) < 10 * min(seconds(100) for _ in range(3)) + 0.01
