"""The simulated exchange: a pure state machine from a request and a time to a reply.

    exchange.handle(request, now_ms) -> reply

It does no I/O and reads neither a clock nor a random number of its own: `now_ms` is the host's time, the
exchange's `clock` turns it into the venue's, and a seeded source of randomness is handed in. The HTTP server
and a simulation in virtual time call the same method. Whoever lets time pass between receipt and engine (a
queue in front of the engine, a fault that holds a request) calls the two halves apart:

    call = exchange.admit(request, now_ms)            # a reply means: refused on receipt
    reply = exchange.execute(call, later_ms)          # the receive window is checked again here
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final

from adapters.sandbox import bitrue_params
from adapters.sandbox.binance_spot import BINANCE, BINANCE_US, BinanceSpot
from adapters.sandbox.bitrue_spot import BitrueSpot
from adapters.sandbox.book import Market, floor_to
from adapters.sandbox.clock import VenueClock
from adapters.sandbox.config import (
    BASE_PATHS,
    AccountConfig,
    BitrueQuirks,
    LimitConfig,
    SandboxConfig,
    UsdmQuirks,
)
from adapters.sandbox.engine import SPOT, Engine, Moment, Wallet
from adapters.sandbox.model import ZERO, Dialect, Order, OrderStatus, SandboxReply, SandboxRequest
from adapters.sandbox.usdm import BinanceUsdm
from adapters.sandbox.usdm_account import MARGIN_ASSET, FuturesAccount
from adapters.sandbox.usdm_engine import Contract, FuturesEngine
from adapters.sandbox.venue import Call, DialectHandler, RandomSource, VenueState, html_reply

_US_PATH: Final = f"{BASE_PATHS[Dialect.BINANCE_US]}/"


class Exchange:
    """One simulated exchange with all its dialects."""

    def __init__(self, config: SandboxConfig, random: RandomSource) -> None:
        self.config = config
        self._random = random
        self._accounts = {account.name: account for account in config.accounts}
        self.reset()

    def reset(self) -> None:
        """Go back to the start: no orders, full balances, configured limits, empty windows, a true clock."""
        config = self.config
        markets = {rules.symbol: Market(rules) for rules in config.symbols}
        engine = Engine(markets, maker_fee=config.maker_fee, taker_fee=config.taker_fee)
        contracts = {rules.symbol: Contract(rules) for rules in config.contracts}
        futures = FuturesEngine(
            contracts, engine.ledger, maker_fee=config.usdm_maker_fee, taker_fee=config.usdm_taker_fee
        )
        self.state = VenueState(
            config=config,
            engine=engine,
            futures=futures,
            clock=VenueClock(),
            random=self._random,
            visibility_lag_ms=config.visibility_lag_ms,
        )
        for account in list(self._accounts.values()):
            self.add_account(account)
        self.binance = BinanceSpot(self.state, BINANCE)
        self.bitrue = BitrueSpot(self.state)
        self.dialects: Mapping[Dialect, DialectHandler] = {
            Dialect.BINANCE: self.binance,
            Dialect.BINANCE_US: BinanceSpot(self.state, BINANCE_US),
            Dialect.BINANCE_USDM: BinanceUsdm(self.state),
            Dialect.BITRUE: self.bitrue,
        }

    @property
    def clock(self) -> VenueClock:
        """Return the venue's clock."""
        return self.state.clock

    @property
    def engine(self) -> Engine:
        """Return the matching engine with ledger, markets and wallets."""
        return self.state.engine

    @property
    def futures(self) -> FuturesEngine:
        """Return the matching engine of futures; its orders are in the same ledger."""
        return self.state.futures

    def handle(
        self, request: SandboxRequest, now_ms: int, *, visibility_lag_ms: int | None = None
    ) -> SandboxReply:
        """Answer a request at a host time."""
        call = self.admit(request, now_ms)
        if isinstance(call, SandboxReply):
            return call
        return self.execute(call, now_ms, visibility_lag_ms=visibility_lag_ms)

    def admit(self, request: SandboxRequest, now_ms: int) -> Call | SandboxReply:
        """Check a request on receipt."""
        dialect = dialect_of(request.path)
        if dialect is None:
            return html_reply(404, "Not Found")
        return self.dialects[dialect].admit(request, now_ms)

    def execute(self, call: Call, now_ms: int, *, visibility_lag_ms: int | None = None) -> SandboxReply:
        """Let an admitted request reach the engine."""
        return self.dialects[call.dialect].execute(call, self.moment(now_ms, visibility_lag_ms))

    def moment(self, now_ms: int, visibility_lag_ms: int | None = None) -> Moment:
        """Return a host time with what belongs to it."""
        lag_ms = self.state.visibility_lag_ms if visibility_lag_ms is None else visibility_lag_ms
        return Moment(host_ms=now_ms, venue_ms=self.clock.venue_ms(now_ms), visibility_lag_ms=lag_ms)

    def add_account(self, account: AccountConfig) -> None:
        """Add an account, or replace the one with the same name (its balances start anew)."""
        earlier = self.state.accounts.get(account.name)
        if earlier is not None:
            self.state.by_key.pop(earlier.api_key, None)
        self._accounts[account.name] = account
        self.state.accounts[account.name] = account
        self.state.by_key[account.api_key] = account
        if account.pays_fees_in_bnb:
            self.engine.pays_in_bnb.add(account.name)
        if account.dialect is Dialect.BINANCE_USDM:
            self.futures.accounts[account.name] = FuturesAccount(account.balances.get(MARGIN_ASSET, ZERO))
        else:
            self.engine.wallets[account.name] = Wallet(dict(account.balances))

    def set_price(
        self, symbol: str, price: Decimal, now_ms: int, mark_price: Decimal | None = None
    ) -> list[Order]:
        """Move a symbol's price on spot and on futures; fill and trigger the orders that it reaches.

        The mark price follows unless it is given. Raises `KeyError` for an unknown symbol.
        """
        moment = self.moment(now_ms)
        touched = self._set_spot_price(symbol, price, moment) if symbol in self.engine.markets else []
        if symbol in self.futures.contracts:
            touched += self.futures.set_price(symbol, price, moment, mark_price)
        elif symbol not in self.engine.markets:
            raise KeyError(symbol)
        return touched

    def _set_spot_price(self, symbol: str, price: Decimal, moment: Moment) -> list[Order]:
        fills_before = {
            order.order_id: len(order.fills) for order in self.engine.ledger.all_open(symbol, SPOT)
        }
        touched = self.engine.set_price(symbol, price, moment)
        for order in touched:
            if order.fills and not fills_before[order.order_id] and order.spec.dialect is Dialect.BINANCE:
                is_maker = order.fills[0].is_maker
                self.binance.meter.refund(order.spec.account, moment.venue_ms, is_maker=is_maker)
        return touched

    def end_order(self, account: str, client_order_id: str, status: OrderStatus, now_ms: int) -> Order:
        """End an open order the way a venue does on its own. Raises `KeyError` when there is none."""
        for order in self.engine.ledger.open_orders(account):
            if order.spec.client_order_id == client_order_id:
                engine = self.futures if order.spec.dialect is Dialect.BINANCE_USDM else self.engine
                engine.cancel(order, self.clock.venue_ms(now_ms), status)
                return order
        raise KeyError(client_order_id)

    def change_rules(self, symbol: str, changes: Mapping[str, Any]) -> None:
        """Change a symbol's rules on spot and on futures, as venues do while everybody trades."""
        for market in self.markets_of(symbol):
            market.rules = replace(market.rules, **changes)

    def set_liquidity(self, symbol: str, depth: Decimal, levels: int | None = None) -> None:
        """Set the base quantity of each level of the book. Raises `KeyError` for an unknown symbol."""
        for market in self.markets_of(symbol):
            market.depth = floor_to(depth, market.rules.step)
            market.levels = market.levels if levels is None else levels

    def markets_of(self, symbol: str) -> list[Market]:
        """Return a symbol's markets on spot and on futures. Raises `KeyError` for an unknown symbol."""
        found = (self.engine.markets.get(symbol), self.futures.contracts.get(symbol))
        markets = [market for market in found if market is not None]
        if not markets:
            raise KeyError(symbol)
        return markets

    def set_limits(self, limits: LimitConfig) -> None:
        """Take new limits at once."""
        self.state.config = replace(self.state.config, limits=limits)
        for handler in self.dialects.values():
            handler.configure(limits)

    def set_bitrue_quirks(self, quirks: BitrueQuirks) -> None:
        """Choose how Bitrue behaves where sources disagree."""
        self.state.config = replace(self.state.config, bitrue=quirks)

    def set_usdm_quirks(self, quirks: UsdmQuirks) -> None:
        """Choose how USD-M futures behave where it changed."""
        self.state.config = replace(self.state.config, binance_usdm=quirks)

    def accounts(self) -> Iterable[AccountConfig]:
        """Return all accounts."""
        return self.state.accounts.values()

    def usage(self, now_ms: int) -> Mapping[str, Any]:
        """Return what every dialect's windows count now."""
        venue_ms = self.clock.venue_ms(now_ms)
        return {dialect.value: handler.usage(venue_ms) for dialect, handler in self.dialects.items()}


def dialect_of(path: str) -> Dialect | None:
    """Return the dialect that a path belongs to."""
    if path.startswith(("/api/v3/", "/sapi/")):
        return Dialect.BINANCE
    if path.startswith(_US_PATH):
        return Dialect.BINANCE_US
    if path.startswith(("/api/v1/", "/api/v2/")) or path in bitrue_params.PATHS:
        return Dialect.BITRUE  # also its one path that looks like futures
    return Dialect.BINANCE_USDM if path.startswith("/fapi/") else None
