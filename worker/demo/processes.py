"""The demo's child processes: one sandbox and the workers, each with a log file, all gone when the demo is.

Children are in sessions of their own, so that a Ctrl-C at the terminal reaches the demo alone, which then stops them in
order. They get the environment of the demo without its `BEELINE_…` variables, and the settings of theirs.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import orjson

from worker.commands.shell import CommandError, Exit
from worker.settings import PREFIX

START_TIMEOUT_S: Final = 60.0
STOP_TIMEOUT_S: Final = 8.0
POLL_S: Final = 0.05
LAST_LINES: Final = 8


@dataclass(slots=True, kw_only=True, eq=False)
class Child:
    """One child process."""

    name: str
    process: asyncio.subprocess.Process
    log: Path

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self.process.returncode is None

    def send(self, number: signal.Signals) -> None:
        """Send it a signal; one that has ended gets none."""
        if self.is_running:
            with suppress(ProcessLookupError):
                self.process.send_signal(number)

    def explain(self) -> str:
        """The end of its log."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(lines[-LAST_LINES:])

    def dead(self) -> CommandError:
        """The error of a child that ended by itself."""
        return CommandError(
            Exit.FAILED, f"{self.name} ended with code {self.process.returncode}:\n{self.explain()}"
        )


@dataclass(slots=True, kw_only=True)
class Family:
    """All children."""

    folder: Path
    children: list[Child] = field(default_factory=list)

    async def start(self, name: str, arguments: Sequence[str], settings: Mapping[str, str]) -> Child:
        """Start `beeline` with some arguments and nothing but the given settings."""
        starting = asyncio.create_task(self._start(name, arguments, settings))
        try:
            return await asyncio.shield(starting)
        except asyncio.CancelledError:
            # A child that nobody knows of would outlive us.
            await starting
            raise

    async def _start(self, name: str, arguments: Sequence[str], settings: Mapping[str, str]) -> Child:
        log = self.folder / f"{name}.log"
        plain = {key: value for key, value in os.environ.items() if not key.startswith(PREFIX)}
        own = {f"{PREFIX}{key.upper()}": value for key, value in settings.items()}
        with log.open("wb") as file:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "worker",
                *arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                env=plain | own | {"PYTHONUNBUFFERED": "1"},
                start_new_session=True,
            )
        child = Child(name=name, process=process, log=log)
        self.children.append(child)
        return child

    def kill(self) -> None:
        """End all children at once."""
        for child in self.children:
            child.send(signal.SIGKILL)

    async def stop(self, children: Sequence[Child] | None = None) -> None:
        """Ask children to end, wait a bounded time, and end those that did not."""
        chosen = self.children if children is None else children
        for child in chosen:
            child.send(signal.SIGTERM)
        waits = [asyncio.ensure_future(child.process.wait()) for child in chosen]
        if not waits:
            return
        _, late = await asyncio.wait(waits, timeout=STOP_TIMEOUT_S)
        if late:
            for child in chosen:
                child.send(signal.SIGKILL)
            await asyncio.wait(late)


async def announced(child: Child, beginning: str) -> str:
    """Wait for a line of plain text in a child's log; return what follows its beginning.

    Raises:
        CommandError: the child ended, or said nothing in time.
    """
    return await _found(
        child, lambda line: line.removeprefix(beginning) if line.startswith(beginning) else None
    )


async def status_url(worker: Child) -> str:
    """Wait until a worker has logged where its status is served."""
    return await _found(worker, _read_status_url)


def _read_status_url(line: str) -> str | None:
    try:
        event = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return str(event["url"]) if event.get("event") == "status served" else None


async def _found(child: Child, read: Callable[[str], str | None]) -> str:
    with suppress(TimeoutError):
        async with asyncio.timeout(START_TIMEOUT_S):
            while True:
                for line in child.log.read_text(encoding="utf-8", errors="replace").splitlines():
                    found = read(line)
                    if found is not None:
                        return found
                if not child.is_running:
                    raise child.dead()
                await asyncio.sleep(POLL_S)
    raise CommandError(
        Exit.FAILED, f"{child.name} did not start in {START_TIMEOUT_S:g} s:\n{child.explain()}"
    )
