"""`beeline worker`, `beeline topology` and `beeline sandbox`: what runs and what it stands on."""

from pathlib import Path
from typing import Annotated

import typer

from adapters.sandbox.config import DEFAULT_NAMES
from adapters.sandbox.model import Dialect
from adapters.sandbox.server import run_sandbox
from adapters.venues import discover
from worker.accounts import load_accounts
from worker.amqp import dial
from worker.app import run_worker
from worker.commands.options import CONNECTION, examples, takes_settings
from worker.commands.shell import Exit, output, run, stop, wants_json, write_json
from worker.core.shards import Names
from worker.logs import configure_logging
from worker.settings import Settings
from worker.topology import bind_accounts, declare

WORKER_EXAMPLES = examples(
    "beeline worker",
    "beeline worker --accounts /run/secrets/accounts --worker-id pod-3",
    "beeline worker --burst    # work off what is queued, then exit",
)
TOPOLOGY_EXAMPLES = examples(
    "beeline topology",
    "beeline topology --namespace staging --shards 8 --accounts accounts.toml",
)
SANDBOX_EXAMPLES = examples(
    "beeline sandbox --accounts-file accounts.toml    # then: beeline worker",
    "beeline sandbox --port 9001 --binance main --binance hedge --binance-usdm futures",
    "curl http://127.0.0.1:9000/sandbox/ledger    # every order with its executions",
)


@takes_settings(*Settings.model_fields)
def worker(
    *,
    burst: Annotated[bool, typer.Option("--burst", help="Work off what is queued, then exit.")] = False,
    settings: Settings,
) -> None:
    """Run a worker: take signals, place orders, publish outcomes.

    Any number of workers may share a namespace. SIGTERM or Ctrl-C drains: what was sent comes to its end, the
    rest stays queued for the others. SIGHUP reads the accounts again, which also happens by itself when their
    files change. SIGUSR1 logs everything, SIGUSR2 goes back to the level that is set.
    """
    threshold = configure_logging(settings.log_level, settings.log_format)
    run(run_worker(settings, threshold, burst=burst))


@takes_settings(*CONNECTION, "shards", "accounts")
def topology(
    *,
    json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
    settings: Settings,
) -> None:
    """Declare everything on the broker, and bind the accounts of the account file if there is one.

    Workers do this themselves when their user may; run it once by hand where they may not.
    """
    names, bound = run(declare_topology(settings))
    if wants_json(asked=json):
        write_json({"namespace": names.namespace, "shards": names.shards, "accounts_bound": bound})
    else:
        output.print(
            f"[green]declared[/] namespace {names.namespace} with {names.shards} shards, "
            f"{bound} account{'' if bound == 1 else 's'} bound"
        )


async def declare_topology(settings: Settings) -> tuple[Names, int]:
    """Declare the topology and bind the accounts that are configured; return the names and how many were bound."""
    names = Names(namespace=settings.namespace, shards=settings.shards)
    accounts = load_accounts(settings.accounts, discover()) if settings.accounts.exists() else {}
    shards = [
        (account.name, names.shard_of(account.name, account.limit_group)) for account in accounts.values()
    ]
    link = await dial(
        settings.amqp_url.get_secret_value(), heartbeat=settings.heartbeat, name="beeline topology"
    )
    try:
        await declare(link, names)
        await bind_accounts(link, names, shards)
    finally:
        await link.close()
    return names, len(shards)


def sandbox(
    *,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.")] = 9000,
    seed: Annotated[int, typer.Option(help="Seed of keys, order ids and faults.")] = 0,
    binance: Annotated[
        list[str] | None, typer.Option(help="Name of a Binance spot account; may be repeated.")
    ] = None,
    binance_us: Annotated[
        list[str] | None, typer.Option(help="Name of a Binance.US spot account; may be repeated.")
    ] = None,
    binance_usdm: Annotated[
        list[str] | None, typer.Option(help="Name of a Binance USD-M futures account; may be repeated.")
    ] = None,
    bitrue: Annotated[
        list[str] | None, typer.Option(help="Name of a Bitrue spot account; may be repeated.")
    ] = None,
    accounts_file: Annotated[
        Path | None, typer.Option(help="Write an account file for Beeline here.")
    ] = None,
    base_url: Annotated[
        str | None, typer.Option(help="Address for the account file, where it is not the one listened on.")
    ] = None,
) -> None:
    """Run a simulated exchange that any client can be pointed at.

    Binance spot, Binance.US, Binance USD-M futures and Bitrue spot on one port, with their filters, limits and
    quirks. Its control API under /sandbox/ moves prices and clocks, plants faults and shows the ledger. Its keys
    open nothing else. Unless accounts are named, it has main, main-us, main-usdm and main-bitrue.
    """
    named = {
        Dialect.BINANCE: binance or [],
        Dialect.BINANCE_US: binance_us or [],
        Dialect.BINANCE_USDM: binance_usdm or [],
        Dialect.BITRUE: bitrue or [],
    }
    try:
        run_sandbox(
            host=host,
            port=port,
            seed=seed,
            names=named if any(named.values()) else DEFAULT_NAMES,
            accounts_file=accounts_file,
            base_url=base_url,
        )
    except OSError as error:
        stop(Exit.CONFIGURATION, f"cannot listen on {host}:{port}: {error.strerror}")
