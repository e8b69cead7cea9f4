"""PATCH through the setters, in one commit."""

from typing import Any

import pytest

from boiler_functions import use
from boiler_functions.database import Put
from boiler_functions.database.memory import MemoryDatabase
from boiler_functions.database.metered import Usage
from boiler_functions.exceptions import Conflict, Unavailable, UnknownOutcome
from boiler_functions.modes.rest.resource import MAX_RETRIES
from tests.unit.modes.rest.meeting_api import Api, Room, User, meeting_api


def state(memory: MemoryDatabase) -> dict[str, Any]:
    """Returns everything in the database, with versions."""
    paths = [path for documents in memory._collections.values() for path in documents]
    return {document.path: (document.version, document.fields) for document in memory.read(sorted(paths)).documents}


def test_a_patch_runs_the_setter_and_answers_the_view_as_it_is_then(api: Api) -> None:
    answer = api.patch("/meetings/m1", {"inSession": False})
    assert (answer.status_code, answer.json["id"], answer.json["inSession"]) == (200, "m1", False)
    assert api.document("meetings/m1")["status"] == "closed"
    assert answer.json == api.get("/meetings/m1", fresh="true").json


def test_a_patch_is_one_commit_and_reads_nothing_twice(api: Api) -> None:
    api.get("/meetings/m1", fresh="true")
    read = api.database.usage
    api.database.usage = Usage()
    api.patch("/meetings/m1", {"inSession": False})
    assert api.database.commits == 1
    # The commit runs the Store's two queries again, to verify them.
    assert api.database.usage.rpcs == read.rpcs + 3


def test_only_what_changed_is_written(api: Api) -> None:
    before = state(api.memory)
    api.patch("/meetings/m1", {"inSession": False})
    after = state(api.memory)
    assert {path for path in after if after[path] != before[path]} == {"meetings/m1"}


def test_the_setters_run_in_the_order_of_the_body(api: Api) -> None:
    api.patch("/meetings/m1", {"notes": "a", "seats": 2})
    assert api.document("meetings/m1")["notes"] == "a,seats,"
    api.patch("/meetings/m2", {"seats": 2, "notes": "a"})
    assert api.document("meetings/m2")["notes"] == "seats,a,"


def test_a_rejected_patch_answers_the_reason_and_changes_nothing(api: Api) -> None:
    before = state(api.memory)
    answer = api.patch("/meetings/m1", {"notes": "lost", "inSession": True})
    assert answer.status_code == 422
    assert answer.json == {
        "code": 422,
        "status": "Unprocessable Entity",
        "message": "the meeting is already in-session",
        "errors": {"inSession": ["no change"]},
    }
    assert state(api.memory) == before


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"undeclared": 1}, "undeclared"),
        ({"attending": ["Eve"]}, "attending"),
        ({"in_session": False}, "in_session"),
        ({"id": "m2"}, "id"),
        ({"obj_type": "Room"}, "obj_type"),
        ({"a.b": 1}, "a.b"),
        ({"`seats`": 1}, "`seats`"),
        ({"__proto__": {}}, "__proto__"),
        ({"inSession": "no"}, "inSession"),
        ({"inSession": None}, "inSession"),
        ({"inSession": 0}, "inSession"),
        ({"seats": 1.5}, "seats"),
        ({"seats": True}, "seats"),
        ({"seats": 1000}, "seats"),
        ({"room": 5}, "room"),
        ({"room": "users/ada"}, "room"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_by_field_and_changes_nothing(
    api: Api, body: dict[str, Any], field: str
) -> None:
    before = state(api.memory)
    answer = api.patch("/meetings/m1", {"notes": "lost", **body})
    assert (answer.status_code, list(answer.json["errors"])) == (422, [field])
    assert state(api.memory) == before


def test_every_field_that_does_not_fit_is_named(api: Api) -> None:
    answer = api.patch("/meetings/m1", {"seats": "x", "attending": [], "y": 1})
    assert answer.json["errors"] == {
        "seats": ["Not a valid integer."],
        "attending": ["Unknown, or read-only."],
        "y": ["Unknown, or read-only."],
    }


def test_an_optional_value_may_be_null(api: Api) -> None:
    assert api.patch("/meetings/m1", {"notes": None}).status_code == 200


def test_a_body_that_says_nothing_changes_nothing(api: Api) -> None:
    before = state(api.memory)
    answer = api.patch("/meetings/m1", {})
    assert (answer.status_code, answer.json) == (200, api.get("/meetings/m1").json)
    assert (api.database.commits, state(api.memory)) == (0, before)


@pytest.mark.parametrize("path", ["/meetings/m9", "/meetings/__x__"])
def test_a_patch_without_a_root_is_not_found(api: Api, path: str) -> None:
    assert api.patch(path, {"inSession": False}).status_code == 404
    assert api.database.commits == 0


def test_a_view_without_setters_has_no_patch(api: Api) -> None:
    answer = api.patch("/rooms/r1", {})
    assert (answer.status_code, answer.json["code"]) == (405, 405)
    assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}


