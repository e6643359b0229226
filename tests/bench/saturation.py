"""One process at saturation: CPU per order of Beeline and of the loops, for few accounts and for many."""

from collections.abc import Callable, Iterator
from typing import Any

from tests.bench.bench import Bench, Scale
from tests.bench.rounds import Round, load_of, of, play
from tests.bench.stage import Contender, Stage, beeline, ccxt, naive, python_binance

Maker = Callable[[Stage, str, int], Contender]

PEERS: tuple[Maker, ...] = (naive, beeline)
ALL: tuple[Maker, ...] = (naive, beeline, ccxt, python_binance)


async def measure(bench: Bench) -> dict[str, Any]:
    """Play the contenders in turn, so that whatever else the machine does falls on all."""
    scale, played = bench.scale, []
    for number, accounts, make in schedule(scale):
        contender = make(bench.stage, f"{accounts}-{number}", accounts)
        line = bench.line(f"{contender.name}, {accounts:,} accounts, {number}/{scale.rounds[accounts]}")
        load = load_of(scale.signals, accounts, scale.warm_up)
        played.append(await play(bench.stage, contender, load, line))
    return as_result(played, scale.compared_at)


def schedule(scale: Scale) -> Iterator[tuple[int, int, Maker]]:
    """Yield round, accounts and contender, in the order of play."""
    for number in range(1, max(scale.rounds.values()) + 1):
        for accounts, rounds in scale.rounds.items():
            if number <= rounds:
                for make in ALL if accounts == scale.compared_at else PEERS:
                    yield number, accounts, make


def as_result(played: list[Round], compared_at: int) -> dict[str, Any]:
    """All rounds as JSON values, and the ratios of the best ones."""
    beeline_us = {
        accounts: of(played, "beeline", accounts)[0].cpu_us_per_order
        for accounts in sorted({each.accounts for each in played})
    }
    ratios = [
        {
            "contender": name,
            "accounts": accounts,
            "beeline_over_it": round(cost_us / own[0].cpu_us_per_order, 3),
        }
        for name in dict.fromkeys(each.contender for each in played)
        if name != "beeline"
        for accounts, cost_us in beeline_us.items()
        if (own := of(played, name, accounts))
    ]
    return {
        "compared_at": compared_at,
        "rounds": [as_row(each) for each in played],
        "cpu_ratios": ratios,
    }


def as_row(played: Round) -> dict[str, Any]:
    return {
        "contender": played.contender,
        "accounts": played.accounts,
        "orders": played.orders,
        "orders_per_s": round(played.orders_per_s, 1),
        "cpu_us_per_order": round(played.cpu_us_per_order, 1),
        "cores_used": round(played.cpu_s / played.seconds, 2),
        "rss_mb": round(played.rss_mb, 1),
        "shared_us_per_order": {
            name: round(spent / played.orders * 1e6, 1) for name, spent in played.shared_cpu_s.items()
        },
    }
