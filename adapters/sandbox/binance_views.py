"""The shapes of Binance spot's replies: orders, fills, symbols, accounts."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Final

from adapters.sandbox.book import Market
from adapters.sandbox.config import AccountConfig, SymbolConfig
from adapters.sandbox.engine import Wallet
from adapters.sandbox.filters import MAX_ALGO_ORDERS
from adapters.sandbox.model import ZERO, Fill, Order, OrderType
from adapters.sandbox.wire import eight, plain

_DIGITS: Final = 8
_OPTIONAL_NUMBERS: Final = ("strategyId", "strategyType")


def ack(order: Order) -> dict[str, Any]:
    """Return the shortest reply to a placement."""
    return {
        "symbol": order.spec.symbol,
        "orderId": order.order_id,
        "orderListId": -1,
        "clientOrderId": order.spec.client_order_id,
        "transactTime": order.updated_at_ms,
    }


def result(order: Order) -> dict[str, Any]:
    """Return a placement's reply with the order's state."""
    return {**ack(order), **_state(order), **_extras(order)}


def full(order: Order) -> dict[str, Any]:
    """Return a placement's reply with the order's state and fills."""
    fills = [
        {
            "price": eight(fill.price),
            "qty": eight(fill.quantity),
            "commission": eight(fill.fee),
            "commissionAsset": fill.fee_asset,
            "tradeId": fill.trade_id,
        }
        for fill in order.fills
    ]
    return {**ack(order), **_state(order), "fills": fills, **_extras(order)}


def cancelled(order: Order, cancel_id: str) -> dict[str, Any]:
    """Return the reply to a cancel: `clientOrderId` is the cancel's own id."""
    return {
        "symbol": order.spec.symbol,
        "origClientOrderId": order.spec.client_order_id,
        "orderId": order.order_id,
        "orderListId": -1,
        "clientOrderId": cancel_id,
        "transactTime": order.updated_at_ms,
        **_state(order, working_time=False),
    }


def queried(order: Order) -> dict[str, Any]:
    """Return an order as queries show it."""
    spec = order.spec
    state = _state(order)
    return {
        "symbol": spec.symbol,
        "orderId": order.order_id,
        "orderListId": -1,
        "clientOrderId": spec.client_order_id,
        **{name: state[name] for name in ("price", "origQty", "executedQty", "cummulativeQuoteQty")},
        "status": state["status"],
        "timeInForce": state["timeInForce"],
        "type": state["type"],
        "side": state["side"],
        "stopPrice": eight(spec.stop_price or ZERO),
        "icebergQty": eight(ZERO),
        "time": order.accepted_at_ms,
        "updateTime": order.updated_at_ms,
        "isWorking": order.is_working,
        "workingTime": state["workingTime"],
        "origQuoteOrderQty": state["origQuoteOrderQty"],
        "selfTradePreventionMode": state["selfTradePreventionMode"],
        **{name: value for name, value in _extras(order).items() if name != "stopPrice"},
    }


def trade(order: Order, fill: Fill) -> dict[str, Any]:
    """Return one row of `myTrades`."""
    return {
        "symbol": order.spec.symbol,
        "id": fill.trade_id,
        "orderId": order.order_id,
        "orderListId": -1,
        "price": eight(fill.price),
        "qty": eight(fill.quantity),
        "quoteQty": eight(fill.price * fill.quantity),
        "commission": eight(fill.fee),
        "commissionAsset": fill.fee_asset,
        "time": fill.at_ms,
        "isBuyer": order.spec.side == "BUY",
        "isMaker": fill.is_maker,
        "isBestMatch": True,
    }


def symbol(market: Market) -> dict[str, Any]:
    """Return a symbol of `exchangeInfo`."""
    rules = market.rules
    return {
        "symbol": rules.symbol,
        "status": "TRADING" if market.is_trading else "HALT",
        "baseAsset": rules.base,
        "baseAssetPrecision": _DIGITS,
        "quoteAsset": rules.quote,
        "quotePrecision": _DIGITS,
        "quoteAssetPrecision": _DIGITS,
        "baseCommissionPrecision": _DIGITS,
        "quoteCommissionPrecision": _DIGITS,
        "orderTypes": [kind.value for kind in OrderType],
        "icebergAllowed": False,
        "ocoAllowed": False,
        "otoAllowed": False,
        "opoAllowed": False,
        "quoteOrderQtyMarketAllowed": True,
        "allowTrailingStop": rules.lets_stops_trail,
        "cancelReplaceAllowed": False,
        "amendAllowed": False,
        "pegInstructionsAllowed": False,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": _filters(market),
        "permissions": [],
        "permissionSets": [["SPOT"]],
        "defaultSelfTradePreventionMode": "EXPIRE_MAKER",
        "allowedSelfTradePreventionModes": [
            "NONE",
            "EXPIRE_TAKER",
            "EXPIRE_MAKER",
            "EXPIRE_BOTH",
            "DECREMENT",
        ],
    }


def account(
    owner: AccountConfig, wallet: Wallet, maker: Decimal, taker: Decimal, venue_ms: int, *, omit_zero: bool
) -> dict[str, Any]:
    """Return the `account` reply."""
    return {
        "makerCommission": int(maker * 10_000),
        "takerCommission": int(taker * 10_000),
        "buyerCommission": 0,
        "sellerCommission": 0,
        "commissionRates": _rates(maker, taker),
        "canTrade": owner.can_trade,
        "canWithdraw": owner.can_withdraw,
        "canDeposit": True,
        "brokered": False,
        "requireSelfTradePrevention": False,
        "preventSor": False,
        "updateTime": venue_ms,
        "accountType": "SPOT",
        "balances": [
            {"asset": asset, "free": eight(balance.free), "locked": eight(balance.locked)}
            for asset, balance in wallet.balances.items()
            if not omit_zero or balance.free or balance.locked
        ],
        "permissions": ["SPOT"],
        "uid": sum(owner.name.encode()) + 354_000_000,
    }


