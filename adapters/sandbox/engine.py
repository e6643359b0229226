"""The matching engine: balances, matching, cancels and price moves, the same for every dialect.

Invariants: no balance goes below zero; what an open order may still need is locked; a refusal changes
nothing. A client order id is unique among an account's **open** orders only: once the earlier order has
closed, the same id executes again.
"""

from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal
from typing import Final

from adapters.sandbox.book import Market, Match
from adapters.sandbox.ledger import Ledger
from adapters.sandbox.model import (
    ZERO,
    Dialect,
    EngineRefusalError,
    ExpiryReason,
    Fill,
    NewOrder,
    Order,
    OrderStatus,
    OrderType,
    Refusal,
    Side,
    TimeInForce,
)
from adapters.sandbox.triggers import follow, is_triggered, reaches_stop

_FEE_UNIT: Final = Decimal("0.00000001")
_BNB_DISCOUNT: Final = Decimal("0.75")
SPOT: Final = frozenset({Dialect.BINANCE, Dialect.BINANCE_US, Dialect.BITRUE})
_FIRST_ORDER_ID: Final = {
    Dialect.BINANCE: 28,
    Dialect.BINANCE_US: 3_200_000_001,
    Dialect.BITRUE: 454_000_000_000_000_001,
}
_AT_MARKET: Final = {OrderType.STOP_LOSS, OrderType.TAKE_PROFIT, OrderType.MARKET}


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """The time of a request: the host's, the venue's, and how long the result stays invisible to queries."""

    host_ms: int
    venue_ms: int
    visibility_lag_ms: int = 0


@dataclass(slots=True)
class Balance:
    """An asset's free and locked amounts."""

    free: Decimal = ZERO
    locked: Decimal = ZERO


class Wallet:
    """One account's balances."""

    def __init__(self, balances: dict[str, Decimal]) -> None:
        self.balances = {asset: Balance(free) for asset, free in balances.items()}

    def of(self, asset: str) -> Balance:
        """Return an asset's balance, zero when it was never held."""
        return self.balances.setdefault(asset, Balance())


