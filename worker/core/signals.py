"""Signals, version 1: what producers publish, read once and never trusted again.

`read_signal` turns the bytes of a message into one of three values: a `Signal` to execute, a `BadSignal` that
can be answered because its id is readable, or an `Unanswerable` that belongs to the dead letters. Decimals go
through verbatim: a JSON number never becomes a float, and a number that cannot be represented exactly in
fixed notation is an error of its field.
"""

import json
import re
from collections import Counter
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from hashlib import blake2b
from typing import Annotated, Any, Final, Self

import orjson
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from adapters.model import OrderType, PositionSide, Side, TimeInForce
from adapters.values import value_type
from worker.core.amounts import MAX_DIGITS, read_amount, shortest

MAX_BODY_BYTES: Final = 64 * 1024
MAX_SIGNAL_ID_LENGTH: Final = 128
MAX_PROBLEMS: Final = 20

_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)", re.ASCII)


class Action(StrEnum):
    """What a signal asks for."""

    PLACE = "place"
    CANCEL = "cancel"
    CANCEL_ALL = "cancel_all"


@value_type
class Signal:
    """A valid signal. `symbol` is the venue form (`BTCUSDT`), `symbol_text` what the producer wrote."""

    signal_id: str
    account: str
    action: Action
    symbol: str
    symbol_text: str
    side: Side | None
    type: OrderType | None
    quantity: Decimal | None
    quote_quantity: Decimal | None
    price: Decimal | None
    stop_price: Decimal | None
    trailing_delta: Decimal | None
    time_in_force: TimeInForce | None
    reduce_only: bool | None
    close_position: bool | None
    position_side: PositionSide | None
    cancels: str | None
    valid_until_ms: int | None
    dry_run: bool
    content_hash: str


@value_type
class BadSignal:
    """A message that names its signal but cannot be executed; `problems` start with the path of the bad field."""

    signal_id: str
    account: str
    action: str | None
    symbol_text: str | None
    code: str
    problems: tuple[str, ...]
    content_hash: str


@value_type
class Unanswerable:
    """A message without a readable signal id."""

    reason: str


def _read_instant(value: object) -> object:
    """Turn RFC 3339 or epoch milliseconds into epoch milliseconds."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and _RFC_3339.fullmatch(value):
        try:
            return round(datetime.fromisoformat(value.upper()).timestamp() * 1000)
        except ValueError:
            pass
    raise ValueError("must be RFC 3339 with an offset, such as 2026-11-20T12:00:00Z, or epoch milliseconds")


Amount = Annotated[Decimal, BeforeValidator(read_amount, json_schema_input_type=str | float)]
Instant = Annotated[
    int, BeforeValidator(_read_instant, json_schema_input_type=str | int), Field(ge=0, le=10**14)
]
SignalId = Annotated[str, StringConstraints(min_length=1, max_length=MAX_SIGNAL_ID_LENGTH)]
AccountName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
SymbolText = Annotated[str, StringConstraints(pattern=r"^[\w.-]{1,32}(/[\w.-]{1,32})?$")]

_ORDER_FIELDS: Final = (
    "side",
    "type",
    "quantity",
    "quote_quantity",
    "price",
    "stop_price",
    "trailing_delta",
    "time_in_force",
    "reduce_only",
    "close_position",
    "position_side",
)
_AMOUNT_FIELDS: Final = frozenset({"quantity", "quote_quantity", "price", "stop_price", "trailing_delta"})
_LIMIT_TYPES: Final = frozenset(
    {OrderType.LIMIT, OrderType.LIMIT_MAKER, OrderType.STOP_LOSS_LIMIT, OrderType.TAKE_PROFIT_LIMIT}
)
_STOP_TYPES: Final = frozenset(
    {OrderType.STOP_LOSS, OrderType.STOP_LOSS_LIMIT, OrderType.TAKE_PROFIT, OrderType.TAKE_PROFIT_LIMIT}
)


class SignalV1(BaseModel):
    """The wire form of a signal, version 1. Unknown fields are an error."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, title="Signal, version 1")

    signal_id: SignalId = Field(description="unique per account; the idempotency key")
    account: AccountName = Field(description="must equal the routing key")
    action: Action = Field(default=Action.PLACE, strict=False)
    symbol: SymbolText = Field(description="BTC/USDT or BTCUSDT, either case")
    side: Side | None = Field(default=None, strict=False)
    type: OrderType | None = Field(default=None, strict=False)
    quantity: Amount | None = Field(default=None, description="base units")
    quote_quantity: Amount | None = Field(default=None, description="quote units")
    price: Amount | None = None
    stop_price: Amount | None = None
    trailing_delta: Amount | None = Field(default=None, description="basis points")
    time_in_force: TimeInForce | None = Field(
        default=None, strict=False, description="default gtc for limits"
    )
    reduce_only: bool | None = Field(default=None, description="futures only")
    close_position: bool | None = Field(default=None, description="futures only")
    position_side: PositionSide | None = Field(default=None, strict=False, description="futures only")
    cancels: SignalId | None = Field(default=None, description="signal_id of the order to cancel")
    valid_until: Instant | None = Field(
        default=None,
        description="past it nothing is sent, at most 15 minutes ahead; a gtd order rests until it, however far ahead",
    )
    dry_run: bool = Field(default=False, description="validate against the venue's rules, place nothing")

    @model_validator(mode="after")
    def _fields_fit_the_action(self) -> Self:
        problems = _action_problems(self)
        if problems:
            raise ValueError("; ".join(problems))
        return self


