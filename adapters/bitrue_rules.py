"""Read Bitrue's `exchangeInfo`: its filters look like Binance's and mean something else, its limits have three shapes.

- quantity steps count from `minQty`; without a step (seen live) the number of decimals, `volumeScale`, is the
  step
- `LOT_SIZE.minVal` is the minimum notional, measured on the last price, also of limit orders
- assets are lower case on the wire
- limits: the documented shape names itself `id`, the live one `prefix`; an older one was Binance's

Source: Bitrue spot README of July 2023, and what ccxt and hummingbot saw live.
"""

from dataclasses import replace
from decimal import Decimal
from typing import Final

from adapters import exchange_info
from adapters.exchange_info import Filters, Row, bound, is_trading, names, order_types, precision
from adapters.model import LimitKind, OrderType, RateLimit, SymbolRules
from adapters.wire import integer, text

TYPES: Final = frozenset({OrderType.MARKET, OrderType.LIMIT})
_UNIT_S: Final = {"SECONDS": 1, "MINUTES": 60, "HOURS": 3_600, "DAYS": 86_400}
# Withdrawals are not our business.
_KINDS: Final = {
    "general": LimitKind.REQUEST_WEIGHT,
    "orders_ip_seconds": LimitKind.ORDERS_BY_IP,
    "orders_user_seconds": LimitKind.ORDERS,
}
_MOST_DECIMALS: Final = 30


def read_symbol(row: Row, filters: Filters) -> SymbolRules | None:
    """Read one symbol."""
    named = names(row)
    if named is None:
        return None
    price, lot = filters.get("PRICE_FILTER", {}), filters.get("LOT_SIZE", {})
    percent = filters.get("PERCENT_PRICE_BY_SIDE", {})
    min_quantity = bound(lot, "minQty")
    return SymbolRules(
        symbol=named[0],
        base=named[1],
        quote=named[2],
        is_trading=is_trading(row),
        order_types=order_types(row, TYPES) & TYPES,
        quote_quantity_allowed=True,
        base_precision=precision(row, "baseAssetPrecision"),
        quote_precision=precision(row, "quotePrecision"),
        min_price=bound(price, "minPrice"),
        max_price=bound(price, "maxPrice"),
        tick_size=bound(price, "tickSize") or _unit(price, "priceScale"),
        min_quantity=min_quantity,
        max_quantity=bound(lot, "maxQty"),
        step_size=bound(lot, "stepSize") or _unit(lot, "volumeScale"),
        step_offset=min_quantity or Decimal(0),
        min_notional=bound(lot, "minVal"),
        min_notional_on_market=True,
        notional_on_last_price=True,
        notional_filter="lot_size",
        bid_multiplier_up=bound(percent, "bidMultiplierUp"),
        bid_multiplier_down=bound(percent, "bidMultiplierDown"),
        ask_multiplier_up=bound(percent, "askMultiplierUp"),
        ask_multiplier_down=bound(percent, "askMultiplierDown"),
    )


def _unit(row: Row, name: str) -> Decimal | None:
    decimals = integer(row.get(name))
    return None if decimals is None or not 0 <= decimals <= _MOST_DECIMALS else Decimal(1).scaleb(-decimals)


def read_limit(row: Row) -> RateLimit | None:
    """Read one limit in any of its shapes; the smaller of rate and burst is what may be used up in a window.

    A window opens with the first request (`refreshType`), so nobody but the venue knows where it lies.
    """
    known = exchange_info.read_limit(row)
    if known is not None:
        return replace(known, is_sliding=True)
    kind = _KINDS.get((text(row.get("prefix")) or text(row.get("id")) or "").lower())
    sizes = [size for name in ("replenishRate", "burstCapacity") if (size := integer(row.get(name)))]
    unit_s = _UNIT_S.get((text(row.get("timeUnit")) or "").upper())
    if kind is None or not sizes or min(sizes) <= 0 or unit_s is None:
        return None
    return RateLimit(
        kind=kind,
        limit=min(sizes),
        interval_s=unit_s * max(1, integer(row.get("timeCount")) or 1),
        is_sliding=True,
    )
