import os
import subprocess
import sys
from collections import Counter

from tests.simulation.run import play
from tests.simulation.scenario import FUTURES_FROM, Accident

SEEDS = 100
FUTURES_SEEDS = 20


def test_a_hundred_seeds_keep_the_promise_whatever_breaks() -> None:
    totals: Counter[str] = Counter()
    failed: list[str] = []
    for seed in range(SEEDS):
        result = play(seed)
        totals += result.counts
        failed += [f"python -m tests.simulation --seed {seed}: {problem}" for problem in result.problems[:3]]
    assert not failed, "\n".join(failed)
    missing = [accident for accident in Accident if not totals[f"accident: {accident.value}"]]
    assert not missing, "accidents that never happened prove nothing"
    assert totals["redeliveries"] > 100
    assert totals["look-ups"] > 100


def test_the_promise_is_kept_at_futures_too_with_orders_that_wait_for_a_trigger() -> None:
    totals: Counter[str] = Counter()
    failed: list[str] = []
    for seed in range(FUTURES_FROM, FUTURES_FROM + FUTURES_SEEDS):
        result = play(seed)
        totals += result.counts
        failed += [f"python -m tests.simulation --seed {seed}: {problem}" for problem in result.problems[:3]]
    assert not failed, "\n".join(failed)
    assert totals["orders"] > 100


def test_a_seed_takes_the_same_course_each_time() -> None:
    assert [play(seed).digest for seed in (1, 2, 3)] == [play(seed).digest for seed in (1, 2, 3)]


def test_a_seed_takes_the_same_course_in_another_process() -> None:
    code = "from tests.simulation.run import play; print([play(seed).digest for seed in (4, 5)])"
    found = set()
    for hash_seed in ("1", "2"):
        run = subprocess.run(  # noqa: S603 - our own interpreter and our own code
            [sys.executable, "-c", code],
            env=os.environ | {"PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        )
        found.add(run.stdout)
    assert found == {f"{[play(seed).digest for seed in (4, 5)]}\n"}
