"""The demo on a screen: a table that refreshes in place on a terminal, plain lines anywhere else."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, Protocol, Self

from rich import box
from rich.columns import Columns
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from worker.commands.rendering import STYLES
from worker.core.outcome import Status
from worker.demo.report import Plan
from worker.demo.tally import Tally, percentile
from worker.demo.windows import WorkerWindow

REFRESH_PER_S: Final = 8
LINE_EVERY_S: Final = 2.0


@dataclass(slots=True, kw_only=True)
class Scene:
    """What there is to see now."""

    plan: Plan
    tally: Tally
    workers: list[WorkerWindow] = field(default_factory=list)
    faults: Mapping[str, int] = field(default_factory=dict)
    step: str = ""
    elapsed_s: float = 0.0


class Screen(Protocol):
    """Where a demo is shown."""

    def __enter__(self) -> Self:
        """Start showing."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop showing."""

    def say(self, text: str) -> None:
        """Show one line that stays."""

    def show(self, scene: Scene) -> None:
        """Show the present."""


class LiveScreen:
    """Refreshes in place."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, refresh_per_second=REFRESH_PER_S, transient=True)

    def __enter__(self) -> Self:
        """Start showing."""
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the table away; what follows stands in its place."""
        self._live.stop()

    def say(self, text: str) -> None:
        """Show one line above the table."""
        self._console.print(Text(text, style="dim"))

    def show(self, scene: Scene) -> None:
        """Show the present."""
        self._live.update(draw(scene))


class PlainScreen:
    """Writes a line now and then."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._next_s = 0.0

    def __enter__(self) -> Self:
        """Nothing to start."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to stop."""

    def say(self, text: str) -> None:
        """Write one line."""
        self._console.print(text, markup=False, soft_wrap=True)

    def show(self, scene: Scene) -> None:
        """Write a line when the last one is old enough."""
        if scene.elapsed_s < self._next_s:
            return
        self._next_s = scene.elapsed_s + LINE_EVERY_S
        tally = scene.tally
        statuses = ", ".join(f"{count} {status}" for status, count in tally.statuses.most_common())
        self.say(
            f"{scene.elapsed_s:5.1f} s  published {tally.published}/{tally.total}  "
            f"answered {tally.answered}" + (f"  ({statuses})" if statuses else "")
        )


# --- Drawing ------------------------------------------------------------------------------------------------


def draw(scene: Scene) -> RenderableType:
    """Draw the live table."""
    tally = scene.tally
    head = Table.grid(padding=(0, 2), expand=True)
    head.add_column()
    head.add_column(ratio=1)
    head.add_column(justify="right")
    for name, done, total in (
        ("published", tally.published, tally.total),
        ("answered", tally.answered, scene.plan.signals),
    ):
        bar = ProgressBar(total=max(1, total), completed=done)
        head.add_row(f"[bold]{name}[/]", bar, f"{done}/{total}")
    panels = [
        Panel(_statuses(tally), title="outcomes", title_align="left", box=box.ROUNDED),
        Panel(_speed(scene), title="latency", title_align="left", box=box.ROUNDED),
        Panel(_faults(scene), title="faults hit", title_align="left", box=box.ROUNDED),
    ]
    title = Text.assemble(("Beeline demo", "bold"), (f"  {scene.elapsed_s:5.1f} s  {scene.step}", "dim"))
    workers = Panel(_workers(scene), title="workers", title_align="left", box=box.ROUNDED)
    return Group(title, head, Columns(panels), workers)


def _pairs(rows: Mapping[str, RenderableType], nothing: str) -> RenderableType:
    if not rows:
        return Text(nothing, style="dim")
    table = Table.grid(padding=(0, 2))
    table.add_column()
    table.add_column(justify="right")
    for name, value in rows.items():
        table.add_row(name, value)
    return table


def _statuses(tally: Tally) -> RenderableType:
    shown = {f"[{STYLES[status]}]{status}[/]": str(tally.statuses[status]) for status in Status}
    return _pairs(shown, "none yet")


def _speed(scene: Scene) -> RenderableType:
    tally = scene.tally
    rows = {
        "p50": _milliseconds(percentile(tally.latencies_ms, 0.5)),
        "p99": _milliseconds(percentile(tally.latencies_ms, 0.99)),
        "limiter p99": _milliseconds(percentile(tally.limiter_ms, 0.99)),
        "waiting": str(tally.waiting),
        "dead letters": str(tally.dead_letters),
    }
    return _pairs(rows, "")


def _faults(scene: Scene) -> RenderableType:
    ranked = sorted(scene.faults.items(), key=lambda pair: -pair[1])
    return _pairs({kind.replace("_", " "): str(count) for kind, count in ranked}, "none yet")


def _workers(scene: Scene) -> RenderableType:
    table = Table(box=None, header_style="dim", padding=(0, 2, 0, 0), pad_edge=False)
    for column in ("worker", "state", "shards", "in flight", "venue clocks, ms"):
        table.add_column(column, justify="right" if column in ("shards", "in flight") else "left")
    for window in scene.workers:
        status = window.status
        if not window.child.is_running:
            table.add_row(window.child.name, "[red]killed[/]", "", "", "")
        elif not status:
            table.add_row(window.child.name, "[yellow]starting[/]", "", "", "")
        else:
            table.add_row(
                window.child.name,
                _state(status),
                str(len(status["shards"])),
                str(status["in_flight"]),
                ", ".join(_clock(clock) for clock in status["clock"]),
            )
    return table


def _state(status: Mapping[str, Any]) -> str:
    if status["holds"]:
        return f"[yellow]hold: {status['holds'][0]['reason']}[/]"
    if status["obstacles"]:
        return "[yellow]not ready[/]"
    return "[green]working[/]" if status["shards"] else "[cyan]standing by[/]"


def _clock(clock: Mapping[str, Any]) -> str:
    if clock["wall_minus_venue_ms"] is None:
        return f"{clock['venue']} ?"
    return f"{clock['venue']} {-clock['wall_minus_venue_ms']:+.0f}±{clock['uncertainty_ms']:.1f}"


def _milliseconds(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.0f} ms" if value < 1000 else f"{value / 1000:.1f} s"
