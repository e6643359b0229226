"""Errors that no venue owns: HTTP statuses without a readable error body, transport faults, unreadable replies.

`landed` is `NO` only where the status itself proves that the request was turned away at the door.
"""

from collections.abc import Mapping
from typing import Final

from adapters.errors import ErrorEntry, Landed, Owner, Retry, Scope

WAF_BLOCKED: Final = ErrorEntry(
    code="waf_blocked",
    landed=Landed.NO,
    retry=Retry.AFTER_HOLD,
    scope=Scope.IP,
    owner=Owner.OPERATOR,
    hint="The venue's web firewall turned this IP away, usually for five minutes; look for too many bad requests from it.",
    http_status=403,
)
IP_BANNED: Final = ErrorEntry(
    code="ip_banned",
    landed=Landed.NO,
    retry=Retry.AFTER_HOLD,
    scope=Scope.IP,
    owner=Owner.OPERATOR,
    hint="The venue banned this IP for going on after 429; everything on it must stop until the ban ends, or the ban grows.",
    http_status=418,
)
TOO_MANY_REQUESTS: Final = ErrorEntry(
    code="too_many_requests",
    landed=Landed.NO,
    retry=Retry.AFTER_HOLD,
    scope=Scope.IP,
    owner=Owner.OPERATOR,
    hint="The request weight of this IP is used up; find what else calls the venue from it, or lower BEELINE_IP_SHARE.",
    http_status=429,
)

HTTP_STATUSES: Final[Mapping[int, ErrorEntry]] = {
    entry.http_status or 0: entry
    for entry in (
        ErrorEntry(
            code="key_not_permitted",
            landed=Landed.NO,
            retry=Retry.NEVER,
            scope=Scope.ACCOUNT,
            owner=Owner.OPERATOR,
            hint="The venue does not accept this key; check the key, its IP whitelist and its trading permission.",
            http_status=401,
            quarantines=True,
        ),
        WAF_BLOCKED,
        ErrorEntry(
            code="wrong_address",
            landed=Landed.NO,
            retry=Retry.NEVER,
            scope=Scope.VENUE,
            owner=Owner.OPERATOR,
            hint="No such path at this address; check the account's base_url and any proxy on the way.",
            http_status=404,
        ),
        ErrorEntry(
            code="execution_unknown",
            landed=Landed.UNKNOWN,
            retry=Retry.AFTER_LOOKUP,
            scope=Scope.VENUE,
            owner=Owner.VENUE,
            hint="The venue gave up waiting for its own backend; whether the order exists has to be asked.",
            http_status=408,
        ),
        ErrorEntry(
            code="partly_done",
            landed=Landed.UNKNOWN,
            retry=Retry.AFTER_LOOKUP,
            scope=Scope.ORDER,
            owner=Owner.VENUE,
            hint="The venue did only a part of the request; what is done has to be asked.",
            http_status=409,
        ),
        IP_BANNED,
        TOO_MANY_REQUESTS,
        ErrorEntry(
            code="region_restricted",
            landed=Landed.NO,
            retry=Retry.NEVER,
            scope=Scope.IP,
            owner=Owner.OPERATOR,
            hint="The venue does not serve the place this IP is in; send from another place.",
            http_status=451,
        ),
    )
}

CLIENT_ERROR: Final = ErrorEntry(
    code="venue_rejected",
    landed=Landed.NO,
    retry=Retry.NEVER,
    scope=Scope.ORDER,
    owner=Owner.PRODUCER,
    hint="The venue rejected the request for a reason that Beeline does not know; its own message says why.",
)
SERVER_ERROR: Final = ErrorEntry(
    code="execution_unknown",
    landed=Landed.UNKNOWN,
    retry=Retry.AFTER_LOOKUP,
    scope=Scope.VENUE,
    owner=Owner.VENUE,
    hint="The venue failed while it worked on the request; whether the order exists has to be asked.",
)
REDIRECT: Final = ErrorEntry(
    code="wrong_address",
    landed=Landed.NO,
    retry=Retry.NEVER,
    scope=Scope.VENUE,
    owner=Owner.OPERATOR,
    hint="The venue redirects elsewhere, and signed requests are never redirected; check the account's base_url.",
)
UNREADABLE_REPLY: Final = ErrorEntry(
    code="unreadable_reply",
    landed=Landed.UNKNOWN,
    retry=Retry.AFTER_LOOKUP,
    scope=Scope.VENUE,
    owner=Owner.VENUE,
    hint="The venue answered with something Beeline cannot read; whether the order exists has to be asked.",
)

FAULTS: Final[Mapping[str, ErrorEntry]] = {
    "not_sent": ErrorEntry(
        code="connection_refused",
        landed=Landed.NO,
        retry=Retry.AFTER_BACKOFF,
        scope=Scope.VENUE,
        owner=Owner.OPERATOR,
        hint="No connection to the venue was made and nothing was sent; check the network, DNS and the account's base_url.",
    ),
    "lost": ErrorEntry(
        code="connection_lost",
        landed=Landed.UNKNOWN,
        retry=Retry.AFTER_LOOKUP,
        scope=Scope.VENUE,
        owner=Owner.VENUE,
        hint="The connection broke before the reply was complete; whether the order exists has to be asked.",
    ),
    "timeout": ErrorEntry(
        code="reply_timeout",
        landed=Landed.UNKNOWN,
        retry=Retry.AFTER_LOOKUP,
        scope=Scope.VENUE,
        owner=Owner.VENUE,
        hint="No reply came in time; whether the order exists has to be asked.",
    ),
}
"""By the value of `FaultKind`."""


def http_entry(status: int) -> ErrorEntry:
    """Classify a status alone, for a reply whose body says nothing."""
    known = HTTP_STATUSES.get(status)
    if known is not None:
        return known
    if status >= 500:
        return SERVER_ERROR
    if status >= 400:
        return CLIENT_ERROR
    return REDIRECT if status >= 300 else UNREADABLE_REPLY
