"""Dead letters: why they died, and what can be said of sending them again."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from adapters.errors import refusal
from adapters.model import Absent, Ambiguous, ExecutionReport, Found, LookupFailed, Sighting
from worker.core.letters import (
    HORIZON_MS,
    REPLAYED_HEADER,
    Letter,
    Prospect,
    chosen,
    conclude,
    consider,
    read_letter,
    replayed_headers,
)

NOW_MS = 1_800_000_000_000.0
MARKET = {
    "signal_id": "s-1",
    "account": "main",
    "symbol": "BTC/USDT",
    "side": "buy",
    "type": "market",
    "quantity": "0.01",
}
CANCEL = {"signal_id": "s-2", "account": "main", "action": "cancel", "symbol": "BTCUSDT", "cancels": "s-1"}
DIED = datetime.fromtimestamp(NOW_MS / 1000 - 60, UTC)
DEATH = {"reason": "delivery_limit", "queue": "beeline.signals.03", "time": DIED, "count": 1}


def a_letter(
    body: dict[str, Any] | bytes = MARKET,
    *,
    age_s: float | None = 10.0,
    key: str = "main",
    headers: dict[str, Any] | None = None,
    message_id: str | None = "m-1",
) -> Letter:
    dated = {} if age_s is None else {"created_at_us": int((NOW_MS - age_s * 1000) * 1000)}
    return read_letter(
        body if isinstance(body, bytes) else json.dumps(body).encode(),
        routing_key=key,
        headers=dated | (headers or {}),
        message_id=message_id,
        timestamp=None,
    )


# --- Reading ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({"beeline-reason": "not JSON"}, "not JSON"),
        (
            {"x-death": [DEATH]},
            "delivered too often, never answered (beeline.signals.03)",
        ),
        ({"x-death": [{"reason": "expired"}]}, "expired in its queue"),
        ({"x-death": [{"reason": "new in 5.0"}]}, "new in 5.0"),
        ({"x-death": []}, "nobody said why"),
        ({"x-death": "?"}, "nobody said why"),
        ({}, "nobody said why"),
    ],
)
def test_a_letter_tells_why_it_died(headers: dict[str, Any], reason: str) -> None:
    assert a_letter(headers=headers).reason == reason


def test_its_name_stays_whatever_the_broker_adds() -> None:
    letter = a_letter()
    again = a_letter(headers={"x-delivery-count": 7, "x-acquired-count": 3, "x-death": [DEATH]})
    assert again.identity == letter.identity
    others = [a_letter(message_id="m-2"), a_letter(key="other"), a_letter(b"{}"), a_letter(headers={"a": 1})]
    assert len({letter.identity, *(other.identity for other in others)}) == 5
    assert len(letter.identity) == 8


def test_the_routing_key_of_the_producer_is_the_one_that_counts() -> None:
    assert a_letter(key="", headers={"beeline-routing-key": "main"}).routing_key == "main"


def test_letters_are_chosen_by_name_in_their_order_and_twins_one_at_a_time() -> None:
    one, two = a_letter(message_id="m-1"), a_letter(message_id="m-2")
    twin = a_letter(message_id="m-1")
    found, missing = chosen([one, two, twin], [two.identity, one.identity, "nobody"])
    assert [letter is expected for letter, expected in zip(found, [one, two], strict=True)] == [True, True]
    assert missing == ["nobody"]


# --- Before the venue is asked ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("letter", "prospect", "why"),
    [
        (a_letter(b"garbage"), Prospect.POINTLESS, "no id to answer to"),
        (a_letter({"quantity": 1}), Prospect.POINTLESS, "send it as a new signal"),
        (a_letter(MARKET | {"side": "long"}), Prospect.SAFE, "will be answered invalid_signal"),
        (a_letter(MARKET, key="other"), Prospect.SAFE, "will be answered account_mismatch"),
        (a_letter(MARKET | {"dry_run": True}, age_s=None), Prospect.SAFE, "places nothing"),
        (a_letter(CANCEL, age_s=None), Prospect.SAFE, "places nothing"),
        (a_letter(age_s=None), Prospect.UNPROVEN, "beeline order main s-1"),
        (a_letter(age_s=HORIZON_MS / 1000 + 1), Prospect.UNPROVEN, "older than the 48 hours"),
        (a_letter(age_s=HORIZON_MS / 1000 - 1), Prospect.ASK, "the venue is asked first"),
        (a_letter(), Prospect.ASK, "the venue is asked first"),
    ],
)
def test_what_can_be_said_without_the_venue(letter: Letter, prospect: Prospect, why: str) -> None:
    opinion = consider(letter, NOW_MS)
    assert opinion.prospect is prospect
    assert why in opinion.why


# --- After it was asked -----------------------------------------------------------------------------------------------

REPORT = ExecutionReport(client_order_id="b", venue_order_id="28", symbol="BTCUSDT", venue_status="FILLED")


@pytest.mark.parametrize(
    ("sighting", "age_s", "prospect", "why"),
    [
        (Found(report=REPORT), 10, Prospect.SAFE, "was placed (order 28, FILLED)"),
        (Absent(), 10, Prospect.SAFE, "valid for 20 s: it is placed once its absence is proven"),
        (Absent(), 31, Prospect.SAFE, "its validity is over: it is answered expired"),
        (Ambiguous(candidates=2), 10, Prospect.UNPROVEN, "2 orders could be its own"),
        (Ambiguous(candidates=1), 10, Prospect.UNPROVEN, "one order may be its own"),
        (LookupFailed(error=refusal("venue_unavailable")), 10, Prospect.UNPROVEN, "venue_unavailable"),
    ],
)
def test_what_the_venue_says_decides(sighting: Sighting, age_s: float, prospect: Prospect, why: str) -> None:
    opinion = conclude(a_letter(age_s=age_s), sighting, NOW_MS, 30.0)
    assert opinion.prospect is prospect
    assert why in opinion.why


# --- Sending again ----------------------------------------------------------------------------------------------------


def test_a_replay_is_marked_and_keeps_what_its_producer_said() -> None:
    letter = a_letter(headers={"traceparent": "00-x", "x-death": [DEATH], "beeline-reason": "internal error"})
    headers = replayed_headers(letter, NOW_MS)
    assert headers == {
        "created_at_us": int((NOW_MS - 10_000) * 1000),
        "traceparent": "00-x",
        REPLAYED_HEADER: 1,
    }
    again = read_letter(
        letter.body, routing_key="main", headers=headers, message_id=None, timestamp=None
    )  # fmt: skip
    assert replayed_headers(again, NOW_MS)[REPLAYED_HEADER] == 2


@pytest.mark.parametrize(("headers", "age_s"), [({"x-death": [DEATH]}, 60), ({}, 900)])
def test_an_undated_replay_gets_no_second_validity(headers: dict[str, Any], age_s: float) -> None:
    letter = a_letter(age_s=None, headers=headers)
    created_us = replayed_headers(letter, NOW_MS)["created_at_us"]
    assert created_us == pytest.approx((NOW_MS - age_s * 1000) * 1000)


def test_a_time_without_a_zone_is_the_broker_s_own() -> None:
    death = DEATH | {"time": DIED.replace(tzinfo=None)}
    assert a_letter(headers={"x-death": [death]}).died_ms == pytest.approx(DIED.timestamp() * 1000)
