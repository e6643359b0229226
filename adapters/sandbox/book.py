"""A simple book: one price a symbol and synthetic liquidity around it.

The best bid and ask lie one tick below and above the price. Each level holds the same quantity, a tick
apart, and is full again for the next order: what a test expects then depends on its own order alone.
Liquidity zero makes an empty book.
"""

from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal

from adapters.sandbox.config import SymbolConfig
from adapters.sandbox.model import ZERO, Side


@dataclass(frozen=True, slots=True)
class Match:
    """A piece of an order that meets liquidity."""

    price: Decimal
    quantity: Decimal


class Market:
    """One symbol's price, liquidity and trading status."""

    def __init__(self, rules: SymbolConfig) -> None:
        self.rules = rules
        self.price = rules.price
        self.levels = rules.levels
        self.is_trading = True
        self.depth = floor_to(rules.depth_quote / rules.price, rules.step)

    @property
    def best_ask(self) -> Decimal:
        """Return the lowest price that sells."""
        return self.price + self.rules.tick

    @property
    def best_bid(self) -> Decimal:
        """Return the highest price that buys."""
        return self.price - self.rules.tick

    def would_take(self, side: Side, price: Decimal) -> bool:
        """Tell whether a limit order at this price meets the other side at once."""
        if not self.depth:
            return False
        return price >= self.best_ask if side is Side.BUY else price <= self.best_bid

    def take(self, side: Side, quantity: Decimal, limit: Decimal | None) -> list[Match]:
        """Return what an order gets: up to its quantity, not beyond its limit price."""
        matches: list[Match] = []
        tick = self.rules.tick if side is Side.BUY else -self.rules.tick
        price = self.price
        remaining = quantity
        for _ in range(self.levels):
            price += tick
            if remaining <= 0 or not self.depth or price <= 0 or _is_beyond(side, price, limit):
                break
            piece = min(remaining, self.depth)
            matches.append(Match(price, piece))
            remaining -= piece
        return matches

    def take_quote(self, side: Side, quote_quantity: Decimal) -> tuple[Decimal, list[Match]]:
        """Return the quantity whose value comes nearest to a quote amount from below, and what it gets."""
        matches: list[Match] = []
        total = ZERO
        left = quote_quantity
        for level in self.take(side, self.depth * self.levels, None):
            piece = min(level.quantity, floor_to(left / level.price, self.rules.step))
            if piece <= 0:
                break
            matches.append(Match(level.price, piece))
            total += piece
            left -= piece * level.price
        if total:
            return total, matches
        return floor_to(quote_quantity / self.price, self.rules.step), []


def floor_to(value: Decimal, step: Decimal) -> Decimal:
    """Round down to a multiple of the step."""
    return (value / step).to_integral_value(ROUND_DOWN) * step


def _is_beyond(side: Side, price: Decimal, limit: Decimal | None) -> bool:
    if limit is None:
        return False
    return price > limit if side is Side.BUY else price < limit
