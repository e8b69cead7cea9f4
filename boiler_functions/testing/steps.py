"""Work that runs by steps, so that chance decides who goes on at every call of the database."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextvars import copy_context
from threading import Semaphore, Thread
from typing import Generic, TypeVar

from boiler_functions.database import Committed, Database, Found, Query, Reading, Write
from boiler_functions.types import Instant

T = TypeVar("T")


class Crashed(BaseException):
    """The worker ends where it stands, as a killed process does; no `except Exception` holds it up."""


class Worker(Generic[T]):
    """A piece of work in a thread of its own, which stops at every `pause` until it is told to go on.

        worker = Worker(lambda pause: handle(Stepped(database, pause)))
        while worker.step():
            ...
        worker.result()

    Only one thread runs at any moment: the worker's while it makes a step, else the caller's.
    """

    def __init__(self, work: Callable[[Callable[[], None]], T]) -> None:
        self._work = work
        self._go = Semaphore(0)
        self._stands = Semaphore(0)
        self._killed = False
        self._done = False
        self._result: T | None = None
        self._error: BaseException | None = None
        context = copy_context()
        self._thread = Thread(target=lambda: context.run(self._run), daemon=True)
        self._thread.start()

    def step(self) -> bool:
        """Lets it go on to its next pause; whether there is one."""
        self._go.release()
        self._stands.acquire()
        return not self._done

    def crash(self) -> None:
        """Ends it where it stands."""
        self._killed = True
        while self.step():
            pass

    def result(self) -> T:
        """What the work returned; raises what it raised, Crashed when it was ended."""
        if self._error is not None:
            raise self._error
        return self._result  # type: ignore[return-value]

    def _run(self) -> None:
        try:
            self._await_turn()
            self._result = self._work(self._pause)
        except BaseException as error:
            self._error = error
        self._done = True
        self._stands.release()

    def _pause(self) -> None:
        self._stands.release()
        self._await_turn()

    def _await_turn(self) -> None:
        self._go.acquire()
        if self._killed:
            raise Crashed


class Stepped:
    """The database, with a pause before each call."""

    def __init__(self, database: Database, pause: Callable[[], None]) -> None:
        self._database = database
        self._pause = pause

    def read(self, paths: Collection[str], *, at: Instant | None = None) -> Reading:
        """As the database, after a pause; a read of nothing asks nobody."""
        if paths:
            self._pause()
        return self._database.read(paths, at=at)

    def query(self, query: Query, *, at: Instant | None = None) -> Reading:
        """As the database, after a pause."""
        self._pause()
        return self._database.query(query, at=at)

    def commit(self, writes: Sequence[Write], *, verify: Sequence[Found] = ()) -> Committed:
        """As the database, after a pause."""
        self._pause()
        return self._database.commit(writes, verify=verify)
