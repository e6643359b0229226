"""The shapes of Bitrue spot's replies as they were seen live, where that differs from its documents.

Lower-case assets, 16 decimals, empty strings for numbers that do not apply, `isWorking` false on a new
order, order ids as numbers above 2^53 on placement and as strings in queries, a misspelt fee asset, and
flags that say "cannot trade" on a key that can.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from adapters.sandbox.book import Market
from adapters.sandbox.config import BitrueLimits, BitrueQuirks
from adapters.sandbox.engine import Wallet
from adapters.sandbox.model import ZERO, Fill, Order, OrderStatus
from adapters.sandbox.wire import plain, sixteen


def placed(order: Order) -> dict[str, Any]:
    """Return the only reply to a placement: no status, no fills."""
    return {
        "symbol": order.spec.symbol,
        "orderId": order.order_id,
        "orderIdStr": str(order.order_id),
        "clientOrderId": order.spec.client_order_id,
        "transactTime": order.accepted_at_ms,
    }


def cancelled(order: Order, cancel_id: str) -> dict[str, Any]:
    """Return the reply to a cancel: it tells neither status nor fills."""
    return {
        "symbol": order.spec.symbol,
        "origClientOrderId": order.spec.client_order_id,
        "orderId": order.order_id,
        "clientOrderId": cancel_id,
    }


def queried(order: Order, *, host_ms: int, quirks: BitrueQuirks, in_list: bool) -> dict[str, Any]:
    """Return an order as queries show it."""
    is_pending = host_ms < order.received_at_ms + quirks.pending_create_ms
    executed, quote = (ZERO, ZERO) if is_pending else (order.executed_quantity, order.executed_quote)
    status = "PENDING_CREATE" if is_pending else order.status.value
    has_client_id = quirks.client_id_in_lists or not in_list
    return {
        "symbol": order.spec.symbol,
        "orderId": str(order.order_id),
        "clientOrderId": order.spec.client_order_id if has_client_id else "",
        "price": sixteen(order.spec.price or ZERO),
        "origQty": sixteen(order.quantity),
        "executedQty": sixteen(executed),
        "cummulativeQuoteQty": sixteen(quote),
        "status": status,
        "timeInForce": "",
        "type": order.spec.type.value,
        "side": order.spec.side.value,
        "stopPrice": "",
        "icebergQty": "",
        "time": order.accepted_at_ms,
        "updateTime": order.updated_at_ms,
        "isWorking": not is_pending and order.status is not OrderStatus.NEW,
    }


def trade(order: Order, fill: Fill, quirks: BitrueQuirks) -> dict[str, Any]:
    """Return one row of `myTrades`."""
    fee_asset = "commissionAssert" if quirks.misspelt_fee_asset else "commissionAsset"
    return {
        "symbol": order.spec.symbol,
        "id": fill.trade_id,
        "tradeId": fill.trade_id,
        "orderId": order.order_id,
        "origClientOrderId": order.spec.client_order_id or None,
        "price": sixteen(fill.price),
        "qty": sixteen(fill.quantity),
        "commission": sixteen(fill.fee),
        fee_asset: fill.fee_asset.lower(),
        "time": fill.at_ms,
        "isBuyer": order.spec.side == "BUY",
        "isMaker": fill.is_maker,
        "isBestMatch": True,
    }


def account(wallet: Wallet) -> dict[str, Any]:
    """Return the `account` reply."""
    return {
        "makerCommission": 0,
        "takerCommission": 0,
        "buyerCommission": 0,
        "sellerCommission": 0,
        "canTrade": False,
        "canWithdraw": False,
        "canDeposit": False,
        "updateTime": None,
        "balances": [
            {"asset": asset.lower(), "free": sixteen(balance.free), "locked": sixteen(balance.locked)}
            for asset, balance in wallet.balances.items()
        ],
    }


def exchange_info(markets: Mapping[str, Market], limits: BitrueLimits, venue_ms: int) -> dict[str, Any]:
    """Return the `exchangeInfo` reply."""
    assets = sorted({name for market in markets.values() for name in (market.rules.base, market.rules.quote)})
    return {
        "timezone": "CTT",
        "serverTime": venue_ms,
        "rateLimits": [
            _policy("general", "IP", limits.general_per_minute, 1, "MINUTES"),
            _policy("orders_ip_seconds", "IP", limits.orders_ip_per_6_seconds, 6, "SECONDS"),
            _policy("orders_user_seconds", "USER", limits.orders_user_per_10_seconds, 10, "SECONDS"),
            _policy("withdraw_days", "USER", 1_000, 1, "DAYS"),
            _policy("withdraw_read_hours", "USER", 3_000, 1, "HOURS"),
        ],
        "exchangeFilters": [],
        "symbols": [_symbol(market) for market in markets.values()],
        "coins": [
            {
                "coin": asset.lower(),
                "coinFulName": asset,
                "enableWithdraw": True,
                "enableDeposit": True,
                "chains": [asset],
                "withdrawFee": "1.0",
                "minWithdraw": "5.0",
                "maxWithdraw": "1000000000000000",
            }
            for asset in assets
        ],
    }


def ticker_day(markets: Iterable[Market]) -> list[dict[str, Any]]:
    """Return the day's ticker: a list, also for one symbol."""
    return [
        {
            "symbol": market.rules.symbol,
            "priceChange": "0.00",
            "priceChangePercent": "0.000",
            "weightedAvgPrice": plain(market.price),
            "prevClosePrice": plain(market.price),
            "lastPrice": plain(market.price),
            "lastQty": "",
            "bidPrice": plain(market.best_bid),
            "askPrice": plain(market.best_ask),
            "openPrice": plain(market.price),
            "highPrice": plain(market.price),
            "lowPrice": plain(market.price),
            "volume": "0",
            "quoteVolume": "0",
            "openTime": 0,
            "closeTime": 0,
            "firstId": 0,
            "lastId": 0,
            "count": 0,
        }
        for market in markets
    ]


