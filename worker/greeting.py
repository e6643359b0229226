"""What a worker says when it starts: what it works with, and what it will not do and why."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import structlog

from worker.account_book import AccountBook
from worker.accounts import Account
from worker.settings import Settings

LOCAL = frozenset({"127.0.0.1", "localhost", "::1"})

log = structlog.get_logger("beeline.worker")


def greet(settings: Settings, book: AccountBook) -> None:
    """Write it to the log, one line for what there is and one for each thing that is not done."""
    usable = [account for account in book.accounts.values() if account.signer is not None]
    log.info(
        "worker starts",
        worker=settings.worker_id,
        broker=without_password(settings.amqp_url.get_secret_value()),
        namespace=settings.namespace,
        shards=settings.shards,
        accounts=[account.name for account in usable],
        venues=sorted({f"{account.venue} at {account.base_url}" for account in usable}),
        egress=settings.egress,
    )
    for text in refusals(settings, usable):
        log.info("worker will not", what=text)


def refusals(settings: Settings, usable: list[Account]) -> Iterator[str]:
    """What this worker will not do, because of how it is set; refused accounts are told of where they are read."""
    if not usable:
        yield "trade: no account may; configure one in the account file"
    for account in usable:
        if account.symbols is not None:
            symbols = ", ".join(sorted(account.symbols)) or "nothing"
            yield f"trade anything but {symbols} for {account.name}: its symbols are listed"
    if settings.ip_share < 1:
        yield f"use more than {settings.ip_share:.0%} of an IP's request budget: BEELINE_IP_SHARE"
    if settings.http_host in LOCAL:
        yield f"answer HTTP from other machines: BEELINE_HTTP_HOST is {settings.http_host}"


def without_password(url: str) -> str:
    """An AMQP URL as it may be shown: user, host, port and virtual host."""
    parts = urlsplit(url)
    user = f"{parts.username}@" if parts.username else ""
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{user}{parts.hostname}{port}{parts.path}"
