"""Secrets stay inside: canary keys go through every failure path at debug level, and what left a process is scanned.

Scanned are the logs of workers in both formats, of the sandbox and of the commands, metrics, status, every message on
the broker, and the arguments of the processes. A leak is planted in each way that could really happen, to see the scan
fail.
"""

import asyncio
import base64
import json
import re
import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

import aio_pika
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from adapters.sandbox.config import derive_key, make_account, render_accounts_toml
from adapters.sandbox.model import Dialect
from tests.integration.rig import PATIENCE_S, Rig, WorkerProcess

SEED = 77
GOOD, BITRUE = make_account("main", seed=SEED), make_account("main-bitrue", Dialect.BITRUE, seed=SEED)
WRONG_SECRET, PASSWORD = derive_key(SEED, "wrong", "secret"), derive_key(SEED, "broker", "password")
PEM = (
    Ed25519PrivateKey.from_private_bytes(derive_key(SEED, "pem", "key")[:32].encode())
    .private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    .decode()
)
CANARIES = {
    "api key": GOOD.api_key,
    "secret": GOOD.secret_key,
    "api key of bitrue": BITRUE.api_key,
    "secret of bitrue": BITRUE.secret_key,
    "wrong secret": WRONG_SECRET,
    "private key": PEM.splitlines()[1],
    "password of the broker": PASSWORD,
}
CUT = 24
"""So much of a canary, from either end, is a leak: what shows text may cut it to the width of a terminal."""
SIGNATURE = re.compile(r"signature(=|%3D|['\": ]+)[0-9A-Za-z+/%]{32,}", re.IGNORECASE)
LANES = (
    ("BTC/USDT", "0.001"),
    ("ETH/USDT", "0.01"),
    ("BNB/USDT", "0.1"),
    ("SOL/USDT", "0.1"),
    ("XRP/USDT", "100"),
    ("ADA/USDT", "100"),
    ("DOGE/USDT", "100"),
    ("LTC/BTC", "1"),
    ("ETH/BTC", "0.1"),
)
FAULTS: tuple[dict[str, Any], ...] = (
    {"kind": "drop_before"},
    {"kind": "accept_then_drop"},
    {"kind": "accept_then_5xx", "status": 504, "html": True},
    {"kind": "reject_5xx"},
    {"kind": "hang"},
    {"kind": "reset_mid_body"},
    {"kind": "truncated_body"},
    {"kind": "duplicate"},
    {"kind": "rate_limit_429", "retry_after": 1},
    {"kind": "html_403"},
)


def forms_of(part: str) -> tuple[str, ...]:
    """Write text in every way that it may travel in."""
    return part, quote(part, safe=""), base64.b64encode(part.encode()).decode(), part.encode().hex()


def leaks(said: dict[str, str]) -> set[tuple[str, str]]:
    """Find canaries, also cut ones, in every form that text can take, and signatures; by where they were found."""
    found = set()
    for place, text in said.items():
        for name, canary in CANARIES.items():
            if any(form in text for part in (canary[:CUT], canary[-CUT:]) for form in forms_of(part)):
                found.add((place, name))
        if SIGNATURE.search(text):
            found.add((place, "signature"))
    return found


def write(folder: Path, url: str) -> Path:
    """Write accounts that work, and accounts that fail in the ways a key can."""
    file = folder / "canaries.toml"
    for path, text in ((file, ""), (folder / "pem", PEM), (folder / "open", GOOD.secret_key)):
        path.touch(mode=0o600)
        path.write_text(text)
    (folder / "open").chmod(0o644)
    entries = render_accounts_toml((GOOD, BITRUE), url)
    for name, key, secret, address in (
        ("wrong-secret", derive_key(SEED, "main", "api")[::-1], f'secret_key = "{WRONG_SECRET}"', url),
        ("spaced", GOOD.api_key, f'secret_key = "{GOOD.secret_key} "', url),
        ("doubled", GOOD.api_key, f'secret_key = "{GOOD.secret_key}"', url),
        ("readable", derive_key(SEED, "open", "api"), 'secret_key_file = "open"', url),
        ("pem", derive_key(SEED, "pem", "api"), 'secret_key_file = "pem"', url),
        (
            "unreachable",
            derive_key(SEED, "far", "api"),
            f'secret_key = "{WRONG_SECRET}"',
            "http://127.0.0.1:1",
        ),
    ):
        entries += f'[{name}]\nvenue = "binance"\napi_key = "{key}"\n{secret}\nbase_url = "{address}"\n'
    file.write_text(entries)
    return file


