"""What each call of Binance spot does once it is admitted: the reply's document and its own headers."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from adapters.sandbox import binance_views as views
from adapters.sandbox.binance_limits import BinanceMeter
from adapters.sandbox.binance_params import check_time, read_order, response_type
from adapters.sandbox.engine import Moment
from adapters.sandbox.filters import failing_filter
from adapters.sandbox.model import EngineRefusalError, Fill, NewOrder, Order, Refusal
from adapters.sandbox.paging import json_names, select_page
from adapters.sandbox.venue import Call, VenueError, VenueState
from adapters.sandbox.wire import eight

_DAY_MS: Final = 86_400_000
REFUSALS: Final[Mapping[Refusal, str]] = {
    Refusal.DUPLICATE: "Duplicate order sent.",
    Refusal.MARKET_CLOSED: "Market is closed.",
    Refusal.INSUFFICIENT_BALANCE: "Account has insufficient balance for requested action.",
    Refusal.WOULD_TAKE: "Order would immediately match and take.",
    Refusal.WOULD_TRIGGER: "Order would trigger immediately.",
}

Answer = tuple[Any, dict[str, str]]


class BinanceCalls:
    """One method for each handler that the endpoints name."""

    def __init__(self, state: VenueState, meter: BinanceMeter) -> None:
        self._state = state
        self._engine = state.engine
        self._meter = meter

    # -- market data

    def ping(self, _call: Call, _moment: Moment) -> Answer:
        """Answer an empty object."""
        return {}, {}

    def time(self, _call: Call, moment: Moment) -> Answer:
        """Tell the venue's time."""
        return {"serverTime": moment.venue_ms}, {}

    def exchange_info(self, call: Call, moment: Moment) -> Answer:
        """Tell symbols, filters and limits."""
        return {
            "timezone": "UTC",
            "serverTime": moment.venue_ms,
            "rateLimits": self._meter.rate_limits(),
            "exchangeFilters": [],
            "symbols": [views.symbol(self._engine.markets[name]) for name in self._symbols(call)],
        }, {}

    def ticker_price(self, call: Call, _moment: Moment) -> Answer:
        """Tell one, several or all prices."""
        rows = [
            {"symbol": name, "price": eight(self._engine.markets[name].price)} for name in self._symbols(call)
        ]
        return rows[0] if "symbol" in call.values else rows, {}

    def average_price(self, call: Call, moment: Moment) -> Answer:
        """Tell the average price, which is the price."""
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

    def place(self, call: Call, moment: Moment) -> Answer:
        """Place an order."""
        order = self._checked_order(call)
        counts = self._meter.count_order(call.request, order.account, moment.venue_ms)
        check_time(call.timestamp_us, call.window_us, moment.venue_ms)
        try:
            placed = self._engine.place(order, moment)
        except EngineRefusalError as refused:
            raise VenueError(400, -2010, REFUSALS[refused.refusal]) from None
        if placed.fills:
            self._meter.refund(order.account, moment.venue_ms, is_maker=False)
        shape = response_type(call.values, order.type)
        view = {"ACK": views.ack, "RESULT": views.result, "FULL": views.full}[shape]
        return view(placed), counts

    def check_order(self, call: Call, _moment: Moment) -> Answer:
        """Check an order and place nothing."""
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
        order = read_order(call, self._engine.markets, self._auto_id())
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

    def cancel(self, call: Call, moment: Moment) -> Answer:
        """Cancel one order."""
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

    def cancel_all(self, call: Call, moment: Moment) -> Answer:
        """Cancel a symbol's open orders."""
        orders = self._engine.ledger.open_orders(call.owner, self._symbol(call))
        if not orders:
            raise VenueError(400, -2011, "Unknown order sent.")
        cancel_id = self._auto_id()
        for order in orders:
            self._engine.cancel(order, moment.venue_ms)
        return [views.cancelled(order, cancel_id) for order in orders], {}

    def query(self, call: Call, moment: Moment) -> Answer:
        """Show one order."""
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

    def open_orders(self, call: Call, moment: Moment) -> Answer:
        """Show open orders."""
        symbol = self._symbol(call) if "symbol" in call.values else None
        orders = self._engine.ledger.open_orders(call.owner, symbol)
        return [views.queried(order) for order in orders if order.visible_at_ms <= moment.host_ms], {}

    def all_orders(self, call: Call, moment: Moment) -> Answer:
        """Show orders of a symbol."""
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

    def my_trades(self, call: Call, moment: Moment) -> Answer:
        """Show executions of a symbol."""
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

    def account(self, call: Call, moment: Moment) -> Answer:
        """Show balances."""
        engine = self._engine
        omit_zero = call.values.get("omitZeroBalances") == "true"
        return views.account(
            call.signer,
            engine.wallets[call.owner],
            engine.maker_fee,
            engine.taker_fee,
            moment.venue_ms,
            omit_zero=omit_zero,
        ), {}

    def commission(self, call: Call, _moment: Moment) -> Answer:
        """Show fee rates."""
        return views.commission(self._symbol(call), self._engine.maker_fee, self._engine.taker_fee), {}

    def order_counts(self, call: Call, moment: Moment) -> Answer:
        """Show the account's order counts."""
        return self._meter.order_counts(call.owner, moment.venue_ms), {}

    def api_restrictions(self, call: Call, _moment: Moment) -> Answer:
        """Show what the key may do."""
        return views.api_restrictions(call.signer), {}

    def _auto_id(self) -> str:
        return f"{self._state.random.randrange(36**20, 36**21):x}"[:22]


def _check_span(values: Mapping[str, str]) -> None:
    start, end = int(values.get("startTime", "0")), int(values.get("endTime", "0"))
    if start and end - start > _DAY_MS:
        raise VenueError(400, -1127, "More than 24 hours between startTime and endTime.")
