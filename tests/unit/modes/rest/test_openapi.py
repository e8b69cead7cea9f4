"""The OpenAPI document describes what the routes accept and answer."""

import json
from datetime import date, datetime
from enum import Enum
from typing import Any, NotRequired, TypedDict

import pytest
from openapi_spec_validator import validate as check_document

from boiler_functions import (
    Boiler,
    DomainModel,
    Embedded,
    GeoPoint,
    Store,
    ViewModel,
    attrs,
    reference,
)
from boiler_functions.database.memory import MemoryDatabase
from boiler_functions.exceptions import InvalidOption
from boiler_functions.modes.rest.application import create_app, document
from boiler_functions.settings.http import HttpSettings
from functions.meeting_room import app as meeting_room
from functions.world import app as world
from tests.torture.shop import app as shop
from tests.unit.modes.rest.meeting_api import Api
from tests.unit.modes.rest.meeting_api import app as meetings


class Size(Enum):
    SMALL = 1
    LARGE = 2


class Color(Enum):
    RED = "red"
    BLUE = "blue"


class Address(Embedded):
    street = attrs.string(required=True)
    country = attrs.string(default="JP")
    city = attrs.string()


class Thing(DomainModel):
    class Meta:
        collection_name = "things"

    name = attrs.string(required=True)
    count = attrs.integer(default=0)
    size = attrs.enum(Size)
    color = attrs.enum(Color)
    owner = attrs.relation("Thing")


class ThingStore(Store):
    thing = reference(Thing)


class Part(TypedDict):
    label: str
    note: str | None
    weight: NotRequired[float]


everything = Boiler("everything")


@everything.rest("/things")
class ThingView(ViewModel[ThingStore]):
    """All that a view can hold.

    And a second paragraph.
    """

    a_string = attrs.string()
    a_default = attrs.integer(default=7)
    an_integer = attrs.integer(required=True)
    a_float = attrs.float()
    a_boolean = attrs.boolean()
    a_timestamp = attrs.timestamp()
    some_bytes = attrs.bytes()
    a_place = attrs.geopoint()
    a_list = attrs.list(str)
    a_mapping = attrs.mapping(int)
    a_color = attrs.enum(Color)
    an_address = attrs.embedded(Address)
    a_relation = attrs.relation(Thing)
    relations = attrs.relation(Thing, many=True)
    anything = attrs.bproperty()

    # To describe the API runs no user code: a getter or a setter that ran would end the test.

    @attrs.computed
    def part(self) -> Part:
        """What it is made of."""
        raise NotImplementedError

    @attrs.computed
    def parts(self) -> list[Part] | None:
        raise NotImplementedError

    @attrs.computed
    def day(self) -> date:
        raise NotImplementedError

    @attrs.computed
    def moment(self) -> datetime | None:
        raise NotImplementedError

    @attrs.computed
    def place(self) -> GeoPoint | None:
        raise NotImplementedError

    @attrs.computed
    def size(self) -> Size | None:
        return self.store.thing.size

    @attrs.computed
    def address(self) -> Address:
        raise NotImplementedError

    @address.setter
    def set_address(self, value: Address) -> None:
        raise NotImplementedError

    @attrs.computed
    def raw(self) -> bytes:
        raise NotImplementedError

    @attrs.computed
    def by_name(self) -> dict[str, list[int]]:
        raise NotImplementedError


DOCUMENT = document(everything.compiled.declarations)
SCHEMAS = DOCUMENT["components"]["schemas"]
VIEW = SCHEMAS["ThingView"]


def operations(found: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (path, method, operation)
        for path, methods in found["paths"].items()
        for method, operation in methods.items()
        if method != "parameters"
    ]


@pytest.mark.parametrize("app", [meeting_room, meetings, everything, shop], ids=lambda app: app.name)
def test_a_validator_accepts_the_document(app: Boiler) -> None:
    found = document(app.compiled.declarations)
    assert found["openapi"] == "3.1.0"
    check_document(found)


def test_the_document_is_the_same_for_the_same_declarations() -> None:
    assert json.dumps(document(everything.compiled.declarations)) == json.dumps(DOCUMENT)


