"""The documents of the messages are valid by those who define their formats, and so are their examples."""

import json
from pathlib import Path

import orjson
import pytest

from tests.generate_docs import DOCS
from tests.tools import NODE, output_of
from worker.commands.samples import SIGNALS, Sample, outcomes
from worker.commands.schemas import OutcomeV1
from worker.core.signals import Signal, read_signal

ASYNCAPI = DOCS / "asyncapi.json"


def by_parser(file: Path) -> tuple[int, str]:
    return output_of("node", NODE / "check_asyncapi.mjs", file)


def test_the_official_parser_finds_nothing_wrong_with_the_asyncapi_document() -> None:
    assert by_parser(ASYNCAPI) == (0, "")


@pytest.mark.parametrize(
    ("right", "wrong", "complaint"),
    [
        ('"action": "receive"', '"action": "take"', "action"),
        ('"#/components/schemas/Status"', '"#/components/schemas/State"', "State"),
    ],
)
def test_a_wrong_asyncapi_document_is_noticed(right: str, wrong: str, complaint: str, tmp_path: Path) -> None:
    text = ASYNCAPI.read_text(encoding="utf-8")
    assert right in text
    (tmp_path / "broken.json").write_text(text.replace(right, wrong), encoding="utf-8")
    code, printed = by_parser(tmp_path / "broken.json")
    assert code != 0
    assert complaint in printed


@pytest.mark.parametrize("name", ["signal", "outcome"])
def test_a_schema_is_a_schema(name: str) -> None:
    code, printed = output_of("check-jsonschema", "--check-metaschema", DOCS / f"{name}.schema.json")
    assert code == 0, printed


@pytest.mark.parametrize("sample", [*SIGNALS, *outcomes()], ids=lambda sample: sample.name)
def test_an_example_fits_its_schema(sample: Sample, tmp_path: Path) -> None:
    name = "signal" if sample in SIGNALS else "outcome"
    file = tmp_path / "example.json"
    file.write_bytes(orjson.dumps(sample.payload))
    code, printed = output_of("check-jsonschema", "--schemafile", DOCS / f"{name}.schema.json", file)
    assert code == 0, printed


@pytest.mark.parametrize("sample", SIGNALS, ids=lambda sample: sample.name)
def test_an_example_of_a_signal_is_one_that_a_worker_takes(sample: Sample) -> None:
    signal = read_signal(orjson.dumps(sample.payload), sample.payload["account"])
    assert isinstance(signal, Signal)


@pytest.mark.parametrize("sample", outcomes(), ids=lambda sample: sample.name)
def test_an_example_of_an_outcome_is_one_that_a_worker_writes(sample: Sample) -> None:
    OutcomeV1.model_validate_json(json.dumps(sample.payload), strict=True)


def test_the_lock_file_of_the_node_packages_names_no_host() -> None:
    assert "://" not in "".join(
        line for line in (NODE / "package-lock.json").read_text().splitlines() if '"resolved"' in line
    )
