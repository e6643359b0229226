"""The filters, against an oracle that counts in whole units, and the texts that tell the nearest allowed value."""

from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.errors import VenueError
from adapters.filters import Grid, check_filters, state_rule, to_base, without_idle_zeros
from adapters.model import Order, Side, SymbolRules
from tests.adapters.builders import a_market_order, an_order, some_rules

BINANCE_LIKE = some_rules(
    min_price=Decimal("0.01"),
    max_price=Decimal(1_000_000),
    tick_size=Decimal("0.01"),
    min_quantity=Decimal("0.00001"),
    max_quantity=Decimal(9_000),
    step_size=Decimal("0.00001"),
    market_max_quantity=Decimal(120),
    min_notional=Decimal(5),
    max_notional=Decimal(9_000_000),
    min_notional_on_market=True,
    base_precision=8,
    quote_precision=8,
)
BITRUE_LIKE = some_rules(
    tick_size=Decimal("0.01"),
    min_quantity=Decimal("0.0003"),
    max_quantity=Decimal(100),
    step_size=Decimal("0.0001"),
    step_offset=Decimal("0.0003"),
    min_notional=Decimal(10),
    min_notional_on_market=True,
    notional_on_last_price=True,
    notional_filter="lot_size",
    base_precision=8,
    quote_precision=8,
)


def check(rules: SymbolRules, order: Order, last_price: str | None = None) -> VenueError | None:
    return check_filters(order, rules, None if last_price is None else Decimal(last_price))


# --- The grid against an oracle ---------------------------------------------------------------------------------------

units = st.integers(min_value=0, max_value=10**30)
decimals = st.integers(min_value=0, max_value=18)


@st.composite
def grids(draw: st.DrawFn) -> Grid:
    scale = draw(decimals)

    def some(largest: int) -> Decimal:
        return Decimal(draw(st.integers(min_value=1, max_value=largest))).scaleb(-scale)

    step = draw(st.none() | st.just(some(10_000)))
    low = draw(st.none() | st.just(some(10**6)))
    high = draw(st.none() | st.just((low or Decimal(0)) + some(10**20)))
    return Grid(low=low, high=high, step=step, offset=low if low and draw(st.booleans()) else Decimal(0))


@st.composite
def values(draw: st.DrawFn) -> Decimal:
    return Decimal(draw(units)).scaleb(-draw(decimals))


def oracle_allows(grid: Grid, value: Decimal) -> bool:
    number = Fraction(value)
    if grid.low is not None and number < Fraction(grid.low):
        return False
    if grid.high is not None and number > Fraction(grid.high):
        return False
    return grid.step is None or ((number - Fraction(grid.offset)) / Fraction(grid.step)).denominator == 1


@given(grids(), values())
def test_a_grid_allows_what_exact_fractions_allow(grid: Grid, value: Decimal) -> None:
    assert grid.allows(value) == oracle_allows(grid, value)


@given(grids(), values())
def test_the_nearest_allowed_value_is_allowed_and_never_above_a_value_that_is_in_range(
    grid: Grid, value: Decimal
) -> None:
    nearest = grid.floor(value)
    if grid.high is not None and grid.ceiling(grid.low or Decimal(0)) > grid.high:
        return  # no value is allowed at all
    assert oracle_allows(grid, nearest)
    smallest = grid.ceiling(grid.low or Decimal(0)) if grid.low is not None else None
    assert nearest <= value or nearest == smallest
    if grid.step is not None and nearest < value and (grid.high is None or value <= grid.high):
        assert Fraction(nearest) + Fraction(grid.step) > Fraction(value)


@given(grids(), values())
def test_the_ceiling_is_the_first_value_on_a_step(grid: Grid, value: Decimal) -> None:
    first = grid.ceiling(value)
    assert first >= value
    assert oracle_allows(Grid(low=grid.low, step=grid.step, offset=grid.offset), first)
    if grid.step is not None:
        assert Fraction(first) - Fraction(grid.step) < Fraction(max(value, grid.low or value))


@given(grids(), values(), values().filter(bool))
def test_a_conversion_is_on_a_step_and_never_worth_more(grid: Grid, amount: Decimal, price: Decimal) -> None:
    rules = some_rules(min_quantity=grid.low, step_size=grid.step, step_offset=grid.offset, base_precision=8)
    quantity = to_base(amount, price, rules)
    assert Fraction(quantity) * Fraction(price) <= Fraction(amount)
    step = Fraction(grid.step or Decimal("1e-8"))
    assert quantity == 0 or (Fraction(quantity) - Fraction(grid.offset if grid.step else 0)) % step == 0
    assert (Fraction(quantity) + step) * Fraction(price) > Fraction(amount) or quantity == 0


# --- The rules of an order --------------------------------------------------------------------------------------------

