"""The endpoints of Binance spot and of Binance.US: what each costs, who may call it, and which parameters it knows."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from adapters.sandbox.venue import Endpoint

_SIGNED_NAMES: Final = frozenset({"timestamp", "recvWindow"})
_ORDER_NAMES: Final = (
    "symbol",
    "side",
    "type",
    "timeInForce",
    "quantity",
    "quoteOrderQty",
    "price",
    "newClientOrderId",
    "strategyId",
    "strategyType",
    "stopPrice",
    "trailingDelta",
    "icebergQty",
    "newOrderRespType",
    "selfTradePreventionMode",
)


def make_endpoint(
    name: str,
    handler: str,
    weight: int | Callable[[Mapping[str, str]], int],
    known: str = "",
    *,
    mandatory: str = "",
    is_signed: bool = True,
    needs_trading: bool = False,
    enters_engine: bool = False,
    places_order: bool = False,
) -> Endpoint:
    """Build an endpoint from names of parameters separated by blanks."""
    names = frozenset(known.split()) | frozenset(mandatory.split())
    return Endpoint(
        name=name,
        handler=handler,
        weight=weight,
        is_signed=is_signed,
        needs_trading=needs_trading,
        enters_engine=enters_engine,
        places_order=places_order,
        known=names | _SIGNED_NAMES if is_signed else names,
        mandatory=tuple(mandatory.split()),
    )


_PAGE: Final = "startTime endTime limit"
Endpoints = Mapping[tuple[str, str], Endpoint]
ENDPOINTS: Final[Endpoints] = {
    ("GET", "/api/v3/ping"): make_endpoint("ping", "ping", 1, is_signed=False),
    ("GET", "/api/v3/time"): make_endpoint("time", "time", 1, is_signed=False),
    ("GET", "/api/v3/exchangeInfo"): make_endpoint(
        "exchangeInfo",
        "exchange_info",
        20,
        "symbol symbols permissions showPermissionSets symbolStatus",
        is_signed=False,
    ),
    ("GET", "/api/v3/ticker/price"): make_endpoint(
        "ticker/price",
        "ticker_price",
        lambda values: 2 if "symbol" in values else 4,
        "symbol symbols symbolStatus",
        is_signed=False,
    ),
    ("GET", "/api/v3/avgPrice"): make_endpoint(
        "avgPrice", "average_price", 2, mandatory="symbol", is_signed=False
    ),
    ("POST", "/api/v3/order"): make_endpoint(
        "order",
        "place",
        1,
        " ".join(_ORDER_NAMES),
        mandatory="symbol side type",
        needs_trading=True,
        enters_engine=True,
        places_order=True,
    ),
    ("POST", "/api/v3/order/test"): make_endpoint(
        "order/test",
        "check_order",
        lambda values: 20 if values.get("computeCommissionRates") == "true" else 1,
        " ".join((*_ORDER_NAMES, "computeCommissionRates")),
        mandatory="symbol side type",
        needs_trading=True,
    ),
    ("GET", "/api/v3/order"): make_endpoint(
        "order", "query", 4, "orderId origClientOrderId", mandatory="symbol"
    ),
    ("DELETE", "/api/v3/order"): make_endpoint(
        "order",
        "cancel",
        1,
        "orderId origClientOrderId newClientOrderId cancelRestrictions",
        mandatory="symbol",
        needs_trading=True,
        enters_engine=True,
    ),
    ("GET", "/api/v3/openOrders"): make_endpoint(
        "openOrders", "open_orders", lambda values: 6 if "symbol" in values else 80, "symbol"
    ),
    ("DELETE", "/api/v3/openOrders"): make_endpoint(
        "openOrders", "cancel_all", 1, mandatory="symbol", needs_trading=True, enters_engine=True
    ),
    ("GET", "/api/v3/allOrders"): make_endpoint(
        "allOrders", "all_orders", 20, f"orderId {_PAGE}", mandatory="symbol"
    ),
    ("GET", "/api/v3/myTrades"): make_endpoint(
        "myTrades",
        "my_trades",
        lambda values: 5 if "orderId" in values else 20,
        f"orderId fromId {_PAGE}",
        mandatory="symbol",
    ),
    ("GET", "/api/v3/account"): make_endpoint("account", "account", 20, "omitZeroBalances"),
    ("GET", "/api/v3/account/commission"): make_endpoint(
        "account/commission", "commission", 20, mandatory="symbol"
    ),
    ("GET", "/api/v3/rateLimit/order"): make_endpoint("rateLimit/order", "order_counts", 40),
    ("GET", "/sapi/v1/account/apiRestrictions"): make_endpoint("apiRestrictions", "api_restrictions", 1),
}

# Binance.US has the weights that Binance had before 2023, and none of what came later.
_US_WEIGHTS: Final[Mapping[str, int | Callable[[Mapping[str, str]], int]]] = {
    "exchange_info": 10,
    "ticker_price": lambda values: 1 if "symbol" in values else 2,
    "average_price": 1,
    "check_order": 1,
    "query": 2,
    "open_orders": lambda values: 3 if "symbol" in values else 40,
    "all_orders": 10,
    "my_trades": 10,
    "account": 10,
    "order_counts": 20,
}
_US_LACKS: Final = frozenset({"commission", "api_restrictions"})
_US_UNKNOWN: Final = frozenset(
    {"showPermissionSets", "symbolStatus", "omitZeroBalances", "computeCommissionRates"}
)
US_ENDPOINTS: Final[Endpoints] = {
    place: replace(
        endpoint,
        weight=_US_WEIGHTS.get(endpoint.handler, endpoint.weight),
        known=endpoint.known - _US_UNKNOWN,
    )
    for place, endpoint in ENDPOINTS.items()
    if endpoint.handler not in _US_LACKS
}
