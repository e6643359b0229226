"""Which replies are read how, and after which a connection is used again, shown on real sockets."""

import asyncio
import gzip
import inspect
import socket
import zlib
from itertools import pairwise
from unittest.mock import Mock, call

import pytest
from aiohttp import TCPConnector

from adapters import http
from adapters.http import Transport
from adapters.http_connection import Connection as VenueConnection
from adapters.http_connection import ReplyReader
from adapters.model import Answer, Fault, FaultKind, Reply
from tests.adapters.server import Connection, Handler, a_request, kind_of, serving

BODY = b'{"orderId":28}'
REPLY = b"HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n" + BODY


def a_reader(*, max_body_bytes: int = 2**20, has_body: bool = True) -> ReplyReader:
    return ReplyReader(asyncio.get_running_loop(), max_body_bytes=max_body_bytes, has_body=has_body)


def chunked(*chunks: bytes, trailers: bytes = b"") -> bytes:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    return (
        head
        + b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)
        + b"0\r\n"
        + trailers
        + b"\r\n"
    )


def body_of(answer: Answer | None) -> bytes:
    assert isinstance(answer, Reply), answer
    return answer.body


def saying(*pieces: bytes) -> Handler:
    """Answer each request with the same bytes."""

    async def answer(connection: Connection) -> None:
        while True:
            await connection.request()
            await connection.say(*pieces)

    return answer


def the_connection(transport: Transport) -> VenueConnection:
    (origin,) = transport._origins.values()
    (connection,) = origin._connections
    return connection


def a_connection(*, keep_alive_s: float = 1.0) -> tuple[VenueConnection, Mock]:
    """Make a connection that leads nowhere."""
    wire = Mock(spec=asyncio.Transport)
    wire.is_closing.return_value = False
    connection = VenueConnection(
        wire, wire, max_body_bytes=1_000, keep_alive_s=keep_alive_s, on_closed=lambda _: None
    )
    return connection, wire


def saying_once(*pieces: bytes) -> Handler:
    """Answer one request, and wait for the client to close."""

    async def answer(connection: Connection) -> None:
        await connection.request()
        await connection.say(*pieces)
        await connection.left()

    return answer


# --- Reading a reply --------------------------------------------------------------------------------------------------

COMPLETE = {
    "plain": REPLY,
    "in chunks": chunked(b'{"order', b'Id":28}'),
    "in chunks, with trailers": chunked(BODY, trailers=b"X-Checksum: 1\r\n"),
    "after 100 Continue": b"HTTP/1.1 100 Continue\r\n\r\n" + REPLY,
    "after two 103 Early Hints": b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 2 + REPLY,
    "compressed (gzip)": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 34\r\n\r\n"
    + gzip.compress(BODY, mtime=0),
    "compressed (deflate)": b"HTTP/1.1 200 OK\r\nContent-Encoding: deflate\r\nContent-Length: 22\r\n\r\n"
    + zlib.compress(BODY),
}


@pytest.mark.parametrize("reply", COMPLETE.values(), ids=COMPLETE)
async def test_a_reply_is_read_to_its_end_in_whatever_pieces_it_comes(
    transport: Transport, reply: bytes
) -> None:
    byte_by_byte = [bytes([byte]) for byte in reply]
    for pieces in ([reply], byte_by_byte):
        async with serving(saying(*pieces)) as peer:
            for _ in range(2):
                assert body_of(await transport.send(a_request(peer.url))) == BODY
        assert (len(peer.requests), peer.connections) == (2, 1)


