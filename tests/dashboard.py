"""What the Grafana dashboard is made of: rows of panels, each with its queries. `make docs` writes the JSON.

`$worker` is the dashboard's filter, `$__rate_interval` Grafana's own. Every query is asked of a real Prometheus in
`tests/integration/test_prometheus.py`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

WORKER: Final = 'instance=~"$worker"'
RATE: Final = "[$__rate_interval]"
WIDTH: Final = 24
HEIGHT: Final = 8

Unit = Literal["short", "s", "reqps", "percentunit", "bytes", "none"]


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel; `queries` by their legend. Red begins at `alarm`."""

    title: str
    about: str
    queries: dict[str, str]
    unit: Unit = "short"
    kind: Literal["timeseries", "stat"] = "timeseries"
    width: int = 8
    alarm: float | None = None


def _per_second(metric: str, by: str = "", *, only: str = WORKER) -> str:
    grouping = f"by ({by}) " if by else ""
    return f"sum {grouping}(rate({metric}{{{only}}}{RATE}))"


def _within(share: float, histogram: str, by: str, *, only: str = WORKER) -> str:
    return f"histogram_quantile({share}, sum by (le, {by}) (rate({histogram}_bucket{{{only}}}{RATE})))"


USED: Final = f"beeline_limit_used_tokens{{{WORKER}}} / beeline_limit_tokens{{{WORKER}}}"
FOREIGN: Final = f"beeline_limit_foreign_tokens{{{WORKER}}}"
TOTAL: Final = f'{WORKER}, phase="total"'
FAILED: Final = f'{WORKER}, code!="none"'
SHARD_QUEUES: Final = r'queue=~".*\\.signals\\.[0-9]+"'


