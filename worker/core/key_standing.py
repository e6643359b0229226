"""Whether a venue accepts an account's key: what is known of it, and what an answer of the venue changes.

    standing      signals are              ends with
    -----------   ----------------------   ---------------------------------------------------------------
    UNASKED       let through              an answer about the key
    ACCEPTED      let through              an error of the key that has no other explanation
    QUARANTINED   `account_quarantined`    an answer that accepts the key, an operator's release
    REFUSED       `account_refused`        an answer by which the key cannot withdraw any more

Other credentials always begin at UNASKED: what is known here is known of one key. An error of the key stops the
account only when nothing else explains it: a ban looks like a bad key to a request that was under way when it
began, and where a wrong clock looks the same (`Retry.AFTER_RESYNC`) the error must come again on a request that
was sent after the clock was set. Which errors are the key's is told by the error tables (`quarantines`).
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from adapters.errors import Retry, VenueError, refusal
from adapters.model import KeyRights

FIRST_PAUSE_S: Final = 5.0
LONGEST_PAUSE_S: Final = 300.0
FORGET_S: Final = 900.0
"""A key that was accepted for so long is asked about quickly again when it fails anew."""
SUSPICION_S: Final = 120.0


class Standing(StrEnum):
    """What is known of a key."""

    UNASKED = "unasked"
    ACCEPTED = "accepted"
    QUARANTINED = "quarantined"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyState:
    """What is known of one key. `error` is what signals are answered with; `cause` is what the venue said."""

    standing: Standing = Standing.UNASKED
    error: VenueError | None = None
    cause: VenueError | None = None
    rights: KeyRights | None = None
    since_s: float = 0.0
    since_ms: float = 0.0
    suspected_s: float | None = None
    failures: int = 0

    @property
    def is_settled(self) -> bool:
        """Whether nothing more has to be asked: the venue accepts the key."""
        return self.standing is Standing.ACCEPTED

    @property
    def pause_s(self) -> float:
        """How long to wait before the venue is asked about the key again."""
        return float(min(FIRST_PAUSE_S * 2 ** max(0, self.failures - 1), LONGEST_PAUSE_S))


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """An error on a request of the account: when it was sent, and what else can explain it (monotonic seconds)."""

    error: VenueError
    sent_s: float
    held_until_s: float
    synchronised_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Instant:
    """The present, as monotonic seconds and as this host's epoch milliseconds."""

    mono_s: float
    wall_ms: float


def is_explained_by_hold(heard: Heard) -> bool:
    """Whether the request was under way when the venue began to turn this IP away: nothing is sent during a hold."""
    return heard.sent_s < heard.held_until_s


def hear(state: KeyState, heard: Heard, now: Instant) -> KeyState:
    """Take in an error on a request of the account."""
    is_stopped = state.standing in (Standing.QUARANTINED, Standing.REFUSED)
    if is_stopped or not heard.error.entry.quarantines or is_explained_by_hold(heard):
        return state
    match heard.error.entry.retry:
        case Retry.NEVER:
            return _quarantined(state, heard.error, now)
        case Retry.AFTER_RESYNC if _came_again(state, heard, now):
            return _quarantined(state, heard.error, now)
        case Retry.AFTER_RESYNC:
            return replace(state, suspected_s=now.mono_s)
        case _:
            return state  # a 5xx proves nothing of the key


def _came_again(state: KeyState, heard: Heard, now: Instant) -> bool:
    """Whether the clock was set after the error came first, and this request was sent after that."""
    if state.suspected_s is None or heard.synchronised_s is None:
        return False
    is_recent = now.mono_s - state.suspected_s <= SUSPICION_S
    return is_recent and state.suspected_s < heard.synchronised_s < heard.sent_s


def judge(state: KeyState, answer: KeyRights | Heard, now: Instant, *, allow_withdraw: bool) -> KeyState:
    """Take in the answer to a question about the key, which was asked with a clock that was just set.

    An answer that says nothing of the key, such as a venue that cannot be reached or one that began to turn this IP
    away, changes nothing but the pause before the next question.
    """
    if isinstance(answer, Heard):
        entry = answer.error.entry
        is_of_key = entry.quarantines and entry.retry in (Retry.NEVER, Retry.AFTER_RESYNC)
        if is_of_key and not is_explained_by_hold(answer):
            return _quarantined(state, answer.error, now)
        return replace(state, failures=state.failures + 1)
    problem = _missing_right(answer)
    if problem is not None:
        return replace(_quarantined(state, problem, now), rights=answer)
    if answer.can_withdraw and not allow_withdraw:
        error = refusal("account_refused", detail=WITHDRAWS)
        return replace(_stopped(state, Standing.REFUSED, now), error=error, cause=error, rights=answer)
    return KeyState(
        standing=Standing.ACCEPTED,
        rights=answer,
        since_s=now.mono_s,
        since_ms=now.wall_ms,
        failures=state.failures,
    )


WITHDRAWS: Final = (
    "The key can withdraw: take that right off it at the venue, "
    "or set allow_withdraw_keys = true for the account"
)
_RIGHTS: Final = (
    ("can_read", "The key may not read: enable reading for it at the venue, or orders cannot be looked up"),
    ("can_trade", "The key may not trade: enable trading for it at the venue"),
)


def _missing_right(rights: KeyRights) -> VenueError | None:
    for name, text in _RIGHTS:
        if getattr(rights, name) is False:
            return refusal("account_quarantined", detail=text)
    return None


def _quarantined(state: KeyState, cause: VenueError, now: Instant) -> KeyState:
    stopped = _stopped(state, Standing.QUARANTINED, now)
    return replace(stopped, error=_quarantine_error(cause), cause=cause, rights=None, suspected_s=None)


def _quarantine_error(cause: VenueError) -> VenueError:
    """What signals are answered with: what the venue said, and what to do about it."""
    if cause.code == "account_quarantined":
        return cause
    said = " ".join(str(part) for part in (cause.venue_code, cause.venue_message) if part is not None)
    detail = f"{cause.code}{f' ({said})' if said else ''}: {cause.entry.hint}"
    return refusal("account_quarantined", detail=detail.rstrip("."))


def _stopped(state: KeyState, standing: Standing, now: Instant) -> KeyState:
    """Enter a standing that stops the account, or stay in it; a key that fails again soon is asked about later."""
    is_new = state.standing is not standing
    was_good_for_long = state.standing is Standing.ACCEPTED and now.mono_s - state.since_s > FORGET_S
    failures = 1 if was_good_for_long else state.failures + 1
    if not is_new:
        return replace(state, failures=failures)
    return replace(state, standing=standing, since_s=now.mono_s, since_ms=now.wall_ms, failures=failures)


def release(state: KeyState, at_ms: float, now: Instant) -> KeyState:
    """End a quarantine that began before an operator's release; the next answer of the venue decides anew."""
    if state.standing is not Standing.QUARANTINED or state.since_ms > at_ms:
        return state
    return KeyState(since_s=now.mono_s, since_ms=now.wall_ms)
