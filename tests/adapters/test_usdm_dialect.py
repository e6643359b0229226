"""Binance USD-M: payloads as the venue documents them, at both of its order services, and what each of them proves."""

from decimal import Decimal
from typing import Any

import pytest

from adapters.errors import Landed, Retry, VenueError
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
    PositionSide,
    Purpose,
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

VENUE = get("binance_usdm")

# "Query Order"; a placement's reply has the same shape but for `time`, `avgPrice` and `cumQuote`.
QUERIED: dict[str, object] = {
    "avgPrice": "0.00000",
    "clientOrderId": CLIENT_ORDER_ID,
    "cumQuote": "0",
    "executedQty": "0",
    "orderId": 22542179,
    "origQty": "0.01",
    "origType": "LIMIT",
    "price": "65000.10",
    "reduceOnly": False,
    "side": "BUY",
    "positionSide": "BOTH",
    "status": "NEW",
    "stopPrice": "0",
    "closePosition": False,
    "symbol": "BTCUSDT",
    "time": NOW_MS,
    "timeInForce": "GTC",
    "type": "LIMIT",
    "updateTime": NOW_MS + 7,
    "workingType": "CONTRACT_PRICE",
    "priceProtect": False,
    "priceMatch": "NONE",
    "selfTradePreventionMode": "NONE",
    "goodTillDate": 0,
}
PLACED = {name: value for name, value in QUERIED.items() if name not in {"time", "avgPrice", "cumQuote"}}
MARKET = {"type": "MARKET", "origType": "MARKET", "price": "0"}
FILLED = MARKET | {"status": "FILLED", "executedQty": "0.01"}
PAID = FILLED | {"avgPrice": "65001.00000", "cumQuote": "650.01000"}
# "Account Trade List".
TRADES = [
    {
        "buyer": True,
        "commission": "0.26000400",
        "commissionAsset": "USDT",
        "id": 698759,
        "maker": False,
        "orderId": 22542179,
        "price": "65001.00",
        "qty": "0.010",
        "quoteQty": "650.01000",
        "realizedPnl": "0",
        "side": "BUY",
        "positionSide": "BOTH",
        "symbol": "BTCUSDT",
        "time": NOW_MS + 7,
    }
]
# "New Algo Order".
ALGO: dict[str, object] = {
    "algoId": 2146760,
    "clientAlgoId": CLIENT_ORDER_ID,
    "algoType": "CONDITIONAL",
    "orderType": "STOP_MARKET",
    "symbol": "BTCUSDT",
    "side": "SELL",
    "positionSide": "BOTH",
    "timeInForce": "GTC",
    "quantity": "0.01",
    "algoStatus": "NEW",
    "triggerPrice": "60000.00",
    "price": "0.00",
    "icebergQuantity": None,
    "selfTradePreventionMode": "EXPIRE_MAKER",
    "workingType": "CONTRACT_PRICE",
    "priceMatch": "NONE",
    "closePosition": False,
    "priceProtect": False,
    "reduceOnly": False,
    "createTime": NOW_MS,
    "updateTime": NOW_MS + 3,
    "triggerTime": 0,
    "goodTillDate": 0,
}
QUERIED_ALGO = ALGO | {"actualOrderId": "", "actualPrice": "0.00000"}
TRIGGERED = QUERIED_ALGO | {"algoStatus": "TRIGGERED", "actualOrderId": "22542179"}
ACTUAL = QUERIED | MARKET | {"clientOrderId": "algo-made-this", "side": "SELL", "origType": "STOP_MARKET"}
ALGO_CANCELLED = {"algoId": 2146760, "clientAlgoId": CLIENT_ORDER_ID, "code": "200", "msg": "success"}

NO_SUCH_ORDER = an_error(-2013, "Order does not exist.")
UNKNOWN_ORDER = an_error(-2011, "Unknown order sent.")

NAMED = f"symbol=BTCUSDT&origClientOrderId={CLIENT_ORDER_ID}"
NAMED_ALGO = f"symbol=BTCUSDT&clientAlgoId={CLIENT_ORDER_ID}"
GET, DELETE = f"GET /fapi/v1/order?{NAMED}", f"DELETE /fapi/v1/order?{NAMED}"
GET_ALGO, DELETE_ALGO = f"GET /fapi/v1/algoOrder?{NAMED_ALGO}", f"DELETE /fapi/v1/algoOrder?{NAMED_ALGO}"
GET_ACTUAL = "GET /fapi/v1/order?symbol=BTCUSDT&orderId=22542179"
DELETE_ACTUAL = "DELETE /fapi/v1/order?symbol=BTCUSDT&orderId=22542179"
USER_TRADES = "GET /fapi/v1/userTrades?symbol=BTCUSDT&orderId=22542179&limit=1000"


def a_stop(**over: object) -> Order:
    stop = {"type": OrderType.STOP_LOSS, "side": Side.SELL, "stop_price": Decimal("60000.00")}
    return a_market_order(**(stop | over))


