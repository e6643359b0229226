"""Bitrue spot, https://openapi.bitrue.com. It has no test network.

The limits are the documented ones of June 2022, far below what `exchangeInfo` names live, which overrides
them.
"""

from typing import Final

from adapters.bitrue_dialect import API, BitrueSpot
from adapters.dialect import Profile
from adapters.model import LimitKind, RateLimit

ADAPTER: Final = BitrueSpot(
    Profile(
        name="bitrue",
        base_url="https://openapi.bitrue.com",
        api=API,
        fallback_limits=(
            RateLimit(kind=LimitKind.REQUEST_WEIGHT, limit=1_200, interval_s=60),
            RateLimit(kind=LimitKind.ORDERS, limit=100, interval_s=60),
        ),
    )
)
