"""python-binance, which nobody here wrote, trades on the sandbox."""

from collections.abc import Iterator
from typing import Any

import pytest
from binance.client import Client
from binance.exceptions import BinanceAPIException, BinanceRequestException

from adapters.sandbox.faults import FaultKind, FaultRule
from adapters.sandbox.server import SandboxServer


@pytest.fixture
def client(background_server: SandboxServer) -> Iterator[Any]:
    owner = background_server.exchange.state.accounts["main"]
    made = Client(owner.api_key, owner.secret_key, ping=False)
    made.API_URL = f"{background_server.url}/api"
    made.MARGIN_API_URL = f"{background_server.url}/sapi"
    yield made
    made.session.close()
    made.loop.close()


def test_public_data_is_read(client: Any) -> None:
    assert client.ping() == {}
    assert client.get_server_time()["serverTime"] > 0
    assert client.get_symbol_info("LTCBTC")["baseAsset"] == "LTC"
    assert client.get_symbol_ticker(symbol="BTCUSDT")["price"] == "65000.00000000"
    assert client.get_avg_price(symbol="BTCUSDT")["mins"] == 5


def test_orders_are_placed_queried_listed_and_cancelled(client: Any) -> None:
    filled = client.order_market_buy(symbol="BTCUSDT", quantity="0.01", newClientOrderId="pb-1")
    assert (filled["status"], filled["fills"][0]["commissionAsset"]) == ("FILLED", "BTC")
    by_cost = client.order_market_buy(symbol="BTCUSDT", quoteOrderQty="100")
    assert by_cost["status"] == "FILLED"
    resting = client.order_limit_buy(symbol="BTCUSDT", quantity="0.01", price="60000")
    assert client.get_order(symbol="BTCUSDT", orderId=resting["orderId"])["status"] == "NEW"
    assert len(client.get_open_orders(symbol="BTCUSDT")) == 1
    cancelled = client.cancel_order(symbol="BTCUSDT", orderId=resting["orderId"])
    assert (cancelled["status"], cancelled["origClientOrderId"]) == ("CANCELED", resting["clientOrderId"])
    assert len(client.get_all_orders(symbol="BTCUSDT")) == 3
    assert len(client.get_my_trades(symbol="BTCUSDT")) == 2
    assert client.get_asset_balance(asset="USDT")["locked"] == "0.00000000"
    assert client.create_test_order(symbol="BTCUSDT", side="BUY", type="MARKET", quantity="0.01") == {}


def test_the_key_tells_its_rights_and_its_counts(client: Any) -> None:
    assert client.get_account_api_permissions()["enableWithdrawals"] is False
    client.order_limit_buy(symbol="BTCUSDT", quantity="0.01", price="60000")
    assert [row["count"] for row in client.get_current_order_count()] == [1, 1]
    assert client.response.headers["x-mbx-used-weight-1m"] == "40"


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"quantity": "0.000001"}, -1013),
        ({"quantity": 1e-05}, -1100),
        ({"quantity": "0.01", "symbol": "NOPE"}, -1121),
    ],
)
def test_refusals_carry_their_code(client: Any, parameters: dict[str, Any], code: int) -> None:
    with pytest.raises(BinanceAPIException) as refused:
        client.order_market_buy(**({"symbol": "BTCUSDT"} | parameters))
    assert (refused.value.code, refused.value.status_code) == (code, 400)


def test_a_wrong_secret_is_a_wrong_signature(client: Any) -> None:
    client.API_SECRET = "wrong"
    with pytest.raises(BinanceAPIException) as refused:
        client.get_account()
    assert refused.value.code == -1022


def test_a_client_id_executes_again_once_its_order_has_filled(
    client: Any, background_server: SandboxServer
) -> None:
    for _ in range(2):
        client.order_market_buy(symbol="BTCUSDT", quantity="0.01", newClientOrderId="same")
    repeated = background_server.exchange.engine.ledger.summary()["executed_more_than_once"]
    assert [row["client_order_id"] for row in repeated] == ["same"]


def test_faults_show_as_this_client_shows_them(client: Any, background_server: SandboxServer) -> None:
    background_server.faults.add(FaultRule(kind=FaultKind.HTML_403, count=1))
    background_server.faults.add(FaultRule(kind=FaultKind.TRUNCATED_BODY, count=1))
    with pytest.raises(BinanceAPIException, match="Invalid JSON"):
        client.order_market_buy(symbol="BTCUSDT", quantity="0.01")
    with pytest.raises(BinanceRequestException, match="Invalid Response"):
        client.order_market_buy(symbol="BTCUSDT", quantity="0.01")
    assert len(background_server.exchange.engine.ledger.orders) == 1
