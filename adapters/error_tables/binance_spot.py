"""Errors of Binance spot (`/api/v3`), every code and message of its errors.md of July 2026.

The venue prints one table of messages for all rejects of its matching engine; which code carries a message depends on the
request, so each message is entered under all of them.
"""

from collections.abc import Callable
from functools import partial
from re import escape
from typing import Final

from adapters.error_tables.rows import (
    ASK,
    BANNED,
    DUPLICATE,
    FUND,
    GONE,
    KEY,
    KEY_FORM,
    LATE,
    NOT_OPEN,
    SYMBOL,
    TOO_MANY_ORDERS,
    TOO_MUCH_WEIGHT,
    UNSIGNED,
    bug,
    foreign,
    no,
    unknown,
)
from adapters.error_tables.table import ErrorTable
from adapters.errors import ErrorEntry, Owner, Retry, Scope

_PRODUCER, _OPERATOR, _VENUE, _BEELINE = Owner.PRODUCER, Owner.OPERATOR, Owner.VENUE, Owner.BEELINE
_REJECT_CODES: Final = (-1013, -2010, -2011, -1010, -2038)

_GENERAL: Final = (
    unknown(-1000, "An unknown error occurred while processing the request.", "execution_unknown", f"The venue failed without saying how. {ASK}"),
    unknown(-1001, "Internal error; unable to process your request. Please try again.", "execution_unknown", f"The venue lost its own backend. {ASK}"),
    no(-1002, "You are not authorized to execute this request.", "key_not_permitted", _OPERATOR, KEY, scope=Scope.ACCOUNT, quarantines=True),
    no(-1003, "Way too much request weight used; IP banned until %s. Please use WebSocket Streams for live updates to avoid bans.", "ip_banned", _OPERATOR, BANNED, pattern="banned", retry=Retry.AFTER_HOLD, scope=Scope.IP),
    no(-1003, "Too much request weight used; current limit is %s request weight per %s. Please use WebSocket Streams for live updates to avoid polling the API.", "too_many_requests", _OPERATOR, TOO_MUCH_WEIGHT, retry=Retry.AFTER_HOLD, scope=Scope.IP),
    unknown(-1006, "An unexpected response was received from the message bus. Execution status unknown.", "execution_unknown", f"The venue got an answer it did not expect from its own backend. {ASK}"),
    unknown(-1007, "Timeout waiting for response from backend server. Send status unknown; execution status unknown.", "execution_unknown", f"The venue timed out waiting for its own backend. {ASK}"),
    unknown(-1008, "Server is currently overloaded with other requests. Please try again in a few minutes.", "venue_overloaded", f"The venue is overloaded. {ASK}"),
    no(-1010, "ERROR_MSG_RECEIVED", "venue_rejected", _PRODUCER, "The venue's engine rejected the request; its own message says why."),
    no(-1013, "The request is rejected by the API. (i.e. The request didn't reach the Matching Engine.)", "filter_rejected", _PRODUCER, "The order breaks a rule of the symbol; the venue's own message names it."),
    no(-1014, "Unsupported order combination.", "unsupported_order_combination", _PRODUCER, "This mix of type, time in force and prices is not supported."),
    no(-1015, "Too many new orders.", "too_many_orders", _OPERATOR, TOO_MANY_ORDERS, retry=Retry.AFTER_HOLD, scope=Scope.ACCOUNT),
    no(-1016, "This service is no longer available.", "venue_unavailable", _VENUE, "The venue has switched this service off; see its announcements.", retry=Retry.AFTER_BACKOFF, scope=Scope.VENUE),
    bug(-1020, "This operation is not supported.", "unsupported_operation"),
    no(-1021, "Timestamp for this request is outside of the recvWindow.", "invalid_timestamp", _BEELINE, LATE, retry=Retry.AFTER_RESYNC, scope=Scope.WORKER),
    no(-1022, "Signature for this request is not valid.", "invalid_signature", _OPERATOR, UNSIGNED, scope=Scope.ACCOUNT, quarantines=True),
    no(-1034, "Too many concurrent connections; current limit is '%s'.", "too_many_connections", _OPERATOR, "Too many connections from this IP or account; find what else connects.", retry=Retry.AFTER_HOLD, scope=Scope.IP),
    no(-1099, "Not found, authenticated, or authorized", "not_found_or_not_permitted", _OPERATOR, "The venue does not say whether the path or the key is wrong; check base_url first, then the key's permissions.", scope=Scope.ACCOUNT),
)

