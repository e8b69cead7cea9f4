"""GET of one view and of lists."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime
from typing import Any

import pytest

from boiler_functions import use
from boiler_functions.database import Delete, Put
from boiler_functions.database.metered import Metered, Usage
from boiler_functions.modes.invocation import Invocation
from boiler_functions.modes.query.rebuild import Rebuild
from boiler_functions.views.build import Instance
from tests.unit.modes.rest.meeting_api import Api, Conference, Kind, Meeting, MeetingView, Room, RoomView, User

M1 = {
    "id": "m1",
    "inSession": True,
    "seats": 1,
    "notes": None,
    "start": "2030-01-02T03:04:05+00:00",
    "place": {"latitude": 32.5, "longitude": -117.0},
    "attending": ["Ada"],
    "neighbours": ["m1", "m2"],
    "running": ["m1"],
    "room": "r1",
    "guest": None,
    "deleted": False,
}
COPY = "users/ada/meetings/m1"


def store_views(api: Api) -> None:
    """Stores the views as Query mode's functions do for the existing documents."""
    for view, root in ((MeetingView, "meetings/m1"), (RoomView, "rooms/r1")):
        Rebuild(Invocation("room", "test", Metered(api.memory)), (view,)).rebuild([Instance(view, root)])


def edit(api: Api, path: str, **fields: Any) -> None:
    """Changes a stored view by hand, so that a test sees whether an answer comes from it."""
    api.memory.commit([Put(path, fields, mask=tuple(fields))])


def ids(answer: Any) -> list[str]:
    return [view["id"] for view in answer.json["results"]]


def test_a_view_that_is_not_stored_is_built(api: Api) -> None:
    answer = api.get("/meetings/m1")
    assert (answer.status_code, answer.mimetype, answer.json) == (200, "application/json", M1)


def test_a_stored_view_looks_as_a_built_one_does(api: Api) -> None:
    store_views(api)
    assert api.document(COPY)["obj_type"] == "MeetingView"
    assert api.get("/meetings/m1").json == M1


def test_of_a_view_with_a_copy_per_user_the_caller_gets_their_own(api: Api) -> None:
    store_views(api)
    edit(api, COPY, seats=7)
    assert api.get("/meetings/m1", by="ada").json["seats"] == 7
    assert api.database.usage == Usage(rpcs=1, reads=2)
    assert api.get("/meetings/m1", by="bob").json["seats"] == 1


def test_a_caller_without_a_copy_gets_a_view_that_is_built_now(api: Api) -> None:
    store_views(api)
    edit(api, COPY, seats=7)
    assert api.get("/meetings/m1", by="carl").json == api.get("/meetings/m1").json == M1


def test_a_view_at_one_place_is_read_at_once(api: Api) -> None:
    store_views(api)
    edit(api, "roomViews/r1", keyLength=7)
    assert api.get("/rooms/r1").json == {"id": "r1", "place": {"latitude": 32.5, "longitude": -117.0}, "keyLength": 7}
    assert api.database.usage == Usage(rpcs=1, reads=2)


@pytest.mark.parametrize(("path", "view"), [("/meetings/m1", COPY), ("/rooms/r1", "roomViews/r1")])
def test_a_fresh_view_is_built_even_if_a_copy_is_stored(api: Api, path: str, view: str) -> None:
    store_views(api)
    built = api.get(path, by="ada").json
    edit(api, view, seats=7, keyLength=7)
    assert api.get(path, by="ada").json != built
    assert api.get(path, by="ada", fresh="true").json == built


def test_a_copy_that_is_gone_is_built(api: Api) -> None:
    store_views(api)
    api.memory.commit([Delete(COPY)])
    assert api.get("/meetings/m1", by="ada").json == M1


def test_a_root_in_a_sub_collection_has_its_parents_in_the_path(api: Api) -> None:
    assert api.get("/v1/forms/ada/f1").json == {"id": "f1", "text": "hello"}
    assert api.get("/v1/forms/bob/f1").status_code == 404
    assert api.get("/v1/forms/bob").json == {"results": [{"id": "f2", "text": "hi"}]}


