"""Errors of Bitrue spot (`/api/v1`), from its README of July 2023 and from what users saw on the wire.

Bitrue documents a dozen numbers. A help page lists Binance's for it as well, so those are understood too; where both
document a number, Bitrue's meaning stands. Filters come as -1111 with the reason in the text, clock trouble as -1102 or
-1022, a rejected cancel as -2010.
"""

from typing import Final

from adapters.error_tables import binance_spot
from adapters.error_tables.rows import ASK, DUPLICATE, FUND, GONE, LATE, SYMBOL, bug, foreign, no, unknown
from adapters.error_tables.table import ErrorTable
from adapters.errors import Owner, Retry, Scope

_PRODUCER, _OPERATOR, _BEELINE = Owner.PRODUCER, Owner.OPERATOR, Owner.BEELINE
_ACCOUNT: Final = Scope.ACCOUNT
_THREE_CAUSES: Final = "Bitrue says this of a wrong secret, of a wrong clock and of a missing permission: the clock was set again, so check the secret, the key's permissions and its IP whitelist."
_WITHDRAWALS: Final = "withdrawals"

_REST: Final = (
    unknown(-1000, "System abnormality", "execution_unknown", f"The venue failed without saying how. {ASK}"),
    unknown(-1016, "Service not available.", "venue_unavailable", f"The venue's service is not available. {ASK}"),
    bug(-1020, "Method not supported.", "unsupported_operation"),
    no(-1022, "UNAUTHORIZED.", "key_not_permitted", _OPERATOR, _THREE_CAUSES, pattern="UNAUTHORIZED|^Not authorized", retry=Retry.AFTER_RESYNC, scope=_ACCOUNT, quarantines=True),
    no(-1022, "Signature invalid, or timestamp invalid, or not authorized for the API.", "invalid_signature", _OPERATOR, _THREE_CAUSES, retry=Retry.AFTER_RESYNC, scope=_ACCOUNT, quarantines=True),
    no(-1102, "timestamp IllegalArgumentException.", "invalid_timestamp", _BEELINE, LATE, pattern="timestamp", retry=Retry.AFTER_RESYNC, scope=Scope.WORKER),
    bug(-1102, "A mandatory parameter is missing or has an illegal value.", "missing_parameter"),
    no(-1111, "quantity less then minQty.", "filter_lot_size", _PRODUCER, "The quantity is out of its range, off its step, or worth too little.", pattern="qty|quantity|minVal"),
    no(-1111, "The volume, price or address is not valid.", "filter_rejected", _PRODUCER, "Price or quantity break a rule of the symbol; Bitrue does not say which, the symbol's PRICE_FILTER and LOT_SIZE do.", pattern="volume, price or address"),
    no(-1111, "(a text that names the price)", "filter_price_filter", _PRODUCER, "The price is out of its range or off its tick.", pattern="price"),
    no(-1111, "(any other text)", "filter_rejected", _PRODUCER, "Price or quantity break a rule of the symbol; the venue's own message may say which."),
    no(-1121, "The symbol name is not valid.", "unknown_symbol", _PRODUCER, SYMBOL, scope=Scope.SYMBOL),
    foreign(-1150, "The listenKey does not exist.", "user data streams"),
    no(-2010, "Insufficient account balance.", "insufficient_balance", _PRODUCER, FUND, pattern="insufficient", scope=_ACCOUNT),
    unknown(-2010, "(a text that names a duplicate)", "duplicate_order", DUPLICATE, pattern="duplicate", owner=_BEELINE, scope=Scope.ORDER),
    no(-2010, "Order placement, cancellation or withdrawal was rejected.", "venue_rejected", _PRODUCER, "Bitrue rejected the order and does not say why. A cancel that is answered so may have come too late, and is looked up."),
    unknown(-2013, "Order information not found for the given order ID.", "order_not_found", GONE, owner=_PRODUCER, scope=Scope.ORDER),
    no(-2017, "Net value not found for the given (leveraged ETF) symbol.", "unknown_symbol", _PRODUCER, "The venue knows no net value for this symbol.", scope=Scope.SYMBOL),
    unknown(503, "Service not available.", "venue_unavailable", f"The venue's service is not available. {ASK}"),
    unknown(1, "System is under maintenance.", "venue_unavailable", f"The venue is under maintenance. {ASK}"),
)
_NEVER_ASKED_FOR: Final = (
    foreign(2, "Parameter error", _WITHDRAWALS),
    foreign(6, "Amount too small", _WITHDRAWALS),
    foreign(19, "Insufficient balance", _WITHDRAWALS),
    foreign(32, "User auth error", _WITHDRAWALS),
    foreign(110049, "Withdraw locked", _WITHDRAWALS),
    foreign(110050, "Withdraw locked", _WITHDRAWALS),
    foreign(110051, "Withdraw locked", _WITHDRAWALS),
    foreign(110054, "Withdraw locked", _WITHDRAWALS),
    foreign(110055, "Withdraw locked", _WITHDRAWALS),
    foreign(110056, "Withdraw locked", _WITHDRAWALS),
    foreign(110057, "Withdraw locked", _WITHDRAWALS),
    foreign(966000, "IP limit", _WITHDRAWALS),
    foreign(966001, "No privileges", _WITHDRAWALS),
    foreign(999503, "Withdraw fee error", _WITHDRAWALS),
    foreign(999504, "Withdraw limit", _WITHDRAWALS),
    foreign(999505, "Withdraw limit", _WITHDRAWALS),
    foreign(999508, "Withdraw locked", _WITHDRAWALS),
    foreign(999509, "Deposit not found", _WITHDRAWALS),
    foreign(999512, "Withdraw tag error", _WITHDRAWALS),
    foreign(999513, "Withdraw address error", _WITHDRAWALS),
    foreign(999901, "Coin chain error", _WITHDRAWALS),
    foreign(999902, "Account balance error", _WITHDRAWALS),
)
_OWN_CODES: Final = frozenset(row.venue_code for row in _REST)
_INHERITED: Final = tuple(row for row in binance_spot.TABLE.rows if row.venue_code not in _OWN_CODES)

TABLE: Final = ErrorTable(market="bitrue_spot", title="Bitrue spot", rows=_REST + _NEVER_ASKED_FOR + _INHERITED)
