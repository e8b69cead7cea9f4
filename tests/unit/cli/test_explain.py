"""`boiler explain` and `boiler impact` say where a document comes from and what follows, without its content."""

import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest

from boiler_functions.testing import MemoryApp
from tests.pages import shown
from tests.unit.cli.conftest import APP, LABEL, Run, Start

FORM = "users/ann/cityForms/OSA"


def answer(run: Run, *arguments: str) -> Any:
    result = run(*arguments, "--json", "--project", "demo-towns")
    assert result.exit_code == 0, result.output
    assert "SECRET" not in result.stdout
    return json.loads(result.stdout)["result"]


def built(testing: MemoryApp) -> None:
    for name in ("PAR", "TOK"):
        testing.write(f"cities/{name}", {"name": f"SECRET {name}", "obj_type": "City", "doc_id": name})
    testing.deliver()


def test_a_copy_names_its_sources_then_and_now_its_code_and_its_readers(start: Start, run: Run) -> None:
    testing = start(APP)
    built(testing)
    found = answer(run, "explain", "cityView/TOK")
    (copy,) = found["found"]
    assert (copy["what"], copy["root"], copy["is_listed"], copy["is_this_code"]) == (
        "a copy of CityView",
        "cities/TOK",
        True,
        True,
    )
    (source,) = copy["sources"]
    assert (source["path"], source["has_changed"]) == ("cities/TOK", False)
    assert found["clients"] == [{"title": "CityView, a view", "read": "nobody", "create": "nobody"}]
    assert found["dependents"] == {}
    testing.write("cities/TOK", {"name": "SECRET Edo", "obj_type": "City", "doc_id": "TOK"})
    (copy,) = answer(run, "explain", "cityView/TOK")["found"]
    assert copy["sources"][0]["has_changed"]


def test_a_copy_is_compared_with_a_fresh_build_and_shown_if_contents_are_asked_for(start: Start, run: Run) -> None:
    testing = start(APP)
    built(testing)
    testing.write("cityView/TOK", {"title": "By hand", "obj_type": "CityView"})
    (copy,) = answer(run, "explain", "cityView/TOK")["found"]
    assert (copy["verdict"], copy["differing"]) == ("wrong", ["doc_ref", "title"])
    assert "fresh" not in copy
    command = ("explain", "cityView/TOK", "--contents", "--project", "demo-towns")
    shown = json.loads(run(*command, "--json").stdout)["result"]
    assert shown["stored"] == {"title": "By hand", "obj_type": "CityView"}
    assert shown["found"][0]["fresh"]["title"] == "SECRET TOK"
    lines = run(*command).stdout
    assert 'stored is {"title": "By hand"' in lines
    assert 'a fresh build is {"title": "SECRET TOK"' in lines


@pytest.mark.parametrize(
    ("declared", "told"),
    [
        ("access.public", "everybody"),
        ("access.signed_in", "all who are signed in"),
        (
            'access.owner("city.doc_id") | access.claim("admin")',
            "the owner by city.doc_id or holders of the claim admin",
        ),
    ],
)
def test_who_may_read_a_copy_is_said_in_words(declared: str, told: str, start: Start, run: Run) -> None:
    path = 'path = "cityView/{city.doc_id}"'
    built(start(APP.replace(path, f"{path}\n        read = {declared}")))
    assert [each["read"] for each in answer(run, "explain", "cityView/TOK")["clients"]] == [told]


def test_a_form_shows_its_outcome_and_a_letter_what_it_is_about(start: Start, run: Run) -> None:
    testing = start(APP.replace("City.new(", 'raise ValueError("SECRET")\n        City.new('))
    testing.write(FORM, {"name": "SECRET"})
    testing.deliver()
    found = answer(run, "explain", FORM)
    assert (found["found"][0]["what"], found["found"][0]["outcome"]) == ("a form of CityForm", "failed")
    (letter,) = found["letters"]
    by_letter = answer(run, "explain", f"boilerDeadLetters/{letter}")
    assert (by_letter["about"], by_letter["found"]) == (FORM, found["found"])


def test_a_source_names_the_instances_that_its_change_builds(start: Start, run: Run) -> None:
    built(start(APP + LABEL))
    assert answer(run, "impact", "cities/TOK")["views"] == {
        "CityView": {"instances": 1, "roots": ["cities/TOK"]},
        "CityLabel": {"instances": 1, "roots": ["cities/TOK"]},
    }
    assert answer(run, "impact", "towns/TOK")["views"] == {}
    assert answer(run, "explain", "cities/TOK")["dependents"] == {
        "CityView": ["cities/TOK"],
        "CityLabel": ["cities/TOK"],
    }


def test_a_path_that_names_no_document_is_refused_and_neither_writes(
    start: Start, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    testing = start(APP)
    built(testing)

    def commit(*_: object, **__: object) -> None:
        raise AssertionError("It writes.")

    monkeypatch.setattr(testing.database, "commit", commit)
    assert run("explain", "cities").exit_code == 2
    assert run("impact", "cities/TOK/x").exit_code == 2
    assert run("explain", "cities/TOK").exit_code == 0


def test_the_readme_shows_what_they_print(start: Start, run: Run) -> None:
    explain, impact = shown("explain.txt")
    built(start(APP))
    assert explain.prints(run(*explain.arguments).stdout), run(*explain.arguments).stdout
    assert impact.prints(run(*impact.arguments).stdout)


def test_a_picture_leads_from_the_sources_of_a_copy_through_its_view_to_its_copies(start: Start, run: Run) -> None:
    testing = start(APP)
    built(testing)
    testing.write("cities/TOK", {"name": "SECRET Edo", "obj_type": "City", "doc_id": "TOK"})
    result = run("explain", "cityView/TOK", "--graph", "svg")
    drawn = ElementTree.fromstring(result.stdout)
    texts = [each.text for each in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert texts == [
        *("cityView/TOK", "sources", "cities/TOK", "changed since"),
        *("views", "CityView", "late", "copies", "cityView/TOK"),
    ]
    assert (
        len(list(drawn.iter("{http://www.w3.org/2000/svg}path")))
        - len(list(drawn.iter("{http://www.w3.org/2000/svg}marker")))
        == 2
    )
    assert "SECRET" not in result.stdout


def test_a_picture_of_a_source_leads_to_what_a_change_of_it_builds(start: Start, run: Run, tmp_path: Path) -> None:
    built(start(APP))
    assert run("explain", "cities/TOK", "--graph", "mermaid", "--output", str(tmp_path / "x.mmd")).exit_code == 0
    drawn = (tmp_path / "x.mmd").read_text()
    assert "subgraph copies[copies]" in drawn
    assert '["CityView<br/><small>1 would be built</small>"]' in drawn
    assert drawn.count(" --> ") == 2
    alone = run("explain", "cities/TOK", "--output", str(tmp_path / "y"))
    assert alone.exit_code == 2
    assert "Add --graph svg" in alone.stderr


def test_a_document_that_nothing_depends_on_is_drawn_alone(start: Start, run: Run) -> None:
    start(APP)
    drawn = run("explain", "others/x", "--graph", "mermaid").stdout
    assert "nothing depends on it" in drawn
    assert " --> " not in drawn
