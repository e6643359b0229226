"""The adapters over real HTTP against the sandbox, which shares no code with them."""

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TypeVar

import pytest

from adapters.base import Adapter, Flow
from adapters.http import Transport
from adapters.model import (
    Absent,
    Accepted,
    AllCancelled,
    Ambiguous,
    Answer,
    Call,
    Found,
    Order,
    OrderState,
    OrderType,
    Refused,
    Side,
    SymbolRules,
    Unproven,
    VenueRules,
    Verdict,
)
from adapters.sandbox.config import BASE_PATHS, BitrueQuirks, default_config, make_account
from adapters.sandbox.model import Dialect
from adapters.sandbox.server import SandboxServer
from adapters.signing import Signer, make_signer
from adapters.venues import get
from tests.adapters.builders import CLIENT_ORDER_ID, a_market_order, an_order
from tests.sandbox.test_public_keys import ED25519, RSA, Key, private, public

T = TypeVar("T")

RESTING = Decimal("60000.00")


@dataclass
class Desk:
    """One account on one venue of the sandbox."""

    venue: Adapter
    signer: Signer
    base_url: str
    transport: Transport = field(default_factory=Transport)
    recv_window_ms: int = 5_000
    stamp_shift_ms: int = 0

    @property
    def tick(self) -> Decimal:
        """A price step of BTCUSDT, which is also how far the best offer is above the price."""
        return Decimal("0.10" if self.venue.name == "binance_usdm" else "0.01")

    async def send(self, call: Call) -> Answer:
        timestamp_ms = time.time_ns() // 1_000_000 + self.stamp_shift_ms
        request = self.venue.sign(
            call,
            self.signer,
            base_url=self.base_url,
            timestamp_ms=timestamp_ms,
            recv_window_ms=self.recv_window_ms,
        )
        return await self.transport.send(request)

    async def drive(self, flow: Flow[T]) -> T:
        try:
            call = next(flow)
            while True:
                call = flow.send(await self.send(call))
        except StopIteration as stop:
            result: T = stop.value
            return result

    async def place(self, order: Order) -> Verdict:
        return self.venue.read_placement(order, await self.send(self.venue.place(order)))

    async def find(self, order: Order, venue_order_id: str | None = None) -> object:
        since_ms = time.time_ns() // 1_000_000 - 5_000
        return await self.drive(self.venue.find(order, venue_order_id=venue_order_id, since_ms=since_ms))

    async def rules(self) -> SymbolRules:
        rules = await self.drive(self.venue.venue_rules())
        assert isinstance(rules, VenueRules)
        return rules.symbols["BTCUSDT"]


@pytest.fixture(params=["binance", "binance_us", "binance_usdm", "bitrue", "bitrue that stores no ids"])
async def desk(request: pytest.FixtureRequest) -> AsyncIterator[Desk]:
    config = default_config()
    if "no ids" in request.param:
        config = replace(config, bitrue=BitrueQuirks(client_id_in_lists=False))
    name = request.param.split()[0]
    server = SandboxServer(config)
    base_url = await server.start()
    account = next(account for account in config.accounts if account.dialect == name)
    path = BASE_PATHS.get(account.dialect, "")
    desk = Desk(get(name), make_signer(account.api_key, account.secret_key), base_url + path)
    yield desk
    await desk.transport.close()
    await server.stop()


def accepted(verdict: Verdict) -> Accepted:
    assert isinstance(verdict, Accepted), verdict
    return verdict


async def test_the_clock_the_rules_and_a_price_can_be_read(desk: Desk) -> None:
    now_ms = await desk.drive(desk.venue.server_time())
    assert isinstance(now_ms, int)
    rules = await desk.rules()
    assert (rules.display, rules.is_trading) == ("BTC/USDT", True)
    assert rules.tick_size == desk.tick
    assert await desk.drive(desk.venue.last_price("BTCUSDT")) == Decimal(65_000)


async def test_a_market_order_is_placed_and_found_filled(desk: Desk) -> None:
    order = a_market_order(quantity=Decimal("0.02"))
    placed = accepted(await desk.place(order)).report
    for venue_order_id in (None, placed.venue_order_id):
        found = await desk.find(order, venue_order_id)
        assert isinstance(found, Found)
        assert found.report.state is OrderState.FILLED
        assert found.report.venue_order_id == placed.venue_order_id
        assert found.report.executed_quantity == Decimal("0.02")
        assert found.report.executed_quote == (65_000 + desk.tick) * Decimal("0.02")
        assert sum(fill.quantity for fill in found.report.fills) == Decimal("0.02")
        assert all(fill.fee and fill.fee_asset for fill in found.report.fills)


