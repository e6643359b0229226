"""Short ways to write a row, so that a table stays readable at one documented error a line.

Each row begins with what the venue documents: the number, and the text it says. `no` proves that nothing happened,
`unknown` proves nothing. `bug` is for requests that only a fault of ours can cause, `foreign` for parts of the venue
that Beeline never asks for: both are rows all the same, because a proxy, a wrong address or a new version of the
venue can answer with any of them.
"""

from typing import Final

from adapters.errors import ErrorEntry, Landed, Owner, Retry, Scope

ASK: Final = "Whether the order exists has to be asked; nothing is sent again before that."
FUND: Final = "The account has not enough free balance: fund it, send less, or cancel orders that lock it."
UNSIGNED: Final = "Check the secret for hidden white space and that it belongs to this API key; `beeline diagnose` finds the mistake."
KEY_FORM: Final = "The API key has the wrong form; check it for hidden white space and missing characters."
KEY: Final = "Check that the key exists at this venue, that this machine's address is on its whitelist and that it may trade; a temporary ban can look the same."
BANNED: Final = "This IP is banned; everything on it must stop until the ban ends, or the ban grows."
TOO_MUCH_WEIGHT: Final = "The request weight of this IP is used up; find what else calls the venue from it, or lower BEELINE_IP_SHARE."
TOO_MANY_ORDERS: Final = (
    "The exchange account has used up its order budget, over all keys and programs; send less, or wait."
)
LATE: Final = "The request reached the venue outside its recv window; look at the clock offset and at the latency to the venue."
SYMBOL: Final = "The venue does not list this symbol; check the name."
GONE: Final = "The venue shows no such order now. Right after a placement that proves nothing; later, check `cancels`, account and symbol."
NOT_OPEN: Final = (
    "No such order is open: it may have filled, been cancelled, or never existed, so it is looked up."
)
DUPLICATE: Final = f"An order with this id exists: an earlier attempt has landed. {ASK}"
_BUG: Final = (
    "Beeline sent a request that the venue does not understand; please report it with the venue's message."
)


def no(  # noqa: PLR0913 - the columns of a table
    venue_code: int | None,
    says: str,
    code: str,
    owner: Owner,
    hint: str,
    *,
    pattern: str | None = None,
    http_status: int | None = None,
    retry: Retry = Retry.NEVER,
    scope: Scope = Scope.ORDER,
    quarantines: bool = False,
) -> ErrorEntry:
    """Describe an error that proves that nothing happened."""
    return ErrorEntry(
        venue_code=venue_code,
        says=says,
        pattern=pattern,
        http_status=http_status,
        code=code,
        landed=Landed.NO,
        retry=retry,
        scope=scope,
        owner=owner,
        hint=hint,
        quarantines=quarantines,
    )


def unknown(
    venue_code: int | None,
    says: str,
    code: str,
    hint: str,
    *,
    pattern: str | None = None,
    http_status: int | None = None,
    owner: Owner = Owner.VENUE,
    scope: Scope = Scope.VENUE,
) -> ErrorEntry:
    """Describe an error after which the order may exist."""
    return ErrorEntry(
        venue_code=venue_code,
        says=says,
        pattern=pattern,
        http_status=http_status,
        code=code,
        landed=Landed.UNKNOWN,
        retry=Retry.AFTER_LOOKUP,
        scope=scope,
        owner=owner,
        hint=hint,
    )


def bug(venue_code: int, says: str, code: str) -> ErrorEntry:
    """Describe a request that only a fault of ours, or something on the way that changes requests, can cause."""
    return no(venue_code, says, code, Owner.BEELINE, _BUG)


def foreign(venue_code: int, says: str, subject: str) -> ErrorEntry:
    """Describe an error of something that Beeline never asks for."""
    hint = f"This is about {subject}, which Beeline never asks for; check the account's base_url, then report it."
    return no(venue_code, says, "foreign_interface", Owner.BEELINE, hint)
