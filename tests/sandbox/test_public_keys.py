"""RSA and Ed25519 keys: the venue has the public half, and the signature is base64, percent-encoded."""

from base64 import b64encode
from typing import Any
from urllib.parse import quote, urlencode

import aiohttp
import ccxt
import pytest
from binance.client import Client
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as generate_ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from adapters.sandbox.config import make_account, render_accounts_toml
from adapters.sandbox.model import Dialect
from adapters.sandbox.server import SandboxServer
from tests.sandbox.client import START_MS, Answer, HttpClient, VenueClient, an_exchange

RSA = generate_rsa(public_exponent=65_537, key_size=2_048)
ED25519 = Ed25519PrivateKey.generate()
Key = RSAPrivateKey | Ed25519PrivateKey


def public(key: Any) -> str:
    pem: bytes = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return pem.decode()


def private(key: Key) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def signed(key: Key, text: str) -> str:
    raw = (
        key.sign(text.encode())
        if isinstance(key, Ed25519PrivateKey)
        else key.sign(text.encode(), PKCS1v15(), SHA256())
    )
    return b64encode(raw).decode()


def ask(venue: VenueClient, signature: str) -> Answer:
    text = urlencode({"timestamp": START_MS})
    return venue.send(venue.request("GET", "openOrders", f"{text}&signature={signature}"))


@pytest.fixture(params=[RSA, ED25519], ids=["rsa", "ed25519"])
def key(request: pytest.FixtureRequest) -> Key:
    chosen: Key = request.param
    return chosen


@pytest.mark.parametrize("dialect", [Dialect.BINANCE, Dialect.BINANCE_US, Dialect.BINANCE_USDM])
def test_a_signature_of_the_private_key_is_valid_and_no_other(key: Key, dialect: Dialect) -> None:
    account = make_account("keyed", dialect, public_key=public(key))
    venue = VenueClient(an_exchange(accounts=(account,)), "keyed")
    text = urlencode({"timestamp": START_MS})
    good = signed(key, text)
    assert ask(venue, quote(good, safe="")).status == 200
    assert ask(venue, quote(signed(key, text + "&x=1"), safe="")).error[:2] == (400, -1022)
    assert ask(venue, "0" * 64).error[:2] == (400, -1022)
    assert ask(venue, "%%%").error[:2] == (400, -1022)


def test_a_plus_that_was_not_encoded_is_a_blank(key: Key) -> None:
    account = make_account("keyed", public_key=public(key))
    venue = VenueClient(an_exchange(accounts=(account,)), "keyed")
    stamps = (urlencode({"timestamp": START_MS - late}) for late in range(5_000))
    text = next(text for text in stamps if "+" in signed(key, text))
    good = signed(key, text)
    for signature, status in ((quote(good, safe=""), 200), (quote(good, safe="+"), 400)):
        sent = venue.request("GET", "openOrders", f"{text}&signature={signature}")
        assert venue.send(sent).status == status


def test_the_account_file_names_a_file_for_the_private_key() -> None:
    text = render_accounts_toml([make_account("keyed", public_key=public(ED25519))], "http://127.0.0.1:9000")
    assert 'secret_key_file = "keyed.pem"' in text
    assert "secret_key =" not in text


async def test_an_account_with_a_public_key_is_added_over_the_control_api(server: SandboxServer) -> None:
    async with aiohttp.ClientSession() as session:
        http = HttpClient(session, server.url, server.exchange.state.accounts["main"])
        added = await http.control("POST", "accounts", name="keyed", public_key=public(ED25519))
        assert (added.status, added.json["secret_key"]) == (200, "")
        for wrong in ("nonsense", public(generate_ec(SECP256R1()))):
            assert (await http.control("POST", "accounts", name="x", public_key=wrong)).status == 400


def test_ccxt_and_python_binance_sign_with_it(key: Key, background_server: SandboxServer) -> None:
    account = make_account("keyed", public_key=public(key))
    background_server.exchange.add_account(account)
    client = Client(account.api_key, private_key=private(key), ping=False)
    client.API_URL = f"{background_server.url}/api"
    assert client.order_market_buy(symbol="BTCUSDT", quantity="0.01")["status"] == "FILLED"
    client.session.close()
    client.loop.close()
    other = ccxt.binance({"apiKey": account.api_key, "secret": private(key)})
    other.urls["api"]["private"] = f"{background_server.url}/api/v3"
    assert other.privateGetAccount()["canTrade"] is True
    other.session.close()
