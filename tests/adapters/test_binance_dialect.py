"""Binance spot: payloads as the venue documents them, and what each of them proves."""

from decimal import Decimal

import pytest

from adapters.errors import Retry, Scope, VenueError
from adapters.model import (
    Absent,
    Accepted,
    AllCancelled,
    Ambiguous,
    CancelledOrder,
    Fault,
    FaultKind,
    Fill,
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
    SymbolRules,
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

VENUE = get("binance")

# The shape of rest-api.md, "New order", response type FULL.
FULL: dict[str, object] = {
    "symbol": "BTCUSDT",
    "orderId": 28,
    "orderListId": -1,
    "clientOrderId": CLIENT_ORDER_ID,
    "transactTime": NOW_MS,
    "price": "0.00000000",
    "origQty": "10.00000000",
    "executedQty": "10.00000000",
    "origQuoteOrderQty": "0.000000",
    "cummulativeQuoteQty": "39998.00000000",
    "status": "FILLED",
    "timeInForce": "GTC",
    "type": "MARKET",
    "side": "SELL",
    "workingTime": NOW_MS,
    "selfTradePreventionMode": "NONE",
    "fills": [
        {
            "price": "4000.00000000",
            "qty": "1.00000000",
            "commission": "4.00000000",
            "commissionAsset": "USDT",
        },
        {"price": "3999.77777778", "qty": "9.00000000", "commission": "0.001", "commissionAsset": "BNB"},
    ],
}
SOLD = a_market_order(side=Side.SELL, quantity=Decimal(10))
QUERIED = {
    "symbol": "BTCUSDT",
    "orderId": 28,
    "clientOrderId": CLIENT_ORDER_ID,
    "price": "65000.10000000",
    "origQty": "0.01000000",
    "executedQty": "0.00400000",
    "cummulativeQuoteQty": "260.00040000",
    "status": "PARTIALLY_FILLED",
    "timeInForce": "GTC",
    "type": "LIMIT",
    "side": "BUY",
    "stopPrice": "0.0",
    "icebergQty": "0.0",
    "time": NOW_MS,
    "updateTime": NOW_MS + 5,
    "isWorking": True,
    "origQuoteOrderQty": "0.000000",
}
TRADES: list[dict[str, object]] = [
    {"orderId": 28, "price": "65000.1", "qty": "0.003", "commission": "0.000003", "commissionAsset": "BTC"},
    {"orderId": 28, "price": "65000.1", "qty": "0.001", "commission": "0.01", "commissionAsset": "BNB"},
    {"orderId": 29, "price": "1", "qty": "7", "commission": "1", "commissionAsset": "BTC"},
]
CANCELLED = QUERIED | {
    "origClientOrderId": CLIENT_ORDER_ID,
    "clientOrderId": "cancelMyOrder1",
    "transactTime": NOW_MS + 9,
    "status": "CANCELED",
}


# --- Placing ----------------------------------------------------------------------------------------------------------


def test_a_limit_order_is_written_with_the_digits_it_was_given() -> None:
    order = an_order(quantity=Decimal("0.0100"), price=Decimal("65000.10"))
    call = VENUE.place(order)
    fields = "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.0100&price=65000.10"
    assert shown([call]) == [
        f"POST /api/v3/order?{fields}&newClientOrderId={CLIENT_ORDER_ID}&newOrderRespType=FULL"
    ]
    assert (call.weight, call.orders, call.free_when_accepted) == (1, 1, True)


@pytest.mark.parametrize("written", ["1E+3", "1e-8", "0.10", "1000000000000000000000000000001"])
def test_no_number_is_written_with_an_exponent(written: str) -> None:
    params = dict(VENUE.place(an_order(quantity=Decimal(written))).params)
    assert params["quantity"] == format(Decimal(written), "f")
    assert "e" not in params["quantity"].lower()


def test_a_market_order_by_amount_carries_the_amount_alone() -> None:
    params = dict(VENUE.place(a_market_order(quantity=None, quote_quantity=Decimal("25.50"))).params)
    assert params["quoteOrderQty"] == "25.50"
    assert not {"quantity", "price", "timeInForce"} & set(params)


def test_a_dry_run_goes_to_the_test_endpoint_and_counts_no_order() -> None:
    call = VENUE.test_order(an_order())
    assert call is not None
    assert (call.method, call.path, call.orders) == ("POST", "/api/v3/order/test", 0)


def test_a_full_reply_is_read_with_its_fills_and_fees() -> None:
    verdict = VENUE.read_placement(SOLD, a_reply(FULL))
    assert isinstance(verdict, Accepted)
    report = verdict.report
    assert (report.venue_order_id, report.state, report.venue_status) == ("28", OrderState.FILLED, "FILLED")
    assert (report.executed_quantity, report.executed_quote) == (Decimal(10), Decimal(39998))
    assert report.average_price == Decimal("3999.8")
    assert (report.price, report.time_in_force) == (None, None)
    assert report.fills[1] == Fill(
        price=Decimal("3999.77777778"), quantity=Decimal(9), fee=Decimal("0.001"), fee_asset="BNB"
    )
    assert report.created_ms == NOW_MS


def test_an_acknowledgement_says_that_it_landed_and_nothing_of_its_fate() -> None:
    ack = {key: FULL[key] for key in ("symbol", "orderId", "clientOrderId", "transactTime")}
    verdict = VENUE.read_placement(SOLD, a_reply(ack))
    assert isinstance(verdict, Accepted)
    assert (verdict.report.state, verdict.report.executed_quantity) == (None, None)


def test_numbers_may_come_bare_and_lose_no_digit() -> None:
    body = (
        b'{"orderId":"9007199254740993","status":"FILLED","executedQty":0.12345678901234567890,"origQty":1}'
    )
    verdict = VENUE.read_placement(an_order(quantity=Decimal(1)), a_reply(body))
    assert isinstance(verdict, Accepted)
    assert verdict.report.venue_order_id == "9007199254740993"
    assert verdict.report.executed_quantity == Decimal("0.12345678901234567890")


def test_a_sum_the_venue_does_not_know_is_added_up_from_complete_fills_only() -> None:
    unknown_sum = FULL | {"cummulativeQuoteQty": "-1"}
    verdict = VENUE.read_placement(SOLD, a_reply(unknown_sum))
    assert isinstance(verdict, Accepted)
    assert verdict.report.executed_quote == Decimal("39998.00000002")
    verdict = VENUE.read_placement(SOLD, a_reply(unknown_sum | {"fills": [{"price": "", "qty": "1"}]}))
    assert isinstance(verdict, Accepted)
    assert (verdict.report.executed_quote, verdict.report.fills) == (None, ())


@pytest.mark.parametrize(
    ("status", "executed", "state"),
    [
        ("NEW", "0", OrderState.OPEN),
        ("PARTIALLY_FILLED", "1", OrderState.OPEN),
        ("PENDING_NEW", "0", OrderState.PENDING),
        ("CANCELED", "1", OrderState.CANCELLED),
        ("EXPIRED", "1", OrderState.EXPIRED),
        ("EXPIRED_IN_MATCH", "0", OrderState.EXPIRED),
        ("REJECTED", "0", OrderState.REJECTED),
        ("SOMETHING_NEW", "0", None),
        ("EXPIRED", "", None),
        ("", "1", None),
        (None, None, None),
        (7, "1", None),
    ],
)
def test_a_state_is_claimed_only_when_it_is_known(
    status: object, executed: object, state: OrderState | None
) -> None:
    verdict = VENUE.read_placement(SOLD, a_reply(FULL | {"status": status, "executedQty": executed}))
    assert isinstance(verdict, Accepted)
    assert verdict.report.state is state


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"\xff\xfe",
        b"<html>gateway</html>",
        b'{"orderId":',
        b"[" * 100_000,
        b'{"orderId":null}',
        b'{"orderId":true}',
        b'{"orderId":{"a":1}}',
        b'"text"',
        b"1",
        FULL | {"clientOrderId": "somebody-elses"},
        FULL | {"symbol": "ETHUSDT"},
        FULL | {"side": "BUY"},
        FULL | {"origQty": "11"},
        {"code": "what", "msg": "x"},
    ],
)
def test_a_success_that_does_not_name_our_order_proves_nothing(body: object) -> None:
    verdict = VENUE.read_placement(SOLD, a_reply(body))
    assert isinstance(verdict, Unproven)
    assert verdict.error.code == "unreadable_reply"


