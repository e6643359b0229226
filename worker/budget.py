"""What one exchange account may place, and the times during which a venue wants to be left alone."""

from typing import Final

from worker.core.token_bucket import BudgetSet

SHORTEST_HOLD_S: Final = 1.0
"""Also when a venue says "at once": what it just refused would be asked again without a pause."""
FIRST_HOLD_S: Final = 5.0
LONGEST_HOLD_S: Final = 300.0


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


class AccountBudget:
    """What one exchange account may place, shared by all of its keys, and a hold on it."""

    def __init__(self, limit_group: str, limits: BudgetSet) -> None:
        self.limit_group = limit_group
        self.limits = limits
        self.hold = Hold()
