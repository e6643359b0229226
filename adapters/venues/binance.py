"""Binance spot, https://api.binance.com.

Weights and limits are the documented ones of July 2026; `exchangeInfo` overrides the limits.
"""

from typing import Final

from adapters.binance_dialect import BINANCE_SPOT
from adapters.dialect import Profile, Weights
from adapters.model import KeyForm, LimitKind, RateLimit
from adapters.rest_venue import RestVenue

ADAPTER: Final = RestVenue(
    BINANCE_SPOT,
    Profile(
        name="binance",
        base_url="https://api.binance.com",
        weights=Weights(
            rules=20, price=2, query=4, open_orders=6, trades=5, account=20, order_counts=40, placed_free=True
        ),
        key_form=KeyForm(api_key_length=64, secret_length=64),
        fallback_limits=(
            RateLimit(kind=LimitKind.REQUEST_WEIGHT, limit=6_000, interval_s=60),
            RateLimit(kind=LimitKind.RAW_REQUESTS, limit=300_000, interval_s=300),
            RateLimit(kind=LimitKind.ORDERS, limit=50, interval_s=10),
            RateLimit(kind=LimitKind.ORDERS, limit=160_000, interval_s=86_400),
        ),
    ),
)