def _action_problems(signal: SignalV1) -> list[str]:
    if signal.action is Action.PLACE:
        return _place_problems(signal)
    problems = [
        f"{name}: not used by {signal.action.value}"
        for name in _ORDER_FIELDS
        if getattr(signal, name) is not None
    ]
    if signal.action is Action.CANCEL and signal.cancels is None:
        problems.append("cancels: required, the signal_id of the order to cancel")
    if signal.action is Action.CANCEL_ALL and signal.cancels is not None:
        problems.append("cancels: not used by cancel_all")
    return problems


def _place_problems(signal: SignalV1) -> list[str]:
    problems = []
    if signal.side is None:
        problems.append("side: required to place an order")
    if signal.type is None:
        problems.append("type: required to place an order")
    if signal.cancels is not None:
        problems.append("cancels: only used by cancel")
    amounts = (signal.quantity is not None) + (signal.quote_quantity is not None)
    if signal.close_position and amounts:
        problems.append("quantity: not used with close_position")
    if not signal.close_position and amounts != 1:
        problems.append("quantity: exactly one of quantity and quote_quantity is required")
    if signal.type is not None:
        problems += _type_problems(signal, signal.type)
    return problems


def _type_problems(signal: SignalV1, kind: OrderType) -> list[str]:
    problems = []
    if kind in _LIMIT_TYPES and signal.price is None:
        problems.append(f"price: required by {kind.value}")
    if kind not in _LIMIT_TYPES and signal.price is not None:
        problems.append(f"price: not used by {kind.value}")
    if kind in _STOP_TYPES and signal.stop_price is None and signal.trailing_delta is None:
        problems.append(f"stop_price: required by {kind.value}")
    if kind is OrderType.TRAILING_STOP and signal.trailing_delta is None:
        problems.append("trailing_delta: required by trailing_stop")
    if kind not in _STOP_TYPES and kind is not OrderType.TRAILING_STOP:
        if signal.stop_price is not None:
            problems.append(f"stop_price: not used by {kind.value}")
        if signal.trailing_delta is not None:
            problems.append(f"trailing_delta: not used by {kind.value}")
    if kind is OrderType.MARKET and signal.time_in_force is not None:
        problems.append("time_in_force: not used by market")
    return problems


# --- Reading ----------------------------------------------------------------------------------------------------------


