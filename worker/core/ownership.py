"""Who may still be sending in a shard, read from the control stream.

Owners announce a take-over before they handle their first signal, with the length of their lease, and a
release once nothing of theirs is in flight. Folding these records tells a new owner until when an earlier one
could have signed a request: after a clean release never, after a crash until the take-over plus the longest
lease. All times are epoch milliseconds of this host's wall clock at the moment a record was read or written;
records of other hosts are trusted to `SKEW_MS`.
"""

from dataclasses import dataclass, replace
from typing import Final, Literal

SKEW_MS: Final = 2_000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnershipRecord:
    """A take-over or a clean release of a shard. `incarnation` tells two runs of one worker id apart."""

    kind: Literal["takeover", "release"]
    shard: int
    worker: str
    incarnation: str
    lease_ms: float
    at_ms: float


@dataclass(frozen=True, slots=True)
class ShardHistory:
    """What the records of one shard add up to: its owner, and until when an earlier one may have sent.

    `generation` names the take-over that last changed hands: as long as it stays, nobody else sent in between.
    """

    owner: OwnershipRecord | None = None
    sending_until_ms: float = 0.0
    holder: str = ""
    generation: str = ""

    def follow(self, record: OwnershipRecord) -> "ShardHistory":
        """Return the history after one more record."""
        owner = self.owner
        if record.kind == "release":
            gone = owner is not None and owner.incarnation == record.incarnation
            return replace(self, owner=None) if gone else self
        until_ms = self.sending_until_ms
        if owner is not None:
            # An owner that comes back itself sends nothing for its earlier connections any more.
            lease_ms = 0.0 if owner.incarnation == record.incarnation else owner.lease_ms + SKEW_MS
            until_ms = max(until_ms, record.at_ms + lease_ms)
        changed = record.incarnation != self.holder
        generation = f"{record.incarnation}:{record.at_ms}" if changed else self.generation
        return ShardHistory(record, until_ms, record.incarnation, generation)
