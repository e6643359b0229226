"""What time it is at the venue, and how well we know it.

Venue time = monotonic clock + offset. A probe asks the venue's clock; its answer was true somewhere between
sending and receiving, so the midpoint is off by at most half the round trip, and the probe with the smallest
round trip is the best. From the kept history comes the drift between the two clocks; between synchronisations
the uncertainty grows by what we do not know of it. Wall clocks are never read here: steps and NTP slews of
this host cannot move a stamp.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

RESOLUTION_MS: Final = 0.5
"""Venues answer whole milliseconds, rounded down: the truth is half a millisecond later, give or take as much."""

DRIFT_BOUND_PPM: Final = 100.0
"""Uncertainty that time adds, in parts per million: twice what quartz clocks of servers are specified to."""

HISTORY: Final = 64
MIN_DRIFT_SPAN_S: Final = 60.0
STEP_TOLERANCE_MS: Final = 50.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """One question to a venue's clock; `sent_s` and `received_s` are monotonic seconds, `server_ms` is the answer."""

    sent_s: float
    received_s: float
    server_ms: int

    @property
    def round_trip_ms(self) -> float:
        """How long the answer took."""
        return (self.received_s - self.sent_s) * 1000

    @property
    def midpoint_s(self) -> float:
        """The instant the answer is taken for."""
        return (self.sent_s + self.received_s) / 2

    @property
    def offset_ms(self) -> float:
        """Venue time minus monotonic time."""
        return self.server_ms + RESOLUTION_MS - self.midpoint_s * 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockReading:
    """Venue time at one instant and the bound of its error."""

    venue_ms: float
    uncertainty_ms: float


class ClockOffset:
    """The offset of one venue's clock, its drift and the uncertainty of both."""

    def __init__(self) -> None:
        self._history: deque[Probe] = deque(maxlen=HISTORY)
        self._best: Probe | None = None
        self.drift_ppm = 0.0

    @property
    def synchronised_at_s(self) -> float | None:
        """Monotonic time of the probe in use; `None` before the first."""
        return self._best.midpoint_s if self._best else None

    @property
    def round_trip_ms(self) -> float | None:
        """Round trip of the probe in use."""
        return self._best.round_trip_ms if self._best else None

    def synchronise(self, probes: Sequence[Probe]) -> None:
        """Take the best probe of a burst; a venue clock that stepped makes the history worthless."""
        best = min(probes, key=lambda probe: probe.round_trip_ms)
        if self._best is not None and self._stepped(best):
            self._history.clear()
            self.drift_ppm = 0.0
        self._history.append(best)
        self._best = best
        self._estimate_drift()

    def _stepped(self, probe: Probe) -> bool:
        reading = self.read(probe.midpoint_s)
        if reading is None:
            return False
        expected_ms = reading.venue_ms - probe.midpoint_s * 1000
        tolerance_ms = STEP_TOLERANCE_MS + reading.uncertainty_ms + probe.round_trip_ms / 2
        return abs(probe.offset_ms - expected_ms) > tolerance_ms

    def _estimate_drift(self) -> None:
        """Slope through the best probe of the older and of the newer half of the history."""
        if len(self._history) < 2:
            return
        probes = list(self._history)
        half = len(probes) // 2
        older = min(probes[:half], key=lambda probe: probe.round_trip_ms)
        newer = min(probes[half:], key=lambda probe: probe.round_trip_ms)
        span_s = newer.midpoint_s - older.midpoint_s
        if span_s < MIN_DRIFT_SPAN_S:
            return
        slope_ppm = (newer.offset_ms - older.offset_ms) / span_s * 1000
        error_ms = (newer.round_trip_ms + older.round_trip_ms) / 2 + 2 * RESOLUTION_MS
        error_ppm = error_ms / span_s * 1000
        # A slope less certain than the bound would make the bound untrue; one inside its own error is noise.
        is_certain = error_ppm <= DRIFT_BOUND_PPM and abs(slope_ppm) > error_ppm
        self.drift_ppm = slope_ppm if is_certain else 0.0

    def read(self, now_s: float) -> ClockReading | None:
        """Return venue time at a monotonic instant; `None` before the first synchronisation."""
        best = self._best
        if best is None:
            return None
        elapsed_s = now_s - best.midpoint_s
        drifted_ms = elapsed_s * self.drift_ppm / 1000
        uncertainty_ms = best.round_trip_ms / 2 + RESOLUTION_MS + abs(elapsed_s) * DRIFT_BOUND_PPM / 1000
        return ClockReading(
            venue_ms=now_s * 1000 + best.offset_ms + drifted_ms, uncertainty_ms=uncertainty_ms
        )


def stamp_ms(reading: ClockReading) -> int:
    """Return the timestamp to sign.

    A venue refuses `timestamp >= server time + 1000` whatever the window, and accepts an age up to the recv window: the
    earliest time it can be at the venue is always safe, and costs the uncertainty of the window.
    """
    return int(reading.venue_ms - reading.uncertainty_ms)
