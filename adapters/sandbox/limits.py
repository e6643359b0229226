"""Rate limits the way the venues meter them: fixed windows aligned to the venue's clock, and bans that grow.

Every breach is counted as a violation and the newest ones are kept with their circumstances: a sandbox is
the judge of clients that claim to stay within limits. A request that comes while its IP was told to wait is
a breach too, even when the venue lets it pass.
"""

from collections import Counter, deque
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from adapters.sandbox.config import LimitConfig

_KEPT_VIOLATIONS: Final = 1_000


class ViolationKind(StrEnum):
    """What was exceeded or ignored."""

    REQUEST_WEIGHT = "request_weight"
    WEIGHT_OVERRUN = "weight_overrun"
    RAW_REQUESTS = "raw_requests"
    ORDERS = "orders"
    WHILE_BANNED = "while_banned"
    WHILE_TOLD_TO_WAIT = "while_told_to_wait"


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """One breach, at a venue time."""

    kind: ViolationKind
    at_ms: int
    ip: str
    account: str | None
    detail: str


class FixedWindow:
    """Counts per key in the clock-aligned window that is open now."""

    def __init__(self, interval_ms: int, limit: int) -> None:
        self.interval_ms = interval_ms
        self.limit = limit
        self._index = 0
        self._used: dict[str, int] = {}

    def used(self, key: str, venue_ms: int) -> int:
        """Return what the key has used in this window."""
        self._turn(venue_ms)
        return self._used.get(key, 0)

    def add(self, key: str, amount: int, venue_ms: int) -> int:
        """Charge (or, with a negative amount, give back, never below zero) and return what is used now."""
        self._turn(venue_ms)
        used = max(0, self._used.get(key, 0) + amount)
        self._used[key] = used
        return used

    def fits(self, key: str, amount: int, venue_ms: int) -> bool:
        """Tell whether an amount can be charged without going over the limit."""
        return self.used(key, venue_ms) + amount <= self.limit

    def ends_in_ms(self, venue_ms: int) -> int:
        """Return how long this window still lasts."""
        return self.interval_ms - venue_ms % self.interval_ms

    def snapshot(self, venue_ms: int) -> dict[str, int]:
        """Return what every key has used in this window."""
        self._turn(venue_ms)
        return {key: used for key, used in self._used.items() if used}

    def _turn(self, venue_ms: int) -> None:
        index = venue_ms // self.interval_ms
        if index != self._index:  # also when the clock was stepped back: the venue would not remember either
            self._index = index
            self._used.clear()


class FirstRequestWindow:
    """Counts per key in a window that opens with the key's first request, as Bitrue's `refreshType` says.

    Two such windows can meet inside one that is aligned to the clock: a client has to be careful in both.
    """

    def __init__(self, interval_ms: int, limit: int) -> None:
        self.interval_ms = interval_ms
        self.limit = limit
        self._open: dict[str, tuple[int, int]] = {}

    def fits(self, key: str, amount: int, venue_ms: int) -> bool:
        """Tell whether an amount can be charged without going over the limit."""
        return self._current(key, venue_ms)[1] + amount <= self.limit

    def add(self, key: str, amount: int, venue_ms: int) -> int:
        """Charge and return what is used now."""
        opened_ms, used = self._current(key, venue_ms)
        self._open[key] = (opened_ms, used + amount)
        return used + amount

    def ends_in_ms(self, key: str, venue_ms: int) -> int:
        """Return how long the key's window still lasts."""
        return self._current(key, venue_ms)[0] + self.interval_ms - venue_ms

    def snapshot(self, venue_ms: int) -> dict[str, int]:
        """Return what every key has used in its window."""
        return {key: self._current(key, venue_ms)[1] for key in self._open}

    def _current(self, key: str, venue_ms: int) -> tuple[int, int]:
        opened_ms, used = self._open.get(key, (venue_ms, 0))
        is_over = not opened_ms <= venue_ms < opened_ms + self.interval_ms
        return (venue_ms, 0) if is_over else (opened_ms, used)


