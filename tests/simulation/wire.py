"""Connections between simulated processes and the broker model: frames in order, late, held back or lost.

A connection is two pipes. Cutting a host off holds its frames back in both directions, as TCP does: they arrive when
the cut heals, unless an end gave up before. The broker gives a silent connection up between two and three heartbeats
after the last frame and promotes the next consumer at once; the client library needs three heartbeats and three
seconds to notice (measured, see `worker/epoch.py`). A killed process loses nothing that it wrote to its socket before.
"""

import asyncio
from collections.abc import Callable, Iterable
from contextvars import Context, copy_context
from random import Random
from typing import Any, TypeVar

from tests.simulation.broker import Broker, Consumer, Queue, Stream
from tests.simulation.loop import TICK_S, Process, SimulationLoop
from worker.amqp import (
    BrokerError,
)
from worker.message import Message

T = TypeVar("T")

OnPoint = Callable[[str, Process], None]


class Host:
    """A machine: which of its processes' links are cut off from the broker."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.cut: set[str] = set()
        self.links: dict[Connection, None] = {}


class Pipe:
    """One direction of a connection: everything arrives in order."""

    def __init__(self, loop: SimulationLoop, random: Random, context: Context, longest_s: float) -> None:
        self._loop, self._random, self._context, self._longest_s = loop, random, context, longest_s
        self._last_s = 0.0
        self._held: list[tuple[Callable[..., object], tuple[object, ...]]] = []
        self.is_blocked = False

    def send(self, action: Callable[..., object], *arguments: object, late_s: float = 0.0) -> None:
        """Let something happen at the other end."""
        if self.is_blocked:
            self._held.append((action, arguments))
            return
        travel_s = 0.0002 + self._random.random() * self._longest_s + late_s
        self._last_s = max(self._last_s + TICK_S, self._loop.time() + travel_s)
        self._loop.at(self._last_s, action, *arguments, context=self._context)

    def heal(self) -> None:
        """Send what was held back."""
        self.is_blocked = False
        held, self._held = self._held, []
        for action, arguments in held:
            self.send(action, *arguments)


class Server:
    """The broker as a program: it listens, commits, notices dead links, crashes and comes back."""

    def __init__(self, loop: SimulationLoop, broker: Broker, random: Random, on_point: OnPoint) -> None:
        self.loop, self.broker, self.random, self.on_point = loop, broker, random, on_point
        self.world = copy_context()
        self.is_up = True
        self.life = 0
        self.commits_at_once = True
        self.longest_travel_s = 0.001
        self.longest_notice_s = 0.0
        self.connections: dict[Connection, None] = {}
        self.lost_by: dict[object, str] = {}
        self._committed_s: dict[str, float] = {}

    def crash(self) -> None:
        """Lose every connection; what was committed stays."""
        self.is_up = self.broker.is_running = False
        self.life += 1
        for connection in list(self.connections):
            connection.drop("broker crash")

    def start(self) -> None:
        """Listen again."""
        self.is_up = self.broker.is_running = True

    def affected(self, host: Host) -> list["Connection"]:
        """Return a host's connections."""
        return [link for link in host.links if link.is_open_here or link.is_open_there]

    def cut(self, host: Host, kinds: Iterable[str]) -> None:
        """Hold back what a host and the broker send each other."""
        host.cut.update(kinds)
        for connection in self.affected(host):
            connection.obey_cut()

    def heal(self, host: Host) -> None:
        """Let everything through again."""
        host.cut.clear()
        for connection in self.affected(host):
            connection.obey_cut()

    def publish(self, exchange: str, message: Message, done: Callable[[], None]) -> bool:
        """Take a message: commit it in each place and say when that is done; `False` when nothing takes it.

        Queues and streams are separate logs, so a crash can leave a message in one place and not in the other.
        """
        destinations = self.broker.destinations(exchange, message.routing_key)
        if not destinations:
            return False
        life, missing = self.life, len(destinations)

        def commit(destination: str) -> None:
            nonlocal missing
            if self.life != life or not self.is_up:
                return
            self.broker.store(destination, message)
            missing -= 1
            if not missing:
                done()

        together_s = self._commit_time(destinations)
        for number, destination in enumerate(destinations):
            at_s = together_s + number * TICK_S if self.commits_at_once else self._commit_time([destination])
            self._committed_s[destination] = at_s
            self.loop.at(at_s, commit, destination, context=self.world)
        return True

    def _commit_time(self, destinations: list[str]) -> float:
        earliest_s = self.loop.time() + 0.0003 + self.random.random() * 0.003
        return max([earliest_s, *(self._committed_s.get(name, 0.0) + 10 * TICK_S for name in destinations)])


