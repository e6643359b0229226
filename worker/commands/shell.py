"""What all commands share: exit codes, the two consoles, and how a failure ends.

Standard output carries what was asked for and nothing else, so that it can be piped; whatever is said about it goes to
standard error. Colours appear on terminals only.
"""

import asyncio
import logging
import os
import sys
from collections.abc import Coroutine
from enum import IntEnum
from typing import Any, Final, NoReturn, TypeVar

import orjson
import typer
import uvloop
from rich.console import Console
from rich.markup import escape

from worker.accounts import AccountsError
from worker.amqp import BrokerError
from worker.settings import SettingsError
from worker.topology import TopologyError

T = TypeVar("T")


class Exit(IntEnum):
    """What a command's exit code says."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    CONFIGURATION = 3
    BROKER = 4
    VENUE = 5
    INTERRUPTED = 130


class CommandError(Exception):
    """A command cannot go on; carries its exit code and what to do about it."""

    def __init__(self, code: Exit, text: str) -> None:
        super().__init__(text)
        self.code = code


output: Final = Console(highlight=False)
errors: Final = Console(stderr=True, highlight=False)


def stop(code: Exit, text: str) -> NoReturn:
    """End the command with a reason on standard error."""
    errors.print(f"[bold red]beeline:[/] {escape(text)}", soft_wrap=True)
    raise typer.Exit(code)


def note(text: str) -> None:
    """Say something about the work on standard error."""
    errors.print(f"[dim]{escape(text)}[/]", soft_wrap=True)


def write_json(document: object, *, indent: bool = False) -> None:
    """Write one JSON document to standard output, on one line unless it is meant to be read by people."""
    text = orjson.dumps(document, option=orjson.OPT_INDENT_2 if indent else 0)
    sys.stdout.write(text.decode() + "\n")
    sys.stdout.flush()


def wants_json(*, asked: bool) -> bool:
    """Tell whether to write JSON: when asked to, and whenever standard output is no terminal."""
    return asked or not sys.stdout.isatty()


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a command's work, and turn whatever ends it into an exit code."""
    for library in ("aiormq", "aio_pika", "asyncio"):
        # They report a lost connection at length, and beside the error that says the same.
        logging.getLogger(library).setLevel(logging.CRITICAL)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(work)
    except KeyboardInterrupt:
        raise typer.Exit(Exit.INTERRUPTED) from None
    except BaseExceptionGroup as group:
        _end(_first(group))
    except (CommandError, BrokerError, AccountsError, TopologyError, SettingsError, OSError) as error:
        _end(error)


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The error that a group of tasks failed with; all of them end for the first one's sake."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _end(error: BaseException) -> NoReturn:
    match error:
        case KeyboardInterrupt():
            raise typer.Exit(Exit.INTERRUPTED)
        case BrokenPipeError():
            # Whoever read our output has seen enough; what is still buffered must not fail again at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(Exit.DONE)
        case CommandError():
            stop(error.code, str(error))
        case BrokerError():
            stop(
                Exit.BROKER,
                f"the broker cannot be reached: {error}\n"
                "Check --amqp-url (BEELINE_AMQP_URL), or start one and set it to its URL: deploy/broker.sh up in a "
                "checkout, docker run -p 5672:5672 rabbitmq:4 anywhere.",
            )
        case AccountsError() | TopologyError() | SettingsError() | OSError():
            stop(Exit.CONFIGURATION, str(error))
        case _:
            raise error
