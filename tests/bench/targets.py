"""What was aimed at, what was measured, and whether it is met: pure functions of the JSON."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.bench.curves import cost_by_accounts, cost_by_shards
from tests.bench.tables import Table

Document = Mapping[str, Any]

FLAT = 1.25
"""How much dearer a signal may become with more accounts or shards and count as flat: rounds differ by a tenth."""
GROWTH_MB = 1.0
"""What counts as no growth of memory over a whole run: one percent of a worker's memory."""
REST_SHARE = 0.01
LONGEST_BENCH_S = 480.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One aim: a figure that must not be larger than its bound, or not smaller."""

    name: str
    bound: float
    unit: str
    measured: Callable[[Document], float]
    at_least: bool = False
    digits: int = 2

    def is_met(self, value: float) -> bool:
        return value >= self.bound if self.at_least else value <= self.bound


def _ratio(document: Document, contender: str, accounts: int) -> float:
    rows = document["saturation"]["cpu_ratios"]
    return next(
        float(row["beeline_over_it"])
        for row in rows
        if (row["contender"], row["accounts"]) == (contender, accounts)
    )


def _at_half_load(document: Document, rank: str) -> float:
    rows = document["latency"]["loads"]
    row = next(row for row in rows if (row["contender"], row["load"]) == ("beeline", 0.5))
    return float(row["wire_ms"][rank])


def _rise(points: Sequence[tuple[float, float]]) -> float:
    """The most that a signal costs over what it cost with fewer: 1 when it only ever becomes cheaper."""
    costs = [cost for _, cost in points]
    return max(later / min(costs[: number + 1]) for number, later in enumerate(costs))


def _rest(document: Document) -> float:
    rows = document["growth"]["rows"]
    return float(max(rows, key=lambda row: int(row["work"]["accounts"]))["rest_core_share"])


TARGETS = (
    Target(
        name="CPU of a signal, over the naive loop's",
        bound=0.8,
        unit="x",
        measured=lambda document: _ratio(document, "naive", document["saturation"]["compared_at"]),
    ),
    Target(
        name="the same with 1,000 accounts",
        bound=1.0,
        unit="x",
        measured=lambda document: _ratio(document, "naive", 1_000),
    ),
    Target(
        name="orders per CPU second, over the ccxt loop's",
        bound=2.0,
        unit="x",
        at_least=True,
        measured=lambda document: 1 / _ratio(document, "ccxt", document["saturation"]["compared_at"]),
    ),
    Target(
        name="added latency at half load, median, order on the wire",
        bound=3.0,
        unit=" ms",
        measured=lambda document: _at_half_load(document, "p50"),
    ),
    Target(
        name="added latency at half load, p99, order on the wire",
        bound=15.0,
        unit=" ms",
        measured=lambda document: _at_half_load(document, "p99"),
    ),
    Target(
        name="sign",
        bound=5.0,
        unit=" µs",
        measured=lambda document: float(document["micro"]["sign (encode + HMAC)"]),
    ),
    Target(
        name="growth of memory over the long round (0, which is to say at most)",
        bound=GROWTH_MB,
        unit=" MB",
        measured=lambda document: float(document["memory"]["growth_mb"]),
    ),
    Target(
        name="a signal with more accounts, up to 10,000, over one with fewer",
        bound=FLAT,
        unit="x",
        measured=lambda document: _rise(cost_by_accounts(document, "beeline")),
    ),
    Target(
        name="a signal with more shards, up to 64, over one with fewer",
        bound=FLAT,
        unit="x",
        measured=lambda document: _rise(cost_by_shards(document)),
    ),
    Target(
        name="a worker with the most accounts, at rest",
        bound=REST_SHARE,
        unit=" of a core",
        digits=3,
        measured=_rest,
    ),
    Target(
        name="the whole bench",
        bound=LONGEST_BENCH_S,
        unit=" s",
        digits=0,
        measured=lambda document: float(sum(document["seconds"].values())),
    ),
)


def rows(document: Document) -> list[tuple[str, str, str, str]]:
    """Target, bound, what was measured, and the verdict; what was not measured says so."""
    return [_row(document, target) for target in TARGETS]


def _row(document: Document, target: Target) -> tuple[str, str, str, str]:
    bound = f"{'≥' if target.at_least else '≤'} {target.bound:g}{target.unit}"
    try:
        value = target.measured(document)
    except (KeyError, StopIteration, ValueError):
        return target.name, bound, "", "not measured"
    verdict = "met" if target.is_met(value) else "missed"
    return target.name, bound, f"{value:.{target.digits}f}{target.unit}", verdict


def table(document: Document) -> Table:
    return Table(
        name="targets",
        title="Targets",
        columns=("target", "aim", "measured", "verdict"),
        rows=rows(document),
    )
