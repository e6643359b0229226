"""Hand-over of order budgets: a new owner of a shard starts from what was used, never from a full bucket.

Where the venue tells its own count, that is asked for before the first order (`Gateway.send`). Where it tells
nothing, the shard's memory does: it holds every answer of earlier owners, and what was under way with them is
delivered again.
"""

from collections import defaultdict
from typing import Any, Final

import orjson

from worker.account_book import AccountBook
from worker.clock_sync import Clock
from worker.consumer import Shard
from worker.core.shards import Names

LONGEST_WINDOW_MS: Final = 60_000.0
TIMESTAMP_MS: Final = 1_000.0
"""AMQP timestamps are whole seconds, rounded down."""

Spent = list[tuple[float, int]]
"""When requests that count as orders were answered at the latest (wall time), and how many."""


class HandOver:
    """Takes budgets over with the shards."""

    def __init__(self, names: Names, book: AccountBook, clock: Clock) -> None:
        self._names, self._book, self._clock = names, book, clock
        self._generations: dict[int, str] = {}

    def take_over(self, shard: Shard) -> None:
        """Take the budgets of a shard's accounts over, unless nobody else had them since this worker did."""
        if self._generations.get(shard.number) == shard.generation:
            return
        self._generations[shard.number] = shard.generation
        spent = self._spent(shard)
        for account in self._book.accounts.values():
            group = account.limit_group or account.name
            if (
                account.signer is not None
                and self._names.shard_of(account.name, account.limit_group) == shard.number
            ):
                self._book.gateway_of(account).inherit(group, spent.get(account.name, []))

    def _spent(self, shard: Shard) -> dict[str, Spent]:
        now_ms = self._clock.wall_ms()
        spent: defaultdict[str, Spent] = defaultdict(list)
        for known in shard.memory.answers():
            answered_ms = known.answered_at_ms + TIMESTAMP_MS
            if answered_ms > now_ms - LONGEST_WINDOW_MS:
                document: dict[str, Any] = orjson.loads(known.outcome.body)
                spent[known.outcome.account].append((min(answered_ms, now_ms), int(document["attempts"])))
        for delivery in shard.waiting:
            if delivery.redelivered:
                spent[delivery.message.routing_key].append((now_ms, 1))
        return spent
