"""Venue time, against a true clock that drifts, swings and steps behind a network that delays each way as it likes."""

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.core.clock_offset import (
    DRIFT_BOUND_PPM,
    JUMP_MS,
    NOISE_MS,
    SETTLING_S,
    ClockOffset,
    ClockReading,
    Doubt,
    HostWatch,
    Probe,
    recv_window_ms,
    stamp_ms,
)

EPOCH_MS = 1_795_000_020_000.0
START_S = 1_000.0
BURST = 4
INTERVAL_S = 30.0
"""How far apart bursts are when no clock drifts."""


@dataclass
class Venue:
    """A venue's clock as our monotonic one sees it: it drifts, swings around that, steps, and its machines disagree."""

    drift_ppm: float = 0.0
    swing_ms: float = 0.0
    swing_period_s: float = 600.0
    noise_ms: float = 0.0
    rng: random.Random = field(default_factory=lambda: random.Random(1))
    steps: list[tuple[float, float]] = field(default_factory=list)

    def true_ms(self, now_s: float) -> float:
        swung_ms = self.swing_ms * math.sin(2 * math.pi * now_s / self.swing_period_s)
        stepped_ms = sum(size_ms for at_s, size_ms in self.steps if at_s <= now_s)
        return EPOCH_MS + now_s * 1000 * (1 + self.drift_ppm / 1_000_000) + swung_ms + stepped_ms

    def probe(self, sent_s: float, there_ms: float, back_ms: float) -> Probe:
        at_venue_s = sent_s + there_ms / 1000
        read_ms = self.true_ms(at_venue_s) + self.rng.uniform(-self.noise_ms, self.noise_ms)
        return Probe(sent_s=sent_s, received_s=at_venue_s + back_ms / 1000, server_ms=int(read_ms))


Delays = Callable[[random.Random], tuple[float, float]]


def burst(venue: Venue, now_s: float, delays: Delays, rng: random.Random) -> list[Probe]:
    probes: list[Probe] = []
    for _ in range(BURST):
        probes.append(venue.probe(now_s, *delays(rng)))
        now_s = probes[-1].received_s
    return probes


def read(offset: ClockOffset, now_s: float) -> ClockReading:
    reading = offset.read(now_s)
    assert reading is not None
    return reading


def miss_ms(offset: ClockOffset, venue: Venue, now_s: float) -> float:
    """By how much the truth is outside the published bound; negative while it is inside."""
    reading = read(offset, now_s)
    return abs(reading.venue_ms - venue.true_ms(now_s)) - reading.uncertainty_ms


def followed(
    venue: Venue, delays: Delays, rng: random.Random, *, bursts: int
) -> Iterator[tuple[ClockOffset, float, float, float]]:
    """Keep a venue's clock as the worker does; yields the offset, when its burst began and ended, and the next one."""
    offset, now_s = ClockOffset(), START_S
    for _ in range(bursts):
        probes = burst(venue, now_s, delays, rng)
        offset.synchronise(probes)
        ended_s, next_s = probes[-1].received_s, probes[-1].received_s + offset.pace_s
        yield offset, now_s, ended_s, next_s
        now_s = next_s


