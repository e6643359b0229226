"""A model of RabbitMQ, as far as the worker can tell: what it keeps, whom it delivers to, and in which order.

Pure state without time of its own: `links.py` moves the frames. What is modelled was measured on real brokers
(`tests/integration`): quorum queues that give unacknowledged messages back in their order and count it; a single
active consumer that is promoted by priority on RabbitMQ 4, once the earlier one has nothing unacknowledged, and by
arrival on 3.x; streams that are read from an offset or a time; exchanges that route by key. Everything here is durable
and survives a restart of the broker; consumers do not.
"""

import heapq
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from worker.core.shards import Names
from worker.message import Message
from worker.topology import DELIVERY_LIMIT, _bindings, _exchanges, _queues

Deliver = Callable[[Message], None]


@dataclass(slots=True, kw_only=True, eq=False)
class Stored:
    """A message in a queue: its place and how often it came back."""

    place: int
    message: Message
    at_ms: float
    returned: int = 0

    def __lt__(self, other: "Stored") -> bool:
        return self.place < other.place


@dataclass(slots=True, kw_only=True, eq=False)
class Consumer:
    """One subscription. `owner` is whatever its link wants to be known by."""

    owner: object
    deliver: Callable[[Message], int]
    priority: int = 0
    prefetch: int = 0
    unacked: dict[int, Stored] = field(default_factory=dict)
    is_quiescing: bool = False
    offset: int = 0

    @property
    def has_room(self) -> bool:
        """Whether another message may be delivered before an acknowledgement."""
        return not self.prefetch or len(self.unacked) < self.prefetch


class Queue:
    """A quorum queue, with a single active consumer if asked for."""

    def __init__(self, broker: "Broker", name: str, arguments: Mapping[str, Any]) -> None:
        self._broker, self.name = broker, name
        self._single = bool(arguments.get("x-single-active-consumer"))
        self._dead_letters_to = arguments.get("x-dead-letter-exchange")
        self.ready: list[Stored] = []
        self.consumers: list[Consumer] = []
        self.active: Consumer | None = None
        self._places = 0

    @property
    def depth(self) -> int:
        """Messages that wait or are unacknowledged."""
        return len(self.ready) + sum(len(consumer.unacked) for consumer in self.consumers)

    def append(self, message: Message, at_ms: float) -> None:
        """Take a message."""
        self._places += 1
        heapq.heappush(self.ready, Stored(place=self._places, message=message, at_ms=at_ms))
        self._pump()

    def attach(self, consumer: Consumer) -> None:
        """Take a consumer."""
        self.consumers.append(consumer)
        self._elect()
        self._pump()

    def detach(self, consumer: Consumer, cause: str) -> None:
        """Let a consumer go: what it had unacknowledged comes back in its order."""
        self.consumers.remove(consumer)
        for stored in consumer.unacked.values():
            self._give_back(stored)
        consumer.unacked.clear()
        if self.active is consumer:
            self.active = None
            self._broker.on_demoted(self.name, consumer.owner, cause)
        self._elect()
        self._pump()

    def acknowledge(self, consumer: Consumer, tags: Iterable[int]) -> None:
        """Forget messages."""
        for tag in tags:
            consumer.unacked.pop(tag, None)
        self._elect()
        self._pump()

    def _give_back(self, stored: Stored) -> None:
        stored.returned += 1
        self._broker.redeliveries += 1
        if stored.returned > DELIVERY_LIMIT and self._dead_letters_to is not None:
            self._broker.route(self._dead_letters_to, stored.message)
        else:
            heapq.heappush(self.ready, stored)

    def _elect(self) -> None:
        """Choose who is active."""
        if not self._single or not self._broker.is_running:
            return
        best = self._best()
        active = self.active
        if active is None:
            if best is not None:
                self._promote(best)
        elif best is not None and best is not active and self._broker.has_priorities:
            active.is_quiescing = best.priority > active.priority
            if active.is_quiescing and not active.unacked:
                active.is_quiescing = False
                self._broker.on_demoted(self.name, active.owner, "drained")
                self._promote(best)
        elif active.is_quiescing:
            active.is_quiescing = False

    def _best(self) -> Consumer | None:
        if not self._broker.has_priorities:
            return self.consumers[0] if self.consumers else None
        return max(self.consumers, key=lambda consumer: consumer.priority, default=None)

    def _promote(self, consumer: Consumer) -> None:
        self.active = consumer
        self._broker.on_promoted(self.name, consumer.owner)

    def _pump(self) -> None:
        """Deliver what can be delivered."""
        while self.ready and self._broker.is_running:
            consumer = self._next_consumer()
            if consumer is None:
                return
            stored = heapq.heappop(self.ready)
            headers = dict(stored.message.headers)
            if stored.returned:
                headers["x-delivery-count"] = stored.returned
            message = replace(stored.message, headers=headers, redelivered=stored.returned > 0)
            consumer.unacked[consumer.deliver(message)] = stored

    def _next_consumer(self) -> Consumer | None:
        if not self._single:
            return next((consumer for consumer in self.consumers if consumer.has_room), None)
        active = self.active
        usable = active is not None and not active.is_quiescing and active.has_room
        return active if usable else None


