"""`boiler audit` finds every copy that is wrong and no other, and `boiler diff` what newer code will change."""

import json
from datetime import UTC, datetime
from random import Random
from threading import Event, Thread
from typing import Any

import pytest

from boiler_functions.database import Delete, Query
from boiler_functions.modes.ledger import COLLECTION as LEDGERS
from boiler_functions.plan.prices import Prices
from boiler_functions.testing import MemoryApp
from tests.pages import shown
from tests.unit.cli.conftest import APP, LABEL, Run, Start

OTHER = APP.replace("return self.store.city.name", 'return self.store.city.name + "!"')

WHOLE = APP.replace("    name = attrs", "    seen = attrs.integer(default=0)\n    name = attrs")
FIELDS = WHOLE.replace("reference(City)", "reference(City, fields=[City.name])")

NAMES = ("PAR", "ROM", "TOK")


def city(name: str) -> dict[str, Any]:
    return {"name": name, "obj_type": "City", "doc_id": name}


def built(testing: MemoryApp) -> None:
    for name in NAMES:
        testing.write(f"cities/{name}", city(name))
    testing.deliver()


def answer(run: Run, *arguments: str, status: int = 0) -> Any:
    result = run(*arguments, "--json", "--project", "demo-towns")
    assert result.exit_code == status, result.output
    found = json.loads(result.stdout)
    assert (found["command"], found["project"], found["is_fine"]) == (arguments[0], "demo-towns", status == 0)
    return found["result"]["views"]


def faults(run: Run, *arguments: str, status: int = 1) -> list[tuple[str, str]]:
    views = answer(run, "audit", *arguments, status=status).values()
    return sorted((each["verdict"], each["root"]) for view in views for each in view["faults"])


def ledger_of(testing: MemoryApp, root: str) -> str:
    found = testing.database.query(Query(LEDGERS)).documents
    return next(each.path for each in found if (each.fields or {})["root"] == root)


def edit(testing: MemoryApp, name: str = "TOK") -> None:
    copy = testing.fields(f"cityView/{name}") or {}
    testing.write(f"cityView/{name}", {**copy, "title": "by hand"})


def test_what_is_right_is_counted_and_fine(start: Start, run: Run) -> None:
    built(start(APP))
    assert answer(run, "audit")["CityView"] == {"compared": 3, "verdicts": {"right": 3}, "faults": [], "totals": []}


def test_a_copy_that_was_edited_deleted_or_added_by_hand_is_found_and_repaired(start: Start, run: Run) -> None:
    testing = start(APP)
    built(testing)
    edit(testing)
    testing.write("cityView/PAR", None)
    testing.write("cityView/NOW", {**(testing.fields("cityView/ROM") or {}), "doc_ref": "cityView/NOW"})
    found = answer(run, "audit", status=1)["CityView"]["faults"]
    assert [(each["verdict"], each["root"], each["differing"]) for each in found] == [
        ("wrong", "cities/PAR", [{"path": "cityView/PAR", "fields": []}]),
        ("wrong", "cities/TOK", [{"path": "cityView/TOK", "fields": ["title"]}]),
        ("no ledger", "cityView/NOW", []),
    ]
    assert answer(run, "audit", "--repair", "--yes")["CityView"]["repaired"] == 3
    assert faults(run, status=0) == []
    assert [(testing.fields(f"cityView/{name}") or {}).get("title") for name in ("PAR", "TOK", "NOW")] == [
        "PAR",
        "TOK",
        None,
    ]


@pytest.mark.parametrize("after", [city("Edo"), None], ids=["changed", "deleted"])
def test_a_change_whose_event_may_still_come_is_late_and_lost_after_that(
    after: dict[str, Any] | None, start: Start, run: Run
) -> None:
    testing = start(APP)
    built(testing)
    testing.write("cities/TOK", after)
    assert answer(run, "audit")["CityView"]["verdicts"] == {"right": 2, "late": 1}
    assert faults(run, "--late", "0s") == [("lost", "cities/TOK")]
    testing.deliver()
    assert faults(run, "--late", "0s", status=0) == []


def test_a_ledger_that_is_gone_is_found_with_its_copy(start: Start, run: Run) -> None:
    testing = start(APP)
    built(testing)
    testing.database.commit([Delete(ledger_of(testing, "cities/TOK"))])
    assert faults(run, "--late", "0s") == [("lost", "cities/TOK"), ("no ledger", "cityView/TOK")]
    assert answer(run, "audit", "--late", "0s", "--repair", "--yes")["CityView"]["repaired"] == 2
    assert (testing.fields("cityView/TOK") or {})["title"] == "TOK"


def test_a_view_that_cannot_be_built_is_owed_and_not_wrong(start: Start, run: Run) -> None:
    testing = start(APP)
    built(testing)
    testing.write("cities/TOK", {})
    testing.deliver()
    assert answer(run, "audit", "--late", "0s")["CityView"]["verdicts"] == {"right": 2, "owed": 1}


def test_one_root_and_a_sample_are_compared_alone(start: Start, run: Run) -> None:
    testing = start(APP)
    built(testing)
    edit(testing)
    assert faults(run, "CityView", "--root", "PAR", status=0) == []
    assert faults(run, "CityView", "--root", "TOK") == [("wrong", "cities/TOK")]
    assert answer(run, "audit", "--sample", "3", status=1)["CityView"]["compared"] == 3
    assert run("audit", "--root", "TOK").exit_code == 2
    assert "give less than an hour" in run("audit", "--late", "1h").stderr


