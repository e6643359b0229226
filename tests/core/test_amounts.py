"""Amounts: the short way of reading one gives what the long way gives."""

from decimal import Decimal

from hypothesis import example, given
from hypothesis import strategies as st

from worker.core.amounts import _read_other_amount, read_amount, shortest

NEARLY_AMOUNTS = st.from_regex(r"-?[0-9]{0,20}(\.[0-9]{0,20})?(E-?[0-9])?\n?", fullmatch=True)


def read(reader: object, value: object) -> str:
    """What a reader says of a value: the amount with all its digits, or its complaint."""
    assert callable(reader)
    try:
        return f"{reader(value)!r}"
    except ValueError as error:
        return str(error)


@given(NEARLY_AMOUNTS | st.text(max_size=5) | st.integers() | st.booleans() | st.none())
@example("0")
@example("0.000")
@example("-1")
@example("1" * 18 + "." + "1" * 18)
@example("1" * 19)
@example("0." + "1" * 19)
@example("٣")
def test_the_short_way_of_reading_an_amount_changes_nothing(value: object) -> None:
    assert read(read_amount, value) == read(_read_other_amount, value)


@given(st.decimals(min_value="0.000000000000000001", max_value=10**17, places=18), st.integers(0, 10))
def test_idle_zeros_are_the_only_digits_that_are_left_out(amount: Decimal, zeros: int) -> None:
    text = shortest(amount)
    assert Decimal(text) == amount
    assert not ("." in text and text.endswith(("0", ".")))
    assert shortest(Decimal(f"{amount:f}" + "0" * zeros)) == text
