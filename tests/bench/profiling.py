"""One worker under a profiler that samples CPU time: which functions and which packages an order's time goes to."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

import orjson
from rich.console import Console

from tests.bench.bench import Bench
from tests.bench.rounds import load_of, play
from tests.bench.stage import beeline

LINES = 45


async def profile(bench: Bench, console: Console) -> None:
    """Write where the time of a round went, start and end of the worker included."""
    raw, readable = bench.output / "profile.json", bench.output / "profile.txt"
    accounts = bench.scale.compared_at
    python = ("-m", "tests.bench.profiled", str(raw.resolve()))
    contender = beeline(bench.stage, "profile", accounts, python=python)
    load = load_of(bench.scale.signals, accounts, bench.scale.warm_up)
    result = await play(bench.stage, contender, load, bench.line("profile"))
    document = orjson.loads(raw.read_bytes())
    readable.write_text(_text(document, result.cpu_us_per_order), encoding="utf-8")
    console.print(
        f"{result.cpu_us_per_order:.0f} µs/order under the profiler, {document['samples']:,} samples"
    )
    console.print(f"by package and function in {readable}, all functions in {raw}", highlight=False)


def _text(document: Mapping[str, Any], cost_us: float) -> str:
    total, functions = document["samples"], document["functions"]
    packages: Counter[str] = Counter()
    for row in functions:
        packages[package_of(row["file"])] += row["own"]
    lines = [f"{cost_us:.0f} µs of CPU an order under the profiler, {total:,} samples", "", "own  package"]
    lines += [f"{own / total:5.1%}  {name}" for name, own in packages.most_common() if own]
    for title, order in (("own time", "own"), ("own time and all it called", "within")):
        lines += ["", f"functions by {title}", "  own  within  function", *_ranked(functions, order, total)]
    return "\n".join(lines) + "\n"


def _ranked(functions: Sequence[Mapping[str, Any]], order: str, total: int) -> list[str]:
    ranked = sorted(functions, key=lambda row: int(row[order]), reverse=True)[:LINES]
    return [
        f"{row['own'] / total:5.1%}  {row['within'] / total:6.1%}  "
        f"{package_of(row['file'])}/{PurePath(row['file']).name}:{row['line']} {row['name']}"
        for row in ranked
    ]


def package_of(file: str) -> str:
    """Name the package of a file: an installed one, one of our own, or the standard library's."""
    parts = PurePath(file).parts
    if "site-packages" in parts:
        return parts[parts.index("site-packages") + 1].removesuffix(".py")
    for own in ("worker", "adapters"):
        if own in parts:
            return own
    return "asyncio" if "asyncio" in parts else "python"
