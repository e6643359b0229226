"""Standard input, line by line, without holding up the event loop or the end of the process."""

import asyncio
import os
import sys
import threading
from collections.abc import AsyncIterator
from concurrent.futures import CancelledError
from contextlib import suppress
from typing import Final

CHUNK_BYTES: Final = 64 * 1024
BACKLOG: Final = 64


async def read_lines() -> AsyncIterator[bytes]:
    """Yield the lines of standard input as they come, without their line ends.

    A daemon thread reads the bare descriptor: it may stay blocked in there when the command ends, and neither an
    executor nor the lock of a buffered file waits for it then.
    """
    try:
        descriptor = sys.stdin.fileno()
    except (OSError, ValueError):
        for line in sys.stdin.buffer:
            yield line.rstrip(b"\r\n")
        return
    queue: asyncio.Queue[bytes | None] = asyncio.Queue(BACKLOG)
    loop = asyncio.get_running_loop()
    threading.Thread(target=_feed, args=(descriptor, queue, loop), daemon=True).start()
    while (line := await queue.get()) is not None:
        yield line


def _feed(descriptor: int, queue: asyncio.Queue[bytes | None], loop: asyncio.AbstractEventLoop) -> None:
    def hand_over(line: bytes | None) -> None:
        asyncio.run_coroutine_threadsafe(queue.put(line), loop).result()

    # The loop is gone once the command has ended; nobody wants the rest then.
    with suppress(RuntimeError, CancelledError):
        pending = b""
        while chunk := os.read(descriptor, CHUNK_BYTES):
            *lines, pending = (pending + chunk).split(b"\n")
            for line in lines:
                hand_over(line.rstrip(b"\r"))
        if pending:
            hand_over(pending)
        hand_over(None)
