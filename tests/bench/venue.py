"""The sandbox as a process of its own, with limits that are never reached and no faults.

It prints its address once it listens.
"""

import argparse
from dataclasses import replace

from adapters.sandbox.config import BinanceLimits, LimitConfig, default_config, make_account
from adapters.sandbox.server import run

UNREACHED = 1_000_000_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--accounts", type=int, required=True, help="how many: bench-0, bench-1, …")
    options = parser.parse_args()
    accounts = [make_account(account_name(number)) for number in range(options.accounts)]
    limits = BinanceLimits(
        weight_per_minute=UNREACHED,
        raw_requests_per_5_minutes=UNREACHED,
        orders_per_10_seconds=UNREACHED,
        orders_per_day=UNREACHED,
    )
    config = replace(default_config(accounts), limits=LimitConfig(binance=limits))
    run(config, lambda server: print(server.url, flush=True))


def account_name(number: int) -> str:
    return f"bench-{number}"


if __name__ == "__main__":
    main()
