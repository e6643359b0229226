"""`beeline dead` as people see it; what it does at a broker is in tests/integration/."""

import json
import time
from typing import Any

import pytest

from tests.commands.cli import NO_BROKER, beeline
from worker.cli import Exit
from worker.commands import dead_letters
from worker.core.letters import Letter, Opinion, Prospect, read_letter

SIGNAL = {
    "signal_id": "s-1",
    "account": "main",
    "symbol": "BTC/USDT",
    "side": "buy",
    "type": "market",
    "quantity": "0.01",
}


def a_letter(body: bytes, **headers: Any) -> Letter:
    return read_letter(body, routing_key="main", headers=headers, message_id="m", timestamp=None)


GOOD = a_letter(json.dumps(SIGNAL).encode(), created_at_us=int(time.time() * 1e6), traceparent="00-ab")
NAMELESS = a_letter(b"\xffnot [bold] json", **{"beeline-reason": "not JSON"})


@pytest.fixture(autouse=True)
def letters(monkeypatch: pytest.MonkeyPatch) -> None:
    async def read(_: object) -> tuple[list[Letter], int]:
        return [GOOD, NAMELESS], 3

    monkeypatch.setattr(dead_letters, "_read", read)
    monkeypatch.setattr(dead_letters, "wants_json", lambda *, asked: asked)


def test_the_list_names_each_letter_its_signal_and_why_it_died() -> None:
    done = beeline("dead", "list")
    assert done.exit_code == Exit.DONE
    head, first, second = done.stdout.splitlines()
    assert head.split() == ["id", "published", "routing", "key", "signal", "reason"]
    assert first.split()[0] == GOOD.identity
    assert "s-1" in first
    assert second.split() == [NAMELESS.identity, "unknown", "main", "none", "not", "JSON"]
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert "3 more behind them" in done.stderr


def test_a_list_that_is_cut_says_how_much_is_left() -> None:
    done = beeline("dead", "list", "--limit", "1")
    assert NAMELESS.identity not in done.stdout
    assert "4 more behind them" in done.stderr


def test_a_letter_is_shown_whole_and_its_text_is_no_markup() -> None:
    shown = beeline("dead", "show", NAMELESS.identity).stdout
    assert "\\xffnot [bold] json" in shown
    assert "not JSON" in shown
    good = beeline("dead", "show", GOOD.identity).stdout
    assert '"signal_id": "s-1"' in good
    assert '"traceparent": "00-ab"' in good
    missing = beeline("dead", "show", "nobody")
    assert missing.exit_code == Exit.FAILED
    assert "no dead letter is called nobody" in missing.stderr


@pytest.mark.parametrize(
    ("options", "goes", "said", "code"),
    [
        ((), (True, True), "replayed", Exit.DONE),
        ((), (True, False), "left", Exit.FAILED),
        (("--dry-run",), (True, True), "would go", Exit.DONE),
        (("--dry-run",), (True, False), "would stay", Exit.FAILED),
    ],
)
def test_a_replay_says_of_each_letter_what_became_of_it_and_why(
    monkeypatch: pytest.MonkeyPatch,
    options: tuple[str, ...],
    goes: tuple[bool, bool],
    said: str,
    code: Exit,
) -> None:
    opinions = (Opinion(Prospect.SAFE, "places nothing"), Opinion(Prospect.POINTLESS, "has no id"))

    async def replay(*_: object, **__: object) -> list[tuple[Letter, Opinion, bool]]:
        return list(zip((GOOD, NAMELESS), opinions, goes, strict=True))

    monkeypatch.setattr(dead_letters, "_replay", replay)
    done = beeline("dead", "replay", "--all", *options)
    assert done.exit_code == code
    _, second = done.stdout.splitlines()
    assert second.split(NAMELESS.identity)[0].strip() == said
    assert second.endswith("main has no id")


@pytest.mark.parametrize(
    "arguments", [("replay",), ("drop",), ("replay", "--all", "x"), ("drop", "--all", "x"), ("drop", "x")]
)
def test_what_is_meant_has_to_be_said(arguments: tuple[str, ...]) -> None:
    assert beeline("dead", *arguments).exit_code == Exit.USAGE


def test_a_broker_that_is_not_there_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    done = beeline("dead", "list", amqp_url=NO_BROKER)
    assert done.exit_code == Exit.BROKER
    assert "hidden-word" not in done.output
