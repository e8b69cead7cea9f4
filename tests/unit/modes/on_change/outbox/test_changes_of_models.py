"""The changes of a model reach the receiver, whoever writes the document."""

import math
from dataclasses import replace
from enum import Enum
from typing import Any

from boiler_functions import Changed, DomainModel, Embedded, attrs
from boiler_functions.database import Delete
from boiler_functions.testing import MemoryApp, memory_app
from tests.unit.modes.cities import put
from tests.unit.modes.on_change.outbox.scene import City, Receiver, letters, outcomes, sent, telling


class Capital(City):
    """A city with a government."""


class Day(Enum):
    MONDAY = "mon"
    SUNDAY = "sun"


class Plug(Embedded):
    value = attrs.bproperty()


def test_the_change_of_a_model_is_delivered_whoever_writes_its_document(cities: MemoryApp, receiver: Receiver) -> None:
    City.new(doc_id="TOK", name="Tokyo").save()
    cities.deliver(duplicates=1)
    put(cities, "cities/TOK", name="Edo", population=5)
    cities.deliver(duplicates=1)
    cities.database.commit([Delete("cities/TOK")])
    cities.deliver(duplicates=1)
    assert receiver.names == [(None, "Tokyo"), ("Tokyo", "Edo"), ("Edo", None)]
    assert len(set(receiver.keys)) == 3
    assert {change.path for change in receiver.told} == {"cities/TOK"}


def test_a_field_that_the_model_does_not_declare_is_no_change_of_it(cities: MemoryApp, receiver: Receiver) -> None:
    put(cities, "cities/TOK", name="Tokyo")
    put(cities, "cities/TOK", name="Tokyo", seen=1)
    assert "unaffected" in outcomes(cities.deliver())
    assert receiver.names == [(None, "Tokyo")]


def test_a_change_between_values_that_are_equal_in_python_is_delivered_if_firestore_distinguishes_them(
    receiver: Receiver,
) -> None:
    class Light(DomainModel):
        class Meta:
            collection_name = "lights"

        state = attrs.bproperty()
        days = attrs.list(Day)
        socket = attrs.embedded(Plug)

    written: list[dict[str, Any]] = [
        {"state": 1},
        {"state": True},
        {"state": 1.0},
        {"state": {"on": 0}},
        {"state": {"on": False}},
        {"days": ["mon"]},
        {"days": ["mon", "sun"]},
        {"socket": {"value": [0]}},
        {"socket": {"value": [False]}},
    ]
    with memory_app(telling(receiver, Light)) as testing:
        for fields in written:
            put(testing, "lights/one", **fields)
            testing.deliver(duplicates=1)
        assert len(receiver.told) == len(written)
        # NaN is no change to itself, nor is what the model does not declare.
        put(testing, "lights/one", state=math.nan)
        testing.deliver()
        receiver.told.clear()
        put(testing, "lights/one", state=math.nan, seen=1)
        put(testing, "lights/one", state=math.nan, seen=2)
        testing.deliver()
        assert receiver.told == []


def test_an_equal_write_is_no_change(cities: MemoryApp, receiver: Receiver) -> None:
    put(cities, "cities/TOK", name="Tokyo")
    event = sent(cities)
    equal = replace(event, change=event.change._replace(before=event.change.after))
    assert outcomes([cities.handle(equal)]) == ["ignored"]
    assert receiver.told == []


def test_an_event_without_images_tells_of_the_document_as_it_is(cities: MemoryApp, receiver: Receiver) -> None:
    put(cities, "cities/TOK", name="Tokyo")
    cities.handle(sent(cities).without_images())
    assert receiver.names == [(None, "Tokyo")]


def test_an_event_without_images_of_a_deleted_document_is_still_delivered(
    cities: MemoryApp, receiver: Receiver
) -> None:
    put(cities, "cities/TOK", name="Tokyo")
    event = sent(cities)
    cities.database.commit([Delete("cities/TOK")])
    cities.handle(event.without_images())
    assert receiver.names == [(None, None)]


def test_a_document_that_becomes_another_class_leaves_the_one_and_enters_the_other(receiver: Receiver) -> None:
    with memory_app(telling(receiver, Capital)) as testing:
        put(testing, "cities/TOK", name="Tokyo", obj_type="City")
        put(testing, "cities/TOK", name="Tokyo", obj_type="Capital")
        put(testing, "cities/TOK", name="Tokyo", obj_type="City")
        testing.deliver()
    assert receiver.names == [(None, "Tokyo"), ("Tokyo", None)]


class Reading(Receiver):
    """Reads the city's name."""

    def __call__(self, change: Changed[Any]) -> None:
        assert change.after
        assert change.after.name
        super().__call__(change)


def test_a_value_that_does_not_fit_is_a_dead_letter_once_it_is_read_and_its_repair_is_delivered() -> None:
    receiver = Reading()
    with memory_app(telling(receiver, City)) as cities:
        put(cities, "cities/TOK", name=5)
        cities.deliver()
        assert [each["code"] for each in letters(cities) if each["view"] == "tell"] == ["BF501"]
        put(cities, "cities/TOK", name="Tokyo")
        cities.deliver()
        assert receiver.names == [(None, "Tokyo")]


def test_a_receiver_is_told_of_each_change_of_a_value_that_does_not_fit_and_that_it_does_not_read(
    cities: MemoryApp, receiver: Receiver
) -> None:
    for population in ("ten", "eleven"):
        put(cities, "cities/TOK", population=population, name="Tokyo")
    cities.deliver()
    assert receiver.names == [(None, "Tokyo"), ("Tokyo", "Tokyo")]
