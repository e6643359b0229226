"""The commands of the image as PID 1, as they are in a container: the kernel gives that one no default for SIGTERM."""

import asyncio
import os
import shutil
import signal
import sys
from pathlib import Path

import pytest

from tests.integration.rig import Rig, WorkerProcess


def is_possible() -> bool:
    """Whether this user may have processes of a namespace of their own; a container's engine needs the same."""
    return shutil.which("unshare") is not None and os.geteuid() == 0


def child_of(pid: int) -> int:
    (child,) = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    return int(child)


class TestPidOne:
    __test__ = is_possible()

    @pytest.mark.parametrize("command", ["worker", "sandbox"])
    async def test_it_ends_in_order_on_sigterm(self, rig: Rig, tmp_path: Path, command: str) -> None:
        arguments = [] if command == "worker" else ["--port", "0"]
        inside = [sys.executable, "-m", "worker", command, *arguments]
        process = await asyncio.create_subprocess_exec(
            "unshare", "--pid", "--fork", "--kill-child", *inside,
            env=rig.environment(), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        child = WorkerProcess(process)
        rig.workers.append(child)
        if command == "worker":
            await child.until("consuming")
        else:
            assert process.stdout is not None
            assert b"sandbox listening" in await process.stdout.readline()
        os.kill(child_of(process.pid), signal.SIGTERM)
        assert await child.ended() == 0
        if command == "worker":
            assert child.said("drained")
