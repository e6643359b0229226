"""The Bitrue spot dialect: `/api/v1` and `/api/v2/myTrades`.

Errors come with statuses 401, 405, 406 and 412, or with 200, and with `"data": null`; a wrong timestamp
looks like a missing parameter; a wrong signature, an unknown key and a missing permission look the same;
there are no usage headers, and `rate_limit_p` names the policy on a 429.
"""

from collections.abc import Mapping
from typing import Any, Final

from adapters.sandbox import bitrue_views as views
from adapters.sandbox.bitrue_limits import BitrueMeter
from adapters.sandbox.bitrue_params import (
    DEFAULT_WINDOW_MS,
    ENDPOINTS,
    PATHS,
    check_form,
    malformed,
    read_order,
)
from adapters.sandbox.book import Market
from adapters.sandbox.config import AccountConfig, BitrueQuirks, LimitConfig
from adapters.sandbox.engine import Moment
from adapters.sandbox.model import (
    Dialect,
    EngineRefusalError,
    Fill,
    Order,
    Refusal,
    SandboxReply,
    SandboxRequest,
)
from adapters.sandbox.paging import select_page
from adapters.sandbox.venue import (
    Call,
    Endpoint,
    VenueError,
    VenueState,
    check_timing,
    html_reply,
    is_signature_valid,
    json_reply,
    to_microseconds,
)
from adapters.sandbox.wire import WireParameters, plain, read_parameters

_BAD_TIME: Final = "timestamp IllegalArgumentException."
_REFUSALS: Final[Mapping[Refusal, str]] = {
    Refusal.DUPLICATE: "Duplicate order sent.",
    Refusal.MARKET_CLOSED: "Market is closed.",
    Refusal.INSUFFICIENT_BALANCE: "Insufficient account balance.",
    Refusal.WOULD_TAKE: "Order rejected.",
    Refusal.WOULD_TRIGGER: "Order rejected.",
}


