"""A save writes what has changed, and nothing else."""

import random
from datetime import UTC, date, datetime, timedelta
from functools import partial
from itertools import count
from typing import Any
from uuid import uuid4

import pytest

from boiler_functions import DomainModel, Embedded, GeoPoint, attrs, use
from boiler_functions.database import Put
from boiler_functions.database.memory import MemoryDatabase
from boiler_functions.database.metered import Metered
from boiler_functions.models.model import differs
from boiler_functions.types import Reference
from tests.unit.models.cities import (
    Address,
    Country,
    fields_of,
    read,
    tokyo,
    written,
)


def test_saving_twice_writes_once(database: MemoryDatabase) -> None:
    city = tokyo()
    metered = Metered(database)
    with use(metered):
        city.save()
    assert metered.usage.writes == 0
    assert metered.usage.rpcs == 0


def test_a_save_writes_only_what_changed(database: MemoryDatabase) -> None:
    tokyo(population=1)
    mine, theirs = read(), read()
    theirs.population = 2
    theirs.save()
    mine.city_name = "Tōkyō"
    mine.save()
    assert (read().city_name, read().population) == ("Tōkyō", 2)


def test_undeclared_fields_survive_a_save(database: MemoryDatabase) -> None:
    database.commit([Put("cities/TOK", {"cityName": "Tokyo", "note": {"a": 1}})])
    city = read()
    city.population = 5
    city.save()
    assert fields_of(database, "cities/TOK")["note"] == {"a": 1}


def test_undeclared_fields_inside_an_embedded_object_survive_a_save(database: MemoryDatabase) -> None:
    database.commit([Put("cities/TOK", {"cityName": "Tokyo", "address": {"street": "Ginza", "zip": "104"}})])
    city = read()
    city.population = 5
    city.save()
    assert fields_of(database, "cities/TOK")["address"] == {"street": "Ginza", "zip": "104"}


def test_undeclared_fields_survive_a_change_of_the_embedded_object(database: MemoryDatabase) -> None:
    database.commit([Put("cities/TOK", {"cityName": "Tokyo", "address": {"street": "Ginza", "zip": "104"}})])
    city = read()
    assert city.address is not None
    city.address.street = "Shibuya"
    city.save()
    assert fields_of(database, "cities/TOK")["address"] == {"street": "Shibuya", "zip": "104"}


@pytest.mark.parametrize(
    "stored",
    [
        {},
        {"population": None},
        {"area": 5},
        {"address": {"street": "Ginza", "zip": "104"}},
        {"address": {"street": "Ginza", "cityName": None}},
        {"regions": ["a"], "scores": {"a": 1}, "twins": [Reference("cities/LA")]},
        {"anything": {"a": [1, 1.0, True, {"b": b"x"}]}},
        {"place": GeoPoint(1, 2), "country": Reference("countries/JP")},
        {"note": "undeclared"},
        {"obj_type": "City"},
    ],
)
def test_a_model_that_was_only_read_is_unchanged(database: MemoryDatabase, stored: dict[str, Any]) -> None:
    """Else every setter over a Store would write all documents of the Store."""
    database.commit([Put("cities/TOK", {"cityName": "Tokyo", **stored})])
    city = read()
    assert not city.is_changed
    changes = written(database)
    city.save()
    assert changes == []


# Defaults that are drawn.

NUMBERS = count()


def tomorrow() -> datetime:
    return datetime.now(UTC) + timedelta(days=1)


class Drawn(Embedded):
    key = attrs.string(default=lambda: str(uuid4()))
    kept = attrs.list(str)


class Drawing(DomainModel):
    class Meta:
        collection_name = "drawings"

    number = attrs.integer(default=lambda: next(NUMBERS))
    key = attrs.string(default=lambda: uuid4().hex)
    chance = attrs.float(default=partial(random.uniform, 0, 1))
    made = attrs.timestamp(default=tomorrow)
    day = attrs.string(default=lambda: date.today().isoformat())
    part = attrs.embedded(Drawn, default=Drawn)
    given = attrs.embedded(Drawn)
    still = attrs.string(default=lambda: "still")
    items = attrs.list(str)


