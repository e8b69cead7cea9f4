"""Firebase ID tokens: firebase-admin verifies signatures with published keys; all other tokens are refused."""

import json
import time
from base64 import urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from firebase_admin import auth, credentials
from google.auth.credentials import AnonymousCredentials
from google.auth.exceptions import TransportError
from google.oauth2 import id_token

from boiler_functions.exceptions import Unavailable
from boiler_functions.modes.authentication import FirebaseTokens
from boiler_functions.modes.tokens import InvalidToken
from boiler_functions.testing import unsigned_token

PROJECT = "shop"
ISSUER = f"https://securetoken.google.com/{PROJECT}"


class NoCredential(credentials.Base):  # type: ignore[misc]
    def get_credential(self) -> Any:
        return AnonymousCredentials()  # type: ignore[no-untyped-call]


def key_pair() -> tuple[rsa.RSAPrivateKey, str]:
    """Returns a private key, and the certificate that Google would publish for it."""
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    return key, certificate.public_bytes(Encoding.PEM).decode()


KEY, CERTIFICATE = key_pair()
OTHER_KEY, _ = key_pair()


@pytest.fixture(autouse=True)
def published(monkeypatch: pytest.MonkeyPatch) -> None:
    """Serves Google's keys without the network; no emulator is set."""
    monkeypatch.delenv("FIREBASE_AUTH_EMULATOR_HOST", raising=False)
    monkeypatch.setattr(id_token, "_fetch_certs", lambda request, url: {"k1": CERTIFICATE})


def token(key: Any = KEY, kid: str = "k1", algorithm: str = "RS256", **changed: Any) -> str:
    now = int(time.time())
    claims = {"iss": ISSUER, "aud": PROJECT, "sub": "ada", "iat": now - 10, "exp": now + 3600, "auth_time": now - 10}
    claims = {name: value for name, value in {**claims, **changed}.items() if value is not None}
    return jwt.encode(claims, key, algorithm, headers={"kid": kid})


def tokens(**options: Any) -> FirebaseTokens:
    return FirebaseTokens(PROJECT, credential=NoCredential(), **options)


def test_a_signed_token_tells_the_user_and_their_claims() -> None:
    claims = tokens().claims(token(admin=True))
    assert (claims["uid"], claims["admin"]) == ("ada", True)


NOW = int(time.time())
FORGED = {
    "empty": "",
    "no token": "nonsense",
    "three parts of nothing": "a.b.c",
    "alg none": unsigned_token("ada", project=PROJECT),
    "signed by another key": token(OTHER_KEY),
    "of an unknown key": token(kid="k2"),
    "HS256 with the public certificate": ".".join(
        urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")
        for part in ({"alg": "HS256", "kid": "k1"}, {"aud": PROJECT, "iss": ISSUER, "sub": "ada"}, "x")
    ),
    "of another project": token(aud="other"),
    "of another issuer": token(iss="https://accounts.google.com"),
    "of another project's issuer": token(iss="https://securetoken.google.com/other"),
    "expired": token(iat=NOW - 7200, exp=NOW - 3600),
    "not valid yet": token(iat=NOW + 3600, exp=NOW + 7200),
    "without a user": token(sub=None),
    "of an empty user": token(sub=""),
    "of a user with too long an id": token(sub="x" * 129),
    "of another tenant": token(firebase={"tenant": "other"}),
    "a payload that is no object": ".".join(
        urlsafe_b64encode(text).decode().rstrip("=") for text in (b'{"alg":"RS256","kid":"k1"}', b"[1]", b"x")
    ),
    "surrogates": "\ud800.\ud800.\ud800",
}


@pytest.mark.parametrize("forged", FORGED.values(), ids=FORGED)
def test_a_token_that_proves_nothing_is_refused(forged: str) -> None:
    with pytest.raises(InvalidToken):
        tokens().claims(forged)


def test_a_tenants_users_are_admitted_where_it_is_set_and_no_others() -> None:
    ours = tokens(tenant="ours")
    assert ours.claims(token(firebase={"tenant": "ours"}))["uid"] == "ada"
    for foreign in (token(), token(firebase={"tenant": "other"}), token(firebase="ours")):
        with pytest.raises(InvalidToken):
            ours.claims(foreign)


@pytest.mark.parametrize("refusal", [auth.RevokedIdTokenError("revoked"), auth.UserDisabledError("disabled")])
def test_revoked_tokens_are_refused_where_it_is_asked_for(monkeypatch: pytest.MonkeyPatch, refusal: Exception) -> None:
    def check(*_: object) -> None:
        raise refusal

    monkeypatch.setattr(auth.Client, "_check_jwt_revoked_or_disabled", check)
    assert tokens().claims(token())["uid"] == "ada"
    with pytest.raises(InvalidToken):
        tokens(check_revoked=True).claims(token())


def test_keys_that_cannot_be_fetched_are_no_fault_of_the_token(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> None:
        raise TransportError("away")  # type: ignore[no-untyped-call]

    monkeypatch.setattr(id_token, "_fetch_certs", away)
    with pytest.raises(Unavailable):
        tokens().claims(token())


def test_an_unsigned_token_is_taken_beside_the_emulator_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    unsigned = unsigned_token("ada", project=PROJECT, admin=True)
    with pytest.raises(InvalidToken):
        tokens().claims(unsigned)
    monkeypatch.setenv("FIREBASE_AUTH_EMULATOR_HOST", "127.0.0.1:9099")
    claims = tokens().claims(unsigned)
    assert (claims["uid"], claims["admin"]) == ("ada", True)
    for foreign in (unsigned_token("ada", project="other"), "a.b.c", ""):
        with pytest.raises(InvalidToken):
            tokens().claims(foreign)


APP_CHECK: dict[str, Any] = {
    "iss": "https://firebaseappcheck.googleapis.com/1",
    "aud": [f"projects/{PROJECT}"],
    "sub": "our app",
    "iat": NOW,
}
FORGED_APPS = {
    "empty": "",
    "no token": "x",
    "an ID token": token(),
    "of another project": token(**{**APP_CHECK, "aud": ["projects/other"]}),
    "of another issuer": token(**{**APP_CHECK, "iss": "https://evil.example/"}),
    "expired": token(**{**APP_CHECK, "exp": NOW - 60}),
    "of an unknown key": token(kid="k2", **APP_CHECK),
    "signed by another key": token(OTHER_KEY, **APP_CHECK),
}


@pytest.fixture
def published_apps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Serves the keys of App Check without the network."""
    key = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(KEY.public_key()))
    published = {"keys": [{**key, "kid": "k1", "use": "sig", "alg": "RS256"}]}
    monkeypatch.setattr(jwt.PyJWKClient, "fetch_data", lambda self: published)


@pytest.mark.usefixtures("published_apps")
def test_an_app_check_token_of_our_app_is_taken() -> None:
    tokens().check_app(token(**APP_CHECK))


@pytest.mark.usefixtures("published_apps")
@pytest.mark.parametrize("forged", FORGED_APPS.values(), ids=FORGED_APPS)
def test_an_app_check_token_that_proves_nothing_is_refused(forged: str) -> None:
    with pytest.raises(InvalidToken):
        tokens().check_app(forged)


def test_app_check_keys_that_cannot_be_fetched_are_no_fault_of_the_token(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(self: object) -> None:
        raise jwt.PyJWKClientConnectionError("away")

    monkeypatch.setattr(jwt.PyJWKClient, "fetch_data", away)
    with pytest.raises(Unavailable):
        tokens().check_app(token())
