"""The shapes of the account's replies of USD-M futures: balances, positions and settings."""

from decimal import Decimal
from typing import Any

from adapters.sandbox.config import AccountConfig
from adapters.sandbox.model import ZERO, PositionSide
from adapters.sandbox.usdm_account import HIGHEST_LEVERAGE, MARGIN_ASSET, FuturesAccount, Position
from adapters.sandbox.usdm_engine import FuturesEngine
from adapters.sandbox.wire import eight

_Row = tuple[str, PositionSide, Position]


def balance(account: FuturesAccount, engine: FuturesEngine, venue_ms: int) -> list[dict[str, Any]]:
    """Return the `balance` reply."""
    available = eight(max(ZERO, account.available(engine.mark_price)))
    return [
        {
            "accountAlias": "SgsR",
            "asset": MARGIN_ASSET,
            "balance": eight(account.balance),
            "crossWalletBalance": eight(account.balance),
            "crossUnPnl": eight(account.unrealized(engine.mark_price)),
            "availableBalance": available,
            "maxWithdrawAmount": available,
            "marginAvailable": True,
            "updateTime": venue_ms,
        }
    ]


def information(
    owner: AccountConfig, account: FuturesAccount, engine: FuturesEngine, venue_ms: int
) -> dict[str, Any]:
    """Return the `account` reply: totals, assets and the positions that are not empty."""
    unrealized = account.unrealized(engine.mark_price)
    margin = account.balance + unrealized
    available = max(ZERO, account.available(engine.mark_price))
    totals = {
        "initialMargin": margin - account.available(engine.mark_price),
        "maintMargin": ZERO,
        "walletBalance": account.balance,
        "unrealizedProfit": unrealized,
        "marginBalance": margin,
        "positionInitialMargin": margin - account.available(engine.mark_price) - account.reserved,
        "openOrderInitialMargin": account.reserved,
        "crossWalletBalance": account.balance,
        "crossUnPnl": unrealized,
    }
    amounts = {name: eight(value) for name, value in totals.items()}
    return {
        "feeTier": 0,
        "canTrade": owner.can_trade,
        "canDeposit": True,
        "canWithdraw": owner.can_withdraw,
        "multiAssetsMargin": False,
        "tradeGroupId": -1,
        "updateTime": 0,
        **{f"total{name[0].upper()}{name[1:]}": value for name, value in amounts.items()},
        "availableBalance": eight(available),
        "maxWithdrawAmount": eight(available),
        "assets": [
            {
                "asset": MARGIN_ASSET,
                **amounts,
                "availableBalance": eight(available),
                "maxWithdrawAmount": eight(available),
                "marginAvailable": True,
                "updateTime": venue_ms,
            }
        ],
        "positions": [_account_row(row, account, engine, venue_ms) for row in _held(account)],
    }


def position_risk(
    account: FuturesAccount, engine: FuturesEngine, symbol: str | None, venue_ms: int
) -> list[dict[str, Any]]:
    """Return the `positionRisk` reply: the positions that are not empty."""
    return [
        _account_row(row, account, engine, venue_ms)
        | {
            "unRealizedProfit": eight(_profit(row, engine)),
            "entryPrice": eight(row[2].entry_price),
            "breakEvenPrice": eight(row[2].entry_price),
            "markPrice": eight(engine.mark_price(row[0])),
            "liquidationPrice": "0",
            "marginAsset": MARGIN_ASSET,
            "adl": 0,
            "bidNotional": "0",
            "askNotional": "0",
        }
        for row in _held(account)
        if symbol in {None, row[0]}
    ]


def symbol_config(account: FuturesAccount, symbol: str) -> dict[str, Any]:
    """Return one row of the `symbolConfig` reply."""
    return {
        "symbol": symbol,
        "marginType": "CROSSED",
        "isAutoAddMargin": False,
        "leverage": account.leverage(symbol),
        "maxNotionalValue": "1000000",
    }


def leverage_bracket(symbol: str) -> dict[str, Any]:
    """Return one row of the `leverageBracket` reply: a single bracket, as wide as the sandbox allows."""
    bracket = {
        "bracket": 1,
        "initialLeverage": HIGHEST_LEVERAGE,
        "notionalCap": 1_000_000,
        "notionalFloor": 0,
        "maintMarginRatio": 0.004,
        "cum": 0.0,
    }
    return {"symbol": symbol, "notionalCoef": 1.0, "brackets": [bracket]}


def _held(account: FuturesAccount) -> list[_Row]:
    return [
        (symbol, side, position)
        for (symbol, side), position in account.positions.items()
        if position.quantity
    ]


def _account_row(row: _Row, account: FuturesAccount, engine: FuturesEngine, venue_ms: int) -> dict[str, Any]:
    symbol, side, position = row
    notional = position.quantity * engine.mark_price(symbol)
    margin = eight(abs(notional) / account.leverage(symbol))
    return {
        "symbol": symbol,
        "positionSide": side.value,
        "positionAmt": f"{position.quantity:f}",
        "unrealizedProfit": eight(_profit(row, engine)),
        "isolatedMargin": "0",
        "notional": eight(notional),
        "isolatedWallet": "0",
        "initialMargin": margin,
        "positionInitialMargin": margin,
        "openOrderInitialMargin": "0",
        "maintMargin": "0",
        "updateTime": venue_ms,
    }


def _profit(row: _Row, engine: FuturesEngine) -> Decimal:
    symbol, _, position = row
    return position.quantity * (engine.mark_price(symbol) - position.entry_price)
