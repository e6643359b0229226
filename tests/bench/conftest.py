"""A whole run's results, made up, so that what is made of results can be tested without a run."""

from typing import Any

import pytest

QUANTILES = {"p50": 1.0, "p99": 2.0, "p99_9": 3.0, "longest": 4.0}


def a_round(contender: str, accounts: int, cost_us: float) -> dict[str, Any]:
    return {
        "contender": contender,
        "accounts": accounts,
        "orders": 3_000,
        "orders_per_s": 1_500.0,
        "cpu_us_per_order": cost_us,
        "cores_used": 0.9,
        "rss_mb": 100.0,
        "shared_us_per_order": {"broker": 200.0, "venue": 100.0},
    }


def a_start(accounts: int, shards: int) -> dict[str, Any]:
    return {
        "shards": shards,
        "ready_s": 1.0,
        "first_order_s": 1.1,
        "start_cpu_s": 0.9,
        "rest_core_share": 0.002,
        "rest_rss_mb": 90.0,
        "work": a_round("beeline", accounts, 310.0),
    }


@pytest.fixture
def whole_run() -> dict[str, Any]:
    """Results in which every target is met."""
    contenders = {"naive": 500.0, "beeline": 300.0, "ccxt": 700.0, "python-binance": 600.0}
    loads = [
        {
            "contender": name,
            "load": 0.5,
            "signals_per_s": 900.0,
            "signals": 4_500,
            "wire_ms": QUANTILES,
            "answer_ms": QUANTILES,
            "producer_late_ms": QUANTILES,
            "cpu_us_per_order": 500.0,
        }
        for name in ("naive", "beeline")
    ]
    ended = {
        "how": "SIGTERM",
        "signals": 1_200,
        "signals_per_s": 200.0,
        "gone_after_ms": 100.0,
        "longest_gap_before_ms": 50.0,
        "longest_gap_ms": 90.0,
        "answer_ms": QUANTILES,
        "late_signals": 0,
    }
    return {
        "machine": {
            "at": "2026-11-25T12:00:00+00:00",
            "cpu": "a processor",
            "cores": 2,
            "memory_gb": 16.0,
            "system": "Linux",
            "python": "3.11",
            "broker": "RabbitMQ 4",
            "load_before": 0.1,
        },
        "seconds": {"saturation": 100.0},
        "saturation": {
            "compared_at": 10,
            "rounds": [
                a_round(name, accounts, cost_us)
                for accounts in (10, 100, 1_000)
                for name, cost_us in contenders.items()
            ],
            "cpu_ratios": [
                {"contender": name, "accounts": accounts, "beeline_over_it": round(300.0 / cost_us, 3)}
                for accounts in (10, 1_000)
                for name, cost_us in contenders.items()
                if name != "beeline"
            ],
        },
        "latency": {"accounts": 10, "loads": loads},
        "growth": {
            "rest_s": 3.0,
            "shards": 32,
            "shards_accounts": 100,
            "rows": [a_start(10_000, 32), a_start(100, 1), a_start(100, 64)],
        },
        "pool": {
            "broker": "RabbitMQ 4",
            "workers": [{"workers": count} | a_round("beeline", 300, 300.0) for count in (1, 2, 4)],
            "hand_over": [ended, ended | {"how": "SIGKILL"}],
        },
        "memory": {
            "samples": [(40_000, 100.0), (200_000, 100.2)],
            "settled_after": 40_000,
            "growth_mb": 0.2,
            "growth_mb_per_1000": 0.001,
            "remembered_outcome_bytes": 1_200,
        },
        "micro": {"sign (encode + HMAC)": 3.4},
    }
