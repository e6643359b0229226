"""The venue's side of a run: its faults, planned from the seed, and its ledger, which is the truth."""

import asyncio
from collections import deque
from typing import Any, Final

import aiohttp

from tests.chaos.plan import Options

PLACEMENT: Final = {"method": "POST", "path": "*/order"}
QUESTIONS: Final = ("*/order", "*/openOrders", "*/allOrders")

GENEROUS: Final = {
    "binance": {
        "weight_per_minute": 1_000_000,
        "raw_requests_per_5_minutes": 5_000_000,
        "orders_per_10_seconds": 100_000,
        "orders_per_day": 10_000_000,
    },
    "bitrue": {
        "general_per_minute": 1_000_000,
        "orders_ip_per_6_seconds": 100_000,
        "orders_user_per_10_seconds": 100_000,
    },
    "ban_after": 1_000_000,
}
"""Limits that do not pace the run: every worker sends from one address, and bans are planned here."""

STOPPING: Final[tuple[dict[str, Any], ...]] = (
    {"kind": "html_403"},
    {"kind": "rate_limit_429", "retry_after": 1},
    {"kind": "ban_418", "ban_ms": 1_000},
    {"kind": "clock_jump", "step_ms": 1_200},
    {"kind": "clock_jump", "step_ms": -1_200},
)
"""Faults that hit whatever follows as well. They are planted one by one, each for the next placement."""


def lasting_faults(options: Options) -> list[dict[str, Any]]:
    """Rules that stay for the whole run: each kind hits placements about as often as wanted, and look-ups more."""
    chance = min(0.02, options.fault_hits / options.signals)
    kinds: list[dict[str, Any]] = [
        {"kind": "drop_before"},
        {"kind": "accept_then_drop"},
        {"kind": "reject_5xx"},
        {"kind": "hang"},
        {"kind": "hang", "executes": False, "probability": chance / 2},
        {"kind": "reset_mid_body"},
        {"kind": "truncated_body"},
        {"kind": "slow", "delay_ms": 600},
        {"kind": "duplicate"},
        {"kind": "hold_in_queue"},
        {"kind": "hold_in_queue", "disconnects": True},
        {"kind": "delayed_visibility", "delay_ms": 1_500},
        {"kind": "accept_then_5xx", "status": 500, "code": -1001, "probability": chance / 2},
        {"kind": "accept_then_5xx", "status": 502, "html": True, "probability": chance / 2},
        {"kind": "accept_then_5xx", "status": 503, "code": -1006, "probability": chance / 2},
        {"kind": "accept_then_5xx", "status": 504, "code": -1007, "probability": chance / 2},
    ]
    placements = [PLACEMENT | {"probability": chance} | kind for kind in kinds]
    asked = ({"kind": "drop_before"}, {"kind": "truncated_body"}, {"kind": "accept_then_5xx", "html": True})
    questions = [
        {"method": "GET", "path": path, "probability": 0.03} | kind for path in QUESTIONS for kind in asked
    ]
    return placements + questions


def planned_faults(options: Options) -> deque[tuple[int, dict[str, Any]]]:
    """After how many answered signals each of the stopping faults is planted."""
    times = max(1, round(0.75 * options.fault_hits))
    half = -(-times // 2)
    faults = [
        PLACEMENT | fault | {"count": 1}
        for fault in STOPPING
        for _ in range(half if fault["kind"] == "clock_jump" else times)
    ]
    mixed = [fault for offset in range(times) for fault in faults[offset::times]]
    gap = 0.9 * options.signals / len(mixed)
    return deque((int(gap * place), fault) for place, fault in enumerate(mixed))


class Venue:
    """The sandbox's control API."""

    def __init__(self, url: str) -> None:
        self._url = f"{url}/sandbox/"
        self._session = aiohttp.ClientSession()

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()

    async def tell(self, endpoint: str, body: dict[str, Any]) -> None:
        """Change something."""
        async with self._session.post(self._url + endpoint, json=body) as reply:
            text = await reply.text()
            if reply.status != 200:
                raise RuntimeError(f"the sandbox refused {body}: {text}")

    async def ask(self, endpoint: str) -> dict[str, Any]:
        """Look at something."""
        async with self._session.get(self._url + endpoint) as reply:
            answer: dict[str, Any] = await reply.json()
            return answer

    async def prepare(self, options: Options) -> None:
        """Widen the limits and put the lasting faults in force."""
        await self.tell("limits", dict(GENEROUS))
        for rule in lasting_faults(options):
            await self.tell("faults", rule)

    async def hits(self) -> dict[str, int]:
        """How often each kind of fault was hit."""
        hits: dict[str, int] = (await self.ask("faults"))["hits"]
        return hits

    async def ledger(self) -> list[dict[str, Any]]:
        """Every order the venue ever took, in the order it took them."""
        orders: list[dict[str, Any]] = []
        after: int | None = 0
        while after is not None:
            page = await self.ask(f"ledger?after={after}&limit=10000")
            orders += page["orders"]
            after = page["next"]
        return orders

    async def summary(self) -> dict[str, Any]:
        """Counts, and what was placed more than once."""
        return await self.ask("ledger/summary")

    async def settle(self, recv_window_ms: int) -> None:
        """Wait until no request that is still held in a queue can enter any more: the only wait for a time here."""
        await asyncio.sleep(recv_window_ms / 1000 + 0.5)
