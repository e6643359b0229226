"""Errors of Binance USD-M futures (`/fapi`), every code and message of its error page of January 2026 and change log.

Unlike spot, filters have numbers of their own (-40xx), and three kinds of 503 are told apart by their text: one says
that the order may have been executed, two say that it was not. Only those very texts, under that very status and in
the venue's own JSON, are believed.
"""

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
from adapters.errors import Owner, Retry, Scope

_PRODUCER, _OPERATOR, _VENUE, _BEELINE = Owner.PRODUCER, Owner.OPERATOR, Owner.VENUE, Owner.BEELINE
_ACCOUNT, _SYMBOL, _IP, _WHOLE_VENUE, _WORKER = Scope.ACCOUNT, Scope.SYMBOL, Scope.IP, Scope.VENUE, Scope.WORKER
_LATER: Final = Retry.AFTER_BACKOFF

_LEVERAGE: Final = "a change of leverage"
_MARGIN_TYPE: Final = "a change of the margin type"
_MARGIN: Final = "moving margin of a position"
_ASSET_MODE: Final = "a change of the multi-assets mode"
_POSITION_MODE: Final = "a change between one-way and hedge mode"
_TRANSFERS: Final = "transfers"
_OPTIONS: Final = "options"
_LISTING: Final = "how the venue sets a symbol up"
_MARKET_DATA: Final = "market data"
_AMENDING: Final = "amending an order"
_KEYS: Final = "managing API keys"

# The three kinds of 503, and what else comes without a number that could be relied on.
_BY_TEXT: Final = (
    unknown(None, "Unknown error, please check your request or try again later.", "execution_unknown", f"The venue sent the request on and got no answer in time. {ASK}", pattern="Unknown error, please check your request"),
    no(None, "Service Unavailable.", "venue_unavailable", _VENUE, "The venue documents this as a certain failure and counts nothing; it is sent again with a growing pause.", pattern=r"^Service Unavailable\.$", http_status=503, retry=_LATER, scope=_WHOLE_VENUE),
    unknown(None, "Request occur unknown error.", "execution_unknown", f"The venue failed without saying how. {ASK}", pattern="Request occur unknown error"),
)

_GENERAL: Final = (
    unknown(-1000, "An unknown error occured while processing the request.", "execution_unknown", f"The venue failed without saying how. {ASK}"),
    no(-1001, "Internal error; unable to process your request. Please try again.", "venue_unavailable", _VENUE, "The venue documents this text under 503 as a failure; it is sent again with a growing pause.", pattern="^Internal error; unable to process your request", http_status=503, retry=_LATER, scope=_WHOLE_VENUE),
    unknown(-1001, "Internal error; unable to process your request. Please try again.", "execution_unknown", f"The venue lost its own backend, and not in the way that it documents as a failure. {ASK}"),
    no(-1002, "You are not authorized to execute this request.", "key_not_permitted", _OPERATOR, KEY, scope=_ACCOUNT, quarantines=True),
    no(-1003, "Way too many requests; IP banned until %s. Please use the websocket for live updates to avoid bans.", "ip_banned", _OPERATOR, BANNED, pattern="banned", retry=Retry.AFTER_HOLD, scope=_IP),
    no(-1003, "Too many requests; current limit is %s requests per minute. Please use the websocket for live updates to avoid polling the API.", "too_many_requests", _OPERATOR, TOO_MUCH_WEIGHT, retry=Retry.AFTER_HOLD, scope=_IP),
    foreign(-1004, "This IP is already on the white list", _KEYS),
    foreign(-1005, "No such IP has been white listed", _KEYS),
    unknown(-1006, "An unexpected response was received from the message bus. Execution status unknown.", "execution_unknown", f"The venue got an answer it did not expect from its own backend. {ASK}"),
    unknown(-1007, "Timeout waiting for response from backend server. Send status unknown; execution status unknown.", "execution_unknown", f"The venue timed out waiting for its own backend. {ASK}"),
    no(-1008, "Request throttled by system-level protection. Reduce-only/close-position orders are exempt. Please try again.", "venue_overloaded", _VENUE, "The venue is overloaded and turned the order away at the door; reduce-only and close-position orders pass. It is sent again with a growing pause.", pattern="^Request throttled by system-level protection", http_status=503, retry=_LATER, scope=_WHOLE_VENUE),
    unknown(-1008, "Server is currently overloaded with other requests. Please try again in a few minutes.", "venue_overloaded", f"The venue is overloaded and does not say whether it took the order. {ASK}"),
    unknown(-1010, "ERROR_MSG_RECEIVED.", "execution_unknown", f"The venue's backend answered with an error that it does not name. {ASK}"),
    no(-1011, "This IP cannot access this route.", "ip_not_permitted", _OPERATOR, "The venue does not serve this request to this machine's address; check which address the requests leave from, and whether a VPN or proxy changes it.", scope=_IP),
    no(-1013, "INVALID_MESSAGE.", "invalid_message", _BEELINE, "The venue could not read the request, and says no more; please report it with the signal that caused it."),
    no(-1014, "Unsupported order combination.", "unsupported_order_combination", _PRODUCER, "This mix of type, time in force and prices is not supported."),
    no(-1015, "Too many new orders; current limit is %s orders per %s.", "too_many_orders", _OPERATOR, TOO_MANY_ORDERS, retry=Retry.AFTER_HOLD, scope=_ACCOUNT),
    no(-1016, "This service is no longer available.", "venue_unavailable", _VENUE, "The venue has switched this service off, for a maintenance or for good; see its announcements.", retry=_LATER, scope=_WHOLE_VENUE),
    bug(-1020, "This operation is not supported.", "unsupported_operation"),
    no(-1021, "Timestamp for this request is outside of the recvWindow.", "invalid_timestamp", _BEELINE, LATE, retry=Retry.AFTER_RESYNC, scope=_WORKER),
    no(-1022, "Signature for this request is not valid.", "invalid_signature", _OPERATOR, UNSIGNED, scope=_ACCOUNT, quarantines=True),
    bug(-1023, "Start time is greater than end time.", "invalid_parameter"),
    no(-1099, "Not found, unauthenticated, or unauthorized.", "not_found_or_not_permitted", _OPERATOR, "The venue does not say whether the path or the key is wrong; check base_url first, then the key's permissions.", scope=_ACCOUNT),
)

