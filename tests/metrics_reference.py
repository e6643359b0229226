"""What `docs/metrics.md` is made of: the registry of a worker, read without running one, and the meaning of labels."""

import asyncio
from collections.abc import Iterable
from typing import Final

from prometheus_client import CollectorRegistry

from worker.app import Worker
from worker.settings import Settings

INTRO: Final = (
    "What `/metrics` of a worker shows. Labels are bounded: venues, statuses and codes are Beeline's own words, an"
    " account is one that is configured, by name, and whatever else a producer wrote is counted under `other`. Counters"
    " start at 0 with the process; a histogram has `_bucket`, `_sum` and `_count` series."
)
LABELS: Final = (
    ("account", "name of a configured account, else `other`"),
    ("code", "an error code of [errors.md](errors.md), or `none`"),
    ("connection", "`consume` or `publish`: a worker has two connections"),
    ("imposed_by", "`venue` or `operator`"),
    ("kind", "what a limit counts: `request_weight`, `raw_requests`, `orders` or `orders_by_ip`"),
    (
        "name",
        "what a hold is about: a venue, a limit group, an account or a symbol; of a limit, the egress or limit group",
    ),
    (
        "phase",
        (
            "`queue` (published to received), `limiter`, `venue` (requests that place or cancel), `resolve` (finding"
            " out what became of an order), `publish` (outcome to confirm), `total` (received to settled)"
        ),
    ),
    (
        "reason",
        (
            "what put a clock in doubt: `refused_stamp` (the venue said so), `suspend` (the host slept), `wall_step`"
            " (its wall clock jumped), `age` (the venue could not be asked for long)"
        ),
    ),
    (
        "scope",
        "what a hold covers: `all`, `venue`, `account`, `symbol`; what a limit is for: `ip` or `account`",
    ),
    ("shard", "number of a shard, written as in the name of its queue"),
    ("source", "host and path of the question for the time"),
    ("status", "how a signal ended, as in its outcome"),
    ("venue", "name of a venue, or `none`"),
    ("version, python", "what runs"),
    ("window", "length of a limit's window"),
)


async def worker_registry() -> CollectorRegistry:
    """The metrics of a worker that was built and never started."""
    worker = Worker(Settings(), {})
    async with asyncio.TaskGroup() as tasks:
        worker._build(tasks)
    await worker._transport.close()
    return worker._telemetry.registry


def described(registry: CollectorRegistry) -> Iterable[tuple[str, str, tuple[str, ...], str]]:
    """Name, type, labels and meaning of everything in a registry, whether or not it has a value yet."""
    for collector in registry._collector_to_names:
        describe = getattr(collector, "describe", collector.collect)
        for family in list(describe()) or list(collector.collect()):
            labels = getattr(collector, "_labelnames", getattr(family, "_labelnames", ()))
            total = "_total" if family.type == "counter" else ""
            yield family.name + total, family.type, tuple(labels), family.documentation
