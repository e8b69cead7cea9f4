"""Finds private keys in files, in whatever format: quoted, escaped or encoded."""

from __future__ import annotations

import re
from base64 import b64encode

# A text that only speaks of keys has no key near by: so many letters of base64 in a row, with a digit among them.
# Between may be quotes, breaks of lines however they are escaped, and the headers of an encrypted key.
_PEM = rb"PRIVATE(?: |%20|\+)KEY(?: BLOCK)?-----(?:(?!-----).){0,300}?(?=[A-Za-z+/=]*[0-9])[A-Za-z0-9+/=]{16}"

_OTHERS = (
    # What gcloud leaves of a user who has signed in.
    rb'"refresh_token"\s*:\s*"[^"]{8}',
    rb"PuTTY-User-Key-File-\d",
    # A JSON Web Key: the private part of RSA, of an elliptic curve, or a secret.
    rb'"kty"\s*:\s*"[^{}]*"[dk]"\s*:\s*"[\w-]{16}|"[dk]"\s*:\s*"[\w-]{16}[^{}]*"kty"\s*:\s*"',
)

# By the first bytes, DER: PKCS #1, #8, #12 and RFC 5915 (a sequence that begins with the number of its version, as no
# certificate and no public key does).
_BINARY = re.compile(rb"0(?:[\x20-\x7f]|\x81.|\x82..)\x02\x01[\x00\x01\x03][\x02\x04\x30]", re.DOTALL)


def _in_base64(text: bytes) -> set[bytes]:
    """Returns the text as base64 spells it, at each of the three places where it may begin."""
    # The letters at both ends depend on what is beside it.
    spelled = (b64encode(bytes(shift) + text)[-(-8 * shift // 6) : -4] for shift in range(3))
    return {re.escape(each) for each in spelled}


_KEY = re.compile(b"|".join((_PEM, *_OTHERS)), re.DOTALL)

_ENCODED = re.compile(b"|".join(sorted(_in_base64(b" PRIVATE KEY-----"))))

# What the lines of base64 may have between them, where they are quoted or escaped.
_BREAKS = re.compile(rb"\\+[rn]|&#1[03];|[\s\"'#]+")


def holds_key(content: bytes) -> bool:
    """Whether a file holds a private key, or another secret with which its holder can sign in."""
    text = content.translate(None, b"\0")  # what UTF-16 has between letters
    is_found = _BINARY.match(content) or _KEY.search(text) or _ENCODED.search(_BREAKS.sub(b"", text))
    return bool(is_found)
