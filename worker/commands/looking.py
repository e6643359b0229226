"""`beeline schema`: the messages, as JSON Schema."""

from enum import StrEnum
from typing import Annotated, Final

import typer

from worker.commands.options import examples
from worker.commands.schemas import outcome_schema, signal_schema
from worker.commands.shell import write_json

SCHEMA_EXAMPLES: Final = examples(
    "beeline schema                          # of the signals that producers publish",
    "beeline schema outcome > outcome.schema.json",
)


class Kind(StrEnum):
    """The messages that have a schema."""

    SIGNAL = "signal"
    OUTCOME = "outcome"


def schema(
    kind: Annotated[
        Kind, typer.Argument(help="Which message: what goes in, or what comes out.")
    ] = Kind.SIGNAL,
) -> None:
    """Print the JSON Schema of a message, version 1."""
    write_json(signal_schema() if kind is Kind.SIGNAL else outcome_schema(), indent=True)
