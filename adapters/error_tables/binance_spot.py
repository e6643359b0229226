"""Errors of Binance spot (`/api/v3`), every code and message of its errors.md of July 2026.

The venue prints one table of messages for all rejects of its matching engine; which code carries a message depends on the
request, so each message is entered under all of them.
"""

from collections.abc import Callable
from functools import partial
from re import escape
from typing import Final

from adapters.error_tables.rows import ASK, no, unknown
from adapters.error_tables.table import ErrorTable
from adapters.errors import ErrorEntry, Owner, Retry, Scope

_PRODUCER, _OPERATOR, _VENUE, _BEELINE = Owner.PRODUCER, Owner.OPERATOR, Owner.VENUE, Owner.BEELINE
_BUG: Final = "Beeline sent a request that the venue does not understand; please report it with the venue's message."
_KEY: Final = "Check that the key exists, that this IP is on its whitelist and that it may trade; a ban can look the same."
_REJECT_CODES: Final = (-1010, -1013, -2010, -2011, -2038)

_GENERAL: Final = (
    unknown(-1000, "execution_unknown", f"The venue failed without saying how. {ASK}"),
    unknown(-1001, "execution_unknown", f"The venue lost its own backend. {ASK}"),
    no(-1002, "key_not_permitted", _OPERATOR, _KEY, scope=Scope.ACCOUNT, quarantines=True),
    no(-1003, "ip_banned", _OPERATOR, "This IP is banned; everything on it must stop until the ban ends, or the ban grows.", pattern="banned", retry=Retry.AFTER_HOLD, scope=Scope.IP),
    no(-1003, "too_many_requests", _OPERATOR, "The request weight of this IP is used up; find what else calls the venue from it, or lower BEELINE_IP_SHARE.", retry=Retry.AFTER_HOLD, scope=Scope.IP),
    unknown(-1006, "execution_unknown", f"The venue got an answer it did not expect from its own backend. {ASK}"),
    unknown(-1007, "execution_unknown", f"The venue timed out waiting for its own backend. {ASK}"),
    unknown(-1008, "venue_overloaded", f"The venue is overloaded. {ASK}"),
    no(-1010, "venue_rejected", _PRODUCER, "The venue's engine rejected the request; its own message says why."),
    no(-1013, "filter_rejected", _PRODUCER, "The order breaks a rule of the symbol; the venue's own message names it."),
    no(-1014, "unsupported_order_combination", _PRODUCER, "This mix of type, time in force and prices is not supported."),
    no(-1015, "too_many_orders", _OPERATOR, "The exchange account has used up its order budget, over all keys and programs; send less, or wait.", retry=Retry.AFTER_HOLD, scope=Scope.ACCOUNT),
    no(-1016, "venue_unavailable", _VENUE, "The venue has switched this service off; see its announcements.", retry=Retry.AFTER_BACKOFF, scope=Scope.VENUE),
    no(-1020, "unsupported_operation", _BEELINE, _BUG),
    no(-1021, "invalid_timestamp", _BEELINE, "The request reached the venue outside its recv window; look at the clock offset and at the latency to the venue.", retry=Retry.AFTER_RESYNC, scope=Scope.WORKER),
    no(-1022, "invalid_signature", _OPERATOR, "Check the secret for hidden white space and that it belongs to this API key.", scope=Scope.ACCOUNT, quarantines=True),
    no(-1034, "too_many_connections", _OPERATOR, "Too many connections from this IP or account; find what else connects.", retry=Retry.AFTER_HOLD, scope=Scope.IP),
    no(-1099, "key_not_permitted", _OPERATOR, _KEY, scope=Scope.ACCOUNT, quarantines=True),
)

