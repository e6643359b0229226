"""A client for the pure exchange, and one for the server; both sign as the venues' documents say."""

import hashlib
import hmac
import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import aiohttp
import orjson
import yarl

from adapters.sandbox.config import AccountConfig, LimitConfig, SandboxConfig, default_config, make_account
from adapters.sandbox.exchange import Exchange
from adapters.sandbox.model import Dialect, SandboxReply, SandboxRequest

START_MS = 1_795_000_020_000  # a whole minute of the venue's clock, and of every shorter window
_BASES = {
    Dialect.BINANCE: "/api/v3",
    Dialect.BINANCE_US: "/us/api/v3",
    Dialect.BINANCE_USDM: "/fapi/v1",
    Dialect.BITRUE: "/api/v1",
}
BUY = {"symbol": "BTCUSDT", "side": "BUY"}


def a_config(**over: Any) -> SandboxConfig:
    everyone = (
        make_account("main"),
        make_account("us", Dialect.BINANCE_US),
        make_account("usdm", Dialect.BINANCE_USDM),
        make_account("bit", Dialect.BITRUE),
    )
    accounts = over.pop("accounts", everyone)
    return replace(default_config(accounts), **over)


def an_exchange(**over: Any) -> Exchange:
    return Exchange(a_config(**over), random.Random(1))


def limits(**binance: int) -> LimitConfig:
    config = LimitConfig()
    return replace(config, binance=replace(config.binance, **binance))


def sign(secret_key: str, text: str) -> str:
    return hmac.new(secret_key.encode(), text.encode("latin-1"), hashlib.sha256).hexdigest()


def signed_query(account: AccountConfig, parameters: Mapping[str, Any]) -> str:
    text = urlencode(parameters)
    return f"{text}&signature={sign(account.secret_key, text)}"


@dataclass(frozen=True)
class Answer:
    status: int
    json: Any
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def error(self) -> tuple[int, int, str]:
        return self.status, self.json["code"], self.json["msg"]


def answer(reply: SandboxReply) -> Answer:
    is_json = reply.content_type == "application/json"
    return Answer(reply.status, orjson.loads(reply.body) if is_json else reply.body.decode(), reply.headers)


class VenueClient:
    """Talks to an exchange that is only an object, at a time that only the test moves."""

    def __init__(self, exchange: Exchange, account: str = "main", now_ms: int = START_MS) -> None:
        self.exchange = exchange
        self.account = exchange.state.accounts[account]
        self.now_ms = now_ms
        self.base = _BASES[self.account.dialect]

    def request(self, method: str, path: str, query: str = "", **over: Any) -> SandboxRequest:
        full = path if path.startswith("/") else f"{self.base}/{path}"
        headers = over.pop("headers", {"X-MBX-APIKEY": self.account.api_key})
        return SandboxRequest(method=method, path=full, query=query, headers=headers, **over)

    def signed_request(self, method: str, path: str, **parameters: Any) -> SandboxRequest:
        given = {"timestamp": self.now_ms, **parameters}
        return self.request(method, path, signed_query(self.account, given))

    def send(self, request: SandboxRequest) -> Answer:
        return answer(self.exchange.handle(request, self.now_ms))

    def public(self, path: str, **parameters: Any) -> Answer:
        return self.send(self.request("GET", path, urlencode(parameters), headers={}))

    def call(self, method: str, path: str, **parameters: Any) -> Answer:
        return self.send(self.signed_request(method, path, **parameters))

    def place(self, **parameters: Any) -> Answer:
        return self.call("POST", "order", **{**BUY, **parameters})

    def market(self, **parameters: Any) -> Answer:
        return self.place(**{"type": "MARKET", "quantity": "0.01", **parameters})

    def limit(self, **parameters: Any) -> Answer:
        defaults = {"type": "LIMIT", "timeInForce": "GTC", "quantity": "0.01", "price": "60000"}
        return self.place(**{**defaults, **parameters})

    def query(self, **parameters: Any) -> Answer:
        return self.call("GET", "order", symbol="BTCUSDT", **parameters)

    def algo(self, **parameters: Any) -> Answer:
        defaults = {"algoType": "CONDITIONAL", "symbol": "BTCUSDT", "side": "SELL", "quantity": "0.01"}
        given = {**defaults, **parameters}
        return self.call("POST", "algoOrder", **{name: value for name, value in given.items() if value})

    def cancel(self, **parameters: Any) -> Answer:
        return self.call("DELETE", "order", symbol="BTCUSDT", **parameters)

    def balance(self, asset: str) -> tuple[Decimal, Decimal]:
        held = self.exchange.engine.wallets[self.account.name].of(asset)
        return held.free, held.locked

    def move_price(self, price: str, symbol: str = "BTCUSDT", mark: str | None = None) -> None:
        mark_price = None if mark is None else Decimal(mark)
        self.exchange.set_price(symbol, Decimal(price), self.now_ms, mark_price)


class HttpClient:
    """Talks to a server; `call` signs with an account's key."""

    def __init__(self, session: aiohttp.ClientSession, url: str, account: AccountConfig) -> None:
        self._session = session
        self._url = url
        self.account = account

    async def call(
        self, method: str, path: str, /, timestamp: int | None = None, **parameters: Any
    ) -> Answer:
        stamp = await self.venue_time() if timestamp is None else timestamp
        query = signed_query(self.account, {"timestamp": stamp, **parameters})
        return await self._send(method, f"{path}?{query}")

    async def venue_time(self) -> int:
        time_ms: int = (await self.control("GET", "state")).json["venue_time_ms"]
        return time_ms

    async def control(self, method: str, name: str, /, **given: Any) -> Answer:
        url = yarl.URL(f"{self._url}/sandbox/{name}", encoded=True)
        async with self._session.request(method, url, json=given or None) as response:
            return Answer(response.status, orjson.loads(await response.read()), response.headers)

    async def _send(self, method: str, target: str) -> Answer:
        headers = {"X-MBX-APIKEY": self.account.api_key}
        url = yarl.URL(self._url + target, encoded=True)
        async with self._session.request(method, url, headers=headers) as response:
            body = await response.read()
            is_json = response.content_type == "application/json"
            return Answer(response.status, orjson.loads(body) if is_json else body.decode(), response.headers)
