"""Keeps each venue's clock known, and says whether a request may be signed with it.

The venue's time is asked for on a schedule that the drift paces, and again at once when there is a doubt: a stamp
was refused, this host slept, or its wall clock jumped. Until the doubt is gone nothing is signed. Whoever has the
same doubt shares one burst, and no venue is asked that wants to be left alone.

`Clock` is where this process gets its time from. It is handed in everywhere, so that a simulation can bend
it.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Final, Protocol
from urllib.parse import urlsplit

import structlog

from adapters.base import Adapter
from adapters.errors import VenueError
from adapters.model import Answer, HttpRequest
from worker.core.clock_offset import ClockOffset, ClockReading, Doubt, HostWatch, Probe, recv_window_ms

BURST: Final = 4
RETRY_S: Final = 1.0
LOOK_S: Final = 0.01
"""How long a look at the clocks of this host may take and still count as one instant."""
DRIFT_WARNING_MS: Final = 500.0
DRIFT_ERROR_MS: Final = 1000.0

log = structlog.get_logger("beeline.clock")


class Clock(Protocol):
    """Where time comes from."""

    def monotonic(self) -> float:
        """Seconds that never step, and go on while the host is suspended."""

    def wall_ms(self) -> float:
        """Epoch milliseconds of this host."""

    def asleep_s(self) -> float:
        """How long this host has been suspended since it booted."""


class SystemClock:
    """The clocks of this host.

    The monotonic clock is the one that counts a suspension: a lease ends while its holder sleeps, too.
    """

    monotonic: Final = staticmethod(
        partial(time.clock_gettime, getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
    )
    """Seconds that never step, and go on while the host is suspended."""

    @staticmethod
    def wall_ms() -> float:
        """Epoch milliseconds of this host."""
        return time.time() * 1000

    @classmethod
    def asleep_s(cls) -> float:
        """How long this host has been suspended since it booted; only differences of it mean anything."""
        return cls.monotonic() - time.monotonic()


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
        recv_window_ms: int,
        recv_window_max_ms: int,
        held_s: Callable[[], float],
        on_error: Callable[[VenueError], None],
    ) -> None:
        self._adapter, self._base_url, self._sender, self._clock = adapter, base_url, sender, clock
        self._recv_window_ms, self._recv_window_max_ms = recv_window_ms, recv_window_max_ms
        self._held_s, self._on_error = held_s, on_error
        self._known = asyncio.Event()
        self._stepped = asyncio.Event()
        self._burst: asyncio.Task[None] | None = None
        self._last_error: VenueError | None = None
        self._began_s = self._doubted_s = -1.0
        self._not_before_s = 0.0
        self._watch = HostWatch(
            monotonic_s=clock.monotonic(), wall_ms=clock.wall_ms(), asleep_s=clock.asleep_s()
        )
        self._in_doubt = False
        self._wall_level = 0
        self.offset = ClockOffset()
        self.doubts: Counter[Doubt] = Counter()

    @property
    def source(self) -> str:
        """Where the time comes from."""
        call = next(self._adapter.server_time())
        return f"{urlsplit(self._base_url).netloc}{call.path}"

    def read(self) -> ClockReading | None:
        """Venue time now; `None` before the first synchronisation."""
        return self.offset.read(self._clock.monotonic())

    def read_to_sign(self) -> ClockReading | None:
        """Venue time now, if a request may be signed with it."""
        now_s = self._look_at_host()
        if not self._in_doubt and self.offset.is_stale(now_s, self._recv_window_ms):
            self._doubt(Doubt.AGE)
        return None if self._in_doubt else self.offset.read(now_s)

    def window_ms(self, reading: ClockReading) -> int:
        """The recv window to sign: wider than usual where the way to the venue needs it."""
        slow_ms = self.offset.slow_round_trip_ms
        return recv_window_ms(
            reading, slow_ms, usual_ms=self._recv_window_ms, most_ms=self._recv_window_max_ms
        )

    def refused(self) -> None:
        """Learn that the venue refused a stamp: only a burst that begins after this tells what time it is there."""
        self._doubt(Doubt.REFUSED_STAMP)

    def _look_at_host(self) -> float:
        """Look for jumps of this host's clocks; return the monotonic time of the look.

        A look that took long was interrupted: the clocks it read are not of one instant, and would seem to have jumped.
        """
        while True:
            now_s = self._clock.monotonic()
            wall_ms, asleep_s = self._clock.wall_ms(), self._clock.asleep_s()
            if self._clock.monotonic() - now_s < LOOK_S:
                break
        jump = self._watch.jumped(monotonic_s=now_s, wall_ms=wall_ms, asleep_s=asleep_s)
        if jump is not None:
            self._doubt(jump)
        return now_s

    def _doubt(self, doubt: Doubt) -> None:
        if not self._known.is_set():
            return
        self._doubted_s = self._clock.monotonic()
        if self._in_doubt:
            return
        self._in_doubt = True
        self.doubts[doubt] += 1
        log.warning(
            "clock in doubt; the venue's time is asked for before anything is signed",
            venue=self._adapter.name,
            doubt=doubt.value,
        )

    @property
    def is_known(self) -> bool:
        """Whether the venue's time was ever learnt."""
        return self._known.is_set()

    async def known(self) -> None:
        """Wait for the first synchronisation."""
        await self._known.wait()

    async def fit_to_sign(self) -> None:
        """Wait until requests may be signed, asking the venue for its time if there is a doubt."""
        await self.known()
        while self.read_to_sign() is None:
            if not await self._must_wait():
                await self.resynchronise()

    async def _must_wait(self) -> bool:
        """Sleep while the venue is not to be asked; false when it may be asked now."""
        wait_s = max(self._held_s(), self._not_before_s - self._clock.monotonic())
        if wait_s > 0:
            await asyncio.sleep(wait_s)
        return wait_s > 0

    @property
    def age_s(self) -> float | None:
        """Seconds since the venue's time was asked for; `None` before the first time."""
        asked_s = self.offset.synchronised_at_s
        return None if asked_s is None else self._clock.monotonic() - asked_s

    @property
    def wall_drift_ms(self) -> float | None:
        """This host's wall clock minus the venue's."""
        reading = self.read()
        return None if reading is None else self._clock.wall_ms() - reading.venue_ms

    @property
    def wall_level(self) -> int:
        """0 while this host's wall clock is right, 1 from half a second off, 2 from a second."""
        drift_ms = abs(self.wall_drift_ms or 0.0)
        return (drift_ms >= DRIFT_WARNING_MS) + (drift_ms >= DRIFT_ERROR_MS)

    # --- Asking

    async def run(self) -> None:
        """Synchronise for as long as the task lives, but never ask a venue that wants to be left alone."""
        try:
            await self._keep_known()
        finally:
            if self._burst is not None:
                self._burst.cancel()

    async def _keep_known(self) -> None:
        while True:
            if await self._must_wait():
                continue
            error = await self.resynchronise()
            if error is not None:
                log.warning("venue time unknown, asking again", venue=self._adapter.name, code=error.code)
                continue
            self._tell_wall_drift()
            await self._until_due()

    async def _until_due(self) -> None:
        """Wait for the time of the next burst; a step that somebody else's burst shows brings it nearer."""
        while True:
            self._stepped.clear()
            try:
                async with asyncio.timeout(self.offset.pace_s):
                    await self._stepped.wait()
            except TimeoutError:
                return

    async def resynchronise(self) -> VenueError | None:
        """Ask the venue's time now; all who ask before a burst begins share it, and what came of it.

        A burst goes on when whoever began it stops waiting: a venue that answers slowly would otherwise never be
        heard to the end by signals that are valid for a moment only.
        """
        asked_s = self._clock.monotonic()
        while True:
            if self._burst is None:
                if self._began_s >= asked_s or self._held_s() > 0:
                    return self._last_error
                self._burst = asyncio.create_task(self._ask())
            await asyncio.shield(self._burst)

    async def _ask(self) -> None:
        try:
            self._last_error = await self.synchronise()
        finally:
            self._burst = None

    async def synchronise(self) -> VenueError | None:
        """Probe in a burst and take it in; the first error or hold ends the burst."""
        self._look_at_host()
        began_s = self._began_s = self._clock.monotonic()
        probes: list[Probe] = []
        for _ in range(BURST):
            probe = await self._probe()
            if isinstance(probe, VenueError):
                self._on_error(probe)
                if not probes:
                    self._not_before_s = self._clock.monotonic() + RETRY_S
                    return probe
                break
            probes.append(probe)
            if self._held_s() > 0:
                break
        self.take_in(probes)
        self._look_at_host()
        self._in_doubt = self._doubted_s > began_s  # what came up during the burst is not answered by it
        return None

    def take_in(self, probes: list[Probe]) -> None:
        """Learn from a burst."""
        stepped_ms = self.offset.synchronise(probes)
        self._known.set()
        if stepped_ms is not None:
            self._stepped.set()
            log.warning(
                "the venue's clock stepped, or runs away; it is watched closely now",
                venue=self._adapter.name,
                stepped_ms=round(stepped_ms, 1),
            )

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

    # --- This host's wall clock

    def _tell_wall_drift(self) -> None:
        """Say when this host's wall clock becomes wrong, more wrong, or right again."""
        level, before = self.wall_level, self._wall_level
        self._wall_level = level
        if level == before:
            return
        drift = {"venue": self._adapter.name, "wall_minus_venue_ms": round(self.wall_drift_ms or 0.0, 1)}
        if level == 0:
            log.info("wall clock agrees with the venue's again", **drift)
            return
        write = log.error if level > 1 else log.warning
        write(
            "wall clock differs from the venue's: orders are stamped right, but the validity of signals is counted on "
            "it; repair NTP on this host (chronyc tracking, timedatectl timesync-status)",
            **drift,
        )
