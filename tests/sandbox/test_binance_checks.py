"""What Binance spot refuses, with which code, and in which order it looks."""

import hashlib
import hmac
from dataclasses import replace
from typing import Any

import pytest

from adapters.sandbox.config import make_account
from tests.sandbox.client import START_MS, VenueClient, an_exchange, sign, signed_query

LIMIT = {
    "symbol": "BTCUSDT",
    "side": "BUY",
    "type": "LIMIT",
    "timeInForce": "GTC",
    "quantity": "0.01",
    "price": "60000",
}
MARKET = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.01"}
MISSING = "Mandatory parameter '{}' was not sent, was empty/null, or malformed."
NEITHER = "Param '{}' or '{}' must be sent, but both were empty/null!"


def without(order: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in order.items() if key != name}


@pytest.mark.parametrize(
    ("order", "code", "text"),
    [
        (without(LIMIT, "symbol"), -1102, MISSING.format("symbol")),
        (without(LIMIT, "price"), -1102, MISSING.format("price")),
        (without(LIMIT, "timeInForce"), -1102, MISSING.format("timeInForce")),
        (without(MARKET, "quantity"), -1102, NEITHER.format("quantity", "quoteOrderQty")),
        (MARKET | {"colour": "red"}, -1103, "An unknown parameter was sent."),
        (MARKET | {"newClientOrderId": ""}, -1105, "Parameter 'newClientOrderId' was empty."),
        (MARKET | {"price": "1"}, -1106, "Parameter 'price' sent when not required."),
        (MARKET | {"timeInForce": "GTC"}, -1106, "Parameter 'timeInForce' sent when not required."),
        (LIMIT | {"stopPrice": "1"}, -1106, "Parameter 'stopPrice' sent when not required."),
        (MARKET | {"quoteOrderQty": "10"}, -1106, "Parameter 'quoteOrderQty' sent when not required."),
        (LIMIT | {"timeInForce": "GTD"}, -1115, "Invalid timeInForce."),
        (MARKET | {"type": "STOP"}, -1116, "Invalid orderType."),
        (MARKET | {"side": "buy"}, -1117, "Invalid side."),
        (MARKET | {"symbol": "NOPE"}, -1121, "Invalid symbol."),
        (MARKET | {"quantity": "0.000000001"}, -1111, "Parameter 'quantity' has too much precision."),
        (MARKET | {"newOrderRespType": "SHORT"}, -1130, "Data sent for parameter 'newOrderRespType' is not valid."),
        (MARKET | {"strategyType": "5"}, -1134, "strategyType was less than 1000000."),
        (MARKET | {"recvWindow": "60001"}, -1131, "recvWindow must be less than 60000"),
        (LIMIT | {"icebergQty": "0.001"}, -2010, "Iceberg orders are not supported for this symbol."),
    ],
)  # fmt: skip
def test_a_bad_parameter_has_its_own_code(
    venue: VenueClient, order: dict[str, Any], code: int, text: str
) -> None:
    assert venue.call("POST", "order", **order).error == (400, code, text)


@pytest.mark.parametrize(
    ("name", "value"),
    [("quantity", "1e-05"), ("quantity", "-1"), ("quantity", "1,0"), ("newClientOrderId", "a" * 37),
     ("newClientOrderId", "a b"), ("symbol", "btcusdt"), ("timestamp", "now"), ("quantity", "1" * 40)],
)  # fmt: skip
def test_illegal_characters_name_the_parameter_and_its_range(
    venue: VenueClient, name: str, value: str
) -> None:
    status, code, text = venue.call("POST", "order", **(MARKET | {name: value})).error
    assert (status, code) == (400, -1100)
    assert text.startswith(f"Illegal characters found in parameter '{name}'; legal range is '^")


@pytest.mark.parametrize(
    ("change", "failing"),
    [
        ({"price": "60000.001"}, "PRICE_FILTER"),
        ({"price": "0"}, "PRICE_FILTER"),
        ({"price": "1000001"}, "PRICE_FILTER"),
        ({"price": "500000"}, "PERCENT_PRICE_BY_SIDE"),
        ({"price": "1000"}, "PERCENT_PRICE_BY_SIDE"),
        ({"quantity": "0"}, "LOT_SIZE"),
        ({"quantity": "0.000001"}, "LOT_SIZE"),
        ({"quantity": "0.0000123"}, "LOT_SIZE"),
        ({"quantity": "99999999999999999999"}, "LOT_SIZE"),
        ({"quantity": "0.00005"}, "NOTIONAL"),
        ({"quantity": "200"}, "NOTIONAL"),
    ],
)
def test_a_failing_filter_is_named(venue: VenueClient, change: dict[str, str], failing: str) -> None:
    assert venue.limit(**change).error == (400, -1013, f"Filter failure: {failing}")


def test_market_orders_have_a_lot_size_of_their_own(venue: VenueClient) -> None:
    assert venue.market(quantity="121").error == (400, -1013, "Filter failure: MARKET_LOT_SIZE")
    assert venue.place(type="MARKET", quoteOrderQty="1").error == (400, -1013, "Filter failure: NOTIONAL")


