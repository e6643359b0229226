"""How USD-M futures meter: weight per IP in a minute, orders per account in ten seconds and a minute.

Order calls cost no weight. Nothing gives order count back, and no reply carries `Retry-After`.
"""

from typing import Any, Final

from adapters.sandbox.config import LimitConfig, UsdmLimits
from adapters.sandbox.limits import FixedWindow, IpGuard, ViolationKind, Violations
from adapters.sandbox.venue import VenueError

_MINUTE_MS: Final = 60_000


class UsdmMeter:
    """Charges requests on arrival and orders when they go to the engine."""

    def __init__(self, config: LimitConfig, violations: Violations) -> None:
        limits = config.binance_usdm
        self._violations = violations
        self.guard = IpGuard(config, violations)
        self._weight = FixedWindow(_MINUTE_MS, limits.weight_per_minute)
        self._orders_10s = FixedWindow(10_000, limits.orders_per_10_seconds)
        self._orders_1m = FixedWindow(_MINUTE_MS, limits.orders_per_minute)

    def configure(self, config: LimitConfig) -> None:
        """Take new limits; what was used in the open windows stays."""
        limits: UsdmLimits = config.binance_usdm
        self.guard.config = config
        self._weight.limit = limits.weight_per_minute
        self._orders_10s.limit = limits.orders_per_10_seconds
        self._orders_1m.limit = limits.orders_per_minute

    def arrive(self, ip: str, weight: int, venue_ms: int) -> None:
        """Charge a request; raises `VenueError` when its IP is banned or over the limit."""
        banned_until_ms = self.guard.banned_until_ms(ip, venue_ms)
        if banned_until_ms is not None:
            raise self.banned(banned_until_ms)
        if self._weight.fits(ip, weight, venue_ms):
            self._weight.add(ip, weight, venue_ms)
            return
        self._violations.record(
            ViolationKind.REQUEST_WEIGHT,
            at_ms=venue_ms,
            ip=ip,
            detail=f"limit {self._weight.limit} per minute",
        )
        banned_until_ms = self.guard.refused(ip, venue_ms, venue_ms + self._weight.ends_in_ms(venue_ms))
        raise self.too_much() if banned_until_ms is None else self.banned(banned_until_ms)

    def count_order(self, ip: str, account: str, venue_ms: int) -> dict[str, str]:
        """Count one placement; return the headers that tell the counts. Raises `VenueError` (-1015)."""
        for window, name in ((self._orders_1m, "1 MINUTE"), (self._orders_10s, "10 SECOND")):
            if not window.fits(account, 1, venue_ms):
                detail = f"limit {window.limit} per {name}"
                self._violations.record(
                    ViolationKind.ORDERS, at_ms=venue_ms, ip=ip, account=account, detail=detail
                )
                text = f"Too many new orders; current limit is {window.limit} orders per {name}."
                raise VenueError(429, -1015, text)
        return {
            "X-MBX-ORDER-COUNT-10S": str(self._orders_10s.add(account, 1, venue_ms)),
            "X-MBX-ORDER-COUNT-1M": str(self._orders_1m.add(account, 1, venue_ms)),
        }

    def weight_headers(self, ip: str, venue_ms: int) -> dict[str, str]:
        """Return the header with the IP's used weight."""
        return {"X-MBX-USED-WEIGHT-1M": str(self._weight.used(ip, venue_ms))}

    def too_much(self) -> VenueError:
        """Return the 429 of the weight limit."""
        text = (
            f"Too many requests; current limit is {self._weight.limit} requests per minute. "
            "Please use the websocket for live updates to avoid polling the API."
        )
        return VenueError(429, -1003, text)

    @staticmethod
    def banned(until_ms: int) -> VenueError:
        """Return the 418 of a ban."""
        text = (
            f"Way too many requests; IP banned until {until_ms}. "
            "Please use the websocket for live updates to avoid bans."
        )
        return VenueError(418, -1003, text)

    def usage(self, venue_ms: int) -> dict[str, Any]:
        """Return what the windows count now."""
        windows = {
            "weight_1m": self._weight,
            "orders_10s": self._orders_10s,
            "orders_1m": self._orders_1m,
        }
        used = {
            name: {"limit": window.limit, "used": window.snapshot(venue_ms)}
            for name, window in windows.items()
        }
        return {**used, "bans": self.guard.bans(venue_ms)}
