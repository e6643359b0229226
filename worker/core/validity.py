"""Since when a signal counts, and until when it may be sent.

A signal is as old as its header says, or its timestamp; one that says neither is as old as its first receipt. That is
all right for a message that nobody had before, and wrong for one that comes back after an hour: whoever sends such a
message again has to date it first.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from worker.core.signals import Signal

CREATED_HEADER: Final = "created_at_us"
LONGEST_VALIDITY_MS: Final = 900_000.0


def published_ms(headers: Mapping[str, Any], timestamp: datetime | None) -> float | None:
    """When a message says it was published, epoch milliseconds; `None` when it does not say."""
    created_us = headers.get(CREATED_HEADER)
    if isinstance(created_us, int) and created_us > 0:
        return created_us / 1000
    return None if timestamp is None else timestamp.timestamp() * 1000


def valid_until_ms(signal: Signal, start_ms: float, ttl_s: float) -> float:
    """Until when anything may be sent for a signal that was published at `start_ms`."""
    wanted_ms = start_ms + ttl_s * 1000 if signal.valid_until_ms is None else signal.valid_until_ms
    return min(wanted_ms, start_ms + LONGEST_VALIDITY_MS)
