"""Bad requests: answered in one JSON shape, never with 5xx, and without a database request."""

import json
import subprocess
import sys
from io import BytesIO
from typing import Any

import pytest

from boiler_functions.database.metered import Usage
from boiler_functions.settings.http import DEFAULT_HTTP
from tests.unit.modes.rest.meeting_api import Api

MAX_BODY_BYTES = DEFAULT_HTTP.max_body_bytes


def check(api: Api, answer: Any, code: int) -> dict[str, Any]:
    """Checks the shape of an error, and that it came before any work; returns the errors by field."""
    assert answer.status_code == code
    assert answer.mimetype == "application/json"
    body: dict[str, Any] = answer.get_json()
    assert list(body) == ["code", "status", "message", "errors"]
    assert body["code"] == code
    assert body["status"]
    assert body["message"]
    assert api.database.usage == Usage()
    errors: dict[str, Any] = body["errors"]
    assert all(isinstance(each, list) for each in errors.values())
    return errors


@pytest.mark.parametrize(
    "path", ["/", "/nowhere", "/meetings/", "/meetings/m1/x", "//meetings", "/static/x", "/openapi.yaml"]
)
def test_an_unknown_route_is_a_404(api: Api, path: str) -> None:
    answer = api.client.get(path)
    assert check(api, answer, 404) == {}
    assert "nowhere" not in answer.text


@pytest.mark.parametrize("method", ["POST", "DELETE", "TRACE", "BREW"])
def test_a_method_that_a_route_does_not_have_is_a_405_that_says_which_it_has(api: Api, method: str) -> None:
    answer = api.client.open("/meetings/m1", method=method)
    check(api, answer, 405)
    assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS", "PATCH", "PUT"}


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{",
        "nonsense",
        '{"seats": 1,}',
        "{'seats': 1}",
        '{"seats": 01}',
        b"\xff\xfe",
        b'\xef\xbb\xbf{"seats": 1}',
        '{"seats": 1}'.encode("utf-16"),
        '{"guest": "\n"}',
    ],
)
def test_a_body_that_is_not_json_is_a_400(api: Api, body: str | bytes) -> None:
    check(api, api.send(body), 400)


@pytest.mark.parametrize(
    "body",
    [
        '{"guest":' + '{"a":' * 20 + "1" + "}" * 21,
        '{"guest":' + "[" * 100_000 + "]" * 100_000 + "}",
        "[" * 100_000,
        '{"a":' * 100_000,
    ],
    ids=["21", "100,000", "unclosed arrays", "unclosed objects"],
)
def test_a_body_that_is_too_deep_is_a_400(api: Api, body: str) -> None:
    answer = api.send(body)
    check(api, answer, 400)
    assert "deeper than 20 levels" in answer.json["message"]


def test_a_body_20_deep_is_read(api: Api) -> None:
    answer = api.send('{"guest":' + '{"a":' * 19 + "1" + "}" * 20)
    assert "deep" not in answer.text


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_another_content_type_is_a_415(api: Api, content_type: str) -> None:
    check(api, api.send('{"seats": 1}', {"Content-Type": content_type}), 415)


def test_a_compressed_body_is_a_415(api: Api) -> None:
    check(api, api.send(b"\x1f\x8b", {"Content-Encoding": "gzip"}), 415)


def test_a_body_over_the_cap_is_a_413(api: Api) -> None:
    check(api, api.send('{"notes": "' + "x" * MAX_BODY_BYTES + '"}'), 413)


def test_a_body_without_a_length_that_exceeds_the_limit_is_a_413(api: Api) -> None:
    body = b'{"notes": "a"}' + b" " * MAX_BODY_BYTES
    terminated = {"wsgi.input_terminated": True}
    headers = {"Content-Type": "application/json", "Transfer-Encoding": "chunked"}
    answer = api.client.patch("/meetings/m1", input_stream=BytesIO(body), headers=headers, environ_overrides=terminated)
    check(api, answer, 413)


@pytest.mark.parametrize("body", ["[]", "null", "1", '"seats"', "true", '[{"seats": 1}]'])
def test_a_body_that_is_not_an_object_is_a_422(api: Api, body: str) -> None:
    assert check(api, api.send(body), 422) == {"_schema": ["Invalid input type."]}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ('{"seats": NaN}', "_schema"),
        ('{"seats": Infinity}', "_schema"),
        ('{"guest": -Infinity}', "_schema"),
        ('{"seats": 9223372036854775808}', "_schema"),
        ('{"guest": {"a": [-9223372036854775809]}}', "_schema"),
        ('{"seats": ' + "9" * 100_000 + "}", "_schema"),
        ('{"guest": 1e999}', "_schema"),
        ('{"seats": 1, "seats": 2}', "seats"),
        ('{"guest": {"a": 1, "a": 1}}', "a"),
        ('{"guest": [[1]]}', "_schema"),
        ('{"guest": {"": 1}}', ""),
        ('{"guest": {"__proto__": 1}}', "__proto__"),
        ('{"guest": {"' + "x" * 1501 + '": 1}}', "x" * 1500),
        ('{"guest": "\\ud800"}', "_schema"),
        ('{"guest": {"\\ud800": 1}}', "_schema"),
        ('{"notes": "\\udfff"}', "_schema"),
    ],
)
def test_json_that_no_document_can_hold_is_a_422(api: Api, body: str, field: str) -> None:
    assert list(check(api, api.send(body), 422)) == [field]


def test_the_largest_and_smallest_numbers_fit(api: Api) -> None:
    assert api.send(json.dumps({"seats": -(2**63)})).status_code == 200
    assert api.send(json.dumps({"seats": 2**63 - 1})).json["errors"] == {
        "seats": ["Must be less than or equal to 999."]
    }


def test_no_header_comes_back(api: Api) -> None:
    answer = api.client.get("/nowhere", headers={"Authorization": "Bearer secret", "X-Forwarded-Host": "evil"})
    assert "secret" not in answer.text + str(answer.headers)
    assert "evil" not in answer.text + str(answer.headers)


def test_head_and_options_answer_without_a_body(api: Api) -> None:
    assert (api.client.head("/meetings/m1").status_code, api.client.head("/meetings/m1").data) == (200, b"")
    assert (api.client.options("/meetings/m1").status_code, api.client.options("/meetings/m1").data) == (200, b"")


def test_the_engine_never_imports_the_rest_stack() -> None:
    script = (
        "import sys, boiler_functions, boiler_functions.runtime.export\n"
        "print(sys.modules.keys() & {'boiler_functions.modes.rest.application', 'flask_smorest', 'apispec', 'webargs'})"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
