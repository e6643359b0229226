"""Which failures prove that nothing was sent, shown on real sockets."""

import asyncio
import datetime as dt
import gzip
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from adapters.http import Transport
from adapters.model import Answer, Fault, FaultKind, HttpRequest, Reply
from tests.adapters.server import Connection, serving

SECRET_QUERY = "symbol=BTCUSDT&timestamp=1&signature=SECRETSIGNATURE"
METHODS = ["GET", "POST", "DELETE"]


@pytest.fixture
async def transport() -> AsyncIterator[Transport]:
    transport = Transport()
    yield transport
    await transport.close()


def a_request(url: str, method: str = "POST") -> HttpRequest:
    return HttpRequest(
        method=method, url=f"{url}/api/v3/order?{SECRET_QUERY}", headers={"X-MBX-APIKEY": "KEY"}
    )


def kind_of(answer: Answer) -> FaultKind:
    assert isinstance(answer, Fault), answer
    assert "SECRET" not in answer.detail
    assert "127.0.0.1" not in answer.detail
    assert "://" not in answer.detail
    return answer.kind


def a_free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def a_certificate(folder: Path) -> ssl.SSLContext:
    """Make a certificate that nobody trusts."""
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
    for url in ("http://", "nonsense", "ftp://127.0.0.1"):
        assert kind_of(await transport.send(a_request(url))) is FaultKind.NOT_SENT


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
