"""Outcomes, version 1: the one answer to a signal.

An outcome is built once, from what is known when the signal settles, and written to bytes once. Those bytes
are what the broker confirms, what the memory of a shard keeps, and what a second delivery of the same signal
is answered with.
"""

from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Final

import orjson

from adapters.errors import Landed, VenueError, refusal
from adapters.model import CancelledOrder, ExecutionReport, Order, OrderState
from adapters.values import value_type
from worker.core.instants import second_in_utc

SCHEMA: Final = 1
MESSAGE_TYPE: Final = "outcome.v1"


class Status(StrEnum):
    """How a signal ended."""

    FILLED = "filled"
    PARTIALLY_FILLED = "partially_filled"
    UNFILLED = "unfilled"
    RESTING = "resting"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    EXPIRED = "expired"
    VALIDATED = "validated"
    UNKNOWN = "unknown"


_BASE_32: Final = "abcdefghijklmnopqrstuvwxyz234567"
_BASE_32_PAIRS: Final = tuple(first + second for first in _BASE_32 for second in _BASE_32)
_PAIR_SHIFTS: Final = tuple(range(120, -1, -10))


@lru_cache(maxsize=4096)
def client_order_id(account: str, signal_id: str) -> str:
    """Derive the venue's client order id of a signal: 27 characters of `[a-z2-7]`, recomputable by anyone."""
    digest = blake2b(f"{account}\n{signal_id}".encode(), digest_size=16).digest()
    # Base 32 in lower case and without padding (RFC 4648), two digits at a time: half of the time of `b32encode`.
    number = int.from_bytes(digest, "big") << 2
    return "b" + "".join([_BASE_32_PAIRS[number >> shift & 1023] for shift in _PAIR_SHIFTS])


def outcome_id(account: str, signal_id: str, content_hash: str) -> str:
    """Name an outcome: a consumer that sees the same id twice has seen one outcome twice."""
    return blake2b(f"{account}\n{signal_id}\n{content_hash}".encode(), digest_size=16).hexdigest()


@value_type
class Settlement:
    """What is to be told of a signal: status, whether the order landed, and the evidence."""

    status: Status
    landed: Landed
    error: VenueError | None = None
    report: ExecutionReport | None = None
    orders: tuple[CancelledOrder, ...] | None = None


@dataclass(slots=True, kw_only=True)
class Journey:
    """What a signal went through, counted while its lane works on it. Times are seconds on the monotonic clock."""

    received_s: float
    queued_ms: float = 0.0
    limiter_ms: float = 0.0
    venue_ms: float = 0.0
    resolve_ms: float = 0.0
    attempts: int = 0
    lookups: int = 0
    redelivered: bool = False
    traceparent: str | None = None

    def latency(self, now_s: float) -> dict[str, float]:
        """Phases in milliseconds, as the outcome shows them."""
        return {
            "queue": round(self.queued_ms, 3),
            "limiter": round(self.limiter_ms, 3),
            "venue": round(self.venue_ms, 3),
            "resolve": round(self.resolve_ms, 3),
            "total": round((now_s - self.received_s) * 1000, 3),
        }


@value_type
class Outcome:
    """One outcome, ready to be published: its body, and what its headers and routing key are made of."""

    outcome_id: str
    signal_id: str
    account: str
    status: Status
    code: str | None
    content_hash: str
    revision: int
    body: bytes = field(repr=False)


@value_type
class Subject:
    """What an outcome is about, known before anything is executed."""

    signal_id: str
    account: str
    venue: str | None
    action: str | None
    symbol: str | None
    content_hash: str
    client_order_id: str | None


def build_outcome(
    subject: Subject,
    settlement: Settlement,
    *,
    asked: Order | None,
    journey: Journey,
    now_s: float,
    settled_at_ms: float,
    worker: str,
    revision: int = 0,
) -> Outcome:
    """Write the outcome of a signal."""
    identity = outcome_id(subject.account, subject.signal_id, subject.content_hash)
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "outcome_id": identity,
        "signal_id": subject.signal_id,
        "account": subject.account,
        "venue": subject.venue,
        "action": subject.action,
        "symbol": subject.symbol,
        "status": settlement.status,
        "landed": settlement.landed,
        "client_order_id": subject.client_order_id,
        "venue_order_id": settlement.report.venue_order_id if settlement.report else None,
        "order": _order_document(asked, settlement.report),
        "error": _error_document(settlement.error),
        "revision": revision,
        "attempts": journey.attempts,
        "lookups": journey.lookups,
        "redelivered": journey.redelivered,
        "latency_ms": journey.latency(now_s),
        "worker": worker,
        "settled_at": _instant(settled_at_ms),
    }
    if settlement.orders is not None:
        document["orders"] = [
            {"client_order_id": order.client_order_id, "venue_order_id": order.venue_order_id}
            for order in settlement.orders
        ]
    return Outcome(
        outcome_id=identity,
        signal_id=subject.signal_id,
        account=subject.account,
        status=settlement.status,
        code=settlement.error.code if settlement.error else None,
        content_hash=subject.content_hash,
        revision=revision,
        body=_to_bytes(document),
    )


