"""The sandbox over HTTP: the wire faults, the control API, the accounts file, starting and stopping."""

import asyncio
import os
import signal
import stat
import sys
import tomllib
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from adapters.sandbox.config import make_account
from adapters.sandbox.faults import FaultKind
from adapters.sandbox.model import Dialect
from adapters.sandbox.server import SandboxServer
from tests.sandbox.client import HttpClient, sign

ORDER = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.01"}


async def place(http: HttpClient, **over: Any) -> Any:
    return await http.call("POST", "/api/v3/order", **(ORDER | over))


async def ledger(http: HttpClient) -> list[dict[str, Any]]:
    orders: list[dict[str, Any]] = (await http.control("GET", "ledger")).json["orders"]
    return orders


async def test_an_order_over_http_shows_in_the_ledger(http: HttpClient) -> None:
    reply = await place(http, newClientOrderId="h-1")
    assert (reply.status, reply.json["status"]) == (200, "FILLED")
    assert reply.headers["X-MBX-ORDER-COUNT-10S"] == "1"
    row = (await ledger(http))[0]
    assert (row["account"], row["client_order_id"], row["venue_order_id"]) == ("main", "h-1", "28")
    assert (row["status"], row["executed_quantity"], row["executed_quote"]) == ("FILLED", "0.01", "650.0001")
    assert row["executions"][0] == {
        "trade_id": 1,
        "price": "65000.01",
        "quantity": "0.01",
        "fee": "0.00001",
        "fee_asset": "BTC",
        "is_maker": False,
        "at_ms": row["accepted_at_ms"],
    }


async def test_a_body_may_carry_the_parameters(http: HttpClient, server: SandboxServer) -> None:
    async with aiohttp.ClientSession() as session:
        given = ORDER | {"timestamp": await http.venue_time()}
        text = "&".join(f"{name}={value}" for name, value in given.items())
        async with session.post(
            f"{server.url}/api/v3/order",
            data=f"{text}&signature={sign(http.account.secret_key, text)}",
            headers={
                "X-MBX-APIKEY": http.account.api_key,
                "Content-Type": "application/x-www-form-urlencoded",
            },
        ) as response:
            assert response.status == 200


@pytest.mark.parametrize(
    ("kind", "orders"), [("drop_before", 0), ("accept_then_drop", 1), ("reset_mid_body", 1)]
)
async def test_a_broken_connection_may_hide_an_execution(http: HttpClient, kind: str, orders: int) -> None:
    await http.control("POST", "faults", kind=kind, count=1)
    with pytest.raises(aiohttp.ClientError):
        await place(http)
    assert len(await ledger(http)) == orders
    assert (await http.control("GET", "faults")).json["hits"][kind] == 1


async def test_a_truncated_body_is_no_json(http: HttpClient) -> None:
    await http.control("POST", "faults", kind="truncated_body", count=1)
    with pytest.raises(ValueError, match="unexpected end"):
        await place(http)
    assert len(await ledger(http)) == 1


@pytest.mark.parametrize(("executes", "orders"), [(True, 1), (False, 0)])
async def test_a_hanging_venue_answers_nothing(
    http: HttpClient, server: SandboxServer, executes: bool, orders: int
) -> None:
    await http.control("POST", "faults", kind="hang", executes=executes, count=1)
    waiting = asyncio.create_task(place(http))
    while not server.faults.hits[FaultKind.HANG]:  # noqa: ASYNC110 - the server has no event for a hit
        await asyncio.sleep(0)
    assert len(await ledger(http)) == orders
    assert not waiting.done()
    waiting.cancel()


async def test_a_slow_venue_answers_in_the_end(http: HttpClient) -> None:
    await http.control("POST", "faults", kind="slow", delay_ms=10, count=1)
    assert (await place(http)).status == 200


async def test_a_held_request_executes_though_its_client_is_gone(
    http: HttpClient, server: SandboxServer
) -> None:
    await http.control("POST", "faults", kind="hold_in_queue", delay_ms=300, disconnects=True, count=1)
    with pytest.raises(aiohttp.ClientError):
        await place(http)
    assert await ledger(http) == []
    await asyncio.gather(*server._late)
    assert len(await ledger(http)) == 1