@pytest.mark.parametrize(
    ("method", "reply"),
    [
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n"),
        ("DELETE", b"HTTP/1.1 204 No Content\r\n\r\n"),
        ("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 14\r\n\r\n"),
        ("POST", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    ],
)
async def test_a_reply_without_a_body_is_complete_with_its_head(
    transport: Transport, method: str, reply: bytes
) -> None:
    async with serving(saying(reply)) as peer:
        for _ in range(2):
            assert body_of(await transport.send(a_request(peer.url, method))) == b""
    assert (len(peer.requests), peer.connections) == (2, 1)


async def test_the_last_of_several_headers_of_one_name_is_told(transport: Transport) -> None:
    reply = b"HTTP/1.1 200 OK\r\nX-Weight: 1\r\nContent-Length: 0\r\nx-weight: 2\r\n\r\n"
    async with serving(saying(reply)) as peer:
        answer = await transport.send(a_request(peer.url))
    assert isinstance(answer, Reply)
    assert answer.headers == {"x-weight": "2", "content-length": "0"}


async def test_a_body_of_no_announced_length_ends_with_the_connection(transport: Transport) -> None:
    async def answer(connection: Connection) -> None:
        await connection.request()
        await connection.say(b"HTTP/1.0 200 OK\r\n\r\n", BODY[:5], BODY[5:])

    async with serving(answer) as peer:
        assert body_of(await transport.send(a_request(peer.url))) == BODY


async def test_a_reset_completes_no_body(transport: Transport) -> None:
    async def answer(connection: Connection) -> None:
        await connection.request()
        await connection.say(b"HTTP/1.0 200 OK\r\n\r\n", BODY)
        connection.reset()

    async with serving(answer) as peer:
        assert kind_of(await transport.send(a_request(peer.url))) is FaultKind.LOST


async def test_a_large_compressed_body_arrives_whole(transport: Transport) -> None:
    symbols = b"".join(
        b'{"symbol":"S%dUSDT","filters":[%d]},' % (number, number) for number in range(200_000)
    )
    packed = gzip.compress(symbols, 1)
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed)
    async with serving(saying(head + packed)) as peer:
        for _ in range(2):
            assert body_of(await transport.send(a_request(peer.url, "GET"))) == symbols
    assert peer.connections == 1


BROKEN = {
    "chunk of no size": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    "length and chunks": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "header without a colon": b"HTTP/1.1 200 OK\r\nno colon here\r\nContent-Length: 2\r\n\r\n{}",
    "header with a null byte": b"HTTP/1.1 200 OK\r\nX: a\x00b\r\nContent-Length: 2\r\n\r\n{}",
    "huge header": b"HTTP/1.1 200 OK\r\nX: " + b"a" * 10_000 + b"\r\nContent-Length: 2\r\n\r\n{}",
    "header without an end": b"HTTP/1.1 200 OK\r\nX: " + b"a" * 10_000,
    "too many headers": b"HTTP/1.1 200 OK\r\n" + b"X: 1\r\n" * 200 + b"Content-Length: 2\r\n\r\n{}",
    "not compressed as it says": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}",
    "garbage behind it": REPLY + b"certainly not HTTP\r\n\r\n",
}


@pytest.mark.parametrize("reply", BROKEN.values(), ids=BROKEN)
async def test_a_reply_that_cannot_be_read_is_lost_and_so_is_its_connection(
    transport: Transport, reply: bytes
) -> None:
    async with serving(saying_once(reply)) as peer:
        assert kind_of(await transport.send(a_request(peer.url))) is FaultKind.LOST
        await peer.left.wait()


CUT_OFF = {
    "in its head": REPLY[:30],
    "before its body": REPLY[:-14],
    "in its body": REPLY[:-1],
    "in a chunk": chunked(BODY)[:-10],
    "before the last chunk": chunked(BODY)[:-5],
    "in its trailers": chunked(BODY, trailers=b"X: 1\r\n")[:-4],
    "after an interim reply": b"HTTP/1.1 100 Continue\r\n\r\n",
}


@pytest.mark.parametrize("reply", CUT_OFF.values(), ids=CUT_OFF)
async def test_a_reply_that_is_cut_off_is_lost(transport: Transport, reply: bytes) -> None:
    async def answer(connection: Connection) -> None:
        await connection.request()
        await connection.say(reply)

    async with serving(answer) as peer:
        assert kind_of(await transport.send(a_request(peer.url))) is FaultKind.LOST


