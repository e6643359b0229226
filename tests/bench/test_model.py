"""The arithmetic about pools, by hand-made costs whose results are plain to see."""

import pytest

from adapters.model import Call, LimitKind, Purpose, RateLimit
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
from tests.bench.predictions import budgets, fit, grown
from worker.core.shards import consumer_priority

COSTS = Costs(worker_us=500, broker_us=250, venue_us=250)
ENDLESS = VenueBudget(account=1e9, account_over_a_day=1e9, ip=1e9)


def test_a_single_worker_has_all_shards() -> None:
    assert even_workers(1, 32) == 1


def test_a_pool_is_as_fast_as_its_busiest_worker_allows() -> None:
    owned = [0, 0, 0]
    for shard in range(16):
        ranks = [consumer_priority(f"worker-{number}", shard) for number in range(3)]
        owned[ranks.index(max(ranks))] += 1
    assert even_workers(3, 16) == 16 / max(owned)


@pytest.mark.parametrize("workers", [2, 10, 100])
def test_more_workers_than_shards_are_no_more_than_shards(workers: int) -> None:
    assert even_workers(workers, 1) == 1
    assert even_workers(workers, 8) <= 8


def test_each_limit_has_its_own_resource() -> None:
    pool = Pool(workers=1, shards=32, broker_cores=4, accounts=7, egress_ips=3)
    limits = limits_per_s(COSTS, pool, VenueBudget(account=5, account_over_a_day=2, ip=100))
    assert limits == {"workers": 2_000, "broker": 16_000, "accounts": 35, "IPs": 300}
    assert limiting(limits) == ("accounts", 35)


def test_namespaces_add_up() -> None:
    one = limits_per_s(COSTS, Pool(workers=4, shards=64), ENDLESS)
    three = limits_per_s(COSTS, Pool(workers=12, shards=64, namespaces=3), ENDLESS)
    assert three["workers"] == pytest.approx(3 * one["workers"])
    assert three["broker"] == pytest.approx(3 * one["broker"])


def test_on_shared_cores_everything_counts_once_a_worker_has_less_than_a_core() -> None:
    assert on_shared_cores(COSTS, workers=1, cores=8) == 2_000
    assert on_shared_cores(COSTS, workers=4, cores=2) == 2_000
    assert on_shared_cores(COSTS, workers=4, cores=1) == 1_000


def test_shards_are_enough_for_two_thirds_of_the_workers() -> None:
    for workers in (1, 4, 10, 25):
        assert even_workers(workers, shards_for(workers)) >= workers * 2 / 3
    assert shards_for(1) == 32


def a_call(*, weight: int = 1, free: bool = False) -> Call:
    return Call(
        method="POST", path="/order", purpose=Purpose.PLACE, weight=weight, orders=1, free_when_accepted=free
    )


LIMITS = (
    RateLimit(kind=LimitKind.REQUEST_WEIGHT, limit=600, interval_s=60),
    RateLimit(kind=LimitKind.RAW_REQUESTS, limit=300, interval_s=10),
    RateLimit(kind=LimitKind.ORDERS, limit=50, interval_s=10),
    RateLimit(kind=LimitKind.ORDERS, limit=86_400, interval_s=86_400),
)


def test_a_venue_s_budget_is_its_tightest_limit_for_an_account_and_for_an_ip() -> None:
    budget = venue_budget(LIMITS, a_call(weight=1), 0)
    assert budget == VenueBudget(account=5, account_over_a_day=1, ip=10)


def test_orders_that_are_free_when_accepted_are_limited_by_requests() -> None:
    assert venue_budget(LIMITS, a_call(free=True), 0).ip == 30


def test_what_is_asked_afterwards_counts() -> None:
    assert venue_budget(LIMITS, a_call(free=True), 5).ip == 2


def test_every_venue_has_a_budget() -> None:
    for budget in budgets().values():
        assert 0 < budget.account_over_a_day <= budget.account
        assert budget.ip > 0


def test_in_a_pool_that_was_grown_nothing_but_workers_limits() -> None:
    venue = budgets()["binance"]
    for workers in (1, 10, 100, 1_000):
        limits = limits_per_s(COSTS, grown(COSTS, workers, venue), venue)
        assert limiting(limits)[1] == pytest.approx(limits["workers"])


def a_round(accounts: int, cost_us: float, **shared: float) -> dict[str, object]:
    return {
        "contender": "beeline",
        "accounts": accounts,
        "cpu_us_per_order": cost_us,
        "shared_us_per_order": shared,
    }


def test_the_model_is_fitted_to_the_cheapest_round_with_most_accounts() -> None:
    rounds = [
        a_round(10, 300, broker=90, venue=40),
        a_round(100, 500, broker=100, venue=50),
        a_round(100, 400, broker=110, venue=60),
    ]
    assert fit({"saturation": {"rounds": rounds}}) == Costs(worker_us=400, broker_us=110, venue_us=60)


def test_a_broker_that_is_not_ours_to_read_fits_nothing() -> None:
    assert fit({"saturation": {"rounds": [a_round(10, 300, venue=40)]}}) is None
    assert fit({}) is None
