"""A run of the demo, scraped by a real Prometheus: every panel has data, no alert fires unprovoked."""

import asyncio
import math
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import pytest
from pydantic import SecretStr

from tests.dashboard import queries
from tests.integration.prometheus import Prometheus
from tests.integration.rabbitmq_node import RabbitNode
from tests.tools import free_port
from worker.demo.play import play
from worker.demo.report import Plan
from worker.demo.screen import Scene
from worker.settings import Settings

PROVOKED = {
    "BeelineAccountRefused",  # the demo has a misconfigured account
    "BeelineDeadLetters",  # and messages that are no signals
    "BeelineOldestSignal",  # its faults hide what became of orders for a while
    "BeelineUnknownOutcome",
    "BeelineVenueHold",
}


@pytest.fixture(scope="module")
def metrics_port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def measured_rabbit(metrics_port: int) -> Iterator[RabbitNode]:
    """A node that shows its metrics."""
    node = RabbitNode()
    node.settings += [f"prometheus.tcp.port = {metrics_port}", "prometheus.tcp.ip = 127.0.0.1"]
    node.plugins.append("rabbitmq_prometheus")
    with node:
        yield node


class Watcher:
    """The demo's screen, which names its workers to Prometheus, and has a symbol held that nothing trades."""

    def __init__(self, prometheus: Prometheus, url: str) -> None:
        self._prometheus, self._url = prometheus, url
        self._namespace = ""
        self.holding: asyncio.Task[asyncio.subprocess.Process] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def say(self, text: str) -> None:
        if text.startswith("declaring namespace "):
            self._namespace = text.removeprefix("declaring namespace ")

    def show(self, scene: Scene) -> None:
        if scene.workers and self.holding is None:
            self._prometheus.scrape([urlsplit(window.url).netloc for window in scene.workers])
            self.holding = asyncio.create_task(self._hold())

    async def _hold(self) -> asyncio.subprocess.Process:
        settings = {
            "BEELINE_AMQP_URL": self._url,
            "BEELINE_NAMESPACE": self._namespace,
            "BEELINE_SHARDS": "10",
        }
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "worker", "hold", "--symbol", "NOPE/NOPE", "--reason", "a test",
            env=os.environ | settings,
        )  # fmt: skip
        await process.wait()
        return process


async def test_the_demo_fills_every_panel_and_no_alert_fires_unprovoked(
    measured_rabbit: RabbitNode, metrics_port: int, tmp_path: Path
) -> None:
    plan = Plan(signals=160, seed=7, workers=2, rate=16, faults=True, crash=True)
    settings = Settings(amqp_url=SecretStr(measured_rabbit.url))
    async with Prometheus(tmp_path, metrics_port) as prometheus:
        began_s = time.time()
        watcher = Watcher(prometheus, measured_rabbit.url)
        report = await play(settings, plan, watcher)
        ended_s = time.time()
        assert report.verdict.is_kept
        assert watcher.holding is not None
        assert (await watcher.holding).returncode == 0
        empty = []
        for panel, query in queries():
            asked = query.replace("$__rate_interval", "10s").replace("$worker", ".*")
            series = await prometheus.over(asked, began_s, ended_s)
            points = [float(value) for line in series for _, value in line["values"]]
            if not any(math.isfinite(point) for point in points):
                empty.append(f"{panel}: {query}")
        assert not empty, await prometheus.failed_targets()
        alerts = await prometheus.over('ALERTS{alertstate="firing"}', began_s, ended_s)
        firing = {line["metric"]["alertname"] for line in alerts}
        assert "BeelineDeadLetters" in firing
        assert firing <= PROVOKED
