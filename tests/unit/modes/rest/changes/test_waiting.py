"""Waiting for the stored view."""

from typing import Any

import pytest

from boiler_functions.exceptions import Unavailable
from tests.unit.modes.rest.meeting_api import Api
from tests.unit.modes.rest.notes_api import notes_api, store_views


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
