"""Bitrue spot: the shapes seen live, looking up without a trustworthy id, cancelling one by one."""

from decimal import Decimal

import pytest

from adapters.errors import Retry, VenueError
from adapters.model import (
    Absent,
    Accepted,
    AllCancelled,
    Ambiguous,
    CancelledOrder,
    Fault,
    Found,
    LimitKind,
    LookupFailed,
    Order,
    OrderState,
    OrderType,
    RateLimit,
    Refused,
    Reply,
    Side,
    TimeInForce,
    Unproven,
)
from adapters.venues import get
from tests.adapters.builders import (
    CLIENT_ORDER_ID,
    LOST,
    NOW_MS,
    a_market_order,
    a_reply,
    an_error,
    an_order,
    rules_of,
    run,
    shown,
    some_rules,
)

VENUE = get("bitrue")
BIG_ID = "494736827050147840"  # beyond 2^53, as Bitrue's are

# README section "New order", with the number beyond what a float can hold.
ACK = {
    "symbol": "BTCUSDT",
    "orderId": int(BIG_ID),
    "orderIdStr": BIG_ID,
    "clientOrderId": CLIENT_ORDER_ID,
    "transactTime": NOW_MS,
}
# As seen live in 2021: ids as strings, sixteen decimals, empty strings.
LIVE = {
    "symbol": "BTCUSDT",
    "orderId": BIG_ID,
    "clientOrderId": CLIENT_ORDER_ID,
    "price": "65000.1000000000000000",
    "origQty": "0.0100000000000000",
    "executedQty": "0.0000000000000000",
    "cummulativeQuoteQty": "0.0000000000000000",
    "status": "NEW",
    "timeInForce": "",
    "type": "LIMIT",
    "side": "BUY",
    "stopPrice": "",
    "icebergQty": "",
    "time": NOW_MS,
    "updateTime": NOW_MS,
    "isWorking": False,
}
# As seen live: the fee's asset misspelt and in lower case.
TRADES = [
    {
        "orderId": int(BIG_ID),
        "price": "65000.1",
        "qty": "0.01",
        "commission": "0.65",
        "commissionAssert": "usdt",
    }
]
FILLED = LIVE | {"status": "FILLED", "executedQty": "0.01", "cummulativeQuoteQty": "650.001"}
CLOSED = LIVE | {"status": "CANCELED"}
NAMELESS = LIVE | {"clientOrderId": ""}
NO_SUCH_ORDER = an_error(-2013, "Order does not exist.", 200)


# --- Placing ----------------------------------------------------------------------------------------------------------


def test_an_order_is_placed_with_everything_in_the_query() -> None:
    fields = "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.01&price=65000.10"
    call = VENUE.place(an_order())
    assert shown([call]) == [f"POST /api/v1/order?{fields}&newClientOrderId={CLIENT_ORDER_ID}"]
    assert (call.weight, call.orders, call.free_when_accepted) == (1, 1, False)
    assert VENUE.test_order(an_order()) is None


@pytest.mark.parametrize(
    "over", [{}, {"orderIdStr": None}, {"orderIdStr": "", "orderId": BIG_ID}, {"clientOrderId": ""}]
)
def test_an_acknowledgement_keeps_every_digit_of_the_id(over: dict[str, object]) -> None:
    verdict = VENUE.read_placement(an_order(), a_reply(ACK | over))
    assert isinstance(verdict, Accepted)
    assert verdict.report.venue_order_id == BIG_ID
    assert verdict.report.client_order_id == CLIENT_ORDER_ID
    assert verdict.report.state is None


