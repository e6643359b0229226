"""Slows down what a venue refuses again and again: the same reject in a loop burns the weight of a whole IP.

Known by symbol and code within one exchange account. A few in a row are a busy producer; from then on each
further placement waits a little longer, and one that goes through, or is refused for another reason, ends it.
Nothing is refused here: the venue's word on each order stays the venue's.
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

FREE_TRIES: Final = 3
FIRST_WAIT_S: Final = 0.25
LONGEST_WAIT_S: Final = 5.0
FORGOTTEN_AFTER_S: Final = 60.0
KEPT: Final = 1_000


@dataclass(frozen=True, slots=True)
class _Streak:
    code: str
    count: int
    last_s: float

    @property
    def pause_s(self) -> float:
        """How long after the last reject the next placement may go."""
        over = self.count - FREE_TRIES
        return 0.0 if over < 0 else min(FIRST_WAIT_S * 2.0 ** min(over, 16), LONGEST_WAIT_S)


class Rejects:
    """The rejects in a row of one exchange account, by symbol."""

    def __init__(self) -> None:
        self._streaks: OrderedDict[str, _Streak] = OrderedDict()

    def wait_s(self, symbol: str, now_s: float) -> float:
        """Return how long a placement of a symbol has to wait now."""
        streak = self._streaks.get(symbol)
        return 0.0 if streak is None else max(0.0, streak.last_s + streak.pause_s - now_s)

    def refused(self, symbol: str, code: str, now_s: float) -> None:
        """Note a reject by the venue."""
        before = self._streaks.pop(symbol, None)
        goes_on = before is not None and before.code == code and now_s - before.last_s < FORGOTTEN_AFTER_S
        self._streaks[symbol] = _Streak(code, before.count + 1 if before and goes_on else 1, now_s)
        if len(self._streaks) > KEPT:
            self._streaks.popitem(last=False)

    def accepted(self, symbol: str) -> None:
        """Note that a placement went through."""
        self._streaks.pop(symbol, None)
