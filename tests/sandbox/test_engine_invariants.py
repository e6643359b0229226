"""Whatever is ordered, cancelled and moved: money is neither made nor lost, and nothing is owed twice."""

from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from adapters.sandbox.config import make_account
from tests.sandbox.client import VenueClient, an_exchange

BALANCES = {"USDT": Decimal(2_000), "BTC": Decimal("0.05")}

prices = st.integers(40_000, 90_000).map(str)
orders = st.fixed_dictionaries(
    {
        "side": st.sampled_from(["BUY", "SELL"]),
        "quantity": st.integers(1, 40).map(lambda units: str(Decimal(units) / 1000)),
        "kind": st.sampled_from(["MARKET", "GTC", "IOC", "FOK", "LIMIT_MAKER", "STOP_LOSS_LIMIT", "TRAIL"]),
        "price": prices,
        "stop": prices,
    }
)
steps = st.lists(
    st.one_of(
        orders.map(lambda order: ("place", order)),
        prices.map(lambda price: ("move", price)),
        st.integers(0, 30).map(lambda number: ("cancel", number)),
        st.integers(0, 20).map(lambda units: ("depth", Decimal(units) / 1000)),
    ),
    max_size=40,
)


def parameters(order: dict[str, Any]) -> dict[str, str]:
    kind = order["kind"]
    common = {"side": order["side"], "quantity": order["quantity"]}
    if kind == "MARKET":
        return common | {"type": kind}
    if kind == "TRAIL":
        return common | {"type": "STOP_LOSS", "trailingDelta": "500"}
    if kind == "LIMIT_MAKER":
        return common | {"type": kind, "price": order["price"]}
    if kind == "STOP_LOSS_LIMIT":
        return common | {
            "type": kind,
            "price": order["price"],
            "stopPrice": order["stop"],
            "timeInForce": "GTC",
        }
    return common | {"type": "LIMIT", "timeInForce": kind, "price": order["price"]}


def act(venue: VenueClient, name: str, value: Any) -> None:
    match name:
        case "place":
            venue.place(**parameters(value))
        case "move":
            venue.move_price(value)
        case "cancel":
            venue.cancel(orderId=28 + value)
        case _:
            venue.exchange.set_liquidity("BTCUSDT", value)


@given(steps)
def test_balances_follow_from_the_executions_and_locks_from_the_open_orders(
    taken: list[tuple[str, Any]],
) -> None:
    venue = VenueClient(an_exchange(accounts=(make_account("main", balances=BALANCES),)))
    for name, value in taken:
        act(venue, name, value)
    ledger = venue.exchange.engine.ledger
    expected = dict(BALANCES)
    for order in ledger.orders:
        assert (
            sum((fill.quantity for fill in order.fills), Decimal(0))
            == order.executed_quantity
            <= order.quantity
        )
        sign = 1 if order.spec.side == "BUY" else -1
        for fill in order.fills:
            expected["BTC"] += sign * fill.quantity
            expected["USDT"] -= sign * fill.price * fill.quantity
            expected[fill.fee_asset] -= fill.fee
    locked = {"BTC": Decimal(0), "USDT": Decimal(0)}
    for order in ledger.open_orders("main"):
        locked["USDT" if order.spec.side == "BUY" else "BTC"] += order.reserved
    for asset, total in expected.items():
        free, held = venue.balance(asset)
        assert (free + held, held) == (total, locked[asset])
        assert min(free, held) >= 0
    closed = [order for order in ledger.orders if not order.is_open]
    assert all(order.reserved == 0 for order in closed)


@given(st.lists(st.sampled_from(["limit", "market", "cancel", "fill"]), max_size=25))
def test_a_client_id_is_open_at_most_once(actions: list[str]) -> None:
    venue = VenueClient(an_exchange())
    for action in actions:
        match action:
            case "limit":
                venue.limit(newClientOrderId="same")
            case "market":
                venue.market(newClientOrderId="same")
            case "cancel":
                venue.cancel(origClientOrderId="same")
            case _:
                venue.move_price("59000")
                venue.move_price("65000")
        assert len(venue.exchange.engine.ledger.open_orders("main")) <= 1
