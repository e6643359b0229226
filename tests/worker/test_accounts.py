"""Accounts: a bad one is refused with what to do, never stops the good ones, and no secret is ever shown."""

from datetime import date
from pathlib import Path

import pytest

from adapters.sandbox.config import render_accounts_toml
from adapters.venues import discover
from tests.worker.builders import BASE_URL, BITRUE, MAIN, SECOND
from worker.accounts import Account, AccountsError, load_accounts

KEY, SECRET = MAIN.api_key, MAIN.secret_key
GOOD = f'venue = "binance"\napi_key = "{KEY}"\nsecret_key = "{SECRET}"\n'


def write(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path


def load(tmp_path: Path, text: str, mode: int = 0o600) -> dict[str, Account]:
    return load_accounts(write(tmp_path / "accounts.toml", text, mode), discover())


def refusal(tmp_path: Path, text: str, name: str = "main") -> str:
    account = load(tmp_path, text)[name]
    assert account.signer is None
    assert account.refused is not None
    return account.refused


# --- Good -------------------------------------------------------------------------------------------------------------


def test_an_account_is_read_with_everything_it_has(tmp_path: Path) -> None:
    text = f"""[main]
{GOOD}label = "Main"
symbols = ["BTC/USDT", "ethusdt"]
base_url = "http://127.0.0.1:9000/"
limit_group = "uid-42"
created = 2026-08-20
allow_withdraw_keys = true
"""
    account = load(tmp_path, text)["main"]
    assert (account.name, account.venue, account.label) == ("main", "binance", "Main")
    assert account.symbols == frozenset({"BTCUSDT", "ETHUSDT"})
    assert account.base_url == "http://127.0.0.1:9000"
    assert (account.limit_group, account.created) == ("uid-42", date(2026, 8, 20))
    assert account.allow_withdraw_keys
    assert account.signer is not None
    assert account.signer.api_key == KEY


def test_an_account_without_options_trades_everything_at_the_venues_own_address(tmp_path: Path) -> None:
    account = load(tmp_path, f"[main]\n{GOOD}")["main"]
    assert account.base_url == "https://api.binance.com"
    assert account.allows("ANYTHING")
    assert not account.allow_withdraw_keys


def test_the_sandboxes_own_account_file_is_understood(tmp_path: Path) -> None:
    accounts = load(tmp_path, render_accounts_toml((MAIN, BITRUE, SECOND), BASE_URL))
    assert {name: account.refused for name, account in accounts.items()} == {
        "main": None,
        "bit": None,
        "second": None,
    }


def test_keys_may_come_from_mounted_files(tmp_path: Path) -> None:
    write(tmp_path / "key", KEY + "\n")
    write(tmp_path / "secret", SECRET)
    text = '[main]\nvenue = "binance"\napi_key_file = "key"\nsecret_key_file = "secret"\n'
    signer = load(tmp_path, text)["main"].signer
    assert signer is not None
    assert signer.api_key == KEY


def test_a_folder_is_read_file_by_file(tmp_path: Path) -> None:
    write(tmp_path / "b.toml", f"[two]\n{GOOD.replace(KEY, SECOND.api_key)}")
    write(tmp_path / "a.toml", f"[one]\n{GOOD}")
    write(tmp_path / "notes.txt", "not toml")
    assert list(load_accounts(tmp_path, discover())) == ["one", "two"]


# --- Bad --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('[main]\nvenue = "binance"\n', "exactly one of api_key and api_key_file"),
        (f'[main]\nvenue = "binance"\napi_key = "{KEY}"\n', "exactly one of secret_key and secret_key_file"),
        (f'[main]\n{GOOD}api_key_file = "key"\n', "exactly one of api_key"),
        (f"[main]\n{GOOD}".replace('"binance"', '"nyse"'), "venue must be one of binance, "),
        (f"[main]\n{GOOD}".replace('venue = "binance"', "venue = 5"), "venue must be one of"),
        (f"[main]\n{GOOD}".replace('venue = "binance"\n', ""), "venue must be one of"),
        (f"[main]\n{GOOD}".replace(KEY, KEY + " "), "api_key ends with a space (U+0020)"),
        (f"[main]\n{GOOD}".replace(SECRET, SECRET + "\\u200b"), "secret_key ends with a zero-width space"),
        (f"[main]\n{GOOD}".replace(SECRET, "\\t" + SECRET), "secret_key begins with a tab (U+0009)"),
        (f"[main]\n{GOOD}".replace(SECRET, "\\ufeff" + SECRET), "secret_key begins with a byte order mark"),
        (f"[main]\n{GOOD}".replace(SECRET, SECRET + "\\r\\n"), "a carriage return"),
        (f"[main]\n{GOOD}".replace(SECRET, "'" + SECRET + "'"), "secret_key is wrapped in quotes"),
        (
            f"[main]\n{GOOD}".replace(SECRET, SECRET[:32] + " " + SECRET[32:]),
            "has, as character 33 of 65, a space",
        ),
        (f"[main]\n{GOOD}".replace(KEY, KEY[:-1] + "\u0430"), "cyrillic small letter a (U+0430)"),
        (f"[main]\n{GOOD}".replace(KEY, KEY[:-1]), "api_key has 63 characters where this venue's have 64"),
        (
            f"[main]\n{GOOD}".replace(SECRET, SECRET + "x"),
            "secret_key has 65 characters where this venue's have 64",
        ),
        (f"[main]\n{GOOD}".replace(SECRET, KEY), "api_key and secret_key are the same text"),
        (f"[main]\n{GOOD}".replace(KEY, f"-----BEGIN PRIVATE KEY-----{KEY}"), "are swapped; exchange them"),
        (
            f"[main]\n{GOOD}".replace(SECRET, f"-----BEGIN PUBLIC KEY-----{SECRET}"),
            "secret_key holds no private key",
        ),
        (
            f"[main]\n{GOOD}".replace(SECRET, "-----BEGIN ENCRYPTED PRIVATE KEY-----"),
            "locked with a pass phrase",
        ),
        (
            f"[main]\n{GOOD}".replace(SECRET, f"x-----BEGIN PRIVATE KEY-----{SECRET}"),
            "something in front of -----BEGIN",
        ),
        (f"[main]\n{GOOD}".replace(f'"{SECRET}"', '""'), "secret_key is empty"),
        (f"[main]\n{GOOD}".replace(f'"{SECRET}"', "5"), "secret_key must be a text"),
        (f"[main]\n{GOOD}symbol = []\n", "unknown field symbol"),
        (f'[main]\n{GOOD}symbols = "BTCUSDT"\n', "symbols must be a list"),
        (f"[main]\n{GOOD}symbols = [1]\n", "symbols must be a list"),
        (f"[main]\n{GOOD}label = 5\n", "label must be a str"),
        (f'[main]\n{GOOD}created = "yesterday"\n', "created must be a date"),
        (f'[main]\n{GOOD}allow_withdraw_keys = "no"\n', "allow_withdraw_keys must be a bool"),
        (f"[main]\n{GOOD}check_balance = 1\n", "check_balance must be a bool"),
        (
            f"[main]\n{GOOD}check_balance = true\n".replace('"binance"', '"binance_usdm"'),
            "check_balance cannot be had on binance_usdm",
        ),
        (f'[main]\n{GOOD}base_url = "ftp://x"\n', "base_url must start with https://"),
        (f"[main]\n{GOOD}base_url = 5\n", "base_url must start with https://"),
        ("main = 5\n", "venue must be one of"),
        (
            f"[main]\n{GOOD}".replace(
                SECRET, "-----BEGIN PRIVATE KEY-----\\nAAAA\\n-----END PRIVATE KEY-----"
            ),
            "the private key cannot be read",
        ),
    ],
)
def test_a_bad_account_is_refused_with_what_to_do(tmp_path: Path, text: str, reason: str) -> None:
    told = refusal(tmp_path, text)
    assert reason in told
    assert KEY not in told
    assert SECRET not in told


