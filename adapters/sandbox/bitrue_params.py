"""The parameters of Bitrue spot: fewer checks than Binance's, other codes, stray parameters ignored.

That last point is the trap worth simulating: a `stopPrice` or `postOnly` that a client adds changes nothing,
and the order is live.
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from adapters.sandbox.book import Market
from adapters.sandbox.filters import percent_price_passes
from adapters.sandbox.model import Dialect, NewOrder, OrderType, Side
from adapters.sandbox.venue import Endpoint, VenueError

DEFAULT_WINDOW_MS: Final = 5_000
_DECIMAL: Final = re.compile(r"[0-9]{1,20}(?:\.[0-9]{1,20})?")
_NUMBER: Final = re.compile(r"[0-9]{1,20}")
_CLIENT_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,32}")
_NUMBERS: Final = ("timestamp", "recvWindow", "orderId", "fromId", "startTime", "endTime", "limit")


def _public(name: str, handler: str, weight: int = 1, mandatory: tuple[str, ...] = ()) -> Endpoint:
    return Endpoint(name=name, handler=handler, weight=weight, is_signed=False, mandatory=mandatory)


def _signed(name: str, handler: str, weight: int, mandatory: tuple[str, ...] = ("symbol",)) -> Endpoint:
    return Endpoint(name=name, handler=handler, weight=weight, mandatory=mandatory)


def _trading(name: str, handler: str, mandatory: tuple[str, ...]) -> Endpoint:
    return Endpoint(
        name=name, handler=handler, weight=1, mandatory=mandatory, needs_trading=True, enters_engine=True
    )


ENDPOINTS: Final[Mapping[tuple[str, str], Endpoint]] = {
    ("GET", "/api/v1/ping"): _public("ping", "ping"),
    ("GET", "/api/v1/time"): _public("time", "time"),
    ("GET", "/api/v1/exchangeInfo"): _public("exchangeInfo", "exchange_info"),
    ("GET", "/api/v1/ticker/24hr"): _public("ticker/24hr", "ticker_day"),
    ("GET", "/api/v1/ticker/price"): _public("ticker/price", "ticker_price", mandatory=("symbol",)),
    ("GET", "/api/v1/ticker/bookTicker"): _public("ticker/bookTicker", "book_ticker", mandatory=("symbol",)),
    ("POST", "/api/v1/order"): _trading("order", "place", ("symbol", "side", "type", "quantity")),
    ("GET", "/api/v1/order"): _signed("order", "query", 1),
    ("DELETE", "/api/v1/order"): _trading("order", "cancel", ("symbol",)),
    ("GET", "/api/v1/openOrders"): _signed("openOrders", "open_orders", 1),
    ("GET", "/api/v1/allOrders"): _signed("allOrders", "all_orders", 5),
    ("GET", "/api/v1/account"): _signed("account", "account", 5, ()),
    ("GET", "/api/v2/myTrades"): _signed("myTrades", "my_trades", 5),
    # Asked for by clients that load all markets at once; there are no futures here.
    ("GET", "/fapi/v1/contracts"): _public("contracts", "contracts"),
    ("GET", "/dapi/v1/contracts"): _public("contracts", "contracts"),
}
PATHS: Final = frozenset(path for _, path in ENDPOINTS)


def malformed(name: str) -> VenueError:
    """Return the error for a parameter that is missing or has an illegal value."""
    return VenueError(412, -1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")


def check_form(endpoint: Endpoint, values: Mapping[str, str]) -> None:
    """Check what must be there and that numbers are numbers."""
    for name in (*endpoint.mandatory, *(("timestamp",) if endpoint.is_signed else ())):
        if not values.get(name):
            raise malformed(name)
    for name in _NUMBERS:
        if values.get(name) and _NUMBER.fullmatch(values[name]) is None:
            raise malformed(name)


def read_order(values: Mapping[str, str], account: str, market: Market) -> NewOrder:
    """Turn a placement's parameters into an order; raises `VenueError` (-1102, -1111)."""
    kind, side = values["type"], values["side"]
    if kind not in {"LIMIT", "MARKET"}:
        raise malformed("type")
    if side not in {"BUY", "SELL"}:
        raise malformed("side")
    if values.get("timeInForce", "GTC") not in {"GTC", ""}:
        raise malformed("timeInForce")
    client_id = values.get("newClientOrderId", "")
    if client_id and _CLIENT_ID.fullmatch(client_id) is None:
        raise malformed("newClientOrderId")
    quantity = _decimal(values, "quantity")
    price = _decimal(values, "price") if kind == "LIMIT" else None
    order = NewOrder(
        account=account,
        dialect=Dialect.BITRUE,
        symbol=values["symbol"],
        side=Side(side),
        type=OrderType(kind),
        client_order_id=client_id,
        quantity=quantity,
        price=price,
    )
    problem = _problem(order, quantity, market)
    if problem is not None:
        raise VenueError(412, -1111, problem)
    return order


def _problem(order: NewOrder, quantity: Decimal, market: Market) -> str | None:
    """Apply the venue's three filters; the minimum value is judged at the last price, not at the order's."""
    rules = market.rules
    if quantity < rules.min_quantity:
        return "quantity less then minQty."
    if quantity > rules.max_quantity:
        return "quantity more then maxQty."
    if (quantity - rules.min_quantity) % rules.step != 0:
        return "quantity does not match stepSize."
    if quantity * market.price < rules.min_notional:
        return "volume less then minVal."
    if order.price is None:
        return None
    smallest = rules.tick if rules.min_price is None else rules.min_price
    if not smallest <= order.price <= rules.max_price:
        return "price out of range."
    if order.price % rules.tick != 0:
        return "price does not match tickSize."
    if not percent_price_passes(order.side, order.price, market):
        return "price out of the percent range."
    return None


def _decimal(values: Mapping[str, str], name: str) -> Decimal:
    text = values.get(name, "")
    if _DECIMAL.fullmatch(text) is None:
        raise malformed(name)
    return Decimal(text)