def test_a_view_without_its_root_is_not_found(api: Api) -> None:
    answer = api.get("/meetings/m9")
    assert answer.status_code == 404
    assert answer.json["message"] == "There is no MeetingView with this id."


def test_a_root_of_another_class_in_the_same_collection_is_not_found(api: Api) -> None:
    assert api.get("/conferences/m2").json == {"id": "m2", "seats": 1}
    assert api.get("/conferences/m1").status_code == 404


@pytest.mark.parametrize(
    "text",
    ["", ".", "..", "__x__", "a%2Fb%2Fc", "x" * 1501, "%00", "a%0Ab", "%20a", "a%20", "%F0%9F%8F%A2" * 400],
    ids=["empty", "dot", "dots", "reserved", "slashes", "long", "nul", "newline", "leading", "trailing", "emoji"],
)
@pytest.mark.parametrize("rule", ["/meetings/{}", "/v1/forms/{}", "/v1/forms/{}/f1"])
def test_a_bad_id_is_not_found_and_asks_the_database_nothing(api: Api, rule: str, text: str) -> None:
    answer = api.get(rule.format(text))
    assert (answer.status_code, answer.json["code"]) == (404, 404)
    assert api.database.usage == Usage()


@pytest.mark.parametrize("text", ["a%252Fb%252Fc", "%252E%252E", "..%252Frooms%252Fr1"])
def test_an_id_that_is_encoded_twice_is_decoded_once_and_leads_nowhere_else(api: Api, text: str) -> None:
    answer = api.get(f"/meetings/{text}")
    assert (answer.status_code, answer.json["message"]) == (404, "There is no MeetingView with this id.")


@pytest.mark.parametrize("query", [{"fresh": "maybe"}, {"fresh": "1"}, {"status": "closed"}, {"a.b": "1"}])
def test_a_parameter_that_does_not_fit_is_refused(api: Api, query: dict[str, str]) -> None:
    answer = api.get("/meetings/m1", **query)
    assert answer.status_code == 422
    assert answer.json["errors"].keys() == query.keys()
    assert api.database.usage == Usage()


def test_nan_is_null_in_json(api: Api) -> None:
    edit(api, "roomViews/r1", keyLength=float("nan"), inner={"list": [float("inf"), 1.5, b"\x00"]})
    assert api.get("/rooms/r1").get_json() == {"id": "r1", "keyLength": None, "inner": {"list": [None, 1.5, "AA=="]}}


def test_a_list_is_ordered_by_id(api: Api) -> None:
    results = api.get("/meetings").json["results"]
    assert results[0] == M1
    assert (results[1]["id"], results[1]["attending"], results[1]["neighbours"]) == ("m2", [], ["m1", "m2"])
    assert api.get("/meetings").json.keys() == {"results"}


def test_a_list_takes_what_is_stored_and_builds_the_rest(api: Api) -> None:
    store_views(api)
    edit(api, COPY, seats=7)
    assert [view["seats"] for view in api.get("/meetings", by="ada").json["results"]] == [7, 1]
    assert [view["seats"] for view in api.get("/meetings", by="ada", fresh="true").json["results"]] == [1, 1]


def test_a_list_of_a_subclass_has_only_its_own(api: Api) -> None:
    assert ids(api.get("/conferences")) == ["m2"]


def test_a_list_asks_the_database_as_often_for_many_views_as_for_few(api: Api) -> None:
    api.get("/meetings", limit="2", fresh="true")
    few = api.database.usage.rpcs
    with use(api.memory):
        for number in range(40):
            User.new(doc_id=f"u{number}", name="x").save()
            Room.new(doc_id=f"room{number % 20}").save()
            Meeting.new(doc_id=f"n{number:02}", room=f"room{number % 20}").save()
    api.database.usage = Usage()
    assert len(ids(api.get("/meetings", limit="42", fresh="true"))) == 42
    assert api.database.usage.rpcs <= few + 1


def test_a_list_of_views_of_their_root_alone_is_one_query(api: Api) -> None:
    assert ids(api.get("/halls")) == ["r1"]
    assert api.database.usage == Usage(rpcs=1, reads=1)