async def test_an_amount_is_spent_and_never_exceeded(desk: Desk) -> None:
    order = a_market_order(quantity=None, quote_quantity=Decimal(100))
    prepared = desk.venue.prepare(order, await desk.rules(), Decimal(65_000))
    if not isinstance(prepared, Order):
        assert prepared.code == "unsupported_option"  # no quote quantities on futures
        return
    accepted(await desk.place(prepared))
    found = await desk.find(prepared)
    assert isinstance(found, Found)
    assert found.report.executed_quote is not None
    assert Decimal(99) < found.report.executed_quote <= Decimal(100)


async def test_a_resting_order_is_cancelled_and_stays_so(desk: Desk) -> None:
    order = an_order(price=RESTING)
    venue_order_id = accepted(await desk.place(order)).report.venue_order_id
    for _ in range(2):
        verdict = await desk.drive(desk.venue.cancel("BTCUSDT", order.client_order_id, venue_order_id))
        assert accepted(verdict).report.state is OrderState.CANCELLED


async def test_a_filled_order_is_not_cancelled(desk: Desk) -> None:
    order = a_market_order()
    venue_order_id = accepted(await desk.place(order)).report.venue_order_id
    verdict = await desk.drive(desk.venue.cancel("BTCUSDT", order.client_order_id, venue_order_id))
    assert accepted(verdict).report.state is OrderState.FILLED


async def test_an_order_that_never_was_is_absent_and_cannot_be_cancelled(desk: Desk) -> None:
    assert await desk.find(an_order()) == Absent()
    verdict = await desk.drive(desk.venue.cancel("BTCUSDT", CLIENT_ORDER_ID, None))
    assert isinstance(verdict, Refused)
    assert verdict.error.code == "order_not_found"


async def test_all_open_orders_of_a_symbol_are_cancelled(desk: Desk) -> None:
    orders = [
        an_order(price=RESTING - index, client_order_id=f"{CLIENT_ORDER_ID[:-1]}{index}")
        for index in range(3)
    ]
    placed = [accepted(await desk.place(order)).report.venue_order_id for order in orders]
    sweep = await desk.drive(desk.venue.cancel_all("BTCUSDT"))
    assert isinstance(sweep, AllCancelled)
    assert sorted(order.venue_order_id for order in sweep.orders) == sorted(placed)
    assert await desk.drive(desk.venue.cancel_all("BTCUSDT")) == AllCancelled(orders=())


async def test_a_stamp_out_of_the_window_asks_for_the_clock(desk: Desk) -> None:
    desk.stamp_shift_ms = -60_000
    verdict = await desk.place(an_order(price=RESTING))
    assert isinstance(verdict, Refused)
    assert verdict.error.entry.retry == "after_resync"


async def test_a_wrong_secret_is_refused(desk: Desk) -> None:
    desk.signer = make_signer(desk.signer.api_key, "wrong")
    verdict = await desk.place(an_order(price=RESTING))
    assert isinstance(verdict, Refused)
    assert verdict.error.code == "invalid_signature"
    assert verdict.error.entry.quarantines


@pytest.mark.parametrize(
    ("over", "code"),
    [
        ({"quantity": Decimal("0.000000001")}, ("filter_precision", "filter_lot_size")),
        ({"price": Decimal("60000.001")}, ("filter_price_filter", "filter_precision", "filter_rejected")),
        (
            {"quantity": Decimal("0.00001")},
            ("filter_notional", "filter_min_notional", "filter_lot_size", "filter_precision"),
        ),
        (
            {"quantity": Decimal(100_000), "symbol": "BTCUSDT"},
            ("insufficient_balance", "insufficient_margin", "filter_lot_size", "filter_notional"),
        ),
        ({"symbol": "NOSUCH"}, ("unknown_symbol",)),
    ],
)
async def test_the_venues_own_refusals_are_understood(
    desk: Desk, over: dict[str, object], code: tuple[str, ...]
) -> None:
    verdict = await desk.place(an_order(**({"price": RESTING} | over)))
    assert isinstance(verdict, Refused)
    assert verdict.error.code in code


async def test_a_dry_run_places_nothing(desk: Desk) -> None:
    call = desk.venue.test_order(an_order(price=RESTING))
    if call is not None:
        assert desk.venue.error(await desk.send(call)) is None
    assert await desk.find(an_order(price=RESTING)) == Absent()


async def test_an_id_used_twice_never_looks_like_one_order(desk: Desk) -> None:
    order = an_order(price=RESTING)
    accepted(await desk.place(order))
    second = await desk.place(order)
    if isinstance(second, Unproven):
        assert second.error.code == "duplicate_order"
        assert isinstance(await desk.find(order), Found)
    else:  # Bitrue takes it without a word
        assert await desk.find(order) == Ambiguous(candidates=2)


