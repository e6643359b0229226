"""The fault catalogue: what can go wrong between a client and a venue, as data, drawn from a seeded source.

Pure: `plan` decides what happens to a request, and whoever carries requests (the HTTP server, a simulation)
acts it out:

    1. a plan that `executes` gives the request to the exchange, `enter_after_ms` after it was admitted;
    2. the reply is `plan.reply_to(actual)`, sent `reply_after_ms` later, the way `wire` says.

So an order can be executed without its client learning of it, which is what this file is for.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from fnmatch import fnmatchcase
from typing import Any, Final

from adapters.sandbox.exchange import Exchange, dialect_of
from adapters.sandbox.fault_rules import PLACEMENTS_ONLY, FaultKind, FaultPlan, FaultRule, Wire, every_kind
from adapters.sandbox.model import Dialect, SandboxRequest
from adapters.sandbox.venue import DialectHandler, RandomSource, html_reply
from adapters.sandbox.wire import read_parameters

__all__ = ["FaultCatalogue", "FaultKind", "FaultPlan", "FaultRule", "Wire", "every_kind"]

_DEFAULT_WINDOW_MS: Final = 5_000


_ALWAYS_THE_SAME: Final[Mapping[FaultKind, FaultPlan]] = {
    FaultKind.DROP_BEFORE: FaultPlan(kind=FaultKind.DROP_BEFORE, wire=Wire.CLOSE, executes=False),
    FaultKind.ACCEPT_THEN_DROP: FaultPlan(kind=FaultKind.ACCEPT_THEN_DROP, wire=Wire.CLOSE),
    FaultKind.RESET_MID_BODY: FaultPlan(kind=FaultKind.RESET_MID_BODY, wire=Wire.RESET_MID_BODY),
    FaultKind.TRUNCATED_BODY: FaultPlan(kind=FaultKind.TRUNCATED_BODY, wire=Wire.TRUNCATE),
    FaultKind.HTML_403: FaultPlan(
        kind=FaultKind.HTML_403, executes=False, substitute=html_reply(403, "Forbidden")
    ),
}


@dataclass(slots=True)
class _Entry:
    rule: FaultRule
    left: int | None
    hits: int = 0


class FaultCatalogue:
    """The rules in force and how often each kind was hit."""

    def __init__(self, random: RandomSource) -> None:
        self._random = random
        self._entries: dict[int, _Entry] = {}
        self._next_id = 1
        self.hits: Counter[FaultKind] = Counter()

    @property
    def is_empty(self) -> bool:
        """Tell whether no rule is in force."""
        return not self._entries

    def add(self, rule: FaultRule) -> int:
        """Put a rule in force; return its id."""
        number = self._next_id
        self._next_id += 1
        self._entries[number] = _Entry(rule, rule.count)
        return number

    def remove(self, number: int) -> bool:
        """Take a rule out of force; tell whether there was one."""
        return self._entries.pop(number, None) is not None

    def clear(self) -> None:
        """Take all rules out of force; the counts stay."""
        self._entries.clear()

    def describe(self) -> dict[str, Any]:
        """Return rules and counts as JSON values."""
        rules = [
            {"id": number, "left": entry.left, "hits": entry.hits}
            | {item.name: getattr(entry.rule, item.name) for item in fields(entry.rule)}
            for number, entry in self._entries.items()
        ]
        return {"rules": rules, "hits": {kind.value: self.hits[kind] for kind in FaultKind}}

    def plan(self, request: SandboxRequest, exchange: Exchange, now_ms: int) -> FaultPlan | None:
        """Decide what goes wrong with a request, if anything does."""
        dialect = dialect_of(request.path)
        if dialect is None:
            return None
        subject = _Subject(request, exchange, dialect)
        for number, entry in self._entries.items():
            if not subject.matches(entry.rule):
                continue
            if entry.rule.probability < 1 and self._random.random() >= entry.rule.probability:
                continue
            self._count(number, entry)
            return self._planned(entry.rule, subject, now_ms)
        return None

    def _count(self, number: int, entry: _Entry) -> None:
        entry.hits += 1
        self.hits[entry.rule.kind] += 1
        if entry.left is not None:
            entry.left -= 1
            if entry.left <= 0:
                del self._entries[number]

    def _planned(self, rule: FaultRule, subject: "_Subject", now_ms: int) -> FaultPlan:
        if rule.kind in _ALWAYS_THE_SAME:
            return _ALWAYS_THE_SAME[rule.kind]
        if rule.kind is FaultKind.HOLD_IN_QUEUE:
            return self._hold(rule, subject, now_ms)
        return _PLANNERS[rule.kind](rule, subject, now_ms)

    def _hold(self, rule: FaultRule, subject: "_Subject", now_ms: int) -> FaultPlan:
        enter_after_ms = rule.delay_ms
        if enter_after_ms is None:
            left_ms = max(0, subject.window_ends_ms() - subject.exchange.clock.venue_ms(now_ms))
            enter_after_ms = int(left_ms * self._random.random())
        wire = Wire.CLOSE if rule.disconnects else Wire.NORMAL
        return FaultPlan(kind=rule.kind, wire=wire, enter_after_ms=enter_after_ms)


class _Subject:
    """A request with what rules ask about it, read only when a rule asks."""

    def __init__(self, request: SandboxRequest, exchange: Exchange, dialect: Dialect) -> None:
        self.request = request
        self.exchange = exchange
        self.dialect = dialect
        self._values: Mapping[str, str] | None = None

    @property
    def handler(self) -> DialectHandler:
        return self.exchange.dialects[self.dialect]

    @property
    def values(self) -> Mapping[str, str]:
        if self._values is None:
            self._values = read_parameters(self.request).values
        return self._values

    def matches(self, rule: FaultRule) -> bool:
        """Tell whether a rule's conditions hold for this request."""
        method, path = rule.method, rule.path
        if rule.kind in PLACEMENTS_ONLY:
            method, path = method or "POST", path or "*rder"
        return (
            (method is None or method == self.request.method)
            and (path is None or fnmatchcase(self.request.path, path))
            and (rule.dialect is None or rule.dialect is self.dialect)
            and (rule.account is None or rule.account == self._account_name())
            and (rule.symbol is None or rule.symbol == self.values.get("symbol"))
        )

    def window_ends_ms(self) -> int:
        """Return the last venue time at which this request may still enter the engine."""
        timestamp, window = self.values.get("timestamp", ""), self.values.get("recvWindow", "")
        window_ms = int(window) if window.isdecimal() else _DEFAULT_WINDOW_MS
        return int(timestamp) + window_ms if timestamp.isdecimal() else 0

    def _account_name(self) -> str | None:
        account = self.exchange.state.account_of(self.request)
        return None if account is None else account.name