# --- Errors -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "kind", "code", "retry", "scope"),
    [
        (
            an_error(-1021, "Timestamp for this request"),
            Refused,
            "invalid_timestamp",
            "after_resync",
            "worker",
        ),
        (an_error(-1022), Refused, "invalid_signature", "never", "account"),
        (an_error(-1013, "Filter failure: LOT_SIZE"), Refused, "filter_lot_size", "never", "order"),
        (
            an_error(-1013, "Filter failure: MARKET_LOT_SIZE"),
            Refused,
            "filter_market_lot_size",
            "never",
            "order",
        ),
        (
            an_error(-1013, "Filter failure: PERCENT_PRICE_BY_SIDE"),
            Refused,
            "filter_percent_price_by_side",
            "never",
            "order",
        ),
        (
            an_error(-2010, "Account has insufficient balance for requested action."),
            Refused,
            "insufficient_balance",
            "never",
            "account",
        ),
        (an_error(-2010, "Duplicate order sent."), Unproven, "duplicate_order", "after_lookup", "order"),
        (an_error(-2010, "Market is closed."), Refused, "market_closed", "after_backoff", "symbol"),
        (
            an_error(-2010, "Order would immediately match and take."),
            Refused,
            "would_take_liquidity",
            "after_backoff",
            "order",
        ),
        (an_error(-2014), Refused, "invalid_api_key", "never", "account"),
        (an_error(-2015, status=401), Refused, "key_not_permitted", "never", "account"),
        (an_error(-1121), Refused, "unknown_symbol", "never", "symbol"),
        (an_error(-1015, "Too many new orders", 429), Refused, "too_many_orders", "after_hold", "account"),
        (
            an_error(-1003, "Too much request weight used", 429),
            Refused,
            "too_many_requests",
            "after_hold",
            "ip",
        ),
        (an_error(-1003, "IP banned until 1659146400000", 418), Refused, "ip_banned", "after_hold", "ip"),
        (a_reply("<html>", 403), Refused, "waf_blocked", "after_hold", "ip"),
        (a_reply("", 429), Refused, "too_many_requests", "after_hold", "ip"),
        (a_reply("", 451), Refused, "region_restricted", "never", "ip"),
        (a_reply("", 404), Refused, "wrong_address", "never", "venue"),
        (a_reply("", 301), Refused, "wrong_address", "never", "venue"),
        (an_error(-999_999), Refused, "unmapped_error", "never", "order"),
        (an_error(-999_999, status=200), Unproven, "unreadable_reply", "after_lookup", "venue"),
        (an_error(-999_999, status=503), Unproven, "execution_unknown", "after_lookup", "venue"),
        (an_error(-1001, status=503), Unproven, "execution_unknown", "after_lookup", "venue"),
        (an_error(-1006), Unproven, "execution_unknown", "after_lookup", "venue"),
        (an_error(-1007), Unproven, "execution_unknown", "after_lookup", "venue"),
        (an_error(-2010, "Market is closed.", 502), Unproven, "market_closed", "after_lookup", "symbol"),
        (a_reply("<html>bad gateway", 502), Unproven, "execution_unknown", "after_lookup", "venue"),
        (a_reply("", 408), Unproven, "execution_unknown", "after_lookup", "venue"),
        (a_reply("", 409), Unproven, "partly_done", "after_lookup", "order"),
        (LOST, Unproven, "connection_lost", "after_lookup", "venue"),
        (Fault(kind=FaultKind.TIMEOUT, detail="t"), Unproven, "reply_timeout", "after_lookup", "venue"),
        (Fault(kind=FaultKind.NOT_SENT, detail="n"), Refused, "connection_refused", "after_backoff", "venue"),
    ],
)
def test_an_error_proves_what_the_table_says(
    answer: Reply | Fault, kind: type, code: str, retry: str, scope: str
) -> None:
    verdict = VENUE.read_placement(an_order(), answer)
    assert isinstance(verdict, Refused | Unproven)
    assert type(verdict) is kind
    entry = verdict.error.entry
    assert (entry.code, entry.retry, entry.scope) == (code, Retry(retry), Scope(scope))


