"""The venues, one small file each; a file put here is a venue, there is no registry to edit.

A venue's module names its adapter `ADAPTER`.
"""

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from adapters.base import Adapter


@cache
def discover() -> Mapping[str, Adapter]:
    """Return every venue's adapter by name."""
    found: dict[str, Adapter] = {}
    for module in iter_modules(__path__):
        adapter: Adapter = import_module(f"{__name__}.{module.name}").ADAPTER
        if adapter.name in found:
            raise ValueError(f"two venues are called {adapter.name}")
        found[adapter.name] = adapter
    return found


def get(name: str) -> Adapter:
    """Return one venue's adapter; raise `KeyError` naming the ones there are."""
    venues = discover()
    if name not in venues:
        raise KeyError(f"no venue is called {name!r}; there are {', '.join(sorted(venues))}")
    return venues[name]