# --- Writing orders ---------------------------------------------------------------------------------------------------


def written(order: Order) -> str:
    return shown([VENUE.place(order)])[0]


@pytest.mark.parametrize(
    ("order", "request_"),
    [
        (
            an_order(),
            "POST /fapi/v1/order?symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.01&price=65000.10",
        ),
        (
            an_order(type=OrderType.LIMIT_MAKER, time_in_force=None),
            "POST /fapi/v1/order?symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTX&quantity=0.01&price=65000.10",
        ),
        (
            a_market_order(reduce_only=True),
            "POST /fapi/v1/order?symbol=BTCUSDT&side=BUY&type=MARKET&reduceOnly=true&quantity=0.01",
        ),
        (
            a_market_order(position_side=PositionSide.SHORT, reduce_only=True),
            "POST /fapi/v1/order?symbol=BTCUSDT&side=BUY&type=MARKET&positionSide=SHORT&quantity=0.01",
        ),
        (
            an_order(time_in_force=TimeInForce.GTD, good_till_ms=NOW_MS + 900_123),
            (
                "POST /fapi/v1/order?symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTD&quantity=0.01&price=65000.10"
                f"&goodTillDate={NOW_MS + 900_000}"
            ),
        ),
    ],
)
def test_an_ordinary_order_is_written_with_a_result_wanted(order: Order, request_: str) -> None:
    ending = f"&newClientOrderId={CLIENT_ORDER_ID}&newOrderRespType=RESULT"
    assert written(order) == request_ + ending
    call = VENUE.place(order)
    assert (call.weight, call.orders) == (0, 1)


@pytest.mark.parametrize(
    ("order", "request_"),
    [
        (a_stop(), "side=SELL&type=STOP_MARKET&quantity=0.01&triggerPrice=60000.00"),
        (
            a_stop(type=OrderType.STOP_LOSS_LIMIT, price=Decimal(59_000), time_in_force=TimeInForce.IOC),
            "side=SELL&type=STOP&timeInForce=IOC&quantity=0.01&price=59000&triggerPrice=60000.00",
        ),
        (
            a_stop(type=OrderType.TAKE_PROFIT, reduce_only=True),
            "side=SELL&type=TAKE_PROFIT_MARKET&reduceOnly=true&quantity=0.01&triggerPrice=60000.00",
        ),
        (
            a_stop(type=OrderType.TAKE_PROFIT_LIMIT, price=Decimal(70_000), position_side=PositionSide.LONG),
            "side=SELL&type=TAKE_PROFIT&positionSide=LONG&quantity=0.01&price=70000&triggerPrice=60000.00",
        ),
        (
            a_stop(close_position=True, quantity=None, reduce_only=True),
            "side=SELL&type=STOP_MARKET&closePosition=true&triggerPrice=60000.00",
        ),
        (
            a_stop(type=OrderType.TRAILING_STOP, stop_price=None, trailing_delta=Decimal(150)),
            "side=SELL&type=TRAILING_STOP_MARKET&quantity=0.01&callbackRate=1.5",
        ),
        (
            a_stop(type=OrderType.TRAILING_STOP, trailing_delta=Decimal(10)),
            "side=SELL&type=TRAILING_STOP_MARKET&quantity=0.01&activatePrice=60000.00&callbackRate=0.1",
        ),
    ],
)
def test_a_conditional_order_is_written_for_the_algo_service_under_the_same_id(
    order: Order, request_: str
) -> None:
    start = "POST /fapi/v1/algoOrder?algoType=CONDITIONAL&symbol=BTCUSDT&"
    assert written(order) == f"{start}{request_}&clientAlgoId={CLIENT_ORDER_ID}"
    call = VENUE.place(order)
    assert (call.weight, call.orders) == (0, 1)


@pytest.mark.parametrize(
    ("over", "purpose"),
    [
        ({}, Purpose.PLACE),
        ({"reduce_only": True}, Purpose.REDUCE),
        ({"side": Side.SELL, "position_side": PositionSide.LONG}, Purpose.REDUCE),
        ({"side": Side.BUY, "position_side": PositionSide.SHORT}, Purpose.REDUCE),
        ({"side": Side.BUY, "position_side": PositionSide.LONG}, Purpose.PLACE),
    ],
)
def test_an_order_that_only_reduces_a_position_may_use_what_is_kept_for_it(
    over: dict[str, Any], purpose: Purpose
) -> None:
    assert VENUE.place(an_order(**over)).purpose is purpose
    assert VENUE.place(a_stop(**over)).purpose is purpose
    assert VENUE.place(a_stop(close_position=True, quantity=None)).purpose is Purpose.REDUCE
    assert VENUE.kept_for_reducing == 0.05


def test_a_dry_run_exists_for_ordinary_orders_only() -> None:
    call = VENUE.test_order(an_order())
    assert call is not None
    assert (call.path, call.orders) == ("/fapi/v1/order/test", 0)
    assert VENUE.test_order(a_stop()) is None


