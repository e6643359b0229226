"""The worker's HTTP endpoints: metrics, probes and its status, on loopback unless told otherwise.

`/livez` says only that the event loop turns: a restart cures nothing else. `/readyz` says whether signals can
be handled now, with the reasons why not. Nothing secret is ever on any of them.
"""

import asyncio
from base64 import b64encode
from collections.abc import Callable
from hashlib import sha256
from importlib.resources import files
from typing import Any, Final

import orjson
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from worker.telemetry import Telemetry

PAGE: Final = files("worker").joinpath("status.html")


def page_headers(page: str) -> dict[str, str]:
    """Allow the page its own script and style, by their hashes, and asking this worker; nothing else."""
    script, style = (_hash_of(page, tag) for tag in ("script", "style"))
    policy = (
        f"default-src 'none'; script-src {script}; style-src {style}; img-src data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return {
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-store",
    }


def _hash_of(page: str, tag: str) -> str:
    """The content of the page's one element of a kind, as a policy names it."""
    content = page.partition(f"<{tag}>")[2].partition(f"</{tag}>")[0]
    return f"'sha256-{b64encode(sha256(content.encode()).digest()).decode()}'"


class StatusServer:
    """Serves what it is given; knows nothing of the worker."""

    def __init__(
        self, telemetry: Telemetry, status: Callable[[], dict[str, Any]], obstacles: Callable[[], list[str]]
    ) -> None:
        self._telemetry, self._status, self._obstacles = telemetry, status, obstacles
        self._runner: web.AppRunner | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen; port 0 takes a free one. Returns the port.

        Raises:
            OSError: the address is taken or not ours.
        """
        app = web.Application()
        app.add_routes(
            [
                web.get("/metrics", self._metrics),
                web.get("/livez", self._livez),
                web.get("/readyz", self._readyz),
                web.get("/status", self._status_json),
                web.get("/", self._page),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False)
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port)
        await site.start()
        address = self._runner.addresses[0]
        return int(address[1])

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _metrics(self, _: web.Request) -> web.Response:
        # In a thread: with thousands of accounts it takes most of a second, in which no order would go out.
        body = await asyncio.to_thread(self._telemetry.read().render)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def _livez(self, _: web.Request) -> web.Response:
        return web.Response(text="alive\n")

    async def _readyz(self, _: web.Request) -> web.Response:
        obstacles = self._obstacles()
        if obstacles:
            return web.Response(status=503, text="\n".join(obstacles) + "\n")
        return web.Response(text="ready\n")

    async def _status_json(self, _: web.Request) -> web.Response:
        return web.Response(body=orjson.dumps(self._status()), content_type="application/json")

    async def _page(self, _: web.Request) -> web.Response:
        page = PAGE.read_text(encoding="utf-8")
        return web.Response(text=page, content_type="text/html", headers=page_headers(page))
