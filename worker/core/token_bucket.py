"""Rate limits as venues meter them: fixed windows on the venue's clock, filled to the brim, never beyond.

A textbook token bucket with capacity C and refill r lets C + r·W through in a window W, so it either exceeds
a fixed window or wastes part of it. Venues count in fixed, clock-aligned windows, so the bucket here refills
at once at each boundary of the venue's clock (`WindowBudget`). Three facts keep it exact without wasting more
than a sliver:

- A request may be counted in any window between its sending and its reply, so whatever is in flight at a
  boundary is counted in the next window as well.
- Our reading of the venue's clock is off by at most `guard_ms`. Within that time after a boundary a request
  must fit the window before too, and counts there as well; what was answered within that time before a
  boundary may have been counted in the next window already.
- The venue's own count, where it tells one, only ever raises ours.

`reserve` answers when a request may go (`ready_at_ms`), first come first served, in constant time, without
polling; `claim` takes the tokens when it goes, `release` tells that the reply is in. All times are venue
epoch milliseconds, handed in.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from adapters.model import LimitKind, RateLimit

TIMER_SLACK_MS: Final = 0.05
"""Who waited until a boundary may wake a rounding error before it; losing the turn for that would be worse."""


class WindowBudget:
    """One limit of a venue: at most `limit` tokens in each window of `interval_ms`."""

    __slots__ = (
        "booked",
        "in_flight",
        "index",
        "interval_ms",
        "keeps_reserve",
        "limit",
        "previous_used",
        "spilled",
        "tail",
        "used",
    )

    def __init__(self, limit: int, interval_ms: int, *, keeps_reserve: bool = False) -> None:
        self.limit = limit
        self.keeps_reserve = keeps_reserve
        self.interval_ms = interval_ms
        self.index = 0
        self.used = 0
        self.previous_used = 0
        self.in_flight = 0
        self.spilled = 0
        self.booked: dict[int, int] = {}
        self.tail = 0

    def roll(self, now_ms: float) -> None:
        """Enter the window of `now_ms`; what is in flight may still be counted there."""
        index = int(now_ms // self.interval_ms)
        if index <= self.index:
            return
        carried = self.in_flight + self.spilled
        is_next = index == self.index + 1
        self.previous_used = self.used if is_next else carried
        self.used = carried if is_next else self.in_flight
        self.index, self.spilled = index, 0
        for past in [booked for booked in self.booked if booked < index]:
            del self.booked[past]

    def earliest(self, at_ms: float, cost: int, *, ceiling: int, guard_ms: float, in_order: bool) -> float:
        """Return the first instant at or after `at_ms` when `cost` tokens are free below `ceiling`.

        `in_order` queues behind everything reserved before; without it a reserved share may overtake.
        """
        asked = max(int(at_ms // self.interval_ms), self.index)
        index = max(asked, self.tail) if in_order else asked
        while self._count(index) + cost > max(ceiling, cost):
            index += 1
        start_ms = index * self.interval_ms
        tight = index == self.index and self.previous_used + cost > self.limit
        if index > asked or tight:
            return max(at_ms, start_ms + guard_ms)
        return at_ms

    def _count(self, index: int) -> int:
        booked = self.booked.get(index, 0)
        if index == self.index:
            return booked + self.used
        return booked + self.spilled if index == self.index + 1 else booked

    def book(self, at_ms: float, cost: int, *, in_order: bool) -> None:
        """Set tokens of the window of `at_ms` aside."""
        index = int(at_ms // self.interval_ms)
        self.booked[index] = self.booked.get(index, 0) + cost
        if in_order:
            self.tail = index

    def unbook(self, at_ms: float, cost: int) -> None:
        """Give a booking back."""
        index = int(at_ms // self.interval_ms)
        left = self.booked.get(index, 0) - cost
        if left > 0:
            self.booked[index] = left
        else:
            self.booked.pop(index, None)
            # A queue that nobody stands in any more holds nobody up.
            self.tail = min(self.tail, max(self.booked, default=0))

    def fits(self, now_ms: float, cost: int, *, guard_ms: float) -> bool:
        """Tell whether `cost` tokens can be taken now; a request above the limit has a window for itself."""
        if self._in_guard(now_ms, guard_ms) and self.previous_used + cost > self.limit:
            return False
        return self.used + cost <= max(self.limit, cost)

    def _in_guard(self, now_ms: float, guard_ms: float) -> bool:
        # The same sum as in `earliest`: who waits until then must not find that a rounding error is left.
        return now_ms < self.index * self.interval_ms + guard_ms

    def take(self, cost: int, now_ms: float, *, guard_ms: float) -> None:
        """Take tokens for a request that goes out now."""
        self.used += cost
        self.in_flight += cost
        if self._in_guard(now_ms, guard_ms):
            self.previous_used += cost

    def give_back(self, cost: int, now_ms: float, *, guard_ms: float, charged: int) -> None:
        """Record that the reply to a request is in, which cost `charged` of the `cost` tokens taken."""
        self.roll(now_ms)
        self.in_flight -= cost
        self.used -= cost - charged
        if now_ms + guard_ms >= (self.index + 1) * self.interval_ms:
            self.spilled += charged

    def observe(self, count: int, *, sent_at_ms: float) -> None:
        """Raise the count to what the venue told in a reply; a reply of an earlier window tells nothing of this one."""
        if int(sent_at_ms // self.interval_ms) == self.index:
            self.used = max(self.used, count + self.in_flight)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """Tokens of several budgets, set aside together for `ready_at_ms`."""

    ready_at_ms: float
    costs: tuple[tuple[WindowBudget, int], ...]


def reserve(
    costs: Sequence[tuple[WindowBudget, int]], now_ms: float, *, share: float, guard_ms: float, in_order: bool
) -> Reservation:
    """Set tokens of all budgets aside together, for the first instant when all of them have room.

    Args:
        costs: budget and tokens of each limit that the request counts against.
        now_ms: venue time.
        share: the part of a limit that keeps a reserve which this kind of request may fill, 1.0 for those that must
            never starve.
        guard_ms: how far our reading of the venue's clock may be off.
        in_order: whether to queue behind earlier reservations.
    """
    for budget, _ in costs:
        budget.roll(now_ms)
    ready_ms, settled = now_ms, False
    while not settled:
        settled = True
        for budget, cost in costs:
            ceiling = int(budget.limit * share) if budget.keeps_reserve else budget.limit
            at_ms = budget.earliest(ready_ms, cost, ceiling=ceiling, guard_ms=guard_ms, in_order=in_order)
            if at_ms > ready_ms:
                ready_ms, settled = at_ms, False
    for budget, cost in costs:
        budget.book(ready_ms, cost, in_order=in_order)
    return Reservation(ready_at_ms=ready_ms, costs=tuple(costs))


def cancel(reservation: Reservation) -> None:
    """Give a reservation back that will not be used."""
    for budget, cost in reservation.costs:
        budget.unbook(reservation.ready_at_ms, cost)


def claim(reservation: Reservation, now_ms: float, *, guard_ms: float) -> bool:
    """Take the reserved tokens now; `False` when the window filled otherwise: then reserve again."""
    cancel(reservation)
    if 0.0 < reservation.ready_at_ms - now_ms < TIMER_SLACK_MS:
        now_ms = reservation.ready_at_ms
    for budget, _ in reservation.costs:
        budget.roll(now_ms)
    if not all(budget.fits(now_ms, cost, guard_ms=guard_ms) for budget, cost in reservation.costs):
        return False
    for budget, cost in reservation.costs:
        budget.take(cost, now_ms, guard_ms=guard_ms)
    return True


def release(
    reservation: Reservation,
    now_ms: float,
    *,
    guard_ms: float,
    free: frozenset[WindowBudget] = frozenset(),
) -> None:
    """Record that the reply is in (or will never come); budgets in `free` were not charged."""
    for budget, cost in reservation.costs:
        budget.give_back(cost, now_ms, guard_ms=guard_ms, charged=0 if budget in free else cost)


class BudgetSet:
    """The budgets of one scope (an IP at a venue, or an exchange account), kept over changes of the limits."""

    def __init__(self, limits: Sequence[RateLimit], *, share: float = 1.0) -> None:
        self._share = share
        self.budgets: dict[tuple[LimitKind, int], WindowBudget] = {}
        self.update(limits)

    def update(self, limits: Sequence[RateLimit]) -> None:
        """Follow the venue's limits; counts of windows that stay are kept."""
        wanted = {(limit.kind, limit.interval_s): max(1, int(limit.limit * self._share)) for limit in limits}
        for key in self.budgets.keys() - wanted.keys():
            del self.budgets[key]
        for key, limit in wanted.items():
            if key in self.budgets:
                self.budgets[key].limit = limit
            else:
                self.budgets[key] = WindowBudget(
                    limit, key[1] * 1000, keeps_reserve=key[0] is not LimitKind.ORDERS
                )

    def costs(self, kind: LimitKind, cost: int) -> list[tuple[WindowBudget, int]]:
        """Pair every budget of a kind with the tokens a request takes of it."""
        return [
            (budget, cost)
            for (budget_kind, _), budget in self.budgets.items()
            if budget_kind is kind and cost
        ]

    def observe(self, kind: LimitKind, interval_s: int, count: int, *, sent_at_ms: float) -> None:
        """Raise our count of one window to what the venue told."""
        budget = self.budgets.get((kind, interval_s))
        if budget is not None:
            budget.observe(count, sent_at_ms=sent_at_ms)
