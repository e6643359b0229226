"""Why is my signature wrong: tries the known mistakes on a request until one makes the very signature that was sent.

Pure and offline: it is given the request as it was sent and the secret. A mistake is not guessed from looks but
reproduced: the text that a client with that mistake would have signed, signed the way it would have, gives the
signature in question. What no signature shows (a timestamp in seconds, a recv window that is too wide, the wrong
host) is reported beside it.

The venue signs over the query as it was sent, without its `signature`, followed by the body with nothing in between,
and the signature is the last parameter. Source: Binance spot rest-api.md, "SIGNED request security"; Bitrue the same.
"""

import hashlib
import hmac
import shlex
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise, permutations
from typing import Final
from urllib.parse import quote, unquote, unquote_plus, urlsplit

from adapters.known_mistakes import (
    ADDED_AFTERWARDS,
    BODY_FIRST,
    BODY_JOINED,
    BODY_LEFT_OUT,
    DIRTY_SECRET,
    ENCODED_AFTERWARDS,
    ENCODED_TWICE,
    NAME_OF_SIGNATURE,
    NO_TIME,
    NOT_ENCODED,
    NOT_LAST,
    OTHER_MARKET,
    PLUS_FOR_SPACE,
    QUERY_LEFT_OUT,
    REORDERED,
    SPOT_KEY,
    SWAPPED_KEYS,
    TIME_CHANGED,
    TIME_IN_MICROSECONDS,
    TIME_UNIT,
    WIDE_WINDOW,
    WITH_PATH,
    WRONG_ALGORITHM,
    WRONG_CASE,
    Finding,
)
from adapters.signing import UnusableKeyError, make_signer
from adapters.wire import KEY_HEADER

LONGEST_RECV_WINDOW_MS: Final = 60_000
MOST_PERMUTED: Final = 7
"""Parameters whose every order is tried: 5,040 signatures."""

FUTURES_HOSTS: Final = ("fapi.", "dapi.", "demo-fapi.", "testnet.binancefuture")