ROWS: Final[Sequence[tuple[str, Sequence[Panel]]]] = (
    (
        "Is it well?",
        (
            Panel(
                "Workers ready", "Below what is deployed: see /readyz of the others.",
                {"ready": "sum(beeline_ready)"}, kind="stat", width=4,
            ),
            Panel(
                "Signals in flight", "Taken and not answered yet.",
                {"in flight": f"sum(beeline_signals_in_flight{{{WORKER}}})"}, kind="stat", width=4,
            ),
            Panel(
                "Oldest signal", "Since it was published.",
                {"age": f"max(beeline_oldest_signal_age_seconds{{{WORKER}}})"},
                unit="s", kind="stat", width=4, alarm=60,
            ),
            Panel(
                "Unknown outcomes", "Orders whose truth is still asked for.",
                {"unknown": "sum(beeline_unknown_outcomes)"}, kind="stat", width=4, alarm=1,
            ),
            Panel(
                "Dead letters, last hour", "Messages without an id to answer to.",
                {"dead": "sum(increase(beeline_dead_letters_total[1h]))"}, kind="stat", width=4, alarm=1,
            ),
            Panel(
                "99 % settled within", "From delivery to outcome.",
                {"total": _within(0.99, "beeline_signal_seconds", "phase", only=TOTAL)},
                unit="s", kind="stat", width=4,
            ),
        ),
    ),
    (
        "Signals",
        (
            Panel(
                "Signals received", "Redelivered ones were given to somebody before.",
                {
                    "received": _per_second("beeline_signals_received_total"),
                    "redelivered": _per_second("beeline_signals_redelivered_total"),
                },
                unit="reqps",
            ),
            Panel(
                "Outcomes by status", "How signals end.",
                {"{{status}}": _per_second("beeline_outcomes_total", "status")}, unit="reqps",
            ),
            Panel(
                "Errors by code", "The ten most frequent; docs/errors.md says what to do about each.",
                {"{{code}}": f"topk(10, {_per_second('beeline_outcomes_total', 'code', only=FAILED)})"},
                unit="reqps",
            ),
            Panel(
                "Outcomes by account", "`other` is whatever a producer made up.",
                {"{{account}}": _per_second("beeline_outcomes_total", "account")}, unit="reqps",
            ),
            Panel(
                "In flight", "Throttled signals wait for a limit or a hold: more workers do not help them.",
                {
                    "in flight": f"sum(beeline_signals_in_flight{{{WORKER}}})",
                    "throttled": f"sum(beeline_signals_throttled{{{WORKER}}})",
                    "lanes busy": f"sum(beeline_lanes_busy{{{WORKER}}})",
                },
            ),
            Panel(
                "Waiting in the queues", "As RabbitMQ counts them.",
                {
                    "ready": f"sum(rabbitmq_detailed_queue_messages_ready{{{SHARD_QUEUES}}})",
                    "unacknowledged": f"sum(rabbitmq_detailed_queue_messages_unacked{{{SHARD_QUEUES}}})",
                },
            ),
        ),
    ),
    (
        "Latency",
        (
            Panel(
                "Half settled within, by phase", "Phases: see docs/metrics.md.",
                {"{{phase}}": _within(0.5, "beeline_signal_seconds", "phase")}, unit="s", width=12,
            ),
            Panel(
                "99 % settled within, by phase", "A high `limiter` is pacing, a high `resolve` is lost replies.",
                {"{{phase}}": _within(0.99, "beeline_signal_seconds", "phase")}, unit="s", width=12,
            ),
        ),
    ),
    (
        "Venues",
        (
            Panel(
                "Requests that place or cancel", "By venue.",
                {"{{venue}}": _per_second("beeline_placements_total", "venue")}, unit="reqps",
            ),
            Panel(
                "Look-ups", "After every reply that proved nothing.",
                {"{{venue}}": _per_second("beeline_lookups_total", "venue")}, unit="reqps",
            ),
            Panel(
                "Holds", "By who imposed them.",
                {"{{imposed_by}} {{scope}} {{name}}": "max by (imposed_by, scope, name) (beeline_holds) or vector(0)"},
            ),
            Panel(
                "Clock: venue minus wall", "Orders are stamped right all the same.",
                {"{{venue}}": f"max by (venue) (beeline_clock_offset_seconds{{{WORKER}}})"}, unit="s",
            ),
            Panel(
                "Clock: uncertainty", "Beyond half the recv window a worker is not ready.",
                {"{{venue}}": f"max by (venue) (beeline_clock_uncertainty_seconds{{{WORKER}}})"}, unit="s",
            ),
            Panel(
                "Accounts", "Refused ones have a bad configuration.",
                {
                    "may trade": "max(beeline_accounts)",
                    "refused": "max(beeline_accounts_refused)",
                },
            ),
        ),
    ),
    (
        "Limits",
        (
            Panel(
                "Limits used", "Of what the venue allows in the window that is open now.",
                {"{{venue}} {{name}} {{kind}} {{window}}": f"max by (venue, name, kind, window) ({USED})"},
                unit="percentunit", width=12,
            ),
            Panel(
                "Used by others", "The venue counts more than this pool sent: key or address are used elsewhere.",
                {"{{venue}} {{name}} {{kind}}": f"max by (venue, name, kind) ({FOREIGN})"},
                width=12,
            ),
        ),
    ),
    (
        "Pool and broker",
        (
            Panel(
                "Shards by worker", "A shard without signals has no owner yet.",
                {"{{instance}}": f"beeline_shards_owned{{{WORKER}}}"},
            ),
            Panel(
                "Owners of a shard, at most", "Above 1 for longer than a hand-over: page.",
                {"owners": "max(sum by (shard) (beeline_shard_owned))"}, alarm=2,
            ),
            Panel(
                "Take-overs and reconnections", "Each ends an epoch.",
                {
                    "take-overs": _per_second("beeline_shard_takeovers_total"),
                    "connections": _per_second("beeline_broker_connections_total"),
                },
                unit="reqps",
            ),
            Panel(
                "Lease remaining", "At 0 a worker sends no order.",
                {"{{instance}}": f"beeline_lease_remaining_seconds{{{WORKER}}}"}, unit="s",
            ),
            Panel(
                "Connected to the broker", "1 is connected.",
                {"{{instance}} {{connection}}": f"beeline_broker_connected{{{WORKER}}}"},
            ),
            Panel(
                "Publishes not confirmed", "Each is tried again.",
                {"{{instance}}": _per_second("beeline_publish_failures_total", "instance")}, unit="reqps",
            ),
        ),
    ),
    (
        "Process",
        (
            Panel(
                "CPU", "1 is a whole core, which is all that one worker can use.",
                {"{{instance}}": f"rate(process_cpu_seconds_total{{{WORKER}}}{RATE})"}, unit="percentunit",
            ),
            Panel(
                "Memory", "Grows with the answered signals that are kept.",
                {"{{instance}}": f"process_resident_memory_bytes{{{WORKER}}}"}, unit="bytes",
            ),
            Panel(
                "Event-loop lag, 99 %", "Too little CPU, or too much work.",
                {"{{instance}}": _within(0.99, "beeline_event_loop_lag_seconds", "instance")}, unit="s", alarm=0.1,
            ),
            Panel(
                "Signals remembered", "Answers kept for ids that come again.",
                {"{{instance}}": f"beeline_signals_remembered{{{WORKER}}}"}, width=12,
            ),
            Panel(
                "Versions", "How many workers run each.",
                {"{{version}}": "count by (version) (beeline_build_info)"}, width=12,
            ),
        ),
    ),
)  # fmt: skip


