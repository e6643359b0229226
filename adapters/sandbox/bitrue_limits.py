"""How Bitrue meters: three policies by name, no usage headers, and `rate_limit_p` on the 429."""

from typing import Any, Final

from adapters.sandbox.config import LimitConfig
from adapters.sandbox.limits import FirstRequestWindow, IpGuard, ViolationKind, Violations
from adapters.sandbox.venue import VenueError

GENERAL: Final = "general"
ORDERS_IP: Final = "orders_ip_seconds"
ORDERS_USER: Final = "orders_user_seconds"


class BitrueMeter:
    """Charges every request on arrival, whatever comes of it."""

    def __init__(self, config: LimitConfig, violations: Violations) -> None:
        limits = config.bitrue
        self._violations = violations
        self.guard = IpGuard(config, violations)
        self._windows = {
            GENERAL: FirstRequestWindow(60_000, limits.general_per_minute),
            ORDERS_IP: FirstRequestWindow(6_000, limits.orders_ip_per_6_seconds),
            ORDERS_USER: FirstRequestWindow(10_000, limits.orders_user_per_10_seconds),
        }

    def configure(self, config: LimitConfig) -> None:
        """Take new limits; what was used in the open windows stays."""
        self.guard.config = config
        self._windows[GENERAL].limit = config.bitrue.general_per_minute
        self._windows[ORDERS_IP].limit = config.bitrue.orders_ip_per_6_seconds
        self._windows[ORDERS_USER].limit = config.bitrue.orders_user_per_10_seconds

    def arrive(self, ip: str, weight: int, venue_ms: int, *, is_order: bool) -> None:
        """Charge a request's IP; raises `VenueError` when it is banned or over a limit."""
        if self.guard.banned_until_ms(ip, venue_ms) is not None:
            raise _refusal(GENERAL)
        self._charge(GENERAL, ip, weight, ip, venue_ms)
        if is_order:
            self._charge(ORDERS_IP, ip, 1, ip, venue_ms)

    def count_order(self, ip: str, account: str, venue_ms: int) -> None:
        """Charge an account's order budget; raises `VenueError` when it is used up."""
        self._charge(ORDERS_USER, account, 1, ip, venue_ms)

    def usage(self, venue_ms: int) -> dict[str, Any]:
        """Return what the windows count now."""
        used = {
            name: {"limit": window.limit, "used": window.snapshot(venue_ms)}
            for name, window in self._windows.items()
        }
        return {**used, "bans": self.guard.bans(venue_ms)}

    def _charge(self, policy: str, key: str, weight: int, ip: str, venue_ms: int) -> None:
        window = self._windows[policy]
        if window.fits(key, weight, venue_ms):
            window.add(key, weight, venue_ms)
            return
        is_order = policy == ORDERS_USER
        self._violations.record(
            ViolationKind.ORDERS if is_order else ViolationKind.REQUEST_WEIGHT,
            at_ms=venue_ms,
            ip=ip,
            account=key if is_order else None,
            detail=policy,
        )
        if not is_order:
            self.guard.refused(ip, venue_ms, venue_ms + window.ends_in_ms(key, venue_ms))
        raise _refusal(policy)


def _refusal(policy: str) -> VenueError:
    return VenueError(429, -1003, "Too many requests.", {"rate_limit_p": policy})