def test_open_orders_are_limited_per_symbol() -> None:
    exchange = an_exchange()
    market = exchange.engine.markets["BTCUSDT"]
    market.rules = replace(market.rules, max_open_orders=2)
    venue = VenueClient(exchange)
    venue.limit()
    venue.limit()
    assert venue.limit().error == (400, -1013, "Filter failure: MAX_NUM_ORDERS")
    assert venue.market().status == 200


def test_a_halted_symbol_is_closed(venue: VenueClient) -> None:
    venue.exchange.engine.markets["BTCUSDT"].is_trading = False
    assert venue.market().error == (400, -2010, "Market is closed.")


@pytest.mark.parametrize("side", ["BUY", "SELL"])
def test_an_order_beyond_the_balance_is_refused_and_changes_nothing(side: str) -> None:
    venue = VenueClient(an_exchange(accounts=(make_account("main", balances={}),)))
    assert venue.market(side=side).error == (
        400,
        -2010,
        "Account has insufficient balance for requested action.",
    )
    assert venue.exchange.engine.ledger.orders == []


def test_a_query_needs_one_of_the_two_ids(venue: VenueClient) -> None:
    text = NEITHER.format("origClientOrderId", "orderId")
    assert venue.query().error == (400, -1102, text)
    assert venue.cancel().error == (400, -1102, text)


def test_cancels_tell_what_is_wrong(venue: VenueClient) -> None:
    assert venue.cancel(orderId=1).error == (400, -2011, "Unknown order sent.")
    order_id = venue.limit(newClientOrderId="a").json["orderId"]
    assert venue.cancel(orderId=order_id, cancelRestrictions="NEW").error == (
        400,
        -1145,
        "Invalid cancelRestrictions",
    )
    partly = venue.cancel(orderId=order_id, cancelRestrictions="ONLY_PARTIALLY_FILLED")
    assert partly.error == (400, -2011, "Order was not canceled due to cancel restrictions.")
    mismatch = venue.cancel(orderId=order_id, origClientOrderId="b")
    assert mismatch.error == (400, -2011, "Cancel order is invalid. Check origClOrdId and orderId.")
    assert venue.cancel(orderId=order_id, cancelRestrictions="ONLY_NEW").status == 200
    assert venue.cancel(orderId=order_id).error == (400, -2011, "Unknown order sent.")


def test_a_key_must_have_the_form_of_a_key(venue: VenueClient) -> None:
    query = signed_query(venue.account, {"timestamp": venue.now_ms})
    expected = (401, -2014, "API-key format invalid.")
    assert venue.send(venue.request("GET", "account", query, headers={})).error == expected
    assert (
        venue.send(venue.request("GET", "account", query, headers={"X-MBX-APIKEY": "a b"})).error == expected
    )


INVALID_KEY = (401, -2015, "Invalid API-key, IP, or permissions for action.")


def test_an_unknown_key_is_refused(venue: VenueClient) -> None:
    query = signed_query(venue.account, {"timestamp": venue.now_ms})
    request = venue.request("GET", "account", query, headers={"X-MBX-APIKEY": "A" * 64})
    assert venue.send(request).error == INVALID_KEY


def test_a_key_that_may_only_read_cannot_trade() -> None:
    venue = VenueClient(an_exchange(accounts=(make_account("main", can_trade=False),)))
    assert venue.market().error == INVALID_KEY
    assert venue.call("GET", "account").status == 200


def test_a_restricted_key_works_from_its_addresses_only() -> None:
    venue = VenueClient(an_exchange(accounts=(make_account("main", allowed_ips=("10.0.0.1",)),)))
    request = venue.signed_request("GET", "account")
    assert venue.send(request).error == INVALID_KEY
    assert venue.send(replace(request, ip="10.0.0.1")).status == 200


def test_a_key_of_another_venue_is_unknown(venue: VenueClient) -> None:
    other = VenueClient(venue.exchange, "bit")
    other.base = "/api/v3"
    assert other.call("GET", "account").error == INVALID_KEY


BAD_SIGNATURE = (400, -1022, "Signature for this request is not valid.")


def test_a_signature_covers_query_and_body_with_nothing_between(venue: VenueClient) -> None:
    query = f"symbol=BTCUSDT&side=BUY&type=MARKET&timestamp={venue.now_ms}"
    body = "quantity=0.01"
    good = sign(venue.account.secret_key, query + body)
    in_body = venue.request("POST", "order", query, body=f"{body}&signature={good}".encode())
    in_query = venue.request("POST", "order", f"{query}&signature={good.upper()}", body=body.encode())
    joined = sign(venue.account.secret_key, f"{query}&{body}")
    wrong = venue.request("POST", "order", query, body=f"{body}&signature={joined}".encode())
    assert [venue.send(request).status for request in (in_body, in_query)] == [200, 200]
    assert venue.send(wrong).error == BAD_SIGNATURE


def test_a_changed_byte_breaks_the_signature(venue: VenueClient) -> None:
    request = venue.signed_request("POST", "order", **MARKET)
    assert venue.send(replace(request, query=request.query.replace("0.01", "0.02"))).error == BAD_SIGNATURE


