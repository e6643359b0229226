"""`beeline account`: which accounts there are, whether their keys work, and an end to a quarantine."""

import time
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Annotated, Any, Final

import typer
from rich.markup import escape
from rich.table import Table

from adapters.venues import discover
from worker.account_check import Checklist, Fault, Line, Verdict
from worker.accounts import Account, load_accounts, swapped_signer
from worker.clock_sync import SystemClock
from worker.commands.asking import accounts_at_workers, configured, gateway_to, own_address
from worker.commands.holding import control_of
from worker.commands.options import CONNECTION, examples, paragraphs, takes_settings
from worker.commands.shell import Exit, output, run, stop, wants_json, write_json
from worker.core.holds import KeyRelease
from worker.settings import Settings

LIST_EXAMPLES: Final = examples(
    "beeline account list",
    "beeline account list --worker http://10.0.0.7:9464 --worker http://10.0.0.8:9464",
    "beeline account list --accounts /run/secrets/accounts --json",
)
CHECK_EXAMPLES: Final = examples(
    "beeline account check main",
    "beeline account check --all --json | jq -r 'select(.ok | not) | .account, .failed[]'",
)
RELEASE_EXAMPLES: Final = examples(
    "beeline account release main    # after its IP list or its rights were repaired at the venue",
)
MARKS: Final = {
    Verdict.PASSED: "[green]✓[/]",
    Verdict.WARNING: "[yellow]![/]",
    Verdict.UNPROVEN: "[cyan]?[/]",
    Verdict.FAILED: "[bold red]✗[/]",
    Verdict.SKIPPED: "[dim]-[/]",
}
URGENCY: Final = (Exit.CONFIGURATION, Exit.FAILED, Exit.VENUE)
"""With several failures the exit code is the first of these that applies."""

