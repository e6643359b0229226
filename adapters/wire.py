"""What every Binance-like REST dialect shares on the wire: encoding, signing, and reading without trusting.

Encoding comes first and signing second, the signature is the last parameter, and the text signed is the text
sent. All parameters travel in the query string, also of POST and DELETE: Binance allows it, Bitrue documents
nothing else as safe.

Readers never raise. Venues send numbers as strings, as numbers or as empty strings, leave keys out and invent
enum values; a reader answers `None` for what it cannot read, and the caller decides what that means.
"""

import json
from collections.abc import Iterable, Mapping
from decimal import Context, Decimal, InvalidOperation
from typing import Any, Final
from urllib.parse import quote

import orjson

from adapters.model import Call, HttpRequest, Security
from adapters.signing import Signer

KEY_HEADER: Final = "X-MBX-APIKEY"

EXACT: Final = Context(prec=200)
"""Arithmetic that never rounds what money can be written with; the default context has 28 digits."""

_SAFE_BYTES: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~"
_MICROSECONDS_ABOVE: Final = 10**14
_NO_HEADERS: Final[Mapping[str, str]] = {}


# --- Writing ------------------------------------------------------------------------------------------------


def encode(params: Iterable[tuple[str, str]]) -> str:
    """Percent-encode parameters in the order given (safe set `-_.~A-Za-z0-9`); names are ours and need no encoding."""
    pairs = list(params)
    values = "".join([value for _, value in pairs])
    # One pass over all values: nearly always there is nothing to encode.
    if not values.encode().translate(None, _SAFE_BYTES):
        return "&".join([f"{name}={value}" for name, value in pairs])
    return "&".join([f"{name}={quote(value, safe='')}" for name, value in pairs])


def sign_request(
    call: Call, signer: Signer | None, *, base_url: str, timestamp_ms: int, recv_window_ms: int
) -> HttpRequest:
    """Stamp, encode and sign a call; a signed call without a signer is a bug and raises `ValueError`."""
    query = encode(call.params)
    if call.security is Security.NONE:
        url = f"{base_url}{call.path}?{query}" if query else f"{base_url}{call.path}"
        return HttpRequest(method=call.method, url=url, headers=_NO_HEADERS)
    if signer is None:
        raise ValueError(f"{call.method} {call.path} needs a signer")
    stamp = f"recvWindow={recv_window_ms}&timestamp={timestamp_ms}"
    payload = f"{query}&{stamp}" if query else stamp
    return HttpRequest(
        method=call.method,
        url=f"{base_url}{call.path}?{payload}&signature={signer.sign(payload.encode())}",
        headers={KEY_HEADER: signer.api_key},
    )


def plain(value: Decimal) -> str:
    """Write a decimal in fixed notation with the digits it has, never an exponent."""
    return format(value, "f")


# --- Reading ------------------------------------------------------------------------------------------------


def read_json(body: bytes) -> object:
    """Decode JSON with every number exact; `None` when it is not JSON."""
    try:
        value = orjson.loads(body)
        # Prices come as strings; a venue that sends them bare gets the slow decoder, which keeps every digit.
        return json.loads(body, parse_float=Decimal) if _has_float(value) else value
    except (ValueError, RecursionError):
        return None


def _has_float(document: object) -> bool:
    containers: list[Any] = [[document]]  # grows while it is walked through, so that no nesting is too deep
    for container in containers:
        for value in container.values() if type(container) is dict else container:
            kind = type(value)
            if kind is str:  # nearly all of them
                continue
            if kind is float:
                return True
            if kind is dict or kind is list:
                containers.append(value)
    return False


def decimal(value: object) -> Decimal | None:
    """Read a finite decimal from a string or a number."""
    if not isinstance(value, str) and (isinstance(value, bool) or not isinstance(value, (int, Decimal))):
        return None
    try:
        number = Decimal(value)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def integer(value: object) -> int | None:
    """Read a whole number from a number or a string, without a detour over floating point."""
    if isinstance(value, int):
        return None if isinstance(value, bool) else value
    if not isinstance(value, (str, Decimal)):
        return None
    number = decimal(value)
    return None if number is None or abs(number) >= _HUGE or number % 1 else int(number)


_HUGE: Final = Decimal(10) ** 28


def milliseconds(value: object) -> int | None:
    """Read an epoch time; microseconds, which Binance can be told to send, are recognised by their size."""
    number = integer(value)
    if number is None or number <= 0:
        return None
    return number // 1000 if number > _MICROSECONDS_ABOVE else number


def text(value: object) -> str | None:
    """Read text or a number as text; an empty string is nothing."""
    if isinstance(value, str):
        return value or None
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None


def rows(value: object) -> list[dict[str, object]]:
    """Return the objects of an array, leaving out what is no object; an object alone counts as an array of one."""
    if isinstance(value, dict):
        return [value]
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []
