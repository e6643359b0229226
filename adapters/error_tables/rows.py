"""Short ways to write a row, so that a table stays readable at one documented error a line."""

from adapters.errors import ErrorEntry, Landed, Owner, Retry, Scope

ASK = "Whether the order exists has to be asked; nothing is sent again before that."


def no(
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


def unknown(
    venue_code: int,
    code: str,
    hint: str,
    *,
    pattern: str | None = None,
    owner: Owner = Owner.VENUE,
    scope: Scope = Scope.VENUE,
) -> ErrorEntry:
    """Describe an error after which the order may exist."""
    return ErrorEntry(
        venue_code=venue_code,
        pattern=pattern,
        code=code,
        landed=Landed.UNKNOWN,
        retry=Retry.AFTER_LOOKUP,
        scope=scope,
        owner=owner,
        hint=hint,
    )
