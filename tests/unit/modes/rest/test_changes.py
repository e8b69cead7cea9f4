"""Mutations: ETags, new roots, operations, keys that make a request safe to repeat, waiting for the view."""

from typing import Any
from urllib.parse import urljoin

import pytest

from boiler_functions import Store, ViewModel, operation, use
from boiler_functions.database.metered import Usage
from boiler_functions.exceptions import DeclarationError, Unavailable, UnknownOutcome
from boiler_functions.modes.marker import COLLECTION as MARKERS
from boiler_functions.views.operations import operations_of
from tests.unit.modes.rest.meeting_api import Api
from tests.unit.modes.rest.notes_api import Note, notes_api, store_views


@pytest.fixture
def api() -> Api:
    return notes_api()


def note(api: Api, doc_id: str = "n1") -> Any:
    return api.document(f"notes/{doc_id}")


def markers(api: Api) -> list[Any]:
    return [each for path in api.memory._collections[MARKERS] if (each := api.document(path))]


# ETags


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


# Creating, replacing, deleting


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


# Operations


def test_an_operation_is_called_with_typed_arguments_and_answers_with_the_view(api: Api) -> None:
    answer = api.ask("POST", "/notes/n1:close", "ada", {"reason": "done", "times": 2})
    assert (answer.status_code, answer.json["status"], answer.json["text"]) == (200, "closed", "done x2 by ada")
    again = api.ask("POST", "/notes/n1:close", "ada", {"reason": "done"})
    assert (again.status_code, again.json["message"]) == (422, "the note is closed already")


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, ["reason"]),
        ({"reason": 1}, ["reason"]),
        ({"reason": "x", "times": "2"}, ["times"]),
        ({"reason": "x", "y": 1}, ["y"]),
    ],
)
def test_arguments_that_do_not_fit_are_refused_by_name(api: Api, body: dict[str, Any], fields: list[str]) -> None:
    answer = api.ask("POST", "/notes/n1:close", "ada", body)
    assert (answer.status_code, list(answer.json["errors"])) == (422, fields)
    assert api.database.usage == Usage()


def test_an_operation_without_arguments_needs_no_body(api: Api) -> None:
    answer: Any = api.client.post("/notes/n1:addStar", headers={"Authorization": "Bearer ada"})
    assert answer.json["stars"] == 1


def test_the_arguments_of_an_operation_may_be_a_schema(api: Api) -> None:
    assert api.ask("POST", "/notes/n1:rename", "ada", {"title": "short"}).json["text"] == "short"
    answer = api.ask("POST", "/notes/n1:rename", "ada", {"title": "much too long"})
    assert (answer.status_code, list(answer.json["errors"])) == (422, ["title"])


def test_an_unknown_operation_is_a_405(api: Api) -> None:
    for name in ("set_text", "on_delete", "propagate_change", "nothing"):
        assert api.ask("POST", f"/notes/n1:{name}", "ada", {}).status_code == 405


def test_an_id_may_hold_a_colon(api: Api) -> None:
    api.ask("PUT", "/notes/a:close", "ada", {"text": "x", "stars": 0})
    assert api.get("/notes/a:close", by="ada", fresh="true").json["id"] == "a:close"
    assert api.ask("POST", "/notes/a:close:addStar", "ada", {}).json["stars"] == 1


class Wrong(ViewModel[Store]):
    """Base of views with an operation that cannot be called."""


def test_an_operation_that_cannot_be_called_is_refused_by_name() -> None:
    class Untyped(Wrong):
        @operation
        def close(self, reason) -> None:  # type: ignore[no-untyped-def]
            """Has an argument without a type."""

    class Answering(Wrong):
        @operation  # type: ignore[type-var]
        def close(self) -> str:
            return ""

    class Open(Wrong):
        @operation
        def close(self, *reasons: str) -> None:
            """Takes any number."""

    class Odd(Wrong):
        @operation
        def close(self, reason: complex) -> None:
            """Takes a value that JSON cannot express."""

    for view, told in (
        (Untyped, "has no type"),
        (Answering, "answers with the view"),
        (Open, "by name"),
        (Odd, "complex"),
    ):
        with pytest.raises(DeclarationError, match=rf"{view.__name__}\.close.*{told}"):
            operations_of(view)


def test_operations_that_the_url_would_not_tell_apart_are_refused_by_name() -> None:
    class Closing(ViewModel[Store]):
        @operation
        def close_it(self) -> None: ...

        @operation
        def closeIt(self) -> None: ...  # noqa: N802

    with pytest.raises(DeclarationError, match=r"Closing\.close_it and Closing\.closeIt are both `:closeIt`"):
        operations_of(Closing)


# Keys that make a request safe to repeat


def test_a_repeated_key_gets_the_stored_answer_and_has_one_effect(api: Api) -> None:
    first = api.ask("POST", "/notes/n1:addStar", "ada", {}, Idempotency_Key="k1")
    commits = api.database.commits
    again = api.ask("POST", "/notes/n1:addStar", "ada", {}, Idempotency_Key="k1")
    assert (again.status_code, again.json, again.headers["ETag"]) == (200, first.json, first.headers["ETag"])
    assert (note(api)["stars"], api.database.commits) == (1, commits)
    (marker,) = markers(api)
    assert "k1" not in str(marker)
    assert (marker["expire_at"] - marker["time"]).total_seconds() == 24 * 3600


