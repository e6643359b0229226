"""Values that tests of the worker need."""

from datetime import datetime
from typing import Any

import orjson

from adapters.sandbox.config import BASE_PATHS, AccountConfig, SandboxConfig, default_config, make_account
from adapters.sandbox.model import Dialect
from adapters.signing import make_signer
from worker.accounts import Account
from worker.message import Message
from worker.settings import Settings

BASE_URL = "http://sandbox.invalid"
MAIN, BITRUE = make_account("main"), make_account("bit", Dialect.BITRUE)
SECOND = make_account("second")
AMERICAN, FUTURES = make_account("us", Dialect.BINANCE_US), make_account("futures", Dialect.BINANCE_USDM)


def a_sandbox() -> SandboxConfig:
    return default_config((MAIN, BITRUE, SECOND, AMERICAN, FUTURES))


def an_account(config: AccountConfig = MAIN, **over: Any) -> Account:
    fields: dict[str, Any] = {
        "name": config.name,
        "venue": config.dialect.value,
        "base_url": BASE_URL + BASE_PATHS.get(config.dialect, ""),
        "signer": make_signer(config.api_key, config.secret_key),
        "credentials": f"{config.api_key} {config.secret_key}",
    }
    return Account(**(fields | over))


def some_accounts() -> dict[str, Account]:
    return {config.name: an_account(config) for config in (MAIN, BITRUE, SECOND, AMERICAN, FUTURES)}


def some_settings(**over: Any) -> Settings:
    fields: dict[str, Any] = {"shards": 4, "worker_id": "worker-0"}
    return Settings(**(fields | over))


def a_signal(signal_id: str = "s-1", **over: Any) -> dict[str, Any]:
    """A market order; `...` leaves a field out."""
    fields = {
        "signal_id": signal_id,
        "account": "main",
        "symbol": "BTC/USDT",
        "side": "buy",
        "type": "market",
        "quantity": "0.01",
    }
    return {name: value for name, value in (fields | over).items() if value is not ...}


def a_limit(signal_id: str = "s-1", **over: Any) -> dict[str, Any]:
    """A limit order that rests."""
    return a_signal(signal_id, **({"type": "limit", "price": "60000"} | over))


def a_cancel(cancels: str, signal_id: str = "c-1", **over: Any) -> dict[str, Any]:
    fields = {
        "signal_id": signal_id,
        "account": "main",
        "action": "cancel",
        "symbol": "BTC/USDT",
        "cancels": cancels,
    }
    return fields | over


def a_cancel_all(signal_id: str = "c-1", **over: Any) -> dict[str, Any]:
    return {"signal_id": signal_id, "account": "main", "action": "cancel_all", "symbol": "BTC/USDT"} | over


def a_message(
    body: dict[str, Any] | bytes,
    *,
    routing_key: str | None = None,
    redelivered: bool = False,
    headers: dict[str, Any] | None = None,
    timestamp: datetime | None = None,
    reply_to: str | None = None,
) -> Message:
    """A signal as the broker delivers it."""
    account = body.get("account", "main") if isinstance(body, dict) else "main"
    return Message(
        body=body if isinstance(body, bytes) else orjson.dumps(body),
        routing_key=str(account) if routing_key is None else routing_key,
        redelivered=redelivered,
        headers=headers or {},
        timestamp=timestamp,
        reply_to=reply_to,
    )
