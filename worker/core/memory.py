"""What was answered: the outcomes of one shard, as long as a signal could still be valid.

The memory is filled from the shard's stream at take-over and from our own confirmed publishes afterwards, so
that a signal delivered again, before or after any crash, is answered with the same bytes. Entries leave in
the order they came.
"""

from collections import OrderedDict
from collections.abc import Iterable

from adapters.values import value_type
from worker.core.outcome import Outcome, Status


@value_type
class Remembered:
    """An answered signal: the outcome and when it was answered, epoch milliseconds."""

    outcome: Outcome
    answered_at_ms: float


class ShardMemory:
    """Answered signals by (account, signal id), bounded by age."""

    def __init__(self, keep_ms: float) -> None:
        self._keep_ms = keep_ms
        self._answers: OrderedDict[tuple[str, str], Remembered] = OrderedDict()

    def __len__(self) -> int:
        return len(self._answers)

    def record(self, outcome: Outcome, answered_at_ms: float) -> None:
        """Remember an answer; the first answer of an id stays, and only a later revision of it replaces it."""
        self._forget_before(answered_at_ms - self._keep_ms)
        key = (outcome.account, outcome.signal_id)
        known = self._answers.get(key)
        if known is None:
            self._answers[key] = Remembered(outcome=outcome, answered_at_ms=answered_at_ms)
        elif outcome.outcome_id == known.outcome.outcome_id and outcome.revision > known.outcome.revision:
            self._answers[key] = Remembered(outcome=outcome, answered_at_ms=known.answered_at_ms)

    def answers(self) -> Iterable[Remembered]:
        """Return every answer, the oldest first."""
        return self._answers.values()

    def recall(self, account: str, signal_id: str) -> Outcome | None:
        """Return what a signal was answered with."""
        known = self._answers.get((account, signal_id))
        return known.outcome if known else None

    def absorb(self, other: "ShardMemory") -> None:
        """Add what another memory of the same shard knows beyond this one."""
        for known in other.answers():
            self.record(known.outcome, known.answered_at_ms)

    def unknown(self) -> list[Outcome]:
        """Return the answers whose truth is still to be found out."""
        return [known.outcome for known in self.answers() if known.outcome.status is Status.UNKNOWN]

    def _forget_before(self, horizon_ms: float) -> None:
        while self._answers:
            key, oldest = next(iter(self._answers.items()))
            if oldest.answered_at_ms >= horizon_ms:
                return
            del self._answers[key]
