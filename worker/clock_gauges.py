"""The metrics of the venues' clocks: what time it is there, how well that is known, and what put it in doubt."""

from collections.abc import Callable
from functools import partial
from typing import Final

from worker.account_book import AccountBook
from worker.clock_sync import VenueClock
from worker.core.clock_offset import Doubt
from worker.telemetry import Labelled, Series

Read = Callable[[VenueClock], float | None]


def clock_gauges(book: AccountBook) -> dict[str, Labelled]:
    """Return the clock metrics by name."""
    found: dict[str, Labelled] = {
        name: (("venue",), text, partial(_each_clock, book, read)) for name, (text, read) in _BY_VENUE.items()
    }
    found["beeline_clock_source_info"] = (
        ("venue", "source"),
        "1; the label says where the venue's time comes from.",
        lambda: {(gateway.adapter.name, gateway.clock.source): 1 for gateway in book.gateways()},
    )
    found["beeline_clock_doubts_total"] = (
        ("venue", "reason"),
        "Times that nothing was signed until a venue had been asked for its time, and why.",
        lambda: _doubts(book),
    )
    return found


def _each_clock(book: AccountBook, read: Read) -> Series:
    values = {(gateway.adapter.name,): read(gateway.clock) for gateway in book.gateways()}
    return {labels: value for labels, value in values.items() if value is not None}


def _doubts(book: AccountBook) -> Series:
    return {
        (gateway.adapter.name, doubt.value): gateway.clock.doubts[doubt]
        for gateway in book.gateways()
        for doubt in Doubt
    }


def _offset_s(clock: VenueClock) -> float | None:
    drift_ms = clock.wall_drift_ms
    return None if drift_ms is None else -drift_ms / 1000


def _uncertainty_s(clock: VenueClock) -> float | None:
    reading = clock.read()
    return None if reading is None else reading.uncertainty_ms / 1000


def _recv_window_s(clock: VenueClock) -> float | None:
    reading = clock.read()
    return None if reading is None else clock.window_ms(reading) / 1000


_BY_VENUE: Final[dict[str, tuple[str, Read]]] = {
    "beeline_clock_offset_seconds": ("Venue time minus this host's wall clock.", _offset_s),
    "beeline_clock_wall_level": (
        "0: this host's wall clock is right, 1: 0.5 s off or more, 2: 1 s or more. Repair its NTP.",
        lambda clock: clock.wall_level,
    ),
    "beeline_clock_uncertainty_seconds": ("Bound of the error of a venue's time.", _uncertainty_s),
    "beeline_clock_drift_ratio": (
        "Seconds that a venue's clock gains on this host's in a second.",
        lambda clock: clock.offset.drift_ppm / 1e6,
    ),
    "beeline_clock_age_seconds": ("Time since the venue was asked for its time.", lambda clock: clock.age_s),
    "beeline_clock_round_trip_seconds": (
        "Slowest answer in the latest bursts of questions for the time.",
        lambda clock: clock.offset.slow_round_trip_ms / 1000,
    ),
    "beeline_clock_recv_window_seconds": ("The recv window that is signed now.", _recv_window_s),
    "beeline_clock_steps_total": (
        "Steps of the venue's clock that were noticed.",
        lambda clock: clock.offset.steps,
    ),
}
