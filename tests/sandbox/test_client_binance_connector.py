"""The venue's own clients trade on the sandbox: binance-connector on spot, the modular SDK on USD-M futures.

The first and python-binance install the same top-level module, so both live in an environment of their own
(`.venv-connector`, made by `make setup`) and run as processes. `CONNECTOR_PYTHON` names another interpreter that has
them.
"""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from adapters.sandbox.server import SandboxServer

ROOT = Path(__file__).parents[2]
PYTHON = Path(os.environ.get("CONNECTOR_PYTHON", ROOT / ".venv-connector" / "bin" / "python"))
HERE = Path(__file__).parent


def told_by(script: str, server: SandboxServer, account: str) -> dict[str, Any]:
    """Run a session in the environment of the official clients; return what it saw."""
    if not PYTHON.exists():
        pytest.fail(f"{PYTHON} does not exist: `make setup` creates it")
    owner = server.exchange.state.accounts[account]
    given = {"url": server.url, "api_key": owner.api_key, "secret_key": owner.secret_key}
    done = subprocess.run(  # noqa: S603 - our own script
        [str(PYTHON), str(HERE / script)],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def test_the_official_connector_trades_and_sees_its_errors(background_server: SandboxServer) -> None:
    session = told_by("binance_connector_session.py", background_server, "main")
    assert session["ping"] == {}
    assert session["symbols"] == ["BTCUSDT", "ETHUSDT"]
    assert (session["market"]["status"], session["limit"]["status"]) == ("FILLED", "NEW")
    assert session["queried"]["orderId"] == session["limit"]["orderId"]
    assert [order["orderId"] for order in session["open"]] == [session["limit"]["orderId"]]
    assert session["cancelled"]["status"] == "CANCELED"
    assert [order["status"] for order in session["all"]] == ["FILLED", "CANCELED"]
    assert len(session["trades"]) == 1
    assert session["tested"] == {}
    assert session["locked"] == "0.00000000"
    assert session["rights"]["enableSpotAndMarginTrading"] is True
    assert session["weight_header"].isdecimal()
    assert session["errors"] == {
        "filter": [400, -1013, "Filter failure: LOT_SIZE"],
        "missing": [400, -2013, "Order does not exist."],
        "cancel": [400, -2011, "Unknown order sent."],
        "signature": [400, -1022, "Signature for this request is not valid."],
    }


def test_the_official_futures_sdk_trades_and_sees_its_errors(background_server: SandboxServer) -> None:
    session = told_by("usdm_sdk_session.py", background_server, "usdm")
    assert session["contracts"][:2] == ["BTCUSDT", "ETHUSDT"]
    assert session["mark_price"] == "65000.00000000"
    assert [session["bought"][name] for name in ("status", "executed_qty")] == ["FILLED", "0.010"]
    assert [session["queried"][name] for name in ("status", "avg_price")] == ["FILLED", "65000.10000"]
    assert session["open"] == [session["resting"]["order_id"]]
    assert session["cancelled"]["status"] == "CANCELED"
    assert session["cancelled_all"]["code"] == 200
    assert session["all"] == ["FILLED", "CANCELED"]
    assert session["trades"] == [session["bought"]["order_id"]]
    assert session["tested"]["status"] == "NEW"
    assert session["positions"] == {"BOTH": "0.01"}
    assert session["hedged"] == {"LONG": "0.01", "SHORT": "-0.02"}
    assert session["balance"]["asset"] == "USDT"
    assert session["rate_limits"] == ["ORDERS", "ORDERS", "REQUEST_WEIGHT"]
    assert session["algo"] == {
        kind: ["NEW", "NEW", "success", "CANCELED"]
        for kind in ("STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET", "TRAILING_STOP_MARKET")
    }
    assert session["errors"] == {
        "notional": "Order's notional must be no smaller than 100 (unless you choose reduce only)",
        "unknown": "Order does not exist.",
        "cancel": "Unknown order sent.",
        "trigger": "Order would immediately trigger.",
        "signature": "Signature for this request is not valid.",
    }