_REQUEST: Final = (
    no(-1100, "illegal_characters", _BEELINE, _BUG),
    no(-1101, "too_many_parameters", _BEELINE, _BUG),
    no(-1102, "missing_parameter", _BEELINE, _BUG),
    no(-1103, "unknown_parameter", _BEELINE, _BUG),
    no(-1104, "unread_parameters", _BEELINE, _BUG),
    no(-1105, "empty_parameter", _BEELINE, _BUG),
    no(-1106, "needless_parameter", _BEELINE, _BUG),
    no(-1108, "parameter_overflow", _PRODUCER, "A number of the signal is larger than the venue can read."),
    no(-1111, "filter_precision", _PRODUCER, "A price or quantity has more decimals than the symbol allows."),
    no(-1112, "no_liquidity", _VENUE, "The order book of this symbol is empty.", retry=Retry.AFTER_BACKOFF, scope=Scope.SYMBOL),
    no(-1114, "unsupported_time_in_force", _PRODUCER, "This order type takes no time in force; leave it out."),
    no(-1115, "unsupported_time_in_force", _PRODUCER, "The venue does not know this time in force."),
    no(-1116, "unsupported_order_type", _PRODUCER, "The venue does not know this order type."),
    no(-1117, "invalid_side", _BEELINE, _BUG),
    no(-1118, "empty_client_order_id", _BEELINE, _BUG),
    no(-1119, "empty_client_order_id", _BEELINE, _BUG),
    no(-1120, "invalid_parameter", _BEELINE, _BUG),
    no(-1121, "unknown_symbol", _PRODUCER, "The venue does not list this symbol; check the name.", scope=Scope.SYMBOL),
    no(-1122, "invalid_parameter", _BEELINE, _BUG),
    no(-1125, "invalid_listen_key", _BEELINE, _BUG),
    no(-1127, "invalid_parameter", _BEELINE, _BUG),
    no(-1128, "invalid_parameter", _BEELINE, _BUG),
    no(-1130, "invalid_parameter", _BEELINE, _BUG),
    no(-1131, "invalid_recv_window", _OPERATOR, "Lower BEELINE_RECV_WINDOW_MS; the venue takes at most 60000.", scope=Scope.WORKER),
    no(-1134, "invalid_parameter", _BEELINE, _BUG),
    no(-1135, "invalid_parameter", _BEELINE, _BUG),
    no(-1139, "invalid_parameter", _BEELINE, _BUG),
    no(-1145, "invalid_parameter", _BEELINE, _BUG),
    no(-1151, "invalid_parameter", _BEELINE, _BUG),
    no(-1182, "invalid_parameter", _BEELINE, _BUG),
    no(-1194, "invalid_parameter", _BEELINE, _BUG),
    no(-1210, "invalid_parameter", _BEELINE, _BUG),
    no(-1211, "invalid_parameter", _BEELINE, _BUG),
    no(-1220, "symbol_not_trading", _VENUE, "The symbol is not in the state that was asked for.", retry=Retry.AFTER_BACKOFF, scope=Scope.SYMBOL),
)

# What Beeline never uses: FIX sessions, SBE encoding, order lists, user data streams. A proxy that answers with one of
# these is misconfigured.
_FOREIGN_CODES: Final = (
    -1033, -1035, -1152, -1153, -1155, -1158, -1160, -1161, -1165, -1166, -1167, -1168, -1169, -1170, -1171, -1172, -1173, -1174,
    -1175, -1176, -1177, -1178, -1179, -1180, -1181, -1183, -1184, -1185, -1186, -1187, -1188, -1189, -1190, -1191, -1196, -1197,
    -1198, -1199, -1221, -1222, -1223, -1224, -1225, -2016, -2035, -2036, -2042, -2043,
)
_FOREIGN: Final = tuple(no(code, "foreign_interface", _BEELINE, "This belongs to an interface of the venue that Beeline does not use; check the base_url, then report it.") for code in _FOREIGN_CODES)

_ORDERS: Final = (
    no(-2010, "venue_rejected", _PRODUCER, "The venue's engine rejected the order; its own message says why."),
    no(-2011, "cancel_rejected", _PRODUCER, "The venue rejected the cancel; its own message says why."),
    no(-2013, "order_not_found", _PRODUCER, "The venue knows no such order; check `cancels`, account and symbol."),
    no(-2014, "invalid_api_key", _OPERATOR, "The API key has the wrong form; check it for hidden white space and missing characters.", scope=Scope.ACCOUNT, quarantines=True),
    no(-2015, "key_not_permitted", _OPERATOR, _KEY, scope=Scope.ACCOUNT, quarantines=True),
    unknown(-2021, "partly_done", "The venue did only a part of a cancel-replace; what is done has to be asked.", scope=Scope.ORDER),
    no(-2022, "venue_rejected", _PRODUCER, "The venue did no part of a cancel-replace."),
    no(-2026, "order_archived", _PRODUCER, "The order was closed without a fill more than 90 days ago; the venue keeps no more of it."),
    no(-2038, "venue_rejected", _PRODUCER, "The venue rejected the change of an order; its own message says why."),
    no(-2039, "order_id_mismatch", _BEELINE, "The two ids of the request name different orders; please report it."),
)

