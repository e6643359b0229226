"""What the demo publishes."""

from collections import Counter

import orjson
import pytest

from worker.core.outcome import client_order_id, outcome_id
from worker.core.signals import BadSignal, Signal, Unanswerable, read_signal
from worker.demo.kinds import KINDS
from worker.demo.scenario import write_scenario
from worker.demo.writer import CAREFUL, MISCONFIGURED, NOBODY


def test_a_seed_always_writes_the_same_scenario() -> None:
    assert write_scenario(7, 120) == write_scenario(7, 120)
    assert write_scenario(7, 120) != write_scenario(8, 120)


@pytest.mark.parametrize("signals", [1, 10, 40, 500])
def test_there_are_as_many_distinct_signals_as_asked_for(signals: int) -> None:
    script = write_scenario(3, signals)
    assert len({item.outcome_id for item in script if item.outcome_id}) == signals


def test_every_kind_comes_up() -> None:
    kinds = {item.kind for item in write_scenario(1, 100)}
    assert kinds == {kind.name for kind in KINDS} | {"no signal"}


def test_repeats_follow_what_they_repeat() -> None:
    seen: set[str | None] = set()
    repeats = Counter[bool]()
    for item in write_scenario(7, 500):
        repeats[item.is_repeat] += 1
        assert item.is_repeat == (item.outcome_id in seen and item.outcome_id is not None)
        seen.add(item.outcome_id)
    assert repeats[True] == 25


def test_what_is_said_of_a_message_is_what_a_worker_reads_in_it() -> None:
    for item in write_scenario(7, 300):
        request = read_signal(item.body, item.account)
        if isinstance(request, Unanswerable):
            assert item.outcome_id is None
            continue
        assert item.outcome_id == outcome_id(item.account, request.signal_id, request.content_hash)
        assert item.client_order_id == client_order_id(item.account, request.signal_id)


def test_refusals_that_need_no_venue_are_foreseen_rightly() -> None:
    for item in write_scenario(7, 300):
        request = read_signal(item.body, item.account)
        if isinstance(request, BadSignal):
            assert item.expects == request.code, item.kind
        elif isinstance(request, Signal):
            assert item.expects not in ("invalid_signal", "account_mismatch"), item.kind
            known = item.account not in (NOBODY, MISCONFIGURED)
            assert known or item.expects in ("unknown_account", "account_refused")


def test_the_whitelisted_account_trades_only_what_it_may() -> None:
    for item in write_scenario(7, 500):
        if item.account == CAREFUL.name and item.outcome_id and item.expects is None:
            assert orjson.loads(item.body)["symbol"].replace("/", "").upper() == "BTCUSDT"
