"""A session of the official connector, run by `test_client_binance_connector.py` in the connector's own environment.

Reads the address and keys from standard input as JSON and writes what it saw to standard output.
"""

import json
import sys
from collections.abc import Callable
from typing import Any

from binance.error import ClientError
from binance.spot import Spot


def refusal(call: Callable[[], Any]) -> list[Any]:
    try:
        call()
    except ClientError as error:
        return [error.status_code, error.error_code, error.error_message]
    return []


def trade(client: Any) -> dict[str, Any]:
    seen: dict[str, Any] = {"ping": client.ping()}
    seen["symbols"] = [
        row["symbol"] for row in client.exchange_info(symbols=["BTCUSDT", "ETHUSDT"])["symbols"]
    ]
    seen["market"] = client.new_order("BTCUSDT", "BUY", "MARKET", quantity=0.01, newClientOrderId="bc-1")
    resting = {"timeInForce": "GTC", "quantity": "0.01", "price": "60000"}
    seen["limit"] = client.new_order("BTCUSDT", "BUY", "LIMIT", **resting)
    order_id = seen["limit"]["orderId"]
    seen["queried"] = client.get_order("BTCUSDT", orderId=order_id)
    seen["open"] = client.get_open_orders("BTCUSDT")
    seen["cancelled"] = client.cancel_order("BTCUSDT", orderId=order_id)
    seen["all"] = client.get_orders("BTCUSDT")
    seen["trades"] = client.my_trades("BTCUSDT")
    seen["tested"] = client.new_order_test("BTCUSDT", "BUY", "MARKET", quantity=0.01)
    balances = {row["asset"]: row for row in client.account()["balances"]}
    seen["locked"] = balances["USDT"]["locked"]
    seen["rights"] = client.api_key_permissions()
    return seen


def main() -> None:
    given = json.load(sys.stdin)
    client = Spot(given["api_key"], given["secret_key"], base_url=given["url"])
    seen = trade(client)
    seen["weight_header"] = Spot(base_url=given["url"], show_limit_usage=True).ping()["limit_usage"][
        "x-mbx-used-weight-1m"
    ]
    stranger = Spot(given["api_key"], "wrong", base_url=given["url"])
    seen["errors"] = {
        "filter": refusal(lambda: client.new_order("BTCUSDT", "BUY", "MARKET", quantity="0.000001")),
        "missing": refusal(lambda: client.get_order("BTCUSDT", orderId=999)),
        "cancel": refusal(lambda: client.cancel_order("BTCUSDT", orderId=999)),
        "signature": refusal(stranger.account),
    }
    print(json.dumps(seen))


if __name__ == "__main__":
    main()
