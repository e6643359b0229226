"""The shapes of the replies of USD-M futures.

Numbers have the contract's own decimals. Since mid-2026 a placement's and a cancel's reply tell neither
average price nor value; queries do. A cancel keeps the order's own client order id.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from adapters.sandbox.config import UsdmLimits
from adapters.sandbox.model import ZERO, Fill, FuturesType, Order, TimeInForce
from adapters.sandbox.usdm_engine import Contract
from adapters.sandbox.wire import eight, plain


def placed(order: Order, contract: Contract, *, with_averages: bool) -> dict[str, Any]:
    """Return the reply to a placement or a cancel."""
    view = {"cumQty": _quantity(order.executed_quantity, contract), **_common(order, contract)}
    return view | _averages(order, contract) if with_averages else view


def queried(order: Order, contract: Contract) -> dict[str, Any]:
    """Return an order as queries show it."""
    return {**_common(order, contract), **_averages(order, contract), "time": order.accepted_at_ms}


def algo(order: Order, contract: Contract, *, with_actual: bool) -> dict[str, Any]:
    """Return a conditional order; its actual order shows in queries only."""
    spec, trigger = order.spec, order.trigger
    if trigger is None:
        raise AssertionError(f"order {order.order_id} is not conditional")
    view: dict[str, Any] = {
        "algoId": order.order_id,
        "clientAlgoId": spec.client_order_id,
        "algoType": "CONDITIONAL",
        "orderType": spec.type.value,
        "symbol": spec.symbol,
        "side": spec.side.value,
        "positionSide": spec.position_side.value,
        "timeInForce": spec.time_in_force.value,
        "quantity": _quantity(spec.quantity or ZERO, contract),
        "algoStatus": algo_status(order),
        "triggerPrice": _price(spec.stop_price or ZERO, contract),
        "price": _price(spec.price or ZERO, contract),
        "icebergQuantity": None,
        "selfTradePreventionMode": spec.extra.get("selfTradePreventionMode", "EXPIRE_MAKER"),
        "workingType": spec.extra.get("workingType", "CONTRACT_PRICE"),
        "priceMatch": spec.extra.get("priceMatch", "NONE"),
        "closePosition": spec.closes_position,
        "priceProtect": spec.extra.get("priceProtect") == "true",
        "reduceOnly": spec.is_reduce_only,
        "createTime": order.accepted_at_ms,
        "updateTime": order.updated_at_ms,
        "triggerTime": trigger.at_ms,
        "goodTillDate": spec.good_till_ms or 0,
    }
    if trigger.callback is not None:
        view["activatePrice"] = _price(trigger.price or ZERO, contract)
        view["callbackRate"] = plain(trigger.callback * 100)
    if with_actual:
        is_in_book = trigger.order_id is not None
        view["actualOrderId"] = str(trigger.order_id) if is_in_book else ""
        view["actualPrice"] = f"{order.average_price:.5f}"
        view["actualType"] = _book_type(order) if is_in_book else ""
        view["actualQty"] = _quantity(order.executed_quantity, contract)
    return view


def algo_status(order: Order) -> str:
    """Return where a conditional order is in its life."""
    if order.trigger is not None and order.trigger.order_id is not None:
        return "TRIGGERED" if order.is_open else "FINISHED"
    return order.status.value


def trade(order: Order, fill: Fill, contract: Contract) -> dict[str, Any]:
    """Return one row of `userTrades`."""
    return {
        "symbol": order.spec.symbol,
        "pair": order.spec.symbol,
        "id": fill.trade_id,
        "orderId": order.book_id,
        "side": order.spec.side.value,
        "positionSide": order.spec.position_side.value,
        "price": _price(fill.price, contract),
        "qty": _quantity(fill.quantity, contract),
        "baseQty": _quantity(fill.quantity, contract),
        "quoteQty": eight(fill.price * fill.quantity),
        "realizedPnl": eight(fill.realized),
        "marginAsset": contract.rules.quote,
        "commission": eight(fill.fee),
        "commissionAsset": fill.fee_asset,
        "time": fill.at_ms,
        "buyer": order.spec.side == "BUY",
        "maker": fill.is_maker,
    }


def rate_limits(limits: UsdmLimits) -> list[dict[str, Any]]:
    """Return the limits as `exchangeInfo` and `rateLimit/order` list them."""
    rows = (
        ("REQUEST_WEIGHT", "MINUTE", 1, limits.weight_per_minute),
        ("ORDERS", "MINUTE", 1, limits.orders_per_minute),
        ("ORDERS", "SECOND", 10, limits.orders_per_10_seconds),
    )
    return [
        {"rateLimitType": kind, "interval": unit, "intervalNum": number, "limit": limit}
        for kind, unit, number, limit in rows
    ]


def exchange_info(contracts: Mapping[str, Contract], limits: UsdmLimits) -> dict[str, Any]:
    """Return the `exchangeInfo` reply; its time is old on purpose, as the venue's documents warn."""
    return {
        "timezone": "UTC",
        "serverTime": 1_565_613_908_500,
        "futuresType": "U_MARGINED",
        "rateLimits": rate_limits(limits),
        "exchangeFilters": [],
        "assets": [{"asset": "USDT", "marginAvailable": True, "autoAssetExchange": "-10000"}],
        "symbols": [_symbol(contract) for contract in contracts.values()],
    }


