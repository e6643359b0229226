"""What a run says in the end: a description of the machine, tables, a JSON file."""

import importlib.metadata
import os
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import psutil
from rich.console import Console

from tests.bench import predictions, results, tables, targets

LIBRARIES = (
    "aio-pika",
    "aiormq",
    "aiohttp",
    "ccxt",
    "orjson",
    "pydantic",
    "python-binance",
    "structlog",
    "uvloop",
)


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


def save(document: Mapping[str, Any], folder: Path) -> Path:
    """Write the results beside those of earlier runs, and once more as the latest."""
    text = orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS)
    stamp = str(document["machine"]["at"]).replace(":", "").replace("+0000", "Z")
    path = folder / f"bench-{stamp}.json"
    path.write_bytes(text)
    (folder / "latest.json").write_bytes(text)
    return path


def show(document: Mapping[str, Any], console: Console) -> None:
    """Print the tables."""
    console.print(f"\n{tables.machine_line(document['machine'])}", highlight=False)
    for table in [*results.all_of(document), *predictions.tables(document), targets.table(document)]:
        console.print(tables.for_terminal(table))
    parts = ", ".join(f"{part} {seconds:.0f} s" for part, seconds in document["seconds"].items())
    console.print(f"\ntook {sum(document['seconds'].values()):.0f} s: {parts}", highlight=False)
