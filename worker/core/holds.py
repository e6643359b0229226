"""Holds: times during which a venue wants to be left alone, as the pool tells them to each other.

A hold names what it covers: everything one egress IP sends to a venue's address, everything at that address, or
one exchange account there. Its end is a wall time; a worker that reads it, live or after a restart, stays away
for what is left of it.
"""

from dataclasses import asdict, dataclass
from typing import Any

from adapters.errors import Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldRecord:
    """One hold. `limit_group` is set exactly when `scope` is an account."""

    scope: Scope
    venue: str
    base_url: str
    egress: str
    limit_group: str | None
    reason: str
    until_ms: float

    def document(self) -> dict[str, Any]:
        """The record as it stands on the control stream."""
        return {"kind": "hold", **asdict(self)}

    @staticmethod
    def read(fields: dict[str, Any]) -> "HoldRecord":
        """Read a record; raises `KeyError`, `TypeError` or `ValueError` when it is none."""
        group = fields["limit_group"]
        return HoldRecord(
            scope=Scope(fields["scope"]),
            venue=str(fields["venue"]),
            base_url=str(fields["base_url"]),
            egress=str(fields["egress"]),
            limit_group=None if group is None else str(group),
            reason=str(fields["reason"]),
            until_ms=float(fields["until_ms"]),
        )

    def covers(self, venue: str, base_url: str, egress: str) -> bool:
        """Whether a gateway is concerned."""
        same_place = self.venue == venue and self.base_url == base_url
        return same_place and (self.scope is not Scope.IP or self.egress == egress)


class Holds:
    """The venues' holds that were told of, as long as they last."""

    def __init__(self) -> None:
        self._longest: dict[tuple[object, ...], HoldRecord] = {}

    def follow(self, record: HoldRecord) -> None:
        """Take one record in; of several about the same, the one that lasts longest counts."""
        key = (record.scope, record.venue, record.base_url, record.egress, record.limit_group)
        known = self._longest.get(key)
        if known is None or record.until_ms > known.until_ms:
            self._longest[key] = record

    def in_force(self, now_ms: float) -> list[HoldRecord]:
        """Every hold that lasts beyond a wall time; the others are forgotten."""
        self._longest = {key: hold for key, hold in self._longest.items() if hold.until_ms > now_ms}
        return list(self._longest.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class StopRecord:
    """An operator's hold, or its end: what it stops, and why.

    `target` is `all`, `venue:NAME`, `account:NAME` or `symbol:BTCUSDT`. Placements are stopped; cancels always pass,
    because they only take risk away.
    """

    target: str
    is_held: bool
    reason: str
    at_ms: float

    def document(self) -> dict[str, Any]:
        """The record as it stands on the control stream."""
        return {"kind": "stop", **asdict(self)}

    @staticmethod
    def read(fields: dict[str, Any]) -> "StopRecord":
        """Read a record; raises `KeyError`, `TypeError` or `ValueError` when it is none."""
        return StopRecord(
            target=str(fields["target"]),
            is_held=bool(fields["is_held"]),
            reason=str(fields["reason"]),
            at_ms=float(fields["at_ms"]),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRelease:
    """An operator ends the quarantine of an account's key, wherever it is: of one that began before `at_ms`."""

    account: str
    at_ms: float

    def document(self) -> dict[str, Any]:
        """The record as it stands on the control stream."""
        return {"kind": "key_release", **asdict(self)}

    @staticmethod
    def read(fields: dict[str, Any]) -> "KeyRelease":
        """Read a record; raises `KeyError`, `TypeError` or `ValueError` when it is none."""
        return KeyRelease(account=str(fields["account"]), at_ms=float(fields["at_ms"]))


class Stops:
    """The operators' holds in force."""

    def __init__(self) -> None:
        self._stops: dict[str, StopRecord] = {}

    def follow(self, record: StopRecord) -> None:
        """Take one record in; the last one of a target counts."""
        if record.is_held:
            self._stops[record.target] = record
        else:
            self._stops.pop(record.target, None)

    def clear(self) -> None:
        """Forget everything, before the stream is read again from its beginning."""
        self._stops.clear()

    def in_force(self) -> list[StopRecord]:
        """Every hold in force."""
        return list(self._stops.values())

    def on(self, *, account: str, venue: str, symbol: str) -> StopRecord | None:
        """Return the hold that stops an order, the widest first."""
        if not self._stops:
            return None
        targets = ("all", f"venue:{venue}", f"account:{account}", f"symbol:{symbol}")
        return next((self._stops[target] for target in targets if target in self._stops), None)