_REQUEST: Final = (
    bug(-1100, "Illegal characters found in a parameter.", "illegal_characters"),
    bug(-1101, "Too many parameters sent for this endpoint.", "too_many_parameters"),
    bug(-1102, "A mandatory parameter was not sent, was empty/null, or malformed.", "missing_parameter"),
    bug(-1103, "An unknown parameter was sent.", "unknown_parameter"),
    bug(-1104, "Not all sent parameters were read.", "unread_parameters"),
    bug(-1105, "A parameter was empty.", "empty_parameter"),
    bug(-1106, "A parameter was sent when not required.", "needless_parameter"),
    bug(-1108, "Invalid asset.", "invalid_parameter"),
    no(-1109, "Invalid account.", "futures_account_missing", _OPERATOR, "The venue knows no futures account for this key: open one, then make a new key with futures enabled (a key made before does not get it).", scope=_ACCOUNT),
    bug(-1110, "Invalid symbolType.", "invalid_parameter"),
    no(-1111, "Precision is over the maximum defined for this asset.", "filter_precision", _PRODUCER, "A price or quantity has more decimals than the symbol allows; tick and step of the symbol say how many."),
    no(-1112, "No orders on book for symbol.", "no_liquidity", _VENUE, "The order book of this symbol is empty.", retry=_LATER, scope=_SYMBOL),
    foreign(-1113, "Withdrawal amount must be negative.", _TRANSFERS),
    no(-1114, "TimeInForce parameter sent when not required.", "unsupported_time_in_force", _PRODUCER, "This order type takes no time in force; leave it out."),
    no(-1115, "Invalid timeInForce.", "unsupported_time_in_force", _PRODUCER, "The venue does not know this time in force; it has gtc, ioc, fok and gtd."),
    no(-1116, "Invalid orderType.", "unsupported_order_type", _PRODUCER, "The venue does not know this order type, or not on this symbol."),
    bug(-1117, "Invalid side.", "invalid_side"),
    bug(-1118, "New client order ID was empty.", "empty_client_order_id"),
    bug(-1119, "Original client order ID was empty.", "empty_client_order_id"),
    foreign(-1120, "Invalid interval.", _MARKET_DATA),
    no(-1121, "Invalid symbol.", "unknown_symbol", _PRODUCER, "The venue lists no such futures symbol; check the name (a spot symbol need not have a future).", scope=_SYMBOL),
    bug(-1122, "Invalid symbol status.", "invalid_parameter"),
    foreign(-1125, "This listenKey does not exist. Please use POST /fapi/v1/listenKey to recreate listenKey", "user data streams"),
    foreign(-1126, "This asset is not supported.", _TRANSFERS),
    bug(-1127, "Lookup interval is too big.", "invalid_parameter"),
    bug(-1128, "Combination of optional parameters invalid.", "invalid_parameter"),
    bug(-1130, "Invalid data sent for a parameter.", "invalid_parameter"),
    bug(-1136, "Invalid newOrderRespType.", "invalid_parameter"),
)

