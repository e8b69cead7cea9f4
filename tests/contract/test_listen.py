"""Both databases report changes alike."""

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from boiler_functions.database import Delete, Document, Filter, LiveDatabase, Order, Put, Query, Reading, Target
from boiler_functions.database.firestore import FirestoreDatabase
from boiler_functions.database.memory import MemoryDatabase
from boiler_functions.exceptions import BoilerError, Transient
from boiler_functions.local.firestore_emulator import FirestoreEmulator


@pytest.fixture(params=["memory", "firestore"])
def database(request: pytest.FixtureRequest, project: str) -> LiveDatabase:
    if request.param == "memory":
        return MemoryDatabase()
    emulator: FirestoreEmulator = request.getfixturevalue("firestore_emulator")
    return FirestoreDatabase(project, emulator=emulator.host)


class Heard:
    """The readings that a listener received."""

    def __init__(self, database: LiveDatabase, target: Target) -> None:
        self._condition = threading.Condition()
        self.readings: list[Reading] = []
        self.errors: list[BoilerError] = []
        self.listener = database.listen(target, self._change, self._fail)

    def until(self, fulfilled: Callable[[tuple[Document, ...]], bool]) -> tuple[Document, ...]:
        """Returns the next documents that fulfil the condition."""
        with self._condition:
            assert self._condition.wait_for(
                lambda: self.errors or any(fulfilled(each.documents) for each in self.readings[-1:]), 20
            ), [each.documents for each in self.readings]
            assert not self.errors, self.errors
            return self.readings[-1].documents

    def _change(self, reading: Reading) -> None:
        with self._condition:
            self.readings.append(reading)
            self._condition.notify_all()

    def _fail(self, error: BoilerError) -> None:
        with self._condition:
            self.errors.append(error)
            self._condition.notify_all()


@pytest.fixture
def hear(database: LiveDatabase) -> Iterator[Callable[[Target], Heard]]:
    opened: list[Heard] = []

    def heard(target: Target) -> Heard:
        opened.append(Heard(database, target))
        return opened[-1]

    yield heard
    for each in opened:
        each.listener.close()


Hear = Callable[[Target], Heard]


def names(documents: tuple[Document, ...]) -> list[str]:
    return [document.id for document in documents]


def test_documents_are_told_at_once_in_the_order_of_the_paths_missing_ones_included(
    database: LiveDatabase, hear: Hear
) -> None:
    [version] = database.commit([Put("rooms/b", {"n": 1})]).versions
    told = hear(("rooms/b", "rooms/a")).until(lambda documents: len(documents) == 2)
    assert told == (Document("rooms/b", {"n": 1}, version), Document("rooms/a"))


def test_a_write_a_deletion_and_a_new_document_are_told(database: LiveDatabase, hear: Hear) -> None:
    heard = hear(("rooms/a",))
    heard.until(lambda documents: not documents[0].exists)
    database.commit([Put("rooms/a", {"n": 1})])
    heard.until(lambda documents: documents[0].fields == {"n": 1})
    database.commit([Put("rooms/a", {"n": 2})])
    heard.until(lambda documents: documents[0].fields == {"n": 2})
    database.commit([Delete("rooms/a")])
    heard.until(lambda documents: not documents[0].exists)


def test_a_query_is_told_when_a_document_enters_it_and_when_one_leaves_it(database: LiveDatabase, hear: Hear) -> None:
    database.commit([Put("rooms/a", {"open": True, "n": 2}), Put("rooms/b", {"open": False, "n": 1})])
    heard = hear(Query("rooms", filters=(Filter("open", "==", True),), orders=(Order("n"),)))
    heard.until(lambda documents: names(documents) == ["a"])
    database.commit([Put("rooms/b", {"open": True, "n": 1})])
    heard.until(lambda documents: names(documents) == ["b", "a"])
    database.commit([Put("rooms/a", {"open": False, "n": 2})])
    heard.until(lambda documents: names(documents) == ["b"])


def test_a_query_with_a_limit_is_told_of_the_document_that_moves_up(database: LiveDatabase, hear: Hear) -> None:
    database.commit([Put(f"rooms/{name}", {"n": n}) for n, name in enumerate("abc")])
    heard = hear(Query("rooms", orders=(Order("n"),), limit=2))
    heard.until(lambda documents: names(documents) == ["a", "b"])
    database.commit([Delete("rooms/a")])
    heard.until(lambda documents: names(documents) == ["b", "c"])


