"""What an answer of a venue changes in what is known of a key."""

from dataclasses import replace
from typing import Any

import pytest

from adapters.errors import ErrorEntry, Landed, Owner, Retry, Scope, VenueError
from adapters.model import KeyRights
from worker.core.key_standing import (
    FIRST_PAUSE_S,
    FORGET_S,
    LONGEST_PAUSE_S,
    Heard,
    Instant,
    KeyState,
    Standing,
    hear,
    judge,
    release,
)

GOOD = KeyRights(can_read=True, can_trade=True, can_withdraw=False)


def at(second: float) -> Instant:
    return Instant(mono_s=second, wall_ms=second * 1000)


def an_error(retry: Retry = Retry.NEVER, *, quarantines: bool = True, **over: Any) -> VenueError:
    entry = ErrorEntry(
        code="key_not_permitted",
        landed=Landed.NO,
        retry=retry,
        scope=Scope.ACCOUNT,
        owner=Owner.OPERATOR,
        hint="Check the key.",
        quarantines=quarantines,
    )
    return VenueError(entry=entry, **over)


def heard(error: VenueError, sent_s: float = 100.0, **over: float | None) -> Heard:
    fields: dict[str, Any] = {"held_until_s": 0.0, "synchronised_s": 50.0}
    return Heard(error=error, sent_s=sent_s, **(fields | over))


def judged(state: KeyState, answer: KeyRights | VenueError, second: float = 100.0) -> KeyState:
    told = heard(answer) if isinstance(answer, VenueError) else answer
    return judge(state, told, at(second), allow_withdraw=False)


def test_an_error_of_the_key_stops_the_account_and_says_what_the_venue_said_and_what_to_do() -> None:
    error = an_error(venue_code=-2015, venue_message="Invalid API-key.")
    state = hear(KeyState(), heard(error), at(100))
    assert (state.standing, state.cause) == (Standing.QUARANTINED, error)
    assert state.error is not None
    assert state.error.code == "account_quarantined"
    for part in ("key_not_permitted", "-2015", "Invalid API-key.", "Check the key."):
        assert part in state.error.hint


@pytest.mark.parametrize("retry", [Retry.AFTER_LOOKUP, Retry.AFTER_BACKOFF, Retry.AFTER_HOLD])
def test_what_may_have_another_cause_stops_nothing(retry: Retry) -> None:
    assert hear(KeyState(), heard(an_error(retry)), at(100)) == KeyState()
    assert hear(KeyState(), heard(an_error(quarantines=False)), at(100)) == KeyState()


def test_a_request_that_was_under_way_when_a_hold_began_says_nothing_of_the_key() -> None:
    assert hear(KeyState(), heard(an_error(), held_until_s=101.0), at(100)) == KeyState()
    assert hear(KeyState(), heard(an_error(), held_until_s=100.0), at(100)).error is not None


def test_where_the_clock_can_be_the_cause_the_error_must_come_again_after_the_clock_was_set() -> None:
    error = an_error(Retry.AFTER_RESYNC)
    suspected = hear(KeyState(), heard(error, 99.9), at(100))
    assert (suspected.standing, suspected.suspected_s) == (Standing.UNASKED, 100)
    under_way = hear(suspected, heard(error, 100.1, synchronised_s=100.5), at(101))
    assert under_way.standing is Standing.UNASKED
    not_set = hear(suspected, heard(error, 102, synchronised_s=99.0), at(102))
    assert not_set.standing is Standing.UNASKED
    never = hear(suspected, heard(error, 102, synchronised_s=None), at(102))
    assert never.standing is Standing.UNASKED
    long_ago = hear(suspected, heard(error, 400, synchronised_s=399.0), at(400))
    assert long_ago.standing is Standing.UNASKED
    again = hear(suspected, heard(error, 101, synchronised_s=100.5), at(102))
    assert again.standing is Standing.QUARANTINED


def test_errors_of_requests_that_were_under_way_change_a_quarantine_no_more() -> None:
    stopped = hear(KeyState(), heard(an_error()), at(100))
    assert hear(stopped, heard(an_error(venue_code=-1022)), at(101)) is stopped


@pytest.mark.parametrize(
    ("rights", "standing"),
    [
        (GOOD, Standing.ACCEPTED),
        (KeyRights(can_read=True, note="nothing else is told"), Standing.ACCEPTED),
        (replace(GOOD, can_withdraw=True), Standing.REFUSED),
        (replace(GOOD, can_trade=False), Standing.QUARANTINED),
        (replace(GOOD, can_read=False), Standing.QUARANTINED),
    ],
)
def test_the_rights_of_a_key_decide(rights: KeyRights, standing: Standing) -> None:
    state = judged(KeyState(), rights)
    assert (state.standing, state.rights) == (standing, rights)
    assert (state.error is None) == (standing is Standing.ACCEPTED)


def test_a_key_that_can_withdraw_is_accepted_where_that_is_allowed() -> None:
    state = judge(KeyState(), replace(GOOD, can_withdraw=True), at(1), allow_withdraw=True)
    assert state.standing is Standing.ACCEPTED


@pytest.mark.parametrize("retry", [Retry.NEVER, Retry.AFTER_RESYNC])
def test_a_question_that_is_answered_with_an_error_of_the_key_stops_the_account(retry: Retry) -> None:
    assert judged(KeyState(), an_error(retry)).standing is Standing.QUARANTINED


def test_a_question_that_was_under_way_when_a_hold_began_says_nothing_of_the_key() -> None:
    banned = heard(an_error(), held_until_s=101.0)
    assert judge(KeyState(), banned, at(100), allow_withdraw=False) == KeyState(failures=1)


def test_an_answer_that_says_nothing_of_the_key_leaves_everything_but_the_pause() -> None:
    unreachable = an_error(Retry.AFTER_BACKOFF, quarantines=False)
    for before in (
        KeyState(),
        judged(KeyState(), an_error()),
        judged(KeyState(), replace(GOOD, can_withdraw=True)),
    ):
        after = judged(before, unreachable)
        assert after == replace(before, failures=before.failures + 1)


def test_the_venue_is_asked_at_a_growing_pace_that_has_a_bound() -> None:
    state, pauses = KeyState(), []
    for _ in range(12):
        state = judged(state, an_error())
        pauses.append(state.pause_s)
    assert pauses[:3] == [FIRST_PAUSE_S, 2 * FIRST_PAUSE_S, 4 * FIRST_PAUSE_S]
    assert pauses[-1] == LONGEST_PAUSE_S


def test_a_key_that_fails_again_soon_after_a_probe_is_asked_about_later_each_time() -> None:
    stopped = hear(KeyState(), heard(an_error()), at(100))
    accepted = judged(stopped, GOOD, 105)
    again = hear(accepted, heard(an_error(), 106), at(106))
    assert again.pause_s == 2 * FIRST_PAUSE_S
    much_later = hear(accepted, heard(an_error(), 106 + FORGET_S), at(106 + FORGET_S))
    assert much_later.pause_s == FIRST_PAUSE_S


def test_an_operator_releases_what_was_stopped_before_and_nothing_else() -> None:
    stopped = hear(KeyState(), heard(an_error()), at(100))
    assert release(stopped, 99_000, at(101)) is stopped
    assert release(stopped, 101_000, at(101)).standing is Standing.UNASKED
    refused = judged(KeyState(), replace(GOOD, can_withdraw=True))
    assert release(refused, 1e9, at(101)) is refused
