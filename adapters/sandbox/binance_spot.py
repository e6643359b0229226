"""The Binance spot dialect: `/api/v3` and the one `/sapi` call that tells what a key may do.

Weight is charged after the outcome: a successful order call costs nothing, a failed one its listed weight
(since 2026-04-02). The count of unfilled orders is charged when a placement is forwarded to the engine, also
when the engine or the second check of the receive window then refuses it, and is given back at the order's
first fill.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from adapters.sandbox import binance_views as views
from adapters.sandbox.binance_endpoints import ENDPOINTS
from adapters.sandbox.binance_limits import BinanceMeter
from adapters.sandbox.binance_params import (
    check_form,
    missing,
    read_order,
    response_type,
    window_us,
)
from adapters.sandbox.config import AccountConfig
from adapters.sandbox.engine import Moment
from adapters.sandbox.filters import failing_filter
from adapters.sandbox.model import (
    Dialect,
    EngineRefusalError,
    Fill,
    NewOrder,
    Order,
    Refusal,
    SandboxReply,
    SandboxRequest,
)
from adapters.sandbox.paging import json_names, select_page
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
from adapters.sandbox.wire import WireParameters, eight, read_parameters

_DAY_MS: Final = 86_400_000
_KEY_LENGTHS: Final = range(32, 129)
_REFUSALS: Final[Mapping[Refusal, str]] = {
    Refusal.DUPLICATE: "Duplicate order sent.",
    Refusal.MARKET_CLOSED: "Market is closed.",
    Refusal.INSUFFICIENT_BALANCE: "Account has insufficient balance for requested action.",
    Refusal.WOULD_TAKE: "Order would immediately match and take.",
    Refusal.WOULD_TRIGGER: "Order would trigger immediately.",
}
_UNKNOWN_TEXTS: Final[Mapping[int, str]] = {
    -1000: "An unknown error occurred while processing the request.",
    -1001: "Internal error; unable to process your request. Please try again.",
    -1006: "An unexpected response was received from the message bus. Execution status unknown.",
    -1007: "Timeout waiting for response from backend server. Send status unknown; execution status unknown.",
    -1008: "Server is currently overloaded with other requests. Please try again in a few minutes.",
}


class BinanceSpot:
    """Answers Binance spot requests."""

    def __init__(self, state: VenueState) -> None:
        self._state = state
        self._engine = state.engine
        self.meter = BinanceMeter(state.config.limits, state.violations)
        self._handlers = {name: getattr(self, f"_{name}") for name in {e.handler for e in ENDPOINTS.values()}}

    def admit(self, request: SandboxRequest, host_ms: int) -> Call | SandboxReply:
        """Check limits, form, key, timestamp and signature, in this order."""
        venue_ms = self._state.clock.venue_ms(host_ms)
        endpoint = ENDPOINTS.get((request.method, request.path))
        if endpoint is None:
            return html_reply(404, "Not Found")
        self._state.requests[f"binance {request.method} {endpoint.name}"] += 1
        parameters = read_parameters(request)
        weight = endpoint.weight_of(parameters.values)
        try:
            self.meter.arrive(request, 0 if endpoint.enters_engine else weight, venue_ms)
        except VenueError as error:
            return self._error_reply(error, request, venue_ms)
        try:
            check_form(endpoint, parameters)
            timestamp_us = 0
            window = window_us(parameters.values)
            account = None
            if endpoint.is_signed:
                account = self._authorised(request, endpoint)
                timestamp_us = to_microseconds(int(parameters.values["timestamp"]))
                _check_time(timestamp_us, window, venue_ms)
                _check_signature(account, parameters)
        except VenueError as error:
            return self._refused(error, request, weight, venue_ms)
        return Call(
            dialect=Dialect.BINANCE,
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
                _check_time(call.timestamp_us, call.window_us, moment.venue_ms)
            document, headers = self._handlers[call.endpoint.handler](call, moment)
        except VenueError as error:
            return self._refused(error, call.request, weight, moment.venue_ms)
        if not call.endpoint.enters_engine:
            self.meter.charge(call.request, weight, moment.venue_ms)
        headers |= self.meter.weight_headers(call.request, moment.venue_ms)
        return json_reply(document, headers)

    def duplicate_reply(self) -> SandboxReply:
        """Return what a second placement with an open id gets."""
        return json_reply({"code": -2010, "msg": _REFUSALS[Refusal.DUPLICATE]}, status=400)

    def rate_limited_reply(self, retry_after: int | None) -> SandboxReply:
        """Return a 429 as the weight limit's."""
        return self.meter.rate_limited_reply(retry_after)

    def banned_reply(self, until_ms: int, venue_ms: int) -> SandboxReply:
        """Return the 418 of a ban."""
        error = self.meter.banned(until_ms, venue_ms)
        return json_reply({"code": error.code, "msg": error.message}, error.headers, error.status)

    def unavailable_reply(self) -> SandboxReply:
        """Return the 503 of a request that was not executed."""
        return json_reply({"code": -1001, "msg": "Service Unavailable."}, status=503)

    def unknown_reply(self, status: int, code: int) -> SandboxReply:
        """Return a 5xx with one of the codes that leave the execution unknown."""
        return json_reply(
            {"code": code, "msg": _UNKNOWN_TEXTS.get(code, _UNKNOWN_TEXTS[-1000])}, status=status
        )

    def ban(self, ip: str, until_ms: int) -> None:
        """Ban an IP from this venue."""
        self.meter.guard.ban(ip, until_ms)

    def told_to_wait(self, ip: str, venue_ms: int, wait_ms: int) -> None:
        """Note that an IP was told to wait."""
        self.meter.guard.told_to_wait(ip, venue_ms, wait_ms)

    def usage(self, venue_ms: int) -> Mapping[str, Any]:
        """Return what the windows count now."""
        return self.meter.usage(venue_ms)

    def _authorised(self, request: SandboxRequest, endpoint: Endpoint) -> AccountConfig:
        key = request.header("X-MBX-APIKEY")
        if key is None or not key.isalnum() or len(key) not in _KEY_LENGTHS:
            raise VenueError(401, -2014, "API-key format invalid.")
        account = self._state.by_key.get(key)
        refused = VenueError(401, -2015, "Invalid API-key, IP, or permissions for action.")
        if account is None or account.dialect is not Dialect.BINANCE:
            raise refused
        if account.allowed_ips and request.ip not in account.allowed_ips:
            raise refused
        if not (account.can_trade if endpoint.needs_trading else account.can_read):
            raise refused
        return account

    def _refused(
        self, error: VenueError, request: SandboxRequest, weight: int, venue_ms: int
    ) -> SandboxReply:
        self.meter.charge(request, weight, venue_ms)
        return self._error_reply(error, request, venue_ms)

    def _error_reply(self, error: VenueError, request: SandboxRequest, venue_ms: int) -> SandboxReply:
        self._state.errors[f"binance {error.status} {error.code}"] += 1
        headers = self.meter.weight_headers(request, venue_ms) | dict(error.headers)
        return json_reply({"code": error.code, "msg": error.message}, headers, error.status)

    # -- market data

    def _ping(self, _call: Call, _moment: Moment) -> tuple[Any, dict[str, str]]:
        return {}, {}

    def _time(self, _call: Call, moment: Moment) -> tuple[Any, dict[str, str]]:
        return {"serverTime": moment.venue_ms}, {}

    def _exchange_info(self, call: Call, moment: Moment) -> tuple[Any, dict[str, str]]:
        return {
            "timezone": "UTC",
            "serverTime": moment.venue_ms,
            "rateLimits": views.rate_limits(self._state.config.limits.binance),
            "exchangeFilters": [],
            "symbols": [views.symbol(self._engine.markets[name]) for name in self._symbols(call)],
        }, {}

    def _ticker_price(self, call: Call, _moment: Moment) -> tuple[Any, dict[str, str]]:
        rows = [
            {"symbol": name, "price": eight(self._engine.markets[name].price)} for name in self._symbols(call)
        ]
        return rows[0] if "symbol" in call.values else rows, {}

    def _average_price(self, call: Call, moment: Moment) -> tuple[Any, dict[str, str]]:
        price = eight(self._engine.markets[self._symbol(call)].price)
        return {"mins": 5, "price": price, "closeTime": moment.venue_ms}, {}

    def _symbols(self, call: Call) -> Iterable[str]:
        if "symbol" in call.values:
            return [self._symbol(call)]
        names = json_names(call.values.get("symbols"))
        if names is None:
            return self._engine.markets
        if not names or not self._engine.markets.keys() >= set(names):
            raise VenueError(400, -1121, "Invalid symbol.")
        return names

    def _symbol(self, call: Call) -> str:
        name = call.values["symbol"]
        if name not in self._engine.markets:
            raise VenueError(400, -1121, "Invalid symbol.")
        return name

    # -- orders

    def _place(self, call: Call, moment: Moment) -> tuple[Any, dict[str, str]]:
        order = self._checked_order(call)
        counts = self.meter.count_order(call.request, order.account, moment.venue_ms)
        _check_time(call.timestamp_us, call.window_us, moment.venue_ms)
        try:
            placed = self._engine.place(order, moment)
        except EngineRefusalError as refused:
            raise VenueError(400, -2010, _REFUSALS[refused.refusal]) from None
        if placed.fills:
            self.meter.refund(order.account, moment.venue_ms, is_maker=False)
        shape = response_type(call.values, order.type)
        view = {"ACK": views.ack, "RESULT": views.result, "FULL": views.full}[shape]
        return view(placed), counts

    def _test_order(self, call: Call, _moment: Moment) -> tuple[Any, dict[str, str]]:
        self._checked_order(call)
        if call.values.get("computeCommissionRates") != "true":
            return {}, {}
        rates = views.commission(self._symbol(call), self._engine.maker_fee, self._engine.taker_fee)
        return {
            "standardCommissionForOrder": rates["standardCommission"],
            "specialCommissionForOrder": rates["specialCommission"],
            "taxCommissionForOrder": rates["taxCommission"],
            "discount": rates["discount"],
        }, {}

    def _checked_order(self, call: Call) -> NewOrder:
        order = read_order(call.values, call.owner, self._engine.markets, self._auto_id())
        ledger = self._engine.ledger
        failing = failing_filter(
            order,
            self._engine.markets[order.symbol],
            ledger.count_open(order.account, order.symbol),
            sum(
                1
                for other in ledger.open_orders(order.account, order.symbol)
                if other.spec.type.is_conditional
            )
            if order.type.is_conditional
            else 0,
        )
        if failing is not None:
            raise VenueError(400, -1013, f"Filter failure: {failing}")
        return order

    def _cancel(self, call: Call, moment: Moment) -> tuple[Any, dict[str, str]]:
        restriction = call.values.get("cancelRestrictions")
        if restriction not in {None, "ONLY_NEW", "ONLY_PARTIALLY_FILLED"}:
            raise VenueError(400, -1145, "Invalid cancelRestrictions")
        order = self._find(call)
        if order is None or not order.is_open:
            raise VenueError(400, -2011, "Unknown order sent.")
        if restriction is not None and restriction != f"ONLY_{order.status.value}":
            raise VenueError(400, -2011, "Order was not canceled due to cancel restrictions.")
        client_id = call.values.get("origClientOrderId")
        if client_id not in {None, order.spec.client_order_id}:
            raise VenueError(400, -2011, "Cancel order is invalid. Check origClOrdId and orderId.")
        self._engine.cancel(order, moment.venue_ms)
        return views.cancelled(order, call.values.get("newClientOrderId") or self._auto_id()), {}

    def _cancel_all(self, call: Call, moment: Moment) -> tuple[Any, dict[str, str]]:
        orders = self._engine.ledger.open_orders(call.owner, self._symbol(call))
        if not orders:
            raise VenueError(400, -2011, "Unknown order sent.")
        cancel_id = self._auto_id()
        for order in orders:
            self._engine.cancel(order, moment.venue_ms)
        return [views.cancelled(order, cancel_id) for order in orders], {}

    def _query(self, call: Call, moment: Moment) -> tuple[Any, dict[str, str]]:
        order = self._find(call, visible_at_ms=moment.host_ms)
        if order is None:
            raise VenueError(400, -2013, "Order does not exist.")
        client_id = call.values.get("origClientOrderId")
        if "orderId" in call.values and client_id not in {None, order.spec.client_order_id}:
            raise VenueError(400, -2039, "Client order ID is not correct for this order ID.")
        return views.queried(order), {}

    def _find(self, call: Call, visible_at_ms: int | None = None) -> Order | None:
        symbol = self._symbol(call)
        ledger = self._engine.ledger
        if "orderId" in call.values:
            order = ledger.by_id(call.owner, symbol, int(call.values["orderId"]))
        elif "origClientOrderId" in call.values:
            client_id = call.values["origClientOrderId"]
            order = ledger.by_client_id(call.owner, symbol, client_id, visible_at_ms)
        else:
            text = "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!"
            raise VenueError(400, -1102, text)
        if order is not None and visible_at_ms is not None and order.visible_at_ms > visible_at_ms:
            return None
        return order

    def _open_orders(self, call: Call, moment: Moment) -> tuple[Any, dict[str, str]]:
        symbol = self._symbol(call) if "symbol" in call.values else None
        orders = self._engine.ledger.open_orders(call.owner, symbol)
        return [views.queried(order) for order in orders if order.visible_at_ms <= moment.host_ms], {}

    def _all_orders(self, call: Call, moment: Moment) -> tuple[Any, dict[str, str]]:
        _check_span(call.values)
        history = self._engine.ledger.history(call.owner, self._symbol(call))
        visible = [order for order in history if order.visible_at_ms <= moment.host_ms]
        chosen = select_page(
            visible,
            call.values,
            first_id=call.values.get("orderId"),
            id_of=lambda order: order.order_id,
            time_of=lambda order: order.accepted_at_ms,
            default_limit=500,
        )
        return [views.queried(order) for order in chosen], {}

    def _my_trades(self, call: Call, moment: Moment) -> tuple[Any, dict[str, str]]:
        _check_span(call.values)
        order_id = call.values.get("orderId")
        fills: list[tuple[Order, Fill]] = [
            (order, fill)
            for order in self._engine.ledger.history(call.owner, self._symbol(call))
            if order.visible_at_ms <= moment.host_ms and order_id in {None, str(order.order_id)}
            for fill in order.fills
        ]
        fills.sort(key=lambda pair: pair[1].trade_id)
        chosen = select_page(
            fills,
            call.values,
            first_id=call.values.get("fromId"),
            id_of=lambda pair: pair[1].trade_id,
            time_of=lambda pair: pair[1].at_ms,
            default_limit=500,
        )
        return [views.trade(order, fill) for order, fill in chosen], {}

    # -- account

    def _account(self, call: Call, moment: Moment) -> tuple[Any, dict[str, str]]:
        engine = self._engine
        omit_zero = call.values.get("omitZeroBalances") == "true"
        if call.account is None:
            raise missing("signature")
        return views.account(
            call.account,
            engine.wallets[call.owner],
            engine.maker_fee,
            engine.taker_fee,
            moment.venue_ms,
            omit_zero=omit_zero,
        ), {}

    def _commission(self, call: Call, _moment: Moment) -> tuple[Any, dict[str, str]]:
        return views.commission(self._symbol(call), self._engine.maker_fee, self._engine.taker_fee), {}

    def _order_counts(self, call: Call, moment: Moment) -> tuple[Any, dict[str, str]]:
        return self.meter.order_counts(call.owner, moment.venue_ms), {}

    def _api_restrictions(self, call: Call, _moment: Moment) -> tuple[Any, dict[str, str]]:
        if call.account is None:
            raise missing("signature")
        return views.api_restrictions(call.account), {}

    def _auto_id(self) -> str:
        return f"{self._state.random.randrange(36**20, 36**21):x}"[:22]


def _check_signature(account: AccountConfig, parameters: WireParameters) -> None:
    if not is_signature_valid(account, parameters):
        raise VenueError(400, -1022, "Signature for this request is not valid.")


def _check_time(timestamp_us: int, window: int, venue_ms: int) -> None:
    problem = check_timing(timestamp_us, window, venue_ms)
    if problem is not None:
        raise VenueError(400, -1021, problem)


def _check_span(values: Mapping[str, str]) -> None:
    start, end = int(values.get("startTime", "0")), int(values.get("endTime", "0"))
    if start and end - start > _DAY_MS:
        raise VenueError(400, -1127, "More than 24 hours between startTime and endTime.")
