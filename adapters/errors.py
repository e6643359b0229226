"""What went wrong, did the order land, and who has to act.

    VenueError                       one error as it happened: an entry of a table plus what the venue said
      └─ entry: ErrorEntry           a row of a table: stable code, landed?, retry, scope, owner, hint
           ├─ venue tables           `adapters/error_tables/*.py`, keyed by (code, message)
           ├─ HTTP layer             `http_entry`: a status without a readable error body
           ├─ transport faults       `FAULTS`: no complete reply
           └─ worker's refusals      `REFUSALS`: nothing was sent

Expected venue answers are values, not exceptions. "Rejected" is a claim about the venue, so `landed` is
three-valued and `UNKNOWN` is the default for everything that a venue documents as such. One source for
outcomes, metrics and `docs/errors.md`.
"""

from collections.abc import Mapping
from enum import StrEnum
from functools import lru_cache
from typing import Final

from adapters.values import value_type


class Landed(StrEnum):
    """Did the order reach the venue's book."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


class Retry(StrEnum):
    """What another attempt needs."""

    NEVER = "never"
    AFTER_LOOKUP = "after_lookup"
    AFTER_RESYNC = "after_resync"
    AFTER_HOLD = "after_hold"
    AFTER_BACKOFF = "after_backoff"


class Scope(StrEnum):
    """How far an error reaches."""

    ORDER = "order"
    SYMBOL = "symbol"
    ACCOUNT = "account"
    IP = "ip"
    VENUE = "venue"
    WORKER = "worker"


class Owner(StrEnum):
    """Who has to act."""

    PRODUCER = "producer"
    OPERATOR = "operator"
    VENUE = "venue"
    BEELINE = "beeline"


@value_type
class ErrorEntry:
    """One row of an error table.

    A row matches on `venue_code`, `pattern` (a case-insensitive regular expression searched in the venue's message)
    and `http_status`, as far as it has them; rows with a pattern are tried before the bare code. `says` is the text
    that the venue documents. `quarantines` marks key, signature and permission errors that no resend can cure; with
    `Retry.AFTER_RESYNC` only when they come again after it.
    """

    code: str
    landed: Landed
    retry: Retry
    scope: Scope
    owner: Owner
    hint: str
    venue_code: int | None = None
    says: str | None = None
    pattern: str | None = None
    http_status: int | None = None
    quarantines: bool = False

    @property
    def retryable(self) -> bool:
        """Whether a later attempt of the same signal content, under a new id, can succeed without a change."""
        return self.retry is not Retry.NEVER


@value_type
class VenueError:
    """An error as it happened.

    `hold_ms` is how long the venue told us to stay away (relative), `banned_until_ms` the venue time a ban
    ends; `detail` adds what the hint cannot know, such as the nearest allowed value. None of them ever
    carries a key or a URL.
    """

    entry: ErrorEntry
    venue_code: int | None = None
    venue_message: str | None = None
    http_status: int | None = None
    hold_ms: int | None = None
    banned_until_ms: int | None = None
    detail: str | None = None

    @property
    def code(self) -> str:
        """The stable snake_case code."""
        return self.entry.code

    @property
    def is_of_a_firewall(self) -> bool:
        """Whether something in front of the venue answered, and not the venue: a 403 without its error number."""
        return self.http_status == 403 and self.venue_code is None

    @property
    def hint(self) -> str:
        """What to do, the detail first."""
        return f"{self.detail}. {self.entry.hint}" if self.detail else self.entry.hint


# --- The worker's own refusals ------------------------------------------------------------------------------


def _own(
    code: str,
    owner: Owner,
    hint: str,
    *,
    landed: Landed = Landed.NO,
    retry: Retry = Retry.NEVER,
    scope: Scope = Scope.ORDER,
) -> ErrorEntry:
    return ErrorEntry(code=code, landed=landed, retry=retry, scope=scope, owner=owner, hint=hint)


REFUSALS: Final[Mapping[str, ErrorEntry]] = {
    entry.code: entry
    for entry in (
        _own(
            "invalid_signal",
            Owner.PRODUCER,
            "Correct the field that is named and send the signal under a new id.",
        ),
        _own("account_mismatch", Owner.PRODUCER, "Publish with the account's name as routing key."),
        _own(
            "unknown_account",
            Owner.PRODUCER,
            "No worker knows this account; check its name, or add it to BEELINE_ACCOUNTS.",
            scope=Scope.ACCOUNT,
        ),
        _own(
            "account_refused",
            Owner.OPERATOR,
            "The account's configuration was refused when it was loaded; the worker's log says why.",
            scope=Scope.ACCOUNT,
        ),
        _own(
            "account_quarantined",
            Owner.OPERATOR,
            "The venue no longer accepts this account's key; replace or repair it, then signals pass again.",
            scope=Scope.ACCOUNT,
        ),
        _own(
            "held",
            Owner.OPERATOR,
            "An operator stopped this (`beeline holds`); send again after `beeline release`.",
            retry=Retry.AFTER_HOLD,
            scope=Scope.ACCOUNT,
        ),
        _own(
            "symbol_not_allowed",
            Owner.PRODUCER,
            "The account's whitelist does not name this symbol; ask its operator.",
            scope=Scope.SYMBOL,
        ),
        _own(
            "unknown_symbol",
            Owner.PRODUCER,
            "The venue does not list this symbol; check the name.",
            scope=Scope.SYMBOL,
        ),
        _own(
            "symbol_not_trading",
            Owner.VENUE,
            "The venue lists this symbol but does not trade it now; send again when it does.",
            retry=Retry.AFTER_BACKOFF,
            scope=Scope.SYMBOL,
        ),
        _own("unsupported_order_type", Owner.PRODUCER, "Use an order type that the venue has."),
        _own("unsupported_time_in_force", Owner.PRODUCER, "Use a time in force that the venue has."),
        _own("unsupported_option", Owner.PRODUCER, "Leave the option out; this venue has nothing like it."),
        _own(
            "rate_limited",
            Owner.OPERATOR,
            "The budget frees up only after the signal's validity ends; send less, or allow more time.",
            retry=Retry.AFTER_HOLD,
            scope=Scope.ACCOUNT,
        ),
        _own(
            "signal_expired",
            Owner.PRODUCER,
            "Its validity ended before it could be sent; send a new signal if it is still wanted.",
            retry=Retry.AFTER_BACKOFF,
        ),
        _own(
            "signal_id_conflict",
            Owner.PRODUCER,
            "This id was used for another signal; an id is never used again.",
        ),
        _own(
            "order_not_found",
            Owner.PRODUCER,
            "The venue knows no such order; check `cancels`, account and symbol.",
        ),
        _own(
            "too_late_to_cancel",
            Owner.PRODUCER,
            "The order had ended before; its final state is in `order`.",
            landed=Landed.YES,
        ),
        _own(
            "insufficient_balance",
            Owner.PRODUCER,
            "The account holds too little (it has `check_balance`): fund it, send less, or cancel orders that lock it.",
            scope=Scope.ACCOUNT,
        ),
        _own(
            "venue_unavailable",
            Owner.VENUE,
            "The venue cannot be asked for its rules or its time now, so nothing was sent.",
            retry=Retry.AFTER_BACKOFF,
            scope=Scope.VENUE,
        ),
        _own(
            "venue_rejected",
            Owner.PRODUCER,
            "The venue took the order and rejected it afterwards; its own records say why.",
        ),
        _own(
            "internal_error",
            Owner.BEELINE,
            "An error in Beeline; the worker's log has it. Look the order up (`beeline order`) before sending again.",
            landed=Landed.UNKNOWN,
            scope=Scope.WORKER,
        ),
        _own(
            "resolution_exhausted",
            Owner.OPERATOR,
            "What became of the order could not be found out; look it up (`beeline order`) before sending again.",
            landed=Landed.UNKNOWN,
            retry=Retry.AFTER_LOOKUP,
        ),
    )
}

_FILTER_HINT = "The order breaks a rule of the venue on this symbol; correct it as told."


@lru_cache(maxsize=256)
def refusal(code: str, *, detail: str | None = None) -> VenueError:
    """Refuse before a request is spent; `filter_<name in snake case>` needs no row of its own."""
    entry = REFUSALS.get(code)
    if entry is None:
        if not code.startswith("filter_"):
            raise ValueError(f"no refusal is called {code}")
        entry = _own(code, Owner.PRODUCER, _FILTER_HINT)
    return VenueError(entry=entry, detail=detail)