_ORDERS: Final = (
    unknown(-2010, "(a text that names a duplicate)", "duplicate_order", DUPLICATE, pattern="duplicate", owner=_BEELINE, scope=Scope.ORDER),
    no(-2010, "NEW_ORDER_REJECTED", "venue_rejected", _PRODUCER, "The venue rejected the order; its own message says why."),
    unknown(-2011, "Unknown order sent.", "unknown_order", NOT_OPEN, pattern="Unknown order sent", owner=_PRODUCER, scope=Scope.ORDER),
    unknown(-2011, "CANCEL_REJECTED", "cancel_rejected", "The venue rejected the cancel without a reason; the order may have filled, so it is looked up.", owner=_PRODUCER, scope=Scope.ORDER),
    unknown(-2012, "Batch cancel failure.", "partly_done", "The venue cancelled some of the orders or none; what is still open is asked, and cancelled again.", scope=_SYMBOL),
    unknown(-2013, "Order does not exist.", "order_not_found", GONE, owner=_PRODUCER, scope=Scope.ORDER),
    no(-2014, "API-key format invalid.", "invalid_api_key", _OPERATOR, KEY_FORM, scope=_ACCOUNT, quarantines=True),
    no(-2015, "Invalid API-key, IP, or permissions for action.", "key_not_permitted", _OPERATOR, f"{KEY} A key of spot needs futures enabled.", scope=_ACCOUNT, quarantines=True),
    foreign(-2016, "No trading window could be found for the symbol. Try ticker/24hrs instead.", _MARKET_DATA),
    no(-2017, "API Keys are locked on this account.", "keys_locked", _OPERATOR, "The venue locked every key of this account, usually after a security event; unlock them in the account's API management.", scope=_ACCOUNT, quarantines=True),
    no(-2018, "Balance is insufficient.", "insufficient_balance", _PRODUCER, FUND, scope=_ACCOUNT),
    no(-2019, "Margin is insufficient.", "insufficient_margin", _PRODUCER, "The account has not enough margin for the order at its leverage: add margin, send less, or close positions.", scope=_ACCOUNT),
    no(-2020, "Unable to fill.", "no_liquidity", _VENUE, "The venue found nothing to fill the order with.", retry=_LATER, scope=_SYMBOL),
    no(-2021, "Order would immediately trigger.", "would_trigger_immediately", _PRODUCER, "The stop price is on the wrong side of the market: the order would trigger at once.", retry=_LATER),
    no(-2022, "ReduceOnly Order is rejected.", "reduce_only_rejected", _PRODUCER, "The order would not reduce the position: there is none, it is on the other side, or open reduce-only orders use it up already."),
    no(-2023, "User in liquidation mode now.", "account_in_liquidation", _OPERATOR, "The venue is liquidating this account and takes no orders from it until that has ended.", retry=_LATER, scope=_ACCOUNT),
    no(-2024, "Position is not sufficient.", "insufficient_position", _PRODUCER, "The position is smaller than the order would close; ask its size and send that."),
    no(-2025, "Reach max open order limit.", "filter_max_num_orders", _PRODUCER, "Too many orders are open on this symbol; cancel some or wait until some end.", retry=_LATER, scope=_SYMBOL),
    no(-2026, "This OrderType is not supported when reduceOnly.", "unsupported_order_combination", _PRODUCER, "This order type takes no reduce_only; leave it out, or use market or limit."),
    no(-2027, "Exceeded the maximum allowable position at current leverage.", "leverage_limit", _OPERATOR, "The position would be larger than the venue allows at this leverage; lower the leverage of the symbol, or send less.", scope=_SYMBOL),
    no(-2028, "Leverage is smaller than permitted: insufficient margin balance.", "leverage_limit", _OPERATOR, "The leverage of the symbol is too low for the margin there is; add margin or raise the leverage.", scope=_SYMBOL),
)