@pytest.mark.parametrize("name", ["a b", "a.b", "é", "x" * 65, ""])
def test_a_name_that_is_no_routing_key_is_refused(tmp_path: Path, name: str) -> None:
    assert "name must have" in refusal(tmp_path, f'["{name}"]\n{GOOD}', name)


def test_a_bad_account_does_not_stop_the_good_ones(tmp_path: Path) -> None:
    accounts = load(tmp_path, f'[bad]\nvenue = "nyse"\n[main]\n{GOOD}')
    assert accounts["bad"].refused is not None
    assert accounts["main"].refused is None


def test_a_key_that_an_earlier_account_uses_is_refused(tmp_path: Path) -> None:
    accounts = load(tmp_path, f"[one]\n{GOOD}[two]\n{GOOD}")
    assert accounts["one"].refused is None
    assert accounts["two"].refused is not None
    assert "already used by one" in accounts["two"].refused


def test_one_name_in_two_files_is_refused_and_the_reason_names_the_file(tmp_path: Path) -> None:
    write(tmp_path / "a.toml", f"[main]\n{GOOD}")
    write(tmp_path / "b.toml", f"[main]\n{GOOD}")
    refused = load_accounts(tmp_path, discover())["main"].refused
    assert refused is not None
    assert "b.toml" in refused


