"""The results as tables, once for a terminal and for the documents: rows of text, pure functions of the JSON."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.table import Table as RichTable


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A title, names of columns, rows of cells; the first column holds names, the others numbers."""

    part: str
    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


def for_terminal(table: Table) -> RichTable:
    shown = RichTable(title=table.title, title_justify="left", title_style="bold")
    first, *others = table.columns
    shown.add_column(first)
    for column in others:
        shown.add_column(column, justify="right")
    for row in table.rows:
        shown.add_row(*row)
    return shown


def machine_line(machine: Mapping[str, Any]) -> str:
    return (
        f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gb']} GB, {machine['system']}, "
        f"Python {machine['python']}, {machine['broker']}, load {machine['load_before']} before the run"
    )


def all_of(document: Mapping[str, Any]) -> Iterator[Table]:
    """Yield the tables of the parts that were measured."""
    makers = {"saturation": saturation, "latency": latency, "memory": memory, "micro": micro}
    for part, make in makers.items():
        if part in document:
            yield make(document[part])


def saturation(result: Mapping[str, Any]) -> Table:
    ratios = {(row["contender"], row["accounts"]): row["beeline_over_it"] for row in result["cpu_ratios"]}
    groups: dict[tuple[int, str], list[Mapping[str, Any]]] = {}
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
    return Table(part="saturation", title="One process at saturation", columns=columns, rows=rows)


def _saturation_row(
    name: str, accounts: int, own: Sequence[Mapping[str, Any]], ratio: float | None
) -> Sequence[str]:
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


def latency(result: Mapping[str, Any]) -> Table:
    rows = [
        (
            row["contender"],
            f"{row['load']:.0%}",
            f"{row['signals_per_s']:,.0f}",
            f"{row['signals']:,}",
            *(f"{row['wire_ms'][rank]:.1f}" for rank in ("p50", "p99", "p99_9")),
            *(f"{row['answer_ms'][rank]:.1f}" for rank in ("p50", "p99", "p99_9")),
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
    return Table(part="latency", title="Added latency", columns=columns, rows=rows)


def memory(result: Mapping[str, Any]) -> Table:
    samples = result["samples"]
    settled = next(sample for sample in samples if sample[0] >= result["settled_after"])
    rows = (
        (f"RSS after {settled[0]:,} signals", f"{settled[1]:.1f} MB"),
        (f"RSS after {samples[-1][0]:,} signals", f"{samples[-1][1]:.1f} MB"),
        ("growth per 1,000 signals", f"{result['growth_mb_per_1000']:.3f} MB"),
        ("each remembered outcome", f"{result['remembered_outcome_bytes']:,} bytes"),
    )
    return Table(part="memory", title="Memory of one worker", columns=("memory of one worker", ""), rows=rows)


def micro(result: Mapping[str, float]) -> Table:
    rows = [(name, f"{value:.1f}") for name, value in result.items()]
    return Table(part="micro", title="Single steps", columns=("single step", "µs"), rows=rows)
