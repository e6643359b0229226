"""Dead letters on a real broker: looked at without a trace, sent again without a second order, dropped on purpose."""

import asyncio
import json
import time
from collections.abc import Mapping
from typing import Any

import aio_pika
import pytest

from tests.integration.rig import NAMESPACE, PATIENCE_S, Rig
from worker.amqp import dial
from worker.cli import Exit
from worker.commands.dead_queue import DeadQueue
from worker.core.letters import REPLAYED_HEADER
from worker.core.shards import Names
from worker.topology import DELIVERY_LIMIT

NAMES = Names(namespace=NAMESPACE, shards=4)
LOOKS = 25


async def beeline(rig: Rig, *arguments: str) -> tuple[int, list[dict[str, Any]], str]:
    """Run `beeline dead …` and return its exit code, the JSON it wrote, and what else it said."""
    process = (await rig.spawn("dead", *arguments)).process
    assert process.stdout is not None
    written = await process.stdout.read()
    worker = rig.workers.pop()
    code = await worker.ended()
    return code, [json.loads(line) for line in written.splitlines()], worker.transcript()


def dated(age_s: float = 0.0) -> dict[str, Any]:
    return {"created_at_us": int((time.time() - age_s) * 1_000_000)}


async def declare(rig: Rig) -> None:
    topology = await rig.spawn("topology")
    assert await topology.ended() == Exit.DONE
    rig.workers.remove(topology)


async def bury(rig: Rig, body: Mapping[str, Any] | bytes, *, key: str = "main", **headers: Any) -> None:
    """Put a message where the broker puts one that it gives up."""
    exchange = await rig.channel.get_exchange(NAMES.dead, ensure=False)
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    message = aio_pika.Message(text, delivery_mode=2, headers=headers, message_id=f"m-{time.time_ns()}")
    await exchange.publish(message, routing_key=key, mandatory=True)


async def wear_out(rig: Rig, account: str) -> None:
    """Take the first message of a shard and lose it again until the broker gives it up, as a crashing worker would."""
    queue_name = NAMES.signals_queue(NAMES.shard_of(account))
    for _ in range(DELIVERY_LIMIT):  # the worker that died had it once
        channel = await rig.connection.channel()
        queue = await channel.get_queue(queue_name, ensure=False)
        arrived = asyncio.Event()
        await channel.set_qos(1)

        async def note_it(_: object, arrived: asyncio.Event = arrived) -> None:
            arrived.set()

        await queue.consume(note_it)
        async with asyncio.timeout(PATIENCE_S):
            await arrived.wait()
        await channel.close()


async def until_dead(rig: Rig, count: int) -> list[dict[str, Any]]:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            code, letters, said = await beeline(rig, "list", "--json")
            assert code == Exit.DONE, said
            if len(letters) >= count:
                return letters


async def test_looking_as_often_as_one_likes_loses_nothing_and_changes_no_place(rig: Rig) -> None:
    await look_again_and_again(rig)


async def look_again_and_again(rig: Rig) -> None:
    """Also asked of RabbitMQ 4: a queue without a limit of its own drops there what it gave twenty times."""
    await declare(rig)
    for number in range(5):
        await bury(rig, f"letter {number}".encode())
    link = await dial(rig.amqp_url, heartbeat=10, name="test")
    looks = []
    for _ in range(LOOKS):
        async with DeadQueue.hold(link, NAMES) as queue:
            looks.append([letter.identity for letter in queue.letters])
    async with DeadQueue.hold(link, NAMES) as queue:
        letters = queue.letters
        assert [letter.body for letter in letters] == [f"letter {number}".encode() for number in range(5)]
        assert await queue.waiting() == 0
        # What one command holds, another does not see; both give back what they held.
        async with DeadQueue.hold(link, NAMES) as other:
            assert other.letters == []
        await queue.remove(letters[2])
    await link.close()
    everything = [letter.identity for letter in letters]
    assert looks == [everything] * LOOKS
    code, listed, _ = await beeline(rig, "list", "--json", "--limit", "3")
    assert (code, [letter["id"] for letter in listed]) == (Exit.DONE, [everything[i] for i in (0, 1, 3)])


async def test_what_has_no_id_is_shown_whole_and_is_not_sent_again(rig: Rig) -> None:
    await rig.start_worker()
    await rig.publish(b'{"quantity": 1, "note": "caf\xc3\xa9"}', key="main")
    (letter,) = await until_dead(rig, 1)
    assert (letter["routing_key"], letter["signal_id"]) == ("main", None)
    assert "signal_id" in letter["reason"]
    code, (shown,), _ = await beeline(rig, "show", letter["id"])
    assert (code, shown["body"]) == (Exit.DONE, {"quantity": 1, "note": "café"})
    code, (left,), _ = await beeline(rig, "replay", letter["id"], "--force")
    assert (code, left["replayed"], left["prospect"]) == (Exit.FAILED, False, "pointless")
    assert (await beeline(rig, "drop", letter["id"]))[0] == Exit.USAGE  # nobody said yes
    code, (dropped,), _ = await beeline(rig, "drop", letter["id"], "--yes", "--json")
    assert (code, dropped["body"]) == (Exit.DONE, shown["body"])
    assert (await beeline(rig, "list"))[1] == []
    code, _, said = await beeline(rig, "show", letter["id"])
    assert code == Exit.FAILED
    assert letter["id"] in said


