"""Every kind of signal the demo has: what trades, what is taken back, and what must be refused, with its code."""

from collections.abc import Callable
from typing import Any, Final

from worker.core.signals import MAX_BODY_BYTES
from worker.demo.writer import (
    BTC,
    CAREFUL,
    MARKETS,
    MISCONFIGURED,
    NOBODY,
    Fields,
    Kind,
    Publication,
    Writer,
)

LONG_AGO: Final = "2020-01-01T00:00:00Z"
SPOT: Final = ("binance", "binance_us", "bitrue")
OF_BINANCE: Final = ("binance", "binance_us", "binance_usdm")
"""Venues with more than plain market and limit orders."""


# --- What trades ------------------------------------------------------------------------------------------------------


def _market(writer: Writer) -> Fields:
    account, market = writer.account(), writer.random.choice(MARKETS)
    writer.remember_filled(account, market.symbol)
    return writer.place("market", market), account.name, None


def _careful_market(writer: Writer) -> Fields:
    return writer.place("market", BTC), CAREFUL.name, None


def _quote_quantity(writer: Writer) -> Fields:
    market = writer.random.choice(MARKETS)
    fields = writer.place("market", market, quote_quantity=writer.random.randint(20, 400))
    del fields["quantity"]
    return fields, writer.account(*SPOT).name, None


def _stop(writer: Writer) -> Fields:
    """An order that waits for a price on the losing side of the market, which never comes."""
    account, market = writer.account(*OF_BINANCE), writer.random.choice(MARKETS)
    fields = writer.place("stop_loss", market)
    fields["stop_price"] = writer.away("sell" if fields["side"] == "buy" else "buy", market, 10)
    writer.remember_resting(account, market.symbol)
    return fields, account.name, None


def _limit(percent: int, type_: str = "limit", *venues: str, **more: Any) -> Callable[[Writer], Fields]:
    """A limit order some percent on the quiet side of the market; a negative number crosses it."""

    def build(writer: Writer) -> Fields:
        account, market = writer.account(*venues), writer.random.choice(MARKETS)
        fields = writer.place(type_, market, **more)
        fields["price"] = writer.away(fields["side"], market, percent)
        if percent > 0 and "time_in_force" not in more:
            writer.remember_resting(account, market.symbol)
        return fields, account.name, None

    return build


def _dry_run(writer: Writer) -> Fields:
    return writer.place("market", writer.random.choice(MARKETS), dry_run=True), writer.account().name, None


# --- What is taken back -----------------------------------------------------------------------------------------------


def _cancel(writer: Writer) -> Fields:
    target = writer.take_resting()
    if target is None:
        return _market(writer)
    fields = {"action": "cancel", "symbol": target.symbol, "cancels": target.signal_id}
    return fields, target.account.name, None


def _cancel_filled(writer: Writer) -> Fields:
    target = writer.take_filled()
    if target is None:
        return _market(writer)
    fields = {"action": "cancel", "symbol": target.symbol, "cancels": target.signal_id}
    return fields, target.account.name, "too_late_to_cancel"


def _cancel_absent(writer: Writer) -> Fields:
    fields = {"action": "cancel", "symbol": "BTC/USDT", "cancels": "never-sent"}
    return fields, writer.account().name, "order_not_found"


def _cancel_all(writer: Writer) -> Fields:
    symbol = writer.random.choice(MARKETS).symbol
    return {"action": "cancel_all", "symbol": symbol}, writer.account().name, None


# --- What must be refused ---------------------------------------------------------------------------------------------


def _refused(code: str, *venues: str, **changes: Any) -> Callable[[Writer], Fields]:
    """A market order in BTC/USDT with some fields changed; `None` takes a field out."""

    def build(writer: Writer) -> Fields:
        fields = writer.place("market", BTC) | changes
        given = {name: value for name, value in fields.items() if value is not None}
        return given, writer.account(*venues).name, code

    return build


def _for_account(code: str, account: str, **changes: Any) -> Callable[[Writer], Fields]:
    def build(writer: Writer) -> Fields:
        return writer.place("market", BTC) | changes, account, code

    return build


def _mismatch(writer: Writer) -> Fields:
    account = writer.account()
    return writer.place("market", BTC) | {"routing_key": account.name}, "someone-else", "account_mismatch"


def _conflict(writer: Writer) -> Fields:
    target = writer.take_filled()
    if target is None:
        return _market(writer)
    fields = writer.place("market", BTC, signal_id=target.signal_id, quantity="0.777")
    return fields, target.account.name, "signal_id_conflict"


KINDS: Final = (
    Kind("market", 24, _market),
    Kind("limit that rests", 14, _limit(8)),
    Kind("limit that fills", 12, _limit(-1)),
    Kind("cancel", 8, _cancel),
    Kind("market in quote units", 6, _quote_quantity),
    Kind("limit maker", 4, _limit(6, "limit_maker", *OF_BINANCE)),
    Kind("immediate or cancel", 3, _limit(5, "limit", *OF_BINANCE, time_in_force="ioc")),
    Kind("fill or kill", 2, _limit(-1, "limit", *OF_BINANCE, time_in_force="fok")),
    Kind("stop loss that waits", 3, _stop),
    Kind("dry run", 4, _dry_run),
    Kind("cancel all", 2, _cancel_all),
    Kind("expired", 2, _refused("signal_expired", valid_until=LONG_AGO)),
    Kind("bad input: unknown field", 1, _refused("invalid_signal", leverage=5)),
    Kind("unknown account", 2, _for_account("unknown_account", NOBODY)),
    Kind("not on the whitelist", 1, _for_account("symbol_not_allowed", CAREFUL.name, symbol="ETH/USDT")),
    Kind("off the quantity step", 2, _refused("filter_", quantity="0.0100000001")),
    Kind("below the minimum", 1, _refused("filter_", quantity="0.00002")),
    Kind("off the price step", 1, _refused("filter_", type="limit", price="64000.001")),
    Kind("cancel too late", 2, _cancel_filled),
    Kind("cancel of nothing", 1, _cancel_absent),
    Kind("same id, other content", 1, _conflict),
    Kind("whitelisted", 2, _careful_market),
    Kind("unknown symbol", 1, _refused("unknown_symbol", symbol="NOPE/USDT")),
    Kind("not on this venue", 1, _refused("unsupported_", "bitrue", type="stop_loss", stop_price="60000")),
    Kind("misconfigured account", 1, _for_account("account_refused", MISCONFIGURED)),
    Kind("account is not the key", 1, _mismatch),
    Kind("bad input: both quantities", 1, _refused("invalid_signal", quote_quantity="100")),
    Kind("bad input: negative", 1, _refused("invalid_signal", quantity="-1")),
    Kind("bad input: exponent", 1, _refused("invalid_signal", quantity="1e-3")),
    Kind("bad input: forty digits", 1, _refused("invalid_signal", quantity="0." + "1" * 40)),
    Kind("bad input: wrong type", 1, _refused("invalid_signal", side=["buy"])),
    Kind("bad input: no price", 1, _refused("invalid_signal", type="limit")),
    Kind("bad input: too large", 1, _refused("invalid_signal", cancels="x" * MAX_BODY_BYTES)),
)

JUNK: Final = (
    b"this is not JSON",
    b"[1, 2, 3]",
    b'{"account": "main", "symbol": "BTC/USDT"}',
    b'{"signal_id": 7}',
)


def junk(number: int) -> Publication:
    """Return a message that is no signal and cannot be answered."""
    return Publication(kind="no signal", account="main", body=JUNK[number % len(JUNK)])
