"""`boiler withdraw` deletes what is left of views that no code stores any more, and nothing else."""

import json
from collections.abc import Callable

import pytest

from boiler_functions.app import Boiler
from boiler_functions.cli.context import Context
from boiler_functions.cli.project import Project
from boiler_functions.cli.registering import Registering
from boiler_functions.database import Committed, Put, Query
from boiler_functions.database.memory import MemoryDatabase
from boiler_functions.exceptions import Conflict
from boiler_functions.modes.ledger import COLLECTION as LEDGERS
from boiler_functions.modes.query.rebuild_all import RebuildAll
from boiler_functions.modes.registry import COLLECTION as APPS
from tests.unit.cli.conftest import APP, LABEL, Run, Write


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch) -> MemoryDatabase:
    database = MemoryDatabase()
    monkeypatch.setattr(Context, "database", database)
    database.commit([Put(f"cities/{name}", {"name": name, "obj_type": "City", "doc_id": name}) for name in ("a", "b")])
    return database


@pytest.fixture
def deploy(module: Write, database: MemoryDatabase) -> Callable[[str], Boiler]:
    """Registers the app and builds its views, as a deployment and its build do."""

    def deploy(text: str) -> Boiler:
        module(text)
        app = Project.find().load()
        Registering.of(app.declarations, database, 7).now.write(database)
        for view in app.declarations.stored:
            list(RebuildAll(app.name, view, database).run())
        return app

    return deploy


def paths(database: MemoryDatabase, collection: str) -> set[str]:
    return {each.path for each in database.query(Query(collection)).documents}


def views_of_ledgers(database: MemoryDatabase) -> list[str]:
    return sorted((each.fields or {})["view"] for each in database.query(Query(LEDGERS)).documents)


def test_a_dropped_view_is_gone_with_its_copies_and_ledgers(
    deploy: Callable[[str], Boiler], database: MemoryDatabase, run: Run
) -> None:
    deploy(APP + LABEL)
    deploy(APP)
    assert paths(database, "cityLabels") == {"cityLabels/a", "cityLabels/b"}
    assert run("withdraw", "--dropped").stdout == "CityLabel: 2 copies are deleted, with their ledgers\n"
    assert paths(database, "cityLabels") == set()
    assert paths(database, "cityView") == {"cityView/a", "cityView/b"}
    assert views_of_ledgers(database) == ["CityView", "CityView"]
    assert run("withdraw", "--dropped").stdout == "towns has dropped no view; nothing is left to withdraw.\n"


def test_a_view_that_was_never_registered_is_withdrawn_by_its_name(
    deploy: Callable[[str], Boiler], database: MemoryDatabase, run: Run, module: Write
) -> None:
    deploy(APP + LABEL)
    database.commit([Put(f"{APPS}/towns", {})])
    module(APP)
    assert run("withdraw", "CityLabel").exit_code == 0
    assert paths(database, "cityLabels") == set()


def test_a_copy_that_a_view_of_another_name_stores_by_now_is_left(
    deploy: Callable[[str], Boiler], database: MemoryDatabase, run: Run
) -> None:
    deploy(APP + LABEL)
    app = deploy(APP + LABEL.replace("CityLabel", "CitySign"))
    assert app.compiled.manifest.app == "towns"
    assert run("withdraw", "--dropped").stdout == "CityLabel: 0 copies are deleted, with their ledgers\n"
    assert paths(database, "cityLabels") == {"cityLabels/a", "cityLabels/b"}
    assert views_of_ledgers(database) == ["CitySign", "CitySign", "CityView", "CityView"]


