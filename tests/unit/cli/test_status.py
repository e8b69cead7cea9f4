"""`boiler status` names what is wrong, says ok of nothing that it cannot know, and only reads."""

import json
from typing import Any

import pytest

from boiler_functions.cli.project import Project
from boiler_functions.cli.registering import Registering
from boiler_functions.database import Delete, Put, Query
from boiler_functions.exceptions import InvalidRequest
from boiler_functions.modes.ledger import COLLECTION as LEDGERS
from boiler_functions.modes.registry import COLLECTION as APPS
from boiler_functions.testing import MemoryApp
from boiler_functions.types import to_datetime
from tests.pages import shown
from tests.unit.cli.conftest import APP, LABEL, Run, Start

TOLD = """
from boiler_functions import Changed

@app.on_change(CityView)
def tell(change: Changed[CityView]) -> None:
    raise ValueError("The line is busy.")
"""

TOKYO = {"name": "Tokyo", "obj_type": "City", "doc_id": "TOK"}


def registered(testing: MemoryApp) -> None:
    """Registers the app, as a deployment does."""
    Registering.of(Project.find().load().declarations, testing.database, 7).write(testing.database)


def parts(run: Run, *arguments: str, status: int = 0) -> dict[str, Any]:
    result = run("status", "--json", "--project", "demo-towns", *arguments)
    assert result.exit_code == status, result.output
    answer = json.loads(result.stdout)
    assert (answer["command"], answer["project"], answer["is_fine"]) == ("status", "demo-towns", status == 0)
    return {each["name"]: each for each in answer["result"]["parts"]}


def states(run: Run, *arguments: str, status: int = 0) -> dict[str, str]:
    return {name: each["state"] for name, each in parts(run, *arguments, status=status).items()}


def tokyo(testing: MemoryApp) -> None:
    testing.write("cities/TOK", TOKYO)
    testing.deliver()


def ledger(testing: MemoryApp) -> dict[str, Any]:
    (found,) = testing.database.query(Query(LEDGERS)).documents
    return {"path": found.path, **(found.fields or {})}


def owed(testing: MemoryApp, seconds: int, due: int) -> None:
    """Lets the one ledger owe a build since so many seconds, and due so many seconds ago."""
    fields = ledger(testing)
    path, now = fields.pop("path"), testing.surroundings.clock()
    debt = {"since": to_datetime(now - seconds * 10**9), "why": "not built yet", "tries": 0}
    at = f"towns/{to_datetime(now - due * 10**9):%Y-%m-%dT%H:%M:%SZ}"
    testing.database.commit([Put(path, {**fields, "owed": debt, "due": at})])


def test_nothing_is_ok_that_no_deployment_has_registered(start: Start, run: Run) -> None:
    testing = start(APP + TOLD)
    assert states(run, status=1) == {"CityView": "unknown", "CityForm": "unknown", "tell": "unknown"}
    registered(testing)
    assert states(run) == {"CityView": "ok", "CityForm": "ok", "tell": "ok"}


def test_a_form_or_a_receiver_with_letters_is_failing_though_no_deployment_is_registered(
    start: Start, run: Run
) -> None:
    broken = APP.replace("def propagate_change(self) -> None:", "def propagate_change(self) -> None:\n        1 / 0")
    undeliverable = TOLD.replace("ValueError", "Undeliverable")
    testing = start(broken + "from boiler_functions.exceptions import Undeliverable\n" + undeliverable)
    testing.write("users/ada/cityForms/TOK", {"name": "Tokyo"})
    tokyo(testing)
    found = parts(run, status=1)
    told = {name: (found[name]["state"], found[name]["why"]) for name in ("CityForm", "tell")}
    assert told == {"CityForm": ("failing", "1 letters (bug)"), "tell": ("failing", "1 letters (receiver)")}


def test_what_is_built_by_this_code_is_ok_and_counted(start: Start, run: Run) -> None:
    testing = start(APP)
    registered(testing)
    tokyo(testing)
    found = parts(run)["CityView"]
    assert (found["state"], found["figures"]["instances"], found["figures"]["other_code"]) == ("ok", 1, 0)


def test_what_other_code_built_is_stale(start: Start, run: Run) -> None:
    testing = start(APP)
    registered(testing)
    tokyo(testing)
    start(APP.replace("return self.store.city.name", 'return self.store.city.name + "!"'))
    found = parts(run, status=1)["CityView"]
    assert (found["state"], found["figures"]["other_code"]) == ("stale code", 1)
    assert found["why"] == "1 of 1 are built by other code than this checkout's"


