"""The published HMAC vectors, checked against the sandbox's own verification.

Sources: Binance spot documentation, `rest-api` and `request-security`, and the Bitrue spot documentation, sections on
signed endpoints. The keys are printed there; they open nothing.
"""

import pytest

from adapters.sandbox.model import SandboxRequest
from adapters.sandbox.wire import read_parameters, signature_matches

SECRET = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
HEAD = "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC"
TAIL = "quantity=1&price=0.1&recvWindow=5000&timestamp=1499827319559"
DIGITS = "symbol=%EF%BC%91%EF%BC%92%EF%BC%93%EF%BC%94%EF%BC%95%EF%BC%96&side=BUY&type=LIMIT&timeInForce=GTC"
JSON_BODY = (
    '{"symbol":"LTCBTC","side":"BUY","type":"LIMIT","timeInForce":"GTC","price":0.1,"quantity":1,'
    '"timestamp":1499827319559,"recvWindow":5000}'
)
PLAIN = "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71"
MIXED = "0fd168b8ddb4876a0358a8d14d0c9f3da0e9b20c5d52b2a00fcf7d1c602f9a77"
NON_ASCII = "e1353ec6b14d888f1164ae9af8228a3dbd508bc82eb867db8ab6046442f33ef3"
JSON_STYLE = "a96755b9616ffcb19b47f38ee1c8e20bb9ff5ffdd3936ace8f457975fbc91a6a"


@pytest.mark.parametrize(
    ("query", "body", "signature"),
    [
        (f"{HEAD}&{TAIL}&signature={PLAIN}", "", PLAIN),
        ("", f"{HEAD}&{TAIL}&signature={PLAIN}", PLAIN),
        (f"signature={PLAIN}&{HEAD}&{TAIL}", "", PLAIN),
        (HEAD, f"{TAIL}&signature={MIXED}", MIXED),
        (f"{HEAD}&signature={MIXED}", TAIL, MIXED),
        (f"{DIGITS}&{TAIL}&signature={NON_ASCII}", "", NON_ASCII),
    ],
)
def test_published_form_vectors_verify(query: str, body: str, signature: str) -> None:
    parameters = read_parameters(SandboxRequest(method="POST", path="/", query=query, body=body.encode()))
    assert parameters.signature == signature
    assert signature_matches(SECRET, parameters.signed, signature)
    assert parameters.is_encoded


def test_the_published_json_vector_verifies() -> None:
    request = SandboxRequest(
        method="POST", path="/", query=f"signature={JSON_STYLE}", body=JSON_BODY.encode()
    )
    parameters = read_parameters(request, body_is_form=False)
    assert signature_matches(SECRET, parameters.signed, JSON_STYLE)
    assert parameters.values["price"] == "0.1"


def test_a_signature_is_not_case_sensitive() -> None:
    assert signature_matches(SECRET, f"{HEAD}&{TAIL}", PLAIN.upper())
    assert not signature_matches(SECRET, f"{HEAD}&{TAIL} ", PLAIN)
