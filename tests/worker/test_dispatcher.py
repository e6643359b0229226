"""One answer a signal, however often it is delivered, and whatever becomes of the link."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from adapters.sandbox.fault_rules import FaultKind
from tests.virtual_time import settled, virtual_time
from tests.worker.builders import a_cancel, a_limit, a_signal
from tests.worker.fakes import Rig, a_rig

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def same_answer(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return orjson.dumps(one) == orjson.dumps(other)


# --- Publish, confirm, remember, acknowledge --------------------------------------------------------------------------


@virtual_time
async def test_nothing_is_acknowledged_before_the_outcome_is_confirmed() -> None:
    async with a_rig() as rig:
        confirm = rig.link.hold("publish")
        delivery = rig.deliver(a_signal())
        await asyncio.sleep(10)
        assert [item.message.correlation_id for item in rig.link.publishing] == ["s-1"]
        assert not rig.acked(delivery)
        assert rig.remembered("s-1") is None
        confirm.set()
        await rig.idle()
        assert rig.remembered("s-1") is not None
        assert rig.link.log[-2:] == ["confirm s-1", f"ack {delivery.message.tag}"]


@virtual_time
async def test_a_publish_that_fails_is_repeated_with_the_same_bytes() -> None:
    async with a_rig() as rig:
        rig.link.failures["publish"] = 3
        delivery = rig.deliver(a_signal())
        await rig.idle()
        assert len({item.message.body for item in rig.link.publishing}) == 1
        assert len(rig.link.publishing) == 4
        assert len(rig.venue.orders()) == 1
        assert rig.acked(delivery)


@virtual_time
async def test_a_cancel_waits_for_all_answers_before_it_also_when_they_are_confirmed_together() -> None:
    async with a_rig() as rig:
        confirm = rig.link.hold("publish")
        rig.deliver(a_limit("s-1"))
        rig.deliver(a_limit("s-2"))
        rig.deliver(a_cancel("s-2"))
        await asyncio.sleep(1)
        assert [order["status"] for order in rig.venue.orders()] == ["NEW", "NEW"]
        confirm.set()
        await asyncio.sleep(1)
        assert [order["status"] for order in rig.venue.orders()] == ["NEW", "CANCELED"]


@virtual_time
async def test_an_outcome_is_published_as_the_contract_says() -> None:
    async with a_rig() as rig:
        await rig.outcome(a_signal(), headers={"traceparent": TRACE})
        (published,) = rig.link.published
        message = published.message
        assert (published.exchange, message.routing_key) == ("beeline.outcomes", "01.main.filled")
        assert (message.type, message.correlation_id) == ("outcome.v1", "s-1")
        assert message.headers["traceparent"] == TRACE
        assert message.headers["beeline-content-hash"]
        assert message.timestamp is not None


@virtual_time
async def test_a_signal_id_too_long_for_a_correlation_id_is_answered_all_the_same() -> None:
    async with a_rig() as rig:
        delivery = rig.deliver(a_signal("€" * 128))
        await rig.idle()
        (published,) = rig.link.published
        assert published.message.correlation_id is None
        assert orjson.loads(published.message.body)["signal_id"] == "€" * 128
        assert rig.acked(delivery)


@virtual_time
async def test_who_asks_for_a_reply_gets_a_copy() -> None:
    async with a_rig() as rig:
        delivery = rig.deliver(a_signal(), reply_to="amq.gen-1")
        await rig.idle()
        outcome, copy = rig.link.published
        assert (copy.exchange, copy.message.routing_key) == ("", "amq.gen-1")
        assert copy.message.body == outcome.message.body
        assert rig.link.log[-1] == f"ack {delivery.message.tag}"


# --- Bad input --------------------------------------------------------------------------------------------------------


@virtual_time
async def test_a_message_without_an_id_goes_to_the_dead_letters_with_the_reason() -> None:
    async with a_rig() as rig:
        delivery = rig.deliver(b"not json", routing_key="main", headers={"x": 1})
        await rig.idle()
        (letter,) = rig.link.dead()
        assert letter.body == b"not json"
        assert letter.headers == {"x": 1, "beeline-reason": "not JSON", "beeline-routing-key": "main"}
        assert rig.acked(delivery)


@virtual_time
async def test_a_replay_for_an_account_that_nobody_knows_goes_back_to_the_dead_letters() -> None:
    """Denied, it might be denied wrongly: an earlier attempt may have placed it."""
    async with a_rig() as rig:
        delivery = rig.deliver(
            a_signal(account="ghost"), routing_key="ghost", unrouted=True, headers={"beeline-replayed": 1}
        )
        await rig.idle()
        (letter,) = rig.link.dead()
        assert letter.headers["beeline-reason"] == "replayed, but no worker knows its account"
        assert letter.headers["beeline-replayed"] == 1
        assert rig.acked(delivery)
        assert rig.link.outcomes() == []


@virtual_time
async def test_a_dead_letter_that_is_not_confirmed_is_not_acknowledged() -> None:
    async with a_rig() as rig:
        rig.link.hold("publish")
        delivery = rig.deliver(b"[]")
        await asyncio.sleep(5)
        assert not rig.acked(delivery)


@virtual_time
async def test_a_bad_signal_is_answered_with_the_path_of_its_field() -> None:
    async with a_rig() as rig:
        outcome = await rig.outcome(a_signal(side="up", quantity="0"))
        assert (outcome["status"], outcome["landed"]) == ("rejected", "no")
        assert outcome["error"]["code"] == "invalid_signal"
        assert "side: " in outcome["error"]["hint"]
        assert "quantity: must be greater than 0" in outcome["error"]["hint"]
        assert outcome["client_order_id"] is None


@virtual_time
async def test_a_signal_for_another_account_than_its_key_is_refused_under_that_key() -> None:
    async with a_rig() as rig:
        outcome = await rig.outcome(a_signal(account="second"), routing_key="main")
        assert (outcome["account"], outcome["error"]["code"]) == ("main", "account_mismatch")
        assert rig.venue.orders() == []


@virtual_time
async def test_a_signal_nobody_routes_is_answered_unknown_account() -> None:
    async with a_rig() as rig:
        outcome = await rig.outcome(a_signal(account="nobody"), unrouted=True)
        assert outcome["error"]["code"] == "unknown_account"
        assert rig.link.published[0].message.routing_key == "unrouted.nobody.rejected"


@virtual_time
async def test_the_worker_goes_on_after_bad_input() -> None:
    async with a_rig() as rig:
        for body in (b"", b"\xff", b"{}", b'{"signal_id": "x", "action": []}', b"[" * 9_999):
            rig.deliver(body)
        assert (await rig.outcome(a_signal()))["status"] == "filled"
        assert len(rig.link.dead()) == 4


# --- Duplicates -------------------------------------------------------------------------------------------------------


@virtual_time
async def test_a_signal_published_twice_is_executed_once_and_answered_the_same_twice() -> None:
    async with a_rig() as rig:
        first = await rig.outcome(a_signal())
        second = rig.deliver(a_signal())
        await rig.idle()
        answers = rig.link.outcomes("s-1")
        assert len(answers) == 2
        assert same_answer(first, answers[1])
        assert rig.acked(second)
        assert len(rig.venue.orders()) == 1


@virtual_time
async def test_copies_that_arrive_while_the_first_is_under_way_join_it() -> None:
    async with a_rig() as rig:
        rig.venue.break_next(FaultKind.SLOW, delay_ms=2_000)
        deliveries = [rig.deliver(a_signal()) for _ in range(3)]
        await asyncio.sleep(1)
        deliveries.append(rig.deliver(a_signal(quantity="0.010")))
        await rig.idle()
        assert all(rig.acked(delivery) for delivery in deliveries)
        bodies = {orjson.dumps(outcome) for outcome in rig.link.outcomes("s-1")}
        assert len(bodies) == 1
        assert len(rig.venue.orders()) == 1


@virtual_time
async def test_a_copy_that_arrives_while_the_answer_is_published_joins_it() -> None:
    async with a_rig() as rig:
        confirm = rig.link.hold("publish")
        rig.deliver(a_signal())
        await asyncio.sleep(1)
        copy = rig.deliver(a_signal())
        confirm.set()
        await rig.idle()
        assert rig.acked(copy)
        assert len(rig.link.outcomes("s-1")) == 2
        assert len(rig.venue.orders()) == 1


@pytest.mark.parametrize("when", ["under way", "answered"])
@virtual_time
async def test_the_same_id_with_another_content_is_a_conflict_and_the_first_answer_stays(when: str) -> None:
    async with a_rig() as rig:
        rig.deliver(a_signal())
        if when == "answered":
            await rig.idle()
        conflict = rig.deliver(a_signal(quantity="5"))
        await rig.idle()
        codes = [outcome["error"] and outcome["error"]["code"] for outcome in rig.link.outcomes("s-1")]
        assert sorted(codes, key=str) == [None, "signal_id_conflict"]
        assert rig.acked(conflict)
        assert len(rig.venue.orders()) == 1
        again = await rig.outcome(a_signal())
        assert again["status"] == "filled"
        assert len(rig.venue.orders()) == 1


@virtual_time
async def test_one_id_at_two_accounts_is_two_signals() -> None:
    async with a_rig() as rig:
        rig.deliver(a_signal())
        rig.deliver(a_signal(account="second"))
        await rig.idle()
        assert sorted(order["account"] for order in rig.venue.orders()) == ["main", "second"]


@virtual_time
async def test_a_refused_signal_is_answered_the_same_again() -> None:
    async with a_rig() as rig:
        first = await rig.outcome(a_signal(side="up"))
        assert same_answer(first, await rig.outcome(a_signal(side="up")))


@virtual_time
async def test_what_an_earlier_owner_answered_is_answered_the_same() -> None:
    async with a_rig() as rig:
        first = await rig.outcome(a_limit())
        requests = len(rig.venue.requests)
        rig.epoch.end("the link was cut")
        await rig.begin_epoch(sending_until_ms=rig.clock.wall_ms() + 5_000)
        assert same_answer(first, await rig.outcome(a_limit(), redelivered=True))
        assert len(rig.venue.requests) == requests


# --- Epochs -----------------------------------------------------------------------------------------------------------


async def executed_without_a_link(rig: Rig) -> None:
    """Let a signal be executed while its epoch ends, so that nobody could be told."""
    rig.venue.break_next(FaultKind.SLOW, delay_ms=2_000)
    delivery = rig.deliver(a_signal())
    await asyncio.sleep(1)
    rig.epoch.end("the link was cut")
    await rig.idle()
    assert rig.link.outcomes() == []
    assert not rig.acked(delivery)
    assert len(rig.venue.orders()) == 1


@virtual_time
async def test_a_result_outlives_its_epoch_and_answers_the_redelivery() -> None:
    async with a_rig() as rig:
        await executed_without_a_link(rig)
        await rig.begin_epoch(sending_until_ms=rig.clock.wall_ms())
        requests = len(rig.venue.requests)
        outcome = await rig.outcome(a_signal(), redelivered=True)
        assert (outcome["status"], outcome["attempts"]) == ("filled", 1)
        assert len(rig.venue.requests) == requests


@virtual_time
async def test_a_result_that_outlived_its_epoch_is_remembered_once_it_is_told() -> None:
    async with a_rig() as rig:
        await executed_without_a_link(rig)
        await rig.begin_epoch()
        first = await rig.outcome(a_signal(), redelivered=True)
        second = await rig.outcome(a_signal())  # the producer published it twice
        assert same_answer(first, second)
        assert len(rig.venue.orders()) == 1


@virtual_time
async def test_a_copy_that_arrives_while_a_kept_result_is_published_joins_it() -> None:
    async with a_rig() as rig:
        await executed_without_a_link(rig)
        await rig.begin_epoch()
        confirm = rig.link.hold("publish")
        rig.deliver(a_signal(), redelivered=True)
        await asyncio.sleep(1)
        rig.deliver(a_signal())
        await asyncio.sleep(1)
        confirm.set()
        await rig.idle()
        assert len(rig.link.outcomes("s-1")) == 2
        assert len(rig.venue.orders()) == 1


@virtual_time
async def test_a_kept_result_survives_a_conflict_and_a_second_lost_epoch() -> None:
    async with a_rig() as rig:
        await executed_without_a_link(rig)
        await rig.begin_epoch()
        conflict = await rig.outcome(a_signal(quantity="7"))
        assert conflict["error"]["code"] == "signal_id_conflict"
        confirm = rig.link.hold("publish")
        rig.deliver(a_signal(), redelivered=True)
        await settled()
        rig.epoch.end("the link was cut again")
        rig.link.failures["publish"] = 1
        confirm.set()
        await rig.idle()
        await rig.begin_epoch()
        requests = len(rig.venue.requests)
        outcome = await rig.outcome(a_signal(), redelivered=True)
        assert (outcome["status"], len(rig.venue.requests)) == ("filled", requests)


@virtual_time
async def test_a_redelivery_joins_what_is_still_under_way() -> None:
    async with a_rig() as rig:
        rig.venue.break_next(FaultKind.SLOW, delay_ms=5_000)
        old = rig.deliver(a_signal())
        await asyncio.sleep(1)
        rig.epoch.end("the link was cut")
        await rig.begin_epoch()
        new = rig.deliver(a_signal(), redelivered=True)
        await rig.idle()
        assert (rig.acked(old), rig.acked(new)) == (False, True)
        assert len(rig.link.outcomes("s-1")) == 1
        assert len(rig.venue.orders()) == 1


@virtual_time
async def test_redelivered_signals_keep_their_order() -> None:
    async with a_rig() as rig:
        rig.venue.break_next(FaultKind.SLOW, delay_ms=5_000)
        for number in range(5):
            rig.deliver(a_signal(f"s-{number}"))
        await asyncio.sleep(1)
        rig.epoch.end("the link was cut")
        await rig.begin_epoch()
        for number in range(5):
            rig.deliver(a_signal(f"s-{number}"), redelivered=True)
        await rig.idle()
        assert [outcome["signal_id"] for outcome in rig.link.outcomes()] == [
            f"s-{number}" for number in range(5)
        ]
        assert len(rig.venue.orders()) == 5


# --- Dates ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("created_us", ["soon", -1, 0, 10**30, None, 1.5])
@virtual_time
async def test_a_strange_date_in_the_header_counts_as_none(created_us: object) -> None:
    async with a_rig() as rig:
        outcome = await rig.outcome(a_signal(), headers={"created_at_us": created_us})
        assert (outcome["status"], outcome["latency_ms"]["queue"]) == ("filled", 0.0)


@virtual_time
async def test_the_time_in_the_queue_counts_from_the_timestamp() -> None:
    async with a_rig() as rig:
        published = datetime.fromtimestamp(rig.clock.wall_ms() / 1000 - 5, UTC)
        outcome = await rig.outcome(a_signal(), timestamp=published)
        assert outcome["latency_ms"]["queue"] == pytest.approx(5_000, abs=1)