@pytest.mark.parametrize("account", ["main", "main-bitrue"])
async def test_what_was_placed_before_it_died_is_answered_and_not_placed_again(
    rig: Rig, account: str
) -> None:
    first = await rig.start_worker()
    await rig.control("faults", kind="hang", method="POST", path="*/order", count=1)
    asked = rig.a_signal(account=account)
    await rig.publish(asked, headers=dated())
    await rig.until_placed(asked)
    await first.kill()
    await wear_out(rig, account)
    (letter,) = await until_dead(rig, 1)
    assert "delivered too often" in letter["reason"]
    assert (letter["account"], letter["signal_id"]) == (account, asked["signal_id"])
    code, (would,), _ = await beeline(rig, "replay", "--all", "--dry-run")
    assert (code, would["replayed"], would["prospect"]) == (Exit.DONE, False, "safe")
    assert "was placed (order " in would["why"]
    code, (done,), said = await beeline(rig, "replay", letter["id"])
    assert (code, done["replayed"]) == (Exit.DONE, True), said
    assert (await beeline(rig, "list"))[1] == []
    await rig.start_worker()
    await rig.follow_outcomes()
    outcome = await rig.outcome(asked["signal_id"])
    assert (outcome["status"], outcome["redelivered"], outcome["attempts"]) == ("filled", True, 0)
    assert len(await rig.ledger()) == 1


async def test_what_was_never_placed_is_placed_once_while_it_is_valid_and_never_after(rig: Rig) -> None:
    await rig.start_worker()
    await rig.follow_outcomes()
    fresh, stale = rig.a_signal(), rig.a_signal()
    fresh["valid_until"] = int((time.time() + 600) * 1000)
    await bury(rig, fresh, **dated())
    await bury(rig, stale, **dated(age_s=120))
    code, results, said = await beeline(rig, "replay", "--all")
    assert (code, [result["replayed"] for result in results]) == (Exit.DONE, [True, True]), said
    placed = await rig.outcome(fresh["signal_id"])
    assert (placed["status"], placed["redelivered"], placed["attempts"]) == ("filled", True, 1)
    assert placed["lookups"] >= 1
    expired = await rig.outcome(stale["signal_id"])
    assert (expired["status"], expired["landed"], expired["attempts"]) == ("expired", "no", 0)
    # Once more, as after a crash between the replay and its removal: the same answer, and no second order.
    await bury(rig, fresh, **dated())
    assert (await beeline(rig, "replay", "--all"))[0] == Exit.DONE
    again = await rig.outcome(fresh["signal_id"], count=2)
    assert again == placed
    assert len(await rig.ledger()) == 1


async def test_what_cannot_be_proven_safe_stays_where_it_is_and_says_why(rig: Rig) -> None:
    await declare(rig)
    undated, old, unknown, unasked = (rig.a_signal() for _ in range(4))
    unknown["account"] = "ghost"
    await bury(rig, undated)
    await bury(rig, old, **dated(age_s=50 * 3600))
    await bury(rig, unknown, key="ghost", **dated())
    await bury(rig, unasked, **dated())
    rig.write_accounts(rig.accounts_file.read_text().replace(rig.sandbox.url, "http://127.0.0.1:1"))
    code, results, _ = await beeline(rig, "replay", "--all")
    assert code == Exit.FAILED
    assert [(result["replayed"], result["prospect"]) for result in results] == [(False, "unproven")] * 4
    reasons = [str(result["why"]) for result in results]
    for reason, said in zip(
        reasons, ["when it was published", "48 hours", "called ghost", "connection"], strict=True
    ):
        assert said in reason
    assert [letter["signal_id"] for letter in (await beeline(rig, "list"))[1]] == [
        signal_["signal_id"] for signal_ in (undated, old, unknown, unasked)
    ]
    assert await rig.ledger() == []


async def test_a_replay_for_an_account_that_no_worker_knows_comes_back_instead_of_being_denied(
    rig: Rig,
) -> None:
    await rig.start_worker()
    await rig.follow_outcomes()
    asked = rig.a_signal(account="ghost")
    await bury(rig, asked, key="ghost", **dated())
    (letter,) = (await beeline(rig, "list"))[1]
    code, (forced,), said = await beeline(rig, "replay", letter["id"], "--force")
    assert (code, forced["replayed"]) == (Exit.DONE, True), said
    (back,) = await until_dead(rig, 1)
    assert back["reason"] == "replayed, but no worker knows its account"
    assert (back["routing_key"], back["signal_id"]) == ("ghost", asked["signal_id"])
    _, (shown,), _ = await beeline(rig, "show", back["id"])
    assert shown["headers"][REPLAYED_HEADER] == 1
    assert rig.outcomes_of(asked["signal_id"]) == []
