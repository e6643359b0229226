"""The REST dialect of Binance spot (`/api/v3`), shared by every venue that speaks it.

Invariants: an order's client order id is ours and travels with every request; a placement is accepted only on
the strength of a body that names this very order; a look-up by client order id counts only after side,
symbol, quantity, type and age were compared, because the id is unique among open orders only. A cancel
answered "unknown order" may mean filled, so it is followed by a look-up and never taken for a success.

Source: binance-spot-api-docs, rest-api.md, July 2026.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from adapters import keys
from adapters.abilities import Abilities, check_abilities, with_time_in_force
from adapters.base import Flow
from adapters.dialect import (
    UNREADABLE,
    Params,
    Profile,
    Rest,
    cancelled_orders,
    doubt,
    lookup_failed,
    not_found,
    order_params,
)
from adapters.error_tables.binance_spot import TABLE
from adapters.errors import VenueError
from adapters.exchange_info import Filters, Row, bound, is_trading, names, order_types, precision, read_limit
from adapters.filters import check_filters, without_idle_zeros
from adapters.model import (
    Absent,
    Accepted,
    AllCancelled,
    Ambiguous,
    Answer,
    Balance,
    Call,
    Found,
    HttpRequest,
    KeyForm,
    KeyRights,
    LookupFailed,
    Order,
    OrderCount,
    OrderState,
    OrderType,
    Purpose,
    RateLimit,
    Sighting,
    Sweep,
    SymbolRules,
    TimeInForce,
    Unproven,
    VenueRules,
    Verdict,
)
from adapters.reports import fits, names_other, read_report, sight
from adapters.signing import Signer
from adapters.wire import sign_request

API: Final = "/api/v3"
_TYPES: Final = frozenset(OrderType) - {OrderType.TRAILING_STOP}
_NOT_OPEN: Final = frozenset({-2011, -2013})
_NO_SUCH_ORDER: Final = frozenset({-2013, -2026})  # -2026: closed without a fill more than 90 days ago
_NO_RESTRICTIONS: Final = (
    "This host does not tell what a key may do (only the live one does): "
    "the rights to trade and to withdraw stay unproven"
)
_FULL_REPLY: Final = ("newOrderRespType", "FULL")


class BinanceSpot:
    """An adapter for one venue that speaks Binance's spot API."""

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._rest = Rest(profile.api, TABLE)
        self._abilities = Abilities(
            venue=profile.name,
            order_types=_TYPES,
            times_in_force=frozenset({TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK}),
            quote_quantity_types=frozenset({OrderType.MARKET}),
        )

    @property
    def name(self) -> str:
        """The venue's name."""
        return self._profile.name

    @property
    def base_url(self) -> str:
        """The live REST address."""
        return self._profile.base_url

    @property
    def fallback_limits(self) -> Sequence[RateLimit]:
        """The documented limits."""
        return self._profile.fallback_limits

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
        return TABLE.read(answer)[1]

    # --- Keys

    @property
    def key_form(self) -> KeyForm:
        """How keys look."""
        return self._profile.key_form

    def key_rights(self) -> Flow[KeyRights | VenueError]:
        """Ask what the key may do; only the live host tells."""
        return keys.rights_from_restrictions(self._rest, account_weight=20, note=_NO_RESTRICTIONS)

    def balances(self) -> Flow[tuple[Balance, ...] | VenueError]:
        """Ask what the account holds."""
        return keys.balances(self._rest, weight=20)

    def order_counts(self) -> Flow[tuple[OrderCount, ...] | VenueError] | None:
        """Ask how many unfilled orders the account has placed."""
        return keys.order_counts(self._rest, weight=40)

    # --- Venue facts

    def server_time(self) -> Flow[int | VenueError]:
        """Ask the venue's clock."""
        return self._rest.server_time()

    def venue_rules(self) -> Flow[VenueRules | VenueError]:
        """Read symbols, filters and limits."""
        return self._rest.venue_rules(_read_symbol, read_limit, weight=20)

    def last_price(self, symbol: str) -> Flow[Decimal | VenueError]:
        """Ask the last price of a symbol."""
        return self._rest.last_price(symbol, weight=2)

    # --- Orders

    def needs_price(self, order: Order, rules: SymbolRules) -> bool:  # noqa: ARG002 - the protocol's signature
        """Never: what the venue measures on an average of its own, it measures better."""
        return False

    def prepare(self, order: Order, rules: SymbolRules, last_price: Decimal | None) -> Order | VenueError:
        """Check an order against the rules of its symbol."""
        order = with_time_in_force(order)
        error = check_abilities(order, rules, self._abilities) or check_filters(order, rules, last_price)
        return error or without_idle_zeros(order, rules)

    def place(self, order: Order) -> Call:
        """Encode a placement; the full reply tells fills and fees."""
        return self._rest.call(
            "POST",
            "order",
            Purpose.PLACE,
            (*order_params(order), _FULL_REPLY),
            orders=1,
            free_when_accepted=True,
        )

    def read_placement(self, order: Order, answer: Answer) -> Verdict:
        """Read the answer to a placement."""
        body, error = TABLE.read(answer)
        if error is not None:
            return doubt(error)
        if not isinstance(body, dict) or names_other(body, order.client_order_id):
            return Unproven(error=UNREADABLE)
        report = read_report(body, order)
        if report is None or not fits(order, report):
            return Unproven(error=UNREADABLE)
        return Accepted(report=report)

    def test_order(self, order: Order) -> Call | None:
        """Encode a dry run; the venue checks everything short of its matching engine."""
        return self._rest.call("POST", "order/test", Purpose.LOOKUP, (*order_params(order), _FULL_REPLY))

    def find(self, order: Order, *, venue_order_id: str | None, since_ms: int) -> Flow[Sighting]:  # noqa: ARG002
        """Look an order up by our id, which is enough here, and compare what was found."""
        sighting = yield from self.find_by_id(order.symbol, order.client_order_id, since_ms=since_ms)
        if isinstance(sighting, Found) and not fits(order, sighting.report):
            return Ambiguous(candidates=1)
        return sighting

    def find_by_id(self, symbol: str, client_order_id: str, *, since_ms: int) -> Flow[Sighting]:
        """Look an order up by our id alone."""
        params = (("symbol", symbol), ("origClientOrderId", client_order_id))
        body, error = yield from self._rest.ask(
            self._rest.call("GET", "order", Purpose.LOOKUP, params, weight=4)
        )
        if error is not None:
            return Absent() if error.venue_code in _NO_SUCH_ORDER else lookup_failed(error)
        if not isinstance(body, dict) or names_other(body, client_order_id):
            return lookup_failed(None)
        report = read_report(body)
        if report is None:
            return lookup_failed(None)
        return sight(report, since_ms)

    def cancel(self, symbol: str, client_order_id: str, venue_order_id: str | None) -> Flow[Verdict]:  # noqa: ARG002
        """Cancel one order; one that is not open any more is looked up."""
        verdict = yield from self._cancel_once(symbol, client_order_id)
        if isinstance(verdict, Accepted) and verdict.report.state is OrderState.OPEN:
            # "Unknown order", yet it is open: it reached the book between the two requests.
            verdict = yield from self._cancel_once(symbol, client_order_id)
        return verdict

    def _cancel_once(self, symbol: str, client_order_id: str) -> Flow[Verdict]:
        params = (("symbol", symbol), ("origClientOrderId", client_order_id))
        body, error = yield from self._rest.ask(self._delete("order", params))
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
                return not_found(error)

    def cancel_all(self, symbol: str) -> Flow[Sweep]:
        """Cancel every open order of a symbol, after one request that tells whether there are any."""
        params = (("symbol", symbol),)
        body, error = yield from self._rest.ask(
            self._rest.call("GET", "openOrders", Purpose.CANCEL, params, weight=6)
        )
        if error is not None:
            return doubt(error)
        if not isinstance(body, list):
            return Unproven(error=UNREADABLE)
        if not body:
            return AllCancelled(orders=())
        reply, error = yield from self._rest.ask(self._delete("openOrders", params))
        if error is not None and error.venue_code in _NOT_OPEN:
            return AllCancelled(orders=())
        if error is not None:
            return doubt(error)
        return AllCancelled(orders=cancelled_orders(reply) or cancelled_orders(body))

    def _delete(self, name: str, params: Params) -> Call:
        return self._rest.call("DELETE", name, Purpose.CANCEL, params, free_when_accepted=True)


