"""`beeline explain`: what an error means, whether the order landed, who has to act, and what Beeline does about it."""

from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Final, NoReturn

import typer
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from adapters.error_tables.catalogue import TABLES
from adapters.error_tables.explanation import SUGGESTIONS, WORKER, Meaning, find, meanings, similar
from adapters.errors import ErrorEntry, Landed, Retry, Scope
from adapters.venues import discover
from worker.commands.options import examples
from worker.commands.shell import Exit, errors, note, output, stop, wants_json, write_json

EXAMPLES: Final = examples(
    "beeline explain -1022",
    'beeline explain "Filter failure: LOT_SIZE"',
    "beeline explain 429 --venue bitrue",
    "beeline explain signal_expired                    # what Beeline says itself",
    """beeline explain '{"code":-2010,"msg":"Market is closed."}'""",
    "beeline explain --all --json | jq -r .code",
)
NOT_TRADED: Final = " (not traded by Beeline)"
IN_FULL: Final = 6
"""So many meanings are shown in full; more of them as a list."""

LANDED_STYLES: Final = {Landed.YES: "green", Landed.NO: "green", Landed.UNKNOWN: "bold yellow"}
LANDED_WORDS: Final = {
    Landed.YES: "yes",
    Landed.NO: "no, nothing reached the book",
    Landed.UNKNOWN: "unknown until the venue was asked",
}