_REQUEST: Final = (
    bug(-1100, "Illegal characters found in a parameter.", "illegal_characters"),
    bug(-1101, "Too many parameters sent for this endpoint.", "too_many_parameters"),
    bug(-1102, "A mandatory parameter was not sent, was empty/null, or malformed.", "missing_parameter"),
    bug(-1103, "An unknown parameter was sent.", "unknown_parameter"),
    bug(-1104, "Not all sent parameters were read.", "unread_parameters"),
    bug(-1105, "A parameter was empty.", "empty_parameter"),
    bug(-1106, "A parameter was sent when not required.", "needless_parameter"),
    no(-1108, "Parameter '%s' overflowed.", "parameter_overflow", _PRODUCER, "A number of the signal is larger than the venue can read."),
    no(-1111, "Parameter '%s' has too much precision.", "filter_precision", _PRODUCER, "A price or quantity has more decimals than the symbol allows."),
    no(-1112, "No orders on book for symbol.", "no_liquidity", _VENUE, "The order book of this symbol is empty.", retry=Retry.AFTER_BACKOFF, scope=Scope.SYMBOL),
    no(-1114, "TimeInForce parameter sent when not required.", "unsupported_time_in_force", _PRODUCER, "This order type takes no time in force; leave it out."),
    no(-1115, "Invalid timeInForce.", "unsupported_time_in_force", _PRODUCER, "The venue does not know this time in force."),
    no(-1116, "Invalid orderType.", "unsupported_order_type", _PRODUCER, "The venue does not know this order type."),
    bug(-1117, "Invalid side.", "invalid_side"),
    bug(-1118, "New client order ID was empty.", "empty_client_order_id"),
    bug(-1119, "Original client order ID was empty.", "empty_client_order_id"),
    foreign(-1120, "Invalid interval.", "market data"),
    no(-1121, "Invalid symbol.", "unknown_symbol", _PRODUCER, SYMBOL, scope=Scope.SYMBOL),
    bug(-1122, "Invalid symbolStatus.", "invalid_parameter"),
    foreign(-1125, "This listenKey does not exist.", "user data streams"),
    bug(-1127, "Lookup interval is too big.", "invalid_parameter"),
    bug(-1128, "Combination of optional parameters invalid.", "invalid_parameter"),
    bug(-1130, "Invalid data sent for a parameter.", "invalid_parameter"),
    no(-1131, "recvWindow must be less than 60000", "invalid_recv_window", _OPERATOR, "Lower BEELINE_RECV_WINDOW_MS; the venue takes at most 60000.", scope=Scope.WORKER),
    bug(-1134, "strategyType was less than 1000000.", "invalid_parameter"),
    bug(-1135, "Invalid JSON Request", "invalid_parameter"),
    foreign(-1139, "Invalid ticker type.", "market data"),
    bug(-1145, "cancelRestrictions has to be either ONLY_NEW or ONLY_PARTIALLY_FILLED.", "invalid_parameter"),
    bug(-1151, "Symbol is present multiple times in the list.", "invalid_parameter"),
    bug(-1182, "Conflicting fields: [%s]", "invalid_parameter"),
    bug(-1194, "Invalid value for time unit; expected either MICROSECOND or MILLISECOND.", "invalid_parameter"),
    bug(-1210, "Invalid pegPriceType.", "invalid_parameter"),
    bug(-1211, "Invalid pegOffsetType.", "invalid_parameter"),
    no(-1220, "The symbol's status does not match the requested symbolStatus.", "symbol_not_trading", _VENUE, "The symbol is not in the state that was asked for.", retry=Retry.AFTER_BACKOFF, scope=Scope.SYMBOL),
)

_FIX: Final = "FIX sessions"
_SBE: Final = "SBE encoding"
_LISTS: Final = "order lists"
_STREAMS: Final = "user data streams"
_MARKET_DATA: Final = "market data"

