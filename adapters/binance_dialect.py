"""The REST dialect of Binance spot (`/api/v3`): encode, read, classify. Shared by every venue that speaks it.

Invariants: an order's client order id is ours and travels with every request; a placement is accepted only on the
strength of a body that names this very order; a look-up by client order id counts only after side, symbol, quantity, type
and age were compared, because the id is unique among open orders only. A cancel answered "unknown order" may mean filled,
so it is followed by a look-up and never taken for a success.
Source: binance-spot-api-docs, rest-api.md, July 2026.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from adapters.base import Flow
from adapters.error_tables.binance_spot import TABLE
from adapters.error_tables.common import UNREADABLE_REPLY
from adapters.errors import Landed, VenueError
from adapters.exchange_info import Filters, Row, bound, is_trading, names, order_types, precision, read_rules
from adapters.filters import check_order
from adapters.model import (
    Absent,
    Accepted,
    AllCancelled,
    Ambiguous,
    Answer,
    Call,
    CancelledOrder,
    ExecutionReport,
    Found,
    HttpRequest,
    LookupFailed,
    Order,
    OrderState,
    OrderType,
    Purpose,
    RateLimit,
    Refused,
    Security,
    Sighting,
    Sweep,
    SymbolRules,
    TimeInForce,
    Unproven,
    VenueRules,
    Verdict,
)
from adapters.reports import fits, is_older, read_report
from adapters.signing import Signer
from adapters.wire import decimal, milliseconds, plain, rows, sign_request

UNREADABLE: Final = VenueError(entry=UNREADABLE_REPLY)
SPOT_TYPES: Final = frozenset(OrderType) - {OrderType.TRAILING_STOP}
SPOT_TIMES: Final = frozenset({TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK})
_NEEDS_TIME_IN_FORCE: Final = frozenset(
    {OrderType.LIMIT, OrderType.STOP_LOSS_LIMIT, OrderType.TAKE_PROFIT_LIMIT}
)
_NOT_OPEN: Final = frozenset({-2011, -2013})
_NO_SUCH_ORDER: Final = frozenset({-2013, -2026})  # -2026: never filled, closed more than 90 days ago


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What differs between venues of one dialect."""

    name: str
    base_url: str
    fallback_limits: tuple[RateLimit, ...]
    api: str = "/api/v3"


