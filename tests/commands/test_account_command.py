"""`beeline account check` as a program: what it writes, and what its exit code tells a script."""

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from adapters.sandbox.config import AccountConfig, default_config, make_account, render_accounts_toml
from adapters.sandbox.model import Dialect
from adapters.sandbox.server import SandboxServer, serve
from tests.commands.cli import beeline
from worker.commands.shell import Exit

MAIN, BITRUE = make_account("main"), make_account("main-bitrue", Dialect.BITRUE)


@pytest.fixture
async def sandbox() -> AsyncIterator[SandboxServer]:
    server = await serve(default_config((MAIN, BITRUE), port=0))
    yield server
    await server.stop()


def written(folder: Path, url: str, *accounts: AccountConfig, mode: int = 0o600, **over: str) -> Path:
    file = folder / "accounts.toml"
    file.touch(mode=0o600)
    text = render_accounts_toml(accounts or (MAIN, BITRUE), url)
    for old, new in over.items():
        text = text.replace(getattr(MAIN, old), new)
    file.write_text(text, encoding="utf-8")
    file.chmod(mode)
    return file


async def checked(file: Path, *arguments: str) -> tuple[int, list[dict[str, Any]], str]:
    """Run the command; return its exit code, the documents it wrote, and everything it wrote as text."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "worker", "account", "check", *arguments, "--accounts", str(file), "--json"),
        env={name: value for name, value in os.environ.items() if not name.startswith("BEELINE_")},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    told, complained = await process.communicate()
    documents = [json.loads(line) for line in told.splitlines()]
    return process.returncode or 0, documents, (told + complained).decode()


async def test_all_accounts_are_checked_and_a_good_one_ends_with_0(
    tmp_path: Path, sandbox: SandboxServer
) -> None:
    code, documents, said = await checked(written(tmp_path, sandbox.url), "--all")
    assert code == 0
    assert [(each["account"], each["ok"], each["failed"]) for each in documents] == [
        ("main", True, []),
        ("main-bitrue", True, []),
    ]
    assert MAIN.api_key not in said
    assert MAIN.secret_key not in said
    assert sandbox.exchange.engine.ledger.orders == []


async def test_the_exit_code_tells_what_failed(tmp_path: Path, sandbox: SandboxServer) -> None:
    spaced = written(tmp_path, sandbox.url, MAIN, api_key=MAIN.api_key + " ")
    code, (document,), _ = await checked(spaced, "main")
    assert (code, document["failed"]) == (3, ["configuration"])
    assert "ends with a space" in document["lines"][0]["text"]
    now_ms = int(time.time() * 1000)
    sandbox.exchange.binance.ban("127.0.0.1", now_ms + 3_600_000)
    code, (document,), _ = await checked(written(tmp_path, sandbox.url, MAIN), "main")
    assert (code, document["failed"]) == (5, ["venue"])
    assert "ip_banned" in document["lines"][2]["text"]
    sandbox.exchange.binance.ban("127.0.0.1", now_ms)
    sandbox.exchange.add_account(replace(MAIN, can_withdraw=True))
    code, (document,), _ = await checked(written(tmp_path, sandbox.url, MAIN), "main")
    assert (code, document["failed"]) == (1, ["withdraw"])
    await sandbox.stop()
    code, (document,), _ = await checked(written(tmp_path, sandbox.url, MAIN), "main")
    assert (code, document["failed"]) == (5, ["venue"])


def test_what_names_no_account_is_an_error(tmp_path: Path) -> None:
    file = written(tmp_path, "http://127.0.0.1:1")
    for arguments in ((), ("main", "--all")):
        assert beeline("account", "check", *arguments, "--accounts", str(file)).exit_code == Exit.USAGE
    done = beeline("account", "check", "mian", "--accounts", str(file))
    assert done.exit_code == Exit.CONFIGURATION
    assert "no account is called mian" in done.output
    assert "main, main-bitrue" in done.output
