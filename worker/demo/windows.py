"""What the demo looks at and turns from outside: the sandbox's control API and the workers' status, both plain HTTP."""

import asyncio
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp

from worker.commands.shell import CommandError, Exit
from worker.demo.processes import START_TIMEOUT_S, Child

PAGE: Final = 5_000
POLL_S: Final = 0.1
REQUEST_TIMEOUT: Final = aiohttp.ClientTimeout(total=5)

Json = dict[str, Any]


class Sandbox:
    """The sandbox's control API."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self._http, self.url = http, url

    async def get(self, name: str, **parameters: str) -> Json:
        """Look at something."""
        async with self._http.get(
            f"{self.url}/sandbox/{name}", params=parameters, timeout=REQUEST_TIMEOUT
        ) as reply:
            return await _document(reply)

    async def post(self, name: str, document: Json) -> Json:
        """Change something."""
        async with self._http.post(
            f"{self.url}/sandbox/{name}", json=document, timeout=REQUEST_TIMEOUT
        ) as reply:
            return await _document(reply)

    async def clear_faults(self) -> None:
        """Take all faults out of force."""
        async with self._http.delete(f"{self.url}/sandbox/faults", timeout=REQUEST_TIMEOUT) as reply:
            await _document(reply)

    async def fault_hits(self) -> dict[str, int]:
        """How often each kind of fault was hit; kinds that were not are left out."""
        hits: dict[str, int] = (await self.get("faults"))["hits"]
        return {kind: count for kind, count in hits.items() if count}

    async def ledger(self) -> list[Json]:
        """Every order the venues took, in the order they took them."""
        orders: list[Json] = []
        after: int | None = 0
        while after is not None:
            page = await self.get("ledger", after=str(after), limit=str(PAGE))
            orders += page["orders"]
            after = page["next"]
        return orders


async def _document(reply: aiohttp.ClientResponse) -> Json:
    document: Json = await reply.json(content_type=None)
    if reply.status != 200:
        raise CommandError(Exit.VENUE, f"the sandbox refused: {document.get('error', reply.status)}")
    return document


@dataclass(slots=True, kw_only=True)
class WorkerWindow:
    """One worker, seen from outside; `status` is what it said last, empty while it cannot be reached."""

    child: Child
    url: str
    status: Json = field(default_factory=dict)

    async def look(self, http: aiohttp.ClientSession) -> None:
        """Read its status."""
        if not self.child.is_running:
            self.status = {}
            return
        try:
            async with http.get(f"{self.url}status", timeout=REQUEST_TIMEOUT) as reply:
                self.status = await reply.json()
        except (aiohttp.ClientError, TimeoutError):
            self.status = {}

    async def ready(self, http: aiohttp.ClientSession) -> None:
        """Wait until it can handle signals.

        Raises:
            CommandError: it ended, or did not get ready in time.
        """
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                while not await self._is_ready(http):
                    if not self.child.is_running:
                        raise self.child.dead()
                    await asyncio.sleep(POLL_S)
        except TimeoutError:
            raise CommandError(
                Exit.FAILED,
                f"{self.child.name} was not ready in {START_TIMEOUT_S:g} s:\n{self.child.explain()}",
            ) from None

    async def _is_ready(self, http: aiohttp.ClientSession) -> bool:
        try:
            async with http.get(f"{self.url}readyz", timeout=REQUEST_TIMEOUT) as reply:
                return reply.status == 200
        except (aiohttp.ClientError, TimeoutError):
            return False