_FILTERS: Final = (
    no(-4001, "Price less than 0.", "filter_price_filter", _PRODUCER, "The price must be more than zero."),
    no(-4002, "Price greater than max price.", "filter_price_filter", _PRODUCER, "The price is above the highest that the symbol takes."),
    no(-4003, "Quantity less than zero.", "filter_lot_size", _PRODUCER, "The quantity must be more than zero; it may have become zero on the symbol's step."),
    no(-4004, "Quantity less than min quantity.", "filter_lot_size", _PRODUCER, "The quantity is below the smallest that the symbol takes; market orders have a minimum of their own."),
    no(-4005, "Quantity greater than max quantity.", "filter_lot_size", _PRODUCER, "The quantity is above the largest that the symbol takes in one order; market orders have a lower maximum. Split it."),
    no(-4006, "Stop price less than zero.", "filter_price_filter", _PRODUCER, "The stop price must be more than zero."),
    no(-4007, "Stop price greater than max price.", "filter_price_filter", _PRODUCER, "The stop price is above the highest that the symbol takes."),
    no(-4013, "Price less than min price.", "filter_price_filter", _PRODUCER, "The price is below the lowest that the symbol takes."),
    no(-4014, "Price not increased by tick size.", "filter_price_filter", _PRODUCER, "The price is off the symbol's tick, which counts from its lowest price."),
    no(-4016, "Price is higher than mark price multiplier cap.", "filter_percent_price", _PRODUCER, "A buy may cost at most the mark price times the symbol's upper multiplier; lower the price.", retry=_LATER),
    no(-4023, "Qty not increased by step size.", "filter_lot_size", _PRODUCER, "The quantity is off the symbol's step, which counts from its smallest quantity."),
    no(-4024, "Price is lower than mark price multiplier floor.", "filter_percent_price", _PRODUCER, "A sell may ask no less than the mark price times the symbol's lower multiplier; raise the price.", retry=_LATER),
    no(-4045, "Reach max stop order limit.", "filter_max_num_algo_orders", _PRODUCER, "Too many conditional orders are open on this account, over all symbols; cancel some or wait until some trigger.", retry=_LATER, scope=_ACCOUNT),
    no(-4131, "The counterparty's best price does not meet the PERCENT_PRICE filter limit", "filter_percent_price", _PRODUCER, "The best price on the other side is too far from the mark price for a market order; use a limit, or wait.", retry=_LATER, scope=_SYMBOL),
    no(-4164, "Order's notional must be no smaller than %s (unless you choose reduce only)", "filter_min_notional", _PRODUCER, "Price times quantity (a market order: times the mark price) is below the minimum that the venue's message names; reduce-only orders are exempt."),
    no(-4183, "Price is higher than stop price multiplier cap.", "filter_percent_price", _PRODUCER, "The limit price is too far above the stop price; bring the two closer."),
    no(-4184, "Price is lower than stop price multiplier floor.", "filter_percent_price", _PRODUCER, "The limit price is too far below the stop price; bring the two closer."),
    no(-4210, "Stop price is higher than price multiplier cap.", "filter_percent_price", _PRODUCER, "The stop price is too far above the market; the venue's message may name the bound."),
    no(-4211, "Stop price is lower than price multiplier floor.", "filter_percent_price", _PRODUCER, "The stop price is too far below the market; the venue's message may name the bound."),
)

