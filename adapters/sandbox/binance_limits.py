"""How Binance spot meters: weight and raw requests per IP, unfilled orders per account, 429 and then 418."""

from dataclasses import dataclass
from typing import Any, Final

from adapters.sandbox.config import LimitConfig
from adapters.sandbox.limits import FixedWindow, IpGuard, ViolationKind, Violations
from adapters.sandbox.model import SandboxReply, SandboxRequest
from adapters.sandbox.venue import VenueError, json_reply

_SECOND_MS: Final = 1_000
_MINUTE_MS: Final = 60_000
_DAY_MS: Final = 86_400_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SpotLimits:
    """The limits of one venue that meters as Binance spot does."""

    weight_per_minute: int
    sapi_weight_per_minute: int
    raw_requests_per_5_minutes: int
    orders_short: int
    orders_per_day: int
    short_seconds: int
    fill_refund_taker: int = 0
    fill_refund_maker: int = 0
    tells_wait_for_orders: bool = True


def binance_limits(config: LimitConfig) -> SpotLimits:
    """Return the limits of Binance."""
    limits = config.binance
    return SpotLimits(
        weight_per_minute=limits.weight_per_minute,
        sapi_weight_per_minute=limits.sapi_weight_per_minute,
        raw_requests_per_5_minutes=limits.raw_requests_per_5_minutes,
        orders_short=limits.orders_per_10_seconds,
        orders_per_day=limits.orders_per_day,
        short_seconds=10,
        fill_refund_taker=limits.fill_refund_taker,
        fill_refund_maker=limits.fill_refund_maker,
    )


def binance_us_limits(config: LimitConfig) -> SpotLimits:
    """Return the limits of Binance.US; its 429 for orders does not tell how long to wait."""
    limits = config.binance_us
    return SpotLimits(
        weight_per_minute=limits.weight_per_minute,
        sapi_weight_per_minute=limits.weight_per_minute,
        raw_requests_per_5_minutes=limits.raw_requests_per_5_minutes,
        orders_short=limits.orders_per_second,
        orders_per_day=limits.orders_per_day,
        short_seconds=1,
        tells_wait_for_orders=False,
    )


