"""One limit of a venue, as the venue counts it: in windows fixed to its clock. Filled to the brim and never beyond.

A request may be counted at any moment between its sending and its reply, so what is in flight counts wherever
it may still be counted. `FixedWindow` refills at once at each boundary of the venue's clock, which we know only
to within `guard_ms`: that long after a boundary a request must fit the window before too, and what was
answered that long before one may have been counted after it. The other kind is in `sliding_window.py`.

All times are venue epoch milliseconds, handed in.
"""

from bisect import bisect_left, insort
from collections.abc import Sequence
from enum import IntEnum
from typing import Final, Protocol


class Rank(IntEnum):
    """Who may fill how much of a limit, and who queues behind whom: nobody behind a higher number."""

    FIRST = 0
    """Takes risk away: cancels, and orders that only reduce a position."""
    ORDER = 1
    ASKING = 2
    """Look-ups, probes, rules: they can wait."""


Ceilings = tuple[int, int, int]
"""How far each rank may fill a limit."""


class Mark:
    """Where a window stood when a request was sent: what a count in its reply is compared with."""

    __slots__ = ("taken", "unanswered")

    def __init__(self, taken: int, unanswered: int) -> None:
        self.taken, self.unanswered = taken, unanswered


class Window(Protocol):
    """What `token_bucket` needs of a limit."""

    limit: int
    ceilings: Ceilings
    in_flight: int
    reserved: int

    def roll(self, now_ms: float) -> None:
        """Let time pass."""

    def earliest(self, at_ms: float, cost: int, rank: Rank, *, guard_ms: float, queues: bool) -> float:
        """Return the first instant from `at_ms` on when `cost` tokens are free, behind the rank's queue or not."""

    def book(self, turn_ms: float, at_ms: float, cost: int, rank: Rank) -> None:
        """Set tokens aside for `at_ms`; `turn_ms` is when this limit alone would have let them go."""

    def unbook(self, turn_ms: float, at_ms: float, cost: int, rank: Rank) -> None:
        """Give a booking back."""

    def is_free(self, now_ms: float, cost: int, rank: Rank, *, guard_ms: float) -> bool:
        """Tell whether `cost` tokens are free now for who comes last; lets time pass, as `roll` does."""

    def fits(self, now_ms: float, cost: int, *, guard_ms: float) -> bool:
        """Tell whether `cost` tokens can be taken now; a request above the limit has a window for itself."""

    def take(self, cost: int, now_ms: float, *, guard_ms: float) -> Mark:
        """Take tokens for a request that goes out now."""

    def give_back(self, cost: int, now_ms: float, *, guard_ms: float, charged: int) -> None:
        """Record that the reply to a request is in, which cost `charged` of the `cost` tokens taken."""

    def observe(
        self, count: int, mark: Mark | None, *, sent_ms: float, now_ms: float, guard_ms: float
    ) -> None:
        """Take the venue's own count in, which came with the reply to a request."""

    def doubt(self, cost: int) -> None:
        """Note tokens that the venue may not count any more, or never did: its next counts will tell."""

    def inherit(self, spent: Sequence[tuple[float, int]], now_ms: float) -> bool:
        """Take the limit over from whoever had it; tell whether the venue's count has to be known.

        `spent` are times and tokens that are known of.
        """

    @property
    def used(self) -> int:
        """What counts against the limit now."""

    @property
    def foreign(self) -> int:
        """What somebody else used, beyond what is theirs."""


STEP_MS: Final = 1_000.0
"""A clock that goes back by more was wrong before, as the host's can be until the venue's is known; by less, windows
wait for it."""


class Turns:
    """The queue of each rank, as the windows or slices that somebody waits for."""

    __slots__ = ("_counts", "_indexes", "tails")

    def __init__(self) -> None:
        self._counts: dict[Rank, dict[int, int]] = {}
        self._indexes: dict[Rank, list[int]] = {}
        self.tails = [0, 0, 0]

    def join(self, rank: Rank, index: int) -> None:
        """Wait for a window."""
        counts = self._counts.setdefault(rank, {})
        if index in counts:
            counts[index] += 1
            return
        counts[index] = 1
        insort(self._indexes.setdefault(rank, []), index)
        self.tails[rank] = self._indexes[rank][-1]

    def leave(self, rank: Rank, index: int) -> None:
        """Wait no longer; a queue that nobody stands in holds nobody up."""
        counts, indexes = self._counts[rank], self._indexes[rank]
        counts[index] -= 1
        if not counts[index]:
            del counts[index], indexes[bisect_left(indexes, index)]
            self.tails[rank] = indexes[-1] if indexes else 0


