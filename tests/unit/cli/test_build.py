"""`boiler build` stores what it can, and tells the causes of what it could not build once each, and no traceback."""

import json
import logging
import re

import pytest

from boiler_functions.cli.context import Context
from boiler_functions.database import Delete, Put
from boiler_functions.database.memory import MemoryDatabase
from boiler_functions.types import Reference
from tests.unit.cli.conftest import APP, LABEL, Run, Write

FAILING = APP.replace("return self.store.city.name", "return str(1 / len(self.store.city.name.strip()))")


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch) -> MemoryDatabase:
    database = MemoryDatabase()
    monkeypatch.setattr(Context, "database", database)
    return database


def test_letters_of_one_cause_are_one_line(module: Write, database: MemoryDatabase, run: Run) -> None:
    module(FAILING)
    for number in range(7):
        database.commit([Put(f"cities/c{number}", {"name": " ", "obj_type": "City", "doc_id": f"c{number}"})])
    database.commit([Put("cities/TOK", {"name": "Tokyo", "obj_type": "City", "doc_id": "TOK"})])
    database.commit([Put("cities/odd", {"name": 7, "obj_type": "City", "doc_id": "odd"})])
    result = run("build", "CityView")
    assert result.exit_code == 1
    *lines, last = result.stdout.splitlines()[-4:]
    assert re.fullmatch(r"see: boiler check --explain BF50\d, boiler check --explain BF50\d", last)
    assert lines[0] == "CityView: 8 could not be built and are unchanged; boilerDeadLetters says why."
    assert lines[1].startswith("  7 × BF505 ")
    assert lines[1].endswith("; first: cities/c0")
    assert "ZeroDivisionError" in lines[1]
    assert lines[2].startswith("  1 × BF")
    assert "Traceback" not in result.stdout + result.stderr


def test_other_log_records_are_printed_as_before(module: Write, database: MemoryDatabase, run: Run) -> None:
    warning = 'import logging; logging.getLogger("boiler_functions.views").warning("Look here.")\n        return'
    module(APP.replace("return self.store", f"{warning} self.store", 1))
    database.commit([Put("cities/TOK", {"name": "Tokyo", "obj_type": "City", "doc_id": "TOK"})])
    before = logging.getLogger("boiler_functions").handlers[:]
    result = run("build", "CityView")
    assert (result.exit_code, result.stderr) == (0, "Look here.\n")
    assert logging.getLogger("boiler_functions").handlers == before


REGIONS = """
from boiler_functions import Boiler, DomainModel, Store, ViewModel, attrs, matching, reference, referrers

app = Boiler("regions")

class Region(DomainModel):
    class Meta:
        collection_name = "regions"

class City(DomainModel):
    class Meta:
        collection_name = "cities"
    region = attrs.relation(Region)
    people = attrs.integer()

class RegionStore(Store):
    region = reference(Region)
    cities = referrers(City.region).count()
    people = referrers(City.region).sum(City.people)
    large = matching(City.people >= 1000).average(City.people)

@app.query
class RegionView(ViewModel[RegionStore]):
    class Meta:
        path = "regionViews/{region.doc_id}"

    @attrs.computed
    def shown(self) -> str:
        return f"{self.store.cities} cities, {self.store.people} people, {self.store.large}"
"""


def test_a_build_stores_totals_as_they_are_now(module: Write, database: MemoryDatabase, run: Run) -> None:
    def shown() -> tuple[str, ...]:
        views = database.read(["regionViews/a", "regionViews/b"]).documents
        return tuple((view.fields or {})["shown"] for view in views)

    module(REGIONS)
    database.commit([Put(f"regions/{each}", {}) for each in "ab"])
    for number in range(4):
        fields = {"region": Reference("regions/a"), "people": number * 1000}
        database.commit([Put(f"cities/c{number}", fields)])
    assert run("build", "RegionView").exit_code == 0
    assert shown() == ("4 cities, 6000 people, 2000.0", "0 cities, 0 people, 2000.0")
    # No event comes: the build alone finds what has changed.
    database.commit([Delete("cities/c1"), Put("cities/c2", {"region": Reference("regions/b"), "people": 2000})])
    assert run("build", "RegionView").exit_code == 0
    assert shown() == ("2 cities, 3000 people, 2500.0", "1 cities, 2000 people, 2500.0")


