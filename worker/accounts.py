"""Accounts: the keys that signals may trade with, read from TOML files and reloaded while the worker runs.

A bad account never stops the good ones: it is kept with the reason it was refused, so that its signals are
answered with it. Secrets live inside signers and are never shown: an `Account` prints its name and venue
only.
"""

import os
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Final

import structlog

from adapters.base import Adapter
from adapters.signing import Signer, UnusableKeyError, make_signer

_FIELDS: Final = frozenset(
    {
        "venue",
        "api_key",
        "api_key_file",
        "secret_key",
        "secret_key_file",
        "label",
        "symbols",
        "base_url",
        "limit_group",
        "created",
        "allow_withdraw_keys",
    }
)
_NAME_CHARACTERS: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")

log = structlog.get_logger("beeline.accounts")


class AccountsError(Exception):
    """The account file or folder cannot be used at all."""


class _RefusedError(Exception):
    """One account cannot be used; the text says why and what to do, without showing a key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One exchange account. `signer` is `None` exactly when the account was refused, for the reason in `refused`."""

    name: str
    venue: str
    base_url: str
    label: str = ""
    limit_group: str | None = None
    symbols: frozenset[str] | None = None
    created: date | None = None
    allow_withdraw_keys: bool = False
    signer: Signer | None = field(default=None, repr=False)
    refused: str | None = None

    def allows(self, symbol: str) -> bool:
        """Whether the whitelist lets a venue symbol (`BTCUSDT`) trade."""
        return self.symbols is None or symbol in self.symbols


def load_accounts(path: Path, venues: Mapping[str, Adapter]) -> dict[str, Account]:
    """Read an account file, or every `*.toml` of a folder in the order of names; there, a bad file is passed over.

    Raises:
        AccountsError: the path does not exist, cannot be read, or is not TOML.
    """
    if not path.exists():
        raise AccountsError(f"{path} does not exist; name an account file or folder with BEELINE_ACCOUNTS")
    files = sorted(path.glob("*.toml")) if path.is_dir() else [path]
    accounts: dict[str, Account] = {}
    keys: dict[str, str] = {}
    for file in files:
        try:
            entries = _read_toml(file)
        except AccountsError as error:
            if not path.is_dir():
                raise
            log.warning(
                "account file passed over; its accounts are unknown", file=file.name, reason=str(error)
            )
            continue
        for name, entry in entries.items():
            account = _load_account(name, entry, file, venues)
            if name in accounts:
                account = _refuse(account, f"{name} is configured twice; remove it from {file.name}")
            accounts[name] = _refuse_known_key(account, keys)
    return accounts


def _read_toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise AccountsError(f"{file} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        reason = str(error) if isinstance(error, tomllib.TOMLDecodeError) else "it is not UTF-8 text"
        raise AccountsError(f"{file} is not valid TOML: {reason}") from None


def _load_account(name: str, entry: Any, file: Path, venues: Mapping[str, Adapter]) -> Account:
    entry = entry if isinstance(entry, dict) else {}
    venue = entry.get("venue")
    adapter = venues.get(venue) if isinstance(venue, str) else None
    base_url = entry.get("base_url") or (adapter.base_url if adapter else "")
    account = Account(name=name, venue=str(venue), base_url=str(base_url).rstrip("/"))
    try:
        return _checked(account, entry, file, venues)
    except (_RefusedError, UnusableKeyError) as error:
        return _refuse(account, str(error))


def _checked(account: Account, entry: dict[str, Any], file: Path, venues: Mapping[str, Adapter]) -> Account:
    name = account.name
    if not 1 <= len(name) <= 64 or not set(name) <= _NAME_CHARACTERS:
        raise _RefusedError("the account's name must have 1 to 64 of A-Z a-z 0-9 _ -")
    unknown = sorted(entry.keys() - _FIELDS)
    if unknown:
        raise _RefusedError(f"unknown field {', '.join(unknown)}")
    if account.venue not in venues:
        raise _RefusedError(f"venue must be one of {', '.join(sorted(venues))}")
    if not account.base_url.startswith(("http://", "https://")):
        raise _RefusedError("base_url must start with https:// (or http:// for a sandbox)")
    api_key, secret = _secret(entry, "api_key", file), _secret(entry, "secret_key", file)
    return Account(
        name=name,
        venue=account.venue,
        base_url=account.base_url,
        label=_typed(entry, "label", str, default=""),
        limit_group=_typed(entry, "limit_group", str),
        symbols=_whitelist(entry),
        created=_typed(entry, "created", date),
        allow_withdraw_keys=_typed(entry, "allow_withdraw_keys", bool, default=False),
        signer=make_signer(api_key, secret),
    )


def _typed(entry: dict[str, Any], name: str, kind: type, *, default: Any = None) -> Any:
    value = entry.get(name, default)
    if name in entry and not isinstance(value, kind):
        raise _RefusedError(f"{name} must be a {kind.__name__}")
    return value


def _whitelist(entry: dict[str, Any]) -> frozenset[str] | None:
    symbols = entry.get("symbols")
    if symbols is None:
        return None
    if not isinstance(symbols, list) or not all(isinstance(symbol, str) for symbol in symbols):
        raise _RefusedError('symbols must be a list of texts such as ["BTC/USDT"]')
    return frozenset(symbol.replace("/", "").upper() for symbol in symbols)


def _secret(entry: dict[str, Any], name: str, file: Path) -> str:
    """Read a key from its field or from the file its `…_file` field names, and refuse what cannot be one."""
    source = entry.get(f"{name}_file")
    if (source is None) == (entry.get(name) is None):
        raise _RefusedError(f"exactly one of {name} and {name}_file is required")
    if source is None:
        _refuse_open_file(file)
        value = entry[name]
    else:
        path = file.parent / str(source)
        _refuse_open_file(path)
        try:
            value = path.read_text(encoding="utf-8").removesuffix("\n").removesuffix("\r")
        except (OSError, UnicodeDecodeError):
            raise _RefusedError(f"the file that {name}_file names cannot be read") from None
    if not isinstance(value, str) or not value:
        raise _RefusedError(f"{name} must be a text")
    if not value.startswith("-----BEGIN ") and not all("!" <= character <= "~" for character in value):
        raise _RefusedError(
            f"{name} contains white space or characters that cannot be printed; paste it again"
        )
    return value


def _refuse_open_file(path: Path) -> None:
    try:
        mode = path.stat().st_mode
    except OSError:
        return
    if os.name == "posix" and mode & stat.S_IROTH:
        raise _RefusedError(f"{path.name} holds secrets that others may read; run: chmod o-rwx {path.name}")


def _refuse(account: Account, reason: str) -> Account:
    return Account(name=account.name, venue=account.venue, base_url=account.base_url, refused=reason)


def _refuse_known_key(account: Account, keys: dict[str, str]) -> Account:
    if account.signer is None:
        return account
    first = keys.setdefault(account.signer.api_key, account.name)
    if first != account.name:
        return _refuse(
            account, f"its api_key is already used by {first}; every account needs a key of its own"
        )
    return account
