"""`beeline signal`: what is refused before anything is published, and with what words."""

import json
from typing import Any

import pytest

from tests.commands.cli import NO_BROKER, beeline
from worker.cli import Exit
from worker.commands.send import BadRequestError, check
from worker.commands.signal_options import HELP, read_valid_until
from worker.core.signals import SignalV1

GOOD = {"signal_id": "s-1", "account": "main", "symbol": "BTC/USDT", "side": "buy", "type": "market"}
OPTIONS = ("--account", "main", "--symbol", "BTC/USDT", "--side", "buy", "--type", "market")


def line(**fields: Any) -> str:
    return json.dumps(GOOD | {"quantity": "0.01"} | fields)


def test_every_field_of_a_signal_is_an_option_with_a_help_text() -> None:
    assert set(HELP) == set(SignalV1.model_fields)
    text = beeline("signal", "--help").output
    for name in SignalV1.model_fields:
        assert f"--{name.replace('_', '-')} " in text


def test_a_good_signal_is_known_by_its_account_and_id() -> None:
    request = check(line().encode(), "line 1")
    assert (request.account, request.signal_id, request.body) == ("main", "s-1", line().encode())


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("nonsense", "line 3: not JSON"),
        ("[]", "line 3: not a JSON object"),
        (line(signal_id=7), "line 3: no signal_id"),
        (line(quantity="1e3"), "line 3: quantity: must be a plain decimal number"),
        (line(quote_quantity="5"), "line 3: quantity: exactly one of quantity and quote_quantity"),
        (line(colour="red"), "line 3: colour: unknown field"),
        (line(type="limit"), "line 3: price: required by limit"),
        (json.dumps({"signal_id": "s"}), "line 3: account: required"),
    ],
)
def test_bad_fields_are_named_with_the_line_they_are_in(body: str, problem: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        check(body.encode(), "line 3")
    assert problem in str(caught.value)


def test_a_bad_signal_from_options_is_refused_before_the_broker_is_asked() -> None:
    done = beeline("signal", *OPTIONS, "--quantity", "-1", "--amqp-url", NO_BROKER)
    assert done.exit_code == Exit.USAGE
    assert "signal: quantity: must be greater than 0" in done.output


def test_a_good_signal_needs_a_broker() -> None:
    done = beeline("signal", *OPTIONS, "--quantity", "0.01", "--amqp-url", NO_BROKER)
    assert done.exit_code == Exit.BROKER


def test_options_and_standard_input_exclude_each_other() -> None:
    done = beeline("signal", "-", *OPTIONS)
    assert done.exit_code == Exit.USAGE
    assert "not both" in done.output


def test_an_argument_that_is_no_dash_is_refused() -> None:
    done = beeline("signal", "signals.jsonl")
    assert done.exit_code == Exit.USAGE
    assert "'signals.jsonl'" in done.output


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("20s", 1_020_000),
        ("+5m", 1_300_000),
        ("250ms", 1_000_250),
        ("1795197122023", 1_795_197_122_023),
        ("2026-11-20T12:00:00Z", "2026-11-20T12:00:00Z"),
        ("soon", "soon"),
    ],
)
def test_validity_is_an_instant_or_a_span_from_now(text: str, instant: str | int) -> None:
    assert read_valid_until(text, now_ms=1_000_000) == instant
