"""The proof: what was published, what was answered, and what the sandbox's ledger says really happened.

Pure. Outcomes are held against executions, order by order: the ledger belongs to the simulated exchange and shares
nothing with the workers, so an agreement of the two is no accident.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from worker.core.outcome import Status
from worker.demo.writer import Publication

OPEN: Final = frozenset({"NEW", "PARTIALLY_FILLED"})

Outcome = Mapping[str, Any]
LedgerOrder = Mapping[str, Any]
OrderKey = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the comparison found; every list is empty when the promise was kept."""

    executed_twice: list[str] = field(default_factory=list)
    placed_twice: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    contradictions: list[str] = field(default_factory=list)
    out_of_order: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    unknown: int = 0

    @property
    def is_kept(self) -> bool:
        """Whether nothing was doubled, lost, contradicted, overtaken or refused for another reason than it should."""
        return not any(
            (
                self.executed_twice,
                self.placed_twice,
                self.lost,
                self.contradictions,
                self.out_of_order,
                self.unexpected,
            )
        )


def judge(
    script: Sequence[Publication],
    answers: Mapping[str, Sequence[Outcome]],
    ledger: Sequence[LedgerOrder],
    *,
    dead_letters: int,
) -> Verdict:
    """Compare.

    Args:
        script: what was published.
        answers: every outcome that came back, by `outcome_id`.
        ledger: the orders the venue took, in the order it took them.
        dead_letters: how many messages were moved to the dead letters.
    """
    by_key: dict[OrderKey, list[LedgerOrder]] = defaultdict(list)
    for order in ledger:
        by_key[order["account"], order["client_order_id"]].append(order)
    doubled = {key: orders for key, orders in by_key.items() if len(orders) > 1}
    executed = {
        key: orders
        for key, orders in doubled.items()
        if sum(Decimal(order["executed_quantity"]) > 0 for order in orders) > 1
    }
    latest = {name: max(copies, key=_revision) for name, copies in answers.items()}
    return Verdict(
        executed_twice=[_name(key) for key in executed],
        placed_twice=[_name(key) for key in doubled],
        lost=[*_unanswered(script, answers), *_missing_dead_letters(script, dead_letters)],
        contradictions=[
            *_strangers(script, answers, by_key),
            *_disagreeing_copies(answers),
            *(text for outcome in latest.values() for text in _contradictions(outcome, by_key)),
        ],
        out_of_order=_overtaken(script, ledger),
        unexpected=_unexpected(script, latest),
        unknown=sum(outcome["status"] == Status.UNKNOWN for outcome in latest.values()),
    )


def _name(key: OrderKey) -> str:
    return f"{key[1]} of {key[0]}"


def _revision(outcome: Outcome) -> int:
    return int(outcome["revision"])


def _unanswered(script: Sequence[Publication], answers: Mapping[str, Sequence[Outcome]]) -> Iterable[str]:
    """Signals without an outcome, and repeats that were not answered again."""
    published = Counter(item.outcome_id for item in script if item.outcome_id)
    names = {item.outcome_id: f"{item.signal_id} of {item.account} ({item.kind})" for item in script}
    for identity, times in published.items():
        copies = sum(_revision(copy) == 0 for copy in answers.get(identity, ()))
        if copies < times:
            yield f"{names[identity]} was published {times} times, answered {copies} times"


def _missing_dead_letters(script: Sequence[Publication], dead_letters: int) -> Iterable[str]:
    expected = sum(item.outcome_id is None for item in script)
    if dead_letters < expected:
        yield f"{expected - dead_letters} of {expected} messages without an id are not in the dead letters"


def _strangers(
    script: Sequence[Publication],
    answers: Mapping[str, Sequence[Outcome]],
    by_key: Mapping[OrderKey, object],
) -> Iterable[str]:
    """Outcomes and orders that belong to no signal."""
    known = {item.outcome_id for item in script}
    for identity in answers.keys() - known:
        yield f"outcome {identity} belongs to no signal"
    signals = {(item.account, item.client_order_id) for item in script}
    for key in by_key.keys() - signals:
        yield f"order {_name(key)} belongs to no signal"


