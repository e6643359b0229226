"""A real Prometheus that a test runs against the workers it started, with the rules that Beeline ships."""

import asyncio
import json
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp
import yaml

from tests.tools import free_port, tool

ROOT = Path(__file__).parents[2]
EVERY = "1s"
START_TIMEOUT_S = 60


class Prometheus:
    """Scrapes workers as they are named to it, and one broker, every second."""

    def __init__(self, folder: Path, broker_port: int) -> None:
        self._folder, self._targets = folder, folder / "workers.json"
        shipped = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yaml").read_text(encoding="utf-8"))
        workers, broker = shipped["scrape_configs"]
        del workers["dns_sd_configs"]
        workers["file_sd_configs"] = [{"files": [str(self._targets)]}]
        broker["static_configs"] = [{"targets": [f"127.0.0.1:{broker_port}"]}]
        shipped["global"] = {"scrape_interval": EVERY, "evaluation_interval": EVERY}
        shipped["rule_files"] = [str(ROOT / "deploy/prometheus/alerts.yaml")]
        (folder / "prometheus.yaml").write_text(yaml.safe_dump(shipped), encoding="utf-8")
        self.scrape([])

    def scrape(self, targets: list[str]) -> None:
        """Scrape these workers from now on."""
        self._targets.write_text(json.dumps([{"targets": targets}]), encoding="utf-8")

    async def __aenter__(self) -> Self:
        port = free_port()
        self._url = f"http://127.0.0.1:{port}"
        with (self._folder / "prometheus.log").open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                tool("prometheus"),
                f"--config.file={self._folder}/prometheus.yaml",
                f"--storage.tsdb.path={self._folder}/data",
                f"--web.listen-address=127.0.0.1:{port}",
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._http = aiohttp.ClientSession()
        async with asyncio.timeout(START_TIMEOUT_S):
            while not await self._is_ready():
                assert self._process.returncode is None, (self._folder / "prometheus.log").read_text()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.close()
        self._process.terminate()
        await self._process.wait()

    async def _is_ready(self) -> bool:
        try:
            async with self._http.get(f"{self._url}/-/ready") as reply:
                return reply.status == 200
        except aiohttp.ClientError:
            return False

    async def over(self, query: str, start_s: float, end_s: float) -> list[dict[str, Any]]:
        """Every series that a query has in a time, with its points a second apart."""
        parameters = {"query": query, "start": str(start_s), "end": str(end_s), "step": "1"}
        async with self._http.get(f"{self._url}/api/v1/query_range", params=parameters) as reply:
            answer = await reply.json()
        assert answer["status"] == "success", f"{query}: {answer}"
        result: list[dict[str, Any]] = answer["data"]["result"]
        return result

    async def failed_targets(self) -> list[str]:
        """What could not be scraped, and why."""
        async with self._http.get(f"{self._url}/api/v1/targets") as reply:
            targets = (await reply.json())["data"]["activeTargets"]
        return [f"{target['scrapeUrl']}: {target['lastError']}" for target in targets if target["lastError"]]
