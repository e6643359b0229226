"""Signatures: the venues' own vectors, and nothing of a key in any text."""

import base64
import hmac
import json
from pathlib import Path
from urllib.parse import parse_qsl, unquote

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from hypothesis import given
from hypothesis import strategies as st

from adapters.model import Call, Purpose, Security
from adapters.signing import Ed25519Signer, HmacSigner, RsaSigner, UnusableKeyError, make_signer
from adapters.venues import get
from adapters.wire import encode, sign_request

VECTORS = json.loads((Path(__file__).parent / "vectors.json").read_text())
SPOT_SECRET = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"


def by_name(rows: list[dict[str, str]]) -> list[object]:
    return [pytest.param(row, id=row["name"]) for row in rows]


@pytest.mark.parametrize("vector", by_name(VECTORS["hmac_sha256_hex"]))
def test_an_official_hmac_vector_is_reproduced(vector: dict[str, str]) -> None:
    assert vector["source"]
    signer = make_signer("key", vector["secret"])
    assert signer.sign(vector["payload"].encode()) == vector["signature"]
    assert signer.sign(vector["payload"].encode()) == vector["signature"], "a signer is not used up"


@pytest.mark.parametrize("vector", by_name(VECTORS["ed25519_base64"]))
def test_an_official_ed25519_vector_is_reproduced(vector: dict[str, str]) -> None:
    assert vector["source"]
    pem = f"-----BEGIN PRIVATE KEY-----\n{vector['private_key_pkcs8']}\n-----END PRIVATE KEY-----\n"
    assert unquote(make_signer("key", pem).sign(vector["payload"].encode())) == vector["signature"]


@pytest.mark.parametrize("venue", ["binance", "bitrue"])
def test_an_adapter_sends_the_official_example_byte_for_byte(venue: str) -> None:
    params = (("symbol", "LTCBTC"), ("side", "BUY"), ("type", "LIMIT"), ("timeInForce", "GTC"))
    call = Call(
        method="POST",
        path="/order",
        params=(*params, ("quantity", "1"), ("price", "0.1")),
        purpose=Purpose.PLACE,
    )
    request = get(venue).sign(
        call,
        make_signer("vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A", SPOT_SECRET),
        base_url="https://venue.invalid",
        timestamp_ms=1_499_827_319_559,
        recv_window_ms=5_000,
    )
    vector = VECTORS["hmac_sha256_hex"][0]
    assert request.url == f"https://venue.invalid/order?{vector['payload']}&signature={vector['signature']}"
    assert (
        request.headers["X-MBX-APIKEY"] == "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"
    )


def test_text_beyond_ascii_is_encoded_before_it_is_signed() -> None:
    fields = "side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1"
    call = Call(
        method="POST",
        path="/order",
        params=(("symbol", "\uff11\uff12\uff13\uff14\uff15\uff16"), *parse_qsl(fields)),
        purpose=Purpose.PLACE,
    )
    signer = make_signer("key", SPOT_SECRET)
    request = sign_request(call, signer, base_url="", timestamp_ms=1_499_827_319_559, recv_window_ms=5_000)
    vector = VECTORS["hmac_sha256_hex"][1]
    assert request.url == f"/order?{vector['payload']}&signature={vector['signature']}"


@given(st.lists(st.text(max_size=12), max_size=5))
def test_whatever_a_value_holds_it_arrives_as_it_was(values: list[str]) -> None:
    values = [value.encode("utf-8", "ignore").decode() for value in values]
    encoded = encode([(f"p{index}", value) for index, value in enumerate(values)])
    assert encoded.isascii()
    assert " " not in encoded
    assert [value for _, value in parse_qsl(encoded, keep_blank_values=True)] == values


def test_an_rsa_key_signs_with_pkcs1_and_sha256() -> None:
    key = generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    signer = make_signer("key", pem)
    assert isinstance(signer, RsaSigner)
    text = signer.sign(b"symbol=BTCUSDT&timestamp=1")
    assert not set(text) & set("+/=")
    key.public_key().verify(
        base64.b64decode(unquote(text)), b"symbol=BTCUSDT&timestamp=1", PKCS1v15(), SHA256()
    )


def test_the_form_of_the_secret_chooses_the_algorithm() -> None:
    pem = (
        Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    )
    assert isinstance(make_signer("key", f"\n{pem}\n"), Ed25519Signer)
    assert isinstance(make_signer("key", "secret"), HmacSigner)


@given(st.text(max_size=150), st.binary(max_size=200))
def test_the_precomputed_hmac_is_the_one_of_the_standard_library(secret: str, payload: bytes) -> None:
    secret = secret.encode("utf-8", "ignore").decode()
    expected = hmac.digest(secret.encode(), payload, "sha256").hex()
    assert HmacSigner("key", secret).sign(payload) == expected


def unusable_keys() -> list[object]:
    key = Ed25519PrivateKey.generate()
    curve = ec.generate_private_key(ec.SECP256R1())
    locked = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"word")).decode()
    wrong_kind = curve.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return [
        pytest.param(locked, id="encrypted"),
        pytest.param(wrong_kind, id="elliptic curve"),
        pytest.param("-----BEGIN PRIVATE KEY-----\nSECRETSECRET\n-----END PRIVATE KEY-----", id="broken"),
    ]


@pytest.mark.parametrize("pem", unusable_keys())
def test_an_unusable_private_key_is_named_without_being_shown(pem: str) -> None:
    with pytest.raises(UnusableKeyError) as caught:
        make_signer("APIKEY", pem)
    shown = f"{caught.value!r} {caught.value.__cause__!r}"
    assert "private key" in shown
    assert "SECRET" not in shown


def test_nothing_of_a_key_is_in_a_representation() -> None:
    signer = make_signer("APIKEY", "SECRETSECRET")
    call = Call(method="GET", path="/order", purpose=Purpose.LOOKUP)
    request = sign_request(call, signer, base_url="", timestamp_ms=1, recv_window_ms=1)
    shown = f"{signer!r} {signer} {request!r} {request}"
    for hidden in ("APIKEY", "SECRET", "signature", signer.sign(b"recvWindow=1&timestamp=1")):
        assert hidden not in shown


def test_a_public_call_carries_neither_key_nor_stamp() -> None:
    call = Call(method="GET", path="/time", security=Security.NONE, purpose=Purpose.PROBE)
    request = sign_request(call, make_signer("K", "S"), base_url="http://v", timestamp_ms=1, recv_window_ms=1)
    assert (request.url, dict(request.headers)) == ("http://v/time", {})


def test_a_signed_call_without_a_signer_is_a_bug() -> None:
    call = Call(method="GET", path="/order", purpose=Purpose.LOOKUP)
    with pytest.raises(ValueError, match="needs a signer"):
        sign_request(call, None, base_url="", timestamp_ms=1, recv_window_ms=1)
