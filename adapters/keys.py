"""What Binance-like venues tell of a key: its rights, what the account holds, how much of its limits is used.

`canTrade` and `canWithdraw` of an `account` reply speak of the account and not of the key (and on Bitrue of nothing at
all), so no right is ever read from them. A key's own rights are told by `apiRestrictions`, on Binance's live spot host
only.
"""

from collections.abc import Callable
from typing import Final

from adapters.base import Flow
from adapters.dialect import UNREADABLE, Rest
from adapters.errors import VenueError
from adapters.exchange_info import read_limit
from adapters.model import Balance, Call, KeyRights, LimitKind, OrderCount, Purpose
from adapters.wire import decimal, integer, milliseconds, rows, text

RESTRICTIONS: Final = "/sapi/v1/account/apiRestrictions"
_NO_SUCH_PATH: Final = 404


def rights_from_restrictions(rest: Rest, *, note: str) -> Flow[KeyRights | VenueError]:
    """Ask `apiRestrictions`; a host without it, such as a test network, is asked for the account instead."""
    body, error = yield from rest.ask(Call(method="GET", path=RESTRICTIONS, purpose=Purpose.RULES))
    if error is None:
        return _restrictions(body)
    if error.http_status == _NO_SUCH_PATH and error.venue_code is None:
        return (yield from rights_from_account(rest, note=note))
    return error


def _restrictions(body: object) -> KeyRights | VenueError:
    if not isinstance(body, dict) or not isinstance(body.get("enableWithdrawals"), bool):
        return UNREADABLE
    return KeyRights(
        can_read=_flag(body, "enableReading"),
        can_trade=_flag(body, "enableSpotAndMarginTrading"),
        can_withdraw=_flag(body, "enableWithdrawals"),
        is_ip_restricted=_flag(body, "ipRestrict"),
        created_ms=milliseconds(body.get("createTime")),
    )


def _flag(body: dict[str, object], name: str) -> bool | None:
    value = body.get(name)
    return value if isinstance(value, bool) else None


def rights_from_account(
    rest: Rest, *, note: str, ask: Callable[[Rest], Flow[tuple[Balance, ...] | VenueError]] | None = None
) -> Flow[KeyRights | VenueError]:
    """Ask for the account, which proves key, signature and the right to read, and nothing else."""
    found = yield from (ask or balances)(rest)
    return found if isinstance(found, VenueError) else KeyRights(can_read=True, note=note)


def balances(rest: Rest) -> Flow[tuple[Balance, ...] | VenueError]:
    """Ask for the account's balances; assets of which there is nothing are left out."""
    body, error = yield from rest.ask(rest.call("GET", "account", Purpose.RULES, weight=rest.weights.account))
    if error is not None:
        return error
    held = body.get("balances") if isinstance(body, dict) else None
    if not isinstance(held, list):
        return UNREADABLE
    read = (_balance(row) for row in rows(held))
    return tuple(balance for balance in read if balance is not None and (balance.free or balance.locked))


def _balance(row: dict[str, object]) -> Balance | None:
    asset, free, locked = text(row.get("asset")), decimal(row.get("free")), decimal(row.get("locked"))
    if asset is None or free is None or locked is None:
        return None
    return Balance(asset=asset.upper(), free=free, locked=locked)


def order_counts(rest: Rest, weight: int) -> Flow[tuple[OrderCount, ...] | VenueError]:
    """Ask for the account's order counts."""
    body, error = yield from rest.ask(rest.call("GET", "rateLimit/order", Purpose.RULES, weight=weight))
    if error is not None:
        return error
    if not isinstance(body, list):
        return UNREADABLE
    read = (_order_count(row) for row in rows(body))
    return tuple(count for count in read if count is not None)


def _order_count(row: dict[str, object]) -> OrderCount | None:
    limit = read_limit(row)
    if limit is None or limit.kind is not LimitKind.ORDERS:
        return None
    return OrderCount(interval_s=limit.interval_s, limit=limit.limit, used=integer(row.get("count")))
