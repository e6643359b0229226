"""What a chaos run is made of, drawn from its seed before anything starts: signals, and when what breaks.

Everything happens at a count of answered signals rather than at a time, so that a slow machine breaks as much
as a fast one. Two runs of one seed publish the same signals and plan the same events; how they interleave is
up to the machine, which is the difference to the simulation.
"""

import random
from collections import deque
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from worker.core.outcome import client_order_id

SYMBOLS: Final = ("BTCUSDT", "ETHUSDT", "BNBUSDT", "SOLUSDT", "XRPUSDT", "ADAUSDT", "DOGEUSDT")
QUANTITIES: Final = ("0.01", "0.02", "0.1", "0.5", "100", "200", "500")
"""A quantity for each symbol that is above its smallest notional, and far below a balance."""

FAR_BELOW: Final = ("30000", "1500", "300", "70", "0.2500", "0.2200", "0.06000")
"""A price for each symbol at which a buy order rests, or expires when it may not."""


class Event(StrEnum):
    """What breaks."""

    KILL = "SIGKILL of a worker"
    FREEZE = "SIGSTOP of a worker"
    DRAIN = "SIGTERM of a worker"
    CUT = "links reset"
    BLACK_HOLE = "links black-holed"
    BROKER_KILL = "broker killed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How much of everything."""

    signals: int = 20_000
    seed: int = 1
    workers: int = 4
    minutes: float | None = None
    release: str | None = None
    accounts: int = 12
    shards: int = 8
    outstanding: int = 400
    kills: int = 24
    freezes: int = 20
    drains: int = 8
    cuts: int = 16
    black_holes: int = 10
    broker_kills: int = 6
    fault_hits: int = 80
    """How often each kind of the venue's faults is to be hit, about."""

    def counts(self) -> dict[Event, int]:
        """How often each event is planned."""
        return {
            Event.KILL: self.kills,
            Event.FREEZE: self.freezes,
            Event.DRAIN: self.drains,
            Event.CUT: self.cuts,
            Event.BLACK_HOLE: self.black_holes,
            Event.BROKER_KILL: self.broker_kills,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """One signal to publish. `number` is its place among the signals of its account and symbol."""

    fields: dict[str, Any]
    number: int
    doubled: bool = False
    conflicting: bool = False

    @property
    def signal_id(self) -> str:
        """The signal's id; unique over all accounts of a run."""
        return str(self.fields["signal_id"])

    @property
    def account(self) -> str:
        """The account, which is the routing key."""
        return str(self.fields["account"])

    @property
    def lane(self) -> tuple[str, str]:
        """Account and symbol."""
        return self.account, str(self.fields["symbol"])

    @property
    def client_order_id(self) -> str:
        """The id that its order has at the venue."""
        return client_order_id(self.account, self.signal_id)

    def conflict(self) -> dict[str, Any]:
        """The same id with another payload."""
        return self.fields | {"quantity": "0.77"}


def account_names(options: Options) -> tuple[list[str], list[str]]:
    """Names of the accounts on Binance and on Bitrue."""
    half = options.accounts // 2
    binance = [f"chaos-{number}" for number in range(options.accounts - half)]
    return binance, [f"chaos-bitrue-{number}" for number in range(half)]


def plan_signals(options: Options) -> list[Planned]:
    """Draw every signal of the run."""
    draw = random.Random(f"{options.seed} signals")
    binance, bitrue = account_names(options)
    counts: dict[tuple[str, int], int] = {}
    planned = []
    for index in range(options.signals):
        account = draw.choice([*binance, *bitrue])
        symbol = draw.randrange(len(SYMBOLS))
        number = counts[account, symbol] = counts.get((account, symbol), 0) + 1
        fields = {
            "signal_id": f"c{index:06}",
            "account": account,
            "symbol": SYMBOLS[symbol],
            "side": draw.choice(["buy", "sell"]),
            "type": "market",
            "quantity": QUANTITIES[symbol],
        }
        fields |= _variation(draw, symbol, is_binance=account in binance)
        planned.append(
            Planned(
                fields=fields,
                number=number,
                doubled=draw.random() < 0.05,
                conflicting=draw.random() < 0.03,
            )
        )
    return planned


def _variation(draw: random.Random, symbol: int, *, is_binance: bool) -> dict[str, Any]:
    """Make some signals something else than a market order: resting, expiring, or truly rejected."""
    chance = draw.random()
    limit = {"type": "limit", "side": "buy", "price": FAR_BELOW[symbol]}
    if chance < 0.08:
        return limit
    if chance < 0.14 and is_binance:  # Bitrue has no IOC
        return limit | {"time_in_force": "ioc"}
    if chance < 0.16:
        return {"side": "sell", "quantity": "9000000"}
    return {}


def plan_events(options: Options) -> deque[tuple[int, Event]]:
    """Draw after how many answered signals each event happens; all in the first nine tenths of the run."""
    draw = random.Random(f"{options.seed} events")
    events = [event for event, count in options.counts().items() for _ in range(count)]
    draw.shuffle(events)
    gap = 0.9 * options.signals / (len(events) + 1)
    return deque((int(gap * (place + draw.random())), event) for place, event in enumerate(events, start=1))