@asynccontextmanager
async def sandbox_of_its_own(rig: Rig) -> AsyncIterator[tuple[WorkerProcess, str]]:
    """Run `beeline sandbox` as a process; yields it and its URL."""
    process = await rig.spawn("sandbox", "--port", "0", "--seed", str(SEED))
    assert process.process.stdout is not None
    async with asyncio.timeout(PATIENCE_S):
        line = (await process.process.stdout.readline()).decode()
    yield process, line.split()[-1]


async def finished(rig: Rig, *arguments: str, **settings: str) -> str:
    """Run a command to its end and return everything it wrote."""
    command = await rig.spawn(*arguments, **settings)
    assert command.process.stdout is not None
    written = (await command.process.stdout.read()).decode()
    await command.ended()
    return written + command.transcript()


async def play(rig: Rig, sandbox_url: str, worker: WorkerProcess) -> None:
    """Send signals into every failure there is."""
    for fault in FAULTS:
        rule = fault | {"method": "POST", "path": "*/order", "count": 2}
        async with rig.http.post(f"{sandbox_url}/sandbox/faults", json=rule) as reply:
            assert reply.status == 200
    # Each in a lane of its own, so that they wait for the venue at the same time.
    signals = [
        rig.a_signal(account=account, symbol=symbol, quantity=quantity)
        for account in ("main", "main-bitrue")
        for symbol, quantity in LANES
    ]
    for each in signals:
        await rig.publish(each)
    for each in signals:
        await rig.outcome(each["signal_id"])
    for account in ("wrong-secret", "spaced", "doubled", "readable", "pem", "unreachable", "nobody"):
        await rig.place(account=account)
    await rig.publish(b'{"signal_id": 5', key="main")
    await rig.place(quantity="0.0000001")
    await rig.place(action="cancel", side=None, type=None, quantity=None, cancels="none")
    rig.write_accounts(rig.accounts_file.read_text().replace(GOOD.secret_key, WRONG_SECRET, 1))
    await worker.until("accounts loaded")
    await rig.place()
    await rig.place()
    rig.write_accounts(rig.accounts_file.read_text() + f'[broken\nsecret_key = "{GOOD.secret_key}"\n')
    await worker.until("accounts not reloaded")


async def on_the_broker(rig: Rig) -> str:
    """Everything that every queue and stream of the namespace holds."""
    seen = [message.body.decode() + json.dumps(message.headers, default=str) for message in rig.messages]
    streams = ["beeline.control", *(f"beeline.memory.{shard:02d}" for shard in range(4))]
    for name in streams:
        seen += await read_stream(rig, name)
    return "\n".join(seen)


async def read_stream(rig: Rig, name: str) -> Iterable[str]:
    """Read a stream up to a mark of our own."""
    channel = await rig.connection.channel()
    await channel.set_qos(prefetch_count=100)
    queue = await channel.get_queue(name)
    done = asyncio.Event()
    found: list[str] = []

    async def take(message: aio_pika.abc.AbstractIncomingMessage) -> None:
        await message.ack()
        found.append(message.body.decode())
        if message.body == b"end":
            done.set()

    await queue.consume(take, arguments={"x-stream-offset": "first"})
    await channel.default_exchange.publish(aio_pika.Message(b"end"), routing_key=name)
    async with asyncio.timeout(PATIENCE_S):
        await done.wait()
    await channel.close()
    return found