@pytest.mark.parametrize(
    ("answer", "kind", "code", "retry"),
    [
        (an_error(-2010, "Insufficient account balance.", 406), Refused, "insufficient_balance", "never"),
        (an_error(-2010, "Insufficient account balance.", 200), Refused, "insufficient_balance", "never"),
        (an_error(-2010, "rejected", 406), Refused, "venue_rejected", "never"),
        (an_error(-1111, "quantity less then minQty.", 412), Refused, "filter_lot_size", "never"),
        (an_error(-1111, "price is not valid", 412), Refused, "filter_price_filter", "never"),
        (an_error(-1111, "", 412), Refused, "filter_rejected", "never"),
        (
            an_error(-1102, "timestamp IllegalArgumentException.", 412),
            Refused,
            "invalid_timestamp",
            "after_resync",
        ),
        (an_error(-1102, "side is missing", 412), Refused, "missing_parameter", "never"),
        (an_error(-1021, "x"), Refused, "invalid_timestamp", "after_resync"),
        (an_error(-1022, "UNAUTHORIZED.", 401), Refused, "key_not_permitted", "after_resync"),
        (an_error(-1022, "signature", 401), Refused, "invalid_signature", "after_resync"),
        (an_error(-1121, "x", 412), Refused, "unknown_symbol", "never"),
        (an_error(-1003, "x", 429), Refused, "too_many_requests", "after_hold"),
        (an_error(-1016, "x", 500), Unproven, "venue_unavailable", "after_lookup"),
        (an_error(503, "x", 503), Unproven, "venue_unavailable", "after_lookup"),
        (an_error(503, "x", 200), Unproven, "venue_unavailable", "after_lookup"),
        (
            a_reply({"code": "1", "msg": "System is under maintenance."}),
            Unproven,
            "venue_unavailable",
            "after_lookup",
        ),
        (an_error(-1000, "System abnormality", 200), Unproven, "execution_unknown", "after_lookup"),
        (an_error(77_777, "x", 200), Unproven, "unreadable_reply", "after_lookup"),
        (an_error(-77_777, "x", 200), Unproven, "unreadable_reply", "after_lookup"),
        (an_error(-77_777, "x", 406), Refused, "unmapped_error", "never"),
        (
            a_reply({"code": "-2013", "msg": "x", "data": None}),
            Unproven,
            "order_not_found",
            "after_lookup",
        ),
        (a_reply({"code": 200, "msg": "succ", "data": None}), Unproven, "unreadable_reply", "after_lookup"),
        (a_reply("gateway", 504), Unproven, "execution_unknown", "after_lookup"),
        (LOST, Unproven, "connection_lost", "after_lookup"),
    ],
)
def test_an_error_counts_whatever_the_http_status(
    answer: Reply | Fault, kind: type, code: str, retry: str
) -> None:
    verdict = VENUE.read_placement(an_order(), answer)
    assert isinstance(verdict, Refused | Unproven)
    assert type(verdict) is kind
    assert (verdict.error.code, verdict.error.entry.retry) == (code, Retry(retry))


@pytest.mark.parametrize(
    ("order", "code", "said"),
    [
        (
            a_market_order(type=OrderType.STOP_LOSS, stop_price=Decimal(1)),
            "unsupported_order_type",
            "limit, market",
        ),
        (an_order(type=OrderType.LIMIT_MAKER), "unsupported_order_type", "limit, market"),
        (an_order(time_in_force=TimeInForce.IOC), "unsupported_time_in_force", "it has gtc"),
        (an_order(time_in_force=TimeInForce.FOK), "unsupported_time_in_force", "it has gtc"),
        (an_order(time_in_force=TimeInForce.GTD), "unsupported_time_in_force", "it has gtc"),
        (an_order(reduce_only=True), "unsupported_option", "reduce_only"),
    ],
)
def test_what_bitrue_has_not_is_refused_naming_what_it_has(order: Order, code: str, said: str) -> None:
    error = VENUE.prepare(order, some_rules(), Decimal(65_000))
    assert isinstance(error, VenueError)
    assert error.code == code
    assert said in (error.detail or "")


RULES = some_rules(
    min_quantity=Decimal("0.0003"),
    step_size=Decimal("0.0001"),
    step_offset=Decimal("0.0003"),
    min_notional=Decimal(10),
    min_notional_on_market=True,
    notional_on_last_price=True,
    notional_filter="lot_size",
)


def test_an_amount_is_converted_at_the_last_price_and_rounded_down() -> None:
    order = a_market_order(quantity=None, quote_quantity=Decimal(100))
    assert VENUE.needs_price(order, some_rules())
    prepared = VENUE.prepare(order, RULES, Decimal(65_000))
    assert isinstance(prepared, Order)
    assert (prepared.quantity, prepared.quote_quantity) == (Decimal("0.0015"), None)


def test_an_amount_is_converted_at_the_limit_price_where_there_is_one() -> None:
    prepared = VENUE.prepare(an_order(quantity=None, quote_quantity=Decimal(100)), RULES, Decimal(10_000))
    assert isinstance(prepared, Order)
    assert prepared.quantity == Decimal("0.0015")


