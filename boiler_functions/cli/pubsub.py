"""A subscription of Pub/Sub over REST: its messages are pulled, and acknowledged once they are dealt with.

https://cloud.google.com/pubsub/docs/reference/rest/v1/projects.subscriptions
"""

from __future__ import annotations

import os
from base64 import b64decode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any, NamedTuple

import google.auth
from google.auth.credentials import AnonymousCredentials
from google.auth.exceptions import GoogleAuthError
from google.auth.transport.requests import AuthorizedSession
from requests import RequestException, Response

from boiler_functions.exceptions import ConfigurationError, NotPermitted, Unavailable

EMULATOR_HOST = "PUBSUB_EMULATOR_HOST"

PULLED = 100
"""The most messages of one pull."""

LEASE = 600
"""For so many seconds nobody else is given a pulled message; Pub/Sub grants no more."""

_SCOPES = ("https://www.googleapis.com/auth/pubsub",)
_SECONDS = 30.0


class PulledMessage(NamedTuple):
    """A message as it was pulled; `ack_id` names this delivery of it."""

    id: str
    ack_id: str
    data: bytes
    attributes: Mapping[str, str]
    published: datetime

    @classmethod
    def of(cls, received: Mapping[str, Any]) -> PulledMessage:
        message = received["message"]
        data, attributes = b64decode(message.get("data", "")), message.get("attributes", {})
        published = datetime.fromisoformat(message["publishTime"])
        return cls(message["messageId"], received["ackId"], data, attributes, published)


@dataclass(frozen=True)
class Subscription:
    """A subscription: `projects/my-project/subscriptions/towns-undelivered`."""

    name: str
    session: Any
    root: str = "https://pubsub.googleapis.com"

    @classmethod
    def of(cls, project: str, name: str, key_file: str | None, environ: Mapping[str, str] = os.environ) -> Subscription:
        """Returns the subscription in the cloud, or in the emulator that the environment names."""
        path = f"projects/{project}/subscriptions/{name}"
        if host := environ.get(EMULATOR_HOST):
            return cls(path, AuthorizedSession(AnonymousCredentials()), f"http://{host}")  # type: ignore[no-untyped-call]
        try:
            if key_file:
                credentials: Any = google.auth.load_credentials_from_file(key_file, scopes=_SCOPES)[0]  # type: ignore[no-untyped-call]
            else:
                credentials = google.auth.default(scopes=_SCOPES)[0]
        except GoogleAuthError as error:
            raise ConfigurationError(
                f"No credentials for Pub/Sub: {error} Run 'gcloud auth application-default login', or set "
                f"{EMULATOR_HOST} to use the emulator."
            ) from error
        return cls(path, AuthorizedSession(credentials))  # type: ignore[no-untyped-call]

    def messages(self) -> Iterator[PulledMessage]:
        """Yields each message once, and keeps it from others for ten minutes, until none comes any more."""
        seen: set[str] = set()
        while True:
            # Without the flag, a pull waits for a message; https://cloud.google.com/pubsub/docs/pull#unary_pull_code.
            answer = self._call("pull", {"maxMessages": PULLED, "returnImmediately": True})
            found = [PulledMessage.of(each) for each in answer.get("receivedMessages", ())]
            new = {each.id: each for each in found if each.id not in seen}
            if not new:
                return
            self._extend([each.ack_id for each in found], LEASE)
            seen |= new.keys()
            yield from new.values()

    def acknowledge(self, messages: Sequence[PulledMessage]) -> None:
        """Ends the messages: they come no more."""
        for ids in _ack_ids(messages):
            self._call("acknowledge", {"ackIds": ids})

    def release(self, messages: Sequence[PulledMessage]) -> None:
        """Leaves the messages where they are: they come again at once."""
        for ids in _ack_ids(messages):
            self._extend(ids, 0)

    def _extend(self, ids: list[str], seconds: int) -> None:
        self._call("modifyAckDeadline", {"ackIds": ids, "ackDeadlineSeconds": seconds})

    def _call(self, method: str, body: Mapping[str, Any]) -> Any:
        try:
            answer = self.session.post(f"{self.root}/v1/{self.name}:{method}", json=body, timeout=_SECONDS)
        except (RequestException, GoogleAuthError) as error:
            raise Unavailable(f"Pub/Sub does not answer: {error} Try again.") from error
        if answer.status_code == HTTPStatus.OK:
            return answer.json()
        raise self._error(answer)

    def _error(self, answer: Response) -> Exception:
        said = f"{answer.status_code} {answer.text[:500]}"
        match answer.status_code:
            case HTTPStatus.NOT_FOUND:
                return ConfigurationError(
                    f"There is no subscription {self.name}, which keeps undelivered events. `boiler deploy` makes it; "
                    f"firebase-tools does not."
                )
            case HTTPStatus.FORBIDDEN | HTTPStatus.UNAUTHORIZED:
                return NotPermitted(
                    f"You may not pull from {self.name}: {said} Ask for roles/pubsub.subscriber on this subscription."
                )
            case HTTPStatus.BAD_REQUEST:
                return ConfigurationError(f"Pub/Sub refuses a request to {self.name}: {said}")
        return Unavailable(f"Pub/Sub does not answer as it should: {said} Try again.")


def _ack_ids(messages: Sequence[PulledMessage]) -> Iterator[list[str]]:
    """Yields the ids in lists that fit into a request."""
    for start in range(0, len(messages), PULLED):
        yield [each.ack_id for each in messages[start : start + PULLED]]
