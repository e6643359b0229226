"""A scripted HTTP peer on a loopback socket: each connection is handled by a coroutine that says what goes wrong."""

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from adapters.model import Answer, Fault, FaultKind, HttpRequest

Handler = Callable[["Connection"], Awaitable[None]]
SECRET_QUERY = "symbol=BTCUSDT&timestamp=1&signature=SECRETSIGNATURE"


def a_request(url: str, method: str = "POST") -> HttpRequest:
    return HttpRequest(
        method=method, url=f"{url}/api/v3/order?{SECRET_QUERY}", headers={"X-MBX-APIKEY": "KEY"}
    )


def kind_of(answer: Answer) -> FaultKind:
    """Return how a request failed, having looked that nothing of it is told."""
    assert isinstance(answer, Fault), answer
    assert "SECRET" not in answer.detail
    assert "127.0.0.1" not in answer.detail
    assert "://" not in answer.detail
    return answer.kind


@dataclass
class Connection:
    """One accepted connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    peer: "Peer"

    async def request(self) -> bytes:
        """Read one request (none of ours has a body) and remember it."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        self.peer.requests.append(head)
        self.peer.seen.set()
        return head

    async def say(self, *pieces: bytes) -> None:
        """Send bytes as they are, piece by piece."""
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()
            await asyncio.sleep(0)

    async def left(self) -> None:
        """Wait until the client has closed its end, having asked for nothing more."""
        assert await self.reader.read() == b""
        self.peer.left.set()

    async def reply(self, body: bytes = b"{}", status: str = "200 OK", headers: str = "") -> None:
        """Send a complete reply that keeps the connection open."""
        self.writer.write(
            f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body
        )
        await self.writer.drain()

    def reset(self) -> None:
        """Close with a reset instead of an orderly end."""
        raw = self.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


@dataclass
class Peer:
    """A listening server and what it has seen."""

    url: str = ""
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0
    seen: asyncio.Event = field(default_factory=asyncio.Event)
    left: asyncio.Event = field(default_factory=asyncio.Event)


@asynccontextmanager
async def serving(handler: Handler, tls: ssl.SSLContext | None = None) -> AsyncIterator[Peer]:
    """Serve on a free port until the block ends."""
    peer = Peer()
    handlers: set[asyncio.Task[None]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer.connections += 1
        task = asyncio.current_task()
        assert task is not None
        handlers.add(task)
        try:
            await handler(Connection(reader, writer, peer))
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # the client is gone, or the test is over
        finally:
            writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    peer.url = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
    try:
        yield peer
    finally:
        server.close()
        for task in handlers:
            task.cancel()
        await asyncio.gather(*handlers, return_exceptions=True)
        await server.wait_closed()
