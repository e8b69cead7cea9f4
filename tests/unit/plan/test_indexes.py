"""The indexes that an app's queries need, beside those that Firestore has by itself."""

from typing import Any

import pytest

from boiler_functions import Boiler, DomainModel, Store, ViewModel, attrs, matching, reference, references, referrers
from boiler_functions.database import Filter, Order, Query
from boiler_functions.modes.bookkeeping import BOOKKEEPING
from boiler_functions.plan.indexes import AUTOMATIC, BOOKKEEPING_OVERRIDES, Indexes, Override, merged, needs
from boiler_functions.types import Reference


class Fleet(DomainModel):
    class Meta:
        collection_name = "fleets"

    name = attrs.string(required=True)


class Ship(DomainModel):
    class Meta:
        collection_name = "fleets/{fleet_id}/ships"

    fleet = attrs.relation(Fleet)
    tons = attrs.integer(default=0)
    flag = attrs.string(default="")
    code = attrs.string()
    escort = attrs.relation("Ship", by=code)
    home = attrs.relation(Fleet, by=Fleet.name)
    guests = attrs.relation(Fleet, by="keys", many=True, data_key="on board")


class Tanker(Ship):
    pass


class Port(DomainModel):
    class Meta:
        collection_name = "ports"

    country = attrs.string(default="")
    depth = attrs.integer(default=0)
    open = attrs.boolean(default=True)
    fleets = attrs.relation(Fleet, many=True)


def app_of(**references: Any) -> Boiler:
    store = type("SomeStore", (Store,), {"fleet": reference(Fleet), **references})
    app = Boiler("demo")
    meta = type("Meta", (), {"path": "fleetViews/{fleet.doc_id}"})
    title = attrs.computed(title_of)
    app.query(
        type("FleetView", (ViewModel,), {"Meta": meta, "store_class": store, "title": title, "__module__": __name__})
    )
    return app


def title_of(self: Any) -> str:
    name: str = self.store.fleet.name
    return name


def indexes_of(**references: Any) -> Indexes:
    return Indexes.of(app_of(**references).compiled.declarations)


def needed(query: Query) -> list[str]:
    return [str(each) if not isinstance(each, Override) else f"{each.collection}.{each.field}" for each in needs(query)]


@pytest.mark.parametrize(
    ("filters", "orders"),
    [
        ([], []),
        ([("country", "==")], []),
        ([("country", "=="), ("open", "=="), ("depth", "in")], []),
        ([("country", "==")], [Order("__name__")]),
        ([("depth", ">")], []),
        ([("depth", ">"), ("depth", "<")], [Order("depth", descending=True)]),
        ([], [Order("depth")]),
        ([("fleets", "array-contains")], []),
    ],
)
def test_one_field_and_equalities_need_no_index_of_their_own(
    filters: list[tuple[str, Any]], orders: list[Order]
) -> None:
    assert needed(Query("ports", filters=tuple(Filter(f, op, 1) for f, op in filters), orders=tuple(orders))) == []


@pytest.mark.parametrize(
    ("filters", "orders", "index"),
    [
        ([("country", "=="), ("depth", ">")], [], "ports (country asc, depth asc)"),
        ([("open", "=="), ("country", "==")], [Order("depth", True)], "ports (country asc, open asc, depth desc)"),
        ([], [Order("depth"), Order("country", True)], "ports (depth asc, country desc)"),
        ([("fleets", "array-contains"), ("open", "==")], [], "ports (open asc, fleets contains)"),
        ([("depth", ">"), ("tide", "!=")], [], "ports (depth asc, tide asc)"),
        ([("country", "in"), ("depth", "not-in")], [], "ports (country asc, depth asc)"),
    ],
)
def test_several_fields_with_a_range_an_order_or_a_list_need_a_composite_index(
    filters: list[tuple[str, Any]], orders: list[Order], index: str
) -> None:
    query = Query("ports", filters=tuple(Filter(f, op, 1) for f, op in filters), orders=tuple(orders))
    assert needed(query) == [index]


