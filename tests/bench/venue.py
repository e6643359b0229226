"""The sandbox as a process of its own, with limits that are never reached and no faults.

It prints its address once it listens. When told to, it notes when each order reached it and when its answer was ready,
on the monotonic clock that all processes of a machine share; everything before the first is the worker's (and the
network's and this event loop's queue), what lies between the two is the venue's own time.
"""

import argparse
import asyncio
import gc
import json
import signal
import time
from dataclasses import replace
from typing import Final

import uvloop
from aiohttp import web
from typing_extensions import override

from adapters.sandbox.config import BinanceLimits, LimitConfig, default_config, make_account
from adapters.sandbox.server import SandboxServer

UNREACHED: Final = 1_000_000_000
ARRIVALS: Final = "/bench/arrivals"
"""POST begins to note, GET tells `{client order id: [arrived_ns, answered_ns]}` and ends it."""

_CLIENT_ID: Final = "newClientOrderId="


class RecordingServer(SandboxServer):
    """A sandbox that knows when orders came."""

    _arrivals: dict[str, tuple[int, int]] | None = None

    @override
    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        arrived_ns = time.monotonic_ns()
        path = request.raw_path
        if path == ARRIVALS:
            return self._tell(request.method)
        response = await super()._handle(request)
        if self._arrivals is not None and _CLIENT_ID in path:
            client_id = path.partition(_CLIENT_ID)[2].partition("&")[0]
            self._arrivals.setdefault(client_id, (arrived_ns, time.monotonic_ns()))
        return response

    def _tell(self, method: str) -> web.Response:
        noted, self._arrivals = self._arrivals, {} if method == "POST" else None
        return web.Response(text=json.dumps(noted or {}), content_type="application/json")


def account_name(number: int) -> str:
    return f"bench-{number}"


async def serve(accounts: int) -> None:
    """Serve until SIGTERM."""
    limits = BinanceLimits(
        weight_per_minute=UNREACHED,
        raw_requests_per_5_minutes=UNREACHED,
        orders_per_10_seconds=UNREACHED,
        orders_per_day=UNREACHED,
    )
    config = default_config(make_account(account_name(number)) for number in range(accounts))
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    server = RecordingServer(replace(config, limits=LimitConfig(binance=limits)))
    address = await server.start()
    # A venue on the internet does not pause because its ledger is long: what it remembers is not walked through.
    gc.freeze()
    gc.set_threshold(50_000, 50, 1_000_000)
    print(address, flush=True)
    await stop.wait()
    await server.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--accounts", type=int, required=True, help="how many: bench-0, bench-1, …")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(parser.parse_args().accounts))


if __name__ == "__main__":
    main()
