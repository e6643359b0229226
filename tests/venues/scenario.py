"""Plays `scenario.toml` on every venue, through the whole worker and in virtual time, and writes what became of it.

Four accounts, one on each venue, stand side by side; each step is asked of one after the other. What is compared is
what a consumer of outcomes relies on: status, code, whether it landed, and whether executions come with their average
price and fees. A difference between venues has its reason in the scenario file, or the test fails.
"""

import random
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, Final

from structlog.testing import capture_logs

from adapters.model import Absent, Found
from adapters.sandbox.config import AccountConfig, default_config, make_account
from adapters.sandbox.exchange import Exchange
from adapters.sandbox.fault_rules import FaultKind
from adapters.sandbox.model import Dialect
from adapters.signing import make_signer
from tests.virtual_time import run_virtually
from tests.worker.builders import a_cancel, a_signal, an_account
from tests.worker.fakes import Rig, SandboxSender, a_rig
from worker.accounts import Account
from worker.core.outcome import client_order_id
from worker.passage import Sending
from worker.trade import always, seen

FILE: Final = Path(__file__).with_name("scenario.toml")
VENUES: Final = tuple(Dialect)
_SPOT: Final = {"USDT": Decimal(1_000_000), "BTC": Decimal(10)}
BALANCES: Final = dict.fromkeys(Dialect, _SPOT) | {Dialect.BINANCE_USDM: {"USDT": Decimal(100_000)}}
KEYS: Final = ("wrong secret", "unknown", "read only")
DEPTH: Final = Decimal("0.500")
"""So little is offered that larger orders fill in part."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of the scenario, as the file says it."""

    name: str
    outcome: str
    signal: Mapping[str, Any] | None = None
    cancels: str | None = None
    look: str | None = None
    price: str | None = None
    closed: str | None = None
    key: str | None = None
    fault: Mapping[str, Any] = field(default_factory=dict)
    differs: Mapping[str, list[str]] = field(default_factory=dict)

    def expected(self, venue: str) -> str:
        """What the file says becomes of it on a venue."""
        return self.differs.get(venue, [self.outcome])[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a venue's account was told, and the whole outcome if it was one."""

    text: str
    outcome: Mapping[str, Any] | None = None


@cache
def steps() -> tuple[Step, ...]:
    """Read the scenario file."""
    document = tomllib.loads(FILE.read_text(encoding="utf-8"))
    return tuple(Step(**row) for row in document["steps"])


def played() -> Mapping[str, Mapping[str, Told]]:
    """Play the scenario; by step and venue."""
    with capture_logs():
        return run_virtually(_play())


async def _play() -> Mapping[str, Mapping[str, Told]]:
    async with a_rig(accounts=_accounts(), tune=_open) as rig:
        told = {}
        for step in steps():
            _change_the_world(rig.venue, step)
            told[step.name] = {str(venue): await _ask(rig, step, venue) for venue in VENUES}
        return told


def _config(venue: str, key: str | None = None) -> AccountConfig:
    dialect = Dialect(venue)
    name = f"{venue}-{key}".replace(" ", "-") if key else venue
    return make_account(name, dialect, balances=BALANCES[dialect], can_trade=key != "read only")


def _accounts() -> dict[str, Account]:
    accounts = {}
    for venue in VENUES:
        for key in (None, *KEYS):
            config = _config(venue, key)
            secret = "not this one" if key == "wrong secret" else config.secret_key
            signer = make_signer(config.api_key, secret)
            accounts[config.name] = an_account(config, signer=signer)
    return accounts


def _open(venue: SandboxSender) -> None:
    configs = [_config(name, key) for name in VENUES for key in (None, *KEYS) if key != "unknown"]
    sandbox = default_config(configs)
    venue.exchange = Exchange(sandbox, random.Random(1))
    venue.exchange.set_liquidity("BTCUSDT", DEPTH, 1)
    _close(venue, "DOGEUSDT")


def _change_the_world(venue: SandboxSender, step: Step) -> None:
    if step.price is not None:
        venue.set_price(step.price)
    if step.closed is not None:
        _close(venue, step.closed)


def _close(venue: SandboxSender, symbol: str) -> None:
    for market in venue.exchange.markets_of(symbol):
        market.is_trading = False


async def _ask(rig: Rig, step: Step, venue: str) -> Told:
    if step.fault:
        options = {name: value for name, value in step.fault.items() if name != "kind"}
        rig.venue.break_next(kind=FaultKind(step.fault["kind"]), **options)
    if step.look is not None:
        return await _look(rig, venue, step.look)
    account = _config(venue, step.key).name
    outcome = await rig.outcome(_signal(rig, step, account))
    code = outcome["error"]["code"] if outcome["error"] else None
    return Told(text=f"{outcome['status']} ({code})" if code else outcome["status"], outcome=outcome)


def _signal(rig: Rig, step: Step, account: str) -> dict[str, Any]:
    if step.cancels is not None:
        return a_cancel(step.cancels, step.name, account=account)
    fields = dict(step.signal or {})
    if fields.get("action") == "cancel_all":
        return {"signal_id": step.name, "account": account, "symbol": "BTC/USDT"} | fields
    if fields.get("valid_until") == "in ten minutes":
        fields["valid_until"] = int(rig.clock.wall_ms()) + 600_000
    signal = a_signal(step.name, account=account) | {"quantity": "0.010"} | fields
    if "quote_quantity" in fields or signal["quantity"] is False:
        del signal["quantity"]
    return signal


async def _look(rig: Rig, venue: str, step: str) -> Told:
    """Ask the venue by our id alone, as `beeline order` does."""
    account = rig.book.accounts[venue]
    gateway = rig.book.gateway_of(account)
    sending = Sending(signer=account.signer, budget=None, may_send=always)
    since_ms = int(gateway.earliest_venue_ms() - 86_400_000)
    flow = gateway.adapter.find_by_id("BTCUSDT", client_order_id(venue, step), since_ms=since_ms)
    match seen(await gateway.drive(flow, sending, lambda _: None)):
        case Found(report=report):
            return Told(text=str(report.state))
        case Absent():
            return Told(text="absent")
        case other:
            return Told(text=f"{type(other).__name__}")


# --- The page ---------------------------------------------------------------------------------------------------------


def rows() -> list[tuple[str, ...]]:
    """Return the table: a step, what became of it on each venue, and why venues differ."""
    told = played()
    return [
        (step.name, *(told[step.name][venue].text for venue in VENUES), "; ".join(_reasons(step)))
        for step in steps()
    ]


def reasons() -> Mapping[tuple[str, str], str]:
    """Why a venue ends otherwise, by venue and outcome: a reason that is given once holds for the same again."""
    return {
        (venue, outcome): why
        for step in reversed(steps())
        for venue, (outcome, why) in step.differs.items()
        if why
    }


def _reasons(step: Step) -> list[str]:
    given = [why or reasons()[venue, outcome] for venue, (outcome, why) in step.differs.items()]
    return list(dict.fromkeys(given))
