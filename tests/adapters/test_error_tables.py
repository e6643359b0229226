"""Every documented error has a deliberate row, and no row claims more than its venue does."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from adapters.error_tables import binance_spot, bitrue_spot
from adapters.error_tables.common import CLIENT_ERROR, FAULTS, HTTP_STATUSES, SERVER_ERROR, UNREADABLE_REPLY
from adapters.error_tables.table import ErrorTable
from adapters.errors import REFUSALS, ErrorEntry, Landed, Retry, Scope, refusal
from adapters.model import FaultKind
from tests.adapters.builders import an_error

DOCUMENTED = json.loads((Path(__file__).parent / "documented_errors.json").read_text())
TABLES = {"binance_spot": binance_spot.TABLE, "bitrue_spot": bitrue_spot.TABLE}
SHARED = (
    *HTTP_STATUSES.values(),
    *FAULTS.values(),
    *REFUSALS.values(),
    CLIENT_ERROR,
    SERVER_ERROR,
    UNREADABLE_REPLY,
)
ROWS = [*binance_spot.TABLE.rows, *bitrue_spot.TABLE.rows, *SHARED]


def cases(market: str) -> list[Any]:
    return [
        pytest.param(TABLES[market], code, message, row, id=f"{market} {code} {message[:40]}")
        for row in DOCUMENTED[market]
        for code in row["codes"]
        for message in row["messages"] or [""]
    ]


@pytest.mark.parametrize(("table", "code", "message", "row"), cases("binance_spot") + cases("bitrue_spot"))
def test_a_documented_error_is_classified_on_purpose(
    table: ErrorTable, code: int, message: str, row: dict[str, Any]
) -> None:
    entry = table.find(code, message.replace("%s", "X"))
    assert entry is not None
    if str(row.get("execution") or "").startswith(("unknown", "partial")):
        assert entry.landed is Landed.UNKNOWN


@pytest.mark.parametrize("row", [row for row in DOCUMENTED["binance_spot"] if len(row["codes"]) > 1], ids=str)
def test_a_message_of_the_engine_is_told_apart_from_the_bare_code(row: dict[str, Any]) -> None:
    table = binance_spot.TABLE
    for message in row["messages"]:
        entry = table.find(row["codes"][0], message)
        assert entry is not None
        assert entry.pattern is not None


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_no_server_error_proves_that_an_order_did_not_land(table: ErrorTable, status: int) -> None:
    for row in table.rows:
        assert row.venue_code is not None
        error = table.error(an_error(row.venue_code, "", status))
        assert error is not None
        assert error.entry.landed is Landed.UNKNOWN
        assert error.entry.retry is Retry.AFTER_LOOKUP


@pytest.mark.parametrize("entry", ROWS, ids=lambda entry: f"{entry.code} {entry.venue_code}")
def test_a_row_says_what_to_do_and_contradicts_itself_nowhere(entry: ErrorEntry) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9_]*", entry.code)
    assert entry.hint.endswith(".")
    assert "\n" not in entry.hint
    assert entry.landed is not Landed.UNKNOWN or entry.retry in {Retry.AFTER_LOOKUP, Retry.NEVER}
    assert not entry.quarantines or entry.scope is Scope.ACCOUNT


def test_every_kind_of_fault_has_a_row() -> None:
    assert set(FAULTS) == set(FaultKind)


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
