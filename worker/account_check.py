"""The checklist of one account: from its files to a test order, each line explained, top to bottom.

It spends about ten requests and places nothing. A line that fails says what to do; what cannot be asked because of it
is skipped, and what a venue cannot prove is said to be unproven, never taken for granted. A worker runs the lines about
the key by itself (`keys.py`), the ones about files when it loads them, and keeps clock and rules as long as it lives.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from difflib import get_close_matches
from enum import StrEnum
from typing import Final, TypeVar

from adapters.base import Flow
from adapters.errors import VenueError, refusal
from adapters.model import KeyRights, OrderType, VenueRules
from adapters.signing import Ed25519Signer, HmacSigner, RsaSigner, Signer
from worker.accounts import ROTATE_AFTER_DAYS, Account
from worker.clock_sync import DRIFT_ERROR_MS, DRIFT_WARNING_MS
from worker.core.key_standing import WITHDRAWS
from worker.core.small_order import smallest_order
from worker.gateway import Gateway
from worker.keys import ask_rights
from worker.passage import Exchange, Fenced, Sending, Throttled

T = TypeVar("T")

SHOWN: Final = 5
PATIENCE_MS: Final = 10_000.0
SWAPPED: Final = (
    "Exchange them, and better still make a new key: the secret was sent as a key with every request so far."
)
TRY_SWAPPED: Final = " Whether key and secret are swapped, --try-swapped finds out."
NOT_TOLD: Final = "this venue does not tell; look it up for this key on the venue's website"
_KINDS: Final = {HmacSigner: "HMAC-SHA256", RsaSigner: "RSA", Ed25519Signer: "Ed25519"}


class Verdict(StrEnum):
    """How a line ended."""

    PASSED = "passed"
    WARNING = "warning"
    UNPROVEN = "unproven"
    FAILED = "failed"
    SKIPPED = "skipped"


class Fault(StrEnum):
    """Where to look when a line failed: it decides the exit code."""

    CONFIGURATION = "configuration"
    HOST = "host"
    KEY = "key"
    VENUE = "venue"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of the checklist. `advice` says what to do, `fault` where to look when it failed."""

    name: str
    verdict: Verdict
    text: str
    advice: str = ""
    fault: Fault | None = None