def _read_symbol(row: Row, filters: Filters) -> SymbolRules | None:
    named = names(row)
    if named is None:
        return None
    price, lot = filters.get("PRICE_FILTER", {}), filters.get("LOT_SIZE", {})
    market_lot = filters.get("MARKET_LOT_SIZE", {})
    notional, minimum = filters.get("NOTIONAL", {}), filters.get("MIN_NOTIONAL", {})
    percent, by_side = filters.get("PERCENT_PRICE", {}), filters.get("PERCENT_PRICE_BY_SIDE", {})
    on_market = notional.get("applyMinToMarket") if notional else minimum.get("applyToMarket")
    return SymbolRules(
        symbol=named[0],
        base=named[1],
        quote=named[2],
        is_trading=is_trading(row),
        order_types=order_types(row, _TYPES),
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
        min_notional_on_market=on_market is True,
        max_notional_on_market=notional.get("applyMaxToMarket") is True,
        notional_filter="notional" if notional else "min_notional",
        percent_price_filter="percent_price_by_side" if by_side else "percent_price",
        bid_multiplier_up=bound(by_side, "bidMultiplierUp") or bound(percent, "multiplierUp"),
        bid_multiplier_down=bound(by_side, "bidMultiplierDown") or bound(percent, "multiplierDown"),
        ask_multiplier_up=bound(by_side, "askMultiplierUp") or bound(percent, "multiplierUp"),
        ask_multiplier_down=bound(by_side, "askMultiplierDown") or bound(percent, "multiplierDown"),
    )
