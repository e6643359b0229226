"""The REST dialect of Binance spot (`/api/v3`), shared by every venue that speaks it.

Invariants: an order's client order id is ours and travels with every request; a placement is accepted only on
the strength of a body that names this very order; a look-up by client order id counts only after side,
symbol, quantity, type and age were compared, because the id is unique among open orders only. A cancel
answered "unknown order" may mean filled, so it is followed by a look-up and never taken for a success.

Source: binance-spot-api-docs, rest-api.md, July 2026.
"""

from functools import partial
from typing import Final

from adapters import keys
from adapters.abilities import STOP_TYPES, Abilities
from adapters.base import Flow
from adapters.dialect import (
    UNREADABLE,
    Dialect,
    Params,
    Rest,
    cancelled_orders,
    doubt,
    order_params,
)
from adapters.error_tables.binance_spot import TABLE
from adapters.exchange_info import Filters, Row, bound, is_trading, names, order_types, precision, read_limit
from adapters.model import (
    AllCancelled,
    Ambiguous,
    Answer,
    Call,
    Found,
    Order,
    OrderType,
    Purpose,
    Sighting,
    Sweep,
    SymbolRules,
    TimeInForce,
    Unproven,
    Verdict,
)
from adapters.reports import fits
from adapters.single_orders import SingleOrders, cancel_until_closed, conclude_cancel

_TYPES: Final = frozenset(OrderType)
_NOT_OPEN: Final = frozenset({-2011, -2013})
_NO_SUCH_ORDER: Final = frozenset({-2013, -2026})  # -2026: closed without a fill more than 90 days ago
_NO_RESTRICTIONS: Final = (
    "This host does not tell what a key may do (only the live one does): "
    "the rights to trade and to withdraw stay unproven"
)
_FULL_REPLY: Final = ("newOrderRespType", "FULL")


class BinanceOrders:
    """The conversations about orders on spot."""

    def __init__(self, rest: Rest) -> None:
        self._rest = rest
        self._single = SingleOrders(rest, unknown=_NO_SUCH_ORDER, trades="myTrades")

    def place(self, order: Order) -> Call:
        """Encode a placement; the full reply tells fills and fees."""
        return self._rest.call(
            "POST",
            "order",
            Purpose.PLACE,
            (*order_params(order), _FULL_REPLY),
            orders=1,
            free_when_accepted=self._rest.weights.placed_free,
        )

    def read_placement(self, order: Order, answer: Answer) -> Verdict:
        """Read the answer to a placement."""
        return self._rest.read_placement(order, answer)

    def test_order(self, order: Order) -> Call | None:
        """Encode a dry run; the venue checks everything short of its matching engine."""
        return self._rest.call("POST", "order/test", Purpose.LOOKUP, (*order_params(order), _FULL_REPLY))

    def find(self, order: Order, *, venue_order_id: str | None, since_ms: int) -> Flow[Sighting]:  # noqa: ARG002
        """Look an order up by our id, which is enough here, and compare what was found."""
        sighting = yield from self._single.look_up(order.symbol, order.client_order_id, since_ms)
        if isinstance(sighting, Found) and not fits(order, sighting.report):
            return Ambiguous(candidates=1)
        return (yield from self._single.completed(sighting))

    def find_by_id(self, symbol: str, client_order_id: str, *, since_ms: int) -> Flow[Sighting]:
        """Look an order up by our id alone."""
        sighting = yield from self._single.look_up(symbol, client_order_id, since_ms)
        return (yield from self._single.completed(sighting))

    def cancel(self, symbol: str, client_order_id: str, venue_order_id: str | None) -> Flow[Verdict]:  # noqa: ARG002
        """Cancel one order; one that is not open any more is looked up."""
        return (yield from cancel_until_closed(partial(self._cancel_once, symbol, client_order_id)))

    def _cancel_once(self, symbol: str, client_order_id: str) -> Flow[Verdict]:
        params = (("symbol", symbol), ("origClientOrderId", client_order_id))
        verdict = yield from self._single.cancel(self._delete("order", params))
        # -2011 is also the number of refusals that have nothing to do with the order: they are proven, and stand.
        if not isinstance(verdict, Unproven) or verdict.error.venue_code not in _NOT_OPEN:
            return verdict
        sighting = yield from self.find_by_id(symbol, client_order_id, since_ms=0)
        return conclude_cancel(sighting, verdict.error)

    def cancel_all(self, symbol: str) -> Flow[Sweep]:
        """Cancel every open order of a symbol, after one request that tells whether there are any."""
        params = (("symbol", symbol),)
        weight = self._rest.weights.open_orders
        body, error = yield from self._rest.ask(
            self._rest.call("GET", "openOrders", Purpose.CANCEL, params, weight=weight)
        )
        if error is not None:
            return doubt(error)
        if not isinstance(body, list):
            return Unproven(error=UNREADABLE)
        if not body:
            return AllCancelled(orders=())
        reply, error = yield from self._rest.ask(self._delete("openOrders", params))
        if error is not None and error.venue_code in _NOT_OPEN:
            return AllCancelled(orders=())
        if error is not None:
            return doubt(error, cancelled_orders(body))
        return AllCancelled(orders=cancelled_orders(reply) or cancelled_orders(body))

    def _delete(self, name: str, params: Params) -> Call:
        free = self._rest.weights.placed_free
        return self._rest.call("DELETE", name, Purpose.CANCEL, params, free_when_accepted=free)