NETWORKS: dict[str, Delays] = {
    "loopback": lambda _: (0.2, 0.2),
    "lan": lambda rng: (rng.uniform(0.5, 1.5), rng.uniform(0.5, 1.5)),
    "internet": lambda rng: (rng.uniform(20, 60), rng.uniform(20, 60)),
    "all on the way there": lambda _: (80.0, 0.1),
    "all on the way back": lambda _: (0.1, 80.0),
    "sides change": lambda rng: rng.choice([(120.0, 0.1), (0.1, 120.0)]),
    "long tail": lambda rng: (rng.expovariate(1 / 30), rng.expovariate(1 / 30)),
}
CLOCKS: dict[str, Callable[[], Venue]] = {
    "right": Venue,
    "40 ms an hour": lambda: Venue(drift_ppm=40 / 3.6),
    "slow quartz": lambda: Venue(drift_ppm=-95.0),
    "200 ppm": lambda: Venue(drift_ppm=200.0),
    "slewed by NTP": lambda: Venue(drift_ppm=-DRIFT_BOUND_PPM),
    "swings": lambda: Venue(drift_ppm=20.0, swing_ms=40.0, swing_period_s=600.0),
    "swings fast": lambda: Venue(swing_ms=0.7, swing_period_s=10.0),
    "noisy": lambda: Venue(drift_ppm=15.0, noise_ms=NOISE_MS),
    "noisy and drifting": lambda: Venue(drift_ppm=-200.0, noise_ms=NOISE_MS),
}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("clock", CLOCKS)
@pytest.mark.parametrize("network", NETWORKS)
def test_the_truth_is_always_inside_the_published_bound(network: str, clock: str, seed: int) -> None:
    rng, venue = random.Random(seed), CLOCKS[clock]()
    worst_ms = float("-inf")
    for offset, _, ended_s, next_s in followed(venue, NETWORKS[network], rng, bursts=100):
        late_s = next_s + BURST * 0.2 + 5  # the next burst takes its time, and then some
        checked = [ended_s, late_s, *(rng.uniform(ended_s, late_s) for _ in range(5))]
        worst_ms = max(worst_ms, *(miss_ms(offset, venue, at_s) for at_s in checked))
        assert offset.steps == 0
    assert worst_ms <= 0


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("clock", ["right", "200 ppm", "swings", "noisy"])
@pytest.mark.parametrize("network", NETWORKS)
def test_from_the_first_burst_after_a_step_on_the_truth_is_inside_again(
    network: str, clock: str, seed: int
) -> None:
    """A step may come at any time, within a burst included; nobody can know of it before asking."""
    rng, venue = random.Random(seed), CLOCKS[clock]()
    steps_s = sorted(rng.uniform(START_S, START_S + 1_500) for _ in range(5))
    venue.steps = [(at_s, rng.choice([-86_400_000, -1_800, -400, 400, 2_000, 3_600_000])) for at_s in steps_s]
    noticed = 0
    for offset, began_s, ended_s, next_s in followed(venue, NETWORKS[network], rng, bursts=120):
        noticed = offset.steps
        for at_s in (ended_s, rng.uniform(ended_s, next_s), next_s):
            if not any(began_s <= step_s <= at_s for step_s in steps_s):
                assert miss_ms(offset, venue, at_s) <= 0
    assert noticed >= 4  # two may fall between the same bursts


def test_a_step_within_a_burst_leaves_only_the_probes_after_it() -> None:
    venue, offset = Venue(steps=[(START_S + 0.05, -1_800.0)]), ClockOffset()
    fast_before = venue.probe(START_S, 1, 1)
    offset.synchronise([fast_before, venue.probe(START_S + 0.06, 20, 20), venue.probe(START_S + 0.2, 30, 30)])
    assert offset.round_trip_ms == pytest.approx(40)
    assert miss_ms(offset, venue, START_S + 1) <= 0


def test_a_step_is_told_by_its_size_and_the_clock_is_watched_closely_until_it_stays() -> None:
    rng, venue = random.Random(1), Venue(steps=[(START_S + 100, -1_800.0)])
    paces_s, sizes_ms = [], []
    offset, now_s = ClockOffset(), START_S
    for _ in range(14):
        stepped_ms = offset.synchronise(burst(venue, now_s, NETWORKS["lan"], rng))
        paces_s.append(round(offset.pace_s))
        sizes_ms += [] if stepped_ms is None else [stepped_ms]
        now_s += offset.pace_s
    assert sizes_ms == [pytest.approx(-1_800, abs=5)]
    assert paces_s[3:] == [30, SETTLING_S, 2, 4, 8, 16, 30, 30, 30, 30, 30]
    assert offset.stepped_back_ms(START_S) == pytest.approx(1_800, abs=5)
    assert offset.stepped_back_ms(now_s) == 0


