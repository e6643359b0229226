"""Errors of Bitrue spot (`/api/v1`), from its README of July 2023 and from what users saw on the wire.

Bitrue documents a dozen numbers. A help page lists Binance's for it as well, so those are understood too; where both
document a number, Bitrue's meaning stands. Filters come as -1111 with the reason in the text, clock trouble as -1102 or
-1022, a rejected cancel as -2010.
"""

from typing import Final

from adapters.error_tables import binance_spot
from adapters.error_tables.rows import ASK, no, unknown
from adapters.error_tables.table import ErrorTable
from adapters.errors import Owner, Retry, Scope

_PRODUCER, _OPERATOR, _VENUE, _BEELINE = Owner.PRODUCER, Owner.OPERATOR, Owner.VENUE, Owner.BEELINE
_BUG: Final = "Beeline sent a request that the venue does not understand; please report it with the venue's message."
_THREE_CAUSES: Final = "Bitrue says this of a wrong secret, of a wrong clock and of a missing permission: the clock was set again, so check the secret, the key's permissions and its IP whitelist."
_WITHDRAWAL: Final = "This belongs to withdrawals, which Beeline never asks for; check the base_url, then report it."

_REST: Final = (
    unknown(-1000, "execution_unknown", f"The venue failed without saying how. {ASK}"),
    unknown(-1016, "venue_unavailable", f"The venue's service is not available. {ASK}"),
    no(-1020, "unsupported_operation", _BEELINE, _BUG),
    no(-1022, "key_not_permitted", _OPERATOR, _THREE_CAUSES, pattern="UNAUTHORIZED|not authorized", retry=Retry.AFTER_RESYNC, scope=Scope.ACCOUNT, quarantines=True),
    no(-1022, "invalid_signature", _OPERATOR, _THREE_CAUSES, retry=Retry.AFTER_RESYNC, scope=Scope.ACCOUNT, quarantines=True),
    no(-1102, "invalid_timestamp", _BEELINE, "The request reached the venue outside its recv window; look at the clock offset and at the latency to the venue.", pattern="timestamp", retry=Retry.AFTER_RESYNC, scope=Scope.WORKER),
    no(-1102, "missing_parameter", _BEELINE, _BUG),
    no(-1111, "filter_lot_size", _PRODUCER, "The quantity is out of its range, off its step, or worth too little.", pattern="qty|quantity|volume|minVal"),
    no(-1111, "filter_price_filter", _PRODUCER, "The price is out of its range or off its tick.", pattern="price"),
    no(-1111, "filter_rejected", _PRODUCER, "Price or quantity break a rule of the symbol; the venue's own message may say which."),
    no(-1121, "unknown_symbol", _PRODUCER, "The venue does not list this symbol; check the name.", scope=Scope.SYMBOL),
    no(-1150, "invalid_listen_key", _BEELINE, _BUG),
    no(-2010, "insufficient_balance", _PRODUCER, "The account has not enough free balance: fund it, send less, or cancel orders that lock it.", pattern="insufficient", scope=Scope.ACCOUNT),
    unknown(-2010, "duplicate_order", f"An order with this id exists: an earlier attempt has landed. {ASK}", pattern="duplicate", owner=_BEELINE, scope=Scope.ORDER),
    no(-2010, "venue_rejected", _PRODUCER, "The venue rejected the request; its own message says why."),
    no(-2013, "order_not_found", _PRODUCER, "The venue knows no such order; check `cancels`, account and symbol."),
    no(-2017, "unknown_symbol", _PRODUCER, "The venue knows no net value for this symbol.", scope=Scope.SYMBOL),
    unknown(503, "venue_unavailable", f"The venue's service is not available. {ASK}"),
    unknown(1, "venue_unavailable", f"The venue is under maintenance. {ASK}"),
)
_WITHDRAWAL_CODES: Final = (
    2, 6, 19, 32, 110049, 110050, 110051, 110054, 110055, 110056, 110057, 966000, 966001, 999503, 999504, 999505, 999508, 999509,
    999512, 999513, 999901, 999902,
)
_WITHDRAWALS: Final = tuple(no(code, "foreign_interface", _BEELINE, _WITHDRAWAL) for code in _WITHDRAWAL_CODES)
_OWN_CODES: Final = frozenset(row.venue_code for row in _REST)
_INHERITED: Final = tuple(row for row in binance_spot.TABLE.rows if row.venue_code not in _OWN_CODES)

TABLE: Final = ErrorTable(_REST + _WITHDRAWALS + _INHERITED)
