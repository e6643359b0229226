"""The fault catalogue: which requests a rule hits, and what each kind plans."""

import random
from typing import Any

import pytest

from adapters.sandbox.faults import FaultCatalogue, FaultKind, FaultPlan, FaultRule, Wire, every_kind
from adapters.sandbox.model import Dialect, SandboxReply, SandboxRequest
from tests.sandbox.client import Answer, VenueClient, answer

MARKET = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.01"}


@pytest.fixture
def catalogue() -> FaultCatalogue:
    return FaultCatalogue(random.Random(7))


def an_order(venue: VenueClient, **over: Any) -> SandboxRequest:
    return venue.signed_request("POST", "order", **(MARKET | over))


def plan(
    venue: VenueClient, catalogue: FaultCatalogue, request: SandboxRequest | None = None
) -> FaultPlan | None:
    return catalogue.plan(request or an_order(venue), venue.exchange, venue.now_ms)


def outcome(venue: VenueClient, made: FaultPlan, request: SandboxRequest) -> Answer | None:
    """Act out a plan that needs no waiting."""
    actual: SandboxReply | None = None
    if made.executes:
        actual = venue.exchange.handle(request, venue.now_ms, visibility_lag_ms=made.visibility_lag_ms)
    reply = made.reply_to(actual)
    return None if reply is None or made.wire is not Wire.NORMAL else answer(reply)


def executed(venue: VenueClient) -> int:
    return len(venue.exchange.engine.ledger.orders)


@pytest.mark.parametrize(
    ("rule", "wire", "executes"),
    [
        ({"kind": FaultKind.DROP_BEFORE}, Wire.CLOSE, False),
        ({"kind": FaultKind.ACCEPT_THEN_DROP}, Wire.CLOSE, True),
        ({"kind": FaultKind.HANG}, Wire.HANG, True),
        ({"kind": FaultKind.HANG, "executes": False}, Wire.HANG, False),
        ({"kind": FaultKind.RESET_MID_BODY}, Wire.RESET_MID_BODY, True),
        ({"kind": FaultKind.TRUNCATED_BODY}, Wire.TRUNCATE, True),
        ({"kind": FaultKind.SLOW}, Wire.NORMAL, True),
        ({"kind": FaultKind.HTML_403}, Wire.NORMAL, False),
        ({"kind": FaultKind.REJECT_5XX}, Wire.NORMAL, False),
    ],
)
def test_each_kind_says_whether_the_venue_executes_and_what_the_wire_does(
    venue: VenueClient, catalogue: FaultCatalogue, rule: dict[str, Any], wire: Wire, executes: bool
) -> None:
    catalogue.add(FaultRule(**rule))
    made = plan(venue, catalogue)
    assert made is not None
    assert (made.wire, made.executes) == (wire, executes)


@pytest.mark.parametrize(
    ("rule", "status", "part", "orders"),
    [
        (FaultRule(kind=FaultKind.ACCEPT_THEN_5XX), 503, "-1007", 1),
        (FaultRule(kind=FaultKind.ACCEPT_THEN_5XX, status=500, code=-1006), 500, "-1006", 1),
        (FaultRule(kind=FaultKind.ACCEPT_THEN_5XX, status=502, html=True), 502, "<html>", 1),
        (FaultRule(kind=FaultKind.REJECT_5XX), 503, "Service Unavailable.", 0),
        (FaultRule(kind=FaultKind.HTML_403), 403, "<html>", 0),
        (FaultRule(kind=FaultKind.DUPLICATE), 400, "Duplicate order sent.", 1),
        (FaultRule(kind=FaultKind.RATE_LIMIT_429), 429, "-1003", 0),
        (FaultRule(kind=FaultKind.BAN_418), 418, "IP banned until", 0),
        (FaultRule(kind=FaultKind.SLOW, delay_ms=5), 200, "FILLED", 1),
        (FaultRule(kind=FaultKind.DELAYED_VISIBILITY), 200, "FILLED", 1),
    ],
)
def test_each_kind_tells_its_story(
    venue: VenueClient, catalogue: FaultCatalogue, rule: FaultRule, status: int, part: str, orders: int
) -> None:
    catalogue.add(rule)
    request = an_order(venue)
    made = plan(venue, catalogue, request)
    assert made is not None
    reply = outcome(venue, made, request)
    assert reply is not None
    assert reply.status == status
    assert part in str(reply.json)
    assert executed(venue) == orders


def test_a_refused_order_is_not_turned_into_a_duplicate(
    venue: VenueClient, catalogue: FaultCatalogue
) -> None:
    catalogue.add(FaultRule(kind=FaultKind.DUPLICATE))
    request = an_order(venue, quantity="0.000001")
    made = plan(venue, catalogue, request)
    assert made is not None
    reply = outcome(venue, made, request)
    assert reply is not None
    assert reply.json["code"] == -1013


def test_bitrue_tells_faults_in_its_own_words(bitrue: VenueClient, catalogue: FaultCatalogue) -> None:
    catalogue.add(FaultRule(kind=FaultKind.ACCEPT_THEN_5XX, count=1))
    catalogue.add(FaultRule(kind=FaultKind.RATE_LIMIT_429))
    request = an_order(bitrue)
    made = plan(bitrue, catalogue, request)
    assert made is not None
    reply = outcome(bitrue, made, request)
    assert reply is not None
    assert reply.json == {"code": 503, "msg": "Service not available.", "data": None}
    made = plan(bitrue, catalogue, request)
    assert made is not None
    reply = outcome(bitrue, made, request)
    assert reply is not None
    assert reply.headers["rate_limit_p"] == "general"


