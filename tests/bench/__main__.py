"""`make bench`: what an order costs one worker, beside a loop written by hand, in one run.

Uses the broker in `BEELINE_AMQP_URL`, or else a private RabbitMQ node that is gone afterwards. Results are printed and
saved as JSON under `build/bench/`. With `--profile` it runs one worker under cProfile instead and writes its top
functions.
"""

import argparse
import asyncio
import os
import pstats
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from io import StringIO
from pathlib import Path

import uvloop
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from tests.bench import micro
from tests.bench.broker import server_version
from tests.bench.report import as_document, describe_machine, save, show
from tests.bench.rounds import (
    Load,
    MemoryCurve,
    Round,
    Stage,
    alternate,
    beeline,
    play,
    stage_at,
    watch_memory,
)
from tests.integration.rabbitmq_node import RabbitNode

MEMORY_S = 5
PROFILE_LINES = 45
LOGS = "logs"


def read_options(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--signals", type=int, default=5_000, help="measured signals of a round")
    parser.add_argument("--warm-up", type=int, default=500, help="signals before that do not count")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of each contender; the best one counts")
    parser.add_argument(
        "--memory", type=int, default=50_000, help="signals of the memory run; 0 leaves it out"
    )
    parser.add_argument("--output", type=Path, default=Path("build/bench"), help="folder for results")
    parser.add_argument("--profile", action="store_true", help="profile one worker instead")
    return parser.parse_args(arguments)


@contextmanager
def broker() -> Iterator[str]:
    """The broker that was given, or a private node."""
    given = os.environ.get("BEELINE_AMQP_URL")
    if given:
        yield given
    else:
        with RabbitNode() as node:
            yield node.url


class Display:
    """The progress of a run, one line for each stretch of work."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._lines: dict[str, TaskID] = {}

    def tell(self, name: str, what: str, done: int, total: int) -> None:
        if name not in self._lines:
            self._lines[name] = self._progress.add_task(name, total=total)
        finished = what == "finishing" and done >= total
        label = name if finished else f"{name} ({what})"
        self._progress.update(self._lines[name], completed=done, total=total, description=label)

    def line(self, name: str) -> Callable[[str, int, int], None]:
        return partial(self.tell, name)


async def run(options: argparse.Namespace, amqp_url: str, console: Console) -> None:
    load = Load(warm_up=options.warm_up, measured=options.signals, tail=max(20, options.signals // 25))
    machine = describe_machine(await server_version(amqp_url))
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as bar:
        display = Display(bar)
        async with stage_at(amqp_url, options.output / LOGS) as stage:
            if options.profile:
                await profile(stage, load, options.output, display, console)
                return
            rounds = await alternate(stage, load, options.rounds, display.line)
            curve = await _memory(stage, options.memory, display)
        document = _finish(machine, rounds, curve)
    show(document, console)
    console.print(f"\nsaved to {save(document, options.output)}", highlight=False)


async def _memory(stage: Stage, total: int, display: Display) -> MemoryCurve | None:
    if not total:
        return None
    contender = beeline(stage, "memory", memory_s=MEMORY_S)
    return await watch_memory(stage, contender, total=total, on_progress=display.line("memory"))


def _finish(machine: dict[str, object], rounds: list[Round], curve: MemoryCurve | None) -> dict[str, object]:
    steps = {name: micro.microseconds(step) for name, step in micro.steps().items()}
    return as_document(machine, rounds, curve, steps, micro.remembered_outcome_bytes())


async def profile(stage: Stage, load: Load, output: Path, display: Display, console: Console) -> None:
    """Run one worker under cProfile; its figures are distorted, the order of its functions is what counts."""
    raw = output / "profile.pstats"
    contender = beeline(stage, "profile", python=("-m", "cProfile", "-o", str(raw.resolve())))
    result = await play(stage, contender, load, display.line("profile"))
    text = StringIO()
    for order in ("tottime", "cumtime"):
        pstats.Stats(str(raw), stream=text).sort_stats(order).print_stats(PROFILE_LINES)
    (output / "profile.txt").write_text(text.getvalue(), encoding="utf-8")
    console.print(f"{result.cpu_us_per_order:.0f} µs/order under the profiler")
    console.print(f"top functions in {output / 'profile.txt'}, all of them in {raw}", highlight=False)


def main() -> int:
    options = read_options()
    (options.output / LOGS).mkdir(parents=True, exist_ok=True)
    console = Console()
    try:
        with broker() as amqp_url, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(run(options, amqp_url, console))
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
