"""Operations of a view over HTTP."""

from typing import Any

import pytest

from boiler_functions import Store, ViewModel, operation
from boiler_functions.database.metered import Usage
from boiler_functions.exceptions import DeclarationError
from boiler_functions.views.operations import operations_of
from tests.unit.modes.rest.meeting_api import Api


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
