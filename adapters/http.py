"""The only file that opens sockets to venues.

A `Transport` sends a finished request once and returns what came of it as a value: a complete `Reply`, or a
`Fault` that tells whether the request can have left this machine. `NOT_SENT` is claimed only where no byte of
the request was written:

- the connection was never made (refused, unreachable, no such host, TLS refused, connect timeout) ->
  `NOT_SENT`
- the connection broke after it was made, or a pooled one turned out stale -> `LOST`: the venue may have read
  the request
- no complete reply in time -> `TIMEOUT`

Two habits of aiohttp are switched off on purpose. It sends GET, PUT and DELETE a second time, silently, when
a pooled connection turns out stale: a signed request must go out once, so a middleware turns the two
exceptions that trigger it into one that does not. And it puts URLs into its exceptions: details are built
from the kind of the exception only.
"""

from errno import errorcode
from typing import Final

from aiohttp import (
    ClientConnectorError,
    ClientError,
    ClientHandlerType,
    ClientOSError,
    ClientRequest,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    ConnectionTimeoutError,
    DummyCookieJar,
    InvalidURL,
    NonHttpUrlClientError,
    ServerDisconnectedError,
    TCPConnector,
)
from aiohttp.client_exceptions import (
    ClientConnectorCertificateError,
    ClientConnectorDNSError,
    ClientConnectorSSLError,
)
from yarl import URL

from adapters.model import Answer, Fault, FaultKind, HttpRequest, Reply

DEFAULT_TIMEOUT_S: Final = 11.0
MAX_BODY_BYTES: Final = 64 * 2**20
"""Room for the largest documented reply, a full `exchangeInfo` (about 20 MB)."""

_CONNECT_TIMEOUT_S: Final = 5.0
_KEEP_ALIVE_S: Final = 30.0
_DNS_CACHE_S: Final = 60
_MAX_CONNECTIONS: Final = 256


class _ConnectionLostError(ClientError):
    """The connection broke after it was made; unlike its cause, it does not make aiohttp send again."""


class _BodyTooLargeError(ClientError):
    """A reply beyond the bound."""


class Transport:
    """One pooled HTTP client; create it anywhere, use it inside one event loop."""

    def __init__(self, timeout_s: float = DEFAULT_TIMEOUT_S, *, max_body_bytes: int = MAX_BODY_BYTES) -> None:
        self._timeout = ClientTimeout(total=timeout_s, connect=min(_CONNECT_TIMEOUT_S, timeout_s * 0.9))
        self._max_body_bytes = max_body_bytes
        self._session: ClientSession | None = None

    async def send(self, request: HttpRequest) -> Answer:
        """Send a request once; nothing but a cancellation is raised."""
        session = self._session or self._open()
        try:
            async with session.request(
                request.method, URL(request.url, encoded=True), headers=request.headers, allow_redirects=False
            ) as response:
                body = await self._read(response)
                headers = {name.lower(): value for name, value in response.headers.items()}
                return Reply(status=response.status, headers=headers, body=body)
        except Exception as error:  # noqa: BLE001 - whatever went wrong, the order may be out: that is an answer, not a crash
            return _fault(error)

    async def close(self) -> None:
        """Close all connections; the transport may be used again."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _open(self) -> ClientSession:
        connector = TCPConnector(
            # By venue, not in total: one that does not answer must not use up the connections to the others.
            limit=0,
            limit_per_host=_MAX_CONNECTIONS,
            keepalive_timeout=_KEEP_ALIVE_S,
            ttl_dns_cache=_DNS_CACHE_S,
        )
        self._session = ClientSession(
            connector=connector,
            timeout=self._timeout,
            cookie_jar=DummyCookieJar(),
            headers={"User-Agent": "beeline"},
            # An empty body has no type, and what aiohttp would say of it is wrong at every venue.
            skip_auto_headers=("Content-Type",),
            middlewares=(_send_once,),
            trust_env=False,
        )
        return self._session

    async def _read(self, response: ClientResponse) -> bytes:
        """Read the body within the bound, which is checked on the decompressed bytes."""
        chunks: list[bytes] = []
        size = 0
        async for chunk in response.content.iter_any():
            size += len(chunk)
            if size > self._max_body_bytes:
                raise _BodyTooLargeError
            chunks.append(chunk)
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)


async def _send_once(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
    try:
        return await handler(request)
    except ClientConnectorError:
        raise
    except (ClientOSError, ServerDisconnectedError) as error:
        raise _ConnectionLostError(type(error).__name__) from error


def _fault(error: Exception) -> Fault:
    """Say how a request failed. The order matters: connector errors are `OSError`s too."""
    match error:
        case ConnectionTimeoutError():
            return Fault(kind=FaultKind.NOT_SENT, detail="no connection within the connect timeout")
        case ClientConnectorDNSError():
            return Fault(kind=FaultKind.NOT_SENT, detail="the host name does not resolve")
        case ClientConnectorCertificateError() | ClientConnectorSSLError():
            return Fault(kind=FaultKind.NOT_SENT, detail="the TLS handshake failed")
        case ClientConnectorError():
            return Fault(kind=FaultKind.NOT_SENT, detail=f"no connection ({_os_reason(error)})")
        case InvalidURL() | NonHttpUrlClientError():
            return Fault(kind=FaultKind.NOT_SENT, detail="the address of the venue is not a valid URL")
        case TimeoutError():
            return Fault(kind=FaultKind.TIMEOUT, detail="no complete reply within the timeout")
        case _BodyTooLargeError():
            return Fault(kind=FaultKind.LOST, detail="the reply is larger than the bound")
        case _:
            return Fault(kind=FaultKind.LOST, detail=f"the connection broke ({_kind(error)})")


def _os_reason(error: ClientConnectorError) -> str:
    # By number, because the text of the operating system's error may hold the address.
    return errorcode.get(error.os_error.errno or 0, type(error.os_error).__name__)


def _kind(error: Exception) -> str:
    return type(error.__cause__ if isinstance(error, _ConnectionLostError) else error).__name__