def test_a_hold_is_read_from_the_header_and_a_ban_from_the_text() -> None:
    message = "Way too much request weight used; IP banned until 1659146400000. Please use WebSocket Streams."
    error = VENUE.error(a_reply({"code": -1003, "msg": message}, 418, {"retry-after": "120"}))
    assert error is not None
    assert (error.hold_ms, error.banned_until_ms, error.http_status) == (120_000, 1_659_146_400_000, 418)


@pytest.mark.parametrize("value", ["", "soon", "-1", "1.5", "Wed, 21 Oct 2026 07:28:00 GMT"])
def test_a_hold_that_is_no_number_of_seconds_is_no_hold(value: str) -> None:
    error = VENUE.error(a_reply("", 429, {"retry-after": value}))
    assert error is not None
    assert error.hold_ms is None


def test_a_message_shows_neither_a_key_nor_our_request() -> None:
    key = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"
    for message in (f"bad key {key}", "no: symbol=BTCUSDT&timestamp=1&signature=abcdef", "x" * 5_000):
        error = VENUE.error(an_error(-1100, message))
        assert error is not None
        assert error.venue_message is not None
        assert len(error.venue_message) <= 200
        assert not {key, "abcdef"} & set(error.venue_message.replace("=", " ").split())


# --- Looking up -------------------------------------------------------------------------------------------------------


