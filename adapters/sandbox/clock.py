"""The venue's clock: the host's clock, skewed, stepped and drifting on request.

Pure: the host's time is handed in. `venue = host + skew + drift`, where drift grows from the moment it was set.
"""

from typing import Final

_PPM: Final = 1_000_000


class VenueClock:
    """Turns host milliseconds into venue milliseconds."""

    def __init__(self) -> None:
        self._skew_ms = 0.0
        self._drift_ppm = 0.0
        self._drift_since_ms = 0

    def venue_ms(self, now_ms: int) -> int:
        """Return the venue's time for a host time, in whole milliseconds."""
        if not self._drift_ppm:
            return now_ms + int(self._skew_ms)
        return now_ms + int(self._skew_ms + self._drifted_ms(now_ms))

    def set_skew(self, skew_ms: float, now_ms: int) -> None:
        """Make the venue's time differ from the host's by exactly `skew_ms` now."""
        self._drift_since_ms = now_ms
        self._skew_ms = skew_ms

    def step(self, step_ms: float) -> None:
        """Jump forward or, with a negative step, back."""
        self._skew_ms += step_ms

    def set_drift(self, drift_ppm: float, now_ms: int) -> None:
        """Run fast (positive) or slow from now on; what has drifted so far is kept."""
        self._skew_ms += self._drifted_ms(now_ms)
        self._drift_since_ms = now_ms
        self._drift_ppm = drift_ppm

    def offset_ms(self, now_ms: int) -> float:
        """Return by how much the venue's time is ahead of the host's."""
        return self._skew_ms + self._drifted_ms(now_ms)

    @property
    def drift_ppm(self) -> float:
        """Return how fast the clock runs away, in millionths."""
        return self._drift_ppm

    def _drifted_ms(self, now_ms: int) -> float:
        return (now_ms - self._drift_since_ms) * self._drift_ppm / _PPM
