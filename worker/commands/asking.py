"""What commands need to ask a venue by themselves: the account, a gateway to it, and the workers that may know more."""

import socket
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Any, Final
from urllib.parse import urlsplit

import orjson

from adapters.http import Transport
from adapters.model import HttpRequest, Reply
from adapters.venues import discover
from worker.accounts import Account, load_accounts
from worker.clock_sync import SystemClock
from worker.commands.shell import CommandError, Exit
from worker.gateway import Gateway
from worker.settings import Settings

STATUS_TIMEOUT_S: Final = 2.0


def configured(settings: Settings, name: str) -> Account:
    """Find an account that the configuration names, refused or not.

    Raises:
        CommandError: there is none of that name.
    """
    accounts = load_accounts(settings.accounts, discover())
    if name not in accounts:
        there_are = f"; there are {', '.join(accounts)}" if accounts else ""
        raise CommandError(
            Exit.CONFIGURATION, f"no account is called {name} in {settings.accounts}{there_are}"
        )
    return accounts[name]


@asynccontextmanager
async def gateway_to(settings: Settings, account: Account) -> AsyncIterator[Gateway]:
    """Hold a gateway to the venue of a usable account, for one command."""
    transport = Transport(settings.venue_timeout)
    try:
        yield Gateway(
            discover()[account.venue],
            account.base_url,
            transport,
            SystemClock(),
            recv_window_ms=settings.recv_window_ms,
            ip_share=1.0,
        )
    finally:
        await transport.close()


def own_address(base_url: str) -> str | None:
    """The address from which this host goes out to a venue, before any NAT; nothing is sent to find it out."""
    parts = urlsplit(base_url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    with suppress(OSError):
        family, kind, _, _, target = socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind) as probe:
            probe.connect(target)
            return str(probe.getsockname()[0])
    return None


async def accounts_at_workers(urls: Iterable[str]) -> dict[str, list[dict[str, Any]]]:
    """Read what workers tell of their accounts on `/status`, by account; a worker that does not answer is left out."""
    told: dict[str, list[dict[str, Any]]] = {}
    transport = Transport(STATUS_TIMEOUT_S)
    try:
        for url in urls:
            request = HttpRequest(method="GET", url=f"{url.rstrip('/')}/status", headers={})
            answer = await transport.send(request)
            if isinstance(answer, Reply) and answer.status == 200:
                for row in _accounts(answer.body):
                    told.setdefault(str(row.get("name")), []).append(row)
    finally:
        await transport.close()
    return told


def _accounts(body: bytes) -> list[dict[str, Any]]:
    """The accounts of a status; whatever else listens on that port has none."""
    try:
        rows = orjson.loads(body)["accounts"]
        return [row for row in rows if isinstance(row, dict)]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return []
