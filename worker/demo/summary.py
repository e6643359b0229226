"""The last thing a demo shows: what happened, and the proof line by line."""

from collections.abc import Mapping
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from worker.commands.rendering import STYLES
from worker.core.outcome import Status
from worker.demo.report import Report
from worker.demo.writer import VENUES

PROOFS: Final = {
    "executed_twice": ("executed twice", "orders that a venue executed more than once"),
    "placed_twice": ("placed twice", "orders that a venue took more than once"),
    "lost": ("lost", "messages without an answer"),
    "contradictions": ("contradicted", "outcomes that the ledger does not bear out"),
    "out_of_order": ("out of order", "orders that overtook an earlier one of their lane"),
    "unexpected": ("wrongly refused", "refusals that are missing or name another reason"),
}
SHOWN_DETAILS: Final = 5


def summary(report: Report) -> RenderableType:
    """Draw the summary of a finished demo."""
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="bold")
    facts.add_column(justify="right")
    facts.add_column(overflow="fold")
    for name, number, text in _facts(report):
        facts.add_row(f"  {name}", number, text)
    facts.add_row()
    for attribute, (name, text) in PROOFS.items():
        found: list[str] = getattr(report.verdict, attribute)
        style = "bold red" if found else "bold green"
        facts.add_row(f"  {name}", Text(str(len(found)), style), Text(text, "dim"))
    return Group(_title(report), Text(), facts, Text(), *_details(report), _conclusion(report))


def _title(report: Report) -> Text:
    plan = report.plan
    return Text.assemble(
        ("Beeline demo", "bold"),
        f"  seed {plan.seed}, {plan.workers} workers, {report.accounts} accounts, {VENUES} venues",
    )


def _facts(report: Report) -> list[tuple[str, str, RenderableType]]:
    facts: list[tuple[str, str, RenderableType]] = [
        (
            "signals",
            str(report.signals),
            f"of {report.kinds} kinds, {report.repeats} of them published twice",
        ),
        ("outcomes", str(report.outcomes), _statuses(report.statuses)),
        ("dead letters", str(report.dead_letters), "messages that are no signals"),
        (
            "orders",
            str(report.orders),
            f"in the ledger of the venues, with {report.executions} executions",
        ),
    ]
    if report.faults:
        ranked = sorted(report.faults.items(), key=lambda pair: -pair[1])
        hits = ", ".join(f"{count} {kind.replace('_', ' ')}" for kind, count in ranked)
        facts.append(("faults", str(sum(report.faults.values())), hits))
    if report.killed:
        facts.append(
            (
                "crashes",
                "1",
                f"{report.killed}, by SIGKILL; {report.redelivered} signals were delivered again",
            )
        )
    facts += [
        (
            "limits broken",
            str(report.limit_breaches),
            f"the limiter made orders wait up to {_duration(report.limiter_p99_ms)} (p99)",
        ),
        (
            "latency",
            _duration(report.p50_ms),
            f"p50, and {_duration(report.p99_ms)} p99, from publishing to outcome",
        ),
        ("time", f"{report.seconds:.1f} s", f"{report.per_second:.1f} signals/s answered"),
    ]
    return facts


def _statuses(statuses: Mapping[str, int]) -> Text:
    text = Text()
    for status in Status:
        if statuses.get(status):
            text.append(", " if text else "").append(f"{statuses[status]} ").append(status, STYLES[status])
    return text


def _details(report: Report) -> list[Text]:
    lines: list[Text] = []
    for attribute, (name, _) in PROOFS.items():
        found: list[str] = getattr(report.verdict, attribute)
        lines += [Text(f"  {name}: {text}", "red") for text in found[:SHOWN_DETAILS]]
        if len(found) > SHOWN_DETAILS:
            lines.append(
                Text(f"  {name}: and {len(found) - SHOWN_DETAILS} more; --json lists them all", "red")
            )
    return [*lines, Text()] if lines else []


def _conclusion(report: Report) -> Text:
    verdict = report.verdict
    if not verdict.is_kept:
        return Text("  The promise was broken: see above.", "bold red")
    unknown = f" ({verdict.unknown} of them unknown, and said so)" if verdict.unknown else ""
    return Text(f"  Kept: every signal ended in one outcome{unknown}, and none in two orders.", "bold green")


def _duration(value: float) -> str:
    return f"{value:.0f} ms" if value < 1000 else f"{value / 1000:.1f} s"
