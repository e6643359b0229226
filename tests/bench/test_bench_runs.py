"""The bench runs to its end on a small load. Its figures are nobody's business here: a shared machine has none."""

import asyncio
import os
import shutil
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


async def test_the_short_form_measures_every_part_saves_its_results_and_writes_the_documents(
    tmp_path: Path,
) -> None:
    documents = tmp_path / "docs"
    documents.mkdir()
    shutil.copy(ROOT / "docs" / "performance.md", documents)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bench", "--short", "--output", str(tmp_path)),
        *("--write-docs", "--docs", str(documents)),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()[-3000:]
    results = orjson.loads((tmp_path / "latest.json").read_bytes())
    played = {row["contender"] for row in results["saturation"]["rounds"]}
    assert played == {"beeline", "naive", "ccxt", "python-binance"}
    assert all(row["beeline_over_it"] > 0 for row in results["saturation"]["cpu_ratios"])
    assert [row["contender"] for row in results["latency"]["loads"]] == ["naive", "beeline"]
    assert [row["workers"] for row in results["pool"]["workers"]] == [1, 2]
    assert results["growth"]["rows"][0]["first_order_s"] > 0
    assert results["memory"]["samples"][-1][0] >= 300
    assert all(value > 0 for value in results["micro"].values())
    assert results["machine"]["cpu"] in (documents / "performance.md").read_text(encoding="utf-8")
    assert {path.name for path in documents.glob("*.svg")} == {
        "performance-accounts.svg",
        "performance-rest.svg",
        "performance-shards.svg",
    }
