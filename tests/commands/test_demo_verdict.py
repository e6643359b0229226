"""The proof finds every way in which the promise can be broken."""

from collections.abc import Callable
from typing import Any

import orjson
import pytest

from worker.core.outcome import client_order_id
from worker.demo.verdict import Verdict, judge
from worker.demo.writer import Publication, describe

Json = dict[str, Any]


def a_signal(signal_id: str = "s-1", *, expects: str | None = None, **over: Any) -> Publication:
    fields = {
        "signal_id": signal_id,
        "account": "main",
        "symbol": "BTC/USDT",
        "side": "buy",
        "type": "market",
        "quantity": "0.01",
    }
    return describe(
        Publication(kind="market", account="main", body=orjson.dumps(fields | over), expects=expects)
    )


def an_outcome(signal: Publication, **over: Any) -> Json:
    return {
        "outcome_id": signal.outcome_id,
        "signal_id": signal.signal_id,
        "account": signal.account,
        "action": "place",
        "status": "filled",
        "landed": "yes",
        "client_order_id": signal.client_order_id,
        "venue_order_id": "28",
        "order": {"executed_quantity": "0.01"},
        "error": None,
        "revision": 0,
    } | over


def an_entry(signal: Publication, **over: Any) -> Json:
    return {
        "account": signal.account,
        "client_order_id": signal.client_order_id,
        "symbol": "BTCUSDT",
        "status": "FILLED",
        "executed_quantity": "0.01",
    } | over


REFUSED: Json = {"status": "rejected", "landed": "no", "order": None, "error": {"code": "unknown_symbol"}}


def judged(
    signals: list[Publication], outcomes: list[Json], ledger: list[Json], *, dead_letters: int = 0
) -> Verdict:
    answers: dict[str, list[Json]] = {}
    for outcome in outcomes:
        answers.setdefault(outcome["outcome_id"], []).append(outcome)
    return judge(signals, answers, ledger, dead_letters=dead_letters)


def test_one_outcome_and_one_execution_keep_the_promise() -> None:
    signal = a_signal()
    verdict = judged([signal], [an_outcome(signal)], [an_entry(signal)])
    assert verdict == Verdict()
    assert verdict.is_kept


def test_a_second_execution_of_a_signal_is_found() -> None:
    signal = a_signal()
    verdict = judged([signal], [an_outcome(signal)], [an_entry(signal), an_entry(signal)])
    assert verdict.executed_twice == verdict.placed_twice == [f"{signal.client_order_id} of main"]


def test_a_second_order_that_was_not_executed_is_found_too() -> None:
    signal = a_signal()
    open_order = an_entry(signal, status="NEW", executed_quantity="0")
    verdict = judged([signal], [an_outcome(signal)], [an_entry(signal), open_order])
    assert (verdict.executed_twice, len(verdict.placed_twice)) == ([], 1)


def test_a_signal_without_an_outcome_is_lost() -> None:
    signal = a_signal()
    assert judged([signal], [], []).lost == ["s-1 of main (market) was published 1 times, answered 0 times"]


def test_a_repeat_without_an_answer_of_its_own_is_lost() -> None:
    signal = a_signal()
    assert len(judged([signal, signal], [an_outcome(signal)], [an_entry(signal)]).lost) == 1


def test_a_message_without_an_id_must_be_among_the_dead_letters() -> None:
    junk = describe(Publication(kind="no signal", account="main", body=b"junk"))
    assert len(judged([junk], [], []).lost) == 1
    assert judged([junk], [], [], dead_letters=1).is_kept


@pytest.mark.parametrize(
    ("outcome", "entry"),
    [
        ({}, None),
        ({}, {"status": "NEW", "executed_quantity": "0"}),
        ({}, {"executed_quantity": "0.02"}),
        (REFUSED, {}),
        ({"status": "unfilled", "order": {"executed_quantity": "0"}}, {}),
        ({"status": "resting", "order": {"executed_quantity": "0.01"}}, {"executed_quantity": "0"}),
        ({"action": "cancel", "status": "cancelled"}, {}),
        ({"action": "cancel", "status": "filled"}, {"status": "CANCELED"}),
        ({"action": "cancel", "status": "rejected", "error": {"code": "order_not_found"}}, {}),
    ],
)
def test_an_outcome_that_the_ledger_does_not_bear_out_is_found(outcome: Json, entry: Json | None) -> None:
    signal = a_signal()
    ledger = [] if entry is None else [an_entry(signal, **entry)]
    assert len(judged([signal], [an_outcome(signal, **outcome)], ledger).contradictions) == 1


def test_a_cancel_all_must_have_cancelled_what_it_names() -> None:
    signal = a_signal()
    swept = an_outcome(
        signal, action="cancel_all", orders=[{"client_order_id": client_order_id("main", "s-1")}]
    )
    assert judged([signal], [swept], [an_entry(signal, status="CANCELED")]).is_kept
    assert not judged([signal], [swept], [an_entry(signal)]).is_kept


@pytest.mark.parametrize(
    "stranger",
    [
        lambda signal: ([an_outcome(signal), an_outcome(signal, outcome_id="?")], [an_entry(signal)]),
        lambda signal: ([an_outcome(signal)], [an_entry(signal), an_entry(signal, client_order_id="?")]),
    ],
)
def test_outcomes_and_orders_that_belong_to_no_signal_are_found(
    stranger: Callable[[Publication], tuple[list[Json], list[Json]]],
) -> None:
    signal = a_signal()
    assert not judged([signal], *stranger(signal)).is_kept


def test_answers_that_disagree_are_found() -> None:
    signal = a_signal()
    other = an_outcome(signal, status="resting")
    assert judged([signal, signal], [an_outcome(signal), other], [an_entry(signal)]).contradictions


def test_a_correction_counts_and_is_no_contradiction() -> None:
    signal = a_signal()
    unsure = an_outcome(signal, status="unknown", landed="unknown", order=None)
    verdict = judged([signal], [unsure, an_outcome(signal, revision=1)], [an_entry(signal)])
    assert verdict.is_kept
    assert verdict.unknown == 0


def test_unknown_is_counted_and_contradicts_nothing() -> None:
    signal = a_signal()
    unsure = an_outcome(signal, status="unknown", landed="unknown", order=None)
    verdict = judged([signal], [unsure], [an_entry(signal)])
    assert (verdict.is_kept, verdict.unknown) == (True, 1)


def test_an_order_that_overtook_another_of_its_lane_is_found() -> None:
    first, second = a_signal("s-1"), a_signal("s-2")
    outcomes = [an_outcome(first), an_outcome(second)]
    assert judged([first, second], outcomes, [an_entry(first), an_entry(second)]).is_kept
    turned = judged([first, second], outcomes, [an_entry(second), an_entry(first)])
    assert len(turned.out_of_order) == 1
    elsewhere = [an_entry(second, symbol="ETHUSDT"), an_entry(first)]
    assert judged([first, second], outcomes, elsewhere).is_kept


def test_a_refusal_for_another_reason_is_found() -> None:
    right, wrong = a_signal(expects="unknown_"), a_signal(expects="filter_")
    assert judged([right], [an_outcome(right, **REFUSED)], []).is_kept
    assert judged([wrong], [an_outcome(wrong, **REFUSED)], []).unexpected == [
        "s-1 of main (market): unknown_symbol instead of filter_"
    ]
