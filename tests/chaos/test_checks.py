"""The comparison of outcomes with the ledger finds each kind of lie."""

from typing import Any

import pytest

from tests.chaos.checks import check
from tests.chaos.plan import Event, Options, Planned, plan_events, plan_signals
from tests.chaos.venue import planned_faults


def a_signal(number: int = 1, **over: Any) -> Planned:
    fields = {"signal_id": f"s-{number}", "account": "main", "symbol": "BTCUSDT", "side": "buy"}
    return Planned(fields=fields, number=number, **over)


def an_outcome(signal_: Planned, **over: Any) -> dict[str, Any]:
    return {
        "outcome_id": f"o-{signal_.signal_id}",
        "signal_id": signal_.signal_id,
        "status": "filled",
        "landed": "yes",
        "venue_order_id": "1",
        "revision": 0,
        "error": None,
        "order": {"side": "buy", "executed_quantity": "0.010"},
    } | over


def a_row(signal_: Planned, **over: Any) -> dict[str, Any]:
    return {
        "client_order_id": signal_.client_order_id,
        "venue_order_id": "1",
        "status": "FILLED",
        "side": "BUY",
        "executed_quantity": "0.01",
    } | over


def kinds(signals: list[Planned], outcomes: list[dict[str, Any]], ledger: list[dict[str, Any]]) -> list[str]:
    told: dict[str, list[dict[str, Any]]] = {}
    for outcome in outcomes:
        told.setdefault(outcome["signal_id"], []).append(outcome)
    return [violation.kind for violation in check(signals, told, ledger)]


ONE = a_signal()
CONFLICT = {
    "status": "rejected",
    "landed": "no",
    "outcome_id": "other",
    "error": {"code": "signal_id_conflict"},
}


def test_what_was_told_as_it_happened_is_no_violation() -> None:
    again = a_signal(2, conflicting=True)
    outcomes = [an_outcome(ONE), an_outcome(ONE), an_outcome(again), an_outcome(again, **CONFLICT)]
    assert not kinds([ONE, again], outcomes, [a_row(ONE), a_row(again)])


NOTHING: dict[str, Any] = {"status": "rejected", "landed": "no", "venue_order_id": None, "order": None}
UNKNOWN: dict[str, Any] = {"status": "unknown", "landed": "unknown", "venue_order_id": None, "order": None}


@pytest.mark.parametrize("ledger", [[], [a_row(ONE)]])
def test_an_unknown_fate_is_allowed_whatever_it_was(ledger: list[dict[str, Any]]) -> None:
    assert not kinds([ONE], [an_outcome(ONE, **UNKNOWN)], ledger)


def test_a_revision_may_say_something_else() -> None:
    assert not kinds([ONE], [an_outcome(ONE, **UNKNOWN), an_outcome(ONE, revision=1)], [a_row(ONE)])


@pytest.mark.parametrize(
    ("kind", "outcomes", "ledger"),
    [
        ("lost", [], [a_row(ONE)]),
        ("extra execution", [an_outcome(ONE)], [a_row(ONE), a_row(ONE, venue_order_id="2")]),
        ("invented reject", [an_outcome(ONE, **NOTHING)], [a_row(ONE)]),
        ("invented reject", [an_outcome(ONE, **NOTHING)], [a_row(ONE, status="NEW")]),
        ("false claim", [an_outcome(ONE)], []),
        ("false claim", [an_outcome(ONE, **(UNKNOWN | {"landed": "yes"}))], []),
        ("false claim", [an_outcome(ONE, status="unfilled")], [a_row(ONE)]),
        ("false claim", [an_outcome(ONE, venue_order_id="7")], [a_row(ONE)]),
        ("false claim", [an_outcome(ONE)], [a_row(ONE, executed_quantity="0.02")]),
        ("false claim", [an_outcome(ONE)], [a_row(ONE, side="SELL")]),
        ("contradiction", [an_outcome(ONE), an_outcome(ONE, status="resting")], [a_row(ONE)]),
        ("contradiction", [an_outcome(ONE), an_outcome(ONE, outcome_id="another")], [a_row(ONE)]),
        ("contradiction", [an_outcome(ONE), an_outcome(ONE, **CONFLICT)], [a_row(ONE)]),
    ],
)
def test_each_lie_is_found(kind: str, outcomes: list[dict[str, Any]], ledger: list[dict[str, Any]]) -> None:
    assert kinds([ONE], outcomes, ledger) == [kind]


def test_a_second_use_of_an_id_without_an_answer_is_found() -> None:
    signal_ = a_signal(conflicting=True)
    assert kinds([signal_], [an_outcome(signal_)], [a_row(signal_)]) == ["unanswered conflict"]


def test_orders_accepted_out_of_order_are_found() -> None:
    two = a_signal(2)
    outcomes = [an_outcome(ONE), an_outcome(two)]
    assert kinds([ONE, two], outcomes, [a_row(two), a_row(ONE)]) == ["order violation"]


def test_a_seed_plans_the_same_run_again() -> None:
    options = Options(signals=500, seed=7)
    assert plan_signals(options) == plan_signals(options)
    assert plan_events(options) == plan_events(options)
    assert plan_signals(options) != plan_signals(Options(signals=500, seed=8))


def test_everything_is_planned_before_the_run_ends() -> None:
    options = Options()
    events = plan_events(options)
    assert len(events) == sum(options.counts().values())
    assert events[-1][0] < options.signals
    assert planned_faults(options)[-1][0] < options.signals
    assert options.counts()[Event.KILL] >= 20
    assert options.counts()[Event.BROKER_KILL] >= 5
