"""A key that the venue does not accept stops its account alone, costs no request, and makes no doubt a reject."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from adapters.model import Reply
from adapters.sandbox.config import AccountConfig, derive_key
from adapters.sandbox.fault_rules import FaultKind
from tests.virtual_time import virtual_time
from tests.worker.builders import (
    BITRUE,
    MAIN,
    SECOND,
    a_cancel,
    a_cancel_all,
    a_limit,
    a_signal,
    an_account,
    some_accounts,
)
from tests.worker.fakes import Rig, SandboxSender, a_rig
from worker.core.key_standing import Standing
from worker.keys import PATIENCE_S
from worker.unknowns import Unknowns

CONFIGS = {"main": MAIN, "bit": BITRUE}
VENUES = pytest.mark.parametrize("account", list(CONFIGS))
RENEWED = replace(MAIN, api_key=derive_key(1, "main", "api"), secret_key=derive_key(1, "main", "secret"))


def result(outcome: dict[str, Any]) -> tuple[str, str, str | None]:
    error = outcome["error"]
    return outcome["status"], outcome["landed"], error["code"] if error else None


def standing(rig: Rig, account: str = "main") -> Standing:
    return rig.keys.states()[account].standing


def revoke(venue: SandboxSender, config: AccountConfig = MAIN) -> None:
    venue.exchange.state.by_key.pop(config.api_key, None)


def accept(venue: SandboxSender, config: AccountConfig = MAIN) -> None:
    """Accept a key; the account keeps its orders and balances."""
    venue.exchange.state.by_key[config.api_key] = config


def with_other_rights(**rights: Any) -> Any:
    return lambda venue: accept(venue, replace(MAIN, **rights))


def asked(rig: Rig) -> int:
    return rig.venue.sent("GET", "apiRestrictions") + rig.venue.sent("GET", "account")


async def until_hit(rig: Rig) -> None:
    """Wait until the venue has acted a fault out."""
    for _ in range(10_000):
        if rig.venue.faults.hits.total():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("the fault was never met")


async def quarantined(rig: Rig, account: str = "main") -> None:
    """Let an accepted key fail on its next order."""
    await rig.outcome(a_signal("before", account=account))
    revoke(rig.venue, CONFIGS[account])
    assert result(await rig.outcome(a_signal("failing", account=account)))[:2] == ("rejected", "no")
    assert standing(rig, account) is Standing.QUARANTINED


# --- Before the first order -------------------------------------------------------------------------------------------


@VENUES
@virtual_time
async def test_a_key_is_asked_about_once_and_before_its_first_order(account: str) -> None:
    async with a_rig() as rig:
        await rig.outcome(a_signal("s-1", account=account))
        await rig.outcome(a_signal("s-2", account=account))
        assert standing(rig, account) is Standing.ACCEPTED
        paths = [request.path for request in rig.venue.requests if request.header("X-MBX-APIKEY")]
        own = [path for path in paths if path.startswith("/sapi" if account == "main" else "/api/v1/account")]
        assert len([path for path in own if "Restrictions" in path or path.endswith("/account")]) <= 2
        first_order = next(i for i, path in enumerate(paths) if path.endswith("/order"))
        assert any(path in own for path in paths[:first_order])


@VENUES
@virtual_time
async def test_a_wrong_secret_is_found_before_an_order_is_spent_on_it(account: str) -> None:
    config = CONFIGS[account]
    wrong = an_account(replace(config, secret_key=derive_key(9, account, "secret")))
    async with a_rig(accounts=some_accounts() | {account: wrong}) as rig:
        outcome = await rig.outcome(a_signal(account=account))
        assert result(outcome) == ("rejected", "no", "account_quarantined")
        assert "-1022" in outcome["error"]["hint"]
        assert rig.venue.sent("POST", "order") == 0


@virtual_time
async def test_a_key_that_can_withdraw_is_refused_until_it_cannot() -> None:
    async with a_rig(tune=with_other_rights(can_withdraw=True)) as rig:
        outcome = await rig.outcome(a_signal("s-1"))
        assert result(outcome) == ("rejected", "no", "account_refused")
        assert "withdraw" in outcome["error"]["hint"]
        accept(rig.venue)
        await asyncio.sleep(6)
        assert result(await rig.outcome(a_signal("s-2")))[0] == "filled"


@virtual_time
async def test_a_key_that_can_withdraw_trades_where_that_is_allowed() -> None:
    allowed = an_account(MAIN, allow_withdraw_keys=True)
    async with a_rig(
        accounts=some_accounts() | {"main": allowed}, tune=with_other_rights(can_withdraw=True)
    ) as rig:
        assert result(await rig.outcome(a_signal()))[0] == "filled"


@pytest.mark.parametrize("right", ["can_trade", "can_read"])
@virtual_time
async def test_a_key_without_a_right_it_needs_is_quarantined_before_its_first_order(right: str) -> None:
    async with a_rig(tune=with_other_rights(**{right: False})) as rig:
        assert result(await rig.outcome(a_signal())) == ("rejected", "no", "account_quarantined")
        assert rig.venue.sent("POST", "order") == 0
        assert result(await rig.outcome(a_signal("s-2", account="second")))[0] == "filled"


@virtual_time
async def test_a_venue_that_is_slow_about_keys_delays_one_order_for_a_moment_and_stops_none() -> None:
    def slow(venue: SandboxSender) -> None:
        venue.break_next(FaultKind.HANG, method="GET", path="*apiRestrictions", count=3)

    async with a_rig(tune=slow) as rig:
        first = await rig.outcome(a_signal("s-1"))
        second = await rig.outcome(a_signal("s-2"))
        assert (first["status"], second["status"]) == ("filled", "filled")
        assert first["latency_ms"]["total"] < (PATIENCE_S + 1) * 1000
        assert second["latency_ms"]["total"] < 100


# --- Quarantine -------------------------------------------------------------------------------------------------------


@VENUES
@virtual_time
async def test_a_revoked_key_stops_its_account_alone_and_costs_nothing_more(account: str) -> None:
    async with a_rig() as rig:
        resting = await rig.outcome(a_limit("resting", account=account, symbol="ETH/USDT", price="3000"))
        assert resting["status"] == "resting"
        await quarantined(rig, account)
        before = len(rig.venue.requests)
        bodies = [
            a_signal("s-1", account=account),
            a_cancel("resting", account=account, symbol="ETH/USDT"),
            a_cancel_all("c-2", account=account),
            a_signal("dry", account=account, dry_run=True),
        ]
        for body in bodies:
            outcome = await rig.outcome(body)
            assert result(outcome) == ("rejected", "no", "account_quarantined")
            assert outcome["latency_ms"]["total"] < 1
            assert outcome["error"]["owner"] == "operator"
        assert len(rig.venue.requests) == before
        assert rig.remembered("s-1", account) is not None
        assert result(await rig.outcome(a_signal("other", account="second")))[0] == "filled"


@virtual_time
async def test_a_signal_behind_the_one_that_fails_is_answered_without_a_request() -> None:
    async with a_rig() as rig:
        await rig.outcome(a_signal("before"))
        revoke(rig.venue)
        for number in range(10):
            rig.deliver(a_signal(f"s-{number}"))
        await rig.idle()
        codes = [outcome["error"]["code"] for outcome in rig.link.outcomes()[1:]]
        assert codes == ["key_not_permitted", *["account_quarantined"] * 9]
        assert rig.venue.sent("POST", "order") == 2


@virtual_time
async def test_a_signal_that_waits_for_its_turn_is_not_sent_after_all_when_its_account_is_stopped() -> None:
    async with a_rig() as rig:
        await rig.outcome(a_signal("before"))
        account = rig.book.accounts["main"]
        gateway = rig.book.gateway_of(account)
        gateway.limiter.hold.impose(rig.clock.monotonic() + 3, "too_many_requests")
        rig.deliver(a_signal("s-1"))
        await asyncio.sleep(1)
        refused = Reply(status=401, headers={}, body=b'{"code": -2015, "msg": "Invalid API-key."}')
        error = gateway.adapter.error(refused)
        assert error is not None
        rig.keys.hear(account, error, rig.clock.monotonic() + 5)
        await rig.idle()
        assert result(rig.link.outcomes("s-1")[-1]) == ("rejected", "no", "account_quarantined")
        assert rig.venue.sent("POST", "order") == 1


@VENUES
@virtual_time
async def test_a_probe_ends_a_quarantine_when_the_venue_accepts_the_key_again(account: str) -> None:
    async with a_rig() as rig:
        await quarantined(rig, account)
        await asyncio.sleep(60)
        assert standing(rig, account) is Standing.QUARANTINED
        assert asked(rig) < 20
        accept(rig.venue, CONFIGS[account])
        await asyncio.sleep(61)
        assert result(await rig.outcome(a_signal("after", account=account)))[0] == "filled"


@virtual_time
async def test_an_operators_release_ends_a_quarantine_and_the_venue_decides_anew() -> None:
    async with a_rig() as rig:
        await quarantined(rig)
        rig.keys.release("main", rig.clock.wall_ms() - 60_000)
        assert standing(rig) is Standing.QUARANTINED  # a release from before it began
        rig.keys.release("main", rig.clock.wall_ms())
        rig.keys.release("nobody", rig.clock.wall_ms())
        assert standing(rig) is Standing.UNASKED
        assert result(await rig.outcome(a_signal("s-1")))[2] == "account_quarantined"
        accept(rig.venue)
        rig.keys.release("main", rig.clock.wall_ms())
        assert result(await rig.outcome(a_signal("s-2")))[0] == "filled"


@virtual_time
async def test_new_credentials_end_a_quarantine_and_the_same_ones_loaded_again_do_not() -> None:
    async with a_rig() as rig:
        await quarantined(rig)
        rig.book.accounts = some_accounts()
        rig.keys.follow()
        assert standing(rig) is Standing.QUARANTINED
        accept(rig.venue, RENEWED)
        rig.book.accounts = some_accounts() | {"main": an_account(RENEWED)}
        rig.keys.follow()
        assert result(await rig.outcome(a_signal("after")))[0] == "filled"
        rig.book.accounts = {"second": an_account(SECOND)}
        rig.keys.follow()
        assert list(rig.keys.states()) == ["second"]
        assert result(await rig.outcome(a_signal("gone")))[2] == "unknown_account"


# --- Doubt ------------------------------------------------------------------------------------------------------------


@VENUES
@pytest.mark.parametrize("kind", [FaultKind.ACCEPT_THEN_DROP, FaultKind.DROP_BEFORE])
@virtual_time
async def test_a_key_that_fails_while_an_order_is_in_doubt_makes_it_unknown_and_then_the_truth(
    account: str, kind: FaultKind
) -> None:
    async with a_rig() as rig:
        unknowns = Unknowns(
            rig.clock, rig.book, rig.keys, rig.tasks, rig.dispatcher.correct, settings=rig.settings
        )
        rig.dispatcher.on_unknown = unknowns.watch
        await rig.outcome(a_signal("before", account=account, symbol="ETH/USDT", quantity="0.1"))
        rig.venue.break_next(kind)
        rig.deliver(a_signal("s-1", account=account))
        await until_hit(rig)
        revoke(rig.venue, CONFIGS[account])
        await rig.idle()
        (outcome,) = rig.link.outcomes("s-1")
        assert result(outcome) == ("unknown", "unknown", "account_quarantined")
        spent = len(rig.venue.requests)
        await asyncio.sleep(4)
        assert len(rig.venue.requests) == spent
        accept(rig.venue, CONFIGS[account])
        await asyncio.sleep(120)
        corrected = rig.link.outcomes("s-1")[-1]
        assert corrected["revision"] == 1
        landed = kind is FaultKind.ACCEPT_THEN_DROP
        assert corrected["status"] == ("filled" if landed else "expired")
        assert len(rig.venue.orders()) == 1 + landed


@virtual_time
async def test_a_signal_that_somebody_may_have_sent_is_unknown_and_not_rejected_while_its_account_is_stopped() -> (
    None
):
    async with a_rig() as rig:
        await quarantined(rig)
        await rig.begin_epoch(sending_until_ms=rig.clock.wall_ms() + 9_000)
        for body in (a_signal("s-1"), a_cancel("before"), a_cancel_all("c-2")):
            outcome = await rig.outcome(body, redelivered=True)
            assert result(outcome) == ("unknown", "unknown", "account_quarantined")


@virtual_time
async def test_an_absence_proves_nothing_before_an_earlier_owners_lease_is_over() -> None:
    async with a_rig() as rig:
        unknowns = Unknowns(
            rig.clock, rig.book, rig.keys, rig.tasks, rig.dispatcher.correct, settings=rig.settings
        )
        rig.dispatcher.on_unknown = unknowns.watch
        await quarantined(rig)
        await rig.begin_epoch(sending_until_ms=rig.clock.wall_ms() + 30_000)
        await rig.outcome(a_signal("s-1"), redelivered=True)
        accept(rig.venue)
        await asyncio.sleep(31)
        assert len(rig.link.outcomes("s-1")) == 1
        await asyncio.sleep(120)
        assert rig.link.outcomes("s-1")[-1]["status"] == "expired"


@virtual_time
async def test_a_cancel_in_doubt_is_not_rejected_because_the_key_fails_afterwards() -> None:
    async with a_rig() as rig:
        await rig.outcome(a_limit("resting"))
        rig.venue.break_next(FaultKind.ACCEPT_THEN_DROP, method="DELETE", path="*/order")
        rig.deliver(a_cancel("resting"))
        await until_hit(rig)
        revoke(rig.venue)
        await rig.idle()
        assert result(rig.link.outcomes("c-1")[-1])[:2] == ("unknown", "unknown")


# --- What is no bad key -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [a_signal("s-1"), a_cancel("resting"), a_cancel_all("c-1")])
@virtual_time
async def test_a_request_signed_with_the_key_before_a_rotation_is_sent_again_with_the_new_one(
    body: dict[str, Any],
) -> None:
    async with a_rig() as rig:
        await rig.outcome(a_limit("resting"))
        rig.deliver(body)
        await asyncio.sleep(0.005)
        revoke(rig.venue)
        accept(rig.venue, RENEWED)
        rig.book.accounts = some_accounts() | {"main": an_account(RENEWED)}
        rig.keys.follow()
        await rig.idle()
        assert rig.link.outcomes(str(body["signal_id"]))[-1]["status"] in ("filled", "cancelled")
        await asyncio.sleep(1)
        assert standing(rig) is Standing.ACCEPTED
        assert len(rig.venue.orders()) == (2 if body["signal_id"] == "s-1" else 1)


@virtual_time
async def test_a_key_refused_while_the_ip_is_being_banned_is_tried_again_after_the_ban() -> None:
    async with a_rig() as rig:
        await rig.outcome(a_signal("before"))
        gateway = rig.book.gateway_of(rig.book.accounts["main"])
        revoke(rig.venue)
        rig.deliver(a_signal("s-1"))
        await asyncio.sleep(0.005)
        gateway.limiter.hold.impose(rig.clock.monotonic() + 3, "ip_banned")
        await asyncio.sleep(1)
        accept(rig.venue)
        await rig.idle()
        assert standing(rig) is Standing.ACCEPTED
        assert result(rig.link.outcomes("s-1")[-1])[0] == "filled"


@pytest.mark.parametrize("kind", [FaultKind.HTML_403, FaultKind.BAN_418, FaultKind.RATE_LIMIT_429])
@VENUES
@virtual_time
async def test_a_ban_is_not_taken_for_a_bad_key(account: str, kind: FaultKind) -> None:
    async with a_rig() as rig:
        await rig.outcome(a_signal("before", account=account))
        options = {"ban_ms": 5_000} if kind is FaultKind.BAN_418 else {}
        rig.venue.break_next(kind, **options)
        await rig.outcome(a_signal("s-1", account=account, valid_until=int(rig.clock.wall_ms() + 600_000)))
        assert standing(rig, account) is Standing.ACCEPTED


@virtual_time
async def test_an_error_that_a_wrong_clock_explains_stops_nothing_until_it_comes_again_with_the_clock_set() -> (
    None
):
    async with a_rig() as rig:
        await rig.outcome(a_signal("before", account="bit"))
        rig.deliver(a_limit("s-1", account="bit", price="66000"))
        await asyncio.sleep(0.005)
        revoke(rig.venue, BITRUE)
        await asyncio.sleep(0.01)
        accept(rig.venue, BITRUE)
        await rig.idle()
        assert result(rig.link.outcomes("s-1")[-1])[0] == "filled"
        assert standing(rig, "bit") is Standing.ACCEPTED
        await quarantined(rig, "bit")
