"""Run a module under a sampling profiler that counts CPU time: `python -m tests.bench.profiled FILE -m worker worker`.

A timer of the operating system that runs only while the process computes interrupts it, and the stack it is found in
is counted. What waits costs nothing; the program runs at its own pace (cProfile makes a worker six times slower, most
of all what calls many small functions). Time in C counts for the function that called there, or, in the event loop, for
the one that is called next. The file gets JSON:
how often each function was at the top of the stack, how often anywhere in it, and how many samples there were.
"""

import json
import runpy
import signal
import sys
from collections import Counter
from pathlib import Path
from types import CodeType, FrameType

INTERVAL_S = 0.001
"""Wanted; the kernel may look at such timers only a few hundred times a second."""


class Sampler:
    """Counts what the main thread is doing while the process uses the processor."""

    def __init__(self) -> None:
        self._own: Counter[CodeType] = Counter()
        self._within: Counter[CodeType] = Counter()

    def start(self) -> None:
        signal.signal(signal.SIGPROF, self._take)
        signal.setitimer(signal.ITIMER_PROF, INTERVAL_S, INTERVAL_S)

    def stop(self) -> None:
        signal.setitimer(signal.ITIMER_PROF, 0)

    def _take(self, _number: int, frame: FrameType | None) -> None:
        if frame is None:
            return
        self._own[frame.f_code] += 1
        seen: set[CodeType] = set()
        while frame is not None:
            seen.add(frame.f_code)
            frame = frame.f_back
        self._within.update(seen)

    def document(self) -> dict[str, object]:
        return {
            "samples": self._own.total(),
            "functions": [
                {
                    "file": code.co_filename,
                    "line": code.co_firstlineno,
                    "name": code.co_qualname,
                    "own": self._own[code],
                    "within": within,
                }
                for code, within in self._within.most_common()
            ],
        }


def main() -> None:
    file, _, module, *arguments = sys.argv[1:]
    sys.argv = [module, *arguments]
    sampler = Sampler()
    sampler.start()
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    finally:
        sampler.stop()
        Path(file).write_text(json.dumps(sampler.document()), encoding="utf-8")


if __name__ == "__main__":
    main()