class BinanceSpot:
    """An adapter for one venue that speaks Binance's spot API."""

    def __init__(self, profile: Profile) -> None:
        self.profile = profile
        self._order_path = f"{profile.api}/order"

    @property
    def name(self) -> str:
        """The venue's name."""
        return self.profile.name

    @property
    def base_url(self) -> str:
        """The live REST address."""
        return self.profile.base_url

    @property
    def fallback_limits(self) -> Sequence[RateLimit]:
        """The documented limits."""
        return self.profile.fallback_limits

    @property
    def market_orders_settle_late(self) -> bool:
        """Never: a full reply tells the fate of a placement."""
        return False

    def sign(
        self, call: Call, signer: Signer | None, *, base_url: str, timestamp_ms: int, recv_window_ms: int
    ) -> HttpRequest:
        """Stamp, encode and sign a call."""
        return sign_request(
            call, signer, base_url=base_url, timestamp_ms=timestamp_ms, recv_window_ms=recv_window_ms
        )

    def error(self, answer: Answer) -> VenueError | None:
        """Classify an answer."""
        return TABLE.error(answer)

    # --- Venue facts

    def server_time(self) -> Flow[int | VenueError]:
        """Ask the venue's clock."""
        body, error = TABLE.read((yield self._public("time", Purpose.PROBE)))
        now_ms = milliseconds(body.get("serverTime")) if isinstance(body, dict) else None
        return error or now_ms or UNREADABLE

    def venue_rules(self) -> Flow[VenueRules | VenueError]:
        """Read symbols, filters and limits."""
        body, error = TABLE.read((yield self._public("exchangeInfo", Purpose.RULES, weight=20)))
        return error or read_rules(body, _read_symbol) or UNREADABLE

    def last_price(self, symbol: str) -> Flow[Decimal | VenueError]:
        """Ask the last price of a symbol."""
        call = self._public("ticker/price", Purpose.LOOKUP, weight=2, params=(("symbol", symbol),))
        body, error = TABLE.read((yield call))
        price = next((decimal(row.get("price")) for row in rows(body)), None)
        return error or price or UNREADABLE

    # --- Orders

    def needs_price(self, order: Order, rules: SymbolRules) -> bool:
        """Never: what is measured on a price of the venue's own, the venue measures better."""
        return False

    def prepare(self, order: Order, rules: SymbolRules, last_price: Decimal | None) -> Order | VenueError:
        """Check an order against the rules of its symbol."""
        order = with_default_time_in_force(order)
        return check_order(order, rules, last_price, types=SPOT_TYPES, times_in_force=SPOT_TIMES) or order

    def place(self, order: Order) -> Call:
        """Encode a placement; the full reply tells fills and fees."""
        return Call(
            method="POST",
            path=self._order_path,
            params=order_params(order),
            purpose=Purpose.PLACE,
            orders=1,
            free_when_accepted=True,
        )

    def read_placement(self, order: Order, answer: Answer) -> Verdict:
        """Read the answer to a placement."""
        body, error = TABLE.read(answer)
        if error is not None:
            return doubt(error)
        report = read_report(body) if isinstance(body, dict) else None
        if (
            report is None
            or not fits(order, report)
            or report.client_order_id not in ("", order.client_order_id)
        ):
            return Unproven(error=UNREADABLE)
        return Accepted(report=as_placed(order, report))

    def test_order(self, order: Order) -> Call | None:
        """Encode a dry run; the venue checks everything up to its matching engine."""
        return Call(
            method="POST", path=f"{self._order_path}/test", params=order_params(order), purpose=Purpose.LOOKUP
        )

    def find(self, order: Order, *, venue_order_id: str | None, since_ms: int) -> Flow[Sighting]:
        """Look an order up by our id and compare what was found."""
        sighting = yield from self.find_by_id(order.symbol, order.client_order_id, since_ms=since_ms)
        if isinstance(sighting, Found) and not fits(order, sighting.report):
            return Ambiguous(candidates=1)
        return sighting

    def find_by_id(self, symbol: str, client_order_id: str, *, since_ms: int) -> Flow[Sighting]:
        """Look an order up by our id alone."""
        params = (("symbol", symbol), ("origClientOrderId", client_order_id))
        body, error = TABLE.read(
            (yield Call(method="GET", path=self._order_path, params=params, purpose=Purpose.LOOKUP, weight=4))
        )
        if error is not None:
            return Absent() if error.venue_code in _NO_SUCH_ORDER else LookupFailed(error=error)
        report = read_report(body) if isinstance(body, dict) else None
        if report is None or report.client_order_id not in ("", client_order_id):
            return LookupFailed(error=UNREADABLE)
        return Absent() if is_older(report, since_ms) else Found(report=report)

    def cancel(self, symbol: str, client_order_id: str, venue_order_id: str | None) -> Flow[Verdict]:
        """Cancel one order; one that is not open any more is looked up."""
        verdict = yield from self._cancel_once(symbol, client_order_id)
        if isinstance(verdict, Accepted) and verdict.report.state is OrderState.OPEN:
            # "Unknown order", yet it is open: it reached the book between the two requests.
            verdict = yield from self._cancel_once(symbol, client_order_id)
        return verdict

    def _cancel_once(self, symbol: str, client_order_id: str) -> Flow[Verdict]:
        params = (("symbol", symbol), ("origClientOrderId", client_order_id))
        body, error = TABLE.read((yield self._delete("order", params)))
        if error is None:
            report = read_report(body) if isinstance(body, dict) else None
            return Unproven(error=UNREADABLE) if report is None else Accepted(report=report)
        if error.venue_code not in _NOT_OPEN:
            return doubt(error)
        match (yield from self.find_by_id(symbol, client_order_id, since_ms=0)):
            case Found(report=report):
                return Accepted(report=report)
            case LookupFailed(error=reason):
                return Unproven(error=reason)
            case _:
                return Refused(error=error)

    def cancel_all(self, symbol: str) -> Flow[Sweep]:
        """Cancel every open order of a symbol; one request more than needed, to know which."""
        params = (("symbol", symbol),)
        path = f"{self.profile.api}/openOrders"
        body, error = TABLE.read(
            (yield Call(method="GET", path=path, params=params, purpose=Purpose.CANCEL, weight=6))
        )
        if error is not None:
            return doubt(error)
        if not isinstance(body, list):
            return Unproven(error=UNREADABLE)
        if not body:
            return AllCancelled(orders=())
        reply, error = TABLE.read((yield self._delete("openOrders", params)))
        if error is not None and error.venue_code in _NOT_OPEN:
            return AllCancelled(orders=())
        if error is not None:
            return doubt(error)
        return AllCancelled(orders=cancelled_orders(reply) or cancelled_orders(body))

    # --- Calls

    def _public(
        self, name: str, purpose: Purpose, *, weight: int = 1, params: tuple[tuple[str, str], ...] = ()
    ) -> Call:
        return Call(
            method="GET",
            path=f"{self.profile.api}/{name}",
            params=params,
            security=Security.NONE,
            purpose=purpose,
            weight=weight,
        )

    def _delete(self, name: str, params: tuple[tuple[str, str], ...]) -> Call:
        return Call(
            method="DELETE",
            path=f"{self.profile.api}/{name}",
            params=params,
            purpose=Purpose.CANCEL,
            free_when_accepted=True,
        )


