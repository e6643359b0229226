"""Bitrue's quirks, one by one, as `bitrue.md` of the reference lists them."""

from dataclasses import replace
from typing import Any

import pytest

from adapters.sandbox.config import BitrueQuirks, make_account
from adapters.sandbox.model import Dialect
from tests.sandbox.client import START_MS, VenueClient, an_exchange, sign

MARKET = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.01"}


def with_quirks(**quirks: Any) -> VenueClient:
    return VenueClient(an_exchange(bitrue=BitrueQuirks(**quirks)), "bit")


def test_placement_is_acknowledged_and_no_more(bitrue: VenueClient) -> None:
    reply = bitrue.market(newClientOrderId="b-1")
    assert reply.status == 200
    assert reply.json == {
        "symbol": "BTCUSDT",
        "orderId": 454_000_000_000_000_001,
        "orderIdStr": "454000000000000001",
        "clientOrderId": "b-1",
        "transactTime": START_MS,
    }
    assert reply.json["orderId"] > 2**53


def test_a_query_answers_strings_with_16_decimals_and_empty_numbers(bitrue: VenueClient) -> None:
    order_id = bitrue.limit(newClientOrderId="b-1").json["orderIdStr"]
    assert bitrue.query(orderId=order_id).json == {
        "symbol": "BTCUSDT",
        "orderId": order_id,
        "clientOrderId": "b-1",
        "price": "60000.0000000000000000",
        "origQty": "0.0100000000000000",
        "executedQty": "0.0000000000000000",
        "cummulativeQuoteQty": "0.0000000000000000",
        "status": "NEW",
        "timeInForce": "",
        "type": "LIMIT",
        "side": "BUY",
        "stopPrice": "",
        "icebergQty": "",
        "time": START_MS,
        "updateTime": START_MS,
        "isWorking": False,
    }


def test_the_fill_is_learned_by_a_query(bitrue: VenueClient) -> None:
    order_id = bitrue.market().json["orderIdStr"]
    order = bitrue.query(orderId=order_id).json
    assert (order["status"], order["executedQty"]) == ("FILLED", "0.0100000000000000")


def test_a_new_order_may_be_pending_first() -> None:
    bitrue = with_quirks(pending_create_ms=500)
    order_id = bitrue.market().json["orderIdStr"]
    pending = bitrue.query(orderId=order_id).json
    assert (pending["status"], pending["executedQty"]) == ("PENDING_CREATE", "0.0000000000000000")
    assert bitrue.call("GET", "/api/v2/myTrades", symbol="BTCUSDT").json == []
    bitrue.now_ms += 500
    assert bitrue.query(orderId=order_id).json["status"] == "FILLED"


def test_an_order_that_does_not_exist_is_an_error_under_http_200(bitrue: VenueClient) -> None:
    reply = bitrue.query(orderId=5)
    assert (reply.status, reply.json) == (200, {"code": -2013, "msg": "Order does not exist.", "data": None})


def test_a_lookup_by_client_id_does_not_work_by_default(bitrue: VenueClient) -> None:
    bitrue.limit(newClientOrderId="b-1")
    assert bitrue.query(origClientOrderId="b-1").error[:2] == (412, -1102)


def test_a_lookup_by_client_id_can_be_switched_on() -> None:
    bitrue = with_quirks(lookup_by_client_id=True)
    bitrue.limit(newClientOrderId="b-1")
    assert bitrue.query(origClientOrderId="b-1").json["clientOrderId"] == "b-1"


@pytest.mark.parametrize(("switched_on", "expected"), [(True, "b-1"), (False, "")])
def test_lists_may_hold_back_client_ids(switched_on: bool, expected: str) -> None:
    bitrue = with_quirks(client_id_in_lists=switched_on)
    bitrue.limit(newClientOrderId="b-1")
    for path in ("openOrders", "allOrders"):
        assert [order["clientOrderId"] for order in bitrue.call("GET", path, symbol="BTCUSDT").json] == [
            expected
        ]


def test_a_client_id_is_no_protection_at_all(bitrue: VenueClient) -> None:
    bitrue.limit(newClientOrderId="same")
    assert bitrue.limit(newClientOrderId="same").status == 200
    assert len(bitrue.call("GET", "openOrders", symbol="BTCUSDT").json) == 2


def test_duplicates_are_refused_when_switched_on() -> None:
    bitrue = with_quirks(reject_duplicate_ids=True)
    bitrue.limit(newClientOrderId="same")
    assert bitrue.limit(newClientOrderId="same").error == (406, -2010, "Duplicate order sent.")


