"""What a run shows: how far it is, and at its end what was broken, how often, and what came of it."""

import json
import sys
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from tests.chaos.checks import KINDS, Violation
from tests.chaos.plan import Event, Options

LINE_EVERY_S = 10.0


@dataclass(slots=True, kw_only=True)
class Result:
    """Everything worth keeping of a run."""

    options: Options
    broker: str
    seconds: float = 0.0
    published: int = 0
    messages: int = 0
    retries: int = 0
    answered: int = 0
    copies: int = 0
    conflicts: int = 0
    orders: int = 0
    statuses: Mapping[str, int] = field(default_factory=dict)
    codes: Mapping[str, int] = field(default_factory=dict)
    faults: Mapping[str, int] = field(default_factory=dict)
    events: Mapping[Event, int] = field(default_factory=dict)
    worker_events: Mapping[str, int] = field(default_factory=dict)
    redelivered: int = 0
    lookups: int = 0
    placed_again: int = 0
    violations: list[Violation] = field(default_factory=list)

    @property
    def by_kind(self) -> Counter[str]:
        """Violations by kind."""
        return Counter(violation.kind for violation in self.violations)

    def save(self, folder: Path) -> None:
        """Write everything as JSON."""
        text = json.dumps(asdict(self) | {"by_kind": dict(self.by_kind)}, indent=1, default=str)
        (folder / "result.json").write_text(text, encoding="utf-8")


class Display:
    """The progress of a run: live on a terminal, a line now and then on a pipe."""

    def __init__(self, total: int) -> None:
        self._console = Console(file=sys.stdout, highlight=False)
        self._progress = Progress(
            TextColumn("answered"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self._console,
        )
        self._task = self._progress.add_task("answered", total=total)
        self._recent: list[str] = []
        self._live = Live(self._picture(), console=self._console, transient=True, auto_refresh=False)
        self._said_s = self._began_s = time.monotonic()
        self._is_terminal = self._console.is_terminal

    def __enter__(self) -> Self:
        if self._is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._is_terminal:
            self._live.stop()

    def event(self, text: str) -> None:
        """Show what was just broken."""
        stamped = f"{time.monotonic() - self._began_s:7.1f} s  {text}"
        self._recent = [*self._recent[-7:], stamped]
        if not self._is_terminal:
            print(stamped, flush=True)

    def update(self, answered: int, total: int, detail: str) -> None:
        """Show how far the run is."""
        if self._is_terminal:
            self._progress.update(self._task, completed=answered, total=total)
            self._live.update(self._picture(detail), refresh=True)
        elif time.monotonic() - self._said_s >= LINE_EVERY_S:
            self._said_s = time.monotonic()
            self.event(f"answered {answered} of {total}; {detail}")

    def _picture(self, detail: str = "") -> Group:
        return Group(self._progress, Text(detail, style="dim"), *(Text(line) for line in self._recent))


def print_result(result: Result) -> None:
    """Print the summary tables."""
    console = Console(highlight=False)
    console.print(_broken(result), _became(result), _checks(result))


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column(columns[0])
    for column in columns[1:]:
        table.add_column(column, justify="right")
    return table


def _broken(result: Result) -> Table:
    table = _table(f"Broken, on RabbitMQ {result.broker}", "fault", "times")
    for event, count in result.events.items():
        table.add_row(str(event), str(count))
    table.add_section()
    for kind, count in result.faults.items():
        table.add_row(f"venue: {kind}", str(count))
    return table


def _became(result: Result) -> Table:
    table = _table("What came of it", "", "count")
    rows = {
        "signals published": result.published,
        "messages accepted by the broker": result.messages,
        "publishes without a confirm, repeated": result.retries,
        "signals answered": result.answered,
        "outcomes seen again": result.copies,
        "conflicting second uses answered": result.conflicts,
        "orders in the ledger": result.orders,
        "signals settled after a redelivery": result.redelivered,
        "look-ups": result.lookups,
        "sent again, after proof that nothing had landed": result.placed_again,
        "seconds": round(result.seconds),
    }
    for name, count in rows.items():
        table.add_row(name, f"{count:,}")
    table.add_section()
    for status, count in sorted(result.statuses.items()):
        table.add_row(f"outcome: {status}", f"{count:,}")
    return table


def _checks(result: Result) -> Table:
    table = _table("Promises broken", "promise", "times")
    for kind in KINDS:
        count = result.by_kind[kind]
        table.add_row(kind, str(count), style="bold red" if count else None)
    return table


def print_evidence(violation: Violation, folder: Path, evidence: Mapping[str, Any]) -> None:
    """Print everything needed to understand the first violation."""
    print(f"\nFirst violation: {violation.kind}, signal {violation.signal_id}: {violation.text}")
    for name, lines in evidence.items():
        print(f"\n{name}:")
        for line in lines:
            print(f"  {line}")
    print(f"\nEverything is in {folder}")
