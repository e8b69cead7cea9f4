"""Listens to Firestore, with one Listen stream for all targets of a database, open while there are any.

Google's client needs a stream and three threads per target, and a channel carries a hundred streams at most. This needs
one stream and two threads in all. A broken stream is opened again, and the server sends every target again, which costs
a read per document; unchanged targets are not passed on.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Iterator
from itertools import count
from queue import SimpleQueue
from threading import Condition, Thread
from typing import Final, Protocol

from boiler_functions.database import Failed, OnReading, Target
from boiler_functions.database.codec import Codec, Message, to_nanoseconds
from boiler_functions.database.watched import Watched
from boiler_functions.exceptions import BoilerError, Transient

_FIRST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 30.0

_NO_CHANGE, _ADD, _REMOVE, _CURRENT, _RESET = range(5)

log = logging.getLogger(__name__)


class Stream(Protocol):
    """An open Listen call: iterate over its responses, or cancel it."""

    def __iter__(self) -> Iterator[Message]: ...

    def cancel(self) -> object: ...


class Wire(Protocol):
    """The Listen RPC, and the messages that it takes; it raises our errors."""

    codec: Codec

    def listen(self, requests: Iterator[Message]) -> Stream: ...

    def add_target(self, identifier: int, target: Target) -> Message: ...

    def remove_target(self, identifier: int) -> Message: ...

    def error(self, cause: Message) -> BoilerError:
        """Returns our error for the status with which the server ended a target."""
        ...


class Listening:
    """All listeners of one database."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._changed = Condition()
        self._identifiers = count(1)
        self._targets: dict[int, Watched] = {}
        self._requests: SimpleQueue[Message | None] = SimpleQueue()
        self._stream: Stream | None = None
        self._thread: Thread | None = None

    def __len__(self) -> int:
        return len(self._targets)

    def add(self, target: Target, changed: OnReading, failed: Failed) -> WatchedListener:
        """Listens to the target from now on."""
        watched = Watched(target, changed, failed)
        with self._changed:
            self._add(watched)
            if self._thread is None:
                self._thread = Thread(target=self._run, name="firestore-listen", daemon=True)
                self._thread.start()
        return WatchedListener(watched, self._remove)

    def _add(self, watched: Watched) -> None:
        # Each target gets a new number whenever it is added, so that late answers to the old number are ignored.
        watched.begin()
        self._targets[identifier := next(self._identifiers)] = watched
        self._requests.put(self._wire.add_target(identifier, watched.target))

    def _remove(self, watched: Watched) -> None:
        with self._changed:
            watched.is_open = False
            for identifier in [key for key, each in self._targets.items() if each is watched]:
                del self._targets[identifier]
                self._requests.put(self._wire.remove_target(identifier))
            if not self._targets:
                self._end()
            self._changed.notify_all()

    def _end(self) -> None:
        self._requests.put(None)
        if self._stream is not None:
            self._stream.cancel()

    def _run(self) -> None:
        pause = _FIRST_PAUSE
        while stream := self._open():
            try:
                for response in stream:
                    self._handle(response)
                    pause = _FIRST_PAUSE
            except Transient as error:
                # A stream that `_end` cancelled ends with such an error, too.
                if self._targets:
                    log.warning("Listening was interrupted and starts again: %s", error)
            except BoilerError as error:
                self._fail_all(error)
            except Exception:
                log.exception("Firestore sent an answer that cannot be read. All listeners start again.")
                stream.cancel()
            with self._changed:
                self._requests.put(None)
                if self._targets:
                    self._changed.wait(random.uniform(pause / 2, pause))
            pause = min(pause * 2, _LONGEST_PAUSE)

    def _open(self) -> Stream | None:
        """Opens a new stream with all targets; without targets it returns None, and the thread ends."""
        with self._changed:
            if not self._targets:
                self._thread = self._stream = None
                return None
            requests = self._requests = SimpleQueue()
            watched, self._targets = list(self._targets.values()), {}
            for each in watched:
                self._add(each)
            self._stream = self._wire.listen(iter(requests.get, None))
            return self._stream

    def _fail_all(self, error: BoilerError) -> None:
        with self._changed:
            failed, self._targets = list(self._targets.values()), {}
        for each in failed:
            each.fail(error)

    def _handle(self, response: Message) -> None:
        match response.WhichOneof("response_type"):
            case "target_change":
                self._change_target(response.target_change)
            case "document_change":
                change = response.document_change
                document = self._wire.codec.decode_document(change.document)
                self._each(change.target_ids, lambda watched: watched.put(document))
                self._each(change.removed_target_ids, lambda watched: watched.remove(document.path))
            case "document_delete" | "document_remove" as kind:
                change = getattr(response, kind)
                path = self._wire.codec.path(change.document)
                self._each(change.removed_target_ids, lambda watched: watched.remove(path))
            case "filter":
                self._compare(response.filter)

    def _change_target(self, change: Message) -> None:
        kind, identifiers = change.target_change_type, list(change.target_ids)
        if kind == _NO_CHANGE and not identifiers and change.HasField("read_time"):
            # Only such a change says that the documents of all targets are those of one time.
            read_time = to_nanoseconds(change.read_time)
            self._each(list(self._targets), lambda watched: watched.tell(read_time))
        elif kind == _CURRENT:
            self._each(identifiers or list(self._targets), _make_current)
        elif kind == _RESET:
            self._each(identifiers or list(self._targets), Watched.begin)
        elif kind == _REMOVE:
            self._drop([each for each in identifiers if each in self._targets], change.cause)

    def _drop(self, identifiers: list[int], cause: Message) -> None:
        if not identifiers:
            return  # We removed these targets ourselves.
        error = self._wire.error(cause)
        if isinstance(error, Transient):
            raise error
        with self._changed:
            dropped = [self._targets.pop(each) for each in identifiers if each in self._targets]
        for each in dropped:
            each.fail(error)

    def _compare(self, counted: Message) -> None:
        with self._changed:
            watched = self._targets.get(counted.target_id)
            if watched is None or watched.count == counted.count:
                return
            # The server has another number of documents, so a change was missed: the target starts again.
            del self._targets[counted.target_id]
            self._requests.put(self._wire.remove_target(counted.target_id))
            self._add(watched)

    def _each(self, identifiers: list[int], do: Callable[[Watched], None]) -> None:
        with self._changed:
            found = [self._targets[each] for each in identifiers if each in self._targets]
        for watched in found:
            do(watched)


def _make_current(watched: Watched) -> None:
    watched.is_current = True


class WatchedListener:
    """A handle on one target of the stream."""

    def __init__(self, watched: Watched, remove: Callable[[Watched], None]) -> None:
        self._watched = watched
        self._remove = remove

    def close(self) -> None:
        """Stops listening; a second call does nothing."""
        self._remove(self._watched)
