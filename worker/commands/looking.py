"""`beeline schema`: the messages, as JSON Schema."""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Annotated, Any, Final

import typer

from worker.commands.asyncapi import asyncapi
from worker.commands.options import examples
from worker.commands.schemas import outcome_schema, signal_schema
from worker.commands.shell import write_json

SCHEMA_EXAMPLES: Final = examples(
    "beeline schema                          # of the signals that producers publish",
    "beeline schema outcome > outcome.schema.json",
    "beeline schema asyncapi                 # channels and both messages, for AsyncAPI tools",
)


class Kind(StrEnum):
    """What can be printed."""

    SIGNAL = "signal"
    OUTCOME = "outcome"
    ASYNCAPI = "asyncapi"


DOCUMENTS: Final[Mapping[Kind, Callable[[], dict[str, Any]]]] = {
    Kind.SIGNAL: signal_schema,
    Kind.OUTCOME: outcome_schema,
    Kind.ASYNCAPI: asyncapi,
}


def schema(
    kind: Annotated[
        Kind, typer.Argument(help="What goes in, what comes out, or all of it as an AsyncAPI document.")
    ] = Kind.SIGNAL,
) -> None:
    """Print the JSON Schema of a message, version 1, or the AsyncAPI 3 document of both."""
    write_json(DOCUMENTS[kind](), indent=True)
