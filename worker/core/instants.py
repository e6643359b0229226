"""Times as text, RFC 3339 in UTC, as outcomes and log lines carry them."""

from datetime import UTC, datetime
from functools import lru_cache


@lru_cache(maxsize=16)
def second_in_utc(epoch_s: int) -> str:
    """Write a whole second, without its zone; a worker writes thousands of times that differ only in their fraction."""
    return datetime.fromtimestamp(epoch_s, UTC).isoformat(timespec="seconds").removesuffix("+00:00")
