"""How the worker writes its log: JSON lines on a pipe, aligned and coloured on a terminal, to standard error.

The level may change while the worker runs: SIGUSR1 shows everything, SIGUSR2 goes back to what was set.
"""

import asyncio
import atexit
import logging
import signal
import sys
from collections import deque
from collections.abc import MutableMapping
from contextlib import suppress
from time import time_ns
from typing import Any, BinaryIO, Final, Literal, cast

import orjson
import structlog

from worker.core.instants import second_in_utc

LogFormat = Literal["auto", "json", "console"]
Event = MutableMapping[str, Any]

LEVELS: Final = logging.getLevelNamesMapping()

log = structlog.get_logger("beeline.logs")


class Turnwise:
    """A stream that is written once for each turn of the event loop, and outside of one at once.

    Many signals settle in one turn of a busy worker, and each has a line. A kill can take away the lines of the turn in
    which it comes; a signal whose acknowledgement is on its way has its line written before.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._lines: deque[bytes] = deque()
        self._writes_in: asyncio.AbstractEventLoop | None = None
        atexit.register(self._write_lines)

    def write(self, line: bytes) -> None:
        """Take a line, from any thread."""
        self._lines.append(line)
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self._write_lines()
            return
        if self._writes_in is not loop:
            self._writes_in = loop
            loop.call_soon(self._write_lines)

    def flush(self) -> None:
        """Leave it to the end of the turn."""

    def _write_lines(self) -> None:
        self._writes_in = None
        lines = []
        with suppress(IndexError):  # one by one: another thread may add some meanwhile
            while True:
                lines.append(self._lines.popleft())
        if lines:
            self._stream.write(b"".join(lines))
            self._stream.flush()


class Threshold:
    """The least severe level that is written.

    A logger in use keeps its class, so the methods of the class are exchanged when the level moves. What is below the
    level calls a method that does nothing: a debug line for each request costs next to nothing while nobody wants it.
    Where collecting what it tells costs more than that, `is_enabled_for` is asked first.
    """

    def __init__(self, level: str) -> None:
        self._set = LEVELS[level.upper()]
        self.logger_class = type("Logger", (structlog.make_filtering_bound_logger(logging.DEBUG),), {})
        self._move(self._set)

    def _move(self, level: int) -> None:
        methods = structlog.make_filtering_bound_logger(level)
        for name in ("debug", "info", "warning", "error", "critical", "is_enabled_for"):
            setattr(self.logger_class, name, getattr(methods, name))

    def show_everything(self) -> None:
        """Write debug lines too, until `restore`."""
        self._move(logging.DEBUG)
        log.warning("log level changed: everything is shown, SIGUSR2 goes back")

    def restore(self) -> None:
        """Write what the settings say."""
        log.warning("log level changed: back to what is set", least=logging.getLevelName(self._set).lower())
        self._move(self._set)

    def follow_signals(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let SIGUSR1 and SIGUSR2 change the level."""
        loop.add_signal_handler(signal.SIGUSR1, self.show_everything)
        loop.add_signal_handler(signal.SIGUSR2, self.restore)


def configure_logging(level: str, form: LogFormat) -> Threshold:
    """Set the log up; the threshold it returns can be moved."""
    threshold = Threshold(level)
    as_json = form == "json" or (form == "auto" and not sys.stderr.isatty())
    structlog.configure(
        processors=[_to_json] if as_json else _for_people(),
        wrapper_class=threshold.logger_class,
        logger_factory=structlog.BytesLoggerFactory(cast("BinaryIO", Turnwise(sys.stderr.buffer)))
        if as_json
        else structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    # Client libraries report every lost connection at length; the worker says itself what follows from it.
    logging.basicConfig(level=logging.CRITICAL, stream=sys.stderr)
    for name in ("aiormq", "aio_pika", "asyncio"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    return threshold


def _to_json(logger: object, method: str, event: Event) -> bytes:
    """Make a line in one step, which costs half of what a chain of processors does."""
    event["level"] = method
    seconds, nanoseconds = divmod(time_ns(), 1_000_000_000)
    event["timestamp"] = f"{second_in_utc(seconds)}.{nanoseconds // 1000:06d}Z"
    if "exc_info" in event:
        event = structlog.processors.format_exc_info(logger, method, event)
    return orjson.dumps(event, default=str)


def _for_people() -> list[Any]:
    # Plain tracebacks: the default ones show the variables of each frame, keys and signed URLs among them.
    plain = structlog.dev.plain_traceback
    return [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain),
    ]
