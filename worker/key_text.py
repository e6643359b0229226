"""What is wrong with the text of a key, said without showing any of it.

Half of all "invalid signature" is a key that was pasted with something around it. Every problem names what was found,
where, and what to do; nothing is cleaned silently, because a key that has to be guessed at is no key.
"""

import unicodedata
from typing import Final

from adapters.model import KeyForm

_PRIVATE: Final = "PRIVATE KEY-----"
_PEM: Final = "-----BEGIN "
_QUOTES: Final = "\"'`“”‘’«»"  # noqa: RUF001 - the quotes that word processors put in
_NAMES: Final = {
    "\ufeff": "a byte order mark",
    "\u200b": "a zero-width space",
    "\u00a0": "a no-break space",
    "\n": "a line end",
    "\r": "a carriage return",
    "\t": "a tab",
    " ": "a space",
}


def is_pem(text: str) -> bool:
    """Whether a text is meant to be a key in PEM form."""
    return _PEM in text


def key_problem(name: str, text: str, length: int | None) -> str | None:
    """Return what is wrong with an API key or a shared secret; `None` when nothing is."""
    if not text:
        return f"{name} is empty; copy it again from the venue"
    if text[0] in _QUOTES and text[-1] in _QUOTES:
        return f"{name} is wrapped in quotes; take them off"
    for position, character in enumerate(text, 1):
        if not "!" <= character <= "~":
            return f"{name} {_where(position, len(text))} {_named(character)}; take it out, or copy the key again"
    if length is not None and len(text) != length:
        return f"{name} has {len(text)} characters where this venue's have {length}; copy all of it again"
    return None


def _where(position: int, length: int) -> str:
    if position == 1:
        return "begins with"
    return "ends with" if position == length else f"has, as character {position} of {length},"


def _named(character: str) -> str:
    code = f"U+{ord(character):04X}"
    name = _NAMES.get(character) or unicodedata.name(character, "a control character").lower()
    return f"{name} ({code})"


def secret_problem(name: str, text: str, form: KeyForm) -> str | None:
    """Return what is wrong with a secret: the shared one of an HMAC key, or a private key in PEM form."""
    if not is_pem(text):
        return key_problem(name, text, form.secret_length)
    if text.lstrip()[:1] == "\ufeff" or not text.lstrip().startswith(_PEM):
        return f"{name} has something in front of -----BEGIN; take it off"
    if _PRIVATE not in text:
        return f"{name} holds no private key; the venue gets the public half, this needs the private one"
    if "ENCRYPTED" in text:
        return (
            f"{name} is locked with a pass phrase; write it without: openssl pkey -in locked.pem -out key.pem"
        )
    return None


def pair_problem(api_key: str, secret: str, form: KeyForm) -> str | None:
    """Return what is wrong with key and secret together."""
    if api_key == secret:
        return "api_key and secret_key are the same text; one of them was pasted twice"
    lengths = (form.api_key_length, form.secret_length)
    swapped_lengths = None not in lengths and lengths[0] != lengths[1]
    if is_pem(api_key) or (swapped_lengths and (len(secret), len(api_key)) == lengths):
        return "api_key and secret_key are swapped; exchange them"
    return None
