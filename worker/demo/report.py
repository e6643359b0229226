"""What a finished demo reports, as data: the summary on the screen and `--json` show the same."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from worker.demo.tally import Tally, percentile
from worker.demo.verdict import Verdict
from worker.demo.writer import Publication

Json = dict[str, Any]

DOUBTS: Final = ("executed_twice", "placed_twice", "lost", "contradictions", "out_of_order", "unexpected")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a demo was asked to do."""

    signals: int
    seed: int
    workers: int
    rate: float
    faults: bool
    crash: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What it did, and whether the promise was kept."""

    plan: Plan
    verdict: Verdict
    kinds: int
    accounts: int
    signals: int
    repeats: int
    junk: int
    outcomes: int
    dead_letters: int
    statuses: Mapping[str, int]
    orders: int
    executions: int
    faults: Mapping[str, int]
    limit_breaches: int
    killed: str | None
    seconds: float
    p50_ms: float
    p99_ms: float
    limiter_p99_ms: float
    attempts: int
    lookups: int
    redelivered: int

    @property
    def per_second(self) -> float:
        """Signals answered per second, from the first publication to the last answer."""
        return self.outcomes / self.seconds if self.seconds else 0.0

    def document(self) -> Json:
        """Everything as JSON values; the doubts are lists that are empty when the promise was kept."""
        verdict = asdict(self.verdict)
        return {
            "kept": self.verdict.is_kept,
            "plan": asdict(self.plan),
            "signals": self.signals,
            "published_again": self.repeats,
            "not_signals": self.junk,
            "outcomes": self.outcomes,
            "dead_letters": self.dead_letters,
            "statuses": dict(self.statuses),
            "orders": self.orders,
            "executions": self.executions,
            "doubled": len(self.verdict.executed_twice),
            **{name: verdict[name] for name in DOUBTS},
            "unknown": self.verdict.unknown,
            "faults": dict(self.faults),
            "limit_breaches": self.limit_breaches,
            "killed": self.killed,
            "attempts": self.attempts,
            "lookups": self.lookups,
            "redelivered": self.redelivered,
            "seconds": round(self.seconds, 2),
            "signals_per_second": round(self.per_second, 2),
            "latency_ms": {"p50": round(self.p50_ms, 1), "p99": round(self.p99_ms, 1)},
            "limiter_p99_ms": round(self.limiter_p99_ms, 1),
        }


def make_report(
    plan: Plan,
    script: Sequence[Publication],
    tally: Tally,
    verdict: Verdict,
    ledger: Sequence[Json],
    *,
    faults: Mapping[str, int],
    limit_breaches: int,
    killed: str | None,
    seconds: float,
) -> Report:
    """Put the figures together."""
    first = [copies[0] for copies in tally.answers.values()]
    return Report(
        plan=plan,
        verdict=verdict,
        kinds=len({item.kind for item in script}),
        accounts=len({item.account for item in script}),
        signals=tally.signals,
        repeats=sum(item.is_repeat for item in script),
        junk=sum(item.outcome_id is None for item in script),
        outcomes=tally.answered,
        dead_letters=tally.dead_letters,
        statuses=Counter(tally.statuses),
        orders=len(ledger),
        executions=sum(len(order["executions"]) for order in ledger),
        faults=faults,
        limit_breaches=limit_breaches,
        killed=killed,
        seconds=seconds,
        p50_ms=percentile(tally.latencies_ms, 0.5) or 0.0,
        p99_ms=percentile(tally.latencies_ms, 0.99) or 0.0,
        limiter_p99_ms=percentile(tally.limiter_ms, 0.99) or 0.0,
        attempts=sum(outcome["attempts"] for outcome in first),
        lookups=sum(outcome["lookups"] for outcome in first),
        redelivered=sum(outcome["redelivered"] for outcome in first),
    )