_RULES: Final = (
    no(-4015, "Client order id is not valid.", "invalid_client_order_id", _BEELINE, "The venue does not accept the form of Beeline's client order ids any more; please report it."),
    no(-4019, "Composite scale too large.", "filter_precision", _PRODUCER, "Price and quantity together have more decimals than the venue can compute with; use fewer."),
    no(-4020, "Target strategy invalid for orderType '%s',reduceOnly '%b'.", "unsupported_order_combination", _PRODUCER, "This order type does not go with this reduce_only."),
    no(-4060, "Invalid position side.", "position_side_mismatch", _PRODUCER, "`position_side` is long or short in hedge mode; leave it out in one-way mode."),
    no(-4061, "Order's position side does not match user's setting.", "position_side_mismatch", _PRODUCER, "The account is in the other position mode: in hedge mode each order names its `position_side`, in one-way mode none does.", scope=_ACCOUNT),
    no(-4062, "Invalid or improper reduceOnly value.", "unsupported_option", _PRODUCER, "`reduce_only` is for one-way mode; in hedge mode `position_side` and side say the same."),
    no(-4084, "Method is not allowed currently. Upcoming soon.", "unsupported_operation", _VENUE, "The venue announces this and does not have it yet."),
    no(-4087, "User can only place reduce only order", "only_reduce_only", _OPERATOR, "The venue lets this account only reduce positions; send reduce_only, and ask its support why.", scope=_ACCOUNT),
    no(-4088, "User can not place order currently", "account_disabled", _OPERATOR, "The venue stopped this account from placing orders; ask its support why. Cancels still pass.", scope=_ACCOUNT),
    no(-4109, "Inactive account", "account_inactive", _OPERATOR, "The futures account was put to sleep; transfer any amount into its wallet to wake it.", scope=_ACCOUNT),
    unknown(-4116, "clientOrderId is duplicated", "duplicate_order", DUPLICATE, owner=_BEELINE, scope=Scope.ORDER),
    unknown(-4117, "stop order is triggering", "order_triggering", "The conditional order is turning into a real one at this moment and cannot be touched; what became of it is asked.", scope=Scope.ORDER),
    no(-4118, "ReduceOnly Order Failed. Please check your existing position and open orders", "reduce_only_rejected", _PRODUCER, "Together with an open order of the same side it would turn the position around; cancel that order first."),
    no(-4120, "Order type not supported for this endpoint. Please use the Algo Order API endpoints instead.", "unsupported_order_type", _BEELINE, "Conditional orders have endpoints of their own since 2025-12-09, and this one was sent to the wrong one; please report it."),
    no(-4135, "Invalid activation price", "invalid_activation_price", _PRODUCER, "The price that starts the trailing is on the wrong side of the market, or off the tick."),
    no(-4137, "Quantity must be zero with closePosition equals true", "unsupported_order_combination", _PRODUCER, "An order with `close_position` has no quantity: it closes what there is."),
    no(-4138, "Reduce only must be true with closePosition equals true", "unsupported_order_combination", _PRODUCER, "An order with `close_position` reduces by itself; leave reduce_only out."),
    no(-4139, "Order type can not be market if it's unable to cancel", "unsupported_order_type", _PRODUCER, "The symbol is in a phase in which orders cannot be cancelled, so it takes no market orders; use a limit, or wait.", retry=_LATER, scope=_SYMBOL),
    no(-4140, "Invalid symbol status for opening position", "symbol_not_trading", _VENUE, "The symbol is being delivered or settled: positions can only be closed.", retry=_LATER, scope=_SYMBOL),
    no(-4141, "Symbol is closed", "market_closed", _VENUE, "The symbol is not traded any more, or not yet.", retry=_LATER, scope=_SYMBOL),
    no(-4142, "REJECT: take profit or stop order will be triggered immediately", "would_trigger_immediately", _PRODUCER, "The stop price is on the wrong side of the market: the order would trigger at once.", retry=_LATER),
    no(-4144, "Invalid pair", "unknown_symbol", _PRODUCER, SYMBOL, scope=_SYMBOL),
    no(-4192, "Trade forbidden due to Cooling-off Period.", "account_cooling_off", _OPERATOR, "The account's owner chose a pause from trading; it ends on the day that was chosen, and nothing shortens it.", scope=_ACCOUNT),
    no(-4400, "Futures Trading Quantitative Rules violated, only reduceOnly order is allowed, please try again later.", "only_reduce_only", _OPERATOR, "The venue found too many unfilled, tiny or cancelled orders and allows only reduce_only for some minutes: send fewer orders that do not trade.", retry=_LATER, scope=_ACCOUNT),
    no(-4401, "Futures Trading Risk Control Rules of large position holding violated, only reduceOnly order is allowed, please reduce the position. .", "only_reduce_only", _OPERATOR, "The position is too large for the venue's risk rules; reduce it.", scope=_SYMBOL),
    no(-4402, "Dear user, as per our Terms of Use and compliance with local regulations, this feature is currently not available in your region.", "region_restricted", _OPERATOR, "The venue does not offer this symbol or product where the account's owner lives.", scope=_ACCOUNT),
    no(-5021, "Due to the order could not be filled immediately, the FOK order has been rejected.", "would_not_fill", _PRODUCER, "The book could not fill the fok order at once; the venue keeps no record of it.", retry=_LATER),
    no(-5022, "Due to the order could not be executed as maker, the Post Only order will be rejected.", "would_take_liquidity", _PRODUCER, "A limit_maker order at this price would have taken liquidity; use a passive price. The venue keeps no record of it.", retry=_LATER),
    no(-5028, "Timestamp for this request is outside of the ME recvWindow.", "invalid_timestamp", _VENUE, "The request waited inside the venue for longer than its recv window and was not placed; raise BEELINE_RECV_WINDOW_MS if it happens often.", retry=Retry.AFTER_RESYNC, scope=_WHOLE_VENUE),
    no(-5040, "The goodTillDate timestamp must be greater than the current time plus 600 seconds and smaller than 253402300799000 (UTC 9999-12-31 23:59:59)", "invalid_good_till_date", _PRODUCER, "The venue takes a gtd order only if it ends more than ten minutes from now."),
    no(-5041, "No depth matches this BBO order", "no_liquidity", _VENUE, "The book has no price to match the order to.", retry=_LATER, scope=_SYMBOL),
)

