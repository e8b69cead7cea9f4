"""ETags, and conditions on them."""

from typing import Any

import pytest

from boiler_functions import use
from tests.unit.modes.rest.changes.scene import note
from tests.unit.modes.rest.meeting_api import Api
from tests.unit.modes.rest.notes_api import Note, store_views


def test_the_etag_is_that_of_the_content_for_every_caller_and_for_a_stored_or_built_view(api: Api) -> None:
    stored, built = api.get("/notes/n1", by="ada"), api.get("/notes/n1", by="ada", fresh="true")
    others, admins = api.get("/notes/n1", by="bob"), api.get("/notes/n1", by="eve:admin")
    (etag,) = {each.headers["ETag"] for each in (stored, built, others, admins)}
    assert etag.startswith('"')
    changed = api.ask("PATCH", "/notes/n1", "ada", {"stars": 2})
    assert changed.headers["ETag"] not in (etag, None)
    assert api.get("/notes/n1", by="ada", fresh="true").headers["ETag"] == changed.headers["ETag"]


def test_what_the_client_has_already_is_a_304_without_a_body(api: Api) -> None:
    etag = api.get("/notes/n1", by="ada").headers["ETag"]
    again = api.ask("GET", "/notes/n1", "ada", If_None_Match=etag)
    assert (again.status_code, again.data, again.headers["ETag"]) == (304, b"", etag)
    assert api.ask("GET", "/notes/n1", "ada", If_None_Match='"other"').status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", "/notes/n1", {"stars": 1}),
        ("PUT", "/notes/n1", {"stars": 1, "text": "x"}),
        ("DELETE", "/notes/n1", None),
        ("POST", "/notes/n1:addStar", {}),
    ],
)
def test_a_change_of_another_version_than_if_match_names_is_a_412(api: Api, method: str, path: str, body: Any) -> None:
    etag = api.get("/notes/n1", by="ada").headers["ETag"]
    with use(api.memory):
        stored = Note.get("n1")
        assert stored is not None
        stored.stars = 7
        stored.save()
    before = note(api)
    # The stored copy is behind, and so was the client: what counts are the sources at the commit.
    assert api.ask(method, path, "ada", body, If_Match=etag).status_code == 412
    assert note(api) == before
    store_views(api)
    etag = api.get("/notes/n1", by="ada").headers["ETag"]
    assert api.ask(method, path, "ada", body, If_Match=etag).status_code in (200, 204)


@pytest.mark.parametrize("name", ["If_Match", "If_None_Match"])
@pytest.mark.parametrize("tag", ['"', "", ", ,", '"half'])
def test_a_condition_that_names_no_etag_is_refused_rather_than_ignored(api: Api, name: str, tag: str) -> None:
    before = note(api)
    assert api.ask("PATCH", "/notes/n1", "ada", {"stars": 1}, **{name: tag}).status_code == 400
    assert note(api) == before


def test_if_match_with_a_star_takes_any_version_of_what_is_there(api: Api) -> None:
    assert api.ask("PATCH", "/notes/n1", "ada", {"stars": 1}, If_Match="*").status_code == 200
    assert api.ask("PUT", "/notes/n9", "ada", {"stars": 1, "text": "x"}, If_Match="*").status_code == 412
    assert note(api, "n9") is None


def test_a_weak_etag_is_no_match(api: Api) -> None:
    etag = api.get("/notes/n1", by="ada").headers["ETag"]
    assert api.ask("PATCH", "/notes/n1", "ada", {"stars": 1}, If_Match=f"W/{etag}").status_code == 412


def test_if_none_match_with_a_star_makes_and_never_replaces(api: Api) -> None:
    body = {"stars": 1, "text": "x"}
    assert api.ask("PUT", "/notes/n1", "ada", body, If_None_Match="*").status_code == 412
    assert api.ask("PUT", "/notes/n9", "ada", body, If_None_Match="*").status_code == 201
