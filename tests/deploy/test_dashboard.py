"""The Grafana dashboard: what Grafana needs to import it. That its queries have data is shown on a real Prometheus."""

import itertools
import json
from pathlib import Path
from typing import Any

import yaml

from tests.dashboard import queries
from tests.generate_docs import DOCS
from tests.tools import output_of

FOLDER = DOCS.parent / "deploy" / "grafana"
FILLED_IN = {"$__rate_interval": "5m", "$worker": ".*"}


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((FOLDER / "beeline.json").read_bytes())["panels"]
    return found


def cells(panel: dict[str, Any]) -> set[tuple[int, int]]:
    place = panel["gridPos"]
    return set(
        itertools.product(
            range(place["x"], place["x"] + place["w"]), range(place["y"], place["y"] + place["h"])
        )
    )


def test_every_panel_has_its_own_id_and_place() -> None:
    assert len({panel["id"] for panel in panels()}) == len(panels())
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        assert not taken & cells(panel), panel["title"]
        assert max(x for x, _ in cells(panel)) < 24, panel["title"]
        taken |= cells(panel)


def test_every_panel_says_what_it_shows_and_asks_the_chosen_source() -> None:
    shown = [panel for panel in panels() if panel["type"] != "row"]
    assert len(shown) > 25
    for panel in shown:
        assert panel["description"]
        assert panel["targets"]
        assert panel["datasource"] == {"type": "prometheus", "uid": "${source}"}


def test_every_query_can_be_parsed(tmp_path: Path) -> None:
    rules = []
    for number, (_, query) in enumerate(queries()):
        for name, value in FILLED_IN.items():
            query = query.replace(name, value)  # noqa: PLW2901 - filled in step by step
        rules.append({"record": f"query:{number}", "expr": query})
    file = tmp_path / "queries.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}), encoding="utf-8")
    code, printed = output_of("promtool", "check", "rules", file)
    assert code == 0, printed


def test_the_queries_stand_in_the_file() -> None:
    written = [target["expr"] for panel in panels() for target in panel.get("targets", ())]
    assert written == [query for _, query in queries()]
