"""The endpoints of Binance USD-M futures: what each costs, who may call it, and which parameters it knows.

Orders cost no weight, only order count. Conditional orders have endpoints of their own since 2025-12-09.
"""

from collections.abc import Mapping
from typing import Final

from adapters.sandbox.binance_endpoints import make_endpoint
from adapters.sandbox.venue import Endpoint

_ORDER: Final = (
    "positionSide timeInForce quantity reduceOnly price newClientOrderId closePosition newOrderRespType "
    "priceMatch selfTradePreventionMode goodTillDate stopPrice activationPrice callbackRate workingType "
    "priceProtect"
)
# ccxt names the activation price as the endpoint for orders did.
_ALGO: Final = (
    "positionSide timeInForce quantity price triggerPrice workingType priceMatch closePosition priceProtect "
    "reduceOnly activatePrice activationPrice callbackRate clientAlgoId selfTradePreventionMode goodTillDate "
    "newOrderRespType"
)
_IDS: Final = "orderId origClientOrderId"
_ALGO_IDS: Final = "algoId clientAlgoId symbol"
_PAGE: Final = "startTime endTime limit"


_ACCOUNT: Final[Mapping[tuple[str, str], Endpoint]] = {
    ("GET", f"/fapi/v{version}/{name}"): make_endpoint(name, handler, 5, known)
    for name, handler, known, versions in (
        ("balance", "balance", "", "23"),
        ("account", "account", "", "23"),
        ("positionRisk", "position_risk", "symbol", "23"),
        ("accountConfig", "account_config", "", "1"),
        ("symbolConfig", "symbol_config", "symbol", "1"),
    )
    for version in versions
}

ENDPOINTS: Final[Mapping[tuple[str, str], Endpoint]] = {
    ("GET", "/fapi/v1/ping"): make_endpoint("ping", "ping", 1, is_signed=False),
    ("GET", "/fapi/v1/time"): make_endpoint("time", "time", 1, is_signed=False),
    ("GET", "/fapi/v1/exchangeInfo"): make_endpoint("exchangeInfo", "exchange_info", 1, is_signed=False),
    **{
        ("GET", f"/fapi/v{version}/ticker/price"): make_endpoint(
            "ticker/price",
            "ticker_price",
            lambda values: 1 if "symbol" in values else 2,
            "symbol",
            is_signed=False,
        )
        for version in "12"
    },
    ("GET", "/fapi/v1/premiumIndex"): make_endpoint(
        "premiumIndex",
        "premium_index",
        lambda values: 1 if "symbol" in values else 10,
        "symbol",
        is_signed=False,
    ),
    ("POST", "/fapi/v1/order"): make_endpoint(
        "order",
        "place",
        0,
        _ORDER,
        mandatory="symbol side type",
        needs_trading=True,
        enters_engine=True,
        places_order=True,
    ),
    ("POST", "/fapi/v1/order/test"): make_endpoint(
        "order/test", "check_order", 1, _ORDER, mandatory="symbol side type", needs_trading=True
    ),
    ("GET", "/fapi/v1/order"): make_endpoint("order", "query", 1, _IDS, mandatory="symbol"),
    ("GET", "/fapi/v1/openOrder"): make_endpoint("openOrder", "query_open", 1, _IDS, mandatory="symbol"),
    ("DELETE", "/fapi/v1/order"): make_endpoint(
        "order", "cancel", 1, _IDS, mandatory="symbol", needs_trading=True, enters_engine=True
    ),
    ("GET", "/fapi/v1/openOrders"): make_endpoint(
        "openOrders", "open_orders", lambda values: 1 if "symbol" in values else 40, "symbol"
    ),
    ("DELETE", "/fapi/v1/allOpenOrders"): make_endpoint(
        "allOpenOrders", "cancel_all", 1, mandatory="symbol", needs_trading=True, enters_engine=True
    ),
    ("GET", "/fapi/v1/allOrders"): make_endpoint(
        "allOrders", "all_orders", 5, f"orderId {_PAGE}", mandatory="symbol"
    ),
    ("GET", "/fapi/v1/userTrades"): make_endpoint(
        "userTrades", "user_trades", 5, f"orderId fromId {_PAGE}", mandatory="symbol"
    ),
    ("POST", "/fapi/v1/algoOrder"): make_endpoint(
        "algoOrder",
        "place_algo",
        0,
        _ALGO,
        mandatory="algoType symbol side type",
        needs_trading=True,
        enters_engine=True,
        places_order=True,
    ),
    ("GET", "/fapi/v1/algoOrder"): make_endpoint("algoOrder", "query_algo", 1, _ALGO_IDS),
    ("DELETE", "/fapi/v1/algoOrder"): make_endpoint(
        "algoOrder", "cancel_algo", 1, _ALGO_IDS, needs_trading=True, enters_engine=True
    ),
    ("DELETE", "/fapi/v1/algoOpenOrders"): make_endpoint(
        "algoOpenOrders", "cancel_all_algo", 1, mandatory="symbol", needs_trading=True, enters_engine=True
    ),
    ("GET", "/fapi/v1/openAlgoOrders"): make_endpoint(
        "openAlgoOrders",
        "open_algo",
        lambda values: 1 if "symbol" in values else 40,
        "algoType symbol algoId",
    ),
    ("GET", "/fapi/v1/allAlgoOrders"): make_endpoint(
        "allAlgoOrders", "all_algo", 5, f"algoId page {_PAGE}", mandatory="symbol"
    ),
    **_ACCOUNT,
    ("GET", "/fapi/v1/commissionRate"): make_endpoint(
        "commissionRate", "commission_rate", 20, mandatory="symbol"
    ),
    ("GET", "/fapi/v1/leverageBracket"): make_endpoint("leverageBracket", "leverage_bracket", 1, "symbol"),
    ("GET", "/fapi/v1/rateLimit/order"): make_endpoint("rateLimit/order", "order_limits", 1),
    ("POST", "/fapi/v1/leverage"): make_endpoint(
        "leverage", "set_leverage", 1, mandatory="symbol leverage", needs_trading=True
    ),
    ("GET", "/fapi/v1/positionSide/dual"): make_endpoint("positionSide/dual", "position_mode", 30),
    ("POST", "/fapi/v1/positionSide/dual"): make_endpoint(
        "positionSide/dual", "set_position_mode", 1, mandatory="dualSidePosition", needs_trading=True
    ),
}