def _accept_then_fail(rule: FaultRule, subject: _Subject, _now_ms: int) -> FaultPlan:
    if rule.html:
        reply = html_reply(rule.status, "Gateway Time-out" if rule.status == 504 else "Bad Gateway")
    else:
        reply = subject.handler.unknown_reply(rule.status, rule.code)
    return FaultPlan(kind=rule.kind, substitute=reply)


def _reject(rule: FaultRule, subject: _Subject, _now_ms: int) -> FaultPlan:
    return FaultPlan(kind=rule.kind, executes=False, substitute=subject.handler.unavailable_reply(rule.code))


def _hang(rule: FaultRule, _subject: _Subject, _now_ms: int) -> FaultPlan:
    return FaultPlan(kind=rule.kind, wire=Wire.HANG, executes=rule.executes)


def _slow(rule: FaultRule, _subject: _Subject, _now_ms: int) -> FaultPlan:
    return FaultPlan(kind=rule.kind, reply_after_ms=_or(rule.delay_ms, 1_000))


def _duplicate(rule: FaultRule, subject: _Subject, _now_ms: int) -> FaultPlan:
    reply = subject.handler.duplicate_reply()
    return FaultPlan(kind=rule.kind, substitute=reply, substitutes_success_only=True)


def _rate_limit(rule: FaultRule, subject: _Subject, now_ms: int) -> FaultPlan:
    if rule.retry_after is not None:
        venue_ms = subject.exchange.clock.venue_ms(now_ms)
        subject.handler.told_to_wait(subject.request.ip, venue_ms, rule.retry_after * 1_000)
    reply = subject.handler.rate_limited_reply(rule.retry_after)
    return FaultPlan(kind=rule.kind, executes=False, substitute=reply)


def _ban(rule: FaultRule, subject: _Subject, now_ms: int) -> FaultPlan:
    venue_ms = subject.exchange.clock.venue_ms(now_ms)
    until_ms = venue_ms + rule.ban_ms
    subject.handler.ban(subject.request.ip, until_ms)
    reply = subject.handler.banned_reply(until_ms, venue_ms)
    return FaultPlan(kind=rule.kind, executes=False, substitute=reply)


def _delay_visibility(rule: FaultRule, _subject: _Subject, _now_ms: int) -> FaultPlan:
    return FaultPlan(kind=rule.kind, visibility_lag_ms=_or(rule.delay_ms, 3_000))


def _jump(rule: FaultRule, subject: _Subject, _now_ms: int) -> FaultPlan:
    subject.exchange.clock.step(rule.step_ms)
    return FaultPlan(kind=rule.kind)


_PLANNERS: Final[Mapping[FaultKind, Callable[[FaultRule, _Subject, int], FaultPlan]]] = {
    FaultKind.ACCEPT_THEN_5XX: _accept_then_fail,
    FaultKind.REJECT_5XX: _reject,
    FaultKind.HANG: _hang,
    FaultKind.SLOW: _slow,
    FaultKind.DUPLICATE: _duplicate,
    FaultKind.RATE_LIMIT_429: _rate_limit,
    FaultKind.BAN_418: _ban,
    FaultKind.DELAYED_VISIBILITY: _delay_visibility,
    FaultKind.CLOCK_JUMP: _jump,
}


def _or(value: int | None, default: int) -> int:
    return default if value is None else value