def doubt(error: VenueError) -> Refused | Unproven:
    """Say what an error proves."""
    return Refused(error=error) if error.entry.landed is Landed.NO else Unproven(error=error)


def with_default_time_in_force(order: Order) -> Order:
    """Fill in what the contract leaves to us: limits are good till cancelled."""
    if order.time_in_force is None and order.type in _NEEDS_TIME_IN_FORCE:
        return replace(order, time_in_force=TimeInForce.GTC)
    return order


def order_params(order: Order) -> tuple[tuple[str, str], ...]:
    """Write an order as parameters, leaving out what it has not."""
    params = [("symbol", order.symbol), ("side", order.side.upper()), ("type", order.type.upper())]
    if order.time_in_force is not None:
        params.append(("timeInForce", order.time_in_force.upper()))
    for name, value in (
        ("quantity", order.quantity),
        ("quoteOrderQty", order.quote_quantity),
        ("price", order.price),
        ("stopPrice", order.stop_price),
        ("trailingDelta", order.trailing_delta),
    ):
        if value is not None:
            params.append((name, plain(value)))
    params.append(("newClientOrderId", order.client_order_id))
    params.append(("newOrderRespType", "FULL"))
    return tuple(params)


def as_placed(order: Order, report: ExecutionReport) -> ExecutionReport:
    """Complete the report of a placement with what the request itself knows."""
    return replace(
        report,
        client_order_id=order.client_order_id,
        symbol=order.symbol,
        created_ms=report.created_ms or report.transact_time_ms,
    )


def cancelled_orders(body: object) -> tuple[CancelledOrder, ...]:
    """Read the ids of orders; order lists carry theirs one level deeper."""
    found = []
    for row in rows(body):
        for entry in rows(row.get("orderReports")) or [row]:
            report = read_report(entry)
            if report is not None:
                found.append(
                    CancelledOrder(
                        client_order_id=report.client_order_id, venue_order_id=report.venue_order_id
                    )
                )
    return tuple(found)


def _read_symbol(row: Row, filters: Filters) -> SymbolRules | None:
    named = names(row)
    if named is None:
        return None
    symbol, base, quote = named
    price, lot = filters.get("PRICE_FILTER", {}), filters.get("LOT_SIZE", {})
    market_lot = filters.get("MARKET_LOT_SIZE", {})
    notional, minimum = filters.get("NOTIONAL", {}), filters.get("MIN_NOTIONAL", {})
    percent, by_side = filters.get("PERCENT_PRICE", {}), filters.get("PERCENT_PRICE_BY_SIDE", {})
    return SymbolRules(
        symbol=symbol,
        base=base,
        quote=quote,
        is_trading=is_trading(row),
        order_types=order_types(row, SPOT_TYPES),
        quote_quantity_allowed=row.get("quoteOrderQtyMarketAllowed") is not False,
        base_precision=precision(row, "baseAssetPrecision"),
        quote_precision=precision(row, "quoteAssetPrecision", "quotePrecision"),
        min_price=bound(price, "minPrice"),
        max_price=bound(price, "maxPrice"),
        tick_size=bound(price, "tickSize"),
        min_quantity=bound(lot, "minQty"),
        max_quantity=bound(lot, "maxQty"),
        step_size=bound(lot, "stepSize"),
        market_min_quantity=bound(market_lot, "minQty"),
        market_max_quantity=bound(market_lot, "maxQty"),
        market_step_size=bound(market_lot, "stepSize"),
        min_notional=bound(notional, "minNotional") or bound(minimum, "minNotional"),
        max_notional=bound(notional, "maxNotional"),
        min_notional_on_market=(
            notional.get("applyMinToMarket") if notional else minimum.get("applyToMarket")
        )
        is True,
        max_notional_on_market=notional.get("applyMaxToMarket") is True,
        notional_filter="notional" if notional else "min_notional",
        percent_price_filter="percent_price_by_side" if by_side else "percent_price",
        bid_multiplier_up=bound(by_side, "bidMultiplierUp") or bound(percent, "multiplierUp"),
        bid_multiplier_down=bound(by_side, "bidMultiplierDown") or bound(percent, "multiplierDown"),
        ask_multiplier_up=bound(by_side, "askMultiplierUp") or bound(percent, "multiplierUp"),
        ask_multiplier_down=bound(by_side, "askMultiplierDown") or bound(percent, "multiplierDown"),
    )