def find(order: Order, *answers: Reply | Fault, since_ms: int = NOW_MS) -> object:
    sighting, calls = run(VENUE.find(order, venue_order_id="28", since_ms=since_ms), *answers)
    asked = [f"GET /api/v3/order?symbol=BTCUSDT&origClientOrderId={CLIENT_ORDER_ID}", MY_TRADES]
    assert shown(calls) == asked[: len(answers)]
    return sighting


MY_TRADES = "GET /api/v3/myTrades?symbol=BTCUSDT&orderId=28&limit=1000"


def test_an_order_is_found_by_our_id_with_the_fees_it_paid() -> None:
    sighting = find(an_order(), a_reply(QUERIED), a_reply(TRADES))
    assert isinstance(sighting, Found)
    assert (sighting.report.state, sighting.report.executed_quantity) == (OrderState.OPEN, Decimal("0.004"))
    fees = [(fill.quantity, fill.fee, fill.fee_asset) for fill in sighting.report.fills]
    assert fees == [
        (Decimal("0.003"), Decimal("0.000003"), "BTC"),
        (Decimal("0.001"), Decimal("0.01"), "BNB"),
    ]
    assert sighting.report.average_price == Decimal("65000.1")


@pytest.mark.parametrize("trades", [LOST, an_error(-1003, status=429), a_reply([]), a_reply(TRADES[1:])])
def test_fills_that_are_not_all_there_are_left_out_and_the_order_is_found_all_the_same(
    trades: Reply | Fault,
) -> None:
    sighting = find(an_order(), a_reply(QUERIED), trades)
    assert isinstance(sighting, Found)
    assert sighting.report.fills == ()
    assert sighting.report.average_price == Decimal("65000.1")


def test_an_unknown_order_is_absent() -> None:
    assert find(an_order(), an_error(-2013, "Order does not exist.")) == Absent()


def test_an_order_of_an_earlier_time_under_the_same_id_is_not_ours() -> None:
    assert find(an_order(), a_reply(QUERIED), since_ms=NOW_MS + 3_600_000) == Absent()


def test_an_order_with_our_id_that_looks_somewhat_too_old_is_nobody_s_guess() -> None:
    assert find(an_order(), a_reply(QUERIED), since_ms=NOW_MS + 60_000) == Ambiguous(candidates=1)


