"""A build in the cloud on the emulator: its function is killed while a client writes, and every view is right."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from random import Random
from threading import Event, Thread

from boiler_functions.database import Delete, Put, Query
from boiler_functions.database.firestore import FirestoreDatabase
from boiler_functions.local.cloud_tasks import CloudTasksEmulator, Dispatch
from boiler_functions.local.delivery import Retries
from boiler_functions.local.firestore_emulator import FirestoreEmulator
from boiler_functions.local.functions_process import FunctionsProcess
from boiler_functions.local.loopback import request
from boiler_functions.modes import cloud_build
from boiler_functions.modes.cloud_build import RANGES, CloudBuild

QUEUE = "projects/demo-tasks/locations/us-central1/queues/continuations"
CITIES = 3_000
KILLS = 4
SEED = 7
SOON = Retries(first=0.05, longest=0.5)

TOWNS = """
from boiler_functions import Boiler, DomainModel, Store, ViewModel, attrs, reference

app = Boiler("towns")

class City(DomainModel):
    class Meta:
        collection_name = "cities"

    name = attrs.string(required=True)

class CityStore(Store):
    city = reference(City)

@app.query
class CityCard(ViewModel[CityStore]):
    class Meta:
        path = "cityCards/{city.doc_id}"

    @attrs.computed
    def title(self) -> str:
        return self.store.city.name

app.export(globals())
"""


def city(number: int, name: str) -> Put:
    return Put(f"cities/{number:05}", {"name": name, "obj_type": "City", "doc_id": f"{number:05}"})


def begun(database: FirestoreDatabase) -> str:
    options = {"only_stale": False, "withdraw": False, "max_rate": None}
    return cloud_build.begin(database, CloudBuild.new("towns", ("CityCard",), CITIES, time.time_ns(), **options)).id


@contextmanager
def writing(database: FirestoreDatabase, random: Random) -> Iterator[None]:
    """Changes and deletes cities inside the block, without an event for any of it."""
    stop = Event()

    def write() -> None:
        while not stop.is_set():
            number = random.randrange(CITIES)
            is_deleted = random.random() < 0.2
            database.commit([Delete(f"cities/{number:05}") if is_deleted else city(number, f"Town {random.random()}")])
            time.sleep(0.005)

    writer = Thread(target=write)
    writer.start()
    try:
        yield
    finally:
        stop.set()
        writer.join()


def test_a_build_whose_functions_are_killed_goes_on_and_a_second_one_makes_all_views_right(
    tmp_path: Path, firestore_emulator: FirestoreEmulator, project: str
) -> None:
    source = tmp_path / "main.py"
    source.write_text(TOWNS)
    database = FirestoreDatabase(project, emulator=firestore_emulator.host)
    for start in range(0, CITIES, 500):
        database.commit([city(number, f"Town {number}") for number in range(start, start + 500)])
    random, seen = Random(SEED), list[Dispatch]()
    env = {
        "GOOGLE_CLOUD_PROJECT": project,
        "FIRESTORE_EMULATOR_HOST": firestore_emulator.host,
        "BOILER_QUEUE": QUEUE,
        "BOILER_CONTINUATIONS_URL": "http://127.0.0.1/of-the-target",
    }
    functions: list[FunctionsProcess] = []

    def send(body: bytes, headers: Mapping[str, str]) -> int:
        return request(functions[0].host, "POST", "/", body, headers, timeout=100).status

    with CloudTasksEmulator([QUEUE], target=send, observer=seen.append, retries=SOON) as tasks:
        env["CLOUD_TASKS_EMULATOR_HOST"] = tasks.host
        with FunctionsProcess(source, "continuations", "http", env) as function:
            functions.append(function)
            with FunctionsProcess(source, "upkeep", "http", env) as upkeep:

                def finish(build: str, kills: int) -> CloudBuild:
                    deadline = time.monotonic() + 240
                    while cloud_build.read(database, build).is_open:
                        assert time.monotonic() < deadline, f"seed {SEED}: {upkeep.log()}\n{function.log()}"
                        request(upkeep.host, "POST", "/", b"{}", {"Content-Type": "application/json"}, timeout=100)
                        time.sleep(random.uniform(0.1, 0.5))
                        if kills and database.query(Query(RANGES, select=())).documents:
                            kills -= 1
                            function.kill()
                            function.restart()
                    assert not kills, "The build was over before it could be killed."
                    return cloud_build.read(database, build)

                with writing(database, random):
                    first = finish(begun(database), KILLS)
                assert any(not each.done for each in seen), "A task was cut off."
                again = finish(begun(database), 0)
    assert abs(sum(first.outcomes.values()) - CITIES) <= CITIES / 10, "Each root that was there counts once."
    names = {each.id: (each.fields or {})["name"] for each in database.query(Query("cities")).documents}
    cards = {each.id: (each.fields or {})["title"] for each in database.query(Query("cityCards")).documents}
    assert cards == names, f"seed {SEED}"
    assert sum(again.outcomes.values()) >= len(names)
    assert not database.query(Query(RANGES)).documents
