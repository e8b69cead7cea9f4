"""What a deployment leaves in the database for the next one, and for other apps."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from boiler_functions.database import Put, Query
from boiler_functions.database.memory import MemoryDatabase
from boiler_functions.exceptions import Unavailable
from boiler_functions.modes.release import Release
from boiler_functions.views.keeping import HEADS
from tests.unit.cli.conftest import APP, LABEL, Run
from tests.unit.cli.deploy.standin import Standin

STORED = {"CityView": "cityView/{city.doc_id}"}


def _registered(database: MemoryDatabase, app: str = "towns") -> Any:
    return database.read([f"boilerApps/{app}"]).documents[0].fields


def test_a_deployment_writes_down_what_the_app_stores_and_takes(
    standin: Standin, run: Run, database: MemoryDatabase
) -> None:
    run("deploy")
    registered = _registered(database)
    assert registered.pop("deployment") > 1_700_000_000
    assert registered == {
        "views": STORED,
        "tasks": {"CityForm": "users/{user_id}/cityForms/{city_id}"},
        "sources": {"CityView": ["cities/{doc_id}"]},
        "dropped": {},
        "kept": {},
    }


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda text: text, "CityView of the app 'cities' has documents at 'cityView/{city.doc_id}'"),
        (lambda text: text.replace("cityView/{", "cityViews/{"), "CityForm of the app 'cities' has documents at"),
    ],
)
def test_an_app_whose_paths_are_another_ones_is_refused_before_anything_is_changed(
    change: Callable[[str], str], told: str, standin: Standin, run: Run, write: Callable[[str], None]
) -> None:
    run("deploy")
    standin.works()
    write(change(APP.replace('Boiler("towns")', 'Boiler("cities")')))
    result = run("deploy")
    assert result.exit_code == 2
    assert result.stderr.startswith(f"error BF108 {told}")
    assert "of the app 'towns' has documents at" in result.stderr
    assert "run `boiler withdraw --former towns`." in result.stderr
    assert standin.changes == []


def test_an_app_with_paths_of_its_own_is_deployed_beside_others(
    standin: Standin, run: Run, write: Callable[[str], None]
) -> None:
    run("deploy")
    apart = APP.replace('Boiler("towns")', 'Boiler("cities")').replace("cityView/{", "cityViews/{")
    write(apart.replace("cityForms/{", "cityWishes/{"))
    assert run("deploy").exit_code == 0


def test_an_unreachable_database_is_reported_and_stops_nothing(
    standin: Standin, run: Run, database: MemoryDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    def query(*_: object) -> None:
        raise Unavailable("It is away.")

    monkeypatch.setattr(database, "query", query)
    result = run("deploy")
    assert result.exit_code == 0
    assert "Whether another app stores views at the same paths is not known: It is away." in result.stdout


def test_what_a_new_view_or_source_lacks_is_named_or_built(
    standin: Standin, run: Run, write: Callable[[str], None], database: MemoryDatabase
) -> None:
    lacks = "is new or has new sources; `boiler build"
    assert f"CityView {lacks} CityView`" in run("deploy").stdout
    assert lacks not in run("deploy").stdout
    write(APP + LABEL)
    database.commit([Put("cities/TOK", {"name": "Tokyo", "obj_type": "City", "doc_id": "TOK"})])
    printed = run("deploy", "--build").stdout
    assert "CityLabel: 1 built" in printed
    assert "CityView: " not in printed
    assert database.read(["cityLabels/TOK"]).documents[0].exists


def test_a_view_of_which_other_code_built_copies_is_named_or_built(
    standin: Standin, run: Run, folder: Path, database: MemoryDatabase, write: Callable[[str], None]
) -> None:
    next((folder / "functions").glob("app_*.py")).unlink()
    write(APP + LABEL)
    database.commit([Put("cities/TOK", {"name": "Tokyo", "obj_type": "City", "doc_id": "TOK"})])
    run("deploy", "--build")
    told = "has copies that other code built"
    assert told not in run("deploy").stdout
    (module,) = (folder / "functions").glob("app_*.py")
    module.write_text(APP + LABEL.replace("* ", "a city: "))
    sys.modules.pop(module.stem)
    printed = run("deploy").stdout
    assert f"CityLabel {told}; `boiler build CityLabel`" in printed
    assert f"CityView {told}" not in printed
    run("deploy", "--build")
    assert (database.read(["cityLabels/TOK"]).documents[0].fields or {})["label"] == "a city: Tokyo"
    assert told not in run("deploy").stdout


def test_every_deployment_has_a_number_and_says_which_code_computes_a_view(
    standin: Standin, run: Run, folder: Path, database: MemoryDatabase
) -> None:
    run("deploy")
    (folder / "firebase.json").unlink()
    run("compile")
    for staged in ("upload", "firebase"):
        release = Release.of(folder / ".boiler" / staged, {})
        assert release.deployment > 1_700_000_000
        assert set(release.codes) == {"CityView"}
    assert _registered(database)["deployment"] <= release.deployment


KEPT = """

class NumberStore(Store):
    number = matching(City.all()).count(kept=True)


@app.query
class CityNumber(ViewModel[NumberStore]):
    class Meta:
        path = "cityNumbers/all"

    @attrs.computed
    def number(self) -> int:
        return self.store.number
"""


def test_a_total_that_is_kept_again_is_asked_for_until_it_is_filled_anew(
    standin: Standin, run: Run, write: Callable[[str], None], database: MemoryDatabase
) -> None:
    def heads() -> int:
        return len(database.query(Query(HEADS)).documents)

    app = APP.replace("attrs, reference", "attrs, matching, reference") + KEPT
    keeps = "CityNumber keeps a total from now on, and asks for it until it is filled; `boiler build CityNumber`"
    write(app)
    assert keeps not in run("deploy", "--build").stdout
    assert heads() == 1
    assert keeps not in run("deploy").stdout
    assert heads() == 1
    write(app.replace("kept=True", ""))
    run("deploy")
    write(app)
    assert heads() == 1
    assert keeps in run("deploy").stdout
    assert heads() == 0


def test_a_view_that_is_dropped_is_named_until_it_is_withdrawn(
    standin: Standin, run: Run, write: Callable[[str], None]
) -> None:
    write(APP + LABEL)
    run("deploy")
    write(APP)
    left = "No function updates the copies of CityLabel (cityLabels/{city.doc_id}) any more; `boiler withdraw"
    assert left in run("deploy").stdout
    assert left in run("deploy").stdout
    assert run("withdraw", "--dropped").exit_code == 0
    assert "No function updates" not in run("deploy").stdout


def test_an_app_that_declares_nothing_any_more_is_removed(
    standin: Standin, run: Run, write: Callable[[str], None]
) -> None:
    run("deploy")
    standin.remember()
    standin.works()
    write('from boiler_functions import Boiler\n\napp = Boiler("towns")\n')
    assert "towns no longer declares towns-city-form-task" in run("deploy").stdout
    result = run("deploy", "--prune", "--yes")
    assert result.exit_code == 0
    assert len([line for line in standin.commands if line.startswith("functions delete")]) == 4
    assert standin.deployed == set()
    assert "No function updates the copies of CityView" in result.stdout
