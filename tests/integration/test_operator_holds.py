"""`beeline hold`, `release` and `holds`: one kill switch for the whole pool."""

import pytest

from tests.integration.rig import Rig


async def _said(rig: Rig, *arguments: str) -> tuple[int, str]:
    command = await rig.spawn(*arguments)
    assert command.process.stdout is not None
    written = await command.process.stdout.read()
    return await command.ended(), written.decode()


@pytest.mark.parametrize(
    "target", [("--account", "main"), ("--symbol", "BTC/USDT"), ("--venue", "binance"), ("--all",)]
)
async def test_a_hold_stops_placements_at_once_and_a_release_ends_it(
    rig: Rig, target: tuple[str, ...]
) -> None:
    worker = await rig.start_worker()
    await rig.follow_outcomes()
    resting = await rig.place(type="limit", price="60000")
    assert (await _said(rig, "hold", *target, "--reason", "a test"))[0] == 0
    status = await rig.status_of(worker, lambda status: status["holds"])
    assert status["holds"][0]["reason"] == "a test"
    held = await rig.place()
    assert (held["status"], held["landed"], held["error"]["code"]) == ("rejected", "no", "held")
    assert "a test" in held["error"]["hint"]
    cancel = {"action": "cancel", "side": None, "type": None, "quantity": None}
    assert (await rig.place(**cancel, cancels=resting["signal_id"]))["status"] == "cancelled"
    assert "a test" in (await _said(rig, "holds", "--json"))[1]
    assert (await _said(rig, "release", *target))[0] == 0
    await rig.status_of(worker, lambda status: not status["holds"])
    assert (await rig.place())["status"] == "filled"
    assert (await _said(rig, "release", *target))[0] == 1


async def test_a_hold_outlives_every_worker(rig: Rig) -> None:
    first = await rig.start_worker()
    await rig.follow_outcomes()
    assert (await _said(rig, "hold", "--all", "--reason", "a test"))[0] == 0
    await first.kill()
    await rig.start_worker()
    assert (await rig.place())["error"]["code"] == "held"
    assert (await _said(rig, "hold", "--reason", "nothing named"))[0] == 2
