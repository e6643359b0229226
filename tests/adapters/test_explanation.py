"""Whatever somebody has in hand, a number, a text, a code, a body, finds what it means."""

import json
from pathlib import Path
from typing import Any

import pytest

from adapters.error_tables import binance_spot, binance_usdm, bitrue_futures, bitrue_spot
from adapters.error_tables.common import FAULTS, HTTP_STATUSES
from adapters.error_tables.explanation import HTTP, TRANSPORT, WORKER, Meaning, find, meanings, similar
from adapters.errors import REFUSALS, Landed

DOCUMENTED = json.loads((Path(__file__).parent / "documented_errors.json").read_text())
VENUES = {
    "binance": binance_spot.TABLE,
    "binance_us": binance_spot.TABLE,
    "binance_usdm": binance_usdm.TABLE,
    "bitrue": bitrue_spot.TABLE,
    "bitrue_futures": bitrue_futures.TABLE,
}
ALL = meanings(VENUES)


def codes(query: str, venue: str | None = None) -> list[str]:
    known = ALL if venue is None else meanings({venue: VENUES[venue]})
    return [meaning.entry.code for meaning in find(query, known)]


def test_everything_an_outcome_can_hold_is_known() -> None:
    known = {meaning.entry.code for meaning in ALL}
    rows = [row for table in VENUES.values() for row in table.rows]
    shared = [*HTTP_STATUSES.values(), *FAULTS.values(), *REFUSALS.values()]
    assert {row.code for row in (*rows, *shared)} <= known
    assert "unmapped_error" in known


def test_what_differs_in_nothing_but_the_number_or_the_venue_is_one() -> None:
    (same,) = [meaning for meaning in find("-1022", ALL) if "binance" in meaning.where]
    assert same.where == ("binance", "binance_us", "binance_usdm")
    (filtered, own) = find("filter_iceberg_parts", ALL)
    assert filtered.numbers == (-1013, -2010, -2011, -1010, -2038)
    assert own.where == (WORKER,)


@pytest.mark.parametrize("market", ["binance_spot", "binance_usdm", "bitrue_spot", "bitrue_futures"])
def test_every_documented_text_finds_the_row_that_a_worker_would_take(market: str) -> None:
    table = next(table for table in VENUES.values() if table.market == market)
    known = meanings({"venue": table})
    rows: list[dict[str, Any]] = DOCUMENTED[market]
    for row in rows:
        for code in row["codes"]:
            for message in row["messages"] if code not in (0, 200) else []:
                text = message.replace("%s", "5").replace("{0}", "5")
                taken = table.find(code, text, 503 if row.get("http") == [503] else 400)
                assert taken is not None
                body = json.dumps({"code": code, "msg": text})
                found = [meaning.entry.code for meaning in find(body, known)]
                assert taken.code in found, f"{code} {text}"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("Filter failure: LOT_SIZE", ["filter_lot_size"]),
        ("filter failure: market_lot_size", ["filter_market_lot_size"]),
        ("APIError(code=-2010): Account has insufficient balance for requested action.", ["insufficient_balance"]),
        ("insufficient balance for requested", ["insufficient_balance"]),
        ("Way too much request weight used; IP banned until 1659146400000.", ["ip_banned"]),
        ("signal_expired", ["signal_expired"]),
        ("Signal expired", ["signal_expired"]),
        ("reply_timeout", ["reply_timeout"]),
        ("418", ["ip_banned"]),
        ("520", ["execution_unknown"]),
        ("499", ["unreadable_reply"]),
        ("302", ["wrong_address"]),
        ("-4116", ["duplicate_order"]),
        ("4116", ["duplicate_order"]),
        (" -4116 ", ["duplicate_order"]),
        ('{"code":-4116,"msg":"clientOrderId is duplicated"}', ["duplicate_order"]),
        ('{"msg":"Service Unavailable."}', ["venue_unavailable"]),
    ],
)  # fmt: skip
def test_a_query_finds_what_it_names(query: str, expected: list[str]) -> None:
    assert list(dict.fromkeys(codes(query))) == expected


def test_a_number_means_what_it_means_at_the_venue_that_was_named() -> None:
    assert codes("-2021", "binance") == ["partly_done"]
    assert codes("-2021", "binance_usdm") == ["would_trigger_immediately"]
    assert codes("-2021", "bitrue_futures") == []
    assert [meaning.where for meaning in find("429", meanings({"bitrue": bitrue_spot.TABLE}))] == [
        (HTTP,)
    ] * 2


def test_the_number_that_was_asked_for_stands_first() -> None:
    found = find('{"code":-2010,"msg":"Duplicate order sent."}', ALL)
    assert found[0].numbers[0] == -2010
    assert found[0].entry.landed is Landed.UNKNOWN


def test_each_layer_is_told_apart() -> None:
    assert find("403", ALL)[0].where == (HTTP,)
    assert find("connection_lost", ALL)[0].where == (TRANSPORT,)
    assert find("held", ALL)[0].where == (WORKER,)


@pytest.mark.parametrize(
    "query", ["", "{", "{}", "nonsense", "-7", "0", "{not json}", "%s", "[", "*", "." * 500]
)
def test_what_names_nothing_finds_nothing(query: str) -> None:
    assert find(query, ALL) == []


@pytest.mark.parametrize(
    ("query", "first"),
    [
        ("insuficient_balance", "insufficient_balance"),
        ("signal_expird", "signal_expired"),
        ("Account has insuficient funds for action", "insufficient_balance"),
        ("quarantined", "account_quarantined"),
    ],
)
def test_a_near_miss_is_met_with_what_was_meant(query: str, first: str) -> None:
    close = similar(query, ALL)
    assert close[0].entry.code == first
    found = [meaning.entry.code for meaning in close]
    assert len(found) == len(set(found)) <= 5


def test_a_number_that_nobody_has_is_met_with_those_that_look_like_it() -> None:
    close: list[Meaning] = similar("-10222", ALL)
    assert "-1022" in {meaning.name for meaning in close}
    assert similar("zzzzzzzzzzzz", ALL) == []
