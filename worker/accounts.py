"""Accounts: the keys that signals may trade with, read from TOML files and reloaded while the worker runs.

A bad account never stops the good ones: it is kept with the reason it was refused, so that its signals are
answered with it. Secrets live inside signers and are never shown: an `Account` prints its name and venue
only.
"""

import hashlib
import os
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any, Final

import structlog

from adapters.base import Adapter
from adapters.model import KeyForm
from adapters.signing import Signer, UnusableKeyError, make_signer
from worker.key_text import is_pem, key_problem, pair_problem, secret_problem

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
        "check_balance",
    }
)
ROTATE_AFTER_DAYS: Final = 90
"""A key that is older is asked to be replaced."""

_NAME_CHARACTERS: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")

log = structlog.get_logger("beeline.accounts")


class AccountsError(Exception):
    """The account file or folder cannot be used at all."""


class _RefusedError(Exception):
    """One account cannot be used; the text says why and what to do, without showing a key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One exchange account. `signer` is `None` exactly when the account was refused, for the reason in `refused`.

    `credentials` is the same for the same key at the same address under the same policy, and tells nothing of it.
    `files` are what the account was read from, its own file first.
    """

    name: str
    venue: str
    base_url: str
    label: str = ""
    limit_group: str | None = None
    symbols: frozenset[str] | None = None
    created: date | None = None
    allow_withdraw_keys: bool = False
    check_balance: bool = False
    signer: Signer | None = field(default=None, repr=False)
    credentials: str = field(default="", repr=False)
    files: tuple[Path, ...] = field(default=(), repr=False)
    refused: str | None = None

    def allows(self, symbol: str) -> bool:
        """Whether the whitelist lets a venue symbol (`BTCUSDT`) trade."""
        return self.symbols is None or symbol in self.symbols

    def rotation_due_days(self, today: date) -> int | None:
        """The age of the key in days when that is too old; `None` when it is not, or not known."""
        age_days = (today - self.created).days if self.created else 0
        return age_days if age_days > ROTATE_AFTER_DAYS else None


def load_accounts(
    path: Path, venues: Mapping[str, Adapter], *, earlier: Mapping[str, Account] | None = None
) -> dict[str, Account]:
    """Read an account file, or every `*.toml` of a folder in the order of names; there, a bad file is passed over.

    Args:
        path: the file or folder.
        venues: the adapters by venue.
        earlier: the accounts in force; those of a bad file of a folder stay as they are.

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
            kept = {name: account for name, account in (earlier or {}).items() if file in account.files[:1]}
            log.warning(
                "account file passed over; its accounts stay as they were loaded, or are unknown",
                file=file.name,
                accounts_kept=sorted(kept),
                reason=str(error),
            )
            accounts |= kept
            continue
        for name, entry in entries.items():
            account = _load_account(name, entry, file, venues)
            if name in accounts:
                account = _refuse(account, f"{name} is configured twice; remove it from {file.name}")
            accounts[name] = _refuse_known_key(account, keys)
    return accounts


def _read_toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8-sig"))
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
    sources = (entry.get("api_key_file"), entry.get("secret_key_file"))
    account = Account(
        name=name,
        venue=str(venue),
        base_url=str(base_url).rstrip("/"),
        files=(file, *(file.parent / source for source in sources if isinstance(source, str))),
    )
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
    allow_withdraw_keys: bool = _typed(entry, "allow_withdraw_keys", bool, default=False)
    api_key, secret = _key_pair(entry, file, venues[account.venue].key_form)
    identity = (account.venue, account.base_url, api_key, secret, str(allow_withdraw_keys))
    return replace(
        account,
        label=_typed(entry, "label", str, default=""),
        limit_group=_typed(entry, "limit_group", str),
        symbols=_whitelist(entry),
        created=_typed(entry, "created", date),
        allow_withdraw_keys=allow_withdraw_keys,
        check_balance=_check_balance(entry, venues[account.venue]),
        signer=make_signer(api_key, secret),
        credentials=hashlib.blake2b("\n".join(identity).encode(), digest_size=16).hexdigest(),
    )


def _check_balance(entry: dict[str, Any], venue: Adapter) -> bool:
    wanted: bool = _typed(entry, "check_balance", bool, default=False)
    if wanted and not venue.spends_balances:
        raise _RefusedError(
            f"check_balance cannot be had on {venue.name}: margin depends on positions and leverage, which the venue"
            " judges; leave it out"
        )
    return wanted


def _key_pair(entry: dict[str, Any], file: Path, form: KeyForm) -> tuple[str, str]:
    api_key, secret = _secret(entry, "api_key", file), _secret(entry, "secret_key", file)
    problem = pair_problem(api_key, secret, form)
    problem = problem or key_problem(_origin(entry, "api_key"), api_key, form.api_key_length)
    problem = problem or secret_problem(_origin(entry, "secret_key"), secret, form)
    if problem is not None:
        raise _RefusedError(problem)
    return api_key, secret


def swapped_signer(account: Account, venues: Mapping[str, Adapter]) -> Signer | None:
    """Sign with key and secret of an account exchanged, to find out whether they are; `None` for a private key."""
    file = account.files[0]
    pair = _key_pair(_read_toml(file)[account.name], file, venues[account.venue].key_form)
    return None if is_pem(pair[1]) else make_signer(pair[1], pair[0])


def _origin(entry: dict[str, Any], name: str) -> str:
    """Where a key stands, as a problem names it."""
    return f"{name} (in {entry[f'{name}_file']})" if f"{name}_file" in entry else name


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
    """Read a key from its field, or from the file its `…_file` field names without the line end it closes with."""
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
        except OSError as error:
            raise _RefusedError(
                f"{source}, which {name}_file names, cannot be read: {error.strerror}"
            ) from None
        except UnicodeDecodeError:
            raise _RefusedError(
                f"{source}, which {name}_file names, is no text file; save it as UTF-8"
            ) from None
    if not isinstance(value, str):
        raise _RefusedError(f"{name} must be a text in quotes")
    return value


def _refuse_open_file(path: Path) -> None:
    try:
        mode = path.stat().st_mode
    except OSError:
        return
    if os.name == "posix" and mode & stat.S_IROTH:
        raise _RefusedError(f"{path.name} holds secrets that others may read; run: chmod o-rwx {path.name}")


def _refuse(account: Account, reason: str) -> Account:
    return Account(
        name=account.name,
        venue=account.venue,
        base_url=account.base_url,
        files=account.files,
        refused=reason,
    )


def _refuse_known_key(account: Account, keys: dict[str, str]) -> Account:
    if account.signer is None:
        return account
    first = keys.setdefault(account.signer.api_key, account.name)
    if first != account.name:
        return _refuse(
            account, f"its api_key is already used by {first}; every account needs a key of its own"
        )
    return account
