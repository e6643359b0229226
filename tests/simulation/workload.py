"""What producers publish in a simulation: signals of every kind, on few accounts and symbols so that lanes fill up."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from random import Random
from typing import Any, Final

import orjson

from adapters.sandbox.config import AccountConfig, make_account
from adapters.sandbox.model import Dialect
from adapters.signing import make_signer
from worker.accounts import Account
from worker.core.outcome import client_order_id, outcome_id
from worker.core.signals import Action, Signal, Unanswerable, read_signal

BINANCE: Final = "http://binance.test"
BITRUE: Final = "http://bitrue.test"
SYMBOLS: Final = ("BTC/USDT", "ETH/USDT")
PRICES: Final = {"BTC/USDT": Decimal(65000), "ETH/USDT": Decimal(3200)}
STEPS: Final = {"BTC/USDT": Decimal("0.001"), "ETH/USDT": Decimal("0.01")}

EXCHANGE_ACCOUNTS: Final[dict[str, tuple[AccountConfig, ...]]] = {
    BINANCE: (make_account("main", Dialect.BINANCE), make_account("hedge", Dialect.BINANCE)),
    BITRUE: (make_account("main-bitrue", Dialect.BITRUE), make_account("grid-bitrue", Dialect.BITRUE)),
}
FUTURES_ACCOUNTS: Final = EXCHANGE_ACCOUNTS | {
    BINANCE: tuple(replace(config, dialect=Dialect.BINANCE_USDM) for config in EXCHANGE_ACCOUNTS[BINANCE])
}
"""The same names and keys, at Binance's futures instead of its spot market."""

LIMIT_GROUPS: Final = {"main": "desk", "hedge": "desk"}
"""Two keys of one exchange account: they share a shard."""

NOBODY: Final = "nobody"


def exchange_accounts(*, is_futures: bool) -> dict[str, tuple[AccountConfig, ...]]:
    """Return the accounts of each address."""
    return FUTURES_ACCOUNTS if is_futures else EXCHANGE_ACCOUNTS


