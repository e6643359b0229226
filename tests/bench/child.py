"""A process that the bench starts, reads the cost of, and ends."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

STOP_TIMEOUT_S = 60.0
ROOT = Path(__file__).parents[2]


class ChildError(RuntimeError):
    """A process ended by itself; the text holds the end of its log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """One running process."""

    process: asyncio.subprocess.Process
    usage: psutil.Process
    log: Path

    def cpu_s(self) -> float:
        """CPU time of all its threads so far, user and system."""
        self.check()
        return cpu_s(self.usage)

    def rss_mb(self) -> float:
        self.check()
        return float(self.usage.memory_info().rss) / 2**20

    def check(self) -> None:
        if self.process.returncode is not None:
            tail = self.log.read_text(errors="replace")[-2000:]
            raise ChildError(f"a process ended with {self.process.returncode}\n{tail}")

    async def first_line(self) -> str:
        """What it says when it is ready."""
        assert self.process.stdout is not None
        line = await self.process.stdout.readline()
        if not line:
            await self.process.wait()
            self.check()
        return line.decode().strip()


def cpu_s(process: psutil.Process) -> float:
    """CPU time of a process so far, user and system, all its threads."""
    times = process.cpu_times()
    return times.user + times.system


def tree_cpu_s(process: psutil.Process) -> float:
    """CPU time of a process and of those it has started."""
    return cpu_s(process) + sum(cpu_s(started) for started in process.children(recursive=True))


@asynccontextmanager
async def child(*arguments: str, log: Path, env: Mapping[str, str] | None = None) -> AsyncIterator[Child]:
    """Run `python …` in a session of its own; a Ctrl-C at the terminal reaches the bench alone, which then ends it."""
    world = {name: value for name, value in os.environ.items() if not name.startswith("BEELINE_")}
    with log.open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *arguments,
            cwd=ROOT,
            env={**world, **(env or {})},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
        )
    try:
        yield Child(process=process, usage=psutil.Process(process.pid), log=log)
    finally:
        await _end(process)


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.send_signal(signal.SIGTERM)
    try:
        async with asyncio.timeout(STOP_TIMEOUT_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
