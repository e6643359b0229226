"""Settings come from the environment, options win, and a typing mistake is an error."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from worker.settings import Settings, SettingsError, load_settings, unknown_variables


def test_the_defaults_are_those_of_the_contract() -> None:
    settings = load_settings()
    assert settings.amqp_url.get_secret_value() == "amqp://guest:guest@127.0.0.1:5672/"
    assert (settings.namespace, settings.shards, settings.accounts) == ("beeline", 32, Path("accounts.toml"))
    assert (settings.http_host, settings.http_port) == ("127.0.0.1", 9464)
    assert (settings.signal_ttl, settings.recv_window_ms, settings.heartbeat) == (30, 5000, 5)
    assert (settings.prefetch, settings.venue_timeout, settings.resolution_budget) == (50, 11, 300)
    assert (settings.memory, settings.drain_timeout) == (900, 60)
    assert (settings.ip_share, settings.egress) == (1.0, "default")
    assert (settings.log_level, settings.log_format) == ("info", "auto")
    assert "-" in settings.worker_id


def test_every_setting_is_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BEELINE_SHARDS", "100")
    monkeypatch.setenv("BEELINE_RECV_WINDOW_MS", "2500")
    monkeypatch.setenv("BEELINE_WORKER_ID", "pod-3")
    settings = load_settings()
    assert (settings.shards, settings.recv_window_ms, settings.worker_id) == (100, 2500, "pod-3")


def test_the_broker_s_url_can_be_a_mounted_secret(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "url"
    file.write_text("amqps://worker:secret@broker/\n")
    monkeypatch.setenv("BEELINE_AMQP_URL_FILE", str(file))
    assert load_settings().amqp_url.get_secret_value() == "amqps://worker:secret@broker/"
    assert load_settings(amqp_url="amqp://other/").amqp_url.get_secret_value() == "amqp://other/"
    file.unlink()
    with pytest.raises(SettingsError, match=r"BEELINE_AMQP_URL_FILE: .*No such file"):
        load_settings()


def test_an_option_wins_over_the_environment_and_an_absent_one_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("BEELINE_SHARDS", "100")
    assert load_settings(shards=8).shards == 8
    assert load_settings(shards=None).shards == 100


@pytest.mark.parametrize("name", ["BEELINE_SHARD", "BEELINE_", "BEELINE_HEARTBEATS"])
def test_an_unknown_variable_is_an_error_that_names_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "1")
    with pytest.raises(SettingsError, match=name):
        load_settings()


def test_variables_of_the_broker_script_are_nobodys_mistake() -> None:
    assert unknown_variables({"BEELINE_BROKER_HOME": "x", "PATH": "x", "BEELINE_X": "x"}) == ["BEELINE_X"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("shards", "0"),
        ("shards", "many"),
        ("shards", "1025"),
        ("recv_window_ms", "60001"),
        ("heartbeat", "1"),
        ("signal_ttl", "901"),
        ("signal_ttl", "-1"),
        ("signal_ttl", "nan"),
        ("venue_timeout", "nan"),
        ("resolution_budget", "inf"),
        ("ip_share", "0"),
        ("ip_share", "1.1"),
        ("http_port", "65536"),
        ("namespace", "a b"),
        ("worker_id", "a/b"),
        ("log_level", "loud"),
    ],
)
def test_a_bad_value_is_an_error_that_names_its_variable(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"BEELINE_{name.upper()}", value)
    with pytest.raises(SettingsError, match=f"BEELINE_{name.upper()}: "):
        load_settings()


def test_every_problem_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BEELINE_SHARDS", "0")
    monkeypatch.setenv("BEELINE_HEARTBEAT", "0")
    with pytest.raises(SettingsError) as caught:
        load_settings()
    assert len(str(caught.value).splitlines()) == 2


def test_settings_are_frozen_and_show_no_password() -> None:
    settings = load_settings(amqp_url="amqps://user:hunter2@broker/")
    assert "hunter2" not in repr(settings)
    with pytest.raises(ValidationError):
        settings.shards = 5  # type: ignore[misc]


def test_every_setting_is_described() -> None:
    assert [name for name, item in Settings.model_fields.items() if not item.description] == []
