"""Compares what was told with what happened: outcomes with the ledger. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from typing import Any, Final

from tests.chaos.broker_side import is_conflict
from tests.chaos.plan import Planned

Outcome = Mapping[str, Any]
Row = Mapping[str, Any]

LEDGER_SAYS: Final = {
    "filled": {"FILLED"},
    "partially_filled": {"EXPIRED", "CANCELED"},
    "unfilled": {"EXPIRED", "CANCELED"},
    "cancelled": {"CANCELED"},
    "resting": {"NEW", "PARTIALLY_FILLED"},
}
"""What the ledger shows of an order whose outcome has this status; prices never move during a run."""

NOTHING_LANDED: Final = ("rejected", "expired", "validated")

KINDS: Final = (
    "lost",
    "extra execution",
    "invented reject",
    "false claim",
    "contradiction",
    "order violation",
    "unanswered conflict",
    "dead letter",
    "worker died",
    "drain failed",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """One broken promise; `signal_id` when it is about one signal."""

    kind: str
    text: str
    signal_id: str | None = None


def check(
    published: Iterable[Planned], outcomes: Mapping[str, list[dict[str, Any]]], ledger: Iterable[Row]
) -> list[Violation]:
    """List every broken promise."""
    rows: defaultdict[str, list[Row]] = defaultdict(list)
    for place, row in enumerate(ledger):
        rows[row["client_order_id"]].append({**row, "place": place})
    found: list[Violation] = []
    for signal_ in published:
        own = rows[signal_.client_order_id]
        found += _check_signal(signal_, outcomes.get(signal_.signal_id, []), own)
    return found + _check_order(published, rows)


def _check_signal(signal_: Planned, outcomes: list[dict[str, Any]], rows: list[Row]) -> list[Violation]:
    answers = [outcome for outcome in outcomes if not is_conflict(outcome)]
    conflicts = [outcome for outcome in outcomes if is_conflict(outcome)]
    found = [("extra execution", f"{len(rows)} orders")] if len(rows) > 1 else []
    if not answers:
        found.append(("lost", "no outcome"))
    if signal_.conflicting and not conflicts:
        found.append(("unanswered conflict", "the second use of the id has no outcome"))
    if conflicts and not signal_.conflicting:
        found.append(("contradiction", "a conflict nobody caused"))
    found += _contradictions(answers)
    if answers:
        final = max(answers, key=lambda outcome: int(outcome["revision"]))
        found += _check_truth(final, rows[0] if rows else None)
    return [Violation(kind=kind, text=text, signal_id=signal_.signal_id) for kind, text in found]


def _contradictions(answers: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """All answers of a signal are one outcome, and only a later revision may say something else."""
    found = []
    if len({outcome["outcome_id"] for outcome in answers}) > 1:
        found.append(("contradiction", "several outcome ids"))
    told: dict[int, tuple[Any, ...]] = {}
    for outcome in answers:
        says = (outcome["status"], outcome["landed"], outcome["venue_order_id"])
        first = told.setdefault(int(outcome["revision"]), says)
        if first != says:
            found.append(("contradiction", f"{first} and {says}"))
    return found


def _check_truth(outcome: Outcome, row: Row | None) -> list[tuple[str, str]]:
    status, landed = outcome["status"], outcome["landed"]
    told = f"{status}, landed {landed}"
    if status in NOTHING_LANDED or landed == "no":
        return [("invented reject", f"{told}; the ledger has it {row['status']}")] if row else []
    if status == "unknown":
        lies = landed != "unknown" and not (landed == "yes" and row)
        return [("false claim", f"{told}; the ledger has {'it' if row else 'nothing'}")] if lies else []
    if row is None:
        return [("false claim", f"{told}; the ledger has nothing")]
    if row["status"] not in LEDGER_SAYS[status]:
        return [("false claim", f"{told}; the ledger has it {row['status']}")]
    return [("false claim", f"{told}; {text}") for text in _differences(outcome, row)]


def _differences(outcome: Outcome, row: Row) -> list[str]:
    order = outcome["order"] or {}
    found = []
    if outcome["venue_order_id"] not in (None, row["venue_order_id"]):
        found.append(f"order {outcome['venue_order_id']} instead of {row['venue_order_id']}")
    executed = order.get("executed_quantity")
    if executed is not None and Decimal(executed) != Decimal(row["executed_quantity"]):
        found.append(f"{executed} executed instead of {row['executed_quantity']}")
    if order.get("side") != row["side"].lower():
        found.append(f"side {order.get('side')} instead of {row['side'].lower()}")
    return found


def _check_order(published: Iterable[Planned], rows: Mapping[str, list[Row]]) -> list[Violation]:
    """Orders of an account and symbol were accepted in the order in which their signals were published."""
    lanes: defaultdict[tuple[str, str], list[tuple[int, int, Planned]]] = defaultdict(list)
    for signal_ in published:
        for row in rows.get(signal_.client_order_id, [])[:1]:
            lanes[signal_.lane].append((signal_.number, int(row["place"]), signal_))
    found = []
    for lane, accepted in lanes.items():
        accepted.sort(key=lambda entry: entry[0])
        for (_, place, earlier), (_, next_place, later) in pairwise(accepted):
            if next_place < place:
                text = f"{later.signal_id} was accepted before {earlier.signal_id} on {' '.join(lane)}"
                found.append(Violation(kind="order violation", text=text, signal_id=earlier.signal_id))
    return found