def test_secrets_that_others_may_read_are_refused_and_a_group_may_read_them(tmp_path: Path) -> None:
    told = load(tmp_path, f"[main]\n{GOOD}", 0o644)["main"].refused
    assert told is not None
    assert "chmod o-rwx accounts.toml" in told
    assert load(tmp_path, f"[main]\n{GOOD}", 0o640)["main"].refused is None


def test_a_secret_file_that_others_may_read_or_nobody_can_is_refused(tmp_path: Path) -> None:
    text = f'[main]\nvenue = "binance"\napi_key = "{KEY}"\nsecret_key_file = "secret"\n'
    assert "cannot be read" in refusal(tmp_path, text)
    write(tmp_path / "secret", SECRET, 0o604)
    assert "chmod o-rwx secret" in refusal(tmp_path, text)


def test_a_file_without_secrets_in_it_may_be_read_by_all(tmp_path: Path) -> None:
    write(tmp_path / "key", KEY)
    write(tmp_path / "secret", SECRET)
    text = '[main]\nvenue = "binance"\napi_key_file = "key"\nsecret_key_file = "secret"\n'
    assert load(tmp_path, text, 0o644)["main"].refused is None


@pytest.mark.parametrize("text", ["[main", "a = ", '[main]\nvenue = "x"\nvenue = "y"'])
def test_a_file_that_is_no_toml_is_an_error_that_shows_no_line_of_it(tmp_path: Path, text: str) -> None:
    with pytest.raises(AccountsError, match="not valid TOML"):
        load(tmp_path, text)


def test_a_broken_line_with_a_secret_is_not_quoted(tmp_path: Path) -> None:
    with pytest.raises(AccountsError) as caught:
        load(tmp_path, f'[main]\nsecret_key = "{SECRET}\n')
    assert SECRET not in str(caught.value)


def test_what_is_not_there_or_not_text_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(AccountsError, match="does not exist"):
        load_accounts(tmp_path / "none.toml", discover())
    (tmp_path / "accounts.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(AccountsError, match="not valid TOML"):
        load_accounts(tmp_path / "accounts.toml", discover())


def test_an_account_shows_no_secret(tmp_path: Path) -> None:
    shown = repr(load(tmp_path, f"[main]\n{GOOD}"))
    assert "main" in shown
    assert KEY not in shown
    assert SECRET not in shown
