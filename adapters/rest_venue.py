"""A venue with a Binance-like REST API: a dialect and a profile, put together once for all of them.

It is the `Adapter` that the worker knows. What is shared between venues is in the dialect, what is a venue's
own is in its profile, and nothing is here but the way between the two.
"""

from collections.abc import Sequence
from decimal import Decimal

from adapters import keys
from adapters.abilities import check_abilities, with_time_in_force
from adapters.base import Flow
from adapters.dialect import Dialect, Profile, Rest
from adapters.error_tables.table import ErrorTable
from adapters.errors import VenueError
from adapters.filters import check_filters, without_idle_zeros
from adapters.model import (
    Answer,
    Balance,
    Call,
    HttpRequest,
    KeyForm,
    KeyRights,
    Order,
    OrderCount,
    RateLimit,
    Sighting,
    Sweep,
    SymbolRules,
    VenueRules,
    Verdict,
)
from adapters.signing import Signer
from adapters.wire import sign_request


class RestVenue:
    """The adapter of one venue."""

    def __init__(self, dialect: Dialect, profile: Profile) -> None:
        self._dialect, self._profile = dialect, profile
        self._rest = Rest(dialect.api, dialect.table, profile.weights)
        self._orders = dialect.orders(self._rest)

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
    def kept_for_reducing(self) -> float:
        """The part of each order limit that only orders which reduce a position may fill."""
        return self._profile.kept_for_reducing

    @property
    def spends_balances(self) -> bool:
        """Whether an order takes from what is held."""
        return self._dialect.spends_balances

    @property
    def knows_by_shape(self) -> bool:
        """Whether a look-up may know an order by its looks alone."""
        return self._dialect.knows_by_shape

    def sign(
        self, call: Call, signer: Signer | None, *, base_url: str, timestamp_ms: int, recv_window_ms: int
    ) -> HttpRequest:
        """Stamp, encode and sign a call; everything travels in the query string, the body is empty."""
        return sign_request(
            call, signer, base_url=base_url, timestamp_ms=timestamp_ms, recv_window_ms=recv_window_ms
        )

    @property
    def error_table(self) -> ErrorTable:
        """What the venue's errors mean."""
        return self._dialect.table

    def error(self, answer: Answer) -> VenueError | None:
        """Classify an answer."""
        return self.error_table.error(answer)

    # --- Keys

    @property
    def key_form(self) -> KeyForm:
        """How keys look."""
        return self._profile.key_form

    def key_rights(self) -> Flow[KeyRights | VenueError]:
        """Ask what the key may do."""
        return self._dialect.key_rights(self._rest)

    def balances(self) -> Flow[tuple[Balance, ...] | VenueError]:
        """Ask what the account holds."""
        return self._dialect.balances(self._rest)

    def order_counts(self) -> Flow[tuple[OrderCount, ...] | VenueError] | None:
        """Ask how much of its order limits the account has used, `None` where the venue does not tell."""
        weight = self._profile.weights.order_counts
        return None if weight is None else keys.order_counts(self._rest, weight)

    # --- Venue facts

    def server_time(self) -> Flow[int | VenueError]:
        """Ask the venue's clock."""
        return self._rest.server_time()

    def venue_rules(self) -> Flow[VenueRules | VenueError]:
        """Read symbols, filters and limits."""
        return self._rest.venue_rules(self._dialect.read_symbol, self._dialect.read_limit)

    def last_price(self, symbol: str) -> Flow[Decimal | VenueError]:
        """Ask the price that the venue's rules are measured with."""
        return self._rest.last_price(symbol, *self._dialect.price)

    # --- Placing

    def needs_price(self, order: Order, rules: SymbolRules) -> bool:
        """Whether `prepare` wants that price."""
        return self._dialect.needs_price(order, rules)

    def prepare(self, order: Order, rules: SymbolRules, last_price: Decimal | None) -> Order | VenueError:
        """Check an order against what the venue has and against the rules of its symbol, and write it its way."""
        order = with_time_in_force(order)
        error = check_abilities(order, rules, self._dialect.abilities, self.name)
        if error is not None:
            return error
        written = self._dialect.write(order, rules, last_price)
        if isinstance(written, VenueError):
            return written
        return check_filters(written, rules, last_price) or without_idle_zeros(written, rules)

    def place(self, order: Order) -> Call:
        """Encode a placement."""
        return self._orders.place(order)

    def read_placement(self, order: Order, answer: Answer) -> Verdict:
        """Read the answer to a placement."""
        return self._orders.read_placement(order, answer)

    def test_order(self, order: Order) -> Call | None:
        """Encode a dry run at the venue, `None` where the venue has none."""
        return self._orders.test_order(order)

    # --- Orders that exist, or may

    def find(self, order: Order, *, venue_order_id: str | None, since_ms: int) -> Flow[Sighting]:
        """Look an order up."""
        return self._orders.find(order, venue_order_id=venue_order_id, since_ms=since_ms)

    def find_by_id(self, symbol: str, client_order_id: str, *, since_ms: int) -> Flow[Sighting]:
        """Look an order up by our id alone."""
        return self._orders.find_by_id(symbol, client_order_id, since_ms=since_ms)

    def cancel(self, symbol: str, client_order_id: str, venue_order_id: str | None) -> Flow[Verdict]:
        """Cancel one order."""
        return self._orders.cancel(symbol, client_order_id, venue_order_id)

    def cancel_all(self, symbol: str) -> Flow[Sweep]:
        """Cancel every open order of a symbol."""
        return self._orders.cancel_all(symbol)