@pytest.mark.parametrize(
    "other",
    [{"side": "SELL"}, {"origQty": "0.02"}, {"type": "MARKET"}, {"price": "64000"}, {"symbol": "ETHUSDT"}],
)
def test_another_order_under_our_id_is_ambiguous(other: dict[str, str]) -> None:
    assert find(an_order(), a_reply(QUERIED | other)) == Ambiguous(candidates=1)


def test_a_triggered_stop_order_is_recognised_as_what_it_turned_into() -> None:
    order = a_market_order(type=OrderType.STOP_LOSS, stop_price=Decimal(60_000))
    assert isinstance(
        find(order, a_reply(QUERIED | {"type": "MARKET", "price": "0"}), a_reply(TRADES)), Found
    )
    assert find(order, a_reply(QUERIED | {"type": "LIMIT_MAKER"})) == Ambiguous(candidates=1)


def test_an_order_by_amount_is_recognised_without_its_quantity() -> None:
    order = a_market_order(quantity=None, quote_quantity=Decimal(650))
    market = QUERIED | {"type": "MARKET", "price": "0.00000000", "origQuoteOrderQty": "650.00"}
    assert isinstance(find(order, a_reply(market), a_reply(TRADES)), Found)


@pytest.mark.parametrize(
    "answer",
    [LOST, an_error(-1003, status=429), a_reply("", 502), a_reply([]), a_reply({}), a_reply({"orderId": ""})],
)
def test_a_venue_that_cannot_be_asked_proves_nothing(answer: Reply | Fault) -> None:
    assert isinstance(find(an_order(), answer), LookupFailed)


# --- Cancelling -------------------------------------------------------------------------------------------------------

DELETE = f"DELETE /api/v3/order?symbol=BTCUSDT&origClientOrderId={CLIENT_ORDER_ID}"
GET = f"GET /api/v3/order?symbol=BTCUSDT&origClientOrderId={CLIENT_ORDER_ID}"
UNKNOWN_ORDER = an_error(-2011, "Unknown order sent.")
NOTHING_DONE = {"executedQty": "0.00000000", "cummulativeQuoteQty": "0.00000000"}
UNTOUCHED = QUERIED | {"status": "NEW"} | NOTHING_DONE


def test_a_cancel_reports_the_order_under_its_own_id() -> None:
    verdict, calls = run(VENUE.cancel("BTCUSDT", CLIENT_ORDER_ID, None), a_reply(CANCELLED), a_reply(TRADES))
    assert isinstance(verdict, Accepted)
    assert verdict.report.client_order_id == CLIENT_ORDER_ID
    assert (verdict.report.state, verdict.report.executed_quantity) == (
        OrderState.CANCELLED,
        Decimal("0.004"),
    )
    assert len(verdict.report.fills) == 2
    assert shown(calls) == [DELETE, MY_TRADES]


def test_a_cancel_of_a_filled_order_reports_the_fill() -> None:
    filled = a_reply(QUERIED | {"status": "FILLED", "executedQty": "0.01"})
    verdict, calls = run(VENUE.cancel("BTCUSDT", CLIENT_ORDER_ID, "28"), UNKNOWN_ORDER, filled, LOST)
    assert isinstance(verdict, Accepted)
    assert verdict.report.state is OrderState.FILLED
    assert shown(calls) == [DELETE, GET, MY_TRADES]


def test_an_order_that_reached_the_book_just_after_its_cancel_is_cancelled_once_more() -> None:
    flow = VENUE.cancel("BTCUSDT", CLIENT_ORDER_ID, None)
    verdict, calls = run(flow, UNKNOWN_ORDER, a_reply(UNTOUCHED), a_reply(CANCELLED | NOTHING_DONE))
    assert isinstance(verdict, Accepted)
    assert verdict.report.state is OrderState.CANCELLED
    assert shown(calls) == [DELETE, GET, DELETE]


def test_a_cancel_does_not_go_on_for_ever() -> None:
    flow = VENUE.cancel("BTCUSDT", CLIENT_ORDER_ID, None)
    verdict, calls = run(flow, UNKNOWN_ORDER, a_reply(UNTOUCHED), UNKNOWN_ORDER, a_reply(UNTOUCHED))
    assert isinstance(verdict, Accepted)
    assert verdict.report.state is OrderState.OPEN
    assert len(calls) == 4