def premium_index(contract: Contract, venue_ms: int) -> dict[str, Any]:
    """Return a contract's mark price."""
    mark = eight(contract.mark_price)
    return {
        "symbol": contract.rules.symbol,
        "markPrice": mark,
        "indexPrice": mark,
        "estimatedSettlePrice": mark,
        "lastFundingRate": "0.00010000",
        "interestRate": "0.00010000",
        "nextFundingTime": venue_ms - venue_ms % 28_800_000 + 28_800_000,
        "time": venue_ms,
    }


def _common(order: Order, contract: Contract) -> dict[str, Any]:
    spec = order.spec
    return {
        "clientOrderId": spec.client_order_id,
        "executedQty": _quantity(order.executed_quantity, contract),
        "orderId": order.book_id,
        "origQty": _quantity(order.quantity, contract),
        "price": _price(spec.price or ZERO, contract),
        "reduceOnly": spec.is_reduce_only,
        "side": spec.side.value,
        "positionSide": spec.position_side.value,
        "status": order.status.value,
        "stopPrice": _price(spec.stop_price or ZERO, contract),
        "closePosition": spec.closes_position,
        "symbol": spec.symbol,
        "timeInForce": spec.time_in_force.value,
        "type": _book_type(order),
        "origType": spec.type.value,
        "updateTime": order.updated_at_ms,
        "workingType": spec.extra.get("workingType", "CONTRACT_PRICE"),
        "priceProtect": spec.extra.get("priceProtect") == "true",
        "priceMatch": spec.extra.get("priceMatch", "NONE"),
        "selfTradePreventionMode": spec.extra.get("selfTradePreventionMode", "EXPIRE_MAKER"),
        "goodTillDate": spec.good_till_ms or 0,
    }


def _averages(order: Order, contract: Contract) -> dict[str, Any]:
    return {"avgPrice": f"{order.average_price:.5f}", "cumQuote": _price(order.executed_quote, contract)}


def _book_type(order: Order) -> str:
    return "LIMIT" if order.spec.type.has_price else "MARKET"


def _symbol(contract: Contract) -> dict[str, Any]:
    rules = contract.rules
    return {
        "symbol": rules.symbol,
        "pair": rules.symbol,
        "contractType": "PERPETUAL",
        "deliveryDate": 4_133_404_800_000,
        "onboardDate": 1_569_398_400_000,
        "status": "TRADING" if contract.is_trading else "PENDING_TRADING",
        "maintMarginPercent": "2.5000",
        "requiredMarginPercent": "5.0000",
        "baseAsset": rules.base,
        "quoteAsset": rules.quote,
        "marginAsset": rules.quote,
        "pricePrecision": _decimals(rules.tick),
        "quantityPrecision": _decimals(rules.step),
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": "COIN",
        "underlyingSubType": ["PoW"],
        "settlePlan": 0,
        "triggerProtect": "0.0500",
        "liquidationFee": "0.012500",
        "marketTakeBound": "0.05",
        "maxMoveOrderLimit": 10_000,
        "filters": _filters(contract),
        "orderTypes": [kind.value for kind in FuturesType],
        "timeInForce": [kind.value for kind in TimeInForce],
    }


def _filters(contract: Contract) -> list[dict[str, Any]]:
    rules = contract.rules
    smallest = rules.tick if rules.min_price is None else rules.min_price
    lot = {"minQty": str(rules.min_quantity), "stepSize": str(rules.step)}
    return [
        {
            "filterType": "PRICE_FILTER",
            "minPrice": str(smallest),
            "maxPrice": str(rules.max_price),
            "tickSize": str(rules.tick),
        },
        {"filterType": "LOT_SIZE", **lot, "maxQty": plain(rules.max_quantity)},
        {"filterType": "MARKET_LOT_SIZE", **lot, "maxQty": plain(rules.market_max_quantity)},
        {"filterType": "MAX_NUM_ORDERS", "limit": rules.max_open_orders},
        {"filterType": "MIN_NOTIONAL", "notional": plain(rules.min_notional)},
        {
            "filterType": "PERCENT_PRICE",
            "multiplierUp": f"{rules.percent_price_up:.4f}",
            "multiplierDown": f"{rules.percent_price_down:.4f}",
            "multiplierDecimal": "4",
        },
    ]


def _price(value: Decimal, contract: Contract) -> str:
    return f"{value:.{_decimals(contract.rules.tick)}f}"


def _quantity(value: Decimal, contract: Contract) -> str:
    return f"{value:.{_decimals(contract.rules.step)}f}"


def _decimals(unit: Decimal) -> int:
    exponent = unit.as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0
