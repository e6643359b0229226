"""What a venue says it has counted so far, read from the usage headers of a reply.

Binance names them `X-MBX-USED-WEIGHT-<n><unit>` (per IP) and `X-MBX-ORDER-COUNT-<n><unit>` (per account),
unit S, M, H or D. A venue that sends none, such as Bitrue, simply yields nothing. Source: Binance spot
"General API information", LIMITS.
"""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Final

from adapters.model import LimitKind

_PREFIXES: Final = (
    ("x-mbx-used-weight-", LimitKind.REQUEST_WEIGHT),
    ("x-mbx-order-count-", LimitKind.ORDERS),
)
_UNIT_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def read_usage(headers: Mapping[str, str]) -> Iterator[tuple[LimitKind, int, int]]:
    """Yield kind, window in seconds and count of each usage header; `headers` are lower case."""
    for name, value in headers.items():
        counted = _counted_by(name)
        if counted is not None and value.isdecimal():
            yield *counted, int(value)


@lru_cache(maxsize=256)
def _counted_by(name: str) -> tuple[LimitKind, int] | None:
    """Read what a header counts from its name; the same few come with every reply."""
    for prefix, kind in _PREFIXES:
        if name.startswith(prefix):
            interval_s = _interval_s(name.removeprefix(prefix))
            return None if interval_s is None else (kind, interval_s)
    return None


def _interval_s(text: str) -> int | None:
    number, unit = text[:-1], text[-1:]
    if not number.isdecimal() or unit not in _UNIT_SECONDS:
        return None
    return int(number) * _UNIT_SECONDS[unit]
