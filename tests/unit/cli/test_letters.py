"""`boiler letters` lists, shows, retries and drops dead letters, and changes nothing else."""

import json
from typing import Any

import pytest

from boiler_functions.database import Put
from boiler_functions.database.memory import MemoryDatabase
from boiler_functions.modes.dead_letter import COLLECTION
from boiler_functions.testing import MemoryApp
from tests.pages import shown
from tests.unit.cli.conftest import APP, LABEL, Run, Start

SECRET = "a secret name"

BROKEN = APP.replace("City.new(", f'raise ValueError("{SECRET}")\n        City.new(')

FORM = "users/ann/cityForms/TOK"


def letters(database: MemoryDatabase | MemoryApp) -> dict[str, Any]:
    assert isinstance(database, MemoryApp)
    found = database.documents().values()
    return {each.id: dict(each.fields or {}) for each in found if each.collection == COLLECTION}


def answer(run: Run, *arguments: str, status: int = 0) -> Any:
    result = run("letters", *arguments, "--json", "--project", "demo-towns")
    assert result.exit_code == status, result.output
    return json.loads(result.stdout)


def broken_city(testing: MemoryApp, name: str = "TOK") -> None:
    testing.write(f"cities/{name}", {"secret": SECRET})
    testing.deliver()


def test_letters_are_listed_with_their_place_and_without_contents(start: Start, run: Run) -> None:
    testing = start(APP)
    broken_city(testing)
    found = answer(run, "list")
    assert {name: found[name] for name in ("command", "app", "project", "database", "is_fine")} == {
        "command": "letters list",
        "app": "towns",
        "project": "demo-towns",
        "database": "(default)",
        "is_fine": True,
    }
    (letter,) = found["result"]["letters"]
    assert (letter["kind"], letter["view"], letter["subject"], letter["attempts"]) == (
        "schema",
        "CityView",
        "cities/TOK",
        1,
    )
    assert found["result"]["kinds"] == {"schema": 1}
    told = run("letters", "list", "--project", "demo-towns").stdout
    assert told.startswith("towns: project demo-towns, database (default)\n")
    assert letter["id"] in told
    assert told.endswith("1 letters: schema 1\n")


def test_a_message_is_shown_only_when_it_is_asked_for(start: Start, run: Run) -> None:
    testing = start(BROKEN)
    testing.write(FORM, {"name": "Tokyo"})
    testing.deliver()
    assert SECRET not in run("letters", "show").stdout
    assert SECRET not in run("letters", "show", "--json").stdout
    assert SECRET in (shown := run("letters", "show", "--contents").stdout)
    assert shown.splitlines()[-1] == "see: boiler check --explain BF511"
    (letter,) = answer(run, "show", "--contents")["result"]["letters"]
    assert SECRET in letter["message"]


def test_letters_are_chosen_by_kind_view_age_and_id(start: Start, run: Run) -> None:
    testing = start(BROKEN + LABEL)
    broken_city(testing)
    testing.write(FORM, {"name": "Tokyo"})
    testing.deliver()

    def views(*arguments: str) -> list[str]:
        return sorted(each["view"] for each in answer(run, "list", *arguments)["result"]["letters"])

    assert views() == ["CityForm", "CityLabel", "CityView"]
    assert views("--kind", "bug") == ["CityForm"]
    assert views("--view", "CityLabel") == ["CityLabel"]
    assert views("--older", "1h") == []
    assert views("--newer", "1h", "--kind", "schema") == ["CityLabel", "CityView"]
    (known,) = [name for name, letter in letters(testing).items() if letter["view"] == "CityForm"]
    assert views(known) == ["CityForm"]


def test_a_view_is_built_again_from_its_documents_as_they_are_now(start: Start, run: Run) -> None:
    testing = start(APP)
    broken_city(testing)
    retried = answer(run, "retry", "--all", status=1)["result"]["letters"]
    assert [(each["outcome"], each["is_done"]) for each in retried] == [("failed again", False)]
    assert [each["attempts"] for each in letters(testing).values()] == [2]
    testing.write("cities/TOK", {"name": "Tokyo", "obj_type": "City", "doc_id": "TOK"})
    testing.take()  # The event is lost.
    retried = answer(run, "retry", "--view", "CityView")["result"]["letters"]
    assert [(each["outcome"], each["is_done"]) for each in retried] == [("built", True)]
    assert (testing.fields("cityView/TOK") or {})["title"] == "Tokyo"
    assert letters(testing) == {}


