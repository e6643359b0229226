"""The judgement on one run: what was published and answered against what the exchanges' ledgers say really happened."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from adapters.sandbox.model import Order, OrderStatus
from tests.simulation.stage import Record
from tests.simulation.workload import NOBODY, Publication, is_placement
from worker.core.outcome import client_order_id
from worker.core.signals import Action

Outcome = Mapping[str, Any]
Key = tuple[str, str]

FITTING: Final[Mapping[str, frozenset[OrderStatus]]] = {
    "filled": frozenset({OrderStatus.FILLED}),
    "partially_filled": frozenset({OrderStatus.CANCELED, OrderStatus.EXPIRED}),
    "unfilled": frozenset({OrderStatus.EXPIRED, OrderStatus.CANCELED}),
    "cancelled": frozenset({OrderStatus.CANCELED}),
    "resting": frozenset(OrderStatus),
}
"""What the ledger may show at the end for each status that claims an order."""


def judge(record: Record) -> list[str]:
    """Return what is wrong with a run; nothing when the promise was kept."""
    orders: dict[Key, list[Order]] = defaultdict(list)
    for order in record.orders:
        orders[order.spec.account, order.spec.client_order_id].append(order)
    answers: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in record.outcomes:
        answers[outcome["outcome_id"]].append(outcome)
    return [
        *record.wrong,
        *_lost(record, answers),
        *_executed_twice(orders),
        *_disagreements(answers),
        *_conflicts(record),
        *_contradictions(record, orders),
        *_overtaken(record),
    ]


def _lost(record: Record, answers: Mapping[str, Sequence[Outcome]]) -> Iterator[str]:
    if record.left:
        yield f"{record.left} messages were still in the queues at the end"
    for publication in record.published:
        if publication.outcome_id is not None and publication.outcome_id not in answers:
            yield f"{_name(publication)} was never answered"
    without_id = sum(publication.outcome_id is None for publication in record.published)
    if record.dead < without_id:
        yield f"{without_id - record.dead} messages without an id are not in the dead letters"


def _name(publication: Publication) -> str:
    signal_id = publication.signal.signal_id if publication.signal else "a message"
    return f"{signal_id} of {publication.account} ({publication.kind})"


def _executed_twice(orders: Mapping[Key, Sequence[Order]]) -> Iterator[str]:
    for (account, name), same in orders.items():
        if len(same) > 1:
            yield f"{name} of {account} was accepted {len(same)} times"
        for order in same:
            if order.executed_quantity > order.quantity or sum(
                (fill.quantity for fill in order.fills), start=order.executed_quantity * 0
            ) > (order.quantity):
                yield f"{name} of {account} executed {order.executed_quantity} of {order.quantity}"


def _disagreements(answers: Mapping[str, Sequence[Outcome]]) -> Iterator[str]:
    for same in answers.values():
        by_revision: dict[int, Outcome] = {}
        for outcome in same:
            first = by_revision.setdefault(outcome["revision"], outcome)
            if (first["status"], _code(first)) != (outcome["status"], _code(outcome)):
                yield (
                    f"{outcome['signal_id']} of {outcome['account']} was answered "
                    f"{_told(first)} and {_told(outcome)}"
                )


def _conflicts(record: Record) -> Iterator[str]:
    """Ids that were used for several contents: exactly one of them may be carried out."""
    contents: dict[Key, set[str]] = defaultdict(set)
    for outcome in record.outcomes:
        if _code(outcome) == "internal_error":
            yield f"{outcome['signal_id']} of {outcome['account']} ended with an internal error"
        if _code(outcome) not in {"signal_id_conflict", "unknown_account"}:  # nobody's signals have no memory
            contents[outcome["account"], outcome["signal_id"]].add(outcome["outcome_id"])
    for (account, signal_id), identities in contents.items():
        if len(identities) > 1:
            yield f"{signal_id} of {account} was carried out with {len(identities)} contents"
    for publication in record.published:
        signal = publication.signal
        if (
            signal is not None
            and publication.account != NOBODY
            and (publication.account, signal.signal_id) not in contents
        ):
            yield f"{_name(publication)} was only ever called a conflict"


def _code(outcome: Outcome) -> str | None:
    return outcome["error"]["code"] if outcome["error"] else None


def _told(outcome: Outcome) -> str:
    return f"{outcome['status']} ({_code(outcome)}) by {outcome['worker']}"


# --- Outcomes against the ledger ----------------------------------------------------------------------------


def _contradictions(record: Record, orders: Mapping[Key, Sequence[Order]]) -> Iterator[str]:
    latest: dict[str, Outcome] = {}
    outcome: Outcome
    for outcome in record.outcomes:
        known = latest.get(outcome["outcome_id"])
        if known is None or outcome["revision"] >= known["revision"]:
            latest[outcome["outcome_id"]] = outcome
    places: dict[Key, int] = {}
    for number, publication in enumerate(record.published):
        if publication.client_order_id is not None:
            places.setdefault((publication.account, publication.client_order_id), number)
    for outcome in latest.values():
        if outcome["client_order_id"] is None:
            continue
        same = orders.get((outcome["account"], outcome["client_order_id"]), ())
        own = client_order_id(outcome["account"], outcome["signal_id"])
        is_ordered = places.get((outcome["account"], outcome["client_order_id"]), 0) <= places.get(
            (outcome["account"], own), 0
        )
        fault = (
            _cancel_fault(outcome, same, is_ordered=is_ordered)
            if outcome["action"] == Action.CANCEL
            else _placement_fault(outcome, same)
        )
        if fault:
            yield f"{outcome['signal_id']} of {outcome['account']} was answered {_told(outcome)}, but {fault}"


def _placement_fault(outcome: Outcome, orders: Sequence[Order]) -> str | None:
    status = outcome["status"]
    if status == "unknown":
        return None
    if outcome["landed"] == "no" or status in {"rejected", "expired", "validated"}:
        return f"the venue took it: {_shown(orders)}" if orders else None
    if not orders:
        return "the venue never took it"
    return _misreported(outcome, orders[0])


def _misreported(outcome: Outcome, order: Order) -> str | None:
    if order.status not in FITTING[outcome["status"]]:
        return f"the ledger shows {order.status}"
    if outcome["venue_order_id"] not in (None, str(order.order_id), str(order.book_id)):
        return f"the order is {order.order_id}, not {outcome['venue_order_id']}"
    return None


def _cancel_fault(outcome: Outcome, orders: Sequence[Order], *, is_ordered: bool) -> str | None:
    if _code(outcome) == "order_not_found":
        return f"there is such an order: {_shown(orders)}" if orders and is_ordered else None
    if outcome["status"] in {"unknown", "rejected", "expired", "validated"}:
        return None
    return _misreported(outcome, orders[0]) if orders else "there is no such order"


def _shown(orders: Sequence[Order]) -> str:
    return ", ".join(f"{order.order_id} {order.status}" for order in orders)


# --- Order --------------------------------------------------------------------------------------------------


def _overtaken(record: Record) -> Iterator[str]:
    """Orders that the venue took before an earlier one of the same account and symbol."""
    places: dict[Key, int] = {}
    for number, publication in enumerate(record.published):
        if is_placement(publication) and publication.client_order_id is not None:
            places.setdefault((publication.account, publication.client_order_id), number)
    newest: dict[tuple[str, str], int] = {}
    for order in record.orders:
        lane = (order.spec.account, order.spec.symbol)
        number = places.get((order.spec.account, order.spec.client_order_id), -1)
        if number < 0:
            yield f"{order.spec.client_order_id} of {order.spec.account} belongs to no signal"
        if number < newest.get(lane, -1):
            yield f"{order.spec.client_order_id} of {lane[0]} overtook a later signal in {lane[1]}"
        newest[lane] = max(number, newest.get(lane, -1))
