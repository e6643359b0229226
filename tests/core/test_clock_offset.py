"""Venue time, against a true clock that drifts and steps behind a network that delays each way as it likes."""

import random
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.core.clock_offset import DRIFT_BOUND_PPM, ClockOffset, ClockReading, Probe, stamp_ms

EPOCH_MS = 1_795_000_020_000.0
INTERVAL_S = 30.0
BURST = 4


@dataclass
class Venue:
    """A venue whose clock runs `drift_ppm` faster than our monotonic one, and may have been stepped."""

    drift_ppm: float = 0.0
    stepped_ms: float = 0.0

    def true_ms(self, now_s: float) -> float:
        return EPOCH_MS + now_s * 1000 * (1 + self.drift_ppm / 1_000_000) + self.stepped_ms

    def probe(self, sent_s: float, there_ms: float, back_ms: float) -> Probe:
        at_venue_s = sent_s + there_ms / 1000
        return Probe(
            sent_s=sent_s, received_s=at_venue_s + back_ms / 1000, server_ms=int(self.true_ms(at_venue_s))
        )


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


NETWORKS: dict[str, Delays] = {
    "loopback": lambda _: (0.2, 0.2),
    "lan": lambda rng: (rng.uniform(0.5, 1.5), rng.uniform(0.5, 1.5)),
    "internet": lambda rng: (rng.uniform(20, 60), rng.uniform(20, 60)),
    "all on the way there": lambda _: (80.0, 0.1),
    "all on the way back": lambda _: (0.1, 80.0),
    "sides change": lambda rng: rng.choice([(120.0, 0.1), (0.1, 120.0)]),
    "long tail": lambda rng: (rng.expovariate(1 / 30), rng.expovariate(1 / 30)),
}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("drift_ppm", [-95.0, -40.0, -3.0, 0.0, 0.4, 15.0, 60.0, 95.0])
@pytest.mark.parametrize("network", NETWORKS)
def test_the_truth_is_always_inside_the_published_bound(network: str, drift_ppm: float, seed: int) -> None:
    rng, venue, offset = random.Random(seed), Venue(drift_ppm), ClockOffset()
    worst_ms = float("-inf")
    for number in range(150):
        now_s = 1_000.0 + number * INTERVAL_S
        offset.synchronise(burst(venue, now_s, NETWORKS[network], rng))
        checked = [rng.uniform(now_s + 1, now_s + INTERVAL_S + 5) for _ in range(5)]
        worst_ms = max(worst_ms, *(miss_ms(offset, venue, at_s) for at_s in checked))
    assert worst_ms <= 0


@pytest.mark.parametrize("step_ms", [-86_400_000, -1_500, -400, 400, 1_500, 3_600_000])
@pytest.mark.parametrize("network", ["loopback", "lan", "internet"])
def test_after_a_step_of_the_venue_one_synchronisation_is_enough(network: str, step_ms: int) -> None:
    rng, venue, offset = random.Random(1), Venue(drift_ppm=20.0), ClockOffset()
    for number in range(40):
        now_s = 1_000.0 + number * INTERVAL_S
        if number == 20:
            venue.stepped_ms += step_ms
        offset.synchronise(burst(venue, now_s, NETWORKS[network], rng))
        assert miss_ms(offset, venue, now_s + 1) <= 0
        assert miss_ms(offset, venue, now_s + INTERVAL_S) <= 0
    assert abs(offset.drift_ppm) <= DRIFT_BOUND_PPM


def test_the_drift_becomes_known_and_then_the_clock_needs_no_more_than_its_bound() -> None:
    rng, venue, offset = random.Random(1), Venue(drift_ppm=60.0), ClockOffset()
    for number in range(60):
        offset.synchronise(burst(venue, 1_000.0 + number * INTERVAL_S, NETWORKS["lan"], rng))
    assert offset.drift_ppm == pytest.approx(60.0, abs=5.0)


def test_noise_is_not_taken_for_drift() -> None:
    rng, venue, offset = random.Random(1), Venue(), ClockOffset()
    for number in range(60):
        offset.synchronise(burst(venue, 1_000.0 + number * INTERVAL_S, NETWORKS["sides change"], rng))
        assert offset.drift_ppm == 0.0


def test_nothing_is_known_before_the_first_synchronisation() -> None:
    offset = ClockOffset()
    assert (offset.read(1.0), offset.synchronised_at_s, offset.round_trip_ms) == (None, None, None)


def test_the_probe_with_the_smallest_round_trip_wins() -> None:
    venue, offset = Venue(), ClockOffset()
    offset.synchronise([venue.probe(10, 90, 10), venue.probe(11, 3, 4), venue.probe(12, 10, 10)])
    assert offset.round_trip_ms == pytest.approx(7)
    assert offset.synchronised_at_s == pytest.approx(11.0035)


def test_uncertainty_grows_with_time_and_falls_with_a_synchronisation() -> None:
    venue, offset = Venue(), ClockOffset()
    offset.synchronise([venue.probe(10, 1, 1)])
    first, later = read(offset, 10.0).uncertainty_ms, read(offset, 70.0).uncertainty_ms
    assert first == pytest.approx(1.5, abs=0.01)
    assert later - first == pytest.approx(60 * DRIFT_BOUND_PPM / 1000, abs=0.01)
    offset.synchronise([venue.probe(70, 1, 1)])
    assert read(offset, 70.0).uncertainty_ms == pytest.approx(1.5, abs=0.01)


@given(
    drift_ppm=st.floats(-95, 95),
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


@pytest.mark.parametrize("drift_ppm", [-450.0, 450.0])
def test_a_clock_that_runs_away_is_inside_the_bound_once_its_drift_is_known(drift_ppm: float) -> None:
    rng, venue, offset = random.Random(1), Venue(drift_ppm), ClockOffset()
    for number in range(60):
        now_s = 1_000.0 + number * INTERVAL_S
        offset.synchronise(burst(venue, now_s, NETWORKS["lan"], rng))
        if number >= 4:
            assert miss_ms(offset, venue, now_s + INTERVAL_S) <= 0
