"""List parameters that the venues share: a first id, a time range, a limit, and lists of names."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeVar

_Row = TypeVar("_Row")
_LARGEST_LIMIT: Final = 1000


def select_page(
    rows: Sequence[_Row],
    values: Mapping[str, str],
    *,
    first_id: str | None,
    id_of: Callable[[_Row], int],
    time_of: Callable[[_Row], int],
    default_limit: int,
) -> list[_Row]:
    """Return the rows asked for, oldest first: from an id or a start time on, else the newest."""
    limit = min(int(values.get("limit", default_limit)), _LARGEST_LIMIT)
    start, end = values.get("startTime"), values.get("endTime")
    chosen = [
        row
        for row in rows
        if (first_id is None or id_of(row) >= int(first_id))
        and (start is None or time_of(row) >= int(start))
        and (end is None or time_of(row) <= int(end))
    ]
    is_from_start = first_id is not None or start is not None
    return chosen[:limit] if is_from_start else chosen[-limit:]


def json_names(text: str | None) -> list[str] | None:
    """Return the names in a JSON array; None for no text, an empty list for text that is no such array."""
    if text is None:
        return None
    try:
        names = json.loads(text)
    except ValueError:
        return []
    if not isinstance(names, list):
        return []
    return [name for name in names if isinstance(name, str)]
