"""What a venue does on its own: it ends orders, changes rules while everybody trades, and takes fees in BNB."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from adapters.sandbox.config import make_account
from adapters.sandbox.model import OrderStatus
from adapters.sandbox.server import SandboxServer
from tests.sandbox.client import HttpClient, VenueClient, an_exchange


@pytest.mark.parametrize("status", ["CANCELED", "EXPIRED", "EXPIRED_IN_MATCH"])
@pytest.mark.parametrize("account", ["main", "usdm"])
def test_an_order_that_the_venue_ended_keeps_what_it_executed(account: str, status: str) -> None:
    client = VenueClient(an_exchange(), account)
    client.exchange.set_liquidity("BTCUSDT", Decimal("0.004"))
    client.limit(price="65100", newClientOrderId="x")
    client.exchange.end_order(account, "x", OrderStatus(status), client.now_ms)
    found = client.query(origClientOrderId="x").json
    assert (found["status"], Decimal(found["executedQty"])) == (status, Decimal("0.004"))
    assert client.cancel(origClientOrderId="x").error[:2] == (400, -2011)
    with pytest.raises(KeyError):
        client.exchange.end_order(account, "x", OrderStatus(status), client.now_ms)


def test_what_an_ended_order_had_locked_is_free_again(venue: VenueClient, usdm: VenueClient) -> None:
    before = venue.balance("USDT")
    venue.limit(newClientOrderId="x")
    venue.exchange.end_order("main", "x", OrderStatus.EXPIRED_IN_MATCH, venue.now_ms)
    assert venue.balance("USDT") == before
    usdm.limit(newClientOrderId="x")
    usdm.exchange.end_order("usdm", "x", OrderStatus.EXPIRED, usdm.now_ms)
    assert usdm.exchange.futures.accounts["usdm"].reserved == 0


def test_rules_change_while_everybody_trades(venue: VenueClient) -> None:
    assert venue.limit(price="60000.05").status == 200
    venue.exchange.change_rules("BTCUSDT", {"tick": Decimal("0.1"), "min_notional": Decimal(700)})
    assert venue.limit(price="60000.05").error[2] == "Filter failure: PRICE_FILTER"
    assert venue.limit().error[2] == "Filter failure: NOTIONAL"
    filters = venue.public("exchangeInfo", symbol="BTCUSDT").json["symbols"][0]["filters"]
    assert filters[0]["tickSize"] == "0.10000000"


def test_fees_are_taken_in_bnb_at_a_discount_while_there_is_some() -> None:
    balances = {"USDT": Decimal(2_000), "BNB": Decimal("0.001")}
    account = replace(make_account("payer", balances=balances), pays_fees_in_bnb=True)
    client = VenueClient(an_exchange(accounts=(account,)), "payer")
    first = client.market().json["fills"]
    second = client.market().json["fills"]
    assert [(row["commissionAsset"], row["commission"]) for row in first + second] == [
        ("BNB", "0.00081250"),
        ("BTC", "0.00001000"),
    ]
    assert client.balance("BNB")[0] == Decimal("0.00018750")
    assert client.balance("BTC")[0] == Decimal("0.01999")


async def test_the_control_api_ends_orders_and_changes_rules(server: SandboxServer, http: HttpClient) -> None:
    order: dict[str, Any] = {
        "symbol": "BTCUSDT",
        "side": "BUY",
        "type": "LIMIT",
        "timeInForce": "GTC",
        "quantity": "0.01",
    }
    await http.call("POST", "/api/v3/order", **order, price="60000", newClientOrderId="x")
    named = {"account": "main", "client_order_id": "x"}
    assert (await http.control("POST", "order", **named, status="FILLED")).status == 400
    ended = await http.control("POST", "order", **named, status="EXPIRED")
    assert (ended.status, ended.json["status"]) == (200, "EXPIRED")
    assert (await http.control("POST", "order", **named, status="EXPIRED")).status == 400
    assert (await http.control("POST", "symbol", symbol="BTCUSDT", step="0.5")).status == 200
    assert server.exchange.engine.markets["BTCUSDT"].rules.step == Decimal("0.5")
    assert server.exchange.futures.contracts["BTCUSDT"].rules.step == Decimal("0.5")
    assert (await http.control("POST", "symbol", symbol="BTCUSDT", step="0")).status == 400
    assert (await http.control("POST", "symbol", symbol="NOPE", step="1")).status == 400
