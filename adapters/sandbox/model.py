"""The sandbox's own vocabulary: requests, replies, orders, fills and refusals.

Nothing here is shared with the adapters that Beeline uses to talk to venues. A sandbox that reused them
would agree with their mistakes; this one is a second, independent reading of the venues' documents.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Final

ZERO: Final = Decimal(0)


class Dialect(StrEnum):
    """The venues' protocols that the sandbox speaks."""

    BINANCE = "binance"
    BINANCE_US = "binance_us"
    BINANCE_USDM = "binance_usdm"
    BITRUE = "bitrue"


class Side(StrEnum):
    """Buy or sell the base asset."""

    BUY = "BUY"
    SELL = "SELL"


class OrderType(StrEnum):
    """Order types of the spot venues."""

    LIMIT = "LIMIT"
    MARKET = "MARKET"
    LIMIT_MAKER = "LIMIT_MAKER"
    STOP_LOSS = "STOP_LOSS"
    STOP_LOSS_LIMIT = "STOP_LOSS_LIMIT"
    TAKE_PROFIT = "TAKE_PROFIT"
    TAKE_PROFIT_LIMIT = "TAKE_PROFIT_LIMIT"

    @property
    def is_conditional(self) -> bool:
        """Tell whether it waits for a stop price."""
        return self in CONDITIONAL_TYPES

    @property
    def has_price(self) -> bool:
        """Tell whether it has a limit price."""
        return self in PRICED_TYPES


CONDITIONAL_TYPES: Final = frozenset(
    {OrderType.STOP_LOSS, OrderType.STOP_LOSS_LIMIT, OrderType.TAKE_PROFIT, OrderType.TAKE_PROFIT_LIMIT}
)
PRICED_TYPES: Final = frozenset(
    {OrderType.LIMIT, OrderType.LIMIT_MAKER, OrderType.STOP_LOSS_LIMIT, OrderType.TAKE_PROFIT_LIMIT}
)


class FuturesType(StrEnum):
    """Order types of USD-M futures; all but the first two wait for a trigger."""

    LIMIT = "LIMIT"
    MARKET = "MARKET"
    STOP = "STOP"
    STOP_MARKET = "STOP_MARKET"
    TAKE_PROFIT = "TAKE_PROFIT"
    TAKE_PROFIT_MARKET = "TAKE_PROFIT_MARKET"
    TRAILING_STOP_MARKET = "TRAILING_STOP_MARKET"

    @property
    def is_conditional(self) -> bool:
        """Tell whether it waits for a trigger."""
        return self not in {FuturesType.LIMIT, FuturesType.MARKET}

    @property
    def has_price(self) -> bool:
        """Tell whether it has a limit price."""
        return self in {FuturesType.LIMIT, FuturesType.STOP, FuturesType.TAKE_PROFIT}


class PositionSide(StrEnum):
    """Which position an order changes: the only one, or one of the two of hedge mode."""

    BOTH = "BOTH"
    LONG = "LONG"
    SHORT = "SHORT"


class TimeInForce(StrEnum):
    """How long a limit order stays; the last two exist on futures only."""

    GTC = "GTC"
    IOC = "IOC"
    FOK = "FOK"
    GTX = "GTX"
    GTD = "GTD"


class OrderStatus(StrEnum):
    """Where an order is in its life."""

    NEW = "NEW"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"
    EXPIRED_IN_MATCH = "EXPIRED_IN_MATCH"
    REJECTED = "REJECTED"


OPEN_STATUSES: Final = frozenset({OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED})
ENDED_BY_VENUE: Final = frozenset({OrderStatus.CANCELED, OrderStatus.EXPIRED, OrderStatus.EXPIRED_IN_MATCH})
"""How a venue, or somebody at its website, may end an order that nobody cancelled here."""


class ExpiryReason(StrEnum):
    """Why an order expired, as the spot API spells it."""

    IOC = "UNFILLED_IOC_QUANTITY_EXPIRED"
    FOK = "UNFILLED_FOK_ORDER_EXPIRED"
    LIQUIDITY = "INSUFFICIENT_LIQUIDITY"
    EXCHANGE = "EXCHANGE_CANCELED"


