"""Options, variables, help and exit codes."""

import json
import re
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.commands.cli import NO_BROKER, beeline
from worker.cli import Exit
from worker.settings import Settings

COMMANDS = ("worker", "topology", "sandbox", "signal", "outcomes", "demo", "explain", "schema")
NOBODY = "--worker", "http://127.0.0.1:9"
"""Not the worker that may run on this host: nobody listens on the discard port."""
KEY = "k" * 64
SECRET = "s" * 64
ACCOUNTS = f"""
[main]
venue = "binance"
api_key = "{KEY}"
secret_key = "{SECRET}"
label = "The main account"
symbols = ["BTC/USDT", "ETHUSDT"]
created = 2020-01-01

[odd]
venue = "nowhere"
"""


@pytest.fixture
def accounts(tmp_path: Path) -> Path:
    file = tmp_path / "accounts.toml"
    file.touch(mode=0o600)
    file.write_text(ACCOUNTS)
    return file


def test_help_names_every_command() -> None:
    done = beeline("--help")
    assert done.exit_code == Exit.DONE
    for command in (*COMMANDS, "account", "dead"):
        assert re.search(rf"^│ {command} ", done.output, re.MULTILINE), command


GROUPED = ("account list", "dead list", "dead show", "dead replay", "dead drop")


@pytest.mark.parametrize("command", [*COMMANDS, *GROUPED])
def test_help_of_every_command_ends_with_examples_that_name_it(command: str) -> None:
    done = beeline(*command.split(), "--help")
    assert done.exit_code == Exit.DONE
    _, _, examples = done.output.partition("Examples")
    assert f"beeline {command}" in examples


def test_help_fits_eighty_columns() -> None:
    for command in (*COMMANDS, *GROUPED):
        assert max(map(len, beeline(*command.split(), "--help").output.splitlines())) <= 80


def test_version_is_the_version_of_the_distribution() -> None:
    assert beeline("--version").output == f"beeline {version('beeline-worker')}\n"


def test_every_setting_is_an_option_of_the_worker() -> None:
    text = beeline("worker", "--help").output
    for name in Settings.model_fields:
        assert f"--{name.replace('_', '-')} " in text


def test_a_wrong_option_is_a_usage_error_that_names_the_option() -> None:
    done = beeline("topology", "--shards", "many")
    assert done.exit_code == Exit.USAGE
    assert "--shards: input should be a valid integer" in done.output


def test_a_wrong_variable_is_a_configuration_error_that_names_the_variable() -> None:
    done = beeline("topology", shards="many")
    assert done.exit_code == Exit.CONFIGURATION
    assert "BEELINE_SHARDS: input should be a valid integer" in done.output


def test_an_unknown_variable_is_a_configuration_error() -> None:
    done = beeline("outcomes", shard="4")
    assert done.exit_code == Exit.CONFIGURATION
    assert "BEELINE_SHARD" in done.output


def test_an_unknown_option_is_a_usage_error() -> None:
    assert beeline("worker", "--fast").exit_code == Exit.USAGE


@pytest.mark.parametrize("command", ["topology", "outcomes", "demo"])
def test_a_broker_that_does_not_answer_ends_with_its_own_exit_code_and_advice(command: str) -> None:
    done = beeline(command, "--amqp-url", NO_BROKER)
    assert done.exit_code == Exit.BROKER
    assert done.output.startswith("beeline: the broker cannot be reached") or command == "demo"
    assert "creating transport" not in done.output
    assert "the broker cannot be reached" in done.output
    assert "BEELINE_AMQP_URL" in done.output
    assert "hidden-word" not in done.output


def test_accounts_are_listed_as_json_without_their_keys(accounts: Path) -> None:
    done = beeline("account", "list", "--accounts", str(accounts), *NOBODY, "--json")
    assert done.exit_code == Exit.DONE
    good, odd = map(json.loads, done.output.splitlines())
    assert (good["name"], good["venue"], good["state"]) == ("main", "binance", "usable")
    assert good["symbols"] == ["BTCUSDT", "ETHUSDT"]
    assert odd["state"] == "refused"
    assert "venue must be one of" in odd["reason"]
    assert KEY not in done.output
    assert SECRET not in done.output


def test_accounts_are_listed_as_a_table_on_a_terminal(
    accounts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.commands.account.wants_json", lambda *, asked: asked)
    lines = beeline("account", "list", "--accounts", str(accounts), *NOBODY).output.splitlines()
    assert lines[0].split() == [
        "account",
        "venue",
        "label",
        "symbols",
        "key",
        "age",
        "orders",
        "used",
        "state",
    ]
    assert any("main: its key is" in line and line.endswith("rotate it") for line in lines)
    assert any(line.startswith("odd refused: venue must be one of") for line in lines)
    assert KEY not in "".join(lines)


def test_a_missing_account_file_is_a_configuration_error(tmp_path: Path) -> None:
    done = beeline("account", "list", "--accounts", str(tmp_path / "none.toml"))
    assert done.exit_code == Exit.CONFIGURATION
    assert "does not exist" in done.output
