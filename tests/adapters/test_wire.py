"""Reading what a venue sends: every digit, and no exception."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.wire import decimal, integer, milliseconds, read_json, text

NUMBERS = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**53), 2**53)
DOCUMENTS = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=12,
)


def kinds_in(document: Any) -> set[type]:
    inner = document.values() if isinstance(document, dict) else document
    below = [kinds_in(value) for value in inner] if isinstance(document, dict | list) else []
    return {type(document)}.union(*below)


@given(DOCUMENTS)
def test_a_number_never_becomes_a_float_wherever_it_stands(document: Any) -> None:
    read = read_json(json.dumps(document).encode())
    assert float not in kinds_in(read)
    assert (Decimal in kinds_in(read)) == (float in kinds_in(document))
    assert read == json.loads(json.dumps(document), parse_float=Decimal)


def test_nesting_that_is_too_deep_is_no_document() -> None:
    assert read_json(b"[" * 100 + b"1.5" + b"]" * 100) is not None
    assert read_json(b"[" * 100_000 + b"1.5" + b"]" * 100_000) is None


@given(DOCUMENTS | st.decimals() | st.text())
def test_readers_take_anything_and_never_raise(value: object) -> None:
    number, whole = decimal(value), integer(value)
    assert number is None or number.is_finite()
    assert whole is None or type(whole) is int
    assert isinstance(milliseconds(value), int | None)
    assert text(value) != ""


@pytest.mark.parametrize("value", [True, False])
def test_a_truth_value_is_no_number_and_no_text(*, value: bool) -> None:
    assert decimal(value) is None
    assert integer(value) is None
    assert text(value) is None
