"""When the venue's clock or this host's jumps: no signal fails for its time, and none is placed twice."""

import asyncio

import pytest

from adapters.sandbox.fault_rules import FaultKind
from tests.virtual_time import virtual_time
from tests.worker.builders import a_signal
from tests.worker.fakes import Rig, SandboxSender, a_rig
from tests.worker.test_lane import VENUES, result, the_order
from worker.clock_sync import BURST

SYMBOLS = ("BTCUSDT", "ETHUSDT", "BNBUSDT")


def time_probes(rig: Rig) -> int:
    return rig.venue.sent("GET", "time")


@VENUES
@virtual_time
async def test_a_stamp_that_the_venue_refuses_is_asked_for_and_signed_anew_once(account: str) -> None:
    async with a_rig() as rig:
        assert (await rig.outcome(a_signal("s-1", account=account)))["attempts"] == 1
        rig.venue.exchange.clock.step(-1_800)
        before = time_probes(rig)
        refused = await rig.outcome(a_signal("s-2", account=account))
        assert (result(refused), refused["attempts"]) == (("filled", "yes", None), 2)
        assert before + BURST <= time_probes(rig) <= before + 2 * BURST  # a step is looked at twice
        assert (await rig.outcome(a_signal("s-3", account=account)))["attempts"] == 1


@virtual_time
async def test_signals_under_way_when_the_clock_steps_share_what_they_learn() -> None:
    async with a_rig() as rig:
        await rig.outcome(a_signal("first"))
        rig.venue.exchange.clock.step(-1_800)
        before = time_probes(rig)
        outcomes = await asyncio.gather(
            *(
                rig.outcome(a_signal(f"{account}-{symbol}", account=account, symbol=symbol))
                for account in ("main", "second")
                for symbol in SYMBOLS
            )
        )
        assert {outcome["status"] for outcome in outcomes} == {"filled"}
        assert {outcome["attempts"] for outcome in outcomes} <= {1, 2}
        assert time_probes(rig) <= before + 2 * BURST


@virtual_time
async def test_a_jump_of_this_hosts_clocks_costs_a_question_and_no_refusal() -> None:
    async with a_rig() as rig:
        await rig.outcome(a_signal("first"))
        before = time_probes(rig)
        rig.clock.step_wall(2_000)
        assert (await rig.outcome(a_signal("after a step")))["attempts"] == 1
        rig.clock.slept_s += 60
        assert (await rig.outcome(a_signal("after a sleep")))["attempts"] == 1
        assert time_probes(rig) == before + 2 * BURST


@virtual_time
async def test_a_signal_expires_where_the_venue_refuses_its_time_and_does_not_tell_its_own() -> None:
    def lose_time(venue: SandboxSender) -> None:
        venue.break_next(FaultKind.REJECT_5XX, method="GET", path="*/time", count=10_000)

    async with a_rig(signal_ttl=20) as rig:
        await rig.outcome(a_signal("first"))
        lose_time(rig.venue)
        rig.venue.exchange.clock.step(-1_800)
        began_s = rig.clock.monotonic()
        outcome = await rig.outcome(a_signal("late"))
        assert result(outcome) == ("expired", "no", "signal_expired")
        assert "time could not be had" in outcome["error"]["hint"]
        assert rig.clock.monotonic() - began_s == pytest.approx(20, abs=1)
        assert len(rig.venue.orders()) == 1


@pytest.mark.parametrize("step_ms", [-10_000, -1_800, 0, 3_000])
@VENUES
@virtual_time
async def test_a_step_of_the_venue_while_an_order_is_in_doubt_never_makes_it_two(
    account: str, step_ms: int
) -> None:
    """The request waits in the venue for as long as its stamp lets it enter; the venue's clock steps meanwhile.

    Reckoned with the clock from before a step back, the absence would be proven seconds before the request enters.
    """
    async with a_rig(signal_ttl=120) as rig:
        stays_s = (5_000 - step_ms) / 1000 - 0.3 if step_ms < 0 else 4.0
        rig.venue.break_next(FaultKind.HOLD_IN_QUEUE, delay_ms=int(stays_s * 1000), disconnects=True)
        waiting = asyncio.create_task(rig.outcome(a_signal(account=account)))
        await asyncio.sleep(1)
        rig.venue.exchange.clock.step(step_ms)
        outcome = await waiting
        await asyncio.sleep(30)
        held = [
            order for order in rig.venue.orders() if order["client_order_id"] == outcome["client_order_id"]
        ]
        assert len(held) == 1
        if outcome["status"] != "unknown":
            assert result(outcome) == ("filled", "yes", None)
            assert the_order(rig)["venue_order_id"] == outcome["venue_order_id"]