def test_a_cancel_of_nothing_is_refused() -> None:
    verdict, _ = run(VENUE.cancel("BTCUSDT", CLIENT_ORDER_ID, None), UNKNOWN_ORDER, an_error(-2013))
    assert isinstance(verdict, Refused)
    assert verdict.error.code == "order_not_found"


def test_a_cancel_refused_for_a_reason_of_its_own_is_not_asked_again_and_names_it() -> None:
    disabled = an_error(-2011, "This action is disabled on this account.")
    verdict, calls = run(VENUE.cancel("BTCUSDT", CLIENT_ORDER_ID, None), disabled)
    assert isinstance(verdict, Refused)
    assert verdict.error.code == "account_disabled"
    assert shown(calls) == [DELETE]


@pytest.mark.parametrize("answers", [[LOST], [a_reply("", 502)], [a_reply({})], [UNKNOWN_ORDER, LOST]])
def test_a_cancel_without_a_clear_answer_is_unproven(answers: list[Reply | Fault]) -> None:
    verdict, _ = run(VENUE.cancel("BTCUSDT", CLIENT_ORDER_ID, None), *answers)
    assert isinstance(verdict, Unproven)


def test_cancel_all_names_what_it_closed_also_inside_order_lists() -> None:
    lists = {"orderListId": 1, "orderReports": [CANCELLED | {"orderId": 30, "origClientOrderId": "leg"}]}
    flow = VENUE.cancel_all("BTCUSDT")
    sweep, calls = run(flow, a_reply([QUERIED]), a_reply([CANCELLED, lists]))
    assert sweep == AllCancelled(
        orders=(
            CancelledOrder(client_order_id=CLIENT_ORDER_ID, venue_order_id="28"),
            CancelledOrder(client_order_id="leg", venue_order_id="30"),
        )
    )
    assert shown(calls) == [
        "GET /api/v3/openOrders?symbol=BTCUSDT",
        "DELETE /api/v3/openOrders?symbol=BTCUSDT",
    ]


def test_cancel_all_of_nothing_spends_one_request() -> None:
    assert run(VENUE.cancel_all("BTCUSDT"), a_reply([]))[0] == AllCancelled(orders=())
    sweep, _ = run(VENUE.cancel_all("BTCUSDT"), a_reply([QUERIED]), UNKNOWN_ORDER)
    assert sweep == AllCancelled(orders=())


def test_cancel_all_without_a_clear_answer_is_unproven() -> None:
    assert isinstance(run(VENUE.cancel_all("BTCUSDT"), a_reply([QUERIED]), LOST)[0], Unproven)
    assert isinstance(run(VENUE.cancel_all("BTCUSDT"), a_reply({"no": "list"}))[0], Unproven)
    assert isinstance(run(VENUE.cancel_all("BTCUSDT"), an_error(-1022))[0], Refused)


# --- Rules ------------------------------------------------------------------------------------------------------------

EXCHANGE_INFO = {
    "timezone": "UTC",
    "serverTime": NOW_MS,
    "rateLimits": [
        {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6000},
        {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": "10", "limit": "100"},
        {"rateLimitType": "CONNECTIONS", "interval": "MINUTE", "intervalNum": 5, "limit": 300},
        {"rateLimitType": "ORDERS", "interval": "FORTNIGHT", "intervalNum": 1, "limit": 1},
        None,
    ],
    "symbols": [
        {
            "symbol": "BTCUSDT",
            "status": "TRADING",
            "baseAsset": "BTC",
            "baseAssetPrecision": 8,
            "quoteAsset": "USDT",
            "quoteAssetPrecision": 8,
            "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS_LIMIT", "HOVER"],
            "quoteOrderQtyMarketAllowed": True,
            "isSpotTradingAllowed": True,
            "filters": [
                {
                    "filterType": "PRICE_FILTER",
                    "minPrice": "0.01",
                    "maxPrice": "1000000.00",
                    "tickSize": "0.01",
                },
                {"filterType": "LOT_SIZE", "minQty": "0.00001", "maxQty": "9000", "stepSize": "0.00001"},
                {"filterType": "MARKET_LOT_SIZE", "minQty": "0.0", "maxQty": "120.5", "stepSize": "0.0"},
                {
                    "filterType": "NOTIONAL",
                    "minNotional": "5.0",
                    "applyMinToMarket": True,
                    "maxNotional": "9000000.0",
                    "applyMaxToMarket": False,
                },
                {
                    "filterType": "PERCENT_PRICE_BY_SIDE",
                    "bidMultiplierUp": "5",
                    "bidMultiplierDown": "0.2",
                    "askMultiplierUp": "6",
                    "askMultiplierDown": "0.3",
                },
                {"filterType": "NEVER_HEARD_OF_IT"},
                "nonsense",
            ],
        },
        {"symbol": "OLDBTC", "status": "BREAK", "baseAsset": "OLD", "quoteAsset": "BTC"},
        {
            "symbol": "NEWBTC",
            "status": "CANCEL_ONLY",
            "baseAsset": "NEW",
            "quoteAsset": "BTC",
            "filters": None,
        },
        {"symbol": None},
        7,
    ],
}


