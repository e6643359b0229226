"""A short form of `make chaos`: the same run, with a few hundred signals."""

from pathlib import Path

import pytest

from tests.chaos.plan import Event, Options
from tests.chaos.report import Display
from tests.chaos.run import Run
from tests.integration.rabbitmq_node import is_rabbitmq_installed


@pytest.mark.integration
async def test_two_kills_and_a_broker_restart_leave_one_outcome_and_one_order_each(tmp_path: Path) -> None:
    if not is_rabbitmq_installed():
        pytest.skip("rabbitmq-server is not installed; deploy/broker.sh install does that")
    options = Options(
        signals=300,
        workers=2,
        accounts=6,
        shards=4,
        kills=2,
        freezes=0,
        drains=1,
        cuts=1,
        black_holes=0,
        broker_kills=1,
        fault_hits=1,
    )
    run = Run(options, tmp_path, Display(options.signals))
    result = await run.run()
    evidence = [run.evidence(violation) for violation in result.violations[:1]]
    assert not result.violations, evidence
    assert result.answered == options.signals
    assert result.events[Event.KILL] == options.kills
    assert result.events[Event.BROKER_KILL] == options.broker_kills
