"""What a venue proves of a key: its own rights only, never the flags of the account."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from adapters import venues
from adapters.base import Adapter
from adapters.errors import VenueError
from adapters.model import Balance, Call, KeyRights, OrderCount, Purpose, Reply, Security
from tests.adapters.builders import a_reply, run

BINANCE, BITRUE = venues.get("binance"), venues.get("bitrue")
RESTRICTIONS: Mapping[str, Any] = {
    "ipRestrict": True,
    "createTime": 1_698_645_219_000,
    "enableReading": True,
    "enableWithdrawals": False,
    "enableSpotAndMarginTrading": True,
}
ACCOUNT: Mapping[str, Any] = {
    "canTrade": False,
    "canWithdraw": True,
    "balances": [
        {"asset": "btc", "free": "1.5", "locked": "0.5"},
        {"asset": "ETH", "free": "0", "locked": "0.00"},
        {"asset": "XRP", "free": "many", "locked": "0"},
    ],
}
NOT_FOUND = Reply(status=404, headers={}, body=b"<html>Not Found</html>")
every_venue = pytest.mark.parametrize("venue", [venues.get(name) for name in sorted(venues.discover())])


def test_binance_tells_the_rights_of_the_key_itself_in_one_light_request() -> None:
    rights, calls = run(BINANCE.key_rights(), a_reply(RESTRICTIONS))
    assert rights == KeyRights(
        can_read=True,
        can_trade=True,
        can_withdraw=False,
        is_ip_restricted=True,
        created_ms=1_698_645_219_000,
    )
    assert [(call.path, call.weight) for call in calls] == [("/sapi/v1/account/apiRestrictions", 1)]


def test_a_host_without_restrictions_proves_the_right_to_read_and_says_what_it_cannot_prove() -> None:
    rights, calls = run(BINANCE.key_rights(), NOT_FOUND, a_reply(ACCOUNT))
    assert isinstance(rights, KeyRights)
    assert (rights.can_read, rights.can_trade, rights.can_withdraw) == (True, None, None)
    assert "unproven" in rights.note
    assert [call.path for call in calls] == ["/sapi/v1/account/apiRestrictions", "/api/v3/account"]


def test_bitrue_proves_nothing_by_flags_that_mean_nothing() -> None:
    rights, calls = run(BITRUE.key_rights(), a_reply(ACCOUNT))
    assert isinstance(rights, KeyRights)
    assert (rights.can_read, rights.can_trade, rights.can_withdraw) == (True, None, None)
    assert "mean nothing" in rights.note
    assert [call.path for call in calls] == ["/api/v1/account"]


@pytest.mark.parametrize("body", [{}, [], {"enableWithdrawals": "no"}])
def test_rights_that_cannot_be_read_are_no_rights(body: Any) -> None:
    rights, _ = run(BINANCE.key_rights(), a_reply(body))
    assert isinstance(rights, VenueError)
    assert rights.code == "unreadable_reply"


@every_venue
def test_a_key_that_is_not_accepted_is_an_error_and_asks_nothing_more(venue: Adapter) -> None:
    refused = a_reply({"code": -1022, "msg": "Signature for this request is not valid."}, 401)
    rights, calls = run(venue.key_rights(), refused)
    assert isinstance(rights, VenueError)
    assert rights.entry.quarantines
    assert len(calls) == 1


@every_venue
def test_questions_about_a_key_are_signed_and_never_stand_in_the_way_of_orders(venue: Adapter) -> None:
    for flow in (venue.key_rights(), venue.balances(), venue.order_counts()):
        if flow is None:
            continue
        call: Call = next(flow)
        assert (call.security, call.purpose, call.orders) == (Security.SIGNED, Purpose.RULES, 0)


def test_balances_are_read_without_what_is_empty_or_unreadable() -> None:
    held, _ = run(BINANCE.balances(), a_reply(ACCOUNT))
    assert held == (Balance(asset="BTC", free=Decimal("1.5"), locked=Decimal("0.5")),)
    unreadable, _ = run(BINANCE.balances(), a_reply({"balances": None}))
    assert isinstance(unreadable, VenueError)


def test_order_counts_are_read_as_the_venue_counts_them() -> None:
    rows = [
        {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 100, "count": 7},
        {"rateLimitType": "ORDERS", "interval": "DAY", "intervalNum": 1, "limit": 200_000, "count": 9},
        {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6_000},
    ]
    flow = BINANCE.order_counts()
    assert flow is not None
    counts, _ = run(flow, a_reply(rows))
    assert counts == (
        OrderCount(interval_s=10, limit=100, used=7),
        OrderCount(interval_s=86_400, limit=200_000, used=9),
    )
    assert BITRUE.order_counts() is None
