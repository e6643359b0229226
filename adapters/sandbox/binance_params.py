"""The parameters of Binance spot: which an endpoint knows, how they may look, and what an order type needs.

The order of checks follows the reference's section 8: form first (-1100 to -1106), values of enumerations
after the signature (-1115 to -1121), then precision (-1111) and filters (-1013).
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Final, TypeVar

from adapters.sandbox.book import Market
from adapters.sandbox.config import SymbolConfig
from adapters.sandbox.model import FuturesType, NewOrder, OrderType, Side, TimeInForce
from adapters.sandbox.venue import Call, Endpoint, VenueError, check_timing
from adapters.sandbox.wire import WireParameters

MAX_WINDOW_MS: Final = 60_000
DEFAULT_WINDOW_MS: Final = 5_000
_PRECISION: Final = 8

_DECIMAL_RANGE: Final = r"^([0-9]{1,20})(\.[0-9]{1,20})?$"
_CLIENT_ID_RANGE: Final = "^[a-zA-Z0-9-_]{1,36}$"
_SYMBOL_RANGE: Final = r"^[\w\-._&&[^a-z]]{1,50}$"
_NUMBER_RANGE: Final = "^[0-9]{1,20}$"
_DECIMAL: Final = re.compile(r"[0-9]{1,20}(?:\.[0-9]{1,20})?")
_WINDOW: Final = re.compile(r"[0-9]{1,5}(?:\.[0-9]{1,3})?")
_CLIENT_ID: Final = re.compile(r"[a-zA-Z0-9_-]{1,36}")
_SYMBOL: Final = re.compile(r"(?:(?![a-z])[\w.-]){1,50}")
_NUMBER: Final = re.compile(r"[0-9]{1,20}")

_Enum = TypeVar("_Enum", bound=StrEnum)
Look = tuple[re.Pattern[str], str]
DECIMAL_LOOK: Final[Look] = (_DECIMAL, _DECIMAL_RANGE)
NUMBER_LOOK: Final[Look] = (_NUMBER, _NUMBER_RANGE)
SYMBOL_LOOK: Final[Look] = (_SYMBOL, _SYMBOL_RANGE)
LOOKS: Final[Mapping[str, Look]] = {
    **dict.fromkeys(("quantity", "quoteOrderQty", "price", "stopPrice", "icebergQty"), DECIMAL_LOOK),
    **dict.fromkeys(("newClientOrderId", "origClientOrderId"), (_CLIENT_ID, _CLIENT_ID_RANGE)),
    **dict.fromkeys(
        (
            "timestamp",
            "orderId",
            "fromId",
            "startTime",
            "endTime",
            "limit",
            "strategyId",
            "strategyType",
            "trailingDelta",
        ),
        NUMBER_LOOK,
    ),
    "recvWindow": (_WINDOW, _DECIMAL_RANGE),
    "symbol": SYMBOL_LOOK,
}
_TIMES_IN_FORCE: Final = frozenset({TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK})
_RESPONSE_TYPES: Final = frozenset({"ACK", "RESULT", "FULL"})
_PREVENTION_MODES: Final = frozenset(
    {"NONE", "EXPIRE_MAKER", "EXPIRE_TAKER", "EXPIRE_BOTH", "DECREMENT", "TRANSFER"}
)
_NEEDED: Final[Mapping[OrderType, tuple[str, ...]]] = {
    OrderType.LIMIT: ("timeInForce", "quantity", "price"),
    OrderType.MARKET: (),
    OrderType.LIMIT_MAKER: ("quantity", "price"),
    OrderType.STOP_LOSS: ("quantity",),
    OrderType.TAKE_PROFIT: ("quantity",),
    OrderType.STOP_LOSS_LIMIT: ("timeInForce", "quantity", "price"),
    OrderType.TAKE_PROFIT_LIMIT: ("timeInForce", "quantity", "price"),
}
_FORBIDDEN: Final[Mapping[OrderType, tuple[str, ...]]] = {
    OrderType.LIMIT: ("quoteOrderQty", "stopPrice", "trailingDelta"),
    OrderType.MARKET: ("timeInForce", "price", "stopPrice", "trailingDelta"),
    OrderType.LIMIT_MAKER: ("timeInForce", "quoteOrderQty", "stopPrice", "trailingDelta"),
    OrderType.STOP_LOSS: ("timeInForce", "price", "quoteOrderQty"),
    OrderType.TAKE_PROFIT: ("timeInForce", "price", "quoteOrderQty"),
    OrderType.STOP_LOSS_LIMIT: ("quoteOrderQty",),
    OrderType.TAKE_PROFIT_LIMIT: ("quoteOrderQty",),
}


def check_form(endpoint: Endpoint, parameters: WireParameters, looks: Mapping[str, Look] = LOOKS) -> None:
    """Check names and looks; raises `VenueError` with a code from -1100 to -1131."""
    values = parameters.values
    if parameters.has_duplicates:
        raise VenueError(400, -1101, "Duplicate values for a parameter detected.")
    if not endpoint.known.issuperset(values):
        raise VenueError(400, -1103, "An unknown parameter was sent.")
    for name in endpoint.mandatory:
        if name not in values:
            raise missing(name)
    if endpoint.is_signed:
        if "timestamp" not in values:
            raise missing("timestamp")
        if parameters.signature is None:
            raise missing("signature")
    for name, value in values.items():
        _check_look(name, value, looks.get(name))


def _check_look(name: str, value: str, look: Look | None) -> None:
    if not value:
        raise VenueError(400, -1105, f"Parameter '{name}' was empty.")
    if look is not None and look[0].fullmatch(value) is None:
        text = f"Illegal characters found in parameter '{name}'; legal range is '{look[1]}'."
        raise VenueError(400, -1100, text)


def missing(name: str) -> VenueError:
    """Return the error for a mandatory parameter."""
    return VenueError(400, -1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")


def window_us(values: Mapping[str, str]) -> int:
    """Return the receive window in microseconds."""
    text = values.get("recvWindow")
    if text is None:
        return DEFAULT_WINDOW_MS * 1000
    window = Decimal(text)
    if window > MAX_WINDOW_MS:
        raise VenueError(400, -1131, "recvWindow must be less than 60000")
    return int(window * 1000)


def check_time(timestamp_us: int, window: int, venue_ms: int) -> None:
    """Check a timestamp against its window; raises `VenueError` (-1021)."""
    problem = check_timing(timestamp_us, window, venue_ms)
    if problem is not None:
        raise VenueError(400, -1021, problem)


def read_order(call: Call, markets: Mapping[str, Market], auto_id: str) -> NewOrder:
    """Turn a placement's parameters into an order; raises `VenueError` from -1102 to -1121."""
    values = call.values
    kind = enumerated(OrderType, values["type"], -1116, "Invalid orderType.")
    side = enumerated(Side, values["side"], -1117, "Invalid side.")
    time_in_force = enumerated(TimeInForce, values.get("timeInForce", "GTC"), -1115, "Invalid timeInForce.")
    if time_in_force not in _TIMES_IN_FORCE:
        raise VenueError(400, -1115, "Invalid timeInForce.")
    if values["symbol"] not in markets:
        raise VenueError(400, -1121, "Invalid symbol.")
    _check_needed(kind, values)
    numbers = {
        name: _decimal(name, values[name])
        for name in ("quantity", "quoteOrderQty", "price", "stopPrice")
        if name in values
    }
    _check_options(values, markets[values["symbol"]].rules)
    return NewOrder(
        account=call.owner,
        dialect=call.dialect,
        symbol=values["symbol"],
        side=side,
        type=kind,
        client_order_id=values.get("newClientOrderId") or auto_id,
        quantity=numbers.get("quantity"),
        quote_quantity=numbers.get("quoteOrderQty"),
        price=numbers.get("price"),
        stop_price=numbers.get("stopPrice"),
        trailing_delta=int(values["trailingDelta"]) if "trailingDelta" in values else None,
        time_in_force=time_in_force,
        extra={
            name: values[name]
            for name in ("strategyId", "strategyType", "selfTradePreventionMode")
            if name in values
        },
    )


