"""Tries what a client may do in `boiler dev`: creates a form, reads a document or calls the API as a chosen user."""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

from boiler_functions.exceptions import ConfigurationError
from boiler_functions.local.loopback import Response, request
from boiler_functions.testing.tokens import unsigned_token

_LINE = re.compile(r"@ L(\d+)")
_PLACEHOLDER = re.compile(r"\{\w+\}")


class Trial(NamedTuple):
    """The addresses of the Firestore emulator and of the app's API; `rules` gives the text that is enforced."""

    firestore: str
    api: str
    project: str
    rules: Callable[[], str]

    def make(self, wanted: Mapping[str, Any]) -> dict[str, Any]:
        """Returns what the client was answered, and the lines of the rules that denied it.

        `wanted` has "what" (create, read or call), "path", "method" and "body" of a call, "fields" of a form in the
        form of Firestore's REST interface, and "user" with "claims". Raises ConfigurationError for what cannot be sent.
        """
        path = str(wanted.get("path", "")).strip("/")
        if found := _PLACEHOLDER.search(path):
            raise ConfigurationError(f"The path {path!r} has the placeholder {found[0]}; write a value in its place.")
        headers = {"Content-Type": "application/json", **self._authorization(wanted)}
        try:
            match wanted.get("what"):
                case "create":
                    body = json.dumps({"fields": _object(wanted, "fields")}).encode()
                    answer = self._firestore("PATCH", f"{path}?currentDocument.exists=false", body, headers)
                case "read":
                    answer = self._firestore("GET", path, None, headers)
                case "call":
                    content = None if wanted.get("body") is None else json.dumps(wanted["body"]).encode()
                    answer = request(self.api, str(wanted.get("method", "GET")), f"/{path}", content, headers)
                case what:
                    raise ConfigurationError(f"{what!r} cannot be tried; give create, read or call.")
        except (OSError, http.client.HTTPException) as error:
            raise ConfigurationError(f"No answer came: {error!r}. Perhaps the app is being loaded again.") from error
        return {"status": answer.status, "body": _read(answer), "denied": self._denied(answer)}

    def _firestore(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> Response:
        document, _, question = path.partition("?")
        url = f"/v1/projects/{self.project}/databases/(default)/documents/{quote(document)}?{question}"
        return request(self.firestore, method, url, body, headers)

    def _authorization(self, wanted: Mapping[str, Any]) -> dict[str, str]:
        claims = _object(wanted, "claims")
        if not (user := str(wanted.get("user") or "")):
            if claims:
                raise ConfigurationError("There are claims without a user; give the user's id, too.")
            return {}
        return {"Authorization": f"Bearer {unsigned_token(user, **{**claims, 'project': self.project})}"}

    def _denied(self, answer: Response) -> list[dict[str, Any]]:
        """Returns the lines of the rules that the emulator's refusal names."""
        if answer.status != 403:
            return []
        lines = self.rules().splitlines()
        numbers = dict.fromkeys(int(each) for each in _LINE.findall(answer.text))
        return [{"line": each, "text": lines[each - 1].strip()} for each in numbers if 0 < each <= len(lines)]


def _object(wanted: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = wanted.get(name) or {}
    if not isinstance(value, dict):
        raise ConfigurationError(f"{name!r} is {json.dumps(value)}; give a JSON object.")
    return value


def _read(answer: Response) -> Any:
    try:
        return json.loads(answer.body)
    except ValueError:
        return answer.text
