"""One signal at a time per (account, symbol), in the order they came.

A signal leaves a lane in one of two ways: settled, or abandoned because this worker may not send for it any
more, in which case its next owner asks the venue first. What is done for it is in `placement.py` and
`cancellation.py`.
"""

import asyncio
from collections import deque
from dataclasses import dataclass

import structlog

from adapters.errors import Landed, VenueError, refusal
from adapters.model import Order, SymbolRules
from worker.cancellation import Cancellation, Clearance
from worker.core.outcome import Settlement, Subject, client_order_id
from worker.core.signals import Action
from worker.core.validity import valid_until_ms
from worker.execution import Execution
from worker.placement import Placement, order_of
from worker.trade import AbandonedError, Desk, Trade, rejected, unresolved

log = structlog.get_logger("beeline.lane")


@dataclass(frozen=True, slots=True)
class LaneLoad:
    """How many signals a lane has, and whether the first of them waits for a limit or a hold."""

    account: str
    symbol: str
    signals: int
    is_throttled: bool


class Lanes:
    """All lanes. A lane has a task only while it has work, so idle accounts cost nothing."""

    def __init__(self, desk: Desk, tasks: asyncio.TaskGroup) -> None:
        self._desk, self._tasks = desk, tasks
        self._waiting: dict[tuple[str, str], deque[Execution]] = {}
        self._running: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._draining = False

    @property
    def busy(self) -> int:
        """How many lanes have work."""
        return len(self._waiting)

    @property
    def throttled(self) -> int:
        """How many signals wait for a limit or a hold, those behind them in their lanes included."""
        return sum(load.signals for load in self.loads() if load.is_throttled)

    def loads(self) -> list[LaneLoad]:
        """Every lane with work."""
        return [
            LaneLoad(account, symbol, len(waiting), is_throttled=self._is_throttled(waiting[0]))
            for (account, symbol), waiting in self._waiting.items()
            if waiting
        ]

    def _is_throttled(self, execution: Execution) -> bool:
        account = self._desk.book.accounts.get(execution.signal.account)
        if account is None or account.signer is None:
            return False
        gateway = self._desk.book.gateway_of(account)
        return gateway.budget(account.limit_group or account.name).waiting > 0

    def enqueue(self, execution: Execution) -> None:
        """Put a signal at the end of its lane; in a drain it is left to its next owner."""
        if self._draining:
            # Not into a lane whose task is on its way out: nobody would ever work on it, and the drain waits for it.
            self._desk.dispatcher.abandon(execution)
            return
        key = (execution.signal.account, execution.signal.symbol)
        waiting = self._waiting.get(key)
        if waiting is not None:
            waiting.append(execution)
            return
        self._waiting[key] = deque([execution])
        self._running[key] = self._tasks.create_task(self._run(key))

    async def _run(self, key: tuple[str, str]) -> None:
        """Work on one signal after another, until nothing waits."""
        waiting = self._waiting[key]
        try:
            while waiting:
                execution = waiting[0]
                if self._draining:
                    self._desk.dispatcher.abandon(execution)
                else:
                    await Work(self._desk, execution).run()
                waiting.popleft()
        finally:
            del self._waiting[key], self._running[key]

    def drain(self) -> None:
        """Start nothing new; stop what has sent nothing yet, and let the rest come to its end."""
        self._draining = True
        for key, waiting in list(self._waiting.items()):
            if not waiting[0].sent:
                for execution in waiting:
                    self._desk.dispatcher.abandon(execution)
                self._running[key].cancel()


class Work:
    """The work on one signal."""

    def __init__(self, desk: Desk, execution: Execution) -> None:
        self._desk, self._execution = desk, execution
        self._signal, self._journey = execution.signal, execution.journey
        self._account = desk.book.accounts.get(execution.signal.account)
        self._rules: SymbolRules | None = None
        self._asked: Order | None = None
        ttl_s = desk.settings.signal_ttl
        self._valid_until_ms = valid_until_ms(execution.signal, execution.created_ms, ttl_s)

    async def run(self) -> None:
        """Bring the signal to its outcome, or abandon it."""
        if not self._execution.is_wanted:
            self._desk.dispatcher.abandon(self._execution)
            return
        try:
            settlement = await self._execute()
        except AbandonedError:
            self._desk.dispatcher.abandon(self._execution)
            return
        except Exception:
            log.exception(
                "signal ends as internal_error, which is an error in Beeline",
                signal_id=self._signal.signal_id,
            )
            settlement = self._internal_error()
        self._desk.dispatcher.settle(self._execution, self._subject(settlement), settlement, self._asked)

    def _internal_error(self) -> Settlement:
        return self._refuse(refusal("internal_error"))

    def _refuse(self, error: VenueError) -> Settlement:
        """Refuse without asking the venue: a claim only where nothing can have been sent for the signal."""
        if not self._execution.sent and not self._execution.suspect_until_ms:
            return rejected(error)
        if self._signal.action is Action.PLACE:
            self._asked = order_of(self._signal)  # so that the truth can be found out later
        return unresolved(error)

    async def _execute(self) -> Settlement:
        signal, account = self._signal, self._account
        if account is None:
            return self._refuse(refusal("unknown_account"))
        if account.signer is None:
            return self._refuse(refusal("account_refused", detail=account.refused))
        key_error = self._desk.keys.error(account)
        if key_error is not None:
            return self._refuse(key_error)
        trade = Trade(self._desk, self._execution, account, self._valid_until_ms)
        settlement: Settlement
        match signal.action:
            case Action.PLACE:
                settlement, self._asked = await Placement(trade).run()
            case Action.CANCEL:
                await trade.wait_until_told()
                settlement = await Cancellation(trade).run()
            case Action.CANCEL_ALL:
                await trade.wait_until_told()
                settlement = await Clearance(trade).run()
        self._rules = trade.gateway.known_rules(signal.symbol)
        return settlement

    def _named(self, settlement: Settlement) -> str | None:
        """The signal whose order the outcome speaks of; a cancel that proved nothing of its order speaks of none."""
        match self._signal.action:
            case Action.PLACE:
                return self._signal.signal_id
            case Action.CANCEL:
                proven = settlement.landed is not Landed.NO or (
                    settlement.error is not None and settlement.error.code == "order_not_found"
                )
                return self._signal.cancels if proven else None
            case Action.CANCEL_ALL:
                return None

    def _subject(self, settlement: Settlement) -> Subject:
        signal, account = self._signal, self._account
        named = self._named(settlement)
        return Subject(
            signal_id=signal.signal_id,
            account=signal.account,
            venue=account.venue if account else None,
            action=signal.action,
            symbol=self._rules.display if self._rules else signal.symbol_text,
            content_hash=signal.content_hash,
            client_order_id=client_order_id(signal.account, named) if named else None,
        )