def test_an_amount_that_buys_nothing_is_refused() -> None:
    error = VENUE.prepare(a_market_order(quantity=None, quote_quantity=Decimal(5)), RULES, Decimal(65_000))
    assert isinstance(error, VenueError)
    assert error.code == "filter_lot_size"


def test_an_amount_cannot_be_converted_without_a_price() -> None:
    error = VENUE.prepare(a_market_order(quantity=None, quote_quantity=Decimal(5)), RULES, None)
    assert isinstance(error, VenueError)
    assert error.code == "venue_unavailable"


# --- Looking up -------------------------------------------------------------------------------------------------------

OPEN = "GET /api/v1/openOrders?symbol=BTCUSDT"
ALL = f"GET /api/v1/allOrders?symbol=BTCUSDT&limit=1000&startTime={NOW_MS - 2_000}"
ONE = f"GET /api/v1/order?symbol=BTCUSDT&orderId={BIG_ID}"
MY_TRADES = f"GET /api/v2/myTrades?symbol=BTCUSDT&startTime={NOW_MS - 2_000}&limit=1000"


def search(order: Order, *answers: Reply | Fault, since_ms: int = NOW_MS) -> tuple[object, list[str]]:
    sighting, calls = run(VENUE.find(order, venue_order_id=None, since_ms=since_ms), *answers)
    return sighting, shown(calls)


def test_with_the_venues_id_one_request_tells_the_order_and_one_its_fees() -> None:
    flow = VENUE.find(an_order(), venue_order_id=BIG_ID, since_ms=NOW_MS)
    sighting, calls = run(flow, a_reply(FILLED), a_reply(TRADES))
    assert isinstance(sighting, Found)
    assert (sighting.report.state, sighting.report.average_price) == (OrderState.FILLED, Decimal("65000.1"))
    assert [(fill.fee, fill.fee_asset) for fill in sighting.report.fills] == [(Decimal("0.65"), "USDT")]
    assert shown(calls) == [ONE, MY_TRADES]


@pytest.mark.parametrize("status", ["PENDING_CREATE", "INIT"])
def test_an_order_that_is_not_yet_on_the_book_is_pending(status: str) -> None:
    answer = a_reply(LIVE | {"status": status})
    sighting, _ = run(VENUE.find(an_order(), venue_order_id=BIG_ID, since_ms=NOW_MS), answer)
    assert isinstance(sighting, Found)
    assert sighting.report.state is OrderState.PENDING


def test_an_unknown_order_is_absent_though_the_status_says_success() -> None:
    sighting, _ = run(VENUE.find(an_order(), venue_order_id=BIG_ID, since_ms=NOW_MS), NO_SUCH_ORDER)
    assert sighting == Absent()


def test_an_open_order_is_found_by_our_id() -> None:
    sighting, calls = search(an_order(), a_reply([NAMELESS | {"orderId": "1"}, LIVE]))
    assert isinstance(sighting, Found)
    assert sighting.report.venue_order_id == BIG_ID
    assert calls == [OPEN]


def test_a_closed_order_is_found_among_all() -> None:
    sighting, calls = search(an_order(), a_reply([]), a_reply([FILLED]), a_reply(TRADES))
    assert isinstance(sighting, Found)
    assert sighting.report.state is OrderState.FILLED
    assert calls == [OPEN, ALL, MY_TRADES]


def test_a_nameless_order_is_found_by_its_shape() -> None:
    others = [
        NAMELESS | {"orderId": "1", "side": "SELL"},
        NAMELESS | {"orderId": "2", "origQty": "0.02"},
        NAMELESS | {"orderId": "3", "price": "65000.2"},
        NAMELESS | {"orderId": "4", "time": NOW_MS - 60_000},
        NAMELESS | {"orderId": "5", "time": None, "updateTime": None},
        LIVE | {"orderId": "6", "clientOrderId": "somebody-elses"},
    ]
    sighting, _ = search(an_order(), a_reply([NAMELESS]), a_reply([*others, NAMELESS]))
    assert isinstance(sighting, Found)
    assert sighting.report.venue_order_id == BIG_ID


def test_two_of_a_shape_are_ambiguous_and_our_id_settles_it() -> None:
    twin = NAMELESS | {"orderId": "1"}
    assert search(an_order(), a_reply([]), a_reply([NAMELESS, twin]))[0] == Ambiguous(candidates=2)
    assert isinstance(search(an_order(), a_reply([]), a_reply([LIVE, twin]))[0], Found)