class FixedWindow:
    """At most `limit` tokens in each window of `interval_ms`, aligned to the venue's clock.

    The venue's own count is compared with ours. What it counted beyond our requests are others': proven where
    even all of ours together would not explain it, and otherwise taken for the least excess that the replies of one
    round trip showed, because a count that comes early or late is off by what was in flight. `allowance` is
    what others may use without taking from us.
    """

    __slots__ = (
        "_answered",
        "_booked",
        "_doubtful",
        "_excess",
        "_highest",
        "_is_fresh",
        "_others",
        "_previous",
        "_proven",
        "_round",
        "_settled",
        "_spilled",
        "_taken",
        "_turns",
        "allowance",
        "ceilings",
        "in_flight",
        "index",
        "inherited",
        "interval_ms",
        "limit",
        "own",
        "reserved",
    )

    def __init__(self, limit: int, interval_ms: int, *, ceilings: Ceilings | None = None) -> None:
        self.limit, self.interval_ms = limit, interval_ms
        self.ceilings = ceilings or (limit, limit, limit)
        self.allowance = 0
        self.index = 0
        self.own = self.in_flight = self.reserved = 0
        self.inherited = 0
        self._previous = self._spilled = self._taken = self._answered = self._doubtful = 0
        self._booked: dict[int, int] = {}
        self._turns = Turns()
        self._is_fresh = True
        self._forget_others()

    def _forget_others(self) -> None:
        self._others = self._proven = self._highest = 0
        self._excess: int | None = None
        self._settled: int | None = None
        self._round = self._taken

    @property
    def used(self) -> int:
        """What counts against the limit in this window."""
        others = self._others - self.allowance
        return self.own + others if others > 0 else self.own

    @property
    def foreign(self) -> int:
        """What others used in this window, beyond their allowance and what was used before we came."""
        return max(0, self._others - self.allowance - self.inherited) if self._others else 0

    def roll(self, now_ms: float) -> None:
        """Enter the window of `now_ms`; what is in flight may still be counted there."""
        index = int(now_ms // self.interval_ms)
        if index == self.index:
            return
        if index < self.index:
            if now_ms < self.index * self.interval_ms - STEP_MS:
                self._step_back(index)
            return
        is_next = index == self.index + 1
        carried = self.in_flight + self._spilled if is_next else self.in_flight
        self._previous = self.used if is_next else carried
        self.own, self._answered = carried, carried - self.in_flight
        if self.index:
            self._is_fresh = False
        self.index, self._spilled, self._doubtful, self.inherited = index, 0, 0, 0
        self._forget_others()
        if not self._is_fresh:
            # Nobody else is expected: replies out of order must not look like somebody.
            self._settled = 0
        if self.reserved:
            for past in [booked for booked in self._booked if booked < index]:
                self.reserved -= self._booked.pop(past)

    def _step_back(self, index: int) -> None:
        """Our reading of the venue's clock was far ahead: what was counted then counts in the window it really was."""
        self.own = max(self.own, self._previous) if index == self.index - 1 else self.own
        self.index, self._previous, self._spilled = index, 0, 0
        self._forget_others()

    def earliest(self, at_ms: float, cost: int, rank: Rank, *, guard_ms: float, queues: bool) -> float:
        """Return the first instant from `at_ms` on when `cost` tokens are free below the rank's ceiling."""
        asked = max(int(at_ms // self.interval_ms), self.index)
        index = max(asked, self._turns.tails[rank]) if queues else asked
        ceiling = max(self.ceilings[rank], cost)
        while self._count(index) + cost > ceiling:
            index += 1
        tight = index == self.index and self._previous + cost > self.limit
        if index > asked or tight:
            return max(at_ms, index * self.interval_ms + guard_ms)
        return at_ms

    def is_free(self, now_ms: float, cost: int, rank: Rank, *, guard_ms: float) -> bool:
        """Tell whether `cost` tokens are free now for who comes last."""
        self.roll(now_ms)
        index = self.index
        if self._turns.tails[rank] > index or now_ms < index * self.interval_ms:
            return False
        if self.used + self._booked.get(index, 0) + cost > self.ceilings[rank]:
            return False
        return self._previous + cost <= self.limit or not self._in_guard(now_ms, guard_ms)

    def _count(self, index: int) -> int:
        booked = self._booked.get(index, 0)
        if index == self.index:
            return booked + self.used
        return booked + self._spilled if index == self.index + 1 else booked

    def book(self, turn_ms: float, at_ms: float, cost: int, rank: Rank) -> None:
        """Set tokens of the window of `at_ms` aside."""
        index = int(at_ms // self.interval_ms)
        self._booked[index] = self._booked.get(index, 0) + cost
        self.reserved += cost
        self._turns.join(rank, int(turn_ms // self.interval_ms))

    def unbook(self, turn_ms: float, at_ms: float, cost: int, rank: Rank) -> None:
        """Give a booking back, unless its window is over anyway."""
        self._turns.leave(rank, int(turn_ms // self.interval_ms))
        index = int(at_ms // self.interval_ms)
        if index not in self._booked:
            return
        self.reserved -= cost
        left = self._booked[index] - cost
        if left > 0:
            self._booked[index] = left
        else:
            del self._booked[index]

    def fits(self, now_ms: float, cost: int, *, guard_ms: float) -> bool:
        """Tell whether `cost` tokens can be taken now."""
        if self._in_guard(now_ms, guard_ms) and self._previous + cost > self.limit:
            return False
        return self.used + cost <= max(self.limit, cost)

    def _in_guard(self, now_ms: float, guard_ms: float) -> bool:
        # The same sum as in `earliest`: who waits until then must not find that a rounding error is left.
        return now_ms < self.index * self.interval_ms + guard_ms

    def take(self, cost: int, now_ms: float, *, guard_ms: float) -> Mark:
        """Take tokens for a request that goes out now."""
        unanswered = self.in_flight
        self.own += cost
        self.in_flight += cost
        self._taken += cost
        if self._in_guard(now_ms, guard_ms):
            self._previous += cost
        return Mark(self._taken, unanswered)

    def give_back(self, cost: int, now_ms: float, *, guard_ms: float, charged: int) -> None:
        """Record that the reply to a request is in."""
        self.roll(now_ms)
        self.in_flight -= cost
        self.own -= cost - charged
        self._answered += charged
        if now_ms + guard_ms >= (self.index + 1) * self.interval_ms:
            self._spilled += charged

    # --- The venue's own count

    def doubt(self, cost: int) -> None:
        """Note tokens that the venue may have given back: those of a filled order, or of one it refused."""
        self._doubtful += cost

    def observe(
        self, count: int, mark: Mark | None, *, sent_ms: float, now_ms: float, guard_ms: float
    ) -> None:
        """Learn what others used, and whether tokens in doubt came back; a count of another window says nothing."""
        self.roll(now_ms)
        start_ms = self.index * self.interval_ms
        if sent_ms - guard_ms < start_ms or now_ms + guard_ms >= start_ms + self.interval_ms:
            return
        if self._doubtful and mark is not None:
            self._come_back(count + mark.unanswered + self._taken - mark.taken)
        if self._excess is None:
            self._round = self._taken
        elif mark is not None and mark.taken > self._round:
            # The first reply to what was sent after the round began: it is over.
            self._settled, self._excess, self._highest, self._round = self._excess, None, 0, self._taken
        self._highest = max(self._highest, count)
        excess = max(0, self._highest - self._answered)
        if self._excess is None or excess < self._excess:
            self._excess = excess
        self._proven = max(self._proven, count - self.own)
        others = self._excess if self._settled is None else self._settled
        self._others = max(self._proven, others)
        if self._is_fresh:
            self._is_fresh, self.inherited = False, max(0, self._others - self.allowance)

    def _come_back(self, most: int) -> None:
        """Lower our count to the most that the venue can have counted, by no more than is in doubt."""
        surplus = min(self.used - most, self._doubtful, self._answered)
        if surplus > 0:
            self.own -= surplus
            self._answered -= surplus
            self._doubtful -= surplus

    def inherit(self, spent: Sequence[tuple[float, int]], now_ms: float) -> bool:
        """Somebody else had this limit: what the venue counts first is theirs, and nothing foreign."""
        del spent  # the venue knows better
        self.roll(now_ms)
        self._is_fresh = True
        return True
