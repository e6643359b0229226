"""The only file that opens sockets to venues.

A `Transport` sends a finished request once and returns what came of it as a value: a complete `Reply`, or a
`Fault` that tells whether the request can have left this machine. `NOT_SENT` is claimed only where no byte of
the request was written:

- the request cannot be written as HTTP, or the connection was never made (refused, unreachable, no such host, TLS
  refused, connect timeout) -> `NOT_SENT`
- the connection broke after it was made, or a pooled one turned out stale -> `LOST`: the venue may have read
  the request
- no complete reply in time -> `TIMEOUT`

Connections are made by aiohttp's connector, which resolves names, races addresses and checks certificates. Its client
is not used: for each request it does much that a signed one must not have (a second try on a stale connection,
redirects, cookies, an encoding of its own), at three times the cost. Here a request is written by hand, in one piece,
and `http_connection.py` reads its reply. Exceptions of aiohttp name addresses: details are built from their kind only.
"""

import asyncio
import re
from collections.abc import Mapping
from errno import errorcode
from typing import Final

from aiohttp import ClientConnectorError, ClientRequest, ClientTimeout, InvalidURL, TCPConnector
from aiohttp.client_exceptions import (
    ClientConnectorCertificateError,
    ClientConnectorDNSError,
    ClientConnectorSSLError,
)
from yarl import URL

from adapters.http_connection import Connection
from adapters.model import Answer, Fault, FaultKind, HttpRequest

DEFAULT_TIMEOUT_S: Final = 11.0
MAX_BODY_BYTES: Final = 64 * 2**20
"""Room for the largest documented reply, a full `exchangeInfo` (about 20 MB)."""

_CONNECT_TIMEOUT_S: Final = 5.0
_KEEP_ALIVE_S: Final = 30.0
_DNS_CACHE_S: Final = 60
_MAX_CONNECTIONS: Final = 256

_SCHEMES: Final = frozenset({"http", "https"})
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_TARGET_BYTES: Final = bytes(byte for byte in range(0x21, 0x7F) if byte != ord("#"))
_VALUE_BYTES: Final = bytes(range(0x20, 0x7F))
_NO_BODY: Final = {
    "GET": "\r\n",
    "HEAD": "\r\n",
    "POST": "Content-Length: 0\r\n\r\n",
    "PUT": "Content-Length: 0\r\n\r\n",
    "DELETE": "Content-Length: 0\r\n\r\n",
}
"""How a request ends, by method: where a body is possible, its absence has to be told."""


class _EarlyEndError(Exception):
    """A connection that was made and is of no use already."""


class Transport:
    """One pooled HTTP client; create it anywhere, use it inside one event loop."""

    def __init__(self, timeout_s: float = DEFAULT_TIMEOUT_S, *, max_body_bytes: int = MAX_BODY_BYTES) -> None:
        self._timeout_s = timeout_s
        self._connect_timeout_s = min(_CONNECT_TIMEOUT_S, timeout_s * 0.9)
        self._max_body_bytes = max_body_bytes
        self._connector: TCPConnector | None = None
        self._origins: dict[str, _Origin] = {}

    async def send(self, request: HttpRequest) -> Answer:
        """Send a request once; nothing but a cancellation is raised."""
        began_s = asyncio.get_running_loop().time()
        address, target = _split(request.url)
        try:
            origin = self._origins.get(address) or self._reach(address)
            head = _head(request, target, origin.headers)
            connection = await origin.take(began_s + self._connect_timeout_s)
        except Exception as error:  # noqa: BLE001 - whatever it is, not a byte was written, and that is an answer
            return Fault(kind=FaultKind.NOT_SENT, detail=_reason(error))
        deadline_s = began_s + self._timeout_s
        try:
            return await connection.send(head, deadline_s=deadline_s, has_body=request.method != "HEAD")
        except Exception as error:  # noqa: BLE001 - nothing is known to get here; were it to, the order may be out
            return Fault(kind=FaultKind.LOST, detail=f"the connection broke ({type(error).__name__})")
        finally:
            origin.give_back(connection)

    async def close(self) -> None:
        """Close all connections; the transport may be used again."""
        connector, self._connector = self._connector, None
        origins, self._origins = self._origins, {}
        # All at once, or whoever waits for room would open another connection meanwhile.
        closing = [connection for origin in origins.values() for connection in origin.abort()]
        if connector is not None:
            await connector.close()
        for connection in closing:
            await connection.lost

    def _reach(self, address: str) -> "_Origin":
        if self._connector is None:
            self._connector = TCPConnector(
                # Each origin counts and keeps its own connections: a venue that does not answer must not use up those
                # to the others.
                limit=0,
                force_close=True,
                ttl_dns_cache=_DNS_CACHE_S,
            )
        origin = self._origins[address] = _Origin(address, self._connector, self._max_body_bytes)
        return origin


