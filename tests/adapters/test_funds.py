"""What an account holds against what an order takes: only a certain shortage is refused."""

from decimal import Decimal

import pytest

from adapters.funds import check_funds
from adapters.model import Balance, Order, OrderType, Side
from tests.adapters.builders import a_market_order, an_order, some_rules

HELD = (
    Balance(asset="BTC", free=Decimal("0.5"), locked=Decimal("0.1")),
    Balance(asset="USDT", free=Decimal(1_000), locked=Decimal(0)),
)


@pytest.mark.parametrize(
    ("order", "said"),
    [
        (an_order(quantity=Decimal("0.02")), "takes 1300.0020 USDT, and 1000 USDT is free"),
        (a_market_order(quantity=None, quote_quantity=Decimal(1_001)), "takes 1001 USDT"),
        (a_market_order(side=Side.SELL, quantity=Decimal("0.6")), "takes 0.6 BTC, and 0.5 BTC is free"),
        (
            a_market_order(
                type=OrderType.STOP_LOSS, side=Side.SELL, quantity=Decimal(1), stop_price=Decimal(60_000)
            ),
            "takes 1 BTC",
        ),
        (an_order(symbol="BTCEUR"), ""),
    ],
)
def test_a_certain_shortage_is_refused_with_what_is_free(order: Order, said: str) -> None:
    quote = "EUR" if order.symbol == "BTCEUR" else "USDT"
    error = check_funds(order, some_rules(quote=quote), HELD)
    assert error is not None
    assert error.code == "insufficient_balance"
    assert said in (error.detail or "")


@pytest.mark.parametrize(
    "order",
    [
        an_order(quantity=Decimal("0.015")),
        a_market_order(quantity=Decimal(5)),  # what it costs, only the market can tell
        a_market_order(quantity=None, quote_quantity=Decimal(1_000)),
        a_market_order(side=Side.SELL, quantity=Decimal("0.5")),
        a_market_order(side=Side.SELL, quantity=None, quote_quantity=Decimal(9_000)),
    ],
)
def test_what_is_held_or_not_certain_passes(order: Order) -> None:
    assert check_funds(order, some_rules(), HELD) is None


def test_a_buy_may_not_bring_a_holding_above_the_symbol_s_bound() -> None:
    rules = some_rules(max_position=Decimal("0.605"))
    assert check_funds(a_market_order(quantity=Decimal("0.005")), rules, HELD) is None
    assert check_funds(a_market_order(side=Side.SELL, quantity=Decimal("0.5")), rules, HELD) is None
    error = check_funds(a_market_order(quantity=Decimal("0.006")), rules, HELD)
    assert error is not None
    assert (error.code, error.detail) == (
        "filter_max_position",
        "the account would hold 0.606 BTC, at most 0.605 is allowed",
    )
