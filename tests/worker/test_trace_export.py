"""A settled signal as spans, in virtual time; the way to a real collector is tested in tests/integration."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from structlog.testing import capture_logs
from structlog.typing import EventDict
from typing_extensions import override

from adapters.sandbox.fault_rules import FaultKind
from tests.virtual_time import START_WALL_MS, virtual_time
from tests.worker.builders import a_signal
from tests.worker.fakes import a_rig
from worker.app import export_traces
from worker.journal import Told
from worker.trace_export import Tracing

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Collector:
    """Keeps what is exported, and hands it out when the export has ended."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.tracing = Tracing("w-1", collector="memory", exporter=self.exporter)

    def spans(self) -> dict[str, ReadableSpan]:
        self.tracing.close()
        finished = self.exporter.get_finished_spans()
        named = {span.name: span for span in finished}
        assert len(named) == len(finished)
        return named


@pytest.fixture
def collector() -> Iterator[Collector]:
    collector = Collector()
    yield collector
    collector.tracing.close()


@pytest.fixture
def heard() -> Iterator[list[EventDict]]:
    """What is logged, whole."""
    structlog.reset_defaults()
    with capture_logs() as lines:
        yield lines


def took_ms(span: ReadableSpan) -> float:
    assert span.start_time is not None
    assert span.end_time is not None
    return (span.end_time - span.start_time) / 1e6


def test_a_filled_order_is_a_tree_of_the_phases_that_took_time(collector: Collector) -> None:
    @virtual_time
    async def trade() -> None:
        async with a_rig() as rig:
            rig.dispatcher.journal.trace = collector.tracing.record
            confirm = rig.link.hold("publish")
            rig.deliver(
                a_signal("s-1"),
                headers={"traceparent": PARENT, "created_at_us": int((START_WALL_MS - 250) * 1000)},
            )
            asyncio.get_running_loop().call_later(3, confirm.set)
            await rig.idle()

    trade()
    spans = collector.spans()
    assert spans.keys() == {"signal", "queue", "venue", "publish"}
    root = spans.pop("signal")
    assert root.kind is SpanKind.CONSUMER
    assert root.start_time == int(START_WALL_MS - 250) * 1_000_000
    assert took_ms(root) == 3250
    assert root.status.status_code is StatusCode.UNSET
    assert dict(root.attributes or {}) == {
        "beeline.signal_id": "s-1",
        "beeline.account": "main",
        "beeline.venue": "binance",
        "beeline.action": "place",
        "beeline.symbol": "BTC/USDT",
        "beeline.status": "filled",
        "beeline.attempts": 1,
        "beeline.lookups": 0,
        "beeline.redelivered": False,
    }
    assert root.resource.attributes["service.name"] == "beeline"
    assert root.resource.attributes["service.instance.id"] == "w-1"
    assert took_ms(spans["queue"]) == 250
    assert took_ms(spans["venue"]) == 20
    assert spans["venue"].end_time == spans["publish"].start_time
    assert spans["publish"].end_time == root.end_time
    for span in spans.values():
        assert span.parent is not None
        assert root.context is not None
        assert span.parent.span_id == root.context.span_id


def settle(collector: Collector, signal: dict[str, Any], **over: Any) -> dict[str, ReadableSpan]:
    @virtual_time
    async def play() -> None:
        async with a_rig() as rig:
            rig.dispatcher.journal.trace = collector.tracing.record
            await rig.outcome(signal, **over)

    play()
    return collector.spans()


def test_the_trace_of_the_producer_goes_on(collector: Collector) -> None:
    root = settle(collector, a_signal(), headers={"traceparent": PARENT})["signal"]
    assert root.context is not None
    assert f"{root.context.trace_id:032x}" == PARENT.split("-")[1]
    assert root.parent is not None
    assert root.parent.is_remote
    assert f"{root.parent.span_id:016x}" == PARENT.split("-")[2]


def test_without_a_trace_of_the_producer_one_begins(collector: Collector) -> None:
    assert settle(collector, a_signal())["signal"].parent is None


