"""Play seeds: `python -m tests.simulation --seeds 200`, or one of them in full: `--seed 7`."""

import argparse
import multiprocessing
import sys
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from itertools import islice

from tests.simulation.run import Result, play, scenario_text, show
from tests.simulation.scenario import FUTURES_FROM

PROCESSES = 2


def main() -> int:
    """Return 0 when every seed kept the promise."""
    options = _options()
    if options.seed is not None:
        return _one(options.seed)
    first = FUTURES_FROM + options.first if options.futures else options.first
    seeds = range(first, first + options.seeds)
    began_s = time.monotonic()
    totals: Counter[str] = Counter()
    failed: list[Result] = []
    for done, result in enumerate(_play_all(seeds, options.processes), start=1):
        totals += result.counts
        if result.problems:
            failed.append(result)
            _report(result)
        if done % 50 == 0 or done == len(seeds):
            rate = done / (time.monotonic() - began_s)
            _progress(f"{done} of {len(seeds)} seeds, {len(failed)} failed, {rate:.1f} a second")
    print(_table(totals, len(seeds), len(failed), time.monotonic() - began_s))
    return 1 if failed else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=200, help="how many seeds to play")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument(
        "--futures", action="store_true", help="play at futures instead of spot; --first counts from there"
    )
    parser.add_argument("--seed", type=int, help="play this one and show what happened")
    parser.add_argument("--processes", type=int, default=PROCESSES, help="how many to play at a time")
    return parser.parse_args()


def _play_all(seeds: range, processes: int) -> Iterator[Result]:
    if processes <= 1:
        yield from map(play, seeds)
        return
    with multiprocessing.get_context("spawn").Pool(processes, maxtasksperchild=500) as pool:
        yield from pool.imap_unordered(play, seeds, chunksize=5)


def _one(seed: int) -> int:
    print(scenario_text(seed))
    result = play(seed, is_verbose=True)
    print("\n".join(result.trace))
    _report(result)
    return 1 if result.problems else 0


def _report(result: Result) -> None:
    if not result.problems:
        print(f"seed {result.seed}: the promise was kept")
        return
    print(f"\nseed {result.seed} FAILED; replay: python -m tests.simulation --seed {result.seed}")
    for problem in islice(result.problems, 10):
        print(f"  - {problem}")
    print(show(result), flush=True)


def _progress(text: str) -> None:
    end = "\r" if sys.stderr.isatty() else "\n"
    print(text, end=end, file=sys.stderr, flush=True)


def _table(totals: Counter[str], seeds: int, failed: int, seconds: float) -> str:
    rows = [f"{name:<44}{count:>10,}" for name, count in sorted(totals.items())]
    line = partial("{:<44}{:>10,}".format)
    head = [line("seeds", seeds), line("failed", failed), f"{'seconds':<44}{seconds:>10.1f}"]
    return "\n".join(["", *head, "-" * 54, *rows])


if __name__ == "__main__":
    sys.exit(main())
