"""Limits against a venue that counts as venues do: when a request arrives, in windows of its own.

The oracle is naive: it writes every arrival down and counts afterwards, in windows aligned to its clock, in windows
that opened with the first request, or in every span of time there is.
"""

import heapq
import random
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.core.sliding_window import SlidingWindow
from worker.core.token_bucket import Claim, Reservation, claim, release, reserve
from worker.core.windows import FixedWindow, Mark, Rank

START_MS = 1_795_000_020_000.0
WINDOW_MS = 10_000
GO_ON_MS = 600_000

EITHER = FixedWindow | SlidingWindow


# --- The oracle -------------------------------------------------------------------------------------------------------


def most_in_fixed_windows(arrivals: list[tuple[float, int]], interval_ms: float) -> int:
    counted: Counter[int] = Counter()
    for at_ms, cost in arrivals:
        counted[int(at_ms // interval_ms)] += cost
    return max(counted.values(), default=0)


def most_in_windows_opened_by_requests(arrivals: list[tuple[float, int]], interval_ms: float) -> int:
    opened_ms, used, most = float("-inf"), 0, 0
    for at_ms, cost in sorted(arrivals):
        if at_ms >= opened_ms + interval_ms:
            opened_ms, used = at_ms, 0
        used += cost
        most = max(most, used)
    return most


def most_in_any_span(arrivals: list[tuple[float, int]], interval_ms: float) -> int:
    ordered = sorted(arrivals)
    times = [at_ms for at_ms, _ in ordered]
    sums = [0]
    for _, cost in ordered:
        sums.append(sums[-1] + cost)
    # A span that holds most begins at some request; it is open at its end.
    return max(
        (
            sums[index + 1] - sums[bisect_right(times, at_ms - interval_ms)]
            for index, at_ms in enumerate(times)
        ),
        default=0,
    )


# --- The world --------------------------------------------------------------------------------------------------------


@dataclass
class Request:
    """When somebody wants to send it, how long it takes there and back, and what it costs."""

    at_ms: float
    there_ms: float = 20.0
    back_ms: float = 20.0
    cost: int = 1
    free: bool = False
    gives_back_after_ms: float | None = None
    """How long after its arrival the venue takes it off the count again, because it filled."""


@dataclass
class World:
    """One client with one limit and one venue; true time is the venue's, the client's reading is off by its error."""

    window: EITHER
    guard_ms: float = 0.0
    error_ms: Callable[[float], float] = lambda _: 0.0
    tells_usage: bool = False
    foreign: Counter[int] = field(default_factory=Counter)
    arrivals: list[tuple[float, int]] = field(default_factory=list)
    sent: list[Request] = field(default_factory=list)
    most_counted: int = 0
    _counted: Counter[int] = field(default_factory=Counter)
    _events: list[tuple[float, int, Callable[[float], None]]] = field(default_factory=list)
    _number: int = 0

    def play(self, requests: list[Request], until_ms: float = START_MS + GO_ON_MS) -> None:
        for request in requests:
            self._at(request.at_ms, self._asker(request))
        while self._events:
            now_ms, _, happen = heapq.heappop(self._events)
            if now_ms > until_ms:
                return
            happen(now_ms)

    def _at(self, when_ms: float, happen: Callable[[float], None]) -> None:
        self._number += 1
        heapq.heappush(self._events, (when_ms, self._number, happen))

    def _reading(self, now_ms: float) -> float:
        return now_ms + self.error_ms(now_ms)

    def _fill(self, request: Request, now_ms: float) -> None:
        """Let the venue give its count back, if it does, whichever window is open then."""

        def give_back(then_ms: float) -> None:
            window = int(then_ms // self.window.interval_ms)
            self._counted[window] = max(0, self._counted[window] - request.cost)

        if request.gives_back_after_ms is not None:
            self._at(now_ms + request.gives_back_after_ms, give_back)

    def _asker(self, request: Request) -> Callable[[float], None]:
        def ask(now_ms: float, *, queues: bool = True) -> None:
            here_ms = self._reading(now_ms)
            costs = [(self.window, request.cost)]
            reservation = reserve(costs, here_ms, rank=Rank.ORDER, guard_ms=self.guard_ms, queues=queues)
            self._at(
                now_ms + reservation.ready_at_ms - here_ms, lambda then_ms: try_to_send(then_ms, reservation)
            )

        def try_to_send(now_ms: float, reservation: Reservation) -> None:
            claimed = claim(reservation, self._reading(now_ms), guard_ms=self.guard_ms)
            if claimed is None:
                ask(now_ms, queues=False)
                return
            self.sent.append(request)
            self._at(now_ms + request.there_ms, lambda then_ms: arrive(then_ms, claimed))

        def arrive(now_ms: float, claimed: Claim) -> None:
            window = int(now_ms // self.window.interval_ms)
            if not request.free:
                self.arrivals.append((now_ms, request.cost))
                self._counted[window] += request.cost
            count = self._counted[window] + self.foreign[window]
            self.most_counted = max(self.most_counted, count)
            self._fill(request, now_ms)
            self._at(now_ms + request.back_ms, lambda then_ms: answer(then_ms, count, claimed))

        def answer(now_ms: float, count: int, claimed: Claim) -> None:
            here_ms = self._reading(now_ms)
            free = {self.window} if request.free else frozenset()
            release(claimed, here_ms, guard_ms=self.guard_ms, free=free)
            if self.tells_usage:
                self.window.observe(
                    count,
                    claimed.marks.get(self.window),
                    sent_ms=claimed.sent_ms,
                    now_ms=here_ms,
                    guard_ms=self.guard_ms,
                )
            if request.gives_back_after_ms is not None:
                self.window.doubt(request.cost)

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


def a_drifting_error(guard_ms: float, error: float, *, swings: bool) -> Callable[[float], float]:
    """A reading of the clock that is off by up to the guard, for good or from one end to the other."""
    return lambda now_ms: guard_ms * error * (1 - (now_ms - START_MS) / 10_000 if swings else 1)


# --- Never more than the limit ----------------------------------------------------------------------------------------


@given(
    requests=REQUESTS,
    limit=st.integers(3, 12),
    guard_ms=st.floats(0, 200),
    error=st.floats(-1, 1),
    swings=st.booleans(),
    tells_usage=st.booleans(),
)
def test_no_window_aligned_to_the_clock_ever_holds_more_than_its_limit(
    requests: list[Request], limit: int, guard_ms: float, error: float, swings: bool, tells_usage: bool
) -> None:
    error_ms = a_drifting_error(guard_ms, error, swings=swings)
    world = World(FixedWindow(limit, 1_000), guard_ms, error_ms, tells_usage)
    world.play(requests, until_ms=START_MS + 20_000)
    assert most_in_fixed_windows(world.arrivals, 1_000) <= limit


@given(
    requests=REQUESTS,
    limit=st.integers(3, 12),
    alignment_ms=st.floats(0, 1_000),
    error_ms=st.floats(-5_000, 5_000),
)
def test_no_span_of_time_ever_holds_more_than_a_sliding_limit(
    requests: list[Request], limit: int, alignment_ms: float, error_ms: float
) -> None:
    for request in requests:
        request.at_ms += alignment_ms
    world = World(SlidingWindow(limit, 1_000), error_ms=lambda _: error_ms)
    world.play(requests, until_ms=START_MS + 40_000)
    assert most_in_any_span(world.arrivals, 1_000) <= limit
    assert most_in_windows_opened_by_requests(world.arrivals, 1_000) <= limit
    assert most_in_fixed_windows(world.arrivals, 1_000) <= limit


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
        error_ms, limit = rng.choice([-guard_ms, guard_ms]), rng.randint(1, 4)
        slides = rng.random() < 0.5
        window = (SlidingWindow if slides else FixedWindow)(limit, 1_000)
        world = World(window, guard_ms, lambda _, error_ms=error_ms: error_ms, rng.random() < 0.5)  # type: ignore[misc]
        world.play(requests, until_ms=START_MS + 30_000)
        assert most_in_fixed_windows(world.arrivals, 1_000) <= limit
        if slides:
            assert most_in_any_span(world.arrivals, 1_000) <= limit


# --- And all of it ----------------------------------------------------------------------------------------------------


@given(requests=REQUESTS, limit=st.integers(3, 12), guard_ms=st.floats(0, 100), slides=st.booleans())
def test_everybody_is_served_in_the_end(
    requests: list[Request], limit: int, guard_ms: float, slides: bool
) -> None:
    world = World((SlidingWindow if slides else FixedWindow)(limit, 1_000), guard_ms)
    world.play(requests)
    assert len(world.sent) == len(requests)


def a_flood(rng: random.Random, windows: int, limit: int, longest_ms: float) -> list[Request]:
    return [
        Request(
            at_ms=START_MS + rng.uniform(0, windows * WINDOW_MS * 0.9),
            there_ms=rng.uniform(0.1, longest_ms / 2),
            back_ms=rng.uniform(0, longest_ms / 2),
        )
        for _ in range(windows * limit * 2)
    ]


@pytest.mark.parametrize("tells_usage", [False, True])
@pytest.mark.parametrize("guard_ms", [0.0, 5.0, 60.0])
@pytest.mark.parametrize("longest_ms", [1.0, 80.0, 400.0])
def test_a_saturated_limit_is_used_to_at_least_95_percent(
    longest_ms: float, guard_ms: float, *, tells_usage: bool
) -> None:
    rng = random.Random(7)
    windows, limit = 30, 50
    error_ms = rng.uniform(-guard_ms, guard_ms)
    world = World(FixedWindow(limit, WINDOW_MS), guard_ms, lambda _: error_ms, tells_usage)
    world.play(a_flood(rng, windows, limit, longest_ms), until_ms=START_MS + windows * WINDOW_MS)
    used = [at_ms for at_ms, _ in world.arrivals if at_ms < START_MS + windows * WINDOW_MS]
    assert most_in_fixed_windows(world.arrivals, WINDOW_MS) <= limit
    # The first window has to fill up from nothing.
    assert len(used) >= 0.95 * limit * (windows - 1)


@pytest.mark.parametrize("longest_ms", [1.0, 80.0, 300.0])
def test_a_saturated_sliding_limit_is_used_to_at_least_95_percent(longest_ms: float) -> None:
    rng = random.Random(8)
    windows, limit = 30, 200
    world = World(SlidingWindow(limit, WINDOW_MS))
    world.play(a_flood(rng, windows, limit, longest_ms), until_ms=START_MS + windows * WINDOW_MS)
    used = [at_ms for at_ms, _ in world.arrivals if at_ms < START_MS + windows * WINDOW_MS]
    assert most_in_any_span(world.arrivals, WINDOW_MS) <= limit
    assert len(used) >= 0.95 * limit * (windows - 1)


@pytest.mark.parametrize("slides", [False, True])
def test_requests_go_in_the_order_they_asked(*, slides: bool) -> None:
    # Replies of a sliding window that come later than planned let a small request pass a big one; not among equals.
    requests = [
        Request(at_ms=START_MS + number, cost=1 if slides else 1 + number % 3) for number in range(200)
    ]
    world = World((SlidingWindow if slides else FixedWindow)(7, WINDOW_MS), guard_ms=2.0)
    world.play(list(requests), until_ms=START_MS + 2 * GO_ON_MS)
    assert [request.at_ms for request in world.sent] == [request.at_ms for request in requests]


# --- The venue's own count --------------------------------------------------------------------------------------------


@given(
    requests=REQUESTS.filter(lambda requests: len(requests) > 5),
    limit=st.integers(20, 60),
    seed=st.integers(0, 1_000),
)
def test_replies_out_of_order_never_make_own_orders_look_like_somebody_elses_for_long(
    requests: list[Request], limit: int, seed: int
) -> None:
    rng = random.Random(seed)
    for request in requests:
        request.free, request.cost = False, 1
        request.at_ms, request.there_ms, request.back_ms = (
            START_MS + rng.uniform(0, 900),
            5,
            rng.uniform(0, 90),
        )
    window = FixedWindow(limit, 5_000)
    world = World(window, tells_usage=True)
    last = Request(at_ms=START_MS + 1_500)
    world.play([*requests, last, Request(at_ms=START_MS + 2_000)], until_ms=START_MS + 4_000)
    assert window.foreign == 0
    assert window.used == len(world.arrivals)


def test_a_reply_that_overtakes_others_raises_no_alarm_in_a_new_window() -> None:
    window = a_window()
    answered(window, 1)
    later_ms = START_MS + WINDOW_MS + 5
    window.roll(later_ms)
    marks = [window.take(1, later_ms, guard_ms=0) for _ in range(9)]
    for mark, count in zip(marks, [9, 3, 1, 2, 8, 4, 7, 5, 6], strict=True):
        reply(window, mark, count, at_ms=later_ms)
        assert (window.used, window.foreign) == (9, 0)


@pytest.mark.parametrize("others", [1, 20, 45])
def test_what_others_used_is_left_to_them(others: int) -> None:
    rng = random.Random(others)
    window = FixedWindow(50, WINDOW_MS)
    requests = [
        Request(at_ms=START_MS + rng.uniform(0, 9_000), there_ms=20, back_ms=rng.uniform(0, 60))
        for _ in range(90)
    ]
    world = World(window, tells_usage=True, foreign=Counter({int(START_MS // WINDOW_MS): others}))
    world.play([Request(at_ms=START_MS), *requests], until_ms=START_MS + 9_900)
    assert len(world.arrivals) + others <= 50
    assert len(world.arrivals) + others >= 48


FILLING = st.lists(
    st.builds(
        Request,
        at_ms=st.floats(0, 3_000).map(lambda later: START_MS + later),
        there_ms=st.floats(0.1, 60),
        back_ms=st.floats(0, 60),
        gives_back_after_ms=st.none() | st.floats(0, 100),
    ),
    min_size=20,
    max_size=80,
)


@given(requests=FILLING, limit=st.integers(2, 8), honest=st.booleans())
def test_budget_that_fills_give_back_is_never_used_before_the_venue_gave_it(
    requests: list[Request], limit: int, honest: bool
) -> None:
    """Whether the venue gives it back at once, late, or never."""
    world = World(FixedWindow(limit, 1_000), tells_usage=True)
    if not honest:
        for request in requests:
            if request.gives_back_after_ms is not None:
                request.gives_back_after_ms = 100_000.0
    world.play(requests, until_ms=START_MS + 40_000)
    assert world.most_counted <= limit


def a_window(limit: int = 50) -> FixedWindow:
    window = FixedWindow(limit, WINDOW_MS)
    window.roll(START_MS)
    return window


def answered(window: FixedWindow, count: int, *, fills: bool = False, at_ms: float = START_MS + 1) -> None:
    """Send one order, get its reply with the venue's count, and see whether it filled."""
    mark = window.take(1, at_ms, guard_ms=0)
    reply(window, mark, count, at_ms=at_ms)
    if fills:
        window.doubt(1)


def reply(window: FixedWindow, mark: Mark, count: int, *, at_ms: float = START_MS + 1) -> None:
    window.give_back(1, at_ms, guard_ms=0, charged=1)
    window.observe(count, mark, sent_ms=at_ms, now_ms=at_ms + 1, guard_ms=0)


def test_a_count_that_others_raise_is_raised_here_and_never_lowered() -> None:
    window = a_window()
    answered(window, 7)
    assert window.used == 7
    answered(window, 2)
    assert window.used == 8
    answered(window, 20)
    assert (window.used, window.foreign) == (20, 11)


def test_a_fill_gives_budget_back_once_the_venues_count_shows_it() -> None:
    window = a_window()
    for _ in range(10):
        answered(window, 1, fills=True)
        assert window.used <= 2
    assert window.foreign == 0


def test_a_fill_gives_nothing_back_where_the_venue_goes_on_counting() -> None:
    window = a_window()
    for number in range(10):
        answered(window, number + 1, fills=True)
    assert (window.used, window.foreign) == (10, 0)


def test_nothing_comes_back_without_a_fill() -> None:
    window = a_window()
    for _ in range(10):
        answered(window, 1)
    assert window.used == 10


def test_what_is_in_flight_is_never_given_back() -> None:
    window = a_window()
    answered(window, 1, fills=True)
    under_way = [window.take(1, START_MS + 5, guard_ms=0) for _ in range(5)]
    answered(window, 1, fills=True, at_ms=START_MS + 6)
    assert window.used >= 6
    for mark in under_way:
        reply(window, mark, 2, at_ms=START_MS + 7)


@pytest.mark.parametrize(
    ("sent_ms", "now_ms"), [(-20.0, 30.0), (20.0, 40.0), (9_930.0, 9_960.0)], ids=["before", "guard", "end"]
)
def test_a_count_that_may_be_of_another_window_says_nothing(sent_ms: float, now_ms: float) -> None:
    window = a_window()
    window.observe(40, None, sent_ms=START_MS + sent_ms, now_ms=START_MS + now_ms, guard_ms=50)
    assert window.used == 0


def test_what_an_earlier_owner_used_counts_and_is_not_foreign() -> None:
    window = a_window()
    assert window.inherit([], START_MS)
    window.observe(30, None, sent_ms=START_MS + 1, now_ms=START_MS + 2, guard_ms=0)
    assert (window.used, window.foreign) == (30, 0)
    answered(window, 45)
    assert (window.used, window.foreign) == (45, 14)
    window.roll(START_MS + WINDOW_MS)
    answered(window, 10, at_ms=START_MS + WINDOW_MS + 5)
    assert (window.used, window.foreign) == (10, 9)


def test_what_an_earlier_owner_is_known_to_have_used_of_a_sliding_limit_counts() -> None:
    window = SlidingWindow(10, WINDOW_MS)
    assert not window.inherit(
        [(START_MS - 4_000, 6), (START_MS - 1_000, 3), (START_MS - 60_000, 5)], START_MS
    )
    assert window.used == 9
    window.roll(START_MS + 6_200)
    assert window.used == 3


def test_others_may_use_their_share_without_taking_from_ours() -> None:
    window = a_window(limit=30)
    window.allowance = 70
    answered(window, 71)
    assert (window.used, window.foreign) == (1, 0)
    answered(window, 90)
    assert (window.used, window.foreign) == (20, 18)
