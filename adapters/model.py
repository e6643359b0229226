"""The vocabulary between the worker and a venue: orders, reports, requests and replies.

Everything here is an immutable value without behaviour beyond reading itself. A dialect turns an `Order` into a `Call`,
the worker turns a `Call` into signed bytes and an `Answer`, and the dialect reads the answer back into a `Verdict` or a
`Sighting`. Quantities and prices are `Decimal`, times epoch milliseconds of the venue, durations name their unit.
"""

from collections.abc import Mapping
from dataclasses import field
from decimal import Decimal
from enum import StrEnum
from typing import Final

from adapters.errors import VenueError
from adapters.values import value_type


class Side(StrEnum):
    """The direction of an order."""

    BUY = "buy"
    SELL = "sell"


class OrderType(StrEnum):
    """The order types of the signal contract; a venue may have fewer."""

    MARKET = "market"
    LIMIT = "limit"
    LIMIT_MAKER = "limit_maker"
    STOP_LOSS = "stop_loss"
    STOP_LOSS_LIMIT = "stop_loss_limit"
    TAKE_PROFIT = "take_profit"
    TAKE_PROFIT_LIMIT = "take_profit_limit"
    TRAILING_STOP = "trailing_stop"


class TimeInForce(StrEnum):
    """How long an order may stay on the book."""

    GTC = "gtc"
    IOC = "ioc"
    FOK = "fok"
    GTD = "gtd"


class PositionSide(StrEnum):
    """The position a futures order belongs to in hedge mode."""

    BOTH = "both"
    LONG = "long"
    SHORT = "short"


class Purpose(StrEnum):
    """Why a request is sent; the limiter keeps a reserve for what must not starve."""

    PLACE = "place"
    REDUCE = "reduce"
    """A placement that only reduces a position."""
    CANCEL = "cancel"
    LOOKUP = "lookup"
    PROBE = "probe"
    RULES = "rules"


@value_type
class Order:
    """An order as it is to be placed: one venue symbol (`BTCUSDT`), exact decimals, our own client order id."""

    client_order_id: str
    symbol: str
    side: Side
    type: OrderType
    quantity: Decimal | None = None
    quote_quantity: Decimal | None = None
    price: Decimal | None = None
    stop_price: Decimal | None = None
    trailing_delta: Decimal | None = None
    time_in_force: TimeInForce | None = None
    reduce_only: bool | None = None
    close_position: bool | None = None
    position_side: PositionSide | None = None
    good_till_ms: int | None = None

    @property
    def is_immediate(self) -> bool:
        """Whether it ends as soon as the venue has taken it; a stop order waits first, whatever it becomes."""
        at_once = self.time_in_force in (TimeInForce.IOC, TimeInForce.FOK)
        return self.type is OrderType.MARKET or (self.type is OrderType.LIMIT and at_once)


class OrderState(StrEnum):
    """What a venue says of an order, reduced to what the worker must tell apart."""

    PENDING = "pending"
    OPEN = "open"
    FILLED = "filled"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    REJECTED = "rejected"

    @property
    def is_closed(self) -> bool:
        """Whether nothing more can happen to the order."""
        return self not in (OrderState.PENDING, OrderState.OPEN)


@value_type
class Fill:
    """One execution of an order; `fee_asset` is upper case, both fee fields are `None` where the venue is silent."""

    price: Decimal
    quantity: Decimal
    fee: Decimal | None = None
    fee_asset: str | None = None


@value_type
class ExecutionReport:
    """What a venue answered about one order.

    `state` is `None` for a bare acknowledgement: the order landed, and what became of it has to be asked.
    `executed_quote` is `None` where the venue does not know it. `created_ms` is when the venue took the
    order. An abridged report is true, and a look-up tells more: what was paid, fills and fees.
    """

    client_order_id: str
    venue_order_id: str
    symbol: str
    state: OrderState | None = None
    venue_status: str | None = None
    side: Side | None = None
    type: OrderType | None = None
    time_in_force: TimeInForce | None = None
    quantity: Decimal | None = None
    price: Decimal | None = None
    executed_quantity: Decimal | None = None
    executed_quote: Decimal | None = None
    fills: tuple[Fill, ...] = ()
    transact_time_ms: int | None = None
    created_ms: int | None = None
    is_abridged: bool = False

    @property
    def average_price(self) -> Decimal | None:
        """Executed quote over executed base; `None` while nothing is executed."""
        if not self.executed_quantity or self.executed_quote is None:
            return None
        return self.executed_quote / self.executed_quantity


# --- Requests and replies -----------------------------------------------------------------------------------


class Security(StrEnum):
    """What a request has to carry."""

    NONE = "none"
    SIGNED = "signed"


@value_type
class Call:
    """A request that is neither stamped nor signed.

    `weight` is its documented request weight, `orders` how many it adds to the account's order count, and
    `free_when_accepted` says that the venue charges no weight for it once it succeeded.
    """

    method: str
    path: str
    params: tuple[tuple[str, str], ...] = ()
    security: Security = Security.SIGNED
    purpose: Purpose
    weight: int = 1
    orders: int = 0
    free_when_accepted: bool = False


@value_type
class HttpRequest:
    """The very bytes to send: `url` is percent-encoded and signed, and is never encoded again nor logged."""

    method: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)