def test_a_list_of_stored_views_at_one_place_is_one_query_of_the_copies(api: Api) -> None:
    store_views(api)
    edit(api, "roomViews/r1", keyLength=7)
    api.memory.commit([Put("roomViews/r2", {"keyLength": 9, "place": None}), Put("roomViews/r3", {"keyLength": 8})])
    assert ids(api.get("/rooms", keyLength="7")) == ["r1"]
    assert api.database.usage == Usage(rpcs=2, reads=2)
    assert ids(api.get("/rooms", orderBy="-keyLength")) == ["r2", "r3", "r1"]
    assert api.get("/rooms").json["results"][1:] == [
        {"id": "r2", "keyLength": 9, "place": None},
        {"id": "r3", "keyLength": 8},
    ]
    assert [view["keyLength"] for view in api.get("/rooms", fresh="true").json["results"]] == [4]


@pytest.mark.parametrize(("order", "expected"), [("seats", ["n0", "n1", "n2"]), ("-seats", ["n2", "n1", "n0"])])
def test_pages_follow_an_order(api: Api, order: str, expected: list[str]) -> None:
    with use(api.memory):
        for number in range(3):
            Meeting.new(doc_id=f"n{number}", status="open", seats=number // 2).save()
    found: list[str] = []
    token: dict[str, str] = {}
    while len(found) < 3:
        answer = api.get("/talks", limit="1", status="open", orderBy=order, **token)
        found += ids(answer)
        token = {"pageToken": answer.json.get("nextPageToken", "")}
    assert (found, token) == (expected, {"pageToken": ""})


@pytest.mark.parametrize(
    ("query", "refused"),
    [
        ({"status": "open", "orderBy": "price"}, "orderBy"),
        ({"tags": "a", "orderBy": "-seats"}, ""),
        ({"tags": "a", "status": "open"}, "tags"),
        ({"status": "open", "kind": "talk", "orderBy": "-seats"}, ""),
        ({"status": "open", "orderBy": "-status"}, ""),
    ],
)
def test_a_list_takes_together_only_what_an_index_answers(api: Api, query: dict[str, str], refused: str) -> None:
    answer = api.get("/talks", **query)
    assert list(answer.json.get("errors", {})) == ([refused] if refused else [])
    if refused:
        assert api.database.usage == Usage()


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("seats>=2", ["n2", "n3", "n4"]),
        ("seats<=2", ["n0", "n1", "n2"]),
        ("seats>=1&seats<=3", ["n1", "n2", "n3"]),
        ("seats>=1&orderBy=-seats", ["n4", "n3", "n2", "n1"]),
        ("price>=1.5", ["n3", "n4"]),
        ("start>=2030-01-03T00:00:00Z&start<=2030-01-04T00:00:00Z", ["n2", "n3"]),
        ("status>=o&status<=p", ["n0", "n1", "n2", "n3", "n4"]),
        ("kind=party&seats>=1&orderBy=-seats", ["n4", "n3", "n2", "n1"]),
        ("seats>=5000", []),
        ("seats>=1&price<=1.5", ["n3", "n2", "n1"]),
        ("seats>=1&seats<=3&price>=1&kind=party", ["n3", "n2"]),
        ("seats<=2&orderBy=-seats,price", ["n2", "n1", "n0"]),
        ("orderBy=-seats,price&status=open", ["n4", "n3", "n2", "n1", "n0"]),
    ],
)
def test_a_list_takes_ranges_of_what_orders_it(api: Api, query: str, expected: list[str]) -> None:
    with use(api.memory):
        for name in ("m1", "m2"):
            api.memory.commit([Delete(f"meetings/{name}")])
        for number in range(5):
            Meeting.new(
                doc_id=f"n{number}", status="open", seats=number, price=number / 2, kind=Kind.PARTY,
                start=datetime(2030, 1, 1 + number, tzinfo=UTC),
            ).save()  # fmt: skip
    found: list[str] = []
    token = ""
    for _ in range(4):
        answer = api.client.get(f"/talks?{query}&limit=2{token}").get_json()
        found += [each["id"] for each in answer["results"]]
        if "nextPageToken" not in answer:
            break
        token = f"&pageToken={answer['nextPageToken']}"
    assert found == expected