@pytest.mark.parametrize("drift_ppm", [-20_000.0, 5_000.0])
def test_a_clock_that_runs_away_faster_than_the_bound_is_asked_all_the_time(drift_ppm: float) -> None:
    """Beyond what is claimed; what can be done is to notice, and to be wrong for a second instead of half a minute."""
    venue, late_ms = Venue(drift_ppm), []
    for number, (offset, _, _, next_s) in enumerate(
        followed(venue, NETWORKS["lan"], random.Random(1), bursts=100)
    ):
        if number > 3:
            assert offset.steps > 0
            late_ms.append(miss_ms(offset, venue, next_s))
    assert max(late_ms) < abs(drift_ppm) * 4 / 1000


@pytest.mark.parametrize("drift_ppm", [-200.0, 60.0])
def test_the_drift_becomes_known_and_paces_the_questions(drift_ppm: float) -> None:
    *_, (offset, _, ended_s, next_s) = followed(
        Venue(drift_ppm), NETWORKS["lan"], random.Random(1), bursts=60
    )
    assert offset.drift_ppm == pytest.approx(drift_ppm, abs=5.0)
    assert next_s - ended_s == pytest.approx(15_000 / (DRIFT_BOUND_PPM + abs(drift_ppm)), abs=0.5)


def test_delays_are_not_taken_for_drift() -> None:
    for offset, *_ in followed(Venue(), NETWORKS["sides change"], random.Random(1), bursts=60):
        assert offset.drift_ppm == 0.0


def test_nothing_is_known_before_the_first_synchronisation() -> None:
    offset = ClockOffset()
    assert (offset.read(1.0), offset.synchronised_at_s, offset.round_trip_ms) == (None, None, None)


def test_the_probe_with_the_smallest_round_trip_wins() -> None:
    venue, offset = Venue(), ClockOffset()
    offset.synchronise([venue.probe(10, 90, 10), venue.probe(11, 3, 4), venue.probe(12, 10, 10)])
    assert offset.round_trip_ms == pytest.approx(7)
    assert offset.slow_round_trip_ms == pytest.approx(100)
    assert offset.synchronised_at_s == pytest.approx(11.0035)


def test_uncertainty_grows_with_time_and_falls_with_a_synchronisation() -> None:
    venue, offset = Venue(), ClockOffset()
    offset.synchronise([venue.probe(10, 1, 1)])
    first, later = read(offset, 10.0).uncertainty_ms, read(offset, 70.0).uncertainty_ms
    assert first == pytest.approx(1.5 + NOISE_MS, abs=0.01)
    assert later - first == pytest.approx(60 * DRIFT_BOUND_PPM / 1000, abs=0.01)
    offset.synchronise([venue.probe(70, 1, 1)])
    assert read(offset, 70.0).uncertainty_ms == pytest.approx(1.5 + NOISE_MS, abs=0.01)


def test_a_clock_is_stale_when_time_has_used_up_a_quarter_of_the_recv_window() -> None:
    offset = ClockOffset()
    offset.synchronise([Venue().probe(10, 1, 1)])
    assert not offset.is_stale(10 + 2_499, 5_000)
    assert offset.is_stale(10 + 2_501, 5_000)
    assert offset.is_stale(10 + 51, 100)


# --- Signing ----------------------------------------------------------------------------------------------------------


@given(
    drift_ppm=st.floats(-DRIFT_BOUND_PPM, DRIFT_BOUND_PPM),
    there_ms=st.floats(0, 400),
    back_ms=st.floats(0, 400),
    later_s=st.floats(0, 35),
    latency_ms=st.floats(0, 3_000),
)
def test_a_stamp_is_never_from_the_venues_future_and_never_older_than_twice_the_uncertainty(
    drift_ppm: float, there_ms: float, back_ms: float, later_s: float, latency_ms: float
) -> None:
    venue, offset = Venue(drift_ppm), ClockOffset()
    probe = venue.probe(1_000, there_ms, back_ms)
    offset.synchronise([probe])
    now_s = probe.received_s + later_s
    reading = read(offset, now_s)
    arrival_ms = venue.true_ms(now_s + latency_ms / 1000)
    age_ms = arrival_ms - stamp_ms(reading)
    assert age_ms >= 0
    assert age_ms <= latency_ms * 1.001 + 2 * reading.uncertainty_ms + 1


