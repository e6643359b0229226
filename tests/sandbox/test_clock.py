"""The venue's clock."""

from adapters.sandbox.clock import VenueClock
from tests.sandbox.client import START_MS, VenueClient


def test_skew_steps_and_drift_add_up() -> None:
    clock = VenueClock()
    clock.set_skew(2_500, START_MS)
    clock.step(-1_800)
    clock.set_drift(200, START_MS)
    assert clock.venue_ms(START_MS) == START_MS + 700
    assert clock.venue_ms(START_MS + 10_000) == START_MS + 10_000 + 702


def test_changing_the_drift_keeps_what_has_drifted() -> None:
    clock = VenueClock()
    clock.set_drift(1_000, 0)
    clock.set_drift(0, 10_000)
    assert clock.offset_ms(20_000) == 10


def test_a_skewed_venue_refuses_the_time_of_the_host(venue: VenueClient) -> None:
    venue.exchange.clock.set_skew(-1_000, venue.now_ms)
    assert venue.market().json["code"] == -1021
    assert venue.public("time").json == {"serverTime": START_MS - 1_000}
    assert venue.market(timestamp=START_MS - 1_000).status == 200
