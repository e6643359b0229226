"""Plays one seed, and tells what came of it."""

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from typing import Any, Final

import structlog

from tests.simulation.checker import judge
from tests.simulation.loop import PROCESS, run_simulated
from tests.simulation.scenario import draw_scenario
from tests.simulation.stage import Record
from tests.simulation.world import World
from worker.core.outcome import client_order_id

HORIZON_S: Final = 4_000.0
_SIGNAL: Final = re.compile(r"^(s-\d+) of (\S+) ")
_ORDER: Final = re.compile(r"^(b[a-z2-7]{26}) of (\S+) ")
_ALWAYS: Final = ("***", "started", "ended", "thawed", "faults end", "active on", "accident")


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One seed's end."""

    seed: int
    problems: tuple[str, ...]
    counts: Counter[str]
    trace: tuple[str, ...] = field(repr=False)
    digest: int = 0


def play(seed: int, *, is_verbose: bool = False) -> Result:
    """Play a seed; its trace is kept when it failed or when it was asked for."""
    scenario = draw_scenario(seed)
    worlds: list[World] = []

    async def main() -> Record:
        worlds.append(World(scenario))
        return await worlds[0].run()

    with _logs_in_trace(worlds, is_verbose=is_verbose):
        record = run_simulated(main, horizon_s=HORIZON_S)
    problems = tuple(dict.fromkeys(judge(record)))
    lines = tuple(f"{at_s:10.4f} {who:<6} {text}" for at_s, who, text in record.trace)
    counts = record.counts + _tally(record)
    keeps_trace = is_verbose or bool(problems)
    return Result(
        seed=seed,
        problems=problems,
        counts=counts,
        trace=lines if keeps_trace else (),
        digest=_digest(lines),
    )


def _digest(lines: tuple[str, ...]) -> int:
    total = 0
    for line in lines:
        for byte in line.encode():
            total = (total * 257 + byte) % (2**61 - 1)
    return total


def _tally(record: Record) -> Counter[str]:
    counts = Counter({"signals": len(record.published), "orders": len(record.orders)})
    counts["virtual seconds"] = int(record.ended_s)
    counts["look-ups"] = sum(outcome["lookups"] for outcome in record.outcomes)
    for outcome in record.outcomes:
        counts[f"outcome: {outcome['status']}"] += 1
    return counts


def show(result: Result) -> str:
    """Return the part of the trace that concerns what went wrong first."""
    words = set(_ALWAYS)
    for problem in result.problems[:3]:
        found = _SIGNAL.match(problem) or _ORDER.match(problem)
        if found:
            name, account = found[1], found[2]
            words |= {name, client_order_id(account, name)} if name.startswith("s-") else {name}
    return "\n".join(line for line in result.trace if any(word in line for word in words))


def scenario_text(seed: int) -> str:
    """Return a scenario for people."""
    scenario = draw_scenario(seed)
    return "\n".join(f"{item.name}: {getattr(scenario, item.name)}" for item in fields(scenario))


@contextmanager
def _logs_in_trace(worlds: list[World], *, is_verbose: bool) -> Iterator[None]:
    """Send the workers' logs to the trace, and nowhere else."""

    def keep(_: object, method: str, event: Any) -> Any:
        if worlds:
            details = {name: value for name, value in event.items() if name not in {"event", "exc_info"}}
            worlds[0].stage.note(f"[{method}] {event['event']} {details}", PROCESS.get())
        if event.get("exc_info"):
            event = structlog.processors.format_exc_info(None, method, event)
            worlds[0].stage.note(event["exception"], PROCESS.get())
        raise structlog.DropEvent

    before = structlog.get_config()
    level = 0 if is_verbose else 40
    structlog.configure(
        processors=[keep],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=False,
    )
    try:
        yield
    finally:
        structlog.configure(**before)
