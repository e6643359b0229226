"""ccxt, which nobody here wrote, trades USD-M futures on the sandbox: plain orders, conditional ones, hedge mode."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import ccxt
import pytest

from adapters.sandbox.config import UsdmQuirks
from adapters.sandbox.server import SandboxServer
from tests.sandbox.test_client_ccxt import credentials, redirected

PAIR = "BTC/USDT:USDT"


@pytest.fixture
def usdm(background_server: SandboxServer) -> Iterator[Any]:
    options = {"fetchMarkets": {"types": ["linear"]}, "fetchCurrencies": False, "fetchMargins": False}
    client = ccxt.binanceusdm({**credentials(background_server, "usdm"), "options": options})
    yield redirected(client, background_server.url)
    client.session.close()


def move(server: SandboxServer, price: str) -> None:
    server.exchange.set_price("BTCUSDT", Decimal(price), 0)


def test_markets_carry_precision_and_filters(usdm: Any) -> None:
    market = usdm.load_markets()[PAIR]
    assert (market["linear"], market["precision"]["price"], market["precision"]["amount"]) == (
        True,
        0.1,
        0.001,
    )
    assert (market["limits"]["cost"]["min"], market["limits"]["amount"]["min"]) == (100, 0.001)


def test_a_market_order_fills_and_its_fee_is_in_the_trades(usdm: Any) -> None:
    placed = usdm.create_order(PAIR, "market", "buy", 0.01, None, {"newClientOrderId": "ccxt-1"})
    assert (placed["status"], placed["filled"], placed["average"]) == ("closed", 0.01, None)
    order = usdm.fetch_order(placed["id"], PAIR)
    assert (order["status"], order["filled"], order["average"], order["clientOrderId"]) == (
        "closed",
        0.01,
        65000.1,
        "ccxt-1",
    )
    trades = usdm.fetch_my_trades(PAIR)
    assert [(row["order"], row["fee"]) for row in trades] == [
        (placed["id"], {"currency": "USDT", "cost": 0.3250005})
    ]
    position = usdm.fetch_positions([PAIR])[0]
    assert (position["side"], position["contracts"], position["entryPrice"]) == ("long", 0.01, 65000.1)


def test_an_ack_of_older_days_is_understood_too(usdm: Any, background_server: SandboxServer) -> None:
    background_server.exchange.set_usdm_quirks(UsdmQuirks(averages_in_acks=True))
    assert usdm.create_order(PAIR, "market", "buy", 0.01)["average"] == 65000.1


def test_a_limit_order_is_queried_listed_and_cancelled(usdm: Any) -> None:
    order = usdm.create_order(PAIR, "limit", "buy", 0.01, 60000)
    assert usdm.fetch_order(order["id"], PAIR)["remaining"] == 0.01
    assert usdm.fetch_open_order(order["id"], PAIR)["status"] == "open"
    assert [row["id"] for row in usdm.fetch_open_orders(PAIR)] == [order["id"]]
    assert usdm.fetch_balance()["USDT"]["used"] == 30
    assert usdm.cancel_order(order["id"], PAIR)["status"] == "canceled"
    assert [row["status"] for row in usdm.fetch_orders(PAIR)] == ["canceled"]
    usdm.create_order(PAIR, "limit", "sell", 0.01, 66000, {"postOnly": True})
    usdm.cancel_all_orders(PAIR)
    assert usdm.fetch_open_orders(PAIR) == []


@pytest.mark.parametrize(
    ("kind", "price", "extra", "expected"),
    [
        ("market", None, {"stopLossPrice": 64000}, "STOP_MARKET"),
        ("limit", 63900, {"stopLossPrice": 64000}, "STOP"),
        ("market", None, {"takeProfitPrice": 66000}, "TAKE_PROFIT_MARKET"),
        ("limit", 66100, {"takeProfitPrice": 66000}, "TAKE_PROFIT"),
        ("market", None, {"trailingPercent": 1, "trailingTriggerPrice": 66000}, "TRAILING_STOP_MARKET"),
    ],
)
def test_conditional_orders_of_every_kind_are_placed_queried_listed_and_cancelled(
    usdm: Any, kind: str, price: float | None, extra: dict[str, Any], expected: str
) -> None:
    conditional = {"trigger": True}
    order = usdm.create_order(PAIR, kind, "sell", 0.01, price, extra)
    assert (order["info"]["orderType"], order["status"]) == (expected, "open")
    assert usdm.fetch_order(order["id"], PAIR, conditional)["clientOrderId"] == order["clientOrderId"]
    assert [row["id"] for row in usdm.fetch_open_orders(PAIR, None, None, conditional)] == [order["id"]]
    usdm.cancel_order(order["id"], PAIR, conditional)
    assert usdm.fetch_open_orders(PAIR, None, None, conditional) == []
    assert [row["status"] for row in usdm.fetch_orders(PAIR, None, None, conditional)] == ["canceled"]
    usdm.create_order(PAIR, kind, "sell", 0.01, price, extra)
    usdm.cancel_all_orders(PAIR, conditional)
    assert usdm.fetch_open_orders(PAIR, None, None, conditional) == []


def test_a_triggered_stop_is_found_under_both_ids(usdm: Any, background_server: SandboxServer) -> None:
    usdm.create_order(PAIR, "market", "buy", 0.01)
    closing = {"stopLossPrice": 64000, "reduceOnly": True}
    stop = usdm.create_order(PAIR, "market", "sell", 0.01, None, closing)
    move(background_server, "63900")
    algo = usdm.fetch_order(stop["id"], PAIR, {"trigger": True})
    actual = usdm.fetch_order(algo["info"]["actualOrderId"], PAIR)
    assert (actual["status"], actual["average"], actual["reduceOnly"]) == ("closed", 63899.9, True)
    assert usdm.fetch_positions([PAIR]) == []


def test_hedge_mode_keeps_two_positions(usdm: Any) -> None:
    usdm.set_position_mode(True)
    usdm.set_leverage(10, PAIR)
    usdm.create_order(PAIR, "market", "buy", 0.01, None, {"hedged": True})
    usdm.create_order(PAIR, "market", "sell", 0.02, None, {"hedged": True})
    held = {row["side"]: row["contracts"] for row in usdm.fetch_positions([PAIR])}
    assert held == {"long": 0.01, "short": 0.02}
    usdm.create_order(PAIR, "market", "sell", 0.01, None, {"hedged": True, "reduceOnly": True})
    assert [row["side"] for row in usdm.fetch_positions([PAIR])] == ["short"]


def test_errors_become_ccxts_own(usdm: Any) -> None:
    usdm.load_markets()
    with pytest.raises(ccxt.OrderNotFound):
        usdm.fetch_order("999", PAIR)
    with pytest.raises(ccxt.OrderNotFound):
        usdm.cancel_order("999", PAIR)
    with pytest.raises(ccxt.ExchangeError, match="-4164"):
        usdm.create_order(PAIR, "limit", "buy", 0.001, 60000)
    with pytest.raises(ccxt.ExchangeError, match="-2021"):
        usdm.create_order(PAIR, "market", "sell", 0.01, None, {"stopLossPrice": 66000})
    usdm.set_leverage(1, PAIR)
    with pytest.raises(ccxt.ExchangeError, match="-2019"):
        usdm.create_order(PAIR, "limit", "buy", 5000, 60000)
    usdm.secret = "wrong"
    with pytest.raises(ccxt.AuthenticationError):
        usdm.fetch_balance()
