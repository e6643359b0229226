"""A sandbox on a free port, and clients for it."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator

import aiohttp
import pytest

from adapters.sandbox.server import SandboxServer, serve
from tests.sandbox.client import HttpClient, VenueClient, a_config, an_exchange


@pytest.fixture
def venue() -> VenueClient:
    return VenueClient(an_exchange())


@pytest.fixture
def usdm() -> VenueClient:
    return VenueClient(an_exchange(), "usdm")


@pytest.fixture
def bitrue() -> VenueClient:
    return VenueClient(an_exchange(), "bit")


@pytest.fixture
async def server() -> AsyncIterator[SandboxServer]:
    running = await serve(a_config())
    yield running
    await running.stop()


@pytest.fixture
async def http(server: SandboxServer) -> AsyncIterator[HttpClient]:
    async with aiohttp.ClientSession() as session:
        yield HttpClient(session, server.url, server.exchange.state.accounts["main"])


@pytest.fixture
def background_server() -> Iterator[SandboxServer]:
    """A sandbox in a thread of its own, for clients that block."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    running = asyncio.run_coroutine_threadsafe(serve(a_config()), loop).result()
    yield running
    asyncio.run_coroutine_threadsafe(running.stop(), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()
