"""Accounts are added, changed, removed, rotated and quarantined while signals flow: none lost, none doubled."""

import signal
from dataclasses import replace
from decimal import Decimal
from typing import Any

import orjson

from adapters.sandbox.config import AccountConfig, derive_key, make_account, render_accounts_toml
from tests.integration.rig import Rig
from worker.amqp import dial
from worker.core.shards import Names
from worker.message import Message
from worker.topology import bind_accounts, declare

MAIN, SECOND, NEW = make_account("main"), make_account("second"), make_account("new")
RENEWED = replace(MAIN, api_key=derive_key(1, "main", "api"), secret_key=derive_key(1, "main", "secret"))
SYMBOLS = ("BTC/USDT", "ETH/USDT", "SOL/USDT")


def accept(rig: Rig, config: AccountConfig) -> None:
    """Let the venue accept a key of an account that keeps its orders and balances."""
    rig.sandbox.exchange.state.by_key[config.api_key] = config


def revoke(rig: Rig, config: AccountConfig) -> None:
    del rig.sandbox.exchange.state.by_key[config.api_key]


def configure(rig: Rig, *accounts: AccountConfig) -> None:
    rig.write_accounts(render_accounts_toml(accounts, rig.sandbox.url))


async def publish_some(rig: Rig, count: int, **over: Any) -> list[str]:
    """Publish orders in several lanes at once; return their ids."""
    signals = [
        rig.a_signal(symbol=SYMBOLS[number % len(SYMBOLS)], quantity="0.1", **over) for number in range(count)
    ]
    for each in signals:
        await rig.publish(each)
    return [each["signal_id"] for each in signals]


async def outcomes(rig: Rig, ids: list[str]) -> list[dict[str, Any]]:
    return [await rig.outcome(signal_id) for signal_id in ids]


async def test_a_key_is_rotated_while_signals_flow_and_none_is_lost_or_doubled(rig: Rig) -> None:
    workers = [await rig.start_worker(), await rig.start_worker()]
    await rig.follow_outcomes()
    ids = await publish_some(rig, 30)
    accept(rig, RENEWED)
    configure(rig, RENEWED, SECOND)
    ids += await publish_some(rig, 30)
    for worker in workers:
        await worker.until("accounts loaded")
    ids += await publish_some(rig, 15)
    revoke(rig, MAIN)
    ids += await publish_some(rig, 15)
    answers = await outcomes(rig, ids)
    assert {answer["status"] for answer in answers} == {"filled"}
    orders = [order["client_order_id"] for order in await rig.ledger()]
    assert sorted(orders) == sorted(answer["client_order_id"] for answer in answers)
    assert not any(worker.said("account stopped") for worker in workers)


async def test_accounts_are_added_and_removed_while_signals_flow(rig: Rig) -> None:
    worker = await rig.start_worker(venue_timeout="2")
    await rig.follow_outcomes()
    assert (await rig.place(account="new"))["error"]["code"] == "unknown_account"
    await rig.control("faults", kind="hang", method="POST", path="*/order", account="main", count=1)
    held = rig.a_signal()
    await rig.publish(held)
    await rig.until_fault("hang")
    queued = [rig.a_signal() for _ in range(5)]
    for each in queued:
        await rig.publish(each)
    rig.sandbox.exchange.add_account(NEW)
    configure(rig, SECOND, NEW)
    worker.send(signal.SIGHUP)
    await worker.until("accounts loaded")
    assert (await rig.place(account="new"))["status"] == "filled"
    for answer in await outcomes(rig, [each["signal_id"] for each in queued]):
        assert (answer["status"], answer["landed"]) == ("rejected", "no")
        assert answer["error"]["code"] == "unknown_account"
    # What was sent before its account was removed is still found out.
    assert (await rig.outcome(held["signal_id"]))["status"] == "filled"
    assert len(await rig.ledger()) == 2


async def test_an_account_that_moves_to_another_shard_leaves_the_old_one(rig: Rig) -> None:
    names = Names(shards=3)
    link = await dial(rig.amqp_url, heartbeat=5, name="test")
    await declare(link, names)
    line = await link.open_line(confirms=True)
    for shards, known in (
        ([("main", 0), ("second", 1)], ()),
        ([("main", 2), ("second", 1)], [("main", 0), ("second", 1)]),
        ([("main", 1), ("second", 1)], ()),
    ):
        await bind_accounts(link, names, shards, known=known)
        for account, _ in shards:
            await line.publish(names.signals, Message(body=b"{}", routing_key=account))
    counted = [await line.ping(names.signals_queue(shard)) for shard in range(3)]
    await link.close()
    assert counted == [1, 4, 1]


async def test_a_quarantine_is_seen_everywhere_and_ends_with_an_operators_release(rig: Rig) -> None:
    worker = await rig.start_worker()
    await rig.follow_outcomes()
    assert (await rig.place())["status"] == "filled"
    revoke(rig, MAIN)
    ids = await publish_some(rig, 20)
    codes = [answer["error"]["code"] for answer in await outcomes(rig, ids)]
    assert set(codes) == {"key_not_permitted", "account_quarantined"}
    assert codes.count("key_not_permitted") <= len(SYMBOLS)
    told = await worker.until("account stopped")
    assert "IP" in told["what_to_do"]
    status = await rig.status_of(worker, lambda status: status["accounts"][0]["quarantined"])
    assert status["accounts"][0]["key"]["standing"] == "quarantined"
    async with rig.http.get(f"{worker.http}/metrics") as reply:
        assert 'beeline_account_stopped{account="main",code="account_quarantined"} 1.0' in await reply.text()
    listing = await rig.spawn("account", "list", "--worker", worker.http, "--json")
    assert listing.process.stdout is not None
    rows = [orjson.loads(line) for line in (await listing.process.stdout.read()).splitlines()]
    assert [row["state"] for row in rows if row["name"] == "main"] == ["quarantined"]
    assert (await rig.place(account="second", quantity=str(Decimal("0.0001"))))["status"] == "filled"
    accept(rig, MAIN)
    assert await (await rig.spawn("account", "release", "main")).ended() == 0
    await worker.until("account goes on")
    assert (await rig.place())["status"] == "filled"
    assert len(await rig.ledger()) == 3


async def test_a_repaired_key_file_is_followed_and_a_broken_account_file_changes_nothing(rig: Rig) -> None:
    folder = rig.accounts_file.parent
    for name, text in (("key", MAIN.api_key), ("secret", MAIN.secret_key + " ")):
        (folder / name).touch(mode=0o600)
        (folder / name).write_text(text)
    rig.write_accounts(
        f'[main]\nvenue = "binance"\napi_key_file = "key"\nsecret_key_file = "secret"\nbase_url = "{rig.sandbox.url}"\n'
    )
    worker = await rig.start_worker()
    await rig.follow_outcomes()
    refused = await rig.place()
    assert refused["error"]["code"] == "account_refused"
    assert "secret_key (in secret) ends with a space (U+0020)" in refused["error"]["hint"]
    (folder / "secret").write_text(MAIN.secret_key)
    await worker.until("accounts loaded")
    assert (await rig.place())["status"] == "filled"
    rig.write_accounts('[main\nvenue = "binance"')
    await worker.until("accounts not reloaded")
    assert (await rig.place())["status"] == "filled"
