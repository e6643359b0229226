"""W3C trace context: which trace a signal belongs to, from its `traceparent` header.

The header comes from others. One that is malformed is passed over, not on: an outcome must not carry just anything.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

TRACEPARENT: Final = "traceparent"
_FORM: Final = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}", re.ASCII
)


def read_traceparent(headers: Mapping[str, Any]) -> str | None:
    """Return a message's trace context as it was written; `None` when there is none or it is malformed."""
    value = headers.get(TRACEPARENT)
    return value if isinstance(value, str) and _FORM.fullmatch(value) else None


def trace_id(traceparent: str | None) -> str | None:
    """Return the trace that a trace context names."""
    return traceparent.split("-")[1] if traceparent else None
