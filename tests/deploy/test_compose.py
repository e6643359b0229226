"""compose.yaml is valid by the specification's schema, and its parts fit what they name."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.generate_docs import DOCS
from tests.tools import output_of
from worker.settings import Settings, unknown_variables

ROOT = DOCS.parent
COMPOSE = ROOT / "deploy" / "compose.yaml"


def by_schema(file: Path) -> tuple[int, str]:
    return output_of("check-jsonschema", "--builtin-schema", "vendor.compose-spec", file)


def services() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))["services"]
    return found


def test_it_is_valid() -> None:
    code, printed = by_schema(COMPOSE)
    assert code == 0, printed


def test_an_invalid_one_is_noticed(tmp_path: Path) -> None:
    broken = tmp_path / "compose.yaml"
    broken.write_text(COMPOSE.read_text(encoding="utf-8").replace("stop_grace_period", "stop_grace_time"))
    code, printed = by_schema(broken)
    assert code != 0
    assert "stop_grace_time" in printed


def test_every_mounted_file_exists() -> None:
    mounted = [
        volume.partition(":")[0]
        for service in services().values()
        for volume in service.get("volumes", ())
        if volume.startswith("./")
    ]
    assert len(mounted) >= 6
    assert all((COMPOSE.parent / path).exists() for path in mounted)


@pytest.mark.parametrize("name", ["worker", "topology", "producer"])
def test_beeline_s_services_are_set_by_variables_that_exist(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = services()[name]["environment"]
    assert unknown_variables(given) == []
    for variable, value in given.items():
        monkeypatch.setenv(variable, value)
    assert Settings().amqp_url.get_secret_value().startswith("amqp://beeline-")


def test_prometheus_finds_the_workers_by_the_name_of_their_service() -> None:
    config = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yaml").read_text(encoding="utf-8"))
    workers, broker = config["scrape_configs"]
    (discovery,) = workers["dns_sd_configs"]
    assert discovery["names"] == ["worker"]
    assert discovery["port"] == Settings.model_fields["http_port"].default
    assert services()["worker"]["expose"] == [str(discovery["port"])]
    assert broker["static_configs"][0]["targets"][0].split(":")[0] in services()


def test_a_stop_leaves_time_to_drain() -> None:
    grace = services()["worker"]["stop_grace_period"]
    assert int(grace.removesuffix("s")) > Settings.model_fields["drain_timeout"].default
