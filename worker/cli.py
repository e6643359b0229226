"""The `beeline` command.

Every option is also a `BEELINE_…` environment variable. Exit codes: 0 done, 1 a check failed or an outcome was no success,
2 usage, 3 configuration, 4 broker unreachable, 5 venue unreachable, 130 interrupted.
"""

import asyncio
import sys
from collections.abc import Coroutine
from enum import IntEnum
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import typer
import uvloop
from rich.console import Console

from adapters.sandbox.server import run_sandbox
from adapters.venues import discover
from worker.accounts import AccountsError, load_accounts
from worker.amqp import BrokerError, dial
from worker.app import run_worker
from worker.core.shards import Names
from worker.settings import Settings, SettingsError, load_settings
from worker.telemetry import configure_logging
from worker.topology import TopologyError, bind_accounts, declare

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


app = typer.Typer(
    name="beeline",
    help="Turns trade signals from RabbitMQ into exchange orders: one outcome per signal, never two orders.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
errors = Console(stderr=True)

AmqpUrl = Annotated[
    str | None,
    typer.Option(help="The broker; amqps:// for TLS.", envvar="BEELINE_AMQP_URL", show_default=False),
]
Namespace = Annotated[
    str | None, typer.Option(help="First part of all names on the broker.", envvar="BEELINE_NAMESPACE")
]
Shards = Annotated[
    int | None, typer.Option(help="Number of shards, fixed for a namespace.", envvar="BEELINE_SHARDS")
]
Accounts = Annotated[Path | None, typer.Option(help="Account file or folder.", envvar="BEELINE_ACCOUNTS")]


def stop(code: Exit, text: str) -> NoReturn:
    """End the command with a reason on standard error."""
    errors.print(f"[bold red]beeline:[/] {text}", highlight=False, markup=True, soft_wrap=True)
    raise typer.Exit(code)


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a command's work and turn what can go wrong into its exit code."""
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(work)
    except* BrokerError as group:
        stop(Exit.BROKER, f"broker unreachable: {group.exceptions[0]}")
    except* (AccountsError, TopologyError, SettingsError) as group:
        stop(Exit.CONFIGURATION, str(group.exceptions[0]))
    except* OSError as group:
        stop(Exit.CONFIGURATION, str(group.exceptions[0]))
    except* KeyboardInterrupt:
        raise typer.Exit(Exit.INTERRUPTED) from None


@app.command()
def worker(
    *,
    burst: Annotated[bool, typer.Option("--burst", help="Work off what is queued, then exit.")] = False,
    accounts: Accounts = None,
    amqp_url: AmqpUrl = None,
    namespace: Namespace = None,
    shards: Shards = None,
) -> None:
    """Run a worker: take signals, place orders, publish outcomes."""
    settings = settings_from(accounts=accounts, amqp_url=amqp_url, namespace=namespace, shards=shards)
    configure_logging(settings.log_level, settings.log_format)
    run(run_worker(settings, burst=burst))


@app.command()
def topology(
    *,
    amqp_url: AmqpUrl = None,
    namespace: Namespace = None,
    shards: Shards = None,
    accounts: Accounts = None,
) -> None:
    """Declare everything on the broker, and bind the accounts of the account file if there is one."""
    settings = settings_from(amqp_url=amqp_url, namespace=namespace, shards=shards, accounts=accounts)
    names = run(declare_topology(settings))
    typer.echo(f"declared {names.namespace} with {names.shards} shards")


async def declare_topology(settings: Settings) -> Names:
    """Declare the topology and bind the accounts that are configured."""
    names = Names(namespace=settings.namespace, shards=settings.shards)
    link = await dial(
        settings.amqp_url.get_secret_value(), heartbeat=settings.heartbeat, name="beeline-topology"
    )
    try:
        await declare(link, names)
        if settings.accounts.exists():
            loaded = load_accounts(settings.accounts, discover()).values()
            await bind_accounts(
                link,
                names,
                [(account.name, names.shard_of(account.name, account.limit_group)) for account in loaded],
            )
    finally:
        await link.close()
    return names


@app.command()
def sandbox(
    *,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.")] = 9000,
    seed: Annotated[int, typer.Option(help="Seed of keys, order ids and faults.")] = 0,
    binance: Annotated[
        list[str] | None, typer.Option(help="Name of a Binance spot account; may be repeated.")
    ] = None,
    bitrue: Annotated[
        list[str] | None, typer.Option(help="Name of a Bitrue spot account; may be repeated.")
    ] = None,
    accounts_file: Annotated[
        Path | None, typer.Option(help="Write an account file for Beeline here.")
    ] = None,
) -> None:
    """Run a simulated exchange that any client can be pointed at."""
    try:
        run_sandbox(
            host=host,
            port=port,
            seed=seed,
            binance_accounts=binance or ["main"],
            bitrue_accounts=bitrue or ["main-bitrue"],
            accounts_file=accounts_file,
        )
    except OSError as error:
        stop(Exit.CONFIGURATION, f"cannot listen on {host}:{port}: {error.strerror}")


def settings_from(**options: object) -> Settings:
    """Read the settings, ending the command when one is wrong."""
    try:
        return load_settings(**options)
    except SettingsError as error:
        stop(Exit.CONFIGURATION, str(error))


def main() -> None:
    """Run the `beeline` command."""
    sys.exit(app())
