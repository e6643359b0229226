"""The protocol broken on purpose, one rule at a time: what the simulation must not let pass."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final
from unittest import mock

from adapters.model import Order
from worker import placement
from worker.amqp import Line
from worker.consumer import Delivery
from worker.core import resolution
from worker.core.outcome import Outcome
from worker.core.resolution import NEVER, Case, Step
from worker.dispatcher import Dispatcher
from worker.epoch import Epoch


@contextmanager
def no_look_up_on_redelivery() -> Iterator[None]:
    """Place a redelivered signal as if it had never been delivered."""

    def begin(order: Order, **facts: Any) -> tuple[Case, Step]:
        return resolution.begin(order, **facts | {"suspect_until": None})

    with mock.patch.object(placement, "begin", begin):
        yield


@contextmanager
def no_wait_for_absence() -> Iterator[None]:
    """Take the first absence for a proof, though a request may still be on its way to the engine."""
    with mock.patch.object(Case, "conclusive_at", property(lambda _: NEVER)):
        yield


@contextmanager
def acknowledge_before_the_confirm() -> Iterator[None]:
    """Acknowledge a signal before the broker has confirmed its outcome."""
    answer = Dispatcher._answer

    async def acknowledge_first(
        self: Dispatcher, outcome: Outcome, deliveries: list[Delivery], *, remember: bool
    ) -> bool:
        for delivery in deliveries:
            delivery.ack()
        return await answer(self, outcome, deliveries, remember=remember)

    with mock.patch.object(Dispatcher, "_answer", acknowledge_first):
        yield


@contextmanager
def no_lease() -> Iterator[None]:
    """Send for as long as the connection seems to live."""

    async def keep(_: Epoch, line: Line, queue: str) -> None:
        await asyncio.Event().wait()

    with (
        mock.patch.object(Epoch, "may_send", lambda epoch: epoch.is_alive),
        mock.patch.object(Epoch, "keep", keep),
    ):
        yield


MUTATIONS: Final[tuple[Callable[[], Any], ...]] = (
    no_look_up_on_redelivery,
    no_wait_for_absence,
    acknowledge_before_the_confirm,
    no_lease,
)
