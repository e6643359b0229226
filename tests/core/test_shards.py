"""Names on the broker, and which shard an account belongs to."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.core.shards import Names, consumer_priority


def naive_crc32(data: bytes) -> int:
    """CRC-32 (ISO-HDLC) bit by bit, as any producer in any language could write it."""
    register = 0xFFFFFFFF
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = (register >> 1) ^ (0xEDB88320 if register & 1 else 0)
    return register ^ 0xFFFFFFFF


def test_the_check_value_of_the_algorithm_is_the_published_one() -> None:
    assert naive_crc32(b"123456789") == 0xCBF43926


@pytest.mark.parametrize(
    ("account", "shard"), [("123456789", 0xCBF43926 % 32), ("main", naive_crc32(b"main") % 32)]
)
def test_an_account_belongs_to_the_shard_of_its_crc32(account: str, shard: int) -> None:
    assert Names().shard_of(account) == shard


@given(st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True), st.integers(1, 1024))
def test_any_producer_can_compute_the_shard(account: str, shards: int) -> None:
    assert Names(shards=shards).shard_of(account) == naive_crc32(account.encode()) % shards


def test_keys_of_one_limit_group_share_a_shard() -> None:
    names = Names()
    assert names.shard_of("one", "uid-42") == names.shard_of("two", "uid-42") == names.shard_of("uid-42")


@pytest.mark.parametrize(
    ("shards", "first", "last"),
    [
        (1, "00", "00"),
        (32, "00", "31"),
        (100, "00", "99"),
        (101, "000", "100"),
        (1000, "000", "999"),
        (1001, "0000", "1000"),
    ],
)
def test_labels_are_as_wide_as_the_last_shard_and_at_least_two_digits(
    shards: int, first: str, last: str
) -> None:
    names = Names(shards=shards)
    assert (names.label(0), names.label(shards - 1)) == (first, last)


def test_all_names_start_with_the_namespace() -> None:
    names = Names(namespace="desk.7", shards=101)
    assert names.signals == "desk.7.signals"
    assert names.unrouted == "desk.7.unrouted"
    assert names.outcomes == "desk.7.outcomes"
    assert names.dead == "desk.7.dead"
    assert names.control == "desk.7.control"
    assert names.signals_queue(7) == "desk.7.signals.007"
    assert names.memory_stream(100) == "desk.7.memory.100"


@pytest.mark.parametrize(
    ("shard", "account", "key"),
    [
        (7, "main-bitrue", "07.main-bitrue.filled"),
        (None, "nobody", "unrouted.nobody.filled"),
        (None, "a.b", "unrouted.-.filled"),
        (None, "#", "unrouted.-.filled"),
        (None, "", "unrouted.-.filled"),
        (None, "é" * 300, "unrouted.-.filled"),
        (None, "a\n", "unrouted.-.filled"),
    ],
)
def test_outcome_keys_have_three_words_whatever_the_account(
    shard: int | None, account: str, key: str
) -> None:
    assert Names().outcome_key(shard, account, "filled") == key


def test_priorities_are_stable_31_bit_numbers() -> None:
    assert consumer_priority("worker-0", 0) == consumer_priority("worker-0", 0)
    assert all(
        0 <= consumer_priority(f"worker-{number}", shard) < 2**31 for number in range(9) for shard in range(9)
    )


def test_priorities_spread_shards_evenly_and_a_new_worker_takes_only_its_share() -> None:
    def owners(workers: int) -> list[int]:
        return [
            max(range(workers), key=lambda number: consumer_priority(f"worker-{number}", shard))
            for shard in range(1024)
        ]

    before, after = owners(4), owners(5)
    assert all(180 < before.count(number) < 340 for number in range(4))
    moved = [new for old, new in zip(before, after, strict=True) if old != new]
    assert set(moved) == {4}
    assert 130 < len(moved) < 280