_SIZE_FILTERS: Final = (
    ("PRICE_FILTER", "The price is out of its range or off its tick."),
    ("PERCENT_PRICE_BY_SIDE", "The price is too far from the market on this side."),
    ("PERCENT_PRICE", "The price is too far from the market."),
    ("MARKET_LOT_SIZE", "The quantity is out of the range or off the step of market orders."),
    ("LOT_SIZE", "The quantity is out of its range or off its step."),
    ("MIN_NOTIONAL", "Price times quantity is below the minimum."),
    ("NOTIONAL", "Price times quantity is out of its range."),
    ("ICEBERG_PARTS", "The order would be cut into too many parts."),
    ("TRAILING_DELTA", "The trailing delta is out of its range."),
    ("MAX_POSITION", "The position would grow beyond the venue's limit; reduce it first."),
    ("MAX_ASSET", "The order is larger than this account may place in one."),
)
_COUNT_FILTERS: Final = (
    "EXCHANGE_MAX_NUM_ORDERS", "EXCHANGE_MAX_NUM_ALGO_ORDERS", "EXCHANGE_MAX_NUM_ICEBERG_ORDERS", "EXCHANGE_MAX_NUM_ORDER_LISTS",
    "MAX_NUM_ORDERS", "MAX_NUM_ALGO_ORDERS", "MAX_NUM_ICEBERG_ORDERS", "MAX_NUM_ORDER_LISTS", "MAX_NUM_ORDER_AMENDS",
)
_FILTERS: Final = tuple(
    no(code, f"filter_{name.lower()}", _PRODUCER, hint, pattern=rf"Filter failure: {name}\b")
    for code in _REJECT_CODES
    for name, hint in _SIZE_FILTERS
) + tuple(
    no(code, f"filter_{name.lower()}", _PRODUCER, "Too many orders are open; cancel some or wait until some end.", pattern=rf"Filter failure: {name}\b", retry=Retry.AFTER_BACKOFF, scope=Scope.ACCOUNT if name.startswith("EXCHANGE") else Scope.SYMBOL)
    for code in _REJECT_CODES
    for name in _COUNT_FILTERS
)


def _message(literal: str, code: str, owner: Owner, hint: str, *, retry: Retry = Retry.NEVER, scope: Scope = Scope.ORDER, quarantines: bool = False) -> Callable[[int], ErrorEntry]:
    return partial(no, code=code, owner=owner, hint=hint, pattern=escape(literal), retry=retry, scope=scope, quarantines=quarantines)


