"""Placing after a first attempt that the venue refused for its stamp."""

import asyncio
from dataclasses import replace
from decimal import Decimal

import pytest

from adapters.sandbox.config import BitrueQuirks
from adapters.sandbox.fault_rules import FaultKind
from tests.virtual_time import virtual_time
from tests.worker.builders import MAIN, a_signal, an_account, some_accounts
from tests.worker.fakes import a_rig


@pytest.mark.parametrize("account", ["main", "bit"])
@pytest.mark.parametrize("step_ms", [-20_000, -2_400, 20_000])
@virtual_time
async def test_an_order_stamped_again_with_an_earlier_time_is_recognised_as_ours(
    account: str, step_ms: int
) -> None:
    # Found by chaos: our time ran ahead of the venue's, the first stamp was refused, the second order landed and its
    # reply was lost. It was older than the first stamp, taken for somebody else's, and placed again.
    async with a_rig() as rig:
        await rig.outcome(a_signal("warm-up", account=account, symbol="ETH/USDT", quantity="0.1"))
        rig.venue.break_next(kind=FaultKind.CLOCK_JUMP, step_ms=step_ms)
        rig.venue.break_next(kind=FaultKind.ACCEPT_THEN_DROP)
        outcome = await rig.outcome(a_signal(account=account))
        assert (outcome["status"], outcome["landed"], outcome["attempts"]) == ("filled", "yes", 2)
        assert outcome["venue_order_id"] == rig.venue.orders()[-1]["venue_order_id"]
        assert len(rig.venue.orders()) == 2


@virtual_time
async def test_an_order_with_our_id_is_ours_though_its_number_was_told_of_another_symbol() -> None:
    # The venue counts orders for each symbol: the same number on another one is no twin. Taken for one, it would be
    # absent, and placed a second time.
    async with a_rig() as rig:
        account = rig.book.accounts["main"]
        told = rig.book.gateway_of(account).budget("main").told
        for number in range(1, 50):
            told.tell(str(number), "another-signal-s")
        rig.venue.break_next(kind=FaultKind.ACCEPT_THEN_DROP)
        outcome = await rig.outcome(a_signal())
        assert (outcome["status"], outcome["attempts"]) == ("filled", 1)
        assert outcome["venue_order_id"] in {str(number) for number in range(1, 50)}
        assert len(rig.venue.orders()) == 1


@virtual_time
async def test_an_order_that_is_known_by_its_looks_is_told_as_one_signal_s_only() -> None:
    async with a_rig() as rig:
        rig.venue.exchange.set_bitrue_quirks(BitrueQuirks(client_id_in_lists=False))
        first = await rig.outcome(a_signal("s-1", account="bit"))
        rig.venue.break_next(kind=FaultKind.DROP_BEFORE, method="POST", path="*/order")
        second = await rig.outcome(a_signal("s-2", account="bit"))
        assert (first["status"], second["status"]) == ("filled", "filled")
        assert first["venue_order_id"] != second["venue_order_id"]
        assert len(rig.venue.orders()) == 2


@virtual_time
async def test_a_refusal_by_a_rule_of_the_venue_has_the_rules_read_again() -> None:
    async with a_rig() as rig:
        await rig.outcome(a_signal())
        await asyncio.sleep(60)
        for market in rig.venue.exchange.markets_of("BTCUSDT"):
            market.is_trading = False
        codes = [(await rig.outcome(a_signal(f"s-{number}")))["error"]["code"] for number in (2, 3, 4)]
        assert codes == ["market_closed", "symbol_not_trading", "symbol_not_trading"]
        assert rig.venue.sent("POST", "order") == 2


@virtual_time
async def test_a_refusal_by_a_rule_that_changed_names_what_the_rule_allows_now() -> None:
    async with a_rig() as rig:
        await rig.outcome(a_signal())
        await asyncio.sleep(60)
        for market in rig.venue.exchange.markets_of("BTCUSDT"):
            market.rules = replace(market.rules, step=Decimal("0.1"), min_quantity=Decimal("0.1"))
        outcome = await rig.outcome(a_signal("s-2"))
        assert (outcome["status"], outcome["attempts"]) == ("rejected", 1)
        assert (outcome["error"]["code"], outcome["error"]["venue_code"]) == ("filter_lot_size", -1013)
        assert (
            "below the minimum 0.10000000; the nearest allowed value is 0.10000000"
            in outcome["error"]["hint"]
        )


@virtual_time
async def test_an_account_that_wants_it_has_its_balances_looked_at_before_an_order_is_spent() -> None:
    async with a_rig(accounts=some_accounts() | {"main": an_account(MAIN, check_balance=True)}) as rig:
        outcome = await rig.outcome(a_signal(type="limit", side="sell", price="70000", quantity="120"))
        assert outcome["status"] == "resting"
        refused = await rig.outcome(a_signal("s-2", type="limit", side="sell", price="7000", quantity="1200"))
        assert (refused["status"], refused["landed"]) == ("rejected", "no")
        assert refused["error"]["code"] == "insufficient_balance"
        assert "880" in refused["error"]["hint"]
        assert rig.venue.sent("POST", "order") == 1
        rig.venue.break_next(kind=FaultKind.DROP_BEFORE, method="GET", path="*/account")
        assert (await rig.outcome(a_signal("s-3")))["status"] == "filled"


@virtual_time
async def test_balances_that_do_not_come_keep_nobody_waiting_beyond_the_validity() -> None:
    async with a_rig(accounts=some_accounts() | {"main": an_account(MAIN, check_balance=True)}) as rig:
        await rig.outcome(a_signal())
        rig.venue.break_next(kind=FaultKind.HANG, method="GET", path="*/account")
        began_s = rig.clock.monotonic()
        outcome = await rig.outcome(a_signal("s-2", valid_until=int(rig.clock.wall_ms()) + 3_000))
        assert (outcome["status"], outcome["attempts"]) == ("expired", 0)
        assert rig.clock.monotonic() - began_s < 4
