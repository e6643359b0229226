"""Limits are kept and bans honoured: the sandbox counts every breach."""

import time
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from tests.integration.rig import Rig, WorkerProcess
from tests.limits.flood import WINDOW_MS, figures


async def test_a_burst_beyond_the_order_budget_is_paced_without_a_breach(rig: Rig) -> None:
    await rig.control("limits", binance={"orders_per_10_seconds": 10})
    await rig.start_worker()
    await rig.follow_outcomes()
    asked = [rig.a_signal(symbol=symbol) for _ in range(8) for symbol in ("BTCUSDT", "ETHUSDT")]
    for signal_ in asked:
        await rig.publish(signal_)
    await rig.until(lambda: len(rig.outcomes) == len(asked))
    assert {outcome["status"] for outcome in rig.outcomes} == {"filled"}
    assert (await rig.control("violations"))["total"] == 0


async def test_a_flood_goes_beyond_no_window_also_when_its_owner_is_killed_in_the_middle(rig: Rig) -> None:
    budget = 10
    await rig.control("limits", binance={"orders_per_10_seconds": budget})
    pool = [await rig.start_worker(worker_id=f"flood-{number}") for number in range(2)]
    await rig.follow_outcomes()
    valid_until = int(time.time() * 1000) + 12_000
    order = {"type": "limit", "time_in_force": "ioc", "price": "40000", "valid_until": valid_until}
    asked = [rig.a_signal(**order) for _ in range(5 * budget)]
    for signal_ in asked:
        await rig.publish(signal_)
    await rig.until(lambda: len(rig.outcomes) >= budget // 2)
    owner = next(worker for worker in pool if worker.said("signal settled"))
    await owner.kill()
    signals = {signal_["signal_id"] for signal_ in asked}
    await rig.until(lambda: signals <= {outcome["signal_id"] for outcome in rig.outcomes})
    last = int(time.time() * 1000) // WINDOW_MS
    seen = await figures(rig, ("main",), budget, range(last - 12, last + 1), signals)
    assert not seen.breaches
    assert max(seen.shares) <= 1
    assert seen.outcomes.keys() <= {"unfilled", "rejected rate_limited", "expired signal_expired"}
    assert seen.refused_without_wait == 0


async def test_a_wait_that_outlives_the_signal_is_refused_at_once(rig: Rig) -> None:
    await rig.control("limits", binance={"orders_per_10_seconds": 1})
    await rig.start_worker()
    await rig.follow_outcomes()
    asked = [rig.a_signal(valid_until=int(time.time() * 1000) + 60_000) for _ in range(2)]
    hopeless = rig.a_signal(symbol="ETHUSDT", valid_until=int(time.time() * 1000) + 60_000)
    doomed = [rig.a_signal(symbol="BNBUSDT", valid_until=int(time.time() * 1000) + 3_000) for _ in range(6)]
    for signal_ in [*asked, hopeless, *doomed]:
        await rig.publish(signal_)
    refused = [await rig.outcome(signal_["signal_id"]) for signal_ in doomed]
    limited = [outcome for outcome in refused if outcome["error"]]
    assert limited
    for outcome in limited:
        assert (outcome["status"], outcome["landed"]) == ("rejected", "no")
        assert outcome["error"]["code"] == "rate_limited"
        assert "would have waited" in outcome["error"]["hint"]
    assert (await rig.control("violations"))["total"] == 0


async def test_nothing_is_sent_while_the_venue_asks_to_stay_away(rig: Rig) -> None:
    worker = await rig.start_worker()
    await rig.follow_outcomes()
    await rig.place()
    await rig.control("faults", kind="rate_limit_429", retry_after=2, method="POST", path="*/order", count=1)
    began = time.monotonic()
    outcome = await rig.place()
    assert (outcome["status"], outcome["attempts"]) == ("filled", 2)
    assert time.monotonic() - began >= 2
    (told,) = worker.said("venue asks to stay away")
    assert (told["scope"], told["seconds"]) == ("ip", 2.0)
    assert (await rig.control("violations"))["total"] == 0


async def test_a_ban_is_waited_out_to_its_end(rig: Rig) -> None:
    await rig.start_worker()
    await rig.follow_outcomes()
    await rig.place()
    await rig.control("faults", kind="ban_418", ban_ms=1_500, method="POST", path="*/order", count=1)
    outcome = await rig.place(symbol="ETHUSDT")
    assert (outcome["status"], outcome["attempts"]) == ("filled", 2)
    assert (await rig.control("violations"))["total"] == 0


async def test_no_signal_fails_for_its_time_while_the_venues_clock_is_ahead_steps_and_drifts(
    rig: Rig,
) -> None:
    """Two venues with six lanes under load: each lane has one request under way when the clock steps, no more."""
    lanes = [
        (account, symbol)
        for account in ("main", "main-bitrue")
        for symbol in ("BTCUSDT", "ETHUSDT", "BNBUSDT")
    ]
    await rig.control("clock", skew_ms=2_500)
    worker = await rig.start_worker()
    await rig.follow_outcomes()
    asked: list[dict[str, Any]] = []

    async def flood() -> None:
        for _ in range(3):
            for account, symbol in lanes:
                asked.append(rig.a_signal(account=account, symbol=symbol, valid_until=_in_two_minutes()))
                await rig.publish(asked[-1])

    await flood()
    await rig.until(lambda: len(rig.outcomes) >= len(lanes))
    await rig.control("clock", step_ms=-1_800)
    await flood()
    await rig.control("clock", drift_ppm=200)
    await flood()
    await rig.until(lambda: len(rig.outcomes) == len(asked))
    assert {outcome["status"] for outcome in rig.outcomes} == {"filled"}
    ledger = await rig.ledger()
    assert len(ledger) == len({order["client_order_id"] for order in ledger}) == len(asked)
    refused = sum(outcome["attempts"] for outcome in rig.outcomes) - len(asked)
    assert refused <= len(lanes)
    clocks = (await rig.status_of(worker, lambda status: all(clock["steps"] for clock in status["clock"])))[
        "clock"
    ]
    assert {clock["venue"]: clock["steps"] for clock in clocks} == {"binance": 1, "bitrue": 1}


def _in_two_minutes() -> int:
    return int(time.time() * 1000) + 120_000


async def _binance_requests(rig: Rig) -> dict[str, int]:
    """What reached the venue so far, time probes included."""
    counted = (await rig.control("requests"))["requests"]
    return {name: count for name, count in counted.items() if name.startswith("binance")}


async def _metrics(rig: Rig, worker: WorkerProcess) -> dict[tuple[str, ...], float]:
    """What a worker shows to Prometheus, by metric and the labels of limits and holds."""
    async with rig.http.get(f"{worker.http}/metrics") as reply:
        text = await reply.text()
    return {
        (
            sample.name,
            *(
                sample.labels[name]
                for name in ("venue", "scope", "name", "kind", "window")
                if name in sample.labels
            ),
        ): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def test_the_whole_pool_stays_away_and_a_restart_does_not_forget(rig: Rig) -> None:
    first = await rig.start_worker(worker_id="first")
    second = await rig.start_worker(worker_id="second")
    await rig.follow_outcomes()
    await rig.place()
    await rig.control("faults", kind="rate_limit_429", retry_after=4, method="POST", path="*/order", count=1)
    asked = rig.a_signal(symbol="ETHUSDT")
    await rig.publish(asked)
    await rig.until_fault("rate_limit_429")
    held_at = time.monotonic()
    for worker in (first, second):
        status = await rig.status_of(worker, lambda status: status["holds"])
        assert status["holds"][0]["reason"] == "too_many_requests"
    for worker in (first, second):
        await worker.kill()
    before = await _binance_requests(rig)
    successor = await rig.start_worker(worker_id="third")
    held = await rig.status_of(successor, lambda status: status["holds"])
    assert held["holds"][0]["seconds_left"] > 0
    told = await _metrics(rig, successor)
    assert 0 < told["beeline_hold_seconds", "binance", "venue", "binance"] <= 4
    assert time.monotonic() - held_at < 4
    assert await _binance_requests(rig) == before
    outcome = await rig.outcome(asked["signal_id"])
    assert outcome["status"] == "filled"
    told = await _metrics(rig, successor)
    assert told["beeline_limit_tokens", "binance", "account", "main", "orders", "10s"] == 100
    for name in ("used", "reserved", "foreign"):
        assert told[f"beeline_limit_{name}_tokens", "binance", "ip", "default", "request_weight", "60s"] >= 0
    assert len(await rig.orders_of(outcome)) == 1
    assert (await rig.control("violations"))["total"] == 0
