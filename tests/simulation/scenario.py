"""What a seed decides: the pool, the weather, and every accident with its time.

Each kind of fault is switched on or off by the seed (swarm testing): a run with few kinds digs deeper into them than
one where everything happens at once.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from random import Random
from typing import Final

from adapters.sandbox.fault_rules import FaultKind, FaultRule, every_kind
from tests.simulation.venues import Network


class Accident(StrEnum):
    """What can happen to a process, its host or the broker."""

    CRASH = "crash"
    POWER_LOSS = "power loss"
    FREEZE = "freeze"
    SUSPEND = "host suspended"
    CUT = "cut off"
    CUT_PUBLISHING = "publishing cut off"
    CUT_CONSUMING = "consuming cut off"
    RESTART = "clean restart"
    BROKER_CRASH = "broker crash"
    WALL_STEP = "wall clock step"
    VENUE_STEP = "venue clock step"
    PRICE = "price move"


AT_POINTS: Final = (
    Accident.CRASH,
    Accident.POWER_LOSS,
    Accident.FREEZE,
    Accident.SUSPEND,
    Accident.CUT,
    Accident.CUT_PUBLISHING,
    Accident.CUT_CONSUMING,
    Accident.RESTART,
    Accident.BROKER_CRASH,
)
"""Accidents that also strike where they hurt: between a send and its reply, between a publish and its ack."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostPlan:
    """One host: when its worker joins, and how wrong its clocks are."""

    joins_at_s: float
    wall_offset_ms: float
    drift_ppm: float


FUTURES_FROM: Final = 1_000_000
"""Seeds from here on play at Binance's futures instead of its spot market, with orders that wait for a trigger."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """Everything about one run that is decided beforehand."""

    seed: int
    hosts: tuple[HostPlan, ...]
    has_priorities: bool
    heartbeat: int
    signals: int
    span_s: float
    burst_s: float | None
    network: Network
    broker_travel_s: float
    separate_commits: bool
    late_notice_s: float
    visibility_lag_ms: int
    venue_skew_ms: tuple[float, float]
    venue_drift_ppm: tuple[float, float]
    rules: tuple[FaultRule, ...]
    accidents: tuple[tuple[float, Accident], ...]
    at_points: dict[Accident, float] = field(default_factory=dict)
    most_at_points: int = 0

    @property
    def is_futures(self) -> bool:
        """Whether Binance is its futures market here."""
        return self.seed >= FUTURES_FROM

    def random(self, purpose: str) -> Random:
        """Return a source of randomness of its own for each purpose, so that one cannot shift another."""
        return Random(f"{self.seed}/{purpose}")


def draw_scenario(seed: int) -> Scenario:
    """Draw a scenario."""
    random = Random(f"{seed}/scenario")
    calm = random.random() < 0.05
    span_s = random.choice((5.0, 20.0, 40.0))
    enabled = [] if calm else [accident for accident in Accident if random.random() < 0.4]
    kinds: dict[Accident, float] = {
        accident: 10 ** random.uniform(-3.5, -1.5) for accident in AT_POINTS if accident in enabled
    }
    return Scenario(
        seed=seed,
        hosts=_draw_hosts(random, span_s),
        has_priorities=random.random() < 0.7,
        heartbeat=random.choice((4, 4, 5, 5, 10)),
        signals=random.randint(15, 45),
        span_s=span_s,
        burst_s=random.uniform(0.5, span_s) if random.random() < 0.35 else None,
        network=Network() if calm else _draw_network(random),
        broker_travel_s=random.choice((0.001, 0.001, 0.02)),
        separate_commits=not calm and random.random() < 0.5,
        late_notice_s=random.choice((0.0, 0.0, 1.5)),
        visibility_lag_ms=random.choice((0, 0, 300, 1_000)),
        venue_skew_ms=(random.uniform(-3_000, 3_000), random.uniform(-3_000, 3_000)),
        venue_drift_ppm=(random.uniform(-250, 250), random.uniform(-250, 250)),
        rules=() if calm else _draw_rules(random),
        accidents=_draw_accidents(random, enabled, span_s),
        at_points=kinds,
        most_at_points=random.randint(1, 5),
    )


def _draw_hosts(random: Random, span_s: float) -> tuple[HostPlan, ...]:
    count = random.choice((2, 2, 3, 3, 4))
    return tuple(
        HostPlan(
            joins_at_s=0.0 if number == 0 or random.random() < 0.5 else random.uniform(0, span_s),
            wall_offset_ms=random.choice((0.0, random.uniform(-900, 900))),
            drift_ppm=random.uniform(-50, 50),
        )
        for number in range(count)
    )


def _draw_network(random: Random) -> Network:
    slow = random.choice((0.01, 0.05, 0.4, 1.0))
    fails: Callable[[float], float] = lambda most: random.choice((0.0, 0.0, most * random.random()))  # noqa: E731
    return Network(
        fastest_s=0.002, slowest_s=slow, refused=fails(0.1), lost_before=fails(0.1), lost_after=fails(0.15)
    )


def _draw_rules(random: Random) -> tuple[FaultRule, ...]:
    """Draw what the venue does wrong: some kinds at some rate, now and then all of them."""
    if random.random() < 0.3:
        return ()
    rate = 10 ** random.uniform(-2.5, -0.7)
    placements_only = random.random() < 0.6
    rules = [
        # Later than the read lag that the worker reckons with (2 s) no venue shows an order.
        replace(rule, delay_ms=random.randint(200, 1_500))
        if rule.kind is FaultKind.DELAYED_VISIBILITY
        else rule
        for rule in every_kind(rate, placements_only=placements_only)
    ]
    if random.random() < 0.7:
        rules = random.sample(rules, random.randint(1, 4))
    beyond = FaultRule(kind=FaultKind.HOLD_IN_QUEUE, probability=rate, delay_ms=random.choice((4_900, 6_000)))
    cut = FaultRule(kind=FaultKind.HOLD_IN_QUEUE, probability=rate, disconnects=True)
    if random.random() < 0.5:
        rules += [beyond, cut]
    if random.random() < 0.1:
        rules.append(FaultRule(kind=FaultKind.RATE_LIMIT_429, probability=rate / 2, retry_after=3))
    return tuple(rules)


def _draw_accidents(
    random: Random, enabled: list[Accident], span_s: float
) -> tuple[tuple[float, Accident], ...]:
    found = [
        (random.uniform(0.5, span_s + 5), accident)
        for accident in enabled
        for _ in range(random.randint(1, 3 if accident is not Accident.PRICE else 6))
    ]
    return tuple(sorted(found))
