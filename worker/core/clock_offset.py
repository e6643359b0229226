"""What time it is at the venue, and how well we know it.

Venue time = monotonic clock + offset. A probe asks the venue's clock. Its answer was true at some instant between
sending and receiving, so the midpoint is off by at most half the round trip, and of a burst the probe with the
smallest round trip is the best. Wall clocks are never read for it: steps and NTP slews of this host move no stamp.

What is claimed of the published bound, and no more:

- The venue's time is inside it while the venue's clock runs at most `DRIFT_BOUND_PPM`, and the drift that was
  measured, apart from our monotonic one, and while the venue's machines agree with each other within `NOISE_MS`.
- Nobody can know of a step of the venue's clock before asking. From a step on the bound may be wrong, until the first
  burst that began after it; that burst alone decides, because what was true before a step counts for nothing.

That is why the drift widens the bound instead of moving the estimate: a slope of yesterday is no promise for today.
"""

from collections import deque
from collections.abc import Sequence
from enum import StrEnum
from math import ceil
from typing import Final

from adapters.values import value_type

RESOLUTION_MS: Final = 0.5
"""Venues answer whole milliseconds, rounded down: the truth is half a millisecond later, give or take as much."""

NOISE_MS: Final = 5.0
"""How far the machines of one venue may disagree about the time."""

DRIFT_BOUND_PPM: Final = 500.0
"""What NTP may slew a clock by at most, and many times what quartz is off by."""

GROWTH_MS: Final = 15.0
"""The venue is asked again before time alone has made us this much less certain."""

SETTLING_S: Final = 1.0
"""After a step the venue is asked again this soon, then twice as late each time while the clock stays."""

STALE_SHARE: Final = 0.25
"""The part of a recv window by which time may make us less certain before nothing is signed any more."""

HISTORY: Final = 64
RECENT_BURSTS: Final = 4
MIN_DRIFT_SPAN_S: Final = 60.0


@value_type
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

    @property
    def error_ms(self) -> float:
        """By how much the offset can be wrong."""
        return self.round_trip_ms / 2 + RESOLUTION_MS + NOISE_MS


@value_type
class ClockReading:
    """Venue time at one instant and the bound of its error."""

    venue_ms: float
    uncertainty_ms: float


class Doubt(StrEnum):
    """Why the venue has to be asked for its time before anything is signed."""

    AGE = "age"
    REFUSED_STAMP = "refused_stamp"
    SUSPEND = "suspend"
    WALL_STEP = "wall_step"


class ClockOffset:
    """The offset of one venue's clock, its drift and the uncertainty of both."""

    def __init__(self) -> None:
        self._history: deque[Probe] = deque(maxlen=HISTORY)
        self._slowest_ms: deque[float] = deque(maxlen=RECENT_BURSTS)
        self._steps_back: deque[tuple[float, float]] = deque(maxlen=HISTORY)
        self._best: Probe | None = None
        self._settling_s = float("inf")
        self._spread_ppm = DRIFT_BOUND_PPM
        # Kept apart from the probe, because every stamp needs them.
        self._sent_s = self._offset_ms = self._error_ms = 0.0
        self.drift_ppm = 0.0
        self.steps = 0

    @property
    def synchronised_at_s(self) -> float | None:
        """Monotonic time of the probe in use; `None` before the first."""
        return self._best.midpoint_s if self._best else None

    @property
    def round_trip_ms(self) -> float | None:
        """Round trip of the probe in use."""
        return self._best.round_trip_ms if self._best else None

    @property
    def slow_round_trip_ms(self) -> float:
        """The slowest round trip of the latest bursts; 0 before the first."""
        return max(self._slowest_ms, default=0.0)

    @property
    def pace_s(self) -> float:
        """How long after a burst the next one is due: the sooner, the faster the clocks drift apart."""
        return min(self._settling_s, GROWTH_MS * 1000 / self._spread_ppm)

    def synchronise(self, probes: Sequence[Probe]) -> float | None:
        """Take a burst in; return the step of the venue's clock that it shows, in milliseconds.

        Whatever contradicts the bound counts as a step. A clock may step within a burst: only the probes that agree
        with the last one count.
        """
        last = probes[-1]
        agreeing = [probe for probe in probes if _gap_ms(probe, last, DRIFT_BOUND_PPM) <= 0]
        best, before = min(agreeing, key=lambda probe: probe.round_trip_ms), self._best
        stepped_ms = None
        if before is not None and _gap_ms(before, best, self._spread_ppm) > 0:
            stepped_ms = best.offset_ms - before.offset_ms
            self._forget(best, stepped_ms)
        else:
            self._settling_s *= 2
        self._best = best
        self._sent_s, self._offset_ms, self._error_ms = best.sent_s, best.offset_ms, best.error_ms
        self._history.append(best)
        self._slowest_ms.append(max(probe.round_trip_ms for probe in probes))
        self.drift_ppm = _drift_ppm(list(self._history))
        self._spread_ppm = DRIFT_BOUND_PPM + abs(self.drift_ppm)
        return stepped_ms

    def _forget(self, best: Probe, stepped_ms: float) -> None:
        self.steps += 1
        self._history.clear()
        self._settling_s = SETTLING_S
        if stepped_ms < 0:
            self._steps_back.append((best.midpoint_s, -stepped_ms))

    def stepped_back_ms(self, since_s: float) -> float:
        """By how much the venue's clock was seen to step back since a monotonic instant."""
        return sum(size_ms for at_s, size_ms in self._steps_back if at_s >= since_s)

    def read(self, now_s: float) -> ClockReading | None:
        """Return venue time at a monotonic instant; `None` before the first synchronisation."""
        if self._best is None:
            return None
        return ClockReading(
            venue_ms=now_s * 1000 + self._offset_ms, uncertainty_ms=self._error_ms + self._growth_ms(now_s)
        )

    def is_stale(self, now_s: float, recv_window_ms: float) -> bool:
        """Whether time alone has made us too uncertain to sign with such a recv window."""
        return self._growth_ms(now_s) > recv_window_ms * STALE_SHARE

    def _growth_ms(self, now_s: float) -> float:
        """What time has added to the error: counted from the sending, because the answer may be as old as that."""
        return abs(now_s - self._sent_s) * self._spread_ppm / 1000