def test_a_twin_from_just_before_may_be_another_signals_order() -> None:
    before = NAMELESS | {"time": NOW_MS - 1_000}
    assert search(an_order(), a_reply([]), a_reply([before]))[0] == Ambiguous(candidates=1)
    assert search(an_order(), a_reply([]), a_reply([before, NAMELESS | {"orderId": "1"}]))[0] == Ambiguous(
        candidates=2
    )


def test_two_orders_under_our_id_are_ambiguous() -> None:
    twin = FILLED | {"orderId": "1"}
    assert search(an_order(), a_reply([]), a_reply([FILLED, twin]))[0] == Ambiguous(candidates=2)


def test_a_shape_without_a_quantity_is_never_taken_for_ours() -> None:
    order = a_market_order(quantity=None, quote_quantity=Decimal(650))
    market = NAMELESS | {"type": "MARKET", "price": "0"}
    assert search(order, a_reply([]), a_reply([market]))[0] == Ambiguous(candidates=1)


def test_an_id_alone_never_matches_by_shape() -> None:
    flow = VENUE.find_by_id("BTCUSDT", CLIENT_ORDER_ID, since_ms=NOW_MS)
    assert run(flow, a_reply([NAMELESS]), a_reply([NAMELESS]))[0] == Absent()


@pytest.mark.parametrize(
    "answers", [[LOST], [a_reply([]), LOST], [a_reply({})], [a_reply([]), an_error(-1003, status=429)]]
)
def test_a_search_that_breaks_off_proves_nothing(answers: list[Reply | Fault]) -> None:
    assert isinstance(search(an_order(), *answers)[0], LookupFailed)


def test_a_full_page_is_followed_by_the_next() -> None:
    page = [
        LIVE | {"orderId": str(index), "clientOrderId": "x", "time": NOW_MS + index} for index in range(1_000)
    ]
    first, rest = a_reply(page[:1]), a_reply([FILLED])
    sighting, calls = search(an_order(), a_reply([]), a_reply(page), first, rest, a_reply([]))
    assert isinstance(sighting, Found)
    assert calls[-2].endswith(f"startTime={NOW_MS + 999}")


def test_a_full_page_of_the_newest_orders_proves_no_absence() -> None:
    page = [
        LIVE | {"orderId": str(index), "clientOrderId": "x", "time": NOW_MS + index} for index in range(1_000)
    ]
    for first in (a_reply(page[-1:]), a_reply([]), LOST):
        sighting, _ = search(an_order(), a_reply([]), a_reply(page), first)
        assert isinstance(sighting, LookupFailed)


def test_pages_without_an_end_prove_no_absence() -> None:
    page = [LIVE | {"orderId": str(index), "clientOrderId": "x"} for index in range(1_000)]
    answers = (a_reply([]), a_reply(page), a_reply(page[:1]), a_reply(page))
    assert isinstance(search(an_order(), *answers)[0], LookupFailed)


# --- Cancelling -------------------------------------------------------------------------------------------------------

DELETE = f"DELETE /api/v1/order?symbol=BTCUSDT&orderId={BIG_ID}"
CANCEL_ACK = {
    "symbol": "BTCUSDT",
    "origClientOrderId": CLIENT_ORDER_ID,
    "orderId": int(BIG_ID),
    "clientOrderId": "cancel",
}


def test_a_cancel_is_confirmed_by_asking() -> None:
    flow = VENUE.cancel("BTCUSDT", CLIENT_ORDER_ID, BIG_ID)
    verdict, calls = run(flow, a_reply(CANCEL_ACK), a_reply(LIVE), a_reply(CLOSED))
    assert isinstance(verdict, Accepted)
    assert verdict.report.state is OrderState.CANCELLED
    assert shown(calls) == [DELETE, ONE, ONE]


def test_a_cancel_that_has_not_taken_effect_yet_says_so() -> None:
    flow = VENUE.cancel("BTCUSDT", CLIENT_ORDER_ID, BIG_ID)
    verdict, _ = run(flow, a_reply(CANCEL_ACK), a_reply(LIVE), a_reply(LIVE))
    assert isinstance(verdict, Accepted)
    assert verdict.report.state is OrderState.OPEN


