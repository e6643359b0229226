"""What happens in the worker, counted for Prometheus where it happens; `gauges.py` reads what is.

Labels are bounded: venues, statuses and codes are ours, accounts are the configured ones by name, and
whatever else a producer wrote is counted under `other`. No key, secret, signature or URL is ever a label.

One thread counts, and the same one is scraped. So what is counted are plain numbers, which become metrics when somebody
asks: prometheus_client's own counters take a lock for each number, and its histograms look at one bucket after another.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Final

from prometheus_client import CollectorRegistry, Metric, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from typing_extensions import override

from worker.core.outcome import Journey, Outcome, Subject

BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
LAG_BUCKETS: Final = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
PHASES: Final = ("queue", "limiter", "venue", "resolve", "publish", "total")

Series = Mapping[tuple[str, ...], float]
"""Values by the labels they carry, in the order in which the labels were named."""

Labelled = tuple[tuple[str, ...], str, Callable[[], Series]]
"""The labels of a metric, its text, and where its values are read when it is scraped."""


class Histogram:
    """How often which values were seen: each is counted in the first bucket that it does not exceed."""

    __slots__ = ("_bounds", "_counts", "_sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        """Count one value."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def add_to(self, family: HistogramMetricFamily, labels: Sequence[str]) -> None:
        """Write what was counted as Prometheus wants it: how many values a bound and all below it hold."""
        bounds = [*(str(float(bound)) for bound in self._bounds), "+Inf"]
        family.add_metric(labels, list(zip(bounds, accumulate(self._counts), strict=True)), self._sum)


class Telemetry:
    """The metrics of one worker, in a registry of its own."""

    def __init__(self, known_account: Callable[[str], bool]) -> None:
        self._known_account = known_account
        self.registry = CollectorRegistry()
        self._received = self._count("beeline_signals_received_total", "Deliveries taken from the broker.")
        self._redelivered = self._count(
            "beeline_signals_redelivered_total", "Deliveries that were delivered before."
        )
        self._dead = self._count(
            "beeline_dead_letters_total", "Messages without an id, moved to the dead letters."
        )
        self._outcomes = self._count(
            "beeline_outcomes_total", "Signals settled.", "venue", "account", "status", "code"
        )
        self._lookups = self._count("beeline_lookups_total", "Look-ups of orders at a venue.", "venue")
        self._attempts = self._count("beeline_placements_total", "Requests that place or cancel.", "venue")
        self._phases: dict[tuple[str, ...], Histogram] = {(phase,): Histogram(BUCKETS) for phase in PHASES}
        self._measure("beeline_signal_seconds", "Time a signal took, by phase.", self._phases, "phase")
        self._loop_lag = Histogram(LAG_BUCKETS)
        self._measure(
            "beeline_event_loop_lag_seconds",
            "How late the event loop wakes who waits for a time.",
            {(): self._loop_lag},
        )
        ProcessCollector(registry=self.registry)

    def _count(self, name: str, text: str, *labels: str) -> defaultdict[tuple[str, ...], float]:
        """Publish a counter; one without labels is shown before anything was counted."""
        counted: defaultdict[tuple[str, ...], float] = defaultdict(float, {} if labels else {(): 0.0})
        self.by(labels, name, text, lambda: counted)
        return counted

    def _measure(
        self, name: str, text: str, histograms: Mapping[tuple[str, ...], Histogram], *labels: str
    ) -> None:
        """Publish histograms by their labels."""
        self.registry.register(_Histograms(labels, name, text, histograms))

    def gauge(self, name: str, text: str, read: Callable[[], float]) -> None:
        """Publish a value that is read when metrics are scraped."""
        self.by((), name, text, lambda: {(): read()})

    def by_venue(self, name: str, text: str, read: Callable[[], Mapping[str, float]]) -> None:
        """Publish a value by venue that is read when metrics are scraped."""
        self.by(("venue",), name, text, lambda: {(venue,): value for venue, value in read().items()})

    def by(self, labels: Sequence[str], name: str, text: str, read: Callable[[], Series]) -> None:
        """Publish values by their labels that are read when metrics are scraped; a name in `_total` is a counter."""
        self.together(labels, {name: text}, lambda: {name: read()})

    def together(
        self, labels: Sequence[str], texts: Mapping[str, str], read: Callable[[], Mapping[str, Series]]
    ) -> None:
        """Publish several metrics, each with its text, that are read in one go when metrics are scraped."""
        self.registry.register(_Readings(labels, texts, read))

    def woke_late(self, seconds: float) -> None:
        """Record how late the event loop was."""
        self._loop_lag.observe(seconds)

    def received(self, *, redelivered: bool) -> None:
        """Count a delivery."""
        self._received[()] += 1
        if redelivered:
            self._redelivered[()] += 1

    def buried(self) -> None:
        """Count a dead letter."""
        self._dead[()] += 1

    def published(self, seconds: float) -> None:
        """Record how long the broker took to confirm an outcome."""
        self._phases["publish",].observe(seconds)

    def settled(self, outcome: Outcome, subject: Subject, journey: Journey, total_s: float) -> None:
        """Count a settled signal and its phases."""
        account = outcome.account if self._known_account(outcome.account) else "other"
        venue = subject.venue or "none"
        self._outcomes[venue, account, outcome.status, outcome.code or "none"] += 1
        phases = self._phases
        phases["queue",].observe(journey.queued_ms / 1000)
        phases["limiter",].observe(journey.limiter_ms / 1000)
        phases["venue",].observe(journey.venue_ms / 1000)
        phases["resolve",].observe(journey.resolve_ms / 1000)
        phases["total",].observe(total_s)
        if journey.lookups:
            self._lookups[venue,] += journey.lookups
        if journey.attempts:
            self._attempts[venue,] += journey.attempts

    def read(self) -> "Readings":
        """Read all metrics as they stand now."""
        return Readings(list(self.registry.collect()))

    def render(self) -> bytes:
        """Return all metrics in the Prometheus text format."""
        return self.read().render()