@pytest.mark.parametrize("is_chunked", [False, True])
@pytest.mark.parametrize("is_split", [False, True])
async def test_the_bound_of_a_body_is_exact(is_chunked: bool, is_split: bool) -> None:
    for size, fits in ((1_000, True), (1_001, False)):
        body = bytes(size)
        reply = (
            chunked(body) if is_chunked else b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + body
        )
        reader = a_reader(max_body_bytes=1_000)
        pieces = [reply[begin:end] for begin, end in pairwise([0, 700, len(reply)])] if is_split else [reply]
        answers = [reader.feed(piece) for piece in pieces]
        if fits:
            assert body_of(answers[-1]) == body
        else:
            assert answers[-1] == Fault(kind=FaultKind.LOST, detail="the reply is larger than the bound")


async def test_a_bomb_is_not_inflated_beyond_its_bound() -> None:
    bomb = gzip.compress(bytes(50_000_000))
    reader = a_reader(max_body_bytes=1_000_000)
    answer = reader.feed(
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb) + bomb
    )
    assert answer == Fault(kind=FaultKind.LOST, detail="the reply is larger than the bound")
    assert reader._payload is not None
    assert reader._payload.total_bytes < 2_000_000


async def test_a_body_in_very_many_chunks_is_within_its_bound(transport: Transport) -> None:
    async with serving(saying(chunked(*[b"x"] * 50_000))) as peer:
        assert body_of(await transport.send(a_request(peer.url))) == b"x" * 50_000


# --- Using a connection again -----------------------------------------------------------------------------------------

NOT_THE_LAST_WORD = {
    "it says so": b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 14\r\n\r\n" + BODY,
    "HTTP/1.0": b"HTTP/1.0 200 OK\r\nContent-Length: 14\r\n\r\n" + BODY,
    "a second reply with it": REPLY + REPLY,
    "an interim reply behind it": REPLY + b"HTTP/1.1 100 Continue\r\n\r\n",
    "a second reply begins with it": REPLY + REPLY[:20],
    "a single letter behind it": REPLY + b"H",
}


@pytest.mark.parametrize("reply", NOT_THE_LAST_WORD.values(), ids=NOT_THE_LAST_WORD)
async def test_a_connection_is_closed_after_a_reply_that_does_not_leave_it_clean(
    transport: Transport, reply: bytes
) -> None:
    async with serving(saying_once(reply)) as peer:
        for number in (1, 2):
            assert body_of(await transport.send(a_request(peer.url))) == BODY
            await peer.left.wait()
            assert (len(peer.requests), peer.connections) == (number, number)