DRAWN = ("number", "key", "chance", "made", "day", "part")


def test_a_new_model_draws_its_defaults() -> None:
    drawn = [Drawing.new(doc_id="a"), Drawing.new(doc_id="a")]
    assert all(getattr(each, name) is not None for each in drawn for name in DRAWN)
    assert drawn[0].key != drawn[1].key
    assert drawn[0].part.key != drawn[1].part.key


def test_no_reading_of_a_document_draws_a_default(database: MemoryDatabase) -> None:
    database.commit([Put("drawings/a", {"given": {}, "part": {"kept": ["a"]}}), Put("drawings/b", {"key": None})])
    for doc_id in "ab":
        first: Any = Drawing.get(doc_id)
        assert first == Drawing.get(doc_id)
        assert (first.still, first.items, first.key, first.number) == ("still", [], None, None)
        assert not first.is_changed
    model: Any = Drawing.get("a")
    assert model.given.key is None
    assert (model.part.key, model.part.kept) == (None, ["a"])
    model.still = "water"
    model.save()
    assert (database.read(["drawings/a"]).documents[0].fields or {}).keys() == {
        "given", "part", "still", "obj_type", "doc_id", "doc_ref",
    }  # fmt: skip


def test_a_default_that_was_drawn_is_kept(database: MemoryDatabase) -> None:
    saved = Drawing.new(doc_id="a")
    saved.save()
    read = Drawing.get("a")
    assert read is not None
    assert [getattr(read, name) for name in DRAWN] == [getattr(saved, name) for name in DRAWN]


def test_a_model_shows_its_class_and_its_values() -> None:
    assert repr(Drawn(key="k")) == "Drawn(kept=[], key='k')"


def test_following_a_relation_changes_nothing(database: MemoryDatabase) -> None:
    Country.new(doc_id="JP", name="Japan").save()
    tokyo(country="JP", twins=["TOK"])
    city = read()
    assert city.country is not None
    assert [each.doc_id for each in city.twins] == ["TOK"]
    assert not city.is_changed


@pytest.mark.parametrize("is_new", [True, False])
@pytest.mark.parametrize("where", ["regions", "scores", "rows", "anything", "deep", "address"])
def test_a_change_in_place_is_saved(database: MemoryDatabase, where: str, is_new: bool) -> None:
    city: Any = tokyo(
        regions=["a"], scores={"a": 1}, rows=[{"a": ["b"]}], anything={"a": {"b": [1]}}, address=Address(street="a")
    )
    city = city if is_new else read()
    match where:
        case "regions":
            city.regions.append("b")
        case "scores":
            city.scores["b"] = 2
        case "rows":
            city.rows[0]["a"].append("c")
        case "anything":
            city.anything["c"] = 1
        case "deep":
            city.anything["a"]["b"].append(2)
        case "address":
            city.address.street = "b"
    assert city.is_changed
    city.save()
    assert not city.is_changed
    assert read() == city


def test_a_change_that_is_taken_back_writes_nothing(database: MemoryDatabase) -> None:
    city = tokyo(population=1)
    city.population = 2
    assert city.is_changed
    city.population = 1
    assert not city.is_changed


def test_a_field_is_emptied_by_none(database: MemoryDatabase) -> None:
    city = tokyo(population=1)
    city.population = None
    city.save()
    assert fields_of(database, "cities/TOK")["population"] is None


@pytest.mark.parametrize(("one", "other"), [(1, True), (1, 1.0), (0, False), ("", None), ([], {})])
def test_values_that_python_may_hold_equal_differ_to_firestore(one: Any, other: Any) -> None:
    assert differs(one, other)
    assert not differs(one, one)
