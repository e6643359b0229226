"""Read USD-M's `exchangeInfo`: filters that bear spot's names and have rules of their own.

- steps of price and quantity count from the smallest value, of market orders from their own
- a buy is bounded above and a sell below, both by the mark price; a market order's notional is measured on it
- reduce-only orders are exempt from the minimum notional
- how far a stop may trail is documented, not listed: 0.1 to 20 percent (10 until October 2026)

Source: Binance USD-M documentation, "Exchange Information" and "New Algo Order", and its change log.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from adapters.exchange_info import Filters, Row, bound, is_trading, names, precision
from adapters.model import Order, OrderType, PositionSide, Purpose, Side, SymbolRules

SHORTEST_TRAIL: Final = Decimal(10)
LONGEST_TRAIL: Final = Decimal(2_000)
WIRE_TYPES: Final[Mapping[OrderType, str]] = {
    OrderType.MARKET: "MARKET",
    OrderType.LIMIT: "LIMIT",
    OrderType.LIMIT_MAKER: "LIMIT",
    OrderType.STOP_LOSS: "STOP_MARKET",
    OrderType.STOP_LOSS_LIMIT: "STOP",
    OrderType.TAKE_PROFIT: "TAKE_PROFIT_MARKET",
    OrderType.TAKE_PROFIT_LIMIT: "TAKE_PROFIT",
    OrderType.TRAILING_STOP: "TRAILING_STOP_MARKET",
}
_POST_ONLY: Final = "GTX"
_ZERO: Final = Decimal(0)
_CLOSING: Final = frozenset({(PositionSide.LONG, Side.SELL), (PositionSide.SHORT, Side.BUY)})


def read_symbol(row: Row, filters: Filters) -> SymbolRules | None:
    """Read one symbol."""
    named = names(row)
    if named is None:
        return None
    price, lot = filters.get("PRICE_FILTER", {}), filters.get("LOT_SIZE", {})
    market_lot, percent = filters.get("MARKET_LOT_SIZE", {}), filters.get("PERCENT_PRICE", {})
    return SymbolRules(
        symbol=named[0],
        base=named[1],
        quote=named[2],
        is_trading=is_trading(row),
        order_types=_order_types(row),
        base_precision=precision(row, "quantityPrecision"),
        quote_precision=precision(row, "pricePrecision"),
        min_price=bound(price, "minPrice"),
        max_price=bound(price, "maxPrice"),
        tick_size=bound(price, "tickSize"),
        price_offset=bound(price, "minPrice") or _ZERO,
        min_quantity=bound(lot, "minQty"),
        max_quantity=bound(lot, "maxQty"),
        step_size=bound(lot, "stepSize"),
        step_offset=bound(lot, "minQty") or _ZERO,
        market_min_quantity=bound(market_lot, "minQty"),
        market_max_quantity=bound(market_lot, "maxQty"),
        market_step_size=bound(market_lot, "stepSize"),
        market_step_offset=bound(market_lot, "minQty") or _ZERO,
        min_notional=bound(filters.get("MIN_NOTIONAL", {}), "notional"),
        min_notional_on_market=True,
        min_notional_on_reduce_only=False,
        notional_filter="min_notional",
        percent_price_filter="percent_price",
        bid_multiplier_up=bound(percent, "multiplierUp"),
        ask_multiplier_down=bound(percent, "multiplierDown"),
        measured_on="mark price",
        min_trailing_above=SHORTEST_TRAIL,
        max_trailing_above=LONGEST_TRAIL,
        min_trailing_below=SHORTEST_TRAIL,
        max_trailing_below=LONGEST_TRAIL,
    )


def _order_types(row: Row) -> frozenset[OrderType]:
    """Read the order types; the list was called `OrderType` until March 2026, and post-only is a time in force."""
    listed = row.get("orderTypes", row.get("OrderType"))
    known = listed if isinstance(listed, list) else list(WIRE_TYPES.values())
    types = frozenset(kind for kind, wire in WIRE_TYPES.items() if wire in known)
    times = row.get("timeInForce")
    has_post_only = not isinstance(times, list) or _POST_ONLY in times
    return types if has_post_only else types - {OrderType.LIMIT_MAKER}


def purpose(order: Order) -> Purpose:
    """Why an order is placed; in hedge mode, selling a long position or buying a short one back reduces it too."""
    closes_a_side = (order.position_side, order.side) in _CLOSING
    return Purpose.REDUCE if order.reduce_only or order.close_position or closes_a_side else Purpose.PLACE
