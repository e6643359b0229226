"""The matching engine of USD-M futures: positions instead of assets, reduce-only, and orders that wait for a trigger.

A conditional order is one order of the ledger from its placement on: until its trigger is reached it has no
id in the order book, then it becomes the limit or market order that it stands for. Margin and positions are
checked when it triggers, not before; what the book refuses then ends as REJECTED.

Invariants: a reduce-only order never makes a position larger; a refusal changes nothing; ids are unique
among an account's **open** orders only.
"""

from dataclasses import replace
from decimal import ROUND_DOWN, Decimal
from typing import Final

from adapters.sandbox.book import Market, Match, floor_to
from adapters.sandbox.engine import Moment
from adapters.sandbox.ledger import Ledger
from adapters.sandbox.model import (
    ZERO,
    Dialect,
    EngineRefusalError,
    ExpiryReason,
    Fill,
    FuturesType,
    NewOrder,
    Order,
    OrderStatus,
    Refusal,
    Side,
    TimeInForce,
    Trigger,
)
from adapters.sandbox.usdm_account import MARGIN_ASSET, FuturesAccount, must_reduce

_FEE_UNIT: Final = Decimal("0.00000001")
# The venue's live ids are as large as these: above 2^53, where a float loses them.
_FIRST_ORDER_ID: Final = 8_389_765_000_000_000_001
_FIRST_ALGO_ID: Final = 2_000_000_000_001
_DIALECTS: Final = frozenset({Dialect.BINANCE_USDM})
_RISING: Final = frozenset(
    {
        (FuturesType.STOP, Side.BUY),
        (FuturesType.STOP_MARKET, Side.BUY),
        (FuturesType.TAKE_PROFIT, Side.SELL),
        (FuturesType.TAKE_PROFIT_MARKET, Side.SELL),
    }
)


class Contract(Market):
    """A futures market: a book, and a mark price that follows the last price unless it was set."""

    _set_mark: Decimal | None = None

    @property
    def mark_price(self) -> Decimal:
        """Return the mark price."""
        return self.price if self._set_mark is None else self._set_mark

    def move(self, price: Decimal, mark_price: Decimal | None) -> None:
        """Set the last price, and the mark price apart from it when one is given."""
        self.price, self._set_mark = price, mark_price


