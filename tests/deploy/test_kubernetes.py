"""The Kubernetes manifests are valid by the API's own schemas, and fit what the worker does."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from tests.generate_docs import DOCS
from worker.settings import Settings, unknown_variables

FOLDER = DOCS.parent / "deploy" / "kubernetes"
API = "1.31"
SCHEMALESS = {"Kustomization", "ScaledObject"}  # kinds that are no part of Kubernetes itself

Manifest = dict[str, Any]


def manifests(file: Path) -> Iterator[Manifest]:
    yield from yaml.safe_load_all(file.read_text(encoding="utf-8"))


def kustomized(folder: Path) -> Iterator[Manifest]:
    """Everything that a kustomization is made of, before it is changed."""
    (kustomization,) = manifests(folder / "kustomization.yaml")
    for name in kustomization["resources"]:
        path = folder / name
        yield from kustomized(path) if path.is_dir() else manifests(path)


def the(kind: str) -> Manifest:
    (found,) = [manifest for manifest in kustomized(FOLDER / "keda") if manifest["kind"] == kind]
    return found


def pod() -> Manifest:
    spec: Manifest = the("StatefulSet")["spec"]["template"]["spec"]
    return spec


def container() -> Manifest:
    (found,) = pod()["containers"]
    assert isinstance(found, dict)
    return found


def test_every_manifest_is_named_by_a_kustomization() -> None:
    for folder in (FOLDER / "base", FOLDER / "keda"):
        (kustomization,) = manifests(folder / "kustomization.yaml")
        files = {path.name for path in folder.glob("*.yaml")} - {"kustomization.yaml", "secrets.example.yaml"}
        assert files == {name for name in kustomization["resources"] if name.endswith(".yaml")}


@pytest.mark.parametrize("file", sorted(FOLDER.rglob("*.yaml")), ids=lambda file: file.name)
def test_a_manifest_is_valid(file: Path) -> None:
    for manifest in manifests(file):
        if manifest["kind"] not in SCHEMALESS:
            kubernetes_validate.validate(manifest, API, strict=True)


def test_an_invalid_manifest_is_noticed() -> None:
    broken = the("StatefulSet")
    broken["spec"]["template"]["spec"]["terminationGrace"] = 90
    with pytest.raises(kubernetes_validate.ValidationError, match="terminationGrace"):
        kubernetes_validate.validate(broken, API, strict=True)


def test_the_settings_are_some_that_a_worker_takes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    given = dict(the("ConfigMap")["data"])
    mounted = Path(given.pop("BEELINE_AMQP_URL_FILE"))
    assert unknown_variables(given) == []
    _, accounts = manifests(FOLDER / "base" / "secrets.example.yaml")
    broker, _ = manifests(FOLDER / "base" / "secrets.example.yaml")
    (tmp_path / "url").write_text(broker["stringData"][mounted.name])
    for variable, value in given.items():
        monkeypatch.setenv(variable, value)
    monkeypatch.setenv("BEELINE_AMQP_URL_FILE", str(tmp_path / "url"))
    settings = Settings()
    assert settings.amqp_url.get_secret_value().startswith("amqps://beeline-worker:")
    mounts = {mount["name"]: mount["mountPath"] for mount in container()["volumeMounts"]}
    assert str(mounted.parent) == mounts["broker"]
    assert str(settings.accounts) == mounts["accounts"]
    assert accounts["metadata"]["name"] == "beeline-accounts"


def test_the_worker_has_a_stable_id_and_time_to_drain() -> None:
    (identity,) = container()["env"]
    assert identity["name"] == "BEELINE_WORKER_ID"
    assert identity["valueFrom"] == {"fieldRef": {"fieldPath": "metadata.name"}}
    drain_s = float(the("ConfigMap")["data"]["BEELINE_DRAIN_TIMEOUT"])
    assert pod()["terminationGracePeriodSeconds"] >= drain_s + 30


def test_kubernetes_adds_no_variables_that_a_worker_would_refuse() -> None:
    assert pod()["enableServiceLinks"] is False


def test_the_probes_ask_what_the_worker_answers() -> None:
    ports = {port["name"]: port["containerPort"] for port in container()["ports"]}
    assert ports == {"metrics": Settings.model_fields["http_port"].default}
    asked = {name: container()[name]["httpGet"] for name in container() if name.endswith("Probe")}
    assert {name: get["path"] for name, get in asked.items()} == {
        "startupProbe": "/livez",
        "livenessProbe": "/livez",
        "readinessProbe": "/readyz",
    }
    assert {get["port"] for get in asked.values()} == {"metrics"}


def test_secrets_are_files_that_only_the_worker_s_group_may_read() -> None:
    assert all(volume["secret"]["defaultMode"] == 0o440 for volume in pod()["volumes"])
    assert pod()["securityContext"]["fsGroup"] == pod()["securityContext"]["runAsUser"]
    assert "secretKeyRef" not in str(container())


def test_every_selector_finds_the_pods() -> None:
    labels = the("StatefulSet")["spec"]["template"]["metadata"]["labels"]
    assert the("StatefulSet")["spec"]["selector"]["matchLabels"] == labels
    assert the("Service")["spec"]["selector"] == labels
    assert the("PodDisruptionBudget")["spec"]["selector"]["matchLabels"] == labels
    assert the("NetworkPolicy")["spec"]["podSelector"]["matchLabels"] == labels


def test_the_pool_is_scaled_by_metrics_that_exist_and_never_beyond_its_shards() -> None:
    scaled = the("ScaledObject")["spec"]
    target = the("StatefulSet")
    assert scaled["scaleTargetRef"] == {"kind": target["kind"], "name": target["metadata"]["name"]}
    shards = int(the("ConfigMap")["data"]["BEELINE_SHARDS"])
    assert 2 <= scaled["minReplicaCount"] < scaled["maxReplicaCount"] <= shards
    share = float(the("ConfigMap")["data"]["BEELINE_IP_SHARE"])
    assert share * scaled["maxReplicaCount"] <= 1
    documented = (DOCS / "metrics.md").read_text(encoding="utf-8")
    queries = [trigger["metadata"]["query"] for trigger in scaled["triggers"]]
    named = set(re.findall(r"\bbeeline_[a-z_]+", " ".join(queries)))
    assert named == {"beeline_signals_in_flight", "beeline_signals_throttled"}
    assert all(f"`{name}`" in documented for name in named)
    assert any("rabbitmq_detailed_queue_messages_ready" in query for query in queries)