account_app = typer.Typer(
    name="account",
    help="Look at the configured accounts, check their keys, end a quarantine.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)


# --- check ----------------------------------------------------------------------------------------------------


@takes_settings("accounts", "recv_window_ms", "venue_timeout")
def account_check(
    *,
    name: Annotated[str | None, typer.Argument(help="Name of the account.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Check every account.")] = False,
    try_swapped: Annotated[
        bool,
        typer.Option(
            "--try-swapped",
            help="If the venue refuses the key, ask once with key and secret exchanged. "
            "This sends what stands in secret_key as the key.",
        ),
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Write JSON, one account a line.")] = False,
    settings: Settings,
) -> None:
    """Check an account from its files to a test order, before any money moves. Nothing is placed.

    Each line passed (✓), is worth a thought (!), cannot be proven at this venue (?), failed (✗) or was skipped
    because of what failed above it (-).

    Exit code 0 when nothing failed; 3 when files, the text of a key or the whitelist are wrong; 1 when the venue
    refuses the key, when it may do too much or too little, or when the clock is off by more than a second; 5 when
    the venue cannot be reached or does not answer. With several failures it is the first of 3, 1 and 5.
    """
    if (name is None) == (not everything):
        stop(Exit.USAGE, "name one account, or give --all")
    failures: set[Exit] = set()
    for account in _chosen(settings, name):
        lines = run(_check(settings, account, try_swapped=try_swapped))
        failures |= {_exit_code(line.fault) for line in lines if line.fault is not None}
        if wants_json(asked=json):
            write_json(_check_document(account, lines))
        else:
            _show(account, lines)
    for code in URGENCY:
        if code in failures:
            raise typer.Exit(code)


def _chosen(settings: Settings, name: str | None) -> list[Account]:
    async def choose() -> list[Account]:
        if name is not None:
            return [configured(settings, name)]
        return list(load_accounts(settings.accounts, discover()).values())

    return run(choose())


async def _check(settings: Settings, account: Account, *, try_swapped: bool) -> list[Line]:
    now_ms = SystemClock.wall_ms
    address = own_address(account.base_url)
    if account.signer is None:
        return await Checklist(account, None, now_ms=now_ms, own_address=address).run()
    swapped = swapped_signer(account, discover()) if try_swapped else None
    async with gateway_to(settings, account) as gateway:
        checklist = Checklist(account, gateway, now_ms=now_ms, own_address=address, swapped=swapped)
        return await checklist.run()


def _exit_code(fault: Fault) -> Exit:
    match fault:
        case Fault.CONFIGURATION:
            return Exit.CONFIGURATION
        case Fault.VENUE:
            return Exit.VENUE
        case Fault.KEY | Fault.HOST:
            return Exit.FAILED


def _check_document(account: Account, lines: list[Line]) -> dict[str, Any]:
    failed = [line for line in lines if line.verdict is Verdict.FAILED]
    return {
        "account": account.name,
        "venue": account.venue,
        "ok": not failed,
        "failed": [line.name for line in failed],
        "lines": [
            {
                "name": line.name,
                "verdict": line.verdict,
                "text": line.text,
                "advice": line.advice or None,
                "fault": line.fault,
            }
            for line in lines
        ],
    }


def _show(account: Account, lines: list[Line]) -> None:
    output.print(
        f"[bold]{escape(account.name)}[/] [dim]{escape(account.venue)} {escape(account.base_url)}[/]"
    )
    table = Table.grid(padding=(0, 1))
    table.add_column(width=2, justify="right")
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    for line in lines:
        advice = f"\n[yellow]{escape(line.advice)}[/]" if line.advice else ""
        table.add_row(MARKS[line.verdict], line.name, f"{escape(line.text)}{advice}")
    output.print(table)


# --- list -----------------------------------------------------------------------------------------------------


@takes_settings("accounts", "http_host", "http_port")
def account_list(
    *,
    worker: Annotated[
        list[str] | None,
        typer.Option(help="URL of a worker's status; may be repeated. Default: the one on this host."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Write JSON, one account a line.")] = False,
    settings: Settings,
) -> None:
    """List the accounts with whitelist, age of the key, state and used order budget; no key is ever shown.

    Quarantine and budget are known to the worker that serves the account, and are asked of it; without a worker
    they stay empty. A refused account is listed with the reason. It never stops the others; its signals are
    answered account_refused.
    """
    urls = worker or [f"http://{settings.http_host}:{settings.http_port}"]
    accounts, told = run(_gather(settings, urls))
    rows = [_row(account, told.get(account.name, [])) for account in accounts]
    if wants_json(asked=json):
        for row in rows:
            write_json(row)
        return
    output.print(_table(rows))
    for remark in _remarks(rows):
        output.print(remark, soft_wrap=True)


async def _gather(
    settings: Settings, urls: list[str]
) -> tuple[list[Account], dict[str, list[dict[str, Any]]]]:
    accounts = list(load_accounts(settings.accounts, discover()).values())
    return accounts, await accounts_at_workers(urls)


def _row(account: Account, told: list[dict[str, Any]]) -> dict[str, Any]:
    """What is known of an account: from its file, and from the workers that were asked."""
    today = datetime.now(UTC).date()
    quarantined = next((row["quarantined"] for row in told if row.get("quarantined")), None)
    refused = account.refused or next((row["refused"] for row in told if row.get("refused")), None)
    state = "refused" if refused else "quarantined" if quarantined else "usable"
    return {
        "name": account.name,
        "venue": account.venue,
        "label": account.label,
        "symbols": None if account.symbols is None else sorted(account.symbols),
        "limit_group": account.limit_group,
        "created": account.created,
        "key_age_days": _age_days(account, today),
        "rotation_due": account.rotation_due_days(today) is not None,
        "state": state,
        "reason": refused or quarantined,
        "key": next((row["key"]["standing"] for row in told if "key" in row), None),
        "budgets": _most_used(told),
    }


def _age_days(account: Account, today: date) -> int | None:
    return None if account.created is None else (today - account.created).days


def _most_used(told: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The order budget as the worker counts it that serves the account; the others know nothing of it."""
    counted = [row.get("budgets", []) for row in told]
    return max(counted, key=lambda budgets: sum(budget["used"] for budget in budgets), default=[])


def _table(rows: list[dict[str, Any]]) -> Table:
    table = Table(box=None, header_style="bold dim", pad_edge=False, padding=(0, 2, 0, 0))
    for column in ("account", "venue", "label", "symbols", "key age", "orders used", "state"):
        table.add_column(column)
    for row in rows:
        symbols = "all" if row["symbols"] is None else " ".join(row["symbols"]) or "none"
        budgets = ", ".join(
            f"{budget['used']}/{budget['limit']} in {budget['interval_s']} s" for budget in row["budgets"]
        )
        age = "-" if row["key_age_days"] is None else f"{row['key_age_days']} d"
        table.add_row(
            f"[bold]{escape(row['name'])}[/]",
            escape(row["venue"]),
            escape(row["label"]),
            escape(symbols),
            age,
            budgets or "-",
            f"[{'green' if row['state'] == 'usable' else 'red'}]{row['state']}[/]",
        )
    return table


def _remarks(rows: list[dict[str, Any]]) -> Iterator[str]:
    """What has to be done, a line for each account that needs it."""
    for row in rows:
        if row["reason"] is not None:
            yield f"[bold]{escape(row['name'])}[/] [red]{row['state']}[/]: {escape(row['reason'])}"
        elif row["rotation_due"]:
            yield f"[bold]{escape(row['name'])}[/]: its key is {row['key_age_days']} days old, rotate it"


# --- release --------------------------------------------------------------------------------------------------


@takes_settings(*CONNECTION)
def account_release(
    *,
    name: Annotated[str, typer.Argument(help="Name of the account.")],
    settings: Settings,
) -> None:
    """End an account's quarantine in the whole pool; if the venue still refuses its key, it begins again.

    A quarantine also ends by itself, when the credentials change or when the venue, which is asked at a growing
    pace, accepts the key again.
    """
    run(_release(settings, KeyRelease(account=name, at_ms=time.time() * 1000)))
    output.print(f"[green]released[/] {escape(name)}, in every worker that follows this namespace")


async def _release(settings: Settings, record: KeyRelease) -> None:
    async with control_of(settings) as control:
        await control.announce_key_release(record)


for command, name, its_examples in (
    (account_list, "list", LIST_EXAMPLES),
    (account_check, "check", CHECK_EXAMPLES),
    (account_release, "release", RELEASE_EXAMPLES),
):
    account_app.command(name, help=paragraphs(command), epilog=its_examples)(command)