def test_a_failed_form_takes_effect_once_its_code_is_mended(start: Start, run: Run) -> None:
    testing = start(BROKEN)
    testing.write(FORM, {"name": "Tokyo"})
    testing.deliver()
    assert (testing.fields(FORM) or {})["outcome"]["status"] == "failed"
    assert answer(run, "retry", "--all", status=1)["is_fine"] is False
    assert testing.fields("cities/TOK") is None
    start(APP)
    retried = answer(run, "retry", "--all")["result"]["letters"]
    assert [each["outcome"] for each in retried] == ["done"]
    assert (testing.fields(FORM) or {})["outcome"]["status"] == "done"
    assert (testing.fields("cities/TOK") or {})["name"] == "Tokyo"
    assert letters(testing) == {}


def test_a_letter_whose_work_nothing_declares_is_kept_and_can_be_dropped(start: Start, run: Run) -> None:
    testing = start(APP + LABEL)
    broken_city(testing)
    start(APP)
    (retried,) = answer(run, "retry", "--view", "CityLabel", status=1)["result"]["letters"]
    assert retried["outcome"] == "nothing here does such work: drop the letter, or deploy the code that does it"
    assert answer(run, "drop", "--view", "CityLabel", "--yes")["result"]["kept"] == []
    assert [each["view"] for each in letters(testing).values()] == ["CityView"]


def test_nothing_is_dropped_before_a_person_agrees(start: Start, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    testing = start(APP)
    broken_city(testing)
    asked: list[str] = []
    monkeypatch.setattr("click.confirm", lambda text, **_: asked.append(text))
    result = run("letters", "drop", "--all", "--project", "demo-towns")
    assert asked == ["Drop 1 letters of towns in project demo-towns, database (default)?"]
    assert "0 letters are dropped" in result.stdout
    assert len(letters(testing)) == 1


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["retry"], "No letter is chosen. Give ids, as `boiler letters list` prints them"),
        (["drop", "--yes"], "or `boiler letters drop --all`."),
        (["retry", "nobody"], "towns has no letter 'nobody'; it may have ended since."),
        (["list", "--older", "soon"], "'soon' is not an age. Write a number with s, m, h or d"),
    ],
)
def test_a_mistaken_choice_changes_nothing(arguments: list[str], told: str, start: Start, run: Run) -> None:
    testing = start(APP)
    broken_city(testing)
    result = run("letters", *arguments)
    assert result.exit_code == 2
    assert told in result.stderr
    assert result.stdout == ""
    assert len(letters(testing)) == 1


def test_letters_of_another_app_are_left_alone(start: Start, run: Run) -> None:
    testing = start(APP)
    broken_city(testing)
    (fields,) = letters(testing).values()
    testing.database.commit([Put(f"{COLLECTION}/other", {**fields, "app": "other"})])
    assert len(answer(run, "list")["result"]["letters"]) == 1
    answer(run, "drop", "--all", "--yes")
    assert list(letters(testing)) == ["other"]


def test_listing_and_showing_only_read(start: Start, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    testing = start(APP)
    broken_city(testing)

    def commit(*_: object, **__: object) -> None:
        raise AssertionError("It writes.")

    monkeypatch.setattr(testing.database, "commit", commit)
    answer(run, "list")
    answer(run, "show")


def test_the_readme_shows_what_the_commands_print(start: Start, run: Run) -> None:
    listing, retry = shown("letters.txt")
    testing = start(APP)
    broken_city(testing)
    assert listing.prints(run(*listing.arguments).stdout)
    testing.write("cities/TOK", {"name": "Tokyo"})
    assert retry.prints(run(*retry.arguments).stdout)
