"""The control stream: holds told to the pool, and told again before the stream forgets them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import orjson

from adapters.errors import Scope
from tests.virtual_time import VirtualClock, settled, virtual_time
from tests.worker.fakes import FakeLink
from worker.control import Control
from worker.core.holds import HoldRecord, StopRecord
from worker.core.shards import Names
from worker.publisher import Publisher


@asynccontextmanager
async def a_control() -> AsyncIterator[tuple[Control, FakeLink, VirtualClock]]:
    clock, link, publisher = VirtualClock(), FakeLink(), Publisher()
    await publisher.attach(link)
    control = Control(Names(shards=4), publisher, clock, worker_id="worker-0", lease_ms=9_000)
    await control.attach(link)
    yield control, link, clock


def a_hold(until_ms: float, *, scope: Scope = Scope.IP, limit_group: str | None = None) -> HoldRecord:
    return HoldRecord(
        scope=scope,
        venue="binance",
        base_url="https://api.binance.com",
        egress="default",
        limit_group=limit_group,
        reason="ip_banned",
        until_ms=until_ms,
    )


def said(link: FakeLink) -> list[dict[str, object]]:
    return [orjson.loads(item.message.body) for item in link.published]


@virtual_time
async def test_holds_in_force_are_written_again_and_those_that_are_over_are_not() -> None:
    async with a_control() as (control, link, clock):
        now_ms = clock.wall_ms()
        banned, longer = a_hold(now_ms + 1_000), a_hold(now_ms + 3 * 86_400_000)
        over = a_hold(now_ms - 1, scope=Scope.ACCOUNT, limit_group="main")
        stop = StopRecord(target="all", is_held=True, reason="fire", at_ms=now_ms)
        for hold in (banned, longer, over):
            await control.announce_hold(hold)
        await control.announce_stop(stop)
        await settled()
        before = len(link.published)
        await control.repeat_holds()
        assert said(link)[before:] == [stop.document(), longer.document()]


@virtual_time
async def test_a_hold_heard_on_the_stream_reaches_whoever_sends() -> None:
    async with a_control() as (control, _, clock):
        heard: list[HoldRecord] = []
        control.on_hold = heard.append
        hold = a_hold(clock.wall_ms() + 60_000)
        await control.announce_hold(hold)
        await settled()
        assert heard == [hold]
