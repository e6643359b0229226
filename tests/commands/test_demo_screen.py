"""What the demo shows."""

from rich.console import Console, RenderableType

from tests.commands.builders import a_filled_outcome
from worker.demo.report import Plan, make_report
from worker.demo.screen import PlainScreen, Scene, draw
from worker.demo.summary import summary
from worker.demo.tally import Tally, percentile
from worker.demo.verdict import Verdict
from worker.demo.writer import Publication

PLAN = Plan(signals=1, seed=7, workers=2, rate=25, faults=True, crash=True)
SIGNAL = Publication(kind="market", account="main", body=b"", outcome_id="x")


def drawn(renderable: RenderableType) -> str:
    console = Console(width=80)
    with console.capture() as captured:
        console.print(renderable)
    return captured.get()


def a_tally() -> Tally:
    tally = Tally.of([SIGNAL])
    tally.publish(SIGNAL, 10.0)
    return tally


def test_a_publication_waits_until_it_is_answered() -> None:
    tally = a_tally()
    assert (tally.waiting, tally.answered) == (1, 0)
    tally.receive(a_filled_outcome(outcome_id="x"), 10.25)
    assert (tally.waiting, tally.answered, tally.latencies_ms) == (0, 1, [250.0])


def test_a_repeat_waits_for_an_answer_of_its_own_and_counts_once() -> None:
    tally = a_tally()
    tally.publish(SIGNAL, 11.0)
    tally.receive(a_filled_outcome(outcome_id="x"), 12.0)
    assert (tally.waiting, tally.signals) == (1, 1)
    tally.receive(a_filled_outcome(outcome_id="x"), 12.0)
    assert (tally.waiting, tally.statuses.total()) == (0, 1)


def test_junk_waits_for_the_dead_letters() -> None:
    tally = Tally.of([])
    tally.publish(Publication(kind="no signal", account="main", body=b""), 1.0)
    assert tally.waiting == 1
    tally.bury(1, 2.0)
    assert (tally.waiting, tally.changed_at_s) == (0, 2.0)


def test_percentiles_are_values_that_occurred() -> None:
    values = [float(number) for number in range(1, 101)]
    assert [percentile(values, share) for share in (0.5, 0.99, 1.0)] == [50.0, 99.0, 100.0]
    assert percentile([3.0], 0.99) == 3.0
    assert percentile([], 0.5) is None


def test_the_live_table_fits_a_small_terminal() -> None:
    scene = Scene(plan=PLAN, tally=a_tally(), faults={"accept_then_drop": 3}, step="publishing")
    lines = drawn(draw(scene)).splitlines()
    assert len(lines) <= 24
    assert "accept then drop" in "".join(lines)


def test_a_pipe_gets_a_line_now_and_then() -> None:
    console = Console(width=80)
    screen = PlainScreen(console)
    with console.capture() as captured:
        for elapsed_s in (0.0, 0.5, 1.0, 2.5):
            screen.show(Scene(plan=PLAN, tally=a_tally(), elapsed_s=elapsed_s))
    assert len(captured.get().splitlines()) == 2


def test_the_summary_says_whether_the_promise_was_kept() -> None:
    def conclusion(verdict: Verdict) -> str:
        report = make_report(
            PLAN, [SIGNAL], a_tally(), verdict, [], faults={}, limit_breaches=0, killed=None, seconds=1.0
        )
        return drawn(summary(report))

    assert "Kept: every signal ended in one outcome, and none in two orders." in conclusion(Verdict())
    broken = conclusion(Verdict(lost=[f"signal {number}" for number in range(7)]))
    assert "The promise was broken" in broken
    assert "signal 4" in broken
    assert "and 2 more" in broken
