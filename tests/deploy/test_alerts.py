"""Alert rules: each fires when it should, stays silent otherwise, and leads to its runbook."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.generate_docs import DOCS
from tests.tools import output_of

ROOT = DOCS.parent
FOLDER = ROOT / "deploy" / "prometheus"
RULES, CASES = FOLDER / "alerts.yaml", FOLDER / "alerts.test.yaml"
FOREIGN = {"rabbitmq_detailed_queue_messages_ready", "rabbitmq_detailed_queue_messages"}


def alerts() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    rules: list[dict[str, Any]] = group["rules"]
    return rules


def headings(page: Path) -> set[str]:
    """The anchors that a page's headings have."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}


def test_prometheus_takes_the_configuration_with_its_rules() -> None:
    code, printed = output_of("promtool", "check", "config", FOLDER / "prometheus.yaml")
    assert code == 0, printed


def test_the_rules_do_what_their_cases_say() -> None:
    code, printed = output_of("promtool", "test", "rules", CASES)
    assert code == 0, printed


def test_rules_that_never_fire_are_noticed_each_of_them(tmp_path: Path) -> None:
    document = yaml.safe_load(RULES.read_text(encoding="utf-8"))
    for rule in document["groups"][0]["rules"]:
        rule["expr"] = "absent(vector(1))"
    (tmp_path / RULES.name).write_text(yaml.safe_dump(document), encoding="utf-8")
    (tmp_path / CASES.name).write_text(CASES.read_text(encoding="utf-8"), encoding="utf-8")
    code, printed = output_of("promtool", "test", "rules", tmp_path / CASES.name)
    assert code == 1
    missed = {alert["alert"] for alert in alerts() if f'alertname="{alert["alert"]}"' not in printed}
    assert not missed, "no case expects them to fire"


def test_an_invalid_rule_is_noticed(tmp_path: Path) -> None:
    broken = RULES.read_text(encoding="utf-8").replace("sum(beeline_ready)", "sum(beeline_ready", 1)
    (tmp_path / "broken.yaml").write_text(broken, encoding="utf-8")
    code, printed = output_of("promtool", "check", "rules", tmp_path / "broken.yaml")
    assert code != 0
    assert "could not parse expression" in printed


def test_rules_speak_of_metrics_that_exist() -> None:
    documented = set(re.findall(r"^\| `(beeline_[a-z_]+)`", (DOCS / "metrics.md").read_text(), re.MULTILINE))
    histograms = {f"{name}_bucket" for name in documented}
    for rule in alerts():
        named = set(re.findall(r"\b(?:beeline|rabbitmq)_[a-z_]+", rule["expr"]))
        assert named
        assert named <= documented | histograms | FOREIGN, rule["alert"]


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: alert["alert"])
def test_an_alert_says_how_urgent_it_is_and_leads_to_its_runbook(alert: dict[str, Any]) -> None:
    assert alert["labels"]["severity"] in {"page", "warning"}
    assert alert["annotations"].keys() == {"summary", "description", "runbook"}
    page, _, anchor = alert["annotations"]["runbook"].partition("#")
    assert anchor in headings(ROOT / page)


def test_links_inside_the_operations_page_lead_somewhere() -> None:
    page = DOCS / "operations.md"
    anchors = set(re.findall(r"\]\(#([\w-]+)\)", page.read_text(encoding="utf-8")))
    assert anchors
    assert anchors <= headings(page)