def _gap_ms(one: Probe, other: Probe, spread_ppm: float) -> float:
    """By how much two probes contradict each other; not positive when one and the same clock can have given both."""
    distance_ms = abs(one.offset_ms - other.offset_ms)
    between_s = abs(other.received_s - one.sent_s)
    return distance_ms - one.error_ms - other.error_ms - between_s * spread_ppm / 1000


def _drift_ppm(probes: Sequence[Probe]) -> float:
    """Slope through the best probe of the older and of the newer half; 0 where it could be noise."""
    half = len(probes) // 2
    if not half:
        return 0.0
    older = min(probes[:half], key=lambda probe: probe.round_trip_ms)
    newer = min(probes[half:], key=lambda probe: probe.round_trip_ms)
    span_s = newer.midpoint_s - older.midpoint_s
    change_ms = newer.offset_ms - older.offset_ms
    noise_ms = (newer.round_trip_ms + older.round_trip_ms) / 2 + 2 * RESOLUTION_MS
    return change_ms / span_s * 1000 if span_s >= MIN_DRIFT_SPAN_S and abs(change_ms) > noise_ms else 0.0


# --- Signing ----------------------------------------------------------------------------------------------------------


def stamp_ms(reading: ClockReading) -> int:
    """Return the timestamp to sign.

    A venue refuses `timestamp >= server time + 1000` whatever the window, and accepts an age up to the recv window: the
    earliest time it can be at the venue is always safe, and costs the uncertainty of the window.
    """
    return int(reading.venue_ms - reading.uncertainty_ms)


def recv_window_ms(reading: ClockReading, slow_round_trip_ms: float, *, usual_ms: int, most_ms: int) -> int:
    """Return the recv window to sign: the usual one, or a wider one where the way to the venue needs it.

    A stamp is up to twice the uncertainty old when it is signed, and the way there may take a slow round trip, here
    counted twice because an order waits where a question for the time does not. Wider is no gift: a doubt about an
    order lasts that much longer. So never more than `most_ms`.
    """
    needed_ms = ceil(2 * reading.uncertainty_ms + 2 * slow_round_trip_ms)
    return max(usual_ms, min(needed_ms, most_ms))


# --- The host's own clocks --------------------------------------------------------------------------------------------

JUMP_MS: Final = 50.0
SLEW_PPM: Final = 1_000.0
"""NTP slews at most half of this; whoever slews faster is taken for a step, which costs a burst."""


class HostWatch:
    """Notices when a clock of this host jumps.

    The monotonic clock counts a suspension as well as the hardware can measure it, which may be wrong by whole
    seconds. A machine that was stopped from outside, by a snapshot or a migration, does not notice; but somebody then
    puts its wall clock right. After either the venue has to be asked before anything is signed.
    """

    def __init__(self, *, monotonic_s: float, wall_ms: float, asleep_s: float) -> None:
        self._monotonic_s, self._wall_ms, self._asleep_s = monotonic_s, wall_ms, asleep_s

    def jumped(self, *, monotonic_s: float, wall_ms: float, asleep_s: float) -> Doubt | None:
        """Tell what happened since the last call; `asleep_s` is how long the host was suspended since it booted."""
        elapsed_ms = (monotonic_s - self._monotonic_s) * 1000
        stepped_ms = abs(wall_ms - self._wall_ms - elapsed_ms)
        slept_ms = (asleep_s - self._asleep_s) * 1000
        self._monotonic_s, self._wall_ms, self._asleep_s = monotonic_s, wall_ms, asleep_s
        if slept_ms > JUMP_MS:
            return Doubt.SUSPEND
        return Doubt.WALL_STEP if stepped_ms > JUMP_MS + elapsed_ms * SLEW_PPM / 1_000_000 else None
