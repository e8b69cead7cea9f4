"""Tasks at once whose Store asks a query: their verified commits must not lock each other out."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from boiler_functions import Boiler, DomainModel, Store, ViewModel, attrs, matching, reference
from boiler_functions.database import Document, Put
from boiler_functions.database.change import Change
from boiler_functions.database.firestore import FirestoreDatabase
from boiler_functions.exceptions import Transient
from boiler_functions.local.firestore_emulator import FirestoreEmulator


class Seat(DomainModel):
    class Meta:
        collection_name = "seats"

    room = attrs.string(required=True)


class Tally(DomainModel):
    class Meta:
        collection_name = "tallies"

    count = attrs.integer(default=0)


class Finds(Store):
    seats = matching(Seat.room == "r")


class Names(Store):
    tally = reference(Tally, doc_id="r")


def app_of(store: type[Store]) -> Boiler:
    """An app whose one task takes a seat if fewer are taken than asked for: each changes what the others rest on."""
    app = Boiler("seats")

    @app.task("wishes/{wish_id}", writes=[Seat, Tally])
    class Wish(ViewModel[store]):  # type: ignore[valid-type]
        def propagate_change(self) -> None:
            found: Any = self.store
            if store is Finds:
                number = len(found.seats)
                Seat.new(doc_id=f"seat-{number}", room="r").save()
            else:
                tally = found.tally or Tally.new(doc_id="r")
                tally.count += 1
                tally.save()

    return app


@pytest.fixture
def database(firestore_emulator: FirestoreEmulator, project: str) -> FirestoreDatabase:
    return FirestoreDatabase(project, emulator=firestore_emulator.host)


def sent(database: FirestoreDatabase, number: int) -> Change:
    path = f"wishes/w{number}"
    database.commit([Put(path, {})])
    (form,) = database.read([path]).documents
    return Change(f"event-{number}", "//firestore", path, Document(path), form, time.time_ns())


def delivered(app: Boiler, database: FirestoreDatabase, change: Change) -> tuple[float, int]:
    """The seconds until the event is acknowledged, and how often it was delivered for it."""
    (function,) = app.compiled.functions.values()
    started, deliveries = time.monotonic(), 0
    while True:
        deliveries += 1
        try:
            function.handle(change, database)
            return time.monotonic() - started, deliveries
        except Transient:
            time.sleep(0.05)


@pytest.mark.parametrize("count", [8, 32])
@pytest.mark.parametrize("store", [Names, Finds])
def test_tasks_at_once_that_rest_on_one_query_are_all_done(
    database: FirestoreDatabase, store: type[Store], count: int
) -> None:
    app = app_of(store)
    changes = [sent(database, number) for number in range(count)]
    with ThreadPoolExecutor(count) as threads:
        taken = list(threads.map(lambda change: delivered(app, database, change), changes))
    seconds = sorted(each for each, _ in taken)
    print(
        f"{store.__name__}, {count} at once: p50 {seconds[count // 2]:.2f} s, p99 {seconds[-1]:.2f} s, "
        f"deliveries {sum(each for _, each in taken)}"
    )
    forms = database.read([change.path for change in changes]).documents
    assert {(form.fields or {})["outcome"]["status"] for form in forms} == {"done"}
    if store is Finds:
        seats: list[Any] = list(database.read([f"seats/seat-{number}" for number in range(count)]).documents)
        assert all(seat.exists for seat in seats)
    else:
        (tally,) = database.read(["tallies/r"]).documents
        assert (tally.fields or {})["count"] == count
