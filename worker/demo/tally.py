"""What came back so far, and what it says: counts, latencies, and whether anything is still to come."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import Any

from worker.demo.writer import Publication

Outcome = dict[str, Any]


@dataclass(slots=True, kw_only=True)
class Tally:
    """Counts publications and outcomes. Times are seconds on the monotonic clock, handed in."""

    total: int
    expected: Counter[str] = field(default_factory=Counter)
    published_at_s: dict[str, float] = field(default_factory=dict)
    published: int = 0
    answers: dict[str, list[Outcome]] = field(default_factory=lambda: defaultdict(list))
    statuses: Counter[str] = field(default_factory=Counter)
    latencies_ms: list[float] = field(default_factory=list)
    limiter_ms: list[float] = field(default_factory=list)
    dead_letters: int = 0
    changed_at_s: float = 0.0

    @classmethod
    def of(cls, script: Sequence[Publication]) -> "Tally":
        """Start counting a scenario."""
        return cls(total=len(script))

    def publish(self, item: Publication, now_s: float) -> None:
        """Note that a message is about to be published."""
        self.published += 1
        self.changed_at_s = now_s
        if item.outcome_id is not None:
            self.expected[item.outcome_id] += 1
            self.published_at_s.setdefault(item.outcome_id, now_s)

    def receive(self, outcome: Outcome, now_s: float) -> None:
        """Note an outcome."""
        copies = self.answers[outcome["outcome_id"]]
        copies.append(outcome)
        self.changed_at_s = now_s
        if len(copies) > 1:
            return
        self.statuses[outcome["status"]] += 1
        self.limiter_ms.append(outcome["latency_ms"]["limiter"])
        began_s = self.published_at_s.get(outcome["outcome_id"])
        if began_s is not None:
            self.latencies_ms.append((now_s - began_s) * 1000)

    def bury(self, dead_letters: int, now_s: float) -> None:
        """Note how many dead letters there are."""
        if dead_letters != self.dead_letters:
            self.dead_letters, self.changed_at_s = dead_letters, now_s

    @property
    def signals(self) -> int:
        """Distinct signals published so far."""
        return len(self.expected)

    @property
    def answered(self) -> int:
        """Distinct signals answered so far."""
        return len(self.answers)

    @property
    def waiting(self) -> int:
        """Publications that have no answer yet."""
        waiting = sum(
            max(0, times - len(self.answers.get(name, ()))) for name, times in self.expected.items()
        )
        junk = self.published - self.expected.total()
        return waiting + max(0, junk - self.dead_letters)


def percentile(values: Sequence[float], share: float) -> float | None:
    """Return the value that a share of all values does not exceed (nearest rank)."""
    if not values:
        return None
    ranked = sorted(values)
    return ranked[max(0, ceil(share * len(ranked)) - 1)]