# Parameters that Beeline fills in itself.
_OWN_PARAMETERS: Final = (
    bug(-4000, "Invalid order status.", "invalid_parameter"),
    bug(-4022, "market status sent is not valid.", "invalid_parameter"),
    bug(-4031, "Invalid parameter working type", "invalid_parameter"),
    bug(-4165, "Invalid time interval", "invalid_parameter"),
    bug(-5037, "Invalid price match", "invalid_parameter"),
    bug(-5038, "Price match only supports order type: LIMIT, STOP AND TAKE_PROFIT", "invalid_parameter"),
    bug(-5039, "Invalid self trade prevention mode", "invalid_parameter"),
)

_NEVER_ASKED_FOR: Final = (
    foreign(-4008, "Tick size less than zero.", _LISTING),
    foreign(-4009, "Max price less than min price.", _LISTING),
    foreign(-4010, "Max qty less than min qty.", _LISTING),
    foreign(-4011, "Step size less than zero.", _LISTING),
    foreign(-4012, "Max mum orders less than zero.", _LISTING),
    foreign(-4017, "Multiplier up less than zero.", _LISTING),
    foreign(-4018, "Multiplier down less than zero.", _LISTING),
    foreign(-4021, "Invalid depth limit.", _MARKET_DATA),
    foreign(-4025, "Multiplier decimal less than zero.", _LISTING),
    foreign(-4026, "Commission invalid.", "setting commissions"),
    foreign(-4027, "Invalid account type.", _TRANSFERS),
    foreign(-4028, "Invalid leverage", _LEVERAGE),
    foreign(-4029, "Tick size precision is invalid.", _LISTING),
    foreign(-4030, "Step size precision is invalid.", _LISTING),
    foreign(-4032, "Exceed maximum cancel order size.", "cancelling orders in batches"),
    foreign(-4033, "Insurance account not found.", "the insurance fund"),
    foreign(-4044, "Balance Type is invalid.", _TRANSFERS),
    foreign(-4046, "No need to change margin type.", _MARGIN_TYPE),
    foreign(-4047, "Margin type cannot be changed if there exists open orders.", _MARGIN_TYPE),
    foreign(-4048, "Margin type cannot be changed if there exists position.", _MARGIN_TYPE),
    foreign(-4049, "Add margin only support for isolated position.", _MARGIN),
    foreign(-4050, "Cross balance insufficient.", _MARGIN),
    foreign(-4051, "Isolated balance insufficient.", _MARGIN),
    foreign(-4052, "No need to change auto add margin.", _MARGIN),
    foreign(-4053, "Auto add margin only support for isolated position.", _MARGIN),
    foreign(-4054, "Cannot add position margin: position is 0.", _MARGIN),
    foreign(-4055, "Amount must be positive.", _MARGIN),
    foreign(-4056, "Invalid api key type.", _KEYS),
    foreign(-4057, "Invalid api public key", _KEYS),
    foreign(-4058, "maxPrice and priceDecimal too large,please check.", _LISTING),
    foreign(-4059, "No need to change position side.", _POSITION_MODE),
    foreign(-4063, "Invalid options request type", _OPTIONS),
    foreign(-4064, "Invalid options time frame", _OPTIONS),
    foreign(-4065, "Invalid options amount", _OPTIONS),
    foreign(-4066, "Invalid options event type", _OPTIONS),
    foreign(-4067, "Position side cannot be changed if there exists open orders.", _POSITION_MODE),
    foreign(-4068, "Position side cannot be changed if there exists position.", _POSITION_MODE),
    foreign(-4069, "Invalid options premium fee", _OPTIONS),
    foreign(-4070, "Client options id is not valid.", _OPTIONS),
    foreign(-4071, "Invalid options direction", _OPTIONS),
    foreign(-4072, "premium fee is not updated, reject order", _OPTIONS),
    foreign(-4073, "input premium fee is less than 0, reject order", _OPTIONS),
    foreign(-4074, "Order amount is bigger than upper boundary or less than 0, reject order", _OPTIONS),
    foreign(-4075, "output premium fee is less than 0, reject order", _OPTIONS),
    foreign(-4076, "original fee is too much higher than last fee", _OPTIONS),
    foreign(-4077, "place order amount has reached to limit, reject order", _OPTIONS),
    foreign(-4078, "options internal error", _OPTIONS),
    foreign(-4079, "invalid options id", _OPTIONS),
    foreign(-4080, "user not found", _OPTIONS),
    foreign(-4081, "options not found", _OPTIONS),
    foreign(-4082, "Invalid number of batch place orders.", "placing orders in batches"),
    unknown(-4083, "Fail to place batch orders.", "partly_done", f"The venue failed on a batch, some orders of which may exist; Beeline places one order a request. {ASK}", scope=Scope.ORDER),
    foreign(-4085, "Invalid notional limit coefficient", _LISTING),
    foreign(-4086, "Invalid price spread threshold", _LISTING),
    foreign(-4104, "Invalid contract type", _MARKET_DATA),
    foreign(-4114, "clientTranId is not valid", _TRANSFERS),
    foreign(-4115, "clientTranId is duplicated", _TRANSFERS),
    foreign(-4161, "Leverage reduction is not supported in Isolated Margin Mode with open positions", _LEVERAGE),
    foreign(-4167, "Unable to adjust to Multi-Assets mode with symbols of USDⓈ-M Futures under isolated-margin mode.", _ASSET_MODE),
    foreign(-4168, "Unable to adjust to isolated-margin mode under the Multi-Assets mode.", _MARGIN_TYPE),
    foreign(-4169, "Unable to adjust Multi-Assets Mode with insufficient margin balance in USDⓈ-M Futures.", _ASSET_MODE),
    foreign(-4170, "Unable to adjust Multi-Assets Mode with open orders in USDⓈ-M Futures.", _ASSET_MODE),
    foreign(-4171, "Adjusted asset mode is currently set and does not need to be adjusted repeatedly.", _ASSET_MODE),
    foreign(-4172, "Unable to adjust Multi-Assets Mode with a negative wallet balance of margin available asset in USDⓈ-M Futures account.", _ASSET_MODE),
    foreign(-4202, "Intermediate Personal Verification is required for adjusting leverage over 20x", _LEVERAGE),
    foreign(-4203, "More than 20x leverage is available one month after account registration.", _LEVERAGE),
    foreign(-4205, "More than 20x leverage is available %s days after Futures account registration.", _LEVERAGE),
    foreign(-4206, "Users in this country has limited adjust leverage.", _LEVERAGE),
    foreign(-4208, "Current symbol leverage cannot exceed 20 when using position limit adjustment service.", _LEVERAGE),
    foreign(-4209, "The max leverage of Symbol is 20x", _LEVERAGE),
    foreign(-4403, "Dear user, as per our Terms of Use and compliance with local regulations, the leverage can only up to 10x in your region", _LEVERAGE),
    foreign(-4531, "Position mode change requires syncing UM and CM. Please close any open positions or orders in CM and try again.", _POSITION_MODE),
    foreign(-5024, "Symbol is not in trading status. Order amendment is not permitted.", _AMENDING),
    foreign(-5025, "Only limit order is supported.", _AMENDING),
    foreign(-5026, "Exceed maximum modify order limit.", _AMENDING),
    foreign(-5027, "No need to modify the order.", _AMENDING),
    foreign(-5029, "Order's notional must be no smaller than %s", _AMENDING),
    foreign(-5043, "A pending modification already exists for this order.", _AMENDING),
)

TABLE: Final = ErrorTable(
    market="binance_usdm",
    title="Binance USD-M futures",
    rows=_BY_TEXT + _GENERAL + _REQUEST + _ORDERS + _FILTERS + _RULES + _OWN_PARAMETERS + _NEVER_ASKED_FOR,
)
