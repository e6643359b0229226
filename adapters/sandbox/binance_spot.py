"""The Binance spot dialect: `/api/v3` and the one `/sapi` call that tells what a key may do.

It is spoken by two houses. Binance charges weight after the outcome: a successful order call costs nothing, a
failed one its listed weight (since 2026-04-02). Binance.US, under a base path of its own, charges every call,
has older weights and limits, and none of the fields and parameters that came after 2023.
 The count of unfilled orders is charged when a placement is forwarded to the engine, also
when the engine or the second check of the receive window then refuses it, and is given back at the order's
first fill.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from adapters.sandbox.binance_calls import REFUSALS, BinanceCalls
from adapters.sandbox.binance_endpoints import ENDPOINTS, US_ENDPOINTS, Endpoints
from adapters.sandbox.binance_keys import authorised, check_signature
from adapters.sandbox.binance_limits import BinanceMeter, SpotLimits, binance_limits, binance_us_limits
from adapters.sandbox.binance_params import (
    check_form,
    check_time,
    window_us,
)
from adapters.sandbox.config import BASE_PATHS, LimitConfig
from adapters.sandbox.engine import Moment
from adapters.sandbox.model import (
    Dialect,
    Refusal,
    SandboxReply,
    SandboxRequest,
)
from adapters.sandbox.venue import (
    Call,
    Endpoint,
    VenueError,
    VenueState,
    html_reply,
    json_reply,
    to_microseconds,
)
from adapters.sandbox.wire import read_parameters

_UNKNOWN_TEXTS: Final[Mapping[int, str]] = {
    -1000: "An unknown error occurred while processing the request.",
    -1001: "Internal error; unable to process your request. Please try again.",
    -1006: "An unexpected response was received from the message bus. Execution status unknown.",
    -1007: "Timeout waiting for response from backend server. Send status unknown; execution status unknown.",
    -1008: "Server is currently overloaded with other requests. Please try again in a few minutes.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SpotHouse:
    """A venue that speaks the dialect, and what sets it apart."""

    dialect: Dialect
    endpoints: Endpoints
    limits: Callable[[LimitConfig], SpotLimits]
    has_free_orders: bool
    lacks_fields: frozenset[str] = frozenset()

    @property
    def base_path(self) -> str:
        """Return what stands in front of the house's paths."""
        return BASE_PATHS.get(self.dialect, "")


BINANCE: Final = SpotHouse(
    dialect=Dialect.BINANCE, endpoints=ENDPOINTS, limits=binance_limits, has_free_orders=True
)
BINANCE_US: Final = SpotHouse(
    dialect=Dialect.BINANCE_US,
    endpoints=US_ENDPOINTS,
    limits=binance_us_limits,
    has_free_orders=False,
    lacks_fields=frozenset(
        {"workingTime", "selfTradePreventionMode", "expiryReason", "commissionRates", "uid"}
    ),
)