def test_since_a_time_what_was_written_is_compared_and_nothing_else(start: Start, run: Run) -> None:
    testing = start(APP)
    built(testing)
    edit(testing, "PAR")
    before = datetime.now(UTC)
    assert answer(run, "audit", "--since", before.isoformat())["CityView"]["compared"] == 0
    testing.write("cities/ROM", city("Roma"))
    testing.write("cities/OSL", city("Oslo"))
    testing.take()  # The events are lost.
    edit(testing, "TOK")
    testing.write("cityView/NOW", {**(testing.fields("cityView/TOK") or {}), "doc_ref": "cityView/NOW"})
    assert faults(run, "--since", before.isoformat(), "--late", "0s") == [
        ("lost", "cities/OSL"),
        ("lost", "cities/ROM"),
        ("no ledger", "cityView/NOW"),
        ("wrong", "cities/TOK"),
    ]
    assert ("wrong", "cities/PAR") in faults(run, "--since", "1h")
    assert "is not a time" in run("audit", "--since", "yesterday").stderr
    assert run("audit", "--since", "1h", "--sample", "3").exit_code == 2


def test_what_newer_code_will_change_is_shown_and_is_no_fault(start: Start, run: Run) -> None:
    testing = start(APP + LABEL)
    built(testing)
    start(OTHER + LABEL)
    assert answer(run, "audit")["CityView"]["verdicts"] == {"other code": 3}
    edit(testing)
    assert faults(run) == [("wrong", "cities/TOK")]
    found = answer(run, "diff", status=1)
    assert (found["CityLabel"]["changed"], found["CityView"]["changed"]) == (0, 2)
    assert found["CityView"]["changes"][0]["differing"] == [{"path": "cityView/PAR", "fields": ["title"]}]


@pytest.mark.parametrize("text", [FIELDS, WHOLE], ids=["with fields", "without"])
def test_what_no_getter_reads_may_change_all_the_time_and_hides_nothing(text: str, start: Start, run: Run) -> None:
    testing = start(text)
    built(testing)
    edit(testing)
    for name in NAMES:
        testing.write(f"cities/{name}", {**city(name), "seen": 1})
    testing.deliver()
    assert faults(run) == [("wrong", "cities/TOK")]
    start(text.replace("return self.store.city.name", 'return self.store.city.name + "!"'))
    testing.advance(minutes=10)
    assert answer(run, "audit", status=1)["CityView"]["verdicts"] == {"other code": 2, "wrong": 1}


@pytest.mark.parametrize("text", [FIELDS, WHOLE], ids=["with fields", "without"])
def test_a_lost_event_is_found_while_what_no_getter_reads_changes(text: str, start: Start, run: Run) -> None:
    testing = start(text)
    built(testing)
    testing.write("cities/TOK", city("Edo"))
    testing.take()
    assert answer(run, "audit")["CityView"]["verdicts"] == {"right": 2, "late": 1}
    testing.advance(minutes=10)
    testing.write("cities/TOK", {**city("Edo"), "seen": 1})
    testing.deliver()
    assert faults(run) == [("lost", "cities/TOK")]


def test_nothing_is_repaired_before_a_person_agrees_and_no_audit_writes(
    start: Start, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    testing = start(APP)
    built(testing)
    edit(testing)
    monkeypatch.setattr("click.confirm", lambda *_, **__: False)

    def commit(*_: object, **__: object) -> None:
        raise AssertionError("It writes.")

    monkeypatch.setattr(testing.database, "commit", commit)
    assert faults(run, "--repair") == [("wrong", "cities/TOK")]
    answer(run, "diff")


def test_nothing_is_wrong_while_writers_write_and_an_edit_is_found(start: Start, run: Run) -> None:
    testing = start(APP)
    built(testing)
    edit(testing, "ROM")
    stop, chance = Event(), Random(7)

    def write() -> None:
        while not stop.is_set():
            name = chance.choice(("PAR", "TOK"))
            testing.write(f"cities/{name}", None if chance.random() < 0.2 else city(f"{name}{chance.random()}"))
            if chance.random() < 0.7:
                testing.deliver()

    writer = Thread(target=write)
    writer.start()
    try:
        for _ in range(30):
            assert faults(run) == [("wrong", "cities/ROM")], "seed 7"
    finally:
        stop.set()
        writer.join()


def test_the_readme_shows_what_they_print(start: Start, run: Run) -> None:
    audit, repair, diff = shown("audit.txt")
    testing = start(APP)
    built(testing)
    edit(testing)
    assert audit.prints(run(*audit.arguments).stdout)
    assert repair.prints(run(*repair.arguments).stdout)
    start(OTHER)
    assert diff.prints(run(*diff.arguments).stdout)


def test_a_comparison_that_costs_more_than_a_cent_is_asked_about(
    start: Start, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    built(start(APP))
    monkeypatch.setattr(Prices, "of_documents", lambda *_: 12.5)
    for command in ("audit", "diff"):
        asked = run(command, "--project", "demo-towns")
        assert asked.exit_code == 1
        assert (
            "towns: project demo-towns, database (default)\nComparing 3 instances of CityView: about " in asked.stderr
        )
        assert "costs USD 12.50 at list prices of" in asked.stderr
        assert asked.stdout == ""
        assert run(command, "--yes", "--project", "demo-towns").exit_code == 0
    assert run("audit", "--since", "1h", "--project", "demo-towns").exit_code == 1
    assert run("audit", "CityView", "--root", "TOK", "--project", "demo-towns").exit_code == 0
