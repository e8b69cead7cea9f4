"""`boiler stage`, `wait`, `diff`, `promote`, `rollback`, `abort` and `finish`: the life of a staged version."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from boiler_functions.cli.registering import Registering
from boiler_functions.database import Query
from boiler_functions.modes.ledger import COLLECTION as LEDGERS
from boiler_functions.modes.ledger import COPIES
from boiler_functions.modes.query.shelf import Shelf
from boiler_functions.modes.staged import StagedProgress, StagedVersion
from boiler_functions.testing import MemoryApp
from tests.pages import shown
from tests.unit.cli.conftest import APP, Run, Start, Write

NEWER = APP.replace("return self.store.city.name", 'return "new " + self.store.city.name')

pytestmark = pytest.mark.usefixtures("functions")


@pytest.fixture
def testing(start: Start, module: Write) -> MemoryApp:
    """Three cities that a first deployment stores, in a project whose code is newer."""
    found = start(APP)
    for name in ("PAR", "ROM", "TOK"):
        found.write(f"cities/{name}", {"name": name, "obj_type": "City", "doc_id": name})
    found.deliver()
    deployed(found, 1)
    module(NEWER)
    return found


def deployed(testing: MemoryApp, number: int) -> None:
    Registering.of(testing.compiled.declarations, testing.database, number).write(testing.database)


def answer(run: Run, *arguments: str, status: int = 0) -> Any:
    result = run(*arguments, "--json", "--project", "demo-towns")
    assert result.exit_code == status, result.output
    found = json.loads(result.stdout)
    assert (found["command"], found["project"], found["is_fine"]) == (arguments[0], "demo-towns", status == 0)
    return found["result"]


def titles(testing: MemoryApp) -> list[str]:
    return [(each.fields or {})["title"] for each in testing.database.query(Query("cityView")).documents]


class Killed(BaseException):
    """Ends a command as the end of its process does."""


def killed(self: Shelf) -> Iterator[int]:
    raise Killed


OLD, NEW = ["PAR", "ROM", "TOK"], ["new PAR", "new ROM", "new TOK"]


def test_a_version_is_staged_compared_promoted_and_rolled_back(
    testing: MemoryApp, run: Run, functions: list[str]
) -> None:
    assert answer(run, "stage", "CityView", "--yes")["outcomes"] == {"built": 3}
    assert titles(testing) == OLD
    ready = answer(run, "wait", "CityView")
    assert (ready["readiness"], ready["built"], ready["of"]) == ("ready", 3, 3)
    found = answer(run, "diff", "CityView", status=1)["views"]["CityView"]
    assert (found["changed"], found["compared"], found["staged"]) == (3, 3, True)
    assert answer(run, "promote", "CityView", "--yes")["instances"] == {"moved": 3}
    assert titles(testing) == NEW
    assert answer(run, "rollback", "CityView", "--yes")["instances"] == {"moved": 3}
    assert titles(testing) == OLD
    assert answer(run, "abort", "CityView", "--yes")["instances"] == 3
    assert testing.database.query(Query(COPIES)).documents == ()
    assert len(testing.database.query(Query(LEDGERS)).documents) == 3
    assert functions == ["deploy_functions", "remove_functions"]


def test_the_page_shows_what_they_print(testing: MemoryApp, run: Run) -> None:
    for command in shown("stage.txt"):
        assert command.prints(printed := run(*command.arguments).stdout), f"{command.line}\n{printed}"


def test_finish_waits_for_the_deployment_and_leaves_the_promoted_version(testing: MemoryApp, run: Run) -> None:
    answer(run, "stage", "CityView", "--yes")
    answer(run, "promote", "CityView", "--yes")
    refused = run("finish", "CityView", "--yes")
    assert (refused.exit_code, "Deploy this code" in refused.output) == (2, True)
    deployed(testing, 1 << 40)
    assert answer(run, "finish", "CityView", "--yes")["instances"] == 3
    assert titles(testing) == NEW
    assert testing.database.query(Query(COPIES)).documents == ()


def test_a_version_that_is_half_deleted_cannot_be_promoted(
    testing: MemoryApp, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer(run, "stage", "CityView", "--yes")
    with monkeypatch.context() as patch:
        patch.setattr(Shelf, "clear", killed)
        with pytest.raises(Killed):
            run("abort", "CityView", "--yes", "--project", "demo-towns")
    assert "is not built on the shelf yet" in run("promote", "CityView", "--yes", "--project", "demo-towns").output
    assert answer(run, "abort", "CityView", "--yes")["instances"] == 3


def test_a_promotion_is_refused_after_another_deployment(testing: MemoryApp, run: Run) -> None:
    answer(run, "stage", "CityView", "--yes")
    deployed(testing, 2)
    refused = run("promote", "CityView", "--yes")
    assert (refused.exit_code, "was deployed since" in refused.output) == (2, True)
    assert titles(testing) == OLD


def test_before_anything_changes_the_place_and_the_cost_are_said_and_asked(testing: MemoryApp, run: Run) -> None:
    result = run("stage", "CityView", "--project", "demo-towns")
    assert result.exit_code == 1
    assert "Building 3 of CityView on the shelf, and promoting them: about" in result.output
    assert "Stage CityView in project demo-towns, database (default)?" in result.output
    assert testing.database.query(Query(COPIES)).documents == ()


@pytest.mark.parametrize("command", ["wait", "promote", "rollback", "abort", "finish"])
def test_without_a_staged_version_each_command_says_how_to_begin(testing: MemoryApp, run: Run, command: str) -> None:
    result = run(command, "CityView")
    assert (result.exit_code, "boiler stage CityView" in result.output) == (2, True)


def test_a_view_that_no_deployment_stores_cannot_be_staged(start: Start, run: Run) -> None:
    start(APP)
    result = run("stage", "CityView", "--yes")
    assert (result.exit_code, "No deployment of towns stores CityView here" in result.output) == (2, True)


def test_a_version_that_cannot_be_built_is_failing(testing: MemoryApp, run: Run, module: Write) -> None:
    module(APP.replace("return self.store.city.name", 'return {"PAR": "Paris"}[self.store.city.name]'))
    assert answer(run, "stage", "CityView", "--yes", status=1)["outcomes"] == {"built": 1, "dead letter": 2}
    assert answer(run, "wait", "CityView", status=1)["readiness"] == "failing"
    assert answer(run, "promote", "CityView", "--yes", status=1)["instances"] == {"moved": 1, "behind": 2}
    assert titles(testing) == ["Paris", "ROM", "TOK"]


def test_a_view_that_was_staged_before_can_be_staged_again(testing: MemoryApp, run: Run, module: Write) -> None:
    answer(run, "stage", "CityView", "--yes")
    answer(run, "promote", "CityView", "--yes")
    deployed(testing, 1 << 40)
    answer(run, "finish", "CityView", "--yes")
    module(NEWER.replace("new ", "newest "))
    answer(run, "stage", "CityView", "--yes")
    assert answer(run, "promote", "CityView", "--yes")["instances"] == {"moved": 3}
    assert titles(testing) == ["newest PAR", "newest ROM", "newest TOK"]
    assert answer(run, "rollback", "CityView", "--yes")["instances"] == {"moved": 3}
    assert titles(testing) == NEW


def test_a_promotion_that_a_deployment_has_overtaken_is_finished(testing: MemoryApp, run: Run) -> None:
    answer(run, "stage", "CityView", "--yes")
    staged = StagedVersion.of(testing.database, "towns", "CityView")
    staged.write(testing.database, progress=StagedProgress.PROMOTING)
    assert run("finish", "CityView", "--yes").exit_code == 2
    deployed(testing, 1 << 40)
    assert run("promote", "CityView", "--yes").exit_code == 2
    assert answer(run, "finish", "CityView", "--yes")["instances"] == 3
    assert testing.database.query(Query(COPIES)).documents == ()
