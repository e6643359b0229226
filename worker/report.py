"""What a worker tells of itself: readiness, and its status as JSON. `gauges.py` tells the same to Prometheus."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any, Final

from worker.account_book import AccountBook
from worker.accounts import Account
from worker.clock_sync import Clock
from worker.connections import Connections
from worker.consumer import Consumer
from worker.control import Control
from worker.core.holds import StopRecord
from worker.core.key_standing import KeyState, Standing
from worker.core.shards import Names
from worker.core.token_bucket import BudgetSet
from worker.dispatcher import Dispatcher
from worker.gateway import Gateway
from worker.keys import Keys
from worker.lane import Lanes
from worker.publisher import Publisher
from worker.settings import Settings
from worker.unknowns import Unknowns

SHOWN_LANES: Final = 15
SHOWN_ACCOUNTS: Final = 500


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
    control: Control
    keys: Keys
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
            "namespace": self.settings.namespace,
            "version": version("beeline-worker"),
            "draining": self.is_draining(),
            "obstacles": self.obstacles(),
            "shards": self.consumer.owned,
            "owners": self._owners(),
            "in_flight": self.dispatcher.in_flight,
            "throttled": self.lanes.throttled,
            "oldest_s": round(self.dispatcher.oldest_s, 1),
            "lanes": self.lanes.busy,
            "longest_lanes": self._longest_lanes(),
            "unknown_outcomes": self.unknowns.count,
            "lease_remaining_s": round(max(0.0, self.connections.lease_remaining_s), 3),
            "accounts": self._accounts(),
            "accounts_in_all": len(self.book.accounts),
            "venues": [
                {"venue": gateway.adapter.name, "budgets": _budgets(gateway, gateway.limiter.ip)}
                for gateway in self.book.gateways()
            ],
            "holds": self.holds(),
            "clock": [_clock_status(gateway) for gateway in self.book.gateways()],
            "last_outcomes": self.dispatcher.journal.outcomes(),
            "latency_ms": self.dispatcher.journal.latency_ms(),
        }

    def _owners(self) -> list[dict[str, Any]]:
        """Who serves which shards, as the control stream tells it; a shard without signals may have nobody yet."""
        names = Names(namespace=self.settings.namespace, shards=self.settings.shards)
        owners: dict[str | None, list[str]] = {}
        for number in range(names.shards):
            record = self.control.history(number).owner
            owners.setdefault(record.worker if record else None, []).append(names.label(number))
        return [{"worker": worker, "shards": shards} for worker, shards in owners.items()]

    def _longest_lanes(self) -> list[dict[str, Any]]:
        loads = sorted(self.lanes.loads(), key=lambda load: -load.signals)
        return [asdict(load) for load in loads[:SHOWN_LANES]]

    def _accounts(self) -> list[dict[str, Any]]:
        """The accounts, those that cannot trade first; of thousands not all."""
        states, accounts = self.keys.states(), self.book.accounts
        stopped = {name for name, state in states.items() if state.error is not None}
        stopped |= {account.name for account in accounts.values() if account.signer is None}
        chosen = sorted(accounts.values(), key=lambda account: account.name not in stopped)[:SHOWN_ACCOUNTS]
        return [self._account(account, states.get(account.name, KeyState())) for account in chosen]

    def _account(self, account: Account, state: KeyState) -> dict[str, Any]:
        gateway = None if account.signer is None else self.book.gateway_of(account)
        limits = gateway.budget(account.limit_group or account.name).limits if gateway else None
        stopped = {state.standing: state.error.hint} if state.error else {}
        return {
            "name": account.name,
            "venue": account.venue,
            "label": account.label,
            "refused": account.refused or stopped.get(Standing.REFUSED),
            "quarantined": stopped.get(Standing.QUARANTINED),
            "key": _key_status(state, self.clock.monotonic()),
            "budgets": _budgets(gateway, limits) if gateway and limits else [],
        }

    def holds(self) -> list[dict[str, Any]]:
        """Every hold in force, the operators' first."""
        imposed = [hold for gateway in self.book.gateways() for hold in self._holds(gateway)]
        return [*map(_stop, self.control.stops.in_force()), *imposed]

    @staticmethod
    def _holds(gateway: Gateway) -> list[dict[str, Any]]:
        return [
            {
                "scope": scope,
                "name": name,
                "venue": gateway.adapter.name,
                "reason": reason,
                "seconds_left": round(left_s, 1),
            }
            for scope, name, reason, left_s in gateway.limiter.holds()
        ]


def _budgets(gateway: Gateway, limits: BudgetSet) -> list[dict[str, Any]]:
    """What is used up of each limit in its present window."""
    return [asdict(state) for state in gateway.limiter.states(limits)]


def _key_status(state: KeyState, now_s: float) -> dict[str, Any]:
    """What is known of an account's key."""
    return {
        "standing": state.standing,
        "cause": state.cause.code if state.cause else None,
        "for_s": round(now_s - state.since_s, 1) if state.error else None,
        "can_withdraw": state.rights.can_withdraw if state.rights else None,
        "is_ip_restricted": state.rights.is_ip_restricted if state.rights else None,
    }


def _stop(stop: StopRecord) -> dict[str, Any]:
    """An operator's hold, in the form of all holds; it has no end of its own."""
    scope, _, name = stop.target.partition(":")
    return {"scope": scope, "name": name, "venue": None, "reason": stop.reason, "seconds_left": None}


def _clock_status(gateway: Gateway) -> dict[str, Any]:
    clock, reading = gateway.clock, gateway.clock.read()
    return {
        "venue": gateway.adapter.name,
        "source": clock.source,
        "wall_minus_venue_ms": _rounded(clock.wall_drift_ms),
        "uncertainty_ms": _rounded(reading.uncertainty_ms if reading else None),
        "drift_ppm": _rounded(clock.offset.drift_ppm),
        "round_trip_ms": _rounded(clock.offset.round_trip_ms),
        "age_s": _rounded(clock.age_s),
        "steps": clock.offset.steps,
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