class Stream:
    """An append-only log that any number of consumers read from where they like."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.log: list[tuple[float, Message]] = []
        self.consumers: list[Consumer] = []

    @property
    def ready(self) -> list[tuple[float, Message]]:
        """What a passive declare counts."""
        return self.log

    def append(self, message: Message, at_ms: float) -> None:
        """Take a message."""
        self.log.append((at_ms, message))
        for consumer in self.consumers:
            self._pump(consumer)

    def attach(self, consumer: Consumer, start: object) -> None:
        """Take a consumer that reads from an offset."""
        if isinstance(start, datetime):
            since_ms = start.timestamp() * 1000
            later = (number for number, (at_ms, _) in enumerate(self.log) if at_ms >= since_ms)
            consumer.offset = next(later, len(self.log))
        else:
            consumer.offset = 0 if start == "first" else len(self.log)
        self.consumers.append(consumer)
        self._pump(consumer)

    def detach(self, consumer: Consumer, cause: str) -> None:
        """Let a consumer go."""
        self.consumers.remove(consumer)

    def acknowledge(self, consumer: Consumer, tags: Iterable[int]) -> None:
        """Give a reader credit for more."""
        for tag in tags:
            consumer.unacked.pop(tag, None)
        self._pump(consumer)

    def _pump(self, consumer: Consumer) -> None:
        while consumer.offset < len(self.log) and consumer.has_room:
            at_ms, message = self.log[consumer.offset]
            stored = Stored(place=consumer.offset, message=message, at_ms=at_ms)
            consumer.offset += 1
            consumer.unacked[consumer.deliver(message)] = stored


@dataclass(slots=True, kw_only=True)
class _Exchange:
    kind: str
    alternate: str | None
    bindings: list[tuple[str, str]] = field(default_factory=list)


class Broker:
    """Exchanges, queues and streams."""

    def __init__(self, *, has_priorities: bool, now_ms: Callable[[], float]) -> None:
        self.has_priorities = has_priorities
        self._now_ms = now_ms
        self.queues: dict[str, Queue] = {}
        self.streams: dict[str, Stream] = {}
        self._exchanges: dict[str, _Exchange] = {}
        self.redeliveries = 0
        self.is_running = True
        self.on_promoted: Callable[[str, object], None] = lambda *_: None
        self.on_demoted: Callable[[str, object, str], None] = lambda *_: None

    def declare(self, names: Names) -> None:
        """Declare what a worker declares; what is there already stays."""
        for name, kind, arguments in _exchanges(names):
            alternate = arguments.get("alternate-exchange")
            self._exchanges.setdefault(name, _Exchange(kind=kind.value, alternate=alternate))
        for name, arguments in _queues(names):
            if arguments.get("x-queue-type") == "stream":
                self.streams.setdefault(name, Stream(name))
            else:
                self.queues.setdefault(name, Queue(self, name, arguments))
        for queue, exchange, key in _bindings(names):
            self.bind(queue, exchange, key)

    def bind(self, queue: str, exchange: str, key: str) -> None:
        """Bind a queue or stream to an exchange, once."""
        bindings = self._exchanges[exchange].bindings
        if (queue, key) not in bindings:
            bindings.append((queue, key))

    def unbind(self, queue: str, exchange: str, key: str) -> None:
        """Take a binding away; one that is not there is no error."""
        bindings = self._exchanges[exchange].bindings
        if (queue, key) in bindings:
            bindings.remove((queue, key))

    def destinations(self, exchange: str, key: str) -> list[str]:
        """Return the queues and streams that a message goes to."""
        if exchange == "":
            return [key] if key in self.queues or key in self.streams else []
        known = self._exchanges[exchange]
        found = [queue for queue, pattern in known.bindings if _matches(known.kind, pattern, key)]
        if not found and known.alternate is not None:
            return self.destinations(known.alternate, key)
        return list(dict.fromkeys(found))

    def store(self, destination: str, message: Message) -> None:
        """Commit a message in one place."""
        target = self.queues.get(destination) or self.streams[destination]
        target.append(message, self._now_ms())

    def route(self, exchange: str, message: Message) -> bool:
        """Commit a message wherever it goes; `False` when nothing takes it."""
        destinations = self.destinations(exchange, message.routing_key)
        for destination in destinations:
            self.store(destination, message)
        return bool(destinations)

    def place_of(self, name: str) -> Queue | Stream | None:
        """Return a queue or stream."""
        return self.queues.get(name) or self.streams.get(name)


def _matches(kind: str, pattern: str, key: str) -> bool:
    match kind:
        case "fanout":
            return True
        case "topic":
            return pattern == "#" or key.split(".", maxsplit=1)[0] == pattern.removesuffix(".#")
        case _:
            return pattern == key