def test_orders_without_a_client_id_show_an_empty_one(bitrue: VenueClient) -> None:
    assert bitrue.limit().json["clientOrderId"] == ""
    bitrue.limit()
    assert bitrue.exchange.engine.ledger.summary()["placed_more_than_once"] == []


@pytest.mark.parametrize(
    "stray",
    [
        {"stopPrice": "64000"},
        {"postOnly": "true"},
        {"icebergQty": "0.001"},
        {"cost": "10"},
        {"newOrderRespType": "FULL"},
    ],
)
def test_stray_parameters_are_ignored_and_the_order_is_live(
    bitrue: VenueClient, stray: dict[str, str]
) -> None:
    assert bitrue.limit(**stray).status == 200
    assert len(bitrue.call("GET", "openOrders", symbol="BTCUSDT").json) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"type": "STOP_LOSS"},
        {"type": "LIMIT_MAKER"},
        {"timeInForce": "IOC"},
        {"timeInForce": "FOK"},
        {"side": "buy"},
        {"quantity": "1e-2"},
        {"price": ""},
        {"newClientOrderId": "a" * 33},
    ],
)
def test_what_it_does_not_know_is_refused_as_malformed(bitrue: VenueClient, change: dict[str, str]) -> None:
    assert bitrue.limit(**change).error[:2] == (412, -1102)


def test_a_quote_quantity_does_not_stand_in_for_a_quantity(bitrue: VenueClient) -> None:
    assert bitrue.place(type="MARKET", quoteOrderQty="100").error[:2] == (412, -1102)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"quantity": "0.000001"}, "quantity less then minQty."),
        ({"quantity": "9000001"}, "quantity more then maxQty."),
        ({"quantity": "0.0000123"}, "quantity does not match stepSize."),
        ({"price": "60000.001"}, "price does not match tickSize."),
        ({"price": "1000"}, "price out of the percent range."),
        ({"price": "0.001"}, "price out of range."),
    ],
)
def test_filters_answer_one_code_with_different_texts(
    bitrue: VenueClient, change: dict[str, str], text: str
) -> None:
    assert bitrue.limit(**change).error == (412, -1111, text)


def test_the_minimum_value_is_judged_at_the_last_price(bitrue: VenueClient) -> None:
    assert bitrue.limit(quantity="0.00008", price="60000").status == 200
    bitrue.move_price("61000")
    assert bitrue.limit(quantity="0.00008", price="65000").error == (412, -1111, "volume less then minVal.")


def test_too_little_balance_has_its_own_words() -> None:
    exchange = an_exchange(accounts=(make_account("bit", Dialect.BITRUE, balances={}),))
    assert VenueClient(exchange, "bit").market().error == (406, -2010, "Insufficient account balance.")


def test_a_cancel_answers_ids_only_and_a_second_one_is_refused(bitrue: VenueClient) -> None:
    order_id = bitrue.limit(newClientOrderId="b-1").json["orderId"]
    assert bitrue.cancel(origClientOrderId="b-1", newClientOrderId="c-1").json == {
        "symbol": "BTCUSDT",
        "origClientOrderId": "b-1",
        "orderId": order_id,
        "clientOrderId": "c-1",
    }
    assert bitrue.query(orderId=order_id).json["status"] == "CANCELED"
    assert bitrue.cancel(orderId=order_id).error[:2] == (406, -2010)
    assert bitrue.cancel(orderId=7).error[:2] == (200, -2013)


def test_open_orders_need_a_symbol_and_there_is_no_cancel_all(bitrue: VenueClient) -> None:
    assert bitrue.call("GET", "openOrders").error[:2] == (412, -1102)
    assert bitrue.call("DELETE", "openOrders", symbol="BTCUSDT").error[:2] == (405, -1020)
    for method, path in (("POST", "order/test"), ("GET", "myTrades"), ("GET", "rateLimit/order")):
        assert bitrue.call(method, path).status == 404


def test_all_orders_start_at_from_id(bitrue: VenueClient) -> None:
    ids = [bitrue.limit().json["orderIdStr"] for _ in range(4)]
    found = bitrue.call("GET", "allOrders", symbol="BTCUSDT", fromId=ids[2]).json
    assert [order["orderId"] for order in found] == ids[2:]
    ignored = bitrue.call("GET", "allOrders", symbol="BTCUSDT", orderId=ids[2]).json
    assert len(ignored) == 4


