"""USD-M futures: acknowledgements, positions, reduce-only, hedge mode, and the times in force."""

from decimal import Decimal
from typing import Any

import pytest

from adapters.sandbox.config import UsdmQuirks
from adapters.sandbox.model import PositionSide
from tests.sandbox.client import START_MS, VenueClient

MINUTE_MS = 60_000
FLAT = (Decimal(0), Decimal(0))


def held(client: VenueClient, side: PositionSide = PositionSide.BOTH) -> tuple[Decimal, Decimal]:
    position = client.exchange.futures.accounts["usdm"].position("BTCUSDT", side)
    return position.quantity, position.entry_price


def test_an_ack_says_new_although_the_order_has_filled(usdm: VenueClient) -> None:
    ack = usdm.market(newClientOrderId="a").json
    assert (ack["status"], ack["executedQty"], ack["cumQty"]) == ("NEW", "0.000", "0.000")
    queried = usdm.query(origClientOrderId="a").json
    assert (queried["status"], queried["executedQty"], queried["avgPrice"], queried["cumQuote"]) == (
        "FILLED",
        "0.010",
        "65000.10000",
        "650.00",
    )


def test_a_result_tells_the_end_but_neither_average_nor_value(usdm: VenueClient) -> None:
    told = usdm.market(newOrderRespType="RESULT").json
    assert (told["status"], told["executedQty"]) == ("FILLED", "0.010")
    assert not {"avgPrice", "cumQuote"} & told.keys()
    usdm.exchange.set_usdm_quirks(UsdmQuirks(averages_in_acks=True))
    assert usdm.market(newOrderRespType="RESULT").json["avgPrice"] == "65000.10000"


def test_a_crossing_limit_order_says_new_whatever_reply_was_asked_for(usdm: VenueClient) -> None:
    told = usdm.limit(price="65100", newOrderRespType="RESULT").json
    assert told["status"] == "NEW"
    assert usdm.query(orderId=told["orderId"]).json["status"] == "FILLED"


def test_a_position_opens_averages_closes_and_turns(usdm: VenueClient) -> None:
    usdm.market(quantity="0.02")
    usdm.move_price("66000")
    usdm.market(quantity="0.02")
    assert held(usdm) == (Decimal("0.040"), Decimal("65500.10"))
    usdm.market(side="SELL", quantity="0.06")
    assert held(usdm) == (Decimal("-0.020"), Decimal("65999.90"))
    trades = usdm.call("GET", "userTrades", symbol="BTCUSDT").json
    assert [row["realizedPnl"] for row in trades] == ["0.00000000", "0.00000000", "19.99200000"]
    assert [row["commissionAsset"] for row in trades] == ["USDT"] * 3
    balance = usdm.call("GET", "/fapi/v3/balance").json[0]
    fees = sum(Decimal(row["commission"]) for row in trades)
    assert Decimal(balance["balance"]) == Decimal(100_000_000) + Decimal("19.992") - fees


def test_a_reduce_only_order_needs_a_position_and_ends_with_it(usdm: VenueClient) -> None:
    assert usdm.market(side="SELL", reduceOnly="true").error == (400, -2022, "ReduceOnly Order is rejected.")
    usdm.market()
    told = usdm.market(side="SELL", quantity="0.03", reduceOnly="true", newOrderRespType="RESULT").json
    assert (told["status"], told["executedQty"]) == ("EXPIRED", "0.010")
    assert held(usdm) == FLAT


def test_a_resting_reduce_only_order_ends_when_the_position_is_gone(usdm: VenueClient) -> None:
    usdm.market()
    resting = usdm.limit(side="SELL", price="66000", reduceOnly="true").json["orderId"]
    usdm.market(side="SELL")
    usdm.move_price("66500")
    assert usdm.query(orderId=resting).json["status"] == "EXPIRED"
    assert held(usdm) == FLAT