def explain(
    *,
    query: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="CODE",
            help="A venue's number, an HTTP status, a code of an outcome, a venue's text, or the JSON it answered.",
        ),
    ] = None,
    venue: Annotated[str | None, typer.Option(help="Only what this venue can say.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="List every error there is.")] = False,
    json: Annotated[
        bool, typer.Option("--json", help="Write JSON, one meaning a line; the default on a pipe.")
    ] = False,
) -> None:
    """Explain an error: whether the order landed, who has to act, what to do, and what Beeline does about it.

    The same tables decide what Beeline does. Exit code 1 when nothing is known under that name; what comes close is
    suggested then.
    """
    wanted = " ".join(query or ())
    if bool(wanted) == everything:
        stop(Exit.USAGE, "name an error, for instance: beeline explain -1022; or list them with --all")
    if wanted.startswith("--"):
        stop(Exit.USAGE, f"there is no option {wanted.split()[0]}; see beeline explain --help")
    known = meanings(_tables(venue))
    found = known if everything else find(wanted, known)
    if not found:
        elsewhere = find(wanted, meanings(_tables(None))) if venue else []
        _give_up(wanted, venue, elsewhere, similar(wanted, known))
    if wants_json(asked=json):
        for meaning in found:
            write_json(_document(meaning))
    elif everything or len(found) > IN_FULL:
        output.print(_overview(found))
        note("a number, or --venue, shows one of them in full")
    else:
        output.print(Group(*_blocks(found)))


def _tables(venue: str | None) -> dict[str, Any]:
    """Error tables by venue; those of no venue under their own title."""
    venues = discover()
    if venue is not None and venue not in venues:
        stop(Exit.USAGE, f"no venue is called {venue!r}; there are {', '.join(sorted(venues))}")
    tables = {name: adapter.error_table for name, adapter in sorted(venues.items()) if venue in (None, name)}
    used = [adapter.error_table for adapter in venues.values()]
    others = [table for table in TABLES if venue is None and table not in used]
    return tables | {f"{table.title}{NOT_TRADED}": table for table in others}


def _give_up(
    wanted: str, venue: str | None, elsewhere: Sequence[Meaning], similar_ones: Sequence[Meaning]
) -> NoReturn:
    at = f" at {venue}" if venue else ""
    errors.print(f"[bold red]beeline:[/] no error is known as [bold]{escape(wanted)}[/]{at}", soft_wrap=True)
    close = elsewhere[:SUGGESTIONS] or similar_ones
    if close:
        errors.print("It is known elsewhere:" if elsewhere else "Did you mean:")
        width = max(len(meaning.entry.code) for meaning in close)
        for meaning in close:
            name = "" if meaning.name == meaning.entry.code else meaning.name
            says = escape(
                f"{', '.join(meaning.where)}: {meaning.says or ''}" if elsewhere else meaning.says or ""
            )
            line = f"  [bold]{meaning.entry.code:{width}}[/]  [cyan]{name:>6}[/]  [dim]{says}[/]"
            errors.print(line, no_wrap=True, overflow="ellipsis")
    else:
        errors.print("[dim]beeline explain --all lists everything.[/]")
    raise typer.Exit(Exit.FAILED)


# --- What Beeline does -----------------------------------------------------------------------------------------------


def reaction(entry: ErrorEntry, *, is_own: bool) -> str:
    """Say what Beeline does about an error."""
    if is_own and entry.landed is Landed.NO:
        return f"sent nothing and answered the signal at once{_later(entry)}"
    if entry.landed is Landed.UNKNOWN:
        if is_own:
            return "answered `unknown`, goes on asking the venue, and corrects the outcome when it knows"
        return "asks the venue for the order, and sends nothing again before its absence is proven"
    again = "asks the venue's time and signs once more; if it comes again, it rejects"
    match entry.retry:
        case Retry.AFTER_RESYNC:
            return f"{again} and quarantines the account" if entry.quarantines else again
        case Retry.AFTER_HOLD if entry.scope is Scope.ACCOUNT:
            return "keeps this exchange account's orders back as long as the venue says, then sends what is still valid"
        case Retry.AFTER_HOLD:
            return "stays away with the whole pool as long as the venue says, then sends what is still valid"
        case Retry.AFTER_BACKOFF if entry.scope is Scope.VENUE:
            return "sends again with a growing pause while the signal is valid"
        case _:
            ban = ", and quarantines the account until its key is changed or accepted again"
            return f"rejects the signal at once{ban if entry.quarantines else _later(entry)}"


def _later(entry: ErrorEntry) -> str:
    return "; a new signal may pass later" if entry.retryable else "; the same signal would be refused again"


# --- How it looks ----------------------------------------------------------------------------------------------------


def _document(meaning: Meaning) -> dict[str, Any]:
    entry = meaning.entry
    return {
        "code": entry.code,
        "venue_codes": list(meaning.numbers),
        "http_status": entry.http_status,
        "says": entry.says,
        "where": list(meaning.where),
        "landed": entry.landed,
        "retry": entry.retry,
        "retryable": entry.retryable,
        "scope": entry.scope,
        "owner": entry.owner,
        "quarantines": entry.quarantines,
        "hint": entry.hint,
        "reaction": reaction(entry, is_own=WORKER in meaning.where),
    }


def _blocks(found: Iterable[Meaning]) -> Iterable[RenderableType]:
    for index, meaning in enumerate(found):
        if index:
            yield Text()
        yield from _block(meaning)


def _block(meaning: Meaning) -> Iterable[RenderableType]:
    entry = meaning.entry
    title = Text()
    if meaning.numbers:
        title.append(", ".join(map(str, meaning.numbers)), "bold cyan").append("  ")
    if entry.http_status is not None:
        title.append(f"HTTP {entry.http_status}", "bold cyan").append("  ")
    title.append(entry.code, "bold")
    yield title
    if meaning.says:
        yield Padding(Text(f"“{meaning.says}”", style="italic"), (0, 0, 0, 2))
    table = Table.grid(padding=(0, 2), expand=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold", max_width=100)
    table.add_row("  said by", Text(", ".join(meaning.where)))
    table.add_row("  what to do", Text(entry.hint, style="bold"))
    table.add_row("  who acts", Text(entry.owner))
    table.add_row("  landed", Text(LANDED_WORDS[entry.landed], style=LANDED_STYLES[entry.landed]))
    table.add_row("  reaches", Text(_reach(entry)))
    table.add_row("  Beeline", Text(reaction(entry, is_own=WORKER in meaning.where)))
    yield table


def _reach(entry: ErrorEntry) -> str:
    """Say what else the error concerns."""
    return {
        Scope.ORDER: "this signal alone",
        Scope.SYMBOL: "every order of this symbol and account",
        Scope.ACCOUNT: "every order of this account",
        Scope.IP: "everything that leaves from this IP address",
        Scope.VENUE: "every order at this venue",
        Scope.WORKER: "this worker",
    }[entry.scope]


def _overview(known: Iterable[Meaning]) -> Table:
    table = Table(box=None, header_style="bold dim", pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("number", style="cyan", no_wrap=True, justify="right")
    table.add_column("code", overflow="fold", max_width=28)
    table.add_column("landed", no_wrap=True)
    table.add_column("what to do", overflow="fold")
    place: tuple[str, ...] = ()
    for meaning in known:
        if meaning.where != place:
            place = meaning.where
            table.add_section()
            table.add_row("", Text(", ".join(place), style="bold underline"), "", "")
        entry = meaning.entry
        number = _number(meaning)
        table.add_row(number, entry.code, Text(entry.landed, LANDED_STYLES[entry.landed]), entry.hint)
    return table


def _number(meaning: Meaning) -> str:
    if meaning.numbers:
        more = f" +{len(meaning.numbers) - 1}" if len(meaning.numbers) > 1 else ""
        return f"{meaning.numbers[0]}{more}"
    return "" if meaning.entry.http_status is None else str(meaning.entry.http_status)
