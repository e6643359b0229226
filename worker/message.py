"""A message of the broker, as the rest of the worker sees it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(slots=True, kw_only=True)
class Message:
    """A message to publish or one that was delivered. `redelivered` is true when anybody may have seen it before.

    Nobody changes one; it is not frozen, because creating a frozen one costs three times as much, for each signal.
    """

    body: bytes = field(repr=False)
    routing_key: str = ""
    headers: Mapping[str, Any] = field(default_factory=dict)
    message_id: str | None = None
    correlation_id: str | None = None
    type: str | None = None
    reply_to: str | None = None
    timestamp: datetime | None = None
    content_type: str | None = "application/json"
    redelivered: bool = False
    tag: int = 0
