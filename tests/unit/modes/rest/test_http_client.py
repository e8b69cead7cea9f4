"""Users test their API in memory, as any caller they name."""

from typing import Any

from boiler_functions.testing import http_client, memory_app
from tests.unit.modes.rest.notes_api import Note, User, app


def test_a_client_in_memory_is_the_caller_that_it_says() -> None:
    with memory_app(app) as testing:
        User.new(doc_id="ada", name="Ada").save()
        Note.new(doc_id="n1", text="one", readers=["ada"]).save()
        testing.deliver()
        found: Any = http_client(testing, "ada").get("/notes/n1")
        assert (found.json["names"], found.status_code) == (["Ada"], 200)
        assert http_client(testing, "eve").get("/notes/n1").status_code == 404
        assert http_client(testing, "eve", admin=True).get("/notes/n1").status_code == 200
        assert http_client(testing).get("/notes/n1").status_code == 401
