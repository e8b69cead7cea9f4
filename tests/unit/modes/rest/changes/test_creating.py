"""Creating, replacing and deleting over HTTP."""

from typing import Any
from urllib.parse import urljoin

import pytest

from boiler_functions import use
from boiler_functions.database.metered import Usage
from tests.unit.modes.rest.changes.scene import note
from tests.unit.modes.rest.meeting_api import Api
from tests.unit.modes.rest.notes_api import Note, store_views


def test_a_post_makes_a_root_that_is_the_callers(api: Api) -> None:
    answer = api.ask("POST", "/notes", "ada", {"text": "new"})
    assert answer.status_code == 201
    made = answer.json["id"]
    assert answer.json == {"id": made, "text": "new", "stars": 0, "status": "open", "names": ["Ada"]}
    assert urljoin("https://region.example/prefix/notes", answer.headers["Location"]).endswith(f"/prefix/notes/{made}")
    assert (note(api, made)["text"], note(api, made)["lastEditor"]) == ("new", "ada")
    store_views(api)
    stored = api.get(f"/notes/{made}", by="ada")
    assert (stored.json, stored.headers["ETag"]) == (answer.json, answer.headers["ETag"])
    assert api.get(f"/notes/{made}", by="bob").status_code == 404


def test_a_post_takes_an_id_and_never_overwrites(api: Api) -> None:
    assert api.ask("POST", "/notes", "ada", {"id": "mine", "text": "new"}).json["id"] == "mine"
    before = note(api)
    assert api.ask("POST", "/notes", "ada", {"id": "n1", "text": "new"}).status_code == 409
    assert note(api) == before


@pytest.mark.parametrize("doc_id", ["", "..", "a/b", "__x__", " x", 5])
def test_a_post_with_an_id_that_no_document_can_have_is_refused(api: Api, doc_id: Any) -> None:
    answer = api.ask("POST", "/notes", "ada", {"id": doc_id, "text": "new"})
    assert (answer.status_code, list(answer.json["errors"])) == (422, ["id"])
    assert api.database.usage == Usage()


def test_a_root_that_lacks_what_it_must_have_is_refused(api: Api) -> None:
    answer = api.ask("POST", "/notes", "ada", {"stars": 1})
    assert (answer.status_code, list(answer.json["errors"])) == (422, ["text"])


def test_a_put_replaces_every_attribute_that_can_be_set(api: Api) -> None:
    answer = api.ask("PUT", "/notes/n1", "ada", {"text": "x"})
    assert (answer.status_code, list(answer.json["errors"])) == (422, ["stars"])
    answer = api.ask("PUT", "/notes/n1", "ada", {"text": "x", "stars": 3})
    assert (answer.status_code, answer.json["text"], answer.json["stars"]) == (200, "x", 3)


def test_a_put_to_a_free_id_makes_it(api: Api) -> None:
    answer = api.ask("PUT", "/notes/mine", "ada", {"text": "x", "stars": 3})
    assert (answer.status_code, answer.json["names"]) == (201, ["Ada"])
    assert urljoin("https://region.example/prefix/notes/mine", answer.headers["Location"]).endswith(
        "/prefix/notes/mine"
    )


def test_a_delete_deletes_the_root_and_its_copies_follow(api: Api) -> None:
    answer = api.ask("DELETE", "/notes/n1", "ada")
    assert (answer.status_code, answer.data) == (204, b"")
    assert note(api) is None
    assert api.ask("DELETE", "/notes/n1", "ada").status_code == 404


def test_what_a_rule_does_not_offer_is_a_405(api: Api) -> None:
    for method, path in (("POST", "/open_notes"), ("DELETE", "/open_notes/n1"), ("PUT", "/profiles/ada")):
        answer = api.ask(method, path, "ada", {})
        assert (answer.status_code, method in answer.headers["Allow"]) == (405, False)
    # Without `create` a PUT finds nothing to replace.
    assert api.ask("PUT", "/open_notes/n9", "ada:editor", {"text": "x"}).status_code == 404


def test_two_that_make_the_same_id_at_once_make_one(api: Api) -> None:
    def interfere() -> None:
        if api.database.commits == 1:
            with use(api.memory):
                Note.new(doc_id="mine", text="faster").save()

    api.database.before_commit = interfere
    assert api.ask("POST", "/notes", "ada", {"id": "mine", "text": "new"}).status_code == 409
    assert note(api, "mine")["text"] == "faster"
