"""`beeline schema` and `beeline account list`: what can be looked up without a broker."""

from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Annotated, Any, Final

import typer
from rich.markup import escape
from rich.table import Table

from adapters.venues import discover
from worker.accounts import Account, AccountsError, load_accounts
from worker.commands.options import examples, paragraphs, takes_settings
from worker.commands.schemas import outcome_schema, signal_schema
from worker.commands.shell import Exit, output, stop, wants_json, write_json
from worker.settings import Settings

SCHEMA_EXAMPLES: Final = examples(
    "beeline schema                          # of the signals that producers publish",
    "beeline schema outcome > outcome.schema.json",
)
ACCOUNT_EXAMPLES: Final = examples(
    "beeline account list",
    "beeline account list --accounts /run/secrets/accounts --json",
)

account_app = typer.Typer(
    name="account", help="Look at the configured accounts.", no_args_is_help=True, rich_markup_mode="rich"
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


@takes_settings("accounts")
def account_list(
    *,
    json: Annotated[bool, typer.Option("--json", help="Write JSON, one account a line.")] = False,
    settings: Settings,
) -> None:
    """List the accounts with their venue, whitelist and state; no key is ever shown.

    A refused account is listed with the reason. It never stops the others; its signals are answered account_refused.
    """
    try:
        accounts = list(load_accounts(settings.accounts, discover()).values())
    except AccountsError as error:
        stop(Exit.CONFIGURATION, str(error))
    if wants_json(asked=json):
        for account in accounts:
            write_json(_document(account))
        return
    output.print(_table(accounts, datetime.now(UTC).date()))


account_app.command("list", help=paragraphs(account_list), epilog=ACCOUNT_EXAMPLES)(account_list)


def _document(account: Account) -> dict[str, Any]:
    return {
        "name": account.name,
        "venue": account.venue,
        "label": account.label,
        "symbols": None if account.symbols is None else sorted(account.symbols),
        "limit_group": account.limit_group,
        "created": account.created,
        "state": "refused" if account.signer is None else "usable",
        "reason": account.refused,
    }


def _table(accounts: list[Account], today: date) -> Table:
    table = Table(box=None, header_style="bold dim", pad_edge=False, padding=(0, 2, 0, 0))
    for column in ("account", "venue", "label", "symbols", "state"):
        table.add_column(column)
    for account in accounts:
        symbols = "all" if account.symbols is None else " ".join(sorted(account.symbols)) or "none"
        table.add_row(
            f"[bold]{escape(account.name)}[/]",
            escape(account.venue),
            escape(account.label),
            escape(symbols),
            _state(account, today),
        )
    return table


def _state(account: Account, today: date) -> str:
    if account.signer is None:
        return f"[red]refused[/]: {escape(account.refused or '')}"
    age_days = account.rotation_due_days(today)
    if age_days is not None:
        return f"[yellow]usable[/], but its key is {age_days} days old: rotate it"
    return "[green]usable[/]"
