"""The REST dialect of Bitrue spot (`/api/v1`).

It looks like Binance's and behaves otherwise:

- a placement is only acknowledged, so what became of it has to be asked, and success does not mean acceptance
- business errors arrive under HTTP 200
- there are market and limit orders good till cancelled and nothing else; a quote quantity is converted here,
  rounded down
- orders are looked up and cancelled without an id that can be relied on: see `bitrue_orders.py`

Source: Bitrue spot README of July 2023, and what ccxt and hummingbot saw live.
"""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Final

from adapters import keys
from adapters.abilities import Abilities, check_abilities, with_time_in_force
from adapters.base import Flow
from adapters.bitrue_orders import BitrueOrders
from adapters.bitrue_rules import TYPES, read_limit, read_symbol
from adapters.dialect import (
    UNREADABLE,
    Profile,
    Rest,
    doubt,
    order_params,
)
from adapters.error_tables.bitrue_spot import TABLE
from adapters.errors import VenueError, refusal
from adapters.filters import check_filters, to_base, without_idle_zeros
from adapters.model import (
    Accepted,
    Answer,
    Balance,
    Call,
    HttpRequest,
    KeyForm,
    KeyRights,
    Order,
    OrderCount,
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
from adapters.reports import (
    fits,
    names_other,
    read_report,
)
from adapters.signing import Signer
from adapters.wire import sign_request

API: Final = "/api/v1"
_UNPROVEN: Final = (
    "Bitrue has no endpoint that tells what a key may do, and the flags of its account reply mean nothing: "
    "look at the key's rights and its IP list on the website; the first order proves the right to trade"
)


class BitrueSpot:
    """An adapter for one venue that speaks Bitrue's spot API."""

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._rest = Rest(profile.api, TABLE)
        self._orders = BitrueOrders(self._rest)
        self._abilities = Abilities(
            venue=profile.name,
            order_types=TYPES,
            times_in_force=frozenset({TimeInForce.GTC}),
            quote_quantity_types=TYPES,
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
        """Always: a placement is answered with ids and nothing else."""
        return True

    def sign(
        self, call: Call, signer: Signer | None, *, base_url: str, timestamp_ms: int, recv_window_ms: int
    ) -> HttpRequest:
        """Stamp, encode and sign a call; everything travels in the query string, the body is empty."""
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
        """Ask for the account: an answer proves key, signature and the right to read, and nothing else can be asked."""
        return keys.rights_from_account(self._rest, weight=5, note=_UNPROVEN)

    def balances(self) -> Flow[tuple[Balance, ...] | VenueError]:
        """Ask what the account holds."""
        return keys.balances(self._rest, weight=5)

    def order_counts(self) -> Flow[tuple[OrderCount, ...] | VenueError] | None:
        """Bitrue does not tell."""
        return None

    # --- Venue facts

    def server_time(self) -> Flow[int | VenueError]:
        """Ask the venue's clock."""
        return self._rest.server_time()

    def venue_rules(self) -> Flow[VenueRules | VenueError]:
        """Read symbols, filters and limits."""
        return self._rest.venue_rules(read_symbol, read_limit, weight=1)

    def last_price(self, symbol: str) -> Flow[Decimal | VenueError]:
        """Ask the last price of a symbol."""
        return self._rest.last_price(symbol, weight=1)

    # --- Placing

    def needs_price(self, order: Order, rules: SymbolRules) -> bool:
        """Whether an amount has to be converted at the market, or the minimum value is measured there."""
        return rules.min_notional is not None or (order.quote_quantity is not None and order.price is None)

    def prepare(self, order: Order, rules: SymbolRules, last_price: Decimal | None) -> Order | VenueError:
        """Check an order against the rules of its symbol, with its amount converted into a quantity."""
        order = with_time_in_force(order)
        error = check_abilities(order, rules, self._abilities)
        if error is not None:
            return error
        converted = _with_quantity(order, rules, last_price)
        if isinstance(converted, VenueError):
            return converted
        return check_filters(converted, rules, last_price) or without_idle_zeros(converted, rules)

    def place(self, order: Order) -> Call:
        """Encode a placement."""
        return self._rest.call("POST", "order", Purpose.PLACE, tuple(order_params(order)), orders=1)

    def read_placement(self, order: Order, answer: Answer) -> Verdict:
        """Read the acknowledgement of a placement."""
        body, error = TABLE.read(answer)
        if error is not None:
            return doubt(error)
        if not isinstance(body, dict) or names_other(body, order.client_order_id):
            return Unproven(error=UNREADABLE)
        report = read_report(body, order)
        return (
            Unproven(error=UNREADABLE)
            if report is None or not fits(order, report)
            else Accepted(report=report)
        )

    def test_order(self, order: Order) -> Call | None:  # noqa: ARG002 - the protocol's signature
        """Bitrue has no dry run."""
        return None

    # --- Orders that exist, or may

    def find(self, order: Order, *, venue_order_id: str | None, since_ms: int) -> Flow[Sighting]:
        """Look an order up: by the venue's id when it is known, by our id and its shape otherwise."""
        return self._orders.find(order, venue_order_id=venue_order_id, since_ms=since_ms)

    def find_by_id(self, symbol: str, client_order_id: str, *, since_ms: int) -> Flow[Sighting]:
        """Look an order up by our id alone."""
        return self._orders.find_by_id(symbol, client_order_id, since_ms=since_ms)

    def cancel(self, symbol: str, client_order_id: str, venue_order_id: str | None) -> Flow[Verdict]:
        """Cancel one order by the venue's id, then ask what became of it."""
        return self._orders.cancel(symbol, client_order_id, venue_order_id)

    def cancel_all(self, symbol: str) -> Flow[Sweep]:
        """Cancel every open order of a symbol one by one, and look whether any is left."""
        return self._orders.cancel_all(symbol)


def _with_quantity(order: Order, rules: SymbolRules, last_price: Decimal | None) -> Order | VenueError:
    if order.quote_quantity is None:
        return order
    price = order.price or last_price
    if price is None:
        return refusal("venue_unavailable", detail="the venue's last price, needed to convert, is not known")
    quantity = to_base(order.quote_quantity, price, rules)
    return replace(order, quantity=quantity, quote_quantity=None)