class BinanceMeter:
    """Charges requests and orders, refuses what is too much, and writes the usage headers."""

    def __init__(self, config: LimitConfig, limits: SpotLimits, violations: Violations) -> None:
        self._violations = violations
        self._limits = limits
        self.guard = IpGuard(config, violations)
        self._weight = FixedWindow(_MINUTE_MS, limits.weight_per_minute)
        self._sapi = FixedWindow(_MINUTE_MS, limits.sapi_weight_per_minute)
        self._raw = FixedWindow(5 * _MINUTE_MS, limits.raw_requests_per_5_minutes)
        self._orders_short = FixedWindow(limits.short_seconds * _SECOND_MS, limits.orders_short)
        self._orders_1d = FixedWindow(_DAY_MS, limits.orders_per_day)

    def configure(self, config: LimitConfig, limits: SpotLimits) -> None:
        """Take new limits; what was used in the open windows stays."""
        self._limits = limits
        self.guard.config = config
        self._weight.limit = limits.weight_per_minute
        self._sapi.limit = limits.sapi_weight_per_minute
        self._raw.limit = limits.raw_requests_per_5_minutes
        self._orders_short.limit = limits.orders_short
        self._orders_1d.limit = limits.orders_per_day

    def arrive(self, request: SandboxRequest, weight: int, venue_ms: int) -> None:
        """Count a request on arrival; raises `VenueError` when its IP is banned or over a limit.

        `weight` is what the call costs for certain: nothing for an order call, which may succeed for free.
        """
        ip = request.ip
        banned_until_ms = self.guard.banned_until_ms(ip, venue_ms)
        if banned_until_ms is not None:
            raise self.banned(banned_until_ms, venue_ms)
        if self._raw.add(ip, 1, venue_ms) > self._raw.limit:
            raise self._too_much(ip, ViolationKind.RAW_REQUESTS, self._raw, "5 MINUTE", venue_ms)
        window = self._window(request)
        if not window.fits(ip, weight, venue_ms):
            raise self._too_much(ip, ViolationKind.REQUEST_WEIGHT, window, "1 MINUTE", venue_ms)

    def charge(self, request: SandboxRequest, weight: int, venue_ms: int) -> None:
        """Charge weight after the outcome."""
        window = self._window(request)
        used = window.add(request.ip, weight, venue_ms)
        if used > window.limit:
            self._violations.record(
                ViolationKind.WEIGHT_OVERRUN,
                at_ms=venue_ms,
                ip=request.ip,
                detail=f"{used} of {window.limit}",
            )

    def count_order(self, request: SandboxRequest, account: str, venue_ms: int) -> dict[str, str]:
        """Count one placement; return the headers that tell the counts. Raises `VenueError` (-1015)."""
        short_s = self._limits.short_seconds
        for window, name in ((self._orders_1d, "1 DAY"), (self._orders_short, f"{short_s} SECOND")):
            if not window.fits(account, 1, venue_ms):
                raise self._too_many_orders(request, account, window, name, venue_ms)
        return {
            f"X-MBX-ORDER-COUNT-{short_s}S": str(self._orders_short.add(account, 1, venue_ms)),
            "X-MBX-ORDER-COUNT-1D": str(self._orders_1d.add(account, 1, venue_ms)),
        }

    def refund(self, account: str, venue_ms: int, *, is_maker: bool) -> None:
        """Give back unfilled order count at an order's first fill."""
        amount = self._limits.fill_refund_maker if is_maker else self._limits.fill_refund_taker
        self._orders_short.add(account, -amount, venue_ms)
        self._orders_1d.add(account, -amount, venue_ms)

    def weight_headers(self, request: SandboxRequest, venue_ms: int) -> dict[str, str]:
        """Return the headers with the IP's used weight."""
        if request.path.startswith("/sapi"):
            return {"X-SAPI-USED-IP-WEIGHT-1M": str(self._sapi.used(request.ip, venue_ms))}
        used = str(self._weight.used(request.ip, venue_ms))
        return {"X-MBX-USED-WEIGHT": used, "X-MBX-USED-WEIGHT-1M": used}

    def order_counts(self, account: str, venue_ms: int) -> list[dict[str, Any]]:
        """Return the reply of `rateLimit/order`."""
        rows = (("SECOND", self._limits.short_seconds, self._orders_short), ("DAY", 1, self._orders_1d))
        return [
            {
                "rateLimitType": "ORDERS",
                "interval": unit,
                "intervalNum": number,
                "limit": window.limit,
                "count": window.used(account, venue_ms),
            }
            for unit, number, window in rows
        ]

    def rate_limits(self) -> list[dict[str, Any]]:
        """Return the `rateLimits` of `exchangeInfo`."""
        rows = (
            ("REQUEST_WEIGHT", "MINUTE", 1, self._weight),
            ("ORDERS", "SECOND", self._limits.short_seconds, self._orders_short),
            ("ORDERS", "DAY", 1, self._orders_1d),
            ("RAW_REQUESTS", "MINUTE", 5, self._raw),
        )
        return [
            {"rateLimitType": kind, "interval": unit, "intervalNum": number, "limit": window.limit}
            for kind, unit, number, window in rows
        ]

    def banned(self, until_ms: int, venue_ms: int) -> VenueError:
        """Return the 418 of a ban."""
        text = (
            f"Way too much request weight used; IP banned until {until_ms}. "
            "Please use WebSocket Streams for live updates to avoid bans."
        )
        seconds = max(1, -(-(until_ms - venue_ms) // _SECOND_MS))
        return VenueError(418, -1003, text, {"Retry-After": str(seconds)})

    def rate_limited_reply(self, retry_after: int | None) -> SandboxReply:
        """Return a 429 with or without `Retry-After`."""
        headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
        return json_reply({"code": -1003, "msg": self._weight_text("1 MINUTE", self._weight)}, headers, 429)

    def usage(self, venue_ms: int) -> dict[str, Any]:
        """Return what the windows count now."""
        windows = {
            "weight_1m": self._weight,
            "sapi_weight_1m": self._sapi,
            "raw_5m": self._raw,
            f"orders_{self._limits.short_seconds}s": self._orders_short,
            "orders_1d": self._orders_1d,
        }
        used = {
            name: {"limit": window.limit, "used": window.snapshot(venue_ms)}
            for name, window in windows.items()
        }
        return {**used, "bans": self.guard.bans(venue_ms)}

    def _too_much(
        self, ip: str, kind: ViolationKind, window: FixedWindow, interval: str, venue_ms: int
    ) -> VenueError:
        self._violations.record(kind, at_ms=venue_ms, ip=ip, detail=f"limit {window.limit} per {interval}")
        ends_in_ms = window.ends_in_ms(venue_ms)
        banned_until_ms = self.guard.refused(ip, venue_ms, venue_ms + ends_in_ms)
        if banned_until_ms is not None:
            return self.banned(banned_until_ms, venue_ms)
        self.guard.told_to_wait(ip, venue_ms, ends_in_ms)
        seconds = -(-ends_in_ms // _SECOND_MS)
        return VenueError(429, -1003, self._weight_text(interval, window), {"Retry-After": str(seconds)})

    def _too_many_orders(
        self, request: SandboxRequest, account: str, window: FixedWindow, interval: str, venue_ms: int
    ) -> VenueError:
        text = f"Too many new orders; current limit is {window.limit} orders per {interval}."
        self._violations.record(
            ViolationKind.ORDERS,
            at_ms=venue_ms,
            ip=request.ip,
            account=account,
            detail=f"limit {window.limit} per {interval}",
        )
        if not self._limits.tells_wait_for_orders:
            return VenueError(429, -1015, text)
        seconds = -(-window.ends_in_ms(venue_ms) // _SECOND_MS)
        return VenueError(429, -1015, text, {"Retry-After": str(seconds)})

    def _window(self, request: SandboxRequest) -> FixedWindow:
        return self._sapi if request.path.startswith("/sapi") else self._weight

    @staticmethod
    def _weight_text(interval: str, window: FixedWindow) -> str:
        return (
            f"Too much request weight used; current limit is {window.limit} request weight per {interval}. "
            "Please use WebSocket Streams for live updates to avoid polling the API."
        )
