"""How the demo's sandbox is set up: its accounts, a wrong clock, tight limits, and faults that hit at random."""

from pathlib import Path
from typing import Any, Final

from worker.demo.windows import Sandbox
from worker.demo.writer import ACCOUNTS, MISCONFIGURED

CLOCK: Final = {"skew_ms": 730, "drift_ppm": 40}
LIMITS: Final = {"binance": {"orders_per_10_seconds": 15}, "binance_usdm": {"orders_per_10_seconds": 15}}
THIN: Final = {"symbol": "XRPUSDT", "depth": "1200", "levels": 1}
"""So little is on offer that larger orders fill in part only."""

PLACEMENT: Final = {"method": "POST", "path": "*/order"}
FAULTS: Final[tuple[dict[str, Any], ...]] = (
    # The order is executed, and its sender does not learn of it.
    PLACEMENT | {"kind": "accept_then_drop", "probability": 0.025},
    PLACEMENT | {"kind": "accept_then_5xx", "probability": 0.015, "status": 504, "html": True},
    PLACEMENT | {"kind": "accept_then_5xx", "probability": 0.015, "status": 503, "code": -1006},
    PLACEMENT | {"kind": "reset_mid_body", "probability": 0.01},
    PLACEMENT | {"kind": "truncated_body", "probability": 0.01},
    PLACEMENT | {"kind": "duplicate", "probability": 0.01},
    PLACEMENT | {"kind": "hang", "probability": 0.004},
    # It is executed late, or shows late.
    PLACEMENT | {"kind": "hold_in_queue", "probability": 0.01, "disconnects": True},
    PLACEMENT | {"kind": "delayed_visibility", "probability": 0.02, "delay_ms": 800},
    # It is not executed, and its sender cannot know.
    PLACEMENT | {"kind": "drop_before", "probability": 0.01},
    PLACEMENT | {"kind": "reject_5xx", "probability": 0.01},
    # Look-ups and cancels suffer too.
    {"kind": "slow", "probability": 0.03, "delay_ms": 300},
    {"kind": "accept_then_drop", "method": "DELETE", "probability": 0.05},
    {"kind": "drop_before", "method": "GET", "path": "*rder*", "probability": 0.05},
)

BROKEN_ACCOUNT: Final = f"""
[{MISCONFIGURED}]
venue = "binance"
api_key = "pasted with a space "
secret_key = "pasted with a space "
"""


def write_accounts(file: Path) -> None:
    """Add to the sandbox's account file what it does not know of: whitelists, and an account that must be refused."""
    text = file.read_text(encoding="utf-8")
    for account in ACCOUNTS:
        if account.symbols is not None:
            symbols = ", ".join(f'"{symbol}"' for symbol in account.symbols)
            text = text.replace(f"[{account.name}]\n", f"[{account.name}]\nsymbols = [{symbols}]\n")
    file.write_text(text + BROKEN_ACCOUNT, encoding="utf-8")


async def equip(sandbox: Sandbox, *, faults: bool) -> None:
    """Set the clock wrong, the limits tight, one market thin, and the faults."""
    await sandbox.post("clock", CLOCK)
    await sandbox.post("limits", LIMITS)
    await sandbox.post("liquidity", THIN)
    for fault in FAULTS if faults else ():
        await sandbox.post("faults", fault)