_FOREIGN: Final = (
    foreign(-1033, "SenderCompId(49) is currently in use. Concurrent use of the same SenderCompId within one account is not allowed.", _FIX),
    foreign(-1035, "Please send Logout<5> message to close the session.", _FIX),
    foreign(-1152, "Invalid X-MBX-SBE header; expected <SCHEMA_ID>:<VERSION>.", _SBE),
    foreign(-1153, "Unsupported SBE schema ID or version specified in the X-MBX-SBE header.", _SBE),
    foreign(-1155, "SBE is not enabled.", _SBE),
    foreign(-1158, "Order type not supported in OCO.", _LISTS),
    foreign(-1160, "Parameter '%s' is not supported if aboveTimeInForce/belowTimeInForce is not GTC.", _LISTS),
    foreign(-1161, "Unable to encode the response in SBE schema 'x'. Please use schema 'y' or higher.", _SBE),
    foreign(-1165, "A limit order in a buy OCO must be below.", _LISTS),
    foreign(-1166, "A limit order in a sell OCO must be above.", _LISTS),
    foreign(-1167, "(an obsolete rule of OCO orders)", _LISTS),
    foreign(-1168, "At least one OCO order must be contingent.", _LISTS),
    foreign(-1169, "Invalid tag number.", _FIX),
    foreign(-1170, "Tag '%s' not defined for this message type.", _FIX),
    foreign(-1171, "Tag '%s' appears more than once.", _FIX),
    foreign(-1172, "Tag '%s' specified out of required order.", _FIX),
    foreign(-1173, "Repeating group '%s' fields out of order.", _FIX),
    foreign(-1174, "Component '%s' is incorrectly populated on '%s' order. Recommendation: '%s'", _FIX),
    foreign(-1175, "Continuation of sequence numbers to new session is currently unsupported. Sequence numbers must be reset for each new session.", _FIX),
    foreign(-1176, "Logon<A> should only be sent once.", _FIX),
    foreign(-1177, "CheckSum(10) contains an incorrect value.", _FIX),
    foreign(-1178, "SenderCompId(49) contains an incorrect value. The SenderCompID value should not change throughout the lifetime of a session.", _FIX),
    foreign(-1179, "MsgSeqNum(34) contains an unexpected value. Expected: '%d'.", _FIX),
    foreign(-1180, "Logon<A> must be the first message in the session.", _FIX),
    foreign(-1181, "Too many messages; current limit is '%d' messages per '%s'.", _FIX),
    foreign(-1183, "Requested operation is not allowed in DropCopy sessions.", _FIX),
    foreign(-1184, "DropCopy sessions are not supported on this server. Please reconnect to a drop copy server.", _FIX),
    foreign(-1185, "Only DropCopy sessions are supported on this server. Either reconnect to order entry server or send DropCopyFlag (9406) field.", _FIX),
    foreign(-1186, "Requested operation is not allowed in order entry sessions.", _FIX),
    foreign(-1187, "Requested operation is not allowed in market data sessions.", _FIX),
    foreign(-1188, "Incorrect NumInGroup count for repeating group '%s'.", _FIX),
    foreign(-1189, "Group '%s' contains duplicate entries.", _FIX),
    foreign(-1190, "MDReqID (262) contains a subscription request id that is already in use on this connection.", _FIX),
    foreign(-1191, "Too many subscriptions. Connection may create up to '%s' subscriptions at a time.", _FIX),
    foreign(-1196, "A stop loss order in a buy OCO must be above.", _LISTS),
    foreign(-1197, "A stop loss order in a sell OCO must be below.", _LISTS),
    foreign(-1198, "A take profit order in a buy OCO must be below.", _LISTS),
    foreign(-1199, "A take profit order in a sell OCO must be above.", _LISTS),
    foreign(-1221, "Invalid/missing field(s) in SBE message.", _SBE),
    foreign(-1222, "Working order in an OPO list must be a bid.", _LISTS),
    foreign(-1223, "Pending orders in an OPO list must be asks.", _LISTS),
    foreign(-1224, "Working order must include the '{param}' tag.", _LISTS),
    foreign(-1225, "Pending orders should not include the '%s' tag.", _LISTS),
    foreign(-2016, "No trading window could be found for the symbol. Try ticker/24hrs instead.", _MARKET_DATA),
    foreign(-2035, "User Data Stream subscription already active.", _STREAMS),
    foreign(-2036, "User Data Stream subscription not active.", _STREAMS),
    foreign(-2042, "Maximum subscription ID reached for this connection.", _STREAMS),
    foreign(-2043, "This symbol doesn't have a reference price.", _MARKET_DATA),
)

