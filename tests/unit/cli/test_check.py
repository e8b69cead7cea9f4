"""`boiler check` finds every mistake at once, each with its code, the line that declares it, and an explanation."""

import json
import re
import tomllib
from collections.abc import Callable
from email.message import Message
from pathlib import Path

import pytest

from boiler_functions import exceptions
from boiler_functions.cli.codes import explanations
from boiler_functions.cli.package import documentation
from boiler_functions.exceptions import BoilerError
from boiler_functions.types import subclasses
from tests.unit.cli.conftest import APP, LABEL, Run, Write

ROOT = Path(__file__).parents[3]

FORM = """
class Form(DomainModel):
    class Meta:
        collection_name = "users/{user_id}/cityForms"
"""

Line = Callable[[str], str]


@pytest.fixture
def write(module: Write, folder: Path) -> Callable[[str], Line]:
    """Writes the app, and gives the place of its first line with a text."""

    def write(text: str) -> Line:
        path = folder / "functions" / f"{module(text)}.py"
        lines = path.read_text().splitlines()
        return lambda part: f"{path}:{next(at for at, line in enumerate(lines, 1) if part in line)}"

    return write


def _line_before(place: str) -> str:
    """The place of a decorator of one line above a class."""
    file, _, number = place.rpartition(":")
    return f"{file}:{int(number) - 1}"


def test_mistakes_of_independent_views_are_found_at_once(write: Callable[[str], Line], run: Run) -> None:
    first = APP.replace("cityView/{city.doc_id}", "cityView/{town.doc_id}")
    second = LABEL.replace('"* " + ', "str(__import__('time').time()) + ")
    line = write(first + "import time\n" + second.replace("__import__('time')", "time"))
    result = run("check")
    assert result.exit_code == 2
    assert re.findall(r"^error (BF\d+)", result.stderr, re.MULTILINE) == ["BF101", "BF110"]
    assert f"at {line('class CityView')}" in result.stderr or f"at {line('@app.query')}" in result.stderr
    assert "the placeholder {town.doc_id}, which names nothing in CityStore" in result.stderr


def test_consequences_of_a_mistake_are_not_reported(write: Callable[[str], Line], run: Run) -> None:
    line = write(APP.replace('collection_name = "cities"', 'collection_name = "cities/x"'))
    result = run("check")
    error, at, _ = result.stderr.splitlines()
    assert error.startswith("error BF101 City.Meta.collection_name 'cities/x' names a document")
    assert at == f"  at {line('class City(')}"


def test_a_collision_of_views_is_reported_at_the_one_that_was_declared_last(
    write: Callable[[str], Line], run: Run
) -> None:
    line = write(APP + LABEL.replace("cityLabels", "cityView"))
    error, at, _ = run("check").stderr.splitlines()
    assert error.startswith("error BF108 CityLabel is stored at")
    assert re.fullmatch(r"  at .*\.py:(\d+)", at)
    assert int(at.rpartition(":")[2]) > int(line("class CityForm").rpartition(":")[2])


def test_a_view_whose_name_is_a_word_of_the_message_is_not_the_one_that_collides(
    write: Callable[[str], Line], run: Run
) -> None:
    named = LABEL.replace("CityLabel", "Give").replace("cityLabels", "gifts")
    line = write(APP + LABEL.replace("cityLabels", "cityView") + named)
    error, at, _ = run("check").stderr.splitlines()
    assert error.startswith("error BF108 CityLabel is stored at")
    assert "Give one of them another collection" in error
    assert at in (f"  at {line('class CityLabel')}", f"  at {_line_before(line('class CityLabel'))}")


def test_collisions_are_reported_together_with_other_mistakes(write: Callable[[str], Line], run: Run) -> None:
    loop = LABEL.replace("CityLabel", "CityCopy").replace("cityLabels", "cities")
    write(APP + LABEL.replace("cityLabels", "cityView") + loop)
    codes = re.findall(r"^error (BF\d+)", run("check").stderr, re.MULTILINE)
    assert sorted(codes) == ["BF108", "BF109"]


READER = """

class ReaderStore(Store):
    label = reference(CityLabel)


@app.query
class Reader(ViewModel[ReaderStore]):
    class Meta:
        path = "readers/{label.doc_id}"

    @attrs.computed
    def text(self) -> str:
        return ""
"""


def test_a_view_that_reads_copies_of_a_mistaken_one_is_not_a_mistake_too(
    write: Callable[[str], Line], run: Run
) -> None:
    line = write(APP + LABEL.replace("cityLabels", "boilerLedgers") + READER)
    error, at, _ = run("check").stderr.splitlines()
    assert error.startswith("error BF109 CityLabel reads or writes")
    assert at in (f"  at {line('class CityLabel')}", f"  at {_line_before(line('class CityLabel'))}")


