"""Amounts of a signal: decimal texts that keep their value, digit by digit, from the producer to the venue."""

import re
from decimal import Decimal
from typing import Final

MAX_DIGITS: Final = 18
"""Before the point, and behind it."""

_AMOUNT: Final = re.compile(r"(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,18})?", re.ASCII)
_DECIMAL: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?", re.ASCII)


def read_amount(value: object) -> Decimal:
    """Turn a decimal text into a `Decimal`, refusing every form that could change its value on the way."""
    if isinstance(value, str) and _AMOUNT.fullmatch(value):
        number = Decimal(value)
        if number:
            return number
    return _read_other_amount(value)


def _read_other_amount(value: object) -> Decimal:
    """Read an amount that was written as a number, or say what is wrong with it."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError('must be a decimal number, best as a string such as "0.01"')  # noqa: TRY004 - pydantic wants it
    text = str(value)
    if not _DECIMAL.fullmatch(text):
        raise ValueError(
            'must be a plain decimal number such as "0.01": digits and one point, no exponent, no sign'
        )
    whole, _, fraction = text.lstrip("-").partition(".")
    if len(whole) > MAX_DIGITS or len(fraction) > MAX_DIGITS:
        raise ValueError(f"must have at most {MAX_DIGITS} digits before and {MAX_DIGITS} after the point")
    number = Decimal(text)
    if number <= 0:
        raise ValueError("must be greater than 0")
    return number


def shortest(number: Decimal | None) -> str:
    """Write an amount without idle zeros, so that two texts are equal when the amounts are."""
    if number is None:
        return ""
    text = f"{number:f}"  # not `normalize`, which rounds to 28 digits
    return text.rstrip("0").rstrip(".") if "." in text else text