_ORDERS: Final = (
    no(-2010, "NEW_ORDER_REJECTED", "venue_rejected", _PRODUCER, "The venue's engine rejected the order; its own message says why."),
    unknown(-2011, "CANCEL_REJECTED", "cancel_rejected", "The venue rejected the cancel; the order may have filled, so it is looked up.", owner=_PRODUCER, scope=Scope.ORDER),
    unknown(-2013, "Order does not exist.", "order_not_found", GONE, owner=_PRODUCER, scope=Scope.ORDER),
    no(-2014, "API-key format invalid.", "invalid_api_key", _OPERATOR, KEY_FORM, scope=Scope.ACCOUNT, quarantines=True),
    no(-2015, "Invalid API-key, IP, or permissions for action.", "key_not_permitted", _OPERATOR, KEY, scope=Scope.ACCOUNT, quarantines=True),
    unknown(-2021, "Order cancel-replace partially failed.", "partly_done", "The venue did only a part of a cancel-replace; what is done has to be asked.", scope=Scope.ORDER),
    no(-2022, "Order cancel-replace failed.", "venue_rejected", _PRODUCER, "The venue did no part of a cancel-replace."),
    unknown(-2026, "Order was canceled or expired with no executed qty over 90 days ago and has been archived.", "order_archived", "An order of this id ended without a fill more than 90 days ago; the venue keeps no more of it.", owner=_PRODUCER, scope=Scope.ORDER),
    no(-2038, "ORDER_AMEND_REJECTED", "venue_rejected", _PRODUCER, "The venue rejected the change of an order; its own message says why."),
    no(-2039, "Client order ID is not correct for this order ID.", "order_id_mismatch", _BEELINE, "The two ids of the request name different orders; please report it."),
)

_SIZE_FILTERS: Final = (
    ("PRICE_FILTER", "Send a price within the symbol's range and on its tick."),
    ("PERCENT_PRICE_BY_SIDE", "The price is too far from the market for this side; bring it closer, or wait."),
    ("PERCENT_PRICE", "The price is too far from the market; bring it closer, or wait."),
    ("MARKET_LOT_SIZE", "Send a quantity within the symbol's range for market orders and on its step, or use a limit."),
    ("LOT_SIZE", "Send a quantity within the symbol's range and on its step."),
    ("MIN_NOTIONAL", "Send more: price times quantity (a market order: times the average price) is below the minimum."),
    ("NOTIONAL", "Price times quantity (a market order: times the average price) is too small or too large; change the quantity."),
    ("ICEBERG_PARTS", "The order would be cut into too many parts; make the visible quantity larger."),
    ("TRAILING_DELTA", "Send a trailing delta within the symbol's range for this side."),
    ("MAX_POSITION", "The position would grow beyond the venue's limit; reduce it first."),
    ("MAX_ASSET", "The order is larger than this account may place in one; split it."),
)
_COUNT_FILTERS: Final = (
    "EXCHANGE_MAX_NUM_ORDERS", "EXCHANGE_MAX_NUM_ALGO_ORDERS", "EXCHANGE_MAX_NUM_ICEBERG_ORDERS", "EXCHANGE_MAX_NUM_ORDER_LISTS",
    "MAX_NUM_ORDERS", "MAX_NUM_ALGO_ORDERS", "MAX_NUM_ICEBERG_ORDERS", "MAX_NUM_ORDER_LISTS", "MAX_NUM_ORDER_AMENDS",
)
_FILTERS: Final = tuple(
    no(code, f"Filter failure: {name}", f"filter_{name.lower()}", _PRODUCER, hint, pattern=rf"Filter failure: {name}\b")
    for code in _REJECT_CODES
    for name, hint in _SIZE_FILTERS
) + tuple(
    no(code, f"Filter failure: {name}", f"filter_{name.lower()}", _PRODUCER, "Too many orders are open; cancel some or wait until some end.", pattern=rf"Filter failure: {name}\b", retry=Retry.AFTER_BACKOFF, scope=Scope.ACCOUNT if name.startswith("EXCHANGE") else Scope.SYMBOL)
    for code in _REJECT_CODES
    for name in _COUNT_FILTERS
)


