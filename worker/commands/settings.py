"""`beeline settings`: what is in force and where it comes from, with nothing secret."""

import os
from dataclasses import dataclass
from typing import Annotated, Any, Final

import typer
from pydantic import SecretStr
from rich.markup import escape
from rich.table import Table

from worker.commands.options import examples, settings_from
from worker.commands.shell import output, wants_json, write_json
from worker.greeting import without_password
from worker.settings import PREFIX, Settings

EXAMPLES: Final = examples(
    "beeline settings",
    "BEELINE_SHARDS=64 beeline settings --json | jq .BEELINE_SHARDS",
)


@dataclass(frozen=True, slots=True)
class Effective:
    """One setting in force: its variable, the value as it may be shown, and where it comes from."""

    variable: str
    value: Any
    source: str


def settings(*, json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False) -> None:
    """Show the settings in force here, and where each comes from; passwords are left out.

    Commands also take each of them as an option, which wins over its variable.
    """
    in_force = effective(settings_from())
    if wants_json(asked=json):
        write_json({item.variable: {"value": item.value, "source": item.source} for item in in_force})
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("variable", "value", "source"):
        table.add_column(column)
    for item in in_force:
        shown = "" if item.value is None else str(item.value)
        style = "dim" if item.source == "default" else ""
        table.add_row(item.variable, escape(shown), escape(item.source), style=style)
    output.print(table)


def effective(given: Settings) -> list[Effective]:
    """Every setting in the order of the contract."""
    return [
        Effective(f"{PREFIX}{name.upper()}", _shown(getattr(given, name)), _source(name, given))
        for name in Settings.model_fields
    ]


def _shown(value: Any) -> Any:
    if isinstance(value, SecretStr):
        return without_password(value.get_secret_value())
    return value if isinstance(value, int | float | None) else str(value)


def _source(name: str, given: Settings) -> str:
    if f"{PREFIX}{name.upper()}" in os.environ:
        return "environment"
    if name == "amqp_url" and given.amqp_url_file is not None:
        return str(given.amqp_url_file)
    return "default"
