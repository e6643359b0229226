"""One outcome and one order whatever breaks: workers killed, brokers restarted, replies lost."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.rabbitmq_node import RabbitNode
from tests.integration.rig import Rig

LOST_REPLIES = [
    {"kind": "accept_then_drop"},
    {"kind": "accept_then_5xx", "status": 503, "code": -1007},
    {"kind": "accept_then_5xx", "status": 502, "html": True},
    {"kind": "reset_mid_body"},
    {"kind": "truncated_body"},
    {"kind": "duplicate"},
]
NEVER_ARRIVED = [{"kind": "drop_before"}, {"kind": "hang", "executes": False}]


@pytest.mark.parametrize("account", ["main", "main-bitrue"])
@pytest.mark.parametrize(
    "fault", LOST_REPLIES, ids=lambda fault: f"{fault['kind']}-{fault.get('status', '')}"
)
async def test_a_lost_reply_is_looked_up_and_never_sent_again(
    rig: Rig, account: str, fault: dict[str, object]
) -> None:
    await rig.start_worker()
    await rig.follow_outcomes()
    await rig.control("faults", **fault, method="POST", path="*/order", count=1)
    outcome = await rig.place(account=account)
    assert (outcome["status"], outcome["landed"], outcome["attempts"]) == ("filled", "yes", 1)
    assert outcome["lookups"] >= 1
    assert len(await rig.orders_of(outcome)) == 1


@pytest.mark.parametrize("account", ["main", "main-bitrue"])
@pytest.mark.parametrize("fault", NEVER_ARRIVED, ids=lambda fault: str(fault["kind"]))
async def test_what_never_arrived_is_placed_again_once_its_absence_is_proven(
    rig: Rig, account: str, fault: dict[str, object]
) -> None:
    await rig.start_worker(venue_timeout="1")
    await rig.follow_outcomes()
    await rig.control("faults", **fault, method="POST", path="*/order", count=1)
    outcome = await rig.place(account=account)
    assert (outcome["status"], outcome["attempts"]) == ("filled", 2)
    assert len(await rig.orders_of(outcome)) == 1


async def test_a_request_that_enters_late_is_not_sent_a_second_time(rig: Rig) -> None:
    await rig.start_worker()
    await rig.follow_outcomes()
    late = {"kind": "hold_in_queue", "delay_ms": 900, "disconnects": True}
    await rig.control("faults", **late, method="POST", path="*/order", count=1)
    outcome = await rig.place()
    assert outcome["status"] == "filled"
    assert len(await rig.orders_of(outcome)) == 1


async def test_an_order_that_shows_late_is_not_sent_a_second_time(rig: Rig) -> None:
    await rig.start_worker()
    await rig.follow_outcomes()
    await rig.control("visibility", lag_ms=1500)
    await rig.control("faults", kind="accept_then_drop", method="POST", path="*/order", count=1)
    outcome = await rig.place()
    assert (outcome["status"], outcome["attempts"]) == ("filled", 1)
    assert len(await rig.orders_of(outcome)) == 1


async def test_a_doubt_that_cannot_be_resolved_ends_as_unknown_and_is_corrected_later(rig: Rig) -> None:
    await rig.start_worker(resolution_budget="1", venue_timeout="1")
    await rig.follow_outcomes()
    await rig.control("faults", kind="accept_then_drop", method="POST", path="*/order", count=1)
    await rig.control("faults", kind="accept_then_5xx", method="GET", path="*/order", html=True)
    outcome = await rig.place()
    assert (outcome["status"], outcome["landed"]) == ("unknown", "unknown")
    assert outcome["error"]["code"] == "resolution_exhausted"
    assert len(await rig.orders_of(outcome)) == 1
    await rig.http.delete(f"{rig.sandbox.url}/sandbox/faults")
    corrected = await rig.outcome(outcome["signal_id"], count=2)
    assert (corrected["status"], corrected["landed"]) == ("filled", "yes")
    assert (corrected["outcome_id"], corrected["revision"]) == (outcome["outcome_id"], 1)
    assert outcome["revision"] == 0


async def test_a_worker_killed_before_the_reply_leaves_one_order_and_one_outcome(rig: Rig) -> None:
    first = await rig.start_worker()
    await rig.follow_outcomes()
    await rig.place()
    await rig.control("faults", kind="hang", method="POST", path="*/order", count=1)
    asked = rig.a_signal()
    await rig.publish(asked)
    await rig.until_placed(asked)
    await first.kill()
    await rig.start_worker()
    outcome = await rig.outcome(asked["signal_id"])
    assert (outcome["status"], outcome["redelivered"], outcome["attempts"]) == ("filled", True, 0)
    assert len(await rig.orders_of(outcome)) == 1


async def test_a_worker_killed_before_the_send_has_its_signal_placed_once(rig: Rig) -> None:
    first = await rig.start_worker()
    await rig.follow_outcomes()
    await rig.place()
    await rig.control("faults", kind="hang", executes=False, method="POST", path="*/order", count=1)
    asked = rig.a_signal()
    await rig.publish(asked)
    await rig.until_fault("hang")
    await first.kill()
    await rig.start_worker()
    outcome = await rig.outcome(asked["signal_id"])
    assert (outcome["status"], outcome["redelivered"], outcome["attempts"]) == ("filled", True, 1)
    assert len(await rig.orders_of(outcome)) == 1


async def test_a_settled_signal_that_comes_again_after_a_crash_costs_the_venue_nothing(rig: Rig) -> None:
    first = await rig.start_worker()
    await rig.follow_outcomes()
    asked = rig.a_signal()
    await rig.publish(asked)
    before = await rig.outcome(asked["signal_id"])
    await first.kill()
    await rig.start_worker()
    requests = (await rig.control("requests"))["requests"]
    copies = len(rig.outcomes_of(asked["signal_id"]))  # two when the worker died before its acknowledgement
    await rig.publish(asked)
    assert await rig.outcome(asked["signal_id"], count=copies + 1) == before
    after = (await rig.control("requests"))["requests"]
    assert {name: n for name, n in requests.items() if "order" in name} == {
        name: n for name, n in after.items() if "order" in name
    }
    await rig.publish({**asked, "quantity": "0.02"})
    await rig.until(lambda: any(outcome["error"] for outcome in rig.outcomes_of(asked["signal_id"])))
    answers = rig.outcomes_of(asked["signal_id"])
    assert {o["error"]["code"] for o in answers if o["error"]} == {"signal_id_conflict"}
    assert all(outcome == before for outcome in answers if not outcome["error"])


async def test_a_signal_moved_back_from_the_dead_letters_is_looked_up_first(rig: Rig) -> None:
    await rig.start_worker(memory="1")
    await rig.follow_outcomes()
    asked = rig.a_signal(valid_until=int(time.time() * 1000) + 300_000)
    death = {"x-death": [{"queue": "beeline.signals.00", "reason": "delivery_limit", "count": 1}]}
    await rig.publish(asked, headers=death)
    outcome = await rig.outcome(asked["signal_id"])
    assert (outcome["status"], outcome["redelivered"]) == ("filled", True)
    assert outcome["lookups"] >= 1
    assert len(await rig.orders_of(outcome)) == 1


@pytest.fixture
def own_rabbit() -> Iterator[RabbitNode]:
    """A broker that the test may kill."""
    with RabbitNode() as node:
        yield node


async def test_a_broker_killed_in_the_middle_loses_and_doubles_nothing(
    own_rabbit: RabbitNode, tmp_path: Path
) -> None:
    async with Rig(own_rabbit.url, tmp_path) as rig:
        worker = await rig.start_worker()
        await rig.follow_outcomes()
        asked = [rig.a_signal(symbol=symbol) for _ in range(20) for symbol in ("BTCUSDT", "ETHUSDT")]
        await rig.control("faults", kind="slow", method="POST", path="*/order", delay_ms=20)
        for signal_ in asked:
            await rig.publish(signal_)
        await rig.until(lambda: len(rig.outcomes) >= 5)
        await asyncio.to_thread(own_rabbit.kill)
        await worker.until("broker connection lost")
        await asyncio.to_thread(own_rabbit.start)
        await worker.until("consuming", count=2)
        await rig.connect()
        await rig.follow_outcomes()
        await rig.until(lambda: {o["signal_id"] for o in rig.outcomes} == {s["signal_id"] for s in asked})
        assert {outcome["status"] for outcome in rig.outcomes} == {"filled"}
        ledger = [order["client_order_id"] for order in await rig.ledger()]
        assert len(ledger) == len(set(ledger)) == len(asked)