class UnreadableRequestError(ValueError):
    """The text is no request that carries a signature; says what is missing and shows nothing of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SentRequest:
    """A request as it went out; `query` and `body` are the encoded text, with the signature wherever it stood."""

    query: str
    body: str = ""
    host: str = ""
    path: str = ""
    api_key: str = field(default="", repr=False)

    def with_key(self, api_key: str) -> "SentRequest":
        """The same request with the API key that its header carried."""
        return replace(self, api_key=api_key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """What explains the signature, `None` when nothing known does, and what else is wrong with the request."""

    is_right: bool
    explanation: Finding | None
    others: tuple[Finding, ...]


# --- Reading --------------------------------------------------------------------------------------------------------


def read_request(text: str, body: str = "") -> SentRequest:
    """Read a URL, a curl line or a bare query, and the body if it travelled apart.

    Raises:
        UnreadableRequestError: there is no `signature` parameter in it.
    """
    text = text.strip()
    request = _read_curl(text, body) if text.split(maxsplit=1)[:1] == ["curl"] else _read_url(text, body, "")
    if _claimed(request) is None:
        raise UnreadableRequestError(
            "there is no signature parameter in it: give the request as it was sent, with its signature"
        )
    return request


def _read_url(text: str, body: str, api_key: str) -> SentRequest:
    if "://" not in text:
        return SentRequest(query=text.removeprefix("?"), body=body, api_key=api_key)
    parts = urlsplit(text)
    return SentRequest(
        query=parts.query, body=body, host=parts.hostname or "", path=parts.path, api_key=api_key
    )


def _read_curl(text: str, body: str) -> SentRequest:
    try:
        words = shlex.split(text.replace("\\\n", " "))
    except ValueError:
        raise UnreadableRequestError("the curl line has a quote that is not closed") from None
    url, api_key, bodies = "", "", [body] if body else []
    for before, word in pairwise(words):
        if before in ("-H", "--header"):
            name, _, value = word.partition(":")
            api_key = value.strip() if name.strip().upper() == KEY_HEADER else api_key
        elif before in ("-d", "--data", "--data-raw", "--data-binary", "--data-ascii"):
            bodies.append(word)
        elif "://" in word:
            url = word
    if not url:
        raise UnreadableRequestError("there is no URL in the curl line")
    return _read_url(url, "&".join(bodies), api_key)


def _claimed(request: SentRequest) -> str | None:
    """The signature that was sent, as text."""
    for pair in _pairs(request.query) + _pairs(request.body):
        name, _, value = pair.partition("=")
        if name.lower() == "signature":
            return unquote(value)
    return None


def _pairs(text: str) -> list[str]:
    return [pair for pair in text.split("&") if pair]


def _unsigned(text: str) -> str:
    """The text without its signature."""
    return "&".join(pair for pair in _pairs(text) if not pair.lower().startswith("signature="))


# --- Diagnosing -----------------------------------------------------------------------------------------------------


def diagnose(request: SentRequest, secret: str) -> Diagnosis:
    """Find out which known mistake makes the signature that was sent; `secret` is the text as it was stored."""
    claimed = _claimed(request) or ""
    others = tuple(_other_mistakes(request))
    payload = _unsigned(request.query) + _unsigned(request.body)
    clean = clean_secret(secret)
    if _makes(payload, claimed, _signatures(clean, right=True)):
        return Diagnosis(is_right=True, explanation=None, others=others)
    for finding, text, signatures in _mistakes(request, secret, clean, payload):
        if _makes(text, claimed, signatures):
            return Diagnosis(is_right=False, explanation=finding, others=others)
    return Diagnosis(is_right=False, explanation=None, others=others)


Sign = Callable[[bytes], str]
Mistake = tuple[Finding, str, list[Sign]]

_INVISIBLE: Final = "\ufeff\u200b\u200c\u200d\u2060\u00a0"


def clean_secret(secret: str) -> str:
    """The secret without what does not belong to it: white space, invisible characters and quotes around it."""
    return secret.strip(_INVISIBLE + " \t\r\n").strip("\"'").strip(_INVISIBLE + " \t\r\n")


def _makes(text: str, claimed: str, signatures: list[Sign]) -> bool:
    return any(hmac.compare_digest(sign(text.encode()).encode(), claimed.encode()) for sign in signatures)


def _signatures(secret: str, *, right: bool) -> list[Sign]:
    """How a secret signs; hexadecimal digits may be written in either case."""
    if not secret:
        return []
    if "-----BEGIN" in secret:
        try:
            signer = make_signer("", secret)
        except UnusableKeyError:
            return []
        return [lambda payload: unquote(signer.sign(payload))]
    made = _hmac(secret, hashlib.sha256)
    return [made, lambda payload: made(payload).upper()] if right else [made]


def _hmac(secret: str, digest: Callable[..., "hashlib._Hash"]) -> Sign:
    return lambda payload: hmac.new(secret.encode(), payload, digest).hexdigest()


def _mistakes(request: SentRequest, secret: str, clean: str, payload: str) -> Iterator[Mistake]:
    """Every known mistake, the likelier first; for each the text and the ways it would have been signed."""
    right = _signatures(clean, right=True)
    yield from _wrong_keys(request, secret, clean, payload)
    for finding, text in _wrong_texts(request, payload):
        yield finding, text, right
    yield from _wrong_algorithms(clean, payload)
    for text in _other_orders(payload):
        yield REORDERED, text, right


def _wrong_keys(request: SentRequest, secret: str, clean: str, payload: str) -> Iterator[Mistake]:
    dirty = {secret, *(f"{clean}{end}" for end in ("\n", "\r\n", " ", "\t", "\u200b"))}
    dirty |= {f" {clean}", f"\ufeff{clean}", f'"{clean}"', f"'{clean}'"}
    for variant in sorted(dirty - {clean}):
        if "-----BEGIN" not in variant:
            yield DIRTY_SECRET, payload, _signatures(variant, right=True)
    if request.api_key:
        yield SWAPPED_KEYS, payload, _signatures(request.api_key.strip(), right=True)


def _wrong_texts(request: SentRequest, payload: str) -> Iterator[tuple[Finding, str]]:
    query, body = _unsigned(request.query), _unsigned(request.body)
    if query and body:
        yield BODY_JOINED, f"{query}&{body}"
        yield BODY_FIRST, body + query
        yield BODY_FIRST, f"{body}&{query}"
        yield BODY_LEFT_OUT, query
        yield QUERY_LEFT_OUT, body
    if "%25" in payload:
        yield ENCODED_AFTERWARDS, unquote(payload)
    yield NOT_ENCODED, unquote(payload)
    yield NOT_ENCODED, unquote_plus(payload)
    yield PLUS_FOR_SPACE, payload.replace("%20", "+")
    yield PLUS_FOR_SPACE, payload.replace("+", "%20")
    yield ENCODED_TWICE, _each_value(payload, lambda value: quote(value, safe=""))
    yield ENCODED_AFTERWARDS, _each_value(payload, lambda value: unquote(unquote(value)))
    yield ENCODED_AFTERWARDS, _each_value(payload, lambda value: quote(unquote(value), safe=""))
    yield WRONG_CASE, _each_value(payload, str.upper)
    yield WRONG_CASE, _each_value(payload, str.lower)
    yield WRONG_CASE, payload.lower()
    yield WRONG_CASE, _with_escapes(payload, str.upper)
    yield WRONG_CASE, _with_escapes(payload, str.lower)
    yield from _after_signing(request, payload)
    yield from _other_times(payload)
    yield REORDERED, "&".join(sorted(_pairs(payload)))
    yield WITH_PATH, f"{request.path}?{payload}"
    yield WITH_PATH, f"?{payload}"


def _after_signing(request: SentRequest, payload: str) -> Iterator[tuple[Finding, str]]:
    """What stands behind the signature, and any one or two parameters, may have been added once it was made."""
    for text in (request.query, request.body):
        before, found, after = text.partition("signature=")
        if found and "&" in after:
            yield NOT_LAST, before.rstrip("&")
    pairs = _pairs(payload)
    for first in range(len(pairs)):
        rest = pairs[:first] + pairs[first + 1 :]
        yield ADDED_AFTERWARDS, "&".join(rest)
        for second in range(first, len(rest)):
            yield ADDED_AFTERWARDS, "&".join(rest[:second] + rest[second + 1 :])


def _other_times(payload: str) -> Iterator[tuple[Finding, str]]:
    """The timestamp in another unit when it was signed than when it was sent."""
    for before, after in ((1_000, 1), (1, 1_000), (1_000_000, 1), (1, 1_000_000)):

        def rescale(value: str, before: int = before, after: int = after) -> str:
            return str(int(value) * after // before) if value.isdigit() else value

        yield TIME_CHANGED, _each_value(payload, rescale, only="timestamp")


def _wrong_algorithms(clean: str, payload: str) -> Iterator[Mistake]:
    if not clean:
        return
    digests = (hashlib.sha1, hashlib.sha512, hashlib.md5, hashlib.sha384, hashlib.sha3_256)
    key = clean.encode()
    ways: list[Sign] = [_hmac(clean, digest) for digest in digests]
    ways.append(lambda text: b64encode(hmac.new(key, text, hashlib.sha256).digest()).decode())
    ways.append(lambda text: hashlib.sha256(text + key).hexdigest())
    ways.append(lambda text: hashlib.sha256(key + text).hexdigest())
    if "-----BEGIN" in clean:
        ways += _signatures_as_hmac(clean)
    yield WRONG_ALGORITHM, payload, ways


def _signatures_as_hmac(pem: str) -> list[Sign]:
    """A private key taken for the shared secret of an HMAC, whole or without its first and last line."""
    inner = "".join(line for line in pem.splitlines() if "-----" not in line)
    return [_hmac(text, hashlib.sha256) for text in (pem, pem + "\n", inner)]


def _other_orders(payload: str) -> Iterator[str]:
    pairs = _pairs(payload)
    if 1 < len(pairs) <= MOST_PERMUTED:
        yield from ("&".join(order) for order in permutations(pairs))
        return
    yield "&".join(reversed(pairs))
    for moved in range(len(pairs)):
        rest = pairs[:moved] + pairs[moved + 1 :]
        yield from ("&".join([*rest[:to], pairs[moved], *rest[to:]]) for to in range(len(pairs)))


def _each_value(payload: str, change: Callable[[str], str], *, only: str | None = None) -> str:
    changed = []
    for pair in _pairs(payload):
        name, equals, value = pair.partition("=")
        changed.append(f"{name}{equals}{change(value)}" if only in (None, name) else pair)
    return "&".join(changed)


def _with_escapes(payload: str, change: Callable[[str], str]) -> str:
    first, *rest = payload.split("%")
    return first + "".join(f"%{change(part[:2])}{part[2:]}" for part in rest)


def _takes_microseconds(host: str) -> bool:
    return host.endswith(".binance.com") and not host.startswith(FUTURES_HOSTS)


# --- What no signature shows ----------------------------------------------------------------------------------------


def _other_mistakes(request: SentRequest) -> Iterator[Finding]:
    pairs = [pair.partition("=") for pair in _pairs(request.query) + _pairs(request.body)]
    given = {name: value for name, _, value in pairs}
    stamp, window = given.get("timestamp", ""), given.get("recvWindow", "")
    if not stamp:
        yield NO_TIME
    elif not stamp.isdigit() or len(stamp) not in (13, 16):
        yield TIME_UNIT
    elif len(stamp) == 16 and not _takes_microseconds(request.host):
        yield TIME_IN_MICROSECONDS
    if window.replace(".", "", 1).isdigit() and float(window) > LONGEST_RECV_WINDOW_MS:
        yield WIDE_WINDOW
    if any(name.lower() == "signature" for name, _, _ in pairs[:-1]) and not _pairs(request.body):
        yield NOT_LAST
    if any(name.lower() == "signature" and name != "signature" for name, _, _ in pairs):
        yield NAME_OF_SIGNATURE
    if (
        request.host.startswith(FUTURES_HOSTS) != request.path.startswith(("/fapi/", "/dapi/"))
        and request.host
    ):
        yield OTHER_MARKET
    elif request.host.startswith(FUTURES_HOSTS):
        yield SPOT_KEY
