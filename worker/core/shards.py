"""Names of everything Beeline declares on the broker, and which shard an account belongs to.

A shard is `crc32(limit_group or account) % N`: stable over restarts, broker versions and languages, so that
any producer, worker or operator can compute it. Nothing else in Beeline spells a queue name.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from typing import Final
from zlib import crc32

_ACCOUNT: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


@lru_cache(maxsize=4096)
def _label(shard: int, shards: int) -> str:
    return f"{shard:0{max(2, len(str(shards - 1)))}d}"


@lru_cache(maxsize=4096)
def _word(account: str) -> str:
    return account if _ACCOUNT.fullmatch(account) else "-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """The broker names of one namespace with a fixed number of shards."""

    namespace: str = "beeline"
    shards: int = 32

    @property
    def signals(self) -> str:
        """Direct exchange that producers publish to, routing key = account name."""
        return f"{self.namespace}.signals"

    @property
    def unrouted(self) -> str:
        """Alternate exchange and queue for accounts nobody configured."""
        return f"{self.namespace}.unrouted"

    @property
    def outcomes(self) -> str:
        """Topic exchange and durable queue of the results."""
        return f"{self.namespace}.outcomes"

    @property
    def dead(self) -> str:
        """Fanout exchange and queue of the dead letters."""
        return f"{self.namespace}.dead"

    @property
    def control(self) -> str:
        """Stream of take-overs, releases and holds."""
        return f"{self.namespace}.control"

    @property
    def shard_count(self) -> str:
        """Empty queue whose length limit is N: declaring it with another number is refused by the broker."""
        return f"{self.namespace}.shards"

    def label(self, shard: int) -> str:
        """Zero-padded number of a shard: two digits at least, as wide as N - 1."""
        return _label(shard, self.shards)

    def signals_queue(self, shard: int) -> str:
        """Quorum queue of a shard."""
        return f"{self.namespace}.signals.{self.label(shard)}"

    def memory_stream(self, shard: int) -> str:
        """Stream of what was answered in a shard."""
        return f"{self.namespace}.memory.{self.label(shard)}"

    def shard_of(self, account: str, limit_group: str | None = None) -> int:
        """Return the shard of an account; keys of one limit group share it."""
        return crc32((limit_group or account).encode()) % self.shards

    def outcome_key(self, shard: int | None, account: str, status: str) -> str:
        """Routing key of an outcome; `None` stands for an account nobody configured, whose name may be anything."""
        return f"{'unrouted' if shard is None else self.label(shard)}.{_word(account)}.{status}"


def consumer_priority(worker_id: str, shard: int) -> int:
    """Rank a worker for a shard, 31 bits: the highest of the pool owns it (rendezvous hashing by consumer priority)."""
    digest = blake2b(f"{worker_id}\n{shard}".encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big") >> 1
