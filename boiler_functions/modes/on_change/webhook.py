"""Webhook: sends a change to a URL as JSON, signed as https://www.standardwebhooks.com specifies."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import time
from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Any
from urllib.parse import SplitResult, urlsplit

from boiler_functions.exceptions import ConfigurationError, InvalidSink, Undeliverable, Undelivered
from boiler_functions.models.model import Model
from boiler_functions.models.spelling import as_json
from boiler_functions.modes.on_change.declaration import Changed
from boiler_functions.settings.checks import positive
from boiler_functions.settings.place import is_deployed
from boiler_functions.types import is_name

PREFIX = "whsec_"

# After these the receiver may accept the same request later; after any other 4xx it would refuse it again.
_PASSING = (408, 409, 429)

# Refuses spaces and control characters, which http.client would refuse with an error that quotes the whole URL.
_URL = re.compile(r"[!-~]+")

_LOOPBACK = r"localhost|127\.\d+\.\d+\.\d+|::1"


class Webhook:
    """A URL that receives changes by POST, with a signature that the receiver can check.

        cities = Webhook("https://example.com/cities", secret_env="CITIES_SECRET")

        @app.on_change(City)
        def tell(change: Changed[City]) -> None:
            cities.notify(change)

    `secret_env` names the environment variable with the secret: `whsec_` and base64, as Standard Webhooks specifies, or
    any other text. Several secrets, separated by spaces, all sign, so that a secret can be replaced. The URL must be
    public and `https`; outside the cloud, `http://localhost` works, too. Redirects are not followed.
    """

    def __init__(self, url: str, *, secret_env: str, timeout_sec: float = 10.0) -> None:
        if not is_name(secret_env):
            # The message does not quote the value, which may be the secret itself.
            raise InvalidSink(f"{_shown(url)}: secret_env must be the name of an environment variable.")
        parts = _parts(url)
        if parts is None or not parts.hostname or "@" in parts.netloc or parts.fragment:
            raise InvalidSink(f"{_shown(url)}: give a URL with a host, such as 'https://example.com/hooks'.")
        if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(parts)):
            raise InvalidSink(f"{_shown(url)}: use https, as others could read the change; http is only for localhost.")
        positive(f"{_shown(url)}: timeout_sec", timeout_sec)
        self.url = url
        self.secret_env = secret_env
        self.timeout_sec = timeout_sec
        if self.secret_env in os.environ:
            self._secrets()

    def __repr__(self) -> str:
        return _shown(self.url)

    def notify(self, change: Changed[Model], data: Mapping[str, Any] | None = None) -> None:
        """Sends the change, or `data` instead, under the change's key.

        Raises Undelivered if a later attempt may succeed (no answer, 5xx, 408, 409, 429), and Undeliverable for any
        other answer except 2xx.
        """
        status = self._post(change.key, message(change) if data is None else {"data": as_json(data)})
        if 200 <= status < 300:
            return
        if status >= 500 or status in _PASSING:
            raise Undelivered(f"{self!r} answered {status}.")
        hint = "; redirects are not followed, give the last URL" if 300 <= status < 400 else ""
        raise Undeliverable(f"{self!r} answered {status} and would again{hint}.")

    def _post(self, key: str, content: Mapping[str, Any]) -> int:
        # Imported late, because most functions of an app never send a webhook and need no HTTP client.
        from boiler_functions.modes.on_change.public_http import post

        body = json.dumps(content, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
        timestamp = str(int(time.time()))
        headers = {
            "content-type": "application/json",
            "user-agent": "boiler_functions",
            "webhook-id": key,
            "webhook-timestamp": timestamp,
            "webhook-signature": " ".join(signature(each, key, timestamp, body) for each in self._secrets()),
        }
        try:
            return post(urlsplit(self.url), headers, body, self.timeout_sec, local=self._is_local())
        except OSError as error:
            raise Undelivered(f"{self!r} gave no answer: {type(error).__name__}: {error}") from error

    def _is_local(self) -> bool:
        is_local = _is_loopback(urlsplit(self.url))
        # In the cloud, this machine is the function itself, which would take the request for an event.
        if is_local and is_deployed(os.environ):
            raise Undeliverable(f"{self!r} leads to the function's own machine; give a public URL.")
        return is_local

    def _secrets(self) -> list[str]:
        secrets = os.environ.get(self.secret_env, "").split()
        if not secrets:
            raise ConfigurationError(f"{self!r}: set the environment variable {self.secret_env} to the secret.")
        for each in secrets:
            try:
                _key(each)
            except ValueError as error:
                raise ConfigurationError(f"{self!r}: the environment variable {self.secret_env} has {error}.") from None
        return secrets


def signature(secret: str, key: str, timestamp: str, body: bytes) -> str:
    """Returns the signature of one message with one secret, as the header `webhook-signature` contains it."""
    signed = b".".join([key.encode(), timestamp.encode(), body])
    return "v1," + b64encode(hmac.new(_key(secret), signed, hashlib.sha256).digest()).decode()


def message(change: Changed[Model]) -> dict[str, Any]:
    """Returns a change as JSON: `{"type": "City.changed", "timestamp": …, "data": {"path": …, "before": …, …}}`."""
    data = {"path": change.path, "before": _content(change.before), "after": _content(change.after)}
    return {"type": f"{change.name}.changed", "timestamp": change.time.isoformat(), "data": data}


def _content(model: Model | None) -> Any:
    return None if model is None else as_json(model.to_view_dict())


def _key(secret: str) -> bytes:
    """Returns the key of a secret; raises ValueError for an empty key, with which anybody could sign."""
    if not secret.startswith(PREFIX):
        return secret.encode()
    try:
        key = b64decode(secret.removeprefix(PREFIX), validate=True)
    except ValueError:
        key = b""
    if not key:
        raise ValueError(f"a secret without valid base64 after {PREFIX!r}; copy it again, or use any other text")
    return key


def _parts(url: object) -> SplitResult | None:
    """Returns the parts of a URL, or None if it cannot be parsed."""
    if not isinstance(url, str) or not _URL.fullmatch(url):
        return None
    try:
        parts = urlsplit(url)
        return parts if parts.port != 0 else None
    except ValueError:
        return None


def _shown(url: object) -> str:
    """Returns the URL for messages and logs, without user, path and query, which may be secret."""
    parts = _parts(url)
    if parts is None or not parts.hostname:
        return "Webhook(…)"
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    port = f":{parts.port}" if parts.port else ""
    return f"Webhook('{parts.scheme}://{host}{port}/…')"


def _is_loopback(url: SplitResult) -> bool:
    return bool(url.hostname and re.fullmatch(_LOOPBACK, url.hostname))