def _read_symbol(row: Row, filters: Filters) -> SymbolRules | None:
    named = names(row)
    if named is None:
        return None
    price, lot = filters.get("PRICE_FILTER", {}), filters.get("LOT_SIZE", {})
    market_lot = filters.get("MARKET_LOT_SIZE", {})
    notional, minimum = filters.get("NOTIONAL", {}), filters.get("MIN_NOTIONAL", {})
    percent, by_side = filters.get("PERCENT_PRICE", {}), filters.get("PERCENT_PRICE_BY_SIDE", {})
    trailing = filters.get("TRAILING_DELTA", {})
    on_market = notional.get("applyMinToMarket") if notional else minimum.get("applyToMarket")
    return SymbolRules(
        symbol=named[0],
        base=named[1],
        quote=named[2],
        is_trading=is_trading(row),
        order_types=_order_types(row),
        quote_quantity_allowed=row.get("quoteOrderQtyMarketAllowed") is not False,
        base_precision=precision(row, "baseAssetPrecision"),
        quote_precision=precision(row, "quoteAssetPrecision", "quotePrecision"),
        min_price=bound(price, "minPrice"),
        max_price=bound(price, "maxPrice"),
        tick_size=bound(price, "tickSize"),
        min_quantity=bound(lot, "minQty"),
        max_quantity=bound(lot, "maxQty"),
        step_size=bound(lot, "stepSize"),
        market_min_quantity=bound(market_lot, "minQty"),
        market_max_quantity=bound(market_lot, "maxQty"),
        market_step_size=bound(market_lot, "stepSize"),
        min_notional=bound(notional, "minNotional") or bound(minimum, "minNotional"),
        max_notional=bound(notional, "maxNotional"),
        min_notional_on_market=on_market is True,
        max_notional_on_market=notional.get("applyMaxToMarket") is True,
        notional_filter="notional" if notional else "min_notional",
        percent_price_filter="percent_price_by_side" if by_side else "percent_price",
        bid_multiplier_up=bound(by_side, "bidMultiplierUp") or bound(percent, "multiplierUp"),
        bid_multiplier_down=bound(by_side, "bidMultiplierDown") or bound(percent, "multiplierDown"),
        ask_multiplier_up=bound(by_side, "askMultiplierUp") or bound(percent, "multiplierUp"),
        ask_multiplier_down=bound(by_side, "askMultiplierDown") or bound(percent, "multiplierDown"),
        max_position=bound(filters.get("MAX_POSITION", {}), "maxPosition"),
        lets_stops_trail=row.get("allowTrailingStop") is True,
        min_trailing_above=bound(trailing, "minTrailingAboveDelta"),
        max_trailing_above=bound(trailing, "maxTrailingAboveDelta"),
        min_trailing_below=bound(trailing, "minTrailingBelowDelta"),
        max_trailing_below=bound(trailing, "maxTrailingBelowDelta"),
    )


def _order_types(row: Row) -> frozenset[OrderType]:
    """Read the order types; a trailing stop is a stop loss on a symbol that lets stops trail."""
    listed = order_types(row, _TYPES)
    trails = OrderType.STOP_LOSS in listed and row.get("allowTrailingStop") is True
    return listed | {OrderType.TRAILING_STOP} if trails else listed - {OrderType.TRAILING_STOP}


BINANCE_SPOT: Final = Dialect(
    api="/api/v3",
    table=TABLE,
    abilities=Abilities(
        order_types=_TYPES,
        times_in_force=frozenset({TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK}),
        quote_quantity_types=frozenset({OrderType.MARKET}),
        trailing_types=STOP_TYPES | {OrderType.TRAILING_STOP},
        options=frozenset({"trailing_delta"}),
    ),
    orders=BinanceOrders,
    read_symbol=_read_symbol,
    read_limit=read_limit,
    key_rights=partial(keys.rights_from_restrictions, note=_NO_RESTRICTIONS),
    balances=keys.balances,
)