def test_a_build_of_a_root_that_is_not_there_says_so(module: Write, database: MemoryDatabase, run: Run) -> None:
    module(APP)
    result = run("build", "CityView", "--root", "NOWHERE")
    assert result.exit_code == 1
    assert "There is no cities/NOWHERE, and CityView has no copy of it: nothing was built." in result.stdout


def test_as_json_a_build_says_of_each_view_what_became_of_it_and_its_lines_are_beside(
    module: Write, database: MemoryDatabase, run: Run
) -> None:
    module(FAILING + LABEL)
    for name, text in (("TOK", "Tokyo"), ("NUL", " ")):
        database.commit([Put(f"cities/{name}", {"name": text, "obj_type": "City", "doc_id": name})])
    done = run("build", "--all", "--json")
    assert done.exit_code == 1
    assert "CityView: 1 could not be built" in done.stderr
    found = json.loads(done.stdout)
    assert (found["command"], found["project"], found["is_fine"]) == ("build", None, False)
    (label, view) = sorted(found["result"]["views"], key=lambda each: str(each["view"]))
    assert (label["view"], label["outcomes"], label["causes"]) == ("CityLabel", {"built": 2}, [])
    assert (view["view"], view["outcomes"]) == ("CityView", {"dead letter": 1, "built": 1})
    (cause,) = view["causes"]
    assert (cause["letters"], cause["code"], cause["first"]) == (1, "BF505", "cities/NUL")
    assert {"rpcs", "reads", "writes", "skipped", "missing"} <= {*view}
    assert found["result"]["estimate"]["price"] >= 0
    nowhere = json.loads(run("build", "CityView", "--root", "NOWHERE", "--json").stdout)
    assert (nowhere["is_fine"], nowhere["result"]["views"][0]["missing"]) == (False, "cities/NOWHERE")


def test_documents_that_are_left_out_are_one_line(module: Write, database: MemoryDatabase, run: Run) -> None:
    app = APP.replace(
        "city = reference(City)", 'city = reference(City)\n    all = matching(City.all(), on_invalid="skip")'
    )
    app = app.replace("attrs, reference", "attrs, matching, reference")
    module(app.replace("return self.store.city.name", 'return ", ".join(each.name for each in self.store.all)'))
    for number in range(5):
        database.commit([Put(f"cities/c{number}", {"name": "N" if number else 7})])
    result = run("build", "CityView")
    told = [line for line in result.stdout.splitlines() if "left out" in line]
    assert told == ["left out, as they do not fit: 1 documents, first: cities/c0; `boiler status` names them."]
    assert "leaves out" not in result.stderr


def test_ctrl_c_ends_all_builds_with_its_own_status(
    module: Write, database: MemoryDatabase, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    module(APP + LABEL)
    database.commit([Put("cities/TOK", {"name": "Tokyo", "obj_type": "City", "doc_id": "TOK"})])

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("boiler_functions.cli.build.Position.write", interrupted)
    result = run("build", "--all")
    assert result.exit_code == 130
    assert "continue with `boiler build CityView --resume`" in result.stderr


def test_all_views_are_built_though_one_fails(module: Write, database: MemoryDatabase, run: Run) -> None:
    module(FAILING + LABEL)
    database.commit([Put("cities/TOK", {"name": " ", "obj_type": "City", "doc_id": "TOK"})])
    result = run("build", "--all")
    assert result.exit_code == 1
    assert "CityView: 1 could not be built and are unchanged" in result.stdout
    assert database.read(["cityLabels/TOK"]).documents[0].exists