def _message(says: str, code: str, owner: Owner, hint: str, *, retry: Retry = Retry.NEVER, scope: Scope = Scope.ORDER, quarantines: bool = False) -> Callable[[int], ErrorEntry]:
    return partial(no, says=says, code=code, owner=owner, hint=hint, pattern=escape(says.rstrip(".")), retry=retry, scope=scope, quarantines=quarantines)


def _doubt(says: str, code: str, owner: Owner, hint: str) -> Callable[[int], ErrorEntry]:
    return partial(unknown, says=says, code=code, owner=owner, hint=hint, pattern=escape(says.rstrip(".")), scope=Scope.ORDER)


_WAIT = Retry.AFTER_BACKOFF
_NO_SUCH_TYPE: Final = "The symbol does not have this order type; use one it has."
_NOT_OURS: Final = "Beeline never asks for this; please report it with the signal that caused it."
_ENGINE: Final[tuple[Callable[[int], ErrorEntry], ...]] = (
    _message("Account has insufficient balance for requested action.", "insufficient_balance", _PRODUCER, FUND, scope=Scope.ACCOUNT),
    _doubt("Duplicate order sent.", "duplicate_order", _BEELINE, DUPLICATE),
    _message("Market is closed.", "market_closed", _VENUE, "The symbol does not trade now; send again when it does.", retry=_WAIT, scope=Scope.SYMBOL),
    _message("This order type is not possible in this trading phase.", "market_closed", _VENUE, "The symbol is in a phase (an auction, a halt) that does not take this type; send again when it trades.", retry=_WAIT, scope=Scope.SYMBOL),
    _message("Limit orders require GTC for this phase.", "unsupported_time_in_force", _PRODUCER, "In this trading phase the symbol takes only gtc.", retry=_WAIT, scope=Scope.SYMBOL),
    _message("Market orders are not supported for this symbol.", "unsupported_order_type", _PRODUCER, _NO_SUCH_TYPE, scope=Scope.SYMBOL),
    _message("Iceberg orders are not supported for this symbol.", "unsupported_order_type", _PRODUCER, _NO_SUCH_TYPE, scope=Scope.SYMBOL),
    _message("Stop loss orders are not supported for this symbol.", "unsupported_order_type", _PRODUCER, _NO_SUCH_TYPE, scope=Scope.SYMBOL),
    _message("Stop loss limit orders are not supported for this symbol.", "unsupported_order_type", _PRODUCER, _NO_SUCH_TYPE, scope=Scope.SYMBOL),
    _message("Take profit orders are not supported for this symbol.", "unsupported_order_type", _PRODUCER, _NO_SUCH_TYPE, scope=Scope.SYMBOL),
    _message("Take profit limit orders are not supported for this symbol.", "unsupported_order_type", _PRODUCER, _NO_SUCH_TYPE, scope=Scope.SYMBOL),
    _message("Trailing stop orders are not supported for this symbol.", "unsupported_order_type", _PRODUCER, _NO_SUCH_TYPE, scope=Scope.SYMBOL),
    _message("OCO orders are not supported for this symbol", "unsupported_order_type", _BEELINE, _NOT_OURS, scope=Scope.SYMBOL),
    _message("OPO orders are not supported for this symbol.", "unsupported_order_type", _BEELINE, _NOT_OURS, scope=Scope.SYMBOL),
    _message("Pegged orders are not supported for this symbol.", "unsupported_order_type", _BEELINE, _NOT_OURS, scope=Scope.SYMBOL),
    _message("Quote order qty market orders are not support for this symbol.", "unsupported_option", _PRODUCER, "The symbol takes no quote_quantity; send a quantity."),
    _message("Order cancel-replace is not supported for this symbol.", "unsupported_operation", _BEELINE, _NOT_OURS),
    _message("Price * QTY is zero or less.", "filter_notional", _PRODUCER, "Price times quantity must be more than zero."),
    _message("IcebergQty exceeds QTY.", "invalid_parameter", _BEELINE, _NOT_OURS),
    _message("This action is disabled on this account.", "account_disabled", _OPERATOR, "The venue disabled this on the account; only its support can lift that.", scope=Scope.ACCOUNT),
    _message("This account may not place or cancel orders.", "account_disabled", _OPERATOR, "The venue switched trading off for the account; only its support can lift that.", scope=Scope.ACCOUNT, quarantines=True),
    _message("Unsupported order combination", "unsupported_order_combination", _PRODUCER, "This mix of type, time in force and prices is not supported."),
    _message("Order would trigger immediately.", "would_trigger_immediately", _PRODUCER, "The stop price is on the wrong side of the market: the order would trigger at once.", retry=_WAIT),
    _message("Order would immediately match and take.", "would_take_liquidity", _PRODUCER, "A limit_maker order at this price would have taken liquidity; use a passive price.", retry=_WAIT),
    _message("The relationship of the prices for the orders is not correct.", "unsupported_order_combination", _PRODUCER, "The prices of the order contradict each other."),
    _message("This symbol is not permitted for this account.", "symbol_not_permitted", _OPERATOR, "The account may not trade this symbol; see its permissions at the venue.", scope=Scope.SYMBOL),
    _message("This symbol is restricted for this account.", "symbol_not_permitted", _OPERATOR, "Accounts of this type may not trade this symbol.", scope=Scope.SYMBOL),
    _message("Rest API trading is not enabled.", "trading_disabled", _VENUE, "The venue takes no orders over REST now.", retry=_WAIT, scope=Scope.VENUE),
    _message("WebSocket API trading is not enabled.", "trading_disabled", _VENUE, "The venue takes no orders over its WebSocket API now; Beeline uses REST, so look what is on the way.", retry=_WAIT, scope=Scope.VENUE),
    _message("FIX API trading is not enabled.", "trading_disabled", _VENUE, "The venue takes no orders over FIX now; Beeline uses REST, so look what is on the way.", retry=_WAIT, scope=Scope.VENUE),
    _message("Order book liquidity is less than LOT_SIZE filter minimum quantity.", "no_liquidity", _VENUE, "What the book offers for this quote_quantity is less than the smallest order; wait, or send a quantity.", retry=_WAIT, scope=Scope.SYMBOL),
    _message("Order book liquidity is less than MARKET_LOT_SIZE filter minimum quantity.", "no_liquidity", _VENUE, "What the book offers for this quote_quantity is less than the smallest market order; wait, or use a limit.", retry=_WAIT, scope=Scope.SYMBOL),
    _message("Order book liquidity is less than symbol minimum quantity.", "no_liquidity", _VENUE, "The other side of the book is empty.", retry=_WAIT, scope=Scope.SYMBOL),
    _message("Order book liquidity is too low for this pegged order.", "no_liquidity", _BEELINE, _NOT_OURS, scope=Scope.SYMBOL),
    _message("This order type may not use pegged price.", "invalid_parameter", _BEELINE, _NOT_OURS),
    _message("This price peg cannot be used with this order type.", "invalid_parameter", _BEELINE, _NOT_OURS),
    _doubt("Unknown order sent.", "unknown_order", _PRODUCER, NOT_OPEN),
    _message("Cancel order is invalid. Check origClOrdId and orderId.", "invalid_parameter", _BEELINE, _NOT_OURS),
    _message("Order was not canceled due to cancel restrictions.", "cancel_rejected", _PRODUCER, "The order is not in the state that the cancel was limited to."),
    _message("Order amend is not supported for this symbol.", "unsupported_operation", _BEELINE, _NOT_OURS),
    _message("Order amend (quantity increase) is not supported.", "unsupported_operation", _BEELINE, _NOT_OURS),
    _message("Order amend (pending OPO order) is not supported.", "unsupported_operation", _BEELINE, _NOT_OURS),
    _message("The requested action would change no state; rejecting", "unsupported_operation", _BEELINE, _NOT_OURS),
)
_ENGINE_ROWS: Final = tuple(build(code) for code in _REJECT_CODES for build in _ENGINE)

TABLE: Final = ErrorTable(
    market="binance_spot",
    title="Binance spot",
    rows=_GENERAL + _REQUEST + _FOREIGN + _ORDERS + _FILTERS + _ENGINE_ROWS,
)
