"""Binance USD-M futures, https://fapi.binance.com.

Weights and limits are the documented ones of July 2026; `exchangeInfo` overrides the limits.
"""

from typing import Final

from adapters.dialect import Profile, Weights
from adapters.model import KeyForm, LimitKind, RateLimit
from adapters.rest_venue import RestVenue
from adapters.usdm_dialect import USDM

ADAPTER: Final = RestVenue(
    USDM,
    Profile(
        name="binance_usdm",
        base_url="https://fapi.binance.com",
        weights=Weights(
            rules=1, price=1, query=1, open_orders=1, trades=5, account=5, order_counts=1, placed_free=True
        ),
        kept_for_reducing=0.05,
        key_form=KeyForm(api_key_length=64, secret_length=64),
        fallback_limits=(
            RateLimit(kind=LimitKind.REQUEST_WEIGHT, limit=2_400, interval_s=60),
            RateLimit(kind=LimitKind.ORDERS, limit=1_200, interval_s=60),
            RateLimit(kind=LimitKind.ORDERS, limit=300, interval_s=10),
        ),
    ),
)