def test_a_429_may_come_with_a_wait_that_is_watched(venue: VenueClient, catalogue: FaultCatalogue) -> None:
    catalogue.add(FaultRule(kind=FaultKind.RATE_LIMIT_429, retry_after=5, count=1))
    request = an_order(venue)
    made = plan(venue, catalogue, request)
    assert made is not None
    reply = outcome(venue, made, request)
    assert reply is not None
    assert reply.headers["Retry-After"] == "5"
    venue.now_ms += 4_000
    venue.market()
    assert venue.exchange.state.violations.total == 1


def test_a_ban_holds_for_what_follows(venue: VenueClient, catalogue: FaultCatalogue) -> None:
    catalogue.add(FaultRule(kind=FaultKind.BAN_418, ban_ms=10_000, count=1))
    plan(venue, catalogue)
    assert venue.market().status == 418
    venue.now_ms += 10_000
    assert venue.market().status == 200


def test_delayed_visibility_hides_one_order(venue: VenueClient, catalogue: FaultCatalogue) -> None:
    catalogue.add(FaultRule(kind=FaultKind.DELAYED_VISIBILITY, delay_ms=2_000, count=1))
    request = an_order(venue, newClientOrderId="hidden")
    made = plan(venue, catalogue, request)
    assert made is not None
    outcome(venue, made, request)
    assert venue.query(origClientOrderId="hidden").json["code"] == -2013
    venue.now_ms += 2_000
    assert venue.query(origClientOrderId="hidden").json["status"] == "FILLED"


def test_a_clock_jump_moves_the_venues_clock(venue: VenueClient, catalogue: FaultCatalogue) -> None:
    catalogue.add(FaultRule(kind=FaultKind.CLOCK_JUMP, step_ms=-1_800))
    plan(venue, catalogue)
    assert venue.exchange.clock.offset_ms(venue.now_ms) == -1_800


def test_a_hold_ends_within_the_receive_window(venue: VenueClient, catalogue: FaultCatalogue) -> None:
    catalogue.add(FaultRule(kind=FaultKind.HOLD_IN_QUEUE))
    delays = []
    for _ in range(50):
        made = plan(venue, catalogue, an_order(venue, timestamp=venue.now_ms - 1_000, recvWindow=3_000))
        assert made is not None
        delays.append(made.enter_after_ms)
    assert 0 <= min(delays) < 500
    assert 1_500 < max(delays) <= 2_000


def test_rules_for_placements_leave_other_requests_alone(
    venue: VenueClient, catalogue: FaultCatalogue
) -> None:
    catalogue.add(FaultRule(kind=FaultKind.HOLD_IN_QUEUE))
    assert plan(venue, catalogue, venue.signed_request("GET", "order", symbol="BTCUSDT", orderId=1)) is None
    assert plan(venue, catalogue, venue.signed_request("POST", "order/test", **MARKET)) is None


@pytest.mark.parametrize(
    ("condition", "hits"),
    [
        ({"method": "POST"}, True),
        ({"method": "GET"}, False),
        ({"path": "*/order"}, True),
        ({"path": "/api/v3/time"}, False),
        ({"dialect": Dialect.BINANCE}, True),
        ({"dialect": Dialect.BITRUE}, False),
        ({"account": "main"}, True),
        ({"account": "bit"}, False),
        ({"symbol": "BTCUSDT"}, True),
        ({"symbol": "ETHUSDT"}, False),
        ({"probability": 0.0}, False),
    ],
)
def test_a_rule_hits_what_its_conditions_name(
    venue: VenueClient, catalogue: FaultCatalogue, condition: dict[str, Any], hits: bool
) -> None:
    catalogue.add(FaultRule(kind=FaultKind.DROP_BEFORE, **condition))
    assert (plan(venue, catalogue) is not None) == hits


def test_a_counted_rule_ends_after_its_count(venue: VenueClient, catalogue: FaultCatalogue) -> None:
    catalogue.add(FaultRule(kind=FaultKind.SLOW, count=2))
    assert [plan(venue, catalogue) is not None for _ in range(3)] == [True, True, False]
    assert catalogue.is_empty
    assert catalogue.hits[FaultKind.SLOW] == 2


def test_the_same_seed_draws_the_same_faults(venue: VenueClient) -> None:
    def drawn() -> list[str | None]:
        catalogue = FaultCatalogue(random.Random(3))
        for rule in every_kind(0.05):
            catalogue.add(rule)
        plans = [plan(venue, catalogue) for _ in range(200)]
        return [None if made is None else made.kind for made in plans]

    first = drawn()
    assert first == drawn()
    assert len({kind for kind in first if kind}) > 8


def test_removed_rules_hit_no_more(venue: VenueClient, catalogue: FaultCatalogue) -> None:
    number = catalogue.add(FaultRule(kind=FaultKind.SLOW))
    assert catalogue.remove(number)
    assert not catalogue.remove(number)
    assert plan(venue, catalogue) is None
