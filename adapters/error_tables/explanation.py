"""Find what an error means: by its number, an HTTP status, a stable code, or the text that a venue said.

Everything that an outcome's `error` can hold is a `Meaning` here, whichever layer it comes from. Meanings that differ
in nothing but the number or the venue are one.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from typing import Final

from adapters.error_tables.common import (
    ACCOUNT_LIMIT,
    FAULTS,
    HTTP_STATUSES,
    REDIRECT,
    UNMAPPED,
    UNREADABLE_REPLY,
    http_entry,
)
from adapters.error_tables.table import ErrorTable
from adapters.errors import REFUSALS, ErrorEntry, refusal
from adapters.wire import integer, read_json, text

HTTP: Final = "any venue, HTTP"
TRANSPORT: Final = "any venue, no reply"
WORKER: Final = "Beeline itself"

_NUMBER: Final = re.compile(r"-?\d{1,9}")
_PLACEHOLDER: Final = re.compile(r"%[sbd]|\{\d?\}")
SUGGESTIONS: Final = 5
_LIKENESS: Final = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """What one error means: the row without its number, the numbers that carry it, and where."""

    entry: ErrorEntry
    numbers: tuple[int, ...] = ()
    where: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What to ask for to be shown this."""
        if self.numbers:
            return str(self.numbers[0])
        return self.entry.code if self.entry.http_status is None else str(self.entry.http_status)

    @property
    def says(self) -> str | None:
        """The text that the venue documents, with its gaps shown as such."""
        return None if self.entry.says is None else _PLACEHOLDER.sub("…", self.entry.says)

    def led_by(self, number: int) -> "Meaning":
        """Put a number first, if it is one of those that carry this."""
        return replace(self, numbers=tuple(sorted(self.numbers, key=lambda own: own != number)))


def meanings(tables: Mapping[str, ErrorTable]) -> list[Meaning]:
    """Return everything that the given tables and the layers below and above them can say, in that order.

    Args:
        tables: error tables by the name of their venue; several venues may share one.
    """
    rows = [(row, venue) for venue, table in tables.items() for row in table.rows]
    rows += [
        (row, HTTP) for row in (*HTTP_STATUSES.values(), ACCOUNT_LIMIT, REDIRECT, UNMAPPED, UNREADABLE_REPLY)
    ]
    rows += [(row, TRANSPORT) for row in FAULTS.values()]
    rows += [(row, WORKER) for row in REFUSALS.values()]
    return _merged(rows)


def _merged(rows: Iterable[tuple[ErrorEntry, str]]) -> list[Meaning]:
    """Put rows together that say the same."""
    numbers: dict[ErrorEntry, dict[int, None]] = {}
    places: dict[ErrorEntry, dict[str, None]] = {}
    for row, where in rows:
        key = replace(row, venue_code=None)
        places.setdefault(key, {})[where] = None
        own = numbers.setdefault(key, {})
        if row.venue_code is not None:
            own[row.venue_code] = None
    return [
        Meaning(entry=key, numbers=tuple(numbers[key]), where=tuple(where)) for key, where in places.items()
    ]


def find(query: str, known: Sequence[Meaning]) -> list[Meaning]:
    """Return the meanings that a query names; none when it names nothing that is known.

    Args:
        query: a number, an HTTP status, a stable code, a venue's text, or the JSON body of its reply.
        known: where to search.
    """
    query = query.strip()
    body = read_json(query.encode()) if query.startswith("{") else None
    if isinstance(body, dict):
        return _by_body(integer(body.get("code")), text(body.get("msg")) or "", known)
    if _NUMBER.fullmatch(query):
        return _by_number(int(query), known)
    return _by_code(query, known) or _by_text(query, known)


def _by_body(number: int | None, message: str, known: Sequence[Meaning]) -> list[Meaning]:
    """Read a body as a worker would: the number, then the text among those with it."""
    numbered = [meaning.led_by(number) for meaning in known if number in meaning.numbers] if number else []
    return [meaning for meaning in numbered if _says(meaning, message)] or numbered or find(message, known)


def _by_number(number: int, known: Sequence[Meaning]) -> list[Meaning]:
    found = [meaning for meaning in known if number in meaning.numbers or meaning.entry.http_status == number]
    if 300 <= number < 600 and number not in HTTP_STATUSES:
        return [*found, Meaning(entry=replace(http_entry(number), http_status=number), where=(HTTP,))]
    return found or [meaning.led_by(-number) for meaning in known if -number in meaning.numbers]


def _by_code(query: str, known: Sequence[Meaning]) -> list[Meaning]:
    code = query.lower().replace(" ", "_").replace("-", "_")
    found = [meaning for meaning in known if meaning.entry.code == code]
    if found and code.startswith(
        "filter_"
    ):  # what a venue refuses by a rule of a symbol, Beeline refuses before
        found.append(Meaning(entry=refusal(code).entry, where=(WORKER,)))
    return found


def _by_text(query: str, known: Sequence[Meaning]) -> list[Meaning]:
    said = [meaning for meaning in known if _is_text_of(meaning, query)]
    texts = {_plain(meaning) for meaning in said}
    # "Insufficient balance" is part of a longer text that says more.
    said = [one for one in said if not any(_plain(one) != other and _plain(one) in other for other in texts)]
    return said or [meaning for meaning in known if meaning.entry.pattern and _says(meaning, query)]


def _plain(meaning: Meaning) -> str:
    return (meaning.entry.says or "").lower().rstrip(".")


def _is_text_of(meaning: Meaning, query: str) -> bool:
    """Whether a query holds what the venue documents, or is a good part of it."""
    says = meaning.entry.says or ""
    if says.startswith("("):
        return False
    parts = [re.escape(part) for part in _PLACEHOLDER.split(says.rstrip("."))]
    whole = bool(parts) and len(says) >= 4 and re.search(".+?".join(parts) + r"\b", query, re.IGNORECASE)
    part = query.lower().strip(". ")
    return bool(whole) or (len(part) >= 6 and part in says.lower())


def _says(meaning: Meaning, message: str) -> bool:
    pattern = meaning.entry.pattern
    return bool(re.search(pattern, message, re.IGNORECASE)) if pattern else _is_text_of(meaning, message)


def similar(query: str, known: Sequence[Meaning]) -> list[Meaning]:
    """Return what somebody may have meant by a query that names nothing, the likeliest first, each code once."""
    query = query.strip().lower()
    scored = [(_likeness(query, meaning), meaning) for meaning in known]
    scored.sort(key=lambda found: -found[0])
    best: dict[str, Meaning] = {}
    for score, meaning in scored:
        if score >= _LIKENESS:
            best.setdefault(meaning.entry.code, meaning)
    return list(best.values())[:SUGGESTIONS]


def _likeness(query: str, meaning: Meaning) -> float:
    if _NUMBER.fullmatch(query):
        wanted = [str(number) for number in meaning.numbers] or [str(meaning.entry.http_status or "")]
        return max(_ratio(query.lstrip("-"), number.lstrip("-")) for number in wanted)
    texts = [meaning.entry.code.replace("_", " ")]
    if meaning.entry.says:
        texts.append(meaning.entry.says.lower())
    return max(_ratio(query.replace("_", " "), candidate) for candidate in texts)


def _ratio(left: str, right: str) -> float:
    matcher = SequenceMatcher(None, left, right, autojunk=False)
    return matcher.ratio() if matcher.quick_ratio() >= _LIKENESS else 0.0
