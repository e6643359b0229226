"""What went wrong, did the order land, and who has to act.

    VenueError                       one error as it happened: an entry of a table plus what the venue said
      └─ entry: ErrorEntry           a row of a table: stable code, landed?, retry, scope, owner, hint
           ├─ venue tables           `adapters/error_tables/*.py`, keyed by (code, message)
           ├─ HTTP layer             `http_entry`: a status without a readable error body
           ├─ transport faults       `FAULTS`: no complete reply
           └─ worker's refusals      `REFUSALS`: nothing was sent

Expected venue answers are values, not exceptions. "Rejected" is a claim about the venue, so `landed` is three-valued and
`UNKNOWN` is the default for everything that a venue documents as such. One source for outcomes, metrics, `beeline explain`
and `docs/errors.md`.
"""

from dataclasses import dataclass
from enum import StrEnum


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


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorEntry:
    """One row of an error table.

    `venue_code` and `pattern` (a case-insensitive regular expression searched in the venue's message) are what the row
    matches; rows with a pattern are tried before the bare code. `quarantines` marks key, signature and permission errors
    that no resend can cure.
    """

    code: str
    landed: Landed
    retry: Retry
    scope: Scope
    owner: Owner
    hint: str
    venue_code: int | None = None
    pattern: str | None = None
    http_status: int | None = None
    quarantines: bool = False

    @property
    def retryable(self) -> bool:
        """Whether a later attempt of the same signal content, under a new id, can succeed without a change."""
        return self.retry is not Retry.NEVER


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueError:
    """An error as it happened.

    `hold_ms` is how long the venue told us to stay away (relative), `banned_until_ms` the venue time a ban ends; `detail`
    adds what the hint cannot know, such as the nearest allowed value. None of them ever carries a key or a URL.
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
    def hint(self) -> str:
        """What to do, the detail first."""
        return f"{self.detail}. {self.entry.hint}" if self.detail else self.entry.hint
