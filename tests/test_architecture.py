"""The rules of the architecture, checked by reading the code: one direction, pure decisions, readable sizes.

Each rule is one test, and each message says what to do. The rules are about the product (`adapters`,
`worker`); tests may import what they like.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("adapters", "worker")

LONGEST_FUNCTION = 70
LONGEST_MODULE = 425
TABLES = "adapters.error_tables."  # data, one row a line: as long as the venue's list of errors is

WITHOUT_IO = {
    "asyncio",
    "time",
    "random",
    "socket",
    "ssl",
    "threading",
    "secrets",
    "aiohttp",
    "aio_pika",
    "aiormq",
    "uvloop",
}
"""What a pure module never imports: anything that waits, tells the time, draws a number or opens a socket."""

IMPURE_ADAPTERS = {"adapters.http", "adapters.http_connection", "adapters.sandbox.server"}
"""The adapters that do I/O. Everything else under `adapters` decides only, and so does all of `worker/core`."""

HTTP_CLIENTS = (
    "adapters.http",
    "adapters.http_connection",
    "adapters.sandbox.server",
    "worker.status",
    "worker.demo",
)
AMQP_CLIENTS = {"worker.amqp", "worker.amqp_frames", "worker.amqp_switch", "worker.topology"}
SANDBOX_USERS = ("worker.cli", "worker.commands", "worker.demo")


@dataclass(frozen=True)
class Module:
    name: str
    path: Path
    text: str
    tree: ast.Module

    @property
    def is_package(self) -> bool:
        return self.path.name == "__init__.py"

    def belongs_to(self, *packages: str) -> bool:
        return any(self.name == package or self.name.startswith(f"{package}.") for package in packages)

    @property
    def is_pure(self) -> bool:
        return self.belongs_to("worker.core") or (
            self.belongs_to("adapters") and self.name not in IMPURE_ADAPTERS
        )

    def at(self, node: ast.AST) -> str:
        return f"{self.path.relative_to(ROOT)}:{getattr(node, 'lineno', 1)}"

    def imports(self) -> Iterator[tuple[str, ast.stmt]]:
        """Every imported name, as far as it can be a module: `from a import b` yields both a and a.b."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    yield alias.name, node
            elif isinstance(node, ast.ImportFrom):
                base = self._absolute(node)
                yield base, node
                for alias in node.names:
                    yield f"{base}.{alias.name}", node

    def _absolute(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        parts = self.name.split(".")
        parent = parts[: len(parts) - node.level + self.is_package]
        return ".".join([*parent, *([node.module] if node.module else [])])


@cache
def modules() -> dict[str, Module]:
    found = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
            text = path.read_text(encoding="utf-8")
            found[name] = Module(name, path, text, ast.parse(text, str(path)))
    return found


def each() -> Iterator[Module]:
    yield from modules().values()


def report(problems: list[str], advice: str) -> None:
    assert not problems, "\n  ".join([advice, *sorted(set(problems))])


def is_in(name: str, *packages: str) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def own_imports(module: Module) -> set[str]:
    """The modules of ours that a module imports."""
    known = modules()
    return {name for name, _ in module.imports() if name in known and name != module.name}


def test_the_rules_see_the_code() -> None:
    assert {"worker.lane", "worker.core.resolution", "adapters.sandbox.exchange"} <= modules().keys()
    assert "worker.core.outcome" in own_imports(modules()["worker.lane"])


# --- Arrows -----------------------------------------------------------------------------------------------------------


def test_no_module_imports_itself_through_others() -> None:
    graph = {module.name: own_imports(module) for module in each()}
    # An `import a.b` runs a/__init__ as well, but only an __init__ with imports of its own can close a circle.
    seen: dict[str, int] = {}
    cycles: list[str] = []

    def visit(name: str, path: list[str]) -> None:
        if name in path:
            cycles.append(" -> ".join([*path[path.index(name) :], name]))
            return
        if name in seen:
            return
        for other in sorted(graph[name]):
            visit(other, [*path, name])
        seen[name] = 1

    for name in sorted(graph):
        visit(name, [])
    report(cycles, "Imports go in a circle; move what both need into a module below them:")


def test_adapters_never_import_the_worker() -> None:
    problems = [
        f"{module.at(node)} imports {name}"
        for module in each()
        if module.belongs_to("adapters")
        for name, node in module.imports()
        if is_in(name, "worker")
    ]
    report(problems, "Arrows point from `worker` to `adapters`; hand in what the adapter needs instead:")


def test_only_the_command_line_and_the_demo_import_the_sandbox() -> None:
    problems = [
        f"{module.at(node)} imports {name}"
        for module in each()
        if not module.belongs_to("adapters.sandbox", *SANDBOX_USERS)
        for name, node in module.imports()
        if is_in(name, "adapters.sandbox")
    ]
    report(problems, "Nothing that trades may know the sandbox; it is reached over HTTP like any venue:")


def test_the_sandbox_shares_no_code_with_the_adapters() -> None:
    problems = [
        f"{module.at(node)} imports {name}"
        for module in each()
        if module.belongs_to("adapters.sandbox")
        for name, node in module.imports()
        if is_in(name, "adapters") and not is_in(name, "adapters.sandbox") and name != "adapters"
    ]
    report(
        problems, "The sandbox is a second reading of the venues' documents; write it out there once more:"
    )


def test_decisions_import_nothing_that_waits_or_tells_time() -> None:
    problems = [
        f"{module.at(node)} imports {name}"
        for module in each()
        if module.is_pure
        for name, node in module.imports()
        if name.partition(".")[0] in WITHOUT_IO
    ]
    report(
        problems, "This module decides and must stay pure; hand time, randomness and replies in as arguments:"
    )


def test_decisions_read_no_clock_through_datetime() -> None:
    problems = [
        f"{module.at(node)} calls {node.func.attr}()"
        for module in each()
        if module.is_pure
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in {"now", "utcnow", "today"}
    ]
    report(problems, "A pure module reads no clock; take the time as an argument:")


def test_the_core_imports_no_module_of_the_worker_outside_it() -> None:
    problems = [
        f"{module.at(node)} imports {name}"
        for module in each()
        if module.belongs_to("worker.core")
        for name, node in module.imports()
        if is_in(name, "worker") and not is_in(name, "worker.core") and name != "worker"
    ]
    report(
        problems, "`worker/core` is the bottom of the worker; move what it needs into it or into `adapters`:"
    )


def test_the_list_of_impure_adapters_names_existing_ones() -> None:
    report(
        sorted(IMPURE_ADAPTERS - modules().keys()),
        "Renamed or removed; correct IMPURE_ADAPTERS in this file:",
    )


def test_only_the_transport_imports_aiohttp() -> None:
    problems = [
        f"{module.at(node)} imports {name}"
        for module in each()
        if not module.belongs_to(*HTTP_CLIENTS)
        for name, node in module.imports()
        if is_in(name, "aiohttp")
    ]
    report(problems, "One file opens sockets to venues; send through adapters/http.py:")


def test_what_reads_replies_opens_no_connections() -> None:
    module = modules()["adapters.http_connection"]
    problems = [
        f"{module.at(node)} imports {name}"
        for name, node in module.imports()
        if is_in(name, "socket", "ssl", "aiohttp")
        and name.rpartition(".")[2] in {"socket", "ssl", "TCPConnector"}
    ] + [
        f"{module.at(node)} calls {node.attr}"
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Attribute)
        and node.attr in {"create_connection", "open_connection", "connect"}
    ]
    report(problems, "One file opens sockets to venues; connect in adapters/http.py:")


