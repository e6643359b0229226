"""Read `exchangeInfo`: what a venue allows on each symbol, and the limits it meters.

Bounds that are zero, empty or missing are switched off. Whatever is unknown (a filter, a status, an order
type) makes an order fail at the venue at worst; it never makes the reading fail.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Final

from adapters.model import LimitKind, OrderType, RateLimit, SymbolRules, VenueRules
from adapters.wire import decimal, integer, rows, text

Row = Mapping[str, object]
Filters = Mapping[str, Row]
_KINDS: Final = {kind.upper(): kind for kind in LimitKind}
_UNIT_S: Final = {"SECOND": 1, "MINUTE": 60, "HOUR": 3_600, "DAY": 86_400}
_TYPES: Final = {kind.upper(): kind for kind in OrderType}
_DEFAULT_PRECISION: Final = 8


def read_rules(
    body: object,
    read_symbol: Callable[[Row, Filters], SymbolRules | None],
    read_one_limit: Callable[[Row], RateLimit | None],
) -> VenueRules | None:
    """Read a whole reply; `None` when it lists no symbol."""
    if not isinstance(body, dict):
        return None
    symbols = {}
    for row in rows(body.get("symbols")):
        rules = read_symbol(row, _filters(row))
        if rules is not None:
            symbols[rules.symbol] = rules
    if not symbols:
        return None
    limits = [read_one_limit(row) for row in rows(body.get("rateLimits"))]
    return VenueRules(symbols=symbols, limits=tuple(limit for limit in limits if limit is not None))


def _filters(row: Row) -> Filters:
    return {
        name: entry
        for entry in rows(row.get("filters"))
        if (name := text(entry.get("filterType"))) is not None
    }


def bound(row: Row, name: str) -> Decimal | None:
    """Read a bound; zero switches it off."""
    value = decimal(row.get(name))
    return value if value is not None and value > 0 else None


def names(row: Row) -> tuple[str, str, str] | None:
    """Read symbol, base and quote asset in upper case."""
    symbol, base, quote = text(row.get("symbol")), text(row.get("baseAsset")), text(row.get("quoteAsset"))
    return (
        None
        if symbol is None or base is None or quote is None
        else (symbol.upper(), base.upper(), quote.upper())
    )


def order_types(row: Row, default: frozenset[OrderType]) -> frozenset[OrderType]:
    """Read the order types that both the symbol and the contract know."""
    listed = row.get("orderTypes")
    if not isinstance(listed, list):
        return default
    return frozenset(_TYPES[name] for name in listed if isinstance(name, str) and name in _TYPES)


def is_trading(row: Row) -> bool:
    """Tell whether a symbol trades; a state nobody knows does not."""
    status = text(row.get("status"))
    return (status is None or status.upper() == "TRADING") and row.get("isSpotTradingAllowed") is not False


def precision(row: Row, *keys: str) -> int:
    """Read a number of decimals under the first of several names."""
    for key in keys:
        digits = integer(row.get(key))
        if digits is not None and digits >= 0:
            return digits
    return _DEFAULT_PRECISION


def read_limit(row: Row) -> RateLimit | None:
    """Read one limit as Binance writes it."""
    kind = _KINDS.get(text(row.get("rateLimitType")) or "")
    limit, count = integer(row.get("limit")), integer(row.get("intervalNum"))
    unit_s = _UNIT_S.get((text(row.get("interval")) or "").upper())
    if kind is None or limit is None or limit <= 0 or unit_s is None:
        return None
    return RateLimit(kind=kind, limit=limit, interval_s=unit_s * max(1, count or 1))
