"""Migrations on the emulator: runs at once share the pages of a step, beside clients that write."""

import threading
from concurrent.futures import ThreadPoolExecutor
from random import Random

import pytest

from boiler_functions import Boiler, DomainModel, attrs
from boiler_functions.database import Put, Query
from boiler_functions.database.firestore import FirestoreDatabase
from boiler_functions.local.firestore_emulator import FirestoreEmulator
from boiler_functions.modes import migration
from boiler_functions.modes.migration import Migrations

NUMBER = 120


class Crate(DomainModel):
    class Meta:
        collection_name = "crates"

    label = attrs.string(required=True, aliases=["name"])
    moves = attrs.integer(default=0)
    touched = attrs.integer(default=0)


@pytest.fixture
def databases(firestore_emulator: FirestoreEmulator, project: str) -> list[FirestoreDatabase]:
    return [FirestoreDatabase(project, emulator=firestore_emulator.host) for _ in range(4)]


def app_of() -> Boiler:
    app = Boiler("depot")

    @app.migration(Crate)
    def moved(crate: Crate) -> None:
        crate.moves += 1

    return app


@pytest.mark.timeout(120)
def test_three_runs_at_once_change_each_document_once_and_lose_no_write_of_a_client(
    databases: list[FirestoreDatabase], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migration, "PAGE", 10)
    monkeypatch.setattr(migration, "MAX_ATTEMPTS", 60)
    app, client = app_of(), databases[0]
    client.commit([Put(f"crates/c{number:03}", {"name": f"n{number}"}) for number in range(NUMBER)])
    ended = threading.Event()
    written: set[str] = set()

    def write() -> None:
        chance = Random(7)
        while not ended.is_set():
            path = f"crates/c{chance.randrange(NUMBER):03}"
            client.commit([Put(path, {"touched": 1}, mask=("touched",))])
            written.add(path)

    def run(database: FirestoreDatabase) -> None:
        pauses = Random(id(database))

        def pause(_: int) -> None:
            ended.wait(pauses.random() / 20)

        for _ in Migrations(app.name, app.migrations, database, pause).run():
            pass

    with ThreadPoolExecutor(4) as pool:
        writer = pool.submit(write)
        runs = [pool.submit(run, each) for each in databases[1:]]
        try:
            for each in runs:
                each.result()
        finally:
            ended.set()
        writer.result()
    found = {each.path: each.fields or {} for each in client.query(Query("crates")).documents}
    assert {each["moves"] for each in found.values()} == {1}
    assert all(each["label"].startswith("n") and "name" not in each for each in found.values())
    assert {path for path, each in found.items() if each.get("touched") == 1} == written
    progress = Migrations(app.name, app.migrations, client).progress()["moved"]
    assert (progress.status, progress.read, progress.changed, progress.left) == ("done", NUMBER, NUMBER, 0)


def test_what_a_step_leaves_is_found_and_tried_again(databases: list[FirestoreDatabase]) -> None:
    app, database = app_of(), databases[0]
    database.commit([Put("crates/a", {"name": "A"}), Put("crates/b", {"name": 7})])
    work = Migrations(app.name, app.migrations, database)
    assert [each.status for _, each in work.run()] == ["left"]
    assert [path for path, _ in work.left(app.migrations[0])] == ["crates/b"]
    database.commit([Put("crates/b", {"name": "B"})])
    assert [(each.status, each.left) for _, each in work.run()] == [("done", 0)]
    assert [(each.fields or {})["moves"] for each in database.query(Query("crates")).documents] == [1, 1]
