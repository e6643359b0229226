"""The sandbox over real HTTP: one port, all dialects, the control API, faults acted out on the wire.

One handler takes every request; there are no routes, no middleware and no access log, because a benchmark
pushes thousands of orders a second through it. All decisions are the pure state machine's (`exchange.py`),
the catalogue's (`faults.py`) and the control API's (`control.py`):

| | |
|---|---|
| `GET /sandbox/state` | clock, symbols, accounts, usage of the limits |
| `GET /sandbox/ledger?account=&after=&limit=` | every order with its executions, page by page |
| `GET /sandbox/ledger/summary` | counts, and the client order ids placed or executed more than once |
| `GET|DELETE /sandbox/violations` | breaches of limits |
| `GET /sandbox/requests` | requests and errors by endpoint, usage of the limits |
| `GET|POST|DELETE /sandbox/faults` | fault rules and how often each kind was hit |
| `POST /sandbox/clock` | `skew_ms`, `step_ms`, `drift_ppm` |
| `POST /sandbox/price` | `symbol`, `price`, `mark_price`: fills and triggers what it reaches |
| `POST /sandbox/liquidity` | `symbol`, `depth` (base units a level), `levels` |
| `POST /sandbox/symbol` | `symbol`, `trading`, and its rules |
| `POST /sandbox/order` | `account`, `client_order_id`, `status`: ends an order as the venue does |
| `GET|POST /sandbox/limits` | all limits, or any part of them |
| `POST /sandbox/bitrue` | Bitrue's behaviour where sources disagree |
| `POST /sandbox/binance_usdm` | what changed on USD-M futures |
| `GET /sandbox/positions` | the positions of all futures accounts |
| `POST /sandbox/visibility` | `lag_ms` before new orders show in queries |
| `GET|POST /sandbox/accounts`, `GET /sandbox/accounts.toml` | accounts with their keys; the file that Beeline reads |
| `POST /sandbox/reset` | everything back to the start, no faults |

A request whose client goes away is still executed when it was due to be: that is what a venue does.
"""

import asyncio
import contextlib
import logging
import random
import signal
import socket
import struct
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import uvloop
from aiohttp import web

from adapters.sandbox.config import (
    DEFAULT_NAMES,
    SandboxConfig,
    default_config,
    make_account,
    render_accounts_toml,
)
from adapters.sandbox.control import PREFIX, Control
from adapters.sandbox.exchange import Exchange
from adapters.sandbox.faults import FaultCatalogue, FaultPlan, Wire
from adapters.sandbox.model import Dialect, SandboxReply, SandboxRequest

_log = logging.getLogger(__name__)
_SHUTDOWN_TIMEOUT_S: Final = 1.0
_LONGEST_HANG_S: Final = 600.0
_LINGER_RESET: Final = struct.pack("ii", 1, 0)
_JSON: Final = "application/json"


