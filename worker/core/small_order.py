"""The smallest order that a symbol's rules let pass, to try a key with: at the market, a tenth above the minimum."""

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Final

from adapters.model import Order, OrderType, Side, SymbolRules, TimeInForce

CLIENT_ORDER_ID: Final = "beeline-account-check"
_MARGIN: Final = Decimal("1.1")


def smallest_order(rules: SymbolRules, price: Decimal) -> Order:
    """Form a limit order; only ever sent to a venue's test endpoint."""
    tick = rules.tick_size or Decimal("0.00000001")
    price = max((price / tick).to_integral_value(ROUND_FLOOR) * tick, rules.min_price or tick)
    worth = (rules.min_notional or Decimal(0)) * _MARGIN
    least = max(rules.min_quantity or Decimal(0), worth / price)
    step, offset = rules.step_size or Decimal("0.00000001"), rules.step_offset
    steps = max(Decimal(0), (least - offset) / step).to_integral_value(ROUND_CEILING)
    return Order(
        client_order_id=CLIENT_ORDER_ID,
        symbol=rules.symbol,
        side=Side.BUY,
        type=OrderType.LIMIT,
        quantity=offset + steps * step,
        price=price,
        time_in_force=TimeInForce.GTC,
    )
