"""The bench runs to its end on a small load. Its figures are nobody's business here: a shared machine has none."""

import asyncio
import os
import sys
from pathlib import Path

import orjson
import pytest

from tests.bench.child import ROOT
from tests.integration.rabbitmq_node import is_rabbitmq_installed

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(
        not is_rabbitmq_installed() and not os.environ.get("CI"), reason="rabbitmq-server is not installed"
    ),
]

SMALL = ("--signals", "200", "--warm-up", "50", "--rounds", "1", "--memory", "300")


async def test_a_small_bench_measures_both_contenders_and_saves_its_results(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bench", *SMALL, "--output", str(tmp_path)),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()[-3000:]
    results = orjson.loads((tmp_path / "latest.json").read_bytes())
    assert {played["contender"] for played in results["rounds"]} == {"beeline", "naive"}
    assert results["cpu_ratio"] > 0
    assert results["memory"]["samples"][-1][0] >= 300
    assert all(value > 0 for value in results["micro_us"].values())
