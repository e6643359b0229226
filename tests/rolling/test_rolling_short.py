"""A short form of `make rolling`: two workers, each restarted once under load. How late signals are is not asserted."""

from pathlib import Path

import pytest

from tests.integration.rabbitmq_node import is_rabbitmq_installed
from tests.rolling.run import Options, roll


@pytest.mark.integration
async def test_a_rolling_restart_loses_nothing_and_doubles_nothing(tmp_path: Path) -> None:
    if not is_rabbitmq_installed():
        pytest.skip("rabbitmq-server is not installed; deploy/broker.sh install does that")
    told: list[str] = []
    result = await roll(Options(workers=2, rate=40, accounts=6, shards=4), tmp_path, told.append)
    assert result.is_kept, result
    assert result.restarts == 2
    assert result.signals >= 150
    assert set(result.statuses) == {"filled"}
