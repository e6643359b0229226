"""Until when an earlier owner of a shard may have signed something, folded from records."""

from dataclasses import dataclass
from typing import Literal

from hypothesis import given
from hypothesis import strategies as st

from worker.core.ownership import SKEW_MS, OwnershipRecord, ShardHistory


def a_record(
    kind: Literal["takeover", "release"], who: str, at_ms: float, lease_ms: float = 9_000
) -> OwnershipRecord:
    return OwnershipRecord(kind=kind, shard=3, worker=who[0], incarnation=who, lease_ms=lease_ms, at_ms=at_ms)


def fold(*records: OwnershipRecord) -> ShardHistory:
    history = ShardHistory()
    for record in records:
        history = history.follow(record)
    return history


def test_nobody_sent_before_the_first_owner() -> None:
    history = fold(a_record("takeover", "a1", 100_000))
    assert (history.sending_until_ms, history.owner) == (0, a_record("takeover", "a1", 100_000))


def test_after_a_clean_release_nobody_sends() -> None:
    history = fold(
        a_record("takeover", "a1", 0), a_record("release", "a1", 50), a_record("takeover", "b1", 90_000)
    )
    assert history.sending_until_ms == 0


def test_after_a_crash_the_lease_of_the_one_that_crashed_counts_from_the_take_over() -> None:
    history = fold(
        a_record("takeover", "a1", 0, lease_ms=59_000), a_record("takeover", "b1", 90_000, lease_ms=9_000)
    )
    assert history.sending_until_ms == 90_000 + 59_000 + SKEW_MS


def test_an_owner_that_comes_back_knows_that_its_earlier_self_stopped() -> None:
    history = fold(a_record("takeover", "a1", 0), a_record("takeover", "a1", 90_000))
    assert history.sending_until_ms == 90_000


def test_another_run_of_the_same_worker_counts_as_another_owner() -> None:
    history = fold(a_record("takeover", "a1", 0), a_record("takeover", "a2", 90_000))
    assert history.sending_until_ms == 90_000 + 9_000 + SKEW_MS


def test_a_release_of_somebody_who_is_no_owner_any_more_changes_nothing() -> None:
    history = fold(
        a_record("takeover", "a1", 0),
        a_record("takeover", "b1", 10_000),
        a_record("release", "a1", 11_000),
    )
    assert (history.owner, history.sending_until_ms) == (a_record("takeover", "b1", 10_000), 19_000 + SKEW_MS)


def test_a_clean_release_does_not_clear_what_an_owner_before_left_in_doubt() -> None:
    history = fold(
        a_record("takeover", "a1", 0),
        a_record("takeover", "b1", 10_000),
        a_record("release", "b1", 11_000),
        a_record("takeover", "c1", 12_000),
    )
    assert history.sending_until_ms == 19_000 + SKEW_MS


def test_a_generation_lasts_until_somebody_else_takes_over() -> None:
    first = fold(a_record("takeover", "a1", 0))
    back = first.follow(a_record("release", "a1", 10)).follow(a_record("takeover", "a1", 20))
    lost = back.follow(a_record("takeover", "b1", 30)).follow(a_record("takeover", "a1", 40))
    assert first.generation == back.generation != lost.generation


@dataclass(frozen=True)
class Reign:
    """One owner of a shard as it really was: it may sign until its end, and that end may be unnoticed by others."""

    lease_ms: int
    length_ms: int
    clean: bool
    gap_ms: int
    clock_error_ms: int


REIGNS = st.lists(
    st.builds(
        Reign,
        lease_ms=st.sampled_from([3_000, 9_000, 59_000]),
        length_ms=st.integers(0, 60_000),
        clean=st.booleans(),
        gap_ms=st.integers(0, 60_000),
        clock_error_ms=st.integers(-int(SKEW_MS) // 2, int(SKEW_MS) // 2),
    ),
    min_size=1,
    max_size=8,
)


@given(REIGNS)
def test_no_earlier_owner_can_sign_after_the_time_a_new_owner_learns(reigns: list[Reign]) -> None:
    history, now_ms, last_possible_ms = ShardHistory(), 100_000.0, 0.0
    for number, reign in enumerate(reigns):
        takeover = a_record("takeover", f"w{number}", now_ms + reign.clock_error_ms, reign.lease_ms)
        history = history.follow(takeover)
        if last_possible_ms > now_ms:
            assert history.sending_until_ms >= last_possible_ms + reign.clock_error_ms
        now_ms += reign.length_ms
        if reign.clean:
            history = history.follow(a_record("release", f"w{number}", now_ms + reign.clock_error_ms))
        now_ms += reign.gap_ms
        if not reign.clean:
            # The broker gave the connection up now at the earliest; the lease may have been renewed just before.
            last_possible_ms = max(last_possible_ms, now_ms + reign.lease_ms)
