"""Security rules, made of what is declared; the emulator's tests say what they allow."""

import json
from pathlib import Path

import pytest

from boiler_functions import Boiler, DomainModel, Rejected, Store, ViewModel, access, attrs, reference
from boiler_functions.exceptions import ConfigurationError, OverlappingPaths
from boiler_functions.plan.security_rules import BEGIN, END, documents, firestore_rules
from functions.city import app as city
from functions.meeting_room import app as meeting_room
from tests.unit.cli.conftest import APP, Run, Write, folder, module, run

__all__ = ["folder", "module", "run"]

CITY = """\
    // CityView, a view.
    match /cityView/{city_doc_id} {
      allow read: if true;
      allow write: if false;
    }

    // CityForm, a form.
    match /users/{user_id}/cityForms/{city_id} {
      allow read: if isUserOf(null) && request.auth.uid == user_id;
      allow create: if isUserOf(null) && request.auth.uid == user_id && fits(request.resource.data);
      allow update, delete: if false;
      function fits(data) {
        return data.keys().hasOnly(['name', 'country'])
          && data.keys().hasAll(['name', 'country'])
          && areTexts([data.name, data.country]);
      }
    }
"""

OWN = f"""\
    {BEGIN}
    match /cities/{{id}} {{
      allow read: if true;  // everybody
    }}

    {END}
"""


class Thing(DomainModel):
    class Meta:
        collection_name = "things"

    name = attrs.string(required=True)


class ThingStore(Store):
    thing = reference(Thing)


class _View(ViewModel[ThingStore]):
    @attrs.computed
    def name(self) -> str:
        return self.store.thing.name


class _Form(ViewModel):
    name = attrs.string()

    def propagate_change(self) -> None:
        raise Rejected("a test of rules sends no form to a function")


def rules(app: Boiler, existing: str | None = None) -> str:
    return firestore_rules(documents(app.compiled.declarations), existing)


def test_the_rules_allow_readers_of_each_view_and_senders_of_each_form() -> None:
    assert CITY in rules(city)


def test_the_rules_of_the_sample_are_those_that_are_deployed() -> None:
    path = Path(__file__).parents[3] / "firestore.rules"
    assert path.read_text("utf-8") == rules(meeting_room, path.read_text("utf-8")), "run `boiler rules`"


def test_the_users_own_section_is_kept_as_it_is() -> None:
    edited = rules(city).replace(f"    {BEGIN}\n    {END}\n", OWN)
    assert OWN in edited
    assert rules(city, edited) == edited
    assert OWN in rules(meeting_room, edited)


def test_rules_that_were_written_by_hand_are_not_lost() -> None:
    with pytest.raises(ConfigurationError, match="were not written by `boiler rules`") as told:
        rules(city, "rules_version = '2';\nservice cloud.firestore {}\n")
    assert str(told.value).endswith(f"{BEGIN}\n{END}")


def test_a_predicate_admits_nobody_and_a_comment_says_so() -> None:
    app = Boiler("asked")

    @app.query
    class Asked(_View):
        class Meta:
            path = "asked/{thing.doc_id}"
            read = access.any_of(access.claim("admin"), lambda caller, view: True)

    assert (
        "    // A predicate of Meta.read cannot be said in rules: whom it alone admits is denied here.\n"
        "    match /asked/{thing_doc_id} {\n"
        "      allow read: if isUserOf(null) && request.auth.token.get('admin', null) == true;\n"
    ) in rules(app)


def test_a_relation_of_a_form_that_is_stored_as_a_string_is_checked_as_one() -> None:
    app = Boiler("rules")

    @app.task("users/{user_id}/wishes/{wish_id}", writes=[Thing])
    class Wish(ViewModel):
        class Meta:
            write = access.owner("user_id")

        thing = attrs.relation(Thing, by="id", required=True)

        def propagate_change(self) -> None:
            raise NotImplementedError

    assert "areTexts([data.thing])" in rules(app)


def test_a_form_without_senders_is_for_functions_alone() -> None:
    app = Boiler("sealed")
    app.task("sealed/{id}", writes=[Thing])(_Form)
    assert "    match /sealed/{id} {\n      allow read: if false;\n      allow write: if false;\n    }\n" in rules(app)


def test_placeholders_become_variables_that_differ_from_one_another_and_from_the_languages_words() -> None:
    app = Boiler("words")
    app.task("a/{request}/b/{database}/c/{a_b}/d/{x}", writes=[Thing])(_Form)
    assert "match /a/{request_}/b/{database_}/c/{a_b}/d/{x} {" in rules(app)


def test_a_form_where_a_view_is_stored_is_refused() -> None:
    app = Boiler("both")

    @app.query
    class Stored(_View):
        class Meta:
            path = "stored/{thing.doc_id}"

    @app.task("stored/{id}", writes=[Thing])
    class Anywhere(_Form):
        class Meta:
            write = access.signed_in

    declared = list(documents(app._declarations))
    with pytest.raises(OverlappingPaths, match=r"Anywhere, a form, is sent to .* and Stored, a view, is at 'stored/"):
        firestore_rules(declared)


def test_the_command_writes_the_rules_and_reports_stale_ones(run: Run, module: Write, folder: Path) -> None:
    module(APP)
    path = folder / "firestore.rules"
    missing = run("rules", "--check")
    assert (missing.exit_code, path.exists()) == (1, False)
    assert run("rules").stdout == f"{path} is written\n"
    assert run("rules", "--check").exit_code == 0
    path.write_text(path.read_text().replace("if false", "if true"))
    assert run("rules", "--check").exit_code == 1
    assert "Run `boiler rules`." in run("rules", "--check").stderr


def test_the_rules_are_where_firebase_json_says(run: Run, module: Write, folder: Path) -> None:
    module(APP)
    (folder / "firebase.json").write_text(json.dumps({"firestore": {"rules": "my.rules"}}))
    run("rules")
    assert (folder / "my.rules").is_file()
    assert not (folder / "firestore.rules").exists()


def test_an_unreadable_firebase_json_is_reported(run: Run, module: Write, folder: Path) -> None:
    module(APP)
    (folder / "firebase.json").write_text("{")
    result = run("rules")
    assert result.exit_code == 2
    assert "firebase.json cannot be read" in result.stderr
