"""The bench's own instruments: what it writes to the broker, how it ranks times, how it finds a gap."""

from datetime import UTC, datetime

import pamqp.frame
import pytest
from pamqp import commands
from pamqp.body import ContentBody
from pamqp.header import ContentHeader

from tests.bench.driving import Times, quantiles
from tests.bench.handover import gaps_ms
from tests.bench.memory import MemoryCurve
from tests.bench.stage import signals
from tests.bench.wire import Encoder

AT = datetime(2026, 11, 25, tzinfo=UTC)


def test_messages_are_what_an_amqp_library_reads() -> None:
    left, frames = Encoder(AT).encode("some.exchange", "a-key", b'{"a":1}'), []
    while left:
        size, channel, frame = pamqp.frame.unmarshal(left)
        assert channel == 1
        frames.append(frame)
        left = left[size:]
    publish, header, body = frames
    assert isinstance(publish, commands.Basic.Publish)
    assert (publish.exchange, publish.routing_key, publish.mandatory) == ("some.exchange", "a-key", True)
    assert isinstance(header, ContentHeader)
    properties = header.properties
    assert (properties.delivery_mode, properties.timestamp, header.body_size) == (2, AT, 7)
    assert isinstance(body, ContentBody)
    assert body.value == b'{"a":1}'


def test_quantiles_are_measured_values_by_nearest_rank() -> None:
    assert quantiles([float(value) for value in range(1000, 0, -1)]) == {
        "p50": 500,
        "p99": 990,
        "p99_9": 999,
        "longest": 1000,
    }
    assert quantiles([7.0]) == {"p50": 7.0, "p99": 7.0, "p99_9": 7.0, "longest": 7.0}


def test_latency_counts_from_when_a_signal_was_due_and_leaves_the_venue_s_own_time_out() -> None:
    times = Times(
        due_ns=[1_000_000],
        published_ns=[3_000_000],
        at_venue_ns=[(6_000_000, 8_000_000)],
        answered_ns=[11_000_000],
    )
    assert (times.lateness_ms(), times.wire_ms(), times.answer_ms()) == ([2.0], [5.0], [8.0])


def test_a_gap_over_the_end_counts_as_after_it() -> None:
    ms = 1_000_000
    shards = [[0, 10 * ms, 70 * ms, 75 * ms], [5 * ms, 25 * ms, 30 * ms]]
    assert gaps_ms(shards, ended_ns=40 * ms) == (20.0, 60.0)


def test_growth_of_memory_is_the_slope_after_it_has_settled() -> None:
    samples = [(100, 50.0), (1_000, 90.0), (2_000, 91.0), (3_000, 92.0)]
    curve = MemoryCurve(samples=samples, settled_after=1_000)
    assert curve.growth_mb_per_1000 == pytest.approx(1.0)
    assert curve.growth_mb == pytest.approx(2.0)


def test_signals_take_turns_over_accounts_then_symbols_and_sell_what_they_bought() -> None:
    rows = list(signals("s", 16, 2))
    assert [row["account"] for row in rows[:3]] == ["bench-0", "bench-1", "bench-0"]
    assert len({(row["account"], row["symbol"]) for row in rows[:8]}) == 8
    assert {row["side"] for row in rows[:8]} == {"buy"}
    assert {row["side"] for row in rows[8:]} == {"sell"}
    assert len({row["signal_id"] for row in rows}) == 16
