"""ccxt and python-binance trade on the sandbox, and read its replies as Beeline does: status, filled, average, fees.

Each client places, cancels and queries by its own calls. The very replies it got are then given to Beeline's reader, so
that two readings of the same bytes are compared, by people who never met.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Final

import ccxt
import pytest
from binance.client import Client

from adapters.model import (
    Accepted,
    Answer,
    Call,
    ExecutionReport,
    Found,
    Order,
    OrderState,
    OrderType,
    Side,
    TimeInForce,
)
from adapters.sandbox.config import BASE_PATHS
from adapters.sandbox.model import Dialect
from adapters.sandbox.server import SandboxServer
from adapters.venues import get
from tests.adapters.builders import a_market_order, a_reply, an_order, answered_by
from tests.sandbox.test_client_ccxt import credentials, redirected

ACCOUNTS: Final = {"binance": "main", "binance_us": "us", "binance_usdm": "usdm", "bitrue": "bit"}
PAIRS: Final = {"binance_usdm": "BTC/USDT:USDT"}
CLIENTS: Final = {
    "binance": ccxt.binance,
    "binance_us": ccxt.binanceus,
    "binance_usdm": ccxt.binanceusdm,
    "bitrue": ccxt.bitrue,
}
STATES: Final[Mapping[OrderState, str]] = {
    OrderState.OPEN: "open",
    OrderState.FILLED: "closed",
    OrderState.CANCELLED: "canceled",
    OrderState.EXPIRED: "expired",
    OrderState.REJECTED: "rejected",
}
OFFERED: Final = Decimal("0.500")
"""So little that a larger order fills in part."""

ORDERS: Final[Mapping[str, Order]] = {
    "market": a_market_order(),
    "market sell": a_market_order(side=Side.SELL),
    "market, more than is offered": a_market_order(quantity=Decimal("0.700")),
    "limit that rests": an_order(price=Decimal(60_000)),
    "limit that crosses": an_order(price=Decimal(65_100)),
    "limit, more than is offered": an_order(price=Decimal(65_100), quantity=Decimal("0.700")),
    "ioc, more than is offered": an_order(
        price=Decimal(65_100), quantity=Decimal("0.700"), time_in_force=TimeInForce.IOC
    ),
    "ioc away from the market": an_order(price=Decimal(60_000), time_in_force=TimeInForce.IOC),
    "stop": a_market_order(type=OrderType.STOP_LOSS, side=Side.SELL, stop_price=Decimal(60_000)),
}
NOT_ON_BITRUE: Final = {"ioc, more than is offered", "ioc away from the market", "stop"}


@dataclass
class View:
    """What a client says of an order."""

    status: str | None
    filled: float | None
    average: float | None
    fees: dict[str, float] = field(default_factory=dict)


@dataclass
class Witness:
    """A client: its own calls, each of which also returns the bytes it read."""

    venue: str
    place: Callable[[Order], tuple[View, str]]
    query: Callable[[str], tuple[View, Mapping[str, str]]]
    cancel: Callable[[str], tuple[View, str]]


def beeline(report: ExecutionReport) -> View:
    fees: dict[str, float] = {}
    for fill in report.fills:
        assert fill.fee is not None
        assert fill.fee_asset is not None
        fees[fill.fee_asset] = fees.get(fill.fee_asset, 0.0) + float(fill.fee)
    return View(
        status=STATES.get(report.state) if report.state else None,
        filled=None if report.executed_quantity is None else float(report.executed_quantity),
        average=None if report.average_price is None else float(report.average_price),
        fees=fees,
    )


def agree(theirs: View, ours: View) -> None:
    """Compare what both say; what the other does not say is no disagreement."""
    assert theirs.status in (None, ours.status)
    assert theirs.filled is None or theirs.filled == pytest.approx(ours.filled)
    assert not theirs.average or theirs.average == pytest.approx(ours.average)
    assert not theirs.fees or theirs.fees == pytest.approx(ours.fees)


def read_order(venue: str, order: Order, venue_order_id: str, replies: Mapping[str, str]) -> View:
    """Let Beeline look an order up, with the replies that the other client got."""
    flow = get(venue).find(order, venue_order_id=venue_order_id, since_ms=0)
    sighting = answered_by(flow, lambda call: _answer(call, replies))
    assert isinstance(sighting, Found), sighting
    return beeline(sighting.report)


def _answer(call: Call, replies: Mapping[str, str]) -> Answer:
    return a_reply(replies["trades" if call.path.endswith("Trades") else "order"])


# --- ccxt -------------------------------------------------------------------------------------------------------------


def ccxt_witness(server: SandboxServer, venue: str) -> Iterator[Witness]:
    kind = "linear" if venue == "binance_usdm" else "spot"
    options = {"fetchMarkets": {"types": [kind]}, "fetchCurrencies": False, "fetchMargins": False}
    only = {} if venue == "bitrue" else {"options": options}
    client = CLIENTS[venue](credentials(server, ACCOUNTS[venue]) | only)
    redirected(client, server.url + BASE_PATHS.get(Dialect(venue), ""))
    client.load_markets()
    pair = PAIRS.get(venue, "BTC/USDT")
    conditional: dict[str, Any] = {}

    def view(order: Mapping[str, Any], trades: list[Mapping[str, Any]] = []) -> View:  # noqa: B006 - never changed
        fees: dict[str, float] = {}
        for trade in trades:
            fees[trade["fee"]["currency"]] = fees.get(trade["fee"]["currency"], 0.0) + trade["fee"]["cost"]
        return View(order["status"], order["filled"], order["average"], fees)

    def place(order: Order) -> tuple[View, str]:
        kind = "market" if order.price is None else "limit"
        extra: dict[str, Any] = {"newClientOrderId": order.client_order_id, "newOrderRespType": "FULL"}
        if venue == "bitrue":
            extra = {"clientOrderId": order.client_order_id}
        if venue == "binance_usdm":
            extra["newOrderRespType"] = "RESULT"
        if order.time_in_force is TimeInForce.IOC:
            extra["timeInForce"] = "IOC"
        if order.stop_price is not None:
            extra["stopLossPrice"] = float(order.stop_price)
            conditional.update({"trigger": True} if venue == "binance_usdm" else {})
        price = None if order.price is None else float(order.price)
        assert order.quantity is not None
        made = client.create_order(pair, kind, order.side.value, float(order.quantity), price, extra)
        return view(made), client.last_http_response

    def query(order_id: str) -> tuple[View, Mapping[str, str]]:
        order = client.fetch_order(order_id, pair, dict(conditional))
        raw = client.last_http_response
        trades = [trade for trade in client.fetch_my_trades(pair) if trade["order"] == order_id]
        return view(order, trades), {"order": raw, "trades": client.last_http_response}

    def cancel(order_id: str) -> tuple[View, str]:
        order = client.cancel_order(order_id, pair, dict(conditional))
        return view(order), client.last_http_response

    yield Witness(venue, place, query, cancel)
    client.session.close()


# --- python-binance ---------------------------------------------------------------------------------------------------


def python_binance_witness(server: SandboxServer, venue: str) -> Iterator[Witness]:
    owner = server.exchange.state.accounts[ACCOUNTS[venue]]
    client: Any = Client(owner.api_key, owner.secret_key, ping=False)
    client.API_URL = f"{server.url}{BASE_PATHS.get(Dialect(venue), '')}/api"
    client.FUTURES_URL = f"{server.url}/fapi"
    on_futures, algo_ids = venue == "binance_usdm", set[str]()
    names = {
        "NEW": "open",
        "PARTIALLY_FILLED": "open",
        "FILLED": "closed",
        "CANCELED": "canceled",
        "EXPIRED": "expired",
    }

    def view(order: Mapping[str, Any], trades: list[Mapping[str, Any]] | None = None) -> View:
        filled = float(order["executedQty"]) if "executedQty" in order else None
        quote = float(order.get("cummulativeQuoteQty") or 0)
        average = float(order.get("avgPrice") or 0) or (quote / filled if filled and quote else None)
        fees: dict[str, float] = {}
        for trade in trades if trades is not None else order.get("fills", []):
            asset = trade["commissionAsset"]
            fees[asset] = fees.get(asset, 0.0) + float(trade["commission"])
        status = order.get("status") or order.get("algoStatus")
        return View(names.get(status or ""), filled, average, fees)

    def place(order: Order) -> tuple[View, str]:
        params = dict(get(venue).place(order).params)
        if "triggerPrice" in params:
            params["stopPrice"] = params.pop("triggerPrice")
        made = client.futures_create_order(**params) if on_futures else client.create_order(**params)
        algo_ids.add(str(made.get("algoId")))
        return view(made), client.response.text

    def query(order_id: str) -> tuple[View, Mapping[str, str]]:
        ids = {"symbol": "BTCUSDT", "algoId" if order_id in algo_ids else "orderId": order_id}
        order = client.futures_get_order(**ids) if on_futures else client.get_order(**ids)
        raw = client.response.text
        if order_id in algo_ids:
            return view(order), {"order": raw}
        trades = client.futures_account_trades(**ids) if on_futures else client.get_my_trades(**ids)
        return view(order, trades), {"order": raw, "trades": client.response.text}

    def cancel(order_id: str) -> tuple[View, str]:
        ids = {"symbol": "BTCUSDT", "algoId" if order_id in algo_ids else "orderId": order_id}
        order = client.futures_cancel_order(**ids) if on_futures else client.cancel_order(**ids)
        return view(order), client.response.text

    yield Witness(venue, place, query, cancel)
    client.session.close()
    client.loop.close()


# --- The comparison ---------------------------------------------------------------------------------------------------


def compare(witness: Witness, order: Order) -> list[View]:
    """Place, query, cancel what is open, query again; return what both agreed on."""
    venue = get(witness.venue)
    theirs, raw = witness.place(order)
    verdict = venue.read_placement(order, a_reply(raw))
    assert isinstance(verdict, Accepted), verdict
    report = verdict.report
    if not report.is_abridged:
        agree(theirs, beeline(report))
    theirs, replies = witness.query(report.venue_order_id)
    agreed = [read_order(witness.venue, order, report.venue_order_id, replies)]
    agree(theirs, agreed[0])
    if agreed[0].status == "open":
        theirs, _ = witness.cancel(report.venue_order_id)
        after, replies = witness.query(report.venue_order_id)
        agreed.append(read_order(witness.venue, order, report.venue_order_id, replies))
        agree(theirs, agreed[1])
        agree(after, agreed[1])
    return agreed


EXPECTED: Final[Mapping[str, list[tuple[str, float]]]] = {
    "market": [("closed", 0.01)],
    "market sell": [("closed", 0.01)],
    "market, more than is offered": [("expired", 0.5)],
    "limit that rests": [("open", 0.0), ("canceled", 0.0)],
    "limit that crosses": [("closed", 0.01)],
    "limit, more than is offered": [("open", 0.5), ("canceled", 0.5)],
    "ioc, more than is offered": [("expired", 0.5)],
    "ioc away from the market": [("expired", 0.0)],
    "stop": [("open", 0.0), ("canceled", 0.0)],
}


@pytest.mark.parametrize("venue", ACCOUNTS)
def test_ccxt_reads_every_order_as_beeline_does(background_server: SandboxServer, venue: str) -> None:
    background_server.exchange.set_liquidity("BTCUSDT", OFFERED, 1)
    for witness in ccxt_witness(background_server, venue):
        for name, order in ORDERS.items():
            if venue != "bitrue" or name not in NOT_ON_BITRUE:
                check(compare(witness, named(order, name)), name)


@pytest.mark.parametrize("venue", [venue for venue in ACCOUNTS if venue != "bitrue"])
def test_python_binance_reads_every_order_as_beeline_does(
    background_server: SandboxServer, venue: str
) -> None:
    background_server.exchange.set_liquidity("BTCUSDT", OFFERED, 1)
    for witness in python_binance_witness(background_server, venue):
        for name, order in ORDERS.items():
            check(compare(witness, named(order, name)), name)


def named(order: Order, name: str) -> Order:
    """Give each order an id of its own."""
    return replace(order, client_order_id="-".join(name.replace(",", "").split()))


def check(agreed: list[View], name: str) -> None:
    """Two clients that agree on nothing would agree: what they agree on is what happened."""
    assert [(view.status, view.filled) for view in agreed] == EXPECTED[name], name
    for view in agreed:
        assert bool(view.filled) is bool(view.average) is bool(view.fees), name
