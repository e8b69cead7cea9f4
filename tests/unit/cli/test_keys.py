"""A private key is found in a file, however it is written there; a text that only speaks of keys has none."""

import json
from base64 import b64encode, encodebytes, urlsafe_b64encode
from pathlib import Path
from urllib.parse import quote

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    pkcs12,
)

from boiler_functions.cli import keys
from boiler_functions.cli.keys import holds_key

KEY = ec.generate_private_key(ec.SECP256R1())
RSA = rsa.generate_private_key(65537, 2048)
PEM = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
FILE = json.dumps({"type": "service_account", "private_key": PEM}, indent=2)
LINES = PEM.splitlines()
SECRET = "870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE"

FORMATS: dict[str, bytes] = {
    "PKCS #8": PEM.encode(),
    "RFC 5915": KEY.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()),
    "PKCS #1": RSA.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()),
    "encrypted": RSA.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")),
    "encrypted, with headers": RSA.private_bytes(
        Encoding.PEM, PrivateFormat.TraditionalOpenSSL, BestAvailableEncryption(b"x")
    ),
    "OpenSSH": KEY.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()),
    "PGP": b"-----BEGIN PGP PRIVATE KEY BLOCK-----\nVersion: 2\n\nlQOYBF1234567890abcdefgh\n",
    "PuTTY": b"PuTTY-User-Key-File-3: ssh-ed25519\n",
    **{
        f"DER {name} {kind}": key.private_bytes(Encoding.DER, form, NoEncryption())
        for kind, key in (("EC", KEY), ("RSA", RSA))
        for name, form in (("PKCS #8", PrivateFormat.PKCS8), ("traditional", PrivateFormat.TraditionalOpenSSL))
    },
    "PKCS #12": pkcs12.serialize_key_and_certificates(b"x", KEY, None, None, BestAvailableEncryption(b"notasecret")),
    "JSON Web Key": json.dumps({"kty": "EC", "crv": "P-256", "d": SECRET}).encode(),
    "JSON Web Key, sorted": json.dumps({"crv": "P-256", "d": SECRET, "kty": "EC"}).encode(),
    "a user's login": b'{"type": "authorized_user", "refresh_token": "1//0abcdefghijk"}',
}

SPELLINGS: dict[str, str] = {
    "a service account": FILE,
    "JSON on one line": json.dumps(json.loads(FILE)),
    "JSON with other escapes": FILE.replace("\\n", "\\u000a"),
    "JSON in JSON": json.dumps({"key": FILE}),
    "JSON in JSON in JSON": json.dumps({"key": json.dumps({"key": FILE})}),
    "a Python literal": repr(PEM),
    "a literal for each line": "\n".join(f"    {line + chr(10)!r}" for line in LINES),
    "a sum of literals": " + \n".join(f"    {line + chr(10)!r}" for line in LINES),
    "an indented block": "key: |\n" + "\n".join(f"      {line}" for line in LINES),
    "a comment": "\n".join(f"# {line}" for line in LINES),
    "lines of Windows": PEM.replace("\n", "\r\n"),
    "a variable": f"KEY={json.dumps(PEM)}",
    "one line": " ".join(LINES),
    "XML": PEM.replace("\n", "&#10;"),
    "a URL": quote(PEM),
    **{
        f"base64 {shift} of {name}": b64encode(b"x" * shift + text.encode()).decode()
        for shift in range(3)
        for name, text in (("the file", FILE), ("the key", PEM))
    },
    "base64 in lines": encodebytes(FILE.encode()).decode(),
    "base64 for URLs": urlsafe_b64encode(FILE.encode()).decode(),
}

PUBLIC: dict[str, bytes] = {
    "a public key": KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
    "a public key in DER": RSA.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
    "a public JSON Web Key": json.dumps({"kty": "EC", "crv": "P-256", "x": SECRET}).encode(),
    "code that looks for keys": b'if text.startswith("-----BEGIN PRIVATE KEY-----"):\n    "service_account"\n',
    "this package": Path(keys.__file__).read_bytes(),
    "prose": b"A key is from `-----BEGIN PRIVATE KEY-----` to `-----END PRIVATE KEY-----`, since version 2.3.4.",
    "nothing": b"",
}


@pytest.mark.parametrize("name", FORMATS)
def test_a_private_key_of_any_format_is_found(name: str) -> None:
    assert holds_key(FORMATS[name])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-be"])
@pytest.mark.parametrize("name", SPELLINGS)
def test_a_private_key_is_found_however_it_is_spelled(name: str, encoding: str) -> None:
    assert holds_key(SPELLINGS[name].encode(encoding))


@pytest.mark.parametrize("between", ["\n", "\\n", "\\\\r\\\\n", '"\n    "', "&#10;"])
@pytest.mark.parametrize("width", range(60, 80))
def test_a_private_key_is_found_wherever_the_lines_of_its_base64_break(width: int, between: str) -> None:
    text = b64encode(FILE.encode()).decode()
    lines = [text[start : start + width] for start in range(0, len(text), width)]
    assert holds_key(between.join(lines).encode())


@pytest.mark.parametrize("name", PUBLIC)
def test_what_is_no_private_key_is_taken_for_none(name: str) -> None:
    assert not holds_key(PUBLIC[name])
