"""How outcomes look."""

from rich.console import Console, RenderableType

from tests.commands.builders import a_cleared_outcome, a_filled_outcome, a_refused_outcome
from worker.commands.outcomes import Viewer
from worker.commands.rendering import STYLES, block, heading, is_success, row
from worker.core.outcome import Status


def drawn(renderable: RenderableType) -> str:
    console = Console(width=100)
    with console.capture() as captured:
        console.print(renderable)
    return captured.get()


def test_every_status_has_a_style() -> None:
    assert set(STYLES) == set(Status)


def test_rows_are_aligned_with_the_heading() -> None:
    head = heading().plain
    rows = [
        a_filled_outcome(),
        a_refused_outcome(account="an-account-with-a-very-long-name"),
        a_cleared_outcome(),
    ]
    for outcome in rows:
        assert row(outcome).plain[head.index("status") :].startswith(outcome["status"])


def test_a_row_tells_the_price_or_the_error() -> None:
    assert row(a_filled_outcome()).plain.endswith("0.01 at 65000")
    assert "unknown_symbol  The venue does not list this symbol" in row(a_refused_outcome()).plain
    assert row(a_cleared_outcome()).plain.endswith("0 orders")


def test_a_block_tells_what_happened_and_what_to_do() -> None:
    filled = drawn(block(a_filled_outcome()))
    assert "filled  buy 0.01 market BTC/USDT  main at binance" in filled
    assert "0.01 at 65000" in filled
    assert "1 attempt" in filled
    refused = drawn(block(a_refused_outcome()))
    assert "unknown_symbol" in refused
    assert "check the name" in refused


def test_only_what_was_meant_counts_as_a_success() -> None:
    good = {status for status in Status if is_success({"status": status})}
    assert good == {"filled", "partially_filled", "resting", "cancelled", "validated"}


def test_a_viewer_filters_and_stops_after_enough() -> None:
    viewer = Viewer(accounts=["main"], statuses=["filled"], count=1, as_json=True)
    viewer.show(a_refused_outcome())
    viewer.show(a_filled_outcome(account="other"))
    assert (viewer.shown, viewer.enough.is_set()) == (0, False)
    viewer.show(a_filled_outcome())
    viewer.show(a_filled_outcome())
    assert (viewer.shown, viewer.enough.is_set()) == (1, True)
