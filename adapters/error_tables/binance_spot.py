"""Errors of Binance spot (`/api/v3`), from its `errors.md` of July 2026."""

from typing import Final

from adapters.error_tables.table import ErrorTable
from adapters.errors import ErrorEntry, Landed, Owner, Retry, Scope


def _refused(
    venue_code: int,
    code: str,
    owner: Owner,
    hint: str,
    *,
    pattern: str | None = None,
    retry: Retry = Retry.NEVER,
    scope: Scope = Scope.ORDER,
    quarantines: bool = False,
) -> ErrorEntry:
    """Describe an error that proves that nothing happened."""
    return ErrorEntry(
        venue_code=venue_code,
        pattern=pattern,
        code=code,
        landed=Landed.NO,
        retry=retry,
        scope=scope,
        owner=owner,
        hint=hint,
        quarantines=quarantines,
    )


def _unknown(
    venue_code: int, code: str, hint: str, *, pattern: str | None = None, owner: Owner = Owner.VENUE
) -> ErrorEntry:
    """Describe an error after which the order may exist."""
    return ErrorEntry(
        venue_code=venue_code,
        pattern=pattern,
        code=code,
        landed=Landed.UNKNOWN,
        retry=Retry.AFTER_LOOKUP,
        scope=Scope.ORDER,
        owner=owner,
        hint=hint,
    )


_ASK = "Whether the order exists has to be asked; nothing is sent again before that."
TABLE: Final = ErrorTable(
    (
        _unknown(-1000, "execution_unknown", f"The venue failed without saying how. {_ASK}"),
        _refused(
            -1021, "invalid_timestamp", Owner.BEELINE, "Clock.", retry=Retry.AFTER_RESYNC, scope=Scope.WORKER
        ),
        _refused(-2013, "order_not_found", Owner.PRODUCER, "No such order."),
        _refused(-2011, "order_not_found", Owner.PRODUCER, "Not open."),
    )
)
