"""The Binance USD-M futures dialect: `/fapi`.

Weight is charged on arrival; order calls have none. The signature has to be the last parameter. Placements
are checked against their receive window a second time by the engine, which has an error of its own for it
(-5028). A 503 tells by its text alone, often without a code, whether the request was executed.
"""

from collections.abc import Mapping
from typing import Any, Final

from adapters.sandbox.binance_keys import authorised, check_signature
from adapters.sandbox.binance_params import check_form, check_time
from adapters.sandbox.config import LimitConfig
from adapters.sandbox.engine import Moment
from adapters.sandbox.model import Dialect, Refusal, SandboxReply, SandboxRequest
from adapters.sandbox.usdm_account_calls import UsdmAccountCalls
from adapters.sandbox.usdm_algo_calls import UsdmAlgoCalls
from adapters.sandbox.usdm_calls import UsdmCalls, refusal
from adapters.sandbox.usdm_endpoints import ENDPOINTS
from adapters.sandbox.usdm_limits import UsdmMeter
from adapters.sandbox.usdm_params import LOOKS, window_us
from adapters.sandbox.venue import (
    Call,
    Endpoint,
    VenueError,
    VenueState,
    html_reply,
    json_reply,
    to_microseconds,
)
from adapters.sandbox.wire import WireParameters, read_parameters

_UNKNOWN_TEXTS: Final[Mapping[int, str]] = {
    -1006: "An unexpected response was received from the message bus. Execution status unknown.",
    -1007: "Timeout waiting for response from backend server. Send status unknown; execution status unknown.",
}
_UNKNOWN: Final = "Unknown error, please check your request or try again later."
# What certainly was not executed.
_FAILED_TEXTS: Final[Mapping[int, str]] = {
    -1001: "Internal error; unable to process your request. Please try again.",
    -1008: (
        "Request throttled by system-level protection. "
        "Reduce-only/close-position orders are exempt. Please try again."
    ),
}


class BinanceUsdm:
    """Answers USD-M futures requests."""

    def __init__(self, state: VenueState) -> None:
        self._state = state
        self.meter = UsdmMeter(state.config.limits, state.violations)
        calls = [kind(state, self.meter) for kind in (UsdmCalls, UsdmAlgoCalls, UsdmAccountCalls)]
        self._handlers = {
            name: next(getattr(owner, name) for owner in calls if hasattr(owner, name))
            for name in {endpoint.handler for endpoint in ENDPOINTS.values()}
        }

    def admit(self, request: SandboxRequest, host_ms: int) -> Call | SandboxReply:
        """Check limits, form, key, timestamp and signature, in this order."""
        venue_ms = self._state.clock.venue_ms(host_ms)
        endpoint = ENDPOINTS.get((request.method, request.path))
        if endpoint is None:
            return html_reply(404, "Not Found")
        self._state.requests[f"binance_usdm {request.method} {endpoint.name}"] += 1
        parameters = read_parameters(request)
        try:
            self.meter.arrive(request.ip, endpoint.weight_of(parameters.values), venue_ms)
            return self._admitted(request, endpoint, parameters, venue_ms)
        except VenueError as error:
            return self._error_reply(error, request, venue_ms)

    def execute(self, call: Call, moment: Moment) -> SandboxReply:
        """Run an admitted call."""
        self._state.futures.expire(moment.venue_ms)
        try:
            document, headers = self._handlers[call.endpoint.handler](call, moment)
        except VenueError as error:
            return self._error_reply(error, call.request, moment.venue_ms)
        return json_reply(document, headers | self.meter.weight_headers(call.request.ip, moment.venue_ms))

    def configure(self, limits: LimitConfig) -> None:
        """Take new limits."""
        self.meter.configure(limits)

    def duplicate_reply(self) -> SandboxReply:
        """Return what a second placement with an open id gets."""
        return _error_body(refusal(Refusal.DUPLICATE))

    def rate_limited_reply(self, retry_after: int | None) -> SandboxReply:
        """Return a 429; the documents promise no `Retry-After`, so one is sent only when asked for."""
        headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
        return _error_body(self.meter.too_much(), headers)

    def banned_reply(self, until_ms: int, _venue_ms: int) -> SandboxReply:
        """Return the 418 of a ban, with its end in the text."""
        return _error_body(self.meter.banned(until_ms))

    def unavailable_reply(self, code: int) -> SandboxReply:
        """Return the 503 of a request that was not executed: one of three texts."""
        if code in _FAILED_TEXTS:
            return json_reply({"code": code, "msg": _FAILED_TEXTS[code]}, status=503)
        return json_reply({"msg": "Service Unavailable."}, status=503)

    def unknown_reply(self, status: int, code: int) -> SandboxReply:
        """Return a 5xx that says nothing about what happened; the commonest has no code at all."""
        if code in _UNKNOWN_TEXTS:
            return json_reply({"code": code, "msg": _UNKNOWN_TEXTS[code]}, status=status)
        return json_reply({"path": "/fapi/v1/order", "msg": _UNKNOWN}, status=status)

    def ban(self, ip: str, until_ms: int) -> None:
        """Ban an IP from this venue."""
        self.meter.guard.ban(ip, until_ms)

    def told_to_wait(self, ip: str, venue_ms: int, wait_ms: int) -> None:
        """Note that an IP was told to wait."""
        self.meter.guard.told_to_wait(ip, venue_ms, wait_ms)

    def usage(self, venue_ms: int) -> Mapping[str, Any]:
        """Return what the windows count now."""
        return self.meter.usage(venue_ms)

    def _admitted(
        self, request: SandboxRequest, endpoint: Endpoint, parameters: WireParameters, venue_ms: int
    ) -> Call:
        check_form(endpoint, parameters, LOOKS)
        account, timestamp_us, window = None, 0, window_us(parameters.values)
        if endpoint.is_signed:
            account = authorised(request, endpoint, Dialect.BINANCE_USDM, self._state.by_key)
            timestamp_us = to_microseconds(int(parameters.values["timestamp"]))
            check_time(timestamp_us, window, venue_ms)
            check_signature(account, parameters)
            _check_signature_is_last(request)
        return Call(
            dialect=Dialect.BINANCE_USDM,
            request=request,
            endpoint=endpoint,
            values=parameters.values,
            account=account,
            timestamp_us=timestamp_us,
            window_us=window,
        )

    def _error_reply(self, error: VenueError, request: SandboxRequest, venue_ms: int) -> SandboxReply:
        self._state.errors[f"binance_usdm {error.status} {error.code}"] += 1
        return _error_body(error, self.meter.weight_headers(request.ip, venue_ms))


def _check_signature_is_last(request: SandboxRequest) -> None:
    parts = (request.query, request.body.decode("latin-1"))
    if not any(part.rpartition("&")[2].startswith("signature=") for part in parts):
        raise VenueError(400, -1022, "Signature for this request is not valid.")


def _error_body(error: VenueError, headers: Mapping[str, str] | None = None) -> SandboxReply:
    return json_reply({"code": error.code, "msg": error.message}, headers, error.status)
