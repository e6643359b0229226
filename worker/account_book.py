"""The accounts in force and the gateways they trade through, followed while the worker runs.

Accounts are loaded again when their files change or on SIGHUP. A file that is broken changes nothing, a bad
account never stops the good ones, and work under way keeps the account it began with.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, date, datetime
from typing import Final

import structlog

from adapters.venues import discover
from worker.accounts import Account, AccountsError, load_accounts
from worker.core.holds import HoldRecord
from worker.core.shards import Names
from worker.gateway import Gateway
from worker.ports import Ports, VenueTransport
from worker.prices import Prices
from worker.settings import Settings

RELOAD_INTERVAL_S: Final = 2.0
REST_S: Final = 0.3
LOOK_SHARE: Final = 0.005
"""The part of the time that may go into looking at files: ten thousand of them are looked at less often."""

log = structlog.get_logger("beeline.accounts")


class AccountBook:
    """Accounts by name, and one gateway for each venue and address in use."""

    def __init__(
        self, settings: Settings, accounts: Mapping[str, Account], ports: Ports, transport: VenueTransport
    ) -> None:
        self._settings, self._ports, self._transport = settings, ports, transport
        self._venues = discover()
        self._gateways: dict[tuple[str, str], Gateway] = {}
        self._prices: dict[Gateway, Prices] = {}
        self._reload = asyncio.Event()
        self._holds: list[HoldRecord] = []
        self.on_hold: Callable[[HoldRecord], None] | None = None
        self.ready_to_ask: Callable[[], Awaitable[None]] = _at_once
        self.on_loaded: Callable[[], None] = _nothing
        self.accounts = accounts

    @property
    def usable(self) -> int:
        """How many accounts may trade."""
        return sum(account.signer is not None for account in self.accounts.values())

    def gateways(self) -> Iterator[Gateway]:
        """Every gateway in use."""
        return iter(self._gateways.values())

    def in_force(self, account: Account) -> Account:
        """The account as it is configured now, if it trades at the same address: its key may have been replaced."""
        current = self.accounts.get(account.name)
        if current is None or current is account or current.signer is None:
            return account
        is_same_place = (current.venue, current.base_url) == (account.venue, account.base_url)
        return current if is_same_place else account

    def gateway_of(self, account: Account) -> Gateway:
        """The gateway an account trades through."""
        return self._gateways[account.venue, account.base_url]

    def prices_of(self, gateway: Gateway) -> Prices:
        """Last prices at a gateway's venue."""
        return self._prices[gateway]

    def shards(self, names: Names) -> list[tuple[str, int]]:
        """Account names with the shard each belongs to."""
        return [
            (account.name, names.shard_of(account.name, account.limit_group))
            for account in self.accounts.values()
        ]

    def open_gateways(self, tasks: asyncio.TaskGroup) -> None:
        """Open a gateway for each venue and address that has none yet, and say what is wrong with accounts."""
        for account in self.accounts.values():
            self._remind(account)
            if account.signer is None:
                log.error(
                    "account refused; its signals are answered account_refused",
                    account=account.name,
                    reason=account.refused,
                )
            elif (account.venue, account.base_url) not in self._gateways:
                self._open(account, tasks)
        self.on_loaded()

    def _remind(self, account: Account) -> None:
        age_days = account.rotation_due_days(self._today())
        if age_days is not None:
            log.warning("the account's key is old; replace it", account=account.name, age_days=age_days)

    def _today(self) -> date:
        return datetime.fromtimestamp(self._ports.clock.wall_ms() / 1000, UTC).date()

    def _open(self, account: Account, tasks: asyncio.TaskGroup) -> None:
        gateway = Gateway(
            self._venues[account.venue],
            account.base_url,
            self._transport,
            self._ports.clock,
            recv_window_ms=self._settings.recv_window_ms,
            recv_window_max_ms=self._settings.recv_window_max_ms,
            ip_share=self._settings.ip_share,
            egress=self._settings.egress,
            on_hold=self.on_hold,
        )
        self._gateways[account.venue, account.base_url] = gateway
        for hold in self._holds:
            gateway.heed(hold)
        self._prices[gateway] = Prices(gateway, self._ports.clock)
        tasks.create_task(self._keep(gateway.clock.run))
        tasks.create_task(self._keep(gateway.keep_rules_fresh))

    async def _keep(self, keep: Callable[[], Awaitable[None]]) -> None:
        """Keep something of a venue fresh, once it is known whether the venue may be asked at all."""
        await self.ready_to_ask()
        await keep()

    def heed(self, record: HoldRecord) -> None:
        """Stay away from a venue because a worker of the pool was told to."""
        now_ms = self._ports.clock.wall_ms()
        self._holds = [hold for hold in [*self._holds, record] if hold.until_ms > now_ms]
        for gateway in self._gateways.values():
            gateway.heed(record)

    def reload(self) -> None:
        """Load the accounts again now."""
        self._reload.set()

    async def follow(self, tasks: asyncio.TaskGroup, bind: Callable[[], Awaitable[None]]) -> None:
        """Load the accounts again whenever their files change; `bind` routes new ones to their shards."""
        seen, today, look_s = self._fingerprint(), self._today(), 0.0
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(max(RELOAD_INTERVAL_S, look_s / LOOK_SHARE)):
                    await self._reload.wait()
            if today != self._today():
                today = self._today()
                for account in self.accounts.values():
                    self._remind(account)
            began_s = self._ports.clock.monotonic()
            now = self._fingerprint()
            look_s = self._ports.clock.monotonic() - began_s
            if now == seen and not self._reload.is_set():
                continue
            # A file that is still being written is read when it has come to rest: half of it may be valid too.
            while not self._reload.is_set() and (now := await self._later_fingerprint()) != seen:
                seen = now
            self._reload.clear()
            try:
                self.accounts = load_accounts(self._settings.accounts, self._venues, earlier=self.accounts)
            except AccountsError as error:
                reason = str(error)
                log.warning("accounts not reloaded, the ones loaded before stay in force", reason=reason)
                continue
            seen = self._fingerprint()
            self.open_gateways(tasks)
            await bind()
            log.info("accounts loaded", accounts=len(self.accounts), usable=self.usable)

    async def _later_fingerprint(self) -> Mapping[str, tuple[int, ...]]:
        await asyncio.sleep(REST_S)
        return self._fingerprint()

    def _fingerprint(self) -> Mapping[str, tuple[int, ...]]:
        """What changes when account files or the key files they name do."""
        path = self._settings.accounts
        files = {*path.glob("*")} if path.is_dir() else {path}
        files |= {file for account in self.accounts.values() for file in account.files}
        marks: dict[str, tuple[int, ...]] = {}
        for file in files:
            with suppress(OSError):
                stat = file.stat()
                marks[str(file)] = (stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size, stat.st_ino)
        return marks


def _nothing() -> None:
    return


async def _at_once() -> None:
    return
