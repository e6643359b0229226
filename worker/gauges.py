"""The metrics that are read from a worker's parts when Prometheus scrapes it, and the lag of its event loop.

What happens is counted in `telemetry.py`, where it happens; what is, is read here. Labels are bounded: shards,
venues, connections, and the accounts and limit groups that are configured.
"""

import asyncio
import platform
from collections import Counter
from collections.abc import Callable
from importlib.metadata import version
from typing import Final

from worker.clock_gauges import clock_gauges
from worker.clock_sync import Clock
from worker.connections import CONSUMING
from worker.core.shards import Names
from worker.report import Report
from worker.telemetry import Labelled, Series, Telemetry

LAG_INTERVAL_S: Final = 0.25

LIMITS: Final = {
    "beeline_limit_tokens": (
        "limit",
        "What a venue allows in one window, or this worker's share; of an account while it uses any of its limits.",
    ),
    "beeline_limit_used_tokens": (
        "used",
        "What counts against a limit in the window that is open now, by us and by others.",
    ),
    "beeline_limit_reserved_tokens": (
        "reserved",
        "What is set aside for requests that wait for their turn, in this window and later ones.",
    ),
    "beeline_limit_foreign_tokens": (
        "foreign",
        "What somebody else used in the window that is open now, as the venue's own counts show.",
    ),
}
"""What is told of each limit: the metric, the field of `LimitState`, the text."""


def publish_gauges(report: Report, telemetry: Telemetry) -> None:
    """Publish what is read when metrics are scraped."""
    for name, (text, read) in _gauges(report).items():
        telemetry.gauge(name, text, read)
    for name, (labels, text, read_series) in _labelled(report).items():
        telemetry.by(labels, name, text, read_series)
    texts = {name: text for name, (_, text) in LIMITS.items()}
    telemetry.together(("venue", "scope", "name", "kind", "window"), texts, lambda: _limits(report))


def _gauges(report: Report) -> dict[str, tuple[str, Callable[[], float]]]:
    consumer, dispatcher, lanes = report.consumer, report.dispatcher, report.lanes
    connections, unknowns, book = report.connections, report.unknowns, report.book
    return {
        "beeline_ready": ("1 when signals can be handled now.", lambda: not report.obstacles()),
        "beeline_draining": ("1 while the worker is on its way out.", report.is_draining),
        "beeline_shards": ("Shards of the namespace.", lambda: report.settings.shards),
        "beeline_shards_owned": ("Shards this worker serves.", lambda: len(consumer.owned)),
        "beeline_shard_takeovers_total": ("Shards taken over.", lambda: consumer.takeovers),
        "beeline_signals_in_flight": ("Signals taken and not answered yet.", lambda: dispatcher.in_flight),
        "beeline_signals_throttled": (
            "Signals in flight that wait for a limit or a hold, those behind them in their lanes included.",
            lambda: lanes.throttled,
        ),
        "beeline_oldest_signal_age_seconds": (
            "Age of the oldest signal in flight, since it was published.",
            lambda: dispatcher.oldest_s,
        ),
        "beeline_signals_remembered": ("Answered signals kept in memory.", lambda: consumer.remembered),
        "beeline_lanes_busy": ("Lanes with work.", lambda: lanes.busy),
        "beeline_accounts": ("Accounts that may trade.", lambda: book.usable),
        "beeline_accounts_refused": (
            "Accounts that may not trade, because their configuration is bad.",
            lambda: len(book.accounts) - book.usable,
        ),
        "beeline_unknown_outcomes": ("Outcomes whose truth is still asked for.", lambda: unknowns.count),
        "beeline_unknown_outcome_age_seconds": (
            "Age of the oldest unknown outcome.",
            lambda: unknowns.oldest_s,
        ),
        "beeline_lease_remaining_seconds": (
            "How much longer orders may be sent without hearing from the broker.",
            lambda: max(0.0, connections.lease_remaining_s),
        ),
        "beeline_publish_failures_total": (
            "Publishes that the broker did not confirm; each is tried again.",
            lambda: report.publisher.failures,
        ),
    }


def _labelled(report: Report) -> dict[str, Labelled]:
    names = Names(namespace=report.settings.namespace, shards=report.settings.shards)
    return {
        "beeline_build_info": (
            ("version", "python"),
            "1; the labels say what runs.",
            lambda: {(version("beeline-worker"), platform.python_version()): 1},
        ),
        "beeline_shard_owned": (
            ("shard",),
            "1 for each shard this worker serves; a sum over the pool above 1 is two owners.",
            lambda: {(names.label(shard),): 1 for shard in report.consumer.owned},
        ),
        "beeline_broker_connected": (
            ("connection",),
            "1 while a connection to the broker can be used.",
            lambda: {
                ("consume",): report.connections.is_consuming,
                ("publish",): report.publisher.is_connected,
            },
        ),
        "beeline_broker_connections_total": (
            ("connection",),
            "Connections made to the broker; every one after the first is a reconnection.",
            lambda: {
                ("consume" if name == CONSUMING else "publish",): count
                for name, count in report.connections.connected.items()
            },
        ),
        "beeline_account_stopped": (
            ("account", "code"),
            "1 for each account that its key stops: account_quarantined or account_refused.",
            lambda: _stopped(report),
        ),
        "beeline_holds": (
            ("imposed_by", "scope", "name"),
            "Holds in force: the venue wants to be left alone, or an operator stopped something.",
            lambda: _holds(report),
        ),
        "beeline_hold_seconds": (
            ("venue", "scope", "name"),
            "How much longer a venue wants to be left alone.",
            lambda: _hold_seconds(report),
        ),
        **clock_gauges(report.book),
    }


def _stopped(report: Report) -> Series:
    return {
        (name, state.error.code): 1 for name, state in report.keys.states().items() if state.error is not None
    }


def _holds(report: Report) -> Series:
    return Counter(
        ("operator" if hold["seconds_left"] is None else "venue", str(hold["scope"]), str(hold["name"]))
        for hold in report.holds()
    )


def _hold_seconds(report: Report) -> Series:
    return {
        (str(hold["venue"]), str(hold["scope"]), str(hold["name"])): hold["seconds_left"]
        for hold in report.holds()
        if hold["seconds_left"] is not None
    }


def _limits(report: Report) -> dict[str, Series]:
    """Read every limit in use; of two addresses of one venue the fuller one counts."""
    read: dict[str, dict[tuple[str, ...], float]] = {name: {} for name in LIMITS}
    for gateway in report.book.gateways():
        venue = gateway.adapter.name
        for scope, name, state in gateway.limiter.in_use():
            labels = (venue, scope, name, state.kind.value, f"{state.interval_s}s")
            for metric, (field, _) in LIMITS.items():
                series = read[metric]
                series[labels] = max(series.get(labels, 0), getattr(state, field))
    return dict(read)


async def watch_loop(telemetry: Telemetry, clock: Clock) -> None:
    """Measure how late the event loop wakes this task, for as long as it lives."""
    while True:
        due_s = clock.monotonic() + LAG_INTERVAL_S
        await asyncio.sleep(LAG_INTERVAL_S)
        telemetry.woke_late(max(0.0, clock.monotonic() - due_s))