def test_a_cancel_by_our_id_searches_first() -> None:
    flow = VENUE.cancel("BTCUSDT", CLIENT_ORDER_ID, None)
    verdict, calls = run(flow, a_reply([LIVE]), a_reply(CANCEL_ACK), a_reply(CLOSED))
    assert isinstance(verdict, Accepted)
    assert shown(calls) == [OPEN, DELETE, ONE]


def test_a_cancel_of_a_closed_order_sends_no_delete() -> None:
    flow = VENUE.cancel("BTCUSDT", CLIENT_ORDER_ID, None)
    verdict, calls = run(flow, a_reply([]), a_reply([FILLED]), a_reply(TRADES))
    assert isinstance(verdict, Accepted)
    assert verdict.report.state is OrderState.FILLED
    assert shown(calls) == [OPEN, "GET /api/v1/allOrders?symbol=BTCUSDT&limit=1000", MY_TRADES]


def test_an_order_in_no_list_is_cancelled_by_our_id_or_proven_unknown() -> None:
    by_our_id = f"DELETE /api/v1/order?symbol=BTCUSDT&origClientOrderId={CLIENT_ORDER_ID}"
    lists = (a_reply([]), a_reply([]))
    verdict, calls = run(VENUE.cancel("BTCUSDT", CLIENT_ORDER_ID, None), *lists, NO_SUCH_ORDER)
    assert isinstance(verdict, Refused)
    assert verdict.error.code == "order_not_found"
    assert shown(calls)[-1] == by_our_id
    flow = VENUE.cancel("BTCUSDT", CLIENT_ORDER_ID, None)
    verdict, _ = run(flow, *lists, a_reply(CANCEL_ACK), a_reply(CLOSED))
    assert isinstance(verdict, Accepted)


@pytest.mark.parametrize("refused", [an_error(-2010, "rejected", 406), NO_SUCH_ORDER])
def test_a_refused_cancel_asks_what_the_order_is(refused: Reply) -> None:
    verdict, _ = run(VENUE.cancel("BTCUSDT", CLIENT_ORDER_ID, BIG_ID), refused, a_reply(FILLED), LOST)
    assert isinstance(verdict, Accepted)
    assert verdict.report.state is OrderState.FILLED
    verdict, _ = run(VENUE.cancel("BTCUSDT", CLIENT_ORDER_ID, BIG_ID), refused, NO_SUCH_ORDER)
    assert isinstance(verdict, Refused)
    assert verdict.error.code == "order_not_found"
    flow = VENUE.cancel("BTCUSDT", CLIENT_ORDER_ID, BIG_ID)
    verdict, calls = run(flow, refused, a_reply(LIVE), a_reply(CANCEL_ACK), a_reply(CLOSED))
    assert isinstance(verdict, Accepted)
    assert shown(calls) == [DELETE, ONE, DELETE, ONE]


@pytest.mark.parametrize(
    "answers", [[LOST], [a_reply(CANCEL_ACK), LOST], [a_reply(CANCEL_ACK), NO_SUCH_ORDER], [a_reply("", 502)]]
)
def test_a_cancel_without_a_clear_answer_is_unproven(answers: list[Reply | Fault]) -> None:
    verdict, _ = run(VENUE.cancel("BTCUSDT", CLIENT_ORDER_ID, BIG_ID), *answers)
    assert isinstance(verdict, Unproven)


def test_cancel_all_deletes_one_by_one_and_looks_again() -> None:
    second = LIVE | {"orderId": "2", "clientOrderId": "second"}
    flow = VENUE.cancel_all("BTCUSDT")
    # The second one filled in between: it was not closed by us.
    sweep, calls = run(flow, a_reply([LIVE, second]), a_reply(CANCEL_ACK), NO_SUCH_ORDER, a_reply([]))
    assert sweep == AllCancelled(
        orders=(CancelledOrder(client_order_id=CLIENT_ORDER_ID, venue_order_id=BIG_ID),)
    )
    assert shown(calls) == [OPEN, DELETE, "DELETE /api/v1/order?symbol=BTCUSDT&orderId=2", OPEN]


def test_cancel_all_that_leaves_orders_open_is_unproven() -> None:
    listed, ack = a_reply([LIVE]), a_reply(CANCEL_ACK)
    sweep, _ = run(VENUE.cancel_all("BTCUSDT"), listed, ack, listed, ack, listed)
    assert isinstance(sweep, Unproven)
    assert "still open" in sweep.error.hint


