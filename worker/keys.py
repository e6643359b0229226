"""Which accounts a venue accepts the keys of, followed while signals flow; one account's trouble stops no other.

Each key is asked about when it is loaded, one account after another so that it costs no budget worth speaking of,
and at the latest by the first order placed with it, which waits for the answer only a moment: a venue that is slow
delays one order by that moment and stops none. A key that the venue refuses stops its account, without a request, until
an answer accepts it again: the venue is asked at a growing pace. What is known is known of one key: other credentials
begin anew, and an answer to a request signed with the earlier ones says nothing of them.

A quarantine lives in the worker that learnt of it and is not told to the pool. The next owner of the account finds out
with one request, and nothing that is stale can keep a repaired account stopped. An operator's release is told to all
(`beeline account release`), because it must reach whoever owns the account.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

import structlog

from adapters.errors import Retry, VenueError
from adapters.model import KeyRights
from worker.account_book import AccountBook
from worker.accounts import Account
from worker.clock_sync import Clock
from worker.core.key_standing import (
    Heard,
    Instant,
    KeyState,
    Standing,
    hear,
    is_explained_by_hold,
    judge,
    release,
)
from worker.gateway import Gateway
from worker.passage import Exchange, Sending

PATIENCE_S: Final = 1.0
"""How long the first order of a key waits for what the venue says of it."""
SPACING_S: Final = 0.2

log = structlog.get_logger("beeline.accounts")


@dataclass(slots=True, kw_only=True, eq=False)
class _Key:
    """The key of one account, as it is configured now."""

    account: Account
    gateway: Gateway
    state: KeyState = field(default_factory=KeyState)
    asking: asyncio.Task[None] | None = None
    keeping: asyncio.Task[None] | None = None
    has_waited: bool = False
    released: asyncio.Event = field(default_factory=asyncio.Event)


class Keys:
    """What is known of every account's key."""

    def __init__(self, clock: Clock, book: AccountBook, tasks: asyncio.TaskGroup) -> None:
        self._clock, self._book, self._tasks = clock, book, tasks
        self._keys: dict[str, _Key] = {}
        self._turns: dict[Gateway, asyncio.Lock] = {}

    # --- What signals meet

    def error(self, account: Account) -> VenueError | None:
        """Why nothing is sent for an account now; `None` when nothing is known against its key."""
        key = self._key_of(account)
        return key.state.error if key is not None else None

    async def admit(self, account: Account) -> None:
        """Have the key asked about before its first order, but wait only a moment for the answer."""
        key = self._key_of(account)
        if key is not None and key.state.standing is Standing.UNASKED and not key.has_waited:
            await asyncio.wait([self._asked(key)], timeout=PATIENCE_S)
            key.has_waited = True

    def hear(self, account: Account, error: VenueError, sent_s: float) -> bool:
        """Take in an error on a request signed with an account's key.

        Returns:
            Whether something else than the key in force explains an error of the key: it was signed with credentials
            that have been replaced, or the venue began to turn this IP away meanwhile.
        """
        if not error.entry.quarantines:
            return False
        key = self._key_of(account)
        if key is None:
            return self._book.in_force(account).credentials != account.credentials
        heard = _heard(key, error, sent_s)
        self._become(key, hear(key.state, heard, self._now()))
        return is_explained_by_hold(heard)

    def release(self, name: str, at_ms: float) -> None:
        """End an account's quarantine because an operator says so."""
        key = self._keys.get(name)
        if key is not None:
            self._become(key, release(key.state, at_ms, self._now()), by="an operator")
            key.released.set()

    def states(self) -> dict[str, KeyState]:
        """What is known, by account."""
        return {name: key.state for name, key in self._keys.items()}

    # --- Which keys there are

    def follow(self) -> None:
        """Begin to follow every key that is new since accounts were loaded, and forget those that are gone."""
        for name in list(self._keys):
            if name not in self._book.accounts:
                self._keys.pop(name).released.set()
        for account in self._book.accounts.values():
            if account.signer is not None:
                self._key_of(account)

    def _key_of(self, account: Account) -> _Key | None:
        """The key an account was loaded with; `None` when it is not the one in force any more."""
        key = self._keys.get(account.name)
        if key is not None and key.account is account:
            return key
        current = self._book.accounts.get(account.name)
        if current is None or current.signer is None or current.credentials != account.credentials:
            return None
        if key is not None and key.account.credentials == current.credentials:
            key.account = current
            return key
        return self._begin(current, key)

    def _begin(self, account: Account, earlier: _Key | None) -> _Key:
        if earlier is not None:
            earlier.released.set()
            if earlier.state.error is not None:
                log.info(
                    "account goes on: its signals pass again",
                    account=account.name,
                    decided_by="new credentials",
                )
        key = self._keys[account.name] = _Key(account=account, gateway=self._book.gateway_of(account))
        self._keep_asked(key, after_pause=False)
        return key

    # --- Asking

    def _keep_asked(self, key: _Key, *, after_pause: bool) -> None:
        """Ask about a key until it is accepted or replaced, unless that is being done already."""
        if key.keeping is None or key.keeping.done():
            key.keeping = self._tasks.create_task(self._keep_asking(key, after_pause=after_pause))

    async def _keep_asking(self, key: _Key, *, after_pause: bool) -> None:
        is_due = not after_pause
        while self._keys.get(key.account.name) is key and not key.state.is_settled:
            if is_due:
                async with self._turns.setdefault(key.gateway, asyncio.Lock()):
                    await self._asked(key)
                    await asyncio.sleep(SPACING_S)
            is_due = True
            if not key.state.is_settled:
                key.released.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(key.state.pause_s):
                        await key.released.wait()
        if key.state.is_settled:
            await self._warn_of_unlisted(key)

    def _asked(self, key: _Key) -> asyncio.Task[None]:
        """The question under way about a key, or a new one."""
        if key.asking is None or key.asking.done():
            key.asking = self._tasks.create_task(self._ask(key))
        return key.asking

    async def _ask(self, key: _Key) -> None:
        sent_s = 0.0

        def note(exchange: Exchange) -> None:
            nonlocal sent_s
            sent_s = self._clock.monotonic() - exchange.venue_ms / 1000

        answer = await ask_rights(key.gateway, key.account, on_exchange=note)
        if answer is None or self._keys.get(key.account.name) is not key:
            return
        state = judge(
            key.state,
            _heard(key, answer, sent_s) if isinstance(answer, VenueError) else answer,
            self._now(),
            allow_withdraw=key.account.allow_withdraw_keys,
        )
        self._become(key, state, by="the venue")

    async def _warn_of_unlisted(self, key: _Key) -> None:
        """Say which symbols of a whitelist the venue does not list; signals for them would be refused one by one."""
        for symbol in sorted(key.account.symbols or ()):
            if await key.gateway.symbol_rules(symbol) is None:
                log.warning(
                    "the whitelist names a symbol that the venue does not list",
                    account=key.account.name,
                    symbol=symbol,
                )

    def _become(self, key: _Key, state: KeyState, *, by: str = "") -> None:
        before, key.state = key.state, state
        if before.standing is state.standing:
            return
        if state.standing is Standing.UNASKED:
            key.has_waited = False
        if state.error is not None:
            self._keep_asked(key, after_pause=True)
        _tell(key.account, before, state, by)

    def _now(self) -> Instant:
        return Instant(mono_s=self._clock.monotonic(), wall_ms=self._clock.wall_ms())


