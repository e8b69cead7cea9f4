"""Runs work step by step, so that chance can choose the next handler at every call of the database."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextvars import copy_context
from threading import Semaphore, Thread
from typing import Generic, TypeVar

from boiler_functions.database import (
    Aggregated,
    Aggregation,
    Committed,
    Database,
    Query,
    Reading,
    Select,
    Verified,
    Write,
)
from boiler_functions.types import Instant

T = TypeVar("T")


class Crashed(BaseException):
    """Ends a worker where it stands, as a killed process ends; a BaseException, so that user code does not catch it."""


class Worker(Generic[T]):
    """Runs work in its own thread, which stops at every `pause` until `step` is called.

        worker = Worker(lambda pause: handle(Stepped(database, pause)))
        while worker.step():
            ...
        worker.result()

    Only one thread runs at a time: the worker's during a step, otherwise the caller's.
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
        """Runs the work up to its next pause; returns False if it ended instead."""
        self._go.release()
        self._stands.acquire()
        return not self._done

    def crash(self) -> None:
        """Ends the work where it stands."""
        self._killed = True
        while self.step():
            pass

    def result(self) -> T:
        """Returns what the work returned, or raises what it raised; raises Crashed after `crash`."""
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
    """A database with a pause before each call."""

    def __init__(self, database: Database, pause: Callable[[], None]) -> None:
        self._database = database
        self._pause = pause

    def read(self, paths: Collection[str], *, at: Instant | None = None, select: Select = None) -> Reading:
        """Reads as the database does, after a pause; without paths there is no call, and so no pause."""
        if paths:
            self._pause()
        return self._database.read(paths, at=at, select=select)

    def query(self, query: Query, *, at: Instant | None = None) -> Reading:
        """Queries as the database does, after a pause."""
        self._pause()
        return self._database.query(query, at=at)

    def aggregate(self, aggregation: Aggregation, *, at: Instant | None = None) -> Aggregated:
        """Aggregates as the database does, after a pause."""
        self._pause()
        return self._database.aggregate(aggregation, at=at)

    def commit(self, writes: Sequence[Write], *, verify: Sequence[Verified] = ()) -> Committed:
        """Commits as the database does, after a pause."""
        self._pause()
        return self._database.commit(writes, verify=verify)
