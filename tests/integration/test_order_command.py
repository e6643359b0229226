"""`beeline order` asks the venue for the fate of one signal."""

import orjson
import pytest

from tests.integration.rig import Rig


async def _order(rig: Rig, *arguments: str) -> tuple[int, bytes]:
    asked = await rig.spawn("order", *arguments)
    assert asked.process.stdout is not None
    written = await asked.process.stdout.read()
    return await asked.ended(), written


@pytest.mark.parametrize("account", ["main", "main-bitrue"])
async def test_the_fate_of_a_signal_is_told_at_any_time(rig: Rig, account: str) -> None:
    await rig.start_worker()
    await rig.follow_outcomes()
    outcome = await rig.place(account=account)
    code, written = await _order(rig, account, outcome["signal_id"], "--symbol", "BTC/USDT", "--json")
    assert code == 0
    document = orjson.loads(written)
    assert document["client_order_id"] == outcome["client_order_id"]
    assert (document["venue_status"], document["venue_order_id"]) == ("FILLED", outcome["venue_order_id"])
    code, written = await _order(rig, account, outcome["signal_id"], "--json")  # the outcome tells the symbol
    assert (code, orjson.loads(written)) == (0, document)
    code, _ = await _order(rig, account, "never-sent", "--symbol", "BTCUSDT")
    assert code == 1


async def test_what_cannot_be_asked_says_why(rig: Rig) -> None:
    await rig.start_worker()
    assert (await _order(rig, "main", "s-1"))[0] == 2
    assert (await _order(rig, "nobody", "s-1", "--symbol", "BTCUSDT"))[0] == 3
    rig.write_accounts(rig.accounts_file.read_text().replace(rig.sandbox.url, "http://127.0.0.1:1"))
    assert (await _order(rig, "main", "s-1", "--symbol", "BTCUSDT"))[0] == 5
