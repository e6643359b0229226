"""What Binance spot orders do: shapes, fills, balances, ids, triggers."""

from decimal import Decimal
from typing import Any

import pytest

from tests.sandbox.client import START_MS, VenueClient, an_exchange


def test_a_market_order_fills_at_the_ask_and_answers_full(venue: VenueClient) -> None:
    reply = venue.market(newClientOrderId="m-1")
    assert reply.status == 200
    assert reply.json == {
        "symbol": "BTCUSDT",
        "orderId": 28,
        "orderListId": -1,
        "clientOrderId": "m-1",
        "transactTime": START_MS,
        "price": "0.00000000",
        "origQty": "0.01000000",
        "executedQty": "0.01000000",
        "origQuoteOrderQty": "0.00000000",
        "cummulativeQuoteQty": "650.00010000",
        "status": "FILLED",
        "timeInForce": "GTC",
        "type": "MARKET",
        "side": "BUY",
        "workingTime": START_MS,
        "selfTradePreventionMode": "EXPIRE_MAKER",
        "fills": [
            {
                "price": "65000.01000000",
                "qty": "0.01000000",
                "commission": "0.00001000",
                "commissionAsset": "BTC",
                "tradeId": 1,
            }
        ],
    }


def test_a_buy_pays_the_quote_asset_and_its_fee_in_the_base_asset(venue: VenueClient) -> None:
    before_usdt, before_btc = venue.balance("USDT")[0], venue.balance("BTC")[0]
    venue.market()
    assert before_usdt - venue.balance("USDT")[0] == Decimal("650.0001")
    assert venue.balance("BTC")[0] - before_btc == Decimal("0.00999")


def test_a_sell_takes_its_fee_from_the_quote_asset(venue: VenueClient) -> None:
    before = venue.balance("USDT")[0]
    reply = venue.market(side="SELL")
    assert reply.json["fills"][0]["commissionAsset"] == "USDT"
    assert venue.balance("USDT")[0] - before == Decimal("649.9999") - Decimal("0.6499999")


def test_a_quote_quantity_buys_the_nearest_quantity_from_below(venue: VenueClient) -> None:
    reply = venue.place(type="MARKET", quoteOrderQty="100")
    assert reply.json["origQuoteOrderQty"] == "100.00000000"
    assert reply.json["executedQty"] == "0.00153000"
    assert Decimal(reply.json["cummulativeQuoteQty"]) <= 100


@pytest.mark.parametrize(
    ("kind", "chosen", "shape"),
    [
        ({"type": "LIMIT", "timeInForce": "GTC"}, None, "FULL"),
        ({"type": "LIMIT_MAKER"}, None, "ACK"),
        ({"type": "LIMIT", "timeInForce": "GTC"}, "ACK", "ACK"),
        ({"type": "LIMIT_MAKER"}, "RESULT", "RESULT"),
    ],
)
def test_the_reply_has_the_shape_of_its_response_type(
    venue: VenueClient, kind: dict[str, Any], chosen: str | None, shape: str
) -> None:
    extra = {} if chosen is None else {"newOrderRespType": chosen}
    reply = venue.place(quantity="0.01", price="60000", **kind, **extra).json
    assert ("status" in reply) == (shape != "ACK")
    assert ("fills" in reply) == (shape == "FULL")


def test_a_limit_order_below_the_market_rests_and_locks_what_it_may_cost(venue: VenueClient) -> None:
    reply = venue.limit(newClientOrderId="r-1")
    assert reply.json["status"] == "NEW"
    assert venue.balance("USDT")[1] == Decimal(600)
    assert [order["clientOrderId"] for order in venue.call("GET", "openOrders").json] == ["r-1"]


def test_a_resting_order_fills_as_maker_at_its_own_price_when_the_market_comes(venue: VenueClient) -> None:
    venue.limit(newClientOrderId="r-1")
    venue.move_price("59000")
    order = venue.query(origClientOrderId="r-1").json
    assert (order["status"], order["cummulativeQuoteQty"]) == ("FILLED", "600.00000000")
    trades = venue.call("GET", "myTrades", symbol="BTCUSDT").json
    assert [(trade["isMaker"], trade["price"]) for trade in trades] == [(True, "60000.00000000")]
    assert venue.balance("USDT")[1] == 0


def test_a_cancel_releases_the_balance_and_answers_with_its_own_id(venue: VenueClient) -> None:
    free = venue.balance("USDT")[0]
    venue.limit(newClientOrderId="r-1")
    reply = venue.cancel(origClientOrderId="r-1", newClientOrderId="c-1").json
    assert (reply["origClientOrderId"], reply["clientOrderId"], reply["status"]) == ("r-1", "c-1", "CANCELED")
    assert venue.balance("USDT") == (free, Decimal(0))


