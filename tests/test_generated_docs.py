"""The generated pages are what the code says; `make docs` writes them again."""

import pytest

from tests.generate_docs import DOCS, pages


@pytest.mark.parametrize("name", sorted(pages()))
def test_a_generated_page_is_current(name: str) -> None:
    assert (DOCS / name).read_text(encoding="utf-8") == pages()[name], "run `make docs`"