@dataclass(slots=True, kw_only=True)
class _IpState:
    refusals: int = 0
    refusals_until_ms: int = 0
    level: int = 0
    banned_until_ms: int = 0
    wait_told_at_ms: int = 0
    wait_until_ms: int = 0


@dataclass(slots=True)
class Violations:
    """What clients did against the limits."""

    counts: Counter[ViolationKind] = field(default_factory=Counter)
    newest: deque[Violation] = field(default_factory=lambda: deque(maxlen=_KEPT_VIOLATIONS))

    def record(
        self, kind: ViolationKind, *, at_ms: int, ip: str, account: str | None = None, detail: str = ""
    ) -> None:
        """Count one breach."""
        self.counts[kind] += 1
        self.newest.append(Violation(kind=kind, at_ms=at_ms, ip=ip, account=account, detail=detail))

    @property
    def total(self) -> int:
        """Return the number of breaches."""
        return self.counts.total()

    def clear(self) -> None:
        """Forget all breaches."""
        self.counts.clear()
        self.newest.clear()


class IpGuard:
    """Refusals, bans and promised waits of the IPs at one venue."""

    def __init__(self, config: LimitConfig, violations: Violations) -> None:
        self.config = config
        self._violations = violations
        self._states: dict[str, _IpState] = {}

    def banned_until_ms(self, ip: str, venue_ms: int) -> int | None:
        """Note a request that arrives; return the end of the ban when the IP is banned."""
        state = self._states.get(ip)
        if state is None:
            return None
        if venue_ms < state.banned_until_ms:
            self._violations.record(
                ViolationKind.WHILE_BANNED, at_ms=venue_ms, ip=ip, detail=f"until {state.banned_until_ms}"
            )
            self._refused(state, venue_ms, window_ends_ms=state.banned_until_ms)
            return state.banned_until_ms
        since_ms = venue_ms - state.wait_told_at_ms
        if self.config.retry_after_grace_ms < since_ms and venue_ms < state.wait_until_ms:
            self._violations.record(
                ViolationKind.WHILE_TOLD_TO_WAIT,
                at_ms=venue_ms,
                ip=ip,
                detail=f"{since_ms} ms after the reply",
            )
        return None

    def refused(self, ip: str, venue_ms: int, window_ends_ms: int) -> int | None:
        """Note a 429; return the end of the ban when this one was too many."""
        return self._refused(self._state(ip), venue_ms, window_ends_ms)

    def told_to_wait(self, ip: str, venue_ms: int, wait_ms: int) -> None:
        """Note a promised wait: what arrives within it, but for a short grace, is a breach."""
        state = self._state(ip)
        if venue_ms >= state.wait_until_ms:
            state.wait_told_at_ms = venue_ms
        state.wait_until_ms = max(state.wait_until_ms, venue_ms + wait_ms)

    def ban(self, ip: str, until_ms: int) -> None:
        """Ban an IP until a venue time."""
        self._state(ip).banned_until_ms = until_ms

    def bans(self, venue_ms: int) -> dict[str, int]:
        """Return the banned IPs and the ends of their bans."""
        return {
            ip: state.banned_until_ms
            for ip, state in self._states.items()
            if venue_ms < state.banned_until_ms
        }

    def _refused(self, state: _IpState, venue_ms: int, window_ends_ms: int) -> int | None:
        if venue_ms >= state.refusals_until_ms:
            state.refusals = 0
        state.refusals += 1
        state.refusals_until_ms = window_ends_ms
        if state.refusals < self.config.ban_after:
            return None
        state.refusals = 0
        length_ms = min(self.config.first_ban_ms << state.level, self.config.longest_ban_ms)
        state.level += 1
        state.banned_until_ms = max(state.banned_until_ms, venue_ms + length_ms)
        return state.banned_until_ms

    def _state(self, ip: str) -> _IpState:
        return self._states.setdefault(ip, _IpState())
