"""The processes of a run: the sandbox, and a seat for each worker, which is started again whenever it was ended.

Every process is in a session of its own, so that a Ctrl-C at the terminal reaches the run alone, which then
ends them by their ids. What a worker says goes to a file and is read along: it tells when it consumes, which
shards it took over, and whether it died by itself.
"""

import asyncio
import os
import signal
import sys
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import orjson

from tests.chaos.proxy import Proxy

ROOT: Final = Path(__file__).parents[2]
START_TIMEOUT_S: Final = 120.0
DRAIN_TIMEOUT_S: Final = 90.0


class ProcessError(RuntimeError):
    """A process did not do what it is there for."""


async def _start(
    *arguments: str, env: Mapping[str, str], is_logged: bool = False
) -> asyncio.subprocess.Process:
    world = {name: value for name, value in os.environ.items() if not name.startswith("BEELINE_")}
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "worker",
        *arguments,
        env=world | dict(env),
        cwd=ROOT,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL if is_logged else asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE if is_logged else asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )


async def _end(process: asyncio.subprocess.Process, number: signal.Signals) -> int:
    """Send a signal that ends a process, and wait for that."""
    with suppress(ProcessLookupError):
        process.send_signal(number)
    return await process.wait()


class SandboxProcess:
    """The simulated exchange, in a process of its own."""

    def __init__(self) -> None:
        self.url = ""
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[bytes] | None = None

    async def start(self, *, seed: int, binance: list[str], bitrue: list[str], accounts_file: Path) -> None:
        """Start it and wait for its URL."""
        names = [f"--binance={name}" for name in binance] + [f"--bitrue={name}" for name in bitrue]
        given = ["--port=0", f"--seed={seed}", f"--accounts-file={accounts_file}"]
        self._process = await _start("sandbox", *given, *names, env={})
        assert self._process.stdout is not None
        async with asyncio.timeout(START_TIMEOUT_S):
            while b"http" not in (line := await self._process.stdout.readline()):
                if not line:
                    raise ProcessError("the sandbox did not start")
        self.url = line.decode().split()[-1]
        self._reader = asyncio.create_task(self._process.stdout.read())

    async def stop(self) -> None:
        """End it."""
        if self._process is not None:
            await _end(self._process, signal.SIGTERM)
        if self._reader is not None:
            await self._reader


class Seat:
    """One worker of the pool, with a stable id, over all the processes that it is in turn."""

    def __init__(self, number: int, folder: Path, proxy: Proxy, settings: Mapping[str, str]) -> None:
        self.number, self.proxy = number, proxy
        self.worker_id = f"chaos-worker-{number}"
        self.log = folder / f"worker-{number}.log"
        self.lock = asyncio.Lock()
        self.owned: set[int] = set()
        self.said: Counter[str] = Counter()
        self.died: list[str] = []
        self._settings = settings
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._is_ending = False
        self._changed = asyncio.Condition()

    @property
    def is_running(self) -> bool:
        """Whether it has a process that has not ended."""
        return self._process is not None and self._process.returncode is None

    # --- Life

    async def start(self, *, heartbeat: int) -> None:
        """Start a process and wait until it consumes."""
        own = {"BEELINE_WORKER_ID": self.worker_id, "BEELINE_HEARTBEAT": str(heartbeat)}
        before = self.said["consuming"]
        self._process = await _start("worker", env=dict(self._settings) | own, is_logged=True)
        self._is_ending = False
        self._reader = asyncio.create_task(self._read(self._process))
        async with asyncio.timeout(START_TIMEOUT_S), self._changed:
            await self._changed.wait_for(lambda: self.said["consuming"] > before or not self.is_running)

    async def end(self, number: signal.Signals) -> int:
        """End the process and return its exit code."""
        self._is_ending = True
        assert self._process is not None
        async with asyncio.timeout(DRAIN_TIMEOUT_S):
            code = await _end(self._process, number)
            assert self._reader is not None
            await self._reader
        return code

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the process."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.send_signal(number)

    async def destroy(self) -> None:
        """End whatever runs."""
        if self.is_running:
            await self.end(signal.SIGKILL)

    async def ended_by_itself(self) -> None:
        """Wait until the process ends without having been asked to."""
        async with self._changed:
            await self._changed.wait_for(lambda: not self._is_ending and not self.is_running)

    # --- What it says

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stderr is not None
        tail: list[bytes] = []
        with self.log.open("ab") as file:
            async for line in process.stderr:
                file.write(line)
                tail = [*tail[-40:], line]
                await self._hear(line)
        await process.wait()
        self.owned.clear()
        if not self._is_ending:
            self.died.append(f"exit code {process.returncode}\n{b''.join(tail).decode(errors='replace')}")
        async with self._changed:
            self._changed.notify_all()

    async def _hear(self, line: bytes) -> None:
        said = _parse(line)
        event = str(said.get("event", ""))
        self.said[event] += 1
        if event == "signal settled":
            self.said["look-ups"] += int(said.get("lookups", 0))
        elif event == "shard taken over":
            self.owned.add(int(said["shard"]))
        elif event == "shard went to another worker":
            self.owned.discard(int(said["shard"]))
        elif event.startswith("broker connection"):
            self.owned.clear()
        async with self._changed:
            self._changed.notify_all()


def _parse(line: bytes) -> dict[str, Any]:
    try:
        said: dict[str, Any] = orjson.loads(line)
    except orjson.JSONDecodeError:
        return {}
    return said
