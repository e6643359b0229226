"""The calls of conditional orders on USD-M futures: endpoints of their own, with ids of their own."""

from adapters.sandbox import usdm_views as views
from adapters.sandbox.binance_params import missing
from adapters.sandbox.engine import Moment
from adapters.sandbox.model import EngineRefusalError, Order
from adapters.sandbox.paging import select_page
from adapters.sandbox.usdm_calls import Answer, FuturesDesk, check_span, refusal
from adapters.sandbox.usdm_filters import MAX_OPEN_ALGO_ORDERS, check_rules
from adapters.sandbox.usdm_params import read_algo_order
from adapters.sandbox.venue import Call, VenueError


class UsdmAlgoCalls(FuturesDesk):
    """One method for each handler of conditional orders."""

    def place_algo(self, call: Call, moment: Moment) -> Answer:
        """Place an order that waits for its trigger."""
        spec, trigger = read_algo_order(call.values, self.desk(call, moment))
        check_rules(spec, self.contract(call))
        if len(self._waiting(call.owner)) >= MAX_OPEN_ALGO_ORDERS:
            raise VenueError(400, -4045, "Reach max stop order limit.")
        counts = self.enter(call, moment)
        try:
            order = self._engine.place_conditional(spec, trigger, moment)
        except EngineRefusalError as error:
            raise refusal(error.refusal) from None
        return views.algo(order, self.contract_of(order), with_actual=False), counts

    def query_algo(self, call: Call, moment: Moment) -> Answer:
        """Show one conditional order, with the order it became."""
        order = self._find(call)
        if order is None or order.visible_at_ms > moment.host_ms:
            raise VenueError(400, -2013, "Order does not exist.")
        return self._view(order), {}

    def cancel_algo(self, call: Call, moment: Moment) -> Answer:
        """Cancel a conditional order that still waits; the code of the reply is a text."""
        order = self._find(call)
        if order is None or not order.is_open or order.book_id is not None:
            raise VenueError(400, -2011, "Unknown order sent.")
        self._engine.cancel(order, moment.venue_ms)
        return {
            "algoId": order.order_id,
            "clientAlgoId": order.spec.client_order_id,
            "code": "200",
            "msg": "success",
        }, {}

    def cancel_all_algo(self, call: Call, moment: Moment) -> Answer:
        """Cancel a contract's waiting orders."""
        for order in self._waiting(call.owner, self.contract(call).rules.symbol):
            self._engine.cancel(order, moment.venue_ms)
        return {"code": 200, "msg": "The operation of cancel all open order is done."}, {}

    def open_algo(self, call: Call, moment: Moment) -> Answer:
        """Show the orders that wait for their triggers."""
        symbol = self.contract(call).rules.symbol if "symbol" in call.values else None
        wanted = call.values.get("algoId")
        return [
            self._view(order)
            for order in self._waiting(call.owner, symbol)
            if order.visible_at_ms <= moment.host_ms and wanted in {None, str(order.order_id)}
        ], {}

    def all_algo(self, call: Call, moment: Moment) -> Answer:
        """Show a contract's conditional orders, whatever became of them."""
        check_span(call.values)
        history = self._engine.ledger.history(call.owner, self.contract(call).rules.symbol)
        chosen = select_page(
            [order for order in history if order.trigger and order.visible_at_ms <= moment.host_ms],
            call.values,
            first_id=call.values.get("algoId"),
            id_of=lambda order: order.order_id,
            time_of=lambda order: order.accepted_at_ms,
            default_limit=500,
        )
        return [self._view(order) for order in chosen], {}

    def _waiting(self, owner: str, symbol: str | None = None) -> list[Order]:
        return [order for order in self._engine.ledger.open_orders(owner, symbol) if order.book_id is None]

    def _find(self, call: Call) -> Order | None:
        ledger = self._engine.ledger
        if "algoId" in call.values:
            algo_id = int(call.values["algoId"])
            order = ledger.by_id(call.owner, None, algo_id)
            return order if order and order.trigger and order.order_id == algo_id else None
        if "clientAlgoId" not in call.values:
            raise missing("algoId")
        return ledger.by_client_id(
            call.owner, None, call.values["clientAlgoId"], where=lambda found: found.trigger is not None
        )

    def _view(self, order: Order) -> dict[str, object]:
        return views.algo(order, self.contract_of(order), with_actual=True)
