"""`beeline order`: what became of one signal, asked at the venue; the broker only helps to find its symbol."""

import time
from collections.abc import Iterable
from decimal import Decimal
from typing import Annotated, Any, Final

import orjson
import typer

from adapters.model import Absent, Ambiguous, ExecutionReport, Found, LookupFailed, Sighting
from worker.accounts import Account
from worker.clock_sync import SystemClock
from worker.commands.asking import configured, gateway_to
from worker.commands.client import check_namespace, connected
from worker.commands.options import CONNECTION, examples, takes_settings
from worker.commands.shell import CommandError, Exit, note, output, run, stop, wants_json, write_json
from worker.core.outcome import client_order_id
from worker.core.shards import Names
from worker.core.signals import Signal
from worker.gateway import Gateway
from worker.passage import Sending
from worker.placement import SINCE_SLACK_MS, order_of
from worker.publisher import Publisher
from worker.recall import recall_shard
from worker.settings import Settings
from worker.trade import always, seen

HORIZON_MS: Final = 86_400_000.0
MEMORY_S: Final = 3_600.0
"""How far back the memory streams reach."""

EXAMPLES: Final = examples(
    "beeline order main s-1",
    "beeline order main s-1 --json",
    "beeline order main s-1 --symbol BTC/USDT    # needs no broker",
)


@takes_settings("accounts", "recv_window_ms", "venue_timeout", *CONNECTION, "shards")
def order(
    account: Annotated[str, typer.Argument(help="Name of the account the signal was for.")],
    signal_id: Annotated[str, typer.Argument(help="The signal's id.")],
    *,
    symbol: Annotated[
        list[str] | None,
        typer.Option(
            help="Symbol of the order; may be repeated. Default: the whitelist, else that of its outcome."
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
    settings: Settings,
) -> None:
    """Ask the venue what became of one signal, at any time; nothing is sent that changes anything.

    A venue is asked symbol by symbol. The outcomes of the last hour tell which it is; for an older signal, or one that
    was never answered, name it.

    Exit code 0 when the venue knows the order, 1 when it does not, 5 when it cannot be asked.
    """
    symbol_seen, sighting = run(_ask(settings, account, signal_id, symbol))
    match sighting:
        case Found(report=report):
            _tell(report, as_json=wants_json(asked=json))
        case Ambiguous(candidates=candidates):
            note(f"{candidates} orders could be the one; compare them by hand")
            raise typer.Exit(Exit.FAILED)
        case LookupFailed(error=error):
            stop(Exit.VENUE, f"the venue cannot be asked: {error.code}. {error.hint}")
        case Absent():
            note(f"the venue shows no order of signal {signal_id} on {symbol_seen}")
            raise typer.Exit(Exit.FAILED)


async def _ask(
    settings: Settings, name: str, signal_id: str, symbols: Iterable[str] | None
) -> tuple[str, Sighting]:
    account = _account(settings, name)
    named = symbols or account.symbols or await _symbol_told(settings, account, signal_id)
    wanted = [symbol.replace("/", "").upper() for symbol in named]
    if not wanted:
        raise CommandError(
            Exit.USAGE,
            f"{name} has no whitelist, and no outcome of the last hour is for {signal_id}: name the order's --symbol",
        )
    async with gateway_to(settings, account) as gateway:
        error = await gateway.clock.synchronise()
        if error is not None:
            return ", ".join(wanted), LookupFailed(error=error)
        return ", ".join(wanted), await _first_sighting(gateway, account, signal_id, wanted)


async def sight_order(settings: Settings, signal: Signal, *, since_ms: float) -> Sighting:
    """Ask the venue for the order of a signal that was published at `since_ms`, as a worker would.

    Raises:
        CommandError: the account is not known here, or not usable.
    """
    account = _account(settings, signal.account)
    async with gateway_to(settings, account) as gateway:
        error = await gateway.clock.synchronise()
        if error is not None:
            return LookupFailed(error=error)
        venue_ms = gateway.earliest_venue_ms() + since_ms - SystemClock().wall_ms()
        flow = gateway.adapter.find(
            order_of(signal), venue_order_id=None, since_ms=int(venue_ms - SINCE_SLACK_MS)
        )
        return seen(await gateway.drive(flow, _asking(account), lambda _: None))


def _asking(account: Account) -> Sending:
    return Sending(signer=account.signer, budget=None, may_send=always)


async def _symbol_told(settings: Settings, account: Account, signal_id: str) -> list[str]:
    """Read the symbol of a signal from its outcome, if it was answered while the shard's memory reaches back."""
    names = Names(namespace=settings.namespace, shards=settings.shards)
    publisher = Publisher()
    async with connected(settings, "order") as link:
        await check_namespace(link, names)
        await publisher.attach(link)
        memory = await recall_shard(
            link,
            publisher,
            names,
            names.shard_of(account.name, account.limit_group),
            memory_s=MEMORY_S,
            now_ms=time.time() * 1000,
            wanted=always,
        )
    outcome = memory and memory.recall(account.name, signal_id)
    return [orjson.loads(outcome.body)["symbol"]] if outcome else []


def _account(settings: Settings, name: str) -> Account:
    account = configured(settings, name)
    if account.signer is None:
        raise CommandError(Exit.CONFIGURATION, f"account {name} is refused: {account.refused}")
    return account


async def _first_sighting(gateway: Gateway, account: Account, signal_id: str, symbols: list[str]) -> Sighting:
    """Ask symbol by symbol; the first that is not absent counts."""
    sending = _asking(account)
    identity = client_order_id(account.name, signal_id)
    since_ms = int(gateway.earliest_venue_ms() - HORIZON_MS)
    for symbol in symbols:
        flow = gateway.adapter.find_by_id(symbol, identity, since_ms=since_ms)
        sighting = seen(await gateway.drive(flow, sending, lambda _: None))
        if not isinstance(sighting, Absent):
            return sighting
    return Absent()


def _tell(report: ExecutionReport, *, as_json: bool) -> None:
    document: dict[str, Any] = {
        "client_order_id": report.client_order_id,
        "venue_order_id": report.venue_order_id,
        "symbol": report.symbol,
        "venue_status": report.venue_status,
        "side": report.side,
        "type": report.type,
        "quantity": _text(report.quantity),
        "price": _text(report.price),
        "executed_quantity": _text(report.executed_quantity),
        "average_price": _text(report.average_price),
    }
    if as_json:
        write_json(document)
        return
    width = max(map(len, document))
    for name, value in document.items():
        output.print(f"[dim]{name.replace('_', ' '):{width}}[/]  {'' if value is None else value}")


def _text(number: Decimal | None) -> str | None:
    return None if number is None else f"{number:f}"