def queries() -> Iterator[tuple[str, str]]:
    """Every query with the title of its panel."""
    for _, panels in ROWS:
        for panel in panels:
            for query in panel.queries.values():
                yield panel.title, query


def dashboard() -> dict[str, Any]:
    """The dashboard as Grafana imports it."""
    return {
        "uid": "beeline",
        "title": "Beeline",
        "description": "A pool of Beeline workers. Made by `make docs` from tests/dashboard.py.",
        "tags": ["beeline"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {"list": [_source(), _worker()]},
        "annotations": {"list": []},
        "panels": list(_panels()),
    }


def _source() -> dict[str, Any]:
    return {"name": "source", "label": "Prometheus", "type": "datasource", "query": "prometheus"}


def _worker() -> dict[str, Any]:
    query = "label_values(beeline_build_info, instance)"
    return {
        "name": "worker",
        "label": "Worker",
        "type": "query",
        "datasource": {"type": "prometheus", "uid": "${source}"},
        "definition": query,
        "query": {"query": query, "refId": "worker"},
        "refresh": 2,
        "includeAll": True,
        "multi": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
    }


def _panels() -> Iterator[dict[str, Any]]:
    number, top = 0, 0
    for title, panels in ROWS:
        number += 1
        yield {"id": number, "type": "row", "title": title, "gridPos": _place(0, top, WIDTH, 1), "panels": []}
        top += 1
        left, height = 0, 4 if panels[0].kind == "stat" else HEIGHT
        for panel in panels:
            number += 1
            if left + panel.width > WIDTH:
                left, top = 0, top + height
            yield _panel(number, panel, _place(left, top, panel.width, height))
            left += panel.width
        top += height


def _place(x: int, y: int, w: int, h: int) -> dict[str, int]:
    return {"x": x, "y": y, "w": w, "h": h}


def _panel(number: int, panel: Panel, place: dict[str, int]) -> dict[str, Any]:
    steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
    if panel.alarm is not None:
        steps.append({"color": "red", "value": panel.alarm})
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.about,
        "gridPos": place,
        "datasource": {"type": "prometheus", "uid": "${source}"},
        "fieldConfig": {
            "defaults": {"unit": panel.unit, "min": None, "thresholds": {"mode": "absolute", "steps": steps}},
            "overrides": [],
        },
        "options": _options(panel),
        "targets": [
            {"refId": chr(ord("A") + index), "expr": query, "legendFormat": legend, "range": True}
            for index, (legend, query) in enumerate(panel.queries.items())
        ],
    }


def _options(panel: Panel) -> dict[str, Any]:
    if panel.kind == "stat":
        return {"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "value", "graphMode": "area"}
    return {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
