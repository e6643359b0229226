"""The published schemas fit what is really read and written."""

import json

import pytest

from tests.commands.builders import Json, a_cleared_outcome, a_filled_outcome, a_refused_outcome
from tests.commands.cli import beeline
from worker.commands.schemas import OutcomeV1
from worker.core.outcome import Status
from worker.core.signals import SignalV1


@pytest.mark.parametrize("outcome", [a_filled_outcome(), a_refused_outcome(), a_cleared_outcome()])
def test_outcomes_that_workers_write_fit_the_schema(outcome: Json) -> None:
    OutcomeV1.model_validate_json(json.dumps(outcome), strict=True)


def test_the_outcome_schema_names_every_field_and_status() -> None:
    schema = json.loads(beeline("schema", "outcome").output)
    assert set(schema["properties"]) == set(a_filled_outcome()) | {"orders"}
    assert set(schema["$defs"]["Status"]["enum"]) == {status.value for status in Status}


def test_the_signal_schema_names_every_field_and_forbids_others() -> None:
    schema = json.loads(beeline("schema").output)
    assert set(schema["properties"]) == set(SignalV1.model_fields)
    assert schema["required"] == ["signal_id", "account", "symbol"]
    assert schema["additionalProperties"] is False