# --- Reading placements -----------------------------------------------------------------------------------------------


def test_an_order_that_rests_by_the_reply_may_have_filled_and_is_looked_up() -> None:
    verdict = VENUE.read_placement(an_order(), a_reply(PLACED))
    assert isinstance(verdict, Accepted)
    assert (verdict.report.venue_order_id, verdict.report.state) == ("22542179", OrderState.OPEN)
    assert verdict.report.is_abridged


def test_an_order_that_ended_without_an_execution_is_told_by_the_reply() -> None:
    verdict = VENUE.read_placement(an_order(), a_reply(PLACED | {"status": "EXPIRED"}))
    assert isinstance(verdict, Accepted)
    assert (verdict.report.state, verdict.report.executed_quote) == (OrderState.EXPIRED, Decimal(0))
    assert not verdict.report.is_abridged


@pytest.mark.parametrize("reply", [PLACED | FILLED, PLACED | PAID])
def test_a_filled_order_is_told_with_its_price_and_fees_after_a_look_up(reply: dict[str, object]) -> None:
    order = a_market_order()
    verdict = VENUE.read_placement(order, a_reply(reply))
    assert isinstance(verdict, Accepted)
    assert verdict.report.state is OrderState.FILLED
    assert verdict.report.is_abridged
    sighting, calls = run(
        VENUE.find(order, venue_order_id=None, since_ms=NOW_MS), a_reply(QUERIED | PAID), a_reply(TRADES)
    )
    assert isinstance(sighting, Found)
    assert not sighting.report.is_abridged
    assert sighting.report.average_price == Decimal(65_001)
    assert [(fill.fee, fill.fee_asset) for fill in sighting.report.fills] == [(Decimal("0.260004"), "USDT")]
    assert shown(calls) == [GET, USER_TRADES]


def test_an_average_stands_in_for_a_sum_that_is_not_told() -> None:
    reply = {name: value for name, value in (QUERIED | PAID).items() if name != "cumQuote"}
    sighting, _ = run(
        VENUE.find(a_market_order(), venue_order_id=None, since_ms=NOW_MS), a_reply(reply), LOST
    )
    assert isinstance(sighting, Found)
    assert (sighting.report.executed_quote, sighting.report.average_price) == (
        Decimal("650.01"),
        Decimal(65_001),
    )


def test_a_waiting_conditional_order_has_landed_and_executed_nothing() -> None:
    verdict = VENUE.read_placement(a_stop(), a_reply(ALGO))
    assert isinstance(verdict, Accepted)
    report = verdict.report
    assert (report.venue_order_id, report.client_order_id) == ("2146760", CLIENT_ORDER_ID)
    assert (report.state, report.executed_quantity) == (OrderState.OPEN, Decimal(0))
    assert (report.type, report.created_ms) == (OrderType.STOP_LOSS, NOW_MS)


def test_a_trailing_stop_is_recognised_in_the_algo_service_s_words() -> None:
    order = a_stop(type=OrderType.TRAILING_STOP, stop_price=None, trailing_delta=Decimal(100))
    reply = ALGO | {"orderType": "TRAILING_STOP_MARKET", "callbackRate": "1.0", "triggerPrice": "0.00"}
    assert isinstance(VENUE.read_placement(order, a_reply(reply)), Accepted)
    assert isinstance(find(order, a_reply(reply))[0], Found)


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        ALGO | {"clientAlgoId": "another"},
        ALGO | {"algoId": None},
        ALGO | {"side": "BUY"},
        ALGO | {"quantity": "0.02"},
        PLACED,
        ALGO_CANCELLED | {"clientAlgoId": ""},
    ],
)
def test_an_algo_reply_that_is_not_about_our_order_proves_nothing(body: object) -> None:
    assert isinstance(VENUE.read_placement(a_stop(), a_reply(body)), Unproven)


@pytest.mark.parametrize(
    ("answer", "landed", "code"),
    [
        (an_error(-4116, "ClientOrderId is duplicated."), Landed.UNKNOWN, "duplicate_order"),
        (an_error(-2021, "Order would immediately trigger."), Landed.NO, "would_trigger_immediately"),
        (an_error(-2022, "ReduceOnly Order is rejected."), Landed.NO, "reduce_only_rejected"),
        (an_error(-5022, "Due to the order could not be executed as maker"), Landed.NO, None),
        (an_error(-1007, "Timeout waiting for response", 503), Landed.UNKNOWN, "execution_unknown"),
        (an_error(-4164, "Order's notional must be no smaller than 5.0"), Landed.NO, "filter_min_notional"),
        (
            a_reply({"code": -1000, "msg": "Unknown error, please check your request"}, 503),
            Landed.UNKNOWN,
            None,
        ),
        (LOST, Landed.UNKNOWN, "connection_lost"),
    ],
)
@pytest.mark.parametrize("order", [an_order(), a_stop()])
def test_an_error_proves_what_the_table_says(
    order: Order, answer: Reply | Fault, landed: Landed, code: str | None
) -> None:
    verdict = VENUE.read_placement(order, answer)
    assert isinstance(verdict, Refused if landed is Landed.NO else Unproven)
    assert code is None or verdict.error.code == code