async def commands(rig: Rig, accounts: Path) -> dict[str, str]:
    """Run the commands that touch keys or answers, in failure as well."""
    file = str(accounts)
    parts = urlsplit(rig.amqp_url)
    locked = urlunsplit(parts._replace(netloc=f"intruder:{PASSWORD}@{parts.hostname}:{parts.port}"))
    runs = {
        "account list": finished(rig, "account", "list", accounts=file),
        "account check": finished(rig, "account", "check", "--all", accounts=file),
        "order": finished(rig, "order", "main", "s-1", "--symbol", "BTC/USDT", accounts=file),
        "worker at a locked broker": finished(
            rig, "worker", "--burst", accounts=file, amqp_url=locked, log_level="debug"
        ),
        "signal at a locked broker": finished(
            rig, "signal", "--account", "main", "--symbol", "BTC/USDT", "--side", "buy", amqp_url=locked
        ),
    }
    return dict(zip(runs, await asyncio.gather(*runs.values()), strict=True))


def arguments_of(processes: Iterable[WorkerProcess]) -> str:
    return "\n".join(
        Path(f"/proc/{process.process.pid}/cmdline").read_text(errors="replace")
        for process in processes
        if process.process.returncode is None
    )


async def test_no_secret_leaves_a_process_by_any_way(rig: Rig, tmp_path: Path) -> None:
    async with sandbox_of_its_own(rig) as (sandbox, url):
        accounts = rig.accounts_file = write(tmp_path, url)
        said: dict[str, str] = {}
        for form in ("json", "console"):
            accounts = rig.accounts_file = write(tmp_path, url)
            settings = {
                "log_level": "debug",
                "log_format": form,
                "venue_timeout": "1",
                "resolution_budget": "3",
                "signal_ttl": "4",
            }
            worker = await rig.spawn("worker", **settings)
            await rig.until_said(worker, "consuming")
            if form == "json":
                await rig.follow_outcomes()
                await play(rig, url, worker)
                for page in ("metrics", "status", "readyz", ""):
                    async with rig.http.get(f"{worker.http}/{page}") as reply:
                        said[f"/{page}"] = await reply.text()
                said["arguments"] = arguments_of([worker, sandbox])
            else:
                await rig.place(account="wrong-secret")
                await rig.place()
            await worker.kill()
            said[f"log in {form}"] = worker.transcript()
        said |= await commands(rig, accounts)
        said["broker"] = await on_the_broker(rig)
        await sandbox.kill()
        assert sandbox.process.stdout is not None
        said["sandbox"] = sandbox.transcript() + (await sandbox.process.stdout.read()).decode()
    assert "account_quarantined" in said["broker"]
    assert "account stopped" in said["log in json"]
    assert leaks(said) == set()


PLANTS = {
    "signed url in a log": """
import structlog, adapters.http
send = adapters.http.Transport.send
async def telling(self, request):
    structlog.get_logger("planted").debug("sending", url=request.url)
    return await send(self, request)
adapters.http.Transport.send = telling
""",
    "key in the text of an error": """
import worker.placement
async def failing(self):
    raise RuntimeError(f"cannot sign with {self._trade.account.signer.api_key}")
worker.placement.Placement.run = failing
""",
    "variables in a traceback": """
import structlog, worker.placement
structlog.dev.plain_traceback = structlog.dev.RichTracebackFormatter(show_locals=True, width=400)
async def failing(self):
    where = self._trade.account.signer.api_key
    raise RuntimeError("no variable is named here")
worker.placement.Placement.run = failing
""",
}


@pytest.mark.parametrize("plant", PLANTS)
async def test_a_planted_leak_is_found(rig: Rig, tmp_path: Path, plant: str) -> None:
    file = tmp_path / "planted.toml"
    file.touch(mode=0o600)
    rig.sandbox.exchange.add_account(GOOD)
    file.write_text(render_accounts_toml([GOOD], rig.sandbox.url))
    program = tmp_path / "planted.py"
    program.write_text(f"{PLANTS[plant]}\nfrom worker.cli import main\nmain()\n")
    environment = rig.environment(accounts=str(file), log_level="debug", log_format="console")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(program), "worker"),
        env=environment | {"PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    worker = WorkerProcess(process)
    rig.workers.append(worker)
    await rig.until_said(worker, "consuming")
    await rig.follow_outcomes()
    await rig.place()
    await worker.kill()
    assert leaks({"log": worker.transcript()})
