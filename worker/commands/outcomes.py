"""`beeline outcomes`: follow what comes back, without taking anything from anybody."""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Annotated, Any, Final

import typer

from worker.commands.client import connected, follow_outcomes, until_lost
from worker.commands.options import CONNECTION, examples, takes_settings
from worker.commands.rendering import heading, row
from worker.commands.shell import note, output, run, wants_json, write_json
from worker.core.outcome import Status
from worker.core.shards import Names
from worker.settings import Settings

EXAMPLES: Final = examples(
    "beeline outcomes",
    "beeline outcomes --account main --status rejected --status unknown",
    "beeline outcomes --json --count 1 | jq .error",
)


@dataclass(slots=True, kw_only=True)
class Viewer:
    """Shows the outcomes that were asked for, and knows when it has shown enough."""

    accounts: Collection[str]
    statuses: Collection[str]
    count: int | None
    as_json: bool
    enough: asyncio.Event = field(default_factory=asyncio.Event)
    shown: int = 0

    def show(self, outcome: dict[str, Any]) -> None:
        """Show one outcome unless it is filtered out."""
        if self.enough.is_set():
            return
        if self.accounts and outcome["account"] not in self.accounts:
            return
        if self.statuses and outcome["status"] not in self.statuses:
            return
        if self.as_json:
            write_json(outcome)
        else:
            output.print(row(outcome), no_wrap=True, overflow="ellipsis", crop=True)
        self.shown += 1
        if self.count is not None and self.shown >= self.count:
            self.enough.set()


@takes_settings(*CONNECTION)
def outcomes(
    *,
    account: Annotated[
        list[str] | None, typer.Option(help="Only outcomes of this account; may be repeated.")
    ] = None,
    status: Annotated[
        list[Status] | None, typer.Option(help="Only outcomes with this status; may be repeated.")
    ] = None,
    count: Annotated[int | None, typer.Option(min=1, help="Stop after so many.")] = None,
    json: Annotated[
        bool, typer.Option("--json", help="Write JSON, one outcome a line; the default on a pipe.")
    ] = False,
    settings: Settings,
) -> None:
    """Follow the outcomes of signals as they come, until Ctrl-C.

    Outcomes are copied, not taken: the durable queue of the consumers that they are meant for is left alone. What came
    before is not shown.
    """
    viewer = Viewer(
        accounts=account or (), statuses=status or (), count=count, as_json=wants_json(asked=json)
    )
    run(_follow(settings, viewer))


async def _follow(settings: Settings, viewer: Viewer) -> None:
    names = Names(namespace=settings.namespace, shards=settings.shards)
    async with connected(settings, "outcomes") as link:
        await follow_outcomes(link, names, viewer.show)
        if not viewer.as_json:
            note(f"following {names.outcomes}, Ctrl-C stops")
            output.print(heading())
        async with asyncio.TaskGroup() as tasks:
            loss = tasks.create_task(until_lost(link))
            await viewer.enough.wait()
            loss.cancel()
