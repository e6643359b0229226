"""What limits a pool, as arithmetic on measured costs: pure functions, fitted to one run.

Each limit is a rate in signals a second, and the smallest is the pool's:

- *workers*: a worker uses one core, so it does `1 / CPU per signal`. A shard has one worker at a time, and the broker
  gives shards out by a hash, so the pool is as fast as its busiest worker allows: shards divided by the shards of the
  busiest. That share is computed with the hash the workers really use, not estimated.
- *broker*: the CPU that a node spends on a signal, over the cores it has. Measured with one node; nodes and namespaces
  side by side are taken to add up. Replication over three nodes is not measured: count the cost on each of them.
- *account*: orders that the venue takes from one account, in its tightest window.
- *IP*: requests or request weight that the venue takes from one address, at what one order takes of it.

What the model leaves out: the network, the disks of the broker (a signal and its outcome are written three times in
all: signal, outcome, memory), and how a load is spread over accounts, which it takes to be even.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

from adapters.model import Call, LimitKind, RateLimit
from worker.core.shards import consumer_priority

MOST_SHARDS: Final = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """CPU of one signal at saturation, microseconds, by process; the venue's stands for nobody's in production."""

    worker_us: float
    broker_us: float
    venue_us: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """The size of a pool. Each namespace has its own shards, workers and broker."""

    workers: int
    shards: int
    namespaces: int = 1
    broker_cores: int = 2
    accounts: int = 1_000
    egress_ips: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueBudget:
    """Orders a second that a venue takes: from one account at once and over a day, and from one IP."""

    account: float
    account_over_a_day: float
    ip: float


@cache
def even_workers(workers: int, shards: int) -> float:
    """Return to how many workers with an equal share a pool amounts: its speed, over that of one worker."""
    owners = (max(range(workers), key=lambda number: _rank(number, shard)) for shard in range(shards))
    busiest = max(Counter(owners).values())
    return shards / busiest


def _rank(worker: int, shard: int) -> int:
    return consumer_priority(f"worker-{worker}", shard)


def limits_per_s(costs: Costs, pool: Pool, venue: VenueBudget) -> dict[str, float]:
    """Return what each limit lets through, signals a second."""
    workers = even_workers(-(-pool.workers // pool.namespaces), pool.shards)
    return {
        "workers": pool.namespaces * workers * 1e6 / costs.worker_us,
        "broker": pool.namespaces * pool.broker_cores * 1e6 / costs.broker_us,
        "accounts": pool.accounts * venue.account,
        "IPs": pool.egress_ips * venue.ip,
    }


def limiting(limits: Mapping[str, float]) -> tuple[str, float]:
    """Return the smallest limit and its rate."""
    name = min(limits, key=lambda each: limits[each])
    return name, limits[name]


def on_shared_cores(costs: Costs, workers: int, cores: int) -> float:
    """Return signals a second where workers, broker and venue share a few cores, as they do in the bench."""
    everything_us = costs.worker_us + costs.broker_us + costs.venue_us
    return min(even_workers(workers, 32) * 1e6 / costs.worker_us, cores * 1e6 / everything_us)


def venue_budget(limits: Sequence[RateLimit], call: Call, later_weight: int) -> VenueBudget:
    """Return what a venue's limits mean for orders that are all accepted.

    Args:
        limits: the venue's.
        call: the request that places an order.
        later_weight: request weight of what is asked once it was accepted, where the reply does not tell all.
    """
    weight = later_weight + (0 if call.free_when_accepted else call.weight)
    requests = 1 + (later_weight > 0)
    per_order = {
        LimitKind.REQUEST_WEIGHT: weight,
        LimitKind.RAW_REQUESTS: requests,
        LimitKind.ORDERS_BY_IP: call.orders,
        LimitKind.ORDERS: call.orders,
    }
    rates = [
        (limit, limit.limit / limit.interval_s / per_order[limit.kind])
        for limit in limits
        if per_order[limit.kind]
    ]
    own = [(limit.interval_s, rate) for limit, rate in rates if limit.kind is LimitKind.ORDERS]
    return VenueBudget(
        account=min(own)[1],
        account_over_a_day=min(rate for _, rate in own),
        ip=min(rate for limit, rate in rates if limit.kind is not LimitKind.ORDERS),
    )


def shards_for(workers: int) -> int:
    """Return how many shards spread evenly over so many workers: the smallest power of two that loses a third at most.

    More shards even the load out, and each costs a channel in every worker, so there are no more than needed.
    """
    shards = 32
    while shards < MOST_SHARDS and even_workers(workers, shards) < workers * 2 / 3:
        shards *= 2
    return shards
