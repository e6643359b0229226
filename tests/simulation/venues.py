"""The venues as simulated hosts reach them: the sandbox's exchanges behind a network that delays and loses.

What can go wrong comes from two places. The fault catalogue, the same one that the sandbox's HTTP server acts out,
breaks requests at the venue. The network drops requests on the way there, before a connection is made, and drops
replies on the way back. A request that has left is executed whatever becomes of the process that sent it.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Final, Protocol

from adapters.model import Answer, Fault, FaultKind, HttpRequest, Reply
from adapters.sandbox.exchange import Exchange
from adapters.sandbox.faults import FaultCatalogue, FaultPlan, Wire
from adapters.sandbox.model import Order, SandboxReply, SandboxRequest
from tests.simulation.loop import Process, SimulationLoop
from tests.virtual_time import START_S, START_WALL_MS

ORDER_PATHS: Final = ("/order", "/openOrders", "/algoOrder", "/allOpenOrders", "/algoOpenOrders")


@dataclass(slots=True, kw_only=True)
class Network:
    """How requests travel: one-way delays in seconds, and how often they fail."""

    fastest_s: float = 0.002
    slowest_s: float = 0.03
    refused: float = 0.0
    lost_before: float = 0.0
    lost_after: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """An order request as it left: who sent it for which account, and when."""

    process: Process
    key: str
    at_s: float
    request: SandboxRequest


class Observer(Protocol):
    """Is told what happens."""

    def on_sending(self, sent: Sent) -> None:
        """An order request is on its way."""

    def on_accepted(self, sent: Sent, orders: list[Order]) -> None:
        """A request made orders."""

    def on_point(self, point: str, process: Process) -> None:
        """A process is at a point where it may be hit."""


class Venue:
    """One exchange at one address."""

    def __init__(
        self,
        loop: SimulationLoop,
        exchange: Exchange,
        faults: FaultCatalogue,
        network: Network,
        random: Random,
    ) -> None:
        self.loop, self.exchange, self.faults, self.network = loop, exchange, faults, network
        self.random = random
        self.accepted_by: dict[int, Sent] = {}

    def now_ms(self) -> int:
        """The true time, which the venue's clock turns into its own."""
        return int(START_WALL_MS + (self.loop.time() - START_S) * 1000)

    def travel_s(self) -> float:
        """Draw how long something takes from here to there."""
        network = self.network
        return network.fastest_s + self.random.random() ** 2 * (network.slowest_s - network.fastest_s)

    async def serve(self, sent: Sent, observer: Observer) -> Answer:
        """Carry a request to the venue and its reply back; runs as the world's task, not as the client's."""
        network, random = self.network, self.random
        await asyncio.sleep(self.travel_s())
        if random.random() < network.lost_before:
            return Fault(kind=FaultKind.LOST, detail="lost on the way there")
        plan = self.faults.plan(sent.request, self.exchange, self.now_ms())
        answer = await self._handle(sent, plan, observer)
        if random.random() < network.lost_after:
            return Fault(kind=FaultKind.LOST, detail="lost on the way back")
        await asyncio.sleep(self.travel_s())
        return answer

    async def _handle(self, sent: Sent, plan: FaultPlan | None, observer: Observer) -> Answer:
        if plan is None:
            return _reply(self._enter(sent, None, observer))
        actual: SandboxReply | None = None
        if plan.executes and plan.enter_after_ms:
            late = asyncio.ensure_future(self._enter_late(sent, plan, observer))
            if plan.wire is not Wire.CLOSE:
                actual = await late
        elif plan.executes:
            actual = self._enter(sent, plan.visibility_lag_ms, observer)
        reply = plan.reply_to(actual)
        await asyncio.sleep(plan.reply_after_ms / 1000)
        if plan.wire is Wire.HANG:
            await asyncio.sleep(600)
        if reply is None or plan.wire in (Wire.CLOSE, Wire.HANG, Wire.RESET_MID_BODY):
            return Fault(kind=FaultKind.LOST, detail="the connection broke")
        if plan.wire is Wire.TRUNCATE:
            body = reply.body[: max(1, len(reply.body) * 2 // 3)]
            return Reply(status=reply.status, headers=_lower(reply.headers), body=body)
        return _reply(reply)

    def _enter(self, sent: Sent, visibility_lag_ms: int | None, observer: Observer) -> SandboxReply:
        with _Watch(self, sent, observer):
            return self.exchange.handle(sent.request, self.now_ms(), visibility_lag_ms=visibility_lag_ms)

    async def _enter_late(self, sent: Sent, plan: FaultPlan, observer: Observer) -> SandboxReply:
        call = self.exchange.admit(sent.request, self.now_ms())
        if isinstance(call, SandboxReply):
            return call
        await asyncio.sleep(plan.enter_after_ms / 1000)
        with _Watch(self, sent, observer):
            return self.exchange.execute(call, self.now_ms(), visibility_lag_ms=plan.visibility_lag_ms)


class _Watch:
    """Notes which request made which orders."""

    def __init__(self, venue: Venue, sent: Sent, observer: Observer) -> None:
        self._venue, self._sent, self._observer = venue, sent, observer

    def __enter__(self) -> None:
        self._count = len(self._venue.exchange.engine.ledger.orders)

    def __exit__(self, *_: object) -> None:
        orders = self._venue.exchange.engine.ledger.orders[self._count :]
        for order in orders:
            self._venue.accepted_by[order.order_id] = self._sent
        if orders:
            self._observer.on_accepted(self._sent, orders)


class SimTransport:
    """The HTTP client of one process."""

    def __init__(
        self,
        process: Process,
        venues: Mapping[str, Venue],
        observer: Observer,
        *,
        ip: str,
        timeout_s: float,
        spawn: Callable[["asyncio.Future[Answer]", Venue, Sent], None],
    ) -> None:
        self._process, self._venues, self._observer = process, venues, observer
        self._ip, self._timeout_s, self._spawn = ip, timeout_s, spawn

    async def send(self, request: HttpRequest) -> Answer:
        """Send once; failures are answers too."""
        base_url, received = _received(request, self._ip)
        venue = self._venues[base_url]
        loop = asyncio.get_running_loop()
        sent = Sent(
            process=self._process,
            key=received.header("X-MBX-APIKEY") or "",
            at_s=loop.time(),
            request=received,
        )
        is_order = received.method != "GET" and received.path.endswith(ORDER_PATHS)
        if is_order:
            self._observer.on_sending(sent)
            self._observer.on_point("sending an order", self._process)
        if self._process.is_frozen or self._process.is_dead:
            await asyncio.sleep(
                0
            )  # stopped between the check and the send: the request leaves when it goes on
        if venue.random.random() < venue.network.refused:
            return Fault(kind=FaultKind.NOT_SENT, detail="no connection")
        answered: asyncio.Future[Answer] = loop.create_future()
        self._spawn(answered, venue, sent)
        try:
            async with asyncio.timeout(self._timeout_s):
                answer = await answered
        except TimeoutError:
            answer = Fault(kind=FaultKind.TIMEOUT, detail="no complete reply within the timeout")
        if is_order:
            self._observer.on_point("answered by the venue", self._process)
        return answer

    async def close(self) -> None:
        """Nothing is open."""


def _received(request: HttpRequest, ip: str) -> tuple[str, SandboxRequest]:
    scheme, _, rest = request.url.partition("://")
    host, _, target = rest.partition("/")
    path, _, query = f"/{target}".partition("?")
    received = SandboxRequest(method=request.method, path=path, query=query, headers=request.headers, ip=ip)
    return f"{scheme}://{host}", received


def _reply(reply: SandboxReply) -> Reply:
    return Reply(status=reply.status, headers=_lower(reply.headers), body=reply.body)


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}
