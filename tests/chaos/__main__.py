"""`make chaos`: breaks a real pool for a while and says whether every signal still ended in one outcome and at
most one order. Exit code 1 when not, with everything needed to find out why."""

import argparse
import asyncio
import logging
import signal
import sys
import time
from dataclasses import fields, replace
from pathlib import Path

from tests.chaos.plan import Options
from tests.chaos.report import Display, Result, print_evidence, print_result
from tests.chaos.run import Run

ROOT = Path(__file__).parents[2]
INTERRUPTED = 130


def main() -> int:
    options = _options()
    folder = ROOT / "build" / "chaos" / time.strftime("%Y%m%d-%H%M%S")
    folder.mkdir(parents=True)
    logging.getLogger("aiormq").setLevel(logging.CRITICAL)  # that connections break is the point
    try:
        with Display(options.signals) as display:
            run = Run(options, folder, display)
            result = asyncio.run(_run(run))
    except (KeyboardInterrupt, asyncio.CancelledError):
        print("interrupted; everything that was started has been ended", file=sys.stderr)
        return INTERRUPTED
    result.save(folder)
    print_result(result)
    if not result.violations:
        print(f"every signal ended in one outcome, and none in two orders; see {folder.relative_to(ROOT)}")
        return 0
    first = result.violations[0]
    print_evidence(first, folder.relative_to(ROOT), run.evidence(first))
    return 1


async def _run(run: Run) -> Result:
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    return await run.run()


def _options() -> Options:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    default = Options()
    for field in fields(Options):
        name, value = f"--{field.name.replace('_', '-')}", getattr(default, field.name)
        kind = {"minutes": float, "release": str}.get(field.name, int)
        parser.add_argument(name, type=kind, default=value, help=f"default {value}")
    return replace(default, **vars(parser.parse_args()))


if __name__ == "__main__":
    sys.exit(main())
