"""One connection to a venue: a request's bytes go out in one write, and one reply is read to its end.

Everything that can happen to a request under way settles one future, once: a complete reply, a reply that cannot be
read, the end of the connection, the end of the time. Between requests nothing may arrive: a byte that nobody asked for
closes the connection, because the reply to the next request could no longer be told from it. So does everything else
after which it is not known where the next reply begins: a body that was not read to its end, `Connection: close`,
a request that was given up.

Of aiohttp this module uses the parser of replies, which is C and speaks to whatever can be told to pause, and the body
that it fills (`StreamReader`). Neither is documented for use outside aiohttp; `tests/adapters/test_http_connection.py`
holds what is relied on here.
"""

import asyncio
from collections.abc import Callable
from typing import Final, Protocol, cast

from aiohttp import StreamReader
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http import HttpResponseParser, RawResponseMessage
from typing_extensions import override

from adapters.model import Answer, Fault, FaultKind, Reply

_SWITCHING_PROTOCOLS: Final = 101
_TIMER_TOLERANCE_S: Final = 0.001


class Lease(Protocol):
    """What a connector counts as one of its connections until it is closed, and with it the transport."""

    def close(self) -> None:
        """Close the transport and give the place back."""


class _BodyTooLargeError(Exception):
    """A reply beyond the bound."""


class _Flow:
    """What the parser asks to pause when more of a body has piled up than it was allowed; that is the bound."""

    def pause_reading(self) -> None:
        raise _BodyTooLargeError

    def resume_reading(self, resume_parser: bool = True) -> None:  # noqa: FBT001, FBT002 - the parser's own words
        """Nothing was paused."""


_FLOW: Final = cast("BaseProtocol", _Flow())


class ReplyReader:
    """Reads one reply out of the bytes that arrive; interim replies (1xx) are passed over."""

    __slots__ = (
        "_has_more",
        "_max_body_bytes",
        "_message",
        "_parser",
        "_payload",
        "_pieces",
        "_size",
        "leaves_open",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, *, max_body_bytes: int, has_body: bool) -> None:
        # It takes twice its limit before it wants to pause, counted on what is decompressed.
        self._parser = HttpResponseParser(
            _FLOW, loop, max_body_bytes // 2, response_with_body=has_body, read_until_eof=True
        )
        self._max_body_bytes = max_body_bytes
        self._message: RawResponseMessage | None = None
        self._payload: StreamReader | None = None
        self._pieces: list[bytes] = []
        self._size = 0
        self._has_more = False
        self.leaves_open = False
        """Whether the reply was complete, and another can follow on the same connection."""

    def feed(self, data: bytes) -> Answer | None:
        """Take what arrived, and return the answer once it is complete."""
        try:
            messages, _, _ = self._parser.feed_data(data)
            for message, payload in messages:
                if self._message is not None:
                    self._has_more = True  # than was asked for
                elif message.code >= 200 or message.code == _SWITCHING_PROTOCOLS:
                    self._message, self._payload = message, payload
            return self._take_body()
        except _BodyTooLargeError:
            return _lost("the reply is larger than the bound")
        except Exception as error:  # noqa: BLE001 - whatever the parser raises: the request is out, and this is its answer
            return _lost(f"the reply cannot be read ({type(error).__name__})")

    def feed_eof(self) -> Answer:
        """Take the end of the stream, which completes a body of no announced length and cuts any other off."""
        try:
            self._parser.feed_eof()
            answer = self._take_body()
        except Exception as error:  # noqa: BLE001 - see above
            return _lost(f"the reply breaks off ({type(error).__name__})")
        return answer or _lost("the venue closed the connection before its reply was complete")

    def _take_body(self) -> Answer | None:
        """Take what there is of the body, so that the parser holds no more of it than has just arrived."""
        message, payload = self._message, self._payload
        if message is None or payload is None:
            return None
        piece = payload.read_nowait()
        self._size += len(piece)
        if self._size > self._max_body_bytes:
            raise _BodyTooLargeError
        if not payload.is_eof():
            self._pieces.append(piece)
            return None
        self.leaves_open = not (
            message.should_close
            or message.code == _SWITCHING_PROTOCOLS
            or self._has_more
            or self._parser.feed_eof() is not None  # a further message has begun
        )
        headers = {name.lower(): value for name, value in message.headers.items()}
        body = b"".join([*self._pieces, piece]) if self._pieces else piece
        return Reply(status=message.code, headers=headers, body=body)


