"""`beeline dead`: look at the dead letters, send them again where that is safe, or drop them."""

import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Annotated, Any, Final

import orjson
import typer
from rich.markup import escape
from rich.table import Table

from adapters.errors import refusal
from adapters.model import LookupFailed, Sighting
from worker.commands.client import check_namespace, connected
from worker.commands.dead_queue import MOST, DeadQueue
from worker.commands.fate import sight_order
from worker.commands.options import CONNECTION, examples, paragraphs, takes_settings
from worker.commands.shell import CommandError, Exit, note, output, run, stop, wants_json, write_json
from worker.core.letters import Letter, Opinion, Prospect, chosen, conclude, consider, own_headers
from worker.core.shards import Names
from worker.core.signals import Signal, Unanswerable
from worker.settings import Settings

LIST_EXAMPLES: Final = examples("beeline dead list", "beeline dead list --json | jq -r .id")
SHOW_EXAMPLES: Final = examples("beeline dead show k3v7q2ma")
REPLAY_EXAMPLES: Final = examples(
    "beeline dead replay k3v7q2ma",
    "beeline dead replay --all --dry-run     # what would be done, and why not",
    "beeline dead replay k3v7q2ma --force    # although nothing proves that it is safe",
)
DROP_EXAMPLES: Final = examples(
    "beeline dead drop k3v7q2ma",
    "beeline dead drop --all --yes --json > dropped.jsonl",
)

Identities = Annotated[
    list[str] | None, typer.Argument(metavar="ID", help="Ids as `beeline dead list` shows them.")
]
Everything = Annotated[bool, typer.Option("--all", help="Every dead letter.")]
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON, one letter a line; the default on a pipe.")]

