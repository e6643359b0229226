"""The same reject again and again is slowed down, and nothing else is."""

import pytest

from worker.core.rejects import FORGOTTEN_AFTER_S, KEPT, LONGEST_WAIT_S, Rejects


def a_loop(
    count: int, *, code: str = "insufficient_balance", symbol: str = "BTCUSDT"
) -> tuple[Rejects, list[float]]:
    """Refuse at once whatever goes, and wait as told; return the waits."""
    rejects, now_s, waits = Rejects(), 100.0, []
    for _ in range(count):
        waits.append(rejects.wait_s(symbol, now_s))
        now_s += waits[-1]
        rejects.refused(symbol, code, now_s)
    return rejects, waits


def test_waits_begin_after_a_few_and_grow_to_a_bound() -> None:
    _, waits = a_loop(12)
    assert waits == [0, 0, 0, 0.25, 0.5, 1, 2, 4, 5, 5, 5, 5]


def test_a_loop_costs_little_however_long_it_lasts() -> None:
    _, waits = a_loop(100)
    assert sum(waits) > 90 * LONGEST_WAIT_S


def test_an_order_that_goes_through_ends_it() -> None:
    rejects, waits = a_loop(10)
    now_s = 100.0 + sum(waits)
    assert rejects.wait_s("BTCUSDT", now_s) > 0
    rejects.accepted("BTCUSDT")
    assert rejects.wait_s("BTCUSDT", now_s) == 0


def test_another_reason_begins_anew() -> None:
    rejects, waits = a_loop(10)
    now_s = 100.0 + sum(waits)
    rejects.refused("BTCUSDT", "venue_rejected", now_s)
    assert rejects.wait_s("BTCUSDT", now_s) == 0


def test_another_symbol_is_not_concerned() -> None:
    rejects, waits = a_loop(10)
    assert rejects.wait_s("ETHUSDT", 100.0 + sum(waits)) == 0


@pytest.mark.parametrize(("later_s", "waits"), [(1.0, True), (FORGOTTEN_AFTER_S, False)])
def test_a_loop_that_paused_for_long_is_forgotten(later_s: float, *, waits: bool) -> None:
    rejects, waited = a_loop(10)
    now_s = 100.0 + sum(waited) + later_s
    rejects.refused("BTCUSDT", "insufficient_balance", now_s)
    assert (rejects.wait_s("BTCUSDT", now_s) > 0) is waits


def test_what_is_remembered_is_bounded() -> None:
    rejects = Rejects()
    for number in range(KEPT + 5):
        for _ in range(5):
            rejects.refused(f"S{number}", "x", 1.0)
    assert rejects.wait_s("S0", 1.0) == 0
    assert rejects.wait_s(f"S{KEPT}", 1.0) > 0
