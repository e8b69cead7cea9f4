"""Who is there while the story happens: people whose clients listen, and writers who go on writing."""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import cycle, islice
from queue import SimpleQueue
from threading import Event, Thread
from typing import Any, Self

import grpc

from boiler_functions.database import Database, Document, Put
from boiler_functions.database.connection import Connection
from boiler_functions.exceptions import BoilerError
from boiler_functions.types import Fields

Note = Callable[[str, Fields | None], None]
"""Receives the path of a document and its fields; None if it is gone."""

TICK = 0.1
_CURRENT = 3


class Listeners:
    """Follow a document each, as browsers do, and note each version of it.

    All share a stream, as Google's client would have three threads for each. None listens to the collection: at every
    change the emulator sends all documents of a target.
    """

    def __init__(
        self, host: str, project: str, paths: Sequence[str], note: Callable[[str, Fields | None], None]
    ) -> None:
        connection = Connection(grpc.insecure_channel(host), f"projects/{project}/databases/(default)", emulator=True)
        self._codec, self._note = connection.codec, note
        self._missing = {*range(1, len(paths) + 1)}
        self._requests: SimpleQueue[Any] = SimpleQueue()
        for number, path in enumerate(paths, 1):
            self._requests.put(connection.add_target(number, (path,)))
        self._is_current = Event()
        self._is_stopped = False
        self._stream = connection.listen(iter(self._requests.get, None))
        self._thread = Thread(target=self._follow, daemon=True)
        self._thread.start()
        assert self._is_current.wait(120), "The listeners do not receive the documents that there are."

    def stop(self) -> None:
        self._is_stopped = True
        self._requests.put(None)
        self._stream.cancel()
        self._thread.join()

    def _follow(self) -> None:
        try:
            for response in self._stream:
                self._handle(response)
        except BoilerError:
            pass
        if not self._is_stopped:
            self._note("the stream ended", None)

    def _handle(self, response: Any) -> None:
        match response.WhichOneof("response_type"):
            case "document_change":
                document: Document = self._codec.decode_document(response.document_change.document)
                self._note(document.path, document.fields)
            case "document_delete" | "document_remove" as kind:
                self._note(self._codec.path(getattr(response, kind).document), None)
            case "target_change" if response.target_change.target_change_type == _CURRENT:
                self._missing -= {*response.target_change.target_ids}
                if not self._missing:
                    self._is_current.set()


class Writers:
    """Change documents in turn, so many a second, in a thread; `change` makes the next fields of one.

    They wait while the functions are behind by more than `ahead` changes, of which `behind` says the number.
    """

    def __init__(
        self,
        database: Database,
        documents: Mapping[str, Fields],
        change: Callable[[Fields], Fields],
        rate: float,
        behind: Callable[[int], int],
        ahead: int,
    ) -> None:
        self.documents = dict(documents)
        self.written = 0
        self.seconds = 0.0
        self._database, self._change, self._behind = database, change, behind
        self._rate, self._ahead = rate, ahead
        self._stop = Event()
        self._threads = ThreadPoolExecutor(1)
        self._work: Future[None] | None = None

    def __enter__(self) -> Self:
        self._work = self._threads.submit(self._write)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        assert self._work is not None
        self._work.result()
        self._threads.shutdown()

    def _write(self) -> None:
        started, turns = time.monotonic(), cycle(list(self.documents))
        while not self._stop.wait(TICK):
            self.seconds = time.monotonic() - started
            due = int(self.seconds * self._rate) - self.written
            room = self._ahead - self._behind(self.written)
            self._commit(list(islice(turns, max(0, min(due, room, len(self.documents), 200)))))

    def _commit(self, paths: Sequence[str]) -> None:
        if paths:
            self.documents |= {each: self._change(self.documents[each]) for each in paths}
            self._database.commit([Put(each, self.documents[each]) for each in paths])
            self.written += len(paths)
