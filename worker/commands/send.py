"""`beeline signal`: publish signals, from options or as JSON lines, and wait for their outcomes if asked to.

Everything is checked by the model that workers read signals with, before it is published, so that a typing mistake
is told at once and by the name of its field.
"""

import asyncio
import secrets
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Annotated, Any, Final

import orjson
import typer

from worker.amqp import AmqpLink
from worker.commands.client import Producer, connected, open_replies, until_lost
from worker.commands.lines import read_lines
from worker.commands.options import CONNECTION, examples, takes_settings
from worker.commands.rendering import block, is_success, row
from worker.commands.shell import CommandError, Exit, errors, note, output, run, stop, wants_json, write_json
from worker.commands.signal_options import read_valid_until, takes_signal_fields
from worker.core.outcome import client_order_id
from worker.core.shards import Names
from worker.core.signals import BadSignal, Unanswerable, read_signal
from worker.settings import Settings

EXAMPLES: Final = examples(
    "beeline signal --account main --symbol BTC/USDT --side buy --type market \\",
    "    --quantity 0.01 --wait",
    "beeline signal --account main --symbol BTCUSDT --side sell --type limit \\",
    "    --quantity 0.01 --price 70000 --valid-until 20s",
    "beeline signal --account main --symbol BTC/USDT --action cancel --cancels s-1",
    "beeline signal --wait --json < signals.jsonl    # a signal a line",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One checked signal; `origin` names it in messages."""

    origin: str
    account: str
    signal_id: str
    body: bytes


class BadRequestError(Exception):
    """A signal that would be refused; the text names its bad fields."""


@takes_settings(*CONNECTION)
@takes_signal_fields
def signal(
    *,
    source: Annotated[
        str | None,
        typer.Argument(metavar="[-]", help="- reads JSON lines from standard input, a signal a line."),
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the outcome and print it.")] = False,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds to wait for an outcome.")] = 60.0,
    json: Annotated[
        bool, typer.Option("--json", help="Write JSON, a line for each; the default on a pipe.")
    ] = False,
    fields: dict[str, Any],
    settings: Settings,
) -> None:
    """Publish one signal from options, or many as JSON lines from standard input.

    It is checked first, and bad fields are named. With --wait the exit code tells how it ended: 0 when it was filled,
    partially filled, is resting, was cancelled or validated, 1 when not.
    """
    if source not in (None, "-"):
        stop(Exit.USAGE, f"unexpected argument {source!r}; options describe a signal, - reads JSON lines")
    if source == "-" and fields:
        stop(Exit.USAGE, "give options or read standard input (-), not both")
    from_stdin = source == "-" or (not fields and not sys.stdin.isatty())
    if not fields and not from_stdin:
        stop(Exit.USAGE, "no signal given: describe it with options, see beeline signal --help")
    sender = Sender(waits=wait, timeout_s=timeout, as_json=wants_json(asked=json), is_batch=from_stdin)
    try:
        requests = _from_lines(sender) if from_stdin else _from_options(fields)
    except BadRequestError as error:
        stop(Exit.USAGE, str(error))
    code = run(_send(settings, sender, requests))
    if code is not Exit.DONE:
        raise typer.Exit(code)


# --- What is to be sent -------------------------------------------------------------------------------------


def check(body: bytes, origin: str) -> Request:
    """Check a signal the way a worker will.

    Raises:
        BadRequestError: it would be refused.
    """
    document = _object(body)
    account = document.get("account")
    key = account if isinstance(account, str) else ""
    match read_signal(body, key):
        case Unanswerable(reason=reason):
            raise BadRequestError(f"{origin}: {reason}")
        case BadSignal(problems=problems):
            raise BadRequestError("\n".join(f"{origin}: {problem}" for problem in problems))
        case good:
            return Request(origin=origin, account=good.account, signal_id=good.signal_id, body=body)


def _object(body: bytes) -> dict[str, Any]:
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return document if isinstance(document, dict) else {}


def _from_options(fields: dict[str, Any]) -> AsyncIterator[Request]:
    fields.setdefault("signal_id", f"cli-{time.time_ns() // 1_000_000:x}-{secrets.token_hex(3)}")
    if "valid_until" in fields:
        fields["valid_until"] = read_valid_until(fields["valid_until"])
    request = check(orjson.dumps(fields), "signal")

    async def once() -> AsyncIterator[Request]:
        yield request

    return once()


async def _from_lines(sender: "Sender") -> AsyncIterator[Request]:
    number = 0
    async for line in read_lines():
        number += 1
        if not line.strip():
            continue
        try:
            yield check(line.strip(), f"line {number}")
        except BadRequestError as error:
            sender.refuse(str(error))


# --- Sending --------------------------------------------------------------------------------------------------


@dataclass(slots=True, kw_only=True)
class Sender:
    """Publishes, counts, and says what happened."""

    waits: bool
    timeout_s: float
    as_json: bool
    is_batch: bool
    published: int = 0
    refused: int = 0
    failures: int = 0
    awaited: Counter[tuple[str, str]] = field(default_factory=Counter)
    settled: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def code(self) -> Exit:
        """How the command ends."""
        if self.refused:
            return Exit.USAGE
        return Exit.FAILED if self.failures or self.awaited else Exit.DONE

    def refuse(self, text: str) -> None:
        """Name a line that was not published; the other lines go on."""
        self.refused += 1
        errors.print(text, style="red", markup=False, soft_wrap=True)

    def sent(self, request: Request) -> None:
        """Say that a signal was published, unless its outcome will say it."""
        self.published += 1
        if self.waits:
            return
        order_id = client_order_id(request.account, request.signal_id)
        if self.as_json:
            write_json(
                {"signal_id": request.signal_id, "account": request.account, "client_order_id": order_id}
            )
        else:
            output.print(
                f"[green]published[/] {request.signal_id}  [dim]for {request.account}, order {order_id}[/]",
                soft_wrap=True,
            )

    def receive(self, outcome: dict[str, Any]) -> None:
        """Take an outcome."""
        key = (outcome["account"], outcome["signal_id"])
        if not self.awaited[key]:
            del self.awaited[key]
            return
        self.awaited[key] -= 1
        if not self.awaited[key]:
            del self.awaited[key]
        self.failures += not is_success(outcome)
        if self.as_json:
            write_json(outcome)
        elif self.is_batch:
            output.print(row(outcome), no_wrap=True, overflow="ellipsis", crop=True)
        else:
            output.print(block(outcome))
        if not self.awaited:
            self.settled.set()


async def _send(settings: Settings, sender: Sender, requests: AsyncIterator[Request]) -> Exit:
    names = Names(namespace=settings.namespace, shards=settings.shards)
    async with connected(settings, "signal") as link:
        producer = await Producer.open(link, names)
        reply_to = await open_replies(link, sender.receive) if sender.waits else None
        async for request in requests:
            if sender.waits:
                sender.awaited[request.account, request.signal_id] += 1
                sender.settled.clear()
            await producer.publish(request.body, request.account, reply_to=reply_to)
            sender.sent(request)
        if sender.is_batch and not sender.published and not sender.refused:
            raise CommandError(Exit.USAGE, "standard input held no signal; see beeline signal --help")
        if sender.awaited:
            await _settle(link, sender)
    return sender.code


async def _settle(link: AmqpLink, sender: Sender) -> None:
    """Wait for the outcomes that are still to come."""
    try:
        async with asyncio.timeout(sender.timeout_s), asyncio.TaskGroup() as tasks:
            loss = tasks.create_task(until_lost(link))
            await sender.settled.wait()
            loss.cancel()
    except TimeoutError:
        missing = [f"{signal_id} ({account})" for account, signal_id in sender.awaited]
        errors.print(
            f"no outcome within {sender.timeout_s:g} s for {', '.join(missing[:10])}",
            style="red",
            markup=False,
        )
        note(
            "The broker has what was published, and it is answered once a worker takes it: is one running? "
            "beeline outcomes shows what comes back. Publishing it again with the same id is safe: it is executed once."
        )
