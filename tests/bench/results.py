"""What each part measured, as tables: pure functions of the JSON."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from tests.bench.tables import Table

Result = Mapping[str, Any]
RANKS = ("p50", "p99", "p99_9")


def all_of(document: Result) -> Iterator[Table]:
    """Yield the tables of the parts that were measured."""
    for part, makers in MAKERS.items():
        if part in document:
            yield from (make(document[part]) for make in makers)


def saturation(result: Result) -> Table:
    ratios = {(row["contender"], row["accounts"]): row["beeline_over_it"] for row in result["cpu_ratios"]}
    groups: dict[tuple[int, str], list[Result]] = {}
    for row in result["rounds"]:
        groups.setdefault((row["accounts"], row["contender"]), []).append(row)
    rows = [
        _saturation_row(name, accounts, own, ratios.get((name, accounts)))
        for (accounts, name), own in sorted(groups.items(), key=lambda item: item[0][0])
    ]
    columns = (
        "process at saturation",
        "accounts",
        "best CPU µs/order",
        "median",
        "worst",
        "Beeline / it",
        "best orders/s",
        "cores used",
        "RSS MB",
        "broker µs/order",
        "venue µs/order",
    )
    return Table(name="saturation", title="One process at saturation", columns=columns, rows=rows)


def _saturation_row(name: str, accounts: int, own: Sequence[Result], ratio: float | None) -> Sequence[str]:
    ranked = sorted(own, key=lambda row: float(row["cpu_us_per_order"]))
    best, costs = ranked[0], [row["cpu_us_per_order"] for row in ranked]
    shared = best["shared_us_per_order"]
    return (
        name,
        f"{accounts:,}",
        f"{costs[0]:.0f}",
        f"{costs[len(costs) // 2]:.0f}",
        f"{costs[-1]:.0f}",
        "" if ratio is None else f"{ratio:.2f}",
        f"{max(row['orders_per_s'] for row in own):,.0f}",
        f"{best['cores_used']:.2f}",
        f"{max(row['rss_mb'] for row in own):.0f}",
        _whole(shared.get("broker")),
        _whole(shared.get("venue")),
    )


def _whole(value: float | None) -> str:
    return "" if value is None else f"{value:.0f}"


def latency(result: Result) -> Table:
    rows = [
        (
            row["contender"],
            f"{row['load']:.0%}",
            f"{row['signals_per_s']:,.0f}",
            f"{row['signals']:,}",
            *(f"{row['wire_ms'][rank]:.1f}" for rank in RANKS),
            *(f"{row['answer_ms'][rank]:.1f}" for rank in RANKS),
            *(f"{row['producer_late_ms'][rank]:.1f}" for rank in ("p50", "p99")),
            f"{row['cpu_us_per_order']:.0f}",
        )
        for row in result["loads"]
    ]
    columns = (
        "added latency, ms",
        "load",
        "signals/s",
        "signals",
        "on the wire p50",
        "p99",
        "p99.9",
        "answered p50",
        "p99",
        "p99.9",
        "producer late p50",
        "p99",
        "CPU µs/order",
    )
    return Table(name="latency", title="Added latency", columns=columns, rows=rows)


def memory(result: Result) -> Table:
    samples = result["samples"]
    settled = next(sample for sample in samples if sample[0] >= result["settled_after"])
    rows = (
        (f"RSS after {settled[0]:,} signals", f"{settled[1]:.1f} MB"),
        (f"RSS after {samples[-1][0]:,} signals", f"{samples[-1][1]:.1f} MB"),
        ("growth in between", f"{result['growth_mb']:.2f} MB"),
        ("growth per 1,000 signals", f"{result['growth_mb_per_1000']:.4f} MB"),
        ("each remembered outcome", f"{result['remembered_outcome_bytes']:,} bytes"),
    )
    return Table(name="memory", title="Memory of one worker", columns=("memory of one worker", ""), rows=rows)


def micro(result: Mapping[str, float]) -> Table:
    rows = [(name, f"{value:.1f}") for name, value in result.items()]
    return Table(name="micro", title="Single steps", columns=("single step", "µs"), rows=rows)


def growth(result: Result) -> Table:
    rows = [
        (
            f"{row['work']['accounts']:,} accounts, {row['shards']} shards",
            f"{row['ready_s']:.1f}",
            f"{row['first_order_s']:.1f}",
            f"{row['start_cpu_s']:.1f}",
            f"{row['rest_core_share']:.1%}",
            f"{row['rest_rss_mb']:.0f}",
            f"{row['work']['cpu_us_per_order']:.0f}",
            f"{row['work']['orders_per_s']:,.0f}",
            f"{row['work']['rss_mb']:.0f}",
        )
        for row in result["rows"]
    ]
    columns = (
        "one worker",
        "consumes after s",
        "first order after s",
        "CPU s until then",
        "of a core at rest",
        "RSS MB at rest",
        "CPU µs/order",
        "orders/s",
        "RSS MB at work",
    )
    return Table(name="growth", title="Start, rest and work of one worker", columns=columns, rows=rows)


def workers(result: Result) -> Table:
    rows = [
        (
            str(row["workers"]),
            f"{row['orders_per_s']:,.0f}",
            f"{row['cpu_us_per_order']:.0f}",
            f"{row['cores_used']:.2f}",
            f"{row['rss_mb']:.0f}",
            *(_whole(row["shared_us_per_order"].get(name)) for name in ("broker", "venue")),
        )
        for row in result["workers"]
    ]
    columns = (
        f"workers on {result['broker']}",
        "orders/s",
        "CPU µs/order",
        "cores used",
        "RSS MB",
        "broker µs/order",
        "venue µs/order",
    )
    return Table(name="workers", title="Several workers", columns=columns, rows=rows)


def hand_over(result: Result) -> Table:
    rows = [
        (
            row["how"],
            f"{row['signals_per_s']:.0f}",
            f"{row['gone_after_ms']:,.0f}",
            f"{row['longest_gap_before_ms']:,.0f}",
            f"{row['longest_gap_ms']:,.0f}",
            *(f"{row['answer_ms'][rank]:,.0f}" for rank in ("p50", "p99", "longest")),
            f"{row['late_signals']:,} of {row['signals']:,}",
        )
        for row in result["hand_over"]
    ]
    columns = (
        "one of two workers ends",
        "signals/s",
        "gone after ms",
        "longest gap of a shard before, ms",
        "and over the hand-over, ms",
        "answered p50 ms",
        "p99 ms",
        "longest ms",
        "later than 1 s",
    )
    return Table(name="hand-over", title="Hand-over", columns=columns, rows=rows)


MAKERS: Mapping[str, Sequence[Callable[[Any], Table]]] = {
    "saturation": (saturation,),
    "latency": (latency,),
    "growth": (growth,),
    "pool": (workers, hand_over),
    "memory": (memory,),
    "micro": (micro,),
}
