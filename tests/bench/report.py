"""What a run says in the end: a description of the machine, a table, a JSON file."""

import importlib.metadata
import os
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import psutil
from rich.console import Console
from rich.table import Table

from tests.bench.rounds import MemoryCurve, Round

LIBRARIES = ("aio-pika", "aiormq", "aiohttp", "uvloop", "orjson", "pydantic", "structlog")


def describe_machine(broker: str) -> dict[str, Any]:
    """Everything that figures depend on and that another reader cannot see."""
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 2**30, 1),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "broker": broker,
        "libraries": {name: importlib.metadata.version(name) for name in LIBRARIES},
        "load_before": round(os.getloadavg()[0], 2),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _cpu_model() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or "unknown"
    names = [line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("model name")]
    return names[0] if names else platform.machine()


def best(rounds: Sequence[Round], contender: str) -> Round | None:
    """The round that cost least: what else ran on the machine only ever adds."""
    own = [played for played in rounds if played.contender == contender]
    return min(own, key=lambda played: played.cpu_us_per_order) if own else None


def ratio(rounds: Sequence[Round]) -> float | None:
    """CPU per order of Beeline over that of the loop written by hand."""
    ours, theirs = best(rounds, "beeline"), best(rounds, "naive")
    return ours.cpu_us_per_order / theirs.cpu_us_per_order if ours and theirs else None


def as_document(
    machine: Mapping[str, Any],
    rounds: Sequence[Round],
    curve: MemoryCurve | None,
    micro: Mapping[str, float],
    remembered_bytes: float | None,
) -> dict[str, Any]:
    """All results as JSON values."""
    return {
        "machine": dict(machine),
        "rounds": [
            {
                "contender": played.contender,
                "orders": played.orders,
                "orders_per_s": round(played.orders_per_s, 1),
                "cpu_us_per_order": round(played.cpu_us_per_order, 1),
                "rss_mb": round(played.rss_mb, 1),
            }
            for played in rounds
        ],
        "cpu_ratio": _rounded(ratio(rounds), 3),
        "memory": curve
        and {
            "samples": [(done, round(rss_mb, 2)) for done, rss_mb in curve.samples],
            "settled_after": curve.settled_after,
            "growth_mb_per_1000": round(curve.growth_mb_per_1000, 4),
        },
        "micro_us": {name: round(value, 2) for name, value in micro.items()},
        "remembered_outcome_bytes": _rounded(remembered_bytes, 0),
    }


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


def save(document: Mapping[str, Any], folder: Path) -> Path:
    """Write the results beside those of earlier runs, and once more as the latest."""
    text = orjson.dumps(document, option=orjson.OPT_INDENT_2)
    stamp = str(document["machine"]["at"]).replace(":", "").replace("+0000", "Z")
    path = folder / f"bench-{stamp}.json"
    path.write_bytes(text)
    (folder / "latest.json").write_bytes(text)
    return path


def show(document: Mapping[str, Any], console: Console) -> None:
    """Print the tables."""
    machine = document["machine"]
    console.print(
        f"\n{machine['cpu']}, {machine['cores']} cores, {machine['memory_gb']} GB, {machine['system']}, "
        f"Python {machine['python']}, {machine['broker']}, load before {machine['load_before']}",
        highlight=False,
    )
    if document["rounds"]:
        console.print(_rounds_table(document))
    if document["memory"]:
        console.print(_memory_table(document))
    if document["micro_us"]:
        console.print(_micro_table(document["micro_us"]))


def _table(title: str, first: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column(first)
    for column in columns:
        table.add_column(column, justify="right")
    return table


def _rounds_table(document: Mapping[str, Any]) -> Table:
    table = _table(
        "One process at saturation",
        "",
        "best CPU µs/order",
        "median",
        "worst",
        "best orders/s",
        "RSS MB",
    )
    for contender in ("naive", "beeline"):
        own = [played for played in document["rounds"] if played["contender"] == contender]
        if own:
            costs = sorted(played["cpu_us_per_order"] for played in own)
            speed = max(played["orders_per_s"] for played in own)
            table.add_row(
                contender,
                f"{costs[0]:.0f}",
                f"{costs[len(costs) // 2]:.0f}",
                f"{costs[-1]:.0f}",
                f"{speed:.0f}",
                f"{max(played['rss_mb'] for played in own):.0f}",
            )
    if document["cpu_ratio"] is not None:
        table.add_section()
        table.add_row("beeline / naive", f"{document['cpu_ratio']:.2f}", "", "", "", "")
    return table


def _memory_table(document: Mapping[str, Any]) -> Table:
    memory = document["memory"]
    samples = memory["samples"]
    settled = next(sample for sample in samples if sample[0] >= memory["settled_after"])
    table = _table("Memory of one worker", "", "")
    table.add_row(f"RSS after {settled[0]:,} signals", f"{settled[1]:.1f} MB")
    table.add_row(f"RSS after {samples[-1][0]:,} signals", f"{samples[-1][1]:.1f} MB")
    table.add_row("growth per 1,000 signals", f"{memory['growth_mb_per_1000']:.3f} MB")
    if document["remembered_outcome_bytes"]:
        table.add_row("each remembered outcome", f"{document['remembered_outcome_bytes']:.0f} bytes")
    return table


def _micro_table(micro: Mapping[str, float]) -> Table:
    table = _table("Single steps", "", "µs")
    for name, value in micro.items():
        table.add_row(name, f"{value:.1f}")
    return table
