"""Tables of text, for a terminal and for the documents."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.table import Table as RichTable


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A title, names of columns, rows of cells; the first column holds names, the others numbers."""

    name: str
    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


def for_terminal(table: Table) -> RichTable:
    shown = RichTable(title=table.title, title_justify="left", title_style="bold")
    first, *others = table.columns
    shown.add_column(first)
    for column in others:
        shown.add_column(column, justify="right")
    for row in table.rows:
        shown.add_row(*row)
    return shown


def machine_line(machine: Mapping[str, Any]) -> str:
    return (
        f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gb']} GB, {machine['system']}, "
        f"Python {machine['python']}, {machine['broker']}, load {machine['load_before']} before the run"
    )


def as_markdown(table: Table) -> str:
    rule = ("---", *("---:" for _ in table.columns[1:]))
    return "\n".join(f"| {' | '.join(row)} |" for row in (table.columns, rule, *table.rows))