def test_what_is_committed_together_is_told_together(database: LiveDatabase, hear: Hear) -> None:
    heard = hear(("rooms/a", "rooms/b"))
    for n in range(20):
        database.commit([Put("rooms/a", {"n": n}), Put("rooms/b", {"n": n})])
    heard.until(lambda documents: [each.fields for each in documents] == [{"n": 19}, {"n": 19}])
    assert all(a.fields == b.fields for a, b in (reading.documents for reading in heard.readings))


def test_no_state_is_told_twice_or_after_a_newer_one(database: LiveDatabase, hear: Hear) -> None:
    heard = hear(("rooms/a",))
    for n in range(20):
        database.commit([Put("rooms/a", {"n": n})])
        database.commit([Put("rooms/other", {"n": n})])
    heard.until(lambda documents: documents[0].fields == {"n": 19})
    versions = [reading.documents[0].version for reading in heard.readings]
    assert versions == sorted(set(versions))


def test_a_closed_listener_hears_no_more_and_the_others_do(database: LiveDatabase, hear: Hear) -> None:
    closed, other = hear(("rooms/a",)), hear(("rooms/a",))
    for each in (closed, other):
        each.until(lambda documents: not documents[0].exists)
    closed.listener.close()
    closed.listener.close()
    database.commit([Put("rooms/a", {"n": 1})])
    other.until(lambda documents: documents[0].exists)
    assert len(closed.readings) == 1


def test_listening_can_begin_again_after_the_last_listener_left(database: LiveDatabase, hear: Hear) -> None:
    for n in range(5):
        heard = hear(("rooms/a",))
        heard.until(lambda documents: len(documents) == 1)
        database.commit([Put("rooms/a", {"n": n})])
        heard.until(lambda documents, n=n: documents[0].fields == {"n": n})  # type: ignore[misc]
        heard.listener.close()
    assert database.listeners == 0  # type: ignore[attr-defined]


def test_a_hundred_listeners_on_firestore_share_one_thread(firestore_emulator: FirestoreEmulator, project: str) -> None:
    database = FirestoreDatabase(project, emulator=firestore_emulator.host)
    before = {thread.name for thread in threading.enumerate()}
    heard = [Heard(database, (f"rooms/{n}",)) for n in range(100)]
    database.commit([Put(f"rooms/{n}", {"n": n}) for n in range(100)])
    for n, each in enumerate(heard):
        each.until(lambda documents, n=n: documents[0].fields == {"n": n})  # type: ignore[misc]
    assert len([thread for thread in threading.enumerate() if thread.name == "firestore-listen"]) == 1
    for each in heard:
        each.listener.close()
    deadline = time.monotonic() + 10
    while {thread.name for thread in threading.enumerate()} - before and time.monotonic() < deadline:
        time.sleep(0.05)
    assert "firestore-listen" not in {thread.name for thread in threading.enumerate()}


def test_a_listener_that_lost_its_emulator_goes_on_with_the_next(project: str) -> None:
    with FirestoreEmulator() as first:
        port = int(first.host.rpartition(":")[2])
        database = FirestoreDatabase(project, emulator=first.host)
        database.commit([Put("rooms/a", {"n": 1})])
        heard = Heard(database, ("rooms/a",))
        heard.until(lambda documents: documents[0].fields == {"n": 1})
    with FirestoreEmulator(port) as second:
        _commit_once_connected(FirestoreDatabase(project, emulator=second.host), Put("rooms/a", {"n": 2}))
        heard.until(lambda documents: documents[0].fields == {"n": 2})
        heard.listener.close()
    assert heard.errors == []


def _commit_once_connected(database: FirestoreDatabase, put: Put) -> None:
    # Channels to one address share their connection, and with it the pause before it is tried again.
    for _ in range(100):
        try:
            database.commit([put])
            return
        except Transient:
            time.sleep(0.1)
    raise AssertionError("The second emulator could not be reached.")


def test_a_target_that_firestore_refuses_is_told_so_and_the_others_stay(
    firestore_emulator: FirestoreEmulator, project: str
) -> None:
    database = FirestoreDatabase(project, emulator=firestore_emulator.host)
    good = Heard(database, ("rooms/a",))
    good.until(lambda documents: not documents[0].exists)
    bad = Heard(database, Query("rooms", filters=(Filter("n", "in", ()),)))
    deadline = time.monotonic() + 20
    while not bad.errors and time.monotonic() < deadline:
        time.sleep(0.02)
    assert [each.code for each in bad.errors] == ["BF509"]
    database.commit([Put("rooms/a", {"n": 1})])
    good.until(lambda documents: documents[0].fields == {"n": 1})
    good.listener.close()
