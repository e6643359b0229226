"""The one answer to a signal: its ids, its document and its status."""

import base64
import hashlib
from dataclasses import replace
from decimal import Decimal
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.errors import Landed, refusal
from adapters.model import (
    CancelledOrder,
    ExecutionReport,
    Fill,
    Order,
    OrderState,
    OrderType,
    Side,
    TimeInForce,
)
from worker.core.outcome import (
    Journey,
    Outcome,
    Settlement,
    Status,
    Subject,
    build_outcome,
    client_order_id,
    outcome_id,
    settle_cancellation,
    settle_placement,
)

MARKET = Order(
    client_order_id="b", symbol="BTCUSDT", side=Side.BUY, type=OrderType.MARKET, quantity=Decimal("0.01")
)
LIMIT = replace(MARKET, type=OrderType.LIMIT, price=Decimal("65000.10"), time_in_force=TimeInForce.GTC)
SUBJECT = Subject(
    signal_id="s-1",
    account="main",
    venue="binance",
    action="place",
    symbol="BTC/USDT",
    content_hash="c" * 32,
    client_order_id="bxyz",
)
NOTHING, SOME, ALL = Decimal(0), Decimal("0.004"), Decimal("0.01")


def a_report(
    state: OrderState | None = OrderState.FILLED, executed: Decimal | None = ALL, **over: Any
) -> ExecutionReport:
    report = ExecutionReport(
        client_order_id="bxyz",
        venue_order_id="28",
        symbol="BTCUSDT",
        state=state,
        venue_status=state.upper() if state else None,
        executed_quantity=executed,
    )
    return replace(report, **over)


def an_outcome(settlement: Settlement, **over: Any) -> Outcome:
    given: dict[str, Any] = {
        "asked": MARKET,
        "journey": Journey(received_s=100.0),
        "now_s": 100.0099,
        "settled_at_ms": 1_795_176_000_000.9,
        "worker": "host-0",
    }
    return build_outcome(over.pop("subject", SUBJECT), settlement, **(given | over))


def document(outcome: Outcome) -> dict[str, Any]:
    read: dict[str, Any] = orjson.loads(outcome.body)
    return read


# --- Ids --------------------------------------------------------------------------------------------------------------


def test_a_client_order_id_is_this_fixed_vector() -> None:
    # Computed with coreutils: printf 'main\ns-1' | b2sum -l 128, then base32, lower case, without padding.
    assert client_order_id("main", "s-1") == "bkgkhrwkbtwow7vmgvwb3n5kjhq"


@given(
    st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=128),
)
def test_anyone_can_compute_a_client_order_id(account: str, signal_id: str) -> None:
    digest = hashlib.blake2b(account.encode() + b"\n" + signal_id.encode(), digest_size=16).digest()
    expected = "b" + base64.b32encode(digest).decode().replace("=", "").lower()
    assert client_order_id(account, signal_id) == expected
    assert len(expected) == 27
    assert set(expected) <= set("abcdefghijklmnopqrstuvwxyz234567")


def test_ids_tell_account_signal_and_content_apart() -> None:
    assert client_order_id("a", "b") != client_order_id("b", "a")
    ids = {outcome_id(a, s, c) for a in ("a", "b") for s in ("a", "b") for c in ("a", "b")}
    assert len(ids) == 8


# --- The document -----------------------------------------------------------------------------------------------------


def test_a_filled_order_has_the_document_of_the_contract() -> None:
    report = a_report(
        executed_quote=Decimal("650.00"),
        fills=(Fill(price=Decimal("65000.00"), quantity=ALL, fee=Decimal("0.00001"), fee_asset="BNB"),),
        transact_time_ms=1_795_175_999_990,
    )
    journey = Journey(received_s=100.0, queued_ms=1.23456, venue_ms=8.1, attempts=1)
    outcome = an_outcome(settle_placement(report, MARKET), journey=journey)
    assert document(outcome) == {
        "schema": 1,
        "outcome_id": outcome_id("main", "s-1", "c" * 32),
        "signal_id": "s-1",
        "account": "main",
        "venue": "binance",
        "action": "place",
        "symbol": "BTC/USDT",
        "status": "filled",
        "landed": "yes",
        "client_order_id": "bxyz",
        "venue_order_id": "28",
        "order": {
            "side": "buy",
            "type": "market",
            "time_in_force": None,
            "quantity": "0.01",
            "price": None,
            "executed_quantity": "0.01",
            "executed_quote": "650.00",
            "average_price": "65000.00000000",
            "fills": [{"price": "65000.00", "quantity": "0.01", "fee": "0.00001", "fee_asset": "BNB"}],
            "venue_status": "FILLED",
            "transact_time_ms": 1_795_175_999_990,
        },
        "error": None,
        "revision": 0,
        "attempts": 1,
        "lookups": 0,
        "redelivered": False,
        "latency_ms": {"queue": 1.235, "limiter": 0.0, "venue": 8.1, "resolve": 0.0, "total": 9.9},
        "worker": "host-0",
        "settled_at": "2026-11-20T12:00:00.000Z",
    }
    assert (outcome.status, outcome.code, outcome.revision) == (Status.FILLED, None, 0)


