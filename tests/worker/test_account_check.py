"""`beeline account check`: each mistake is named by the line it belongs to, and nothing is ever placed."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from adapters.sandbox.config import AccountConfig, derive_key
from adapters.sandbox.fault_rules import FaultKind
from adapters.signing import Signer
from adapters.venues import discover
from tests.virtual_time import VirtualClock, virtual_time
from tests.worker.builders import BASE_URL, BITRUE, MAIN, an_account
from tests.worker.fakes import SandboxSender
from worker.account_check import Checklist, Fault, Line, Verdict
from worker.accounts import Account
from worker.gateway import Gateway

Tune = Callable[[SandboxSender], None]


async def checked(
    account: Account | None = None,
    tune: Tune | None = None,
    *,
    wall_offset_ms: float = 0.0,
    swapped: Signer | None = None,
) -> dict[str, Line]:
    """Check an account at a sandbox that a test may have changed; by name of the line."""
    account = account or an_account(MAIN)
    clock = VirtualClock(wall_offset_ms=wall_offset_ms)
    venue = SandboxSender(VirtualClock())
    if tune is not None:
        tune(venue)
    adapter = discover()[account.venue]
    gateway = Gateway(adapter, BASE_URL, venue, clock, recv_window_ms=5_000, ip_share=1.0)
    checklist = Checklist(
        account,
        gateway if account.signer else None,
        now_ms=clock.wall_ms,
        own_address="192.0.2.7",
        swapped=swapped,
    )
    lines = await checklist.run()
    assert [line.name for line in lines] == list(Checklist.NAMES)
    assert venue.orders() == []
    assert len(venue.requests) < 20
    return {line.name: line for line in lines}


def with_key(**over: Any) -> Tune:
    def tune(venue: SandboxSender) -> None:
        venue.exchange.state.by_key[MAIN.api_key] = replace(MAIN, **over)

    return tune


def revoked(venue: SandboxSender) -> None:
    venue.exchange.state.by_key.clear()


def met(kind: FaultKind, path: str, **options: Any) -> Tune:
    return lambda venue: venue.break_next(kind, method="GET", path=path, count=9, **options)


def unreachable(venue: SandboxSender) -> None:
    venue.is_unreachable = True


def failed(lines: dict[str, Line]) -> dict[str, Fault | None]:
    return {name: line.fault for name, line in lines.items() if line.verdict is Verdict.FAILED}


@virtual_time
async def test_a_good_key_passes_every_line_and_one_without_an_ip_list_is_worth_a_thought() -> None:
    lines = await checked(tune=with_key(allowed_ips=("127.0.0.1",)))
    assert {line.verdict for line in lines.values()} == {Verdict.PASSED}
    assert "BTC 1000" in lines["read"].text
    assert "test order" in lines["trade"].text
    assert "of 100 in 10 s" in lines["order budget"].text
    open_to_all = (await checked())["ip list"]
    assert open_to_all.verdict is Verdict.WARNING
    assert "192.0.2.7" in open_to_all.advice


@virtual_time
async def test_what_bitrue_cannot_prove_is_said_and_not_taken_for_granted() -> None:
    lines = await checked(an_account(BITRUE))
    assert failed(lines) == {}
    unproven = {name for name, line in lines.items() if line.verdict is Verdict.UNPROVEN}
    assert unproven == {"trade", "withdraw", "ip list", "order budget"}
    assert "flags of its account reply mean nothing" in lines["trade"].text


def other_secret(config: AccountConfig) -> Account:
    return an_account(replace(config, secret_key=derive_key(9, "other", "secret")))


@pytest.mark.parametrize(
    ("tune", "line", "fault", "said"),
    [
        (revoked, "signature", Fault.KEY, "-2015"),
        (with_key(allowed_ips=("192.0.2.1",)), "signature", Fault.KEY, "-2015"),
        (with_key(can_read=False), "read", Fault.KEY, "may not read"),
        (with_key(can_trade=False), "trade", Fault.KEY, "may not trade"),
        (with_key(can_withdraw=True), "withdraw", Fault.KEY, "can withdraw"),
        (unreachable, "venue", Fault.VENUE, "connection_refused"),
        (met(FaultKind.HTML_403, "*/time"), "venue", Fault.VENUE, "waf_blocked"),
        (met(FaultKind.BAN_418, "*apiRestrictions", ban_ms=60_000), "signature", Fault.VENUE, "ip_banned"),
        (met(FaultKind.REJECT_5XX, "*apiRestrictions"), "signature", Fault.VENUE, "-1001"),
        (met(FaultKind.REJECT_5XX, "*/exchangeInfo"), "filters", Fault.VENUE, "-1001"),
        (met(FaultKind.REJECT_5XX, "*/rateLimit/order"), "order budget", Fault.VENUE, "-1001"),
    ],
)
@virtual_time
async def test_a_mistake_fails_the_line_it_belongs_to(tune: Tune, line: str, fault: Fault, said: str) -> None:
    lines = await checked(tune=tune)
    assert failed(lines) == {line: fault}
    assert said in lines[line].text
    assert lines[line].advice


@pytest.mark.parametrize("config", [MAIN, BITRUE])
@virtual_time
async def test_a_wrong_secret_is_a_signature_that_is_not_accepted(config: AccountConfig) -> None:
    lines = await checked(other_secret(config))
    assert failed(lines) == {"signature": Fault.KEY}
    assert "-1022" in lines["signature"].text
    assert "secret" in lines["signature"].advice
    assert "192.0.2.7" in lines["signature"].advice
    assert lines["trade"].verdict is Verdict.SKIPPED


@virtual_time
async def test_key_and_secret_exchanged_are_found_when_that_may_be_tried() -> None:
    mistaken = an_account(replace(MAIN, api_key=MAIN.secret_key, secret_key=MAIN.api_key))
    told = (await checked(mistaken))["signature"]
    assert "--try-swapped" in told.advice
    found = await checked(mistaken, swapped=an_account(MAIN).signer)
    assert failed(found) == {"signature": Fault.KEY}
    assert found["signature"].text == "api_key and secret_key are swapped"
    not_swapped = await checked(mistaken, revoked, swapped=an_account(MAIN).signer)
    assert "-2015" in not_swapped["signature"].text
    assert "--try-swapped" not in not_swapped["signature"].advice


@pytest.mark.parametrize(
    ("offset_ms", "verdict"),
    [(0, Verdict.PASSED), (600, Verdict.WARNING), (-600, Verdict.WARNING), (1500, Verdict.FAILED)],
)
@virtual_time
async def test_a_clock_adrift_is_named_and_still_signs_right(offset_ms: float, verdict: Verdict) -> None:
    lines = await checked(wall_offset_ms=offset_ms)
    assert lines["clock"].verdict is verdict
    assert lines["signature"].verdict is Verdict.PASSED
    if offset_ms:
        assert f"{abs(offset_ms)} ms {'ahead of' if offset_ms > 0 else 'behind'}" in lines["clock"].text


@virtual_time
async def test_a_symbol_that_the_venue_does_not_list_is_named_with_what_may_be_meant() -> None:
    lines = await checked(an_account(MAIN, symbols=frozenset({"BTCUSDT", "ETHUSTD"})))
    assert failed(lines) == {"symbols": Fault.CONFIGURATION}
    assert "ETHUSTD (perhaps ETHUSDT?)" in lines["symbols"].text
    assert lines["trade"].verdict is Verdict.PASSED
    idle = await checked(an_account(MAIN, symbols=frozenset({"BTCUSDT"})), _halted)
    assert (idle["symbols"].verdict, idle["trade"].verdict) == (Verdict.WARNING, Verdict.PASSED)


def _halted(venue: SandboxSender) -> None:
    venue.exchange.engine.markets["BTCUSDT"].is_trading = False


@virtual_time
async def test_a_key_that_can_withdraw_passes_where_that_is_allowed() -> None:
    lines = await checked(an_account(MAIN, allow_withdraw_keys=True), with_key(can_withdraw=True))
    assert failed(lines) == {}
    assert lines["withdraw"].verdict is Verdict.WARNING


@virtual_time
async def test_a_refused_account_fails_by_its_files_and_asks_nothing() -> None:
    refused = Account(name="main", venue="binance", base_url=BASE_URL, refused="api_key ends with a space")
    lines = await checked(refused)
    assert failed(lines) == {"configuration": Fault.CONFIGURATION}
    assert lines["configuration"].text == "api_key ends with a space"
    assert {line.verdict for name, line in lines.items() if name != "configuration"} == {Verdict.SKIPPED}
