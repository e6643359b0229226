"""Keys and signatures as Binance checks them, on spot and on futures."""

from collections.abc import Mapping
from typing import Final

from adapters.sandbox.config import AccountConfig
from adapters.sandbox.model import Dialect, SandboxRequest
from adapters.sandbox.venue import Endpoint, VenueError, is_signature_valid
from adapters.sandbox.wire import WireParameters

_KEY_LENGTHS: Final = range(32, 129)


def authorised(
    request: SandboxRequest, endpoint: Endpoint, dialect: Dialect, by_key: Mapping[str, AccountConfig]
) -> AccountConfig:
    """Return the account whose key a request carries; raises `VenueError` (-2014, -2015)."""
    key = request.header("X-MBX-APIKEY")
    if key is None or not key.isalnum() or len(key) not in _KEY_LENGTHS:
        raise VenueError(401, -2014, "API-key format invalid.")
    account = by_key.get(key)
    refused = VenueError(401, -2015, "Invalid API-key, IP, or permissions for action.")
    if account is None or account.dialect is not dialect:
        raise refused
    if account.allowed_ips and request.ip not in account.allowed_ips:
        raise refused
    if not (account.can_trade if endpoint.needs_trading else account.can_read):
        raise refused
    return account


def check_signature(account: AccountConfig, parameters: WireParameters) -> None:
    """Check the signature over the bytes that came; raises `VenueError` (-1022)."""
    if not is_signature_valid(account, parameters):
        raise VenueError(400, -1022, "Signature for this request is not valid.")