def test_a_mistake_of_a_view_that_reads_copies_is_not_that_of_the_one_before(
    write: Callable[[str], Line], run: Run
) -> None:
    line = write(APP + LABEL + READER.replace("readers/", "boilerLedgers/"))
    error, at, _ = run("check").stderr.splitlines()
    assert error.startswith("error BF109 Reader reads or writes")
    assert at in (f"  at {line('class Reader(')}", f"  at {_line_before(line('class Reader('))}")


def test_a_module_below_the_apps_is_checked_as_well(module: Write, run: Run, folder: Path) -> None:
    (folder / "functions" / "prices.py").write_text(
        "def parse() -> None:\n    raise LookupError('gone')\n\n\nparse()\n"
    )
    module("import prices\n" + APP)
    result = run("check")
    assert result.exit_code == 2
    assert f'File "{folder / "functions" / "prices.py"}", line 5, in <module>' in result.stderr
    assert "error BF201 The app's module 'prices' does not import: LookupError: gone" in result.stderr
    assert "boiler_functions/cli" not in result.stderr


def test_annotations_stay_as_the_module_wants_them(module: Write, run: Run) -> None:
    module("from __future__ import annotations\n" + APP + "\n\ndef late(value: Undeclared) -> None: ...\n")
    assert run("check").exit_code == 0


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ('Boiler("towns")', 'Boiler("towns", region="us-centrl1")', "BF105"),
        ('Boiler("towns")', 'Boiler("towns", memory=300)', "BF105"),
        ('Boiler("towns")', 'Boiler("towns", trigger_location="nam99")', "BF105"),
        ('path = "cityView/', 'path = "cities/', "BF109"),
        ("writes=[City]", "writes=[City, Form]", "BF109"),
        ("class CityForm", "class City_View", "BF107"),
        ("-> str:", ":", "BF102"),
        ("reference(City)", "reference(City.name)", "BF103"),
    ],
)
def test_a_mistake_has_its_code(old: str, new: str, code: str, write: Callable[[str], Line], run: Run) -> None:
    form = (
        'class Form(DomainModel):\n    class Meta:\n        collection_name = "users/{user_id}/cityForms"\n\n@app.task'
    )
    text = APP.replace("@app.task", form, 1).replace(old, new, 1)
    if code == "BF107":
        text = APP + LABEL.replace("CityLabel", "City_View")
    write(text)
    result = run("check")
    assert result.exit_code == 2
    assert result.stderr.startswith(f"error {code} ")


def test_json_has_every_mistake_and_what_to_do(write: Callable[[str], Line], run: Run) -> None:
    line = write(APP.replace("cityView/{city.doc_id}", "cityView/{town.doc_id}"))
    result = run("check", "--format", "json")
    assert (result.exit_code, result.stderr) == (2, "")
    content = json.loads(result.stdout)
    (mistake,) = content["mistakes"]
    assert content["app"] == "towns"
    assert (mistake["code"], mistake["name"]) == ("BF101", "InvalidPattern")
    assert f"{mistake['file']}:{mistake['line']}" in (line("@app.query"), line("class CityView"))
    assert mistake["explanation"].startswith("BF101 InvalidPattern\n\n")


def test_a_module_that_is_no_python_is_a_mistake_as_well(module: Write, run: Run) -> None:
    module("def unfinished(:\n")
    result = run("check", "--format", "json")
    assert result.exit_code == 2
    assert [each["code"] for each in json.loads(result.stdout)["mistakes"]] == ["BF201"]
    assert "def unfinished(:" in result.stderr


def test_json_of_a_fine_app_has_no_mistakes(module: Write, run: Run) -> None:
    module(APP)
    result = run("check", "--format", "json")
    assert result.exit_code == 0
    content = json.loads(result.stdout)
    assert (content["app"], content["mistakes"]) == ("towns", [])
    assert [each["name"] for each in content["warnings"]] == ["nobody-may-send"]


def test_sarif_names_the_rule_and_the_place(write: Callable[[str], Line], run: Run, folder: Path) -> None:
    write(APP.replace('path = "cityView/', 'path = "cities/'))
    content = json.loads(run("check", "--format", "sarif").stdout)
    (done,) = content["runs"]
    (result,) = done["results"]
    (rule,) = done["tool"]["driver"]["rules"]
    (location,) = result["locations"]
    assert content["version"] == "2.1.0"
    assert (rule["id"], rule["name"], result["ruleId"]) == ("BF109", "TriggersItself", "BF109")
    uri = location["physicalLocation"]["artifactLocation"]["uri"]
    assert (folder / uri).is_file()
    assert not uri.startswith("/")
    assert location["physicalLocation"]["region"]["startLine"] > 1


def test_a_folder_that_could_not_be_uploaded_is_a_mistake(module: Write, run: Run, folder: Path) -> None:
    name = module(APP)
    (folder / "functions" / "main.py").write_text(f"from {name} import app\n\napp.export(globals())\n")
    requirements = folder / "functions" / "requirements.txt"
    requirements.write_text("boiler-functions\n")
    result = run("check")
    assert result.exit_code == 2
    assert result.stderr.startswith(
        f"error BF202 {requirements}:1 names boiler-functions; the functions need [tasks] too."
    )
    requirements.write_text("boiler-functions[tasks]\n")
    assert run("check").exit_code == 0


def test_every_code_is_explained_and_every_explanation_has_a_code() -> None:
    errors: list[type[BoilerError]] = [BoilerError]
    errors += [each for each in subclasses(BoilerError) if each.__module__ == exceptions.__name__]
    assert {text.splitlines()[0] for text in explanations().values()} == {
        f"{error.code} {error.__name__}" for error in errors
    }
    assert list(explanations()) == sorted(explanations())
    assert all(len(text.splitlines()) > 2 for text in explanations().values())


SITE = "https://docs.example/boiler"


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> None:
    """The site is published at an address that pyproject.toml names."""
    monkeypatch.setattr("boiler_functions.cli.codes.documentation", lambda: SITE)


def test_a_message_ends_with_the_command_that_explains_its_codes_each_once(
    write: Callable[[str], Line], run: Run
) -> None:
    labels = [LABEL.replace("CityLabel", name).replace("cityLabels", "cities") for name in ("One", "Two")]
    write(APP + LABEL.replace("cityLabels", "cityView") + "".join(labels))
    *_, last = run("check").stderr.splitlines()
    assert last == "see: boiler check --explain BF108, boiler check --explain BF109"
    assert run("plan").stderr.splitlines()[-1].startswith("see: boiler check --explain BF10")


@pytest.mark.usefixtures("published")
def test_where_the_site_is_published_messages_and_sarif_name_the_page_of_the_code(
    write: Callable[[str], Line], run: Run
) -> None:
    write(APP.replace('path = "cityView/', 'path = "cities/'))
    page = f"{SITE}/reference/errors/BF109.html"
    assert run("check").stderr.splitlines()[-1] == f"see: {page}"
    assert run("check", "--explain", "bf109").stdout.splitlines()[-1] == page
    (rule,) = json.loads(run("check", "--format", "sarif").stdout)["runs"][0]["tool"]["driver"]["rules"]
    assert rule["helpUri"] == page


def test_the_address_of_the_documentation_is_that_of_the_project(monkeypatch: pytest.MonkeyPatch) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert documentation() == project.get("urls", {}).get("Documentation")
    named = Message()
    named["Project-URL"] = "Source, https://code.example/boiler"
    named["Project-URL"] = f"Documentation, {SITE}/"
    monkeypatch.setattr("boiler_functions.cli.package.metadata", lambda _: named)
    assert documentation() == SITE


def test_a_code_is_explained(run: Run) -> None:
    assert run("check", "--explain", "bf109").stdout.startswith("BF109 TriggersItself\n\nA function's own writes")


def test_an_unknown_code_is_refused_with_the_codes_that_exist(run: Run) -> None:
    result = run("check", "--explain", "BF999")
    assert result.exit_code == 2
    assert result.stderr.startswith("error BF200 There is no code BF999; there are BF000, BF100")


def test_a_view_that_would_hold_the_documents_below_all_others_is_warned_of(
    write: Callable[[str], Line], run: Run
) -> None:
    note = 'class Note(DomainModel):\n    class Meta:\n        collection_name = "cities/{city_id}/notes"\n\n\n'
    app = APP.replace("class CityStore(Store):\n", f"{note}class CityStore(Store):\n    notes = matching(Note.all())\n")
    write(app.replace("attrs, reference", "attrs, matching, reference", 1))
    result = run("check")
    assert result.exit_code == 0
    warning, text = result.stderr.splitlines()[:2]
    assert warning == "warning takes-from-everybody CityView.store.notes"
    assert "in all of cities/{city_id}/notes/{doc_id}" in text
    assert "write `children(Note)`" in text
    warnings = json.loads(run("check", "--format", "json").stdout)["warnings"]
    assert [each["name"] for each in warnings] == ["takes-from-everybody", "nobody-may-send"]
    found, _ = json.loads(run("check", "--format", "sarif").stdout)["runs"][0]["results"]
    assert (found["ruleId"], found["level"]) == ("takes-from-everybody", "warning")
