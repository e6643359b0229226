"""python-binance, which nobody here wrote, trades USD-M futures on the sandbox."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from binance.client import Client
from binance.exceptions import BinanceAPIException

from adapters.sandbox.faults import FaultKind, FaultRule
from adapters.sandbox.server import SandboxServer

SALE: dict[str, Any] = {"symbol": "BTCUSDT", "side": "SELL", "quantity": "0.01"}


@pytest.fixture
def client(background_server: SandboxServer) -> Iterator[Any]:
    owner = background_server.exchange.state.accounts["usdm"]
    made = Client(owner.api_key, owner.secret_key, ping=False)
    made.FUTURES_URL = f"{background_server.url}/fapi"
    yield made
    made.session.close()
    made.loop.close()


def test_public_data_is_read(client: Any) -> None:
    assert client.futures_ping() == {}
    assert client.futures_time()["serverTime"] > 0
    assert client.futures_exchange_info()["symbols"][0]["contractType"] == "PERPETUAL"
    assert client.futures_symbol_ticker(symbol="BTCUSDT")["price"] == "65000"
    assert client.futures_mark_price(symbol="BTCUSDT")["markPrice"] == "65000.00000000"


def test_orders_are_placed_queried_listed_and_cancelled(client: Any) -> None:
    bought = client.futures_create_order(symbol="BTCUSDT", side="BUY", type="MARKET", quantity="0.01")
    assert bought["status"] == "NEW"
    assert client.futures_get_order(symbol="BTCUSDT", orderId=bought["orderId"])["status"] == "FILLED"
    resting = client.futures_limit_sell_order(
        symbol="BTCUSDT", quantity="0.01", price="66000", timeInForce="GTX", reduceOnly="true"
    )
    assert [row["orderId"] for row in client.futures_get_open_orders(symbol="BTCUSDT")] == [
        resting["orderId"]
    ]
    cancelled = client.futures_cancel_order(symbol="BTCUSDT", orderId=resting["orderId"])
    assert (cancelled["status"], cancelled["clientOrderId"]) == ("CANCELED", resting["clientOrderId"])
    assert len(client.futures_get_all_orders(symbol="BTCUSDT")) == 2
    assert len(client.futures_account_trades(symbol="BTCUSDT")) == 1
    assert client.futures_cancel_all_open_orders(symbol="BTCUSDT")["code"] == 200
    test = client.futures_create_test_order(**SALE, type="MARKET")
    assert test["avgPrice"] == "0.00000"


@pytest.mark.parametrize(
    "extra",
    [
        {"type": "STOP_MARKET", "stopPrice": "64000"},
        {"type": "STOP", "stopPrice": "64000", "price": "63900"},
        {"type": "TAKE_PROFIT_MARKET", "stopPrice": "66000", "workingType": "MARK_PRICE"},
        {"type": "TAKE_PROFIT", "stopPrice": "66000", "price": "66100"},
        {"type": "TRAILING_STOP_MARKET", "callbackRate": "0.5"},
        {"type": "STOP_MARKET", "stopPrice": "64000", "closePosition": "true", "quantity": None},
    ],
)
def test_conditional_orders_of_every_kind(client: Any, extra: dict[str, Any]) -> None:
    given = {name: value for name, value in {**SALE, **extra}.items() if value is not None}
    placed = client.futures_create_order(**given)
    assert (placed["algoStatus"], placed["orderType"]) == ("NEW", extra["type"])
    found = client.futures_get_algo_order(symbol="BTCUSDT", algoId=placed["algoId"])
    assert (found["clientAlgoId"], found["actualOrderId"]) == (placed["clientAlgoId"], "")
    assert len(client.futures_get_open_algo_orders(symbol="BTCUSDT")) == 1
    cancelled = client.futures_cancel_algo_order(symbol="BTCUSDT", clientAlgoId=placed["clientAlgoId"])
    assert cancelled["code"] == "200"
    client.futures_create_order(**given)
    client.futures_cancel_all_algo_open_orders(symbol="BTCUSDT")
    listed = client.futures_get_all_algo_orders(symbol="BTCUSDT")
    assert [row["algoStatus"] for row in listed] == ["CANCELED", "CANCELED"]


def test_a_triggered_stop_closes_the_position(client: Any, background_server: SandboxServer) -> None:
    client.futures_create_order(symbol="BTCUSDT", side="BUY", type="MARKET", quantity="0.01")
    assert [row["positionAmt"] for row in client.futures_position_information()] == ["0.01"]
    client.futures_create_order(
        symbol="BTCUSDT", side="SELL", type="STOP_MARKET", stopPrice="64000", closePosition="true"
    )
    background_server.exchange.set_price("BTCUSDT", Decimal(63_900), 0)
    assert client.futures_position_information() == []
    assert client.futures_get_all_algo_orders(symbol="BTCUSDT")[0]["algoStatus"] == "FINISHED"


def test_the_account_and_its_modes(client: Any) -> None:
    assert client.futures_account_balance()[0]["asset"] == "USDT"
    assert client.futures_account()["canTrade"] is True
    assert client.futures_change_leverage(symbol="BTCUSDT", leverage=5)["leverage"] == 5
    client.futures_change_position_mode(dualSidePosition="true")
    assert client.futures_get_position_mode() == {"dualSidePosition": True}
    client.futures_create_order(**SALE, type="MARKET", positionSide="SHORT")
    assert [row["positionSide"] for row in client.futures_position_information()] == ["SHORT"]
    assert client.futures_account_config()["dualSidePosition"] is True


@pytest.mark.parametrize(
    ("over", "code"),
    [
        ({"quantity": "0.0001"}, -1111),
        ({"quantity": "0.001"}, -4164),
        ({"symbol": "NOPE"}, -1121),
        ({"reduceOnly": "true"}, -2022),
        ({"positionSide": "LONG"}, -4061),
    ],
)
def test_refusals_carry_their_code(client: Any, over: dict[str, Any], code: int) -> None:
    with pytest.raises(BinanceAPIException) as refused:
        client.futures_create_order(**{**SALE, "type": "MARKET"} | over)
    assert (refused.value.code, refused.value.status_code) == (code, 400)


def test_a_503_without_a_code_is_still_an_error_here(client: Any, background_server: SandboxServer) -> None:
    background_server.faults.add(FaultRule(kind=FaultKind.ACCEPT_THEN_5XX, code=-1000, count=1))
    with pytest.raises(BinanceAPIException) as failed:
        client.futures_create_order(**SALE, type="MARKET")
    assert (failed.value.status_code, "Unknown error" in str(failed.value)) == (503, True)
    assert len(background_server.exchange.engine.ledger.orders) == 1