def test_a_copy_that_the_function_of_a_renamed_view_wrote_last_is_written_anew(
    deploy: Callable[[str], Boiler], database: MemoryDatabase, run: Run
) -> None:
    deploy(APP + LABEL)
    deploy(APP + LABEL.replace("CityLabel", "CitySign"))
    for name in ("a", "b"):
        (copy,) = database.read([f"cityLabels/{name}"]).documents
        database.commit([Put(copy.path, {**(copy.fields or {}), "obj_type": "CityLabel"})])
    assert run("withdraw", "--dropped").stdout == "CityLabel: 0 copies are deleted, with their ledgers\n"
    assert {each.fields["obj_type"] for each in database.query(Query("cityLabels")).documents if each.fields} == {
        "CitySign"
    }
    assert views_of_ledgers(database) == ["CitySign", "CitySign", "CityView", "CityView"]


def test_a_former_name_of_the_app_leaves_nothing(
    deploy: Callable[[str], Boiler], database: MemoryDatabase, run: Run, module: Write
) -> None:
    deploy(APP + LABEL)
    module(APP.replace('Boiler("towns")', 'Boiler("cities")'))
    assert run("withdraw", "--former", "towns").exit_code == 0
    assert views_of_ledgers(database) == []
    assert paths(database, "cityView") | paths(database, "cityLabels") | paths(database, APPS) == set()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            ["CityView"],
            "CityView is stored by towns, which would build it again. Name a view that is no longer declared",
        ),
        (
            [],
            "No view is named. Name a view that is no longer declared, or pass --dropped for all; there are: ",
        ),
        (["--former", "cities"], "No other app 'cities' was deployed to this database; there are: none."),
        (["--former", "towns"], "No other app 'towns' was deployed to this database; there are: none."),
    ],
)
def test_what_is_in_use_or_unknown_is_refused(
    arguments: list[str], told: str, deploy: Callable[[str], Boiler], database: MemoryDatabase, run: Run
) -> None:
    deploy(APP + LABEL)
    deploy(APP)
    result = run("withdraw", *arguments)
    assert result.exit_code == 2
    assert told in result.stderr
    assert len(paths(database, LEDGERS)) == 4


def test_a_copy_that_changes_during_the_withdrawal_is_kept_and_reported(
    deploy: Callable[[str], Boiler], database: MemoryDatabase, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy(APP + LABEL)
    deploy(APP)

    def commit(*_: object, **__: object) -> Committed:
        raise Conflict("It changed.")

    monkeypatch.setattr(database, "commit", commit)
    result = run("withdraw", "--dropped")
    assert result.exit_code == 1
    assert (
        "2 instances of CityLabel changed during the withdrawal, and were kept. Remove the functions" in result.stdout
    )
    assert len(paths(database, "cityLabels")) == 2
    found = json.loads(run("withdraw", "--dropped", "--json").stdout)
    assert (found["command"], found["is_fine"]) == ("withdraw", False)
    assert found["result"] == {"of": "towns", "views": [{"view": "CityLabel", "copies": 0, "changed": 2}]}


def test_a_withdrawal_names_the_database_before_it_deletes_anything(
    deploy: Callable[[str], Boiler], database: MemoryDatabase, run: Run
) -> None:
    deploy(APP + LABEL)
    deploy(APP)
    done = run("withdraw", "--dropped", "--json", "--project", "demo-towns")
    assert done.stderr.splitlines()[0] == "towns: project demo-towns, database (default)"
    assert json.loads(done.stdout)["result"]["views"] == [{"view": "CityLabel", "copies": 2, "changed": 0}]
    assert json.loads(run("withdraw", "--dropped", "--json").stdout)["result"]["views"] == []


def test_the_plan_finds_another_app_where_it_may_ask_a_database(
    deploy: Callable[[str], Boiler], database: MemoryDatabase, run: Run, module: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy(APP)
    module(APP.replace('Boiler("towns")', 'Boiler("cities")'))
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    assert run("plan").exit_code == 0
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", "127.0.0.1:1")
    result = run("plan")
    assert result.exit_code == 2
    assert "What a change costs each view" in result.stdout
    assert "CityView of the app 'cities' has documents at 'cityView/{city.doc_id}'" in result.stderr
