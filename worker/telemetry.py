"""What happens in the worker, counted for Prometheus where it happens; `gauges.py` reads what is.

Labels are bounded: venues, statuses and codes are ours, accounts are the configured ones by name, and
whatever else a producer wrote is counted under `other`. No key, secret, signature or URL is ever a label.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    Metric,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from worker.core.outcome import Journey, Outcome, Subject

BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
LAG_BUCKETS: Final = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)

Series = Mapping[tuple[str, ...], float]
"""Values by the labels they carry, in the order in which the labels were named."""

Labelled = tuple[tuple[str, ...], str, Callable[[], Series]]
"""The labels of a metric, its text, and where its values are read when it is scraped."""


class Telemetry:
    """The metrics of one worker, in a registry of its own."""

    def __init__(self, known_account: Callable[[str], bool]) -> None:
        self._known_account = known_account
        disable_created_metrics()  # type: ignore[no-untyped-call]  # the library's own omission
        self.registry = CollectorRegistry()
        own = self.registry
        self._received = Counter(
            "beeline_signals_received_total", "Deliveries taken from the broker.", registry=own
        )
        self._redelivered = Counter(
            "beeline_signals_redelivered_total", "Deliveries that were delivered before.", registry=own
        )
        self._dead = Counter(
            "beeline_dead_letters_total", "Messages without an id, moved to the dead letters.", registry=own
        )
        self._outcomes = Counter(
            "beeline_outcomes_total", "Signals settled.", ["venue", "account", "status", "code"], registry=own
        )
        self._lookups = Counter(
            "beeline_lookups_total", "Look-ups of orders at a venue.", ["venue"], registry=own
        )
        self._attempts = Counter(
            "beeline_placements_total", "Requests that place or cancel.", ["venue"], registry=own
        )
        self._seconds = Histogram(
            "beeline_signal_seconds",
            "Time a signal took, by phase.",
            ["phase"],
            buckets=BUCKETS,
            registry=own,
        )
        self._phases = {
            phase: self._seconds.labels(phase)
            for phase in ("queue", "limiter", "venue", "resolve", "publish", "total")
        }
        self._loop_lag = Histogram(
            "beeline_event_loop_lag_seconds",
            "How late the event loop wakes who waits for a time.",
            buckets=LAG_BUCKETS,
            registry=own,
        )
        self._counters: dict[tuple[str, str, str, str], Counter] = {}
        ProcessCollector(registry=own)

    def gauge(self, name: str, text: str, read: Callable[[], float]) -> None:
        """Publish a value that is read when metrics are scraped."""
        self.by((), name, text, lambda: {(): read()})

    def by_venue(self, name: str, text: str, read: Callable[[], Mapping[str, float]]) -> None:
        """Publish a value by venue that is read when metrics are scraped."""
        self.by(("venue",), name, text, lambda: {(venue,): value for venue, value in read().items()})

    def by(self, labels: Sequence[str], name: str, text: str, read: Callable[[], Series]) -> None:
        """Publish values by their labels that are read when metrics are scraped; a name in `_total` is a counter."""
        self.registry.register(_Readings(labels, name, text, read))

    def woke_late(self, seconds: float) -> None:
        """Record how late the event loop was."""
        self._loop_lag.observe(seconds)

    def received(self, *, redelivered: bool) -> None:
        """Count a delivery."""
        self._received.inc()
        if redelivered:
            self._redelivered.inc()

    def buried(self) -> None:
        """Count a dead letter."""
        self._dead.inc()

    def published(self, seconds: float) -> None:
        """Record how long the broker took to confirm an outcome."""
        self._phases["publish"].observe(seconds)

    def settled(self, outcome: Outcome, subject: Subject, journey: Journey, total_s: float) -> None:
        """Count a settled signal and its phases."""
        account = outcome.account if self._known_account(outcome.account) else "other"
        labels = (subject.venue or "none", account, outcome.status.value, outcome.code or "none")
        counter = self._counters.get(labels)
        if counter is None:
            counter = self._counters[labels] = self._outcomes.labels(*labels)
        counter.inc()
        phases = self._phases
        phases["queue"].observe(journey.queued_ms / 1000)
        phases["limiter"].observe(journey.limiter_ms / 1000)
        phases["venue"].observe(journey.venue_ms / 1000)
        phases["resolve"].observe(journey.resolve_ms / 1000)
        phases["total"].observe(total_s)
        if journey.lookups:
            self._lookups.labels(labels[0]).inc(journey.lookups)
        if journey.attempts:
            self._attempts.labels(labels[0]).inc(journey.attempts)

    def render(self) -> bytes:
        """Return all metrics in the Prometheus text format."""
        return generate_latest(self.registry)


class _Readings:
    """Values that are read when metrics are scraped."""

    def __init__(self, labels: Sequence[str], name: str, text: str, read: Callable[[], Series]) -> None:
        self._labels, self._name, self._text, self._read = labels, name, text, read

    def describe(self) -> Iterator[Metric]:
        """Name the metric without reading anything: it is registered before there is a worker to read from."""
        yield self._family()

    def collect(self) -> Iterator[Metric]:
        """Read the values."""
        family = self._family()
        for labels, value in self._read().items():
            family.add_metric(labels, value)
        yield family

    def _family(self) -> CounterMetricFamily | GaugeMetricFamily:
        kind = CounterMetricFamily if self._name.endswith("_total") else GaugeMetricFamily
        return kind(self._name, self._text, labels=self._labels)
