"""Programs that tests run and do not bring along; in CI none of them may be missing."""

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

BIN: Final = Path(sys.executable).parent
"""Where the tools are that come as Python packages."""
NODE: Final = Path(__file__).parent / "node"
"""Where those are that come as packages of Node.js."""


def tool(program: str) -> str:
    """Return the path of a program that `deploy/tools.sh` installs; without it the test is skipped, except in CI."""
    path = shutil.which(program, path=f"{BIN}:{os.environ['PATH']}")
    if path is not None:
        return path
    text = f"{program} is not installed; deploy/tools.sh does that, and `make test` runs it"
    if os.environ.get("CI"):
        pytest.fail(text)
    pytest.skip(text)


def free_port() -> int:
    """Return a port that nothing listens on now, for a program that cannot be told to take one itself."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def output_of(program: str, *arguments: str | Path, given: str | None = None) -> tuple[int, str]:
    """Run a tool to its end; return its exit code and all that it printed."""
    done = subprocess.run(  # noqa: S603 - programs and arguments of our own
        [tool(program), *arguments],
        input=given,
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=100,
    )
    return done.returncode, done.stdout
