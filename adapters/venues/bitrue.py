"""Bitrue spot, https://openapi.bitrue.com. It has no test network.

The limits are the documented ones of June 2022, far below what `exchangeInfo` names live, which overrides
them.
"""

from typing import Final

from adapters.bitrue_dialect import BITRUE_SPOT
from adapters.dialect import Profile, Weights
from adapters.model import LimitKind, RateLimit
from adapters.rest_venue import RestVenue

ADAPTER: Final = RestVenue(
    BITRUE_SPOT,
    Profile(
        name="bitrue",
        base_url="https://openapi.bitrue.com",
        weights=Weights(rules=1, price=1, query=1, open_orders=1, trades=5, account=5),
        fallback_limits=(
            RateLimit(kind=LimitKind.REQUEST_WEIGHT, limit=1_200, interval_s=60, is_sliding=True),
            RateLimit(kind=LimitKind.ORDERS_BY_IP, limit=100, interval_s=60, is_sliding=True),
            RateLimit(kind=LimitKind.ORDERS, limit=100, interval_s=60, is_sliding=True),
        ),
    ),
)