def test_an_error_tells_who_has_to_act_and_what_the_venue_said() -> None:
    error = replace(
        refusal("order_not_found", detail="It is 7 days old"),
        venue_code=-2011,
        venue_message="Unknown order sent.",
        http_status=400,
    )
    outcome = an_outcome(Settlement(status=Status.REJECTED, landed=Landed.NO, error=error), asked=None)
    written = document(outcome)
    assert written["error"] == {
        "code": "order_not_found",
        "venue_code": -2011,
        "venue_message": "Unknown order sent.",
        "http_status": 400,
        "scope": "order",
        "owner": "producer",
        "retryable": False,
        "hint": f"It is 7 days old. {error.entry.hint}",
    }
    assert (written["order"], written["venue_order_id"], outcome.code) == (None, None, "order_not_found")


def test_a_cancel_all_lists_what_it_cancelled_even_if_nothing() -> None:
    orders = (CancelledOrder(client_order_id="b1", venue_order_id="9007199254740993"),)
    settlement = Settlement(status=Status.CANCELLED, landed=Landed.YES, orders=orders)
    assert document(an_outcome(settlement, asked=None))["orders"] == [
        {"client_order_id": "b1", "venue_order_id": "9007199254740993"}
    ]
    assert document(an_outcome(replace(settlement, orders=()), asked=None))["orders"] == []
    assert "orders" not in document(an_outcome(settle_placement(a_report(), MARKET)))


def test_what_was_asked_is_shown_and_what_was_not_is_filled_in_from_the_report() -> None:
    asked = replace(MARKET, quantity=None, quote_quantity=Decimal(650))
    order = document(an_outcome(settle_placement(a_report(quantity=ALL), asked), asked=asked))["order"]
    assert order["quantity"] == "0.01"
    cancelled = a_report(
        OrderState.CANCELLED, SOME, side=Side.SELL, type=OrderType.LIMIT, price=Decimal("1E+3"), quantity=ALL
    )
    order = document(an_outcome(settle_cancellation(cancelled, refusal("too_late_to_cancel")), asked=None))[
        "order"
    ]
    assert (order["side"], order["type"], order["price"], order["quantity"]) == (
        "sell",
        "limit",
        "1000",
        "0.01",
    )


def test_numbers_are_never_written_with_an_exponent_or_as_floats() -> None:
    asked = replace(LIMIT, quantity=Decimal("0.000000000000000001"), price=Decimal("1E+5"))
    body = an_outcome(settle_placement(a_report(executed=Decimal("1E-18")), asked), asked=asked).body
    order = orjson.loads(body)["order"]
    assert (order["quantity"], order["price"]) == ("0.000000000000000001", "100000")
    assert order["executed_quantity"] == "0.000000000000000001"


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=0))
def test_an_amount_keeps_every_digit_in_fixed_notation(quantity: Decimal) -> None:
    order = document(an_outcome(settle_placement(a_report(executed=quantity), MARKET)))["order"]
    assert order["executed_quantity"] == f"{quantity:f}"


def test_a_revision_keeps_the_outcome_id() -> None:
    first = an_outcome(
        Settlement(status=Status.UNKNOWN, landed=Landed.UNKNOWN, error=refusal("resolution_exhausted"))
    )
    second = an_outcome(settle_placement(a_report(), MARKET), revision=1)
    assert (first.outcome_id, first.revision, second.revision) == (second.outcome_id, 0, 1)
    assert document(second)["revision"] == 1


def test_an_outcome_shows_nothing_of_its_body_when_printed() -> None:
    assert "latency_ms" not in repr(an_outcome(settle_placement(a_report(), MARKET)))


