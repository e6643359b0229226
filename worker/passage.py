"""What becomes of a request at the gateway: it was sent and answered, or it was not sent at all."""

from collections.abc import Callable

from adapters.model import Answer
from adapters.signing import Signer
from adapters.values import value_type
from worker.budget import AccountBudget
from worker.core.resolution import Instant


@value_type
class Exchange:
    """A request that was sent: its answer, the time it was signed with, and what it took.

    `last_entry` is the last instant at which it can enter: its stamp and its recv window.
    """

    answer: Answer
    stamped_ms: float
    last_entry: Instant
    limiter_ms: float
    venue_ms: float


@value_type
class Throttled:
    """Nothing was sent: the wait for limits, a hold or the venue's time would have outlived the signal."""

    wait_ms: float
    limiter_ms: float
    for_time: bool = False


@value_type
class Fenced:
    """Nothing was sent: this worker may not send for the shard any more."""


Passage = Exchange | Throttled | Fenced


@value_type
class Sending:
    """Who sends and until when it makes sense: `may_send` is asked right before the bytes go out."""

    signer: Signer | None
    budget: AccountBudget | None
    may_send: Callable[[], bool]
    deadline_ms: float | None = None
