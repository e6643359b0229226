"""What workers in different situations tell of themselves, for the page to show."""

from typing import Any, Final

from worker.core.outcome import Status

NOW_MS: Final = 1_795_000_020_000
HOSTILE: Final = '<img src=x onerror="document.title=\'owned\'"><script>document.title="owned"</script>'
"""What a producer may write where a signal id or a name is expected."""


def a_budget(kind: str, interval_s: int, limit: int, used: int) -> dict[str, Any]:
    return {"kind": kind, "interval_s": interval_s, "limit": limit, "used": used, "reserved": 0, "foreign": 0}


def an_account(name: str, venue: str = "binance", **over: Any) -> dict[str, Any]:
    orders = [
        a_budget("orders", 10, 50, 12),
        a_budget("orders", 86400, 160000, 1480),
    ]
    fields = {"name": name, "venue": venue, "label": "", "refused": None, "quarantined": None}
    return fields | {"budgets": orders} | over


def an_outcome(number: int, status: Status = Status.FILLED, **over: Any) -> dict[str, Any]:
    fields = {
        "settled_at_ms": NOW_MS - 700 * number,
        "signal_id": f"momentum-2026-11-25-{4711 - number}",
        "account": "main",
        "action": "place",
        "symbol": "BTC/USDT",
        "status": status.value,
        "code": None,
        "total_ms": 9.4 + number,
    }
    return fields | over


def a_status(**over: Any) -> dict[str, Any]:
    """A worker in the middle of a calm day."""
    fields: dict[str, Any] = {
        "worker_id": "beeline-0",
        "namespace": "beeline",
        "version": "0.1.0",
        "draining": False,
        "obstacles": [],
        "shards": [0, 1, 3],
        "owners": [
            {"worker": "beeline-0", "shards": ["00", "01", "03"]},
            {"worker": "beeline-1", "shards": ["02", "04", "05", "07"]},
            {"worker": None, "shards": ["06"]},
        ],
        "in_flight": 2,
        "throttled": 0,
        "oldest_s": 0.1,
        "lanes": 2,
        "longest_lanes": [{"account": "main", "symbol": "BTCUSDT", "signals": 1, "is_throttled": False}],
        "unknown_outcomes": 0,
        "lease_remaining_s": 8.1,
        "accounts": [an_account("main", label="Main account"), an_account("main-bitrue", "bitrue")],
        "venues": [
            {
                "venue": "binance",
                "budgets": [
                    a_budget("request_weight", 60, 6000, 310),
                    a_budget("raw_requests", 300, 61000, 912),
                ],
            }
        ],
        "holds": [],
        "clock": [
            {
                "venue": "binance",
                "wall_minus_venue_ms": -3.2,
                "uncertainty_ms": 1.9,
                "drift_ppm": 4.1,
                "round_trip_ms": 3.6,
            },
            {
                "venue": "bitrue",
                "wall_minus_venue_ms": None,
                "uncertainty_ms": None,
                "drift_ppm": 0.0,
                "round_trip_ms": None,
            },
        ],
        "last_outcomes": [an_outcome(number) for number in range(3)],
        "latency_ms": [
            {"phase": phase, "p50": half, "p99": most, "of": 1000}
            for phase, half, most in (
                ("queue", 0.9, 4.2),
                ("limiter", 0.0, 10400.0),
                ("venue", 7.9, 41.0),
                ("resolve", 0.0, 0.0),
                ("total", 8.8, 10460.3),
            )
        ],
    }
    return fields | over


def busy() -> dict[str, Any]:
    nearly_full = [
        a_budget("orders", 10, 50, 50),
        a_budget("orders", 86400, 160000, 97000),
    ]
    symbols = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT")
    statuses = list(Status)
    return a_status(
        in_flight=143,
        throttled=96,
        oldest_s=12.4,
        lanes=9,
        accounts=[an_account("main", budgets=nearly_full), an_account("hedge"), an_account("bit", "bitrue")],
        longest_lanes=[
            {"account": "main", "symbol": symbol, "signals": 40 - 7 * number, "is_throttled": number < 3}
            for number, symbol in enumerate(symbols)
        ],
        last_outcomes=[
            an_outcome(
                number,
                statuses[number % len(statuses)],
                code="insufficient_balance" if number % len(statuses) == 5 else None,
            )
            for number in range(18)
        ],
    )


def held() -> dict[str, Any]:
    return a_status(
        holds=[
            {
                "scope": "all",
                "name": "",
                "venue": None,
                "reason": "release of the new strategy",
                "seconds_left": None,
            },
            {
                "scope": "venue",
                "name": "binance",
                "venue": "binance",
                "reason": "ip_banned",
                "seconds_left": 118.4,
            },
        ],
        unknown_outcomes=1,
        obstacles=["the time at bitrue is not known yet"],
    )


def quarantined() -> dict[str, Any]:
    refused = "main.secret holds secrets that others may read; run: chmod o-rwx main.secret"
    return a_status(
        accounts=[
            an_account("main", quarantined="key_invalid: the venue refuses this key"),
            an_account("hedge", refused=refused, budgets=[]),
            an_account("bit", "bitrue"),
        ]
    )


def hostile() -> dict[str, Any]:
    """Every text that somebody else wrote is an attack."""
    return a_status(
        worker_id=HOSTILE,
        accounts=[an_account(HOSTILE, HOSTILE, label=HOSTILE, refused=HOSTILE)],
        owners=[{"worker": HOSTILE, "shards": [HOSTILE]}],
        longest_lanes=[{"account": HOSTILE, "symbol": HOSTILE, "signals": 1, "is_throttled": True}],
        holds=[{"scope": "symbol", "name": HOSTILE, "venue": None, "reason": HOSTILE, "seconds_left": None}],
        last_outcomes=[
            an_outcome(1, signal_id=HOSTILE, account=HOSTILE, action=HOSTILE, symbol=HOSTILE, code=HOSTILE)
        ],
        obstacles=[HOSTILE],
    )


SCENES: Final = {"busy": busy, "held": held, "quarantined": quarantined}
