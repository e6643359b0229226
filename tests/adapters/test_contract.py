"""What the worker relies on, for every venue there is, and for one made up here that is a single file."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import TypeVar
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters import venues
from adapters.base import Adapter
from adapters.error_tables.catalogue import TABLES
from adapters.errors import VenueError
from adapters.model import (
    Absent,
    Accepted,
    AllCancelled,
    Ambiguous,
    Answer,
    Fault,
    FaultKind,
    Found,
    LimitKind,
    LookupFailed,
    Order,
    OrderType,
    Purpose,
    Refused,
    Reply,
    Security,
    Unproven,
    VenueRules,
)
from adapters.signing import make_signer
from tests.adapters.builders import (
    CLIENT_ORDER_ID,
    NOW_MS,
    a_market_order,
    a_reply,
    an_error,
    an_order,
    run,
    some_rules,
)

MADE_UP = """
from adapters.binance_dialect import BINANCE_SPOT
from adapters.dialect import Profile, Weights
from adapters.model import LimitKind, RateLimit
from adapters.rest_venue import RestVenue

ADAPTER = RestVenue(
    BINANCE_SPOT,
    Profile(
        name="made_up",
        base_url="https://made-up.invalid",
        weights=Weights(rules=1, price=1, query=1, open_orders=1, trades=1, account=1),
        fallback_limits=(
            RateLimit(kind=LimitKind.REQUEST_WEIGHT, limit=1, interval_s=60),
            RateLimit(kind=LimitKind.ORDERS, limit=1, interval_s=10),
        ),
    ),
)
"""
EXTRA_VENUES = "MADE_UP_VENUES"
if EXTRA_VENUES in os.environ:
    venues.__path__.append(os.environ[EXTRA_VENUES])
ALL = sorted(venues.discover())
SIGNER = make_signer("APIKEY", "SECRET")

CONTRACT: list[str] = []
"""The names of the tests that are asked of every venue."""

T = TypeVar("T", bound=Callable[..., object])


def every_venue(test: T) -> T:
    """Ask a test of every venue that is found."""
    CONTRACT.append(test.__name__)
    marked: T = pytest.mark.parametrize("venue", [venues.get(name) for name in ALL], ids=ALL)(test)
    return marked


def test_a_venue_is_one_file_and_the_contract_is_asked_of_it_by_its_being_there(tmp_path: Path) -> None:
    (tmp_path / "made_up.py").write_text(MADE_UP)
    command = [sys.executable, "-m", "pytest", __file__, "-k", "made_up", "-v", "-p", "no:cacheprovider"]
    environment = os.environ | {EXTRA_VENUES: str(tmp_path)}
    done = subprocess.run(  # noqa: S603 - our own interpreter
        command, env=environment, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
    for name in CONTRACT:
        assert re.search(rf"{name}\[(.*-)?made_up.*\] PASSED", done.stdout), name


def test_an_unknown_venue_is_named_with_the_ones_there_are() -> None:
    with pytest.raises(KeyError, match=r"no venue is called 'nowhere'; there are .*binance"):
        venues.get("nowhere")


@every_venue
def test_a_venue_names_itself_its_address_and_its_limits(venue: Adapter) -> None:
    assert venue.name in venues.discover()
    assert venue.base_url.startswith("https://")
    assert not venue.base_url.endswith("/")
    assert {LimitKind.REQUEST_WEIGHT, LimitKind.ORDERS} <= {limit.kind for limit in venue.fallback_limits}
    assert all(limit.limit > 0 and limit.interval_s > 0 for limit in venue.fallback_limits)


@every_venue
def test_what_a_venue_s_errors_mean_stands_in_a_table_that_everybody_is_shown(venue: Adapter) -> None:
    assert venue.error_table in TABLES
    answer = a_reply({"code": -1022, "msg": "Signature for this request is not valid."}, 400)
    assert venue.error(answer) == venue.error_table.error(answer)


@every_venue
def test_a_request_is_stamped_and_signed_last(venue: Adapter) -> None:
    call = venue.place(an_order())
    request = venue.sign(call, SIGNER, base_url="http://v", timestamp_ms=NOW_MS, recv_window_ms=4_000)
    query = urlsplit(request.url).query
    payload, _, signature = query.partition("&signature=")
    assert signature == SIGNER.sign(payload.encode())
    fields = parse_qs(payload)
    assert (fields["timestamp"], fields["recvWindow"]) == ([str(NOW_MS)], ["4000"])
    assert fields["newClientOrderId"] == [CLIENT_ORDER_ID]
    assert request.headers["X-MBX-APIKEY"] == "APIKEY"
    assert call.purpose is Purpose.PLACE
    assert call.orders == 1


@every_venue
def test_a_placement_is_the_same_bytes_each_time(venue: Adapter) -> None:
    assert venue.place(an_order()) == venue.place(an_order())


@every_venue
def test_the_clock_is_asked_without_a_key(venue: Adapter) -> None:
    now_ms, (call,) = run(venue.server_time(), a_reply({"serverTime": str(NOW_MS)}))
    assert now_ms == NOW_MS
    assert (call.security, call.purpose, call.weight) == (Security.NONE, Purpose.PROBE, 1)
    assert run(venue.server_time(), a_reply({"serverTime": NOW_MS * 1_000 + 7}))[0] == NOW_MS


@every_venue
@pytest.mark.parametrize(
    "body", [{}, [], None, {"serverTime": ""}, {"serverTime": -1}, {"serverTime": [1]}, "x"]
)
def test_a_clock_that_cannot_be_read_is_an_error(venue: Adapter, body: object) -> None:
    assert isinstance(run(venue.server_time(), a_reply(body))[0], VenueError)


@every_venue
@pytest.mark.parametrize(
    ("body", "price"),
    [
        ({"symbol": "BTCUSDT", "price": "65000.10", "markPrice": "65000.10"}, Decimal("65000.10")),
        ([{"symbol": "BTCUSDT", "price": 65000.1, "markPrice": 65000.1}], Decimal("65000.1")),
        ({"price": "", "markPrice": ""}, None),
        ({"price": "0", "markPrice": "0"}, None),
        ({"price": "NaN", "markPrice": "NaN"}, None),
        ([], None),
        (7, None),
    ],
)
def test_a_last_price_is_read_or_an_error(venue: Adapter, body: object, price: Decimal | None) -> None:
    found, (call,) = run(venue.last_price("BTCUSDT"), a_reply(body))
    assert found == price if price else isinstance(found, VenueError)
    assert dict(call.params) == {"symbol": "BTCUSDT"}


@every_venue
def test_a_plain_order_is_prepared_as_it_is(venue: Adapter) -> None:
    for order in (an_order(), a_market_order()):
        assert venue.prepare(order, some_rules(), Decimal(65_000)) == order


@every_venue
def test_preparing_twice_changes_nothing_more(venue: Adapter) -> None:
    rules = some_rules(step_size=Decimal("0.0001"))
    order = a_market_order(quantity=None, quote_quantity=Decimal(100))
    once = venue.prepare(order, rules, Decimal(65_000))
    if isinstance(once, VenueError):  # no quote quantities on futures
        assert once.code == "unsupported_option"
        once = venue.prepare(an_order(), rules, Decimal(65_000))
    assert isinstance(once, Order)
    assert venue.prepare(once, rules, Decimal(65_000)) == once


@every_venue
@pytest.mark.parametrize("status", [408, 500, 502, 503])
def test_an_absence_told_by_a_server_in_trouble_proves_nothing(venue: Adapter, status: int) -> None:
    trouble = an_error(-2013, "Order does not exist.", status)
    for order in (an_order(), an_order(type=OrderType.STOP_LOSS, price=None, time_in_force=None)):
        sighting, _ = run(venue.find(order, venue_order_id="28", since_ms=NOW_MS), trouble)
        assert isinstance(sighting, LookupFailed)


@every_venue
def test_a_placement_that_did_not_leave_the_machine_did_not_land(venue: Adapter) -> None:
    fault = Fault(kind=FaultKind.NOT_SENT, detail="x")
    assert isinstance(venue.read_placement(an_order(), fault), Refused)


# --- Whatever a venue answers, it is a value --------------------------------------------------------------------------

words = st.sampled_from(
    [
        "symbol",
        "orderId",
        "orderIdStr",
        "clientOrderId",
        "origClientOrderId",
        "transactTime",
        "time",
        "updateTime",
        "price",
        "origQty",
        "executedQty",
        "cummulativeQuoteQty",
        "status",
        "timeInForce",
        "type",
        "side",
        "fills",
        "qty",
        "commission",
        "commissionAsset",
        "code",
        "msg",
        "symbols",
        "filters",
        "filterType",
        "rateLimits",
        "serverTime",
        "orderReports",
        "limit",
        "interval",
        "minQty",
        "algoId",
        "clientAlgoId",
        "algoStatus",
        "orderType",
        "actualOrderId",
        "avgPrice",
        "cumQuote",
    ]
)
plain_values = st.sampled_from(
    [
        "",
        "0",
        "1",
        "-1",
        "NaN",
        "1e400",
        "x",
        "FILLED",
        "NEW",
        "LIMIT",
        "BUY",
        "BTCUSDT",
        CLIENT_ORDER_ID,
        "TRIGGERED",
        "FINISHED",
        "STOP_MARKET",
    ]
) | st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False))
bodies = st.recursive(
    plain_values,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=8),
    max_leaves=12,
)
answers = st.builds(
    a_reply, bodies, st.sampled_from([200, 200, 200, 201, 302, 400, 401, 403, 418, 429, 451, 500, 503])
)
garbage = st.builds(a_reply, st.binary(max_size=40), st.sampled_from([200, 400, 502]))
anything = answers | garbage | st.builds(Fault, kind=st.sampled_from(FaultKind), detail=st.just("x"))
A_STOP = a_market_order(type=OrderType.STOP_LOSS, stop_price=Decimal(60_000))
PROVEN = {Accepted, Refused, Unproven}


def drive(flow: object, replies: list[Answer]) -> object:
    """Drive a flow with as many answers as it wants; the last one is repeated."""
    generator = flow
    position = 0
    try:
        next(generator)  # type: ignore[call-overload]
        while True:
            generator.send(replies[min(position, len(replies) - 1)])  # type: ignore[attr-defined]
            position += 1
            assert position < 60, "a flow has an end"
    except StopIteration as stop:
        return stop.value


@every_venue
@given(replies=st.lists(anything, min_size=1, max_size=4))
def test_no_answer_breaks_a_reader_and_no_flow_goes_on_for_ever(
    venue: Adapter, replies: list[Answer]
) -> None:
    sightings = {Found, Absent, Ambiguous, LookupFailed}
    for order in (an_order(), A_STOP):
        assert type(venue.read_placement(order, replies[0])) in PROVEN
        for venue_order_id in (None, "28"):
            found = drive(venue.find(order, venue_order_id=venue_order_id, since_ms=NOW_MS), replies)
            assert type(found) in sightings
    for venue_order_id in (None, "28"):
        assert type(drive(venue.cancel("BTCUSDT", CLIENT_ORDER_ID, venue_order_id), replies)) in PROVEN
    assert type(drive(venue.find_by_id("BTCUSDT", CLIENT_ORDER_ID, since_ms=NOW_MS), replies)) in sightings
    assert type(drive(venue.cancel_all("BTCUSDT"), replies)) in {AllCancelled, Refused, Unproven}
    assert isinstance(drive(venue.venue_rules(), replies), VenueRules | VenueError)
    assert isinstance(drive(venue.last_price("BTCUSDT"), replies), Decimal | VenueError)
    assert isinstance(drive(venue.server_time(), replies), int | VenueError)


@every_venue
@given(answer=anything)
def test_nothing_but_a_success_is_accepted(venue: Adapter, answer: Answer) -> None:
    for order in (an_order(), A_STOP):
        verdict = venue.read_placement(order, answer)
        if isinstance(verdict, Accepted):
            assert isinstance(answer, Reply)
            assert 200 <= answer.status < 300
            assert venue.error(answer) is None
            assert verdict.report.venue_order_id