def test_cancel_all_cancels_the_symbol_and_refuses_when_there_is_nothing(venue: VenueClient) -> None:
    for _ in range(3):
        venue.limit()
    venue.place(symbol="ETHUSDT", type="LIMIT", timeInForce="GTC", quantity="1", price="3000")
    assert len(venue.call("DELETE", "openOrders", symbol="BTCUSDT").json) == 3
    assert len(venue.call("GET", "openOrders").json) == 1
    assert venue.call("DELETE", "openOrders", symbol="BTCUSDT").error == (400, -2011, "Unknown order sent.")


def test_thin_liquidity_leaves_a_market_order_expired_with_what_it_got(venue: VenueClient) -> None:
    venue.exchange.set_liquidity("BTCUSDT", Decimal("0.004"))
    reply = venue.market().json
    assert (reply["status"], reply["executedQty"]) == ("EXPIRED", "0.00400000")
    assert reply["expiryReason"] == "INSUFFICIENT_LIQUIDITY"


def test_several_levels_give_several_fills(venue: VenueClient) -> None:
    venue.exchange.set_liquidity("BTCUSDT", Decimal("0.004"), 3)
    fills = venue.market().json["fills"]
    assert [(fill["price"], fill["qty"]) for fill in fills] == [
        ("65000.01000000", "0.00400000"),
        ("65000.02000000", "0.00400000"),
        ("65000.03000000", "0.00200000"),
    ]


@pytest.mark.parametrize(
    ("time_in_force", "status", "executed", "reason"),
    [
        ("GTC", "PARTIALLY_FILLED", "0.00400000", None),
        ("IOC", "EXPIRED", "0.00400000", "UNFILLED_IOC_QUANTITY_EXPIRED"),
        ("FOK", "EXPIRED", "0.00000000", "UNFILLED_FOK_ORDER_EXPIRED"),
    ],
)
def test_time_in_force_decides_about_the_remainder(
    venue: VenueClient, time_in_force: str, status: str, executed: str, reason: str | None
) -> None:
    venue.exchange.set_liquidity("BTCUSDT", Decimal("0.004"))
    reply = venue.limit(price="65001", timeInForce=time_in_force).json
    assert (reply["status"], reply["executedQty"], reply.get("expiryReason")) == (status, executed, reason)


def test_a_post_only_order_that_would_take_is_refused(venue: VenueClient) -> None:
    reply = venue.place(type="LIMIT_MAKER", quantity="0.01", price="65100")
    assert reply.error == (400, -2010, "Order would immediately match and take.")


def test_a_client_id_is_refused_while_open_and_executes_again_once_closed(venue: VenueClient) -> None:
    venue.limit(newClientOrderId="same")
    assert venue.market(newClientOrderId="same").error == (400, -2010, "Duplicate order sent.")
    venue.cancel(origClientOrderId="same")
    assert venue.market(newClientOrderId="same").json["status"] == "FILLED"
    assert venue.market(newClientOrderId="same").json["status"] == "FILLED"
    summary = venue.exchange.engine.ledger.summary()
    assert [row["client_order_id"] for row in summary["placed_more_than_once"]] == ["same"]
    assert [row["client_order_id"] for row in summary["executed_more_than_once"]] == ["same"]
    assert len(summary["placed_more_than_once"][0]["venue_order_ids"]) == 3


def test_a_query_by_client_id_finds_the_newest_order(venue: VenueClient) -> None:
    venue.market(newClientOrderId="same")
    newest = venue.market(newClientOrderId="same").json["orderId"]
    assert venue.query(origClientOrderId="same").json["orderId"] == newest


def test_both_ids_must_agree_in_a_query(venue: VenueClient) -> None:
    venue.limit(newClientOrderId="a")
    code = venue.query(orderId=28, origClientOrderId="b").error[1]
    assert code == -2039


def test_an_order_belongs_to_its_account_and_symbol(venue: VenueClient) -> None:
    venue.limit(newClientOrderId="a")
    assert venue.call("GET", "order", symbol="ETHUSDT", orderId=28).error == (
        400,
        -2013,
        "Order does not exist.",
    )


def test_a_new_order_shows_only_after_the_visibility_lag() -> None:
    venue = VenueClient(an_exchange(visibility_lag_ms=2000))
    venue.limit(newClientOrderId="late")
    assert venue.query(origClientOrderId="late").error == (400, -2013, "Order does not exist.")
    assert venue.call("GET", "openOrders").json == []
    assert venue.call("GET", "allOrders", symbol="BTCUSDT").json == []
    venue.now_ms += 2000
    assert venue.query(origClientOrderId="late").json["status"] == "NEW"
    assert len(venue.call("GET", "allOrders", symbol="BTCUSDT").json) == 1