def _loads(body: bytes) -> Any:
    """Parse JSON; amounts that orjson would turn into floats are read again as text, so that no digit is lost."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        if b"\\u" in body:  # may be half a character, which no text can hold
            raise
        return _loads_exactly(body)  # a number beyond every float is JSON all the same
    if isinstance(document, dict) and float in set(map(type, document.values())):
        exact = _loads_exactly(body)
        document |= {name: exact[name] for name in _AMOUNT_FIELDS & document.keys()}
    return document


def _loads_exactly(body: bytes) -> Any:
    """Parse JSON, keeping numbers as the text they were written in."""
    return json.loads(body.decode(), parse_float=str, parse_int=_int_or_text, parse_constant=_refuse_constant)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _int_or_text(text: str) -> int | str:
    return int(text) if len(text) <= MAX_DIGITS else text


def _given_twice(body: bytes, document: dict[str, Any]) -> str | None:
    """Return a field that is written more than once, where JSON readers differ about which one counts.

    Every text of a flat object has two quotes, so a count tells the usual case from the rest without parsing again.
    """
    texts = len(document) + list(map(type, document.values())).count(str)
    if body.count(b'"') == 2 * texts:
        return None
    pairs: list[tuple[str, object]] = []
    try:
        # Inner objects end before the one that holds them, so what is kept at the end is the message itself.
        json.loads(body, parse_int=str, object_pairs_hook=lambda found: pairs.__setitem__(slice(None), found))
    except RecursionError:
        return None  # no field holds anything nested, so it is refused anyway
    counts = Counter(name for name, _ in pairs)
    return next((name for name, count in counts.items() if count > 1), None)


def read_signal(body: bytes, routing_key: str) -> Signal | BadSignal | Unanswerable:
    """Read one message.

    Args:
        body: the message body.
        routing_key: the key it was published with, which is the account it may act for.
    """
    try:
        document = _loads(body)
    except (ValueError, RecursionError):
        return Unanswerable(reason="not JSON")
    if not isinstance(document, dict):
        return Unanswerable(reason="not a JSON object")
    signal_id = document.get("signal_id")
    if not isinstance(signal_id, str):
        return Unanswerable(reason="no signal_id, which must be a string")
    if not 1 <= len(signal_id) <= MAX_SIGNAL_ID_LENGTH:
        return Unanswerable(reason=f"signal_id must have 1 to {MAX_SIGNAL_ID_LENGTH} characters")
    if len(body) > MAX_BODY_BYTES:
        problem = f"body: {len(body)} bytes, at most {MAX_BODY_BYTES} are allowed"
        return _bad(document, signal_id, routing_key, "invalid_signal", (problem,), body)
    twice = _given_twice(body, document)
    if twice == "signal_id":
        return Unanswerable(reason="signal_id is given more than once")
    if twice is not None:
        problem = f"{twice[:64]}: given more than once"
        return _bad(document, signal_id, routing_key, "invalid_signal", (problem,), body)
    try:
        wire = SignalV1.model_validate(document)
    except ValidationError as error:
        return _bad(document, signal_id, routing_key, "invalid_signal", _problems(error), body)
    if wire.account != routing_key:
        problem = "account: must equal the routing key the message was published with"
        return _bad(document, signal_id, routing_key, "account_mismatch", (problem,), body)
    return _signal(wire)


def _bad(
    document: dict[str, Any], signal_id: str, account: str, code: str, problems: tuple[str, ...], body: bytes
) -> BadSignal:
    action, symbol = document.get("action", "place"), document.get("symbol")
    return BadSignal(
        signal_id=signal_id,
        account=account,
        action=action if isinstance(action, str) and action in set(Action) else None,
        symbol_text=symbol[:65] if isinstance(symbol, str) else None,
        code=code,
        problems=problems,
        content_hash=blake2b(body, digest_size=16).hexdigest(),
    )


def _problems(error: ValidationError) -> tuple[str, ...]:
    found = [_problem(item["type"], item["loc"], item["msg"]) for item in error.errors(include_url=False)]
    more = len(found) - MAX_PROBLEMS
    return (*found[:MAX_PROBLEMS], f"and {more} more") if more > 0 else tuple(found)


def _problem(kind: str, location: tuple[int | str, ...], message: str) -> str:
    message = message.removeprefix("Value error, ")
    if not location:
        return message
    path = ".".join(str(part)[:64] for part in location)
    if kind == "extra_forbidden":
        return f"{path}: unknown field"
    if kind == "missing":
        return f"{path}: required"
    return f"{path}: {message[0].lower()}{message[1:]}"


def _signal(wire: SignalV1) -> Signal:
    time_in_force = wire.time_in_force
    if time_in_force is None and wire.type in _LIMIT_TYPES and wire.type is not OrderType.LIMIT_MAKER:
        time_in_force = TimeInForce.GTC
    symbol = wire.symbol.replace("/", "").upper()
    return Signal(
        signal_id=wire.signal_id,
        account=wire.account,
        action=wire.action,
        symbol=symbol,
        symbol_text=wire.symbol,
        side=wire.side,
        type=wire.type,
        quantity=wire.quantity,
        quote_quantity=wire.quote_quantity,
        price=wire.price,
        stop_price=wire.stop_price,
        trailing_delta=wire.trailing_delta,
        time_in_force=time_in_force,
        reduce_only=wire.reduce_only,
        close_position=wire.close_position,
        position_side=wire.position_side,
        cancels=wire.cancels,
        valid_until_ms=wire.valid_until,
        dry_run=wire.dry_run,
        content_hash=_content_hash(wire, symbol, time_in_force),
    )


def _content_hash(wire: SignalV1, symbol: str, time_in_force: TimeInForce | None) -> str:
    """Hash what the signal asks for, so that the same request written differently is the same content."""
    parts = (
        wire.action,
        symbol,
        wire.side or "",
        wire.type or "",
        shortest(wire.quantity),
        shortest(wire.quote_quantity),
        shortest(wire.price),
        shortest(wire.stop_price),
        shortest(wire.trailing_delta),
        time_in_force or "",
        _shown(wire.reduce_only),
        _shown(wire.close_position),
        wire.position_side or "",
        wire.cancels or "",
        _shown(wire.valid_until),
        _shown(wire.dry_run),
    )
    return blake2b("\n".join(parts).encode(), digest_size=16).hexdigest()


def _shown(number: int | None) -> str:
    return "" if number is None else str(number)
