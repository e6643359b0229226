"""Spot orders that trail: when they are activated, what they follow, when they trigger, and what is refused."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from adapters.sandbox.config import DEFAULT_SYMBOLS
from tests.sandbox.client import START_MS, Answer, VenueClient, an_exchange

SALE = {"type": "STOP_LOSS", "side": "SELL", "quantity": "0.01", "trailingDelta": "100"}
BUY = {**SALE, "side": "BUY"}


@pytest.fixture(params=["main", "us"])
def spot(request: pytest.FixtureRequest) -> VenueClient:
    return VenueClient(an_exchange(), request.param)


def queried(spot: VenueClient, placed: Answer) -> Any:
    return spot.query(orderId=placed.json["orderId"]).json


def status(spot: VenueClient, placed: Answer) -> str:
    text: str = queried(spot, placed)["status"]
    return text


def test_a_sale_follows_the_highest_price_and_triggers_when_the_market_falls_by_the_delta(
    spot: VenueClient,
) -> None:
    placed = spot.place(**SALE)
    assert placed.json.keys() == {"symbol", "orderId", "orderListId", "clientOrderId", "transactTime"}
    for price in ("64350.01", "70000", "69300.01"):
        spot.move_price(price)
        assert status(spot, placed) == "NEW"
    spot.move_price("69300")
    order = queried(spot, placed)
    assert (order["status"], order["isWorking"], order["trailingDelta"]) == ("FILLED", True, 100)
    assert Decimal(order["cummulativeQuoteQty"]) == Decimal("692.9999")


def test_a_buy_follows_the_lowest_price_and_triggers_when_the_market_rises_by_the_delta(
    spot: VenueClient,
) -> None:
    placed = spot.place(**BUY)
    for price in ("65649.99", "60000", "60599.99"):
        spot.move_price(price)
        assert status(spot, placed) == "NEW"
    spot.move_price("60600")
    assert status(spot, placed) == "FILLED"


@pytest.mark.parametrize(
    ("order", "before", "at", "best", "back"),
    [
        ({"type": "STOP_LOSS", "side": "SELL", "stopPrice": "64000"}, "70000", "64000", "66000", "65340"),
        ({"type": "TAKE_PROFIT", "side": "SELL", "stopPrice": "66000"}, "60000", "66000", "67000", "66330"),
        ({"type": "STOP_LOSS", "side": "BUY", "stopPrice": "66000"}, "60000", "66000", "64000", "64640"),
        ({"type": "TAKE_PROFIT", "side": "BUY", "stopPrice": "64000"}, "70000", "64000", "63000", "63630"),
    ],
)
def test_a_stop_price_activates_the_trail(
    spot: VenueClient, order: dict[str, str], before: str, at: str, best: str, back: str
) -> None:
    placed = spot.place(quantity="0.01", trailingDelta="100", **order)
    assert queried(spot, placed)["trailingTime"] == -1
    spot.move_price(before)
    assert queried(spot, placed)["trailingTime"] == -1
    spot.now_ms += 1_000
    spot.move_price(at)
    assert queried(spot, placed)["trailingTime"] == START_MS + 1_000
    spot.now_ms += 1_000
    spot.move_price(best)
    assert (status(spot, placed), queried(spot, placed)["trailingTime"]) == ("NEW", START_MS + 1_000)
    spot.move_price(back)
    assert status(spot, placed) == "FILLED"


def test_a_limit_order_that_trails_rests_at_its_price_once_triggered(spot: VenueClient) -> None:
    placed = spot.place(**{**SALE, "type": "STOP_LOSS_LIMIT"}, price="66000", timeInForce="GTC")
    spot.move_price("64350")
    order = queried(spot, placed)
    assert (order["status"], order["isWorking"], order["stopPrice"]) == ("NEW", True, "0.00000000")
    spot.move_price("66100")
    assert status(spot, placed) == "FILLED"


def test_one_row_of_the_ledger_tells_its_life(spot: VenueClient) -> None:
    spot.place(**SALE, newClientOrderId="trail")
    spot.move_price("64000")
    ledger = spot.exchange.engine.ledger.page(None, 0, 10)["orders"]
    assert [
        (row["client_order_id"], row["trailing_delta"], row["status"], len(row["executions"]))
        for row in ledger
    ] == [("trail", 100, "FILLED", 1)]


def test_a_cancelled_order_trails_no_more_and_gives_back_what_it_locked(spot: VenueClient) -> None:
    placed = spot.place(**SALE)
    assert spot.balance("BTC") == (Decimal("999.99"), Decimal("0.01"))
    assert spot.cancel(orderId=placed.json["orderId"]).json["status"] == "CANCELED"
    spot.move_price("60000")
    assert status(spot, placed) == "CANCELED"
    assert spot.balance("BTC") == (Decimal(1_000), Decimal(0))


def test_a_reply_with_the_state_tells_delta_and_since_when(spot: VenueClient) -> None:
    at_once = spot.place(**SALE, newOrderRespType="RESULT").json
    assert (at_once["trailingDelta"], at_once["trailingTime"]) == (100, START_MS)
    later = spot.place(**SALE, newOrderRespType="FULL", stopPrice="64000").json
    assert (later["trailingTime"], later["stopPrice"]) == (-1, "64000.00000000")
    assert not {"trailingDelta", "trailingTime"} & spot.limit(newOrderRespType="RESULT").json.keys()


def narrow(*, lets_stops_trail: bool = True) -> VenueClient:
    symbols = tuple(
        replace(
            symbol, trailing_above=(20, 500), trailing_below=(50, 1000), lets_stops_trail=lets_stops_trail
        )
        for symbol in DEFAULT_SYMBOLS
    )
    return VenueClient(an_exchange(symbols=symbols))


def test_the_filter_is_told() -> None:
    (symbol,) = narrow().public("exchangeInfo", symbol="BTCUSDT").json["symbols"]
    assert symbol["allowTrailingStop"] is True
    assert {
        "filterType": "TRAILING_DELTA",
        "minTrailingAboveDelta": 20,
        "maxTrailingAboveDelta": 500,
        "minTrailingBelowDelta": 50,
        "maxTrailingBelowDelta": 1000,
    } in symbol["filters"]


@pytest.mark.parametrize(
    ("kind", "side", "smallest", "largest"),
    [
        ("STOP_LOSS", "BUY", 20, 500),
        ("TAKE_PROFIT", "SELL", 20, 500),
        ("STOP_LOSS", "SELL", 50, 1000),
        ("TAKE_PROFIT", "BUY", 50, 1000),
    ],
)
def test_the_filter_looks_at_the_side_of_the_market(
    kind: str, side: str, smallest: int, largest: int
) -> None:
    venue = narrow()
    order = {"type": kind, "side": side, "quantity": "0.01"}
    for delta in (smallest - 1, largest + 1):
        refused = venue.place(**order, trailingDelta=str(delta))
        assert refused.error == (400, -1013, "Filter failure: TRAILING_DELTA")
    for delta in (smallest, largest):
        assert venue.place(**order, trailingDelta=str(delta)).status == 200


@pytest.mark.parametrize(
    ("over", "code", "text"),
    [
        (
            {"trailingDelta": "1.5"},
            -1100,
            "Illegal characters found in parameter 'trailingDelta'; legal range is '^[0-9]{1,20}$'.",
        ),
        ({"trailingDelta": ""}, -1105, "Parameter 'trailingDelta' was empty."),
        ({"type": "MARKET"}, -1106, "Parameter 'trailingDelta' sent when not required."),
        ({"stopPrice": "66000"}, -2010, "Order would trigger immediately."),
    ],
)
def test_what_cannot_trail_is_refused(spot: VenueClient, over: dict[str, str], code: int, text: str) -> None:
    assert spot.place(**{**SALE, **over}).error == (400, code, text)


def test_a_stop_needs_a_price_or_a_delta(spot: VenueClient) -> None:
    text = "Param 'stopPrice' or 'trailingDelta' must be sent, but both were empty/null!"
    assert spot.place(type="STOP_LOSS", side="SELL", quantity="0.01").error == (400, -1102, text)


def test_a_symbol_may_let_no_stop_trail() -> None:
    venue = narrow(lets_stops_trail=False)
    (symbol,) = venue.public("exchangeInfo", symbol="BTCUSDT").json["symbols"]
    assert symbol["allowTrailingStop"] is False
    assert "TRAILING_DELTA" not in {row["filterType"] for row in symbol["filters"]}
    text = "Trailing stop orders are not supported for this symbol."
    assert venue.place(**SALE).error == (400, -2010, text)