class BitrueSpot:
    """Answers Bitrue spot requests."""

    def __init__(self, state: VenueState) -> None:
        self._state = state
        self._engine = state.engine
        self.meter = BitrueMeter(state.config.limits, state.violations)
        self._handlers = {name: getattr(self, f"_{name}") for name in {e.handler for e in ENDPOINTS.values()}}

    def admit(self, request: SandboxRequest, host_ms: int) -> Call | SandboxReply:
        """Check limits, form, key, signature and timestamp."""
        venue_ms = self._state.clock.venue_ms(host_ms)
        endpoint = ENDPOINTS.get((request.method, request.path))
        if endpoint is None:
            if request.path not in PATHS:
                return html_reply(404, "Not Found")
            return self._error_reply(VenueError(405, -1020, "This operation is not supported."))
        try:
            self._state.requests[f"bitrue {request.method} {endpoint.name}"] += 1
            is_json = "json" in (request.header("Content-Type") or "") if request.body else False
            parameters = read_parameters(request, body_is_form=not is_json)
            self.meter.arrive(
                request.ip, endpoint.weight_of(parameters.values), venue_ms, is_order=endpoint.enters_engine
            )
            return self._admitted(request, endpoint, parameters, venue_ms)
        except VenueError as error:
            return self._error_reply(error)

    def execute(self, call: Call, moment: Moment) -> SandboxReply:
        """Run an admitted call."""
        try:
            if call.endpoint.enters_engine:
                _check_time(call.timestamp_us, call.window_us, moment.venue_ms)
            return json_reply(self._handlers[call.endpoint.handler](call, moment))
        except VenueError as error:
            return self._error_reply(error)

    def duplicate_reply(self) -> SandboxReply:
        """Return what a placement with a taken id gets."""
        return _error_body(406, -2010, _REFUSALS[Refusal.DUPLICATE])

    def rate_limited_reply(self, retry_after: int | None) -> SandboxReply:
        """Return a 429; Bitrue documents no `Retry-After`, so one is sent only when asked for."""
        headers = {"rate_limit_p": "general"}
        if retry_after is not None:
            headers["Retry-After"] = str(retry_after)
        return _error_body(429, -1003, "Too many requests.", headers)

    def banned_reply(self, until_ms: int, _venue_ms: int) -> SandboxReply:
        """Return the 418 of a ban, with its end in the text."""
        return _error_body(418, -1003, f"Way too many requests; IP banned until {until_ms}.")

    def unavailable_reply(self, _code: int) -> SandboxReply:
        """Return the 503 of a request that was not executed; Bitrue's says no more than that."""
        return self.unknown_reply(503, 503)

    def unknown_reply(self, status: int, _code: int) -> SandboxReply:
        """Return a 5xx: 503 carries its own number as the code, the others -1016."""
        if status == 503:
            return _error_body(503, 503, "Service not available.")
        return _error_body(status, -1016, "Service not available.")

    def configure(self, limits: LimitConfig) -> None:
        """Take new limits."""
        self.meter.configure(limits)

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
        values = parameters.values
        check_form(endpoint, values)
        account, timestamp_us = None, 0
        window_us = int(values.get("recvWindow") or DEFAULT_WINDOW_MS) * 1000
        if endpoint.is_signed:
            account = self._authorised(request, endpoint, parameters)
            timestamp_us = to_microseconds(int(values["timestamp"]))
            _check_time(timestamp_us, window_us, venue_ms)
            if endpoint.enters_engine:
                self.meter.count_order(request.ip, account.name, venue_ms)
        return Call(
            dialect=Dialect.BITRUE,
            request=request,
            endpoint=endpoint,
            values=values,
            account=account,
            timestamp_us=timestamp_us,
            window_us=window_us,
        )

    def _authorised(
        self, request: SandboxRequest, endpoint: Endpoint, parameters: WireParameters
    ) -> AccountConfig:
        account = self._state.account_of(request)
        if account is None or account.dialect is not Dialect.BITRUE:
            raise VenueError(401, -1022, "UNAUTHORIZED.")
        if account.allowed_ips and request.ip not in account.allowed_ips:
            raise VenueError(401, -1022, "UNAUTHORIZED.")
        if not (account.can_trade if endpoint.needs_trading else account.can_read):
            raise VenueError(401, -1022, "UNAUTHORIZED.")
        if not is_signature_valid(account, parameters):
            raise VenueError(401, -1022, "Signature for this request is not valid.")
        return account

    def _error_reply(self, error: VenueError) -> SandboxReply:
        self._state.errors[f"bitrue {error.status} {error.code}"] += 1
        return _error_body(error.status, error.code, error.message, error.headers)

    @property
    def _quirks(self) -> BitrueQuirks:
        return self._state.config.bitrue

    # -- market data

    def _ping(self, _call: Call, _moment: Moment) -> Any:
        return {}

    def _time(self, _call: Call, moment: Moment) -> Any:
        return {"serverTime": moment.venue_ms}

    def _exchange_info(self, _call: Call, moment: Moment) -> Any:
        return views.exchange_info(self._engine.markets, self._state.config.limits.bitrue, moment.venue_ms)

    def _contracts(self, _call: Call, _moment: Moment) -> Any:
        return []

    def _ticker_day(self, call: Call, _moment: Moment) -> Any:
        chosen = [self._market(call)] if "symbol" in call.values else self._engine.markets.values()
        return views.ticker_day(chosen)

    def _ticker_price(self, call: Call, _moment: Moment) -> Any:
        market = self._market(call)
        return {"symbol": market.rules.symbol, "price": plain(market.price)}

    def _book_ticker(self, call: Call, _moment: Moment) -> Any:
        return views.book_ticker(self._market(call))

    def _market(self, call: Call) -> Market:
        market = self._engine.markets.get(call.values["symbol"])
        if market is None:
            raise VenueError(412, -1121, "Invalid symbol.")
        return market

    # -- orders

    def _place(self, call: Call, moment: Moment) -> Any:
        order = read_order(call.values, call.owner, self._market(call))
        try:
            placed = self._engine.place(order, moment, unique_ids=self._quirks.reject_duplicate_ids)
        except EngineRefusalError as refused:
            raise VenueError(406, -2010, _REFUSALS[refused.refusal]) from None
        return views.placed(placed)

    def _cancel(self, call: Call, moment: Moment) -> Any:
        order = self._find(call, by_client_id=True)
        if order is None:
            raise _not_found()
        if not order.is_open:
            raise VenueError(406, -2010, "Order cancellation was rejected.")
        self._engine.cancel(order, moment.venue_ms)
        return views.cancelled(order, call.values.get("newClientOrderId", ""))

    def _query(self, call: Call, moment: Moment) -> Any:
        order = self._find(call, by_client_id=self._quirks.lookup_by_client_id, visible_at_ms=moment.host_ms)
        if order is None or order.visible_at_ms > moment.host_ms:
            raise _not_found()
        return self._view(order, moment, in_list=False)

    def _find(self, call: Call, *, by_client_id: bool, visible_at_ms: int | None = None) -> Order | None:
        symbol = self._market(call).rules.symbol
        ledger = self._engine.ledger
        order_id = call.values.get("orderId")
        if order_id:
            return ledger.by_id(call.owner, symbol, int(order_id))
        client_id = call.values.get("origClientOrderId")
        if not client_id or not by_client_id:
            raise malformed("orderId")
        return ledger.by_client_id(call.owner, symbol, client_id, visible_at_ms)

    def _open_orders(self, call: Call, moment: Moment) -> Any:
        orders = self._engine.ledger.open_orders(call.owner, self._market(call).rules.symbol)
        return [self._view(order, moment) for order in orders if order.visible_at_ms <= moment.host_ms]

    def _all_orders(self, call: Call, moment: Moment) -> Any:
        history = self._engine.ledger.history(call.owner, self._market(call).rules.symbol)
        chosen = select_page(
            [order for order in history if order.visible_at_ms <= moment.host_ms],
            call.values,
            first_id=call.values.get("fromId"),
            id_of=lambda order: order.order_id,
            time_of=lambda order: order.accepted_at_ms,
            default_limit=100,
        )
        return [self._view(order, moment) for order in chosen]

    def _my_trades(self, call: Call, moment: Moment) -> Any:
        fills: list[tuple[Order, Fill]] = [
            (order, fill)
            for order in self._engine.ledger.history(call.owner, self._market(call).rules.symbol)
            if max(order.visible_at_ms, order.received_at_ms + self._quirks.pending_create_ms)
            <= moment.host_ms
            for fill in order.fills
        ]
        fills.sort(key=lambda pair: pair[1].trade_id)
        chosen = select_page(
            fills,
            call.values,
            first_id=call.values.get("fromId"),
            id_of=lambda pair: pair[1].trade_id,
            time_of=lambda pair: pair[1].at_ms,
            default_limit=100,
        )
        return [views.trade(order, fill, self._quirks) for order, fill in chosen]

    def _account(self, call: Call, _moment: Moment) -> Any:
        return views.account(self._engine.wallets[call.owner])

    def _view(self, order: Order, moment: Moment, *, in_list: bool = True) -> dict[str, Any]:
        return views.queried(order, host_ms=moment.host_ms, quirks=self._quirks, in_list=in_list)


def _check_time(timestamp_us: int, window_us: int, venue_ms: int) -> None:
    if check_timing(timestamp_us, window_us, venue_ms) is not None:
        raise VenueError(412, -1102, _BAD_TIME)


def _not_found() -> VenueError:
    return VenueError(200, -2013, "Order does not exist.")


def _error_body(
    status: int, code: int, message: str, headers: Mapping[str, str] | None = None
) -> SandboxReply:
    return json_reply({"code": code, "msg": message, "data": None}, headers, status)