class Engine:
    """Places, fills and cancels orders."""

    def __init__(self, markets: dict[str, Market], *, maker_fee: Decimal, taker_fee: Decimal) -> None:
        self.markets = markets
        self.ledger = Ledger()
        self.wallets: dict[str, Wallet] = {}
        self.maker_fee = maker_fee
        self.taker_fee = taker_fee
        self.pays_in_bnb: set[str] = set()
        self._next_id = dict(_FIRST_ORDER_ID)
        self._next_trade_id = 1

    def place(self, spec: NewOrder, moment: Moment, *, unique_ids: bool = True) -> Order:
        """Take an order: match what matches, rest or expire the remainder.

        Raises `EngineRefusalError` when it is refused.
        """
        market = self.markets[spec.symbol]
        if not market.is_trading:
            raise EngineRefusalError(Refusal.MARKET_CLOSED)
        if unique_ids and self.ledger.is_open(spec.account, spec.client_order_id):
            raise EngineRefusalError(Refusal.DUPLICATE)
        if spec.type is OrderType.LIMIT_MAKER and spec.price and market.would_take(spec.side, spec.price):
            raise EngineRefusalError(Refusal.WOULD_TAKE)
        if spec.type.is_conditional:
            return self._place_conditional(spec, market, moment)
        quantity, matches = self._matches(spec, market)
        self._check_funds(spec, market, quantity, matches)
        order = self._open(spec, quantity, moment)
        self._fill_taker(order, market, matches, moment)
        return order

    def cancel(self, order: Order, venue_ms: int, status: OrderStatus = OrderStatus.CANCELED) -> None:
        """Cancel an open order, or end it another way, and release what it locked."""
        self._close(order, status, venue_ms)

    def set_price(self, symbol: str, price: Decimal, moment: Moment) -> list[Order]:
        """Move a symbol's price; trigger and fill what it reaches, and return those orders."""
        market = self.markets[symbol]
        market.price = price
        touched: list[Order] = []
        for order in self.ledger.all_open(symbol, SPOT):
            if not order.is_working:
                follow(order, price, moment.venue_ms)
                if is_triggered(order, price):
                    self._trigger(order, market, moment)
                    touched.append(order)
            elif order.spec.price and market.would_take(order.spec.side, order.spec.price):
                piece = Match(order.spec.price, min(order.remaining, market.depth))
                self._apply(order, market, piece, moment, is_maker=True)
                self._settle_status(order, moment.venue_ms)
                touched.append(order)
        return touched

    def _matches(self, spec: NewOrder, market: Market) -> tuple[Decimal, list[Match]]:
        if spec.quote_quantity is not None:
            return market.take_quote(spec.side, spec.quote_quantity)
        quantity = spec.quantity or ZERO
        if spec.type is OrderType.LIMIT_MAKER:
            return quantity, []
        matches = market.take(spec.side, quantity, spec.price if spec.type.has_price else None)
        if spec.time_in_force is TimeInForce.FOK and sum(piece.quantity for piece in matches) < quantity:
            return quantity, []
        return quantity, matches

    def _check_funds(self, spec: NewOrder, market: Market, quantity: Decimal, matches: list[Match]) -> None:
        if spec.side is Side.SELL:
            asset, needed = market.rules.base, quantity
        else:
            asset = market.rules.quote
            taken = sum((piece.price * piece.quantity for piece in matches), ZERO)
            needed = taken if spec.price is None else spec.price * quantity
        if self.wallets[spec.account].of(asset).free < needed:
            raise EngineRefusalError(Refusal.INSUFFICIENT_BALANCE)

    def _open(self, spec: NewOrder, quantity: Decimal, moment: Moment) -> Order:
        order = Order(
            order_id=self._next_id[spec.dialect],
            spec=spec,
            quantity=quantity,
            status=OrderStatus.NEW,
            accepted_at_ms=moment.venue_ms,
            updated_at_ms=moment.venue_ms,
            visible_at_ms=moment.host_ms + moment.visibility_lag_ms,
            received_at_ms=moment.host_ms,
        )
        self._next_id[spec.dialect] += 1
        self.ledger.add(order)
        return order

    def _fill_taker(self, order: Order, market: Market, matches: list[Match], moment: Moment) -> None:
        for piece in matches:
            self._apply(order, market, piece, moment, is_maker=False)
        self._settle_status(order, moment.venue_ms)
        if not order.is_open:
            return
        if order.spec.type in _AT_MARKET:
            self._close(order, OrderStatus.EXPIRED, moment.venue_ms, ExpiryReason.LIQUIDITY)
        elif order.spec.time_in_force is TimeInForce.IOC:
            self._close(order, OrderStatus.EXPIRED, moment.venue_ms, ExpiryReason.IOC)
        elif order.spec.time_in_force is TimeInForce.FOK:
            self._close(order, OrderStatus.EXPIRED, moment.venue_ms, ExpiryReason.FOK)
        else:
            self._lock(order)

    def _apply(self, order: Order, market: Market, piece: Match, moment: Moment, *, is_maker: bool) -> None:
        """Exchange the assets of one execution; a maker pays out of what it had locked."""
        if piece.quantity <= 0:
            return
        wallet = self.wallets[order.spec.account]
        value = piece.price * piece.quantity
        rate = self.maker_fee if is_maker else self.taker_fee
        if order.spec.side is Side.BUY:
            paid_asset, paid, got_asset, got = market.rules.quote, value, market.rules.base, piece.quantity
        else:
            paid_asset, paid, got_asset, got = market.rules.base, piece.quantity, market.rules.quote, value
        fee_asset, fee = self._bnb_fee(order.spec.account, market, value * rate) or (
            got_asset,
            (got * rate).quantize(_FEE_UNIT, ROUND_DOWN),
        )
        if fee_asset == got_asset:
            got -= fee
        else:
            wallet.of(fee_asset).free -= fee
        source = wallet.of(paid_asset)
        if order.reserved:
            released = min(paid, order.reserved)
            order.reserved -= released
            source.locked -= released
        else:
            source.free -= paid
        wallet.of(got_asset).free += got
        order.executed_quantity += piece.quantity
        order.executed_quote += value
        order.fills.append(
            Fill(
                trade_id=self._next_trade_id,
                price=piece.price,
                quantity=piece.quantity,
                fee=fee,
                fee_asset=fee_asset,
                is_maker=is_maker,
                at_ms=moment.venue_ms,
            )
        )
        self._next_trade_id += 1

    def _bnb_fee(self, account: str, market: Market, in_quote: Decimal) -> tuple[str, Decimal] | None:
        """Return a fee in BNB, at a discount, where the account wants that and has enough of it."""
        bnb = self.markets.get(f"BNB{market.rules.quote}")
        if account not in self.pays_in_bnb or bnb is None:
            return None
        fee = (in_quote * _BNB_DISCOUNT / bnb.price).quantize(_FEE_UNIT, ROUND_DOWN)
        return ("BNB", fee) if self.wallets[account].of("BNB").free >= fee else None

    def _settle_status(self, order: Order, venue_ms: int) -> None:
        if order.executed_quantity and order.remaining <= 0:
            self._close(order, OrderStatus.FILLED, venue_ms)
        elif order.executed_quantity:
            order.status = OrderStatus.PARTIALLY_FILLED
            order.updated_at_ms = venue_ms

    def _close(
        self, order: Order, status: OrderStatus, venue_ms: int, reason: ExpiryReason | None = None
    ) -> None:
        if order.reserved:
            balance = self.wallets[order.spec.account].of(self._paid_asset(order.spec))
            balance.locked -= order.reserved
            balance.free += order.reserved
            order.reserved = ZERO
        order.status = status
        order.expiry_reason = reason
        order.updated_at_ms = venue_ms
        self.ledger.closed(order)

    def _lock(self, order: Order) -> None:
        amount = order.remaining
        if order.spec.side is Side.BUY:
            amount *= order.spec.price or ZERO
        balance = self.wallets[order.spec.account].of(self._paid_asset(order.spec))
        balance.free -= amount
        balance.locked += amount
        order.reserved = amount

    def _paid_asset(self, spec: NewOrder) -> str:
        rules = self.markets[spec.symbol].rules
        return rules.quote if spec.side is Side.BUY else rules.base

    def _place_conditional(self, spec: NewOrder, market: Market, moment: Moment) -> Order:
        if reaches_stop(spec, market.price):
            raise EngineRefusalError(Refusal.WOULD_TRIGGER)
        quantity = spec.quantity or ZERO
        self._check_funds(spec, market, quantity, [])
        order = self._open(spec, quantity, moment)
        order.is_working = False
        follow(order, market.price, moment.venue_ms)
        self._lock(order)
        return order

    def _trigger(self, order: Order, market: Market, moment: Moment) -> None:
        """Turn a triggered order into the market or limit order it stands for."""
        order.is_working = True
        order.updated_at_ms = moment.venue_ms
        balance = self.wallets[order.spec.account].of(self._paid_asset(order.spec))
        balance.locked -= order.reserved
        balance.free += order.reserved
        order.reserved = ZERO
        _, matches = self._matches(order.spec, market)
        try:
            self._check_funds(order.spec, market, order.quantity, matches)
        except EngineRefusalError:
            self._close(order, OrderStatus.EXPIRED, moment.venue_ms, ExpiryReason.EXCHANGE)
            return
        self._fill_taker(order, market, matches, moment)
