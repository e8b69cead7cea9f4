"""An HTTP function is served by its own application, without a second dispatch by functions-framework."""

from pathlib import Path

import flask
import functions_framework
import pytest

SOURCE = Path(__file__).parents[3] / "benchmarks" / "served" / "rest_ours.py"


@pytest.fixture
def contexts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The Flask applications that make a context for a request."""
    monkeypatch.setenv("FUNCTION_TARGET", "api")
    made: list[str] = []
    request_context = flask.Flask.request_context

    def noted(self: flask.Flask, environ: dict[str, object]) -> object:
        made.append(self.name)
        return request_context(self, environ)

    monkeypatch.setattr(flask.Flask, "request_context", noted)
    return made


def served() -> flask.Flask:
    server: flask.Flask = functions_framework.create_app("api", str(SOURCE))  # type: ignore[no-untyped-call]
    return server


def test_one_application_handles_a_request(contexts: list[str]) -> None:
    answer = served().test_client().get("/notes/n1", headers={"Authorization": "Bearer"})
    assert (answer.status_code, answer.get_json()["status"]) == (401, "Unauthorized")
    assert len(contexts) == 1


@pytest.mark.parametrize("path", ["/robots.txt", "/favicon.ico", "/", "/notes/a%0Ab/c"])
def test_every_path_is_answered_in_json(path: str, contexts: list[str]) -> None:
    answer = served().test_client().get(path)
    assert (answer.status_code, answer.get_json()["code"]) == (404, 404)
    assert len(contexts) == 1


def test_the_framework_keeps_its_own_request_where_log_lines_need_it(
    contexts: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOG_EXECUTION_ID", "true")
    monkeypatch.setattr(functions_framework, "_configure_app_execution_id_logging", lambda: None)
    answer = served().test_client().post("/notes/n1", json={"stars": 1}, headers={"Authorization": "Bearer"})
    assert (answer.status_code, answer.get_json()["status"]) == (401, "Unauthorized")
    assert len(contexts) == 2
