"""A sandbox on a free port, and clients for it."""

from collections.abc import AsyncIterator

import aiohttp
import pytest

from adapters.sandbox.server import SandboxServer, serve
from tests.sandbox.client import HttpClient, VenueClient, a_config, an_exchange


@pytest.fixture
def venue() -> VenueClient:
    return VenueClient(an_exchange())


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
