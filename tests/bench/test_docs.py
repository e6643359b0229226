"""What a run becomes: tables between markers, pictures that are the same bytes for the same figures, verdicts."""

from pathlib import Path
from typing import Any

import pytest

from tests.bench import plots, targets
from tests.bench.child import ROOT
from tests.bench.docs import MarkerError, rewritten, sections
from tests.bench.tables import Table, as_markdown

PLOT = plots.Plot(
    name="example",
    title="A title",
    x_label="accounts",
    y_label="µs",
    lines={"Beeline": [(1, 300.0), (10, 310.0), (100, 305.0)], "none": []},
)


def test_a_table_is_written_as_markdown() -> None:
    table = Table(name="t", title="T", columns=("name", "µs"), rows=[("sign", "3.4")])
    assert as_markdown(table) == "| name | µs |\n| --- | ---: |\n| sign | 3.4 |"


def test_what_stands_between_markers_is_replaced_and_nothing_else() -> None:
    text = "before\n<!-- bench: a -->\nold\n<!-- /bench -->\nbetween\n<!-- bench: b -->\n<!-- /bench -->\nafter\n"
    once = rewritten(text, {"a": r"new \1"})
    assert once == text.replace("old\n", "\nnew \\1\n\n")
    assert rewritten(once, {"a": r"new \1"}) == once


def test_a_page_without_the_place_is_an_error() -> None:
    with pytest.raises(MarkerError, match="'a'"):
        rewritten("no marker", {"a": "new"})


def test_the_page_has_a_place_for_everything_that_can_be_measured(whole_run: dict[str, Any]) -> None:
    page = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    assert rewritten(page, sections(whole_run)).count("<!-- bench: ") == len(sections(whole_run))


def test_the_same_figures_are_the_same_picture(tmp_path: Path) -> None:
    first = plots.draw(PLOT, tmp_path)
    assert first is not None
    drawn = first.read_bytes()
    assert plots.draw(PLOT, tmp_path) == first
    assert first.read_bytes() == drawn
    assert b"accounts" in drawn
    assert b"dc:date" not in drawn


def test_a_picture_without_points_is_not_drawn(tmp_path: Path) -> None:
    empty = plots.Plot(name="e", title="", x_label="", y_label="", lines={"Beeline": []})
    assert plots.draw(empty, tmp_path) is None
    assert not list(tmp_path.iterdir())


def test_targets_are_met_missed_or_not_measured(whole_run: dict[str, Any]) -> None:
    verdicts = {name: verdict for name, _, _, verdict in targets.rows(whole_run)}
    assert set(verdicts.values()) == {"met"}
    whole_run["micro"]["sign (encode + HMAC)"] = 5.1
    whole_run.pop("latency")
    changed = {name: verdict for name, _, _, verdict in targets.rows(whole_run)}
    assert changed["sign"] == "missed"
    assert {name for name, verdict in changed.items() if verdict == "not measured"} == {
        name for name in verdicts if "half load" in name
    }


def test_a_ratio_that_has_to_be_large_is_missed_when_it_is_small(whole_run: dict[str, Any]) -> None:
    for row in whole_run["saturation"]["cpu_ratios"]:
        row["beeline_over_it"] = 0.6
    verdicts = {name: verdict for name, _, _, verdict in targets.rows(whole_run)}
    assert verdicts["orders per CPU second, over the ccxt loop's"] == "missed"
    assert verdicts["CPU of a signal, over the naive loop's"] == "met"


def test_a_signal_that_becomes_dearer_with_more_accounts_misses_and_one_that_becomes_cheaper_does_not(
    whole_run: dict[str, Any],
) -> None:
    name = "a signal with more accounts, up to 10,000, over one with fewer"
    rounds = [row for row in whole_run["saturation"]["rounds"] if row["contender"] == "beeline"]
    for row, cost_us in zip(rounds, (900.0, 500.0, 310.0), strict=True):
        row["cpu_us_per_order"] = cost_us
    assert (name, "met") in {(row[0], row[3]) for row in targets.rows(whole_run)}
    whole_run["growth"]["rows"][0]["work"]["cpu_us_per_order"] = 400.0
    assert (name, "missed") in {(row[0], row[3]) for row in targets.rows(whole_run)}
