"""Which failures prove that nothing was sent, shown on real sockets."""

import asyncio
import datetime as dt
import gzip
import socket
import ssl
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from aiohttp import TCPConnector
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from adapters.http import Transport, _head
from adapters.model import Fault, FaultKind, HttpRequest, Reply
from tests.adapters.server import Connection, a_request, kind_of, serving

METHODS = ["GET", "POST", "DELETE"]


def a_free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def a_certificate(folder: Path, host: str = "127.0.0.1") -> ssl.SSLContext:
    """Make a certificate of a host that nobody trusts."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "venue.invalid")])
    start = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(start + dt.timedelta(days=36_500))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(host))]), critical=False)
        .sign(key, SHA256())
    )
    pem = folder / "server.pem"
    pem.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        + certificate.public_bytes(Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context


async def answering(connection: Connection) -> None:
    """Answer every request."""
    while True:
        head = await connection.request()
        await connection.reply(b"" if head.startswith(b"HEAD") else b"{}")


# --- The request as it is sent ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
async def test_the_bytes_signed_are_the_bytes_sent(transport: Transport, method: str) -> None:
    async def answer(connection: Connection) -> None:
        await connection.request()
        await connection.reply()

    query = "symbol=%EF%BC%91%2C+~-_.&price=0.10&signature=a%2Bb%2F%3D"
    async with serving(answer) as peer:
        url = f"{peer.url}/api/v3/order?{query}"
        reply = await transport.send(HttpRequest(method=method, url=url, headers={"X-MBX-APIKEY": "KEY"}))
    assert isinstance(reply, Reply)
    line, *headers = peer.requests[0].decode().split("\r\n")
    assert line == f"{method} /api/v3/order?{query} HTTP/1.1"
    assert "X-MBX-APIKEY: KEY" in headers
    assert not any(header.lower().startswith(("transfer-encoding", "content-type")) for header in headers)


async def test_a_reply_has_its_status_its_headers_in_lower_case_and_its_decompressed_body(
    transport: Transport,
) -> None:
    async def answer(connection: Connection) -> None:
        await connection.request()
        await connection.reply(
            gzip.compress(b'{"code":-1003}'), "429 Too Many", "Retry-After: 7\r\nContent-Encoding: gzip\r\n"
        )

    async with serving(answer) as peer:
        reply = await transport.send(a_request(peer.url))
    assert isinstance(reply, Reply)
    assert (reply.status, reply.headers["retry-after"], reply.body) == (429, "7", b'{"code":-1003}')


async def test_each_request_says_who_asks_whom_and_what_can_be_read(transport: Transport) -> None:
    async with serving(answering) as peer:
        for method in ("GET", "HEAD", "POST", "PUT", "DELETE"):
            await transport.send(
                HttpRequest(method=method, url=f"{peer.url}/x", headers={"X-MBX-APIKEY": "KEY"})
            )
    common = {f"Host: {peer.url[7:]}", "User-Agent: beeline", "Accept: */*", "X-MBX-APIKEY: KEY"}
    for request in peer.requests:
        method, *_ = request.decode().split()
        headers = set(request.decode().split("\r\n")[1:-2])
        encodings = {header for header in headers if header.startswith("Accept-Encoding: gzip, deflate")}
        length = {"Content-Length: 0"} if method in {"POST", "PUT", "DELETE"} else set()
        assert headers == common | encodings | length
        assert encodings


async def test_a_password_in_the_address_is_sent_and_never_told(transport: Transport) -> None:
    async with serving(answering) as peer:
        url = peer.url.replace("//", "//proxy:SECRET@")
        assert isinstance(await transport.send(a_request(url)), Reply)
    assert b"Authorization: Basic cHJveHk6U0VDUkVU\r\n" in peer.requests[0]
    assert b"SECRET@" not in peer.requests[0]
    nowhere = f"http://proxy:SECRET@127.0.0.1:{a_free_port()}"
    assert kind_of(await transport.send(a_request(nowhere))) is FaultKind.NOT_SENT


async def test_a_certificate_that_is_trusted_carries_requests(
    transport: Transport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = a_certificate(tmp_path)
    trusting = ssl.create_default_context(cafile=tmp_path / "server.pem")
    monkeypatch.setattr("aiohttp.connector._SSL_CONTEXT_VERIFIED", trusting)
    async with serving(answering, server) as peer:
        for _ in range(3):
            assert isinstance(await transport.send(a_request(peer.url)), Reply)
        assert (len(peer.requests), peer.connections) == (3, 1)
        await transport.close()


async def test_connections_are_kept_and_used_again(transport: Transport) -> None:
    async def answer(connection: Connection) -> None:
        while True:
            await connection.request()
            await connection.reply()

    async with serving(answer) as peer:
        for _ in range(3):
            await transport.send(a_request(peer.url))
    assert (len(peer.requests), peer.connections) == (3, 1)


async def test_a_venue_that_does_not_answer_uses_up_no_connections_to_others(
    transport: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.http._MAX_CONNECTIONS", 1)

    async def hang(connection: Connection) -> None:
        await connection.request()
        await asyncio.Event().wait()

    async def answer(connection: Connection) -> None:
        await connection.request()
        await connection.reply()

    async with serving(hang) as dead, serving(answer) as alive:
        waiting = asyncio.create_task(transport.send(a_request(dead.url)))
        await dead.seen.wait()
        assert isinstance(await transport.send(a_request(alive.url)), Reply)
        waiting.cancel()


async def test_a_redirect_is_not_followed(transport: Transport) -> None:
    async def answer(connection: Connection) -> None:
        await connection.request()
        await connection.reply(b"", "307 Temporary Redirect", "Location: /elsewhere\r\n")

    async with serving(answer) as peer:
        reply = await transport.send(a_request(peer.url))
    assert isinstance(reply, Reply)
    assert reply.status == 307
    assert len(peer.requests) == 1


async def test_proxies_of_the_environment_are_ignored(
    transport: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{a_free_port()}")

    async def answer(connection: Connection) -> None:
        await connection.request()
        await connection.reply()

    async with serving(answer) as peer:
        assert isinstance(await transport.send(a_request(peer.url)), Reply)


# --- Proof that nothing was sent --------------------------------------------------------------------------------------


async def test_a_refused_connection_is_not_sent(transport: Transport) -> None:
    answer = await transport.send(a_request(f"http://127.0.0.1:{a_free_port()}"))
    assert kind_of(answer) is FaultKind.NOT_SENT


async def test_a_host_without_an_address_is_not_sent(
    transport: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def no_such_host(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", no_such_host)
    assert kind_of(await transport.send(a_request("http://venue.invalid"))) is FaultKind.NOT_SENT


async def test_an_untrusted_certificate_is_not_sent(transport: Transport, tmp_path: Path) -> None:
    async def answer(connection: Connection) -> None:
        await connection.request()

    async with serving(answer, a_certificate(tmp_path)) as peer:
        assert kind_of(await transport.send(a_request(peer.url))) is FaultKind.NOT_SENT
    assert peer.requests == []


async def test_a_certificate_of_another_host_is_not_sent(
    transport: Transport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = a_certificate(tmp_path, "127.0.0.2")
    trusting = ssl.create_default_context(cafile=tmp_path / "server.pem")
    monkeypatch.setattr("aiohttp.connector._SSL_CONTEXT_VERIFIED", trusting)
    async with serving(answering, server) as peer:
        answer = await transport.send(a_request(peer.url))
    assert answer == Fault(kind=FaultKind.NOT_SENT, detail="the TLS handshake failed")
    assert peer.requests == []


async def test_a_peer_that_speaks_no_tls_is_not_sent(transport: Transport) -> None:
    async def answer(connection: Connection) -> None:
        connection.writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await connection.writer.drain()

    async with serving(answer) as peer:
        url = peer.url.replace("http:", "https:")
        assert kind_of(await transport.send(a_request(url))) is FaultKind.NOT_SENT


async def test_a_peer_that_hangs_up_during_the_tls_handshake_is_not_sent(transport: Transport) -> None:
    async def hang_up(connection: Connection) -> None:
        await connection.reader.read(1)
        connection.reset()

    async with serving(hang_up) as peer:
        url = peer.url.replace("http:", "https:")
        assert kind_of(await transport.send(a_request(url))) is FaultKind.NOT_SENT


async def test_a_handshake_without_an_end_is_not_sent() -> None:
    transport = Transport(0.2)
    received = bytearray()

    async def say_nothing(connection: Connection) -> None:
        while data := await connection.reader.read(4096):
            received.extend(data)

    async with serving(say_nothing) as peer:
        url = peer.url.replace("http:", "https:")
        assert kind_of(await transport.send(a_request(url))) is FaultKind.NOT_SENT
    assert received.startswith(b"\x16")  # the hello of TLS, and nothing after it
    await transport.close()


async def test_a_connect_timeout_is_not_sent() -> None:
    """A listener whose backlog is full leaves further connections without an answer."""
    transport = Transport(0.2)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.settimeout(0)
            filler.connect_ex(address)
        answer = await transport.send(a_request(f"http://127.0.0.1:{address[1]}"))
        for filler in fillers:
            filler.close()
    await transport.close()
    assert kind_of(answer) is FaultKind.NOT_SENT


async def test_an_address_that_is_no_url_is_not_sent(transport: Transport) -> None:
    for url in (
        "http://",
        "nonsense",
        "ftp://127.0.0.1",
        "http://127.0.0.1:99999",
        "http://127.0.0.1?",
    ):
        answer = await transport.send(a_request(url))
        assert answer == Fault(
            kind=FaultKind.NOT_SENT, detail="the address of the venue is not a valid URL"
        ), url


BREAKS = ["\r\n", "\n", "\r", "\0", "\t", "\x7f", "\x85", "\u2028", "ü", "\udc80"]


@pytest.mark.parametrize("part", BREAKS)
async def test_what_would_break_out_of_its_place_is_not_sent(transport: Transport, part: str) -> None:
    text = f"SECRET{part}X-Injected: 1"
    async with serving(answering) as peer:
        requests = [
            HttpRequest(method="GET", url=f"{peer.url}/{text}", headers={}),
            HttpRequest(method="GET", url=f"{peer.url}/x", headers={"X-MBX-APIKEY": text}),
            HttpRequest(method="GET", url=f"{peer.url}/x", headers={text: "1"}),
            HttpRequest(method=f"GET{part}", url=f"{peer.url}/x", headers={}),
        ]
        for request in requests:
            answer = await transport.send(request)
            assert answer == Fault(
                kind=FaultKind.NOT_SENT, detail="the request holds characters that HTTP does not allow"
            )
    assert peer.connections == 0


@given(
    method=st.sampled_from(["GET", "POST", "GET / HTTP/1.1\r\nX:", "get", ""]) | st.text(max_size=4),
    target=st.text(alphabet=st.sampled_from("aZ09%=&?/-#: \r\n\0\x7fé"), max_size=8) | st.text(max_size=8),
    headers=st.dictionaries(
        st.text(alphabet=st.sampled_from("aZ09-:_ \r\n\0é"), max_size=6),
        st.text(alphabet=st.sampled_from("aZ09 :;\r\n\0\x7fé"), max_size=8) | st.text(max_size=8),
        max_size=3,
    ),
)
def test_a_request_is_written_as_it_is_meant_or_not_at_all(
    method: str, target: str, headers: dict[str, str]
) -> None:
    request = HttpRequest(method=method, url=f"http://venue/{target}", headers=headers)
    try:
        head = _head(request, f"/{target}", "Host: venue\r\n")
    except ValueError as error:
        if error.args:
            pytest.fail("what is in a request is secret, and an error tells of it")
        return
    written = head.decode("ascii")
    assert written.endswith("\r\n\r\n")
    first, host, *lines = written.removesuffix("\r\n\r\n").split("\r\n")
    assert first.split(" ") == [method, f"/{target}", "HTTP/1.1"]
    assert host == "Host: venue"
    assert [line.partition(": ")[::2] for line in lines if line != "Content-Length: 0"] == list(
        headers.items()
    )
    assert not set(written) & set("\0\t\x7f")
    assert written.count("\n") == written.count("\r") == len(lines) + 3


async def test_a_venue_that_speaks_or_hangs_up_before_it_is_asked_is_not_sent(
    transport: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = TCPConnector.connect

    async def connect_and_wait(*arguments: Any) -> Any:
        lease: Any = await connect(*arguments)
        while lease.protocol.is_connected() and not lease.protocol.should_close:  # noqa: ASYNC110 - until it is noticed
            await asyncio.sleep(0)
        return lease

    async def speak(connection: Connection) -> None:
        await connection.say(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")
        await connection.left()

    async def hang_up(_: Connection) -> None:
        pass

    monkeypatch.setattr(TCPConnector, "connect", connect_and_wait)
    for handler in (speak, hang_up):
        async with serving(handler) as peer:
            answer = await transport.send(a_request(peer.url))
        assert kind_of(answer) is FaultKind.NOT_SENT
        assert peer.requests == []


# --- The request may have arrived -------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
async def test_a_peer_that_closes_after_the_request_has_lost_it(transport: Transport, method: str) -> None:
    async def close(connection: Connection) -> None:
        await connection.request()

    async with serving(close) as peer:
        assert kind_of(await transport.send(a_request(peer.url, method))) is FaultKind.LOST
    assert len(peer.requests) == 1


@pytest.mark.parametrize("method", METHODS)
async def test_a_peer_that_resets_after_the_request_has_lost_it(transport: Transport, method: str) -> None:
    async def reset(connection: Connection) -> None:
        await connection.request()
        connection.reset()

    async with serving(reset) as peer:
        assert kind_of(await transport.send(a_request(peer.url, method))) is FaultKind.LOST
    assert len(peer.requests) == 1


@pytest.mark.parametrize("method", METHODS)
async def test_a_request_on_a_stale_connection_is_lost_and_never_sent_again(
    transport: Transport, method: str
) -> None:
    """The case in which aiohttp, left alone, sends GET, PUT and DELETE a second time without a word."""

    async def answer_once(connection: Connection) -> None:
        await connection.request()
        await connection.reply()
        await connection.request()
        connection.reset()

    async with serving(answer_once) as peer:
        assert isinstance(await transport.send(a_request(peer.url, method)), Reply)
        assert kind_of(await transport.send(a_request(peer.url, method))) is FaultKind.LOST
    assert (len(peer.requests), peer.connections) == (2, 1)


async def test_a_body_that_breaks_off_is_lost(transport: Transport) -> None:
    async def break_off(connection: Connection) -> None:
        await connection.request()
        connection.writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"orderId":')
        await connection.writer.drain()

    async with serving(break_off) as peer:
        assert kind_of(await transport.send(a_request(peer.url))) is FaultKind.LOST


async def test_a_reply_that_is_no_http_is_lost(transport: Transport) -> None:
    async def babble(connection: Connection) -> None:
        await connection.request()
        connection.writer.write(b"certainly not HTTP\r\n\r\n")
        await connection.writer.drain()

    async with serving(babble) as peer:
        assert kind_of(await transport.send(a_request(peer.url))) is FaultKind.LOST


async def test_a_reply_beyond_the_bound_is_lost_also_when_it_arrives_compressed() -> None:
    transport = Transport(max_body_bytes=1_000)

    async def bomb(connection: Connection) -> None:
        await connection.request()
        await connection.reply(gzip.compress(bytes(1_000_000)), headers="Content-Encoding: gzip\r\n")

    async with serving(bomb) as peer:
        assert kind_of(await transport.send(a_request(peer.url))) is FaultKind.LOST
    await transport.close()


async def test_silence_is_a_timeout() -> None:
    transport = Transport(0.2)

    async def say_nothing(connection: Connection) -> None:
        await connection.request()
        await connection.reader.read()

    async with serving(say_nothing) as peer:
        assert kind_of(await transport.send(a_request(peer.url))) is FaultKind.TIMEOUT
    assert len(peer.requests) == 1
    await transport.close()


async def test_a_body_without_an_end_is_a_timeout() -> None:
    transport = Transport(0.2)

    async def begin(connection: Connection) -> None:
        await connection.request()
        connection.writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
        await connection.reader.read()

    async with serving(begin) as peer:
        assert kind_of(await transport.send(a_request(peer.url))) is FaultKind.TIMEOUT
    await transport.close()


async def test_a_cancellation_is_not_swallowed(transport: Transport) -> None:
    async def say_nothing(connection: Connection) -> None:
        await connection.request()
        await connection.reader.read()

    async with serving(say_nothing) as peer:
        task = asyncio.create_task(transport.send(a_request(peer.url)))
        await peer.seen.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
