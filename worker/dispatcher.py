"""Brings each delivery to its lane, and each answer back to the broker.

One signal is worked on once, however often it is delivered: executions are known by (account, signal id), and
a further delivery joins the one under way or is answered from memory. An execution outlives its delivery:
when the link dies in the middle, its result is kept and given to the redelivery.

Publish, confirm, remember, acknowledge, in this order.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Final

import structlog

from adapters.errors import Landed, refusal
from adapters.model import Order
from worker.accounts import Account
from worker.clock_sync import Clock
from worker.consumer import Delivery, Shard
from worker.core.letters import REASON_HEADER, REPLAYED_HEADER, ROUTING_KEY_HEADER
from worker.core.outcome import (
    MESSAGE_TYPE,
    Journey,
    Outcome,
    Settlement,
    Status,
    Subject,
    build_outcome,
)
from worker.core.shards import Names
from worker.core.signals import BadSignal, Signal, Unanswerable, read_signal
from worker.core.tracing import TRACEPARENT, read_traceparent
from worker.core.validity import LONGEST_VALIDITY_MS, published_ms
from worker.execution import Execution, LaneKey
from worker.journal import Journal
from worker.message import Message
from worker.publisher import Publisher
from worker.recall import HASH_HEADER
from worker.telemetry import Telemetry

KEPT_LIMIT: Final = 10_000
MAX_CORRELATION_BYTES: Final = 255

log = structlog.get_logger("beeline.signal")

Key = tuple[str, str]
"""Account and signal id."""


class Dispatcher:
    """Knows what is being worked on, and what was answered."""

    def __init__(
        self,
        names: Names,
        publisher: Publisher,
        clock: Clock,
        telemetry: Telemetry,
        tasks: asyncio.TaskGroup,
        *,
        worker_id: str,
        accounts: Callable[[], Mapping[str, Account]],
        enqueue: Callable[[Execution], None],
    ) -> None:
        self._names, self._publisher, self._clock = names, publisher, clock
        self._telemetry, self._tasks = telemetry, tasks
        self._worker_id, self._accounts, self._enqueue = worker_id, accounts, enqueue
        self._running: dict[Key, Execution] = {}
        self._refusing: dict[Key, Outcome] = {}
        self._kept: OrderedDict[Key, Execution] = OrderedDict()
        self._untold: dict[LaneKey, int] = {}
        self._all_told: dict[LaneKey, asyncio.Event] = {}
        self.on_unknown: Callable[[Outcome, Shard], None] = lambda *_: None
        self.journal = Journal(telemetry, clock)
        self._answering = 0
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def in_flight(self) -> int:
        """Signals being worked on or answered."""
        return len(self._running) + self._answering

    @property
    def oldest_s(self) -> float:
        """Age of the oldest signal being worked on, in seconds; 0 when there is none."""
        created_ms = min((running.created_ms for running in self._running.values()), default=None)
        return 0.0 if created_ms is None else max(0.0, (self._clock.wall_ms() - created_ms) / 1000)

    async def idle(self) -> None:
        """Wait until nothing is being worked on or answered."""
        await self._idle.wait()

    # --- In

    def dispatch(self, delivery: Delivery) -> None:
        """Take one delivery; never blocks."""
        self._telemetry.received(redelivered=delivery.redelivered)
        try:
            self._dispatch(delivery)
        except Exception:
            log.exception(
                "message moved to the dead letters: it cannot be handled, which is an error in Beeline"
            )
            self._spawn(self._bury(delivery, "internal error"))

    def _dispatch(self, delivery: Delivery) -> None:
        request = read_signal(delivery.message.body, delivery.message.routing_key)
        if isinstance(request, Unanswerable):
            self._spawn(self._bury(delivery, request.reason))
            return
        key = (request.account, request.signal_id)
        running = self._running.get(key)
        if running is not None and running.continues_in(delivery):
            self._join(running, delivery, request)
            return
        remembered = delivery.shard.memory.recall(*key) if delivery.shard else None
        remembered = remembered or self._refusing.get(key)
        if remembered is not None:
            self._answer_again(remembered, delivery, request)
            return
        kept = self._kept.pop(key, None)
        if kept is not None and kept.outcome is not None and kept.continues_in(delivery):
            self._answer_kept(kept, kept.outcome, delivery, request)
            return
        self._begin(request, delivery)

    def _begin(self, request: Signal | BadSignal, delivery: Delivery) -> None:
        if isinstance(request, BadSignal):
            detail = "; ".join(request.problems)
            self._refuse(request, delivery, request.code, detail)
            return
        if delivery.shard is None:
            if REPLAYED_HEADER in delivery.message.headers:
                # An earlier attempt may have placed it; only whoever knows the account can tell.
                self._spawn(self._bury(delivery, "replayed, but no worker knows its account"))
            else:
                self._refuse(request, delivery, "unknown_account", None)
            return
        suspect_until_ms = delivery.shard.sending_until_ms if delivery.redelivered else None
        created_ms = self._created_ms(delivery)
        execution = Execution(
            signal=request,
            journey=_journey(delivery, created_ms),
            deliveries=[delivery],
            created_ms=created_ms,
            earliest_ms=self._earliest_ms(delivery, created_ms),
            suspect_until_ms=suspect_until_ms,
        )
        self._running[request.account, request.signal_id] = execution
        self._idle.clear()
        self._enqueue(execution)

    def _earliest_ms(self, delivery: Delivery, created_ms: float) -> float:
        """When the signal was published at the earliest: one that does not say may be as old as any valid one."""
        dated = created_ms != delivery.received_ms or not delivery.redelivered
        return created_ms if dated else created_ms - LONGEST_VALIDITY_MS

    def _created_ms(self, delivery: Delivery) -> float:
        """When the signal was published: by its header, by its timestamp, or when it was first received."""
        created_ms = published_ms(delivery.message.headers, delivery.message.timestamp)
        return delivery.received_ms if created_ms is None else min(created_ms, delivery.received_ms)

    def _join(self, running: Execution, delivery: Delivery, request: Signal | BadSignal) -> None:
        if request.content_hash == running.signal.content_hash:
            running.deliveries.append(delivery)
        else:
            self._refuse(request, delivery, "signal_id_conflict", None)

    def _answer_again(self, outcome: Outcome, delivery: Delivery, request: Signal | BadSignal) -> None:
        if request.content_hash == outcome.content_hash:
            self._spawn(self._answer(outcome, [delivery], remember=False))
        else:
            self._refuse(request, delivery, "signal_id_conflict", None)

    def _answer_kept(
        self, kept: Execution, outcome: Outcome, delivery: Delivery, request: Signal | BadSignal
    ) -> None:
        """Answer what ended after its epoch; until that is confirmed, it counts as being worked on."""
        key = (outcome.account, outcome.signal_id)
        if request.content_hash == outcome.content_hash:
            kept.deliveries = [delivery]
            self._running[key] = kept
            self._note_untold(kept.lane)
            self._spawn(self._finish(kept, outcome))
        else:
            self._kept[key] = kept
            self._refuse(request, delivery, "signal_id_conflict", None)

    def _refuse(self, request: Signal | BadSignal, delivery: Delivery, code: str, detail: str | None) -> None:
        """Answer a signal that is not executed."""
        settlement = Settlement(status=Status.REJECTED, landed=Landed.NO, error=refusal(code, detail=detail))
        account = self._accounts().get(request.account)
        subject = Subject(
            signal_id=request.signal_id,
            account=request.account,
            venue=account.venue if account else None,
            action=request.action,
            symbol=request.symbol_text,
            content_hash=request.content_hash,
            client_order_id=None,
        )
        journey = _journey(delivery, self._created_ms(delivery))
        outcome = self._build(subject, settlement, journey)
        is_conflict = code == "signal_id_conflict"
        if not is_conflict:
            self._refusing[request.account, request.signal_id] = outcome
        on_told = self.journal.settled(outcome, subject, journey)
        self._spawn(self._finish_refusal(outcome, delivery, on_told, remember=not is_conflict))

    async def _finish_refusal(
        self, outcome: Outcome, delivery: Delivery, on_told: Callable[[], None], *, remember: bool
    ) -> None:
        """Answer a refusal; until it is remembered, it already decides what else is refused under its id."""
        if await self._answer(outcome, [delivery], remember=remember):
            on_told()
        key = (outcome.account, outcome.signal_id)
        if self._refusing.get(key) is outcome:
            del self._refusing[key]

    # --- Out

    def settle(
        self, execution: Execution, subject: Subject, settlement: Settlement, asked: Order | None
    ) -> None:
        """Answer a signal that was worked on."""
        outcome = self._build(subject, settlement, execution.journey, asked)
        execution.outcome = outcome
        execution.on_told = self.journal.settled(outcome, subject, execution.journey)
        self._note_untold(execution.lane)
        self._spawn(self._finish(execution, outcome))

    async def told(self, account: str, symbol: str) -> None:
        """Wait until every settled signal of a lane has been told.

        A cancel changes what became of the orders before it: were one of their outcomes lost now, the next owner would
        look the order up and tell another.
        """
        lane = (account, symbol)
        while lane in self._untold:
            await self._all_told.setdefault(lane, asyncio.Event()).wait()

    def _note_untold(self, lane: LaneKey) -> None:
        self._untold[lane] = self._untold.get(lane, 0) + 1

    def _note_told(self, lane: LaneKey) -> None:
        """Wake who waits for a lane when the last of its settled signals is told."""
        left = self._untold.pop(lane) - 1
        if left:
            self._untold[lane] = left
        elif lane in self._all_told:
            self._all_told.pop(lane).set()

    def abandon(self, execution: Execution) -> None:
        """Stop working on a signal that is not ours any more; whoever gets it again asks the venue first."""
        self._leave(execution)
        self._check_idle()

    def _leave(self, execution: Execution) -> None:
        """Forget that a signal is being worked on, unless another execution of it has taken its place."""
        key = (execution.signal.account, execution.signal.signal_id)
        if self._running.get(key) is execution:
            del self._running[key]

    async def _finish(self, execution: Execution, outcome: Outcome) -> None:
        key = (outcome.account, outcome.signal_id)
        answered = await self._answer(outcome, execution.deliveries, remember=True)
        self._leave(execution)
        self._note_told(execution.lane)
        if answered:
            execution.on_told()
        shard = execution.deliveries[0].shard
        if answered and outcome.status is Status.UNKNOWN and shard is not None:
            self.on_unknown(outcome, shard)
        if not answered:
            self._kept[key] = execution
            while len(self._kept) > KEPT_LIMIT:
                self._kept.popitem(last=False)

    async def _answer(self, outcome: Outcome, deliveries: list[Delivery], *, remember: bool) -> bool:
        """Publish, then remember, then acknowledge, for each delivery; `False` when all are of ended epochs."""
        answered = False
        # The list grows while it is walked through: further deliveries of the signal may join.
        for delivery in deliveries:
            number = delivery.shard.number if delivery.shard else None
            message = self._message(outcome, number, delivery.message)
            began_s = self._clock.monotonic()
            if not await self._publisher.publish(
                self._names.outcomes, message, wanted=partial(getattr, delivery, "is_current")
            ):
                continue
            self._telemetry.published(self._clock.monotonic() - began_s)
            if delivery.shard is not None and remember:
                delivery.shard.memory.record(outcome, self._clock.wall_ms())
            if delivery.message.reply_to:
                await self._reply(outcome, delivery)
            delivery.ack()
            answered = True
        return answered

    async def correct(self, outcome: Outcome, shard: Shard) -> None:
        """Publish a later revision of an outcome, and remember it."""
        message = self._message(outcome, shard.number, Message(body=b""))
        if await self._publisher.publish(self._names.outcomes, message, wanted=lambda: shard.is_owned):
            shard.memory.record(outcome, self._clock.wall_ms())

    async def _reply(self, outcome: Outcome, delivery: Delivery) -> None:
        """Send a copy to whoever asked for one; a reply queue that is gone loses nothing."""
        key = delivery.message.reply_to or ""
        message = self._message(outcome, None, delivery.message, routing_key=key)
        await self._publisher.publish("", message, wanted=lambda: delivery.is_current, mandatory=False)

    def _message(
        self, outcome: Outcome, shard: int | None, cause: Message, *, routing_key: str | None = None
    ) -> Message:
        headers: dict[str, object] = {HASH_HEADER: outcome.content_hash}
        traceparent = read_traceparent(cause.headers)
        if traceparent is not None:
            headers[TRACEPARENT] = traceparent
        fits = len(outcome.signal_id.encode()) <= MAX_CORRELATION_BYTES
        return Message(
            body=outcome.body,
            routing_key=routing_key or self._names.outcome_key(shard, outcome.account, outcome.status),
            headers=headers,
            correlation_id=outcome.signal_id if fits else None,
            type=MESSAGE_TYPE,
            timestamp=datetime.fromtimestamp(self._clock.wall_ms() / 1000, UTC),
        )

    async def _bury(self, delivery: Delivery, reason: str) -> None:
        """Move a message that nobody can answer to the dead letters, whole, with the reason."""
        log.warning("message moved to the dead letters, see `beeline dead list`", reason=reason)
        headers = dict(delivery.message.headers) | {
            REASON_HEADER: reason,
            ROUTING_KEY_HEADER: delivery.message.routing_key,
        }
        message = replace(delivery.message, headers=headers)
        if await self._publisher.publish(self._names.dead, message, wanted=lambda: delivery.is_current):
            delivery.ack()
            self._telemetry.buried()

    # --- Helpers

    def _build(
        self, subject: Subject, settlement: Settlement, journey: Journey, asked: Order | None = None
    ) -> Outcome:
        return build_outcome(
            subject,
            settlement,
            asked=asked,
            journey=journey,
            now_s=self._clock.monotonic(),
            settled_at_ms=self._clock.wall_ms(),
            worker=self._worker_id,
        )

    def _spawn(self, work: Coroutine[None, None, object]) -> None:
        self._answering += 1
        self._idle.clear()
        self._tasks.create_task(work).add_done_callback(self._done)

    def _done(self, _: object) -> None:
        self._answering -= 1
        self._check_idle()

    def _check_idle(self) -> None:
        if not self._running and not self._answering:
            self._idle.set()


def _journey(delivery: Delivery, created_ms: float) -> Journey:
    """Begin to count what a signal goes through."""
    return Journey(
        received_s=delivery.received_s,
        queued_ms=max(0.0, delivery.received_ms - created_ms),
        redelivered=delivery.redelivered,
        traceparent=read_traceparent(delivery.message.headers),
    )
