from collections.abc import Callable
from typing import Any

import pytest

from tests.simulation.mutations import MUTATIONS
from tests.simulation.run import play

SEEDS = 200


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.__name__)
def test_a_protocol_broken_on_purpose_is_found_within_200_seeds(mutation: Callable[[], Any]) -> None:
    with mutation():
        assert any(play(seed).problems for seed in range(SEEDS))