@pytest.mark.parametrize("app", [meeting_room, meetings, everything, shop], ids=lambda app: app.name)
def test_every_route_is_described_and_nothing_else(app: Boiler) -> None:
    flask = create_app(app.declarations, MemoryDatabase)
    served = {
        (rule.rule.replace("<", "{").replace(">", "}"), method.lower())
        for rule in flask.url_map.iter_rules()
        if not rule.endpoint.startswith("apidocs.")
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert served == {(path, method) for path, method, _ in operations(document(app.compiled.declarations))}


@pytest.mark.parametrize("app", [meeting_room, meetings, everything, shop], ids=lambda app: app.name)
def test_every_operation_has_its_own_name_a_summary_an_answer_and_our_error(app: Boiler) -> None:
    found = document(app.compiled.declarations)
    listed = [operation for _, _, operation in operations(found)]
    names = [operation["operationId"] for operation in listed]
    assert len(set(names)) == len(names)
    assert all(operation["summary"] for operation in listed)
    for operation in listed:
        success = [code for code in operation["responses"] if code[0] in "23"]
        errors = [response for code, response in operation["responses"].items() if code not in success]
        assert success
        assert {"401", "403", "404", "422", "429", "503", "default"} <= operation["responses"].keys()
        for error in errors:
            described = found["components"]["responses"][error["$ref"].rpartition("/")[2]]
            assert described["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/Error"}
    assert SCHEMAS["Error"]["required"] == ["code", "errors", "message", "status"]


def test_a_field_that_is_always_there_is_required_and_one_that_may_be_missing_is_not() -> None:
    missing = VIEW["properties"].keys() - VIEW["required"]
    assert missing == {
        "aString",
        "aFloat",
        "aBoolean",
        "aTimestamp",
        "someBytes",
        "aPlace",
        "aColor",
        "anAddress",
        "aRelation",
        "anything",
    }
    assert SCHEMAS["Part"]["required"] == ["label", "note"]
    assert SCHEMAS["Address"]["required"] == ["country", "street"]


def test_what_has_no_setter_is_read_only() -> None:
    read_only = {name for name, each in VIEW["properties"].items() if each.get("readOnly")}
    assert read_only == {"id", "part", "parts", "day", "moment", "place", "size", "raw", "byName"}


@pytest.mark.parametrize(
    ("name", "described"),
    [
        ("aString", {"type": ["string", "null"]}),
        ("aDefault", {"type": "integer", "format": "int64"}),
        ("aFloat", {"type": ["number", "null"], "format": "double"}),
        ("aTimestamp", {"type": ["string", "null"], "format": "date-time"}),
        ("someBytes", {"type": ["string", "null"], "format": "byte", "contentEncoding": "base64"}),
        ("aPlace", {"anyOf": [{"$ref": "#/components/schemas/GeoPoint"}, {"type": "null"}]}),
        ("aList", {"type": "array", "items": {"type": "string"}}),
        ("aMapping", {"type": "object", "additionalProperties": {"type": "integer", "format": "int64"}}),
        ("aColor", {"type": ["string", "null"], "enum": ["red", "blue", None]}),
        ("size", {"type": ["integer", "null"], "enum": [1, 2, None], "readOnly": True}),
        ("anAddress", {"anyOf": [{"$ref": "#/components/schemas/Address"}, {"type": "null"}]}),
        ("part", {"$ref": "#/components/schemas/Part", "description": "What it is made of.", "readOnly": True}),
        ("day", {"type": "string", "format": "date", "readOnly": True}),
        ("raw", {"type": "string", "format": "byte", "contentEncoding": "base64", "readOnly": True}),
        ("anything", {}),
        (
            "parts",
            {"type": ["array", "null"], "items": {"$ref": "#/components/schemas/Part"}, "readOnly": True},
        ),
        (
            "aRelation",
            {"type": ["string", "null"], "description": "The path of a document of things/{doc_id}."},
        ),
    ],
)
def test_each_type_is_described_as_json_has_it(name: str, described: dict[str, Any]) -> None:
    assert VIEW["properties"][name] == described


def test_the_docstring_describes_the_view_and_what_it_inherits_does_not() -> None:
    [listing, *_] = [operation for _, _, operation in operations(DOCUMENT)]
    assert listing["description"] == "All that a view can hold.\n\nAnd a second paragraph."
    assert DOCUMENT["tags"] == [{"name": "ThingView", "description": listing["description"]}]
    assert document(meeting_room.compiled.declarations)["tags"] == [{"name": "MeetingSession"}]


def test_a_change_takes_only_what_has_a_setter_and_requires_nothing() -> None:
    [(_, _, patch)] = [each for each in operations(DOCUMENT) if each[1] == "patch"]
    assert patch["requestBody"]["content"]["application/json"]["schema"] == {
        "$ref": "#/components/schemas/ThingViewPatch"
    }
    assert SCHEMAS["ThingViewPatch"] == {
        "type": "object",
        "properties": {"address": {"$ref": "#/components/schemas/AddressInput"}},
        "additionalProperties": False,
    }
    assert SCHEMAS["AddressInput"]["required"] == ["street"]


def test_parameters_have_types_and_limits_and_none_can_be_null() -> None:
    parameters = {each["name"]: each for each in DOCUMENT["paths"]["/things"]["get"]["parameters"]}
    assert parameters["limit"]["schema"] == {
        "type": "integer",
        "format": "int64",
        "default": 20,
        "minimum": 1,
        "maximum": 100,
    }
    assert parameters["size"]["schema"] == {"type": "integer", "enum": [1, 2]}
    assert parameters["orderBy"]["schema"] == {"type": "string", "enum": ["size", "-size"]}
    assert parameters["pageToken"]["schema"] == {"type": "string"}
    assert not any(each["required"] for each in parameters.values())


def test_the_document_names_nothing_of_the_root_that_the_view_does_not_show() -> None:
    parameters = {each["name"] for each in DOCUMENT["paths"]["/things"]["get"]["parameters"]}
    assert parameters == {"fresh", "limit", "pageToken", "orderBy", "size"}


def test_two_objects_with_one_name_get_different_names() -> None:
    app = Boiler("two")

    def serve(rule: str, kind: Any) -> None:
        class Twin(ViewModel[ThingStore]):
            @attrs.computed
            def part(self) -> kind:
                raise NotImplementedError

        Twin.__name__ = Twin.__qualname__ = f"View{rule[1:]}"
        app.rest(rule)(Twin)

    class Other:
        Part = TypedDict("Part", {"size": int})  # noqa: UP013 - of another name, and so of another module

    Other.Part.__module__ = "shop.sizes"
    serve("/parts", Part)
    serve("/sizes", Other.Part)
    schemas = document(app.compiled.declarations)["components"]["schemas"]
    assert schemas["Part"]["required"] == ["label", "note"]
    assert schemas["Part2"]["required"] == ["size"]


def test_the_function_serves_its_document(api: Api) -> None:
    answer = api.get("/openapi.json")
    assert (answer.status_code, answer.mimetype) == (200, "application/json")
    assert answer.json == document(meetings.compiled.declarations)


def test_the_page_has_all_that_it_loads_beside_itself(api: Api) -> None:
    page = api.get("/apidocs")
    assert page.mimetype == "text/html"
    assert "script-src 'self'" in page.headers["Content-Security-Policy"]
    loaded = [part.split('"')[0] for part in page.text.replace("src=", "href=").split('href="')[1:]]
    assert len(loaded) == 4
    for each in loaded:
        assert not each.startswith(("/", "http"))
        with api.get(f"/{each}") as answer:
            assert answer.status_code == 200
    assert "://" not in api.get("/apidocs/start.js").text


def test_nothing_else_of_the_package_is_served(api: Api) -> None:
    assert api.get("/apidocs/oauth2-redirect.html").status_code == 404
    assert api.get("/apidocs/..%2f__init__.py").status_code == 404


def test_an_app_without_docs_serves_none() -> None:
    quiet = Boiler("quiet", docs=False)
    quiet.rest("/things")(ThingView)
    client = create_app(quiet.declarations, MemoryDatabase).test_client()
    assert [client.get(path).status_code for path in ("/openapi.json", "/apidocs", "/apidocs/start.js")] == [404] * 3


def test_an_app_without_rest_has_no_document_worth_printing() -> None:
    assert document(world.compiled.declarations)["paths"] == {}


def operation_of(found: dict[str, Any], name: str) -> dict[str, Any]:
    return next(each for _, _, each in operations(found) if each["operationId"] == name)


def test_an_operation_says_whether_it_needs_a_token() -> None:
    found = document(shop.compiled.declarations)
    assert found["components"]["securitySchemes"].keys() == {"bearer"}
    assert operation_of(found, "listShelfView")["security"] == [{}, {"bearer": []}]
    assert operation_of(found, "patchShelfView")["security"] == [{"bearer": []}]
    assert operation_of(found, "getArticleView")["security"] == [{"bearer": []}]


def test_an_app_that_checks_apps_says_so() -> None:
    app = Boiler("checked", http=HttpSettings(app_check=True))
    app.rest("/things")(ThingView)
    found = document(app.compiled.declarations)
    assert found["components"]["securitySchemes"]["appCheck"]["name"] == "X-Firebase-AppCheck"
    assert operation_of(found, "getThingView")["security"] == [{"bearer": [], "appCheck": []}]


def test_a_change_has_the_headers_of_conditions_idempotency_and_waiting() -> None:
    found = document(shop.compiled.declarations)
    headers = {
        name: [each["name"] for each in operation_of(found, name)["parameters"] if each["in"] == "header"]
        for name in ("listArticleView", "getArticleView", "deleteArticleView")
    }
    assert headers == {
        "listArticleView": [],
        "getArticleView": ["If-None-Match"],
        "deleteArticleView": ["If-Match", "If-None-Match", "Idempotency-Key", "Prefer"],
    }


def test_an_answer_has_the_statuses_and_headers_that_it_can_have() -> None:
    found = document(shop.compiled.declarations)
    successes = {
        operation["operationId"]: [code for code in operation["responses"] if code[0] in "23"]
        for _, _, operation in operations(found)
    }
    assert successes["getArticleView"] == ["200", "304"]
    assert successes["createArticleView"] == ["201", "202", "204"]
    assert successes["replaceArticleView"] == ["200", "201", "202", "204"]
    assert successes["replaceShelfView"] == ["200", "202", "204"]
    created = operation_of(found, "createArticleView")["responses"]
    assert created["201"]["headers"].keys() == {"ETag", "Location"}
    assert "content" not in created["204"]
    assert "409" in created


def test_an_operation_of_a_view_is_described_by_its_docstring_and_takes_its_arguments() -> None:
    found = document(shop.compiled.declarations)
    rename = operation_of(found, "renameArticleView")
    assert (rename["summary"], rename["description"]) == (
        "Give it another name.",
        "Loudly, if that is wanted.",
    )
    body = rename["requestBody"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
    assert found["components"]["schemas"][body] == {
        "type": "object",
        "properties": {"name": {"type": "string"}, "shout": {"type": "boolean"}},
        "required": ["name"],
        "additionalProperties": False,
    }


def test_the_views_own_example_is_shown_with_an_id() -> None:
    app = Boiler("shown")

    @app.rest("/things")
    class Shown(ViewModel[ThingStore]):
        class Meta:
            example = {"since": "2030-01-02T03:04:05+00:00", "size": 2}

        @attrs.computed
        def since(self) -> datetime | None:
            raise NotImplementedError

        @attrs.computed
        def size(self) -> Size:
            raise NotImplementedError

    [example] = document(app.compiled.declarations)["components"]["schemas"]["Shown"]["examples"]
    assert example == {"id": "4kSgEcyXIbwWb7j2PWKA", "since": "2030-01-02T03:04:05+00:00", "size": 2}


@pytest.mark.parametrize("wrong", [{"size": 3}, {}, {"size": "LARGE"}])
def test_an_example_that_does_not_fit_is_refused_when_it_is_declared(wrong: dict[str, Any]) -> None:
    class Shown(ViewModel[ThingStore]):
        class Meta:
            example = wrong

        @attrs.computed
        def size(self) -> Size:
            raise NotImplementedError

    with pytest.raises(InvalidOption, match=r"Shown\.Meta\.example does not fit the view: \{'size'"):
        Boiler("shown").rest("/things")(Shown)
