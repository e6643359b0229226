"""USD-M futures: filters with codes of their own, keys and clocks, limits without weight, and the three 503s."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from adapters.sandbox.config import DEFAULT_CONTRACTS, LimitConfig, SymbolConfig, UsdmLimits
from adapters.sandbox.faults import FaultCatalogue, FaultKind, FaultRule
from tests.sandbox.client import START_MS, VenueClient, a_config, an_exchange, answer, signed_query

LIMIT = {"type": "LIMIT", "timeInForce": "GTC"}


@pytest.mark.parametrize(
    ("over", "code"),
    [
        ({"quantity": "0.0105"}, -1111),
        ({"price": "60000.123"}, -1111),
        ({"price": "500"}, -4013),
        ({"price": "5000000"}, -4002),
        ({"price": "60000.05"}, -4014),
        ({"quantity": "0"}, -4003),
        ({"quantity": "9000001"}, -4005),
        ({"price": "68250.10"}, -4016),
        ({"side": "SELL", "price": "61749.90"}, -4024),
        ({"quantity": "0.001"}, -4164),
        ({"newClientOrderId": "with blank"}, -4015),
        ({"newClientOrderId": "x" * 37}, -4015),
        ({"type": "STOP_MARKET", "stopPrice": "60000"}, -4120),
        ({"type": "STOP_LOSS"}, -1116),
        ({"timeInForce": "DAY"}, -1115),
        ({"side": "HOLD"}, -1117),
        ({"symbol": "NOPE"}, -1121),
        ({"positionSide": "UP"}, -4060),
        ({"newOrderRespType": "FULL"}, -1136),
        ({"selfTradePreventionMode": "DECREMENT"}, -5039),
        ({"reduceOnly": "True"}, -1100),
        ({"closePosition": "true"}, -1106),
        ({"quoteOrderQty": "100"}, -1103),
        ({"price": ""}, -1105),
    ],
)
def test_every_rule_has_its_code(usdm: VenueClient, over: dict[str, Any], code: int) -> None:
    refused = usdm.limit(**over)
    assert refused.error[:2] == (400, code)
    assert usdm.exchange.engine.ledger.orders == []


def test_both_ends_of_the_price_band_belong_to_one_side_each(usdm: VenueClient) -> None:
    assert usdm.limit(price="68250").status == 200
    assert usdm.limit(price="1000", quantity="0.2").status == 200
    assert usdm.limit(side="SELL", price="61750").status == 200
    assert usdm.limit(side="SELL", price="90000").status == 200


def test_the_band_is_around_the_mark_price_for_market_orders_too(usdm: VenueClient) -> None:
    usdm.move_price("65000", mark="60000")
    assert usdm.market().error[:2] == (400, -4131)
    assert usdm.public("premiumIndex", symbol="BTCUSDT").json["markPrice"] == "60000.00000000"
    assert usdm.public("/fapi/v2/ticker/price", symbol="BTCUSDT").json["price"] == "65000"


def a_contract(**over: Any) -> SymbolConfig:
    return replace(DEFAULT_CONTRACTS[0], **over)


def test_steps_and_ticks_count_from_the_minimum() -> None:
    contract = a_contract(step=Decimal("0.010"), min_quantity=Decimal("0.005"), min_price=Decimal("556.85"))
    usdm = VenueClient(an_exchange(contracts=(contract,)), "usdm")
    assert usdm.limit(quantity="0.02", price="60000.05").error[1] == -4023
    assert usdm.limit(quantity="0.025", price="60000.10").error[1] == -4014
    assert usdm.limit(quantity="0.025", price="60000.05").status == 200
    assert usdm.limit(quantity="0.004", price="60000.05").error[1] == -4004


def test_the_number_of_open_orders_is_limited() -> None:
    usdm = VenueClient(an_exchange(contracts=(a_contract(max_open_orders=2),)), "usdm")
    usdm.limit()
    usdm.limit()
    assert usdm.limit().error == (400, -2025, "Reach max open order limit.")


def test_keys_are_for_one_venue(usdm: VenueClient) -> None:
    stranger = VenueClient(usdm.exchange, "main")
    stranger.base = usdm.base
    assert stranger.limit().error[:2] == (401, -2015)
    usdm.base = "/api/v3"
    assert usdm.limit().error[:2] == (401, -2015)


def test_the_signature_is_the_last_parameter(usdm: VenueClient) -> None:
    text = signed_query(usdm.account, {"symbol": "BTCUSDT", "timestamp": START_MS})
    signed, _, signature = text.rpartition("&")
    assert usdm.send(usdm.request("GET", "openOrders", text)).status == 200
    moved = usdm.send(usdm.request("GET", "openOrders", f"{signature}&{signed}"))
    assert moved.error[:2] == (400, -1022)
    wrong = usdm.send(usdm.request("GET", "openOrders", f"{signed}&signature={'0' * 64}"))
    assert wrong.error[:2] == (400, -1022)


def test_the_engines_own_check_of_the_window_has_its_own_error(usdm: VenueClient) -> None:
    request = usdm.signed_request(
        "POST", "order", symbol="BTCUSDT", side="BUY", type="MARKET", quantity="0.01"
    )
    call = usdm.exchange.admit(request, START_MS)
    assert not hasattr(call, "body")
    late = answer(usdm.exchange.execute(call, START_MS + 5_001))
    assert late.error == (400, -5028, "Timestamp for this request is outside of the ME recvWindow")
    assert usdm.exchange.engine.ledger.orders == []
    stale = usdm.limit(timestamp=START_MS - 5_001)
    assert stale.error[:2] == (400, -1021)
    assert usdm.limit(recvWindow=60_001).error[1] == -1130


def test_orders_cost_no_weight_but_count_twice(usdm: VenueClient) -> None:
    placed = usdm.limit()
    headers = {name: placed.headers[name] for name in sorted(placed.headers)}
    assert headers == {
        "X-MBX-ORDER-COUNT-10S": "1",
        "X-MBX-ORDER-COUNT-1M": "1",
        "X-MBX-USED-WEIGHT-1M": "0",
    }
    algo = usdm.algo(type="STOP_MARKET", triggerPrice="60000")
    assert algo.headers["X-MBX-ORDER-COUNT-10S"] == "2"
    cancelled = usdm.cancel(orderId=placed.json["orderId"])
    assert cancelled.headers == {"X-MBX-USED-WEIGHT-1M": "1"}


def test_fills_give_no_order_count_back(usdm: VenueClient) -> None:
    usdm.market()
    assert usdm.market().headers["X-MBX-ORDER-COUNT-10S"] == "2"


def tight(**over: int) -> VenueClient:
    limits = replace(LimitConfig(), binance_usdm=replace(UsdmLimits(), **over), ban_after=2)
    return VenueClient(an_exchange(limits=limits), "usdm")


def test_too_many_orders_and_too_much_weight_are_refused_without_a_wait() -> None:
    usdm = tight(orders_per_10_seconds=1)
    usdm.limit()
    refused = usdm.limit()
    assert refused.error[:2] == (429, -1015)
    assert "Retry-After" not in refused.headers
    usdm.now_ms += 10_000
    assert usdm.limit().status == 200

    usdm = tight(weight_per_minute=1)
    usdm.public("time")
    assert usdm.public("time").error[:2] == (429, -1003)
    banned = usdm.public("time")
    assert banned.error[:2] == (418, -1003)
    assert f"IP banned until {START_MS + 120_000}" in banned.error[2]
    assert usdm.limit().status == 418


@pytest.mark.parametrize(
    ("code", "document"),
    [
        (-1008, {"code": -1008}),
        (-1001, {"code": -1001, "msg": "Internal error; unable to process your request. Please try again."}),
        (-1007, {"msg": "Service Unavailable."}),
    ],
)
def test_three_503s_say_that_nothing_was_executed(code: int, document: dict[str, Any]) -> None:
    usdm = VenueClient(an_exchange(), "usdm")
    faults = FaultCatalogue(usdm.exchange._random)
    faults.add(FaultRule(kind=FaultKind.REJECT_5XX, code=code))
    plan = faults.plan(usdm.signed_request("POST", "order"), usdm.exchange, START_MS)
    assert plan is not None
    assert not plan.executes
    reply = plan.reply_to(None)
    assert reply is not None
    told = answer(reply)
    assert (told.status, told.json | document) == (503, told.json)


@pytest.mark.parametrize("code", [-1000, -1001, -1006, -1007, -1008])
def test_no_unknown_outcome_borrows_a_text_that_means_not_executed(code: int) -> None:
    usdm = VenueClient(an_exchange(), "usdm")
    told = answer(usdm.exchange.dialects[usdm.account.dialect].unknown_reply(503, code))
    assert "unknown" in told.json["msg"].lower()
    assert told.json.get("code") in {None, -1006, -1007}


def test_exchange_info_lists_contracts_with_their_rules(usdm: VenueClient) -> None:
    info = usdm.public("exchangeInfo").json
    contract = info["symbols"][0]
    filters = {row["filterType"]: row for row in contract["filters"]}
    assert (contract["pricePrecision"], contract["quantityPrecision"]) == (2, 3)
    assert filters["PRICE_FILTER"]["tickSize"] == "0.10"
    assert filters["MIN_NOTIONAL"] == {"filterType": "MIN_NOTIONAL", "notional": "100"}
    assert filters["PERCENT_PRICE"]["multiplierUp"] == "1.0500"
    assert {row["rateLimitType"] for row in info["rateLimits"]} == {"REQUEST_WEIGHT", "ORDERS"}
    assert info["serverTime"] < START_MS


def test_account_replies_agree_with_each_other(usdm: VenueClient) -> None:
    usdm.market()
    usdm.limit()
    balance = usdm.call("GET", "/fapi/v3/balance").json[0]
    account = usdm.call("GET", "/fapi/v3/account").json
    assert account["availableBalance"] == balance["availableBalance"]
    assert account["totalWalletBalance"] == balance["balance"]
    assert account["totalOpenOrderInitialMargin"] == "30.00000000"
    assert [row["positionAmt"] for row in account["positions"]] == ["0.01"]
    assert usdm.call("GET", "accountConfig").json["dualSidePosition"] is False
    assert usdm.call("GET", "symbolConfig", symbol="BTCUSDT").json[0]["leverage"] == 20
    assert usdm.call("GET", "commissionRate", symbol="BTCUSDT").json["takerCommissionRate"] == "0.000500"
    assert [row["limit"] for row in usdm.call("GET", "rateLimit/order").json] == [1200, 300]
    assert a_config().contracts == DEFAULT_CONTRACTS
