"""ccxt, which nobody here wrote, trades on the sandbox; its own parsers and error classes are the judges."""

from collections.abc import Iterator
from typing import Any

import ccxt
import pytest

from adapters.sandbox.faults import FaultKind, FaultRule
from adapters.sandbox.server import SandboxServer

SPOT_KINDS: list[tuple[str, str, float | None, dict[str, Any], str]] = [
    ("market", "sell", None, {"stopLossPrice": 64000}, "STOP_LOSS"),
    ("limit", "sell", 63900, {"stopLossPrice": 64000}, "STOP_LOSS_LIMIT"),
    ("market", "sell", None, {"takeProfitPrice": 66000}, "TAKE_PROFIT"),
    ("limit", "sell", 66100, {"takeProfitPrice": 66000}, "TAKE_PROFIT_LIMIT"),
    ("limit", "buy", 60000, {"postOnly": True}, "LIMIT_MAKER"),
    ("market", "sell", None, {"trailingPercent": 1, "stopLossOrTakeProfit": "stopLoss"}, "STOP_LOSS"),
    (
        "limit",
        "buy",
        65000,
        {"trailingPercent": 0.5, "trailingTriggerPrice": 64000, "stopLossOrTakeProfit": "takeProfit"},
        "TAKE_PROFIT_LIMIT",
    ),
]


def redirected(client: Any, url: str) -> Any:
    """Point every URL of a client at the sandbox (and a base path there), whatever host it names."""

    def moved(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: moved(inner) for name, inner in value.items()}
        path = value.split("://", 1)[1].partition("/")[2]
        return f"{url}/{path}"

    client.urls["api"] = moved(client.urls["api"])
    return client


def credentials(server: SandboxServer, account: str) -> dict[str, Any]:
    owner = server.exchange.state.accounts[account]
    return {"apiKey": owner.api_key, "secret": owner.secret_key, "enableRateLimit": False}


@pytest.fixture
def binance(background_server: SandboxServer) -> Iterator[Any]:
    options = {"fetchMarkets": {"types": ["spot"]}, "fetchCurrencies": False, "fetchMargins": False}
    client = ccxt.binance({**credentials(background_server, "main"), "options": options})
    yield redirected(client, background_server.url)
    client.session.close()


@pytest.fixture
def bitrue(background_server: SandboxServer) -> Iterator[Any]:
    client = ccxt.bitrue(credentials(background_server, "bit"))
    yield redirected(client, background_server.url)
    client.session.close()


def test_binance_markets_carry_the_filters(binance: Any) -> None:
    market = binance.load_markets()["BTC/USDT"]
    assert (market["active"], market["precision"]["price"], market["precision"]["amount"]) == (
        True,
        0.01,
        0.00001,
    )
    assert market["limits"]["cost"]["min"] == 5
    assert market["limits"]["amount"]["min"] == 0.00001


def test_binance_market_order_fills_with_fees(binance: Any) -> None:
    order = binance.create_order("BTC/USDT", "market", "buy", 0.01, None, {"newClientOrderId": "ccxt-1"})
    assert (order["status"], order["filled"], order["average"], order["clientOrderId"]) == (
        "closed",
        0.01,
        65000.01,
        "ccxt-1",
    )
    assert order["fees"] == [{"currency": "BTC", "cost": 0.00001}]
    trades = binance.fetch_my_trades("BTC/USDT")
    assert [(trade["price"], trade["takerOrMaker"]) for trade in trades] == [(65000.01, "taker")]


def test_binance_limit_order_is_queried_listed_and_cancelled(binance: Any) -> None:
    order = binance.create_order("BTC/USDT", "limit", "buy", 0.01, 60000)
    assert order["status"] == "open"
    assert binance.fetch_order(order["id"], "BTC/USDT")["remaining"] == 0.01
    assert [found["id"] for found in binance.fetch_open_orders("BTC/USDT")] == [order["id"]]
    assert binance.fetch_balance()["USDT"]["used"] == 600
    assert binance.cancel_order(order["id"], "BTC/USDT")["status"] == "canceled"
    assert [found["status"] for found in binance.fetch_orders("BTC/USDT")] == ["canceled"]


def test_binance_cancel_all_stop_and_post_only(binance: Any) -> None:
    binance.create_order("BTC/USDT", "limit", "buy", 0.01, 60000)
    binance.create_order("BTC/USDT", "limit", "sell", 0.01, 66000, {"postOnly": True})
    stop = binance.create_order("BTC/USDT", "market", "sell", 0.01, None, {"stopLossPrice": 64000})
    assert binance.fetch_order(stop["id"], "BTC/USDT")["triggerPrice"] == 64000
    assert len(binance.cancel_all_orders("BTC/USDT")) == 3
    with pytest.raises(ccxt.OrderImmediatelyFillable):
        binance.create_order("BTC/USDT", "limit", "buy", 0.01, 65100, {"postOnly": True})


@pytest.mark.parametrize(("kind", "side", "price", "extra", "expected"), SPOT_KINDS)
def test_binance_orders_of_every_kind_are_placed_queried_and_cancelled(
    binance: Any, kind: str, side: str, price: float | None, extra: dict[str, Any], expected: str
) -> None:
    order = binance.create_order("BTC/USDT", kind, side, 0.01, price, extra)
    found = binance.fetch_order(order["id"], "BTC/USDT")
    assert (found["info"]["type"], found["status"]) == (expected, "open")
    assert binance.cancel_order(order["id"], "BTC/USDT")["status"] == "canceled"


