"""Errors of Bitrue USDT-M futures (`/fapi/v2`), every number of its ErrorCodeList.

Beeline does not trade there: the protocol is another one. The table is for `beeline explain`, for whoever meets one of
these numbers through a wrong base_url or a key made for the other market, and for the dialect that may come. The numbers
clash with Binance's and with Bitrue's own spot: -1150, -2017 and the whole of -1136 to -1168 mean something else.
"""

from typing import Final

from adapters.error_tables.rows import (
    ASK,
    FUND,
    GONE,
    KEY,
    KEY_FORM,
    LATE,
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
from adapters.errors import Owner, Retry, Scope

_PRODUCER, _OPERATOR, _VENUE, _BEELINE = Owner.PRODUCER, Owner.OPERATOR, Owner.VENUE, Owner.BEELINE
_ACCOUNT, _SYMBOL, _IP, _WHOLE_VENUE, _WORKER = Scope.ACCOUNT, Scope.SYMBOL, Scope.IP, Scope.VENUE, Scope.WORKER
_LATER: Final = Retry.AFTER_BACKOFF
_LEVERAGE: Final = "a change of leverage"
_HEADERS: Final = "Futures sign with the headers X-CH-APIKEY, X-CH-TS and X-CH-SIGN, spot does not: the base_url is that of the futures."

_GENERAL: Final = (
    unknown(-1000, "Unknown error", "execution_unknown", f"The venue failed without saying how. {ASK}"),
    unknown(-1001, "Internal error, retry", "execution_unknown", f"The venue failed inside and asks for another try, which may place a second order. {ASK}"),
    no(-1002, "Unauthorized: X-CH-APIKEY header required", "wrong_address", _OPERATOR, _HEADERS, scope=_WHOLE_VENUE),
    no(-1003, "Request frequency over the limit", "too_many_requests", _OPERATOR, TOO_MUCH_WEIGHT, retry=Retry.AFTER_HOLD, scope=_IP),
    no(-1004, "Unauthorized: user does not exist", "key_not_permitted", _OPERATOR, "The venue knows nobody with this key; make one for futures in the account's API management.", scope=_ACCOUNT, quarantines=True),
    unknown(-1006, "Unexpected backend message; order status unknown", "execution_unknown", f"The venue got an answer it did not expect from its own backend. {ASK}"),
    unknown(-1007, "Backend timeout; send and execution status unknown", "execution_unknown", f"The venue timed out waiting for its own backend. {ASK}"),
    no(-1014, "Order combination not supported", "unsupported_order_combination", _PRODUCER, "This mix of type, action and prices is not supported."),
    no(-1015, "Too many orders", "too_many_orders", _OPERATOR, TOO_MANY_ORDERS, retry=Retry.AFTER_HOLD, scope=_ACCOUNT),
    no(-1016, "Server offline", "venue_unavailable", _VENUE, "The venue has taken this service off line; see its announcements.", retry=_LATER, scope=_WHOLE_VENUE),
    bug(-1017, "Content-Type header must be application/json", "invalid_message"),
    bug(-1020, "Unsupported operation", "unsupported_operation"),
    no(-1021, "Timestamp invalid, offset too large", "invalid_timestamp", _BEELINE, LATE, retry=Retry.AFTER_RESYNC, scope=_WORKER),
    no(-1022, "Signature invalid", "invalid_signature", _OPERATOR, UNSIGNED, scope=_ACCOUNT, quarantines=True),
    no(-1023, "Unauthorized: X-CH-TS header required", "wrong_address", _OPERATOR, _HEADERS, scope=_WHOLE_VENUE),
    no(-1024, "Unauthorized: X-CH-SIGN header required", "wrong_address", _OPERATOR, _HEADERS, scope=_WHOLE_VENUE),
    no(-1025, "User has not activated futures", "futures_account_missing", _OPERATOR, "Open the futures account at the venue first.", scope=_ACCOUNT),
)

_REQUEST: Final = (
    bug(-1100, "Illegal characters in request", "illegal_characters"),
    bug(-1101, "Too many parameters", "too_many_parameters"),
    bug(-1102, "Required parameter {0} missing, empty or malformed", "missing_parameter"),
    bug(-1103, "Unknown parameter sent", "unknown_parameter"),
    bug(-1104, "Not every sent parameter was read", "unread_parameters"),
    bug(-1105, "Parameter {0} empty", "empty_parameter"),
    bug(-1106, "Parameter not needed", "needless_parameter"),
    no(-1111, "Precision above the asset maximum", "filter_precision", _PRODUCER, "A price or quantity has more decimals than the contract allows."),
    no(-1112, "No orders for the pair", "no_liquidity", _VENUE, "The order book of this contract is empty.", retry=_LATER, scope=_SYMBOL),
    no(-1116, "Order type invalid", "unsupported_order_type", _PRODUCER, "The venue takes limit, market, ioc, fok and post-only, each as a type of its own."),
    bug(-1117, "Side invalid", "invalid_side"),
    bug(-1118, "New client order id empty", "empty_client_order_id"),
    no(-1121, "Contract invalid", "unknown_symbol", _PRODUCER, f"{SYMBOL} Contracts are called like E-BTC-USDT.", scope=_SYMBOL),
    bug(-2100, "Parameter issue", "invalid_parameter"),
)

_RULES: Final = (
    no(-1136, "Quantity below minimum", "filter_lot_size", _PRODUCER, "The quantity is below the smallest of the contract."),
    no(-1137, "Quantity above maximum", "filter_lot_size", _PRODUCER, "The quantity is above the largest of the contract; split it."),
    no(-1138, "Price outside allowed range", "filter_price_filter", _PRODUCER, "The price is out of the contract's range."),
    no(-1139, "Pair does not support market orders", "unsupported_order_type", _PRODUCER, "The contract takes no market orders; use a limit.", scope=_SYMBOL),
    no(-1140, "Position limit exceeded", "filter_max_position", _PRODUCER, "The position would grow beyond the venue's limit; reduce it first.", scope=_SYMBOL),
    unknown(-1141, "Duplicate cancel or invalid order", "unknown_order", "The order was cancelled before, or is none: what became of it is asked.", owner=_PRODUCER, scope=Scope.ORDER),
    unknown(-1145, "Order status does not allow cancel", "unknown_order", "The order is past cancelling: it may have filled, so it is looked up.", owner=_PRODUCER, scope=Scope.ORDER),
    no(-1146, "Contract temporarily not tradable", "symbol_not_trading", _VENUE, "The contract does not trade now; send again when it does.", retry=_LATER, scope=_SYMBOL),
    no(-1147, "Endpoint not for coin-margined contracts", "wrong_address", _OPERATOR, "Coin-margined contracts are at another address.", scope=_WHOLE_VENUE),
    no(-1148, "Endpoint not for USDT-margined contracts", "wrong_address", _OPERATOR, "USDT-margined contracts are at another address.", scope=_WHOLE_VENUE),
    no(-1149, "Isolated position does not exist", "insufficient_position", _PRODUCER, "There is no isolated position in this contract."),
    no(-1150, "At most {0} decimals", "filter_precision", _PRODUCER, "The number has more decimals than the contract allows; the venue's message says how many."),
    foreign(-1151, "Transfer amount over the limit", "transfers"),
    foreign(-1152, "Leverage adjustment failed", _LEVERAGE),
    foreign(-1153, "Leverage maximum is {0}", _LEVERAGE),
    no(-1154, "Quantity above maximum", "filter_lot_size", _PRODUCER, "The quantity is above the largest that the venue takes at this leverage; split it."),
    no(-1155, "Price deviates too far from last trade", "filter_percent_price", _PRODUCER, "The price is too far from the last trade; bring it closer, or wait.", retry=_LATER),
    no(-1156, "Close quantity larger than position", "insufficient_position", _PRODUCER, "The position is smaller than the order would close; ask its size and send that."),
    no(-1157, "Position frozen", "account_disabled", _OPERATOR, "The venue froze this position; ask its support why.", scope=_SYMBOL),
    no(-1158, "Total order quantity over the limit", "filter_max_num_orders", _PRODUCER, "The open orders add up to more than the venue allows; cancel some.", retry=_LATER, scope=_SYMBOL),
    no(-1159, "Order amount: at most {0} decimals", "filter_precision", _PRODUCER, "The amount has more decimals than the venue's message allows."),
    no(-1160, "Order amount minimum is {0}", "filter_min_notional", _PRODUCER, "The order is worth less than the minimum that the venue's message names."),
    no(-1161, "Order amount maximum is {0}", "filter_notional", _PRODUCER, "The order is worth more than the maximum that the venue's message names; split it."),
    no(-1162, "Limit order amount: at most {0} decimals", "filter_precision", _PRODUCER, "The amount has more decimals than the venue's message allows for limit orders."),
    foreign(-1163, "Open orders exist; leverage cannot change", _LEVERAGE),
    no(-1164, "Quantity must exceed {0}", "filter_lot_size", _PRODUCER, "The quantity must be more than the bound that the venue's message names."),
    no(-1165, "Order type does not match user contract configuration {0}", "contract_setting_mismatch", _OPERATOR, "The margin type in the order is not the one set for this contract in the account.", scope=_SYMBOL),
    no(-1166, "Order leverage does not match user contract configuration {0}", "contract_setting_mismatch", _OPERATOR, "The leverage in the order is not the one set for this contract in the account.", scope=_SYMBOL),
    no(-1167, "Book too large; self-trade prevention failed", "venue_rejected", _VENUE, "The venue could not rule out a trade of the account with itself; cancel its orders on the other side.", retry=_LATER, scope=_SYMBOL),
    no(-1168, "Order book missing", "no_liquidity", _VENUE, "The venue has no order book for this contract now.", retry=_LATER, scope=_SYMBOL),
    unknown(-2013, "Order does not exist", "order_not_found", GONE, owner=_PRODUCER, scope=Scope.ORDER),
    no(-2014, "API key format invalid", "invalid_api_key", _OPERATOR, KEY_FORM, scope=_ACCOUNT, quarantines=True),
    no(-2015, "API key, IP or permission invalid", "key_not_permitted", _OPERATOR, KEY, scope=_ACCOUNT, quarantines=True),
    no(-2016, "Trading frozen", "account_disabled", _OPERATOR, "The venue froze trading for this account; ask its support why.", scope=_ACCOUNT),
    no(-2017, "Insufficient balance", "insufficient_balance", _PRODUCER, FUND, scope=_ACCOUNT),
    no(-2101, "User IP country hard-banned", "region_restricted", _OPERATOR, "The venue does not serve the country this IP is in.", scope=_IP),
    no(-2102, "User IP country soft-banned", "region_restricted", _OPERATOR, "The venue serves the country this IP is in only in part, and not with this.", scope=_IP),
)

TABLE: Final = ErrorTable(market="bitrue_futures", title="Bitrue USDT-M futures", rows=_GENERAL + _REQUEST + _RULES)