# --- Status of a placement --------------------------------------------------------------------------------------------

IOC = replace(LIMIT, time_in_force=TimeInForce.IOC)
FOK = replace(LIMIT, time_in_force=TimeInForce.FOK)


@pytest.mark.parametrize(
    ("asked", "state", "executed", "status", "landed"),
    [
        (MARKET, OrderState.FILLED, ALL, "filled", "yes"),
        (LIMIT, OrderState.FILLED, ALL, "filled", "yes"),
        (LIMIT, OrderState.OPEN, NOTHING, "resting", "yes"),
        (LIMIT, OrderState.OPEN, SOME, "resting", "yes"),
        (LIMIT, OrderState.PENDING, NOTHING, "resting", "yes"),
        (LIMIT, None, None, "resting", "yes"),
        (LIMIT, OrderState.CANCELLED, NOTHING, "cancelled", "yes"),
        (LIMIT, OrderState.CANCELLED, SOME, "partially_filled", "yes"),
        (LIMIT, OrderState.EXPIRED, NOTHING, "unfilled", "yes"),
        (LIMIT, OrderState.EXPIRED, SOME, "partially_filled", "yes"),
        (IOC, OrderState.EXPIRED, NOTHING, "unfilled", "yes"),
        (IOC, OrderState.CANCELLED, NOTHING, "unfilled", "yes"),
        (IOC, OrderState.CANCELLED, SOME, "partially_filled", "yes"),
        (FOK, OrderState.EXPIRED, NOTHING, "unfilled", "yes"),
        (FOK, OrderState.CANCELLED, NOTHING, "unfilled", "yes"),
        (MARKET, OrderState.EXPIRED, NOTHING, "unfilled", "yes"),
        (MARKET, OrderState.EXPIRED, SOME, "partially_filled", "yes"),
        (MARKET, OrderState.CANCELLED, NOTHING, "unfilled", "yes"),
        (MARKET, OrderState.CANCELLED, SOME, "partially_filled", "yes"),
        (MARKET, OrderState.REJECTED, NOTHING, "rejected", "no"),
        (MARKET, OrderState.REJECTED, None, "rejected", "no"),
        (MARKET, OrderState.REJECTED, SOME, "partially_filled", "yes"),
    ],
)
def test_the_status_of_a_placement_follows_from_state_and_execution(
    asked: Order, state: OrderState | None, executed: Decimal | None, status: str, landed: str
) -> None:
    settlement = settle_placement(a_report(state, executed), asked)
    assert (settlement.status, settlement.landed) == (status, landed)
    assert settlement.report is not None


@given(
    st.sampled_from([MARKET, LIMIT, IOC, FOK]),
    st.sampled_from([*OrderState, None]),
    st.sampled_from([NOTHING, SOME, ALL, None]),
)
def test_an_execution_is_never_told_as_nothing(
    asked: Order, state: OrderState | None, executed: Decimal | None
) -> None:
    for settlement in (
        settle_placement(a_report(state, executed), asked),
        settle_cancellation(a_report(state, executed), refusal("too_late_to_cancel")),
    ):
        if executed:
            assert settlement.status not in (Status.REJECTED, Status.UNFILLED, Status.EXPIRED)
            assert settlement.landed is Landed.YES


# --- Status of a cancel -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "executed", "status", "code"),
    [
        (OrderState.CANCELLED, NOTHING, "cancelled", None),
        (OrderState.CANCELLED, SOME, "cancelled", None),
        (OrderState.FILLED, ALL, "filled", "too_late_to_cancel"),
        (OrderState.EXPIRED, SOME, "partially_filled", "too_late_to_cancel"),
        (OrderState.EXPIRED, NOTHING, "unfilled", "too_late_to_cancel"),
    ],
)
def test_a_cancel_answers_for_the_order_it_names(
    state: OrderState | None, executed: Decimal | None, status: str, code: str | None
) -> None:
    settlement = settle_cancellation(a_report(state, executed), refusal("too_late_to_cancel"))
    assert (settlement.status, settlement.landed) == (status, "yes")
    assert (settlement.error.code if settlement.error else None) == code


def test_cancelling_an_order_that_the_venue_had_rejected_says_that_it_never_landed() -> None:
    settlement = settle_cancellation(a_report(OrderState.REJECTED, NOTHING), refusal("too_late_to_cancel"))
    assert settlement.landed is Landed.NO