def test_binance_cost_orders_spend_the_quote_asset(binance: Any) -> None:
    order = binance.create_market_buy_order_with_cost("BTC/USDT", 100)
    assert 99 < order["cost"] <= 100


def test_binance_errors_become_ccxts_own(binance: Any, background_server: SandboxServer) -> None:
    binance.load_markets()
    with pytest.raises(ccxt.OrderNotFound):
        binance.fetch_order("999", "BTC/USDT")
    with pytest.raises(ccxt.OrderNotFound):
        binance.cancel_order("999", "BTC/USDT")
    with pytest.raises(ccxt.BadRequest, match="Filter failure: NOTIONAL"):
        binance.create_order("BTC/USDT", "limit", "buy", 0.00002, 60000)
    with pytest.raises(ccxt.InsufficientFunds):
        binance.create_order("LTC/BTC", "limit", "sell", 300_000, 0.002)


def test_binance_signature_and_clock_errors_become_ccxts_own(
    binance: Any, background_server: SandboxServer
) -> None:
    binance.load_markets()
    background_server.exchange.clock.step(-60_000)
    with pytest.raises(ccxt.InvalidNonce):
        binance.fetch_balance()
    binance.load_time_difference()
    assert binance.fetch_balance()["BTC"]["total"] < 1001
    binance.secret = "wrong"
    with pytest.raises(ccxt.AuthenticationError):
        binance.fetch_balance()


@pytest.mark.parametrize(
    ("rule", "error"),
    [
        (FaultRule(kind=FaultKind.RATE_LIMIT_429, count=1), ccxt.DDoSProtection),
        (FaultRule(kind=FaultKind.BAN_418, count=1), ccxt.DDoSProtection),
        (FaultRule(kind=FaultKind.DUPLICATE, count=1), ccxt.InvalidOrder),
        (FaultRule(kind=FaultKind.ACCEPT_THEN_5XX, count=1), ccxt.RequestTimeout),
        (FaultRule(kind=FaultKind.DROP_BEFORE, count=1), ccxt.NetworkError),
        (FaultRule(kind=FaultKind.ACCEPT_THEN_DROP, count=1), ccxt.NetworkError),
    ],
)
def test_binance_faults_become_ccxts_own(
    binance: Any, background_server: SandboxServer, rule: FaultRule, error: type[Exception]
) -> None:
    binance.load_markets()
    background_server.faults.add(rule)
    with pytest.raises(error):
        binance.create_order("BTC/USDT", "market", "buy", 0.01)


def test_bitrue_markets_come_from_scales_and_min_val(bitrue: Any) -> None:
    market = bitrue.load_markets()["BTC/USDT"]
    assert (market["precision"]["price"], market["precision"]["amount"]) == (0.01, 0.00001)
    assert (market["base"], market["limits"]["cost"]["min"]) == ("BTC", 5)
    assert bitrue.fetch_ticker("BTC/USDT")["last"] == 65000


def test_bitrue_order_is_acknowledged_and_its_fill_is_queried(bitrue: Any) -> None:
    placed = bitrue.create_order("BTC/USDT", "market", "buy", 0.01, None, {"clientOrderId": "ccxt-1"})
    assert (placed["status"], placed["filled"]) == (None, None)
    order = bitrue.fetch_order(placed["id"], "BTC/USDT")
    assert (order["status"], order["filled"], order["cost"], order["clientOrderId"]) == (
        "closed",
        0.01,
        650.0001,
        "ccxt-1",
    )
    assert [trade["fee"]["currency"] for trade in bitrue.fetch_my_trades("BTC/USDT")] == ["BTC"]


def test_bitrue_limit_order_is_listed_and_cancelled(bitrue: Any) -> None:
    placed = bitrue.create_order("BTC/USDT", "limit", "buy", 0.01, 60000)
    assert [order["status"] for order in bitrue.fetch_open_orders("BTC/USDT")] == ["open"]
    assert bitrue.fetch_balance()["USDT"]["used"] == 600
    bitrue.cancel_order(placed["id"], "BTC/USDT")
    assert [order["status"] for order in bitrue.fetch_closed_orders("BTC/USDT")] == ["canceled"]


def test_bitrue_errors_become_ccxts_own(bitrue: Any) -> None:
    bitrue.load_markets()
    with pytest.raises(ccxt.OrderNotFound):
        bitrue.fetch_order("999", "BTC/USDT")
    with pytest.raises(ccxt.BadRequest):
        bitrue.create_order("BTC/USDT", "limit", "buy", 0.00002, 60000)
    bitrue.secret = "wrong"
    with pytest.raises(ccxt.AuthenticationError):
        bitrue.fetch_balance()


def test_a_stop_that_ccxt_sends_to_bitrue_is_a_live_limit_order(bitrue: Any) -> None:
    bitrue.create_order("BTC/USDT", "limit", "sell", 0.01, 66000, {"triggerPrice": 64000})
    assert [order["status"] for order in bitrue.fetch_open_orders("BTC/USDT")] == ["open"]
