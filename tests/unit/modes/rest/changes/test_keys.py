"""Idempotency keys."""

from typing import Any

import pytest

from boiler_functions.database.metered import Usage
from boiler_functions.exceptions import Unavailable, UnknownOutcome
from boiler_functions.modes.marker import COLLECTION as MARKERS
from tests.unit.modes.rest.changes.scene import note
from tests.unit.modes.rest.meeting_api import Api


def markers(api: Api) -> list[Any]:
    return [each for path in api.memory._collections[MARKERS] if (each := api.document(path))]


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
