"""What is told of a settled signal: one canonical log line, metrics, a trace, and the last ones for the status page."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any, Final

import structlog

from worker.clock_sync import Clock
from worker.core.outcome import Journey, Outcome, Subject
from worker.core.tracing import trace_id
from worker.telemetry import Telemetry

SHOWN: Final = 20
MEASURED: Final = 1000

Phases = tuple[float, float, float, float, float]
PHASES: Final = ("queue", "limiter", "venue", "resolve", "total")

log = structlog.get_logger("beeline.signal")


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A signal whose outcome is confirmed; the times are epoch milliseconds."""

    outcome: Outcome
    subject: Subject
    journey: Journey
    published_ms: float
    settled_ms: float
    told_ms: float


Trace = Callable[[Told], None]


class Journal:
    """What was settled; the last outcomes and times are kept, in a bounded space."""

    def __init__(self, telemetry: Telemetry, clock: Clock) -> None:
        self._telemetry, self._clock = telemetry, clock
        self._log = log.bind()  # for each line the logger of a module is looked up anew
        self._outcomes: deque[tuple[float, Outcome, Subject, float]] = deque(maxlen=SHOWN)
        self._times_ms: deque[Phases] = deque(maxlen=MEASURED)
        self.trace: Trace | None = None

    def settled(self, outcome: Outcome, subject: Subject, journey: Journey) -> Callable[[], None]:
        """Write the canonical line of a settled signal, count it, and keep it for a while.

        Returns:
            What is to be called when the outcome is confirmed.
        """
        total_s = self._clock.monotonic() - journey.received_s
        total_ms = total_s * 1000
        self._telemetry.settled(outcome, subject, journey, total_s)
        self._outcomes.append((self._clock.wall_ms(), outcome, subject, total_ms))
        self._times_ms.append(
            (journey.queued_ms, journey.limiter_ms, journey.venue_ms, journey.resolve_ms, total_ms)
        )
        self._log.info(
            "signal settled",
            signal_id=outcome.signal_id,
            account=outcome.account,
            venue=subject.venue,
            action=subject.action,
            symbol=subject.symbol,
            status=outcome.status.value,
            code=outcome.code,
            client_order_id=subject.client_order_id,
            trace_id=trace_id(journey.traceparent),
            attempts=journey.attempts,
            lookups=journey.lookups,
            redelivered=journey.redelivered,
            queue_ms=round(journey.queued_ms, 1),
            limiter_ms=round(journey.limiter_ms, 1),
            venue_ms=round(journey.venue_ms, 1),
            resolve_ms=round(journey.resolve_ms, 1),
            total_ms=round(total_ms, 1),
        )
        return (
            nothing if self.trace is None else self._tracing(self.trace, outcome, subject, journey, total_ms)
        )

    def _tracing(
        self, trace: Trace, outcome: Outcome, subject: Subject, journey: Journey, total_ms: float
    ) -> Callable[[], None]:
        settled_ms, settled_s = self._clock.wall_ms(), self._clock.monotonic()

        def told() -> None:
            trace(
                Told(
                    outcome=outcome,
                    subject=subject,
                    journey=journey,
                    published_ms=settled_ms - total_ms - journey.queued_ms,
                    settled_ms=settled_ms,
                    told_ms=settled_ms + (self._clock.monotonic() - settled_s) * 1000,
                )
            )

        return told

    def outcomes(self) -> list[dict[str, Any]]:
        """The last outcomes, the newest first."""
        return [
            {
                "settled_at_ms": round(at_ms),
                "signal_id": outcome.signal_id,
                "account": outcome.account,
                "action": subject.action,
                "symbol": subject.symbol,
                "status": outcome.status,
                "code": outcome.code,
                "total_ms": round(total_ms, 1),
            }
            for at_ms, outcome, subject, total_ms in reversed(self._outcomes)
        ]

    def latency_ms(self) -> list[dict[str, Any]]:
        """Half of the last signals were at most so long in a phase, and 99 of a hundred."""
        columns = zip(*self._times_ms, strict=True) if self._times_ms else ()
        return [
            {"phase": phase, "p50": _rank(column, 0.5), "p99": _rank(column, 0.99), "of": len(column)}
            for phase, column in zip(PHASES, columns, strict=False)
        ]


def nothing() -> None:
    """Do nothing: what follows where no trace is wanted."""


def _rank(values: Sequence[float], share: float) -> float:
    """The value that a share of all does not exceed (nearest rank)."""
    return round(sorted(values)[max(0, ceil(share * len(values)) - 1)], 1)
