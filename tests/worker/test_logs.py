"""The log: JSON on a pipe, readable on a terminal, and a level that can be moved while it runs."""

import asyncio
import io
import json
import re
import subprocess
import sys
from contextlib import redirect_stderr
from datetime import UTC, datetime

import pytest
import structlog
from typing_extensions import Buffer, override

from worker.logs import LogFormat, Threshold, Turnwise, configure_logging


class Pipe(io.TextIOWrapper):
    """Standard error as a pipe."""

    def __init__(self) -> None:
        self.bytes = io.BytesIO()
        super().__init__(self.bytes, encoding="utf-8", write_through=True)

    def lines(self) -> list[str]:
        return self.bytes.getvalue().decode().splitlines()


class Writes(io.BytesIO):
    """A stream that keeps each write."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[bytes] = []

    @override
    def write(self, piece: Buffer) -> int:
        self.pieces.append(bytes(piece))
        return len(bytes(piece))


class Terminal(Pipe):
    @override
    def isatty(self) -> bool:
        return True


def logging_to(stream: Pipe, level: str, form: LogFormat = "auto") -> Threshold:
    with redirect_stderr(stream):
        return configure_logging(level, form)


@pytest.fixture
def pipe() -> Pipe:
    return Pipe()


def say_everything() -> None:
    log = structlog.get_logger("test")
    for level in ("debug", "info", "warning", "error"):
        getattr(log, level)(f"a line of {level}", number=1)


def said(pipe: Pipe) -> list[str]:
    return [json.loads(line)["event"] for line in pipe.lines()]


def test_lines_on_a_pipe_are_json(pipe: Pipe) -> None:
    logging_to(pipe, "info")
    say_everything()
    first = json.loads(pipe.lines()[0])
    assert first.keys() == {"event", "level", "timestamp", "number"}
    assert (first["event"], first["level"], first["number"]) == ("a line of info", "info", 1)


def test_a_line_tells_the_time_in_utc_to_the_microsecond(pipe: Pipe) -> None:
    logging_to(pipe, "info")
    before = datetime.now(UTC)
    say_everything()
    stamped = json.loads(pipe.lines()[0])["timestamp"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", stamped)
    assert before <= datetime.fromisoformat(stamped) <= datetime.now(UTC)


def test_lines_on_a_terminal_are_for_people() -> None:
    terminal = Terminal()
    logging_to(terminal, "info")
    say_everything()
    assert len(terminal.lines()) == 3
    assert "\x1b[" in terminal.lines()[0]
    assert "a line of info" in terminal.lines()[0]


@pytest.mark.parametrize(("level", "lines"), [("debug", 4), ("info", 3), ("warning", 2), ("error", 1)])
def test_what_is_below_the_level_is_not_written(pipe: Pipe, level: str, lines: int) -> None:
    logging_to(pipe, level)
    say_everything()
    assert len(pipe.lines()) == lines


def test_the_level_can_be_moved_for_loggers_that_are_in_use(pipe: Pipe) -> None:
    threshold = logging_to(pipe, "error")
    say_everything()
    threshold.show_everything()
    say_everything()
    threshold.restore()
    say_everything()
    everything = [f"a line of {level}" for level in ("debug", "info", "warning", "error")]
    told = [event for event in said(pipe) if event.startswith("a line")]
    assert told == ["a line of error", *everything, "a line of error"]


def test_an_error_is_written_with_its_trace(pipe: Pipe) -> None:
    logging_to(pipe, "info")
    try:
        int("broken")
    except ValueError:
        structlog.get_logger("test").exception("something failed")
    (line,) = pipe.lines()
    assert "ValueError: invalid literal" in json.loads(line)["exception"]


async def test_the_lines_of_one_turn_of_the_event_loop_are_written_together() -> None:
    written = Writes()
    lines = Turnwise(written)
    for line in (b"a\n", b"b\n"):
        lines.write(line)
    assert written.pieces == []
    await asyncio.sleep(0)
    lines.write(b"c\n")
    await asyncio.sleep(0)
    assert written.pieces == [b"a\nb\n", b"c\n"]


def test_a_line_outside_of_the_event_loop_is_written_at_once() -> None:
    written = Writes()
    Turnwise(written).write(b"a\n")
    assert written.pieces == [b"a\n"]


def test_what_an_ended_event_loop_left_goes_out_with_the_next_line() -> None:
    written = Writes()
    lines, loop = Turnwise(written), asyncio.new_event_loop()

    async def end() -> None:
        loop.stop()
        lines.write(b"a\n")

    ending = loop.create_task(end())
    loop.run_forever()
    loop.close()
    assert (ending.done(), written.pieces) == (True, [])
    lines.write(b"b\n")
    assert written.pieces == [b"a\nb\n"]


def test_what_the_last_turn_said_is_written_when_the_program_ends() -> None:
    program = (
        "import asyncio, sys, structlog\n"
        "from worker.logs import configure_logging\n"
        "configure_logging('info', 'json')\n"
        "async def end():\n"
        "    asyncio.get_running_loop().stop()\n"
        "    structlog.get_logger().info('the last line')\n"
        "loop = asyncio.new_event_loop()\n"
        "loop.create_task(end())\n"
        "loop.run_forever()\n"
    )
    run = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert [json.loads(line)["event"] for line in run.stderr.splitlines()] == ["the last line"]
