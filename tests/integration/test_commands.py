"""The commands that talk to a broker, run as people run them: processes with their output and their exit codes."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.integration.rabbitmq_node import RabbitNode
from tests.integration.rig import NAMESPACE, PATIENCE_S, Rig
from worker.cli import Exit
from worker.core.outcome import client_order_id

ORDER = ("--account", "main", "--symbol", "BTC/USDT", "--side", "buy", "--type", "market")
ANSWERS = "--wait", "--timeout", str(PATIENCE_S), "--json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A command that has ended."""

    code: int
    output: str
    errors: str

    @property
    def documents(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.output.splitlines()]


@asynccontextmanager
async def _start(
    environment: Mapping[str, str], *arguments: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Hold a running command; with a test that fails, it and its children end too."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "worker",
        *arguments,
        env=environment,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            for child in psutil.Process(process.pid).children():
                child.kill()
            process.kill()
            await process.communicate()


async def _run(environment: Mapping[str, str], *arguments: str, stdin: str = "") -> Done:
    async with _start(environment, *arguments) as process, asyncio.timeout(PATIENCE_S):
        output, errors = await process.communicate(stdin.encode())
    return Done(code=process.returncode or 0, output=output.decode(), errors=errors.decode())


def _short(rig: Rig) -> dict[str, str]:
    """The settings that clients need; the worker's would do no harm, and say less."""
    return {name: value for name, value in rig.environment().items() if name != "BEELINE_ACCOUNTS"}


# --- beeline signal ---------------------------------------------------------------------------------------------------


async def test_a_signal_for_a_namespace_that_does_not_exist_is_a_configuration_error(rig: Rig) -> None:
    done = await _run(_short(rig), "signal", *ORDER, "--quantity", "0.01", "--namespace", "nowhere")
    assert done.code == Exit.CONFIGURATION
    assert "no namespace 'nowhere'" in done.errors
    assert "beeline topology --namespace nowhere" in done.errors


async def test_a_published_signal_names_its_order_and_is_executed(rig: Rig) -> None:
    await rig.start_worker()
    await rig.follow_outcomes()
    done = await _run(_short(rig), "signal", *ORDER, "--quantity", "0.01", "--signal-id", "cli-1")
    assert (done.code, done.errors) == (Exit.DONE, "")
    (published,) = done.documents
    assert published["client_order_id"] == client_order_id("main", "cli-1")
    assert (await rig.outcome("cli-1"))["status"] == "filled"


@pytest.mark.parametrize(
    ("options", "status", "code"),
    [
        (("--quantity", "0.01"), "filled", Exit.DONE),
        (("--quantity", "0.01", "--dry-run"), "validated", Exit.DONE),
        (("--quantity", "0.00000001"), "rejected", Exit.FAILED),
        (("--quantity", "0.01", "--valid-until", "2020-01-01T00:00:00Z"), "expired", Exit.FAILED),
    ],
)
async def test_waiting_prints_the_outcome_and_exits_by_it(
    rig: Rig, options: tuple[str, ...], status: str, code: Exit
) -> None:
    await rig.start_worker()
    done = await _run(_short(rig), "signal", *ORDER, *options, *ANSWERS)
    assert [outcome["status"] for outcome in done.documents] == [status]
    assert done.code == code


async def test_waiting_without_a_worker_ends_after_the_timeout_and_says_what_to_do(rig: Rig) -> None:
    assert (await _run(rig.environment(), "topology")).code == Exit.DONE
    done = await _run(_short(rig), "signal", *ORDER, "--quantity", "0.01", "--wait", "--timeout", "0.2")
    assert done.code == Exit.FAILED
    assert "no outcome within 0.2 s" in done.errors
    assert "is one running?" in done.errors


async def test_lines_of_signals_are_answered_line_by_line_and_bad_ones_named(rig: Rig) -> None:
    await rig.start_worker()
    lines = [
        json.dumps(rig.a_signal(signal_id="one")),
        "",
        json.dumps(rig.a_signal(signal_id="bad", side="up")),
        "nonsense",
        json.dumps(rig.a_signal(signal_id="two", account="main-bitrue")),
    ]
    done = await _run(_short(rig), "signal", "-", *ANSWERS, stdin="\n".join(lines))
    assert done.code == Exit.USAGE
    assert {outcome["signal_id"]: outcome["status"] for outcome in done.documents} == {
        "one": "filled",
        "two": "filled",
    }
    assert "line 3: side: input should be 'buy' or 'sell'" in done.errors
    assert "line 4: not JSON" in done.errors


async def test_empty_standard_input_is_a_usage_error(rig: Rig) -> None:
    await _run(rig.environment(), "topology")
    assert (await _run(_short(rig), "signal")).code == Exit.USAGE


# --- beeline outcomes -------------------------------------------------------------------------------------------------


async def test_outcomes_are_followed_without_taking_them_from_anybody(rabbit: RabbitNode, rig: Rig) -> None:
    await rig.start_worker()
    environment = _short(rig) | {"COLUMNS": "200"}
    following = "outcomes", "--status", "filled", "--count", "2", "--json"
    async with _start(environment, *following) as process:
        await _until_followed(rabbit, rig)
        await rig.follow_outcomes()
        for signal_ in (rig.a_signal(), rig.a_signal(quantity="0"), rig.a_signal()):
            await rig.publish(signal_)
        async with asyncio.timeout(PATIENCE_S):
            output, _ = await process.communicate()
    assert process.returncode == Exit.DONE
    shown = [json.loads(line)["status"] for line in output.decode().splitlines()]
    assert shown == ["filled", "filled"]
    await rig.until(lambda: len(rig.outcomes) == 3)


async def test_an_interrupt_ends_following_with_its_exit_code(rabbit: RabbitNode, rig: Rig) -> None:
    await _run(rig.environment(), "topology")
    async with _start(_short(rig), "outcomes") as process:
        await _until_followed(rabbit, rig)
        process.send_signal(signal.SIGINT)
        async with asyncio.timeout(PATIENCE_S):
            output, errors = await process.communicate()
    assert (process.returncode, output, errors) == (Exit.INTERRUPTED, b"", b"")


async def _until_followed(rabbit: RabbitNode, rig: Rig) -> None:
    """Wait until a follower's queue is bound beside the durable one: what is published now reaches it."""
    shards = int(rig.environment()["BEELINE_SHARDS"])
    async with asyncio.timeout(PATIENCE_S):
        while len(await asyncio.to_thread(_bindings, rabbit, rig)) < shards + 2:
            pass


def _bindings(rabbit: RabbitNode, rig: Rig) -> list[str]:
    vhost = rig.amqp_url.rpartition("/")[2]
    listed = rabbit.ctl("list_bindings", "-p", vhost, "source_name", "destination_name", "--no-table-headers")
    return [line for line in listed.splitlines() if line.startswith(f"{NAMESPACE}.outcomes\t")]


# --- beeline demo -----------------------------------------------------------------------------------------------------


def _plain(amqp_url: str, tmp_path: Path) -> dict[str, str]:
    return {**os.environ, "BEELINE_AMQP_URL": amqp_url, "TMPDIR": str(tmp_path)}


def _left_behind(
    rabbit: RabbitNode, amqp_url: str, tmp_path: Path
) -> tuple[list[str], list[str], list[Path]]:
    vhost = amqp_url.rpartition("/")[2]
    queues = rabbit.ctl("list_queues", "-p", vhost, "name", "--no-table-headers").split()
    exchanges = rabbit.ctl("list_exchanges", "-p", vhost, "name", "--no-table-headers").split()
    return queues, [name for name in exchanges if name.startswith("demo-")], list(tmp_path.iterdir())


async def test_the_demo_keeps_the_promise_and_leaves_nothing_behind(
    rabbit: RabbitNode, amqp_url: str, tmp_path: Path
) -> None:
    environment = _plain(amqp_url, tmp_path)
    done = await _run(environment, "demo", "--signals", "40", "--seed", "3", "--no-crash", "--json")
    assert done.code == Exit.DONE, done.errors
    summary = json.loads(done.output)
    assert summary["kept"] is True
    assert summary["doubled"] == summary["unknown"] == summary["limit_breaches"] == 0
    for doubt in ("executed_twice", "placed_twice", "lost", "contradictions", "out_of_order", "unexpected"):
        assert summary[doubt] == []
    assert summary["signals"] == summary["outcomes"] == sum(summary["statuses"].values()) == 40
    assert summary["dead_letters"] == summary["not_signals"] == 1
    assert summary["orders"] > 5
    assert summary["latency_ms"]["p99"] >= summary["latency_ms"]["p50"] > 0
    assert "published" in done.errors
    assert _left_behind(rabbit, amqp_url, tmp_path) == ([], [], [])


async def test_an_interrupted_demo_leaves_nothing_running(
    rabbit: RabbitNode, amqp_url: str, tmp_path: Path
) -> None:
    environment = _plain(amqp_url, tmp_path)
    children: list[psutil.Process] = []
    async with _start(environment, "demo", "--signals", "5000") as process, asyncio.timeout(PATIENCE_S):
        assert process.stdout is not None
        async for line in process.stdout:
            if b"publishing" in line:
                children = psutil.Process(process.pid).children()
                process.send_signal(signal.SIGINT)
                break
        _, errors = await process.communicate()
    assert process.returncode == Exit.INTERRUPTED
    assert b"nothing is left running" in errors
    assert len(children) == 3
    assert not any(child.is_running() for child in children)
    assert _left_behind(rabbit, amqp_url, tmp_path) == ([], [], [])
