"""Limits as the venues meter them: fixed windows, charges by outcome, headers, 429, bans, violations."""

from dataclasses import replace

from adapters.sandbox.config import LimitConfig, make_account
from adapters.sandbox.limits import FirstRequestWindow, FixedWindow, ViolationKind
from adapters.sandbox.model import Dialect
from tests.sandbox.client import START_MS, Answer, VenueClient, an_exchange, limits

MINUTE_MS = 60_000


def weight(reply: Answer) -> int:
    return int(reply.headers["X-MBX-USED-WEIGHT-1M"])


def a_venue(config: LimitConfig) -> VenueClient:
    return VenueClient(an_exchange(limits=config))


def violations(venue: VenueClient) -> dict[str, int]:
    return {kind.value: count for kind, count in venue.exchange.state.violations.counts.items()}


def test_a_fixed_window_forgets_at_the_clock_and_not_before() -> None:
    window = FixedWindow(10_000, 3)
    window.add("a", 3, 19_999)
    assert not window.fits("a", 1, 19_999)
    assert window.ends_in_ms(19_999) == 1
    assert window.fits("a", 3, 20_000)


def test_a_first_request_window_opens_with_the_first_request() -> None:
    window = FirstRequestWindow(6_000, 2)
    window.add("a", 1, 5_000)
    assert window.add("a", 1, 10_999) == 2
    assert not window.fits("a", 1, 10_999)
    assert window.fits("a", 2, 11_000)


def test_a_successful_order_costs_no_weight_and_a_failed_one_its_own(venue: VenueClient) -> None:
    assert weight(venue.market()) == 0
    assert weight(venue.market(quantity="0.000001")) == 1
    assert weight(venue.cancel(orderId=1)) == 2
    assert weight(venue.query(orderId=28)) == 6


def test_open_orders_of_all_symbols_are_expensive(venue: VenueClient) -> None:
    assert weight(venue.call("GET", "openOrders", symbol="BTCUSDT")) == 6
    assert weight(venue.call("GET", "openOrders")) == 86


def test_weight_starts_anew_with_the_minute(venue: VenueClient) -> None:
    venue.call("GET", "account")
    venue.now_ms = START_MS + MINUTE_MS
    assert weight(venue.public("ping")) == 1


def test_too_much_weight_is_refused_until_the_minute_ends() -> None:
    venue = a_venue(limits(weight_per_minute=40))
    venue.now_ms = START_MS + 20_000
    venue.call("GET", "account")
    venue.call("GET", "account")
    reply = venue.public("time")
    assert reply.error[:2] == (429, -1003)
    assert "current limit is 40 request weight per 1 MINUTE" in reply.json["msg"]
    assert reply.headers["Retry-After"] == "40"
    assert violations(venue) == {"request_weight": 1}
    venue.now_ms = START_MS + MINUTE_MS
    assert venue.public("time").status == 200


def test_orders_go_through_when_the_weight_is_used_up_exactly() -> None:
    venue = a_venue(limits(weight_per_minute=20))
    venue.call("GET", "account")
    assert venue.market().status == 200
    assert venue.market(quantity="0.000001").json["code"] == -1013
    assert violations(venue) == {"weight_overrun": 1}


def test_raw_requests_have_a_limit_of_their_own() -> None:
    venue = a_venue(limits(raw_requests_per_5_minutes=2))
    assert [venue.public("ping").status for _ in range(3)] == [200, 200, 429]
    assert violations(venue) == {"raw_requests": 1}


def test_sapi_has_a_pool_of_its_own(venue: VenueClient) -> None:
    reply = venue.call("GET", "/sapi/v1/account/apiRestrictions")
    assert reply.headers["X-SAPI-USED-IP-WEIGHT-1M"] == "1"
    assert weight(venue.public("ping")) == 1


def test_ips_have_separate_budgets() -> None:
    venue = a_venue(limits(weight_per_minute=1))
    request = venue.request("GET", "ping")
    assert [venue.send(request).status, venue.send(request).status] == [200, 429]
    assert venue.send(replace(request, ip="10.0.0.2")).status == 200


def test_orders_are_counted_per_account_in_ten_seconds_and_a_day() -> None:
    venue = a_venue(limits(orders_per_10_seconds=2))
    replies = [venue.limit(), venue.limit(), venue.limit()]
    assert [reply.headers.get("X-MBX-ORDER-COUNT-10S") for reply in replies] == ["1", "2", None]
    assert replies[2].error == (429, -1015, "Too many new orders; current limit is 2 orders per 10 SECOND.")
    assert replies[2].headers["Retry-After"] == "10"
    assert violations(venue) == {"orders": 1}
    venue.now_ms += 10_000
    fourth = venue.limit()
    assert (fourth.headers["X-MBX-ORDER-COUNT-10S"], fourth.headers["X-MBX-ORDER-COUNT-1D"]) == ("1", "3")


def test_a_day_that_is_used_up_stops_the_seconds_from_counting() -> None:
    venue = a_venue(limits(orders_per_day=1))
    venue.limit()
    assert venue.limit().error == (429, -1015, "Too many new orders; current limit is 1 orders per 1 DAY.")
    assert [row["count"] for row in venue.call("GET", "rateLimit/order").json] == [1, 1]


