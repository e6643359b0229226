"""The sandbox is a second reading of the venues' documents, and a state machine without a clock of its own."""

import ast
from pathlib import Path

import pytest

import adapters.sandbox

FOLDER = Path(adapters.sandbox.__file__).parent
MODULES = sorted(FOLDER.glob("*.py"))
IMPURE = {
    "asyncio",
    "time",
    "datetime",
    "random",
    "socket",
    "aiohttp",
    "uvloop",
    "secrets",
    "os",
    "threading",
}


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    return names


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_nothing_of_the_project_outside_the_sandbox_is_imported(path: Path) -> None:
    own = {name for name in imported(path) if name.split(".")[0] in {"adapters", "worker"}}
    assert all(name.startswith("adapters.sandbox") for name in own)


@pytest.mark.parametrize(
    "path", [path for path in MODULES if path.name != "server.py"], ids=lambda path: path.name
)
def test_only_the_server_touches_the_world(path: Path) -> None:
    assert not {name.split(".")[0] for name in imported(path)} & IMPURE
