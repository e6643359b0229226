"""Each known mistake made on purpose is named, and none of them is named where none was made."""

import hashlib
import hmac
import json
from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from adapters.diagnosis import Diagnosis, SentRequest, UnreadableRequestError, diagnose, read_request

VECTORS = json.loads((Path(__file__).parent / "vectors.json").read_text(encoding="utf-8"))
SECRET = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
KEY = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"
PAIRS = ("symbol=LTCBTC", "side=BUY", "note=a%20b%2Fc", "recvWindow=5000", "timestamp=1499827319559")
QUERY = "&".join(PAIRS)
BODY = "quantity=1&price=0.1"
PEM = (
    Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    .private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    .decode()
)


def mac(text: str, secret: str = SECRET, digest: str = "sha256") -> str:
    return hmac.new(secret.encode(), text.encode(), digest).hexdigest()


def sent(signature: str, *, query: str = QUERY, body: str = "", key: str = KEY) -> SentRequest:
    return SentRequest(query=f"{query}&signature={quote(signature, safe='')}", body=body, api_key=key)


MISTAKES: dict[str, tuple[SentRequest, str]] = {
    "line end": (sent(mac(QUERY, SECRET + "\n")), "secret_with_white_space"),
    "leading space": (sent(mac(QUERY, f" {SECRET}")), "secret_with_white_space"),
    "byte order mark": (sent(mac(QUERY, f"\ufeff{SECRET}")), "secret_with_white_space"),
    "quotes": (sent(mac(QUERY, f'"{SECRET}"')), "secret_with_white_space"),
    "swapped": (sent(mac(QUERY, KEY)), "key_and_secret_swapped"),
    "sorted": (sent(mac("&".join(sorted(PAIRS)))), "parameters_reordered"),
    "some other order": (
        sent(mac("&".join([PAIRS[2], PAIRS[0], *PAIRS[3:], PAIRS[1]]))),
        "parameters_reordered",
    ),
    "not encoded": (sent(mac(QUERY.replace("%20", " ").replace("%2F", "/"))), "not_encoded_before_signing"),
    "encoded twice": (sent(mac(QUERY.replace("%", "%25"))), "encoded_twice"),
    "encoded again": (sent(mac(QUERY), query=QUERY.replace("%", "%25")), "encoded_twice"),
    "plus signed": (sent(mac(QUERY.replace("%20", "+"))), "plus_for_space"),
    "plus sent": (sent(mac(QUERY), query=QUERY.replace("%20", "+")), "plus_for_space"),
    "not last": (
        SentRequest(query=f"{QUERY}&signature={mac(QUERY)}&newClientOrderId=x"),
        "signature_not_last",
    ),
    "joined": (sent(mac(f"{QUERY}&{BODY}"), body=BODY), "body_joined_with_ampersand"),
    "body left out": (sent(mac(QUERY), body=BODY), "body_left_out"),
    "query left out": (sent(mac(BODY), body=BODY), "query_left_out"),
    "body first": (sent(mac(BODY + QUERY), body=BODY), "body_before_query"),
    "symbol in lower case": (
        sent(mac(QUERY.replace("LTCBTC", "ltcbtc").replace("BUY", "buy").replace("%2F", "%2f"))),
        "wrong_case",
    ),
    "escapes in lower case": (sent(mac(QUERY.replace("%2F", "%2f"))), "wrong_case"),
    "seconds signed": (sent(mac(QUERY.replace("319559", "319"))), "timestamp_changed_after_signing"),
    "microseconds sent": (
        sent(mac(QUERY), query=QUERY.replace("319559", "319559000")),
        "timestamp_changed_after_signing",
    ),
    "sha512": (sent(mac(QUERY, digest="sha512")), "wrong_algorithm"),
    "base64": (
        sent(b64encode(hmac.new(SECRET.encode(), QUERY.encode(), "sha256").digest()).decode()),
        "wrong_algorithm",
    ),
    "plain hash": (sent(hashlib.sha256((QUERY + SECRET).encode()).hexdigest()), "wrong_algorithm"),
    "one parameter added": (sent(mac("&".join([*PAIRS[:2], *PAIRS[3:]]))), "parameter_added_after_signing"),
    "two parameters added": (sent(mac("&".join([PAIRS[0], *PAIRS[3:]]))), "parameter_added_after_signing"),
    "question mark": (sent(mac(f"?{QUERY}")), "path_signed"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_made_on_purpose_is_named(name: str) -> None:
    request, code = MISTAKES[name]
    found = diagnose(request, SECRET)
    assert not found.is_right
    assert found.explanation is not None
    assert found.explanation.code == code
    assert found.explanation.remedy


def test_a_private_key_taken_for_a_shared_secret_is_the_wrong_algorithm() -> None:
    found = diagnose(sent(mac(QUERY, PEM)), PEM)
    assert found.explanation is not None
    assert found.explanation.code == "wrong_algorithm"


@pytest.mark.parametrize("signature", [mac(QUERY, "another secret"), "0" * 64, "bm9uZQ==", ""])
def test_where_no_known_mistake_explains_it_none_is_named(signature: str) -> None:
    assert diagnose(sent(signature), SECRET) == Diagnosis(is_right=False, explanation=None, others=())


@pytest.mark.parametrize("write", [str, str.upper])
@pytest.mark.parametrize("stored", [SECRET, f"{SECRET}\n", f"\ufeff{SECRET}\r\n"])
def test_a_right_signature_is_right_however_the_file_ends(stored: str, write: Callable[[str], str]) -> None:
    assert diagnose(sent(write(mac(QUERY))), stored) == Diagnosis(is_right=True, explanation=None, others=())


@pytest.mark.parametrize("vector", VECTORS["hmac_sha256_hex"], ids=lambda vector: vector["name"])
def test_the_venues_own_examples_are_right(vector: dict[str, str]) -> None:
    assert diagnose(sent(vector["signature"], query=vector["payload"]), vector["secret"]).is_right


OTHERS = {
    "seconds": (QUERY.replace("319559", "319"), "timestamp_unit"),
    "microseconds": (QUERY.replace("319559", "319559000"), "timestamp_microseconds"),
    "no time": ("&".join(PAIRS[:4]), "timestamp_missing"),
    "window": (QUERY.replace("recvWindow=5000", "recvWindow=60001"), "recv_window_too_wide"),
}


def test_microseconds_are_right_where_the_venue_takes_them() -> None:
    query, code = OTHERS["microseconds"]
    for host, others in (("api.binance.com", []), ("api.binance.us", [code])):
        found = diagnose(replace(sent(mac(query), query=query), host=host), SECRET)
        assert [other.code for other in found.others] == others


@pytest.mark.parametrize("name", OTHERS)
def test_what_no_signature_shows_is_told_beside_it(name: str) -> None:
    query, code = OTHERS[name]
    found = diagnose(sent(mac(query), query=query), SECRET)
    assert found.is_right
    assert [other.code for other in found.others] == [code]


@pytest.mark.parametrize(
    ("url", "codes"),
    [
        ("https://fapi.binance.com/fapi/v1/order", ["futures_host"]),
        ("https://fapi.binance.com/api/v3/order", ["other_market"]),
        ("https://api.binance.com/fapi/v1/order", ["other_market"]),
        ("https://api.binance.com/api/v3/order", []),
    ],
)
def test_a_key_of_another_market_is_thought_of(url: str, codes: list[str]) -> None:
    found = diagnose(read_request(f"{url}?{QUERY}&signature={mac(QUERY)}"), SECRET)
    assert [other.code for other in found.others] == codes


def test_a_request_is_read_from_a_url_a_query_and_a_curl_line() -> None:
    signed = f"{QUERY}&signature={mac(QUERY + BODY)}"
    url = f"https://api.binance.com/api/v3/order?{signed}"
    curl = f"curl -H 'X-MBX-APIKEY: {KEY}' \\\n -X POST '{url}' -d '{BODY}'"
    for request in (read_request(url, BODY), read_request(signed, BODY), read_request(curl)):
        assert (request.query, request.body) == (signed, BODY)
        assert diagnose(request, SECRET).is_right
    assert read_request(curl).api_key == KEY


@pytest.mark.parametrize("text", ["", "symbol=X", "curl -X POST", "curl 'https://x/?a=b", "https://x/y?z=1"])
def test_what_carries_no_signature_is_refused_without_showing_it(text: str) -> None:
    with pytest.raises(UnreadableRequestError) as caught:
        read_request(text)
    assert "symbol" not in str(caught.value)


def test_neither_the_request_nor_the_verdict_shows_a_secret_or_a_key() -> None:
    request = sent(mac(QUERY, KEY))
    shown = repr(request) + repr(diagnose(request, SECRET))
    assert SECRET not in shown
    assert KEY not in shown
