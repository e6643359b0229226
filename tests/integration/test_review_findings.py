"""What a reading of the contract by fresh eyes found, each on the whole way."""

import time

from tests.integration.rig import Rig


async def test_a_look_up_whose_time_is_refused_asks_for_the_venue_s_time(rig: Rig) -> None:
    await rig.start_worker()
    await rig.follow_outcomes()
    await rig.place()
    await rig.control("clock", step_ms=-4_000)
    await rig.control("faults", kind="accept_then_drop", method="POST", path="*/order", count=1)
    outcome = await rig.place()  # the refusal of the first attempt is lost
    assert (outcome["status"], outcome["attempts"]) == ("filled", 2)
    assert len(await rig.orders_of(outcome)) == 1


async def test_a_reject_of_the_venue_is_final_and_told(rig: Rig) -> None:
    await rig.start_worker()
    await rig.follow_outcomes()
    outcome = await rig.place(type="limit_maker", price="66000")
    assert (outcome["status"], outcome["landed"], outcome["attempts"]) == ("rejected", "no", 1)
    assert (outcome["error"]["code"], outcome["error"]["venue_code"]) == ("would_take_liquidity", -2010)


async def test_a_look_up_behind_a_long_hold_ends_as_unknown(rig: Rig) -> None:
    await rig.start_worker(resolution_budget="2")
    await rig.follow_outcomes()
    await rig.place()
    await rig.control("faults", kind="accept_then_drop", method="POST", path="*/order", count=1)
    await rig.control("faults", kind="rate_limit_429", retry_after=600, method="GET", path="*/order", count=1)
    outcome = await rig.place()
    assert (outcome["status"], outcome["landed"]) == ("unknown", "unknown")


async def test_nothing_waits_for_a_hold_that_outlives_the_signal(rig: Rig) -> None:
    first = await rig.start_worker()
    await rig.follow_outcomes()
    await rig.place()
    await rig.control(
        "faults", kind="rate_limit_429", retry_after=600, method="POST", path="*/order", count=1
    )
    held = await rig.place()
    assert (held["status"], held["error"]["code"]) == ("rejected", "rate_limited")
    await first.kill()
    await rig.start_worker()
    for over in ({}, {"action": "cancel_all", "side": None, "type": None, "quantity": None}):
        began_s = time.monotonic()
        outcome = await rig.place(**over, valid_until=int(time.time() * 1000) + 60_000)
        assert (outcome["status"], outcome["error"]["code"]) == ("rejected", "rate_limited")
        assert time.monotonic() - began_s < 30


async def test_a_cancel_that_proved_nothing_speaks_of_no_order(rig: Rig) -> None:
    await rig.start_worker()
    await rig.follow_outcomes()
    resting = await rig.place(type="limit", price="60000")
    late = {"action": "cancel", "side": None, "type": None, "quantity": None, "valid_until": 1}
    expired = await rig.place(**late, cancels=resting["signal_id"])
    assert (expired["status"], expired["landed"], expired["client_order_id"]) == ("expired", "no", None)


async def test_a_useless_broker_url_is_a_configuration_error(rig: Rig) -> None:
    for url in ("localhost:5672", "http://x/", "amqp://"):
        worker = await rig.spawn("worker", amqp_url=url)
        assert await worker.ended() == 3
        assert "BEELINE_AMQP_URL" in worker.transcript()


async def test_an_order_without_our_id_is_told_as_one_signal_s_only(rig: Rig) -> None:
    await rig.control("bitrue", client_id_in_lists=False)
    await rig.start_worker(venue_timeout="1")
    await rig.follow_outcomes()
    await rig.place(account="main-bitrue", symbol="ETHUSDT")
    first, second = [rig.a_signal(account="main-bitrue") for _ in range(2)]
    await rig.publish(first)
    first_outcome = await rig.outcome(first["signal_id"])
    await rig.control("faults", kind="drop_before", method="POST", path="*/order", count=1)
    await rig.publish(second)
    second_outcome = await rig.outcome(second["signal_id"])
    assert (first_outcome["status"], second_outcome["status"]) == ("filled", "filled")
    assert first_outcome["venue_order_id"] != second_outcome["venue_order_id"]
    assert len(await rig.ledger()) == 3
