"""Bad input gets one outcome with a stable code, or a dead letter with the reason, and the worker goes on."""

from typing import Any

import orjson
import pytest

from tests.integration.rig import Rig

BAD_FIELDS: list[tuple[str, dict[str, Any], str]] = [
    ("an unknown field", {"colour": "red"}, "colour: unknown field"),
    ("a wrong type", {"quantity": True}, "quantity: "),
    ("a list", {"symbol": ["BTCUSDT"]}, "symbol: "),
    ("a wrong side", {"side": "long"}, "side: "),
    ("both quantities", {"quote_quantity": "10"}, "quantity: exactly one"),
    ("no quantity", {"quantity": None}, "quantity: exactly one"),
    ("zero", {"quantity": "0"}, "quantity: must be greater than 0"),
    ("a negative number", {"quantity": "-1"}, "quantity: must be greater than 0"),
    ("exponent notation", {"quantity": "1e-2"}, "quantity: must be a plain decimal"),
    ("forty digits", {"quantity": "0." + "1" * 40}, "quantity: must have at most"),
    ("a price on a market order", {"price": "1"}, "price: not used by market"),
    ("no price on a limit", {"type": "limit"}, "price: required by limit"),
    ("a time without offset", {"valid_until": "2026-11-20T12:00:00"}, "valid_until: must be RFC 3339"),
    ("a huge body", {"symbol": "B" * 70_000}, "body: "),
]


@pytest.fixture
async def working(rig: Rig) -> Rig:
    await rig.start_worker()
    await rig.follow_outcomes()
    return rig


async def test_each_bad_field_is_named_in_one_answer(working: Rig) -> None:
    for _, over, problem in BAD_FIELDS:
        outcome = await working.place(**over)
        assert (outcome["status"], outcome["landed"], outcome["account"]) == ("rejected", "no", "main")
        assert outcome["error"]["code"] == "invalid_signal"
        assert problem in outcome["error"]["hint"]
        assert outcome["error"]["owner"] == "producer"
    assert await working.ledger() == []
    assert (await working.place())["status"] == "filled"


@pytest.mark.parametrize("number", ["1e-2", "0.0000000000000000000000000000000000000001", "-0.5", "1E400"])
async def test_a_json_number_that_is_no_plain_decimal_is_named(working: Rig, number: str) -> None:
    body = orjson.dumps(working.a_signal(signal_id="n-1", quantity="@")).replace(b'"@"', number.encode())
    await working.publish(body, key="main")
    outcome = await working.outcome("n-1")
    assert (outcome["status"], outcome["error"]["code"]) == ("rejected", "invalid_signal")


async def test_wrong_accounts_and_symbols_are_answered(working: Rig) -> None:
    await working.publish(working.a_signal(signal_id="m-1", account="second"), key="main")
    mismatch = await working.outcome("m-1")
    assert (mismatch["error"]["code"], mismatch["account"]) == ("account_mismatch", "main")
    ghost = await working.place(account="ghost")
    assert (ghost["status"], ghost["error"]["code"], ghost["venue"]) == ("rejected", "unknown_account", None)
    assert working.messages[-1].routing_key == "unrouted.ghost.rejected"
    unknown = await working.place(symbol="NOPE/USDT")
    assert (unknown["error"]["code"], unknown["symbol"]) == ("unknown_symbol", "NOPE/USDT")


async def test_a_signal_whose_time_is_over_is_not_sent(working: Rig) -> None:
    for past in ("2020-01-01T00:00:00Z", 1_000):
        outcome = await working.place(valid_until=past)
        assert (outcome["status"], outcome["landed"]) == ("expired", "no")
        assert outcome["error"]["code"] == "signal_expired"
    assert await working.ledger() == []


async def test_what_has_no_id_goes_to_the_dead_letters_with_the_reason(working: Rig) -> None:
    for body, reason in (
        (b"not json", "not JSON"),
        (b"[" * 10_000, "not JSON"),
        (b"[1, 2]", "not a JSON object"),
        (b'{"account": "main"}', "no signal_id"),
        (b'{"signal_id": 7}', "no signal_id"),
        (orjson.dumps({"signal_id": "x" * 129}), "1 to 128 characters"),
    ):
        await working.publish(body, key="main")
        letter = await working.dead_letter()
        assert letter.body == body
        assert reason in str(letter.headers["beeline-reason"])
    assert (await working.place())["status"] == "filled"
