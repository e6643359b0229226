"""Keeps each venue's clock known: polls its time, and again at once when a venue says that a stamp was wrong.

`Clock` is where this process gets its time from. It is handed in everywhere, so that a simulation can bend
it.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Final, Protocol

import structlog

from adapters.base import Adapter
from adapters.errors import VenueError
from adapters.model import Answer, HttpRequest
from worker.core.clock_offset import ClockOffset, ClockReading, Probe

BURST: Final = 4
INTERVAL_S: Final = 30.0
RETRY_S: Final = 1.0
DRIFT_WARNING_MS: Final = 500.0
DRIFT_ERROR_MS: Final = 1000.0

log = structlog.get_logger("beeline.clock")


class Clock(Protocol):
    """Where time comes from."""

    def monotonic(self) -> float:
        """Seconds that never step."""

    def wall_ms(self) -> float:
        """Epoch milliseconds of this host."""


class SystemClock:
    """The clocks of this host."""

    monotonic = staticmethod(time.monotonic)

    @staticmethod
    def wall_ms() -> float:
        """Epoch milliseconds of this host."""
        return time.time() * 1000


class Sender(Protocol):
    """Sends a finished request."""

    async def send(self, request: HttpRequest) -> Answer:
        """Send once; failures are answers too."""


class VenueClock:
    """The clock of one venue at one address."""

    def __init__(
        self,
        adapter: Adapter,
        base_url: str,
        sender: Sender,
        clock: Clock,
        *,
        held_s: Callable[[], float],
        on_error: Callable[[VenueError], None],
    ) -> None:
        self._adapter, self._base_url, self._sender, self._clock = adapter, base_url, sender, clock
        self._held_s, self._on_error = held_s, on_error
        self._known = asyncio.Event()
        self._lock = asyncio.Lock()
        self.offset = ClockOffset()

    def read(self) -> ClockReading | None:
        """Venue time now; `None` before the first synchronisation."""
        return self.offset.read(self._clock.monotonic())

    async def known(self) -> None:
        """Wait for the first synchronisation."""
        await self._known.wait()

    @property
    def wall_drift_ms(self) -> float | None:
        """This host's wall clock minus the venue's."""
        reading = self.read()
        return None if reading is None else self._clock.wall_ms() - reading.venue_ms

    async def run(self) -> None:
        """Synchronise for as long as the task lives, but never ask a venue that wants to be left alone."""
        while True:
            held_s = self._held_s()
            if held_s > 0:
                await asyncio.sleep(held_s)
                continue
            error = await self.synchronise()
            if error is not None:
                log.warning("venue time unknown, asking again", venue=self._adapter.name, code=error.code)
            else:
                self._warn_of_drift()
            await asyncio.sleep(INTERVAL_S if error is None else RETRY_S)

    async def resynchronise(self) -> None:
        """Ask the venue's time now; callers that wait at the same time share one burst."""
        asked_s = self._clock.monotonic()
        async with self._lock:
            synchronised_s = self.offset.synchronised_at_s
            is_news = synchronised_s is not None and synchronised_s > asked_s
            if not is_news and self._held_s() <= 0:
                await self.synchronise()

    async def synchronise(self) -> VenueError | None:
        """Probe in a burst and take the best; the first error ends the burst."""
        probes: list[Probe] = []
        for _ in range(BURST):
            probe = await self._probe()
            if isinstance(probe, VenueError):
                self._on_error(probe)
                if not probes:
                    return probe
                break
            probes.append(probe)
        self.offset.synchronise(probes)
        self._known.set()
        return None

    async def _probe(self) -> Probe | VenueError:
        flow = self._adapter.server_time()
        call = next(flow)
        request = self._adapter.sign(call, None, base_url=self._base_url, timestamp_ms=0, recv_window_ms=0)
        sent_s = self._clock.monotonic()
        answer = await self._sender.send(request)
        received_s = self._clock.monotonic()
        try:
            flow.send(answer)
        except StopIteration as stop:
            if isinstance(stop.value, int):
                return Probe(sent_s=sent_s, received_s=received_s, server_ms=stop.value)
            error: VenueError = stop.value
            return error
        raise RuntimeError("asking a venue's time takes one request")

    def _warn_of_drift(self) -> None:
        drift_ms = self.wall_drift_ms
        if drift_ms is None or abs(drift_ms) < DRIFT_WARNING_MS:
            return
        write = log.error if abs(drift_ms) >= DRIFT_ERROR_MS else log.warning
        write(
            "wall clock differs from the venue's; orders are stamped right, but check NTP on this host",
            venue=self._adapter.name,
            wall_minus_venue_ms=round(drift_ms, 1),
        )
