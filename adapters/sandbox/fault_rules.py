"""The kinds of faults, the rules that say which requests they hit, and the plan of what happens to one request."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from adapters.sandbox.model import Dialect, SandboxReply


class FaultKind(StrEnum):
    """What can go wrong."""

    DROP_BEFORE = "drop_before"
    ACCEPT_THEN_DROP = "accept_then_drop"
    ACCEPT_THEN_5XX = "accept_then_5xx"
    REJECT_5XX = "reject_5xx"
    HANG = "hang"
    RESET_MID_BODY = "reset_mid_body"
    TRUNCATED_BODY = "truncated_body"
    HTML_403 = "html_403"
    SLOW = "slow"
    DUPLICATE = "duplicate"
    RATE_LIMIT_429 = "rate_limit_429"
    BAN_418 = "ban_418"
    HOLD_IN_QUEUE = "hold_in_queue"
    DELAYED_VISIBILITY = "delayed_visibility"
    CLOCK_JUMP = "clock_jump"


PLACEMENTS_ONLY: Final = frozenset(
    {FaultKind.DUPLICATE, FaultKind.HOLD_IN_QUEUE, FaultKind.DELAYED_VISIBILITY}
)


class Wire(StrEnum):
    """What the client's connection experiences."""

    NORMAL = "normal"
    CLOSE = "close"
    HANG = "hang"
    RESET_MID_BODY = "reset_mid_body"
    TRUNCATE = "truncate"


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultRule:
    """Which requests a fault hits, how often, and with what.

    `path` is a shell pattern; conditions that are left out match everything, but for the kinds that make
    sense for placements only. `count` is "the next N"; without it the rule stays. Which options matter
    depends on the kind:

    - `status`, `code`, `html`: accept_then_5xx (-1007 in JSON, or an HTML body)
    - `executes`: hang (default yes)
    - `delay_ms`: slow (default 1000), hold_in_queue (default: drawn, up to the end of the receive window),
      delayed_visibility (default 3000)
    - `disconnects`: hold_in_queue closes the connection at once, while the request stays in the queue
    - `retry_after`: rate_limit_429 (seconds; absent: no header) · `ban_ms`: ban_418 · `step_ms`: clock_jump
    """

    kind: FaultKind
    method: str | None = None
    path: str | None = None
    dialect: Dialect | None = None
    account: str | None = None
    symbol: str | None = None
    probability: float = 1.0
    count: int | None = None
    status: int = 503
    code: int = -1007
    html: bool = False
    executes: bool = True
    delay_ms: int | None = None
    disconnects: bool = False
    retry_after: int | None = None
    ban_ms: int = 120_000
    step_ms: int = 1_500


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultPlan:
    """What happens to one request."""

    kind: FaultKind
    wire: Wire = Wire.NORMAL
    executes: bool = True
    enter_after_ms: int = 0
    reply_after_ms: int = 0
    substitute: SandboxReply | None = None
    substitutes_success_only: bool = False
    visibility_lag_ms: int | None = None

    def reply_to(self, actual: SandboxReply | None) -> SandboxReply | None:
        """Return what the client is told, given what the venue answered."""
        if self.substitute is None:
            return actual
        if self.substitutes_success_only and actual is not None and actual.status != 200:
            return actual
        return self.substitute


def every_kind(probability: float, *, placements_only: bool = False) -> list[FaultRule]:
    """Return rules for the kinds that a client must survive; each kind hits with about the given probability.

    429, bans and clock jumps are left out: they hit every request that follows, so a chaos run plans them
    itself.
    """
    where: dict[str, Any] = {"method": "POST", "path": "*rder"} if placements_only else {}
    left_out = {
        FaultKind.BAN_418,
        FaultKind.CLOCK_JUMP,
        FaultKind.RATE_LIMIT_429,
        FaultKind.ACCEPT_THEN_5XX,
    }
    failures = ((500, -1001, False), (502, -1007, True), (503, -1006, False), (504, -1007, False))
    return [
        *(
            FaultRule(kind=kind, probability=probability, **where)
            for kind in FaultKind
            if kind not in left_out
        ),
        *(
            FaultRule(
                kind=FaultKind.ACCEPT_THEN_5XX,
                probability=probability / len(failures),
                status=status,
                code=code,
                html=html,
                **where,
            )
            for status, code, html in failures
        ),
    ]