def correct_outcome(outcome: Outcome, settlement: Settlement, asked: Order, now_ms: float) -> Outcome:
    """Correct an unknown outcome by later truth: the same outcome, with the next revision."""
    revision = outcome.revision + 1
    document = orjson.loads(outcome.body) | {
        "status": settlement.status,
        "landed": settlement.landed,
        "venue_order_id": settlement.report.venue_order_id if settlement.report else None,
        "order": _order_document(asked, settlement.report),
        "error": _error_document(settlement.error),
        "revision": revision,
        "settled_at": _instant(now_ms),
    }
    code = settlement.error.code if settlement.error else None
    return replace(outcome, status=settlement.status, code=code, revision=revision, body=_to_bytes(document))


def _instant(epoch_ms: float) -> str:
    seconds, milliseconds = divmod(int(epoch_ms), 1000)
    return f"{second_in_utc(seconds)}.{milliseconds:03d}Z"


def _to_bytes(document: dict[str, Any]) -> bytes:
    """Write JSON into no more memory than it needs: orjson hands its 8 KiB buffer out, and outcomes are remembered."""
    return bytes(memoryview(orjson.dumps(document)))


def _text(number: Decimal | None) -> str | None:
    if number is None:
        return None
    text = str(number)
    return f"{number:f}" if "E" in text else text  # `str` is twice as fast and may choose an exponent


def _order_document(asked: Order | None, report: ExecutionReport | None) -> dict[str, Any] | None:
    """Show what was asked for, filled in by what the venue says, and what was executed."""
    if asked is None and report is None:
        return None
    known = report or _NOTHING
    wanted = asked or known
    average = known.average_price
    return {
        "side": wanted.side,
        "type": wanted.type,
        "time_in_force": wanted.time_in_force,
        "quantity": _text(known.quantity if wanted.quantity is None else wanted.quantity),
        "price": _text(known.price if wanted.price is None else wanted.price),
        "executed_quantity": _text(known.executed_quantity),
        "executed_quote": _text(known.executed_quote),
        "average_price": None if average is None else _text(round(average, 8)),
        "fills": [
            {
                "price": _text(fill.price),
                "quantity": _text(fill.quantity),
                "fee": _text(fill.fee),
                "fee_asset": fill.fee_asset,
            }
            for fill in known.fills
        ],
        "venue_status": known.venue_status,
        "transact_time_ms": known.transact_time_ms,
    }


_NOTHING: Final = ExecutionReport(client_order_id="", venue_order_id="", symbol="")


def _error_document(error: VenueError | None) -> dict[str, Any] | None:
    if error is None:
        return None
    return {
        "code": error.entry.code,
        "venue_code": error.venue_code,
        "venue_message": error.venue_message,
        "http_status": error.http_status,
        "scope": error.entry.scope,
        "owner": error.entry.owner,
        "retryable": error.entry.retryable,
        "hint": error.hint,
    }


# --- Reading a venue's report as a settlement ---------------------------------------------------------------


def settle_placement(report: ExecutionReport, asked: Order) -> Settlement:
    """Tell what became of a placed order that the venue reported."""
    executed = bool(report.executed_quantity)
    status: Status
    match report.state:
        case OrderState.FILLED:
            status = Status.FILLED
        case OrderState.OPEN | OrderState.PENDING | None:
            status = Status.RESTING
        case OrderState.REJECTED:
            if not executed:
                error = refusal("venue_rejected")
                return Settlement(status=Status.REJECTED, landed=Landed.NO, report=report, error=error)
            status = Status.PARTIALLY_FILLED
        case OrderState.CANCELLED | OrderState.EXPIRED as state:
            status = _closed_status(state, asked, executed=executed)
    return Settlement(status=status, landed=Landed.YES, report=report)


def _closed_status(state: OrderState, asked: Order, *, executed: bool) -> Status:
    if executed:
        return Status.PARTIALLY_FILLED
    return Status.UNFILLED if state is OrderState.EXPIRED or asked.is_immediate else Status.CANCELLED


def settle_cancellation(report: ExecutionReport, too_late: VenueError) -> Settlement:
    """Tell what became of an order that was to be cancelled and is closed."""
    if report.state is OrderState.CANCELLED:
        return Settlement(status=Status.CANCELLED, landed=Landed.YES, report=report)
    if report.state is OrderState.FILLED:
        status = Status.FILLED
    else:
        status = Status.PARTIALLY_FILLED if report.executed_quantity else Status.UNFILLED
    landed = Landed.NO if report.state is OrderState.REJECTED and not report.executed_quantity else Landed.YES
    return Settlement(status=status, landed=landed, report=report, error=too_late)
