"""Every query that lists allow is answered by the indexes that `boiler compile` writes, by Firestore's rules."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import combinations
from typing import Any

import pytest
from marshmallow import fields as marshmallow_fields

from boiler_functions import Boiler, HttpSettings
from boiler_functions.database import NAME, Query, Reading
from boiler_functions.database.memory import MemoryDatabase
from boiler_functions.exceptions import InvalidRequest
from boiler_functions.models import fields
from boiler_functions.modes.rest.arguments import list_arguments
from boiler_functions.modes.rest.copies import CopyPaths
from boiler_functions.modes.rest.listing import Listing
from boiler_functions.modes.rest.mode import REST
from boiler_functions.plan.indexes import Indexes
from functions import meeting_room
from tests.unit.modes.rest import desk_api, meeting_api, notes_api
from tests.unit.modes.rest.meeting_api import Api, ConferenceView, Faulty, FormView, RoomView

rooms = Boiler("rooms", http=HttpSettings(rate=None))
rooms.query(rooms.rest("/rooms", filtered_orders=["-keyLength", "keyLength"])(RoomView))
rooms.rest("/forms", filtered_orders=["text"])(FormView)
rooms.rest("/conferences", filtered_orders=["-seats"])(ConferenceView)
rooms.query(rooms.rest("/notes", filtered_orders=["-stars", "stars,-text"])(notes_api.NoteView))


class Recorder(Faulty):
    """A database that records its queries."""

    def __init__(self) -> None:
        self.memory = MemoryDatabase()
        super().__init__(self.memory)
        self.asked: list[Query] = []

    def query(self, query: Query, *, at: Any = None) -> Reading:
        self.asked.append(query)
        return super().query(query, at=at)


def lists_of(app: Boiler) -> Iterator[tuple[str, Mapping[str, str], list[str]]]:
    """Yields the path of each list, a value for each filter, and its orders."""
    for rule in app.declarations.of(REST):
        listing = Listing(CopyPaths(rule.view), rule.view in app.declarations.stored)
        arguments = list_arguments(rule.view, listing.columns, 100, rule.filtered_orders).fields
        parents = "".join("/x" for _ in listing.copies.root.pattern().names[:-1])
        filters = {
            field.data_key or name: value_for(field)
            for name, field in arguments.items()
            if name not in ("limit", "page_token", "order_by", "fresh")
        }
        order_by: Any = arguments["order_by"].validate
        yield f"{rule.rule}{parents}", filters, list(order_by.choices)


def value_for(field: marshmallow_fields.Field[Any]) -> str:
    match field:
        case fields.Member():
            return str(next(iter(field.enum.__members__.values())).value)
        case fields.Related():
            return f"{field.collection()}/x"
        case fields.Boolean():
            return "true"
        case fields.Timestamp():
            return "2030-01-02T03:04:05Z"
        case _:
            return "1"


def requests_of(filters: Mapping[str, str], orders: list[str]) -> Iterator[dict[str, str]]:
    for many in range(3):
        for names in combinations(filters, many):
            for order in (None, *orders):
                yield {**{name: filters[name] for name in names}, **({"orderBy": order} if order else {})}


def is_answered(query: Query, made: Indexes) -> bool:
    """Returns whether Firestore answers it: by merging indexes of single fields, or indexes that end with the order.

    Of all collections of one name, Firestore keeps no index of a field unless it is made.

    https://firebase.google.com/docs/firestore/query-data/index-overview#taking_advantage_of_index_merging
    """
    equal = {each.field for each in query.filters if each.op in ("==", "in") and each.field != NAME}
    lists = {each.field for each in query.filters if each.op == "array-contains"}
    order = tuple((each.field, each.descending) for each in query.orders if each.field != NAME)
    if (not order and not lists) or len(equal) + len(lists) + len(order) < 2:
        single = {(each.collection, each.field) for each in made.singles}
        return not query.group or {(query.collection, each) for each in (*equal, *lists, *dict(order))} <= single
    covered: set[str] = set()
    for index in made.composite:
        held = [(each.path, each.descending) for each in index.fields if not each.contains]
        contained = {each.path for each in index.fields if each.contains}
        before = {path for path, _ in held[: len(held) - len(order)]}
        scope = "COLLECTION_GROUP" if query.group else "COLLECTION"
        fits = index.collection == query.collection.rpartition("/")[2] and index.scope == scope
        if fits and tuple(held[len(held) - len(order) :]) == order and before <= equal and contained == lists:
            covered |= before | contained
    return covered == equal | lists


APPS = [rooms, desk_api.desk(), meeting_api.app, notes_api.app, meeting_room.app]


@pytest.mark.parametrize("app", APPS, ids=lambda app: app.name)
def test_every_query_of_a_list_is_answered_by_the_indexes_that_are_made(app: Boiler) -> None:
    indexes = Indexes.of(app.compiled.declarations)
    database = Recorder()
    api = Api(database.memory, database, app=app)
    statuses: set[int] = set()
    for path, filters, orders in lists_of(app):
        for query in requests_of(filters, orders):
            for caller in ("ada", "ada:admin", "ada:agent"):
                api.now += 10**9
                statuses.add(api.get(path, by=caller, **query).status_code)
    assert 200 in statuses <= {200, 403, 422}
    lacking = [each for each in database.asked if not is_answered(each, indexes)]
    assert lacking == []


def test_an_index_less_than_are_made_leaves_a_query_of_a_list_without() -> None:
    made = Indexes.of(rooms.compiled.declarations)
    indexes = made.composite
    kinds = [
        kind
        for rule in rooms.declarations.of(REST)
        for kind in Listing(CopyPaths(rule.view), rule.view in rooms.declarations.stored, rule.filtered_orders).kinds()
    ]
    assert indexes
    assert all(is_answered(kind, made) for kind in kinds)
    for index in indexes:
        less = replace(made, composite=tuple(each for each in indexes if each != index))
        assert not all(is_answered(kind, less) for kind in kinds), str(index)


def test_without_filtered_orders_lists_need_no_index_of_their_own() -> None:
    assert Indexes.of(notes_api.app.compiled.declarations).composite == ()


class Indexless(Faulty):
    """Firestore without an index that the query needs."""

    def query(self, query: Query, *, at: Any = None) -> Reading:
        raise InvalidRequest("FAILED_PRECONDITION: The query requires an index. You can create it here: https://x")


def test_a_missing_index_is_logged_in_full_and_answered_without_details(
    caplog: pytest.LogCaptureFixture,
) -> None:
    memory = MemoryDatabase()
    answer = Api(memory, Indexless(memory)).get("/meetings")
    assert (answer.status_code, answer.json["status"]) == (500, "Internal Server Error")
    assert (
        answer.json["message"]
        == "The database refused a query of this function. The operator finds the reason in the log."
    )
    assert "The query requires an index." in caplog.text
    assert "`boiler compile`" in caplog.text
