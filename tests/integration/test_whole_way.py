"""A signal becomes an order and one outcome comes back: real broker, real worker process, sandbox over
HTTP."""

import asyncio
import signal
from decimal import Decimal

import aio_pika
import orjson

from adapters.sandbox.config import make_account, render_accounts_toml
from adapters.sandbox.model import Dialect
from tests.integration.rig import Rig
from worker.core.outcome import client_order_id


async def test_a_market_order_is_filled_on_both_venues(rig: Rig) -> None:
    worker = await rig.start_worker()
    await rig.follow_outcomes()
    for account, venue in (("main", "binance"), ("main-bitrue", "bitrue")):
        outcome = await rig.place(account=account)
        assert (outcome["status"], outcome["landed"], outcome["venue"]) == ("filled", "yes", venue)
        assert outcome["symbol"] == "BTC/USDT"
        assert outcome["client_order_id"] == client_order_id(account, outcome["signal_id"])
        assert Decimal(outcome["order"]["executed_quantity"]) == Decimal("0.01")
        assert outcome["error"] is None
        (order,) = await rig.orders_of(outcome)
        assert outcome["venue_order_id"] == str(order["venue_order_id"])
    assert len(worker.said("signal settled")) == 2


async def test_the_outcome_message_carries_the_contract_s_properties(rig: Rig) -> None:
    worker = await rig.start_worker()
    await rig.follow_outcomes()
    reply_queue = await rig.channel.declare_queue(exclusive=True)
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    asked = rig.a_signal()
    await rig.publish(asked, reply_to=reply_queue.name, headers={"traceparent": trace})
    outcome = await rig.outcome(asked["signal_id"])
    (message,) = rig.messages
    assert message.type == "outcome.v1"
    assert message.correlation_id == asked["signal_id"]
    assert message.delivery_mode == aio_pika.DeliveryMode.PERSISTENT
    assert message.headers["traceparent"] == trace
    (line,) = worker.said("signal settled")
    assert line["trace_id"] == trace.split("-")[1]
    shard, account, status = (message.routing_key or "").split(".")
    assert (len(shard), account, status) == (2, "main", "filled")
    async with asyncio.timeout(30), reply_queue.iterator() as replies:
        async for reply in replies:
            await reply.ack()
            assert orjson.loads(reply.body) == outcome
            break


async def test_limits_rest_are_cancelled_and_swept_on_both_venues(rig: Rig) -> None:
    await rig.start_worker()
    await rig.follow_outcomes()
    for account in ("main", "main-bitrue"):
        low = {"account": account, "type": "limit", "price": "60000"}
        resting = await rig.place(**low)
        assert resting["status"] == "resting"
        cancel = {"account": account, "action": "cancel", "side": None, "type": None, "quantity": None}
        cancelled = await rig.place(**cancel, cancels=resting["signal_id"])
        assert (cancelled["status"], cancelled["landed"]) == ("cancelled", "yes")
        assert cancelled["client_order_id"] == resting["client_order_id"]
        again = await rig.place(**cancel, cancels=resting["signal_id"])
        assert again["status"] == "cancelled"
        filled = await rig.place(account=account)
        too_late = await rig.place(**cancel, cancels=filled["signal_id"])
        assert (too_late["status"], too_late["error"]["code"]) == ("filled", "too_late_to_cancel")
        missing = await rig.place(**cancel, cancels="never-sent")
        assert (missing["status"], missing["error"]["code"]) == ("rejected", "order_not_found")
        swept = await rig.place(**low)
        everything = await rig.place(**{**cancel, "action": "cancel_all"})
        assert everything["status"] == "cancelled"
        assert [order["client_order_id"] for order in everything["orders"]] == [swept["client_order_id"]]
        nothing = await rig.place(**{**cancel, "action": "cancel_all"})
        assert (nothing["status"], nothing["orders"]) == ("cancelled", [])


async def test_a_dry_run_places_nothing(rig: Rig) -> None:
    await rig.start_worker()
    await rig.follow_outcomes()
    for account in ("main", "main-bitrue"):
        outcome = await rig.place(account=account, dry_run=True)
        assert (outcome["status"], outcome["landed"]) == ("validated", "no")
        refused = await rig.place(account=account, dry_run=True, quantity="0.0000001")
        assert (refused["status"], refused["error"]["code"]) == ("rejected", "filter_lot_size")
    assert await rig.ledger() == []


async def test_a_venue_s_reject_is_told_with_its_code_and_what_to_do(rig: Rig) -> None:
    await rig.start_worker()
    await rig.follow_outcomes()
    outcome = await rig.place(account="second", type="limit", quantity="1", price="60000")
    assert (outcome["status"], outcome["landed"]) == ("rejected", "no")
    error = outcome["error"]
    assert (error["code"], error["venue_code"], error["owner"]) == ("insufficient_balance", -2010, "producer")
    assert error["hint"]


async def test_signals_of_one_lane_reach_the_venue_in_their_order(rig: Rig) -> None:
    await rig.start_worker()
    await rig.follow_outcomes()
    asked = [rig.a_signal(symbol=symbol) for _ in range(30) for symbol in ("BTCUSDT", "ETHUSDT")]
    for signal_ in asked:
        await rig.publish(signal_)
    await rig.until(lambda: len(rig.outcomes) == len(asked))
    ledger = await rig.ledger()
    for symbol in ("BTCUSDT", "ETHUSDT"):
        wanted = [client_order_id("main", s["signal_id"]) for s in asked if s["symbol"] == symbol]
        assert [order["client_order_id"] for order in ledger if order["symbol"] == symbol] == wanted