dead_app = typer.Typer(
    name="dead",
    help="Look at the dead letters, send them again, or drop them.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)


@takes_settings(*CONNECTION)
def dead_list(
    *,
    limit: Annotated[
        int, typer.Option(min=1, max=MOST, help="Show at most so many, the oldest first.")
    ] = MOST,
    json: AsJson = False,
    settings: Settings,
) -> None:
    """List the dead letters, the oldest first; none is taken and none changes its place.

    A message dies when it has no id to answer to, or when it was delivered a hundred times without an answer.
    """
    letters, more = run(_read(settings))
    more += max(0, len(letters) - limit)
    letters = letters[:limit]
    if wants_json(asked=json):
        for letter in letters:
            write_json(_document(letter))
    elif letters:
        output.print(_table(letters))
    else:
        output.print("[dim]there are no dead letters[/]")
    if more:
        note(f"{more} more behind them")


@takes_settings(*CONNECTION)
def dead_show(
    identity: Annotated[str, typer.Argument(metavar="ID", help="Its id, as `beeline dead list` shows it.")],
    *,
    json: AsJson = False,
    settings: Settings,
) -> None:
    """Show one dead letter whole: why it died, what it holds, and whether it can be sent again."""
    letters, _ = run(_read(settings))
    found, missing = chosen(letters, [identity])
    if missing:
        stop(Exit.FAILED, _missing(missing))
    document = _document(found[0]) | {
        "headers": _plain(own_headers(found[0].headers)),
        "body": _body(found[0]),
    }
    if wants_json(asked=json):
        write_json(document)
        return
    width = max(map(len, document))
    for name, value in document.items():
        text = value if isinstance(value, str) else orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()
        first, *rest = ("" if value is None else text).splitlines() or [""]
        output.print(f"[dim]{name.replace('_', ' '):{width}}[/]  {escape(first)}")
        for line in rest:
            output.print(f"{'':{width}}  {escape(line)}")


@takes_settings(*CONNECTION, "accounts", "recv_window_ms", "venue_timeout", "signal_ttl")
def dead_replay(
    identities: Identities = None,
    *,
    everything: Everything = False,
    force: Annotated[
        bool,
        typer.Option("--force", help="Send again also what cannot be proven safe. Look at the venue first."),
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Ask and say, but send nothing.")] = False,
    json: AsJson = False,
    settings: Settings,
) -> None:
    """Send dead letters again, so that each gets its outcome and nothing is executed twice.

    The venue is asked for the order first. A replay keeps the age of its signal: what was placed is answered with what
    it became, and what was not is placed only while it is still valid, by a pool that asks once more. What cannot be
    proven safe is left where it is, with the reason; exit code 1 then.
    """
    wanted = _wanted(identities, everything=everything)
    results = run(_replay(settings, wanted, force=force, dry_run=dry_run))
    for letter, opinion, goes in results:
        sent = goes and not dry_run
        if wants_json(asked=json):
            verdict = {"replayed": sent, "prospect": opinion.prospect, "why": opinion.why}
            write_json(_document(letter) | verdict)
        else:
            verb = _verb(goes=goes, dry_run=dry_run)
            output.print(f"{verb}  {letter.identity}  {escape(_subject(letter))} {escape(opinion.why)}")
    if not results:
        note("there are no dead letters")
    if not all(goes for _, _, goes in results):
        raise typer.Exit(Exit.FAILED)


@takes_settings(*CONNECTION)
def dead_drop(
    identities: Identities = None,
    *,
    everything: Everything = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    json: AsJson = False,
    settings: Settings,
) -> None:
    """Take dead letters off the queue for good. Their signals are never answered.

    Each is written out as it goes, whole, so that what was dropped can be kept.
    """
    wanted = _wanted(identities, everything=everything)
    if not yes:
        if not sys.stdin.isatty():
            stop(Exit.USAGE, "dropping cannot be undone: say --yes where nobody can be asked")
        what = f"{len(wanted)} dead letters" if wanted else "every dead letter"
        if not typer.confirm(f"Drop {what} for good?", err=True):
            raise typer.Exit(Exit.FAILED)
    as_json = wants_json(asked=json)
    run(_drop(settings, wanted, as_json=as_json))


dead_app.command("list", help=paragraphs(dead_list), epilog=LIST_EXAMPLES)(dead_list)
dead_app.command("show", help=paragraphs(dead_show), epilog=SHOW_EXAMPLES)(dead_show)
dead_app.command("replay", help=paragraphs(dead_replay), epilog=REPLAY_EXAMPLES)(dead_replay)
dead_app.command("drop", help=paragraphs(dead_drop), epilog=DROP_EXAMPLES)(dead_drop)


# --- At the broker ---------------------------------------------------------------------------------------------------


@asynccontextmanager
async def _held(settings: Settings) -> AsyncIterator[DeadQueue]:
    names = Names(namespace=settings.namespace)
    async with connected(settings, "dead") as link:
        await check_namespace(link, names)
        async with DeadQueue.hold(link, names) as queue:
            yield queue


async def _read(settings: Settings) -> tuple[list[Letter], int]:
    async with _held(settings) as queue:
        return queue.letters, await queue.waiting()


def _choose(queue: DeadQueue, wanted: Sequence[str]) -> list[Letter]:
    """Pick the wanted letters; none wanted by name means all."""
    if not wanted:
        return queue.letters
    found, missing = chosen(queue.letters, wanted)
    if missing:
        raise CommandError(Exit.FAILED, _missing(missing))
    return found


async def _replay(
    settings: Settings, wanted: Sequence[str], *, force: bool, dry_run: bool
) -> list[tuple[Letter, Opinion, bool]]:
    results = []
    async with _held(settings) as queue:
        for letter in _choose(queue, wanted):
            opinion = await _opinion(settings, letter)
            goes = _goes(opinion, force=force)
            if goes and not dry_run:
                await queue.replay(letter, _now_ms())
            results.append((letter, opinion, goes))
    return results


async def _opinion(settings: Settings, letter: Letter) -> Opinion:
    """Say whether a letter may be sent again, asking the venue where that matters."""
    opinion = consider(letter, _now_ms())
    if opinion.prospect is not Prospect.ASK:
        return opinion
    assert isinstance(letter.request, Signal)  # noqa: S101 - nothing else is asked for
    sighting: Sighting
    try:
        sighting = await sight_order(settings, letter.request, since_ms=letter.published_ms or 0.0)
    except CommandError as error:
        sighting = LookupFailed(error=refusal("account_refused", detail=str(error)))
    return conclude(letter, sighting, _now_ms(), settings.signal_ttl)


async def _drop(settings: Settings, wanted: Sequence[str], *, as_json: bool) -> None:
    async with _held(settings) as queue:
        for letter in _choose(queue, wanted):
            if as_json:
                write_json(_document(letter) | {"headers": _plain(letter.headers), "body": _body(letter)})
            await queue.remove(letter)
            if not as_json:
                output.print(f"[yellow]dropped[/]  {letter.identity}  {escape(_subject(letter))}")


# --- Words -----------------------------------------------------------------------------------------------------------


def _now_ms() -> float:
    return time.time() * 1000


def _goes(opinion: Opinion, *, force: bool) -> bool:
    return opinion.prospect is Prospect.SAFE or (force and opinion.prospect is Prospect.UNPROVEN)


def _verb(*, goes: bool, dry_run: bool) -> str:
    if dry_run:
        return "[green]would go[/]" if goes else "[yellow]would stay[/]"
    return "[green]replayed[/]" if goes else "[yellow]left[/]"


def _wanted(identities: Sequence[str] | None, *, everything: bool) -> list[str]:
    if bool(identities) == everything:
        stop(Exit.USAGE, "name the letters by their ids, or all of them with --all")
    return list(dict.fromkeys(identities or ()))


def _missing(identities: Sequence[str]) -> str:
    names = ", ".join(identities)
    return f"no dead letter is called {names}; `beeline dead list` shows what there is, unless another command holds it"


def _subject(letter: Letter) -> str:
    """Name the signal of a letter in front of a sentence about it."""
    request = letter.request
    return (
        f"{letter.routing_key or '-'}"
        if isinstance(request, Unanswerable)
        else f"{request.account} {request.signal_id}"
    )


def _document(letter: Letter) -> dict[str, Any]:
    request = None if isinstance(letter.request, Unanswerable) else letter.request
    return {
        "id": letter.identity,
        "reason": letter.reason,
        "routing_key": letter.routing_key,
        "account": request and request.account,
        "signal_id": request and request.signal_id,
        "action": request and request.action,
        "symbol": request and request.symbol_text,
        "published": _instant(letter.published_ms),
        "died": _instant(letter.died_ms),
        "bytes": len(letter.body),
    }


def _instant(epoch_ms: float | None) -> str | None:
    if epoch_ms is None:
        return None
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(epoch_ms / 1000))


def _body(letter: Letter) -> object:
    """The body as JSON if it is some, else as text that shows every byte."""
    try:
        return orjson.loads(letter.body)
    except orjson.JSONDecodeError:
        return letter.body.decode("utf-8", "backslashreplace")


def _plain(headers: object) -> Any:
    """Headers as JSON knows them."""
    return orjson.loads(orjson.dumps(headers, default=str, option=orjson.OPT_NON_STR_KEYS))


def _table(letters: Sequence[Letter]) -> Table:
    table = Table(box=None, header_style="bold dim", pad_edge=False, padding=(0, 2, 0, 0))
    for column in ("id", "published", "routing key", "signal", "reason"):
        table.add_column(column, no_wrap=column in {"id", "published"}, overflow="fold")
    for letter in letters:
        request = letter.request
        known = "[dim]none[/]" if isinstance(request, Unanswerable) else escape(request.signal_id)
        published = (_instant(letter.published_ms) or "[dim]unknown[/]").replace("T", " ")
        key = escape(letter.routing_key) or "[dim]none[/]"
        table.add_row(f"[cyan]{letter.identity}[/]", published, key, known, escape(letter.reason))
    return table
