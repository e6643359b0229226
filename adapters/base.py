"""The seam between the worker and a venue.

An `Adapter` is pure: it builds requests and reads replies, and never sends, waits, reads a clock or draws a
number. A conversation of several requests is a generator (`Flow`) that yields a `Call` and is sent the
`Answer`, so that whoever drives it, a real transport or a simulation, decides when each request is admitted,
stamped, signed and sent.
"""

from collections.abc import Generator, Sequence
from decimal import Decimal
from typing import Protocol, TypeVar

from adapters.error_tables.table import ErrorTable
from adapters.errors import VenueError
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

T = TypeVar("T")
Flow = Generator[Call, Answer, T]


class KeyQuestions(Protocol):
    """What can be asked of a venue about a key; each venue declares what it can prove."""

    @property
    def key_form(self) -> KeyForm:
        """How the venue's keys look."""

    def key_rights(self) -> Flow[KeyRights | VenueError]:
        """Ask what the key may do, in as few requests as the venue allows; any answer proves key and signature."""

    def balances(self) -> Flow[tuple[Balance, ...] | VenueError]:
        """Ask what the account holds, which proves the right to read."""

    def order_counts(self) -> Flow[tuple[OrderCount, ...] | VenueError] | None:
        """Ask how much of its order limits the account has used; `None` where the venue does not tell."""


class Adapter(KeyQuestions, Protocol):
    """Everything the worker knows about a venue."""

    @property
    def name(self) -> str:
        """The venue's name in account files, outcomes and metrics."""

    @property
    def base_url(self) -> str:
        """The venue's live REST address, without a trailing slash."""

    @property
    def fallback_limits(self) -> Sequence[RateLimit]:
        """The documented limits, used until `exchangeInfo` was read."""

    @property
    def kept_for_reducing(self) -> float:
        """The part of each order limit that only orders which reduce a position may fill."""

    @property
    def spends_balances(self) -> bool:
        """Whether an order takes from what the account holds, so that its balances tell whether it can be carried."""

    @property
    def knows_by_shape(self) -> bool:
        """Whether a look-up may know an order by its looks alone, so that it matters whose it was told to be."""

    def sign(
        self, call: Call, signer: Signer | None, *, base_url: str, timestamp_ms: int, recv_window_ms: int
    ) -> HttpRequest:
        """Stamp, encode and sign a call; the bytes signed are the bytes to send."""

    @property
    def error_table(self) -> ErrorTable:
        """What the venue's errors mean."""

    def error(self, answer: Answer) -> VenueError | None:
        """Classify an answer; `None` when it is no error."""

    # --- Venue facts

    def server_time(self) -> Flow[int | VenueError]:
        """Ask the venue's clock: epoch milliseconds."""

    def venue_rules(self) -> Flow[VenueRules | VenueError]:
        """Read symbols, filters and limits."""

    def last_price(self, symbol: str) -> Flow[Decimal | VenueError]:
        """Ask the price that the venue's notional rules are measured with."""

    # --- Orders

    def needs_price(self, order: Order, rules: SymbolRules) -> bool:
        """Whether `prepare` wants the last price: an amount to convert, a notional measured on it."""

    def prepare(self, order: Order, rules: SymbolRules, last_price: Decimal | None) -> Order | VenueError:
        """Check an order against the venue's rules and write it the venue's way; nothing is ever rounded up."""

    def place(self, order: Order) -> Call:
        """Encode a placement."""

    def read_placement(self, order: Order, answer: Answer) -> Verdict:
        """Read the answer to a placement."""

    def test_order(self, order: Order) -> Call | None:
        """Encode a dry run at the venue, `None` where the venue has none."""

    def find(self, order: Order, *, venue_order_id: str | None, since_ms: int) -> Flow[Sighting]:
        """Look an order up; what is found is proven to be this order and not older than `since_ms` (venue time)."""

    def find_by_id(self, symbol: str, client_order_id: str, *, since_ms: int) -> Flow[Sighting]:
        """Look an order up by our id alone, for a cancel that knows nothing else of it."""

    def cancel(self, symbol: str, client_order_id: str, venue_order_id: str | None) -> Flow[Verdict]:
        """Cancel one order; `Accepted` carries the closed order as far as the venue tells."""

    def cancel_all(self, symbol: str) -> Flow[Sweep]:
        """Cancel every open order of a symbol."""
