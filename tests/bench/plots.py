"""How cost grows, drawn as SVG: the same bytes for the same figures, legible on a light and on a dark page."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

from tests.bench.curves import Point, cost_by_accounts, cost_by_shards, rest_by_accounts

GREY: Final = "#768390"
COLOURS: Final = ("#4184e4", "#c0741d")
"""Of middling lightness, so that they stand out from white as well as from black."""
STYLE: Final[Any] = {
    "svg.hashsalt": "beeline",
    "svg.fonttype": "none",
    "font.size": 10,
    "text.color": GREY,
    "axes.labelcolor": GREY,
    "axes.edgecolor": GREY,
    "axes.titlelocation": "left",
    "axes.titlesize": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "grid.color": GREY,
    "grid.alpha": 0.25,
    "legend.frameon": False,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """One picture: named lines over numbers of something, from few to many; `least_top` shows small values as small."""

    name: str
    title: str
    x_label: str
    y_label: str
    lines: Mapping[str, Sequence[Point]]
    least_top: float = 0.0


def plots_of(document: Mapping[str, Any]) -> Iterator[Plot]:
    """Yield the pictures that the measured parts have points for."""
    cost_label = "CPU of one signal, µs"
    yield Plot(
        name="accounts",
        title="One worker at saturation, by accounts",
        x_label="accounts configured and in use",
        y_label=cost_label,
        lines={
            "Beeline": cost_by_accounts(document, "beeline"),
            "naive loop": cost_by_accounts(document, "naive"),
        },
    )
    yield Plot(
        name="shards",
        title="One worker at saturation, by shards",
        x_label="shards of the namespace",
        y_label=cost_label,
        lines={"Beeline": cost_by_shards(document)},
    )
    yield Plot(
        name="rest",
        title="One worker without signals, by accounts",
        x_label="accounts configured",
        y_label="CPU, % of a core",
        least_top=2.0,
        lines={"Beeline": rest_by_accounts(document)},
    )


def draw(plot: Plot, folder: Path) -> Path | None:
    """Draw a picture, unless there is nothing in it; return its file."""
    lines = {name: points for name, points in plot.lines.items() if points}
    if not lines:
        return None
    path = folder / f"performance-{plot.name}.svg"
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7, 3), layout="constrained")
        axes = figure.subplots()
        for (name, points), colour in zip(lines.items(), COLOURS, strict=False):
            axes.plot(*zip(*points, strict=True), marker="o", label=name, color=colour)
        axes.set_xscale("log")
        axes.set_xticks(sorted({x for points in lines.values() for x, _ in points}))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        axes.set_ylim(0, max(plot.least_top, 1.15 * max(y for points in lines.values() for _, y in points)))
        axes.set(title=plot.title, xlabel=plot.x_label, ylabel=plot.y_label)
        axes.grid(axis="y")
        if len(lines) > 1:
            axes.legend(loc="lower right")
        figure.savefig(path, format="svg", transparent=True, metadata={"Date": None})
    return path