def test_a_stamp_refused_by_the_matching_engine_did_not_land_and_asks_for_the_clock() -> None:
    answer = an_error(-5028, "Timestamp for this request is outside of the ME recvWindow.")
    verdict = VENUE.read_placement(an_order(), answer)
    assert isinstance(verdict, Refused)
    assert verdict.error.entry.retry is Retry.AFTER_RESYNC


# --- Looking up -------------------------------------------------------------------------------------------------------


def find(order: Order, *answers: Reply | Fault, since_ms: int = NOW_MS) -> tuple[object, list[str]]:
    sighting, calls = run(VENUE.find(order, venue_order_id="1", since_ms=since_ms), *answers)
    return sighting, shown(calls)


def test_an_ordinary_order_is_asked_for_where_ordinary_orders_are() -> None:
    assert find(an_order(), NO_SUCH_ORDER) == (Absent(), [GET])
    sighting, calls = find(an_order(), a_reply(QUERIED))
    assert isinstance(sighting, Found)
    assert calls == [GET]


def test_a_conditional_order_is_absent_only_when_neither_service_has_it() -> None:
    assert find(a_stop(), NO_SUCH_ORDER, NO_SUCH_ORDER) == (Absent(), [GET_ALGO, GET])
    sighting, calls = find(a_stop(), NO_SUCH_ORDER, LOST)
    assert isinstance(sighting, LookupFailed)
    assert calls == [GET_ALGO, GET]
    sighting, _ = find(a_stop(), NO_SUCH_ORDER, a_reply(ACTUAL | {"clientOrderId": CLIENT_ORDER_ID}))
    assert isinstance(sighting, Found)


@pytest.mark.parametrize("answer", [LOST, an_error(-1003, status=429), a_reply("", 502), a_reply({})])
def test_an_algo_service_that_cannot_be_asked_proves_nothing(answer: Reply | Fault) -> None:
    sighting, calls = find(a_stop(), answer)
    assert isinstance(sighting, LookupFailed)
    assert calls == [GET_ALGO]


def test_a_waiting_conditional_order_is_found_by_one_request() -> None:
    sighting, calls = find(a_stop(), a_reply(QUERIED_ALGO))
    assert isinstance(sighting, Found)
    assert sighting.report.state is OrderState.OPEN
    assert calls == [GET_ALGO]


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("CANCELED", OrderState.CANCELLED),
        ("EXPIRED", OrderState.EXPIRED),
        ("REJECTED", OrderState.REJECTED),
        ("TRIGGERING", OrderState.PENDING),
        ("TRIGGERED", None),
        ("FINISHED", None),
        ("NEVER_HEARD_OF_IT", None),
    ],
)
def test_a_state_is_claimed_only_when_the_algo_service_knows_it(
    status: str, state: OrderState | None
) -> None:
    sighting, _ = find(a_stop(), a_reply(QUERIED_ALGO | {"algoStatus": status}))
    assert isinstance(sighting, Found)
    assert sighting.report.state is state


def test_a_triggered_order_is_followed_to_the_order_it_became() -> None:
    filled = ACTUAL | {"status": "FILLED", "executedQty": "0.01", "cumQuote": "650.01"}
    sighting, calls = find(a_stop(), a_reply(TRIGGERED), a_reply(filled), a_reply(TRADES))
    assert isinstance(sighting, Found)
    report = sighting.report
    assert (report.client_order_id, report.venue_order_id) == (CLIENT_ORDER_ID, "22542179")
    assert (report.state, report.average_price, len(report.fills)) == (
        OrderState.FILLED,
        Decimal(65_001),
        1,
    )
    assert calls == [GET_ALGO, GET_ACTUAL, USER_TRADES]


@pytest.mark.parametrize("status", ["CANCELED", "EXPIRED", "FINISHED"])
def test_an_ended_order_that_had_triggered_may_have_executed_something(status: str) -> None:
    ended = QUERIED_ALGO | {"algoStatus": status, "actualOrderId": 22542179}
    actual = ACTUAL | {"status": "EXPIRED", "executedQty": "0.004", "cumQuote": "260"}
    sighting, _ = find(a_stop(), a_reply(ended), a_reply(actual), LOST)
    assert isinstance(sighting, Found)
    assert (sighting.report.state, sighting.report.executed_quantity) == (
        OrderState.EXPIRED,
        Decimal("0.004"),
    )


