"""What a worker tells of itself: readiness, and its status as JSON. `gauges.py` tells the same to Prometheus."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from worker.account_book import AccountBook
from worker.clock_sync import Clock
from worker.connections import Connections
from worker.consumer import Consumer
from worker.core.holds import StopRecord, Stops
from worker.dispatcher import Dispatcher
from worker.gateway import Gateway
from worker.lane import Lanes
from worker.publisher import Publisher
from worker.settings import Settings
from worker.unknowns import Unknowns


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Reads the state of the worker's parts; holds none of its own."""

    settings: Settings
    clock: Clock
    book: AccountBook
    publisher: Publisher
    consumer: Consumer
    connections: Connections
    dispatcher: Dispatcher
    lanes: Lanes
    unknowns: Unknowns
    stops: Stops
    is_draining: Callable[[], bool]

    def obstacles(self) -> list[str]:
        """Why signals cannot be handled now; empty when they can."""
        checks = (
            (self.is_draining(), "draining"),
            (not self.connections.is_consuming, "not consuming from the broker"),
            (not self.publisher.is_connected, "not connected for publishing"),
        )
        found = [text for applies, text in checks if applies]
        return found + [text for gateway in self.book.gateways() if (text := self._clock_obstacle(gateway))]

    def _clock_obstacle(self, gateway: Gateway) -> str | None:
        reading = gateway.clock.read()
        if reading is None:
            return f"the time at {gateway.adapter.name} is not known yet"
        if reading.uncertainty_ms > self.settings.recv_window_ms / 2:
            return f"the time at {gateway.adapter.name} is too uncertain"
        return None

    def status(self) -> dict[str, Any]:
        """The worker's state, without anything secret."""
        return {
            "worker_id": self.settings.worker_id,
            "draining": self.is_draining(),
            "obstacles": self.obstacles(),
            "shards": self.consumer.owned,
            "in_flight": self.dispatcher.in_flight,
            "lanes": self.lanes.busy,
            "unknown_outcomes": self.unknowns.count,
            "lease_remaining_s": round(max(0.0, self.connections.lease_remaining_s), 3),
            "accounts": [
                {
                    "name": account.name,
                    "venue": account.venue,
                    "label": account.label,
                    "refused": account.refused,
                }
                for account in self.book.accounts.values()
            ],
            "holds": self.holds(),
            "clock": [_clock_status(gateway) for gateway in self.book.gateways()],
        }

    def holds(self) -> list[dict[str, Any]]:
        """Every hold in force, the operators' first."""
        imposed = [hold for gateway in self.book.gateways() for hold in self._holds(gateway)]
        return [*map(_stop, self.stops.in_force()), *imposed]

    def _holds(self, gateway: Gateway) -> list[dict[str, Any]]:
        venue, now_s = gateway.adapter.name, self.clock.monotonic()
        named = [("venue", venue, gateway.hold)]
        named += [("account", name, budget.hold) for name, budget in gateway.budgets()]
        return [
            {
                "scope": scope,
                "name": name,
                "venue": venue,
                "reason": hold.reason,
                "seconds_left": round(hold.until_s - now_s, 1),
            }
            for scope, name, hold in named
            if hold.until_s > now_s
        ]


def _stop(stop: StopRecord) -> dict[str, Any]:
    """An operator's hold, in the form of all holds; it has no end of its own."""
    scope, _, name = stop.target.partition(":")
    return {"scope": scope, "name": name, "venue": None, "reason": stop.reason, "seconds_left": None}


def _clock_status(gateway: Gateway) -> dict[str, Any]:
    reading, drift_ms = gateway.clock.read(), gateway.clock.wall_drift_ms
    rounded: Callable[[float], float] = partial(round, ndigits=3)
    trip_ms = gateway.clock.offset.round_trip_ms
    return {
        "venue": gateway.adapter.name,
        "wall_minus_venue_ms": None if drift_ms is None else rounded(drift_ms),
        "uncertainty_ms": None if reading is None else rounded(reading.uncertainty_ms),
        "drift_ppm": rounded(gateway.clock.offset.drift_ppm),
        "round_trip_ms": None if trip_ms is None else rounded(trip_ms),
    }
