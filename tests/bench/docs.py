"""Writes the results into `docs/performance.md`, between markers, and draws its pictures; the prose stays as it is.

A table of the run stands between `<!-- bench: NAME -->` and `<!-- /bench -->`. What the run did not measure keeps the
figures of an earlier one, so only a whole run leaves a page whose figures belong together.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from tests.bench import plots, predictions, results, targets
from tests.bench.tables import as_markdown, machine_line

PAGE: Final = "performance.md"
END: Final = "<!-- /bench -->"


class MarkerError(ValueError):
    """The page has no place for something that was measured."""


def write(document: Mapping[str, Any], folder: Path) -> list[Path]:
    """Rewrite the page in a folder and the pictures beside it; return what was written."""
    page = folder / PAGE
    page.write_text(rewritten(page.read_text(encoding="utf-8"), sections(document)), encoding="utf-8")
    drawn = [plots.draw(plot, folder) for plot in plots.plots_of(document)]
    return [page, *(path for path in drawn if path is not None)]


def sections(document: Mapping[str, Any]) -> dict[str, str]:
    """Return the generated texts by the name of their place."""
    tables = [targets.table(document), *results.all_of(document), *predictions.tables(document)]
    made = {table.name: as_markdown(table) for table in tables}
    machine = document["machine"]
    return made | {"machine": f"{machine['at'][:10]}: {machine_line(machine)}."}


def rewritten(text: str, made: Mapping[str, str]) -> str:
    """Put texts between their markers."""
    for name, section in made.items():
        mark = f"<!-- bench: {name} -->\n"
        before, found, after = text.partition(mark)
        _, end, rest = after.partition(END)
        if not found or not end or mark in rest:
            raise MarkerError(f"{PAGE} should have one place for {name!r}: {mark}{END}")
        text = f"{before}{mark}\n{section}\n\n{END}{rest}"
    return text
