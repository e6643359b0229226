"""The broker's users that `deploy/rabbitmq/definitions.json` defines can do their work and nothing else; and TLS."""

import asyncio
import datetime as dt
import shutil
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aio_pika
import pytest
from aio_pika import Message
from aio_pika.abc import AbstractChannel
from aiormq.exceptions import AMQPConnectionError, ChannelAccessRefused
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.integration.rabbitmq_node import RabbitNode
from tests.integration.rig import Rig
from tests.tools import free_port

DEFINITIONS = Path(__file__).parents[2] / "deploy" / "rabbitmq" / "definitions.json"
PASSWORD = "change-me"
STREAMS = ("beeline.control", "beeline.memory")


@dataclass(frozen=True)
class Authority:
    """A certificate authority that a company might have: its certificate, and one that it gave to a server."""

    certificate: Path
    server_certificate: Path
    server_key: Path


def make_authority(folder: Path, host: str) -> Authority:
    key, server_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"an authority for {host}")])
    now = dt.datetime.now(dt.UTC)

    def certificate(subject: x509.Name, public: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(name).public_key(public)
        builder = builder.serial_number(x509.random_serial_number())
        return builder.not_valid_before(now - dt.timedelta(days=1)).not_valid_after(
            now + dt.timedelta(days=1)
        )

    own = certificate(name, key.public_key())
    own = own.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    served = certificate(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)]), server_key.public_key())
    served = served.add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
    folder.mkdir(exist_ok=True)
    paths = Authority(folder / "ca.pem", folder / "server.pem", folder / "server.key")
    paths.certificate.write_bytes(own.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    paths.server_certificate.write_bytes(
        served.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    )
    paths.server_key.write_bytes(
        server_key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return paths


@dataclass(frozen=True)
class Guarded:
    """A node with the shipped users and a TLS listener."""

    node: RabbitNode
    authority: Authority
    tls_port: int

    def url(self, user: str) -> str:
        return self.node.url.replace("guest:guest", f"{user}:{PASSWORD}")

    def tls_url(self, user: str, authority: Authority, host: str = "localhost") -> str:
        return f"amqps://{user}:{PASSWORD}@{host}:{self.tls_port}/?cafile={authority.certificate}"


@pytest.fixture(scope="module")
def guarded() -> Iterator[Guarded]:
    node = RabbitNode()
    authority, port = make_authority(node.folder / "tls", "localhost"), free_port()
    node.settings += [
        f"listeners.ssl.default = {port}",
        f"ssl_options.cacertfile = {authority.certificate}",
        f"ssl_options.certfile = {authority.server_certificate}",
        f"ssl_options.keyfile = {authority.server_key}",
    ]
    with node:
        definitions = shutil.copy(DEFINITIONS, node.folder)
        node.ctl("import_definitions", str(definitions))
        yield Guarded(node, authority, port)


@pytest.fixture
async def operated(guarded: Guarded, tmp_path: Path) -> AsyncIterator[Rig]:
    """A namespace that the operator declared; the test looks at it as the operator."""
    async with Rig(guarded.url("beeline-operator"), tmp_path) as rig:
        declaring = await rig.spawn("topology")
        assert await declaring.ended() == 0, declaring.transcript()
        await rig.follow_outcomes()
        yield rig


Attempt = Callable[[AbstractChannel], Awaitable[object]]


async def may(url: str, attempt: Attempt) -> bool:
    """Whether the broker lets a user do something; it says no by closing the channel."""
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        try:
            await attempt(channel)
        except ChannelAccessRefused:
            return False
        return True


def publish(exchange: str, key: str) -> Attempt:
    async def attempt(channel: AbstractChannel) -> None:
        target = await channel.get_exchange(exchange, ensure=False) if exchange else channel.default_exchange
        await target.publish(Message(b"{}"), routing_key=key, mandatory=False)

    return attempt


def consume(queue: str) -> Attempt:
    async def attempt(channel: AbstractChannel) -> None:
        await channel.set_qos(prefetch_count=1)
        waiting: asyncio.Queue[object] = asyncio.Queue()
        arguments: dict[str, Any] = {"x-stream-offset": "next"} if queue.startswith(STREAMS) else {}
        await (await channel.get_queue(queue, ensure=False)).consume(waiting.put, arguments=arguments)

    return attempt


def declare(queue: str) -> Attempt:
    return lambda channel: channel.declare_queue(queue, auto_delete=True)


async def test_a_worker_works_binds_new_accounts_and_takes_over_with_the_rights_of_its_user(
    guarded: Guarded, operated: Rig
) -> None:
    rig, url = operated, guarded.url("beeline-worker")
    worker = await rig.start_worker(amqp_url=url)
    assert (await rig.place())["status"] == "filled"
    text = rig.accounts_file.read_text()
    rig.write_accounts(text.replace("[second]", "[renamed]"))
    await worker.until("accounts loaded")
    assert (await rig.place(account="renamed", quantity="0.0001"))["status"] == "filled"
    unknown = await rig.place(account="nobody")
    assert unknown["error"]["code"] == "unknown_account"
    await rig.publish(b"no signal", key="main")
    await worker.until("message moved to the dead letters")
    await worker.kill()
    heir = await rig.start_worker(amqp_url=url)
    assert (await rig.place())["status"] == "filled"
    assert not worker.said("accounts not bound") + heir.said("accounts not bound")


@pytest.mark.parametrize("shards", ["3", "5"])
async def test_a_worker_that_may_not_declare_still_refuses_another_number_of_shards(
    guarded: Guarded, operated: Rig, shards: str
) -> None:
    worker = await operated.spawn("worker", amqp_url=guarded.url("beeline-worker"), shards=shards)
    assert await worker.ended() == 3
    assert "BEELINE_SHARDS" in worker.transcript() or "beeline topology" in worker.transcript()


async def test_a_worker_s_user_can_neither_declare_nor_read_outcomes_nor_publish_signals(
    guarded: Guarded, operated: Rig
) -> None:
    url = guarded.url("beeline-worker")
    for attempt in (
        publish("beeline.signals", "main"),
        consume("beeline.outcomes"),
        consume("beeline.dead"),
        declare("beeline.mine"),
    ):
        assert not await may(url, attempt)


async def test_a_producer_can_only_publish_signals(guarded: Guarded, operated: Rig) -> None:
    url = guarded.url("beeline-producer")
    assert await may(url, publish("beeline.signals", "main"))
    for exchange in ("beeline.outcomes", "beeline.dead", "beeline.unrouted", ""):
        assert not await may(url, publish(exchange, "beeline.control")), exchange
    for queue in ("beeline.outcomes", "beeline.signals.00", "beeline.control", "beeline.memory.00"):
        assert not await may(url, consume(queue)), queue
    for name in ("beeline.mine", "mine"):
        assert not await may(url, declare(name)), name


async def test_a_reader_can_only_read_outcomes(guarded: Guarded, operated: Rig) -> None:
    url = guarded.url("beeline-reader")
    assert await may(url, consume("beeline.outcomes"))
    assert not await may(url, consume("beeline.dead"))
    assert not await may(url, publish("beeline.signals", "main"))


async def test_a_worker_trades_over_tls(guarded: Guarded, operated: Rig) -> None:
    await operated.start_worker(amqp_url=guarded.tls_url("beeline-worker", guarded.authority))
    assert (await operated.place())["status"] == "filled"


async def test_a_broker_that_cannot_prove_who_it_is_gets_no_password(
    guarded: Guarded, operated: Rig, tmp_path: Path
) -> None:
    stranger = make_authority(tmp_path / "stranger", "localhost")
    for url in (
        guarded.tls_url("beeline-worker", stranger),
        guarded.tls_url("beeline-worker", guarded.authority, host="127.0.0.1"),
    ):
        with pytest.raises(AMQPConnectionError) as refused:
            await aio_pika.connect(url)
        assert isinstance(refused.value.__cause__, ssl.SSLCertVerificationError)
        worker = await operated.spawn("topology", amqp_url=url)
        assert await worker.ended() == 4
        assert "certificate" in worker.transcript()
        assert PASSWORD not in worker.transcript()
