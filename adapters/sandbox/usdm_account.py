"""Positions and margin of one futures account: cross margin in one asset, one-way or hedge mode.

A position's quantity is signed: above zero is long. In hedge mode a symbol has a long and a short position
side by side; in one-way mode it has one, called `BOTH`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from adapters.sandbox.model import ZERO, NewOrder, PositionSide, Side

MARGIN_ASSET: Final = "USDT"
DEFAULT_LEVERAGE: Final = 20
HIGHEST_LEVERAGE: Final = 125


@dataclass(slots=True)
class Position:
    """A signed quantity and the average price that it was opened at."""

    quantity: Decimal = ZERO
    entry_price: Decimal = ZERO

    def change(self, quantity: Decimal, price: Decimal) -> Decimal:
        """Add a signed quantity at a price; return the profit that this realises."""
        if not quantity:
            return ZERO
        closing = _closing(self.quantity, quantity)
        realized = (price - self.entry_price) * closing
        opening = quantity + closing
        left = self.quantity - closing
        if opening:
            self.entry_price = (abs(left) * self.entry_price + abs(opening) * price) / abs(left + opening)
        self.quantity = left + opening
        if not self.quantity:
            self.entry_price = ZERO
        return realized


class FuturesAccount:
    """One account's balance, positions and settings."""

    def __init__(self, balance: Decimal) -> None:
        self.balance = balance
        self.reserved = ZERO
        self.is_hedged = False
        self.positions: dict[tuple[str, PositionSide], Position] = {}
        self._leverage: dict[str, int] = {}

    def position(self, symbol: str, side: PositionSide) -> Position:
        """Return a position, empty when there was none."""
        return self.positions.setdefault((symbol, side), Position())

    def leverage(self, symbol: str) -> int:
        """Return a symbol's leverage."""
        return self._leverage.get(symbol, DEFAULT_LEVERAGE)

    def set_leverage(self, symbol: str, leverage: int) -> None:
        """Change a symbol's leverage for what comes."""
        self._leverage[symbol] = leverage

    def reducible(self, spec: NewOrder) -> Decimal:
        """Return how much of the position an order on its side can close."""
        held = self.position(spec.symbol, spec.position_side).quantity
        return max(ZERO, -held if spec.side is Side.BUY else held)

    def available(self, mark_price: Callable[[str], Decimal]) -> Decimal:
        """Return the balance that neither positions nor open orders need."""
        used = sum(
            (
                abs(held.quantity) * mark_price(symbol) / self.leverage(symbol)
                for (symbol, _), held in self.positions.items()
            ),
            self.reserved,
        )
        return self.balance + self.unrealized(mark_price) - used

    def unrealized(self, mark_price: Callable[[str], Decimal]) -> Decimal:
        """Return the profit of all positions at their mark prices."""
        return sum(
            (
                held.quantity * (mark_price(symbol) - held.entry_price)
                for (symbol, _), held in self.positions.items()
            ),
            ZERO,
        )


def must_reduce(spec: NewOrder) -> bool:
    """Tell whether an order may only make a position smaller."""
    return (
        spec.is_reduce_only
        or spec.closes_position
        or (spec.position_side, spec.side) in {(PositionSide.LONG, Side.SELL), (PositionSide.SHORT, Side.BUY)}
    )


def _closing(held: Decimal, change: Decimal) -> Decimal:
    """Return the signed part of what is held that a change closes."""
    if held * change >= 0:
        return ZERO
    size = min(abs(held), abs(change))
    return size if held > 0 else -size
