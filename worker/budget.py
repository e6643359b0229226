"""What one exchange account may place, and the times during which a venue wants to be left alone."""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

from worker.core.rejects import Rejects
from worker.core.token_bucket import BudgetSet

SHORTEST_HOLD_S: Final = 1.0
"""Also when a venue says "at once": what it just refused would be asked again without a pause."""
FIRST_HOLD_S: Final = 5.0
LONGEST_HOLD_S: Final = 300.0
TOLD_LIMIT: Final = 10_000


class Hold:
    """A time during which nothing is sent in one scope; repeated holds without advice grow."""

    def __init__(self) -> None:
        self.until_s = 0.0
        self.reason: str | None = None
        self._next_s = FIRST_HOLD_S

    def extend(self, now_s: float, advised_s: float | None, reason: str, *, at_least_s: float = 0.0) -> float:
        """Hold for the advised time, or for a default that doubles each time; return how long it lasts from now.

        Replies to what was under way when a hold began add nothing without advice: they are the same refusal.
        """
        if advised_s is not None:
            length_s = max(advised_s, SHORTEST_HOLD_S)
        elif self.until_s > now_s:
            return self.until_s - now_s
        else:
            length_s = max(self._next_s, at_least_s)
            self._next_s = min(self._next_s * 2, LONGEST_HOLD_S)
        self.impose(now_s + length_s, reason)
        return self.until_s - now_s

    def impose(self, until_s: float, reason: str) -> None:
        """Hold until a monotonic time."""
        if until_s > self.until_s:
            self.until_s, self.reason = until_s, reason

    def succeed(self, now_s: float) -> None:
        """A request went through: defaults start small again."""
        if self.until_s <= now_s:
            self._next_s = FIRST_HOLD_S
            self.reason = None


class Told:
    """Which signal each order of the venue was told as, so that none is told as two.

    It is kept where a venue shows orders without our id and they are known by their shape: an identical order of the
    signal before is not this signal's.
    """

    def __init__(self) -> None:
        self._orders: OrderedDict[str, str] = OrderedDict()

    def tell(self, venue_order_id: str, client_order_id: str) -> None:
        """Record an order that an outcome speaks of."""
        if venue_order_id:
            self._orders.setdefault(venue_order_id, client_order_id)
            while len(self._orders) > TOLD_LIMIT:
                self._orders.popitem(last=False)

    def is_another_s(self, venue_order_id: str, client_order_id: str) -> bool:
        """Whether an order was told as another signal's."""
        return self._orders.get(venue_order_id, client_order_id) != client_order_id


class AccountBudget:
    """What one exchange account may place, shared by all of its keys, and a hold on its placements.

    `is_counted` tells whether the venue's own count is known, or need not be. Until then its orders go one by one, in
    `counting`.
    """

    def __init__(self, limit_group: str, limits: BudgetSet) -> None:
        self.limit_group = limit_group
        self.limits = limits
        self.hold = Hold()
        self.told = Told()
        self.rejects = Rejects()
        self.waiting = 0
        """Requests that wait for a limit or a hold."""
        self.is_counted = True
        self.counting = asyncio.Lock()

    def inherit(self, spent: Sequence[tuple[float, int]], now_ms: float) -> None:
        """Take the budget over from whoever had it; `spent` are venue times and tokens that are known of."""
        self.is_counted = not self.limits.inherit(spent, now_ms)