async def test_a_request_held_beyond_its_window_is_refused(http: HttpClient) -> None:
    await http.control("POST", "faults", kind="hold_in_queue", delay_ms=60, count=1)
    reply = await place(http, recvWindow=50)
    assert reply.error[:2] == (400, -1021)
    assert await ledger(http) == []


async def test_html_is_html(http: HttpClient) -> None:
    await http.control("POST", "faults", kind="html_403", count=1)
    reply = await place(http)
    assert (reply.status, "<html>" in reply.json) == (403, True)


async def test_the_ledger_comes_in_pages_and_by_account(http: HttpClient) -> None:
    for _ in range(5):
        await place(http)
    first = (await http.control("GET", "ledger?limit=3")).json
    rest = (await http.control("GET", f"ledger?limit=3&after={first['next']}")).json
    assert (len(first["orders"]), len(rest["orders"]), rest["next"], rest["total"]) == (3, 2, None, 5)
    assert (await http.control("GET", "ledger?account=nobody")).json["orders"] == []


async def test_the_summary_names_what_was_executed_twice(http: HttpClient) -> None:
    for client_id in ("one", "two", "two"):
        await place(http, newClientOrderId=client_id)
    summary = (await http.control("GET", "ledger/summary")).json
    assert (summary["orders"], summary["executions"], summary["by_status"]) == (3, 3, {"FILLED": 3})
    assert [row["client_order_id"] for row in summary["executed_more_than_once"]] == ["two"]


async def test_the_clock_is_skewed_stepped_and_drifts(http: HttpClient) -> None:
    assert (await http.control("POST", "clock", skew_ms=2500)).json["offset_ms"] == 2500
    assert (await http.control("POST", "clock", step_ms=-1800)).json["offset_ms"] == 700
    assert (await http.control("POST", "clock", drift_ppm=200)).json["drift_ppm"] == 200
    assert (await place(http)).status == 200


async def test_price_and_liquidity_move_orders(http: HttpClient) -> None:
    await place(http, type="LIMIT", timeInForce="GTC", price="60000", newClientOrderId="r")
    touched = await http.control("POST", "price", symbol="BTCUSDT", price="59000")
    assert touched.json == {"touched": ["28"]}
    await http.control("POST", "liquidity", symbol="BTCUSDT", depth="0")
    assert (await place(http)).json["status"] == "EXPIRED"
    await http.control("POST", "symbol", symbol="BTCUSDT", trading=False)
    assert (await place(http)).json["msg"] == "Market is closed."


async def test_limits_change_in_part(http: HttpClient) -> None:
    changed = await http.control("POST", "limits", binance={"orders_per_10_seconds": 1}, ban_after=3)
    assert (changed.json["binance"]["orders_per_10_seconds"], changed.json["ban_after"]) == (1, 3)
    assert changed.json["binance"]["weight_per_minute"] == 6000
    resting = {"type": "LIMIT", "timeInForce": "GTC", "price": "60000"}
    statuses = [(await place(http, **resting)).status for _ in range(2)]
    assert statuses == [200, 429]
    violations = (await http.control("GET", "violations")).json
    assert (violations["total"], violations["counts"]) == (1, {"orders": 1})
    await http.control("DELETE", "violations")
    assert (await http.control("GET", "violations")).json["total"] == 0


async def test_requests_and_errors_are_counted(http: HttpClient) -> None:
    await place(http)
    await place(http, quantity="0.000001")
    counters = (await http.control("GET", "requests")).json
    assert counters["requests"] == {"binance POST order": 2}
    assert counters["errors"] == {"binance 400 -1013": 1}
    assert counters["usage"]["binance"]["orders_1d"]["limit"] == 200_000


