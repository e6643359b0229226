"""What the demo publishes: signals of every kind, drawn from a seed.

Pure. Beside the signals there are repeats, which must get the same outcome again, and messages that are no signals,
which must end in the dead letters.
"""

from dataclasses import replace
from random import Random
from typing import Final

from worker.demo.kinds import KINDS, junk
from worker.demo.writer import Kind, Publication, Writer

REPEATS: Final = 0.05
JUNK: Final = 0.015
FARTHEST_REPEAT: Final = 30


def write_scenario(seed: int, signals: int) -> list[Publication]:
    """Return what is published, in order: the signals, some of them again later on, and some junk between them."""
    writer = Writer(seed)
    random = writer.random
    script = [writer.write(kind) for kind in _deck(random, signals)]
    again = sorted(random.sample(range(signals), round(signals * REPEATS)), reverse=True)
    for index in again:
        later = min(len(script), index + 1 + random.randrange(FARTHEST_REPEAT))
        script.insert(later, replace(script[index], is_repeat=True))
    for number in range(max(1, round(signals * JUNK))):
        script.insert(random.randrange(len(script) + 1), junk(number))
    return script


def _deck(random: Random, count: int) -> list[Kind]:
    """Draw kinds by their weight, with one of each where there is room."""
    rest = max(0, count - len(KINDS))
    deck = [*KINDS[:count], *random.choices(KINDS, [kind.weight for kind in KINDS], k=rest)]
    random.shuffle(deck)
    return deck