def test_rules_are_read_and_zero_switches_a_bound_off() -> None:
    venue_rules = rules_of(VENUE, EXCHANGE_INFO)
    assert set(venue_rules.symbols) == {"BTCUSDT", "OLDBTC", "NEWBTC"}
    rules = venue_rules.symbols["BTCUSDT"]
    assert (rules.display, rules.is_trading, rules.tick_size) == ("BTC/USDT", True, Decimal("0.01"))
    assert (rules.market_min_quantity, rules.market_max_quantity, rules.market_step_size) == (
        None,
        Decimal("120.5"),
        None,
    )
    assert (rules.min_notional_on_market, rules.max_notional_on_market) == (True, False)
    assert (rules.notional_filter, rules.percent_price_filter) == ("notional", "percent_price_by_side")
    assert rules.ask_multiplier_down == Decimal("0.3")
    assert rules.step_offset == 0
    assert OrderType.STOP_LOSS_LIMIT in rules.order_types
    assert OrderType.STOP_LOSS not in rules.order_types
    assert not venue_rules.symbols["OLDBTC"].is_trading
    assert not venue_rules.symbols["NEWBTC"].is_trading


def test_limits_are_read_and_unknown_ones_left_out() -> None:
    assert rules_of(VENUE, EXCHANGE_INFO).limits == (
        RateLimit(kind=LimitKind.REQUEST_WEIGHT, limit=6_000, interval_s=60),
        RateLimit(kind=LimitKind.ORDERS, limit=100, interval_s=10),
    )


@pytest.mark.parametrize("body", [{}, [], {"symbols": []}, {"symbols": [{}]}, {"symbols": "x"}, 1, "text"])
def test_rules_that_name_no_symbol_are_an_error(body: object) -> None:
    rules, _ = run(VENUE.venue_rules(), a_reply(body))
    assert isinstance(rules, VenueError)


# --- Refused before a request -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("order", "code", "said"),
    [
        (an_order(reduce_only=True), "unsupported_option", "reduce_only"),
        (an_order(close_position=True), "unsupported_option", "close_position"),
        (an_order(trailing_delta=Decimal(100)), "unsupported_option", "stop_loss, stop_loss_limit"),
        (a_market_order(type=OrderType.STOP_LOSS), "invalid_signal", "needs a stop_price"),
        (a_market_order(type=OrderType.TRAILING_STOP), "invalid_signal", "needs a trailing_delta"),
        (an_order(time_in_force=TimeInForce.GTD), "unsupported_time_in_force", "fok, gtc, ioc"),
        (
            a_market_order(time_in_force=TimeInForce.IOC),
            "unsupported_time_in_force",
            "takes no time in force",
        ),
        (an_order(quantity=None, quote_quantity=Decimal(10)), "unsupported_option", "quote_quantity"),
        (an_order(price=None), "invalid_signal", "needs a price"),
        (a_market_order(stop_price=Decimal(1)), "invalid_signal", "takes no stop_price"),
    ],
)
def test_what_spot_has_not_is_refused_by_name(order: Order, code: str, said: str) -> None:
    error = VENUE.prepare(order, some_rules(), None)
    assert isinstance(error, VenueError)
    assert error.code == code
    assert said in (error.detail or "")