def test_a_triggered_order_that_is_not_shown_yet_has_landed_all_the_same() -> None:
    sighting, calls = find(a_stop(), a_reply(TRIGGERED), NO_SUCH_ORDER)
    assert isinstance(sighting, Found)
    assert sighting.report.state is None
    assert calls == [GET_ALGO, GET_ACTUAL]
    assert isinstance(find(a_stop(), a_reply(TRIGGERED), LOST)[0], LookupFailed)
    assert isinstance(find(a_stop(), a_reply(TRIGGERED), a_reply(ACTUAL | {"orderId": 7}))[0], LookupFailed)


def test_an_order_of_another_shape_or_time_under_our_id_is_never_guessed_to_be_ours() -> None:
    assert find(an_order(), a_reply(QUERIED | {"side": "SELL"}))[0] == Ambiguous(candidates=1)
    assert find(a_stop(), a_reply(QUERIED_ALGO | {"side": "BUY"}))[0] == Ambiguous(candidates=1)
    later_ms = NOW_MS + 3_600_000
    assert find(a_stop(), a_reply(QUERIED_ALGO), NO_SUCH_ORDER, since_ms=later_ms)[0] == Absent()
    assert find(a_stop(), a_reply(QUERIED_ALGO), since_ms=NOW_MS + 60_000)[0] == Ambiguous(candidates=1)


def test_by_our_id_alone_both_services_are_asked() -> None:
    flow = VENUE.find_by_id("BTCUSDT", CLIENT_ORDER_ID, since_ms=NOW_MS)
    sighting, calls = run(flow, NO_SUCH_ORDER, a_reply(QUERIED_ALGO))
    assert isinstance(sighting, Found)
    assert shown(calls) == [GET, GET_ALGO]
    flow = VENUE.find_by_id("BTCUSDT", CLIENT_ORDER_ID, since_ms=NOW_MS)
    assert run(flow, NO_SUCH_ORDER, NO_SUCH_ORDER)[0] == Absent()
    flow = VENUE.find_by_id("BTCUSDT", CLIENT_ORDER_ID, since_ms=NOW_MS)
    assert isinstance(run(flow, NO_SUCH_ORDER, LOST)[0], LookupFailed)


# --- Cancelling -------------------------------------------------------------------------------------------------------


def cancel(*answers: Reply | Fault) -> tuple[object, list[str]]:
    verdict, calls = run(VENUE.cancel("BTCUSDT", CLIENT_ORDER_ID, None), *answers)
    return verdict, shown(calls)


def state_of(verdict: object) -> OrderState | None:
    assert isinstance(verdict, Accepted), verdict
    return verdict.report.state


def test_an_ordinary_order_is_cancelled_by_one_request() -> None:
    verdict, calls = cancel(a_reply(PLACED | {"status": "CANCELED"}))
    assert state_of(verdict) is OrderState.CANCELLED
    assert calls == [DELETE]


def test_a_cancelled_order_that_executed_something_is_told_with_its_price() -> None:
    partly = PLACED | {"status": "CANCELED", "executedQty": "0.010"}
    verdict, calls = cancel(a_reply(partly), a_reply(TRADES))
    assert isinstance(verdict, Accepted)
    assert verdict.report.average_price == Decimal(65_001)
    assert calls == [DELETE, USER_TRADES]


def test_a_conditional_order_is_cancelled_at_the_algo_service_and_confirmed_there() -> None:
    cancelled = a_reply(QUERIED_ALGO | {"algoStatus": "CANCELED"})
    verdict, calls = cancel(UNKNOWN_ORDER, a_reply(ALGO_CANCELLED), NO_SUCH_ORDER, cancelled)
    assert state_of(verdict) is OrderState.CANCELLED
    assert calls == [DELETE, DELETE_ALGO, GET, GET_ALGO]


def test_an_order_that_triggered_is_cancelled_as_the_order_it_became() -> None:
    verdict, calls = cancel(
        UNKNOWN_ORDER,
        UNKNOWN_ORDER,
        NO_SUCH_ORDER,
        a_reply(TRIGGERED),
        a_reply(ACTUAL),
        a_reply(ACTUAL | {"status": "CANCELED"}),
    )
    assert state_of(verdict) is OrderState.CANCELLED
    assert calls == [DELETE, DELETE_ALGO, GET, GET_ALGO, GET_ACTUAL, DELETE_ACTUAL]


def test_an_order_that_ended_before_its_cancel_is_told_as_it_ended() -> None:
    verdict, calls = cancel(UNKNOWN_ORDER, UNKNOWN_ORDER, a_reply(QUERIED | PAID), a_reply(TRADES))
    assert state_of(verdict) is OrderState.FILLED
    assert calls == [DELETE, DELETE_ALGO, GET, USER_TRADES]
    filled = ACTUAL | {"status": "FILLED", "executedQty": "0.01", "cumQuote": "650.01"}
    answers = (NO_SUCH_ORDER, a_reply(TRIGGERED | {"algoStatus": "FINISHED"}), a_reply(filled), LOST)
    verdict, _ = cancel(UNKNOWN_ORDER, UNKNOWN_ORDER, *answers)
    assert state_of(verdict) is OrderState.FILLED


