"""`beeline diagnose`: what it prints, how it ends, and what it never shows."""

import hmac
import json
from pathlib import Path

import pytest

from tests.commands.cli import beeline
from worker.cli import Exit

SECRET = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
QUERY = "symbol=LTCBTC&side=BUY&timestamp=1499827319559"


def signed(secret: str = SECRET, query: str = QUERY) -> str:
    signature = hmac.new(secret.encode(), query.encode(), "sha256").hexdigest()
    return f"https://api.binance.com/api/v3/order?{query}&signature={signature}"


@pytest.fixture
def secret_file(tmp_path: Path) -> str:
    file = tmp_path / "secret"
    file.write_text(f"{SECRET}\n")
    return str(file)


def test_a_right_signature_is_done(secret_file: str) -> None:
    done = beeline("diagnose", signed(), "--secret-file", secret_file, "--json")
    assert done.exit_code == Exit.DONE
    assert json.loads(done.stdout) == {"signature_is_right": True, "explanation": None, "others": []}


def test_a_thought_about_the_market_is_no_failure(secret_file: str) -> None:
    url = signed().replace("api.binance.com/api/v3", "fapi.binance.com/fapi/v1")
    done = beeline("diagnose", url, "--secret-file", secret_file, "--json")
    assert done.exit_code == Exit.DONE
    assert [other["code"] for other in json.loads(done.stdout)["others"]] == ["futures_host"]


def test_a_mistake_is_named_with_its_remedy_and_fails(secret_file: str) -> None:
    done = beeline("diagnose", signed(f"{SECRET}\n"), "--secret-file", secret_file, "--json")
    assert done.exit_code == Exit.FAILED
    assert json.loads(done.stdout)["explanation"]["code"] == "secret_with_white_space"


def test_a_signature_that_nothing_explains_fails(secret_file: str) -> None:
    done = beeline("diagnose", signed("another"), "--secret-file", secret_file, "--json")
    assert done.exit_code == Exit.FAILED
    assert json.loads(done.stdout) == {"signature_is_right": False, "explanation": None, "others": []}


def test_a_request_comes_from_standard_input_too(secret_file: str) -> None:
    curl = f"curl -H 'X-MBX-APIKEY: key' '{signed('key')}'"
    done = beeline("diagnose", "-", "--secret-file", secret_file, "--json", stdin=curl)
    assert json.loads(done.stdout)["explanation"]["code"] == "key_and_secret_swapped"


def test_the_api_key_may_come_from_a_file(secret_file: str, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("key\n")
    done = beeline(
        "diagnose", signed("key"), "--secret-file", secret_file, "--key-file", str(tmp_path / "key"), "--json"
    )
    assert json.loads(done.stdout)["explanation"]["code"] == "key_and_secret_swapped"


@pytest.mark.parametrize(
    ("arguments", "code", "advice"),
    [
        (("diagnose",), Exit.USAGE, "give the request"),
        (("diagnose", "symbol=X"), Exit.USAGE, "no signature parameter"),
        (("diagnose", signed()), Exit.USAGE, "--secret-file"),
        (("diagnose", signed(), "--secret-file", "/nowhere/secret"), Exit.CONFIGURATION, "cannot be read"),
        (("diagnose", "--clock", "--venue", "nowhere"), Exit.USAGE, "no venue"),
        (("diagnose", "--clock", "--base-url", "http://127.0.0.1:1"), Exit.VENUE, "does not tell its time"),
    ],
)
def test_what_cannot_be_done_says_what_to_do(arguments: tuple[str, ...], code: Exit, advice: str) -> None:
    done = beeline(*arguments)
    assert done.exit_code == code, done.output
    assert advice in done.output.replace("\n", " ")


def test_nothing_secret_is_printed(secret_file: str) -> None:
    for request in (signed(), signed(f"{SECRET} "), signed("another")):
        for form in ((), ("--json",)):
            done = beeline("diagnose", request, "--secret-file", secret_file, *form)
            assert SECRET not in done.output
            assert request.rpartition("=")[2] not in done.output
