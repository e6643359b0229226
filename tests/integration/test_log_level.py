"""The log level of a running worker is changed by signals."""

import signal

from tests.integration.rig import Rig


async def test_sigusr1_shows_everything_and_sigusr2_goes_back(rig: Rig) -> None:
    topology = await rig.spawn("topology")
    assert await topology.ended() == 0
    worker = await rig.spawn("worker", log_level="error")
    await rig.follow_outcomes()
    await rig.place()  # answered, so it is up, though it says nothing
    worker.send(signal.SIGUSR1)
    await worker.until("log level changed: everything is shown")
    shown = await rig.place()
    worker.send(signal.SIGUSR2)
    restored = await worker.until("log level changed: back to what is set")
    assert restored["least"] == "error"
    requests = len(worker.said("request answered"))
    assert requests > 0
    await rig.place()
    worker.send(signal.SIGTERM)
    assert await worker.ended() == 0
    assert [line["signal_id"] for line in worker.said("signal settled")] == [shown["signal_id"]]
    assert not worker.said("drained")
    assert len(worker.said("request answered")) == requests