def test_limits_get_their_time_in_force_and_market_orders_lose_it() -> None:
    limit = VENUE.prepare(an_order(time_in_force=None, reduce_only=False), some_rules(), None)
    market = VENUE.prepare(a_market_order(time_in_force=TimeInForce.GTC), some_rules(), None)
    assert isinstance(limit, Order)
    assert isinstance(market, Order)
    assert (limit.time_in_force, market.time_in_force) == (TimeInForce.GTC, None)


def test_a_symbol_that_does_not_trade_is_refused() -> None:
    error = VENUE.prepare(an_order(), some_rules(is_trading=False), None)
    assert isinstance(error, VenueError)
    assert error.code == "symbol_not_trading"


# --- Trailing stops ---------------------------------------------------------------------------------------------------


def trailing_rules(*, allowed: bool = True) -> SymbolRules:
    symbol = EXCHANGE_INFO["symbols"][0] | {  # type: ignore[index]
        "allowTrailingStop": allowed,
        "orderTypes": ["LIMIT", "STOP_LOSS", "STOP_LOSS_LIMIT", "TRAILING_STOP"],
        "filters": [
            {
                "filterType": "TRAILING_DELTA",
                "minTrailingAboveDelta": 10,
                "maxTrailingAboveDelta": 2000,
                "minTrailingBelowDelta": 20,
                "maxTrailingBelowDelta": 1000,
            }
        ],
    }
    return rules_of(VENUE, {"symbols": [symbol]}).symbols["BTCUSDT"]


def a_trailing_stop(**over: object) -> Order:
    return a_market_order(
        **({"type": OrderType.TRAILING_STOP, "side": Side.SELL, "trailing_delta": Decimal(100)} | over)
    )


def test_a_trailing_stop_is_a_stop_loss_that_trails() -> None:
    order = VENUE.prepare(a_trailing_stop(), trailing_rules(), None)
    assert isinstance(order, Order)
    params = dict(VENUE.place(order).params)
    assert (params["type"], params["trailingDelta"]) == ("STOP_LOSS", "100")
    assert "stopPrice" not in params
    later = dict(VENUE.place(a_trailing_stop(stop_price=Decimal(66_000))).params)
    assert later["stopPrice"] == "66000"
    shown_as = QUERIED | {"type": "STOP_LOSS", "side": "SELL", "price": "0.0"}
    assert isinstance(find(order, a_reply(shown_as), a_reply(TRADES)), Found)


@pytest.mark.parametrize(
    ("over", "nearest"),
    [
        ({"trailing_delta": Decimal(10)}, "20"),
        ({"trailing_delta": Decimal(1_001)}, "1000"),
        ({"trailing_delta": Decimal("100.5")}, "100.0"),
        ({"trailing_delta": Decimal(9), "side": Side.BUY}, "10"),
        ({"trailing_delta": Decimal(2_001), "side": Side.BUY}, "2000"),
    ],
)
def test_a_delta_is_bounded_by_the_side_it_trails_on(over: dict[str, object], nearest: str) -> None:
    error = VENUE.prepare(a_trailing_stop(**over), trailing_rules(), None)
    assert isinstance(error, VenueError)
    assert error.code == "filter_trailing_delta"
    assert (error.detail or "").endswith(f"value is {nearest}")


def test_a_symbol_that_lets_no_stop_trail_is_refused_with_what_it_has() -> None:
    error = VENUE.prepare(a_trailing_stop(), trailing_rules(allowed=False), None)
    assert isinstance(error, VenueError)
    assert error.code == "unsupported_order_type"
    assert "it has limit, stop_loss, stop_loss_limit" in (error.detail or "")
    order = a_trailing_stop(type=OrderType.STOP_LOSS)
    error = VENUE.prepare(order, trailing_rules(allowed=False), None)
    assert isinstance(error, VenueError)
    assert error.code == "unsupported_option"
    assert isinstance(VENUE.prepare(order, trailing_rules(), None), Order)
