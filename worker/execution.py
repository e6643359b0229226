"""A signal that is being worked on, from its first delivery until its outcome is told."""

from collections.abc import Callable
from dataclasses import dataclass

from worker.consumer import Delivery
from worker.core.outcome import Journey, Outcome
from worker.core.signals import Signal
from worker.journal import nothing

LaneKey = tuple[str, str]
"""Account and symbol."""


@dataclass(slots=True, kw_only=True, eq=False)
class Execution:
    """A signal being worked on, and every delivery that waits for its outcome."""

    signal: Signal
    journey: Journey
    deliveries: list[Delivery]
    created_ms: float
    earliest_ms: float
    suspect_until_ms: float | None
    sent: bool = False
    outcome: Outcome | None = None
    on_told: Callable[[], None] = nothing

    @property
    def lane(self) -> LaneKey:
        """Signals of one lane are worked on one after another."""
        return self.signal.account, self.signal.symbol

    def continues_in(self, delivery: Delivery) -> bool:
        """Whether nobody else owned the shard since: otherwise what is known here is not all there is to know."""
        first = self.deliveries[0]
        if first.shard is None or delivery.shard is None:
            return True
        return first.shard.generation == delivery.shard.generation

    @property
    def is_wanted(self) -> bool:
        """Whether a delivery still waits."""
        for delivery in self.deliveries:  # noqa: SIM110 - there is one, and a generator costs more than the question
            if delivery.is_current:
                return True
        return False

    def may_send(self) -> bool:
        """Whether an order for this signal may go out right now; asked right before it does."""
        for delivery in self.deliveries:
            if delivery.epoch.may_send():
                self.sent = True
                return True
        return False
