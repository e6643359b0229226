"""`make limits`: floods a pool, refuses it, restarts it, and says what the venue counted.

Exit code 1 when the pool went beyond a limit, wasted more than 5 % of one, or did not stay away when it was told to.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
from pathlib import Path

from tests.integration.rabbitmq_node import RabbitNode
from tests.integration.rig import Rig
from tests.limits.flood import Figures, Plan, flood
from tests.limits.refusal import Heard, refuse_once

RETRY_AFTER_S = 5
LEAST_SHARE = 0.95


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.limits", description=__doc__)
    for name, default in (("accounts", 8), ("workers", 4), ("budget", 50), ("windows", 6)):
        parser.add_argument(f"--{name}", type=int, default=default, help=f"default {default}")
    parser.add_argument("--only", choices=["flood", "refusal"], help="leave the other out")
    parser.add_argument(
        "--release",
        metavar="DEBIAN",
        help="take the broker from this Debian release, as root: `trixie` has a RabbitMQ 4, which spreads the accounts "
        "over all workers; 3.x leaves them to the first",
    )
    parser.add_argument("--factor", type=float, default=3.0, help="how many times the budget; default 3")
    given = parser.parse_args()
    accounts = tuple(f"flood-{number}" for number in range(given.accounts))
    plan = Plan(
        accounts=accounts,
        workers=given.workers,
        budget=given.budget,
        windows=given.windows,
        factor=given.factor,
    )
    with RabbitNode(release=given.release) as node:
        print(f"RabbitMQ {node.ctl('version').strip()}")
        return asyncio.run(_run(node, plan, given.only))


async def _run(node: RabbitNode, plan: Plan, only: str | None) -> int:
    problems: list[str] = []
    if only != "refusal":
        async with _rig(node, plan.accounts) as rig:
            problems += _tell_flood(await flood(rig, plan))
    for restarts in () if only == "flood" else (False, True):
        async with _rig(node, plan.accounts) as rig:
            heard = await refuse_once(
                rig, plan.accounts, retry_after_s=RETRY_AFTER_S, workers=plan.workers, restarts=restarts
            )
            problems += _tell_refusal(heard, restarts=restarts)
    for problem in problems:
        print(f"NOT SO: {problem}")
    return 1 if problems else 0


def _rig(node: RabbitNode, accounts: tuple[str, ...]) -> Rig:
    return Rig(node.new_vhost(), Path(tempfile.mkdtemp(prefix="beeline-limits-")), accounts=accounts)


def _tell_flood(figures: Figures) -> list[str]:
    shares = figures.shares
    print(f"flood: {figures.signals} signals, outcomes {dict(figures.outcomes)}")
    print(f"  answered by: {dict(figures.workers)}")
    print(f"  breaches counted by the venue: {dict(figures.breaches) or 'none'}")
    mean_ms, most_ms = statistics.mean(figures.replies_ms), max(figures.replies_ms)
    print(f"  its replies took {mean_ms:.0f} ms on average, {most_ms:.0f} ms at most")
    print(
        f"  used of {figures.budget} per window, account and whole window: least {min(shares):.1%}, "
        f"mean {statistics.mean(shares):.1%}, most {max(shares):.1%} ({len(shares)} windows)"
    )
    return [
        text
        for applies, text in (
            (bool(figures.breaches), "nothing went beyond a limit"),
            (min(shares) < LEAST_SHARE, f"each budget is used to at least {LEAST_SHARE:.0%}"),
            (max(shares) > 1, "no budget is used beyond 100 %"),
            (figures.outcomes["rejected rate_limited"] == 0, "the excess is answered rate_limited"),
            (figures.refused_without_wait > 0, "every rate_limited names its wait"),
        )
        if applies
    ]


def _tell_refusal(heard: Heard, *, restarts: bool) -> list[str]:
    print(
        f"one 429, Retry-After {RETRY_AFTER_S}{', every worker killed and started again' if restarts else ''}:"
    )
    print(f"  the next request reached the venue after {heard.silent_s:.2f} s")
    print(f"  breaches: {dict(heard.breaches) or 'none'}; outcomes {dict(heard.statuses)}")
    print(f"  answered by: {dict(heard.workers)}")
    print(f"  {heard.signals} signals, {heard.orders} orders")
    return [
        text
        for applies, text in (
            (bool(heard.breaches), "no request came while the pool was told to wait"),
            (heard.silent_s < RETRY_AFTER_S, "the pool stayed away for the time it was told"),
            (heard.orders > heard.signals, "no signal made two orders"),
        )
        if applies
    ]


if __name__ == "__main__":
    sys.exit(main())
