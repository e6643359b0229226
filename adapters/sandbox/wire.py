"""Raw parameters, signatures and number formats, as they are on the wire.

Signatures are checked over the bytes that came, with only the `signature` parameter taken out: nothing is
decoded and encoded again on the way, because that is exactly the mistake that a sandbox has to catch.
"""

import hashlib
import hmac
import json
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Final
from urllib.parse import unquote_plus

import orjson

from adapters.sandbox.model import SandboxRequest

_SIGNATURE: Final = "signature="
# What a URL may not hold unencoded. Spot refuses a payload that was not percent-encoded before it was signed.
_NOT_ENCODED: Final = re.compile(r"""[^!-~]|["<>\[\]\\^`{|}]""")


@dataclass(frozen=True, slots=True, kw_only=True)
class WireParameters:
    """The parameters of a request, what was signed, and what was wrong with their form."""

    values: dict[str, str]
    signed: str
    signature: str | None
    has_duplicates: bool
    is_encoded: bool


def read_parameters(request: SandboxRequest, *, body_is_form: bool = True) -> WireParameters:
    """Take a request's parameters apart; the query string wins over the body on the same name."""
    query_values, query_rest, query_signature, query_twice = _split(request.query)
    if not request.body:
        return WireParameters(
            values=query_values,
            signed=query_rest,
            signature=query_signature,
            has_duplicates=query_twice,
            is_encoded=_NOT_ENCODED.search(query_rest) is None,
        )
    body = request.body.decode("latin-1")
    if not body_is_form:
        return WireParameters(
            values=_json_values(request.body) | query_values,
            signed=query_rest + body,
            signature=query_signature,
            has_duplicates=query_twice,
            is_encoded=_NOT_ENCODED.search(query_rest) is None,
        )
    body_values, body_rest, body_signature, body_twice = _split(body)
    signed = query_rest + body_rest
    return WireParameters(
        values=body_values | query_values,
        signed=signed,
        signature=query_signature if query_signature is not None else body_signature,
        has_duplicates=query_twice or body_twice,
        is_encoded=_NOT_ENCODED.search(signed) is None,
    )


def _split(raw: str) -> tuple[dict[str, str], str, str | None, bool]:
    values: dict[str, str] = {}
    signature: str | None = None
    if not raw:
        return values, raw, signature, False
    parts = raw.split("&")
    pairs = 0
    for part in parts:
        if part.startswith(_SIGNATURE):
            signature = part[len(_SIGNATURE) :]
            continue
        name, _, value = part.partition("=")
        values[name] = _decode(value)
        pairs += 1
    rest = raw if signature is None else "&".join(part for part in parts if not part.startswith(_SIGNATURE))
    return values, rest, signature, pairs != len(values)


def _decode(value: str) -> str:
    return unquote_plus(value) if "%" in value or "+" in value else value


def _json_values(body: bytes) -> dict[str, str]:
    try:  # the standard library's parser, because it can leave numbers as the text they came as
        document = json.loads(body, parse_float=str, parse_int=str)
    except ValueError:
        return {}
    if not isinstance(document, dict):
        return {}
    return {name: str(value) for name, value in document.items()}


def signature_matches(secret_key: str, signed: str, signature: str) -> bool:
    """Check an HMAC-SHA256 signature in hex; its case does not matter."""
    expected = hmac.digest(secret_key.encode(), signed.encode("latin-1"), hashlib.sha256).hex()
    return hmac.compare_digest(expected.encode(), signature.lower().encode("utf-8", "replace"))


def dump(document: object) -> bytes:
    """Encode a reply's body."""
    return orjson.dumps(document)


def eight(value: Decimal) -> str:
    """Format with 8 decimals, as Binance does."""
    return f"{value:.8f}"


def sixteen(value: Decimal) -> str:
    """Format with 16 decimals, as Bitrue does."""
    return f"{value:.16f}"


def plain(value: Decimal) -> str:
    """Format without an exponent and without trailing zeros."""
    text = f"{value:f}"
    return (text.rstrip("0").rstrip(".") or "0") if "." in text else text