def test_only_the_broker_port_imports_amqp_libraries() -> None:
    problems = [
        f"{module.at(node)} imports {name}"
        for module in each()
        if module.name not in AMQP_CLIENTS and not module.belongs_to("worker.commands")
        for name, node in module.imports()
        if is_in(name, "aio_pika", "aiormq", "pamqp")
    ]
    report(
        problems, "One file knows the client library; speak of links, lines and messages (worker/amqp.py):"
    )


def test_only_the_export_of_traces_imports_opentelemetry() -> None:
    problems = [
        f"{module.at(node)} imports {name}"
        for module in each()
        if module.name != "worker.trace_export"
        for name, node in module.imports()
        if is_in(name, "opentelemetry")
    ]
    report(problems, "It is an extra that may not be there; make spans in worker/trace_export.py:")


# --- Readable ---------------------------------------------------------------------------------------------------------


def functions(module: Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_every_function_fits_on_a_screen() -> None:
    problems = [
        f"{module.at(function)} {function.name}: {length} lines"
        for module in each()
        for function in functions(module)
        if (length := (function.end_lineno or 0) - function.lineno + 1) > LONGEST_FUNCTION
    ]
    report(problems, f"Longer than {LONGEST_FUNCTION} lines; split by what it decides:")


def test_modules_are_small_enough_to_read() -> None:
    problems = [
        f"{module.path.relative_to(ROOT)}: {length} lines"
        for module in each()
        if not module.name.startswith(TABLES) and (length := module.text.count("\n")) > LONGEST_MODULE
    ]
    report(
        problems, f"Longer than {LONGEST_MODULE} lines; it has more than one subject, give each its module:"
    )


def test_every_module_says_what_it_is_for() -> None:
    problems = [str(module.path.relative_to(ROOT)) for module in each() if not ast.get_docstring(module.tree)]
    report(problems, "No docstring; say its purpose, its invariants and the reason:")


def test_no_work_is_left_in_comments() -> None:
    marks = ("TO" + "DO", "FIX" + "ME", "XX" + "X:")
    problems = [
        f"{module.path.relative_to(ROOT)}:{number}"
        for module in each()
        for number, line in enumerate(module.text.splitlines(), start=1)
        if any(mark in line for mark in marks)
    ]
    report(problems, "Do it, or file an issue; the code does not say what it lacks:")


def test_no_error_is_swallowed() -> None:
    broad = {"Exception", "BaseException"}
    problems = []
    for module in each():
        for node in ast.walk(module.tree):
            if not isinstance(node, ast.ExceptHandler):
                continue
            caught = (
                {name.id for name in ast.walk(node.type) if isinstance(name, ast.Name)}
                if node.type
                else broad
            )
            silent = all(isinstance(step, ast.Pass | ast.Continue) for step in node.body)
            if caught & broad and silent:
                problems.append(module.at(node))
    report(problems, "Catch what can go wrong by name, or log it and say what follows:")


@pytest.mark.parametrize("call", ["print", "breakpoint"])
def test_nothing_is_left_from_looking_for_a_mistake(call: str) -> None:
    problems = [
        module.at(node)
        for module in each()
        if not module.belongs_to("worker.cli", "worker.commands", "worker.demo")
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == call
    ]
    report(problems, f"Take {call}() out, or log a structured event:")
