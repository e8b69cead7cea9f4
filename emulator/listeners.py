"""Listens to documents as browsers do, and records what the listeners saw."""

import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Self

from google.cloud import firestore

from boiler_functions.exceptions import NotDrained
from boiler_functions.types import Fields


class NotSeen(NotDrained):
    """A listener has not received the current version of its document."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """A document as a listener saw it, None if it did not exist, and the time (`time.monotonic`)."""

    at: float
    fields: Fields | None


class Listeners:
    """A listener of Google's client on each document.

    with Listeners(client, ["users/uid1"]) as listeners:
        listeners.await_all({"users/uid1": {"name": "Ada"}})
    """

    def __init__(self, client: firestore.Client, paths: Iterable[str]) -> None:
        self._changed = threading.Condition()
        self._seen: dict[str, list[Sighting]] = {path: [] for path in paths}
        self._watches: list[Any] = [client.document(path).on_snapshot(partial(self._see, path)) for path in self._seen]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for watch in self._watches:
            watch.unsubscribe()

    def forget(self) -> None:
        """Forgets what the listeners saw so far; `since` returns only later sightings."""
        with self._changed:
            self._seen = {path: seen[-1:] for path, seen in self._seen.items()}

    def since(self, path: str) -> list[Sighting]:
        """Returns what the listener on the path saw since `forget`."""
        with self._changed:
            return self._seen[path][1:]

    def await_all(self, documents: Mapping[str, Fields | None], timeout: float = 15.0) -> None:
        """Returns once every listener has seen its document with these fields; raises NotSeen otherwise."""
        with self._changed:
            if not self._changed.wait_for(lambda: not self._behind(documents), timeout):
                late = ", ".join(self._behind(documents))
                raise NotSeen(f"After {timeout:g} s the listeners on {late} have not seen the current documents.")

    def _behind(self, documents: Mapping[str, Fields | None]) -> list[str]:
        return [path for path, seen in self._seen.items() if not seen or seen[-1].fields != documents[path]]

    def _see(self, path: str, snapshots: Sequence[Any], *_: object) -> None:
        fields = snapshots[0].to_dict() if snapshots else None
        with self._changed:
            self._seen[path].append(Sighting(time.monotonic(), fields))
            self._changed.notify_all()