@pytest.mark.parametrize("offset_ms", [1_000, -5_001])
def test_a_skewed_clock_looks_like_a_missing_parameter(bitrue: VenueClient, offset_ms: int) -> None:
    reply = bitrue.market(timestamp=START_MS + offset_ms)
    assert reply.error == (412, -1102, "timestamp IllegalArgumentException.")


def test_key_signature_and_permission_share_one_code() -> None:
    exchange = an_exchange(accounts=(make_account("bit", Dialect.BITRUE, can_read=False),))
    bitrue = VenueClient(exchange, "bit")
    assert bitrue.call("GET", "account").error == (401, -1022, "UNAUTHORIZED.")
    request = bitrue.signed_request("POST", "order", **MARKET)
    unknown = replace(request, headers={"X-MBX-APIKEY": "A" * 64})
    tampered = replace(request, query=request.query.replace("BUY", "SELL"))
    assert bitrue.send(unknown).error == (401, -1022, "UNAUTHORIZED.")
    assert bitrue.send(tampered).error[:2] == (401, -1022)


def test_all_three_signature_styles_are_taken(bitrue: VenueClient) -> None:
    form = f"symbol=BTCUSDT&side=BUY&type=MARKET&quantity=0.01&timestamp={START_MS}"
    document = f'{{"symbol":"BTCUSDT","side":"BUY","type":"MARKET","quantity":0.01,"timestamp":{START_MS}}}'
    secret = bitrue.account.secret_key
    key = bitrue.account.api_key
    styles = [
        bitrue.request("POST", "order", f"{form}&signature={sign(secret, form)}"),
        bitrue.request("POST", "order", body=f"{form}&signature={sign(secret, form)}".encode()),
        bitrue.request(
            "POST",
            "order",
            f"signature={sign(secret, document)}",
            body=document.encode(),
            headers={"X-MBX-APIKEY": key, "Content-Type": "application/json"},
        ),
    ]
    assert [bitrue.send(request).status for request in styles] == [200, 200, 200]


def test_assets_are_lower_case_and_flags_mean_nothing(bitrue: VenueClient) -> None:
    account = bitrue.call("GET", "account").json
    assert account["balances"][0] == {
        "asset": "usdt",
        "free": "100000000.0000000000000000",
        "locked": "0.0000000000000000",
    }
    assert (account["canTrade"], account["updateTime"]) == (False, None)


def test_trades_misspell_the_fee_asset_unless_told_otherwise() -> None:
    for misspelt, name in ((True, "commissionAssert"), (False, "commissionAsset")):
        bitrue = with_quirks(misspelt_fee_asset=misspelt)
        bitrue.market(side="SELL")
        trade = bitrue.call("GET", "/api/v2/myTrades", symbol="BTCUSDT").json[0]
        assert trade[name] == "usdt"
        assert isinstance(trade["orderId"], int)


def test_exchange_info_has_the_live_shape(bitrue: VenueClient) -> None:
    info = bitrue.public("exchangeInfo").json
    assert info["timezone"] == "CTT"
    policies = {
        row["prefix"]: (row["type"], row["burstCapacity"], row["timeCount"]) for row in info["rateLimits"]
    }
    assert policies["orders_user_seconds"] == ("USER", 200, 10)
    assert all("id" not in row and "rateLimitType" not in row for row in info["rateLimits"])
    symbol = info["symbols"][0]
    assert (symbol["baseAsset"], symbol["orderTypes"]) == ("btc", ["MARKET", "LIMIT"])
    assert {row["filterType"] for row in symbol["filters"]} == {
        "PRICE_FILTER",
        "PERCENT_PRICE_BY_SIDE",
        "LOT_SIZE",
    }
    lot = next(row for row in symbol["filters"] if row["filterType"] == "LOT_SIZE")
    assert (lot["minVal"], lot["volumeScale"]) == ("5", 5)


def test_the_days_ticker_is_a_list_even_for_one_symbol(bitrue: VenueClient) -> None:
    ticker = bitrue.public("ticker/24hr", symbol="BTCUSDT").json
    assert [row["lastPrice"] for row in ticker] == ["65000"]
    assert bitrue.public("ticker/price", symbol="BTCUSDT").json == {"symbol": "BTCUSDT", "price": "65000"}
    assert bitrue.public("ticker/price").error[:2] == (412, -1102)
    assert bitrue.public("ticker/bookTicker", symbol="BTCUSDT").json["askPrice"] == "65000.01"