def test_an_order_that_reached_the_book_just_after_its_cancel_is_cancelled_once_more() -> None:
    verdict, calls = cancel(
        UNKNOWN_ORDER, UNKNOWN_ORDER, a_reply(QUERIED), a_reply(PLACED | {"status": "CANCELED"})
    )
    assert state_of(verdict) is OrderState.CANCELLED
    assert calls == [DELETE, DELETE_ALGO, GET, DELETE]
    again = (UNKNOWN_ORDER, UNKNOWN_ORDER, a_reply(QUERIED))
    assert state_of(cancel(*again, *again)[0]) is OrderState.OPEN


def test_a_cancel_of_nothing_is_refused_only_when_both_services_know_nothing() -> None:
    verdict, _ = cancel(UNKNOWN_ORDER, UNKNOWN_ORDER, NO_SUCH_ORDER, NO_SUCH_ORDER)
    assert isinstance(verdict, Refused)
    assert verdict.error.code == "order_not_found"


@pytest.mark.parametrize(
    "answers",
    [
        [LOST],
        [a_reply({})],
        [UNKNOWN_ORDER, LOST],
        [UNKNOWN_ORDER, UNKNOWN_ORDER, LOST],
        [UNKNOWN_ORDER, UNKNOWN_ORDER, NO_SUCH_ORDER, LOST],
        [UNKNOWN_ORDER, a_reply(ALGO_CANCELLED), NO_SUCH_ORDER, NO_SUCH_ORDER],
    ],
)
def test_a_cancel_without_a_clear_answer_is_unproven(answers: list[Reply | Fault]) -> None:
    assert isinstance(cancel(*answers)[0], Unproven)


NO_SUCH_PATH = [
    a_reply("<html>404</html>", 404),
    a_reply({"detail": "Not Found"}, 405),
    an_error(-1000, status=404),
]


@pytest.mark.parametrize("nowhere", NO_SUCH_PATH)
def test_a_house_without_the_algo_service_has_ordinary_orders_only(nowhere: Reply) -> None:
    verdict, calls = cancel(UNKNOWN_ORDER, nowhere, a_reply(QUERIED | PAID), a_reply(TRADES))
    assert state_of(verdict) is OrderState.FILLED
    assert calls == [DELETE, DELETE_ALGO, GET, USER_TRADES]
    verdict, _ = cancel(UNKNOWN_ORDER, nowhere, NO_SUCH_ORDER, nowhere)
    assert isinstance(verdict, Refused)
    assert (verdict.error.code, verdict.error.venue_code) == ("order_not_found", -2011)
    flow = VENUE.find_by_id("BTCUSDT", CLIENT_ORDER_ID, since_ms=NOW_MS)
    assert run(flow, NO_SUCH_ORDER, nowhere)[0] == Absent()
    sweep, _ = run(VENUE.cancel_all("BTCUSDT"), a_reply([QUERIED]), DONE, nowhere)
    assert isinstance(sweep, AllCancelled)
    assert len(sweep.orders) == 1


@pytest.mark.parametrize("nowhere", NO_SUCH_PATH)
def test_a_conditional_order_in_doubt_is_not_absent_because_its_service_cannot_be_found(
    nowhere: Reply,
) -> None:
    assert isinstance(find(a_stop(), nowhere)[0], LookupFailed)
    assert not isinstance(run(VENUE.cancel_all("BTCUSDT"), nowhere)[0], AllCancelled)


LISTED = "?symbol=BTCUSDT"
DONE = a_reply({"code": 200, "msg": "The operation of cancel all open order is done."})


def test_cancel_all_closes_ordinary_and_conditional_orders_and_names_them() -> None:
    flow = VENUE.cancel_all("BTCUSDT")
    sweep, calls = run(flow, a_reply([QUERIED]), DONE, a_reply([ALGO | {"clientAlgoId": "stop"}]), DONE)
    assert sweep == AllCancelled(
        orders=(
            CancelledOrder(client_order_id=CLIENT_ORDER_ID, venue_order_id="22542179"),
            CancelledOrder(client_order_id="stop", venue_order_id="2146760"),
        )
    )
    assert shown(calls) == [
        f"GET /fapi/v1/openOrders{LISTED}",
        f"DELETE /fapi/v1/allOpenOrders{LISTED}",
        f"GET /fapi/v1/openAlgoOrders{LISTED}",
        f"DELETE /fapi/v1/algoOpenOrders{LISTED}",
    ]


def test_cancel_all_of_nothing_deletes_nothing() -> None:
    sweep, calls = run(VENUE.cancel_all("BTCUSDT"), a_reply([]), a_reply([]))
    assert sweep == AllCancelled(orders=())
    assert len(calls) == 2