@pytest.mark.parametrize("sent", ["\uff11\uff12\uff13", "%EF%BC%91%EF%BC%92%EF%BC%93"])
def test_what_is_signed_before_it_is_encoded_is_refused(venue: VenueClient, sent: str) -> None:
    signed = f"symbol=\uff11\uff12\uff13&timestamp={venue.now_ms}"
    signature = hmac.new(venue.account.secret_key.encode(), signed.encode(), hashlib.sha256).hexdigest()
    query = f"symbol={sent}&timestamp={venue.now_ms}".encode().decode("latin-1")
    reply = venue.send(venue.request("GET", "openOrders", f"{query}&signature={signature}"))
    assert reply.json["code"] in {-1022, -1100}


def test_what_is_encoded_before_it_is_signed_passes(venue: VenueClient) -> None:
    assert venue.call("GET", "openOrders", symbol="\uff11\uff12\uff13").error == (
        400,
        -1121,
        "Invalid symbol.",
    )


def test_the_query_string_wins_over_the_body(venue: VenueClient) -> None:
    query = f"symbol=BTCUSDT&side=BUY&type=MARKET&quantity=0.01&timestamp={venue.now_ms}"
    body = "quantity=0.5"
    signature = sign(venue.account.secret_key, query + body)
    reply = venue.send(venue.request("POST", "order", f"{query}&signature={signature}", body=body.encode()))
    assert reply.json["origQty"] == "0.01000000"


def test_a_parameter_given_twice_is_refused(venue: VenueClient) -> None:
    text = f"symbol=BTCUSDT&symbol=ETHUSDT&timestamp={venue.now_ms}"
    request = venue.request("GET", "openOrders", f"{text}&signature={sign(venue.account.secret_key, text)}")
    assert venue.send(request).error == (400, -1101, "Duplicate values for a parameter detected.")


AHEAD = "Timestamp for this request was 1000ms ahead of the server's time."
OUTSIDE = "Timestamp for this request is outside of the recvWindow."


@pytest.mark.parametrize(
    ("offset_ms", "problem"), [(999, None), (1000, AHEAD), (-5000, None), (-5001, OUTSIDE)]
)
def test_the_time_window_is_exact_to_the_millisecond(
    venue: VenueClient, offset_ms: int, problem: str | None
) -> None:
    reply = venue.market(timestamp=START_MS + offset_ms)
    assert reply.status == 200 if problem is None else reply.error == (400, -1021, problem)


def test_timestamps_may_be_in_microseconds_and_windows_have_decimals(venue: VenueClient) -> None:
    stamp = START_MS * 1000 - 1500
    assert venue.market(timestamp=stamp, recvWindow="1.5").status == 200
    assert venue.market(timestamp=stamp, recvWindow="1.499").error == (400, -1021, OUTSIDE)


def test_an_order_that_waited_past_its_window_is_refused_at_the_engine_and_costs_a_count(
    venue: VenueClient,
) -> None:
    exchange = venue.exchange
    call = exchange.admit(venue.signed_request("POST", "order", recvWindow=5000, **MARKET), venue.now_ms)
    reply = exchange.execute(call, venue.now_ms + 5001)  # type: ignore[arg-type]
    assert (reply.status, b"-1021" in reply.body) == (400, True)
    assert exchange.engine.ledger.orders == []
    counts = venue.call("GET", "rateLimit/order", timestamp=START_MS).json
    assert [row["count"] for row in counts] == [1, 1]


def test_an_order_that_waited_within_its_window_executes(venue: VenueClient) -> None:
    call = venue.exchange.admit(
        venue.signed_request("POST", "order", recvWindow=5000, **MARKET), venue.now_ms
    )
    assert venue.exchange.execute(call, venue.now_ms + 5000).status == 200  # type: ignore[arg-type]


def test_form_is_checked_before_key_key_before_time_time_before_signature(venue: VenueClient) -> None:
    bad_all = "symbol=BTCUSDT&timestamp=1&oops=1&signature=00"
    unknown_key = {"X-MBX-APIKEY": "A" * 64}
    assert venue.send(venue.request("GET", "openOrders", bad_all, headers=unknown_key)).json["code"] == -1103
    bad_key = "symbol=BTCUSDT&timestamp=1&signature=00"
    assert venue.send(venue.request("GET", "openOrders", bad_key, headers=unknown_key)).json["code"] == -2015
    assert venue.send(venue.request("GET", "openOrders", bad_key)).json["code"] == -1021
    bad_signature = f"symbol=NOPE&timestamp={START_MS}&signature=00"
    assert venue.send(venue.request("GET", "openOrders", bad_signature)).json["code"] == -1022
    assert venue.call("GET", "openOrders", symbol="NOPE").json["code"] == -1121


def test_an_unknown_path_answers_html(venue: VenueClient) -> None:
    reply = venue.exchange.handle(venue.request("GET", "/api/v3/nothing"), START_MS)
    assert (reply.status, reply.content_type) == (404, "text/html")
