"""`beeline settings` shows what is in force, where it comes from, and no password."""

import json
from pathlib import Path

import pytest

from tests.commands.cli import beeline
from worker.settings import Settings


def test_every_setting_is_shown_with_its_source(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BEELINE_SHARDS", "64")
    shown = json.loads(beeline("settings", "--json").output)
    assert list(shown) == [f"BEELINE_{name.upper()}" for name in Settings.model_fields]
    assert shown["BEELINE_SHARDS"] == {"value": 64, "source": "environment"}
    assert shown["BEELINE_HEARTBEAT"] == {"value": 5, "source": "default"}


def test_a_password_is_never_shown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "url"
    file.write_text("amqps://worker:hunter2@broker/\n")
    monkeypatch.setenv("BEELINE_AMQP_URL_FILE", str(file))
    for output in (beeline("settings", "--json").output, beeline("settings").output):
        assert "hunter2" not in output
    shown = json.loads(beeline("settings", "--json").output)
    assert shown["BEELINE_AMQP_URL"] == {"value": "amqps://worker@broker/", "source": str(file)}


def test_a_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BEELINE_SHARDS", "none")
    result = beeline("settings")
    assert result.exit_code == 3
    assert "BEELINE_SHARDS" in result.output
