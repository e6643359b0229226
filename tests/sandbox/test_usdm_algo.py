"""USD-M futures: conditional orders have endpoints, ids and states of their own, and become orders of the book."""

from decimal import Decimal
from typing import Any

import pytest

from tests.sandbox.client import START_MS, Answer, VenueClient

STOP: dict[str, Any] = {"type": "STOP_MARKET", "triggerPrice": "64000"}


def queried(usdm: VenueClient, placed: Answer) -> dict[str, Any]:
    found: dict[str, Any] = usdm.call("GET", "algoOrder", algoId=placed.json["algoId"]).json
    return found


def test_a_stop_waits_and_becomes_an_order_of_the_book(usdm: VenueClient) -> None:
    usdm.market()
    placed = usdm.algo(**STOP, clientAlgoId="stop-1")
    assert (placed.json["algoStatus"], placed.json["clientAlgoId"]) == ("NEW", "stop-1")
    assert usdm.query(origClientOrderId="stop-1").error[1] == -2013
    assert usdm.query(orderId=placed.json["algoId"]).error[1] == -2013
    assert usdm.call("GET", "openOrders").json == []
    usdm.now_ms += 1_000
    usdm.move_price("63900")
    algo = queried(usdm, placed)
    assert (algo["algoStatus"], algo["actualPrice"], algo["actualQty"]) == (
        "FINISHED",
        "63899.90000",
        "0.010",
    )
    assert algo["triggerTime"] == START_MS + 1_000
    order = usdm.query(orderId=algo["actualOrderId"]).json
    assert (order["status"], order["type"], order["origType"]) == ("FILLED", "MARKET", "STOP_MARKET")
    assert order["clientOrderId"] == "stop-1"
    assert len(usdm.exchange.engine.ledger.orders) == 2


@pytest.mark.parametrize(
    ("kind", "side", "trigger", "price"),
    [
        ("STOP_MARKET", "BUY", "66000", "66000"),
        ("STOP_MARKET", "SELL", "64000", "64000"),
        ("TAKE_PROFIT_MARKET", "BUY", "64000", "64000"),
        ("TAKE_PROFIT_MARKET", "SELL", "66000", "66000"),
    ],
)
def test_each_type_triggers_on_its_side_only(
    usdm: VenueClient, kind: str, side: str, trigger: str, price: str
) -> None:
    placed = usdm.algo(type=kind, side=side, triggerPrice=trigger)
    other = "64000.1" if trigger == "64000" else "65999.9"
    usdm.move_price(other)
    assert queried(usdm, placed)["algoStatus"] == "NEW"
    usdm.move_price(price)
    assert queried(usdm, placed)["algoStatus"] == "FINISHED"
    opposite = "BUY" if side == "SELL" else "SELL"
    would_trigger = usdm.algo(type=kind, side=opposite, triggerPrice=trigger)
    assert would_trigger.error == (400, -2021, "Order would immediately trigger.")


def test_the_limit_forms_rest_at_their_price(usdm: VenueClient) -> None:
    placed = usdm.algo(type="STOP", side="SELL", triggerPrice="64000", price="64500")
    usdm.move_price("63900")
    algo = queried(usdm, placed)
    assert (algo["algoStatus"], algo["actualPrice"]) == ("TRIGGERED", "0.00000")
    assert usdm.call("DELETE", "algoOrder", algoId=algo["algoId"]).error[1] == -2011
    resting = usdm.call("GET", "openOrders").json
    assert [(row["type"], row["price"], row["stopPrice"]) for row in resting] == [
        ("LIMIT", "64500.00", "64000.00")
    ]
    usdm.move_price("64600")
    assert queried(usdm, placed)["algoStatus"] == "FINISHED"


def test_the_mark_price_triggers_what_watches_it(usdm: VenueClient) -> None:
    placed = usdm.algo(**STOP, workingType="MARK_PRICE")
    usdm.move_price("63000", mark="64500")
    assert queried(usdm, placed)["algoStatus"] == "NEW"
    usdm.move_price("63000", mark="63900")
    assert queried(usdm, placed)["algoStatus"] == "FINISHED"


def test_a_trailing_stop_follows_the_best_price(usdm: VenueClient) -> None:
    trailing = {"type": "TRAILING_STOP_MARKET", "callbackRate": "1"}
    placed = usdm.algo(**trailing, activatePrice="66000")
    assert placed.json["callbackRate"] == "1"
    usdm.move_price("64000")
    usdm.move_price("66500")
    usdm.move_price("70000")
    usdm.move_price("69300.1")
    assert queried(usdm, placed)["algoStatus"] == "NEW"
    usdm.move_price("69300")
    assert queried(usdm, placed)["algoStatus"] == "FINISHED"
    at_once = usdm.algo(**trailing, side="BUY")
    usdm.move_price("69900")
    assert queried(usdm, at_once)["algoStatus"] == "NEW"
    usdm.move_price("69993")
    assert queried(usdm, at_once)["algoStatus"] == "FINISHED"
    assert usdm.algo(**trailing, activatePrice="60000").error[1] == -2021
    assert usdm.algo(**{**trailing, "callbackRate": "11"}).error[1] == -1130