def response_type(values: Mapping[str, str], kind: OrderType | FuturesType) -> str:
    """Return the shape of the placement's reply: FULL by default for MARKET and LIMIT, ACK for the others."""
    chosen = values.get("newOrderRespType")
    if chosen is not None:
        return chosen
    return "FULL" if kind in {OrderType.MARKET, OrderType.LIMIT} else "ACK"


def enumerated(kind: type[_Enum], text: str, code: int, message: str) -> _Enum:
    """Read a value of an enumeration; raises `VenueError` with the given code."""
    try:
        return kind(text)
    except ValueError:
        raise VenueError(400, code, message) from None


def _check_needed(kind: OrderType, values: Mapping[str, str]) -> None:
    for name in _NEEDED[kind]:
        if name not in values:
            raise missing(name)
    for name in _FORBIDDEN[kind]:
        if name in values:
            raise VenueError(400, -1106, f"Parameter '{name}' sent when not required.")
    if kind.is_conditional:
        _check_either("stopPrice", "trailingDelta", values)
    if kind is not OrderType.MARKET:
        return
    if "quantity" in values and "quoteOrderQty" in values:
        raise VenueError(400, -1106, "Parameter 'quoteOrderQty' sent when not required.")
    _check_either("quantity", "quoteOrderQty", values)


def _check_either(first: str, second: str, values: Mapping[str, str]) -> None:
    if first not in values and second not in values:
        text = f"Param '{first}' or '{second}' must be sent, but both were empty/null!"
        raise VenueError(400, -1102, text)


def _check_options(values: Mapping[str, str], rules: SymbolConfig) -> None:
    if "icebergQty" in values:
        raise VenueError(400, -2010, "Iceberg orders are not supported for this symbol.")
    if "trailingDelta" in values and not rules.lets_stops_trail:
        raise VenueError(400, -2010, "Trailing stop orders are not supported for this symbol.")
    if int(values.get("strategyType", "1000000")) < 1_000_000:
        raise VenueError(400, -1134, "strategyType was less than 1000000.")
    for name, legal in (
        ("newOrderRespType", _RESPONSE_TYPES),
        ("selfTradePreventionMode", _PREVENTION_MODES),
    ):
        if name in values and values[name] not in legal:
            raise VenueError(400, -1130, f"Data sent for parameter '{name}' is not valid.")


def _decimal(name: str, text: str) -> Decimal:
    _, _, decimals = text.partition(".")
    if len(decimals) > _PRECISION:
        raise VenueError(400, -1111, f"Parameter '{name}' has too much precision.")
    return Decimal(text)
