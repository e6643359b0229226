"""A real broker for the tests in this folder: one private node for all of them, and a place of its own for
each."""

import itertools
import os
from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path

import pytest

from tests.integration.rabbitmq_node import RabbitNode, is_rabbitmq_installed
from tests.integration.rig import Rig

_NAMESPACES = itertools.count(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.integration)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get("CI"):
        report.outcome = "failed"
        report.longrepr = f"skipped where everything has to run: {item.nodeid}: {report.longrepr}"
    return report


@pytest.fixture(scope="session")
def rabbit() -> Iterator[RabbitNode]:
    """The node that tests share; one that kills its broker makes its own."""
    if not is_rabbitmq_installed():
        pytest.skip("rabbitmq-server is not installed; deploy/broker.sh install does that")
    with RabbitNode() as node:
        yield node


@pytest.fixture
def amqp_url(rabbit: RabbitNode) -> Iterator[str]:
    """The URL of an empty virtual host; it and all that is in it is gone after the test."""
    url = rabbit.new_vhost()
    yield url
    rabbit.delete_vhost(url)


@pytest.fixture
def namespace() -> str:
    """A namespace that no other test uses, for tests that share the node's default virtual host."""
    return f"test-{next(_NAMESPACES)}"


@pytest.fixture
async def rig(amqp_url: str, tmp_path: Path) -> AsyncIterator[Rig]:
    """A sandbox and a broker of the test's own; workers are started by the test."""
    async with Rig(amqp_url, tmp_path) as running:
        yield running
