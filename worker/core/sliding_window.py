"""A limit in any span of time, for venues whose windows open with the first request (Bitrue), wherever that was.

What holds in every span of the window's length holds in theirs, whenever it opened. Time is cut into slices;
a request may be counted at any moment between its sending and its reply, so a token is free again once the
slice of its reply has left the span entirely.
"""

from collections.abc import Sequence
from itertools import compress
from typing import Final

from worker.core.windows import STEP_MS, Ceilings, Mark, Rank, Turns

SLICES: Final = 160
"""Slices of a sliding window. More waste less of it: a token stays taken for up to two slices too long."""


class SlidingWindow:
    """At most `limit` tokens in any span of `interval_ms`, wherever the venue's window may lie."""

    __slots__ = (
        "_first",
        "_now",
        "_slice_ms",
        "_slices",
        "_spent",
        "_turns",
        "ceilings",
        "in_flight",
        "interval_ms",
        "limit",
        "reserved",
    )

    def __init__(self, limit: int, interval_ms: int, *, ceilings: Ceilings | None = None) -> None:
        self.limit, self.interval_ms = limit, interval_ms
        self.ceilings = ceilings or (limit, limit, limit)
        self.in_flight = self.reserved = 0
        self._slice_ms = interval_ms / SLICES
        self._first = self._now = self._spent = 0
        self._slices: list[int] = []
        self._turns = Turns()

    @property
    def used(self) -> int:
        """What may count against the limit in a window that is open now."""
        return self._spent + self.in_flight

    @property
    def foreign(self) -> int:
        """Nothing that could be known: venues with such windows tell no counts."""
        return 0

    def roll(self, now_ms: float) -> None:
        """Forget the slices that have left every span."""
        now = self._slice(now_ms)
        if now <= self._now:
            if now_ms < self._now * self._slice_ms - STEP_MS:
                # Our reading of the venue's clock was far ahead: everything happened earlier than was noted.
                self._first -= self._now - now
                self._now = now
            return
        self._now = now
        gone = now - SLICES - self._first
        if gone > 0:
            del self._slices[:gone]
            self._first += gone
        self._spent = self._span(now) - self.in_flight

    def _slice(self, at_ms: float) -> int:
        return int(at_ms // self._slice_ms)

    def _add(self, index: int, tokens: int) -> None:
        place = index - self._first
        if place < 0:
            return
        if index <= self._now:
            self._spent += tokens
        if place >= len(self._slices):
            self._slices.extend([0] * (place + 1 - len(self._slices)))
        self._slices[place] += tokens

    def _span(self, index: int) -> int:
        """Tokens in the slices from one window's length before a slice up to it."""
        begin, end = index - SLICES - self._first, index + 1 - self._first
        spent = sum(self._slices[max(0, begin) : max(0, end)])
        return spent + self.in_flight if index - SLICES <= self._now else spent

    def earliest(self, at_ms: float, cost: int, rank: Rank, *, guard_ms: float, queues: bool) -> float:
        """Return the first instant from `at_ms` on when `cost` tokens are free below the rank's ceiling."""
        del guard_ms  # how far the venue's clock is off does not matter: only durations do
        asked = max(self._slice(at_ms), self._now)
        index = max(asked, self._turns.tails[rank]) if queues else asked
        room = max(self.ceilings[rank], cost) - cost
        spent = self._spent + self.in_flight if index == self._now else self._span(index)
        while spent > room:
            index = self._next_leaving(index) + SLICES + 1
            spent = self._span(index)
        return at_ms if index == asked else max(at_ms, index * self._slice_ms)

    def _next_leaving(self, index: int) -> int:
        """The oldest slice in the span of a slice that holds anything: room comes only when one leaves."""
        oldest = max(index - SLICES, self._first)
        span = self._slices[oldest - self._first : index + 1 - self._first]
        busy = next(compress(range(oldest, index + 1), span), index)
        # What is in flight counts as if it were answered now.
        return min(busy, self._now) if index - SLICES <= self._now else busy

    def is_free(self, now_ms: float, cost: int, rank: Rank, *, guard_ms: float) -> bool:
        """Tell whether `cost` tokens are free now for who comes last."""
        del guard_ms
        self.roll(now_ms)
        return not self.reserved and self._spent + self.in_flight + cost <= self.ceilings[rank]

    def book(self, turn_ms: float, at_ms: float, cost: int, rank: Rank) -> None:
        """Set tokens aside, as if answered at once; a reply that comes later lets who counted on it try again."""
        self._add(self._slice(at_ms), cost)
        self.reserved += cost
        self._turns.join(rank, self._slice(turn_ms))

    def unbook(self, turn_ms: float, at_ms: float, cost: int, rank: Rank) -> None:
        """Give a booking back."""
        self._turns.leave(rank, self._slice(turn_ms))
        self.reserved -= cost
        self._add(self._slice(at_ms), -cost)

    def fits(self, now_ms: float, cost: int, *, guard_ms: float) -> bool:
        """Tell whether `cost` tokens can be taken now."""
        del now_ms, guard_ms
        return self._spent + self.in_flight + cost <= max(self.limit, cost)

    def take(self, cost: int, now_ms: float, *, guard_ms: float) -> Mark:
        """Take tokens for a request that goes out now."""
        del now_ms, guard_ms
        self.in_flight += cost
        return Mark(0, 0)

    def give_back(self, cost: int, now_ms: float, *, guard_ms: float, charged: int) -> None:
        """Record that the reply to a request is in: its tokens stay taken for a window's length from now."""
        del guard_ms
        self.roll(now_ms)
        self.in_flight -= cost
        if charged:
            self._add(self._now, charged)

    def doubt(self, cost: int) -> None:
        """Nothing ever comes back where no count tells it."""

    def observe(
        self, count: int, mark: Mark | None, *, sent_ms: float, now_ms: float, guard_ms: float
    ) -> None:
        """Venues with such windows tell no counts that could be compared."""

    def inherit(self, spent: Sequence[tuple[float, int]], now_ms: float) -> bool:
        """Count what is known to be spent, as answered then; the venue could not tell more."""
        self.roll(now_ms)
        for at_ms, tokens in spent:
            self._add(min(self._slice(at_ms), self._now), tokens)
        return False
