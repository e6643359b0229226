"""Value types: what a frozen dataclass is, but for the guard at run time."""

from dataclasses import replace

import pytest

from adapters.values import value_type


@value_type
class Point:
    x: int
    y: int = 0


def test_a_value_is_compared_and_hashed_by_what_it_holds() -> None:
    assert Point(x=1) == Point(x=1, y=0) != Point(x=1, y=1)
    assert {Point(x=1): "here"}[Point(x=1, y=0)] == "here"


def test_a_value_is_replaced_instead_of_changed() -> None:
    assert replace(Point(x=1), y=2) == Point(x=1, y=2)


def test_a_value_names_its_fields_and_takes_no_others() -> None:
    with pytest.raises(TypeError):
        Point(1)  # type: ignore[call-arg]
    with pytest.raises(AttributeError):
        Point(x=1).z = 3  # type: ignore[attr-defined]
