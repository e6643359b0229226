"""Exports each settled signal as a trace to an OpenTelemetry collector (OTLP over HTTP).

Only this module imports OpenTelemetry, and it is imported only where a collector is named (`worker/app.py`). The
standard `OTEL_…` variables say the rest: headers, certificates, sampling, the sizes of the queue.

Spans are made once a signal's outcome is confirmed, from what its journey counted, and wait in a bounded queue for a
thread of their own. A collector that is slow or gone costs spans, never a signal.
"""

from collections.abc import Iterator, Sequence
from importlib.metadata import version
from threading import Thread
from typing import Final

import structlog
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, StatusCode, TraceFlags
from typing_extensions import override

from worker.core.outcome import Status
from worker.journal import Told

FLUSH_S: Final = 3.0
"""How long the end of a worker waits for the collector to take the last spans."""

FAILURES: Final = frozenset({Status.REJECTED, Status.EXPIRED, Status.UNKNOWN})

log = structlog.get_logger("beeline.tracing")


class Tracing:
    """Turns what is told of a signal into spans, and sends them; `collector` is its name in the log."""

    def __init__(self, worker_id: str, *, collector: str, exporter: SpanExporter | None = None) -> None:
        """Start the thread that exports.

        Raises:
            ValueError: an `OTEL_…` variable cannot be read.
        """
        own = Resource.create(
            {
                "service.name": "beeline",
                "service.version": version("beeline-worker"),
                "service.instance.id": worker_id,
            }
        )
        resource = own.merge(OTELResourceDetector().detect())
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(
            BatchSpanProcessor(_Watched(exporter or OTLPSpanExporter(), collector))
        )
        self._tracer = self._provider.get_tracer("beeline")

    def record(self, told: Told) -> None:
        """Make the spans of one signal; never blocks, never raises."""
        try:
            self._record(told)
        except Exception:
            log.exception(
                "a signal has no trace, which is an error in Beeline", signal_id=told.outcome.signal_id
            )

    def _record(self, told: Told) -> None:
        root = self._tracer.start_span(
            "signal",
            _parent(told.journey.traceparent),
            SpanKind.CONSUMER,
            attributes=_attributes(told),
            start_time=_ns(told.published_ms),
        )
        if told.outcome.status in FAILURES:
            root.set_status(StatusCode.ERROR, told.outcome.code)
        inside = trace.set_span_in_context(root, Context())
        for phase, began_ms, ended_ms in _phases(told):
            span = self._tracer.start_span(phase, inside, start_time=_ns(began_ms))
            span.end(_ns(ended_ms))
        root.end(_ns(told.told_ms))

    def close(self) -> None:
        """Send what is left, for a bounded time."""
        flush = Thread(target=self._provider.shutdown, name="flush traces", daemon=True)
        flush.start()
        flush.join(FLUSH_S)
        if flush.is_alive():
            log.warning("the last traces are lost: the collector did not take them", waited_s=FLUSH_S)


class _Watched(SpanExporter):
    """Says once that spans are lost, and once that they are not any more."""

    def __init__(self, exporter: SpanExporter, collector: str) -> None:
        self._exporter, self._collector = exporter, collector
        self._fails = False

    @override
    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = self._exporter.export(spans)
        fails = result is not SpanExportResult.SUCCESS
        if fails and not self._fails:
            log.warning(
                "traces are lost; signals are not affected. See that a collector takes OTLP over HTTP there, "
                "with what OTEL_EXPORTER_OTLP_HEADERS says",
                collector=self._collector,
            )
        elif self._fails and not fails:
            log.info("traces are exported again")
        self._fails = fails
        return result

    @override
    def shutdown(self) -> None:
        self._exporter.shutdown()


def _phases(told: Told) -> Iterator[tuple[str, float, float]]:
    """Phases that took time, as (name, beginning, end).

    A journey adds up what several requests took. Its phases are laid end to end before the settlement, so their lengths
    are exact and their places are not; what is left after the receipt is the wait for the signal before it in its lane.
    """
    journey = told.journey
    venue_ms = told.settled_ms - journey.resolve_ms
    limiter_ms = venue_ms - journey.venue_ms
    phases = (
        ("queue", told.published_ms, told.published_ms + journey.queued_ms),
        ("limiter", limiter_ms - journey.limiter_ms, limiter_ms),
        ("venue", limiter_ms, venue_ms),
        ("resolve", venue_ms, told.settled_ms),
        ("publish", told.settled_ms, told.told_ms),
    )
    return (phase for phase in phases if phase[1] < phase[2])


def _attributes(told: Told) -> dict[str, str | int | bool]:
    """What a trace is found by; nothing of keys, requests or addresses."""
    outcome, subject, journey = told.outcome, told.subject, told.journey
    known = {
        "signal_id": outcome.signal_id,
        "account": outcome.account,
        "venue": subject.venue,
        "action": subject.action,
        "symbol": subject.symbol,
        "status": outcome.status.value,
        "code": outcome.code,
        "attempts": journey.attempts,
        "lookups": journey.lookups,
        "redelivered": journey.redelivered,
    }
    return {f"beeline.{name}": value for name, value in known.items() if value is not None}


def _parent(traceparent: str | None) -> Context:
    """The span that a signal's `traceparent` names; without one its trace begins here."""
    if traceparent is None:
        return Context()
    _, trace_id, span_id, flags = traceparent.split("-")
    caller = SpanContext(
        int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=TraceFlags(int(flags, 16))
    )
    return trace.set_span_in_context(NonRecordingSpan(caller), Context())


def _ns(time_ms: float) -> int:
    return round(time_ms * 1000) * 1000  # a float of this size is exact to the microsecond only
