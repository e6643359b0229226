"""What the dialects have in common: the venue's state, endpoints, errors and the signature and time checks.

A dialect handles a request in two steps, because a venue does. `admit` is what happens on receipt: limits,
parameters, key, timestamp and signature. `execute` is what happens when the request reaches the engine, at
once or, when a fault holds it in a queue, much later; it checks the receive window a second time.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from adapters.sandbox.clock import VenueClock
from adapters.sandbox.config import AccountConfig, LimitConfig, SandboxConfig
from adapters.sandbox.engine import Engine, Moment
from adapters.sandbox.limits import Violations
from adapters.sandbox.model import Dialect, SandboxReply, SandboxRequest
from adapters.sandbox.public_keys import is_signed_by
from adapters.sandbox.usdm_engine import FuturesEngine
from adapters.sandbox.wire import WireParameters, dump, signature_matches

_AHEAD_US: Final = 1_000_000
# Timestamps may be in microseconds; anything of this size cannot be milliseconds before the year 5138.
_MICROSECONDS_FROM: Final = 100_000_000_000_000


class RandomSource(Protocol):
    """What the sandbox needs of `random.Random`; a seeded one is handed in."""

    def random(self) -> float:
        """Return a number in [0, 1)."""
        ...

    def randrange(self, start: int, stop: int) -> int:
        """Return an integer in [start, stop)."""
        ...


class VenueError(Exception):
    """A refusal as the client will see it."""

    def __init__(
        self, status: int, code: int, message: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(f"{code} {message}")
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers or {}


@dataclass(slots=True)
class VenueState:
    """Everything the dialects share."""

    config: SandboxConfig
    engine: Engine
    futures: FuturesEngine
    clock: VenueClock
    random: RandomSource
    accounts: dict[str, AccountConfig] = field(default_factory=dict)
    by_key: dict[str, AccountConfig] = field(default_factory=dict)
    violations: Violations = field(default_factory=Violations)
    requests: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    visibility_lag_ms: int = 0

    def account_of(self, request: SandboxRequest) -> AccountConfig | None:
        """Return the account whose key a request carries."""
        key = request.header("X-MBX-APIKEY")
        return None if key is None else self.by_key.get(key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One method and path: who may call it, what it costs and which parameters it knows."""

    name: str
    handler: str
    weight: int | Callable[[Mapping[str, str]], int]
    is_signed: bool = True
    needs_trading: bool = False
    enters_engine: bool = False
    places_order: bool = False
    known: frozenset[str] = frozenset()
    mandatory: tuple[str, ...] = ()

    def weight_of(self, values: Mapping[str, str]) -> int:
        """Return the listed weight of a call with these parameters."""
        return self.weight if isinstance(self.weight, int) else self.weight(values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """An admitted request on its way to the engine."""

    dialect: Dialect
    request: SandboxRequest
    endpoint: Endpoint
    values: Mapping[str, str]
    account: AccountConfig | None
    timestamp_us: int
    window_us: int

    @property
    def signer(self) -> AccountConfig:
        """Return the account that signed; only for signed endpoints."""
        if self.account is None:
            raise AssertionError(f"{self.endpoint.name} has no account")
        return self.account

    @property
    def owner(self) -> str:
        """Return the name of the account that signed."""
        return self.signer.name


class DialectHandler(Protocol):
    """What the exchange needs of a dialect."""

    def admit(self, request: SandboxRequest, host_ms: int) -> "Call | SandboxReply":
        """Check a request on receipt; a reply means that it goes no further."""
        ...

    def execute(self, call: Call, moment: Moment) -> SandboxReply:
        """Let an admitted request reach the engine."""
        ...

    def duplicate_reply(self) -> SandboxReply:
        """Return the reply to an order whose client id is taken."""
        ...

    def rate_limited_reply(self, retry_after: int | None) -> SandboxReply:
        """Return a 429."""
        ...

    def banned_reply(self, until_ms: int, venue_ms: int) -> SandboxReply:
        """Return the reply to a banned IP."""
        ...

    def configure(self, limits: LimitConfig) -> None:
        """Take new limits at once."""
        ...

    def unavailable_reply(self, code: int) -> SandboxReply:
        """Return the 503 of a request that was not executed, with the code where the venue has it."""
        ...

    def unknown_reply(self, status: int, code: int) -> SandboxReply:
        """Return a 5xx that says nothing about what happened."""
        ...

    def ban(self, ip: str, until_ms: int) -> None:
        """Ban an IP until a venue time."""
        ...

    def told_to_wait(self, ip: str, venue_ms: int, wait_ms: int) -> None:
        """Note that an IP was told to wait."""
        ...

    def usage(self, venue_ms: int) -> Mapping[str, Any]:
        """Return what the limits' windows count now."""
        ...


def check_timing(timestamp_us: int, window_us: int, venue_ms: int) -> str | None:
    """Return the error's text for a timestamp outside its window.

    As the venues do it: as old as the window passes, exactly 1000 ms ahead does not.
    """
    now_us = venue_ms * 1000
    if timestamp_us >= now_us + _AHEAD_US:
        return "Timestamp for this request was 1000ms ahead of the server's time."
    if now_us - timestamp_us > window_us:
        return "Timestamp for this request is outside of the recvWindow."
    return None


def to_microseconds(timestamp: int) -> int:
    """Return a timestamp given in milliseconds or microseconds in microseconds."""
    return timestamp if timestamp >= _MICROSECONDS_FROM else timestamp * 1000


def is_signature_valid(account: AccountConfig, parameters: WireParameters) -> bool:
    """Check the signature over the bytes that came; an unencoded payload has none that is valid."""
    if parameters.signature is None or not parameters.is_encoded:
        return False
    if account.public_key:
        return is_signed_by(account.public_key, parameters.signed, parameters.signature)
    return signature_matches(account.secret_key, parameters.signed, parameters.signature)


def json_reply(document: object, headers: Mapping[str, str] | None = None, status: int = 200) -> SandboxReply:
    """Return a reply with a JSON body."""
    return SandboxReply(status=status, body=dump(document), headers=headers or {})


def html_reply(status: int, title: str) -> SandboxReply:
    """Return what a gateway in front of a venue answers: HTML."""
    heading = f"{status} {title}"
    body = f"<html><head><title>{heading}</title></head><body><h1>{heading}</h1></body></html>\r\n"
    return SandboxReply(status=status, body=body.encode(), content_type="text/html")
