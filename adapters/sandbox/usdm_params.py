"""The parameters of USD-M futures: how they may look, and what each order type needs in each position mode."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from adapters.sandbox.binance_params import (
    DECIMAL_LOOK,
    DEFAULT_WINDOW_MS,
    MAX_WINDOW_MS,
    NUMBER_LOOK,
    SYMBOL_LOOK,
    Look,
    enumerated,
    missing,
)
from adapters.sandbox.model import Dialect, FuturesType, NewOrder, PositionSide, Side, TimeInForce, Trigger
from adapters.sandbox.usdm_engine import Contract
from adapters.sandbox.venue import VenueError

_CLIENT_ID: Final = re.compile(r"[.A-Z:/a-z0-9_-]{1,36}")
_LONGEST_CLIENT_ID: Final = 36
_BOOLEAN: Final[Look] = (re.compile("true|false"), "true|false")
_SMALLEST_LEAD_MS: Final = 600_000
_LATEST_MS: Final = 253_402_300_799_000
_CALLBACK_RANGE: Final = (Decimal("0.1"), Decimal(10))
_PREVENTION_MODES: Final = frozenset({"NONE", "EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH"})
_RESPONSE_TYPES: Final = frozenset({"ACK", "RESULT"})
_OPPONENT: Final = frozenset({"OPPONENT", "OPPONENT_5"})
_QUEUE: Final = frozenset({"QUEUE", "QUEUE_5", "QUEUE_10", "QUEUE_20"})
_CLOSING_TYPES: Final = frozenset({FuturesType.STOP_MARKET, FuturesType.TAKE_PROFIT_MARKET})
_ALGO_TIMES: Final = frozenset({TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK, TimeInForce.GTX})
_ECHOED: Final = ("priceMatch", "selfTradePreventionMode", "workingType", "priceProtect")

LOOKS: Final[Mapping[str, Look]] = {
    **dict.fromkeys(
        ("quantity", "price", "triggerPrice", "activatePrice", "activationPrice", "callbackRate"),
        DECIMAL_LOOK,
    ),
    **dict.fromkeys(
        (
            "timestamp",
            "recvWindow",
            "orderId",
            "algoId",
            "fromId",
            "startTime",
            "endTime",
            "limit",
            "page",
            "goodTillDate",
            "leverage",
        ),
        NUMBER_LOOK,
    ),
    **dict.fromkeys(("reduceOnly", "closePosition", "priceProtect", "dualSidePosition"), _BOOLEAN),
    "symbol": SYMBOL_LOOK,
}
_NEEDED: Final[Mapping[FuturesType, tuple[str, ...]]] = {
    FuturesType.LIMIT: ("timeInForce",),
    FuturesType.MARKET: (),
    FuturesType.STOP: ("triggerPrice",),
    FuturesType.TAKE_PROFIT: ("triggerPrice",),
    FuturesType.STOP_MARKET: ("triggerPrice",),
    FuturesType.TAKE_PROFIT_MARKET: ("triggerPrice",),
    FuturesType.TRAILING_STOP_MARKET: ("callbackRate",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Who trades and where: what an order's parameters are read against."""

    account: str
    is_hedged: bool
    contracts: Mapping[str, Contract]
    auto_id: str
    venue_ms: int


def window_us(values: Mapping[str, str]) -> int:
    """Return the receive window in microseconds."""
    window = int(values.get("recvWindow", DEFAULT_WINDOW_MS))
    if window > MAX_WINDOW_MS:
        raise VenueError(400, -1130, "Data sent for parameter 'recvWindow' is not valid.")
    return window * 1000


def read_order(values: Mapping[str, str], desk: Desk) -> NewOrder:
    """Turn a placement into an order; conditional types belong to another endpoint (-4120)."""
    kind = enumerated(FuturesType, values["type"], -1116, "Invalid orderType.")
    if kind.is_conditional:
        text = "Order type not supported for this endpoint. Please use the Algo Order API endpoints instead."
        raise VenueError(400, -4120, text)
    if values.get("closePosition") == "true":
        raise _not_required("closePosition")
    return _read(values, desk, kind, values.get("newClientOrderId"))


def read_algo_order(values: Mapping[str, str], desk: Desk) -> tuple[NewOrder, Trigger]:
    """Turn a conditional placement into an order and what it waits for."""
    if values["algoType"] != "CONDITIONAL":
        raise VenueError(400, -1130, "Data sent for parameter 'algoType' is not valid.")
    kind = enumerated(FuturesType, values["type"], -1116, "Invalid orderType.")
    if not kind.is_conditional:
        raise VenueError(400, -1116, "Invalid orderType.")
    if values.get("closePosition") == "true":
        _check_closing(kind, values)
    order = _read(values, desk, kind, values.get("clientAlgoId"))
    if order.time_in_force not in _ALGO_TIMES:
        raise VenueError(400, -1115, "Invalid timeInForce.")
    return order, _trigger(order, values)


def response_type(values: Mapping[str, str]) -> str:
    """Return the shape of a placement's reply; ACK unless asked otherwise."""
    chosen = values.get("newOrderRespType", "ACK")
    if chosen not in _RESPONSE_TYPES:
        raise VenueError(400, -1136, "Invalid newOrderRespType.")
    return chosen