class Readings(CollectorRegistry):
    """All metrics at one instant, so that a thread can write them out while the worker goes on."""

    def __init__(self, metrics: list[Metric]) -> None:
        super().__init__()
        self._metrics = metrics

    @override
    def collect(self) -> Iterator[Metric]:
        """Yield them."""
        yield from self._metrics

    def render(self) -> bytes:
        """Return them in the Prometheus text format."""
        return generate_latest(self)


class _Histograms:
    """Histograms by their labels, which are written out when metrics are scraped."""

    def __init__(
        self, labels: Sequence[str], name: str, text: str, read: Mapping[tuple[str, ...], Histogram]
    ) -> None:
        self._labels, self._name, self._text, self._read = labels, name, text, read

    def describe(self) -> Iterator[Metric]:
        """Name the metric."""
        yield self._family()

    def collect(self) -> Iterator[Metric]:
        """Write the values out."""
        family = self._family()
        for labels, histogram in self._read.items():
            histogram.add_to(family, labels)
        yield family

    def _family(self) -> HistogramMetricFamily:
        return HistogramMetricFamily(self._name, self._text, labels=self._labels)


class _Readings:
    """Values that are read when metrics are scraped."""

    def __init__(
        self, labels: Sequence[str], texts: Mapping[str, str], read: Callable[[], Mapping[str, Series]]
    ) -> None:
        self._labels, self._texts, self._read = labels, texts, read

    def describe(self) -> Iterator[Metric]:
        """Name the metrics without reading anything: they are registered before there is a worker to read from."""
        yield from map(self._family, self._texts)

    def collect(self) -> Iterator[Metric]:
        """Read the values."""
        for name, series in self._read().items():
            family = self._family(name)
            for labels, value in series.items():
                family.add_metric(labels, value)
            yield family

    def _family(self, name: str) -> CounterMetricFamily | GaugeMetricFamily:
        kind = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
        return kind(name, self._texts[name], labels=self._labels)
