"""binance-connector, the venue's own client, trades on the sandbox.

It and python-binance install the same top-level module, so it lives in an environment of its own (`.venv-connector`,
made by `make setup`) and runs as a process. `CONNECTOR_PYTHON` names another interpreter that has it.
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
SCRIPT = Path(__file__).with_name("binance_connector_session.py")


@pytest.fixture
def session(background_server: SandboxServer) -> dict[str, Any]:
    if not PYTHON.exists():
        pytest.fail(f"{PYTHON} does not exist: `make setup` creates it")
    owner = background_server.exchange.state.accounts["main"]
    given = {"url": background_server.url, "api_key": owner.api_key, "secret_key": owner.secret_key}
    done = subprocess.run(  # noqa: S603 - our own script
        [str(PYTHON), str(SCRIPT)],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def test_the_official_connector_trades_and_sees_its_errors(session: dict[str, Any]) -> None:
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