@given(
    uncertainty_ms=st.floats(0, 20_000),
    slow_ms=st.floats(0, 20_000),
    usual_ms=st.integers(100, 60_000),
    most_ms=st.integers(0, 60_000),
)
def test_a_recv_window_is_as_wide_as_needed_never_narrower_than_usual_nor_wider_than_allowed(
    uncertainty_ms: float, slow_ms: float, usual_ms: int, most_ms: int
) -> None:
    reading = ClockReading(venue_ms=EPOCH_MS, uncertainty_ms=uncertainty_ms)
    window_ms = recv_window_ms(reading, slow_ms, usual_ms=usual_ms, most_ms=most_ms)
    assert usual_ms <= window_ms <= max(usual_ms, most_ms)
    assert window_ms >= min(2 * uncertainty_ms + slow_ms, most_ms)
    assert window_ms == usual_ms or window_ms <= 2 * uncertainty_ms + 2 * slow_ms + 1


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("wall_step_ms", [-2_000.0, 2_000.0])
def test_a_host_that_drifts_and_steps_has_no_request_refused_for_its_time(
    network: str, wall_step_ms: float
) -> None:
    """A host drifting 40 ms an hour with one 2 s step of its wall clock, over six hours: stamps know no wall clock."""
    rng, venue = random.Random(1), Venue(drift_ppm=-40 / 3.6)
    wall_step_s, sent, doubts = START_S + 9_000.0, 0, []
    watch = HostWatch(monotonic_s=START_S, wall_ms=EPOCH_MS, asleep_s=0.0)
    for offset, _, ended_s, next_s in followed(venue, NETWORKS[network], rng, bursts=720):
        for at_s in sorted(rng.uniform(ended_s, next_s) for _ in range(3)):
            stepped_ms = wall_step_ms if at_s >= wall_step_s else 0.0
            wall_ms = EPOCH_MS + (at_s - START_S) * 1000 + stepped_ms
            doubts += [watch.jumped(monotonic_s=at_s, wall_ms=wall_ms, asleep_s=0.0)]
            stamp = stamp_ms(read(offset, at_s))
            there_ms, _ = NETWORKS[network](rng)
            server_ms = venue.true_ms(at_s + there_ms / 1000)
            assert stamp < server_ms + 1_000
            assert server_ms - stamp <= 5_000
            sent += 1
    assert sent > 2_000
    assert [doubt for doubt in doubts if doubt] == [Doubt.WALL_STEP]


# --- The host's own clocks --------------------------------------------------------------------------------------------


def a_watch() -> HostWatch:
    return HostWatch(monotonic_s=100.0, wall_ms=EPOCH_MS, asleep_s=7.0)


@pytest.mark.parametrize(
    ("elapsed_s", "wall_change_ms", "slept_s", "doubt"),
    [
        (10, 10_000, 0, None),
        (10, 10_000 + JUMP_MS, 0, None),
        (10, 12_000, 0, Doubt.WALL_STEP),
        (10, 8_000, 0, Doubt.WALL_STEP),
        (0.001, -2_000, 0, Doubt.WALL_STEP),
        (3_600, 3_600_000 + 1_800, 0, None),  # an hour of slewing at NTP's limit
        (3_600, 3_600_000 + 4_000, 0, Doubt.WALL_STEP),
        (60, 60_000, 58, Doubt.SUSPEND),
        (60, 55_000, 58, Doubt.SUSPEND),
        (10, 10_000, 0.01, None),
    ],
)
def test_a_jump_of_the_hosts_clocks_is_noticed(
    elapsed_s: float, wall_change_ms: float, slept_s: float, doubt: Doubt | None
) -> None:
    now = {
        "monotonic_s": 100 + elapsed_s,
        "wall_ms": EPOCH_MS + wall_change_ms,
        "asleep_s": 7 + slept_s,
    }
    watch = a_watch()
    assert watch.jumped(**now) is doubt
    assert watch.jumped(**now) is None, "it is told once"