def test_the_answer_follows_a_relation_that_the_patch_changed(api: Api) -> None:
    with use(api.memory):
        Room.new(doc_id="r2").save()
    answer = api.patch("/meetings/m1", {"room": "r2"})
    assert (answer.json["room"], answer.json["neighbours"], answer.json["place"]) == ("r2", ["m1"], None)
    assert answer.json == api.get("/meetings/m1", fresh="true").json
    assert api.patch("/meetings/m2", {"room": "r2"}).json["neighbours"] == ["m1", "m2"]


def test_the_answer_has_what_its_queries_find_after_the_patch(api: Api) -> None:
    assert api.patch("/meetings/m1", {"inSession": False}).json["running"] == []
    assert api.patch("/meetings/m2", {"inSession": True}).json["running"] == ["m2"]


def test_the_answer_has_the_documents_that_the_patch_made(api: Api) -> None:
    answer = api.patch("/meetings/m1", {"guest": "carl"})
    assert answer.json["attending"] == ["Ada", "carl"]
    assert answer.json == api.get("/meetings/m1", fresh="true").json


def test_a_patch_may_delete_its_root(api: Api) -> None:
    answer = api.patch("/meetings/m1", {"deleted": True})
    assert (answer.status_code, answer.data) == (204, b"")
    assert api.document("meetings/m1") is None


@pytest.mark.parametrize("guest", ["a/b", "..", "__x__", 5])
def test_an_id_that_no_document_can_have_is_refused(api: Api, guest: Any) -> None:
    before = state(api.memory)
    assert api.patch("/meetings/m1", {"guest": guest}).status_code == 422
    assert state(api.memory) == before


def test_a_document_that_would_be_too_large_is_refused(api: Api) -> None:
    for _ in range(2):
        answer = api.patch("/meetings/m1", {"notes": "x" * 600_000})
    assert answer.status_code == 422
    assert "larger" in answer.json["message"]
    assert len(api.document("meetings/m1")["notes"]) == 600_001


def test_a_conflict_is_tried_again_from_what_is_stored_then(api: Api) -> None:
    api.database.faults = [Conflict("contended")] * 2
    answer = api.patch("/meetings/m1", {"notes": "a"})
    assert (answer.status_code, answer.json["notes"], api.database.commits) == (200, "a,", 3)
    assert len(api.pauses) == 2
    assert max(api.pauses) < 1


def test_a_change_of_what_was_only_read_is_a_conflict() -> None:
    api = meeting_api()

    def interfere() -> None:
        if api.database.commits == 1:
            with use(api.memory):
                User.new(doc_id="ada", name="Ada King").save()

    api.database.before_commit = interfere
    answer = api.patch("/meetings/m1", {"notes": "a"})
    assert (answer.json["attending"], answer.json["notes"], api.database.commits) == (["Ada King"], "a,", 2)


def test_a_change_of_what_the_store_does_not_verify_is_no_conflict() -> None:
    api = meeting_api()

    def interfere() -> None:
        with use(api.memory):
            Room.new(doc_id="r1", key_code="new").save()

    api.database.before_commit = interfere
    assert (api.patch("/meetings/m1", {"notes": "a"}).status_code, api.database.commits) == (200, 1)


def test_a_document_that_enters_a_query_is_a_conflict() -> None:
    api = meeting_api()

    def interfere() -> None:
        if api.database.commits == 1:
            api.memory.commit([Put("meetings/m3", api.document("meetings/m2"))])

    api.database.before_commit = interfere
    answer = api.patch("/meetings/m1", {"notes": "a"})
    assert (answer.json["neighbours"], api.database.commits) == (["m1", "m2", "m3"], 2)


def test_a_conflict_that_lasts_is_answered_503(api: Api) -> None:
    api.database.faults = [Conflict("contended")] * 20
    answer = api.patch("/meetings/m1", {"notes": "a"})
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert api.database.commits == MAX_RETRIES + 1


def test_a_commit_whose_answer_was_lost_is_not_tried_again(api: Api) -> None:
    api.database.faults = [UnknownOutcome("lost")]
    answer = api.patch("/meetings/m1", {"notes": "a"})
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert "not known" in answer.json["message"]
    assert api.database.commits == 1


def test_a_database_that_is_away_is_answered_503(api: Api) -> None:
    api.database.faults = [Unavailable("away")]
    answer = api.patch("/meetings/m1", {"notes": "a"})
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert "away" not in answer.text


def test_a_bug_in_a_setter_changes_nothing_tells_nothing_and_is_logged(
    api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    before = state(api.memory)
    answer = api.patch("/meetings/m1", {"guest": "bug"})
    assert (answer.status_code, answer.json["errors"]) == (500, {})
    assert "secret" not in answer.text
    assert "Zero" not in answer.text
    assert caplog.records[-1].exc_info is not None
    assert "secret detail" in caplog.text
    assert state(api.memory) == before
