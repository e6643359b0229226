"""Writes the pages and files that are made from the code: `make docs`. A test keeps them current."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import orjson

from adapters.error_tables.catalogue import TABLES
from adapters.error_tables.common import FAULTS, HTTP_STATUSES, REDIRECT, UNMAPPED, UNREADABLE_REPLY
from adapters.error_tables.table import ErrorTable
from adapters.errors import REFUSALS, ErrorEntry
from adapters.model import RateLimit
from adapters.venues import discover
from tests import messages_page, metrics_reference
from tests.dashboard import dashboard
from tests.metrics_reference import described, worker_registry
from tests.venues.scenario import VENUES, rows
from worker.commands.asyncapi import asyncapi
from worker.commands.schemas import outcome_schema, signal_schema
from worker.settings import PREFIX, Settings

DOCS = Path(__file__).parents[1] / "docs"
MADE = "<!-- Made by `make docs` from the code; do not edit. -->"
ERRORS_INTRO = (
    "What `error` in an outcome can hold. `code` is stable; `landed` says whether the order reached the venue's"
    " book; `owner` has to act. Where a number stands several times, the row whose text (or HTTP status) the reply"
    " has is the one; under an HTTP 5xx or 408 no row but one that names that status proves anything."
    " `beeline explain -1022` shows one error, and what Beeline does about it."
)
INHERITED_NOTE = "Also understood: every number of {title} that is not listed here."
FILTERS_NOTE = (
    "Rules of a symbol are refused as `filter_<name>`, for instance `filter_lot_size`, naming the bound and the"
    " nearest allowed value."
)
SETTINGS_INTRO = (
    "Environment variables, and options of the commands that use them (`--amqp-url` is `BEELINE_AMQP_URL`)."
    " Durations are in seconds unless the name says `_MS`. An unknown `BEELINE_…` variable is an error."
)
VENUE_NOTES = Path(__file__).parent / "venues" / "notes.md"
SCENARIO_INTRO = (
    "`tests/venues/scenario.toml`, played against the sandbox through the whole worker. What stands here is what really"
    " came out; a difference without a reason fails the build."
)


def pages() -> Mapping[str, str]:
    """Every generated file by its path from docs/."""
    return {
        "errors.md": _errors(),
        "venues.md": _venues(),
        "messages.md": _messages(),
        "metrics.md": _metrics(),
        "settings.md": _settings(),
        "signal.schema.json": _json(signal_schema()),
        "outcome.schema.json": _json(outcome_schema()),
        "asyncapi.json": _json(asyncapi()),
        "../deploy/grafana/beeline.json": _json(dashboard()),
    }


def _json(document: object) -> str:
    return orjson.dumps(document, option=orjson.OPT_INDENT_2).decode() + "\n"


def _table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    lines = [list(head)]
    lines.append(["---"] * len(lines[0]))
    lines += [["" if cell is None else str(cell).replace("|", "\\|") for cell in row] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _entry(entry: ErrorEntry, numbers: Iterable[int | None]) -> tuple[object, ...]:
    status = f" (HTTP {entry.http_status})" if entry.http_status else ""
    return (
        f"{', '.join(str(number) for number in numbers if number)}{status}".strip(),
        entry.says,
        f"`{entry.code}`",
        entry.landed,
        entry.retry,
        entry.scope,
        entry.owner,
        entry.hint,
    )


def _rows(table: ErrorTable, earlier: set[ErrorEntry]) -> Iterable[tuple[object, ...]]:
    """One row a meaning: numbers that carry the same text stand together."""
    meanings: dict[ErrorEntry, list[int | None]] = {}
    for entry in table.rows:
        if entry not in earlier:
            meanings.setdefault(replace(entry, venue_code=None), []).append(entry.venue_code)
    return (_entry(entry, numbers) for entry, numbers in meanings.items())


def _markets(head: Iterable[str]) -> Iterable[str]:
    earlier: set[ErrorEntry] = set()
    for table in TABLES:
        yield f"## {table.title}"
        yield _table(head, _rows(table, earlier))
        inherited = next(
            (
                other.title
                for other in TABLES
                if other is not table and {*other.rows} & {*table.rows} & earlier
            ),
            None,
        )
        if inherited:
            yield INHERITED_NOTE.format(title=inherited)
        earlier.update(table.rows)


def _errors() -> str:
    head = ("number", "the venue says", "code", "landed", "retry", "scope", "owner", "what to do")
    refusals = ("code", "retry", "scope", "owner", "what to do")
    other = [
        *HTTP_STATUSES.items(),
        ("other 3xx", REDIRECT),
        ("4xx with an unknown number", UNMAPPED),
        ("anything else", UNREADABLE_REPLY),
        *FAULTS.items(),
    ]
    parts = [
        "# Errors",
        MADE,
        ERRORS_INTRO,
        "## Refused by the worker, before a request is spent",
        _table(
            refusals,
            ((f"`{row.code}`", row.retry, row.scope, row.owner, row.hint) for row in REFUSALS.values()),
        ),
        FILTERS_NOTE,
        "## HTTP and transport",
        _table(("what", *head[2:]), ((name, *_entry(entry, ())[2:]) for name, entry in other)),
        *_markets(head),
    ]
    return "\n\n".join(parts) + "\n"


def _messages() -> str:
    signal, outcome = signal_schema(), outcome_schema()
    signal_examples, outcome_examples = messages_page.examples()
    head, properties = ("field", "type", "required", "meaning"), ("property", "meaning")
    parts = [
        "# Messages",
        MADE,
        messages_page.INTRO,
        "## Signal",
        messages_page.SIGNAL,
        _table(head, messages_page.fields(signal)),
        _table(properties, messages_page.PROPERTIES),
        signal_examples,
        "## Outcome",
        messages_page.OUTCOME,
        _table(head, messages_page.fields(outcome)),
        *(
            text
            for part in messages_page.parts(outcome)
            for text in (f"### {part}", _table(head, messages_page.fields(outcome, part)))
        ),
        _table(properties, messages_page.OUTCOME_PROPERTIES),
        outcome_examples,
    ]
    return "\n\n".join(parts) + "\n"


def _metrics() -> str:
    rows = [
        (f"`{name}`", kind, ", ".join(f"`{label}`" for label in labels), text)
        for name, kind, labels, text in sorted(described(asyncio.run(worker_registry())))
    ]
    head = ("metric", "type", "labels", "meaning")
    parts = [
        "# Metrics",
        MADE,
        metrics_reference.INTRO,
        _table(head, [row for row in rows if row[0].startswith("`beeline_")]),
        "## Labels",
        _table(("label", "values"), ((f"`{label}`", text) for label, text in metrics_reference.LABELS)),
        "## Of the process",
        "As every Prometheus client on Linux tells them.",
        _table(head, [row for row in rows if not row[0].startswith("`beeline_")]),
    ]
    return "\n\n".join(parts) + "\n"


def _venues() -> str:
    adapters = [discover()[name] for name in VENUES]
    facts = (
        (f"`{adapter.name}`", adapter.base_url, "; ".join(map(_limit, adapter.fallback_limits)))
        for adapter in adapters
    )
    parts = [
        "# Venues",
        MADE,
        VENUE_NOTES.read_text(encoding="utf-8").strip(),
        "## Addresses and limits",
        _table(("venue", "address", "limits until `exchangeInfo` names its own"), facts),
        "## The same signals on every venue",
        SCENARIO_INTRO,
        _table(("signal", *VENUES, "why they differ"), rows()),
    ]
    return "\n\n".join(parts) + "\n"


def _limit(limit: RateLimit) -> str:
    return f"{limit.limit:,} {limit.kind.replace('_', ' ')} in {limit.interval_s:,} s"


def _settings() -> str:
    rows = []
    for name, field in Settings.model_fields.items():
        default = "`<hostname>-<pid>`" if name == "worker_id" else _plain(field.default)
        rows.append((f"`{PREFIX}{name.upper()}`", default, field.description))
    parts = [
        "# Settings",
        MADE,
        SETTINGS_INTRO,
        _table(("variable", "default", "meaning"), rows),
    ]
    return "\n\n".join(parts) + "\n"


def _plain(value: object) -> str:
    if value is None:
        return ""
    reveal = getattr(value, "get_secret_value", None)  # the default URL holds the broker's public guest login
    return f"`{reveal() if reveal else value}`"


if __name__ == "__main__":
    for name, text in pages().items():
        path = (DOCS / name).resolve()
        path.write_text(text, encoding="utf-8")
        print(path.relative_to(DOCS.parent))
