"""Everything of the worker that touches the world, so that a simulation can put its own in place."""

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from adapters.http import Transport
from worker.amqp import Link, dial
from worker.clock_sync import Clock, Sender, SystemClock
from worker.core.shards import Names
from worker.topology import bind_accounts, declare


class VenueTransport(Sender, Protocol):
    """Sends requests to venues, and can be closed."""

    async def close(self) -> None:
        """Close all connections."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """The real ones, unless told otherwise. `transport` is given the venue timeout in seconds."""

    clock: Clock = field(default_factory=SystemClock)
    transport: Callable[[float], VenueTransport] = Transport
    dial: Callable[..., Awaitable[Link]] = dial
    declare: Callable[[Any, Names], Awaitable[None]] = declare
    bind_accounts: Callable[..., Awaitable[None]] = bind_accounts
    jitter: Callable[[float, float], float] = random.uniform