def test_small_orders_may_reduce_but_not_open(usdm: VenueClient) -> None:
    usdm.market()
    assert usdm.market(side="SELL", quantity="0.001").error[1] == -4164
    assert usdm.market(side="SELL", quantity="0.001", reduceOnly="true").status == 200


def test_margin_limits_what_is_opened_and_is_given_back(usdm: VenueClient) -> None:
    account = usdm.exchange.futures.accounts["usdm"]
    account.balance = Decimal(100)
    usdm.call("POST", "leverage", symbol="BTCUSDT", leverage=10)
    assert usdm.limit(quantity="0.02", price="60000").error == (400, -2019, "Margin is insufficient.")
    resting = usdm.limit(quantity="0.015", price="60000").json["orderId"]
    assert account.reserved == 90
    assert usdm.limit(quantity="0.002", price="60000").error[1] == -2019
    usdm.cancel(orderId=resting)
    assert account.reserved == 0


def test_hedge_mode_keeps_a_long_and_a_short_side_by_side(usdm: VenueClient) -> None:
    assert usdm.market(positionSide="LONG").error[1] == -4061
    assert usdm.call("POST", "positionSide/dual", dualSidePosition="true").json["code"] == 200
    assert usdm.call("GET", "positionSide/dual").json == {"dualSidePosition": True}
    assert usdm.market().error[1] == -4061
    assert usdm.market(positionSide="LONG", reduceOnly="true").error[1] == -4062
    usdm.market(positionSide="LONG")
    usdm.market(positionSide="SHORT", side="SELL", quantity="0.02")
    assert held(usdm, PositionSide.LONG)[0] == Decimal("0.010")
    assert held(usdm, PositionSide.SHORT)[0] == Decimal("-0.020")
    assert usdm.market(positionSide="LONG", side="SELL", quantity="0.02").error[1] == -2022
    usdm.market(positionSide="LONG", side="SELL")
    assert held(usdm, PositionSide.LONG) == FLAT
    sides = {row["positionSide"] for row in usdm.call("GET", "/fapi/v3/positionRisk").json}
    assert sides == {"SHORT"}


def test_the_mode_changes_only_without_orders_and_positions(usdm: VenueClient) -> None:
    change = ("POST", "positionSide/dual")
    assert usdm.call(*change, dualSidePosition="false").error[1] == -4059
    resting = usdm.limit().json["orderId"]
    assert usdm.call(*change, dualSidePosition="true").error[1] == -4067
    usdm.cancel(orderId=resting)
    usdm.market()
    assert usdm.call(*change, dualSidePosition="true").error[1] == -4068


@pytest.mark.parametrize(
    ("time_in_force", "price", "code"), [("GTX", "65100", -5022), ("FOK", "64000", -5021)]
)
def test_what_cannot_execute_as_asked_leaves_no_order(
    usdm: VenueClient, time_in_force: str, price: str, code: int
) -> None:
    refused = usdm.limit(timeInForce=time_in_force, price=price, newClientOrderId="x")
    assert refused.error[1] == code
    assert usdm.query(origClientOrderId="x").error[1] == -2013
    assert usdm.exchange.engine.ledger.orders == []


def test_the_remainder_of_ioc_and_market_orders_expires(usdm: VenueClient) -> None:
    usdm.exchange.set_liquidity("BTCUSDT", Decimal("0.004"))
    partly = usdm.limit(timeInForce="IOC", price="65100", newOrderRespType="RESULT").json
    assert (partly["status"], partly["executedQty"]) == ("EXPIRED", "0.004")
    partly = usdm.market(newOrderRespType="RESULT").json
    assert (partly["status"], partly["executedQty"]) == ("EXPIRED", "0.004")


