"""The page about the HTTP contract says what every status, parameter and header of the description means."""

import re
from typing import Any

from boiler_functions.modes.rest.gate import SEEN
from boiler_functions.testing import http_client, memory_app
from functions.helpdesk import app
from tests.pages import ROOT

PAGE = (ROOT / "docs" / "reference" / "http.md").read_text("utf-8")
FIRST_CELLS = " ".join(re.findall(r"^\| ([^|]+) \|", PAGE, re.MULTILINE))


def operations() -> list[dict[str, Any]]:
    with memory_app(app) as testing:
        answer = http_client(testing).get("/openapi.json").json
    assert answer
    listed = (each.items() for each in answer["paths"].values())
    return [operation for each in listed for method, operation in each if method != "parameters"]


def test_every_status_is_explained() -> None:
    statuses = {each for operation in operations() for each in operation["responses"]} - {"default"}
    assert sorted(statuses - {*re.findall(r"\d{3}", FIRST_CELLS)}) == []


def test_every_header_is_explained() -> None:
    parameters = [each for operation in operations() for each in operation.get("parameters", ()) if "in" in each]
    headers = {each["name"] for each in parameters if each["in"] == "header"} | {*SEEN}
    assert [each for each in sorted(headers) if f"`{each}" not in FIRST_CELLS] == []