class Checklist:
    """Checks one account, line by line."""

    NAMES: Final = (
        "configuration",
        "key form",
        "venue",
        "clock",
        "signature",
        "read",
        "trade",
        "withdraw",
        "ip list",
        "symbols",
        "filters",
        "order budget",
    )

    def __init__(
        self,
        account: Account,
        gateway: Gateway | None,
        *,
        now_ms: Callable[[], float],
        own_address: str | None,
        swapped: Signer | None = None,
    ) -> None:
        self._account, self._gateway, self._now_ms = account, gateway, now_ms
        self._own_address, self._swapped = own_address, swapped
        self._rights = KeyRights()
        self._rules: VenueRules | None = None

    async def run(self) -> list[Line]:
        """Check everything that can be checked."""
        lines = [*self._files()]
        if self._gateway is not None:
            for part in (self._venue, self._key, self._market):
                lines += await part(self._gateway)
                if any(line.verdict is Verdict.FAILED and line.name in _STOPPING for line in lines):
                    break
        told = {line.name for line in lines}
        lines += [_skipped(name) for name in self.NAMES if name not in told]
        return sorted(lines, key=lambda line: self.NAMES.index(line.name))

    # --- What stands in files

    def _files(self) -> Iterator[Line]:
        account = self._account
        if account.signer is None:
            yield _failed("configuration", account.refused or "refused", Fault.CONFIGURATION)
            return
        named = ", ".join(f"{file.name} ({file.stat().st_mode & 0o777:o})" for file in account.files)
        yield _passed("configuration", f"readable by their owner and group only: {named}")
        kind = _KINDS.get(type(account.signer), "a key")
        text = f"{kind}, an API key of {len(account.signer.api_key)} characters without hidden ones"
        age_days = account.rotation_due_days(datetime.fromtimestamp(self._now_ms() / 1000, UTC).date())
        yield (
            _passed("key form", text)
            if age_days is None
            else _warning(
                "key form", f"{text}, {age_days} days old", f"Replace keys after {ROTATE_AFTER_DAYS} days."
            )
        )

    # --- The venue and its clock

    async def _venue(self, gateway: Gateway) -> list[Line]:
        error = await gateway.clock.synchronise()
        if error is not None:
            return [_venue_failed("venue", gateway, error)]
        trip_ms = gateway.clock.offset.round_trip_ms or 0.0
        return [
            _passed("venue", f"{_reached(gateway.base_url)}, round trip {trip_ms:.1f} ms"),
            self._clock(gateway),
        ]

    @staticmethod
    def _clock(gateway: Gateway) -> Line:
        drift_ms, reading = gateway.clock.wall_drift_ms or 0.0, gateway.clock.read()
        known = f" (known within {reading.uncertainty_ms:.1f} ms)" if reading else ""
        text = (
            f"this host is {abs(drift_ms):.0f} ms {'ahead of' if drift_ms > 0 else 'behind'} the venue{known}"
        )
        advice = (
            "Beeline stamps orders with the venue's time, so they pass; set up NTP on this host all the same."
        )
        if abs(drift_ms) >= DRIFT_ERROR_MS:
            return _failed("clock", f"{text}, above {DRIFT_ERROR_MS:.0f} ms", Fault.HOST, advice)
        if abs(drift_ms) >= DRIFT_WARNING_MS:
            return _warning("clock", f"{text}, above {DRIFT_WARNING_MS:.0f} ms", advice)
        return _passed("clock", text)

    # --- The key

    async def _key(self, gateway: Gateway) -> list[Line]:
        deadline_ms = self._now_ms() + PATIENCE_MS
        answer = await ask_rights(gateway, self._account, deadline_ms=deadline_ms) or _turned_away(gateway)
        if isinstance(answer, VenueError):
            return await self._key_failed(gateway, answer)
        self._rights = answer
        return [
            _passed("signature", "accepted by the venue"),
            await self._read(gateway),
            self._withdraw(),
            self._ip_list(),
        ]

    async def _key_failed(self, gateway: Gateway, error: VenueError) -> list[Line]:
        """Find out more about a key that is not accepted: venues give one answer to several mistakes."""
        if not error.entry.quarantines:
            return [_venue_failed("signature", gateway, error)]
        if await self._is_swapped(gateway):
            return [_failed("signature", "api_key and secret_key are swapped", Fault.KEY, SWAPPED)]
        trade = await self._trade_alone(gateway)
        if trade is not None and trade.verdict is Verdict.PASSED:
            advice = "Enable reading for it at the venue, or orders cannot be looked up."
            return [
                _passed("signature", "accepted by the venue, for a test order"),
                _failed("read", f"the key may not read: {_said(error)}", Fault.KEY, advice),
                trade,
            ]
        address = self._own_address
        seen = f" This host goes out from {address}, or from what a NAT makes of it." if address else ""
        is_hmac = isinstance(self._account.signer, HmacSigner)
        can_be_swapped = is_hmac and self._swapped is None and error.code != "invalid_signature"
        advice = f"{error.hint}{seen}{TRY_SWAPPED if can_be_swapped else ''}"
        return [_failed("signature", _said(error), Fault.KEY, advice)]

    async def _is_swapped(self, gateway: Gateway) -> bool:
        if self._swapped is None:
            return False
        exchanged = replace(self._account, signer=self._swapped)
        answer = await ask_rights(gateway, exchanged, deadline_ms=self._now_ms() + PATIENCE_MS)
        return isinstance(answer, KeyRights)

    async def _trade_alone(self, gateway: Gateway) -> Line | None:
        """Try a test order with a key that may not read."""
        rules = await self._ask(gateway, gateway.adapter.venue_rules())
        return None if isinstance(rules, VenueError) else await self._trade(gateway, rules)

    async def _read(self, gateway: Gateway) -> Line:
        held = await self._ask(gateway, gateway.adapter.balances())
        if isinstance(held, VenueError):
            return _answer_failed("read", gateway, held)
        named = ", ".join(f"{row.asset} {(row.free + row.locked).normalize():f}" for row in held[:SHOWN])
        more = f" and {len(held) - SHOWN} more" if len(held) > SHOWN else ""
        return _passed("read", f"balances: {named or 'none'}{more}")

    def _withdraw(self) -> Line:
        match self._rights.can_withdraw:
            case False:
                return _passed("withdraw", "the key cannot withdraw")
            case True if self._account.allow_withdraw_keys:
                return _warning("withdraw", "the key can withdraw, which allow_withdraw_keys permits")
            case True:
                return _failed("withdraw", "the key can withdraw", Fault.KEY, f"{WITHDRAWS}.")
            case None:
                return _unproven("withdraw", NOT_TOLD)

    def _ip_list(self) -> Line:
        match self._rights.is_ip_restricted:
            case True:
                return _passed(
                    "ip list", "the key works from the addresses on its list only, and from this one"
                )
            case False:
                address = self._own_address
                own = (
                    f"; this host goes out from {address}, or from what a NAT makes of it" if address else ""
                )
                advice = f"Restrict it to the addresses of your workers{own}."
                return _warning("ip list", "the key works from any address", advice)
            case None:
                return _unproven("ip list", NOT_TOLD)

    # --- The market

    async def _market(self, gateway: Gateway) -> list[Line]:
        rules = await self._ask(gateway, gateway.adapter.venue_rules())
        if isinstance(rules, VenueError):
            return [_answer_failed("filters", gateway, rules), await self._order_budget(gateway)]
        self._rules = rules
        trading = sum(symbol.is_trading for symbol in rules.symbols.values())
        return [
            _passed("filters", f"{len(rules.symbols)} symbols read, {trading} of them trade now"),
            self._symbols(rules),
            await self._trade(gateway, rules),
            await self._order_budget(gateway),
        ]

    def _symbols(self, rules: VenueRules) -> Line:
        wanted = self._account.symbols
        if wanted is None:
            return _passed("symbols", "no whitelist: every symbol may be traded")
        unknown = sorted(wanted - rules.symbols.keys())
        if unknown:
            near = {name: get_close_matches(name, rules.symbols, n=1) for name in unknown}
            meant = [f"{name} (perhaps {found[0]}?)" if found else name for name, found in near.items()]
            text = f"the venue does not list {', '.join(meant)}"
            return _failed("symbols", text, Fault.CONFIGURATION, "Correct `symbols` in the account file.")
        idle = sorted(name for name in wanted if not rules.symbols[name].is_trading)
        if idle:
            return _warning("symbols", f"{', '.join(idle)} do not trade now")
        return _passed("symbols", f"{len(wanted)} of {len(wanted)} on the whitelist are listed and trade")

    async def _trade(self, gateway: Gateway, rules: VenueRules) -> Line:
        """Prove the right to trade, by a test order where the venue has one."""
        if self._rights.can_trade is False:
            return _failed("trade", "the key may not trade", Fault.KEY, "Enable trading for it at the venue.")
        symbol = next((rules.symbols[name] for name in self._candidates(rules)), None)
        if symbol is None:
            return _unproven("trade", "no symbol trades now, so no test order can be tried")
        price = await self._ask(gateway, gateway.adapter.last_price(symbol.symbol))
        if isinstance(price, VenueError):
            return _unproven("trade", f"{symbol.display} cannot be priced now, so no test order can be tried")
        order = gateway.adapter.prepare(smallest_order(symbol, price), symbol, price)
        call = None if isinstance(order, VenueError) else gateway.adapter.test_order(order)
        if call is None:
            told = "The venue says that the key may trade" if self._rights.can_trade else self._rights.note
            return _unproven("trade", f"{told}. There is no test order to prove it")
        passage = await gateway.send(call, self._sending())
        sent = passage if isinstance(passage, Exchange) else None
        error = gateway.adapter.error(sent.answer) if sent else _turned_away(gateway)
        if error is not None and error.entry.quarantines:
            return _failed("trade", _said(error), Fault.KEY, error.hint)
        if error is not None:
            return _unproven("trade", f"a test order on {symbol.display} was answered with {_said(error)}")
        return _passed("trade", f"a test order on {symbol.display} passed; nothing was placed")

    def _candidates(self, rules: VenueRules) -> Iterator[str]:
        """Symbols to try a test order on: of the whitelist, then the usual ones, then any."""
        for name in (*sorted(self._account.symbols or ()), "BTCUSDT", "BTCUSD", *rules.symbols):
            symbol = rules.symbols.get(name)
            if symbol is not None and symbol.is_trading and OrderType.LIMIT in symbol.order_types:
                yield name

    async def _order_budget(self, gateway: Gateway) -> Line:
        flow = gateway.adapter.order_counts()
        if flow is None:
            limits = [
                limit for limit in (self._rules.limits if self._rules else ()) if limit.kind == "orders"
            ]
            named = ", ".join(f"{limit.limit} in {_span(limit.interval_s)}" for limit in limits)
            return _unproven(
                "order budget", f"{named or 'unknown'}; this venue does not tell how much is used"
            )
        counts = await self._ask(gateway, flow)
        if isinstance(counts, VenueError):
            return _answer_failed("order budget", gateway, counts)
        named = ", ".join(
            f"{'?' if row.used is None else row.used} of {row.limit} in {_span(row.interval_s)}"
            for row in counts
        )
        return _passed("order budget", f"used: {named}")

    # --- Asking

    def _sending(self) -> Sending:
        deadline_ms = self._now_ms() + PATIENCE_MS
        return Sending(
            signer=self._account.signer, budget=None, may_send=lambda: True, deadline_ms=deadline_ms
        )

    async def _ask(self, gateway: Gateway, flow: Flow[T]) -> T | VenueError:
        answer = await gateway.drive(flow, self._sending(), lambda _: None)
        return _turned_away(gateway) if isinstance(answer, Throttled | Fenced) else answer


