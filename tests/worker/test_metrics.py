"""What a worker shows to Prometheus: complete, documented, and named as Prometheus asks for."""

import asyncio
import re
from pathlib import Path

import prometheus_client
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from typing_extensions import override

from tests.generate_docs import DOCS
from tests.metrics_reference import LABELS, described, worker_registry
from tests.tools import output_of
from tests.virtual_time import VirtualClock, virtual_time
from worker.core.outcome import Journey, Outcome, Status, Subject
from worker.gauges import LAG_INTERVAL_S, watch_loop
from worker.telemetry import BUCKETS, Telemetry

CODE = Path(__file__).parents[2] / "worker"


def settle(telemetry: Telemetry, *, account: str = "main", code: str | None = None) -> None:
    outcome = Outcome(
        outcome_id="o",
        signal_id="s",
        account=account,
        status=Status.FILLED,
        code=code,
        content_hash="h",
        revision=0,
        body=b"{}",
    )
    subject = Subject(
        signal_id="s",
        account=account,
        venue="binance",
        action="place",
        symbol="BTC/USDT",
        content_hash="h",
        client_order_id=None,
    )
    telemetry.settled(outcome, subject, Journey(received_s=0.0, attempts=1, lookups=2), 0.5)


def test_every_metric_the_code_names_is_documented() -> None:
    named = {
        name
        for path in CODE.rglob("*.py")
        for name in re.findall(r"[\"'`](beeline_[a-z_]+)[\"'`]", path.read_text(encoding="utf-8"))
    }
    page = (DOCS / "metrics.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"^\| `(beeline_[a-z_]+)`", page, re.MULTILINE))
    assert {"beeline_outcomes_total", "beeline_shard_owned", "beeline_signal_seconds"} <= documented
    assert not named - documented, "named in the code, but not in the registry of a worker: run `make docs`"


def test_every_label_is_documented() -> None:
    registry = asyncio.run(worker_registry())
    used = {label for _, _, labels, _ in described(registry) for label in labels}
    assert used <= {name for labels, _ in LABELS for name in labels.split(", ")}


def test_promtool_finds_nothing_to_complain_about() -> None:
    telemetry = Telemetry(lambda _: True)
    settle(telemetry, code="insufficient_balance")
    telemetry.received(redelivered=True)
    metrics = generate_latest(asyncio.run(worker_registry())) + telemetry.render()
    # Each metric once, with its values where it has some.
    parts = {part.split()[1]: part for part in metrics.decode().split("# HELP")[1:]}
    given = "".join(f"# HELP{part}" for part in parts.values())
    assert output_of("promtool", "check", "metrics", given=given) == (0, "")


def test_an_account_that_nobody_configured_makes_no_label_of_its_own() -> None:
    telemetry = Telemetry(lambda name: name == "main")
    for account in ("main", "who-1", "who-2"):
        settle(telemetry, account=account)
    counted = [
        line
        for line in telemetry.render().decode().splitlines()
        if line.startswith("beeline_outcomes_total{")
    ]
    assert sorted(counted) == [
        'beeline_outcomes_total{account="main",code="none",status="filled",venue="binance"} 1.0',
        'beeline_outcomes_total{account="other",code="none",status="filled",venue="binance"} 2.0',
    ]


class LateClock(VirtualClock):
    """Between two looks at it a second more than expected is gone."""

    def __init__(self) -> None:
        self.looked = 0

    @override
    def monotonic(self) -> float:
        self.looked += 1
        return self.looked * (LAG_INTERVAL_S + 1)


@virtual_time
async def test_a_late_event_loop_shows() -> None:
    telemetry = Telemetry(lambda _: True)
    task = asyncio.create_task(watch_loop(telemetry, LateClock()))
    await asyncio.sleep(1.5 * LAG_INTERVAL_S)
    task.cancel()
    assert telemetry.registry.get_sample_value("beeline_event_loop_lag_seconds_sum") == 1.0


def lines_of(metrics: bytes) -> list[str]:
    """What is told of publishing, without the time at which the library's own histogram was made."""
    lines = metrics.decode().splitlines()
    return [line for line in lines if 'phase="publish"' in line and "_created" not in line]


@given(st.lists(st.sampled_from(BUCKETS) | st.floats(0, 400)))
def test_a_histogram_counts_what_prometheus_s_own_counts(seconds: list[float]) -> None:
    registry, telemetry = CollectorRegistry(), Telemetry(lambda _: True)
    own = prometheus_client.Histogram(
        "beeline_signal_seconds", "Time a signal took.", ["phase"], buckets=BUCKETS, registry=registry
    ).labels("publish")
    for value in seconds:
        own.observe(value)
        telemetry.published(value)
    assert lines_of(telemetry.render()) == lines_of(generate_latest(registry))