async def test_a_signal_published_twice_is_one_order_with_one_answer(rig: Rig) -> None:
    await rig.start_worker()
    await rig.follow_outcomes()
    asked = rig.a_signal()
    await rig.publish(asked)
    await rig.publish(asked)
    await rig.outcome(asked["signal_id"], count=2)
    await rig.publish({**asked, "quantity": "0.010"})
    first, second, third = [await rig.outcome(asked["signal_id"], count=n) for n in (1, 2, 3)]
    assert first == second == third
    assert len(await rig.orders_of(first)) == 1
    await rig.publish({**asked, "quantity": "0.02"})
    conflict = await rig.outcome(asked["signal_id"], count=4)
    assert (conflict["status"], conflict["error"]["code"]) == ("rejected", "signal_id_conflict")
    assert conflict["outcome_id"] != first["outcome_id"]
    assert len(await rig.ledger()) == 1


async def test_burst_works_off_what_is_queued_and_exits(rig: Rig) -> None:
    topology = await rig.spawn("topology")
    assert await topology.ended() == 0
    asked = [rig.a_signal() for _ in range(10)]
    for signal_ in asked:
        await rig.publish(signal_)
    worker = await rig.spawn("worker", "--burst")
    assert await worker.ended() == 0
    await rig.follow_outcomes()
    await rig.until(lambda: len(rig.outcomes) == len(asked))
    assert {outcome["status"] for outcome in rig.outcomes} == {"filled"}


async def test_probes_metrics_and_status_tell_the_truth(rig: Rig) -> None:
    worker = await rig.start_worker(worker_id="pod-0")
    await rig.follow_outcomes()
    await rig.place()
    async with rig.http.get(f"{worker.http}/livez") as reply:
        assert reply.status == 200
    async with rig.http.get(f"{worker.http}/readyz") as reply:
        assert reply.status == 200, await reply.text()
    async with rig.http.get(f"{worker.http}/metrics") as reply:
        metrics = await reply.text()
    assert 'beeline_outcomes_total{account="main",code="none",status="filled",venue="binance"} 1.0' in metrics
    assert "beeline_signals_received_total 1.0" in metrics
    assert "beeline_shards_owned 1.0" in metrics
    assert 'beeline_clock_offset_seconds{venue="binance"}' in metrics
    async with rig.http.get(f"{worker.http}/status") as reply:
        status = await reply.json()
    assert status["worker_id"] == "pod-0"
    assert status["draining"] is False
    assert len(status["shards"]) == 1
    assert {account["name"] for account in status["accounts"]} == {"main", "second", "main-bitrue"}
    assert status["holds"] == []
    assert {clock["venue"] for clock in status["clock"]} == {"binance", "bitrue"}
    async with rig.http.get(f"{worker.http}/") as reply:
        assert "Beeline" in await reply.text()


async def test_a_drain_finishes_what_is_in_flight_and_exits_zero(rig: Rig) -> None:
    worker = await rig.start_worker()
    await rig.follow_outcomes()
    await rig.place()
    await rig.control("faults", kind="slow", path="*/order", method="POST", delay_ms=1500, count=1)
    asked = rig.a_signal()
    await rig.publish(asked)
    await rig.until_placed(asked)  # the venue has it, the reply is on its way
    worker.send(signal.SIGTERM)
    assert await worker.ended() == 0
    outcome = await rig.outcome(asked["signal_id"])
    assert (outcome["status"], outcome["attempts"], outcome["redelivered"]) == ("filled", 1, False)
    successor = await rig.start_worker()
    again = await rig.place()
    assert again["status"] == "filled"
    assert successor.said("shard taken over")


async def test_a_second_number_of_shards_is_refused(rig: Rig) -> None:
    first = await rig.spawn("topology")
    assert await first.ended() == 0
    worker = await rig.spawn("worker", shards="8")
    assert await worker.ended() == 3
    assert "BEELINE_SHARDS" in worker.transcript()
    assert "4 shards" in worker.transcript()


async def test_an_unknown_setting_and_a_missing_account_file_are_configuration_errors(rig: Rig) -> None:
    typo = await rig.spawn("worker", prefetsh="10")
    assert await typo.ended() == 3
    assert "BEELINE_PREFETSH" in typo.transcript()
    missing = await rig.spawn("worker", accounts="/nonexistent/accounts.toml")
    assert await missing.ended() == 3
    assert "BEELINE_ACCOUNTS" in missing.transcript()


async def test_an_unreachable_broker_ends_a_burst_with_its_own_code(rig: Rig) -> None:
    worker = await rig.spawn("worker", "--burst", amqp_url="amqp://guest:guest@127.0.0.1:1/")
    assert await worker.ended() == 4
    assert "guest:guest" not in worker.transcript()


async def test_accounts_are_reloaded_and_a_bad_one_does_not_stop_the_good(rig: Rig) -> None:
    worker = await rig.start_worker()
    await rig.follow_outcomes()
    accounts = [make_account("main"), make_account("late"), make_account("main-bitrue", Dialect.BITRUE)]
    await rig.control("accounts", name="late", dialect="binance")
    text = render_accounts_toml(accounts, rig.sandbox.url)
    rig.write_accounts(f'{text}\n[broken]\nvenue = "binance"\napi_key = "has a space"\nsecret_key = "x"\n')
    worker.send(signal.SIGHUP)
    await worker.until("accounts loaded")
    late = await rig.place(account="late")
    assert late["status"] == "filled", late
    assert (await rig.place(account="main"))["status"] == "filled"
    refused = await rig.place(account="broken")
    assert (refused["status"], refused["error"]["code"]) == ("rejected", "account_refused")
    assert "a space (U+0020)" in refused["error"]["hint"]
    removed = await rig.place(account="second")
    assert (removed["status"], removed["error"]["code"]) == ("rejected", "unknown_account")