def test_over_all_collections_of_a_name_even_one_field_needs_an_index() -> None:
    query = Query(
        "ships", group=True, filters=(Filter("fleet", "==", Reference("fleets/1")), Filter("flag", "==", "x"))
    )
    assert needed(query) == ["ships.flag", "ships.fleet"]
    assert needed(Query("ships", group=True)) == []
    ranged = Query("ships", group=True, filters=(Filter("flag", "==", "x"), Filter("tons", ">", 1)))
    assert [index.to_wire() for index in needs(ranged)] == [
        {
            "collectionGroup": "ships",
            "queryScope": "COLLECTION_GROUP",
            "fields": [{"fieldPath": "flag", "order": "ASCENDING"}, {"fieldPath": "tons", "order": "ASCENDING"}],
        }
    ]


def test_an_override_for_all_collections_keeps_what_firestore_has_by_itself() -> None:
    override = next(each for each in indexes_of(ships=referrers(Ship.fleet)).overrides if each.collection == "ships")
    assert (override.field, set(AUTOMATIC) <= set(override.indexes)) == ("fleet", True)
    assert {"queryScope": "COLLECTION_GROUP", "order": "ASCENDING"} in override.to_wire()["indexes"]
    assert len(override.indexes) == 4


def test_values_and_keys_of_sub_collections_need_an_index_of_their_field_over_all_of_these() -> None:
    ships = referrers(Ship.home)
    found = indexes_of(ships=ships, escorts=references(Ship.escort, via=ships), hosts=referrers(Ship.guests))
    # A field in a map has the indexes of the map: https://firebase.google.com/docs/firestore/solutions/index-map-field
    assert [(each.collection, each.field) for each in found.singles] == [
        ("ships", "`on board`"),
        ("ships", "code"),
        ("ships", "home"),
    ]
    assert found.composite == ()
    assert indexes_of(tankers=referrers(Tanker.home)).composite == ()


def test_a_subclass_is_found_by_its_type_which_is_indexed_too() -> None:
    tankers = indexes_of(tankers=matching(Tanker.tons > 1000))
    assert [str(index) for index in tankers.composite] == ["ships (obj_type asc, tons asc)"]
    assert tankers.composite[0].scope == "COLLECTION_GROUP"


def test_stores_say_what_their_queries_need_each_index_once() -> None:
    found = indexes_of(
        deep=matching(Port.country == "NO", Port.depth > 10),
        same=matching(Port.country == "SE", Port.depth > 20),
        calling=referrers(Port.fleets),
    )
    assert [str(index) for index in found.composite] == ["ports (country asc, depth asc)"]
    assert found.overrides == BOOKKEEPING_OVERRIDES


def test_every_bookkeeping_collection_is_exempt_from_indexes_where_time_rises() -> None:
    assert {each.collection for each in BOOKKEEPING_OVERRIDES} == set(BOOKKEEPING)
    assert {(each.collection, each.field) for each in Indexes().ttl} == {
        ("boilerMarkers", "expire_at"),
        ("boilerDeadLetters", "expire_at"),
        ("boilerOutbox", "expire_at"),
        ("boilerContributions", "expire_at"),
        ("boilerBuilds", "expire_at"),
    }
    assert all(each.to_wire()["ttl"] is True for each in Indexes().ttl)


def test_what_others_wrote_into_the_file_stays_and_is_not_written_twice() -> None:
    theirs = {
        "collectionGroup": "orders",
        "queryScope": "COLLECTION",
        "fields": [{"fieldPath": "a", "order": "ASCENDING"}],
    }
    override = {"collectionGroup": "boilerMarkers", "fieldPath": "*", "indexes": [{"order": "ASCENDING"}]}
    more = {"collectionGroup": "orders", "fieldPath": "gone_at", "ttl": True, "indexes": []}
    found = indexes_of(deep=matching(Port.country == "NO", Port.depth > 10))
    once = merged({"indexes": [theirs], "fieldOverrides": [override, more]}, found)
    assert once["indexes"] == [found.composite[0].to_wire(), theirs]
    assert override in once["fieldOverrides"]
    assert once["fieldOverrides"][-1] == more
    assert merged(once, found) == once