def test_another_account_has_its_own_order_count() -> None:
    exchange = an_exchange(
        limits=limits(orders_per_10_seconds=1), accounts=(make_account("a"), make_account("b"))
    )
    first, second = VenueClient(exchange, "a"), VenueClient(exchange, "b")
    assert [first.limit().status, first.limit().status, second.limit().status] == [200, 429, 200]


def test_the_first_fill_gives_the_count_back_more_to_a_maker() -> None:
    venue = a_venue(limits(orders_per_10_seconds=100))
    for _ in range(6):
        venue.limit()
    assert venue.market().headers["X-MBX-ORDER-COUNT-10S"] == "7"
    assert venue.call("GET", "rateLimit/order").json[0]["count"] == 6
    venue.cancel(orderId=28)
    assert venue.call("GET", "rateLimit/order").json[0]["count"] == 6
    venue.exchange.set_liquidity("BTCUSDT", venue.exchange.engine.markets["BTCUSDT"].rules.min_quantity)
    venue.move_price("59999")
    assert venue.call("GET", "rateLimit/order").json[0]["count"] == 0
    venue.limit(price="59000")
    venue.move_price("59998")
    assert venue.call("GET", "rateLimit/order").json[0]["count"] == 1


def test_a_refusal_by_the_engine_costs_a_count_and_a_filter_does_not(venue: VenueClient) -> None:
    venue.limit(quantity="0.000001")
    assert venue.call("GET", "rateLimit/order").json[0]["count"] == 0
    venue.place(type="LIMIT_MAKER", quantity="0.01", price="65100")
    assert venue.call("GET", "rateLimit/order").json[0]["count"] == 1


def test_ignoring_429_ends_in_bans_that_grow() -> None:
    config = replace(limits(weight_per_minute=1), ban_after=3, first_ban_ms=120_000)
    venue = a_venue(config)
    replies = [venue.public("ping") for _ in range(5)]
    assert [reply.status for reply in replies] == [200, 429, 429, 418, 418]
    until_ms = START_MS + 120_000
    assert replies[3].error[2].startswith(f"Way too much request weight used; IP banned until {until_ms}.")
    assert replies[3].headers["Retry-After"] == "120"
    venue.now_ms = until_ms
    replies = [venue.public("ping") for _ in range(4)]
    assert [reply.status for reply in replies] == [200, 429, 429, 418]
    assert replies[3].headers["Retry-After"] == "240"


def test_requests_during_a_ban_are_breaches_and_prolong_it() -> None:
    venue = a_venue(replace(LimitConfig(), ban_after=2, first_ban_ms=60_000))
    venue.exchange.binance.ban("127.0.0.1", START_MS + 1_000)
    assert [venue.public("ping").status for _ in range(2)] == [418, 418]
    venue.now_ms += 2_000
    assert venue.public("ping").status == 418
    assert violations(venue) == {"while_banned": 3}


def test_a_request_after_the_grace_while_told_to_wait_is_a_breach(venue: VenueClient) -> None:
    venue.exchange.binance.told_to_wait("127.0.0.1", START_MS, 5_000)
    for offset_ms in (50, 100, 101, 4_999, 5_000):
        venue.now_ms = START_MS + offset_ms
        venue.public("ping")
    newest = venue.exchange.state.violations.newest
    assert [(v.kind, v.at_ms - START_MS) for v in newest] == [
        (ViolationKind.WHILE_TOLD_TO_WAIT, 101),
        (ViolationKind.WHILE_TOLD_TO_WAIT, 4_999),
    ]


def test_windows_follow_the_venues_clock(venue: VenueClient) -> None:
    venue.call("GET", "account")
    venue.exchange.clock.step(MINUTE_MS)
    assert weight(venue.public("ping")) == 1


def test_new_limits_apply_at_once_and_show_in_exchange_info(venue: VenueClient) -> None:
    venue.exchange.set_limits(limits(orders_per_10_seconds=7))
    rows = venue.public("exchangeInfo").json["rateLimits"]
    assert {row["limit"] for row in rows if row["interval"] == "SECOND"} == {7}


def test_bitrue_names_the_policy_and_sends_no_usage() -> None:
    config = LimitConfig()
    config = replace(
        config, bitrue=replace(config.bitrue, orders_user_per_10_seconds=2, general_per_minute=50)
    )
    exchange = an_exchange(limits=config, accounts=(make_account("bit", Dialect.BITRUE),))
    bitrue = VenueClient(exchange, "bit")
    replies = [bitrue.market() for _ in range(3)]
    assert [reply.status for reply in replies] == [200, 200, 429]
    assert replies[2].headers == {"rate_limit_p": "orders_user_seconds"}
    assert replies[0].headers == {}
    bitrue.now_ms += 10_000
    assert bitrue.market().status == 200
    statuses = [bitrue.call("GET", "account") for _ in range(11)]
    assert statuses[-1].headers["rate_limit_p"] == "general"
    assert violations(bitrue)["orders"] == 1