class BinanceSpot:
    """Answers the requests of one house."""

    def __init__(self, state: VenueState, house: SpotHouse) -> None:
        self._state = state
        self._house = house
        limits = state.config.limits
        self.meter = BinanceMeter(limits, house.limits(limits), state.violations)
        calls = BinanceCalls(state, self.meter)
        self._handlers = {
            endpoint.handler: getattr(calls, endpoint.handler) for endpoint in house.endpoints.values()
        }

    def admit(self, request: SandboxRequest, host_ms: int) -> Call | SandboxReply:
        """Check limits, form, key, timestamp and signature, in this order."""
        venue_ms = self._state.clock.venue_ms(host_ms)
        path = request.path.removeprefix(self._house.base_path)
        endpoint = self._house.endpoints.get((request.method, path))
        if endpoint is None:
            return html_reply(404, "Not Found")
        self._state.requests[f"{self._house.dialect.value} {request.method} {endpoint.name}"] += 1
        parameters = read_parameters(request)
        weight = endpoint.weight_of(parameters.values)
        try:
            self.meter.arrive(request, 0 if self._may_be_free(endpoint) else weight, venue_ms)
        except VenueError as error:
            return self._error_reply(error, request, venue_ms)
        try:
            check_form(endpoint, parameters)
            timestamp_us = 0
            window = window_us(parameters.values)
            account = None
            if endpoint.is_signed:
                account = authorised(request, endpoint, self._house.dialect, self._state.by_key)
                timestamp_us = to_microseconds(int(parameters.values["timestamp"]))
                check_time(timestamp_us, window, venue_ms)
                check_signature(account, parameters)
        except VenueError as error:
            return self._refused(error, request, weight, venue_ms)
        return Call(
            dialect=self._house.dialect,
            request=request,
            endpoint=endpoint,
            values=parameters.values,
            account=account,
            timestamp_us=timestamp_us,
            window_us=window,
        )

    def execute(self, call: Call, moment: Moment) -> SandboxReply:
        """Run an admitted call and charge its weight by the outcome."""
        weight = call.endpoint.weight_of(call.values)
        try:
            if call.endpoint.enters_engine and not call.endpoint.places_order:
                check_time(call.timestamp_us, call.window_us, moment.venue_ms)
            document, headers = self._handlers[call.endpoint.handler](call, moment)
        except VenueError as error:
            return self._refused(error, call.request, weight, moment.venue_ms)
        if not self._may_be_free(call.endpoint):
            self.meter.charge(call.request, weight, moment.venue_ms)
        headers |= self.meter.weight_headers(call.request, moment.venue_ms)
        return json_reply(_without(self._house.lacks_fields, document), headers)

    def duplicate_reply(self) -> SandboxReply:
        """Return what a second placement with an open id gets."""
        return json_reply({"code": -2010, "msg": REFUSALS[Refusal.DUPLICATE]}, status=400)

    def rate_limited_reply(self, retry_after: int | None) -> SandboxReply:
        """Return a 429 as the weight limit's."""
        return self.meter.rate_limited_reply(retry_after)

    def banned_reply(self, until_ms: int, venue_ms: int) -> SandboxReply:
        """Return the 418 of a ban."""
        error = self.meter.banned(until_ms, venue_ms)
        return json_reply({"code": error.code, "msg": error.message}, error.headers, error.status)

    def unavailable_reply(self, _code: int) -> SandboxReply:
        """Return the 503 of a request that was not executed."""
        return json_reply({"code": -1001, "msg": "Service Unavailable."}, status=503)

    def unknown_reply(self, status: int, code: int) -> SandboxReply:
        """Return a 5xx with one of the codes that leave the execution unknown."""
        return json_reply(
            {"code": code, "msg": _UNKNOWN_TEXTS.get(code, _UNKNOWN_TEXTS[-1000])}, status=status
        )

    def configure(self, limits: LimitConfig) -> None:
        """Take new limits."""
        self.meter.configure(limits, self._house.limits(limits))

    def ban(self, ip: str, until_ms: int) -> None:
        """Ban an IP from this venue."""
        self.meter.guard.ban(ip, until_ms)

    def told_to_wait(self, ip: str, venue_ms: int, wait_ms: int) -> None:
        """Note that an IP was told to wait."""
        self.meter.guard.told_to_wait(ip, venue_ms, wait_ms)

    def usage(self, venue_ms: int) -> Mapping[str, Any]:
        """Return what the windows count now."""
        return self.meter.usage(venue_ms)

    def _may_be_free(self, endpoint: Endpoint) -> bool:
        return self._house.has_free_orders and endpoint.enters_engine

    def _refused(
        self, error: VenueError, request: SandboxRequest, weight: int, venue_ms: int
    ) -> SandboxReply:
        self.meter.charge(request, weight, venue_ms)
        return self._error_reply(error, request, venue_ms)

    def _error_reply(self, error: VenueError, request: SandboxRequest, venue_ms: int) -> SandboxReply:
        self._state.errors[f"{self._house.dialect.value} {error.status} {error.code}"] += 1
        headers = self.meter.weight_headers(request, venue_ms) | dict(error.headers)
        return json_reply({"code": error.code, "msg": error.message}, headers, error.status)


def _without(names: frozenset[str], document: Any) -> Any:
    """Return a document without some fields, in the rows of a list too."""
    if not names:
        return document
    if isinstance(document, list):
        return [_without(names, row) for row in document]
    if isinstance(document, dict):
        return {name: value for name, value in document.items() if name not in names}
    return document
