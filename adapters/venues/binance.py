"""Binance spot, https://api.binance.com.

The limits are the documented ones of July 2026; `exchangeInfo` overrides them.
"""

from typing import Final

from adapters.binance_dialect import API, BinanceSpot
from adapters.dialect import Profile
from adapters.model import KeyForm, LimitKind, RateLimit

ADAPTER: Final = BinanceSpot(
    Profile(
        name="binance",
        base_url="https://api.binance.com",
        api=API,
        key_form=KeyForm(api_key_length=64, secret_length=64),
        fallback_limits=(
            RateLimit(kind=LimitKind.REQUEST_WEIGHT, limit=6_000, interval_s=60),
            RateLimit(kind=LimitKind.RAW_REQUESTS, limit=61_000, interval_s=300),
            RateLimit(kind=LimitKind.ORDERS, limit=50, interval_s=10),
            RateLimit(kind=LimitKind.ORDERS, limit=160_000, interval_s=86_400),
        ),
    )
)