async def test_a_post_only_order_that_would_take_is_refused(desk: Desk) -> None:
    order = an_order(type=OrderType.LIMIT_MAKER, price=Decimal(68_000), time_in_force=None)
    prepared = desk.venue.prepare(order, await desk.rules(), Decimal(65_000))
    if not isinstance(prepared, Order):
        assert prepared.code == "unsupported_order_type"
        return
    verdict = await desk.place(order)
    assert isinstance(verdict, Refused)
    assert verdict.error.code == "would_take_liquidity"


@pytest.mark.parametrize(
    "over",
    [
        {"type": OrderType.STOP_LOSS, "stop_price": Decimal(60_000)},
        {"type": OrderType.TAKE_PROFIT, "stop_price": Decimal(70_000)},
        {"type": OrderType.STOP_LOSS_LIMIT, "stop_price": Decimal(60_000), "price": Decimal(59_000)},
        {"type": OrderType.TAKE_PROFIT_LIMIT, "stop_price": Decimal(70_000), "price": Decimal(69_000)},
        {"type": OrderType.TRAILING_STOP, "trailing_delta": Decimal(100)},
    ],
)
async def test_a_conditional_order_waits_is_found_and_is_cancelled(
    desk: Desk, over: dict[str, object]
) -> None:
    rules = await desk.rules()
    order = desk.venue.prepare(a_market_order(side=Side.SELL, **over), rules, Decimal(65_000))
    if not isinstance(order, Order):
        assert order.code == "unsupported_order_type"
        assert ", ".join(sorted(rules.order_types)) in order.hint
        return
    placed = accepted(await desk.place(order)).report
    found = await desk.find(order)
    assert isinstance(found, Found)
    assert (found.report.state, found.report.venue_order_id) == (OrderState.OPEN, placed.venue_order_id)
    verdict = await desk.drive(desk.venue.cancel("BTCUSDT", order.client_order_id, None))
    assert accepted(verdict).report.state is OrderState.CANCELLED
    found = await desk.find(order)
    assert isinstance(found, Found)
    assert found.report.state is OrderState.CANCELLED


@pytest.mark.parametrize(
    "over",
    [
        {"type": OrderType.TRAILING_STOP},
        {"type": OrderType.STOP_LOSS},
        {"type": OrderType.TAKE_PROFIT_LIMIT, "price": Decimal(66_000), "stop_price": Decimal(66_000)},
    ],
)
@pytest.mark.parametrize("dialect", [Dialect.BINANCE, Dialect.BINANCE_US])
async def test_a_spot_stop_that_trails_fills_once_the_market_has_come_back(
    dialect: Dialect, over: dict[str, object]
) -> None:
    account = make_account("trail", dialect)
    server = SandboxServer(default_config((account,)))
    base_url = await server.start() + BASE_PATHS.get(dialect, "")
    desk = Desk(get(dialect), make_signer(account.api_key, account.secret_key), base_url)
    wanted = a_market_order(side=Side.SELL, trailing_delta=Decimal(100), **over)
    order = desk.venue.prepare(wanted, await desk.rules(), Decimal(65_000))
    assert isinstance(order, Order)
    accepted(await desk.place(order))
    for price, state in ((70_000, OrderState.OPEN), (69_300, OrderState.FILLED)):
        server.exchange.set_price("BTCUSDT", Decimal(price), time.time_ns() // 1_000_000)
        found = await desk.find(order)
        assert isinstance(found, Found)
        assert found.report.state is state
    await desk.transport.close()
    await server.stop()


@pytest.mark.parametrize("key", [RSA, ED25519], ids=["RSA", "Ed25519"])
@pytest.mark.parametrize("dialect", Dialect)
async def test_a_key_pair_signs_what_the_venue_verifies(dialect: Dialect, key: Key) -> None:
    account = make_account("pair", dialect, public_key=public(key))
    server = SandboxServer(default_config((account,)))
    base_url = await server.start() + BASE_PATHS.get(dialect, "")
    desk = Desk(get(dialect), make_signer(account.api_key, private(key)), base_url)
    accepted(await desk.place(an_order(price=RESTING)))
    assert isinstance(await desk.find(an_order(price=RESTING)), Found)
    other = RSA if key is ED25519 else ED25519
    desk.signer = make_signer(account.api_key, private(other))
    refused = await desk.place(a_market_order())
    assert isinstance(refused, Refused)
    assert refused.error.code == "invalid_signature"
    await desk.transport.close()
    await server.stop()
