"""A worker exports traces to a collector that speaks OTLP over HTTP; one that is dead harms nothing."""

import re
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.integration.rig import Rig

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Collector:
    """Takes what is exported, as any collector does."""

    def __init__(self) -> None:
        self.url = ""
        self.requests: list[bytes] = []
        self.spans: list[Span] = []

    async def take(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.requests.append(body)
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            for scope in resource.scope_spans:
                self.spans.extend(scope.spans)
        return web.Response(content_type="application/x-protobuf")


@asynccontextmanager
async def a_collector() -> AsyncIterator[Collector]:
    collector, app = Collector(), web.Application()
    app.router.add_post("/v1/traces", collector.take)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        collector.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield collector
    finally:
        await runner.cleanup()


async def test_a_drained_worker_has_exported_every_signal(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    async with a_collector() as collector:
        monkeypatch.setenv(ENDPOINT, collector.url)
        worker = await rig.start_worker()
        await rig.follow_outcomes()
        asked = rig.a_signal()
        await rig.publish(asked, headers={"traceparent": PARENT})
        await rig.outcome(asked["signal_id"])
        refused = await rig.place(quantity="0.0000001")
        worker.send(signal.SIGTERM)
        assert await worker.ended() == 0
    assert rig.messages[0].headers["traceparent"] == PARENT
    roots = {signal_id_of(span): span for span in collector.spans if span.name == "signal"}
    assert roots.keys() == {asked["signal_id"], refused["signal_id"]}
    root = roots[asked["signal_id"]]
    assert root.trace_id.hex() == PARENT.split("-")[1]
    assert root.parent_span_id.hex() == PARENT.split("-")[2]
    phases = {span.name: span for span in collector.spans if span.parent_span_id == root.span_id}
    assert {"venue", "publish"} <= phases.keys() <= {"queue", "limiter", "venue", "resolve", "publish"}
    assert all(span.end_time_unix_nano <= root.end_time_unix_nano for span in phases.values())
    keys = re.findall(r'_key = "(.+)"', rig.accounts_file.read_text(encoding="utf-8"))
    assert keys
    assert not [key for key in keys for body in collector.requests if key.encode() in body]


def signal_id_of(span: Span) -> str:
    return next(str(item.value.string_value) for item in span.attributes if item.key == "beeline.signal_id")


@pytest.mark.parametrize("is_listening", [False, True], ids=["refuses", "never answers"])
async def test_a_dead_collector_harms_nothing(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, is_listening: bool
) -> None:
    with socket.socket() as dead:
        dead.bind(("127.0.0.1", 0))
        if is_listening:
            dead.listen()
        monkeypatch.setenv(ENDPOINT, "http://{}:{}".format(*dead.getsockname()))
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "3600")
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "1")
        monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "4")
        monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "2")
        worker = await rig.start_worker()
        await rig.follow_outcomes()
        outcomes = [await rig.place() for _ in range(10)]
        worker.send(signal.SIGTERM)
        assert await worker.ended() == 0
    assert {outcome["status"] for outcome in outcomes} == {"filled"}
    assert len(await rig.ledger()) == len(outcomes)
    assert worker.said("drained")
    assert worker.said("traces are lost") or worker.said("the last traces are lost")
    assert "Traceback" not in worker.transcript()
