"""The `beeline` command: its commands stand in `worker/commands/`, a module each.

Every setting is an option and a `BEELINE_…` environment variable. Exit codes: 0 done, 1 a check failed or an
outcome was no success, 2 usage, 3 configuration, 4 broker unreachable, 5 venue unreachable, 130 interrupted.
"""

import sys
from contextlib import suppress
from importlib.metadata import version
from resource import RLIMIT_CORE, setrlimit
from typing import Annotated

import typer

from worker.commands import (
    account,
    dead_letters,
    diagnosing,
    explaining,
    fate,
    holding,
    looking,
    outcomes,
    send,
    serving,
    settings,
)
from worker.commands.options import examples, paragraphs
from worker.commands.shell import Exit
from worker.demo import command as demonstration
from worker.logs import configure_logging

__all__ = ["Exit", "app", "main"]

DISTRIBUTION = "beeline-worker"

app = typer.Typer(
    name="beeline",
    help="Turns trade signals from RabbitMQ into exchange orders: one outcome per signal, never two orders.",
    epilog=examples(
        "beeline demo        # a whole pool against a simulated exchange",
        "beeline worker      # take signals, place orders, publish outcomes",
        "beeline outcomes    # follow what comes back",
    ),
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(asked: bool) -> None:  # noqa: FBT001 - typer calls it with the option's value
    if asked:
        typer.echo(f"beeline {version(DISTRIBUTION)}")
        raise typer.Exit


@app.callback()
def beeline(
    *,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    """Give the command its own options."""


for command, its_examples in (
    (serving.worker, serving.WORKER_EXAMPLES),
    (serving.topology, serving.TOPOLOGY_EXAMPLES),
    (serving.sandbox, serving.SANDBOX_EXAMPLES),
    (send.signal, send.EXAMPLES),
    (outcomes.outcomes, outcomes.EXAMPLES),
    (demonstration.demo, demonstration.EXAMPLES),
    (fate.order, fate.EXAMPLES),
    (diagnosing.diagnose, diagnosing.EXAMPLES),
    (holding.hold, holding.HOLD_EXAMPLES),
    (holding.release, holding.RELEASE_EXAMPLES),
    (holding.holds, holding.HOLDS_EXAMPLES),
    (looking.schema, looking.SCHEMA_EXAMPLES),
    (settings.settings, settings.EXAMPLES),
):
    app.command(help=paragraphs(command), epilog=its_examples)(command)
app.command(
    help=paragraphs(explaining.explain),
    epilog=explaining.EXAMPLES,
    context_settings={"ignore_unknown_options": True},  # so that -1022 is a number, not options
)(explaining.explain)
app.add_typer(account.account_app)
app.add_typer(dead_letters.dead_app)


def main() -> None:
    """Run the `beeline` command.

    Its memory, keys included, is never left in a core dump; what it logs never mixes with what it was asked for.
    """
    with suppress(ValueError, OSError):
        setrlimit(RLIMIT_CORE, (0, 0))
    configure_logging("warning", "auto")
    sys.exit(app())
