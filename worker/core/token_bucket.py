"""Admission by rate limits: every limit a request counts against, reserved together, in turn, without polling.

A textbook token bucket with capacity C and refill r lets C + r·W through in a window W, so it either exceeds
a window or wastes part of it. The windows here are the venue's own (`windows.py`), and three steps keep them:

- `reserve` answers when a request may go (`ready_at_ms`), first come first served within its rank, in constant
  time. Tokens are set aside in all of its limits at once, for the instant when all of them have room.
- `claim` takes the tokens when it goes, or says that the window filled otherwise. While nobody waits,
  `claim_at_once` is both steps in one.
- `release` tells that the reply is in, and what was charged.

A request queues in each limit behind those whom that very limit makes wait. One that waits for something
else, such as the order budget of its own account, holds nobody up in the limits it shares with others.

All times are venue epoch milliseconds, handed in.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Final

from adapters.model import LimitKind, RateLimit
from adapters.values import value_type
from worker.core.sliding_window import SlidingWindow
from worker.core.windows import Ceilings, FixedWindow, Mark, Rank, Window

TIMER_SLACK_MS: Final = 0.05
"""Who waited until a boundary may wake a rounding error before it; losing the turn for that would be worse."""

SHARES: Final = (1.0, 0.9, 0.8)
"""How much of an IP's limits each rank may fill: a tenth is kept for what takes risk away, and nobody who only asks
can starve an order."""

NOTHING: Final[frozenset[Window]] = frozenset()

Cost = tuple[Window, int]
Costs = Sequence[Cost]


@value_type
class Reservation:
    """Tokens of several limits, set aside together for `ready_at_ms`; each with when that limit alone had room."""

    ready_at_ms: float
    rank: Rank
    costs: Costs
    turns_ms: tuple[float, ...]


@value_type
class Claim:
    """Tokens taken by a request that goes out."""

    sent_ms: float
    costs: Costs
    marks: Mapping[Window, Mark]
    """Where each of the windows stood when the request went."""


def claim_at_once(costs: Costs, now_ms: float, *, rank: Rank, guard_ms: float) -> Claim | None:
    """Take tokens of all limits if nobody has to wait for any of them; `None` says to reserve."""
    for window, cost in costs:
        if not window.is_free(now_ms, cost, rank, guard_ms=guard_ms):
            return None
    return _take(costs, now_ms, guard_ms)


def reserve(costs: Costs, now_ms: float, *, rank: Rank, guard_ms: float, queues: bool = True) -> Reservation:
    """Set tokens of all limits aside together, for the first instant when all of them have room.

    Args:
        costs: limit and tokens of each limit that the request counts against.
        now_ms: venue time.
        rank: who may fill how much, and queues behind whom.
        guard_ms: how far our reading of the venue's clock may be off.
        queues: whether to queue at the end; not again for who had a turn that a window was too full for.
    """
    ready_ms, turns = now_ms, []
    for window, cost in costs:
        window.roll(now_ms)
        turn_ms = window.earliest(now_ms, cost, rank, guard_ms=guard_ms, queues=queues)
        turns.append(turn_ms)
        ready_ms = max(ready_ms, turn_ms)
    settled = ready_ms == now_ms or len(costs) == 1
    while not settled:
        settled = True
        for window, cost in costs:
            at_ms = window.earliest(ready_ms, cost, rank, guard_ms=guard_ms, queues=False)
            if at_ms > ready_ms:
                ready_ms, settled = at_ms, False
    for (window, cost), turn_ms in zip(costs, turns, strict=True):
        window.book(turn_ms, ready_ms, cost, rank)
    return Reservation(ready_at_ms=ready_ms, rank=rank, costs=costs, turns_ms=tuple(turns))


def cancel(reservation: Reservation) -> None:
    """Give a reservation back that will not be used."""
    for (window, cost), turn_ms in zip(reservation.costs, reservation.turns_ms, strict=True):
        window.unbook(turn_ms, reservation.ready_at_ms, cost, reservation.rank)


def claim(reservation: Reservation, now_ms: float, *, guard_ms: float) -> Claim | None:
    """Take the reserved tokens now; `None` when the window filled otherwise: then reserve again."""
    cancel(reservation)
    if 0.0 < reservation.ready_at_ms - now_ms < TIMER_SLACK_MS:
        now_ms = reservation.ready_at_ms
    for window, cost in reservation.costs:
        window.roll(now_ms)
        if not window.fits(now_ms, cost, guard_ms=guard_ms):
            return None
    return _take(reservation.costs, now_ms, guard_ms)


def take(costs: Costs, now_ms: float, *, guard_ms: float) -> Claim:
    """Take tokens without asking, for a request that goes whatever the limits say; they count all the same."""
    for window, _ in costs:
        window.roll(now_ms)
    return _take(costs, now_ms, guard_ms)


def _take(costs: Costs, now_ms: float, guard_ms: float) -> Claim:
    """Take tokens of limits in which it is `now_ms` already."""
    marks = {window: window.take(cost, now_ms, guard_ms=guard_ms) for window, cost in costs}
    return Claim(sent_ms=now_ms, costs=costs, marks=marks)


def release(taken: Claim, now_ms: float, *, guard_ms: float, free: Collection[Window] = NOTHING) -> None:
    """Record that the reply is in (or will never come); limits in `free` were not charged."""
    for window, cost in taken.costs:
        window.give_back(cost, now_ms, guard_ms=guard_ms, charged=0 if window in free else cost)


class BudgetSet:
    """The limits of one scope (an IP at a venue, or an exchange account), kept over changes of the limits.

    `share` is the part of each that is ours, others having the rest; `kept` the part of each order limit that only
    orders which reduce a position may fill.
    """

    def __init__(self, limits: Iterable[RateLimit], *, share: float = 1.0, kept: float = 0.0) -> None:
        self._share, self._kept = share, kept
        self._windows: dict[tuple[LimitKind, int], FixedWindow | SlidingWindow] = {}
        self._by_kind: dict[LimitKind, list[FixedWindow | SlidingWindow]] = {}
        self.update(limits)

    def update(self, limits: Iterable[RateLimit]) -> None:
        """Follow the venue's limits; counts of windows that stay are kept."""
        before, self._windows = self._windows, {}
        self._by_kind = {}
        self._costs: dict[tuple[LimitKind, int], tuple[Cost, ...]] = {}
        for limit in limits:
            key = (limit.kind, limit.interval_s)
            kind = SlidingWindow if limit.is_sliding else FixedWindow
            window = before.get(key)
            if not isinstance(window, kind):
                window = kind(limit.limit, limit.interval_s * 1000)
            ours = max(1, int(limit.limit * self._share))
            window.limit, window.ceilings = ours, self._ceilings(limit.kind, ours)
            if isinstance(window, FixedWindow):
                window.allowance = limit.limit - ours
            if key not in self._windows:
                self._by_kind.setdefault(limit.kind, []).append(window)
            self._windows[key] = window

    def _ceilings(self, kind: LimitKind, limit: int) -> Ceilings:
        if kind in (LimitKind.ORDERS, LimitKind.ORDERS_BY_IP):
            return limit, limit - int(limit * self._kept), limit
        first, order, asking = (int(limit * share) for share in SHARES)
        return first, order, asking

    def __iter__(self) -> Iterator[tuple[LimitKind, int, Window]]:
        """Every limit: its kind, its window in seconds, its state."""
        for (kind, interval_s), window in self._windows.items():
            yield kind, interval_s, window

    def costs(self, kind: LimitKind, cost: int) -> tuple[Cost, ...]:
        """Pair every limit of a kind with the tokens a request takes of it."""
        known = self._costs.get((kind, cost))
        if known is None:
            # There are few: requests cost the same over and over.
            known = tuple((window, cost) for window in self._by_kind.get(kind, ())) if cost else ()
            self._costs[kind, cost] = known
        return known

    def is_in_use(self, now_ms: float) -> bool:
        """Whether anything counts against any limit, or waits for it."""
        for window in self._windows.values():
            window.roll(now_ms)
            if window.used or window.reserved:
                return True
        return False

    def window(self, kind: LimitKind, interval_s: int) -> Window | None:
        """Return one limit, if the venue has it."""
        return self._windows.get((kind, interval_s))

    def inherit(self, spent: Sequence[tuple[float, int]], now_ms: float) -> bool:
        """Take everything over from whoever had it; tell whether the venue's count has to be known."""
        asks = [window.inherit(spent, now_ms) for window in self._windows.values()]
        return any(asks)

    def doubt(self, kind: LimitKind, cost: int) -> None:
        """Note tokens of a kind that the venue may not count any more."""
        for window in self._by_kind.get(kind, ()):
            window.doubt(cost)
