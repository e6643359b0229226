"""Orders on USD-M through the whole worker: conditional ones live elsewhere, and are never lost sight of."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from adapters.sandbox.fault_rules import FaultKind
from tests.virtual_time import START_WALL_MS, virtual_time
from tests.worker.builders import a_cancel, a_cancel_all, a_signal
from tests.worker.fakes import Rig, a_rig

ALGO = {"path": "*/algoOrder"}
SMALL = {"account": "futures", "quantity": "0.010"}


@asynccontextmanager
async def futures() -> AsyncIterator[Rig]:
    async with a_rig() as rig:
        yield rig


def a_stop(signal_id: str = "s-1", **over: Any) -> dict[str, Any]:
    """A stop that waits below the market."""
    stop = {"type": "stop_loss", "side": "sell", "stop_price": "60000"}
    return a_signal(signal_id, **(SMALL | stop | over))


def an_order(signal_id: str = "s-1", **over: Any) -> dict[str, Any]:
    return a_signal(signal_id, **(SMALL | over))


def a_limit(signal_id: str = "s-1", **over: Any) -> dict[str, Any]:
    return an_order(signal_id, **({"type": "limit", "price": "60000"} | over))


@virtual_time
async def test_a_market_order_is_told_with_what_it_paid_though_the_reply_does_not_say() -> None:
    async with futures() as rig:
        outcome = await rig.outcome(an_order())
        assert (outcome["status"], outcome["landed"], outcome["attempts"]) == ("filled", "yes", 1)
        order = outcome["order"]
        assert (order["executed_quote"], order["average_price"]) == ("650.00100000", "65000.10000000")
        assert [fill["fee_asset"] for fill in order["fills"]] == ["USDT"]
        assert order["fills"][0]["fee"] is not None


@virtual_time
async def test_fees_that_cannot_be_asked_delay_an_outcome_and_lose_nothing_else() -> None:
    async with futures() as rig:
        rig.venue.break_next(kind=FaultKind.DROP_BEFORE, method="GET", path="*/order", count=1_000)
        outcome = await rig.outcome(an_order())
        assert (outcome["status"], outcome["landed"]) == ("filled", "yes")
        assert outcome["order"]["executed_quantity"] == "0.010"
        assert outcome["order"]["average_price"] is None
        assert len(rig.venue.orders()) == 1


@pytest.mark.parametrize(
    "kind", [FaultKind.ACCEPT_THEN_DROP, FaultKind.ACCEPT_THEN_5XX, FaultKind.DROP_BEFORE]
)
@virtual_time
async def test_a_conditional_order_in_doubt_is_looked_up_at_the_algo_service(kind: FaultKind) -> None:
    async with futures() as rig:
        rig.venue.break_next(kind=kind, **ALGO)
        outcome = await rig.outcome(a_stop())
        assert (outcome["status"], outcome["landed"]) == ("resting", "yes")
        assert outcome["attempts"] == (2 if kind is FaultKind.DROP_BEFORE else 1)
        assert outcome["lookups"] >= 1
        assert len(rig.venue.orders()) == 1


@virtual_time
async def test_a_redelivered_conditional_signal_is_looked_up_where_its_type_says_it_is() -> None:
    async with futures() as rig:
        first = await rig.outcome(a_stop())
        rig.link.streams.clear()
        await rig.begin_epoch(sending_until_ms=rig.clock.wall_ms() + 5_000)
        rig.dispatcher._kept.clear()
        outcome = await rig.outcome(a_stop(), redelivered=True)
        assert (outcome["status"], outcome["attempts"]) == ("resting", 0)
        assert outcome["venue_order_id"] == first["venue_order_id"]
        assert len(rig.venue.orders()) == 1


@virtual_time
async def test_a_conditional_order_that_triggered_meanwhile_is_told_as_it_ended() -> None:
    async with futures() as rig:
        await rig.outcome(an_order("long"))
        rig.venue.break_next(kind=FaultKind.ACCEPT_THEN_DROP, **ALGO)
        rig.venue.break_next(kind=FaultKind.DROP_BEFORE, method="GET", path="*/algoOrder", count=3)
        rig.deliver(a_stop())
        await asyncio.sleep(0.5)
        rig.venue.set_price("59000")
        await rig.idle()
        outcome = rig.link.outcomes("s-1")[-1]
        assert (outcome["status"], outcome["landed"], outcome["attempts"]) == ("filled", "yes", 1)
        assert outcome["order"]["fills"]
        assert len(rig.venue.orders()) == 2


@pytest.mark.parametrize("target", [a_stop, a_limit])
@virtual_time
async def test_a_cancel_finds_out_which_kind_of_order_it_names(target: Any) -> None:
    async with futures() as rig:
        placed = await rig.outcome(target())
        outcome = await rig.outcome(a_cancel("s-1", account="futures"))
        assert (outcome["status"], outcome["landed"]) == ("cancelled", "yes")
        assert outcome["client_order_id"] == placed["client_order_id"]
        assert outcome["venue_order_id"] == placed["venue_order_id"]


@virtual_time
async def test_a_cancel_after_the_trigger_tells_what_was_executed() -> None:
    async with futures() as rig:
        await rig.outcome(an_order("long"))
        await rig.outcome(a_stop())
        rig.venue.set_price("59000")
        outcome = await rig.outcome(a_cancel("s-1", account="futures"))
        assert (outcome["status"], outcome["error"]["code"]) == ("filled", "too_late_to_cancel")
        assert outcome["order"]["average_price"] is not None
        assert outcome["order"]["fills"]


@pytest.mark.parametrize(
    "kind", [FaultKind.ACCEPT_THEN_DROP, FaultKind.DROP_BEFORE, FaultKind.ACCEPT_THEN_5XX]
)
@pytest.mark.parametrize("target", [a_stop, a_limit])
@virtual_time
async def test_a_cancel_whose_reply_is_lost_is_no_guess(target: Any, kind: FaultKind) -> None:
    async with futures() as rig:
        await rig.outcome(target())
        rig.venue.break_next(kind=kind, method="DELETE", path="*rder", count=2)
        outcome = await rig.outcome(a_cancel("s-1", account="futures"))
        assert (outcome["status"], outcome["landed"]) == ("cancelled", "yes")


@virtual_time
async def test_a_cancel_of_nothing_is_refused_after_both_services_were_asked() -> None:
    async with futures() as rig:
        outcome = await rig.outcome(a_cancel("never", account="futures"))
        assert (outcome["status"], outcome["error"]["code"]) == ("rejected", "order_not_found")
        assert rig.venue.sent("GET", "algoOrder") >= 1


@virtual_time
async def test_cancel_all_takes_both_kinds_off() -> None:
    async with futures() as rig:
        ids = [(await rig.outcome(target(name)))["venue_order_id"] for name, target in KINDS.items()]
        outcome = await rig.outcome(a_cancel_all(account="futures"))
        assert outcome["status"] == "cancelled"
        assert [order["venue_order_id"] for order in outcome["orders"]] == ids
        again = await rig.outcome(a_cancel_all("c-2", account="futures"))
        assert again["orders"] == []


KINDS = {"one": a_limit, "two": a_stop}


@virtual_time
async def test_a_dated_order_rests_until_the_end_of_its_signal() -> None:
    async with futures() as rig:
        until_ms = int(START_WALL_MS) + 7_200_000
        outcome = await rig.outcome(a_limit(time_in_force="gtd", valid_until=until_ms))
        assert (outcome["status"], outcome["order"]["time_in_force"]) == ("resting", "gtd")
        placed = next(item for item in rig.venue.requests if item.method == "POST")
        assert f"goodTillDate={until_ms // 1000 * 1000}" in placed.query
        undated = await rig.outcome(a_limit("s-2", time_in_force="gtd"))
        assert undated["error"]["code"] == "invalid_signal"
        assert "valid_until" in undated["error"]["hint"]


@virtual_time
async def test_what_only_reduces_is_refused_without_a_position_and_taken_with_one() -> None:
    async with futures() as rig:
        refused = await rig.outcome(an_order("s-0", side="sell", reduce_only=True))
        assert (refused["status"], refused["error"]["code"]) == ("rejected", "reduce_only_rejected")
        await rig.outcome(an_order("s-1"))
        closed = await rig.outcome(an_order("s-2", side="sell", reduce_only=True))
        assert closed["status"] == "filled"


@virtual_time
async def test_a_post_only_order_that_would_take_has_not_landed() -> None:
    async with futures() as rig:
        outcome = await rig.outcome(a_limit(type="limit_maker", price="66000"))
        assert (outcome["status"], outcome["landed"]) == ("rejected", "no")
        assert rig.venue.orders() == []


@virtual_time
async def test_in_hedge_mode_a_position_is_opened_and_closed_by_its_side() -> None:
    async with a_rig() as rig:
        rig.venue.exchange.futures.accounts["futures"].is_hedged = True
        sideless = await rig.outcome(an_order("s-0"))
        assert (sideless["status"], sideless["error"]["code"]) == ("rejected", "position_side_mismatch")
        assert (await rig.outcome(an_order("s-1", position_side="long")))["status"] == "filled"
        opening = await rig.outcome(an_order("s-2", position_side="long", reduce_only=True))
        assert (opening["error"]["code"], rig.venue.sent("POST", "order")) == ("unsupported_option", 2)
        closing = an_order("s-3", side="sell", position_side="long", reduce_only=True)
        assert (await rig.outcome(closing))["status"] == "filled"
        stop = a_stop("s-4", side="buy", stop_price="66000", position_side="short")
        assert (await rig.outcome(stop))["status"] == "resting"
        cancelled = await rig.outcome(a_cancel("s-4", account="futures"))
        assert cancelled["status"] == "cancelled"