@value_type
class Reply:
    """A complete HTTP reply; header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class FaultKind(StrEnum):
    """How a request failed without a complete reply."""

    NOT_SENT = "not_sent"
    LOST = "lost"
    TIMEOUT = "timeout"


@value_type
class Fault:
    """No complete reply. Only `NOT_SENT` proves that not a byte left this machine; `detail` names no URL and no key."""

    kind: FaultKind
    detail: str


Answer = Reply | Fault


# --- What an answer means -----------------------------------------------------------------------------------


@value_type
class Accepted:
    """The venue took the order."""

    report: ExecutionReport


@value_type
class Refused:
    """Proven: the order did not land. `error.retry` says whether another attempt makes sense."""

    error: VenueError


@value_type
class Unproven:
    """The order may have landed; only asking the venue can tell. `orders` are those that a sweep may have closed."""

    error: VenueError
    orders: "tuple[CancelledOrder, ...]" = ()


Verdict = Accepted | Refused | Unproven


@value_type
class Found:
    """A look-up saw the order."""

    report: ExecutionReport


@value_type
class Absent:
    """A look-up did not see the order, which proves nothing before the read lag and the recv window are over."""


@value_type
class Ambiguous:
    """Several orders could be the one that was asked for; never a guess."""

    candidates: int


@value_type
class LookupFailed:
    """The venue could not be asked."""

    error: VenueError


Sighting = Found | Absent | Ambiguous | LookupFailed


@value_type
class CancelledOrder:
    """One order that a cancel-all took off the book."""

    client_order_id: str
    venue_order_id: str


@value_type
class AllCancelled:
    """No order of the symbol is open any more; `orders` are the ones this call closed."""

    orders: tuple[CancelledOrder, ...]


Sweep = AllCancelled | Refused | Unproven


# --- Rules of a venue ---------------------------------------------------------------------------------------


class LimitKind(StrEnum):
    """What a venue counts."""

    REQUEST_WEIGHT = "request_weight"
    RAW_REQUESTS = "raw_requests"
    ORDERS_BY_IP = "orders_by_ip"
    """Orders of all accounts behind one IP, next to each account's own limit."""
    ORDERS = "orders"


@value_type
class RateLimit:
    """At most `limit` in each window of `interval_s` seconds: aligned to the venue's clock, or wherever it opens."""

    kind: LimitKind
    limit: int
    interval_s: int
    is_sliding: bool = False


@value_type
class SymbolRules:
    """What a venue allows on one symbol; a bound that is absent or switched off is `None`.

    The offsets tell where steps start: 0 on Binance spot, the smallest quantity on Bitrue, the smallest value
    on futures. `measured_on` names the price that notional and percent rules are measured with.
    """

    symbol: str
    base: str
    quote: str
    is_trading: bool
    order_types: frozenset[OrderType]
    quote_quantity_allowed: bool = False
    base_precision: int | None = None
    quote_precision: int | None = None
    min_price: Decimal | None = None
    max_price: Decimal | None = None
    tick_size: Decimal | None = None
    price_offset: Decimal = Decimal(0)
    min_quantity: Decimal | None = None
    max_quantity: Decimal | None = None
    step_size: Decimal | None = None
    step_offset: Decimal = Decimal(0)
    market_min_quantity: Decimal | None = None
    market_max_quantity: Decimal | None = None
    market_step_size: Decimal | None = None
    market_step_offset: Decimal = Decimal(0)
    min_notional: Decimal | None = None
    max_notional: Decimal | None = None
    min_notional_on_market: bool = False
    max_notional_on_market: bool = False
    min_notional_on_reduce_only: bool = True
    notional_on_last_price: bool = False
    measured_on: str = "last price"
    notional_filter: str = "notional"
    percent_price_filter: str = "percent_price_by_side"
    bid_multiplier_up: Decimal | None = None
    bid_multiplier_down: Decimal | None = None
    ask_multiplier_up: Decimal | None = None
    ask_multiplier_down: Decimal | None = None
    max_position: Decimal | None = None
    lets_stops_trail: bool = True
    min_trailing_above: Decimal | None = None
    max_trailing_above: Decimal | None = None
    min_trailing_below: Decimal | None = None
    max_trailing_below: Decimal | None = None

    @property
    def display(self) -> str:
        """The symbol as outcomes write it, `BASE/QUOTE`; a dated future keeps its date, `BTC/USDT_261225`."""
        rest = self.symbol.removeprefix(self.base)
        return f"{self.base}/{rest if rest.startswith(self.quote) else self.quote}"


@value_type
class VenueRules:
    """One reading of `exchangeInfo`: rules by venue symbol, and the limits the venue meters."""

    symbols: Mapping[str, SymbolRules]
    limits: tuple[RateLimit, ...]


# --- Keys ---------------------------------------------------------------------------------------------------


@value_type
class KeyForm:
    """How keys of a venue look, as far as it is known; a length that is not known is `None`."""

    api_key_length: int | None = None
    secret_length: int | None = None


UNKNOWN_KEY_FORM: Final = KeyForm()
"""For a venue that documents nothing about its keys."""


@value_type
class KeyRights:
    """What a venue tells of a key; that it tells anything proves the key and its signature.

    A right is `None` where nothing the venue says about it can be relied on; `note` then says what stays unproven and
    why.
    """

    can_read: bool | None = None
    can_trade: bool | None = None
    can_withdraw: bool | None = None
    is_ip_restricted: bool | None = None
    created_ms: int | None = None
    note: str = ""


@value_type
class Balance:
    """What an account holds of one asset, its name in upper case."""

    asset: str
    free: Decimal
    locked: Decimal


@value_type
class OrderCount:
    """How much of one order limit the exchange account has used, over all of its keys; `None` where it is not told."""

    interval_s: int
    limit: int
    used: int | None
