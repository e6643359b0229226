"""Binance.US spot, https://api.binance.us.

It speaks Binance's dialect with the weights and limits of its own documentation: an accepted order costs its weight
here, and `exchangeInfo` overrides the limits (they grew in August 2026). There is no other difference in the API that
Beeline uses: the symbols tell which order types they have.
"""

from typing import Final

from adapters.binance_dialect import BINANCE_SPOT
from adapters.dialect import Profile, Weights
from adapters.model import KeyForm, LimitKind, RateLimit
from adapters.rest_venue import RestVenue

ADAPTER: Final = RestVenue(
    BINANCE_SPOT,
    Profile(
        name="binance_us",
        base_url="https://api.binance.us",
        weights=Weights(rules=10, price=1, query=2, open_orders=3, trades=10, account=10, order_counts=20),
        key_form=KeyForm(api_key_length=64, secret_length=64),
        fallback_limits=(
            RateLimit(kind=LimitKind.REQUEST_WEIGHT, limit=1_200, interval_s=60),
            RateLimit(kind=LimitKind.RAW_REQUESTS, limit=5_000, interval_s=300),
            RateLimit(kind=LimitKind.ORDERS, limit=10, interval_s=1),
        ),
    ),
)