@pytest.mark.parametrize(
    ("query", "refused"),
    [
        ("seats>=1&start>=2030-01-03T00:00:00Z", "start>"),
        ("seats>=1&price<=2&start>=2030-01-03T00:00:00Z", "start>"),
        ("price>=1&orderBy=-seats,price", "orderBy"),
        ("seats=1&orderBy=-seats,price", "orderBy"),
        ("seats>=1&price<=2&orderBy=-seats", "seats>"),
        ("seats>=1&price<=2&tags=a", "tags"),
        ("seats>=1&seats=1", "seats>"),
        ("seats>=1&orderBy=price", "orderBy"),
        ("price>=1&status=open", "price>"),
        ("seats>=1&tags=a", "tags"),
        ("seats>=one", "seats>"),
        ("seats>=", "seats>"),
        ("seats>=null", "seats>"),
        ("isPublic>=true", "isPublic>"),
        ("kind>=talk", "kind>"),
        ("tags>=a", "tags>"),
        ("notes>=a", "notes>"),
        ("limit>=1", "limit>"),
        ("seats>1", "seats>1"),
        ("seats>>=1", "seats>>"),
    ],
)
def test_a_range_that_no_index_answers_is_refused_with_a_reason(api: Api, query: str, refused: str) -> None:
    answer = api.client.get(f"/talks?{query}")
    assert (answer.status_code, list(answer.get_json()["errors"])) == (422, [refused])
    assert api.database.usage == Usage()


@pytest.mark.parametrize(
    "order",
    [
        "",
        "-",
        "seat",
        "seats,price",
        "-seats,price,",
        "price,-seats",
        "tags",
        "scores",
        "--seats",
        "__name__",
        "in_session",
    ],
)
def test_an_order_by_anything_else_is_refused(api: Api, order: str) -> None:
    answer = api.get("/talks", orderBy=order)
    assert (answer.status_code, list(answer.json["errors"])) == (422, ["orderBy"])
    assert api.database.usage == Usage()


def test_pages_hold_every_view_once(api: Api) -> None:
    with use(api.memory):
        for number in range(5):
            Meeting.new(doc_id=f"n{number}", status="open").save()
    found: list[str] = []
    token: dict[str, str] = {}
    for _ in range(3):
        answer = api.get("/talks", limit="2", status="open", **token)
        found += ids(answer)
        token = {"pageToken": answer.json["nextPageToken"]} if "nextPageToken" in answer.json else {}
        if not token:
            break
    assert found == ["n0", "n1", "n2", "n3", "n4"]


def test_the_last_page_has_no_token_though_it_is_full(api: Api) -> None:
    assert "nextPageToken" not in api.get("/meetings", limit="2").json


@pytest.mark.parametrize("token", ["", "x", "é", "AAAA", "bWVldGluZ3MvbTE", "=" * 9])
def test_a_forged_page_token_is_refused(api: Api, token: str) -> None:
    answer = api.get("/meetings", pageToken=token)
    assert (answer.status_code, list(answer.json["errors"])) == (422, ["pageToken"])
    assert api.database.usage == Usage()


def test_a_page_token_says_nothing_and_fits_its_caller_alone(api: Api) -> None:
    token = api.get("/meetings", by="ada", limit="1").json["nextPageToken"]
    assert b"m1" not in urlsafe_b64decode(token + "=" * (-len(token) % 4))
    assert ids(api.get("/meetings", by="ada", pageToken=token)) == ["m2"]
    for other in ("bob", None):
        assert api.get("/meetings", by=other, pageToken=token).status_code == 422


