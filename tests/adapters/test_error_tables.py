"""Every documented error has a deliberate row, and no row claims more than its venue does.

`documented_errors.json` is what the venues document: numbers, texts, and what they say about execution.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adapters.error_tables.catalogue import TABLES
from adapters.error_tables.common import (
    ACCOUNT_LIMIT,
    FAULTS,
    HTTP_STATUSES,
    REDIRECT,
    UNMAPPED,
    UNREADABLE_REPLY,
    http_entry,
)
from adapters.error_tables.table import ErrorTable
from adapters.errors import REFUSALS, ErrorEntry, Landed, Owner, Retry, Scope, VenueError, refusal
from adapters.model import FaultKind, Reply
from tests.adapters.builders import a_reply, an_error

DOCUMENTED = json.loads((Path(__file__).parent / "documented_errors.json").read_text())
BY_MARKET = {table.market: table for table in TABLES}
SHARED = (
    ACCOUNT_LIMIT,
    *HTTP_STATUSES.values(),
    *FAULTS.values(),
    *REFUSALS.values(),
    UNMAPPED,
    REDIRECT,
    UNREADABLE_REPLY,
)
ROWS = [*(row for table in TABLES for row in table.rows), *SHARED]
SUCCESSES = {0, 200}
SERVER_ERRORS = (500, 501, 502, 503, 504, 520, 599)
every_table = pytest.mark.parametrize("table", TABLES, ids=lambda table: table.market)


def documented(market: str) -> Iterator[tuple[int | None, str, dict[str, Any]]]:
    for row in DOCUMENTED[market]:
        for code in row["codes"]:
            for message in row["messages"] or [""]:
                yield code, message.replace("%s", "X").replace("{0}", "7"), row


def read(table: ErrorTable, code: int | None, message: str, status: int) -> VenueError:
    reply = an_error(code, message, status) if code is not None else a_reply({"msg": message}, status)
    error = table.error(reply)
    assert error is not None
    return error


def statuses_of(row: dict[str, Any]) -> list[int]:
    """The HTTP statuses a documented error is seen with; the documents tabulate few, 400 stands for the rest."""
    listed = [status for status in row.get("http") or [row.get("http_status")] if isinstance(status, int)]
    return listed or [400]


def test_the_documents_are_complete() -> None:
    numbers = {
        market: {code for code, _, _ in documented(market) if code is not None} for market in BY_MARKET
    }
    historical = {-1099, -1131, -1167}
    assert len(numbers["binance_spot"] - historical) == 106
    assert len(numbers["binance_usdm"]) == 202
    assert len(DOCUMENTED["bitrue_spot"]) + len(DOCUMENTED["bitrue_futures"]) == 112


@every_table
def test_every_documented_error_is_classified_on_purpose(table: ErrorTable) -> None:
    for code, message, row in documented(table.market):
        if code in SUCCESSES:
            assert table.error(an_error(code, message, 200)) is None
            continue
        for status in statuses_of(row):
            entry = read(table, code, message, status).entry
            own = entry.venue_code == code or entry.pattern is not None
            assert own or entry is HTTP_STATUSES[status], f"{code} {message} under {status}"


@every_table
def test_no_row_is_made_up(table: ErrorTable) -> None:
    numbers = {code for code, _, _ in documented(table.market)}
    if table.market == "bitrue_spot":  # a help page lists Binance's numbers for Bitrue too
        numbers |= {code for code, _, _ in documented("binance_spot")}
    assert {row.venue_code for row in table.rows} <= numbers


@every_table
def test_what_a_venue_documents_as_unknown_is_never_said_not_to_have_landed(table: ErrorTable) -> None:
    for code, message, row in documented(table.market):
        execution = row.get("execution") or ""
        if not execution.startswith(("unknown", "partial")):
            continue
        for status in {*statuses_of(row), 400, 408, *SERVER_ERRORS}:
            error = read(table, code, message, status)
            assert error.entry.landed is Landed.UNKNOWN, f"{code} {message} under {status}"


THROTTLED = (
    "Request throttled by system-level protection. Reduce-only/close-position orders are exempt. "
    "Please try again."
)
# What USD-M documents as a certain failure, although the status is a 503.
PROVEN_FAILURES = {
    (None, "Service Unavailable.", 503),
    (-1001, "Internal error; unable to process your request. Please try again.", 503),
    (-1008, THROTTLED, 503),
}


@every_table
def test_only_three_documented_texts_prove_anything_under_a_server_error(table: ErrorTable) -> None:
    proven = PROVEN_FAILURES if table.market == "binance_usdm" else set()
    messages = {(code, message) for code, message, _ in documented(table.market) if code not in SUCCESSES}
    messages |= {(None, "Service Unavailable."), (None, ""), (-999_999, ""), (-1001, ""), (-1008, "")}
    for code, message in messages:
        for status in SERVER_ERRORS:
            error = read(table, code, message, status)
            expected = Landed.NO if (code, message, status) in proven else Landed.UNKNOWN
            assert error.entry.landed is expected, f"{code} {message} under {status}"
            assert error.entry.retry is (Retry.AFTER_BACKOFF if expected is Landed.NO else Retry.AFTER_LOOKUP)


@pytest.mark.parametrize(
    ("body", "landed", "code"),
    [
        (
            b'{"msg":"Unknown error, please check your request or try again later."}',
            "unknown",
            "execution_unknown",
        ),
        (b'{"code":-1000,"msg":"Unknown error, please check your request."}', "unknown", "execution_unknown"),
        (b'{"timestamp":1,"path":"/fapi/v1/order","msg":"Service Unavailable."}', "no", "venue_unavailable"),
        (b'{"code":0,"msg":"Service Unavailable."}', "no", "venue_unavailable"),
        (b'{"msg":"503 Service Unavailable."}', "unknown", "execution_unknown"),
        (b'{"msg":"Service Unavailable. Your order may be live."}', "unknown", "execution_unknown"),
        (b"Service Unavailable.", "unknown", "execution_unknown"),
        (b"<html><h1>503 Service Unavailable.</h1></html>", "unknown", "execution_unknown"),
        (b'"Service Unavailable."', "unknown", "execution_unknown"),
        (b"", "unknown", "execution_unknown"),
        (
            b'{"code":-1008,"msg":"Request throttled by system-level protection."}',
            "no",
            "venue_overloaded",
        ),
        (
            b'{"code":-1008,"msg":"Server is currently overloaded with other requests."}',
            "unknown",
            "venue_overloaded",
        ),
    ],
)
def test_the_three_503_of_futures_are_told_apart_by_their_text(body: bytes, landed: str, code: str) -> None:
    for market in ("binance_usdm", "binance_spot"):
        error = BY_MARKET[market].error(Reply(status=503, headers={}, body=body))
        assert error is not None
        assert error.entry.landed == (landed if market == "binance_usdm" else "unknown")
    error = BY_MARKET["binance_usdm"].error(Reply(status=503, headers={}, body=body))
    assert error is not None
    assert error.code == code


@pytest.mark.parametrize(
    ("market", "code", "message"),
    [
        ("binance_spot", -2010, "Duplicate order sent."),
        ("binance_spot", -2011, "Unknown order sent."),
        ("binance_spot", -2011, "CANCEL_REJECTED"),
        ("binance_spot", -2013, "Order does not exist."),
        ("binance_usdm", -4116, "clientOrderId is duplicated"),
        ("binance_usdm", -4117, "stop order is triggering"),
        ("binance_usdm", -2011, "Unknown order sent."),
        ("binance_usdm", -2012, "Batch cancel failure."),
        ("binance_usdm", -4083, "Fail to place batch orders."),
        ("binance_usdm", -1001, "Internal error; unable to process your request. Please try again."),
        ("bitrue_spot", -2010, "Duplicate clientOrderId"),
        ("bitrue_spot", -2013, "Order information not found for the given order ID."),
        ("bitrue_futures", -1145, "Order status does not allow cancel"),
    ],
)
def test_evidence_of_an_earlier_attempt_or_of_a_late_cancel_is_no_proof(
    market: str, code: int, message: str
) -> None:
    error = read(BY_MARKET[market], code, message, 400)
    assert error.entry.landed is Landed.UNKNOWN
    assert error.entry.retry is Retry.AFTER_LOOKUP


@pytest.mark.parametrize("row", [row for row in DOCUMENTED["binance_spot"] if len(row["codes"]) > 1], ids=str)
def test_a_message_of_the_engine_is_told_apart_from_the_bare_code(row: dict[str, Any]) -> None:
    for message in row["messages"]:
        entry = BY_MARKET["binance_spot"].find(row["codes"][0], message)
        assert entry is not None
        assert entry.pattern is not None


@every_table
def test_each_row_can_be_reached_and_says_something_of_its_own(table: ErrorTable) -> None:
    for row in table.rows:
        assert row.says
        if not row.says.startswith("("):
            found = table.find(row.venue_code, row.says, row.http_status or 400)
            assert found is row, f"{row.venue_code} {row.says}"
    bare = Counter((row.venue_code, row.http_status) for row in table.rows if row.pattern is None)
    assert max(bare.values()) == 1


# --- Numbers and statuses that no row knows -----------------------------------------------------------------


@every_table
@pytest.mark.parametrize(
    ("status", "code", "landed"),
    [
        (400, "unmapped_error", "no"),
        (422, "unmapped_error", "no"),
        (408, "execution_unknown", "unknown"),
        (409, "partly_done", "unknown"),
        (200, "unreadable_reply", "unknown"),
        (503, "execution_unknown", "unknown"),
    ],
)
def test_an_unmapped_number_is_a_reject_only_where_the_status_says_so(
    table: ErrorTable, status: int, code: str, landed: str
) -> None:
    error = read(table, -999_999, "Something new.", status)
    assert (error.code, error.entry.landed, error.venue_code) == (code, landed, -999_999)
    assert error.venue_message == "Something new."


HTML = b"<html><head><title>403 Forbidden</title></head></html>"


@every_table
@pytest.mark.parametrize(
    ("status", "code", "landed", "retry", "scope"),
    [
        (301, "wrong_address", "no", "never", "venue"),
        (400, "rejected_without_reason", "no", "never", "venue"),
        (401, "key_not_permitted", "no", "never", "account"),
        (403, "waf_blocked", "no", "after_hold", "ip"),
        (404, "wrong_address", "no", "never", "venue"),
        (405, "wrong_address", "no", "never", "venue"),
        (408, "execution_unknown", "unknown", "after_lookup", "venue"),
        (409, "partly_done", "unknown", "after_lookup", "order"),
        (418, "ip_banned", "no", "after_hold", "ip"),
        (429, "too_many_requests", "no", "after_hold", "ip"),
        (451, "region_restricted", "no", "never", "ip"),
        (425, "unreadable_reply", "unknown", "after_lookup", "venue"),
        (499, "unreadable_reply", "unknown", "after_lookup", "venue"),
        (500, "execution_unknown", "unknown", "after_lookup", "venue"),
        (502, "execution_unknown", "unknown", "after_lookup", "venue"),
        (504, "execution_unknown", "unknown", "after_lookup", "venue"),
        (530, "execution_unknown", "unknown", "after_lookup", "venue"),
    ],
)
def test_a_status_without_a_readable_body_is_read_by_kind(
    table: ErrorTable, status: int, code: str, landed: str, retry: str, scope: str
) -> None:
    for body in (HTML, b"", b"[]", b"null"):
        error = table.error(Reply(status=status, headers={}, body=body))
        assert error is not None
        assert error.entry is http_entry(status)
        found = (error.code, error.entry.landed, error.entry.retry, error.entry.scope)
        assert found == (code, landed, retry, scope)


def test_a_ban_is_never_taken_for_a_bad_key() -> None:
    for table in TABLES:
        for status in (403, 418, 429, 451):
            entry = read(table, None, "", status).entry
            assert entry.scope is Scope.IP
            assert not entry.quarantines
        assert not read(
            table, -2015, "Invalid API-key, IP, or permissions for action.", 418
        ).entry.quarantines
        assert not read(table, None, "", 401).entry.quarantines, "a proxy can say 401 as well"


def test_only_words_about_the_key_quarantine_an_account() -> None:
    reasons = {row.code for row in ROWS if row.quarantines}
    assert reasons == {
        "invalid_api_key",
        "invalid_signature",
        "key_not_permitted",
        "keys_locked",
        "account_disabled",
    }


@every_table
def test_a_row_that_is_remembered_is_the_one_that_is_found(table: ErrorTable) -> None:
    for code, message, _ in documented(table.market):
        for status in (400, 503):
            found = table._search(code, message, status)
            assert table.find(code, message, status) is found
            assert table.find(code, message, status) is found


def test_a_text_of_any_length_is_searched() -> None:
    table = BY_MARKET["binance_spot"]
    assert table.find(-2010, "Account has insufficient balance" + " for requested action" + "." * 9_000)


def test_the_address_that_the_venue_saw_is_named() -> None:
    message = "Invalid API-key, IP, or permissions for action, request ip: 203.0.113.7"
    error = read(BY_MARKET["binance_usdm"], -2015, message, 401)
    assert error.entry.quarantines
    assert error.hint.startswith("The venue saw the request come from 203.0.113.7. Check that the key exists")
    assert read(BY_MARKET["binance_usdm"], -2015, "request ip: 2001:db8::1", 401).detail == (
        "The venue saw the request come from 2001:db8::1"
    )


@pytest.mark.parametrize(
    ("policy", "code", "scope", "detail"),
    [
        (
            "orders_user_seconds",
            "too_many_orders",
            "account",
            "The venue names the limit orders_user_seconds",
        ),
        ("orders_ip_seconds", "too_many_requests", "ip", "The venue names the limit orders_ip_seconds"),
        ("<user>", "too_many_requests", "ip", None),
        ("", "too_many_requests", "ip", None),
    ],
)
def test_bitrue_s_limit_of_one_account_stops_nobody_else(
    policy: str, code: str, scope: str, detail: str | None
) -> None:
    for body in (b"", b'{"code":-1003,"msg":"Too many requests."}'):
        reply = Reply(status=429, headers={"rate_limit_p": policy}, body=body)
        error = BY_MARKET["bitrue_spot"].error(reply)
        assert error is not None
        assert (error.code, error.entry.scope, error.detail) == (code, scope, detail)
        assert error.entry.retry is Retry.AFTER_HOLD


# --- Every row ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("entry", SHARED, ids=lambda entry: f"{entry.code} {entry.http_status}")
def test_a_shared_row_says_what_to_do_and_contradicts_itself_nowhere(entry: ErrorEntry) -> None:
    check_row(entry)


@every_table
def test_a_row_says_what_to_do_and_contradicts_itself_nowhere(table: ErrorTable) -> None:
    for row in table.rows:
        check_row(row)


def check_row(entry: ErrorEntry) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9_]*", entry.code)
    assert entry.hint.endswith((".", "why."))
    assert entry.hint[0].isupper() or entry.hint[0] == "`"
    assert "\n" not in entry.hint
    assert "  " not in entry.hint
    assert entry.landed is not Landed.UNKNOWN or entry.retry in {Retry.AFTER_LOOKUP, Retry.NEVER}
    assert entry.retry is not Retry.AFTER_LOOKUP or entry.landed is Landed.UNKNOWN
    assert not entry.quarantines or (entry.scope is Scope.ACCOUNT and entry.owner is Owner.OPERATOR)


def test_one_code_means_one_thing_everywhere() -> None:
    """Whoever consumes outcomes switches on `code`: who has to act may not depend on the venue."""
    owners: dict[str, set[Owner]] = {}
    for row in ROWS:
        owners.setdefault(row.code, set()).add(row.owner)
    mixed = {code for code, found in owners.items() if len(found) > 1}
    assert mixed <= {
        "invalid_timestamp",
        "no_liquidity",
        "unsupported_operation",
        "unsupported_order_type",
        "venue_rejected",
    }


def test_every_kind_of_fault_has_a_row() -> None:
    assert set(FAULTS) == set(FaultKind)
    assert FAULTS["not_sent"].landed is Landed.NO
    assert {FAULTS["lost"].landed, FAULTS["timeout"].landed} == {Landed.UNKNOWN}


OWN = [
    "invalid_signal",
    "account_mismatch",
    "unknown_account",
    "account_refused",
    "account_quarantined",
    "held",
    "symbol_not_allowed",
    "unknown_symbol",
    "symbol_not_trading",
    "unsupported_order_type",
    "unsupported_time_in_force",
    "unsupported_option",
    "rate_limited",
    "signal_expired",
    "signal_id_conflict",
    "order_not_found",
    "too_late_to_cancel",
]


@pytest.mark.parametrize("code", [*OWN, "filter_lot_size", "filter_price_filter", "resolution_exhausted"])
def test_every_refusal_of_the_contract_can_be_made(code: str) -> None:
    error = refusal(code, detail="because")
    assert error.code == code
    assert error.hint.startswith("because. ")


def test_a_refusal_that_nobody_knows_is_a_bug() -> None:
    with pytest.raises(ValueError, match="no refusal"):
        refusal("no_such_thing")