def _read(values: Mapping[str, str], desk: Desk, kind: FuturesType, client_id: str | None) -> NewOrder:
    side = enumerated(Side, values["side"], -1117, "Invalid side.")
    contract = desk.contracts.get(values["symbol"])
    if contract is None:
        raise VenueError(400, -1121, "Invalid symbol.")
    if client_id is not None:
        _check_client_id(client_id)
    position_side = _position_side(values, desk)
    response_type(values)
    _check_needed(kind, values)
    time_in_force = enumerated(TimeInForce, values.get("timeInForce", "GTC"), -1115, "Invalid timeInForce.")
    return NewOrder(
        account=desk.account,
        dialect=Dialect.BINANCE_USDM,
        symbol=values["symbol"],
        side=side,
        type=kind,
        client_order_id=client_id or desk.auto_id,
        quantity=_decimal(values, "quantity"),
        price=_price(values, kind, side, contract),
        stop_price=_decimal(values, "triggerPrice"),
        time_in_force=time_in_force,
        good_till_ms=_good_till_ms(values, time_in_force, desk.venue_ms),
        position_side=position_side,
        is_reduce_only=values.get("reduceOnly") == "true",
        closes_position=values.get("closePosition") == "true",
        extra={name: values[name] for name in _ECHOED if name in values},
    )


def _check_client_id(text: str) -> None:
    if len(text) > _LONGEST_CLIENT_ID:
        raise VenueError(400, -4015, "Client order id length should not be more than 36 chars")
    if _CLIENT_ID.fullmatch(text) is None:
        raise VenueError(400, -4015, "Client order id is not valid.")


def _position_side(values: Mapping[str, str], desk: Desk) -> PositionSide:
    side = enumerated(PositionSide, values.get("positionSide", "BOTH"), -4060, "Invalid position side.")
    if desk.is_hedged is (side is PositionSide.BOTH):
        raise VenueError(400, -4061, "Order's position side does not match user's setting.")
    if desk.is_hedged and "reduceOnly" in values:
        raise VenueError(400, -4062, "Invalid or improper reduceOnly value.")
    return side


def _check_needed(kind: FuturesType, values: Mapping[str, str]) -> None:
    closes = values.get("closePosition") == "true"
    for name in _NEEDED[kind] if closes else ("quantity", *_NEEDED[kind]):
        if name not in values:
            raise missing(name)
    if not kind.has_price:
        for name in ("price", "timeInForce") if kind is FuturesType.MARKET else ("price",):
            if name in values:
                raise _not_required(name)
    mode = values.get("selfTradePreventionMode", "NONE")
    if mode not in _PREVENTION_MODES:
        raise VenueError(400, -5039, "Invalid self trade prevention mode")
    if values.get("workingType", "CONTRACT_PRICE") not in {"CONTRACT_PRICE", "MARK_PRICE"}:
        raise VenueError(400, -4031, "Invalid parameter working type")


def _price(values: Mapping[str, str], kind: FuturesType, side: Side, contract: Contract) -> Decimal | None:
    match = values.get("priceMatch", "NONE")
    if match == "NONE":
        if kind.has_price and "price" not in values:
            raise missing("price")
        return _decimal(values, "price")
    if not kind.has_price:
        text = "Price match only supports order type: LIMIT, STOP AND TAKE_PROFIT"
        raise VenueError(400, -5038, text)
    if "price" in values:
        raise _not_required("price")
    if match not in _OPPONENT | _QUEUE:
        raise VenueError(400, -5037, "Invalid price match")
    is_ask = (match in _OPPONENT) is (side is Side.BUY)
    return contract.best_ask if is_ask else contract.best_bid


def _good_till_ms(values: Mapping[str, str], time_in_force: TimeInForce, venue_ms: int) -> int | None:
    text = values.get("goodTillDate")
    if time_in_force is not TimeInForce.GTD:
        if text is not None:
            raise _not_required("goodTillDate")
        return None
    if text is None:
        raise missing("goodTillDate")
    until_ms = int(text)
    if not venue_ms + _SMALLEST_LEAD_MS < until_ms < _LATEST_MS:
        message = (
            "The goodTillDate timestamp must be greater than the current time plus 600 seconds "
            "and smaller than 253402300799000 (UTC 9999-12-31 23:59:59)"
        )
        raise VenueError(400, -5040, message)
    return until_ms // 1000 * 1000


def _check_closing(kind: FuturesType, values: Mapping[str, str]) -> None:
    if kind not in _CLOSING_TYPES:
        raise _not_required("closePosition")
    if "quantity" in values:
        raise VenueError(400, -4137, "Quantity must be zero with closePosition equals true")
    if "reduceOnly" in values:
        raise _not_required("reduceOnly")


def _trigger(order: NewOrder, values: Mapping[str, str]) -> Trigger:
    by_mark_price = values.get("workingType") == "MARK_PRICE"
    if order.type is not FuturesType.TRAILING_STOP_MARKET:
        return Trigger(price=order.stop_price, by_mark_price=by_mark_price)
    rate = Decimal(values["callbackRate"])
    lowest, highest = _CALLBACK_RANGE
    if not lowest <= rate <= highest:
        raise VenueError(400, -1130, "Data sent for parameter 'callbackRate' is not valid.")
    activation = _decimal(values, "activatePrice") or _decimal(values, "activationPrice")
    return Trigger(price=activation, by_mark_price=by_mark_price, callback=rate / 100)


def _decimal(values: Mapping[str, str], name: str) -> Decimal | None:
    return Decimal(values[name]) if name in values else None


def _not_required(name: str) -> VenueError:
    return VenueError(400, -1106, f"Parameter '{name}' sent when not required.")