@pytest.mark.parametrize("position", [0, 5, -1])
def test_a_page_token_with_one_bit_changed_is_refused(api: Api, position: int) -> None:
    token = api.get("/meetings", limit="1").json["nextPageToken"]
    sealed = bytearray(urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    sealed[position] ^= 1
    assert api.get("/meetings", pageToken=urlsafe_b64encode(sealed).decode()).status_code == 422


def test_a_page_token_of_another_list_is_refused(api: Api) -> None:
    token = api.get("/meetings", limit="1").json["nextPageToken"]
    assert ids(api.get("/meetings", limit="1", pageToken=token)) == ["m2"]
    assert api.get("/meetings", limit="1", pageToken=token, seats="1").status_code == 422
    assert api.get("/conferences", limit="1", pageToken=token).status_code == 422


@pytest.mark.parametrize("limit", ["0", "-1", "101", "1000000000", "9" * 5000, "abc", "1.5", "true", ""])
def test_a_limit_out_of_bounds_is_refused(api: Api, limit: str) -> None:
    answer = api.get("/meetings", limit=limit)
    assert (answer.status_code, list(answer.json["errors"])) == (422, ["limit"])
    assert api.database.usage == Usage()


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"status": "in-session"}, ["m1"]),
        ({"status": "closed"}, ["m2"]),
        ({"status": "1"}, []),
        ({"seats": "1"}, ["m1", "m2"]),
        ({"price": "1.5"}, ["m2"]),
        ({"isPublic": "true"}, ["m2"]),
        ({"start": "2030-01-02T03:04:05Z"}, ["m1"]),
        ({"kind": "talk"}, ["m1"]),
        ({"floor": "1"}, ["m2"]),
        ({"tags": "b"}, ["m1", "m2"]),
        ({"tags": "a"}, ["m1"]),
    ],
)
def test_a_list_is_filtered_by_declared_attributes(api: Api, query: dict[str, str], expected: list[str]) -> None:
    assert ids(api.get("/talks", **query)) == expected


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("undeclared", "x"),
        ("in_session", "true"),
        ("inSession", "true"),
        ("scores", "1"),
        ("a.b", "1"),
        ("`status`", "1"),
        ("__proto__", "1"),
        ("seats", "abc"),
        ("seats", str(2**63)),
        ("seats", "1000"),
        ("price", "NaN"),
        ("price", "1e999"),
        ("isPublic", "yes"),
        ("public", "true"),
        ("notes", "x"),
        ("is_public", "true"),
        ("start", "yesterday"),
        ("kind", "picnic"),
        ("floor", "9"),
        ("room", "rooms/r1"),
        ("tickets", "tickets/tA"),
    ],
)
def test_a_filter_that_does_not_fit_is_refused(api: Api, name: str, value: str) -> None:
    answer = api.get("/talks", **{name: value})
    assert (answer.status_code, list(answer.json["errors"])) == (422, [name])
    assert api.database.usage == Usage()


def test_a_parameter_given_twice_is_refused(api: Api) -> None:
    answer = api.client.get("/talks?status=closed&status=in-session&limit=2")
    assert (answer.status_code, answer.get_json()["errors"]) == (422, {"status": ["Given more than once."]})


def test_an_attribute_named_as_a_parameter_is_no_filter(api: Api) -> None:
    assert ids(api.get("/talks", limit="1")) == ["m1"]


def test_a_view_that_cannot_be_built_is_left_out_of_a_list_and_logged(
    api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    with use(api.memory):
        Room.new(doc_id="r0").save()
    assert ids(api.get("/halls")) == ["r1"]
    assert "HallView of rooms/r0 is left out of a list" in caplog.text
    assert api.get("/halls/r0").status_code == 500


def test_a_list_goes_past_a_root_whose_id_no_path_can_name(api: Api) -> None:
    api.memory.commit([Put("rooms/r0 ", {"keyCode": "1"})])
    answer = api.get("/halls", limit="1")
    assert ids(answer) == ["r1"]
    assert "nextPageToken" not in answer.json


def test_an_empty_list_is_a_list(api: Api) -> None:
    assert api.get("/v1/forms/carl").json == {"results": []}


def test_conferences_are_meetings_too(api: Api) -> None:
    with use(api.memory):
        assert isinstance(Meeting.get("m2"), Conference)
