"""One chaos run from its beginning to its verdict."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import aiormq
import orjson

from tests.chaos.broker_side import BROKER_ERRORS, Answers, Producers, is_conflict
from tests.chaos.checks import Violation, check
from tests.chaos.events import Director
from tests.chaos.plan import Options, Planned, account_names, plan_events, plan_signals
from tests.chaos.processes import SandboxProcess, Seat
from tests.chaos.proxy import Proxy
from tests.chaos.report import Display, Result
from tests.chaos.venue import Venue, planned_faults
from tests.integration.rabbitmq_node import RabbitNode

RECV_WINDOW_MS: Final = 1_500
PRODUCERS: Final = 3
PATIENCE_S: Final = 120.0
"""How long nothing may be answered before what is missing is called lost; longer than any planned stall."""


class Run:
    """A broker, a venue, a pool, producers, and what happens to them."""

    def __init__(self, options: Options, folder: Path, display: Display) -> None:
        self._options, self._folder, self._display = options, folder, display
        self._planned = plan_signals(options)
        self._answers = Answers(self._planned)
        self._seats: list[Seat] = []
        self._published: list[Planned] = self._planned
        self._ledger: list[dict[str, Any]] = []

    async def run(self) -> Result:
        """Run it and return its result, with every violation found."""
        began_s = time.monotonic()
        async with AsyncExitStack() as stack:
            node = await stack.enter_async_context(_node(self._options.release))
            venue = await self._open_venue(stack)
            await self._open_seats(stack, node)
            director = Director(
                self._seats, node, venue, self._answers, seed=self._options.seed, tell=self._display.event
            )
            await director.start_all()
            producers = Producers(node.url, self._answers, outstanding=self._options.outstanding)
            await self._play(node, director, producers)
            result = await self._conclude(node, venue, director, producers)
            result.seconds = time.monotonic() - began_s
            return result

    async def _open_venue(self, stack: AsyncExitStack) -> Venue:
        sandbox = SandboxProcess()
        stack.push_async_callback(sandbox.stop)
        binance, bitrue = account_names(self._options)
        await sandbox.start(
            seed=self._options.seed,
            binance=binance,
            bitrue=bitrue,
            accounts_file=self._folder / "accounts.toml",
        )
        venue = Venue(sandbox.url)
        stack.push_async_callback(venue.close)
        await venue.prepare(self._options)
        return venue

    async def _open_seats(self, stack: AsyncExitStack, node: RabbitNode) -> None:
        at = urlsplit(node.url)
        for number in range(self._options.workers):
            proxy = Proxy(at.hostname or "", at.port or 0)
            await proxy.start()
            stack.push_async_callback(proxy.stop)
            settings = {
                "BEELINE_AMQP_URL": f"amqp://{at.username}:{at.password}@127.0.0.1:{proxy.port}/",
                "BEELINE_ACCOUNTS": str(self._folder / "accounts.toml"),
                "BEELINE_SHARDS": str(self._options.shards),
                "BEELINE_HTTP_PORT": "0",
                "BEELINE_RECV_WINDOW_MS": str(RECV_WINDOW_MS),
                "BEELINE_VENUE_TIMEOUT": "3",
                "BEELINE_SIGNAL_TTL": "300",
                "BEELINE_LOG_FORMAT": "json",
            }
            seat = Seat(number, self._folder, proxy, settings)
            stack.push_async_callback(seat.destroy)
            self._seats.append(seat)

    # --- While it runs

    async def _play(self, node: RabbitNode, director: Director, producers: Producers) -> None:
        """Publish and break until everything is answered, or nothing is answered any more."""
        async with asyncio.TaskGroup() as tasks:
            helpers = [
                tasks.create_task(self._answers.follow(node.url)),
                tasks.create_task(self._show(producers)),
                *(tasks.create_task(director.guard(seat)) for seat in self._seats),
            ]
            breaking = [
                tasks.create_task(director.run(plan_events(self._options))),
                tasks.create_task(director.plant(planned_faults(self._options))),
            ]
            publishing = tasks.create_task(producers.run(self._planned, PRODUCERS))
            await self._until_published(publishing, producers)
            self._published = publishing.result()
            self._answers.expect_only(self._published)
            await self._until_answered_or_silent()
            await self._answers.poke()
            if self._answers.is_complete:
                await asyncio.gather(*breaking)
            for task in (*helpers, *breaking):
                task.cancel()

    async def _until_published(self, publishing: "asyncio.Task[list[Planned]]", producers: Producers) -> None:
        minutes = self._options.minutes
        await asyncio.wait({publishing}, timeout=None if minutes is None else minutes * 60)
        producers.stop()
        await self._answers.poke()
        await publishing

    async def _until_answered_or_silent(self) -> None:
        """Wait until everything is answered; a long silence means that what is missing is lost."""
        while not self._answers.is_complete:
            before = self._answers.answered, self._answers.copies
            try:
                async with asyncio.timeout(PATIENCE_S):
                    await self._answers.until(lambda: self._answers.is_complete)
            except TimeoutError:
                if before == (self._answers.answered, self._answers.copies):
                    return

    async def _show(self, producers: Producers) -> None:
        while True:
            owners = [f"{seat.number}:{len(seat.owned)}" for seat in self._seats if seat.owned]
            detail = f"published {producers.published}; shards owned by worker {' '.join(owners) or 'nobody'}"
            self._display.update(self._answers.answered, len(self._published), detail)
            await asyncio.sleep(0.5)

    # --- At the end

    async def _conclude(
        self, node: RabbitNode, venue: Venue, director: Director, producers: Producers
    ) -> Result:
        """Drain the pool, let the venue come to rest, and compare."""
        reader = asyncio.create_task(self._answers.follow(node.url))
        try:
            await director.drain_all()
            await _until_read(node.url)
            await venue.settle(RECV_WINDOW_MS)
        finally:
            reader.cancel()
        self._ledger = await venue.ledger()
        result = Result(options=self._options, broker=node.ctl("version").strip())
        result.violations = self._violations(director)
        result.faults = await venue.hits()
        result.events = {event: director.done[event] for event in self._options.counts()}
        result.orders = len(self._ledger)
        self._count(result, producers)
        return result

    def _violations(self, director: Director) -> list[Violation]:
        found = check(self._published, self._answers.outcomes, self._ledger)
        found += [Violation(kind="dead letter", text=text[:500]) for text in self._answers.dead]
        found += [Violation(kind="drain failed", text=text) for text in director.failed_drains]
        return found + [
            Violation(kind="worker died", text=f"worker {seat.number}: {text}")
            for seat in self._seats
            for text in seat.died
        ]

    def _count(self, result: Result, producers: Producers) -> None:
        answers = self._answers
        outcomes = [outcome for several in answers.outcomes.values() for outcome in several]
        first = [several[0] for several in answers.outcomes.values()]
        result.published, result.messages = len(self._published), producers.messages
        result.retries = producers.retries
        result.answered, result.copies = answers.answered, answers.copies
        result.conflicts = sum(is_conflict(outcome) for outcome in outcomes)
        result.statuses = dict(answers.statuses)
        result.codes = dict(Counter(outcome["error"]["code"] for outcome in outcomes if outcome["error"]))
        result.redelivered = sum(bool(outcome["redelivered"]) for outcome in first)
        result.lookups = sum(int(outcome["lookups"]) for outcome in first)
        result.placed_again = sum(int(outcome["attempts"]) > 1 for outcome in first)
        said: Counter[str] = Counter()
        for seat in self._seats:
            said += seat.said
        result.worker_events = dict(said)

    def evidence(self, violation: Violation) -> dict[str, list[str]]:
        """What every worker said of a signal, what the ledger has, and what was answered."""
        signal_id = violation.signal_id
        chosen = [signal_ for signal_ in self._planned if signal_.signal_id == signal_id]
        if not chosen:
            return {}
        signal_ = chosen[0]
        identity = signal_.client_order_id
        return {
            "published": [str(signal_)],
            "outcomes": [orjson.dumps(each).decode() for each in self._answers.outcomes[signal_.signal_id]],
            "ledger": [
                orjson.dumps(row).decode() for row in self._ledger if row["client_order_id"] == identity
            ],
        } | {
            seat.log.name: [line for line in seat.log.read_text().splitlines() if signal_.signal_id in line]
            for seat in self._seats
            if seat.log.exists()
        }


@asynccontextmanager
async def _node(release: str | None) -> AsyncIterator[RabbitNode]:
    node = await asyncio.to_thread(lambda: RabbitNode(release=release))
    try:
        await asyncio.to_thread(node.start)
        yield node
    finally:
        await asyncio.to_thread(node.delete)


async def _until_read(url: str) -> None:
    """Wait until the results queue is empty."""
    while True:
        if not await _unread(url):
            return
        await asyncio.sleep(0.2)


async def _unread(url: str) -> int:
    """How many outcomes are in the queue; a broker that does not answer may have some."""
    try:
        connection = await aiormq.connect(url)
        channel = await connection.channel()
        declared = await channel.queue_declare("beeline.outcomes", passive=True)
        await connection.close()
    except BROKER_ERRORS:
        return 1
    return declared.message_count or 0