def book_ticker(market: Market) -> dict[str, Any]:
    """Return the best bid and ask."""
    depth = plain(market.depth)
    return {
        "symbol": market.rules.symbol,
        "bidPrice": plain(market.best_bid),
        "bidQty": depth,
        "askPrice": plain(market.best_ask),
        "askQty": depth,
    }


def _symbol(market: Market) -> dict[str, Any]:
    rules = market.rules
    smallest = rules.tick if rules.min_price is None else rules.min_price
    up, down = plain(rules.percent_price_up), plain(rules.percent_price_down)
    return {
        "symbol": rules.symbol,
        "status": "TRADING" if market.is_trading else "HALT",
        "baseAsset": rules.base.lower(),
        "baseAssetPrecision": _scale(rules.step),
        "quoteAsset": rules.quote.lower(),
        "quotePrecision": _scale(rules.tick),
        "orderTypes": ["MARKET", "LIMIT"],
        "icebergAllowed": False,
        "filters": [
            {
                "filterType": "PRICE_FILTER",
                "minPrice": plain(smallest),
                "maxPrice": plain(rules.max_price),
                "tickSize": plain(rules.tick),
                "priceScale": _scale(rules.tick),
            },
            {
                "filterType": "PERCENT_PRICE_BY_SIDE",
                "bidMultiplierUp": up,
                "bidMultiplierDown": down,
                "askMultiplierUp": up,
                "askMultiplierDown": down,
                "avgPriceMins": "1",
            },
            {
                "filterType": "LOT_SIZE",
                "minQty": plain(rules.min_quantity),
                "minVal": plain(rules.min_notional),
                "maxQty": plain(rules.max_quantity),
                "stepSize": plain(rules.step),
                "volumeScale": _scale(rules.step),
            },
        ],
        "defaultPrice": plain(rules.price),
    }


def _policy(name: str, kind: str, limit: int, count: int, unit: str) -> dict[str, Any]:
    return {
        "prefix": name,
        "type": kind,
        "replenishRate": limit,
        "burstCapacity": limit,
        "timeCount": count,
        "timeUnit": unit,
        "refreshType": "FIRST_REQUEST",
        "weight": 1,
        "minReqSize": 20 if kind == "IP" else 10,
        "openWhite": name != "general",
    }


def _scale(unit: Decimal) -> int:
    exponent = unit.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0
