"""How the worker writes its log: JSON lines on a pipe, aligned and coloured on a terminal, to standard error.

The level may change while the worker runs: SIGUSR1 shows everything, SIGUSR2 goes back to what was set.
"""

import asyncio
import logging
import signal
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, Final, Literal

import orjson
import structlog

LogFormat = Literal["auto", "json", "console"]
Event = MutableMapping[str, Any]

LEVELS: Final = logging.getLevelNamesMapping()

log = structlog.get_logger("beeline.logs")


class Threshold:
    """The least severe level that is written."""

    def __init__(self, level: str) -> None:
        self._set = self._now = LEVELS[level.upper()]

    def __call__(self, _logger: object, method: str, event: Event) -> Event:
        """Drop what is below, as a processor of structlog."""
        if LEVELS[method.upper()] < self._now:
            raise structlog.DropEvent
        return event

    def show_everything(self) -> None:
        """Write debug lines too, until `restore`."""
        self._now = logging.DEBUG
        log.warning("log level changed: everything is shown, SIGUSR2 goes back")

    def restore(self) -> None:
        """Write what the settings say."""
        log.warning("log level changed: back to what is set", least=logging.getLevelName(self._set).lower())
        self._now = self._set

    def follow_signals(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let SIGUSR1 and SIGUSR2 change the level."""
        loop.add_signal_handler(signal.SIGUSR1, self.show_everything)
        loop.add_signal_handler(signal.SIGUSR2, self.restore)


def configure_logging(level: str, form: LogFormat) -> Threshold:
    """Set the log up; the threshold it returns can be moved."""
    threshold = Threshold(level)
    as_json = form == "json" or (form == "auto" and not sys.stderr.isatty())
    structlog.configure(
        processors=[
            threshold,
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *(_json() if as_json else [_console()]),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG),
        logger_factory=structlog.BytesLoggerFactory(sys.stderr.buffer)
        if as_json
        else structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    # Client libraries report every lost connection at length; the worker says itself what follows from it.
    logging.basicConfig(level=logging.CRITICAL, stream=sys.stderr)
    for name in ("aiormq", "aio_pika", "asyncio"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    return threshold


def _console() -> structlog.dev.ConsoleRenderer:
    # Plain tracebacks: the default ones show the variables of each frame, keys and signed URLs among them.
    plain = structlog.dev.plain_traceback
    return structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain)


def _json() -> list[Any]:
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(_dumps)]


def _dumps(event: Mapping[str, Any], **_: object) -> bytes:
    return orjson.dumps(event, default=str)
