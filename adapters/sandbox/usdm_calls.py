"""What each call of USD-M futures does once it is admitted: market data and orders of the book."""

from collections.abc import Mapping
from typing import Any, Final

from adapters.sandbox import usdm_views as views
from adapters.sandbox.binance_params import missing
from adapters.sandbox.engine import Moment
from adapters.sandbox.model import (
    ZERO,
    EngineRefusalError,
    Fill,
    NewOrder,
    Order,
    OrderStatus,
    Refusal,
    TimeInForce,
)
from adapters.sandbox.paging import select_page
from adapters.sandbox.usdm_account import FuturesAccount
from adapters.sandbox.usdm_engine import Contract, snapshot
from adapters.sandbox.usdm_filters import check_rules
from adapters.sandbox.usdm_limits import UsdmMeter
from adapters.sandbox.usdm_params import Desk, read_order, response_type
from adapters.sandbox.venue import Call, VenueError, VenueState, check_timing
from adapters.sandbox.wire import plain

Answer = tuple[Any, dict[str, str]]
_WEEK_MS: Final = 7 * 86_400_000
_AT_ONCE: Final = frozenset({TimeInForce.IOC, TimeInForce.FOK})
_NO_RECORD: Final = "The order will not be recorded in the order history"
_REFUSALS: Final[Mapping[Refusal, tuple[int, str]]] = {
    Refusal.DUPLICATE: (-4116, "clientOrderId is duplicated"),
    Refusal.MARKET_CLOSED: (-4140, "Invalid symbol status for opening position"),
    Refusal.INSUFFICIENT_BALANCE: (-2019, "Margin is insufficient."),
    Refusal.WOULD_TAKE: (
        -5022,
        "Due to the order could not be executed as maker, the Post Only order will be rejected. "
        + _NO_RECORD,
    ),
    Refusal.UNFILLABLE: (
        -5021,
        "Due to the order could not be filled immediately, the FOK order has been rejected. " + _NO_RECORD,
    ),
    Refusal.WOULD_TRIGGER: (-2021, "Order would immediately trigger."),
    Refusal.NOTHING_TO_REDUCE: (-2022, "ReduceOnly Order is rejected."),
}


def refusal(reason: Refusal) -> VenueError:
    """Return a refusal of the engine as the client will see it."""
    code, text = _REFUSALS[reason]
    return VenueError(400, code, text)


class FuturesDesk:
    """What calls of orders have in common: the caller's account, the contract, the order book's second check."""

    def __init__(self, state: VenueState, meter: UsdmMeter) -> None:
        self._state = state
        self._engine = state.futures
        self._meter = meter

    def account_of(self, call: Call) -> FuturesAccount:
        """Return the caller's account."""
        return self._engine.accounts[call.owner]

    def contract(self, call: Call) -> Contract:
        """Return the contract that a call names; raises `VenueError` (-1121)."""
        contract = self._engine.contracts.get(call.values.get("symbol", ""))
        if contract is None:
            raise VenueError(400, -1121, "Invalid symbol.")
        return contract

    def contracts(self, call: Call) -> list[Contract]:
        """Return the contract that a call names, or all of them."""
        return [self.contract(call)] if "symbol" in call.values else list(self._engine.contracts.values())

    def contract_of(self, order: Order) -> Contract:
        """Return an order's contract."""
        return self._engine.contracts[order.spec.symbol]

    def desk(self, call: Call, moment: Moment) -> Desk:
        """Return what an order's parameters are read against."""
        return Desk(
            account=call.owner,
            is_hedged=self.account_of(call).is_hedged,
            contracts=self._engine.contracts,
            auto_id=f"{self._state.random.randrange(36**20, 36**21):x}"[:22],
            venue_ms=moment.venue_ms,
        )

    def enter(self, call: Call, moment: Moment) -> dict[str, str]:
        """Count a placement and check its window again; raises `VenueError` (-1015, -5028)."""
        counts = self._meter.count_order(call.request.ip, call.owner, moment.venue_ms)
        if check_timing(call.timestamp_us, call.window_us, moment.venue_ms) is not None:
            text = "Timestamp for this request is outside of the ME recvWindow"
            raise VenueError(400, -5028, text)
        return counts


