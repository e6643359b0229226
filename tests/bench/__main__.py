"""`make bench`: what an order costs a worker, beside loops written by hand and with libraries, in one run.

Uses the broker in `BEELINE_AMQP_URL`, or else a private RabbitMQ node that is gone afterwards. Results are printed and
saved as JSON under `build/bench/`. With `--profile` it samples where the CPU time of one worker
goes instead.
"""

import argparse
import asyncio
import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

import orjson
import psutil
import uvloop
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tests.bench import docs, growth, latency, memory, micro, pool, saturation
from tests.bench.bench import FULL, SHORT, Bench, Display, Scale
from tests.bench.broker import server_version
from tests.bench.profiling import profile
from tests.bench.report import describe_machine, save, show
from tests.bench.stage import stage_at
from tests.integration.rabbitmq_node import RabbitNode

LOGS = "logs"
WIDTH = 170
PARTS = {
    "saturation": saturation.measure,
    "latency": latency.measure,
    "growth": growth.measure,
    "pool": pool.measure,
    "memory": memory.measure,
    "micro": micro.measure,
}


def read_options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--only", type=_parts, default=list(PARTS), metavar="PART,…", help=", ".join(PARTS))
    parser.add_argument("--short", action="store_true", help="a form that shows that everything runs")
    parser.add_argument("--signals", type=int, help="measured signals of a round")
    parser.add_argument("--rounds", type=int, help="rounds of each contender; the best one counts")
    parser.add_argument("--accounts", type=_counts, metavar="N,…", help="numbers of accounts to measure with")
    parser.add_argument("--output", type=Path, default=Path("build/bench"), help="folder for results")
    parser.add_argument(
        "--from", type=Path, dest="saved", help="results of an earlier run; nothing is measured"
    )
    parser.add_argument("--write-docs", action="store_true", help="put results into the documents")
    parser.add_argument("--docs", type=Path, default=Path("docs"), help="folder of the documents")
    parser.add_argument("--profile", action="store_true", help="profile one worker instead")
    return parser.parse_args(arguments)


def _parts(text: str) -> list[str]:
    chosen = text.split(",")
    unknown = set(chosen) - set(PARTS)
    if unknown:
        raise argparse.ArgumentTypeError(f"no such part: {', '.join(unknown)}; there are {', '.join(PARTS)}")
    return [name for name in PARTS if name in chosen]


def _counts(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in text.split(","))


def scale_of(options: argparse.Namespace) -> Scale:
    """The sizes of the full or the short form, with what was asked for otherwise."""
    scale = SHORT if options.short else FULL
    rounds = {
        accounts: options.rounds or scale.rounds.get(accounts, 1)
        for accounts in options.accounts or scale.rounds
    }
    return replace(scale, rounds=rounds, signals=options.signals or scale.signals)


@contextmanager
def broker() -> Iterator[tuple[str, psutil.Process | None]]:
    """The broker that was given, or a private node with its process."""
    given = os.environ.get("BEELINE_AMQP_URL")
    if given:
        yield given, None
    else:
        with RabbitNode() as node:
            yield node.url, psutil.Process(node.pid)


async def run(
    options: argparse.Namespace, amqp_url: str, process: psutil.Process | None, console: Console
) -> None:
    scale, logs = scale_of(options), options.output / LOGS
    document: dict[str, Any] = {"machine": describe_machine(await server_version(amqp_url)), "seconds": {}}
    accounts = scale.most_accounts(options.only)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as bar:
        async with stage_at(amqp_url, process, accounts=accounts, logs=logs) as stage:
            bench = Bench(scale=scale, stage=stage, output=options.output, line=Display(bar).line)
            if options.profile:
                await profile(bench, console)
                return
            for part in options.only:
                began_s = time.monotonic()
                document[part] = await PARTS[part](bench)
                document["seconds"][part] = round(time.monotonic() - began_s, 1)
                console.print(f"{part} took {document['seconds'][part]:.0f} s", highlight=False)
    tell(document, options, console)
    console.print(f"saved to {save(document, options.output)}", highlight=False)


def tell(document: Mapping[str, Any], options: argparse.Namespace, console: Console) -> None:
    """Print the results, and put them into the documents when that is wanted."""
    show(document, console)
    if options.write_docs:
        for path in docs.write(document, options.docs):
            console.print(f"wrote {path}", highlight=False)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def main() -> int:
    options = read_options()
    (options.output / LOGS).mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, _interrupt)
    console = Console() if sys.stdout.isatty() else Console(width=WIDTH)
    if options.saved:
        tell(orjson.loads(options.saved.read_bytes()), options, console)
        return 0
    try:
        with (
            broker() as (amqp_url, process),
            asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
        ):
            runner.run(run(options, amqp_url, process, console))
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