def test_a_made_root_is_made_once(api: Api) -> None:
    first, again = (api.ask("POST", "/notes", "ada", {"text": "x"}, Idempotency_Key="k1") for _ in range(2))
    assert (again.status_code, again.json, again.headers["Location"]) == (201, first.json, first.headers["Location"])
    assert len([path for path in api.memory._collections["notes"] if api.document(path)]) == 3


def test_a_deletion_is_answered_again(api: Api) -> None:
    assert [api.ask("DELETE", "/notes/n1", "ada", Idempotency_Key="k1").status_code for _ in range(2)] == [204, 204]


@pytest.mark.parametrize(
    ("path", "body"),
    [("/notes/n1:addStar?wait=0", {}), ("/notes/n2:addStar", {}), ("/notes/n1:close", {"reason": "x"})],
)
def test_a_key_that_comes_with_another_request_is_a_422(api: Api, path: str, body: Any) -> None:
    api.ask("POST", "/notes/n1:addStar", "bob", {}, Idempotency_Key="k1")
    answer = api.ask("POST", path, "bob", body, Idempotency_Key="k1")
    assert (answer.status_code, "Idempotency-Key" in answer.json["message"]) == (422, True)
    assert note(api)["stars"] == 1


def test_a_key_is_of_its_caller_alone(api: Api) -> None:
    for user in ("ada", "bob"):
        assert api.ask("POST", "/notes/n1:addStar", user, {}, Idempotency_Key="k1").status_code == 200
    assert note(api)["stars"] == 2


def test_two_with_one_key_at_once_have_one_effect(api: Api) -> None:
    answers: list[Any] = []

    def interfere() -> None:
        if not answers:
            answers.append(None)
            answers.append(api.ask("POST", "/notes/n1:addStar", "ada", {}, Idempotency_Key="k1"))

    api.database.before_commit = interfere
    late = api.ask("POST", "/notes/n1:addStar", "ada", {}, Idempotency_Key="k1")
    assert (late.status_code, late.json) == (200, answers[1].json)
    assert (note(api)["stars"], len(markers(api))) == (1, 1)


@pytest.mark.parametrize("is_applied", [True, False])
def test_with_a_key_a_commit_whose_answer_was_lost_is_resolved(api: Api, is_applied: bool) -> None:
    lost: list[bool] = []
    commit = api.memory.commit

    def losing(writes: Any, **options: Any) -> Any:
        if lost:
            return commit(writes, **options)
        lost.append(True)
        if is_applied:
            commit(writes, **options)
        raise UnknownOutcome("lost")

    api.memory.commit = losing  # type: ignore[method-assign]
    answer = api.ask("POST", "/notes/n1:addStar", "ada", {}, Idempotency_Key="k1")
    assert (answer.status_code, answer.json["stars"], note(api)["stars"]) == (200, 1, 1)


def test_a_refusal_is_not_kept(api: Api) -> None:
    for reason, status in ((1, 422), ("ok", 200)):
        answer = api.ask("POST", "/notes/n1:close", "ada", {"reason": reason}, Idempotency_Key="k1")
        assert answer.status_code == status
    api.database.faults = [Unavailable("away")]
    assert api.ask("POST", "/notes/n2:close", "bob", {"reason": "x"}, Idempotency_Key="k2").status_code == 503
    assert api.ask("POST", "/notes/n2:close", "bob", {"reason": "x"}, Idempotency_Key="k2").status_code == 200


def test_a_key_costs_no_further_rpc(api: Api) -> None:
    api.ask("POST", "/notes/n1:addStar", "ada", {})
    without, api.database.usage = api.database.usage, Usage()
    api.ask("POST", "/notes/n1:addStar", "ada", {}, Idempotency_Key="k1")
    assert api.database.usage == Usage(without.rpcs, without.reads + 1, without.writes + 1)


@pytest.mark.parametrize("key", ["", "a b", "x" * 256])
def test_an_invalid_key_is_a_400(api: Api, key: str) -> None:
    assert api.ask("PATCH", "/notes/n1", "ada", {"stars": 1}, Idempotency_Key=key).status_code == 400
    assert api.database.usage == Usage()


# Waiting for the stored view


def following(api: Api, after: int) -> list[float]:
    """Lets the stored views follow at the n-th pause; returns the pauses."""

    def on_pause() -> None:
        if len(api.pauses) == after:
            store_views(api)

    api.on_pause = on_pause
    return api.pauses


def test_a_client_that_waits_is_answered_once_the_stored_view_has_the_change(api: Api) -> None:
    pauses = following(api, 3)
    answer = api.ask("PATCH", "/notes/n1", "ada", {"stars": 4}, Prefer="wait=5")
    assert (answer.status_code, answer.headers["Preference-Applied"], len(pauses)) == (200, "wait=5", 3)
    assert api.get("/notes/n1", by="ada").json == answer.json


