"""The scenario file on four venues: the same outcomes, but for the differences that it gives a reason for."""

from collections.abc import Mapping

import pytest

from tests.venues.scenario import VENUES, Step, Told, played, reasons, steps

STATUSES_THAT_LANDED = {"filled", "partially_filled", "unfilled", "resting", "cancelled"}


@pytest.fixture(scope="module")
def told() -> Mapping[str, Mapping[str, Told]]:
    return played()


@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize("step", steps(), ids=lambda step: step.name)
def test_a_step_ends_as_the_scenario_says(
    told: Mapping[str, Mapping[str, Told]], step: Step, venue: str
) -> None:
    assert told[step.name][venue].text == step.expected(venue)


@pytest.mark.parametrize("venue", VENUES)
def test_what_landed_is_said_to_have_landed_and_nothing_else_is(
    told: Mapping[str, Mapping[str, Told]], venue: str
) -> None:
    for name, by_venue in told.items():
        outcome = by_venue[venue].outcome
        if outcome is not None:
            landed = "yes" if outcome["status"] in STATUSES_THAT_LANDED else "no"
            assert outcome["landed"] == landed, name


@pytest.mark.parametrize("venue", VENUES)
def test_whatever_was_executed_comes_with_its_price_and_its_fees(
    told: Mapping[str, Mapping[str, Told]], venue: str
) -> None:
    executed = 0
    for name, by_venue in told.items():
        order = (by_venue[venue].outcome or {}).get("order")
        if order and order["executed_quantity"] and float(order["executed_quantity"]):
            executed += 1
            assert order["average_price"], name
            assert order["fills"], name
            assert all(fill["fee"] and fill["fee_asset"] for fill in order["fills"]), name
    assert executed > 5


@pytest.mark.parametrize("step", steps(), ids=lambda step: step.name)
def test_a_difference_between_venues_is_one_and_has_a_reason(step: Step) -> None:
    for venue, (outcome, _) in step.differs.items():
        assert venue in VENUES
        assert outcome != step.outcome, "no difference"
        assert reasons().get((venue, outcome)), f"no reason why {venue} ends as {outcome}"
