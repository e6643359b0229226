"""What a shard remembers, against a list that forgets nothing."""

import gc

from hypothesis import given
from hypothesis import strategies as st

from worker.core.memory import ShardMemory
from worker.core.outcome import Outcome, Status

KEEP_MS = 900_000.0


def an_outcome(
    signal_id: str = "s-1", *, account: str = "main", name: str = "o-1", revision: int = 0
) -> Outcome:
    return Outcome(
        outcome_id=name,
        signal_id=signal_id,
        account=account,
        status=Status.FILLED,
        code=None,
        content_hash="c",
        revision=revision,
        body=b"{}",
    )


def test_an_answer_is_recalled_by_account_and_id() -> None:
    memory = ShardMemory(KEEP_MS)
    memory.record(an_outcome(), 0)
    assert memory.recall("main", "s-1") == an_outcome()
    assert memory.recall("other", "s-1") is None
    assert memory.recall("main", "s-2") is None


def test_the_first_answer_stays() -> None:
    memory = ShardMemory(KEEP_MS)
    memory.record(an_outcome(name="first"), 0)
    memory.record(an_outcome(name="second"), 1)
    memory.record(an_outcome(name="second", revision=3), 2)
    assert memory.recall("main", "s-1") == an_outcome(name="first")


def test_only_a_later_revision_of_an_answer_replaces_it() -> None:
    memory = ShardMemory(KEEP_MS)
    memory.record(an_outcome(revision=1), 0)
    memory.record(an_outcome(revision=0), 1)
    assert memory.recall("main", "s-1") == an_outcome(revision=1)
    memory.record(an_outcome(revision=2), 2)
    assert memory.recall("main", "s-1") == an_outcome(revision=2)


def test_a_revision_does_not_prolong_a_life() -> None:
    memory = ShardMemory(KEEP_MS)
    memory.record(an_outcome(), 0)
    memory.record(an_outcome(revision=1), KEEP_MS)
    memory.record(an_outcome("s-2"), KEEP_MS + 1)
    assert memory.recall("main", "s-1") is None


def test_an_answer_is_kept_for_its_whole_life_and_no_longer_than_the_next_one_after_it() -> None:
    memory = ShardMemory(KEEP_MS)
    memory.record(an_outcome("s-1"), 0)
    memory.record(an_outcome("s-2"), KEEP_MS)
    assert memory.recall("main", "s-1") is not None
    memory.record(an_outcome("s-3"), KEEP_MS + 1)
    assert memory.recall("main", "s-1") is None
    assert len(memory) == 2


RECORDS = st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 3), st.integers(0, 500)), max_size=40)


@given(RECORDS)
def test_nothing_that_can_still_matter_is_forgotten(records: list[tuple[str, int, int]]) -> None:
    memory, now_ms = ShardMemory(1_000), 0
    truth: dict[str, tuple[int, int]] = {}
    for signal_id, revision, later_ms in records:
        now_ms += later_ms
        memory.record(an_outcome(signal_id, name=signal_id, revision=revision), now_ms)
        known = truth.get(signal_id)
        if known is None or now_ms - known[0] > 1_000:
            truth[signal_id] = (now_ms, revision)
        else:
            truth[signal_id] = (known[0], max(known[1], revision))
        for name, (since_ms, newest) in truth.items():
            recalled = memory.recall("main", name)
            if now_ms - since_ms <= 1_000:
                assert recalled is not None
                assert recalled.revision == newest


def test_a_memory_takes_from_another_what_it_does_not_know_and_keeps_its_own_first_answers() -> None:
    read, known = ShardMemory(KEEP_MS), ShardMemory(KEEP_MS)
    read.record(an_outcome("s-1", name="read"), 100)
    known.record(an_outcome("s-1", name="known"), 50)
    known.record(an_outcome("s-2", name="known"), 60)
    read.absorb(known)
    assert read.recall("main", "s-1") == an_outcome("s-1", name="read")
    assert read.recall("main", "s-2") == an_outcome("s-2", name="known")


def test_memory_is_bounded_by_age() -> None:
    memory = ShardMemory(1_000)
    for number in range(10_000):
        memory.record(an_outcome(f"s-{number}"), number * 10)
    assert len(memory) == 101


def test_the_garbage_collector_stops_following_what_is_remembered() -> None:
    memory = ShardMemory(KEEP_MS)
    for number in range(100):
        memory.record(an_outcome(f"s-{number}"), number)
    gc.collect()
    assert not any(gc.is_tracked(part) for entry in memory._entries.items() for part in entry)
