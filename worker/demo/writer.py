"""The words of the demo's scenario: its accounts and markets, and the writer that turns kinds into signals.

Every signal has one `outcome_id`, computed as anybody can from its account, id and content, so an outcome that is
missing, doubled or of something else shows at once.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from random import Random
from typing import Any, Final

import orjson

from worker.core.outcome import client_order_id, outcome_id
from worker.core.signals import Unanswerable, read_signal


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoAccount:
    """An account that the sandbox has and the workers know; `symbols` is its whitelist."""

    name: str
    venue: str
    symbols: tuple[str, ...] | None = None


MAIN: Final = DemoAccount(name="main", venue="binance")
HEDGE: Final = DemoAccount(name="hedge", venue="binance")
CAREFUL: Final = DemoAccount(name="careful", venue="binance", symbols=("BTC/USDT",))
MAIN_US: Final = DemoAccount(name="main-us", venue="binance_us")
MAIN_USDM: Final = DemoAccount(name="main-usdm", venue="binance_usdm")
MAIN_BITRUE: Final = DemoAccount(name="main-bitrue", venue="bitrue")
GRID_BITRUE: Final = DemoAccount(name="grid-bitrue", venue="bitrue")
ACCOUNTS: Final = (MAIN, HEDGE, CAREFUL, MAIN_US, MAIN_USDM, MAIN_BITRUE, GRID_BITRUE)
VENUES: Final = len({account.venue for account in ACCOUNTS})
MISCONFIGURED: Final = "misconfigured"
"""An account whose key is unusable: it is refused, and stops nobody else."""
NOBODY: Final = "nobody"
"""An account that no worker knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """A symbol, its price in the sandbox and a sensible amount."""

    symbol: str
    price: Decimal
    amount: Decimal
    tick: Decimal = Decimal("0.01")


MARKETS: Final = (
    Market(symbol="BTC/USDT", price=Decimal(65000), amount=Decimal("0.001")),
    Market(symbol="ETH/USDT", price=Decimal(3200), amount=Decimal("0.01")),
    Market(symbol="BNB/USDT", price=Decimal(600), amount=Decimal("0.1")),
    Market(symbol="SOL/USDT", price=Decimal(150), amount=Decimal("0.2")),
    Market(symbol="XRP/USDT", price=Decimal("0.52"), amount=Decimal(50), tick=Decimal("0.0001")),
)
BTC: Final = MARKETS[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """One message to publish. `expects` is the error code (or its beginning) that a refused signal must end with."""

    kind: str
    account: str
    body: bytes
    expects: str | None = None
    outcome_id: str | None = None
    signal_id: str | None = None
    client_order_id: str | None = None
    lane: tuple[str, str] | None = None
    is_repeat: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Resting:
    """An order that was placed to stay on the book, or to be filled at once."""

    account: DemoAccount
    symbol: str
    signal_id: str


class Writer:
    """Writes one signal after another."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)  # noqa: S311 - a seeded demonstration
        self._number = 0
        self._resting: list[Resting] = []
        self._filled: list[Resting] = []

    def write(self, kind: "Kind") -> Publication:
        """Write a signal of a kind."""
        fields, account, expects = kind.build(self)
        routing_key = fields.pop("routing_key", account)
        body = orjson.dumps({"signal_id": self._next_id(), "account": account} | fields)
        return describe(Publication(kind=kind.name, account=routing_key, body=body, expects=expects))

    def _next_id(self) -> str:
        self._number += 1
        return f"demo-{self._number:05d}"

    @property
    def upcoming_id(self) -> str:
        """The id that the signal being written will have."""
        return f"demo-{self._number + 1:05d}"

    # --- Words that signals are made of

    def account(self, *venues: str) -> DemoAccount:
        """Draw an account, of one of the venues if any are named."""
        free = [account for account in ACCOUNTS if account.symbols is None]
        return self.random.choice([account for account in free if not venues or account.venue in venues])

    def place(self, type_: str, market: Market, **fields: Any) -> dict[str, Any]:
        """Return the fields of an order with a drawn side and amount."""
        compact = market.symbol.replace("/", "")
        spelling = self.random.choice((market.symbol, compact, market.symbol.lower()))
        quantity = str(market.amount * self.random.randint(10, 40))
        return {
            "symbol": spelling,
            "side": self.random.choice(("buy", "sell")),
            "type": type_,
            "quantity": quantity,
        } | fields

    def away(self, side: str, market: Market, percent: int) -> str:
        """Return a price on the quiet side of the market: below for buyers, above for sellers; negative crosses it."""
        factor = 1 + Decimal(percent if side == "sell" else -percent) / 100
        return str((market.price * factor).quantize(market.tick))

    def remember_resting(self, account: DemoAccount, symbol: str) -> None:
        """Note that the signal being written leaves an order on the book."""
        self._resting.append(Resting(account=account, symbol=symbol, signal_id=self.upcoming_id))

    def remember_filled(self, account: DemoAccount, symbol: str) -> None:
        """Note that the signal being written fills at once."""
        self._filled.append(Resting(account=account, symbol=symbol, signal_id=self.upcoming_id))

    def take_resting(self) -> Resting | None:
        """Draw an order that rests, once."""
        return self._draw(self._resting)

    def take_filled(self) -> Resting | None:
        """Draw an order that filled, once."""
        return self._draw(self._filled)

    def _draw(self, orders: list[Resting]) -> Resting | None:
        return orders.pop(self.random.randrange(len(orders))) if orders else None


Fields = tuple[dict[str, Any], str, str | None]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of signal: how often it comes, and what it is made of."""

    name: str
    weight: int
    build: Callable[[Writer], Fields]


def describe(publication: Publication) -> Publication:
    """Fill in what follows from the message alone, read the way a worker reads it."""
    request = read_signal(publication.body, publication.account)
    if isinstance(request, Unanswerable):
        return publication
    text = request.symbol_text or ""
    return replace(
        publication,
        signal_id=request.signal_id,
        outcome_id=outcome_id(request.account, request.signal_id, request.content_hash),
        client_order_id=client_order_id(request.account, request.signal_id),
        lane=(request.account, text.replace("/", "").upper()),
    )
