"""The sandbox as a process of its own, with limits that are never reached and no faults.

It prints its address once it listens and writes the account file that Beeline reads.
"""

import argparse
from dataclasses import replace
from pathlib import Path

from adapters.sandbox.config import (
    BinanceLimits,
    LimitConfig,
    default_config,
    make_account,
    render_accounts_toml,
)
from adapters.sandbox.server import SandboxServer, run

UNREACHED = 1_000_000_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--accounts", type=Path, required=True)
    parser.add_argument("names", nargs="+")
    options = parser.parse_args()
    accounts = [make_account(name) for name in options.names]
    limits = BinanceLimits(
        weight_per_minute=UNREACHED,
        raw_requests_per_5_minutes=UNREACHED,
        orders_per_10_seconds=UNREACHED,
        orders_per_day=UNREACHED,
    )

    def ready(server: SandboxServer) -> None:
        options.accounts.touch(mode=0o600)
        options.accounts.write_text(render_accounts_toml(accounts, server.url), encoding="utf-8")
        print(server.url, flush=True)

    run(replace(default_config(accounts), limits=LimitConfig(binance=limits)), ready)


if __name__ == "__main__":
    main()