class Refusal(StrEnum):
    """Why the matching engine refused a request; each dialect has its own code and wording."""

    DUPLICATE = "duplicate"
    MARKET_CLOSED = "market_closed"
    INSUFFICIENT_BALANCE = "insufficient_balance"
    WOULD_TAKE = "would_take"
    WOULD_TRIGGER = "would_trigger"
    UNFILLABLE = "unfillable"
    NOTHING_TO_REDUCE = "nothing_to_reduce"


class EngineRefusalError(Exception):
    """The matching engine refused; nothing changed."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.value)
        self.refusal = refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxRequest:
    """One HTTP request exactly as it came over the wire.

    `query` is the raw text after the question mark and `body` the raw bytes: the signature covers them as
    they are.
    """

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    ip: str = "127.0.0.1"

    def header(self, name: str) -> str | None:
        """Return a header whatever the case of its name."""
        value = self.headers.get(name)
        if value is not None:
            return value
        wanted = name.lower()
        return next((text for key, text in self.headers.items() if key.lower() == wanted), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxReply:
    """What the venue answers; `Content-Length` is left to whoever sends it."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOrder:
    """A placement that passed the checks in front of the matching engine."""

    account: str
    dialect: Dialect
    symbol: str
    side: Side
    type: OrderType | FuturesType
    client_order_id: str
    quantity: Decimal | None = None
    quote_quantity: Decimal | None = None
    price: Decimal | None = None
    stop_price: Decimal | None = None
    trailing_delta: int | None = None
    time_in_force: TimeInForce = TimeInForce.GTC
    good_till_ms: int | None = None
    position_side: PositionSide = PositionSide.BOTH
    is_reduce_only: bool = False
    closes_position: bool = False
    extra: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """One execution of an order against the book."""

    trade_id: int
    price: Decimal
    quantity: Decimal
    fee: Decimal
    fee_asset: str
    is_maker: bool
    at_ms: int
    realized: Decimal = ZERO


@dataclass(slots=True, kw_only=True)
class Trigger:
    """What a conditional order of USD-M futures waits for, and the id of the order that it became.

    A trailing order has a `callback` (a fraction) instead of a price; its `price` is the activation's, if
    it has one, and `extreme` is the best price since then.
    """

    price: Decimal | None
    by_mark_price: bool = False
    callback: Decimal | None = None
    extreme: Decimal | None = None
    order_id: int | None = None
    at_ms: int = 0


@dataclass(slots=True, kw_only=True)
class Trail:
    """How a spot order follows the market since it was activated: the best price, and since when."""

    best_price: Decimal
    since_ms: int


@dataclass(slots=True, kw_only=True)
class Order:
    """An order that the matching engine took; the ledger keeps every one of them."""

    order_id: int
    spec: NewOrder
    quantity: Decimal
    status: OrderStatus
    accepted_at_ms: int
    updated_at_ms: int
    visible_at_ms: int
    received_at_ms: int
    executed_quantity: Decimal = ZERO
    executed_quote: Decimal = ZERO
    is_working: bool = True
    expiry_reason: ExpiryReason | None = None
    reserved: Decimal = ZERO
    trigger: Trigger | None = None
    trail: Trail | None = None
    fills: list[Fill] = field(default_factory=list)

    @property
    def is_open(self) -> bool:
        """Tell whether it may still execute."""
        return self.status in OPEN_STATUSES

    @property
    def book_id(self) -> int | None:
        """Return the id in the order book: none while a conditional order of futures waits for its trigger."""
        return self.order_id if self.trigger is None else self.trigger.order_id

    @property
    def average_price(self) -> Decimal:
        """Return the average price of its executions, zero without any."""
        return self.executed_quote / self.executed_quantity if self.executed_quantity else ZERO

    @property
    def remaining(self) -> Decimal:
        """Return the quantity that has not executed."""
        return self.quantity - self.executed_quantity
