"""Users' own writes, while four builders rebuild a hot view of the same documents and its dependencies change."""

import multiprocessing
import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager

from google.cloud import firestore

from benchmarks import peers
from benchmarks.results import Row, at_most, ratio_at_most
from benchmarks.stage import Stage
from boiler_functions import Boiler, DomainModel, Store, ViewModel, attrs, reference, references
from boiler_functions.database import Database, Put, Write
from boiler_functions.database.firestore import FirestoreDatabase
from boiler_functions.database.variables import EMULATOR_HOST
from boiler_functions.exceptions import Transient
from boiler_functions.types import Reference

BUILDERS = 4
BUILD_SECONDS = 0.3
SECONDS = 12.0
ITEMS = 20
SHOWN = 8
PAUSE_SECONDS = 0.005
CHANGE_SECONDS = 0.05
BOARD = "boards/hot"

LONGEST_BUILD = 10.0
"""The most seconds that a build may take, with conflicts; far below the function's time limit."""

ALONE = "without builders"
IN_TRANSACTION = "builders that read in a transaction"


class Item(DomainModel):
    """A document that users write."""

    class Meta:
        collection_name = "items"

    value = attrs.integer(default=0)


class Board(DomainModel):
    """A document that refers to the items."""

    class Meta:
        collection_name = "boards"

    items = attrs.relation(Item, many=True)


class BoardStore(Store):
    """The board and the items that it refers to now."""

    board = reference(Board)
    items = references(Board.items)


app = Boiler("writers")


def slow_sum(values: list[int]) -> int:
    """Sleeps, so that the build takes some time."""
    time.sleep(BUILD_SECONDS)
    return sum(values)


@app.query
class BoardView(ViewModel[BoardStore]):
    """A hot view."""

    class Meta:
        path = "boardViews/{board.doc_id}"

    @attrs.computed
    def total(self) -> int:
        return slow_sum([item.value for item in self.store.items])


def writers(stage: Stage) -> Iterator[Row]:
    """Measures the users' p99 alone, next to our builders, and next to builders that read in a transaction."""
    stage.save([Item.new(doc_id=f"i{number}", value=0) for number in range(2 * ITEMS)])
    stage.save([Board.new(doc_id="hot", items=[f"i{number}" for number in range(SHOWN)])])
    alone, _ = _measured(stage, None)
    beside, ours = _measured(stage, lambda: _rebuild(stage))
    locked, theirs = _measured(stage, lambda: _rebuild_in_transaction(stage))
    name = f"users' writes, {BUILDERS} builders of {BUILD_SECONDS * 1000:.0f} ms"
    yield Row(name, _p99(beside), _p99(alone), ALONE, "ms, p99", ratio_at_most(1.5))
    yield Row(name, _p99(beside), _p99(locked), IN_TRANSACTION, "ms, p99")
    yield Row(name, max(beside) * 1000, max(locked) * 1000, IN_TRANSACTION, "ms, the slowest")
    slowest, theirs_slowest = max(ours), max(theirs, default=0)
    yield Row("a build among them", slowest, theirs_slowest, IN_TRANSACTION, "s, the slowest", at_most(LONGEST_BUILD))


def _p99(seconds: list[float]) -> float:
    return sorted(seconds)[int(0.99 * (len(seconds) - 1))] * 1000


def _measured(stage: Stage, build: Callable[[], object] | None) -> tuple[list[float], list[float]]:
    """Returns the seconds of each write and of each build; all builds committed."""
    taken: list[float] = []
    # The users run in another process, so that the builders' Python does not delay them.
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        pool.submit(write_items, stage.project, os.environ[EMULATOR_HOST], 0.5).result()
        with _changing(stage), _building(build, taken):
            latencies = pool.submit(write_items, stage.project, os.environ[EMULATOR_HOST], SECONDS).result()
    return latencies, taken


def write_items(project: str, host: str, seconds: float) -> list[float]:
    """Returns the seconds of each of a user's writes."""
    database, chance = FirestoreDatabase(project, emulator=host), random.Random(1)
    latencies = []
    end = time.monotonic() + seconds
    while (started := time.monotonic()) < end:
        path = f"items/i{chance.randrange(2 * ITEMS)}"
        _insist(database, Put(path, {"value": chance.randrange(1000)}, ("value",)), end)
        latencies.append(time.monotonic() - started)
        time.sleep(PAUSE_SECONDS)
    return latencies


def _insist(database: Database, write: Write, until: float) -> None:
    """Writes, and retries if the lock of a transaction had the write refused, as a user's client does."""
    while time.monotonic() < until:
        try:
            database.commit([write])
        except Transient:
            continue
        return


@contextmanager
def _changing(stage: Stage) -> Iterator[None]:
    """Changes the items of the board all the time."""
    chance = random.Random(2)

    def change() -> None:
        items = [Reference(f"items/i{number}") for number in chance.sample(range(2 * ITEMS), SHOWN)]
        _insist(stage.database, Put(BOARD, {"items": items}, ("items",)), time.monotonic() + SECONDS)
        time.sleep(CHANGE_SECONDS)

    with _repeating([change]):
        yield


@contextmanager
def _building(build: Callable[[], object] | None, taken: list[float]) -> Iterator[None]:
    """Runs the builders, each with one build after the other."""

    def timed() -> None:
        assert build is not None
        started = time.monotonic()
        build()
        taken.append(time.monotonic() - started)

    with _repeating([] if build is None else [timed] * BUILDERS):
        yield


@contextmanager
def _repeating(works: list[Callable[[], None]]) -> Iterator[None]:
    """Repeats each work on a thread of its own."""
    ended = threading.Event()

    def repeat(work: Callable[[], None]) -> None:
        while not ended.is_set():
            work()

    threads = [threading.Thread(target=repeat, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def _rebuild(stage: Stage) -> None:
    """Runs the board's function until it acknowledges the event; retries count as the same build."""
    change = stage.created(BOARD)
    while True:
        try:
            stage.handle(app, "board_view_on_boards", change)
        except Transient:
            continue
        return


def _rebuild_in_transaction(stage: Stage) -> None:
    """Does the same by hand, until it is done."""
    client = stage.client
    board, view = client.document(BOARD), client.document("peerBoardViews/hot")

    @firestore.transactional
    def build(transaction: firestore.Transaction) -> None:
        named = board.get(transaction=transaction).get("items")
        items = peers.in_order(client, named, transaction)
        transaction.set(view, {"total": slow_sum([item.get("value") for item in items])})

    while True:
        try:
            build(client.transaction())
        except Exception:  # The client gives up with a plain ValueError, or with the error that ended the transaction.
            continue
        return