async def test_a_connection_that_changes_its_protocol_is_not_used_again(transport: Transport) -> None:
    async with serving(
        saying_once(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n")
    ) as peer:
        assert body_of(await transport.send(a_request(peer.url))) == b""
        await peer.left.wait()


@pytest.mark.parametrize("extra", [REPLY, REPLY[:1], b"\r\n", b"HTTP/1.1 408 Request Timeout\r\n\r\n"])
async def test_a_byte_that_nobody_asked_for_closes_an_idle_connection(
    transport: Transport, extra: bytes
) -> None:
    """It would be taken for the beginning of the next reply."""
    has_answer = asyncio.Event()

    async def answer(connection: Connection) -> None:
        await connection.request()
        await connection.reply(BODY)
        await has_answer.wait()
        await connection.say(extra)
        await connection.left()

    async with serving(answer) as peer:
        for number in (1, 2):
            has_answer.clear()
            assert body_of(await transport.send(a_request(peer.url))) == BODY
            has_answer.set()
            await peer.left.wait()
            peer.left.clear()
            assert (len(peer.requests), peer.connections) == (number, number)


async def test_a_connection_that_the_venue_closed_half_is_not_used_again(transport: Transport) -> None:
    async def answer(connection: Connection) -> None:
        await connection.request()
        await connection.reply(BODY)
        connection.writer.write_eof()
        await connection.left()

    async with serving(answer) as peer:
        for number in (1, 2):
            assert body_of(await transport.send(a_request(peer.url))) == BODY
            await peer.left.wait()
            peer.left.clear()
            assert (len(peer.requests), peer.connections) == (number, number)


async def test_the_connection_of_a_cancelled_request_is_not_used_again(transport: Transport) -> None:
    may_answer = asyncio.Event()

    async def answer_late(connection: Connection) -> None:
        await connection.request()
        await may_answer.wait()
        await connection.reply(str(peer.connections).encode())
        await connection.left()

    async with serving(answer_late) as peer:
        task = asyncio.create_task(transport.send(a_request(peer.url)))
        await peer.seen.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        may_answer.set()
        assert body_of(await transport.send(a_request(peer.url))) == b"2"
        await peer.left.wait()


async def test_the_connection_of_a_timed_out_request_is_not_used_again() -> None:
    transport = Transport(0.2)

    async def answer_the_second(connection: Connection) -> None:
        is_first = peer.connections == 1
        await connection.request()
        if is_first:
            await connection.left()
        await connection.reply(BODY)
        await connection.left()

    async with serving(answer_the_second) as peer:
        assert kind_of(await transport.send(a_request(peer.url))) is FaultKind.TIMEOUT
        assert body_of(await transport.send(a_request(peer.url))) == BODY
        await transport.close()
    assert (len(peer.requests), peer.connections) == (2, 2)


@pytest.mark.parametrize("timer_s", [0.02, 60.0], ids=["earlier", "later"])
async def test_a_request_has_its_own_time_whatever_the_timer_was_set_for_before(timer_s: float) -> None:
    """There is one timer: it was set for an earlier request that was answered, or for the end of an idle time."""
    connection, _ = a_connection()
    loop = asyncio.get_running_loop()
    connection._end_at(loop.time() + timer_s)
    began_s = loop.time()
    answer = await connection.send(b"GET", deadline_s=began_s + 0.1)
    assert answer == Fault(kind=FaultKind.TIMEOUT, detail="no complete reply within the timeout")
    assert loop.time() - began_s > 0.09


async def test_an_idle_connection_is_closed_when_its_time_is_over() -> None:
    connection, wire = a_connection(keep_alive_s=0.2)
    loop = asyncio.get_running_loop()
    is_closed = asyncio.Event()
    wire.close.side_effect = is_closed.set
    answer = connection.send(b"GET", deadline_s=loop.time() + 0.02)
    connection.data_received(REPLY)
    assert answer.done()
    began_s = loop.time()
    assert connection.finish()
    await is_closed.wait()
    assert loop.time() - began_s > 0.19


async def test_a_connection_that_is_closing_is_not_used_again(transport: Transport) -> None:
    async with serving(saying(REPLY)) as peer:
        await transport.send(a_request(peer.url))
        the_connection(transport)._transport.close()  # what it does at the end of the stream, before it tells
        assert body_of(await transport.send(a_request(peer.url))) == BODY
        assert peer.connections == 2


async def test_nothing_is_kept_of_a_connection_that_is_closed(transport: Transport) -> None:
    async def answer(connection: Connection) -> None:
        await connection.request()
        await connection.say(NOT_THE_LAST_WORD["it says so"])

    async with serving(answer) as peer:
        await transport.send(a_request(peer.url))
        (origin,) = transport._origins.values()
        assert (origin._connections, origin._idle) == (set(), {})
        assert transport._connector is not None
        assert transport._connector._acquired == set()


# --- How many, and how they are written to ----------------------------------------------------------------------------


async def test_a_venue_gets_no_more_connections_than_the_limit(
    transport: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "_MAX_CONNECTIONS", 2)
    are_both_busy = asyncio.Event()

    async def answer_once_both_are_busy(connection: Connection) -> None:
        while True:
            await connection.request()
            if len(peer.requests) == 2:
                are_both_busy.set()
            await are_both_busy.wait()
            await connection.reply()

    async with serving(answer_once_both_are_busy) as peer:
        for _ in range(3):
            are_both_busy.set()
            await transport.send(a_request(peer.url))
        peer.requests.clear()
        are_both_busy.clear()
        answers = await asyncio.gather(*[transport.send(a_request(peer.url)) for _ in range(20)])
        assert all(isinstance(answer, Reply) for answer in answers)
        assert (len(peer.requests), peer.connections) == (20, 2)


async def test_a_request_that_found_no_free_connection_in_time_is_not_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(http, "_MAX_CONNECTIONS", 1)
    transport = Transport(0.2)

    async def say_nothing(connection: Connection) -> None:
        await connection.request()
        await connection.left()

    async with serving(say_nothing) as peer:
        answers = await asyncio.gather(*[transport.send(a_request(peer.url)) for _ in range(2)])
        assert sorted(map(kind_of, answers)) == [FaultKind.NOT_SENT, FaultKind.TIMEOUT]
        assert len(peer.requests) == 1
    await transport.close()


async def test_the_place_of_whoever_gives_up_is_free_again(
    transport: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given up while waiting for room, while connecting and while waiting for the reply."""
    monkeypatch.setattr(http, "_MAX_CONNECTIONS", 1)
    may_answer = asyncio.Event()

    async def answer(connection: Connection) -> None:
        await connection.request()
        await may_answer.wait()
        await connection.reply()
        await connection.left()

    async with serving(answer) as peer:
        for steps in range(6):
            task = asyncio.create_task(transport.send(a_request(peer.url)))
            waiting = asyncio.create_task(transport.send(a_request(peer.url)))
            for _ in range(steps):
                await asyncio.sleep(0)
            waiting.cancel()
            task.cancel()
            await asyncio.gather(task, waiting, return_exceptions=True)
        may_answer.set()
        assert isinstance(await transport.send(a_request(peer.url)), Reply)


async def test_a_request_is_written_at_once_in_one_piece() -> None:
    connection, wire = a_connection()
    head = b"GET / HTTP/1.1\r\nHost: venue\r\n\r\n"
    answer = connection.send(head, deadline_s=asyncio.get_running_loop().time() + 60)
    assert wire.write.call_args_list == [call(head)]
    connection.data_received(REPLY)
    assert body_of(await answer) == BODY
    connection.close()


async def test_connections_send_without_delay(transport: Transport) -> None:
    async with serving(saying(REPLY)) as peer:
        await transport.send(a_request(peer.url))
        connection = the_connection(transport)
        raw = connection._transport.get_extra_info("socket")
        assert raw.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


async def test_closing_answers_what_is_under_way_and_leaves_the_transport_usable(
    transport: Transport,
) -> None:
    """The first reply ends with its connection, and must not be taken for complete."""

    async def answer(connection: Connection) -> None:
        await connection.request()
        await connection.say(b"HTTP/1.0 200 OK\r\n\r\n", BODY)
        if len(peer.requests) == 1:
            await connection.left()

    async with serving(answer) as peer:
        task = asyncio.create_task(transport.send(a_request(peer.url)))
        await peer.seen.wait()
        connection = the_connection(transport)
        while connection._reader is None or not connection._reader._size:  # noqa: ASYNC110 - until it has arrived
            await asyncio.sleep(0)
        await transport.close()
        assert connection.lost.done()
        assert kind_of(await task) is FaultKind.LOST
        await peer.left.wait()
        assert body_of(await transport.send(a_request(peer.url))) == BODY


async def test_closing_ends_the_wait_for_a_connection_too(
    transport: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "_MAX_CONNECTIONS", 1)

    async def say_nothing(connection: Connection) -> None:
        await connection.request()
        await connection.left()

    async with serving(say_nothing) as peer:
        tasks = [asyncio.create_task(transport.send(a_request(peer.url))) for _ in range(3)]
        await peer.seen.wait()
        connection = the_connection(transport)
        await transport.close()
        assert connection.lost.done()
        kinds = [kind_of(await task) for task in tasks]
    assert kinds == [FaultKind.LOST, FaultKind.NOT_SENT, FaultKind.NOT_SENT]
    assert len(peer.requests) == 1


# --- What is used of aiohttp without a promise ------------------------------------------------------------------------


def test_the_connector_is_asked_as_its_own_client_asks_it() -> None:
    assert list(inspect.signature(TCPConnector.connect).parameters) == ["self", "req", "traces", "timeout"]


async def test_the_parser_tells_of_a_further_message_that_has_begun() -> None:
    """Bytes that it has swallowed can be found out by no other way."""
    for extra, leaves_open in ((b"", True), (b"H", False), (REPLY[:-1], False), (REPLY, False)):
        reader = a_reader()
        assert body_of(reader.feed(REPLY + extra)) == BODY
        assert reader.leaves_open is leaves_open