def test_the_lag_does_not_hide_an_order_from_a_cancel() -> None:
    venue = VenueClient(an_exchange(visibility_lag_ms=2000))
    venue.limit(newClientOrderId="late")
    assert venue.cancel(origClientOrderId="late").json["status"] == "CANCELED"


def test_a_stop_order_waits_for_its_price_and_then_fills(venue: VenueClient) -> None:
    placed = venue.place(type="STOP_LOSS", side="SELL", quantity="0.01", stopPrice="64000")
    assert venue.query(orderId=placed.json["orderId"]).json["isWorking"] is False
    venue.move_price("63990")
    order = venue.query(orderId=placed.json["orderId"]).json
    assert (order["status"], order["isWorking"], order["stopPrice"]) == ("FILLED", True, "64000.00000000")


def test_a_take_profit_limit_becomes_a_resting_limit_order(venue: VenueClient) -> None:
    placed = venue.place(
        type="TAKE_PROFIT_LIMIT",
        side="SELL",
        quantity="0.01",
        price="67000",
        stopPrice="66000",
        timeInForce="GTC",
    )
    venue.move_price("66000")
    order = venue.query(orderId=placed.json["orderId"]).json
    assert (order["status"], order["isWorking"]) == ("NEW", True)
    venue.move_price("67100")
    assert venue.query(orderId=placed.json["orderId"]).json["status"] == "FILLED"


def test_a_stop_on_the_wrong_side_is_refused(venue: VenueClient) -> None:
    reply = venue.place(type="STOP_LOSS", side="SELL", quantity="0.01", stopPrice="66000")
    assert reply.error == (400, -2010, "Order would trigger immediately.")


def test_a_test_order_places_nothing(venue: VenueClient) -> None:
    reply = venue.call("POST", "order/test", symbol="BTCUSDT", side="BUY", type="MARKET", quantity="0.01")
    assert (reply.status, reply.json) == (200, {})
    assert venue.exchange.engine.ledger.orders == []


def test_all_orders_and_trades_page_by_id_and_limit(venue: VenueClient) -> None:
    ids = [venue.market().json["orderId"] for _ in range(5)]
    from_third = venue.call("GET", "allOrders", symbol="BTCUSDT", orderId=ids[2], limit=2).json
    assert [order["orderId"] for order in from_third] == ids[2:4]
    newest = venue.call("GET", "allOrders", symbol="BTCUSDT", limit=2).json
    assert [order["orderId"] for order in newest] == ids[3:]
    trades = venue.call("GET", "myTrades", symbol="BTCUSDT", orderId=ids[1]).json
    assert [trade["orderId"] for trade in trades] == [ids[1]]


def test_account_shows_balances_and_what_the_key_may_do(venue: VenueClient) -> None:
    account = venue.call("GET", "account", omitZeroBalances="true").json
    assert {"asset": "BTC", "free": "1000.00000000", "locked": "0.00000000"} in account["balances"]
    rights = venue.call("GET", "/sapi/v1/account/apiRestrictions").json
    assert (rights["enableReading"], rights["enableSpotAndMarginTrading"], rights["enableWithdrawals"]) == (
        True,
        True,
        False,
    )


def test_exchange_info_answers_one_several_or_all_symbols(venue: VenueClient) -> None:
    assert len(venue.public("exchangeInfo").json["symbols"]) == len(venue.exchange.engine.markets)
    assert [s["symbol"] for s in venue.public("exchangeInfo", symbol="BNBUSDT").json["symbols"]] == [
        "BNBUSDT"
    ]
    two = venue.public("exchangeInfo", symbols='["BTCUSDT","LTCBTC"]').json["symbols"]
    assert [symbol["symbol"] for symbol in two] == ["BTCUSDT", "LTCBTC"]
    assert venue.public("exchangeInfo", symbol="NOPE").error == (400, -1121, "Invalid symbol.")


def test_a_price_is_asked_for_one_or_all_symbols(venue: VenueClient) -> None:
    assert venue.public("ticker/price", symbol="BTCUSDT").json == {
        "symbol": "BTCUSDT",
        "price": "65000.00000000",
    }
    assert len(venue.public("ticker/price").json) == len(venue.exchange.engine.markets)
    assert venue.public("avgPrice", symbol="BTCUSDT").json["price"] == "65000.00000000"
