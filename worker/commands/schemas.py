"""JSON Schemas of the two messages, version 1.

The signal's comes from the model that reads signals, with the rules between its fields added; outcomes are written
without a model, for speed, so theirs stands here, and tests hold both against real messages.
"""

from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from adapters.errors import Landed, Owner, Scope
from adapters.model import OrderType, Side, TimeInForce
from worker.core.outcome import Status
from worker.core.signals import Action, SignalV1

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


VALID_UNTIL: Final = {
    "anyOf": [
        {"type": "string", "format": "date-time"},
        {"type": "integer", "minimum": 0, "maximum": 100_000_000_000_000},
        {"type": "null"},
    ]
}
"""RFC 3339 or epoch milliseconds; what reads it says so in code, which makes no schema."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Fill(_Part):
    """One execution."""

    price: str
    quantity: str
    fee: str | None = Field(description="null where the venue does not tell it")
    fee_asset: str | None


class OrderPart(_Part):
    """The order as it was asked for, and what the venue said of it; decimals are strings, exactly as they are."""

    side: Side | None
    type: OrderType | None
    time_in_force: TimeInForce | None
    quantity: str | None
    price: str | None
    executed_quantity: str | None
    executed_quote: str | None
    average_price: str | None
    fills: list[Fill]
    venue_status: str | None
    transact_time_ms: int | None


class ErrorPart(_Part):
    """Why the signal did not end as it was meant to."""

    code: str = Field(description="stable, snake_case; the error reference lists them all")
    venue_code: int | None
    venue_message: str | None
    http_status: int | None
    scope: Scope = Field(description="what the error is about")
    owner: Owner = Field(description="who has to act")
    retryable: bool = Field(description="whether a new signal may succeed")
    hint: str = Field(description="what to do")


class CancelledPart(_Part):
    """An order that a cancel_all took off the book."""

    client_order_id: str
    venue_order_id: str


class LatencyPart(_Part):
    """Milliseconds by phase; `total` counts from the delivery to the worker."""

    queue: float
    limiter: float
    venue: float
    resolve: float
    total: float


class OutcomeV1(_Part):
    """The one answer to a signal."""

    model_config = ConfigDict(extra="forbid", title="Outcome, version 1")

    schema_version: Literal[1] = Field(alias="schema")
    outcome_id: str = Field(description="seen twice, it is one outcome seen twice")
    signal_id: str
    account: str
    venue: str | None
    action: Action | None
    symbol: str | None
    status: Status
    landed: Landed = Field(description="whether the order reached the venue's book")
    client_order_id: str | None
    venue_order_id: str | None
    order: OrderPart | None
    error: ErrorPart | None
    revision: int = Field(ge=0, description="counts corrections of an outcome by later truth")
    attempts: int = Field(ge=0)
    lookups: int = Field(ge=0)
    redelivered: bool
    latency_ms: LatencyPart
    worker: str
    settled_at: str = Field(json_schema_extra={"format": "date-time"})
    orders: list[CancelledPart] | None = Field(default=None, description="cancel_all only")


def signal_schema() -> dict[str, Any]:
    """Return the schema of signals, with the rules between fields that hold for every venue."""
    schema = SignalV1.model_json_schema()
    schema["description"] = "What a producer publishes, with the account as its routing key."
    schema["properties"]["valid_until"] |= VALID_UNTIL
    is_limit = {"properties": {"type": {"enum": ["limit", "limit_maker"]}}, "required": ["type"]}
    is_market = {"properties": {"type": {"const": "market"}}, "required": ["type"]}
    schema["allOf"] = [
        {
            "if": {"properties": {"action": {"const": "place"}}},
            "then": {"required": ["side", "type"]},
        },
        {
            "if": {"properties": {"action": {"const": "cancel"}}, "required": ["action"]},
            "then": {"required": ["cancels"]},
        },
        {"if": is_limit, "then": {"required": ["price"]}},
        {"if": is_market, "then": {"not": {"required": ["price"]}}},
        {"not": {"required": ["quantity", "quote_quantity"]}},
    ]
    return {"$schema": DIALECT} | schema


def outcome_schema() -> dict[str, Any]:
    """Return the schema of outcomes."""
    return {"$schema": DIALECT} | OutcomeV1.model_json_schema(by_alias=True)
