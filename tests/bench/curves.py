"""Points of curves, read from what was measured: pure functions of the JSON."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Point = tuple[float, float]


def cost_by_accounts(document: Mapping[str, Any], contender: str) -> Sequence[Point]:
    """CPU of a signal, µs, by accounts: the best rounds, and Beeline's with more accounts than those had."""
    saturation = document.get("saturation", {"rounds": []})
    rows = [row for row in saturation["rounds"] if row["contender"] == contender]
    if contender == "beeline":
        known = {row["accounts"] for row in rows}
        shards = document.get("growth", {}).get("shards")
        grown = (row["work"] for row in _grown(document) if row["shards"] == shards)
        rows += [work for work in grown if work["accounts"] not in known]
    return _best((row["accounts"], row["cpu_us_per_order"]) for row in rows)


def cost_by_shards(document: Mapping[str, Any]) -> Sequence[Point]:
    """CPU of a signal, µs, by shards, with the same accounts."""
    growth = document.get("growth")
    if growth is None:
        return ()
    accounts = growth["shards_accounts"]
    points = [
        (row["shards"], row["work"]["cpu_us_per_order"])
        for row in growth["rows"]
        if row["work"]["accounts"] == accounts
    ]
    points += [
        (growth["shards"], cost_us)
        for count, cost_us in cost_by_accounts(document, "beeline")
        if count == accounts
    ]
    return _best(points)


def rest_by_accounts(document: Mapping[str, Any]) -> Sequence[Point]:
    """CPU at rest, percent of a core, by accounts."""
    shards = document.get("growth", {}).get("shards")
    return _best(
        (row["work"]["accounts"], 100 * row["rest_core_share"])
        for row in _grown(document)
        if row["shards"] == shards
    )


def _grown(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return list(document.get("growth", {}).get("rows", ()))


def _best(points: Iterable[Point]) -> Sequence[Point]:
    """The lowest point of each number, in order: what else ran on the machine only ever adds."""
    lowest: dict[float, float] = {}
    for x, y in points:
        lowest[x] = min(y, lowest.get(x, y))
    return sorted(lowest.items())