async def test_visibility_and_bitrue_switches(http: HttpClient) -> None:
    await http.control("POST", "visibility", lag_ms=60_000)
    await place(http, newClientOrderId="v")
    query = await http.call("GET", "/api/v3/order", symbol="BTCUSDT", origClientOrderId="v")
    assert query.json["code"] == -2013
    quirks = await http.control("POST", "bitrue", lookup_by_client_id=True)
    assert quirks.json["lookup_by_client_id"] is True


async def test_accounts_are_added_and_listed(http: HttpClient) -> None:
    added = await http.control("POST", "accounts", name="new", dialect="bitrue", balances={"USDT": "5"})
    expected = make_account("new", Dialect.BITRUE)
    assert (added.json["api_key"], added.json["secret_key"]) == (expected.api_key, expected.secret_key)
    listed = {account["name"]: account for account in (await http.control("GET", "accounts")).json}
    assert listed["new"]["balances"] == {"USDT": {"free": "5", "locked": "0"}}


async def test_a_reset_forgets_everything_but_the_accounts(http: HttpClient) -> None:
    await http.control("POST", "accounts", name="new")
    await place(http)
    await http.control("POST", "clock", skew_ms=500)
    await http.control("POST", "faults", kind="slow")
    await http.control("POST", "reset")
    state = (await http.control("GET", "state")).json
    assert (state["orders"], state["clock"]["offset_ms"], state["fault_hits"]) == (0, 0, 0)
    assert "new" in state["accounts"]
    assert (await http.control("GET", "faults")).json["rules"] == []


@pytest.mark.parametrize(
    ("name", "given", "part"),
    [
        ("clock", {"skew": 5}, "unknown: skew"),
        ("price", {"symbol": "NOPE", "price": "1"}, "NOPE"),
        ("price", {"symbol": "BTCUSDT", "price": "-1"}, "above zero"),
        ("faults", {"kind": "nothing"}, "nothing"),
        ("faults", {"kind": "slow", "colour": "red"}, "unknown: colour"),
        ("limits", {"binance": {"weight": 5}}, "unknown: weight"),
        ("accounts", {"name": "x", "dialect": "kraken"}, "kraken"),
    ],
)
async def test_a_wrong_control_request_says_what_is_wrong(
    http: HttpClient, name: str, given: dict[str, Any], part: str
) -> None:
    reply = await http.control("POST", name, **given)
    assert reply.status == 400
    assert part in reply.json["error"]


async def test_an_unknown_control_is_not_found(http: HttpClient) -> None:
    assert (await http.control("GET", "nothing")).status == 404


async def test_fault_rules_are_removed_one_by_one_or_all(http: HttpClient) -> None:
    ids = (await http.control("POST", "faults", preset="every_kind", probability=0.5)).json["ids"]
    await http.control("DELETE", f"faults?id={ids[0]}")
    assert len((await http.control("GET", "faults")).json["rules"]) == len(ids) - 1
    assert (await http.control("DELETE", "faults")).json["rules"] == []


async def test_the_accounts_file_names_every_account_and_the_sandbox(
    http: HttpClient, server: SandboxServer
) -> None:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{server.url}/sandbox/accounts.toml") as response,
    ):
        accounts = tomllib.loads(await response.text())
    assert accounts["main"]["venue"] == "binance"
    assert accounts["bit"] == {
        "venue": "bitrue",
        "api_key": make_account("bit").api_key,
        "secret_key": make_account("bit").secret_key,
        "label": "Sandbox account bit",
        "base_url": server.url,
    }
    assert len(accounts["main"]["secret_key"]) == 64
    assert accounts["main"]["secret_key"].isalnum()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_the_process_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    file = tmp_path / "accounts.toml"
    script = (
        "from pathlib import Path; from adapters.sandbox.server import run_sandbox; "
        f"run_sandbox(port=0, accounts_file=Path({str(file)!r}), announce=lambda line: print(line, flush=True))"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    line = (await process.stdout.readline()).decode()
    url = line.split()[-1]
    async with aiohttp.ClientSession() as session, session.get(f"{url}/api/v3/ping") as response:
        assert await response.json() == {}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert url in file.read_text()
    os.kill(process.pid, number)
    _, errors = await process.communicate()
    assert (process.returncode, errors) == (0, b"")
