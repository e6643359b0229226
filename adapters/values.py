"""How a value that is made for each order is declared: nobody may change it, and making it is cheap.

`dataclass(frozen=True)` enforces the first at run time, by writing each field of a new value through
`object.__setattr__`: a report of 16 fields then takes three times as long to make, and an order is twenty such values.
All code here is checked by mypy, and to mypy a value type is frozen just the same.
"""

from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
def value_type(cls: type[T]) -> type[T]:
    """Declare a value type: fields by keyword only, compared and hashed by what they hold, read-only to mypy."""
    return dataclass(slots=True, kw_only=True, unsafe_hash=True)(cls)
