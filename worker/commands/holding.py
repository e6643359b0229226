"""`beeline hold`, `release` and `holds`: the operators' kill switch, kept on the control stream."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Final

import typer
from rich.markup import escape
from rich.table import Table

from worker.clock_sync import SystemClock
from worker.commands.client import check_namespace, connected
from worker.commands.options import CONNECTION, examples, takes_settings
from worker.commands.shell import CommandError, Exit, output, run, stop, wants_json, write_json
from worker.control import Control
from worker.core.holds import StopRecord
from worker.core.shards import Names
from worker.publisher import Publisher
from worker.settings import Settings

HOLD_EXAMPLES: Final = examples(
    'beeline hold --account main --reason "strategy out of control"',
    "beeline hold --symbol BTC/USDT --reason maintenance",
    "beeline hold --all --reason fire    # nothing is placed any more; cancels pass",
)
RELEASE_EXAMPLES: Final = examples("beeline release --account main", "beeline release --all")
HOLDS_EXAMPLES: Final = examples("beeline holds", "beeline holds --json")

Account = Annotated[str | None, typer.Option(help="Name of an account.")]
Venue = Annotated[str | None, typer.Option(help="Name of a venue.")]
Symbol = Annotated[str | None, typer.Option(help="A symbol, on every venue.")]
Everything = Annotated[bool, typer.Option("--all", help="Everything.")]


@takes_settings(*CONNECTION)
def hold(
    *,
    account: Account = None,
    venue: Venue = None,
    symbol: Symbol = None,
    everything: Everything = False,
    reason: Annotated[str, typer.Option(help="Why; answered to every signal that is held.")],
    settings: Settings,
) -> None:
    """Place nothing more for an account, a symbol, a venue or at all, in the whole pool and until released.

    Signals are answered with held at once. Cancels pass, and what was sent already comes to its end.
    """
    target = _target(account, venue, symbol, everything=everything)
    run(_write(settings, StopRecord(target=target, is_held=True, reason=reason, at_ms=time.time() * 1000)))
    output.print(f"[yellow]held[/] {escape(target)}: {escape(reason)}")


@takes_settings(*CONNECTION)
def release(
    *,
    account: Account = None,
    venue: Venue = None,
    symbol: Symbol = None,
    everything: Everything = False,
    settings: Settings,
) -> None:
    """End a hold; name it as it was made."""
    target = _target(account, venue, symbol, everything=everything)
    run(_release(settings, target))
    output.print(f"[green]released[/] {escape(target)}")


@takes_settings(*CONNECTION)
def holds(
    *,
    json: Annotated[bool, typer.Option("--json", help="Write JSON, one hold a line.")] = False,
    settings: Settings,
) -> None:
    """List the holds in force."""
    stops = run(_read(settings))
    if wants_json(asked=json):
        for held in stops:
            write_json({"target": held.target, "reason": held.reason, "at_ms": held.at_ms})
        return
    table = Table(box=None, header_style="bold dim", pad_edge=False, padding=(0, 2, 0, 0))
    for column in ("held", "since", "reason"):
        table.add_column(column)
    for held in stops:
        since = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(held.at_ms / 1000))
        table.add_row(escape(held.target), since, escape(held.reason))
    output.print(table if stops else "[dim]nothing is held[/]")


def _target(account: str | None, venue: str | None, symbol: str | None, *, everything: bool) -> str:
    named = [
        *([f"account:{account}"] if account else []),
        *([f"venue:{venue}"] if venue else []),
        *([f"symbol:{symbol.replace('/', '').upper()}"] if symbol else []),
        *(["all"] if everything else []),
    ]
    if len(named) != 1:
        stop(Exit.USAGE, "name exactly one of --account, --venue, --symbol and --all")
    return named[0]


@asynccontextmanager
async def control_of(settings: Settings) -> AsyncIterator[Control]:
    """Hold a reading of the control stream that is complete up to now."""
    names = Names(namespace=settings.namespace)
    publisher = Publisher()
    control = Control(names, publisher, SystemClock(), worker_id="operator", lease_ms=0)
    async with connected(settings, "holds") as link:
        await check_namespace(link, names)
        await publisher.attach(link)
        await control.attach(link)
        await control.catch_up(lambda: True)
        yield control


async def _write(settings: Settings, record: StopRecord) -> None:
    async with control_of(settings) as control:
        await control.announce_stop(record)


async def _release(settings: Settings, target: str) -> None:
    async with control_of(settings) as control:
        if target not in {held.target for held in control.stops.in_force()}:
            raise CommandError(Exit.FAILED, f"{target} is not held; `beeline holds` lists what is")
        end = StopRecord(target=target, is_held=False, reason="", at_ms=time.time() * 1000)
        await control.announce_stop(end)


async def _read(settings: Settings) -> list[StopRecord]:
    async with control_of(settings) as control:
        return control.stops.in_force()
