"""`boiler fit`, `boiler model` and `boiler migrate`: what is said of documents that are there, and done with them."""

import json
import sys
from types import ModuleType
from typing import Any

import pytest

from boiler_functions.cli.fit import models_of
from boiler_functions.cli.project import Project
from boiler_functions.testing import MemoryApp
from boiler_functions.types import Reference
from tests.unit.cli.conftest import APP, Run, Start

STAYS = """
from boiler_functions import Boiler, DomainModel, Store, ViewModel, access, attrs, reference

app = Boiler("inn")

class Guest(DomainModel):
    class Meta:
        collection_name = "guests"
    name = attrs.string(required=True)

class Stay(DomainModel):
    class Meta:
        collection_name = "stays"
    guest = attrs.relation(Guest, by="id", required=True)
    price = attrs.float(coerce=True)
    nights = attrs.integer(required=True, aliases=["days"])
    status = attrs.string(default="open")

class StayStore(Store):
    stay = reference(Stay)
    guest = reference(Stay.guest)

@app.query
class StayView(ViewModel[StayStore]):
    class Meta:
        path = "stayViews/{stay.doc_id}"

    @attrs.computed
    def price(self) -> float | None:
        return self.store.stay.price
"""

STEP = """
@app.migration(Stay)
def up_to_date(stay: Stay) -> None:
    pass
"""


def answer(run: Run, *arguments: str, status: int = 0) -> dict[str, Any]:
    result = run(*arguments, "--json", "--project", "demo-inn")
    assert result.exit_code == status, result.output
    told: dict[str, Any] = json.loads(result.stdout)
    assert (told["command"], told["is_fine"]) == (arguments[0], status == 0)
    found: dict[str, Any] = told["result"]
    return found


def fill(testing: MemoryApp) -> None:
    testing.write("guests/ann", {"name": "Ann"})
    testing.write("stays/1", {"guest": "ann", "price": "12.5", "days": 2})
    testing.write("stays/2", {"guest": "ann", "price": "ask us", "nights": 1, "status": "open", "note": "x"})
    testing.write("stays/3", {"guest": 7, "price": 3.5, "nights": 1, "status": "paid"})


def test_fit_says_for_each_field_what_does_not_fit_how_often_and_where(start: Start, run: Run) -> None:
    testing = start(STAYS)
    fill(testing)
    before = testing.documents()
    result = answer(run, "fit", "Stay", "--all", status=1)["models"]["Stay"]
    assert (result["read"], result["unfit"]) == (3, 2)
    found = {
        (each["kind"], each["field"]): (each["why"], each["count"], each["example"]) for each in result["findings"]
    }
    assert found == {
        ("misfit", "guest"): ("Not the id of a document of guests/{doc_id}.", 1, "stays/3"),
        ("misfit", "price"): ("Not a valid number.", 1, "stays/2"),
        ("former", "nights"): ("days", 1, "stays/1"),
        ("coerced", "price"): ("str as float", 1, "stays/1"),
        ("lacking", "status"): ("", 1, "stays/1"),
        ("undeclared", "note"): ("", 1, "stays/2"),
    }
    assert testing.documents() == before


def test_fit_reads_a_sample_of_all_models_and_tells_a_person(start: Start, run: Run) -> None:
    testing = start(STAYS)
    fill(testing)
    told = run("fit", "--project", "demo-inn")
    assert told.exit_code == 1
    assert "Guest: 1 of guests read, all fit" in told.stdout
    assert "  nights has the former name 'days' in 1; for example stays/1" in told.stdout
    few = answer(run, "fit", "Guest", "--sample", "1")
    assert few["models"]["Guest"]["read"] == 1
    assert run("fit", "Nobody", "--project", "demo-inn").exit_code == 2


def test_a_sample_is_of_documents_each_once_and_never_more_than_asked_for(start: Start, run: Run) -> None:
    testing = start(STAYS)
    for number in range(50):
        testing.write(f"guests/g{number:02}", {"name": "G"})
    assert answer(run, "fit", "Guest", "--sample", "50")["models"]["Guest"]["read"] <= 50
    assert answer(run, "fit", "Guest", "--all")["models"]["Guest"]["read"] == 50