@pytest.mark.parametrize(("method", "body", "status"), [("PUT", {"text": "x", "stars": 1}, 201), ("DELETE", None, 204)])
def test_a_view_that_is_made_or_deleted_is_waited_for(api: Api, method: str, body: Any, status: int) -> None:
    following(api, 2)
    path = "/notes/mine" if method == "PUT" else "/notes/n1"
    answer = api.ask(method, f"{path}?wait=5", "ada", body)
    assert (answer.status_code, answer.headers["Preference-Applied"]) == (status, "wait=5")
    assert api.get(path, by="ada").status_code == (200 if method == "PUT" else 404)
    if method == "DELETE":
        assert api.document("users/ada/notes/n1") is None


def test_when_the_time_is_up_the_answer_is_a_202_with_what_will_be_stored(api: Api) -> None:
    answer = api.ask("PATCH", "/notes/n1?wait=1", "ada", {"stars": 4})
    assert (answer.status_code, answer.json["stars"]) == (202, 4)
    assert "Preference-Applied" not in answer.headers
    assert 0.9 < sum(api.pauses) < 1.1


def test_no_one_waits_longer_than_the_settings_allow(api: Api) -> None:
    assert api.ask("PATCH", "/notes/n1", "ada", {"stars": 4}, Prefer="wait=9999").status_code == 202
    assert 9.9 < sum(api.pauses) < 10.1


def test_a_repeated_key_waits_too(api: Api) -> None:
    api.ask("PATCH", "/notes/n1", "ada", {"stars": 4}, Idempotency_Key="k1")
    pauses = following(api, 2)
    answer = api.ask("PATCH", "/notes/n1", "ada", {"stars": 4}, Idempotency_Key="k1", Prefer="wait=5")
    assert (answer.status_code, len(pauses)) == (200, 2)


def test_there_is_no_wait_for_a_view_that_is_not_stored_or_a_request_that_changes_nothing(api: Api) -> None:
    for path, by in (("/open_notes/n1", "ada:editor"), ("/notes/n1", "ada")):
        answer = api.ask("PATCH", f"{path}?wait=5", by, {} if by == "ada" else {"text": "new"})
        assert (answer.status_code, answer.headers["Preference-Applied"]) == (200, "wait=5")
    assert api.pauses == []


@pytest.mark.parametrize("preference", ["wait=x", "wait=-1", "wait", "respond-async", ""])
def test_a_preference_that_is_not_understood_is_ignored(api: Api, preference: str) -> None:
    answer = api.ask("PATCH", "/notes/n1", "ada", {"stars": 4}, Prefer=preference)
    assert (answer.status_code, api.pauses) == (200, [])


@pytest.mark.parametrize("wait", ["x", "-1", "1.5", ""])
def test_a_wait_that_is_not_a_number_of_seconds_is_a_422(api: Api, wait: str) -> None:
    answer = api.ask("PATCH", f"/notes/n1?wait={wait}", "ada", {"stars": 4})
    assert (answer.status_code, list(answer.json["errors"])) == (422, ["wait"])


@pytest.mark.parametrize(("threads", "waiting"), [("1", 0), ("2", 1), ("5", 2), ("8", 4)])
def test_half_of_the_threads_may_wait_and_all_others_are_answered_at_once(
    monkeypatch: pytest.MonkeyPatch, threads: str, waiting: int
) -> None:
    monkeypatch.setenv("THREADS", threads)
    assert most_at_once(notes_api()) == waiting


def most_at_once(api: Api) -> int:
    """How many requests wait at the same moment when each one that waits is met by another."""
    depth, most = [0], [0]

    def pause() -> None:
        depth[0] += 1
        most[0] = max(most[0], depth[0])
        if depth[0] < 20:
            api.ask("POST", "/notes/n1:addStar?wait=1", "ada", {})
        depth[0] -= 1

    api.on_pause = pause
    api.ask("POST", "/notes/n1:addStar?wait=1", "ada", {})
    api.on_pause = lambda: None
    return most[0]


def test_a_place_is_free_again_once_the_time_is_up_or_the_view_has_followed(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THREADS", "2")
    api = notes_api()
    assert api.ask("PATCH", "/notes/n1?wait=1", "ada", {"stars": 4}).status_code == 202
    following(api, len(api.pauses) + 2)
    assert api.ask("PATCH", "/notes/n1?wait=5", "ada", {"stars": 5}).status_code == 200
    following(api, len(api.pauses) + 2)
    assert api.ask("PATCH", "/notes/n1?wait=5", "ada", {"stars": 6}).status_code == 200


def test_a_database_that_goes_away_after_the_change_is_no_error_of_the_change(api: Api) -> None:
    read = api.memory.read

    def away(paths: Any, **options: Any) -> Any:
        if any(path.startswith("boilerLedgers/") for path in paths):
            raise Unavailable("away")
        return read(paths, **options)

    api.memory.read = away  # type: ignore[method-assign]
    answer = api.ask("PATCH", "/notes/n1?wait=1", "ada", {"stars": 4})
    assert (answer.status_code, answer.json["stars"]) == (202, 4)
