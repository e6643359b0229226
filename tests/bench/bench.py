"""What every part of the bench is given: how large its work is, where it is done, and whom to tell how far it is."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rich.progress import Progress as ProgressBar
from rich.progress import TaskID

from tests.bench.rounds import Progress
from tests.bench.stage import Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How much work each part does."""

    signals: int
    warm_up: int
    rounds: Mapping[int, int]
    """How often the contenders play with so many accounts."""
    compared_at: int
    """With so many accounts all contenders play, otherwise only the naive loop and Beeline."""
    loads: tuple[float, ...]
    latency_signals: int
    latency_s: float
    memory_signals: int
    shards: int
    growth_accounts: tuple[int, ...]
    growth_shards: tuple[int, ...]
    growth_shards_accounts: int
    rest_s: float
    workers: tuple[int, ...]
    pool_accounts: int
    hand_over_rate: float
    hand_over_s: Mapping[str, float]
    wants_rabbitmq_4: bool
    micro_repeats: int
    micro_many: int

    def most_accounts(self, parts: Collection[str]) -> int:
        """Return how many accounts the venue has to know for some parts of the bench."""
        needed = {
            "saturation": tuple(self.rounds),
            "growth": (*self.growth_accounts, self.growth_shards_accounts),
            "pool": (self.pool_accounts,),
        }
        return max([self.compared_at, *(count for part in parts for count in needed.get(part, ()))])


FULL = Scale(
    signals=2_000,
    warm_up=300,
    rounds={1: 1, 10: 3, 100: 1, 1_000: 3},
    compared_at=10,
    loads=(0.1, 0.5, 0.9),
    latency_signals=1_000,
    latency_s=4.0,
    memory_signals=200_000,
    shards=32,
    growth_accounts=(10, 1_000, 10_000),
    growth_shards=(1, 8, 64),
    growth_shards_accounts=100,
    rest_s=3.0,
    workers=(1, 2, 4),
    pool_accounts=300,
    hand_over_rate=200.0,
    hand_over_s={"SIGTERM": 6.0, "SIGKILL": 8.0},
    wants_rabbitmq_4=True,
    micro_repeats=7,
    micro_many=100_000,
)
SHORT = Scale(
    signals=200,
    warm_up=50,
    rounds={4: 1},
    compared_at=4,
    loads=(0.5,),
    latency_signals=50,
    latency_s=0.1,
    memory_signals=300,
    shards=32,
    growth_accounts=(4,),
    growth_shards=(),
    growth_shards_accounts=4,
    rest_s=0.2,
    workers=(1, 2),
    pool_accounts=4,
    hand_over_rate=100.0,
    hand_over_s={"SIGTERM": 1.0},
    wants_rabbitmq_4=False,
    micro_repeats=1,
    micro_many=100,
)


class Display:
    """The progress of a run, one line for each stretch of work."""

    def __init__(self, bar: ProgressBar) -> None:
        self._bar = bar
        self._lines: dict[str, TaskID] = {}

    def tell(self, name: str, what: str, done: int, total: int) -> None:
        if name not in self._lines:
            self._lines[name] = self._bar.add_task(name, total=total)
        finished = what == "finishing" and done >= total
        label = name if finished else f"{name} ({what})"
        self._bar.update(self._lines[name], completed=done, total=total, description=label)

    def line(self, name: str) -> Progress:
        return partial(self.tell, name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """The surroundings of a part."""

    scale: Scale
    stage: Stage
    output: Path
    line: Callable[[str], Progress]