def test_cancel_all_of_nothing_and_without_an_answer() -> None:
    assert run(VENUE.cancel_all("BTCUSDT"), a_reply([]))[0] == AllCancelled(orders=())
    assert isinstance(run(VENUE.cancel_all("BTCUSDT"), LOST)[0], Unproven)
    assert isinstance(run(VENUE.cancel_all("BTCUSDT"), a_reply([LIVE]), LOST)[0], Unproven)


# --- Rules ------------------------------------------------------------------------------------------------------------


def exchange_info(filters: list[dict[str, object]], limits: object = ()) -> dict[str, object]:
    return {
        "timezone": "CTT",
        "rateLimits": limits,
        "symbols": [
            {
                "symbol": "BTCUSDT",
                "status": "TRADING",
                "baseAsset": "btc",
                "quoteAsset": "usdt",
                "baseAssetPrecision": 4,
                "quotePrecision": 2,
                "orderTypes": ["MARKET", "LIMIT"],
                "filters": filters,
            }
        ],
    }


def test_rules_are_read_in_upper_case_with_minimum_value_and_steps_from_the_minimum() -> None:
    lot: dict[str, object] = {
        "filterType": "LOT_SIZE",
        "minQty": "388.89",
        "minVal": "10.0",
        "maxQty": "9e6",
        "stepSize": "0.01",
    }
    rules = rules_of(VENUE, exchange_info([lot])).symbols["BTCUSDT"]
    assert rules.display == "BTC/USDT"
    assert (rules.min_notional, rules.notional_on_last_price) == (Decimal("10.0"), True)
    assert rules.step_offset == rules.min_quantity == Decimal("388.89")


def test_scales_stand_in_for_steps_that_are_missing() -> None:
    filters: list[dict[str, object]] = [
        {"filterType": "PRICE_FILTER", "minPrice": "", "maxPrice": None, "priceScale": 2},
        {"filterType": "LOT_SIZE", "minQty": "0.0001", "volumeScale": "4"},
    ]
    rules = rules_of(VENUE, exchange_info(filters)).symbols["BTCUSDT"]
    assert (rules.tick_size, rules.step_size) == (Decimal("0.01"), Decimal("0.0001"))
    assert (rules.min_price, rules.max_price) == (None, None)


def documented(name: str, size: object, count: int, unit: str) -> dict[str, object]:
    return {
        "id": name,
        "type": ["IP"],
        "replenishRate": size,
        "burstCapacity": size,
        "timeCount": count,
        "timeUnit": unit,
    }


@pytest.mark.parametrize(
    ("limits", "by_ip"),
    [
        (
            [
                documented("general", 1_200, 1, "MINUTES"),
                documented("orders_user_seconds", "100", 60, "SECONDS"),
                documented("orders_ip_seconds", 100, 60, "SECONDS"),
                documented("withdraw_days", 1_000, 1, "DAYS"),
            ],
            True,
        ),
        (
            [
                {
                    "prefix": "general",
                    "type": "IP",
                    "replenishRate": 9999,
                    "burstCapacity": 1200,
                    "timeUnit": "minutes",
                },
                {
                    "prefix": "orders_user_seconds",
                    "burstCapacity": 100,
                    "timeCount": 60,
                    "timeUnit": "SECONDS",
                },
                {"prefix": "general", "burstCapacity": "many", "timeUnit": "MINUTES"},
            ],
            False,
        ),
        (
            [
                {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "limit": 1200},
                {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 60, "limit": 100},
            ],
            False,
        ),
    ],
    ids=["documented", "live", "older"],
)
def test_limits_are_read_in_all_their_shapes(limits: list[dict[str, object]], *, by_ip: bool) -> None:
    ip_orders = (
        [RateLimit(kind=LimitKind.ORDERS_BY_IP, limit=100, interval_s=60, is_sliding=True)] if by_ip else []
    )
    assert rules_of(VENUE, exchange_info([], limits)).limits == (
        RateLimit(kind=LimitKind.REQUEST_WEIGHT, limit=1_200, interval_s=60, is_sliding=True),
        RateLimit(kind=LimitKind.ORDERS, limit=100, interval_s=60, is_sliding=True),
        *ip_orders,
    )


def test_a_side_is_compared_without_regard_to_case() -> None:
    order = an_order(side=Side.SELL)
    answer = a_reply(LIVE | {"side": "sell", "type": "limit"})
    assert isinstance(run(VENUE.find(order, venue_order_id=BIG_ID, since_ms=NOW_MS), answer)[0], Found)