def test_gtd_orders_end_at_their_second(usdm: VenueClient) -> None:
    until = START_MS + 11 * MINUTE_MS + 345
    assert usdm.limit(timeInForce="GTD").error[1] == -1102
    assert usdm.limit(goodTillDate=until).error[1] == -1106
    assert usdm.limit(timeInForce="GTD", goodTillDate=START_MS + 10 * MINUTE_MS).error[1] == -5040
    assert usdm.limit(timeInForce="GTD", goodTillDate=253_402_300_799_000).error[1] == -5040
    order = usdm.limit(timeInForce="GTD", goodTillDate=until).json
    assert order["goodTillDate"] == until - 345
    usdm.now_ms = until - 346
    assert usdm.query(orderId=order["orderId"]).json["status"] == "NEW"
    usdm.now_ms = until - 345
    assert usdm.query(orderId=order["orderId"]).json["status"] == "EXPIRED"


def test_an_id_is_taken_while_open_and_executes_again_once_filled(usdm: VenueClient) -> None:
    usdm.limit(newClientOrderId="same")
    assert usdm.limit(newClientOrderId="same").error == (400, -4116, "clientOrderId is duplicated")
    for _ in range(2):
        assert usdm.market(newClientOrderId="again").status == 200
    repeated = usdm.exchange.engine.ledger.summary()["executed_more_than_once"]
    assert [row["client_order_id"] for row in repeated] == ["again"]


def test_a_cancel_keeps_the_orders_own_id(usdm: VenueClient) -> None:
    order = usdm.limit(newClientOrderId="mine").json
    cancelled = usdm.cancel(orderId=order["orderId"]).json
    assert (cancelled["status"], cancelled["clientOrderId"]) == ("CANCELED", "mine")
    assert usdm.cancel(orderId=order["orderId"]).error == (400, -2011, "Unknown order sent.")
    assert usdm.query(origClientOrderId="nobody").error == (400, -2013, "Order does not exist.")
    assert usdm.call("GET", "openOrder", symbol="BTCUSDT", orderId=order["orderId"]).error[1] == -2013


def test_cancel_all_answers_a_code_that_is_no_error(usdm: VenueClient) -> None:
    for number in range(3):
        usdm.limit(newClientOrderId=f"o{number}")
    assert usdm.call("DELETE", "allOpenOrders", symbol="BTCUSDT").json["code"] == 200
    assert usdm.call("GET", "openOrders").json == []
    assert usdm.call("DELETE", "allOpenOrders", symbol="BTCUSDT").json["code"] == 200
    listed = usdm.call("GET", "allOrders", symbol="BTCUSDT").json
    assert [row["status"] for row in listed] == ["CANCELED"] * 3


def test_order_test_places_nothing_and_looks_like_an_order(usdm: VenueClient) -> None:
    told = usdm.call("POST", "order/test", symbol="BTCUSDT", side="BUY", type="MARKET", quantity="0.01").json
    assert (told["status"], told["avgPrice"]) == ("NEW", "0.00000")
    assert usdm.query(orderId=told["orderId"]).error[1] == -2013


def test_a_price_match_takes_the_price_of_the_book(usdm: VenueClient) -> None:
    queue: dict[str, Any] = {"type": "LIMIT", "timeInForce": "GTC", "quantity": "0.01", "priceMatch": "QUEUE"}
    assert usdm.place(**queue).json["price"] == "64999.90"
    assert usdm.place(**queue, price="64000").error[1] == -1106
    assert usdm.market(priceMatch="QUEUE").error[1] == -5038


def test_spot_and_futures_have_one_ledger_and_one_price(usdm: VenueClient) -> None:
    spot = VenueClient(usdm.exchange, "main")
    spot_id = spot.limit().json["orderId"]
    usdm_id = usdm.limit().json["orderId"]
    usdm.move_price("59000")
    assert spot.query(orderId=spot_id).json["status"] == "FILLED"
    assert usdm.query(orderId=usdm_id).json["status"] == "FILLED"
    assert usdm.exchange.engine.ledger.summary()["by_account"] == {"main": 1, "usdm": 1}
    assert usdm_id > 2**53