class Connection(asyncio.Protocol):
    """An open connection that carries one request at a time; use it inside its event loop."""

    def __init__(
        self,
        transport: asyncio.Transport,
        lease: Lease,
        *,
        max_body_bytes: int,
        keep_alive_s: float,
        on_closed: Callable[["Connection"], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport, self._lease = transport, lease
        self._max_body_bytes, self._keep_alive_s = max_body_bytes, keep_alive_s
        self._on_closed = on_closed
        self._reader: ReplyReader | None = None
        self._answer: asyncio.Future[Answer] | None = None
        self._ends_s = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._is_open = True
        self.lost: asyncio.Future[None] = self._loop.create_future()
        """Done when nothing of the connection is left."""
        transport.set_protocol(self)

    @property
    def is_usable(self) -> bool:
        """Whether a request can be written to it."""
        return self._is_open and not self._transport.is_closing()

    def send(self, request: bytes, *, deadline_s: float, has_body: bool = True) -> asyncio.Future[Answer]:
        """Write a request; what comes of it settles the future by `deadline_s` of the loop's time."""
        self._reader = ReplyReader(self._loop, max_body_bytes=self._max_body_bytes, has_body=has_body)
        self._answer = answer = self._loop.create_future()
        self._end_at(deadline_s)
        self._transport.write(request)
        return answer

    def finish(self) -> bool:
        """End the request whose answer was taken, or was given up; return whether another may follow."""
        if self._reader is None or not self._reader.leaves_open:
            self.close()
        self._reader = self._answer = None
        # The timer is left alone: it notices by itself that there is more time now.
        self._ends_s = self._loop.time() + self._keep_alive_s
        return self.is_usable

    def close(self) -> None:
        """Let nothing follow on this connection."""
        if not self._is_open:
            return
        self._is_open = False
        if self._timer is not None:
            self._timer.cancel()
        self._lease.close()
        self._on_closed(self)

    def abort(self) -> None:
        """Close it without waiting for anything, whatever is under way."""
        self._settle(_lost("the connection was closed on this side"))
        self._transport.abort()
        self.close()

    @override
    def data_received(self, data: bytes) -> None:
        """Read on in the reply that is awaited."""
        reader = self._awaited()
        if reader is None:
            self.close()  # nobody asked
        elif (answer := reader.feed(data)) is not None:
            self._settle(answer)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        """Say what that means for the request under way."""
        reader = self._awaited()
        if reader is not None:
            broken = f"the connection broke ({type(exc).__name__})"
            self._settle(reader.feed_eof() if exc is None else _lost(broken))
        self.close()
        self.lost.set_result(None)

    def _awaited(self) -> ReplyReader | None:
        """Return the reader of the reply that is awaited, if any is."""
        return self._reader if self._answer is not None and not self._answer.done() else None

    def _settle(self, answer: Answer) -> None:
        """Answer the request under way, if there is one."""
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(answer)

    # --- Time. There is one timer, and mostly it is set already: it goes off at the end that was known when it was set,
    # and is set anew if there is a later one by then. A timer for each request would cost as much as writing it.

    def _end_at(self, ends_s: float) -> None:
        self._ends_s = ends_s
        if self._timer is not None:
            if self._timer.when() <= ends_s:
                return
            self._timer.cancel()
        self._timer = self._loop.call_at(ends_s, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        if self._loop.time() < self._ends_s - _TIMER_TOLERANCE_S:
            self._end_at(self._ends_s)
            return
        self._settle(Fault(kind=FaultKind.TIMEOUT, detail="no complete reply within the timeout"))
        self.close()


def _lost(detail: str) -> Fault:
    return Fault(kind=FaultKind.LOST, detail=detail)
