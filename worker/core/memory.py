"""What was answered: the outcomes of one shard, as long as a signal could still be valid.

The memory is filled from the shard's stream at take-over and from our own confirmed publishes afterwards, so
that a signal delivered again, before or after any crash, is answered with the same bytes. Entries leave in
the order they came.

An entry is a plain tuple of texts, numbers and bytes. The garbage collector stops following such a tuple when it sees
it first, while it would walk through a million objects again and again, and no order goes out meanwhile.
"""

from collections import OrderedDict
from collections.abc import Iterator

from adapters.values import value_type
from worker.core.outcome import Outcome, Status

Key = tuple[str, str]
Entry = tuple[float, str, str, str | None, str, int, bytes]
"""When it was answered; outcome id, status, code, content hash, revision and body of the answer."""


@value_type
class Remembered:
    """An answered signal: the outcome and when it was answered, epoch milliseconds."""

    outcome: Outcome
    answered_at_ms: float


class ShardMemory:
    """Answered signals by (account, signal id), bounded by age."""

    def __init__(self, keep_ms: float) -> None:
        self._keep_ms = keep_ms
        self._entries: OrderedDict[Key, Entry] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def record(self, outcome: Outcome, answered_at_ms: float) -> None:
        """Remember an answer; the first answer of an id stays, and only a later revision of it replaces it."""
        self._forget_before(answered_at_ms - self._keep_ms)
        key = (outcome.account, outcome.signal_id)
        known = self._entries.get(key)
        if known is None:
            self._entries[key] = _packed(outcome, answered_at_ms)
            return
        first_answered_ms, outcome_id, *_, revision, _ = known
        if outcome.outcome_id == outcome_id and outcome.revision > revision:
            self._entries[key] = _packed(outcome, first_answered_ms)

    def answers(self) -> Iterator[Remembered]:
        """Yield every answer, the oldest first."""
        for key, entry in self._entries.items():
            yield Remembered(outcome=_unpacked(key, entry), answered_at_ms=entry[0])

    def recall(self, account: str, signal_id: str) -> Outcome | None:
        """Return what a signal was answered with."""
        key = (account, signal_id)
        entry = self._entries.get(key)
        return None if entry is None else _unpacked(key, entry)

    def absorb(self, other: "ShardMemory") -> None:
        """Add what another memory of the same shard knows beyond this one."""
        for known in other.answers():
            self.record(known.outcome, known.answered_at_ms)

    def unknown(self) -> list[Outcome]:
        """Return the answers whose truth is still to be found out."""
        return [known.outcome for known in self.answers() if known.outcome.status is Status.UNKNOWN]

    def _forget_before(self, horizon_ms: float) -> None:
        while self._entries:
            key = next(iter(self._entries))
            if self._entries[key][0] >= horizon_ms:
                return
            del self._entries[key]


def _packed(outcome: Outcome, answered_at_ms: float) -> Entry:
    return (
        answered_at_ms,
        outcome.outcome_id,
        outcome.status.value,
        outcome.code,
        outcome.content_hash,
        outcome.revision,
        outcome.body,
    )


def _unpacked(key: Key, entry: Entry) -> Outcome:
    account, signal_id = key
    _, outcome_id, status, code, content_hash, revision, body = entry
    return Outcome(
        outcome_id=outcome_id,
        signal_id=signal_id,
        account=account,
        status=Status(status),
        code=code,
        content_hash=content_hash,
        revision=revision,
        body=body,
    )
