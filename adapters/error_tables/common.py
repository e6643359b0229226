"""Errors that no venue owns: HTTP statuses without a readable error body, transport faults, unreadable replies.

`landed` is `NO` only where the status itself proves that the request was turned away at the door. A status that is
not listed proves nothing: something on the way may have made it up after the venue had the request.
"""

from collections.abc import Mapping
from typing import Final

from adapters.errors import ErrorEntry, Landed, Owner, Retry, Scope


def _door(
    status: int | None,
    code: str,
    owner: Owner,
    hint: str,
    *,
    retry: Retry = Retry.NEVER,
    scope: Scope = Scope.VENUE,
) -> ErrorEntry:
    """Describe a request that was turned away before anything worked on it."""
    return ErrorEntry(
        code=code, landed=Landed.NO, retry=retry, scope=scope, owner=owner, hint=hint, http_status=status
    )


def _doubt(
    status: int | None, code: str, hint: str, *, scope: Scope = Scope.VENUE, owner: Owner = Owner.VENUE
) -> ErrorEntry:
    """Describe an answer after which the order may exist."""
    return ErrorEntry(
        code=code,
        landed=Landed.UNKNOWN,
        retry=Retry.AFTER_LOOKUP,
        scope=scope,
        owner=owner,
        hint=f"{hint}; whether the order exists has to be asked.",
        http_status=status,
    )


_HOLD, _OPERATOR = Retry.AFTER_HOLD, Owner.OPERATOR
_ADDRESS: Final = "No such path at this address; check the account's base_url and any proxy on the way."
_SILENT: Final = (
    "The venue, or something on the way to it, turned the request away and gave no reason that Beeline can read; "
    "check the account's base_url and any proxy."
)

IP_BANNED: Final = _door(
    418,
    "ip_banned",
    _OPERATOR,
    "The venue banned this IP for going on after 429; everything on it must stop until the ban ends, or the ban grows.",
    retry=_HOLD,
    scope=Scope.IP,
)

HTTP_STATUSES: Final[Mapping[int, ErrorEntry]] = {
    entry.http_status or 0: entry
    for entry in (
        _door(400, "rejected_without_reason", _OPERATOR, _SILENT),
        _door(
            401,
            "key_not_permitted",
            _OPERATOR,
            "The venue, or a proxy on the way, does not accept this key and does not say why; check the key, its IP "
            "whitelist and its trading permission.",
            scope=Scope.ACCOUNT,
        ),
        _door(
            403,
            "waf_blocked",
            _OPERATOR,
            "The venue's web firewall turned this IP away, usually for five minutes; look for too many bad requests "
            "from it, and whether the venue serves the place it is in.",
            retry=_HOLD,
            scope=Scope.IP,
        ),
        _door(404, "wrong_address", _OPERATOR, _ADDRESS),
        _door(405, "wrong_address", _OPERATOR, _ADDRESS),
        _door(406, "rejected_without_reason", _OPERATOR, _SILENT),
        _doubt(408, "execution_unknown", "The venue gave up waiting for its own backend"),
        _doubt(409, "partly_done", "The venue did only a part of the request", scope=Scope.ORDER),
        _door(412, "rejected_without_reason", _OPERATOR, _SILENT),
        IP_BANNED,
        _door(
            429,
            "too_many_requests",
            _OPERATOR,
            "The request weight of this IP is used up; find what else calls the venue from it, or lower "
            "BEELINE_IP_SHARE.",
            retry=_HOLD,
            scope=Scope.IP,
        ),
        _door(
            451,
            "region_restricted",
            _OPERATOR,
            "The venue does not serve the place this IP is in; send from another place.",
            scope=Scope.IP,
        ),
        _doubt(500, "execution_unknown", "The venue failed while it worked on the request"),
        _doubt(502, "execution_unknown", "The venue's gateway got no usable answer from what is behind it"),
        _doubt(503, "execution_unknown", "The venue is overloaded or down, and what it says proves nothing"),
        _doubt(504, "execution_unknown", "The venue's gateway gave up waiting and the request may go on"),
    )
}
"""What a status alone says; the 400s that are not here prove nothing, the 500s are all like 500."""

ACCOUNT_LIMIT: Final = _door(
    429,
    "too_many_orders",
    _OPERATOR,
    "The exchange account has used up its order budget, over all keys and programs; send less, or wait.",
    retry=_HOLD,
    scope=Scope.ACCOUNT,
)
"""A 429 whose header names a policy of the user: the address may go on for others."""

UNMAPPED: Final = _door(
    None,
    "unmapped_error",
    Owner.PRODUCER,
    "The venue rejected the request with a number that Beeline does not know; its own message says why. Please report "
    "the number.",
    scope=Scope.ORDER,
)
SERVER_ERROR: Final = HTTP_STATUSES[500]
REDIRECT: Final = _door(
    None,
    "wrong_address",
    _OPERATOR,
    "The venue redirects elsewhere, and signed requests are never redirected; check the account's base_url.",
)
UNREADABLE_REPLY: Final = _doubt(
    None, "unreadable_reply", "The venue answered with something Beeline cannot read"
)

FAULTS: Final[Mapping[str, ErrorEntry]] = {
    "not_sent": _door(
        None,
        "connection_refused",
        _OPERATOR,
        "No connection to the venue was made and nothing was sent; check the network, DNS and the account's base_url.",
        retry=Retry.AFTER_BACKOFF,
    ),
    "lost": _doubt(None, "connection_lost", "The connection broke before the reply was complete"),
    "timeout": _doubt(None, "reply_timeout", "No reply came in time"),
}
"""By the value of `FaultKind`."""


def http_entry(status: int) -> ErrorEntry:
    """Classify a status alone, for a reply whose body says nothing."""
    known = HTTP_STATUSES.get(status)
    if known is not None:
        return known
    if status >= 500:
        return SERVER_ERROR
    return REDIRECT if 300 <= status < 400 else UNREADABLE_REPLY


def proves_nothing(status: int) -> bool:
    """Whether a status casts doubt even on a documented reject in the body."""
    return status >= 500 or (status in HTTP_STATUSES and HTTP_STATUSES[status].landed is Landed.UNKNOWN)
