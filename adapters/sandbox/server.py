"""The sandbox's HTTP server."""

import asyncio
import contextlib
import random
import signal
import time
from typing import Final

from aiohttp import web

from adapters.sandbox.config import SandboxConfig
from adapters.sandbox.exchange import Exchange
from adapters.sandbox.model import SandboxReply, SandboxRequest

_SHUTDOWN_TIMEOUT: Final = 1.0


class SandboxServer:
    """Serves an exchange over HTTP on one port."""

    def __init__(self, config: SandboxConfig) -> None:
        self.config = config
        self.exchange = Exchange(config, random.Random(config.seed))
        self._runner: web.ServerRunner | None = None
        self.url = ""

    async def start(self) -> str:
        """Listen; return the base URL."""
        self._runner = web.ServerRunner(
            web.Server(self._handle, access_log=None), shutdown_timeout=_SHUTDOWN_TIMEOUT
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, self.config.host, self.config.port)
        await site.start()
        port = self._runner.addresses[0][1]
        self.url = f"http://{self.config.host}:{port}"
        return self.url

    async def stop(self) -> None:
        """Close the port and every connection."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        raw_path, _, query = request.raw_path.partition("?")
        body = await request.read() if request.body_exists else b""
        received = SandboxRequest(
            method=request.method,
            path=raw_path,
            query=query,
            headers=request.headers,
            body=body,
            ip=request.remote or "",
        )
        return _response(self.exchange.handle(received, time.time_ns() // 1_000_000))


def _response(reply: SandboxReply) -> web.Response:
    return web.Response(
        status=reply.status, body=reply.body, headers=reply.headers, content_type=reply.content_type
    )


async def serve(config: SandboxConfig) -> SandboxServer:
    """Start a sandbox; the caller stops it."""
    server = SandboxServer(config)
    await server.start()
    return server


async def _run(config: SandboxConfig) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    server = await serve(config)
    print(f"sandbox listening on {server.url}", flush=True)
    with contextlib.suppress(asyncio.CancelledError):
        await stopped.wait()
    await server.stop()


def run(config: SandboxConfig) -> None:
    """Serve until SIGTERM or Ctrl-C."""
    asyncio.run(_run(config))
