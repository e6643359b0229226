"""Look an error up in a dialect's table.

A row is found by its number, then by its message; numbers clash between venues, so a table never leaves its
dialect. An HTTP 5xx overrides the row: no dialect proves by it that an order did not land, unless the row
names that very status. A number that no row knows is believed to be a reject only under an HTTP 4xx, which venues
document as turned away; a status without a number counts only where `common.py` names it.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Final

from adapters.error_tables.common import (
    ACCOUNT_LIMIT,
    FAULTS,
    IP_BANNED,
    UNMAPPED,
    UNREADABLE_REPLY,
    http_entry,
    proves_nothing,
)
from adapters.errors import ErrorEntry, Landed, Retry, VenueError
from adapters.model import Answer, Fault, Reply
from adapters.wire import integer, milliseconds, read_json, text

_MESSAGE_CHARACTERS: Final = 200
_BANNED_UNTIL: Final = re.compile(r"banned until (\d{10,16})", re.IGNORECASE)
_REQUEST_IP: Final = re.compile(r"request ip: ([0-9a-f.:]*[0-9a-f])", re.IGNORECASE)
_POLICY_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,40}")
_USER_POLICY: Final = "user"
_QUOTED_REQUEST: Final = re.compile(
    r"signature|timestamp=|recvWindow=|newClientOrderId=|apikey=", re.IGNORECASE
)
_KEY_LIKE: Final = re.compile(r"[A-Za-z0-9+/]{40,}")
_SUCCESS_CODES: Final = frozenset({0, 200})
_LONGEST_HOLD_S: Final = 7 * 24 * 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorTable:
    """The rows of one market of one venue: `market` names it in data, `title` to people."""

    market: str
    title: str
    rows: tuple[ErrorEntry, ...]
    _by_code: dict[int | None, list[tuple[re.Pattern[str] | None, ErrorEntry]]] = field(
        init=False, repr=False
    )
    _remembered: Callable[[int | None, str, int], ErrorEntry | None] = field(
        init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        by_code: dict[int | None, list[tuple[re.Pattern[str] | None, ErrorEntry]]] = {}
        # Rows with a pattern first, in the order written; the sort is stable.
        for row in sorted(self.rows, key=lambda row: row.pattern is None):
            pattern = re.compile(row.pattern, re.IGNORECASE) if row.pattern else None
            by_code.setdefault(row.venue_code, []).append((pattern, row))
        object.__setattr__(self, "_by_code", by_code)
        object.__setattr__(self, "_remembered", lru_cache(maxsize=512)(self._search))

    def find(self, code: int | None, message: str, status: int = 400) -> ErrorEntry | None:
        """Return the first row that matches a number, a message and an HTTP status; then one that needs no number."""
        # A venue has few texts and repeats them, while a number such as -2010 has sixty rows to be searched.
        search = self._search if len(message) > _MESSAGE_CHARACTERS else self._remembered
        return search(code, message, status)

    def _search(self, code: int | None, message: str, status: int) -> ErrorEntry | None:
        for number in (code, None):
            for pattern, row in self._by_code.get(number, ()):
                if row.http_status in (None, status) and (pattern is None or pattern.search(message)):
                    return row
        return None

    def error(self, answer: Answer) -> VenueError | None:
        """Classify an answer; `None` when it is no error."""
        return self.read(answer)[1]

    def read(self, answer: Answer) -> tuple[object, VenueError | None]:
        """Decode an answer: its JSON body, and the error if it is one.

        Business errors may come with HTTP 200 (Bitrue), so the body is read before the status is believed.
        """
        if isinstance(answer, Fault):
            return None, VenueError(entry=FAULTS[answer.kind], detail=answer.detail)
        body = read_json(answer.body)
        code = integer(body.get("code")) if isinstance(body, dict) else None
        if 200 <= answer.status < 300 and (code is None or code in _SUCCESS_CODES):
            if body is None or (
                isinstance(body, dict) and code is None and text(body.get("code")) is not None
            ):
                return None, VenueError(entry=UNREADABLE_REPLY, http_status=answer.status)
            return body, None
        message = text(body.get("msg")) if isinstance(body, dict) else None
        return body, self._classify(answer, None if code in _SUCCESS_CODES else code, message)

    def _classify(self, reply: Reply, code: int | None, message: str | None) -> VenueError:
        banned = _BANNED_UNTIL.search(message or "")
        return VenueError(
            entry=self._entry(reply, code, message or ""),
            venue_code=code,
            venue_message=_clean(message),
            http_status=reply.status,
            hold_ms=_retry_after_ms(reply),
            banned_until_ms=milliseconds(banned[1]) if banned else None,
            detail=_detail(message or "", _policy(reply)),
        )

    def _entry(self, reply: Reply, code: int | None, message: str) -> ErrorEntry:
        status = reply.status
        if status == IP_BANNED.http_status:
            return IP_BANNED
        if status == ACCOUNT_LIMIT.http_status and _USER_POLICY in _policy(reply):
            return ACCOUNT_LIMIT
        row = self.find(code, message, status)
        if row is None:
            return http_entry(status) if code is None else _unmapped(status)
        return _doubted(row) if proves_nothing(status) and row.http_status is None else row


def _clean(message: str | None) -> str | None:
    """Cut a venue's message to what may be shown: nothing that looks like a key, nothing of our request."""
    if not message:
        return None
    quoted = _QUOTED_REQUEST.search(message) if "=" in message else None
    if quoted and "=" in message[quoted.start() :]:
        message = message[: quoted.start()] + "[the request]"
    return _KEY_LIKE.sub("[key]", message)[:_MESSAGE_CHARACTERS]


def _detail(message: str, policy: str) -> str | None:
    """Say what the hint cannot know: the address that the venue saw (futures add it to -2015), the limit it names."""
    seen = _REQUEST_IP.search(message)
    if seen:
        return f"The venue saw the request come from {seen[1]}"
    return f"The venue names the limit {policy}" if policy else None


def _policy(reply: Reply) -> str:
    """Read the name of the limit that Bitrue says was reached; its own counts are per address (ip) or account (user)."""
    name = reply.headers.get("rate_limit_p", "").strip()
    return name if _POLICY_NAME.fullmatch(name) else ""


def _unmapped(status: int) -> ErrorEntry:
    """Classify a number that no row knows: a reject under a 4xx, unless that very status means more."""
    row = http_entry(status)
    if not 400 <= status < 500:
        return row
    says_more = row.retry is Retry.AFTER_HOLD or proves_nothing(status)
    return row if says_more else UNMAPPED


def _doubted(row: ErrorEntry) -> ErrorEntry:
    return (
        row if row.landed is Landed.UNKNOWN else replace(row, landed=Landed.UNKNOWN, retry=Retry.AFTER_LOOKUP)
    )


def _retry_after_ms(reply: Reply) -> int | None:
    seconds = integer(reply.headers.get("retry-after"))
    return None if seconds is None or seconds < 0 else min(seconds, _LONGEST_HOLD_S) * 1000