def _heard(key: _Key, error: VenueError, sent_s: float) -> Heard:
    return Heard(
        error=error,
        sent_s=sent_s,
        held_until_s=key.gateway.limiter.hold.until_s,
        synchronised_s=key.gateway.clock.offset.synchronised_at_s,
    )


def _tell(account: Account, before: KeyState, state: KeyState, by: str) -> None:
    """Say what became of a key, and what follows from it."""
    if state.error is not None and state.cause is not None:
        log.error(
            "account stopped: nothing is sent for it, its signals are answered with the code",
            account=account.name,
            venue=account.venue,
            code=state.error.code,
            cause=state.cause.code,
            venue_code=state.cause.venue_code,
            what_to_do=state.error.hint,
            asked_again_in_s=state.pause_s,
        )
    elif before.error is not None:
        log.info("account goes on: its signals pass again", account=account.name, decided_by=by)
    elif state.rights is not None:
        rights = state.rights
        log.info(
            "key accepted by the venue",
            account=account.name,
            venue=account.venue,
            can_trade=rights.can_trade,
            can_withdraw=rights.can_withdraw,
            is_ip_restricted=rights.is_ip_restricted,
            unproven=rights.note or None,
        )


async def ask_rights(
    gateway: Gateway,
    account: Account,
    *,
    deadline_ms: float | None = None,
    on_exchange: Callable[[Exchange], None] = lambda _: None,
) -> KeyRights | VenueError | None:
    """Ask what a key may do; an error that a wrong clock can cause counts when it comes again with the clock set."""
    sending = Sending(signer=account.signer, budget=None, may_send=lambda: True, deadline_ms=deadline_ms)
    answer = await gateway.drive(gateway.adapter.key_rights(), sending, on_exchange)
    if isinstance(answer, VenueError) and answer.entry.retry is Retry.AFTER_RESYNC:
        answer = await gateway.drive(gateway.adapter.key_rights(), sending, on_exchange)
    return answer if isinstance(answer, KeyRights | VenueError) else None