def test_half_a_sweep_is_no_refusal() -> None:
    refused = an_error(-2015, "Invalid API-key, IP, or permissions for action.", 401)
    assert isinstance(run(VENUE.cancel_all("BTCUSDT"), refused)[0], Refused)
    assert isinstance(run(VENUE.cancel_all("BTCUSDT"), a_reply([QUERIED]), LOST)[0], Unproven)
    assert isinstance(run(VENUE.cancel_all("BTCUSDT"), a_reply([QUERIED]), DONE, refused)[0], Unproven)
    assert isinstance(run(VENUE.cancel_all("BTCUSDT"), a_reply([]), a_reply({"no": "list"}))[0], Unproven)


# --- Rules ------------------------------------------------------------------------------------------------------------

# "Exchange Information", one symbol of it.
SYMBOL = {
    "symbol": "BTCUSDT",
    "pair": "BTCUSDT",
    "contractType": "PERPETUAL",
    "status": "TRADING",
    "baseAsset": "BTC",
    "quoteAsset": "USDT",
    "marginAsset": "USDT",
    "pricePrecision": 2,
    "quantityPrecision": 3,
    "orderTypes": ["LIMIT", "MARKET", "STOP", "STOP_MARKET", "TAKE_PROFIT", "TRAILING_STOP_MARKET"],
    "timeInForce": ["GTC", "IOC", "FOK", "GTX", "GTD"],
    "filters": [
        {"filterType": "PRICE_FILTER", "minPrice": "556.85", "maxPrice": "4529764", "tickSize": "0.10"},
        {"filterType": "LOT_SIZE", "minQty": "0.001", "maxQty": "1000", "stepSize": "0.002"},
        {"filterType": "MARKET_LOT_SIZE", "minQty": "0.003", "maxQty": "120", "stepSize": "0.004"},
        {"filterType": "MAX_NUM_ORDERS", "limit": 200},
        {"filterType": "MIN_NOTIONAL", "notional": "100"},
        {
            "filterType": "PERCENT_PRICE",
            "multiplierUp": "1.0500",
            "multiplierDown": "0.9500",
            "multiplierDecimal": "4",
        },
    ],
}
LIMITS = [
    {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 2400},
    {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 300},
]


def rules(**over: object) -> SymbolRules:
    body = {"symbols": [SYMBOL | over], "rateLimits": LIMITS}
    return next(iter(rules_of(VENUE, body).symbols.values()))


def test_rules_are_read_with_the_offsets_their_steps_count_from() -> None:
    read = rules()
    assert (read.price_offset, read.step_offset, read.market_step_offset) == (
        Decimal("556.85"),
        Decimal("0.001"),
        Decimal("0.003"),
    )
    assert (read.bid_multiplier_up, read.bid_multiplier_down) == (Decimal("1.05"), None)
    assert (read.ask_multiplier_up, read.ask_multiplier_down) == (None, Decimal("0.95"))
    assert read.order_types == frozenset(OrderType) - {OrderType.TAKE_PROFIT}
    assert rules_of(VENUE, {"symbols": [SYMBOL], "rateLimits": LIMITS}).limits == (
        RateLimit(kind=LimitKind.REQUEST_WEIGHT, limit=2_400, interval_s=60),
        RateLimit(kind=LimitKind.ORDERS, limit=300, interval_s=10),
    )


def test_order_types_are_found_under_their_earlier_name_and_post_only_among_the_times_in_force() -> None:
    earlier = {"orderTypes": None, "OrderType": ["LIMIT", "MARKET"], "timeInForce": ["GTC", "IOC"]}
    row = {name: value for name, value in (SYMBOL | earlier).items() if value is not None}
    read = rules_of(VENUE, {"symbols": [row]}).symbols["BTCUSDT"]
    assert read.order_types == {OrderType.LIMIT, OrderType.MARKET}


@pytest.mark.parametrize("status", ["PENDING_TRADING", "PRE_SETTLE", "SETTLING", "CLOSE", "TRADING_HALT"])
def test_a_contract_that_does_not_trade_is_refused(status: str) -> None:
    error = VENUE.prepare(an_order(), rules(status=status), None)
    assert isinstance(error, VenueError)
    assert error.code == "symbol_not_trading"


def test_a_dated_future_keeps_its_date_in_both_directions() -> None:
    display = rules(symbol="BTCUSDT_261225").display
    assert display == "BTC/USDT_261225"
    assert display.replace("/", "") == "BTCUSDT_261225"
    assert rules().display == "BTC/USDT"


def violation(order: Order, mark: str | None = "65000") -> tuple[str, str]:
    error = VENUE.prepare(order, rules(), Decimal(mark) if mark else None)
    assert isinstance(error, VenueError), error
    return error.code, error.detail or ""


def a_limit(price: str = "65000.05", **over: object) -> Order:
    return an_order(**({"quantity": Decimal("0.005"), "price": Decimal(price)} | over))