_STOPPING: Final = frozenset({"configuration", "venue", "signature", "read"})
"""Lines without which nothing below them can be asked."""


def _passed(name: str, text: str) -> Line:
    return Line(name=name, verdict=Verdict.PASSED, text=text)


def _warning(name: str, text: str, advice: str = "") -> Line:
    return Line(name=name, verdict=Verdict.WARNING, text=text, advice=advice)


def _unproven(name: str, text: str) -> Line:
    return Line(name=name, verdict=Verdict.UNPROVEN, text=text)


def _failed(name: str, text: str, fault: Fault, advice: str = "") -> Line:
    return Line(name=name, verdict=Verdict.FAILED, text=text, advice=advice, fault=fault)


def _skipped(name: str) -> Line:
    return Line(name=name, verdict=Verdict.SKIPPED, text="not asked because of what failed above")


def _turned_away(gateway: Gateway) -> VenueError:
    seconds = gateway.hold_ms() / 1000
    return refusal("rate_limited", detail=f"The venue wants to be left alone for another {seconds:.0f} s")


def _reached(base_url: str) -> str:
    by_tls = ", its certificate is good" if base_url.startswith("https:") else " (without TLS)"
    return f"{base_url} resolves{by_tls} and answers"


def _venue_failed(name: str, gateway: Gateway, error: VenueError) -> Line:
    return _failed(name, f"{gateway.base_url}: {_said(error)}", Fault.VENUE, error.hint)


def _answer_failed(name: str, gateway: Gateway, error: VenueError) -> Line:
    if error.entry.quarantines:
        return _failed(name, _said(error), Fault.KEY, error.hint)
    return _venue_failed(name, gateway, error)


def _said(error: VenueError) -> str:
    """What was answered, in the venue's own words if it used any."""
    said = " ".join(str(part) for part in (error.venue_code, error.venue_message) if part is not None)
    return f"{error.code} ({said})" if said else error.code


def _span(interval_s: int) -> str:
    for unit, length_s in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if interval_s % length_s == 0:
            count = interval_s // length_s
            return f"a {unit}" if count == 1 else f"{count} {unit}s"
    return f"{interval_s} s"