class FuturesEngine:
    """Places, triggers, fills and cancels orders on futures."""

    def __init__(
        self, contracts: dict[str, Contract], ledger: Ledger, *, maker_fee: Decimal, taker_fee: Decimal
    ) -> None:
        self.contracts = contracts
        self.ledger = ledger
        self.accounts: dict[str, FuturesAccount] = {}
        self._maker_fee = maker_fee
        self._taker_fee = taker_fee
        self._next_order_id = _FIRST_ORDER_ID
        self._next_algo_id = _FIRST_ALGO_ID
        self._next_trade_id = 1
        self._dated: dict[int, Order] = {}

    def mark_price(self, symbol: str) -> Decimal:
        """Return a contract's mark price."""
        return self.contracts[symbol].mark_price

    def place(self, spec: NewOrder, moment: Moment) -> Order:
        """Take a limit or market order; raises `EngineRefusalError` when it is refused."""
        self._check_open(spec)
        quantity = spec.quantity or ZERO
        self._check_book(spec, quantity)
        order = self._opened(spec, quantity, self._next_order_id, moment)
        self._next_order_id += 1
        self.ledger.add(order)
        self._match(order, moment)
        return order

    def place_conditional(self, spec: NewOrder, trigger: Trigger, moment: Moment) -> Order:
        """Take an order that waits for its trigger; raises `EngineRefusalError` when it is refused."""
        self._check_open(spec)
        watched = self._watched_price(self.contracts[spec.symbol], trigger)
        if trigger.callback is None and _is_reached(spec, trigger, watched):
            raise EngineRefusalError(Refusal.WOULD_TRIGGER)
        if trigger.callback is not None and not _is_activation_ahead(spec, trigger, watched):
            raise EngineRefusalError(Refusal.WOULD_TRIGGER)
        order = self._opened(spec, spec.quantity or ZERO, self._next_algo_id, moment)
        order.trigger = trigger
        order.is_working = False
        self._next_algo_id += 1
        self.ledger.add(order)
        _follow(spec, trigger, watched)
        return order

    def cancel(self, order: Order, venue_ms: int, status: OrderStatus = OrderStatus.CANCELED) -> None:
        """Cancel an open order, or end it another way, and release its margin."""
        self._close(order, status, venue_ms)

    def expire(self, venue_ms: int) -> None:
        """End the orders whose good-till date has come."""
        due = [order for order in self._dated.values() if venue_ms >= (order.spec.good_till_ms or 0)]
        for order in due:
            self._close(order, OrderStatus.EXPIRED, venue_ms, ExpiryReason.EXCHANGE)

    def set_price(
        self, symbol: str, price: Decimal, moment: Moment, mark_price: Decimal | None = None
    ) -> list[Order]:
        """Move a contract's price; trigger and fill what it reaches, and return those orders."""
        contract = self.contracts[symbol]
        contract.move(price, mark_price)
        return [
            order
            for order in list(self.ledger.all_open(symbol, _DIALECTS))
            if self._touch(order, contract, moment)
        ]

    def open_margin(self, spec: NewOrder, quantity: Decimal) -> Decimal:
        """Return the margin that an order needs for what it opens."""
        account, contract = self.accounts[spec.account], self.contracts[spec.symbol]
        opening = max(ZERO, quantity - account.reducible(spec))
        if must_reduce(spec) or not opening:
            return ZERO
        market_price = contract.best_ask if spec.side is Side.BUY else contract.best_bid
        return opening * (spec.price or market_price) / account.leverage(spec.symbol)

    # -- checks

    def _check_open(self, spec: NewOrder) -> None:
        if not self.contracts[spec.symbol].is_trading:
            raise EngineRefusalError(Refusal.MARKET_CLOSED)
        if self.ledger.is_open(spec.account, spec.client_order_id):
            raise EngineRefusalError(Refusal.DUPLICATE)

    def _check_book(self, spec: NewOrder, quantity: Decimal) -> None:
        """Refuse what the book would not take at this moment."""
        account, contract = self.accounts[spec.account], self.contracts[spec.symbol]
        if must_reduce(spec):
            reducible = account.reducible(spec)
            if not reducible or (account.is_hedged and quantity > reducible):
                raise EngineRefusalError(Refusal.NOTHING_TO_REDUCE)
        elif self.open_margin(spec, quantity) > account.available(self.mark_price):
            raise EngineRefusalError(Refusal.INSUFFICIENT_BALANCE)
        if (
            spec.time_in_force is TimeInForce.GTX
            and spec.price
            and contract.would_take(spec.side, spec.price)
        ):
            raise EngineRefusalError(Refusal.WOULD_TAKE)
        if spec.time_in_force is TimeInForce.FOK:
            matched = sum(piece.quantity for piece in contract.take(spec.side, quantity, spec.price))
            if matched < quantity:
                raise EngineRefusalError(Refusal.UNFILLABLE)

    # -- matching

    def _match(self, order: Order, moment: Moment) -> None:
        contract = self.contracts[order.spec.symbol]
        for piece in contract.take(order.spec.side, order.remaining, order.spec.price):
            self._apply(order, piece, moment, is_maker=False)
        self._settle(order, moment.venue_ms)
        if not order.is_open:
            return
        if not order.spec.type.has_price:
            self._close(order, OrderStatus.EXPIRED, moment.venue_ms, ExpiryReason.LIQUIDITY)
        elif order.spec.time_in_force is TimeInForce.IOC:
            self._close(order, OrderStatus.EXPIRED, moment.venue_ms, ExpiryReason.IOC)
        else:
            order.reserved = self.open_margin(order.spec, order.remaining)
            self.accounts[order.spec.account].reserved += order.reserved

    def _apply(self, order: Order, piece: Match, moment: Moment, *, is_maker: bool) -> None:
        """Change the position by one execution; a reduce-only order ends where the position does."""
        spec, account = order.spec, self.accounts[order.spec.account]
        quantity = min(piece.quantity, account.reducible(spec)) if must_reduce(spec) else piece.quantity
        if quantity <= 0:
            return
        signed = quantity if spec.side is Side.BUY else -quantity
        value = piece.price * quantity
        fee = (value * (self._maker_fee if is_maker else self._taker_fee)).quantize(_FEE_UNIT, ROUND_DOWN)
        realized = account.position(spec.symbol, spec.position_side).change(signed, piece.price)
        account.balance += realized - fee
        order.executed_quantity += quantity
        order.executed_quote += value
        order.fills.append(
            Fill(
                trade_id=self._next_trade_id,
                price=piece.price,
                quantity=quantity,
                fee=fee,
                fee_asset=MARGIN_ASSET,
                is_maker=is_maker,
                at_ms=moment.venue_ms,
                realized=realized,
            )
        )
        self._next_trade_id += 1

    def _settle(self, order: Order, venue_ms: int) -> None:
        if order.executed_quantity and order.remaining <= 0:
            self._close(order, OrderStatus.FILLED, venue_ms)
            return
        if order.executed_quantity:
            order.status = OrderStatus.PARTIALLY_FILLED
            order.updated_at_ms = venue_ms
        if must_reduce(order.spec) and not self.accounts[order.spec.account].reducible(order.spec):
            self._close(order, OrderStatus.EXPIRED, venue_ms, ExpiryReason.EXCHANGE)

    def _touch(self, order: Order, contract: Contract, moment: Moment) -> bool:
        spec, trigger = order.spec, order.trigger
        if not order.is_open:
            return False
        if trigger is not None and not order.is_working:
            watched = self._watched_price(contract, trigger)
            _follow(spec, trigger, watched)
            if _is_reached(spec, trigger, watched):
                self._fire(order, trigger, moment)
                return True
            return False
        if not spec.price or not contract.would_take(spec.side, spec.price):
            return False
        self._release(order)
        piece = Match(spec.price, min(order.remaining, contract.depth))
        self._apply(order, piece, moment, is_maker=True)
        self._settle(order, moment.venue_ms)
        if order.is_open:
            order.reserved = self.open_margin(spec, order.remaining)
            self.accounts[spec.account].reserved += order.reserved
        return True

    # -- triggers

    def _fire(self, order: Order, trigger: Trigger, moment: Moment) -> None:
        """Turn a conditional order into the order it stands for."""
        trigger.at_ms = order.updated_at_ms = moment.venue_ms
        if order.spec.closes_position:
            order.quantity = floor_to(
                self.accounts[order.spec.account].reducible(order.spec),
                self.contracts[order.spec.symbol].rules.step,
            )
        try:
            self._check_book(order.spec, order.quantity)
        except EngineRefusalError:
            self._close(order, OrderStatus.REJECTED, moment.venue_ms)
            return
        order.is_working = True
        trigger.order_id = self._next_order_id
        self._next_order_id += 1
        self.ledger.add_id(trigger.order_id, order)
        self._match(order, moment)

    @staticmethod
    def _watched_price(contract: Contract, trigger: Trigger) -> Decimal:
        return contract.mark_price if trigger.by_mark_price else contract.price

    # -- opening and closing

    def _opened(self, spec: NewOrder, quantity: Decimal, order_id: int, moment: Moment) -> Order:
        order = Order(
            order_id=order_id,
            spec=spec,
            quantity=quantity,
            status=OrderStatus.NEW,
            accepted_at_ms=moment.venue_ms,
            updated_at_ms=moment.venue_ms,
            visible_at_ms=moment.host_ms + moment.visibility_lag_ms,
            received_at_ms=moment.host_ms,
        )
        if spec.good_till_ms is not None:
            self._dated[order_id] = order
        return order

    def _close(
        self, order: Order, status: OrderStatus, venue_ms: int, reason: ExpiryReason | None = None
    ) -> None:
        self._release(order)
        order.status = status
        order.expiry_reason = reason
        order.updated_at_ms = venue_ms
        self._dated.pop(order.order_id, None)
        self.ledger.closed(order)

    def _release(self, order: Order) -> None:
        self.accounts[order.spec.account].reserved -= order.reserved
        order.reserved = ZERO