class SandboxServer:
    """Serves an exchange on one port. Start it, use `url`, stop it."""

    def __init__(self, config: SandboxConfig) -> None:
        self.config = config
        self.exchange = Exchange(config, random.Random(config.seed))  # noqa: S311 - a seeded simulation
        self.faults = FaultCatalogue(random.Random(config.seed + 1))  # noqa: S311 - a seeded simulation
        self.control = Control(self.exchange, self.faults)
        self.url = ""
        self._runner: web.ServerRunner | None = None
        self._late: set[asyncio.Task[SandboxReply]] = set()
        self._stopped = asyncio.Event()

    async def start(self) -> str:
        """Listen, and return the base URL."""
        server = web.Server(self._handle, access_log=None, handler_cancellation=True)
        self._runner = web.ServerRunner(server, shutdown_timeout=_SHUTDOWN_TIMEOUT_S)
        await self._runner.setup()
        await web.TCPSite(self._runner, self.config.host, self.config.port).start()
        self.url = f"http://{self.config.host}:{self._runner.addresses[0][1]}"
        self.control.base_url = self.url
        _log.info("sandbox listening on %s", self.url)
        return self.url

    async def stop(self) -> None:
        """Close the port and all connections; requests held in a queue never enter."""
        self._stopped.set()
        for task in list(self._late):
            task.cancel()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read() if request.body_exists else b""
        path, _, query = request.raw_path.partition("?")
        received = SandboxRequest(
            method=request.method,
            path=path,
            query=query,
            headers=request.headers,
            body=body,
            ip=self._ip(request),
        )
        now_ms = _now_ms()
        if path.startswith(PREFIX):
            return _response(self.control.handle(received, now_ms))
        if not self.faults.is_empty:
            plan = self.faults.plan(received, self.exchange, now_ms)
            if plan is not None:
                return await self._act_out(request, received, plan)
        return _response(self.exchange.handle(received, now_ms))

    def _ip(self, request: web.BaseRequest) -> str:
        if self.config.trust_forwarded_ip:
            forwarded = request.headers.get("X-Forwarded-For")
            if forwarded:
                return forwarded
        return request.remote or ""

    async def _act_out(
        self, request: web.BaseRequest, received: SandboxRequest, plan: FaultPlan
    ) -> web.StreamResponse:
        actual: SandboxReply | None = None
        if plan.executes and plan.enter_after_ms:
            task = asyncio.create_task(self._enter_late(received, plan))
            self._late.add(task)
            task.add_done_callback(self._late.discard)
            if plan.wire is not Wire.CLOSE:
                actual = await asyncio.shield(task)
        elif plan.executes:
            actual = self.exchange.handle(received, _now_ms(), visibility_lag_ms=plan.visibility_lag_ms)
        reply = plan.reply_to(actual)
        if plan.reply_after_ms:
            await asyncio.sleep(plan.reply_after_ms / 1000)
        match plan.wire:
            case Wire.NORMAL if reply is not None:
                return _response(reply)
            case Wire.HANG:
                await self._hang()
            case Wire.RESET_MID_BODY if reply is not None:
                await _reset_mid_body(request, reply)
            case Wire.TRUNCATE if reply is not None:
                return _response(_truncated(reply))
            case _:
                pass
        return _closed(request)

    async def _enter_late(self, received: SandboxRequest, plan: FaultPlan) -> SandboxReply:
        call = self.exchange.admit(received, _now_ms())
        if isinstance(call, SandboxReply):
            return call
        await asyncio.sleep(plan.enter_after_ms / 1000)
        return self.exchange.execute(call, _now_ms(), visibility_lag_ms=plan.visibility_lag_ms)

    async def _hang(self) -> None:
        """Wait until the client gives up, which cancels this handler, or the server stops."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopped.wait(), _LONGEST_HANG_S)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _response(reply: SandboxReply) -> web.Response:
    return web.Response(
        status=reply.status, body=reply.body, headers=reply.headers, content_type=reply.content_type
    )


def _truncated(reply: SandboxReply) -> SandboxReply:
    """Cut the JSON: the length of the body is right, its content is not."""
    return SandboxReply(
        status=reply.status,
        body=reply.body[: max(1, len(reply.body) * 2 // 3)],
        headers=reply.headers,
        content_type=reply.content_type,
    )


async def _reset_mid_body(request: web.BaseRequest, reply: SandboxReply) -> None:
    transport = request.transport
    if transport is None:
        return
    head = f"HTTP/1.1 {reply.status} OK\r\nContent-Type: {_JSON}\r\nContent-Length: {len(reply.body)}\r\n\r\n"
    transport.write(head.encode() + reply.body[: len(reply.body) // 2])
    await asyncio.sleep(0)  # let the first half leave before the reset overtakes it
    connection: socket.socket | None = transport.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_RESET)
    transport.abort()


def _closed(request: web.BaseRequest) -> web.Response:
    """Close the connection; the response that aiohttp wants finds nobody to go to."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)


async def serve(config: SandboxConfig) -> SandboxServer:
    """Start a sandbox; the caller stops it."""
    server = SandboxServer(config)
    await server.start()
    return server


def run(config: SandboxConfig, on_ready: Callable[[SandboxServer], None] | None = None) -> None:
    """Serve until SIGTERM or Ctrl-C; `on_ready` is called once the port is open."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run(config, on_ready))


async def _run(config: SandboxConfig, on_ready: Callable[[SandboxServer], None] | None) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    server = await serve(config)
    if on_ready is not None:
        on_ready(server)
    await stop.wait()
    await server.stop()


def run_sandbox(
    *,
    host: str = "127.0.0.1",
    port: int = 9000,
    seed: int = 0,
    names: Mapping[Dialect, Sequence[str]] = DEFAULT_NAMES,
    accounts_file: Path | None = None,
    base_url: str | None = None,
    announce: Callable[[str], None] = print,
) -> None:
    """Serve a default sandbox with the named accounts until SIGTERM or Ctrl-C.

    Port 0 takes a free one. `announce` is called with one line that ends with the URL; `accounts_file` gets
    the `accounts.toml` for it, readable by its owner only; it names `base_url` where others reach the sandbox there.
    """
    accounts = [make_account(name, dialect, seed=seed) for dialect in names for name in names[dialect]]

    def ready(server: SandboxServer) -> None:
        if accounts_file is not None:
            accounts_file.touch(mode=0o600)
            accounts_file.chmod(0o600)
            accounts_file.write_text(render_accounts_toml(accounts, base_url or server.url), encoding="utf-8")
        announce(f"sandbox listening on {server.url}")

    run(default_config(accounts, host=host, port=port, seed=seed), ready)
