"""Hand-over of order budgets: a new owner of a shard starts from what was used, never from a full bucket.

Where the venue tells its own count, that is asked for before the first order (`Gateway.send`). Where it tells
nothing, the shard's memory does: it holds every answer of earlier owners, and what was under way with them is
delivered again.
"""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any, Final

import orjson

from worker.account_book import AccountBook
from worker.accounts import Account
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
        self._sorted: Mapping[str, Account] | None = None
        self._by_shard: defaultdict[int, list[Account]] = defaultdict(list)

    def take_over(self, shard: Shard) -> None:
        """Take the budgets of a shard's accounts over, unless nobody else had them since this worker did."""
        if self._generations.get(shard.number) == shard.generation:
            return
        self._generations[shard.number] = shard.generation
        spent = self._spent(shard)
        for account in self._accounts_of(shard.number):
            group = account.limit_group or account.name
            self._book.gateway_of(account).inherit(group, spent.get(account.name, []))

    def _accounts_of(self, shard: int) -> list[Account]:
        """The accounts of a shard that may trade; sorted once, because a worker takes many shards over in a row."""
        accounts = self._book.accounts
        if self._sorted is not accounts:
            self._sorted, self._by_shard = accounts, defaultdict(list)
            for account in accounts.values():
                if account.signer is not None:
                    number = self._names.shard_of(account.name, account.limit_group)
                    self._by_shard[number].append(account)
        return self._by_shard[shard]

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
