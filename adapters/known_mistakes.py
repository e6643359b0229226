"""The known mistakes of signed requests, as data: a stable name, what happened, and what to do."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A mistake: a stable name, what happened, and what to do."""

    code: str
    text: str
    remedy: str


def _a(code: str, text: str, remedy: str) -> Finding:
    return Finding(code=code, text=text, remedy=remedy)


DIRTY_SECRET: Final = _a(
    "secret_with_white_space",
    "It was signed with a secret that carries white space, an invisible character or quotes.",
    "Store the secret without it; a line end at the end of a file counts where a program does not strip it.",
)
SWAPPED_KEYS: Final = _a(
    "key_and_secret_swapped",
    "It was signed with the API key.",
    "Exchange the two: the API key goes into the header, the secret signs.",
)
REORDERED: Final = _a(
    "parameters_reordered",
    "The parameters were signed in another order than they were sent in.",
    "Build the text once, sign it and send that very text; no library may sort or rebuild it afterwards.",
)
NOT_ENCODED: Final = _a(
    "not_encoded_before_signing",
    "The text was signed before it was percent-encoded.",
    "Encode first and sign what was encoded: mandatory on Binance since 2026-01-15.",
)
ENCODED_TWICE: Final = _a(
    "encoded_twice",
    "The values were encoded once more for the signature than they were sent.",
    "Encode once.",
)
ENCODED_AFTERWARDS: Final = _a(
    "encoded_twice",
    "The values were encoded again, or otherwise, after they had been signed.",
    "Encode once, sign that, and tell the HTTP client that the URL is encoded already.",
)
PLUS_FOR_SPACE: Final = _a(
    "plus_for_space",
    "A space was written as + on one side and as %20 on the other.",
    "Write it as %20 in both: with Python, quote instead of quote_plus or urlencode's default.",
)
NOT_LAST: Final = _a(
    "signature_not_last",
    "Parameters stand behind the signature.",
    "Append the signature last, behind all that it signs.",
)
BODY_JOINED: Final = _a(
    "body_joined_with_ampersand",
    "Query and body were signed with & between them.",
    "Sign query and body with nothing between them, or send everything in the query.",
)
BODY_FIRST: Final = _a(
    "body_before_query", "The body was signed before the query.", "Sign the query first, then the body."
)
BODY_LEFT_OUT: Final = _a(
    "body_left_out", "The body was not signed.", "Sign the query and, right behind it, the body."
)
QUERY_LEFT_OUT: Final = _a(
    "query_left_out", "Only the body was signed.", "Sign the query and, right behind it, the body."
)
WRONG_CASE: Final = _a(
    "wrong_case",
    "The text was signed in another case than it was sent in.",
    "Sign the very text that is sent: also %2F and %2f are two texts.",
)
ADDED_AFTERWARDS: Final = _a(
    "parameter_added_after_signing",
    "A parameter was added after the rest had been signed.",
    "Add every parameter before signing; an HTTP client or proxy may add one of its own.",
)
TIME_CHANGED: Final = _a(
    "timestamp_changed_after_signing",
    "The timestamp was signed in another unit than it was sent in.",
    "Write it once, in milliseconds, and sign that.",
)
WITH_PATH: Final = _a(
    "path_signed",
    "The path or the question mark was signed too.",
    "Sign only what stands behind the question mark.",
)
WRONG_ALGORITHM: Final = _a(
    "wrong_algorithm",
    "It was signed with another algorithm than the key is for.",
    "A shared secret signs with HMAC-SHA256 in hexadecimal, an RSA key with PKCS#1 v1.5 and SHA-256, an Ed25519 key "
    "as it is; the latter two in base64, percent-encoded.",
)
NO_TIME: Final = _a(
    "timestamp_missing", "There is no timestamp.", "Every signed request needs one, in milliseconds."
)
TIME_UNIT: Final = _a(
    "timestamp_unit",
    "The timestamp is not in milliseconds (seconds have 10 digits, milliseconds 13).",
    "Send epoch milliseconds.",
)
TIME_IN_MICROSECONDS: Final = _a(
    "timestamp_microseconds",
    "The timestamp is in microseconds, which only Binance spot takes.",
    "Send epoch milliseconds: 13 digits.",
)
WIDE_WINDOW: Final = _a(
    "recv_window_too_wide", "recvWindow is above 60000.", "Use at most 60000; 5000 is the default."
)
NAME_OF_SIGNATURE: Final = _a(
    "signature_name", "The signature's parameter is not written in lower case.", "Call it signature."
)
OTHER_MARKET: Final = _a(
    "other_market",
    "Host and path belong to different markets.",
    "Spot: api.binance.com and /api/. USD-M futures: fapi.binance.com and /fapi/. A key needs the right for each.",
)
SPOT_KEY: Final = _a(
    "futures_host",
    "It goes to the futures market, which knows only keys that may trade futures; nothing offline can show that.",
    "If it answers -2015, create the key after the futures account was opened, and enable futures on it.",
)