@pytest.mark.parametrize(
    ("order", "code", "said"),
    [
        (
            a_limit("65000.10"),
            "filter_price_filter",
            "counted from 556.85; the nearest allowed value is 65000.05",
        ),
        (a_limit("500"), "filter_price_filter", "the nearest allowed value is 556.85"),
        (a_limit(quantity=Decimal("0.004")), "filter_lot_size", "nearest allowed value is 0.003"),
        (
            a_market_order(quantity=Decimal("0.005")),
            "filter_market_lot_size",
            "nearest allowed value is 0.003",
        ),
        (
            a_limit("68250.15"),
            "filter_percent_price",
            "mark price 65000; the nearest allowed value is 68249.95",
        ),
        (
            a_limit("61749.95", side=Side.SELL),
            "filter_percent_price",
            "mark price 65000; the nearest allowed value is 61750.05",
        ),
        (a_limit("19900.05"), "filter_min_notional", "at least 100 is required"),
        (
            a_market_order(quantity=Decimal("0.003")),
            "filter_min_notional",
            "smallest quantity at 30000 is 0.005",
        ),
        (
            a_stop(type=OrderType.TRAILING_STOP, stop_price=None, trailing_delta=Decimal(5)),
            "filter_trailing_delta",
            "below the minimum 10",
        ),
    ],
)
def test_a_filter_is_checked_by_the_futures_rule(order: Order, code: str, said: str) -> None:
    found, detail = violation(order, "30000" if "30000" in said else "65000")
    assert found == code
    assert said in detail


@pytest.mark.parametrize(
    "order",
    [
        a_limit(),
        a_limit("61000.05"),  # far below, and a buy is bounded above only
        a_limit("70000.05", side=Side.SELL),
        a_limit("10000.05", reduce_only=True),
        a_market_order(quantity=Decimal("0.003"), reduce_only=True),
        a_market_order(quantity=Decimal("0.007")),
        a_stop(quantity=Decimal("0.001"), stop_price=Decimal("60000.05")),
        a_stop(quantity=None, close_position=True, stop_price=Decimal("60000.05")),
        a_limit("59000.05", type=OrderType.STOP_LOSS_LIMIT, side=Side.SELL, stop_price=Decimal("60000.05")),
    ],
)
def test_what_keeps_every_rule_passes(order: Order) -> None:
    assert isinstance(VENUE.prepare(order, rules(), Decimal(65_000)), Order)


def test_the_mark_price_is_wanted_where_a_rule_is_measured_on_it() -> None:
    read = rules()
    assert VENUE.needs_price(a_market_order(), read)
    assert VENUE.needs_price(an_order(), read)
    assert not VENUE.needs_price(a_market_order(reduce_only=True), read)
    assert not VENUE.needs_price(a_stop(), read)
    price, (call,) = run(VENUE.last_price("BTCUSDT"), a_reply({"symbol": "BTCUSDT", "markPrice": "65001.5"}))
    assert (price, call.path) == (Decimal("65001.5"), "/fapi/v1/premiumIndex")


# --- Refused before a request -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("order", "code", "said"),
    [
        (
            a_market_order(quantity=None, quote_quantity=Decimal(100)),
            "unsupported_option",
            "no quote_quantity",
        ),
        (a_stop(trailing_delta=Decimal(100)), "unsupported_option", "on trailing_stop orders only"),
        (
            a_market_order(quantity=None, close_position=True),
            "unsupported_option",
            "close_position on stop_loss, take_profit",
        ),
        (a_stop(close_position=True), "invalid_signal", "takes no quantity"),
        (
            a_market_order(position_side=PositionSide.LONG, reduce_only=True),
            "unsupported_option",
            "a buy of the long position opens it",
        ),
        (an_order(time_in_force=TimeInForce.GTD), "invalid_signal", "needs a valid_until"),
        (
            a_stop(
                type=OrderType.STOP_LOSS_LIMIT,
                price=Decimal(59_000),
                time_in_force=TimeInForce.GTD,
                good_till_ms=NOW_MS,
            ),
            "unsupported_time_in_force",
            "it has fok, gtc, ioc",
        ),
    ],
)
def test_what_futures_have_not_is_refused_by_name(order: Order, code: str, said: str) -> None:
    error = VENUE.prepare(order, some_rules(), None)
    assert isinstance(error, VenueError)
    assert error.code == code
    assert said in (error.detail or "")


# --- Keys -------------------------------------------------------------------------------------------------------------


def test_the_futures_wallet_tells_what_is_free_and_what_margin_binds() -> None:
    row = {"asset": "USDT", "balance": "122.12", "availableBalance": "100.02", "marginAvailable": True}
    empty = {"asset": "BNB", "balance": "0", "availableBalance": "0"}
    balances, (call,) = run(VENUE.balances(), a_reply([row, empty, {"asset": "X"}]))
    assert isinstance(balances, tuple)
    assert [(held.asset, held.free, held.locked) for held in balances] == [
        ("USDT", Decimal("100.02"), Decimal("22.10"))
    ]
    assert (call.path, call.weight) == ("/fapi/v3/balance", 5)
