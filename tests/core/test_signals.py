"""What producers may write, and what becomes of everything else."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.model import OrderType, Side, TimeInForce
from worker.core.signals import (
    MAX_BODY_BYTES,
    MAX_PROBLEMS,
    Action,
    BadSignal,
    Signal,
    Unanswerable,
    read_signal,
)

MARKET = {
    "signal_id": "s-1",
    "account": "main",
    "symbol": "BTC/USDT",
    "side": "buy",
    "type": "market",
    "quantity": "0.01",
}
LIMIT = MARKET | {"type": "limit", "price": "65000.10"}
CANCEL = {"signal_id": "s-2", "account": "main", "action": "cancel", "symbol": "BTCUSDT", "cancels": "s-1"}
CANCEL_ALL = {"signal_id": "s-3", "account": "main", "action": "cancel_all", "symbol": "BTCUSDT"}


def raw(message: dict[str, Any], **over: Any) -> bytes:
    """Write a message; a field given as bytes is put in verbatim, `...` leaves a field out."""
    fields = {name: value for name, value in (message | over).items() if value is not ...}
    texts = (
        f"{json.dumps(name)}: {value.decode() if isinstance(value, bytes) else json.dumps(value)}"
        for name, value in fields.items()
    )
    return ("{" + ", ".join(texts) + "}").encode()


def read(body: bytes, key: str = "main") -> Signal | BadSignal | Unanswerable:
    return read_signal(body, key)


def good(message: dict[str, Any], **over: Any) -> Signal:
    signal = read(raw(message, **over))
    assert isinstance(signal, Signal), signal
    return signal


def bad(message: dict[str, Any], **over: Any) -> BadSignal:
    signal = read(raw(message, **over))
    assert isinstance(signal, BadSignal), signal
    return signal


# --- Good -------------------------------------------------------------------------------------------------------------


def test_a_market_order_is_read() -> None:
    signal = good(MARKET)
    assert (signal.signal_id, signal.account, signal.action) == ("s-1", "main", Action.PLACE)
    assert (signal.symbol, signal.symbol_text) == ("BTCUSDT", "BTC/USDT")
    assert (signal.side, signal.type, signal.quantity) == (Side.BUY, OrderType.MARKET, Decimal("0.01"))
    assert signal.time_in_force is None
    assert signal.valid_until_ms is None
    assert not signal.dry_run


def test_a_limit_order_is_good_till_cancelled_unless_told_otherwise() -> None:
    assert good(LIMIT).time_in_force is TimeInForce.GTC
    assert good(LIMIT, time_in_force="ioc").time_in_force is TimeInForce.IOC
    assert good(LIMIT, type="limit_maker").time_in_force is None
    assert good(LIMIT, type="stop_loss_limit", stop_price="64000").time_in_force is TimeInForce.GTC


def test_a_cancel_names_the_signal_it_cancels() -> None:
    assert good(CANCEL).cancels == "s-1"
    assert good(CANCEL_ALL).action is Action.CANCEL_ALL


@pytest.mark.parametrize("text", ["btc/usdt", "BTCUSDT", "BtCuSdT", "BTC/USDT"])
def test_symbols_are_read_in_either_form_and_case(text: str) -> None:
    assert good(MARKET, symbol=text).symbol == "BTCUSDT"


@pytest.mark.parametrize(
    ("written", "value"),
    [
        (b"1", "1"),
        (b'"1"', "1"),
        (b"0.10", "0.10"),
        (b'"0.000000000000000001"', "0.000000000000000001"),
        (b"123456789012345678.123456789012345678", "123456789012345678.123456789012345678"),
        (b"0.1000000000000000055", None),
        (b"9007199254740993", "9007199254740993"),
    ],
)
def test_decimals_go_through_verbatim(written: bytes, value: str | None) -> None:
    if value is None:
        assert bad(MARKET, quantity=written).problems[0].startswith("quantity: must have at most 18 digits")
    else:
        assert f"{good(MARKET, quantity=written).quantity:f}" == value


@pytest.mark.parametrize(
    ("written", "epoch_ms"),
    [
        ("2026-11-18T09:07:00Z", 1_794_992_820_000),
        ("2026-11-18t09:07:00z", 1_794_992_820_000),
        ("2026-11-18 09:07:00+00:00", 1_794_992_820_000),
        ("2026-11-18T11:07:00.250+02:00", 1_794_992_820_250),
        ("2026-11-18T09:07:00.123456789Z", 1_794_992_820_123),
        (1_794_992_820_000, 1_794_992_820_000),
        (0, 0),
    ],
)
def test_valid_until_is_rfc_3339_or_epoch_milliseconds(written: object, epoch_ms: int) -> None:
    assert good(MARKET, valid_until=written).valid_until_ms == epoch_ms


def test_null_is_the_same_as_absent() -> None:
    optional = ("quote_quantity", "price", "time_in_force", "reduce_only", "cancels", "valid_until")
    assert good(MARKET, **dict.fromkeys(optional)) == good(MARKET)


# --- Bad, with the path of the field ----------------------------------------------------------------------------------

NUMBER_PROBLEMS = [
    (b"0", "must be greater than 0"),
    (b'"0"', "must be greater than 0"),
    (b"0.0", "must be greater than 0"),
    (b"-0.0", "must be greater than 0"),
    (b"-1", "must be greater than 0"),
    (b'"-0.5"', "must be greater than 0"),
    (b"1e5", "must be a plain decimal number"),
    (b"1E-5", "must be a plain decimal number"),
    (b'"1e5"', "must be a plain decimal number"),
    (b'"+1"', "must be a plain decimal number"),
    (b'" 1"', "must be a plain decimal number"),
    (b'"1 "', "must be a plain decimal number"),
    (b'"1\\n"', "must be a plain decimal number"),
    (b'".5"', "must be a plain decimal number"),
    (b'"5."', "must be a plain decimal number"),
    (b'"01"', "must be a plain decimal number"),
    (b'"1,5"', "must be a plain decimal number"),
    (b'"1_000"', "must be a plain decimal number"),
    (b'"0x10"', "must be a plain decimal number"),
    (b'"\\uff11"', "must be a plain decimal number"),
    (b'"NaN"', "must be a plain decimal number"),
    (b'"Infinity"', "must be a plain decimal number"),
    (b'""', "must be a plain decimal number"),
    (b"1234567890123456789012345678901234567890", "must have at most 18 digits"),
    (b'"1234567890123456789012345678901234567890"', "must have at most 18 digits"),
    (b'"0.1234567890123456789012345678901234567890"', "must have at most 18 digits"),
    (b"18446744073709551616", "must have at most 18 digits"),
    (b"true", "must be a decimal number"),
    (b"[1]", "must be a decimal number"),
    (b'{"value": 1}', "must be a decimal number"),
]


@pytest.mark.parametrize("field", ["quantity", "price"])
@pytest.mark.parametrize(("written", "problem"), NUMBER_PROBLEMS)
def test_a_number_that_is_not_exactly_one_amount_is_refused(field: str, written: bytes, problem: str) -> None:
    signal = bad(LIMIT, **{field: written})
    assert signal.code == "invalid_signal"
    assert len(signal.problems) == 1
    assert signal.problems[0].startswith(f"{field}: {problem}")


@pytest.mark.parametrize(
    "written",
    [
        "2026-11-18T09:07:00",
        "2026-11-18",
        "2026-02-30T00:00:00Z",
        "2026-11-18T09:07:60Z",
        "2026-11-18T24:07:00Z",
        "2026-11-18T09:07:00+99:99",
        "1794992820000",
        "tomorrow",
        "",
        1.5,
        True,
        [],
        -1,
        10**15,
        10**30,
        "0001-01-01T00:00:00+23:59",
        "9999-12-31T23:59:59-23:59",
    ],
)
def test_a_valid_until_that_could_mean_two_things_is_refused(written: object) -> None:
    assert bad(MARKET, valid_until=written).problems[0].startswith("valid_until: ")


@pytest.mark.parametrize(
    ("message", "over", "path"),
    [
        (MARKET, {"quantity": ...}, "quantity"),
        (MARKET, {"quote_quantity": "10"}, "quantity"),
        (MARKET, {"side": ...}, "side"),
        (MARKET, {"side": "BUY"}, "side"),
        (MARKET, {"side": 1}, "side"),
        (MARKET, {"type": "iceberg"}, "type"),
        (MARKET, {"type": ...}, "type"),
        (MARKET, {"price": "1"}, "price"),
        (MARKET, {"time_in_force": "gtc"}, "time_in_force"),
        (MARKET, {"stop_price": "1"}, "stop_price"),
        (MARKET, {"trailing_delta": "1"}, "trailing_delta"),
        (MARKET, {"cancels": "s-0"}, "cancels"),
        (LIMIT, {"price": ...}, "price"),
        (LIMIT, {"type": "stop_loss_limit"}, "stop_price"),
        (MARKET, {"type": "trailing_stop"}, "trailing_delta"),
        (MARKET, {"close_position": True}, "quantity"),
        (MARKET, {"symbol": ...}, "symbol"),
        (MARKET, {"symbol": 15}, "symbol"),
        (MARKET, {"symbol": 1.5}, "symbol"),
        (MARKET, {"symbol": ""}, "symbol"),
        (MARKET, {"symbol": "BTC/USDT\n"}, "symbol"),
        (MARKET, {"symbol": "A/B/C"}, "symbol"),
        (MARKET, {"symbol": "../../order"}, "symbol"),
        (MARKET, {"symbol": "B" * 65}, "symbol"),
        (MARKET, {"account": ...}, "account"),
        (MARKET, {"account": "a b"}, "account"),
        (MARKET, {"account": 12345678901234567890}, "account"),
        (MARKET, {"account": "a" * 65}, "account"),
        (MARKET, {"dry_run": "yes"}, "dry_run"),
        (MARKET, {"dry_run": 1}, "dry_run"),
        (MARKET, {"dry_run": None}, "dry_run"),
        (MARKET, {"reduce_only": "true"}, "reduce_only"),
        (MARKET, {"position_side": "up"}, "position_side"),
        (MARKET, {"action": "PLACE"}, "action"),
        (MARKET, {"action": []}, "action"),
        (MARKET, {"action": {}}, "action"),
        (MARKET, {"action": None}, "action"),
        (CANCEL, {"cancels": ...}, "cancels"),
        (CANCEL, {"cancels": ""}, "cancels"),
        (CANCEL, {"cancels": 1.5}, "cancels"),
        (CANCEL, {"cancels": "x" * 129}, "cancels"),
        (CANCEL, {"side": "buy"}, "side"),
        (CANCEL, {"quantity": "1"}, "quantity"),
        (CANCEL_ALL, {"cancels": "s-1"}, "cancels"),
        (CANCEL_ALL, {"symbol": ...}, "symbol"),
    ],
)
def test_each_problem_begins_with_the_path_of_its_field(
    message: dict[str, Any], over: dict[str, Any], path: str
) -> None:
    signal = bad(message, **over)
    assert (signal.signal_id, signal.code) == (message["signal_id"], "invalid_signal")
    assert signal.problems[0].startswith(f"{path}: "), signal.problems


def test_unknown_fields_are_named() -> None:
    assert bad(MARKET, quantiy="1").problems == ("quantiy: unknown field",)


def test_every_problem_is_told_at_once() -> None:
    signal = bad(MARKET, side="long", quantity="0", extra=1)
    assert [problem.partition(":")[0] for problem in signal.problems] == ["side", "quantity", "extra"]


def test_a_message_full_of_unknown_fields_gets_a_short_answer() -> None:
    signal = bad(MARKET, **{f"field{number}": number for number in range(2_000)})
    assert len(signal.problems) == MAX_PROBLEMS + 1
    assert signal.problems[-1] == f"and {2_000 - MAX_PROBLEMS} more"


@pytest.mark.parametrize("field", ["quantity", "side", "account"])
def test_a_field_given_twice_is_refused_because_readers_differ(field: str) -> None:
    body = raw(MARKET)[:-1] + f', "{field}": {json.dumps(MARKET[field])}}}'.encode()
    signal = read(body)
    assert isinstance(signal, BadSignal)
    assert signal.problems == (f"{field}: given more than once",)


def test_a_field_given_twice_is_found_under_an_escaped_spelling() -> None:
    signal = read(raw(MARKET)[:-1] + b', "quantit\\u0079": "5"}')
    assert isinstance(signal, BadSignal)
    assert signal.problems == ("quantity: given more than once",)


def test_quotes_and_escapes_inside_texts_are_no_repetition() -> None:
    assert good(MARKET, signal_id='a "quoted" id \\').signal_id == 'a "quoted" id \\'


def test_an_account_must_be_the_routing_key() -> None:
    signal = read_signal(raw(MARKET), "other")
    assert isinstance(signal, BadSignal)
    assert (signal.account, signal.code) == ("other", "account_mismatch")
    assert signal.problems[0].startswith("account: ")


def test_a_message_that_is_too_large_is_answered_by_its_id() -> None:
    signal = bad(MARKET, symbol="B" * MAX_BODY_BYTES)
    assert signal.code == "invalid_signal"
    assert signal.problems[0].startswith("body: ")
    assert signal.symbol_text is not None
    assert len(signal.symbol_text) == 65


def test_a_bad_signal_keeps_what_can_be_told_of_it() -> None:
    signal = bad(CANCEL, symbol=5, side="buy")
    assert (signal.action, signal.symbol_text) == ("cancel", None)
    assert bad(MARKET, action="explode").action is None


# --- Nobody to answer to ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json",
        b"\xff\xfe",
        b"\xef\xbb\xbf{}",
        b'{"signal_id": "s-1"',
        b'{"signal_id": "s-1", "quantity": NaN}',
        b'{"signal_id": "s-1", "quantity": Infinity}',
        b'{"signal_id": "\\ud800"}',
        b'{"signal_id": "s-1", "symbol": "\\ud800"}',
        b'{"signal_id": "s-1", "x": ' + b"[" * 20_000 + b"]" * 20_000 + b"}",
        b"{'signal_id': 's-1'}",
        b'{"signal_id": "s-1",}',
    ],
)
def test_what_is_not_json_has_nobody_to_answer_to(body: bytes) -> None:
    assert read(body) == Unanswerable(reason="not JSON")


@pytest.mark.parametrize("body", [b"[]", b'"s-1"', b"1", b"null", b"true"])
def test_what_is_no_object_has_nobody_to_answer_to(body: bytes) -> None:
    assert read(body) == Unanswerable(reason="not a JSON object")


@pytest.mark.parametrize("written", [..., None, 1, 1.5, 12345678901234567890, True, [], {}, "", "x" * 129])
def test_an_id_that_cannot_be_read_has_nobody_to_answer_to(written: object) -> None:
    answer = read(raw(MARKET, signal_id=written))
    assert isinstance(answer, Unanswerable)
    assert "signal_id" in answer.reason


def test_two_ids_have_nobody_to_answer_to() -> None:
    assert isinstance(read(raw(MARKET)[:-1] + b', "signal_id": "s-9"}'), Unanswerable)


def test_nesting_that_one_reader_takes_and_another_does_not_is_answered() -> None:
    for depth in (900, 990, 1_000, 1_020):
        signal = read(raw(MARKET, quantity=1.5, deep=b"[" * depth + b"]" * depth))
        assert isinstance(signal, BadSignal | Unanswerable)


@given(st.binary(max_size=300))
def test_no_bytes_raise(body: bytes) -> None:
    assert isinstance(read(body), Unanswerable)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", max_size=3), inner, max_size=3)
    ),
    max_leaves=5,
)
FIELDS = [
    *LIMIT,
    "action",
    "cancels",
    "valid_until",
    "dry_run",
    "time_in_force",
    "stop_price",
    "position_side",
]


@given(st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=4))
def test_whatever_fields_hold_a_message_with_an_id_is_answered(over: dict[str, Any]) -> None:
    over.pop("signal_id", None)
    answer = read_signal(json.dumps(LIMIT | over).encode(), "main")
    if isinstance(answer, BadSignal):
        assert answer.code in {"invalid_signal", "account_mismatch"}
        assert all(": " in problem for problem in answer.problems)
    else:
        assert isinstance(answer, Signal)
        assert answer.quantity is None or answer.quantity > 0


AMOUNTS = st.decimals(min_value="0.000000000000000001", max_value=10**17, places=18)


@given(AMOUNTS, AMOUNTS)
def test_amounts_survive_as_texts_and_as_numbers(quantity: Decimal, price: Decimal) -> None:
    as_text = good(LIMIT, quantity=f"{quantity:f}", price=f"{price:f}")
    as_number = good(LIMIT, quantity=f"{quantity:f}".encode(), price=f"{price:f}".encode())
    assert as_text == as_number
    assert (as_text.quantity, as_text.price) == (quantity, price)


# --- The content hash -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "over",
    [
        {"symbol": "btcusdt"},
        {"quantity": b"0.01"},
        {"quantity": "0.010"},
        {"price": "65000.1"},
        {"time_in_force": "gtc"},
        {"action": "place"},
        {"dry_run": False},
        {"valid_until": None},
        {"reduce_only": None},
    ],
)
def test_the_same_request_written_differently_is_the_same_content(over: dict[str, Any]) -> None:
    assert good(LIMIT, **over).content_hash == good(LIMIT).content_hash


def test_the_order_of_fields_and_white_space_do_not_change_the_content() -> None:
    message = json.dumps(dict(reversed(LIMIT.items())), indent=3).encode()
    signal = read(message)
    assert isinstance(signal, Signal)
    assert signal.content_hash == good(LIMIT).content_hash


def test_an_instant_is_the_same_content_in_either_form() -> None:
    text = good(MARKET, valid_until="2026-11-18T11:07:00+02:00")
    assert text.content_hash == good(MARKET, valid_until=1_794_992_820_000).content_hash


DIFFERENT: list[dict[str, Any]] = [
    {},
    {"symbol": "ETHUSDT"},
    {"side": "sell"},
    {"type": "limit_maker"},
    {"quantity": "0.02"},
    {"quantity": ..., "quote_quantity": "0.01"},
    {"price": "65000.11"},
    {"time_in_force": "fok"},
    {"valid_until": 1_794_992_820_000},
    {"dry_run": True},
    {"reduce_only": True},
    {"position_side": "long"},
    {"quantity": ..., "close_position": True},
    {"quantity": "100000000000000000.000000000000000001"},
    {"quantity": "100000000000000000.000000000000000002"},
    {"quantity": "100"},
    {"quantity": "1"},
]


def test_different_requests_are_different_contents() -> None:
    hashes = [good(LIMIT, **over).content_hash for over in DIFFERENT]
    hashes += [
        good(CANCEL).content_hash,
        good(CANCEL, cancels="s-7").content_hash,
        good(CANCEL_ALL).content_hash,
    ]
    assert len(set(hashes)) == len(hashes)


def test_the_content_says_nothing_of_the_id_and_the_account() -> None:
    other = read_signal(raw(LIMIT, signal_id="s-9", account="second"), "second")
    assert isinstance(other, Signal)
    assert other.content_hash == good(LIMIT).content_hash


@given(AMOUNTS, AMOUNTS)
def test_two_amounts_share_a_hash_only_when_they_are_equal(one: Decimal, other: Decimal) -> None:
    first, second = good(MARKET, quantity=f"{one:f}"), good(MARKET, quantity=f"{other:f}")
    assert (first.content_hash == second.content_hash) == (one == other)


def test_a_bad_message_repeated_byte_for_byte_is_the_same_content() -> None:
    assert bad(MARKET, side="up").content_hash == bad(MARKET, side="up").content_hash
    assert bad(MARKET, side="up").content_hash != bad(MARKET, side="down").content_hash