def test_what_the_producer_does_not_sample_is_not_exported(collector: Collector) -> None:
    assert settle(collector, a_signal(), headers={"traceparent": f"{PARENT[:-1]}0"}) == {}


def test_a_refusal_is_an_error_with_its_code(collector: Collector) -> None:
    root = settle(collector, a_signal(quantity="-1"))["signal"]
    assert root.status.status_code is StatusCode.ERROR
    assert root.status.description == (root.attributes or {})["beeline.code"] == "invalid_signal"


def test_what_is_answered_from_memory_is_one_trace(collector: Collector) -> None:
    @virtual_time
    async def play() -> None:
        async with a_rig() as rig:
            rig.dispatcher.journal.trace = collector.tracing.record
            await rig.outcome(a_signal("twice"))
            await rig.outcome(a_signal("twice"))
            assert len(rig.link.outcomes("twice")) == 2

    play()
    assert "signal" in collector.spans()


def test_an_outcome_has_its_trace_when_it_is_confirmed_and_not_before(collector: Collector) -> None:
    told: list[Told] = []

    @virtual_time
    async def play() -> None:
        async with a_rig() as rig:
            rig.dispatcher.journal.trace = told.append
            rig.venue.break_next(FaultKind.SLOW, delay_ms=2_000)
            rig.deliver(a_signal())
            await asyncio.sleep(1)
            rig.epoch.end("the link was cut")
            await rig.idle()
            assert not told
            await rig.begin_epoch()
            await rig.outcome(a_signal(), redelivered=True)

    play()
    (signal,) = told
    collector.tracing.record(signal)
    assert took_ms(collector.spans()["venue"]) > 2000


def test_a_collector_that_fails_is_told_of_once_and_once_when_it_is_back(heard: list[EventDict]) -> None:
    class Failing(InMemorySpanExporter):
        results = iter([SpanExportResult.FAILURE, SpanExportResult.FAILURE, SpanExportResult.SUCCESS])

        @override
        def export(self, spans: Any) -> SpanExportResult:
            return next(self.results)

    tracing = Tracing("w-1", collector="127.0.0.1:4318", exporter=Failing())
    for _ in range(3):
        tracing._tracer.start_span("signal").end()
        tracing._provider.force_flush()
    tracing.close()
    assert [(line["log_level"], line.get("collector")) for line in heard] == [
        ("warning", "127.0.0.1:4318"),
        ("info", None),
    ]


def test_no_collector_costs_nothing_and_imports_nothing() -> None:
    code = (
        "import sys, worker.cli\n"
        "from worker.app import export_traces\n"
        "with export_traces('w-1') as trace: assert trace is None\n"
        "assert not [name for name in sys.modules if name.startswith('opentelemetry')]"
    )
    own = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    subprocess.run([sys.executable, "-c", code], check=True, env=own)  # noqa: S603 - our own code


def test_without_the_extra_a_worker_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, heard: list[EventDict]
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318")
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    monkeypatch.delitem(sys.modules, "worker.trace_export")
    with export_traces("w-1") as trace:
        assert trace is None
    assert "pip install 'beeline-worker[otel]'" in heard[0]["event"]


@pytest.mark.parametrize(
    ("variable", "value"),
    [("OTEL_BSP_MAX_QUEUE_SIZE", "1"), ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://[::1")],
    ids=["a queue shorter than a batch", "a URL that is none"],
)
def test_a_variable_that_cannot_be_used_keeps_no_worker_from_its_work(
    monkeypatch: pytest.MonkeyPatch, heard: list[EventDict], variable: str, value: str
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318")
    monkeypatch.setenv(variable, value)
    with export_traces("w-1") as trace:
        assert trace is None
    assert "OTEL_" in heard[0]["event"]


def test_the_log_names_the_collector_without_what_may_be_secret(
    monkeypatch: pytest.MonkeyPatch, heard: list[EventDict]
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://user:hidden@127.0.0.1:4318/hidden?key=hidden")
    with export_traces("w-1") as trace:
        assert trace is not None
    assert [line["collector"] for line in heard] == ["127.0.0.1:4318"]
    assert "hidden" not in str(heard)