VIOLATIONS: list[tuple[str, SymbolRules, Order, str | None, str, str]] = [
    (
        "price off its tick",
        BINANCE_LIKE,
        an_order(price=Decimal("65000.105")),
        None,
        "price_filter",
        "65000.10",
    ),
    ("price too low", BINANCE_LIKE, an_order(price=Decimal("0.001")), None, "price_filter", "0.01"),
    ("price too high", BINANCE_LIKE, an_order(price=Decimal("1000000.01")), None, "price_filter", "1000000"),
    ("stop price off", BINANCE_LIKE, an_order(stop_price=Decimal("1.001")), None, "price_filter", "1.00"),
    ("off the step", BINANCE_LIKE, an_order(quantity=Decimal("0.010005")), None, "lot_size", "0.01000"),
    ("too little", BINANCE_LIKE, an_order(quantity=Decimal("0.000001")), None, "lot_size", "0.00001"),
    ("too much", BINANCE_LIKE, an_order(quantity=Decimal(9_001)), None, "lot_size", "9000"),
    ("market", BINANCE_LIKE, a_market_order(quantity=Decimal(121)), None, "market_lot_size", "120"),
    ("worth too little", BINANCE_LIKE, an_order(quantity=Decimal("0.00007")), None, "notional", "0.00008"),
    (
        "worth too much",
        BINANCE_LIKE,
        an_order(quantity=Decimal(200)),
        None,
        "notional",
        "138.46132",
    ),
    (
        "amount too small",
        BINANCE_LIKE,
        a_market_order(quantity=None, quote_quantity=Decimal("4.99")),
        None,
        "notional",
        "at least 5 is required",
    ),
    ("bitrue step", BITRUE_LIKE, an_order(quantity=Decimal("0.01005")), None, "lot_size", "0.0100"),
    (
        "bitrue value on last price",
        BITRUE_LIKE,
        an_order(quantity=Decimal("0.0003")),
        "20000",
        "lot_size",
        "0.0005",
    ),
    (
        "too many decimals without a step",
        some_rules(base_precision=4),
        an_order(quantity=Decimal("0.00005")),
        None,
        "precision",
        "0.0000",
    ),
    (
        "buying too high",
        some_rules(bid_multiplier_up=Decimal("1.2"), tick_size=Decimal("0.01")),
        an_order(price=Decimal("120.01")),
        "100",
        "percent_price_by_side",
        "120",
    ),
    (
        "selling too low",
        some_rules(
            ask_multiplier_down=Decimal("0.8"), tick_size=Decimal("0.5"), percent_price_filter="percent_price"
        ),
        an_order(side=Side.SELL, price=Decimal(80)),
        "101",
        "percent_price",
        "81.0",
    ),
]


@pytest.mark.parametrize(
    ("rules", "order", "last_price", "name", "said"),
    [pytest.param(*case[1:], id=case[0]) for case in VIOLATIONS],
)
def test_a_violation_names_its_filter_and_the_nearest_allowed_value(
    rules: SymbolRules, order: Order, last_price: str | None, name: str, said: str
) -> None:
    error = check(rules, order, last_price)
    assert error is not None
    assert error.code == f"filter_{name}"
    assert error.detail is not None
    assert said in error.detail
    assert "E" not in error.detail.replace("USDT", "")


@pytest.mark.parametrize(
    ("rules", "over", "last_price"),
    [
        (BINANCE_LIKE, {}, None),
        (BINANCE_LIKE, {"quantity": Decimal("0.00008")}, None),
        (BINANCE_LIKE, {"quantity": Decimal("0.0100000000")}, None),
        (BITRUE_LIKE, {"quantity": Decimal("0.0005")}, "20000"),
        (BITRUE_LIKE, {"quantity": Decimal("0.0003")}, None),
        (some_rules(), {"quantity": Decimal("1e-30"), "price": Decimal("1e30")}, "1"),
    ],
)
def test_what_keeps_every_rule_passes(
    rules: SymbolRules, over: Mapping[str, object], last_price: str | None
) -> None:
    assert check(rules, an_order(**over), last_price) is None


def test_a_market_order_is_not_measured_on_a_price_that_is_not_there() -> None:
    assert check(BINANCE_LIKE, a_market_order(quantity=Decimal("0.00001"))) is None


@given(values(), values())
def test_no_pair_of_numbers_makes_a_check_fail(quantity: Decimal, price: Decimal) -> None:
    for rules in (BINANCE_LIKE, BITRUE_LIKE, some_rules()):
        error = check_filters(an_order(quantity=quantity, price=price), rules, price or None)
        assert error is None or error.detail


def test_zeros_behind_the_precision_go_and_all_other_digits_stay() -> None:
    rules = some_rules(base_precision=3, quote_precision=2)
    order = an_order(quantity=Decimal("0.1000000"), price=Decimal("1.50"), stop_price=Decimal("1.234"))
    written = without_idle_zeros(order, rules)
    assert [str(value) for value in (written.quantity, written.price, written.stop_price)] == [
        "0.100",
        "1.50",
        "1.234",
    ]
    assert without_idle_zeros(written, rules) is written


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("filter_lot_size", "the symbol takes quantities from 0.001 in steps of 0.001"),
        ("filter_price_filter", "the symbol takes prices to 9"),
        ("filter_min_notional", "the symbol takes price times quantity from 5"),
        ("filter_market_lot_size", None),
        ("filter_max_num_orders", None),
    ],
)
def test_a_rule_is_stated_as_far_as_it_is_known(code: str, said: str | None) -> None:
    step = Decimal("0.001")
    rules = some_rules(min_quantity=step, step_size=step, max_price=Decimal(9), min_notional=Decimal(5))
    assert state_rule(code, rules) == said