def commission(name: str, maker: Decimal, taker: Decimal) -> dict[str, Any]:
    """Return the `account/commission` reply."""
    nothing = _rates(ZERO, ZERO)
    return {
        "symbol": name,
        "standardCommission": _rates(maker, taker),
        "specialCommission": nothing,
        "taxCommission": nothing,
        "discount": {
            "enabledForAccount": False,
            "enabledForSymbol": False,
            "discountAsset": "BNB",
            "discount": "0.75000000",
        },
    }


def api_restrictions(owner: AccountConfig) -> dict[str, Any]:
    """Return what a key may do."""
    return {
        "ipRestrict": bool(owner.allowed_ips),
        "createTime": 1_698_645_219_000,
        "enableReading": owner.can_read,
        "enableWithdrawals": owner.can_withdraw,
        "enableInternalTransfer": False,
        "enableMargin": False,
        "enableFutures": False,
        "permitsUniversalTransfer": False,
        "enableVanillaOptions": False,
        "enableFixApiTrade": False,
        "enableFixReadOnly": False,
        "enableSpotAndMarginTrading": owner.can_trade,
        "enablePortfolioMarginTrading": False,
    }


def _rates(maker: Decimal, taker: Decimal) -> dict[str, str]:
    return {"maker": eight(maker), "taker": eight(taker), "buyer": eight(ZERO), "seller": eight(ZERO)}


def _state(order: Order, *, working_time: bool = True) -> dict[str, Any]:
    spec = order.spec
    state: dict[str, Any] = {
        "price": eight(spec.price or ZERO),
        "origQty": eight(order.quantity),
        "executedQty": eight(order.executed_quantity),
        "origQuoteOrderQty": eight(spec.quote_quantity or ZERO),
        "cummulativeQuoteQty": eight(order.executed_quote),
        "status": order.status.value,
        "timeInForce": spec.time_in_force.value,
        "type": spec.type.value,
        "side": spec.side.value,
    }
    if working_time:
        state["workingTime"] = order.accepted_at_ms if order.is_working else -1
    state["selfTradePreventionMode"] = spec.extra.get("selfTradePreventionMode", "EXPIRE_MAKER")
    return state


def _extras(order: Order) -> dict[str, Any]:
    extras: dict[str, Any] = {}
    if order.spec.stop_price is not None:
        extras["stopPrice"] = eight(order.spec.stop_price)
    if order.spec.trailing_delta is not None:
        extras["trailingDelta"] = order.spec.trailing_delta
        extras["trailingTime"] = -1 if order.trail is None else order.trail.since_ms
    for name in _OPTIONAL_NUMBERS:
        if name in order.spec.extra:
            extras[name] = int(order.spec.extra[name])
    if order.expiry_reason is not None:
        extras["expiryReason"] = order.expiry_reason.value
    return extras


def _filters(market: Market) -> Iterable[dict[str, Any]]:
    rules = market.rules
    smallest = rules.tick if rules.min_price is None else rules.min_price
    return [
        {
            "filterType": "PRICE_FILTER",
            "minPrice": eight(smallest),
            "maxPrice": eight(rules.max_price),
            "tickSize": eight(rules.tick),
        },
        {
            "filterType": "LOT_SIZE",
            "minQty": eight(rules.min_quantity),
            "maxQty": eight(rules.max_quantity),
            "stepSize": eight(rules.step),
        },
        {"filterType": "ICEBERG_PARTS", "limit": 100},
        {
            "filterType": "MARKET_LOT_SIZE",
            "minQty": eight(ZERO),
            "maxQty": eight(rules.market_max_quantity),
            "stepSize": eight(ZERO),
        },
        *_trailing_filter(rules),
        {
            "filterType": "PERCENT_PRICE_BY_SIDE",
            "bidMultiplierUp": plain(rules.percent_price_up),
            "bidMultiplierDown": plain(rules.percent_price_down),
            "askMultiplierUp": plain(rules.percent_price_up),
            "askMultiplierDown": plain(rules.percent_price_down),
            "avgPriceMins": 5,
        },
        {
            "filterType": "NOTIONAL",
            "minNotional": eight(rules.min_notional),
            "applyMinToMarket": True,
            "maxNotional": eight(rules.max_notional),
            "applyMaxToMarket": False,
            "avgPriceMins": 5,
        },
        {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": rules.max_open_orders},
        {"filterType": "MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders": MAX_ALGO_ORDERS},
    ]


def _trailing_filter(rules: SymbolConfig) -> Iterable[dict[str, Any]]:
    """Return how far stops may trail: above the market or below it, in basis points."""
    if not rules.lets_stops_trail:
        return
    yield {
        "filterType": "TRAILING_DELTA",
        "minTrailingAboveDelta": rules.trailing_above[0],
        "maxTrailingAboveDelta": rules.trailing_above[1],
        "minTrailingBelowDelta": rules.trailing_below[0],
        "maxTrailingBelowDelta": rules.trailing_below[1],
    }
