"""Standard input, read as it comes."""

import io
import os

import pytest

from worker.commands.lines import read_lines


async def test_lines_of_a_pipe_come_without_their_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    with os.fdopen(reader) as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        os.write(writer, b"one\r\ntwo\n\nlast")
        os.close(writer)
        assert [line async for line in read_lines()] == [b"one", b"two", b"", b"last"]


async def test_a_line_comes_before_the_pipe_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    with os.fdopen(reader) as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        lines = read_lines()
        os.write(writer, b"first\nsec")
        assert await anext(lines) == b"first"
        os.write(writer, b"ond\n")
        assert await anext(lines) == b"second"
        os.close(writer)
        with pytest.raises(StopAsyncIteration):
            await anext(lines)


async def test_a_stream_without_a_descriptor_is_read_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"one\ntwo")))
    assert [line async for line in read_lines()] == [b"one", b"two"]