def test_close_position_takes_what_is_held_when_it_triggers(usdm: VenueClient) -> None:
    closing = {**STOP, "closePosition": "true", "quantity": None}
    placed = usdm.algo(**closing)
    assert placed.json["closePosition"] is True
    usdm.market(quantity="0.03")
    usdm.move_price("63900")
    assert queried(usdm, placed)["actualQty"] == "0.030"
    assert usdm.call("GET", "/fapi/v3/positionRisk").json == []
    usdm.move_price("65000")
    assert usdm.algo(**{**closing, "quantity": "0.01"}).error[1] == -4137
    assert usdm.algo(**closing, reduceOnly="true").error[1] == -1106
    assert usdm.algo(**{**closing, "type": "STOP", "price": "64000"}).error[1] == -1106


def test_what_the_book_refuses_at_the_trigger_ends_rejected(usdm: VenueClient) -> None:
    without_position = usdm.algo(**STOP, reduceOnly="true")
    usdm.exchange.futures.accounts["usdm"].balance = Decimal(1)
    without_margin = usdm.algo(type="STOP_MARKET", side="SELL", triggerPrice="64100")
    usdm.move_price("63900")
    for placed in (without_position, without_margin):
        algo = queried(usdm, placed)
        assert (algo["algoStatus"], algo["actualOrderId"]) == ("REJECTED", "")


def test_cancels_and_lists_keep_the_two_kinds_apart(usdm: VenueClient) -> None:
    usdm.limit(newClientOrderId="plain")
    first, second = usdm.algo(**STOP, clientAlgoId="s1"), usdm.algo(**STOP, clientAlgoId="s2")
    assert [row["clientAlgoId"] for row in usdm.call("GET", "openAlgoOrders").json] == ["s1", "s2"]
    usdm.call("DELETE", "allOpenOrders", symbol="BTCUSDT")
    assert len(usdm.call("GET", "openAlgoOrders", symbol="BTCUSDT").json) == 2
    cancelled = usdm.call("DELETE", "algoOrder", clientAlgoId="s1").json
    assert cancelled == {
        "algoId": first.json["algoId"],
        "clientAlgoId": "s1",
        "code": "200",
        "msg": "success",
    }
    assert usdm.call("DELETE", "algoOrder", clientAlgoId="s1").error[:2] == (400, -2011)
    usdm.limit(newClientOrderId="stays")
    assert usdm.call("DELETE", "algoOpenOrders", symbol="BTCUSDT").json["code"] == 200
    assert queried(usdm, second)["algoStatus"] == "CANCELED"
    assert [row["clientOrderId"] for row in usdm.call("GET", "openOrders").json] == ["stays"]
    listed = usdm.call("GET", "allAlgoOrders", symbol="BTCUSDT").json
    assert [row["algoStatus"] for row in listed] == ["CANCELED", "CANCELED"]
    assert usdm.call("GET", "allOrders", symbol="BTCUSDT").json[0]["clientOrderId"] == "plain"


@pytest.mark.parametrize(
    ("over", "code"),
    [
        ({"algoType": "VP"}, -1130),
        ({"type": "LIMIT", "price": "60000"}, -1116),
        ({"triggerPrice": None}, -1102),
        ({"quantity": None}, -1102),
        ({"type": "STOP"}, -1102),
        ({"price": "64000"}, -1106),
        ({"triggerPrice": "64000.05"}, -4014),
        ({"quantity": "0.0105"}, -1111),
        ({"clientAlgoId": "with blank"}, -4015),
        ({"timeInForce": "GTD", "goodTillDate": "1895000020000"}, -1115),
        ({"workingType": "INDEX_PRICE"}, -4031),
        ({"stopPrice": "64000"}, -1103),
    ],
)
def test_each_mistake_has_its_code(usdm: VenueClient, over: dict[str, Any], code: int) -> None:
    assert usdm.algo(**{**STOP, **over}).error[:2] == (400, code)


def test_ids_of_waiting_orders_are_unique_and_unknown_ones_are_not_found(usdm: VenueClient) -> None:
    usdm.algo(**STOP, clientAlgoId="same")
    assert usdm.algo(**STOP, clientAlgoId="same").error[:2] == (400, -4116)
    assert usdm.call("GET", "algoOrder", clientAlgoId="other").error[:2] == (400, -2013)
    assert usdm.call("GET", "algoOrder", algoId=5).error[:2] == (400, -2013)
    assert usdm.call("GET", "algoOrder").error[:2] == (400, -1102)


def test_no_more_than_two_hundred_wait(usdm: VenueClient) -> None:
    for number in range(200):
        usdm.now_ms += 100
        assert usdm.algo(**STOP, clientAlgoId=f"s{number}").status == 200
    assert usdm.algo(**STOP).error == (400, -4045, "Reach max stop order limit.")