class _Origin:
    """One scheme, host and port: the headers that every request to it has, and the connections to it."""

    def __init__(self, address: str, connector: TCPConnector, max_body_bytes: int) -> None:
        url = _address(address)
        # Never sent: aiohttp is told where to connect, and tells the headers that name the host and what we can read.
        self._destination = ClientRequest(
            "GET", url, headers={"User-Agent": "beeline"}, loop=asyncio.get_running_loop()
        )
        self.headers = _lines(self._destination.headers)
        self._connector, self._max_body_bytes = connector, max_body_bytes
        self._room = asyncio.Semaphore(_MAX_CONNECTIONS)
        self._idle: dict[Connection, None] = {}
        self._connections: set[Connection] = set()

    async def take(self, until_s: float) -> Connection:
        """Take a connection that is idle, or open one as soon as there is room for it.

        Raises:
            TimeoutError: there was none until `until_s` of the loop's time.
            Exception: whatever aiohttp has to say of a connection that cannot be made.
        """
        if not self._room.locked() and (connection := self._pick()) is not None:
            await self._room.acquire()  # which does not wait
            return connection
        async with asyncio.timeout_at(until_s):
            await self._room.acquire()
            try:
                return self._pick() or await self._open()
            except BaseException:
                self._room.release()
                raise

    def give_back(self, connection: Connection) -> None:
        """End the request on a connection that was taken, and keep it if another may follow."""
        if connection.finish():
            self._idle[connection] = None
        self._room.release()

    def abort(self) -> tuple[Connection, ...]:
        """Close all connections, those in use too, and return them."""
        connections = tuple(self._connections)
        for connection in connections:
            connection.abort()
        return connections

    def _pick(self) -> Connection | None:
        """Take the connection that was used last, if it can still be used."""
        while self._idle:
            connection, _ = self._idle.popitem()
            if connection.is_usable:
                return connection
            connection.close()
        return None

    async def _open(self) -> Connection:
        lease = await self._connector.connect(self._destination, [], ClientTimeout())
        transport, protocol = lease.transport, lease.protocol
        # A venue that speaks before it is asked, or hangs up: what it says next would be taken for the reply.
        if transport is None or transport.is_closing() or protocol is None or protocol.should_close:
            lease.close()
            raise _EarlyEndError
        connection = Connection(
            transport,
            lease,
            max_body_bytes=self._max_body_bytes,
            keep_alive_s=_KEEP_ALIVE_S,
            on_closed=self._forget,
        )
        self._connections.add(connection)
        return connection

    def _forget(self, connection: Connection) -> None:
        self._idle.pop(connection, None)
        self._connections.discard(connection)


def _split(url: str) -> tuple[str, str]:
    """Split a URL into the address of its origin and the target of the request."""
    start = url.find("/", len("https://"))
    return (url, "/") if start < 0 else (url[:start], url[start:])


def _address(text: str) -> URL:
    """Read the address of an origin, which is all of a URL before its path.

    Raises:
        InvalidURL: it is none.
    """
    try:
        url = URL(text)
    except ValueError:
        raise InvalidURL(text) from None
    if url.scheme not in _SCHEMES or not url.raw_host or not {"?", "#"}.isdisjoint(text):
        raise InvalidURL(text)
    return url


def _head(request: HttpRequest, target: str, headers: str) -> bytes:
    """Write a request, which never has a body.

    Raises:
        ValueError: it holds what would not be read as it is meant, a line break above all.
    """
    end = _NO_BODY.get(request.method)
    if end is None or not _holds_only(_TARGET_BYTES, target):
        raise ValueError
    return f"{request.method} {target} HTTP/1.1\r\n{headers}{_lines(request.headers)}{end}".encode("ascii")


def _lines(headers: Mapping[str, str]) -> str:
    lines = ""
    for name, value in headers.items():
        if not (_TOKEN.fullmatch(name) and _holds_only(_VALUE_BYTES, value)):
            raise ValueError
        lines += f"{name}: {value}\r\n"
    return lines


def _holds_only(allowed: bytes, text: str) -> bool:
    return text.isascii() and not text.encode("ascii").translate(None, allowed)


def _reason(error: Exception) -> str:
    """Say why nothing was sent. The order matters: connector errors are `OSError`s, `InvalidURL` a `ValueError`."""
    match error:
        case ClientConnectorDNSError():
            return "the host name does not resolve"
        case ClientConnectorCertificateError() | ClientConnectorSSLError():
            return "the TLS handshake failed"
        case ClientConnectorError():
            # By number, because the text of the operating system's error may hold the address.
            cause = error.os_error
            return f"no connection ({errorcode.get(cause.errno or 0, type(cause).__name__)})"
        case TimeoutError():
            return "no connection within the connect timeout"
        case InvalidURL():
            return "the address of the venue is not a valid URL"
        case ValueError():
            return "the request holds characters that HTTP does not allow"
        case _EarlyEndError():
            return "the venue spoke or hung up before it was asked"
        case _:
            return f"no connection ({type(error).__name__})"