def test_a_view_that_cannot_be_built_is_failing_until_it_is_built(start: Start, run: Run) -> None:
    testing = start(APP)
    registered(testing)
    testing.write("cities/TOK", {})
    testing.deliver()
    found = parts(run, status=1)["CityView"]
    assert (found["state"], found["figures"]["letters"], found["why"]) == (
        "failing",
        {"schema": 1},
        "1 letters (schema)",
    )
    tokyo(testing)  # Its letter is still there, and is not counted any more.
    assert states(run) == {"CityView": "ok", "CityForm": "ok"}


@pytest.mark.parametrize(
    ("since", "due", "state"), [(30, -30, "ok"), (200, 0, "late"), (3600, 3000, "stopped"), (200, -600, "late")]
)
def test_a_debt_is_late_and_then_nothing_seems_to_run(since: int, due: int, state: str, start: Start, run: Run) -> None:
    testing = start(APP)
    registered(testing)
    tokyo(testing)
    owed(testing, since, due)
    found = parts(run, status=0 if state == "ok" else 1)["CityView"]
    assert (found["state"], found["figures"]["owed"]) == (state, 1)
    if state == "late":
        assert states(run, "--late", "1h")["CityView"] == "ok"


def test_changes_that_nobody_has_received_are_counted(start: Start, run: Run) -> None:
    testing = start(APP + TOLD)
    registered(testing)
    testing.write("cities/TOK", TOKYO)
    for each in testing.take():
        if each.function.entry_point == "city_view_on_cities":
            testing.handle(each)
    found = parts(run, "--late", "0s", status=1)["tell"]
    assert (found["state"], found["figures"]["undelivered"]) == ("late", 1)
    (record,) = [each for each in testing.documents().values() if each.path.startswith("boilerOutbox/")]
    earlier = to_datetime(testing.surroundings.clock() - 3600 * 10**9)
    testing.database.commit([Put(record.path, {**(record.fields or {}), "time": earlier})])
    assert states(run, status=1)["tell"] == "stopped"


def test_what_cannot_be_asked_is_unknown_and_hides_nothing_else(
    start: Start, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    testing = start(APP)
    registered(testing)
    query = testing.database.query

    def refuse(asked: Query, **given: Any) -> Any:
        if asked.collection == LEDGERS:
            raise InvalidRequest("The query needs an index.")
        return query(asked, **given)

    monkeypatch.setattr(testing.database, "query", refuse)
    found = parts(run, status=1)
    assert (found["CityView"]["state"], found["CityForm"]["state"]) == ("unknown", "ok")
    assert found["CityView"]["why"].endswith("The query needs an index.")


def test_dropped_views_and_letters_of_what_is_gone_are_named(start: Start, run: Run) -> None:
    testing = start(APP + LABEL)
    registered(testing)
    testing.write("cities/TOK", {})
    testing.deliver()
    start(APP)
    registered(testing)
    told = run("status").stdout
    assert "no longer declared: CityLabel; `boiler withdraw --dropped` deletes what is left" in told
    assert "letters of CityLabel, which is not declared: 1" in told


def test_it_only_reads(start: Start, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    testing = start(APP)
    registered(testing)
    tokyo(testing)

    def commit(*_: object, **__: object) -> None:
        raise AssertionError("It writes.")

    monkeypatch.setattr(testing.database, "commit", commit)
    states(run)


def test_watching_asks_again_until_it_is_interrupted(start: Start, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    testing = start(APP)
    registered(testing)
    naps: list[float] = []

    def nap(seconds: float) -> None:
        naps.append(seconds)
        testing.database.commit([Delete(f"{APPS}/towns")])
        if len(naps) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr("time.sleep", nap)
    result = run("status", "--watch", "3")
    assert (result.exit_code, naps) == (130, [3, 3])
    assert (result.stdout.count("  ok"), result.stdout.count("  unknown")) == (2, 2)


def test_the_readme_shows_what_it_prints(start: Start, run: Run) -> None:
    (command,) = shown("status.txt")
    testing = start(APP)
    registered(testing)
    tokyo(testing)
    testing.write("cities/PAR", {})
    testing.deliver()
    assert command.prints(run(*command.arguments).stdout)
