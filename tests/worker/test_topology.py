"""How accounts are bound: on several channels at once, and each one off all other shards before it is on its own."""

import asyncio
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from worker.amqp import AmqpLink, RefusedError
from worker.core.shards import Names
from worker.topology import BINDING_CHANNELS, TopologyError, bind_accounts

NAMES = Names(shards=4)
ACCOUNTS = [(f"account-{number}", number % 4) for number in range(20)]


@dataclass
class Broker:
    """Notes what is asked of it; one of its own channels, underlay and all."""

    refused: frozenset[str] = frozenset()
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    opened: int = 0
    closed: int = 0

    async def open_channel(self) -> "Broker":
        self.opened += 1
        return self

    async def get_underlay_channel(self) -> "Broker":
        return self

    async def queue_unbind(self, queue: str, exchange: str, key: str) -> None:
        await self._note("unbind", queue, exchange, key)

    async def queue_bind(self, queue: str, exchange: str, key: str) -> None:
        await self._note("bind", queue, exchange, key)

    async def _note(self, what: str, queue: str, exchange: str, key: str) -> None:
        assert exchange == NAMES.signals
        await asyncio.sleep(0)
        if key in self.refused:
            raise RefusedError("access refused")
        self.asked.append((key, what, queue))

    async def close(self) -> None:
        self.closed += 1

    async def bind(self, **over: Any) -> None:
        await bind_accounts(cast("AmqpLink", self), NAMES, ACCOUNTS, **over)


async def test_an_account_is_unbound_from_all_others_before_it_is_bound_to_its_shard() -> None:
    broker = Broker()
    await broker.bind()
    for account, shard in ACCOUNTS:
        asked = [(what, queue) for key, what, queue in broker.asked if key == account]
        others = {("unbind", NAMES.signals_queue(other)) for other in range(4) if other != shard}
        assert set(asked[:-1]) == others
        assert asked[-1] == ("bind", NAMES.signals_queue(shard))
    assert broker.opened == broker.closed == BINDING_CHANNELS


async def test_an_account_that_is_bound_to_no_other_shard_is_only_bound() -> None:
    broker = Broker()
    await broker.bind(known=frozenset(ACCOUNTS))
    assert {what for _, what, _ in broker.asked} == {"bind"}
    assert {key for key, _, _ in broker.asked} == {account for account, _ in ACCOUNTS}


async def test_a_user_who_may_not_bind_is_told_what_to_do() -> None:
    broker = Broker(refused=frozenset({"account-7"}))
    with pytest.raises(TopologyError, match="beeline topology"):
        await broker.bind()
