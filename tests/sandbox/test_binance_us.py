"""Binance.US: Binance's dialect under a base path, with older weights, limits and fields."""

from dataclasses import replace
from typing import Any

import pytest

from adapters.sandbox.config import BinanceUsLimits, LimitConfig, make_account, render_accounts_toml
from adapters.sandbox.model import Dialect
from tests.sandbox.client import VenueClient, an_exchange


@pytest.fixture
def us() -> VenueClient:
    return VenueClient(an_exchange(), "us")


def test_an_accepted_order_costs_its_weight(us: VenueClient) -> None:
    assert us.limit().headers["X-MBX-USED-WEIGHT-1M"] == "1"
    assert us.market().headers["X-MBX-USED-WEIGHT-1M"] == "2"
    binance = VenueClient(us.exchange, "main")
    assert binance.limit().headers["X-MBX-USED-WEIGHT-1M"] == "0"


def test_orders_are_counted_per_second_and_no_fill_gives_count_back(us: VenueClient) -> None:
    us.market()
    headers = us.market().headers
    assert (headers["X-MBX-ORDER-COUNT-1S"], headers["X-MBX-ORDER-COUNT-1D"]) == ("2", "2")
    us.now_ms += 1_000
    assert us.limit().headers["X-MBX-ORDER-COUNT-1S"] == "1"
    counts = us.call("GET", "rateLimit/order").json
    assert [(row["interval"], row["intervalNum"], row["count"]) for row in counts] == [
        ("SECOND", 1, 1),
        ("DAY", 1, 3),
    ]


def test_too_many_orders_are_refused_without_a_wait() -> None:
    limits = replace(LimitConfig(), binance_us=BinanceUsLimits(orders_per_second=1))
    us = VenueClient(an_exchange(limits=limits), "us")
    us.limit()
    refused = us.limit()
    assert refused.error == (429, -1015, "Too many new orders; current limit is 1 orders per 1 SECOND.")
    assert "Retry-After" not in refused.headers


def test_limits_and_weights_are_its_own(us: VenueClient) -> None:
    info = us.public("exchangeInfo")
    assert [(row["rateLimitType"], row["limit"]) for row in info.json["rateLimits"]] == [
        ("REQUEST_WEIGHT", 1200),
        ("ORDERS", 10),
        ("ORDERS", 200_000),
        ("RAW_REQUESTS", 5000),
    ]
    assert info.headers["X-MBX-USED-WEIGHT-1M"] == "10"
    assert us.call("GET", "account").headers["X-MBX-USED-WEIGHT-1M"] == "20"


def test_younger_fields_parameters_and_calls_are_missing(us: VenueClient) -> None:
    placed: dict[str, Any] = us.limit().json
    assert not {"workingTime", "selfTradePreventionMode"} & placed.keys()
    assert not {"workingTime", "selfTradePreventionMode"} & us.call("GET", "openOrders").json[0].keys()
    assert us.call("GET", "account", omitZeroBalances="true").error[1] == -1103
    assert us.call("GET", "/us/sapi/v1/account/apiRestrictions").status == 404


def test_keys_and_orders_belong_to_one_house(us: VenueClient) -> None:
    order_id = us.limit(newClientOrderId="mine").json["orderId"]
    assert us.query(orderId=order_id).json["clientOrderId"] == "mine"
    us.base = "/api/v3"
    assert us.query(orderId=order_id).error[:2] == (401, -2015)
    stranger = VenueClient(us.exchange, "main")
    stranger.base = "/us/api/v3"
    assert stranger.limit().error[:2] == (401, -2015)


def test_the_account_file_points_at_its_base_path() -> None:
    accounts = [make_account("a"), make_account("b", Dialect.BINANCE_US)]
    text = render_accounts_toml(accounts, "http://127.0.0.1:9000/")
    assert 'base_url = "http://127.0.0.1:9000"\n' in text
    assert 'base_url = "http://127.0.0.1:9000/us"\n' in text
