"""A session of the official futures SDK, run by `test_client_binance_connector.py` in the SDK's own environment.

Reads the address and keys from standard input as JSON and writes what it saw to standard output. The SDK parses every
reply into models with strict types, which is what makes it a judge.
"""

import json
import sys
from collections.abc import Callable
from typing import Any

from binance_common.configuration import ConfigurationRestAPI
from binance_common.errors import Error
from binance_sdk_derivatives_trading_usds_futures.derivatives_trading_usds_futures import (
    DerivativesTradingUsdsFutures,
)

SYMBOL = "BTCUSDT"
SALE: dict[str, Any] = {"symbol": SYMBOL, "side": "SELL", "quantity": 0.01}
CONDITIONAL: dict[str, dict[str, Any]] = {
    "STOP": {"trigger_price": 64000.0, "price": 63900.0},
    "STOP_MARKET": {"trigger_price": 64000.0},
    "TAKE_PROFIT": {"trigger_price": 66000.0, "price": 66100.0},
    "TAKE_PROFIT_MARKET": {"trigger_price": 66000.0},
    "TRAILING_STOP_MARKET": {"callback_rate": 0.5, "activate_price": 66000.0},
}


def connect(given: dict[str, str], secret: str) -> Any:
    configuration = ConfigurationRestAPI(
        api_key=given["api_key"], api_secret=secret, base_path=given["url"], timeout=10_000, retries=0
    )
    return DerivativesTradingUsdsFutures(config_rest_api=configuration).rest_api


def refusal(call: Callable[[], Any]) -> str:
    try:
        call()
    except Error as error:
        return str(error.args[-1])
    return ""


def fields(answer: Any) -> dict[str, Any]:
    told: dict[str, Any] = answer.data().model_dump()
    return told


def trade(client: Any) -> dict[str, Any]:
    bought = client.new_order(
        symbol=SYMBOL, side="BUY", type="MARKET", quantity=0.01, new_order_resp_type="RESULT"
    )
    order_id = bought.data().order_id
    seen: dict[str, Any] = {
        "bought": fields(bought),
        "queried": fields(client.query_order(symbol=SYMBOL, order_id=order_id)),
    }
    resting = client.new_order(**SALE, type="LIMIT", time_in_force="GTX", price=66000.0, reduce_only="true")
    seen["resting"] = fields(resting)
    seen["rate_limits"] = sorted(limit.rateLimitType for limit in resting.rate_limits)
    seen["open"] = [row.order_id for row in client.current_all_open_orders(symbol=SYMBOL).data()]
    seen["cancelled"] = fields(client.cancel_order(symbol=SYMBOL, order_id=resting.data().order_id))
    seen["cancelled_all"] = fields(client.cancel_all_open_orders(symbol=SYMBOL))
    seen["all"] = [row.status for row in client.all_orders(symbol=SYMBOL).data()]
    seen["trades"] = [row.order_id for row in client.account_trade_list(symbol=SYMBOL).data()]
    seen["tested"] = fields(client.test_order(**SALE, type="MARKET"))
    return seen


def wait_for_a_trigger(client: Any, kind: str) -> list[str]:
    placed = client.new_algo_order(algo_type="CONDITIONAL", **SALE, type=kind, **CONDITIONAL[kind]).data()
    found = client.query_algo_order(algo_id=placed.algo_id).data()
    assert client.current_all_algo_open_orders(symbol=SYMBOL).data()[0].algo_id == placed.algo_id
    told = client.cancel_algo_order(algo_id=placed.algo_id).data()
    client.cancel_all_algo_open_orders(symbol=SYMBOL)
    last = client.query_all_algo_orders(symbol=SYMBOL).data()[-1]
    return [placed.algo_status, found.algo_status, told.msg, last.algo_status]


def positions(client: Any) -> dict[str, str]:
    return {row.position_side: row.position_amt for row in client.position_information_v3().data()}


def hedge(client: Any) -> dict[str, str]:
    client.new_order(**SALE, type="MARKET", reduce_only="true")
    client.change_position_mode(dual_side_position="true")
    client.change_initial_leverage(symbol=SYMBOL, leverage=10)
    client.new_order(symbol=SYMBOL, side="BUY", type="MARKET", quantity=0.01, position_side="LONG")
    client.new_order(symbol=SYMBOL, side="SELL", type="MARKET", quantity=0.02, position_side="SHORT")
    return positions(client)


def main() -> None:
    given = json.load(sys.stdin)
    client, stranger = connect(given, given["secret_key"]), connect(given, "wrong")
    seen: dict[str, Any] = {
        "contracts": [row.symbol for row in client.exchange_information().data().symbols],
        "mark_price": client.mark_price(symbol=SYMBOL).data().actual_instance.mark_price,
        **trade(client),
        "algo": {kind: wait_for_a_trigger(client, kind) for kind in CONDITIONAL},
        "positions": positions(client),
        "balance": client.futures_account_balance_v3().data()[0].model_dump(),
    }
    late = {"algo_type": "CONDITIONAL", "type": "STOP_MARKET", "trigger_price": 66000.0}
    small = {"type": "LIMIT", "time_in_force": "GTC", "price": 66000.0}
    seen["errors"] = {
        "notional": refusal(lambda: client.new_order(**{**SALE, "quantity": 0.001}, **small)),
        "unknown": refusal(lambda: client.query_order(symbol=SYMBOL, order_id=999)),
        "cancel": refusal(lambda: client.cancel_order(symbol=SYMBOL, order_id=999)),
        "trigger": refusal(lambda: client.new_algo_order(**SALE, **late)),
        "signature": refusal(stranger.futures_account_balance_v3),
    }
    seen["hedged"] = hedge(client)
    print(json.dumps(seen, default=str))


if __name__ == "__main__":
    main()
