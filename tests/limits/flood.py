"""Three times the order budget, on several accounts and workers, and what the venue saw of it.

The orders are limit orders far from the market that may not rest: they count, nothing of them fills, and so
nothing of the budget comes back. What the verdict rests on is the sandbox's: its count of breaches, and the
orders of each account in each window of its own clock.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from tests.chaos.plan import FAR_BELOW, QUANTITIES, SYMBOLS
from tests.integration.rig import Rig

WINDOW_MS: Final = 10_000
SHARDS: Final = "16"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much of everything; `validity_s` is how long a signal may wait for its turn."""

    accounts: tuple[str, ...]
    workers: int = 4
    budget: int = 50
    factor: float = 3.0
    windows: int = 6
    validity_s: float = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What came of it. `used` are the orders of each account in each whole window of the flood.

    How long replies took matters, because the orders of a symbol go one by one: a venue that takes 1.4 s for each, as
    a sandbox on a host without a processor to spare may, leaves these lanes not enough time to use the budget up.
    """

    signals: int
    outcomes: Counter[str]
    workers: Counter[str]
    budget: int
    used: Mapping[str, list[int]]
    breaches: Mapping[str, int]
    refused_without_wait: int
    replies_ms: list[float]

    @property
    def shares(self) -> list[float]:
        """How much of its budget each account used in each window."""
        return [count / self.budget for counts in self.used.values() for count in counts]


async def flood(rig: Rig, plan: Plan) -> Figures:
    """Publish steadily, several times what the accounts may place, until the windows are over."""
    await rig.control("limits", binance={"orders_per_10_seconds": plan.budget, "orders_per_day": 1_000_000})
    for number in range(plan.workers):
        await rig.start_worker(worker_id=f"flood-{number}", shards=SHARDS)
    await rig.follow_outcomes()
    for account in plan.accounts:
        await rig.place(**_order(account, 0))
    began_ms = time.time() * 1000
    first = int(began_ms // WINDOW_MS) + 1
    ends_ms = (first + plan.windows) * WINDOW_MS
    published: list[str] = []
    while time.time() * 1000 < ends_ms:
        due = int((time.time() * 1000 - began_ms) / WINDOW_MS * plan.budget * plan.factor)
        for number in range(len(published) // len(plan.accounts), due):
            for account in plan.accounts:
                valid_until = int((time.time() + plan.validity_s) * 1000)
                signal_ = rig.a_signal(**_order(account, number), valid_until=valid_until)
                await rig.publish(signal_)
                published.append(signal_["signal_id"])
        await asyncio.sleep(0.05)
    answered = set(published)
    await rig.until(lambda: answered <= {outcome["signal_id"] for outcome in rig.outcomes})
    return await figures(rig, plan.accounts, plan.budget, range(first, first + plan.windows), answered)


def _order(account: str, number: int) -> dict[str, Any]:
    which = number % len(SYMBOLS)
    return {
        "account": account,
        "symbol": SYMBOLS[which],
        "type": "limit",
        "time_in_force": "ioc",
        "quantity": QUANTITIES[which],
        "price": FAR_BELOW[which],
    }


async def figures(
    rig: Rig, accounts: tuple[str, ...], budget: int, windows: range, signals: set[str]
) -> Figures:
    """Read what the sandbox saw in some of its windows, and what the signals were told."""
    used = {account: Counter[int]() for account in accounts}
    after = 0
    while True:
        page = await rig.control(f"ledger?limit=10000&after={after}")
        for order in page["orders"]:
            used[order["account"]][order["accepted_at_ms"] // WINDOW_MS] += 1
        if not page["next"]:
            break
        after = page["next"]
    told = [outcome for outcome in rig.outcomes if outcome["signal_id"] in signals]
    codes = [outcome["error"]["code"] if outcome["error"] else None for outcome in told]
    hints = [
        outcome["error"]["hint"] for outcome, code in zip(told, codes, strict=True) if code == "rate_limited"
    ]
    return Figures(
        signals=len(signals),
        outcomes=Counter(f"{o['status']} {code or ''}".strip() for o, code in zip(told, codes, strict=True)),
        workers=Counter(o["worker"] for o in told),
        budget=budget,
        used={account: [used[account][window] for window in windows] for account in accounts},
        breaches=(await rig.control("violations"))["counts"],
        refused_without_wait=sum("would have waited" not in hint for hint in hints),
        replies_ms=[outcome["latency_ms"]["venue"] for outcome in told if outcome["attempts"]],
    )
