"""The model of `model.py` fitted to a run, and what it says about pools that the run's machine cannot hold."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from math import ceil
from typing import Any, Final

from adapters.model import Order, OrderType, Side
from adapters.rest_venue import RestVenue
from adapters.venues import discover
from tests.bench.model import (
    Costs,
    Pool,
    VenueBudget,
    even_workers,
    limiting,
    limits_per_s,
    on_shared_cores,
    shards_for,
    venue_budget,
)
from tests.bench.tables import Table

WORKERS: Final = (1, 10, 100, 1_000)
PER_NAMESPACE: Final = 25
"""Workers that a namespace is planned for: each has a channel for every shard, so a broker has their product."""
VENUE: Final = "binance"
AS_IT_COMES: Final = {"shards": 32, "namespaces": 1, "broker_cores": 2, "accounts": 1_000, "egress_ips": 1}
LATER_WEIGHT: Final = {"binance_usdm": 6, "bitrue": 6}
"""Request weight of a look-up and the trades, where the reply to an order tells no fills (docs/venues.md)."""


def fit(document: Mapping[str, Any]) -> Costs | None:
    """Return the cost of a signal in each process, from the cheapest round with most accounts; `None` without one.

    The broker's is known only when the bench had a node of its own.
    """
    rows = document.get("saturation", {}).get("rounds", ())
    own = [row for row in rows if row["contender"] == "beeline" and "broker" in row["shared_us_per_order"]]
    if not own:
        return None
    most = max(row["accounts"] for row in own)
    best = min(
        (row for row in own if row["accounts"] == most), key=lambda row: float(row["cpu_us_per_order"])
    )
    return _costs(best)


def _costs(row: Mapping[str, Any]) -> Costs:
    shared = row["shared_us_per_order"]
    return Costs(worker_us=row["cpu_us_per_order"], broker_us=shared["broker"], venue_us=shared["venue"])


def budgets() -> dict[str, VenueBudget]:
    """What each venue lets through, by its fallback limits."""
    return {name: _budget(adapter) for name, adapter in discover().items() if isinstance(adapter, RestVenue)}


def _budget(adapter: RestVenue) -> VenueBudget:
    order = Order(
        client_order_id="model", symbol="BTCUSDT", side=Side.BUY, type=OrderType.MARKET, quantity=Decimal(1)
    )
    return venue_budget(adapter.fallback_limits, adapter.place(order), LATER_WEIGHT.get(adapter.name, 0))


def grown(costs: Costs, workers: int, venue: VenueBudget) -> Pool:
    """Return a pool in which nothing else limits so many workers."""
    in_one = min(workers, PER_NAMESPACE)
    namespaces, shards = ceil(workers / PER_NAMESPACE), shards_for(in_one)
    per_s = even_workers(in_one, shards) * 1e6 / costs.worker_us
    return Pool(
        workers=workers,
        shards=shards,
        namespaces=namespaces,
        broker_cores=ceil(per_s * costs.broker_us / 1e6),
        accounts=ceil(namespaces * per_s / venue.account),
        egress_ips=ceil(namespaces * per_s / venue.ip),
    )


def tables(document: Mapping[str, Any]) -> list[Table]:
    """The model's tables, as far as the run has measured what they need."""
    costs = fit(document)
    if costs is None:
        return [_venues()]
    made = [_venues(), _as_it_comes(costs), _grown(costs)]
    check = _check(document)
    return made if check is None else [*made, check]


def _venues() -> Table:
    rows = [
        (name, _rate(budget.account), _rate(budget.account_over_a_day), _rate(budget.ip))
        for name, budget in budgets().items()
    ]
    columns = ("orders/s that a venue takes", "of an account", "of an account, all day", "of an IP")
    return Table(name="budgets", title="What a venue lets through", columns=columns, rows=rows)


def _as_it_comes(costs: Costs) -> Table:
    rows = []
    for workers in WORKERS:
        limits = limits_per_s(costs, Pool(workers=workers, **AS_IT_COMES), budgets()[VENUE])
        name, per_s = limiting(limits)
        rows.append((f"{workers:,}", *(_rate(limit) for limit in limits.values()), f"{_rate(per_s)}: {name}"))
    columns = ("workers", "workers allow", "broker allows", "accounts allow", "IPs allow", "signals/s")
    return Table(name="as-it-comes", title="A pool as it comes", columns=columns, rows=rows)


def _grown(costs: Costs) -> Table:
    rows = []
    for workers in WORKERS:
        pool = grown(costs, workers, budgets()[VENUE])
        _, per_s = limiting(limits_per_s(costs, pool, budgets()[VENUE]))
        rows.append(
            (
                f"{workers:,}",
                f"{pool.namespaces} x {pool.shards}",
                f"{pool.namespaces} x {pool.broker_cores}",
                f"{pool.egress_ips:,}",
                f"{pool.accounts:,}",
                _rate(per_s),
            )
        )
    columns = ("workers", "namespaces x shards", "brokers x cores", "egress IPs", "accounts", "signals/s")
    return Table(name="grown", title="A pool that uses its workers", columns=columns, rows=rows)


def _check(document: Mapping[str, Any]) -> Table | None:
    """Set the model beside the pools that were measured: the first of them gives the costs, the others test it."""
    pools: Sequence[Mapping[str, Any]] = document.get("pool", {}).get("workers", ())
    if not pools or "broker" not in pools[0]["shared_us_per_order"]:
        return None
    cores = document["machine"]["cores"]
    rows = []
    for row in pools:
        predicted = on_shared_cores(_costs(pools[0]), row["workers"], cores)
        measured = row["orders_per_s"]
        rows.append(
            (str(row["workers"]), _rate(predicted), _rate(measured), f"{measured / predicted - 1:+.0%}")
        )
    columns = ("workers, broker and venue on this machine", "model, signals/s", "measured", "difference")
    return Table(name="check", title="The model beside the measurement", columns=columns, rows=rows)


def _rate(per_s: float) -> str:
    return f"{per_s:,.0f}" if per_s >= 10 else f"{per_s:.2g}"