class Connection:
    """One connection, both ends of it."""

    def __init__(self, server: Server, process: Process, host: Host, kind: str, heartbeat: int) -> None:
        self.server, self.process, self.host, self.kind = server, process, host, kind
        self.heartbeat = heartbeat
        loop, random, longest_s = server.loop, server.random, server.longest_travel_s
        self.up = Pipe(loop, random, server.world, longest_s)
        self.down = Pipe(loop, random, process.context, longest_s)
        self.is_open_here = self.is_open_there = True
        self.reason = "the connection was closed"
        self.lost = asyncio.Event()
        self.lost_at_s: float | None = None
        self.waiting: dict[asyncio.Future[Any], None] = {}
        self.channels: dict[Channel, None] = {}
        self._heard_s = loop.time()
        self._patience: asyncio.TimerHandle | None = None
        self._suspicion: asyncio.TimerHandle | None = None

    # --- The broker's end

    def drop(self, cause: str) -> None:
        """Give the connection up at the broker: everything unacknowledged goes back."""
        if not self.is_open_there:
            return
        self.is_open_there = False
        self.server.connections.pop(self, None)
        self.server.lost_by[self] = cause
        if self._patience is not None:
            self._patience.cancel()
        for channel in list(self.channels):
            channel.close_there(cause)
        late_s = (
            self.server.random.random() * self.server.longest_notice_s if cause == "broker crash" else 0.0
        )
        self.down.send(self.lose, f"connection reset ({cause})", late_s=late_s)

    def heard(self, action: Callable[..., object], *arguments: object) -> None:
        """Handle a frame that came in."""
        if self.is_open_there:
            self._heard_s = self.server.loop.time()
            action(*arguments)

    def recheck(self) -> None:
        """Start or stop losing patience with a client that is silent."""
        silent = self.up.is_blocked or self.process.is_frozen or self.process.is_dead
        if not silent:
            if self._patience is not None:
                self._patience.cancel()
            self._patience = None
        elif self._patience is None and self.is_open_there:
            now_s = self.server.loop.time()
            heard_s = max(self._heard_s, now_s - self.heartbeat / 2)
            at_s = heard_s + self.heartbeat * (2 + self.server.random.random())
            self._patience = self.server.loop.at(at_s, self.drop, "heartbeat", context=self.server.world)

    # --- The client's end

    def write(self, action: Callable[..., object], *arguments: object) -> None:
        """Send a frame."""
        if self.is_open_here and not self.process.is_dead:
            self.up.send(self.heard, action, *arguments)

    def lose(self, reason: str) -> None:
        """Learn at the client that the connection is gone."""
        if not self.is_open_here:
            return
        self.is_open_here = False
        self.reason = reason
        self.lost_at_s = self.server.loop.time()
        if self._suspicion is not None:
            self._suspicion.cancel()
        self.lost.set()
        waiting, self.waiting = self.waiting, {}
        for future in waiting:
            if not future.done():
                future.set_exception(BrokerError(reason))

    async def ask(self, action: Callable[[Callable[[Any], None]], None], timeout_s: float) -> Any:
        """Carry out a round trip: `action` runs at the broker and is given what to answer with."""
        if not self.is_open_here:
            raise BrokerError("the connection is closed")
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.waiting[future] = None

        def come_back(result: Any) -> None:
            if not future.done() and self.is_open_here:
                future.set_result(result)

        self.write(action, lambda result: self.down.send(come_back, result))
        try:
            async with asyncio.timeout(timeout_s):
                return await future
        except TimeoutError:
            raise BrokerError("the broker did not answer in time") from None
        finally:
            self.waiting.pop(future, None)

    def hang_up(self) -> None:
        """Close the socket: what was written before still goes out."""
        self.up.send(self.heard, self.drop, "closed")
        self.is_open_here = False

    def obey_cut(self) -> None:
        """Take a change of the host's cut over."""
        blocked = self.kind in self.host.cut
        if blocked == self.up.is_blocked:
            return
        if blocked:
            self.up.is_blocked = self.down.is_blocked = True
            if self.is_open_here:
                at_s = self.server.loop.time() + 3 * (self.heartbeat + 1)
                reason = "the link is stuck"
                self._suspicion = self.server.loop.at(at_s, self.lose, reason, context=self.process.context)
        else:
            if self._suspicion is not None:
                self._suspicion.cancel()
            self.up.heal()
            self.down.heal()
        self.recheck()


class Channel:
    """One channel at the broker."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.subscriptions: list[tuple[Queue | Stream, Consumer]] = []
        self.last_tag = 0
        connection.channels[self] = None

    def close_there(self, cause: str) -> None:
        """Close the channel at the broker."""
        self.connection.channels.pop(self, None)
        subscriptions, self.subscriptions = self.subscriptions, []
        for place, consumer in subscriptions:
            place.detach(consumer, cause)

    def acknowledge(self, tag: int, *, multiple: bool) -> None:
        """Apply an acknowledgement."""
        for place, consumer in list(self.subscriptions):
            tags = [known for known in consumer.unacked if known <= tag] if multiple else [tag]
            place.acknowledge(consumer, tags)