def snapshot(order: Order) -> Order:
    """Return an order as it was when the engine took it, before anything matched."""
    return replace(
        order,
        status=OrderStatus.NEW,
        executed_quantity=ZERO,
        executed_quote=ZERO,
        updated_at_ms=order.accepted_at_ms,
        fills=[],
    )


def _is_reached(spec: NewOrder, trigger: Trigger, price: Decimal) -> bool:
    if trigger.callback is not None:
        if trigger.extreme is None:
            return False
        if spec.side is Side.BUY:
            return price >= trigger.extreme * (1 + trigger.callback)
        return price <= trigger.extreme * (1 - trigger.callback)
    wanted = trigger.price or ZERO
    return price >= wanted if (spec.type, spec.side) in _RISING else price <= wanted


def _is_activation_ahead(spec: NewOrder, trigger: Trigger, price: Decimal) -> bool:
    """A trailing buy is activated below the market, a trailing sale above it."""
    if trigger.price is None:
        return True
    return trigger.price < price if spec.side is Side.BUY else trigger.price > price


def _follow(spec: NewOrder, trigger: Trigger, price: Decimal) -> None:
    """Let a trailing order, once activated, keep the best price it has seen."""
    if trigger.callback is None:
        return
    best = min if spec.side is Side.BUY else max
    if trigger.extreme is not None:
        trigger.extreme = best(trigger.extreme, price)
    elif trigger.price is None or best(trigger.price, price) == price:
        trigger.extreme = price
