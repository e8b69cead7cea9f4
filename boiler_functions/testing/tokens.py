"""Unsigned ID tokens, as the Auth emulator makes them, for tests of the HTTP function."""

from __future__ import annotations

import json
import time
from base64 import urlsafe_b64encode
from typing import Any


def unsigned_token(uid: str, *, project: str = "demo-boiler", **claims: Any) -> str:
    """Returns an ID token without a signature, which is accepted where FIREBASE_AUTH_EMULATOR_HOST is set.

    headers = {"Authorization": f"Bearer {unsigned_token('ada', project='demo-shop', admin=True)}"}
    """
    now = int(time.time())
    issuer = f"https://securetoken.google.com/{project}"
    payload = {"iss": issuer, "aud": project, "sub": uid, "user_id": uid, "iat": now, "exp": now + 3600, **claims}
    parts = ({"alg": "none", "typ": "JWT"}, {"firebase": {"sign_in_provider": "custom"}, **payload})
    return ".".join(urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts) + "."