def _disagreeing_copies(answers: Mapping[str, Sequence[Outcome]]) -> Iterable[str]:
    """Outcomes that came more than once and not the same."""
    for copies in answers.values():
        first: dict[int, Outcome] = {}
        for copy in copies:
            other = first.setdefault(_revision(copy), copy)
            if (other["status"], other["venue_order_id"]) != (copy["status"], copy["venue_order_id"]):
                yield (
                    f"{copy['signal_id']} of {copy['account']} was answered {other['status']} "
                    f"and {copy['status']}"
                )


# --- One outcome against the ledger -------------------------------------------------------------------------


def _contradictions(outcome: Outcome, by_key: Mapping[OrderKey, Sequence[LedgerOrder]]) -> Iterable[str]:
    account, identity = outcome["account"], outcome["client_order_id"]
    orders = by_key.get((account, identity), ()) if identity else ()
    match outcome["action"]:
        case "cancel_all":
            named = [
                by_key.get((account, order["client_order_id"]), ()) for order in outcome.get("orders") or ()
            ]
            fault = (
                None if all(_all_in(found, "CANCELED") for found in named) else "names orders that were not"
            )
        case "cancel":
            fault = _cancel_fault(outcome, orders)
        case _:
            fault = _placement_fault(outcome, orders)
    if fault:
        yield f"{outcome['signal_id']} of {account} was answered {outcome['status']}, but {fault}"


def _all_in(orders: Sequence[LedgerOrder], status: str) -> bool:
    return bool(orders) and all(order["status"] == status for order in orders)


def _cancel_fault(outcome: Outcome, orders: Sequence[LedgerOrder]) -> str | None:
    status = outcome["status"]
    if status == Status.CANCELLED and not _all_in(orders, "CANCELED"):
        return f"the order is {_states(orders)}"
    if status == Status.FILLED and not _all_in(orders, "FILLED"):
        return f"the order is {_states(orders)}"
    code = outcome["error"]["code"] if outcome["error"] else None
    if code == "order_not_found" and orders:
        return "there is such an order"
    return None


def _placement_fault(outcome: Outcome, orders: Sequence[LedgerOrder]) -> str | None:
    status = outcome["status"]
    if status == Status.UNKNOWN:
        return None
    if outcome["landed"] == "no":
        return f"the venue has the order, {_states(orders)}" if orders else None
    if not orders:
        return "the venue never saw the order"
    order = orders[0]
    told, done = Decimal(outcome["order"]["executed_quantity"] or 0), Decimal(order["executed_quantity"])
    if status == Status.RESTING:
        return None if told <= done else f"only {done} was executed"
    if told != done:
        return f"{done} was executed, not {told}"
    if order["status"] in OPEN or (status == Status.FILLED) != (order["status"] == "FILLED"):
        return f"the order is {_states(orders)}"
    return None


def _states(orders: Sequence[LedgerOrder]) -> str:
    return " and ".join(order["status"] for order in orders) or "not there"


# --- Order, and reasons -------------------------------------------------------------------------------------


def _overtaken(script: Sequence[Publication], ledger: Sequence[LedgerOrder]) -> list[str]:
    """Orders that reached the venue before an earlier one of the same account and symbol."""
    places: dict[OrderKey, int] = {}
    for number, item in enumerate(script):
        if item.client_order_id is not None:
            places.setdefault((item.account, item.client_order_id), number)
    newest: dict[tuple[str, str], int] = {}
    overtaken = []
    for order in ledger:
        key, lane = (order["account"], order["client_order_id"]), (order["account"], order["symbol"])
        number = places.get(key, -1)
        if number < newest.get(lane, -1):
            overtaken.append(f"{_name(key)} in {lane[1]}")
        newest[lane] = max(number, newest.get(lane, -1))
    return overtaken


def _unexpected(script: Sequence[Publication], latest: Mapping[str, Outcome]) -> list[str]:
    """Signals that should have been refused and were not, or for another reason."""
    found = []
    for item in script:
        outcome = latest.get(item.outcome_id or "")
        if outcome is None or item.is_repeat or item.expects is None:
            continue
        code = outcome["error"]["code"] if outcome["error"] else None
        if code is None or not code.startswith(item.expects):
            found.append(
                f"{item.signal_id} of {item.account} ({item.kind}): "
                f"{code or outcome['status']} instead of {item.expects}"
            )
    return found
