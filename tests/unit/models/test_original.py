"""A saved model is compared with what it was when it was last read or saved."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from boiler_functions import DomainModel, Embedded, attrs, use
from boiler_functions.database import Put
from boiler_functions.database.memory import MemoryDatabase


class Place(Embedded):
    floor = attrs.integer(default=1)


class Town(DomainModel):
    class Meta:
        collection_name = "towns"
        unknown = "include"

    name = attrs.string()
    rank = attrs.integer(default=5)
    notes = attrs.list(dict)
    marks = attrs.mapping(dict)
    hall = attrs.embedded(Place)


PATH = "towns/TOK"


@pytest.fixture
def database() -> Iterator[MemoryDatabase]:
    database = MemoryDatabase()
    database.commit([Put(PATH, {"obj_type": "Town", "name": "Tokyo", "free": {"a": [1]}})])
    with use(database):
        yield database


def read() -> Town:
    town = Town.get("TOK")
    assert town is not None
    return town


def changed(town: Town) -> bool:
    return town.is_changed


def stored(database: MemoryDatabase) -> dict[str, Any]:
    return dict(database.read([PATH]).documents[0].fields or {})


def test_a_default_that_comes_back_after_another_value_was_saved_is_written(database: MemoryDatabase) -> None:
    town = read()
    town.rank = 7
    town.save()
    assert not changed(town)
    town.rank = 5
    assert changed(town)
    town.save()
    assert stored(database)["rank"] == 5


CHANGES: dict[str, Callable[[Any], Any]] = {
    "a list": lambda town: town.notes[0]["k"].append(2),
    "a mapping": lambda town: town.marks["a"]["b"].append(2),
    "an embedded model": lambda town: setattr(town.hall, "floor", 3),
    "an undeclared value": lambda town: town.values["free"]["a"].append(2),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_a_change_in_place_after_a_save_is_written_by_the_next(
    database: MemoryDatabase, change: Callable[[Any], Any]
) -> None:
    town = read()
    town.notes, town.marks, town.hall = [{"k": [1]}], {"a": {"b": [1]}}, Place(floor=2)
    town.save()
    assert not changed(town)
    change(town)
    assert changed(town)
    town.save()
    assert not changed(town)
    again = read().values
    assert again == town.values


def test_an_undeclared_value_that_a_save_removed_is_not_removed_again(database: MemoryDatabase) -> None:
    town = read()
    del town.values["free"]
    town.save()
    assert "free" not in stored(database)
    assert not changed(town)


def test_a_save_without_a_change_leaves_the_bookkeeping_to_the_save_with_one(database: MemoryDatabase) -> None:
    town = read()
    town.save()
    assert "doc_id" not in stored(database)
    town.name = "Edo"
    town.save()
    assert stored(database)["doc_id"] == "TOK"