_WAIT = Retry.AFTER_BACKOFF
_NO_SUCH_TYPE: Final = "The symbol does not have this order type; use one it has."
_ENGINE: Final[tuple[Callable[[int], ErrorEntry], ...]] = (
    _message("insufficient balance", "insufficient_balance", _PRODUCER, "The account has not enough free balance: fund it, send less, or cancel orders that lock it.", scope=Scope.ACCOUNT),
    partial(unknown, code="duplicate_order", pattern=escape("Duplicate order"), owner=_BEELINE, scope=Scope.ORDER, hint=f"An order with this id is open: an earlier attempt has landed. {ASK}"),
    _message("Market is closed", "market_closed", _VENUE, "The symbol does not trade now; send again when it does.", retry=_WAIT, scope=Scope.SYMBOL),
    _message("not possible in this trading phase", "market_closed", _VENUE, "The symbol does not trade now; send again when it does.", retry=_WAIT, scope=Scope.SYMBOL),
    _message("Limit orders require GTC for this phase", "unsupported_time_in_force", _PRODUCER, "In this trading phase the symbol takes only gtc.", retry=_WAIT, scope=Scope.SYMBOL),
    _message("Market orders are not supported", "unsupported_order_type", _PRODUCER, _NO_SUCH_TYPE, scope=Scope.SYMBOL),
    _message("Iceberg orders are not supported", "unsupported_order_type", _PRODUCER, _NO_SUCH_TYPE, scope=Scope.SYMBOL),
    _message("Stop loss orders are not supported", "unsupported_order_type", _PRODUCER, _NO_SUCH_TYPE, scope=Scope.SYMBOL),
    _message("Stop loss limit orders are not supported", "unsupported_order_type", _PRODUCER, _NO_SUCH_TYPE, scope=Scope.SYMBOL),
    _message("Take profit orders are not supported", "unsupported_order_type", _PRODUCER, _NO_SUCH_TYPE, scope=Scope.SYMBOL),
    _message("Take profit limit orders are not supported", "unsupported_order_type", _PRODUCER, _NO_SUCH_TYPE, scope=Scope.SYMBOL),
    _message("Trailing stop orders are not supported", "unsupported_order_type", _PRODUCER, _NO_SUCH_TYPE, scope=Scope.SYMBOL),
    _message("OCO orders are not supported", "unsupported_order_type", _PRODUCER, _NO_SUCH_TYPE, scope=Scope.SYMBOL),
    _message("OPO orders are not supported", "unsupported_order_type", _PRODUCER, _NO_SUCH_TYPE, scope=Scope.SYMBOL),
    _message("Pegged orders are not supported", "unsupported_order_type", _PRODUCER, _NO_SUCH_TYPE, scope=Scope.SYMBOL),
    _message("Quote order qty market orders are not support", "unsupported_option", _PRODUCER, "The symbol takes no quote_quantity; send a quantity."),
    _message("cancel-replace is not supported", "unsupported_operation", _BEELINE, _BUG),
    _message("Price * QTY is zero or less", "filter_notional", _PRODUCER, "Price times quantity must be more than zero."),
    _message("IcebergQty exceeds QTY", "invalid_parameter", _BEELINE, _BUG),
    _message("This action is disabled on this account", "account_disabled", _OPERATOR, "The venue disabled this on the account; only its support can lift that.", scope=Scope.ACCOUNT),
    _message("This account may not place or cancel orders", "account_disabled", _OPERATOR, "The venue switched trading off for the account; only its support can lift that.", scope=Scope.ACCOUNT, quarantines=True),
    _message("Unsupported order combination", "unsupported_order_combination", _PRODUCER, "This mix of type, time in force and prices is not supported."),
    _message("Order would trigger immediately", "would_trigger_immediately", _PRODUCER, "The stop price is on the wrong side of the market.", retry=_WAIT),
    _message("Order would immediately match and take", "would_take_liquidity", _PRODUCER, "A limit_maker order at this price would have taken liquidity; use a passive price.", retry=_WAIT),
    _message("relationship of the prices for the orders is not correct", "unsupported_order_combination", _PRODUCER, "The prices of the order contradict each other."),
    _message("symbol is not permitted for this account", "symbol_not_permitted", _OPERATOR, "The account may not trade this symbol; see its permissions at the venue.", scope=Scope.SYMBOL),
    _message("symbol is restricted for this account", "symbol_not_permitted", _OPERATOR, "Accounts of this type may not trade this symbol.", scope=Scope.SYMBOL),
    _message("Rest API trading is not enabled", "trading_disabled", _VENUE, "The venue takes no orders over REST now.", retry=_WAIT, scope=Scope.VENUE),
    _message("WebSocket API trading is not enabled", "trading_disabled", _VENUE, "The venue takes no orders over this interface now.", retry=_WAIT, scope=Scope.VENUE),
    _message("FIX API trading is not enabled", "trading_disabled", _VENUE, "The venue takes no orders over this interface now.", retry=_WAIT, scope=Scope.VENUE),
    _message("Order book liquidity is", "no_liquidity", _VENUE, "The order book is too thin for this order.", retry=_WAIT, scope=Scope.SYMBOL),
    _message("may not use pegged price", "invalid_parameter", _BEELINE, _BUG),
    _message("price peg cannot be used", "invalid_parameter", _BEELINE, _BUG),
    _message("Unknown order sent", "unknown_order", _PRODUCER, "No such order is open: it may have filled, been cancelled, or never existed.", retry=Retry.AFTER_LOOKUP),
    _message("Cancel order is invalid", "invalid_parameter", _BEELINE, _BUG),
    _message("not canceled due to cancel restrictions", "cancel_rejected", _PRODUCER, "The order is not in the state that the cancel was limited to."),
    _message("Order amend", "unsupported_operation", _BEELINE, _BUG),
    _message("would change no state", "unsupported_operation", _BEELINE, _BUG),
)
_ENGINE_ROWS: Final = tuple(build(code) for code in _REJECT_CODES for build in _ENGINE)

TABLE: Final = ErrorTable(_GENERAL + _REQUEST + _FOREIGN + _ORDERS + _FILTERS + _ENGINE_ROWS)