class UsdmCalls(FuturesDesk):
    """One method for each handler of market data and of orders in the book."""

    # -- market data

    def ping(self, _call: Call, _moment: Moment) -> Answer:
        """Answer an empty object."""
        return {}, {}

    def time(self, _call: Call, moment: Moment) -> Answer:
        """Tell the venue's time."""
        return {"serverTime": moment.venue_ms}, {}

    def exchange_info(self, _call: Call, _moment: Moment) -> Answer:
        """Tell contracts, their rules and the limits."""
        return views.exchange_info(self._engine.contracts, self._state.config.limits.binance_usdm), {}

    def ticker_price(self, call: Call, moment: Moment) -> Answer:
        """Tell one or all last prices."""
        rows = [
            {"symbol": contract.rules.symbol, "price": plain(contract.price), "time": moment.venue_ms}
            for contract in self.contracts(call)
        ]
        return rows[0] if "symbol" in call.values else rows, {}

    def premium_index(self, call: Call, moment: Moment) -> Answer:
        """Tell one or all mark prices."""
        rows = [views.premium_index(contract, moment.venue_ms) for contract in self.contracts(call)]
        return rows[0] if "symbol" in call.values else rows, {}

    # -- orders

    def place(self, call: Call, moment: Moment) -> Answer:
        """Place a limit or market order."""
        spec = self._checked(call, moment)
        counts = self.enter(call, moment)
        try:
            order = self._engine.place(spec, moment)
        except EngineRefusalError as error:
            raise refusal(error.refusal) from None
        tells_end = not spec.type.has_price or spec.time_in_force in _AT_ONCE
        is_final = tells_end and response_type(call.values) == "RESULT"
        return self._placed(order if is_final else snapshot(order)), counts

    def check_order(self, call: Call, moment: Moment) -> Answer:
        """Check an order and place nothing; the reply looks like an order's, its id is nobody's."""
        spec = self._checked(call, moment)
        fake = Order(
            order_id=self._state.random.randrange(10**9, 10**10),
            spec=spec,
            quantity=spec.quantity or ZERO,
            status=OrderStatus.NEW,
            accepted_at_ms=moment.venue_ms,
            updated_at_ms=moment.venue_ms,
            visible_at_ms=moment.host_ms,
            received_at_ms=moment.host_ms,
        )
        return views.placed(fake, self.contract(call), with_averages=True), {}

    def cancel(self, call: Call, moment: Moment) -> Answer:
        """Cancel one order."""
        order = self._find(call)
        if order is None or not order.is_open:
            raise VenueError(400, -2011, "Unknown order sent.")
        self._engine.cancel(order, moment.venue_ms)
        return self._placed(order), {}

    def cancel_all(self, call: Call, moment: Moment) -> Answer:
        """Cancel a contract's orders in the book; conditional ones stay."""
        for order in self._in_book(call):
            self._engine.cancel(order, moment.venue_ms)
        self.contract(call)
        return {"code": 200, "msg": "The operation of cancel all open order is done."}, {}

    def query(self, call: Call, moment: Moment) -> Answer:
        """Show one order."""
        order = self._find(call, visible_at_ms=moment.host_ms)
        if order is None:
            raise VenueError(400, -2013, "Order does not exist.")
        return views.queried(order, self.contract(call)), {}

    def query_open(self, call: Call, moment: Moment) -> Answer:
        """Show one order while it is open."""
        order = self._find(call, visible_at_ms=moment.host_ms)
        if order is None or not order.is_open:
            raise VenueError(400, -2013, "Order does not exist.")
        return views.queried(order, self.contract(call)), {}

    def open_orders(self, call: Call, moment: Moment) -> Answer:
        """Show the open orders that are in the book."""
        visible = [order for order in self._in_book(call) if order.visible_at_ms <= moment.host_ms]
        return [views.queried(order, self.contract_of(order)) for order in visible], {}

    def all_orders(self, call: Call, moment: Moment) -> Answer:
        """Show a contract's orders that are or were in the book."""
        contract = self.contract(call)
        check_span(call.values)
        history = self._engine.ledger.history(call.owner, contract.rules.symbol)
        chosen = select_page(
            [order for order in history if order.book_id and order.visible_at_ms <= moment.host_ms],
            call.values,
            first_id=call.values.get("orderId"),
            id_of=lambda order: order.book_id or 0,
            time_of=lambda order: order.accepted_at_ms,
            default_limit=500,
        )
        return [views.queried(order, contract) for order in chosen], {}

    def user_trades(self, call: Call, moment: Moment) -> Answer:
        """Show a contract's executions."""
        contract = self.contract(call)
        check_span(call.values)
        order_id = call.values.get("orderId")
        fills: list[tuple[Order, Fill]] = [
            (order, fill)
            for order in self._engine.ledger.history(call.owner, contract.rules.symbol)
            if order.visible_at_ms <= moment.host_ms and order_id in {None, str(order.book_id)}
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
        return [views.trade(order, fill, contract) for order, fill in chosen], {}

    def _checked(self, call: Call, moment: Moment) -> NewOrder:
        spec = read_order(call.values, self.desk(call, moment))
        contract = self.contract(call)
        check_rules(spec, contract)
        if self._engine.ledger.count_open(call.owner, spec.symbol) >= contract.rules.max_open_orders:
            raise VenueError(400, -2025, "Reach max open order limit.")
        return spec

    def _placed(self, order: Order) -> dict[str, Any]:
        with_averages = self._state.config.binance_usdm.averages_in_acks
        return views.placed(order, self.contract_of(order), with_averages=with_averages)

    def _in_book(self, call: Call) -> list[Order]:
        symbol = self.contract(call).rules.symbol if "symbol" in call.values else None
        return [order for order in self._engine.ledger.open_orders(call.owner, symbol) if order.book_id]

    def _find(self, call: Call, visible_at_ms: int | None = None) -> Order | None:
        """Find an order by the ids of the book; a conditional one has none before its trigger."""
        symbol = self.contract(call).rules.symbol
        ledger = self._engine.ledger
        if "orderId" in call.values:
            order_id = int(call.values["orderId"])
            order = ledger.by_id(call.owner, symbol, order_id)
            order = order if order is not None and order.book_id == order_id else None
        elif "origClientOrderId" in call.values:
            client_id = call.values["origClientOrderId"]
            order = ledger.by_client_id(
                call.owner, symbol, client_id, visible_at_ms, where=lambda found: found.book_id is not None
            )
        else:
            raise missing("orderId")
        if order is None:
            return None
        is_hidden = visible_at_ms is not None and order.visible_at_ms > visible_at_ms
        return None if is_hidden else order


def check_span(values: Mapping[str, str]) -> None:
    """Refuse a time range of more than seven days."""
    start, end = int(values.get("startTime", "0")), int(values.get("endTime", "0"))
    if start and end - start > _WEEK_MS:
        raise VenueError(400, -4165, "Invalid time interval")
