"""ccxt and python-binance trade on the sandbox's Binance.US, under its base path."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import ccxt
import pytest
from binance.client import Client
from binance.exceptions import BinanceAPIException

from adapters.sandbox.server import SandboxServer
from tests.sandbox.test_client_ccxt import SPOT_KINDS, credentials, redirected

PAIR = "BTC/USDT"


@pytest.fixture
def us(background_server: SandboxServer) -> Iterator[Any]:
    client = ccxt.binanceus(credentials(background_server, "us"))
    yield redirected(client, f"{background_server.url}/us")
    client.session.close()


@pytest.fixture
def client(background_server: SandboxServer) -> Iterator[Any]:
    owner = background_server.exchange.state.accounts["us"]
    made = Client(owner.api_key, owner.secret_key, ping=False, tld="us")
    made.API_URL = f"{background_server.url}/us/api"
    yield made
    made.session.close()
    made.loop.close()


def test_ccxt_places_queries_lists_and_cancels(us: Any) -> None:
    filled = us.create_order(PAIR, "market", "buy", 0.01)
    assert (filled["status"], filled["average"], filled["fees"]) == (
        "closed",
        65000.01,
        [{"currency": "BTC", "cost": 0.00001}],
    )
    resting = us.create_order(PAIR, "limit", "buy", 0.01, 60000)
    assert us.fetch_order(resting["id"], PAIR)["status"] == "open"
    assert [row["id"] for row in us.fetch_open_orders(PAIR)] == [resting["id"]]
    assert us.cancel_order(resting["id"], PAIR)["status"] == "canceled"
    assert [row["status"] for row in us.fetch_orders(PAIR)] == ["closed", "canceled"]
    assert us.fetch_balance()["USDT"]["used"] == 0
    assert len(us.fetch_my_trades(PAIR)) == 1
    with pytest.raises(ccxt.OrderNotFound):
        us.fetch_order("999", PAIR)


@pytest.mark.parametrize(("kind", "side", "price", "extra", "expected"), SPOT_KINDS)
def test_ccxt_places_orders_of_every_kind(
    us: Any, kind: str, side: str, price: float | None, extra: dict[str, Any], expected: str
) -> None:
    order = us.create_order(PAIR, kind, side, 0.01, price, extra)
    assert us.fetch_order(order["id"], PAIR)["info"]["type"] == expected
    assert len(us.cancel_all_orders(PAIR)) == 1


def test_python_binance_places_queries_and_cancels(client: Any, background_server: SandboxServer) -> None:
    assert client.order_market_buy(symbol="BTCUSDT", quantity="0.01")["status"] == "FILLED"
    stop = client.create_order(
        symbol="BTCUSDT", side="SELL", type="STOP_LOSS", quantity="0.01", stopPrice="64000"
    )
    assert client.get_order(symbol="BTCUSDT", orderId=stop["orderId"])["status"] == "NEW"
    background_server.exchange.set_price("BTCUSDT", Decimal(63_900), 0)
    assert client.get_order(symbol="BTCUSDT", orderId=stop["orderId"])["status"] == "FILLED"
    resting = client.order_limit_buy(symbol="BTCUSDT", quantity="0.01", price="60000")
    assert client.cancel_order(symbol="BTCUSDT", orderId=resting["orderId"])["status"] == "CANCELED"
    with pytest.raises(BinanceAPIException) as refused:
        client.order_market_buy(symbol="BTCUSDT", quantity="0.000001")
    assert refused.value.code == -1013
