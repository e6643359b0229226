"""Signatures of RSA and Ed25519 keys, checked with the public key that the account's owner gave the venue.

RSA is RSASSA-PKCS1-v1_5 with SHA-256. Both signatures travel as base64, percent-encoded: a `+` that was not
encoded arrives as a blank, and such a signature is not valid.
"""

from base64 import b64decode
from functools import lru_cache
from typing import Final
from urllib.parse import unquote_plus

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key

_KEPT_KEYS: Final = 256


@lru_cache(maxsize=_KEPT_KEYS)
def load_public_key(pem: str) -> RSAPublicKey | Ed25519PublicKey:
    """Read a public key in PEM form; raises `ValueError` for any other than RSA and Ed25519."""
    key = load_pem_public_key(pem.encode())
    if isinstance(key, RSAPublicKey | Ed25519PublicKey):
        return key
    raise ValueError("a public key is RSA or Ed25519")


def is_signed_by(pem: str, signed: str, signature: str) -> bool:
    """Check a signature as it came over the wire."""
    key = load_public_key(pem)
    data = signed.encode("latin-1")
    try:
        raw = b64decode(unquote_plus(signature), validate=True)
        if isinstance(key, Ed25519PublicKey):
            key.verify(raw, data)
        else:
            key.verify(raw, data, PKCS1v15(), SHA256())
    except (InvalidSignature, ValueError):
        return False
    return True
