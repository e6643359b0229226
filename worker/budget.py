"""What one exchange account may place, and the times during which a venue wants to be left alone."""

from collections import OrderedDict
from typing import Final

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

    def extend(self, now_s: float, advised_s: float | None, reason: str) -> float:
        """Hold for the advised time, or for a default that doubles; return its length in seconds."""
        length_s = self._next_s if advised_s is None else max(advised_s, SHORTEST_HOLD_S)
        if advised_s is None and self.until_s <= now_s:
            self._next_s = min(self._next_s * 2, LONGEST_HOLD_S)
        self.until_s = max(self.until_s, now_s + length_s)
        self.reason = reason
        return length_s

    def impose(self, until_s: float, reason: str) -> None:
        """Hold until a monotonic time that somebody else was told."""
        if until_s > self.until_s:
            self.until_s, self.reason = until_s, reason

    def succeed(self, now_s: float) -> None:
        """A request went through: defaults start small again."""
        if self.until_s <= now_s:
            self._next_s = FIRST_HOLD_S
            self.reason = None


class Told:
    """Which signal each order of the venue was told as, so that none is told as two.

    It matters where a venue shows orders without our id and they are known by their shape: an identical order of
    the signal before is not this signal's.
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
    """What one exchange account may place, shared by all of its keys, and a hold on it."""

    def __init__(self, limit_group: str, limits: BudgetSet) -> None:
        self.limit_group = limit_group
        self.limits = limits
        self.hold = Hold()
        self.told = Told()
        self.waiting = 0
        """Requests that wait for a limit or a hold."""