def test_model_writes_code_that_the_documents_fit_with_relations_recognised(
    start: Start, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    testing = start(STAYS)
    testing.write("guests/ann", {"name": "Ann"})
    testing.write("guests/bob", {"name": "Bob"})
    testing.write("rooms/r", {})
    for number in range(3):
        testing.write(
            f"bookings/b{number}",
            {
                "guestId": "ann",
                "room": Reference("rooms/r"),
                "roomPaths": ["rooms/r"],
                "members": {"ann": True, **({"gone": False, "bob": None} if number == 1 else {})},
                "flags": {"dark": True},
                "totalPrice": "12.5" if number else 3,
                "address": {"street": "Elm", "zip": 7},
                "tags": ["a"],
                "path": "reserved",
                "scores": {f"k {each}": 1 for each in range(3)},
                "odd": number if number else [],
                "class": True,
                **({"late": None} if number else {}),
            },
        )
    result = answer(run, "model", "bookings")
    code = result["code"]
    for line in (
        'guest_id = attrs.relation("Guest", by="id", required=True)',
        'room = attrs.relation("Room", required=True)',
        'room_paths = attrs.relation("Room", by="path", many=True)',
        'members = attrs.relation("Guest", by="keys", many=True)',
        "flags = attrs.embedded(BookingFlags, required=True)",
        "total_price = attrs.float(required=True, coerce=True)",
        "tags = attrs.list(str)",
        "address = attrs.embedded(BookingAddress, required=True)",
        "zip = attrs.integer(required=True)",
        'path_ = attrs.string(required=True, data_key="path")',
        "scores = attrs.mapping(int)",
        'class_ = attrs.boolean(required=True, data_key="class")',
        "odd = attrs.bproperty()  # int 2 times, list 1 times",
    ):
        assert f"    {line}" in code.splitlines(), code
    assert any("odd could not be told" in each for each in result["notes"])
    written: Any = ModuleType("written")
    monkeypatch.setitem(sys.modules, "written", written)
    written.Guest = next(each for each in models_of(Project.find().load()) if each.__name__ == "Guest")
    exec(compile(code, "written", "exec"), vars(written))
    documents = [each for path, each in testing.documents().items() if path.startswith("bookings/")]
    assert [written.Booking.__misfits__(each) for each in documents] == [{}] * 3


def test_model_takes_what_most_values_are_and_notes_the_others(start: Start, run: Run) -> None:
    testing = start(STAYS)
    testing.write("guests/ann", {"name": "Ann"})
    for number in range(9):
        testing.write(
            f"bills/b{number}", {"guest": "ann" if number else 7, "price": number / 2 if number else "ask us"}
        )
    result = answer(run, "model", "bills")
    assert '    guest = attrs.relation("Guest", by="id", required=True)' in result["code"]
    assert "    price = attrs.float(required=True, coerce=True)" in result["code"]
    assert result["notes"] == [
        "9 documents of bills were read.",
        "Bill.guest does not fit 1 values, such as 7.",
        "Bill.price does not fit 1 values, such as 'ask us'.",
    ]


def test_model_of_a_collection_without_documents_is_not_fine(start: Start, run: Run) -> None:
    start(STAYS)
    assert answer(run, "model", "nothings", status=1)["read"] == 0


def test_model_reads_a_sub_collection_wherever_it_lies(start: Start, run: Run) -> None:
    testing = start(STAYS)
    testing.write("guests/ann/notes/1", {"text": "Hello"})
    code = answer(run, "model", "guests/{guest_id}/notes")["code"]
    assert 'collection_name = "guests/{guest_id}/notes"' in code
    assert "text = attrs.string(required=True)" in code


def test_migrate_shows_and_then_does_what_its_steps_say_and_names_what_is_left(start: Start, run: Run) -> None:
    testing = start(STAYS + STEP)
    fill(testing)
    before = testing.documents()
    tried = run("migrate", "--dry-run", "--project", "demo-inn")
    assert tried.exit_code == 1
    assert "up_to_date of Stay: 1 of 3 would change, 2 be left" in tried.stdout
    assert "    - days: 2" in tried.stdout.splitlines()
    assert "    + nights: 2" in tried.stdout.splitlines()
    assert testing.documents() == before
    step = answer(run, "migrate", "--yes", status=1)["steps"]["up_to_date"]
    assert (step["status"], [each["path"] for each in step["left"]]) == ("left", ["stays/2", "stays/3"])
    assert (testing.fields("stays/1") or {})["nights"] == 2
    testing.write("stays/2", {"guest": "ann", "nights": 1})
    testing.write("stays/3", {"guest": "ann", "nights": 1})
    assert answer(run, "migrate", "--yes")["steps"]["up_to_date"]["status"] == "done"
    assert answer(run, "migrate")["steps"]["up_to_date"]["status"] == "done"


def test_migrate_without_steps_says_how_to_declare_one(start: Start, run: Run) -> None:
    start(APP)
    result = run("migrate", "--project", "demo-towns")
    assert result.exit_code == 2
    assert "@app.migration(Model)" in result.stderr
