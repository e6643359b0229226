"""The examples for producers do what they say, against a real broker and a real worker."""

import asyncio
import json
import os
import shutil
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from tests.generate_docs import DOCS
from tests.integration.rig import Rig
from tests.tools import NODE, tool

EXAMPLES = DOCS / "examples"


def command(language: str, folder: Path) -> list[str]:
    if language == "python":
        return [sys.executable, str(EXAMPLES / "producer.py")]
    # Node.js looks for packages above the program.
    (folder / "node_modules").symlink_to(NODE / "node_modules")
    return [tool("node"), str(shutil.copy(EXAMPLES / "producer.mjs", folder))]


@pytest.mark.parametrize("language", ["python", "javascript"])
async def test_an_example_publishes_a_signal_and_prints_its_outcome(
    rig: Rig, tmp_path: Path, language: str
) -> None:
    await rig.start_worker()
    await rig.follow_outcomes()
    process = await asyncio.create_subprocess_exec(
        *command(language, tmp_path), "main", "BTC/USDT", "buy", "0.01",
        env=os.environ | {"AMQP_URL": rig.amqp_url},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    printed, complaints = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, complaints.decode()
    outcome = json.loads(printed)
    assert outcome["status"] == "filled"
    assert await rig.outcome(outcome["signal_id"]) == outcome
    (order,) = await rig.orders_of(outcome)
    assert Decimal(order["executed_quantity"]) == Decimal(outcome["order"]["executed_quantity"])
