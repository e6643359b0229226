"""Owning shards: nothing is handled before what earlier owners did is known, and a shard is given up cleanly."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import orjson

from adapters.errors import Landed
from tests.virtual_time import VirtualClock, settled, virtual_time
from tests.worker.builders import a_message, a_signal
from tests.worker.fakes import FakeLink
from worker.consumer import Consumer, Delivery
from worker.control import Control
from worker.core.outcome import Journey, Settlement, Status, Subject, build_outcome
from worker.core.shards import Names, consumer_priority
from worker.epoch import Epoch
from worker.message import Message
from worker.publisher import Publisher
from worker.recall import HASH_HEADER

NAMES = Names(shards=2)
LEASE_MS = 9_000.0


@dataclass
class Station:
    """A consumer with its control stream on one fake link."""

    clock: VirtualClock
    link: FakeLink
    publisher: Publisher
    control: Control
    consumer: Consumer
    epoch: Epoch
    handled: list[Delivery] = field(default_factory=list)

    def handle(self, delivery: Delivery) -> None:
        self.handled.append(delivery)

    def deliver(self, signal_id: str = "s-1", shard: int = 0, *, redelivered: bool = False) -> None:
        message = a_message(a_signal(signal_id), redelivered=redelivered)
        self.link.deliver(NAMES.signals_queue(shard), message)

    def ids(self) -> list[str]:
        return [orjson.loads(delivery.message.body)["signal_id"] for delivery in self.handled]

    def records(self) -> list[dict[str, Any]]:
        return [orjson.loads(message.body) for message in self.link.streams[NAMES.control]]

    def foreign(self, kind: str = "takeover", shard: int = 0, *, incarnation: str = "other") -> None:
        """Let another worker write to the control stream."""
        record = {
            "kind": kind,
            "shard": shard,
            "worker": "worker-9",
            "incarnation": incarnation,
            "lease_ms": LEASE_MS,
            "at_ms": self.clock.wall_ms(),
        }
        message = Message(body=orjson.dumps(record), routing_key=NAMES.control, type=kind)
        stored = replace(message, tag=len(self.link.streams[NAMES.control]) + 1)
        self.link.streams[NAMES.control].append(stored)
        if NAMES.control in self.link.consumers:
            self.link.consumers[NAMES.control][1](stored)

    def remembered(self, signal_id: str, shard: int = 0, *, code: str | None = None) -> None:
        """Let an earlier owner have answered a signal."""
        subject = Subject(
            signal_id=signal_id,
            account="main",
            venue="binance",
            action="place",
            symbol="BTC/USDT",
            content_hash="c",
            client_order_id="b",
        )
        outcome = build_outcome(
            subject,
            Settlement(status=Status.FILLED, landed=Landed.YES),
            asked=None,
            journey=Journey(received_s=0.0),
            now_s=0.0,
            settled_at_ms=self.clock.wall_ms(),
            worker="worker-9",
        )
        body = outcome.body
        if code is not None:
            body = orjson.dumps(orjson.loads(body) | {"error": {"code": code}})
        message = Message(
            body=body,
            routing_key=NAMES.outcome_key(shard, "main", "filled"),
            headers={HASH_HEADER: "c"},
            type="outcome.v1",
            timestamp=datetime.fromtimestamp(self.clock.wall_ms() / 1000, UTC),
        )
        self.link.streams[NAMES.memory_stream(shard)].append(message)


@asynccontextmanager
async def a_station(*, attach: bool = True) -> AsyncIterator[Station]:
    clock, link, publisher = VirtualClock(), FakeLink(), Publisher()
    control = Control(NAMES, publisher, clock, worker_id="worker-0", lease_ms=LEASE_MS)
    await publisher.attach(link)
    async with asyncio.TaskGroup() as tasks:
        consumer = Consumer(
            NAMES, publisher, control, clock, tasks, worker_id="worker-0", prefetch=50, memory_s=900
        )
        station = Station(clock, link, publisher, control, consumer, Epoch(clock, 5, 1))
        consumer.on_delivery = station.handle
        if attach:
            await control.attach(link)
            await consumer.attach(link, station.epoch)
        yield station
        station.epoch.end("the test is over")


@virtual_time
async def test_every_shard_is_consumed_with_this_workers_priority() -> None:
    async with a_station() as station:
        for shard in range(2):
            arguments = station.link.arguments[NAMES.signals_queue(shard)]
            assert arguments == {"x-priority": consumer_priority("worker-0", shard)}
        assert NAMES.unrouted in station.link.consumers
        assert station.consumer.is_attached
        assert station.consumer.owned == []


@virtual_time
async def test_the_first_delivery_takes_a_shard_over_before_it_is_handled() -> None:
    async with a_station() as station:
        station.remembered("s-0")
        station.deliver("s-1")
        assert station.handled == []
        await settled()
        assert (station.ids(), station.consumer.owned) == (["s-1"], [0])
        (record,) = station.records()
        assert (record["kind"], record["shard"], record["worker"]) == ("takeover", 0, "worker-0")
        shard = station.handled[0].shard
        assert shard is not None
        assert shard.memory.recall("main", "s-0") is not None


@virtual_time
async def test_deliveries_wait_in_their_order_while_the_take_over_is_confirmed() -> None:
    async with a_station() as station:
        confirm = station.link.hold("publish")
        for number in range(5):
            station.deliver(f"s-{number}")
        await asyncio.sleep(3)
        assert (station.handled, station.consumer.buffered) == ([], 5)
        confirm.set()
        await settled()
        station.deliver("s-5")
        assert station.ids() == [f"s-{number}" for number in range(6)]
        assert len(station.records()) == 1


@virtual_time
async def test_shards_are_taken_over_one_by_one() -> None:
    async with a_station() as station:
        station.deliver("s-1", shard=1)
        await settled()
        assert station.consumer.owned == [1]
        station.deliver("s-0", shard=0)
        await settled()
        assert (station.consumer.owned, station.ids()) == ([0, 1], ["s-1", "s-0"])


@virtual_time
async def test_after_a_crash_the_lease_of_the_last_owner_is_known() -> None:
    async with a_station(attach=False) as station:
        station.foreign("takeover")
        await station.control.attach(station.link)
        await station.consumer.attach(station.link, station.epoch)
        await settled()
        station.deliver(redelivered=True)
        await settled()
        shard = station.handled[0].shard
        assert shard is not None
        assert shard.sending_until_ms >= station.clock.wall_ms() + LEASE_MS


@virtual_time
async def test_after_a_clean_release_nobody_can_be_sending() -> None:
    async with a_station(attach=False) as station:
        station.foreign("takeover")
        station.foreign("release")
        await station.control.attach(station.link)
        await station.consumer.attach(station.link, station.epoch)
        await settled()
        station.deliver()
        await settled()
        shard = station.handled[0].shard
        assert shard is not None
        assert shard.sending_until_ms == 0


@virtual_time
async def test_a_shard_that_went_to_another_worker_is_taken_over_anew() -> None:
    async with a_station() as station:
        station.deliver("s-1")
        await settled()
        station.foreign("takeover")
        assert station.consumer.owned == []
        station.remembered("s-2")
        station.deliver("s-3")
        await settled()
        assert station.ids() == ["s-1", "s-3"]
        shard = station.handled[1].shard
        assert shard is not None
        assert shard.memory.recall("main", "s-2") is not None


@virtual_time
async def test_another_worker_that_takes_over_in_the_middle_makes_this_one_read_again() -> None:
    async with a_station() as station:
        confirm = station.link.hold("publish")
        station.deliver("s-1")
        await settled()
        station.link.gates.clear()
        reading = station.link.hold("consume")
        confirm.set()
        await settled()
        station.foreign("takeover")
        station.remembered("s-0")
        reading.set()
        await asyncio.sleep(1)
        assert station.ids() == ["s-1"]
        shard = station.handled[0].shard
        assert shard is not None
        assert shard.memory.recall("main", "s-0") is not None


@virtual_time
async def test_an_answer_to_a_second_use_of_an_id_is_no_answer_to_the_id() -> None:
    async with a_station() as station:
        station.remembered("s-0", code="signal_id_conflict")
        station.deliver("s-1")
        await settled()
        shard = station.handled[0].shard
        assert shard is not None
        assert shard.memory.recall("main", "s-0") is None


@virtual_time
async def test_a_memory_that_cannot_be_read_ends_the_epoch_and_handles_nothing() -> None:
    async with a_station() as station:
        station.link.failures["consume"] = 1
        station.deliver()
        await settled()
        assert not station.epoch.is_alive
        assert station.handled == []
        assert not station.consumer.is_attached


@virtual_time
async def test_what_is_garbage_on_the_streams_is_passed_over() -> None:
    async with a_station(attach=False) as station:
        for body in (b"", b"[]", b'{"kind": "takeover"}', b'{"kind": "party"}'):
            station.link.streams[NAMES.control].append(Message(body=body, type="takeover"))
            station.link.streams[NAMES.memory_stream(0)].append(Message(body=body, type="outcome.v1"))
        await station.control.attach(station.link)
        await station.consumer.attach(station.link, station.epoch)
        station.deliver()
        await settled()
        assert station.ids() == ["s-1"]


@virtual_time
async def test_signals_nobody_routes_need_no_take_over() -> None:
    async with a_station() as station:
        station.link.deliver(NAMES.unrouted, a_message(a_signal(account="nobody")))
        assert station.handled[0].shard is None
        assert station.records() == []


@virtual_time
async def test_an_ended_epoch_acknowledges_nothing() -> None:
    async with a_station() as station:
        station.deliver()
        await settled()
        station.epoch.end("the link was cut")
        station.handled[0].ack()
        acked_lines = {number for number, _ in station.link.acks}
        shard = station.handled[0].shard
        assert shard is not None
        assert shard.line.number not in acked_lines  # type: ignore[attr-defined]
        assert station.consumer.owned == []


# --- Leaving ----------------------------------------------------------------------------------------------------------


@virtual_time
async def test_a_release_flushes_announces_and_closes_in_this_order() -> None:
    async with a_station() as station:
        station.deliver()
        await settled()
        station.handled[0].ack()
        station.link.log.clear()
        await station.consumer.release()
        kinds = [record["kind"] for record in station.records()]
        assert kinds == ["takeover", "release"]
        assert station.link.log[0] == "confirm release"
        assert [entry.split()[0] for entry in station.link.log[1:]] == ["close", "close"]
        assert station.consumer.owned == []


@virtual_time
async def test_only_shards_that_are_owned_are_announced_as_released() -> None:
    async with a_station() as station:
        station.deliver(shard=1)
        await settled()
        await station.consumer.release()
        assert [(record["kind"], record["shard"]) for record in station.records()] == [
            ("takeover", 1),
            ("release", 1),
        ]


@virtual_time
async def test_an_acknowledgement_that_cannot_be_flushed_makes_no_clean_release() -> None:
    async with a_station() as station:
        station.deliver()
        await settled()
        station.link.failures["ping"] = 1
        await station.consumer.release()
        assert [record["kind"] for record in station.records()] == ["takeover"]


@virtual_time
async def test_a_worker_that_leaves_takes_no_shard_over_any_more() -> None:
    async with a_station() as station:
        station.consumer.stop_taking()
        station.deliver()
        await settled()
        assert (station.handled, station.records()) == ([], [])