def worker_accounts(*, is_futures: bool) -> dict[str, Account]:
    """Return the accounts as a worker would have loaded them."""
    return {
        config.name: Account(
            name=config.name,
            venue=config.dialect.value,
            base_url=base_url,
            limit_group=LIMIT_GROUPS.get(config.name),
            signer=make_signer(config.api_key, config.secret_key),
        )
        for base_url, configs in exchange_accounts(is_futures=is_futures).items()
        for config in configs
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """One message: when it is published, and what it says to whoever reads it as a worker does."""

    at_s: float
    account: str
    body: bytes
    kind: str
    dated: str
    signal: Signal | None
    outcome_id: str | None
    client_order_id: str | None

    @property
    def name(self) -> str:
        """Its signal id."""
        return self.signal.signal_id if self.signal else "?"


Fields = dict[str, Any]


class Producer:
    """Writes the publications of one scenario."""

    def __init__(self, random: Random, *, now_ms: Callable[[float], float], is_futures: bool) -> None:
        self._random, self._now_ms = random, now_ms
        self._kinds = _KINDS | _FUTURES_KINDS if is_futures else _KINDS
        self._number = 0
        self._placed: list[tuple[str, str, str]] = []

    def write(self, at_s: float) -> list[Publication]:
        """Write a signal, and now and then publish it twice."""
        random = self._random
        account = random.choice([config.name for configs in EXCHANGE_ACCOUNTS.values() for config in configs])
        kind, make = random.choices([*self._kinds], weights=[*self._kinds.values()])[0]
        self._number += 1
        fields = {"signal_id": f"s-{self._number:03d}", "account": account} | make(self, account, at_s)
        account = fields["account"]
        first = self._publication(at_s, account, fields, kind)
        if fields.get("type") and not fields.get("dry_run"):
            self._placed.append((account, fields["symbol"], fields["signal_id"]))
        again = random.random()
        if again < 0.15:
            return [first, self._repeat(first, at_s + random.choice((0.0, 0.005, 0.5, 6.0, 20.0)))]
        if again < 0.2 and fields.get("quantity"):
            other = fields | {"quantity": str(Decimal(fields["quantity"]) * 2)}
            later_s = at_s + random.choice((0.0, 0.01, 2.0, 15.0))
            return [first, self._publication(later_s, account, other, "other content under the same id")]
        return [first]

    def _repeat(self, first: Publication, at_s: float) -> Publication:
        return self._publication(at_s, first.account, orjson.loads(first.body), "repeat")

    def _publication(self, at_s: float, account: str, fields: Fields, kind: str) -> Publication:
        body = orjson.dumps(fields)
        request = read_signal(body, account)
        known = None if isinstance(request, Unanswerable) else request
        return Publication(
            at_s=at_s,
            account=account,
            body=body,
            kind=kind,
            dated=self._random.choice(("header", "header", "header", "timestamp", "nothing")),
            signal=known if isinstance(known, Signal) else None,
            outcome_id=outcome_id(account, known.signal_id, known.content_hash) if known else None,
            client_order_id=client_order_id(account, known.signal_id) if known else None,
        )

    # --- Kinds

    def _order(self, type_: str, **more: Any) -> Fields:
        symbol = self._random.choice(SYMBOLS)
        quantity = str(STEPS[symbol] * self._random.randint(3, 30))
        side = self._random.choice(("buy", "sell"))
        return {"symbol": symbol, "side": side, "type": type_, "quantity": quantity} | more

    def _market(self, account: str, at_s: float) -> Fields:
        return self._order("market")

    def _limit(self, percent: float, **more: Any) -> Fields:
        fields = self._order("limit", **more)
        sign = -1 if fields["side"] == "buy" else 1
        price = PRICES[fields["symbol"]] * (1 + Decimal(str(sign * percent)) / 100)
        return fields | {"price": str(price.quantize(Decimal("0.01")))}

    def _resting(self, account: str, at_s: float) -> Fields:
        return self._limit(self._random.choice((0.5, 2, 5)))

    def _crossing(self, account: str, at_s: float) -> Fields:
        return self._limit(-1)

    def _immediate(self, account: str, at_s: float) -> Fields:
        kinds = ("ioc", "fok") if "bitrue" not in account else ("gtc",)
        return self._limit(self._random.choice((1, -1)), time_in_force=self._random.choice(kinds))

    def _in_quote(self, account: str, at_s: float) -> Fields:
        fields = self._order("market", quote_quantity=str(self._random.randint(50, 900)))
        del fields["quantity"]
        return fields

    def _urgent(self, account: str, at_s: float) -> Fields:
        until_ms = int(self._now_ms(at_s)) + self._random.choice((-1000, 50, 400, 2_000, 8_000))
        return self._order("market") | {"valid_until": until_ms}

    def _patient(self, account: str, at_s: float) -> Fields:
        return self._order("market") | {"valid_until": int(self._now_ms(at_s)) + 120_000}

    def _dry_run(self, account: str, at_s: float) -> Fields:
        return self._order("market", dry_run=True)

    def _cancel(self, account: str, at_s: float) -> Fields:
        if not self._placed:
            return self._order("market")
        owner, symbol, signal_id = self._random.choice(self._placed[-6:])
        return {"account": owner, "action": "cancel", "symbol": symbol, "cancels": signal_id}

    def _cancel_all(self, account: str, at_s: float) -> Fields:
        return {"action": "cancel_all", "symbol": self._random.choice(SYMBOLS)}

    def _stop(self, account: str, at_s: float) -> Fields:
        """A stop or a take-profit that moves of the price may reach; Bitrue has none."""
        if "bitrue" in account:
            return self._order("market")
        kind = self._random.choice(("stop_loss", "take_profit", "stop_loss_limit"))
        fields = self._order(kind)
        is_above = (fields["side"] == "buy") is (kind != "take_profit")
        percent = self._random.choice((0.5, 1, 2)) * (1 if is_above else -1)
        price = str((PRICES[fields["symbol"]] * (1 + Decimal(str(percent)) / 100)).quantize(Decimal("0.01")))
        return fields | {"stop_price": price} | ({"price": price} if kind == "stop_loss_limit" else {})

    def _too_large(self, account: str, at_s: float) -> Fields:
        return self._order("market", quantity="9000")

    def _invalid(self, account: str, at_s: float) -> Fields:
        return self._order("market", leverage=5)

    def _stray(self, account: str, at_s: float) -> Fields:
        return self._order("market") | {"account": NOBODY}

    def _no_id(self, account: str, at_s: float) -> Fields:
        return self._order("market") | {"signal_id": 7}


_KINDS: Final[dict[tuple[str, Callable[[Producer, str, float], Fields]], int]] = {
    ("market", Producer._market): 24,
    ("resting limit", Producer._resting): 18,
    ("crossing limit", Producer._crossing): 10,
    ("immediate", Producer._immediate): 6,
    ("in quote units", Producer._in_quote): 5,
    ("urgent", Producer._urgent): 8,
    ("patient", Producer._patient): 10,
    ("dry run", Producer._dry_run): 2,
    ("cancel", Producer._cancel): 12,
    ("cancel all", Producer._cancel_all): 3,
    ("too much", Producer._too_large): 3,
    ("invalid", Producer._invalid): 1,
    ("nobody's", Producer._stray): 1,
    ("without an id", Producer._no_id): 1,
}
_FUTURES_KINDS: Final[dict[tuple[str, Callable[[Producer, str, float], Fields]], int]] = {
    ("stop", Producer._stop): 25,
}


def is_placement(publication: Publication) -> bool:
    """Whether it asks for an order."""
    signal = publication.signal
    return signal is not None and signal.action is Action.PLACE and not signal.dry_run
