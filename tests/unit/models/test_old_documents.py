"""Documents of earlier generations: values of another type, and fields under former names."""

from datetime import UTC, datetime
from typing import Any

import pytest

from boiler_functions import (
    Boiler,
    DomainModel,
    Embedded,
    Store,
    ViewModel,
    attrs,
    matching,
    reference,
    references,
    referrers,
    use,
)
from boiler_functions.database import Document, Put
from boiler_functions.database.memory import MemoryDatabase
from boiler_functions.exceptions import InvalidAttribute, InvalidCondition, InvalidDocument
from boiler_functions.testing import assert_views_equal_rebuild, memory_app
from boiler_functions.types import Reference
from tests.unit.models.cities import fields_of


class Stay(Embedded):
    nights = attrs.integer(coerce=True, aliases=["days"])
    note = attrs.string()


class Person(DomainModel):
    class Meta:
        collection_name = "people"

    name = attrs.string(required=True)


class Booking(DomainModel):
    class Meta:
        collection_name = "bookings"

    price = attrs.float(coerce=True)
    seats = attrs.integer(coerce=True, default=1)
    number = attrs.string(coerce=True)
    paid = attrs.boolean(coerce=True)
    made_at = attrs.timestamp(coerce=True)
    guest_name = attrs.string(required=True, aliases=["name", "guest"])
    guests = attrs.relation(Person, many=True, aliases=["persons"])
    stay = attrs.embedded(Stay)


def booking(**fields: Any) -> Booking:
    return Booking.from_document(Document("bookings/b", fields, 1))


@pytest.mark.parametrize(
    ("name", "stored", "read"),
    [
        ("price", "12.5", 12.5),
        ("price", " -1e3 ", -1000.0),
        ("price", 12, 12.0),
        ("seats", "4", 4),
        ("seats", 4.0, 4),
        ("seats", None, 1),
        ("number", 7, "7"),
        ("number", 7.0, "7"),
        ("number", 7.5, "7.5"),
        ("number", True, "true"),
        ("paid", "TRUE", True),
        ("paid", 0, False),
        ("madeAt", "2024-01-02T03:04:05Z", datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)),
    ],
)
def test_coerce_reads_a_value_as_what_it_clearly_means(name: str, stored: object, read: object) -> None:
    value = getattr(booking(**{name: stored}), "made_at" if name == "madeAt" else name)
    assert (value, type(value)) == (read, type(read))


UNCLEAR: dict[str, list[Any]] = {
    "price": ["cheap", "", "1,5", "nan", True, [1]],
    "seats": ["4.5", 4.5, "four", True],
    "number": [[], {}],
    "paid": ["yes", 2, ""],
    "made_at": ["2024-01-02T03:04:05", 1704164645, "today"],
}


@pytest.mark.parametrize(("name", "stored"), [(name, each) for name, found in UNCLEAR.items() for each in found])
def test_what_is_not_clear_does_not_fit(name: str, stored: object) -> None:
    key = "madeAt" if name == "made_at" else name
    with pytest.raises(InvalidDocument, match=f"{key}: Not a valid"):
        getattr(booking(**{key: stored}), name)


def test_a_former_name_is_read_if_the_present_one_is_missing() -> None:
    assert booking(name="Ann").guest_name == booking(guest="Ann").guest_name == "Ann"
    assert booking(guestName="Bob", name="Ann").guest_name == "Bob"
    assert booking(guestName="Bob", name="Ann").to_view_dict().keys() == {"guestName", "seats", "guests"}


def test_a_former_name_and_another_type_are_read_in_an_embedded_object() -> None:
    stay = booking(stay={"days": "3", "other": 1}).stay
    assert stay is not None
    assert (stay.nights, stay.undeclared) == (3, {"other": 1})


def test_a_value_that_nobody_changes_stays_as_it_is_stored_under_its_former_name(database: MemoryDatabase) -> None:
    database.commit([Put("bookings/b", {"name": "Ann", "price": "12.5", "stay": {"days": "3"}, "paid": "false"})])
    found = Booking.get("b")
    assert found is not None
    assert not found.is_changed
    found.paid = True
    found.save()
    assert fields_of(database, "bookings/b").items() >= {"name": "Ann", "price": "12.5", "paid": True}.items()
    assert fields_of(database, "bookings/b")["stay"] == {"days": "3"}


def test_a_write_takes_the_present_name_and_type_and_deletes_the_former_names(database: MemoryDatabase) -> None:
    database.commit([Put("bookings/b", {"name": "Ann", "guest": "A.", "price": "12.5", "stay": {"days": "3", "x": 1}})])
    found = Booking.get("b")
    assert found is not None
    assert found.stay is not None
    found.guest_name = "Bob"
    found.price = 13
    found.stay.nights = 4
    found.save()
    stored = fields_of(database, "bookings/b")
    assert {key: stored.get(key) for key in ("guestName", "price", "stay")} == {
        "guestName": "Bob",
        "price": 13.0,
        "stay": {"nights": 4, "x": 1},
    }
    assert not {"name", "guest"} & stored.keys()
    again = Booking.get("b")
    assert again is not None
    assert again.guest_name == "Bob"


def test_a_new_model_over_an_old_document_leaves_no_former_name(database: MemoryDatabase) -> None:
    database.commit([Put("bookings/b", {"name": "Ann", "kept": 1})])
    Booking.new(doc_id="b", guest_name="Bob").save()
    stored = fields_of(database, "bookings/b")
    assert (stored["guestName"], stored["kept"], "name" in stored) == ("Bob", 1, False)


def test_a_relation_is_followed_under_its_former_name() -> None:
    relation: Any = Booking.guests.attribute
    assert relation.paths({"persons": [Reference("people/ann")]}) == ["people/ann"]
    assert relation.paths({"persons": [Reference("people/ann")], "guests": []}) == []


@pytest.mark.parametrize(
    "ask",
    [
        lambda: Booking.where(Booking.guest_name == "Ann"),
        lambda: Booking.where(guest_name="Ann"),
        lambda: Booking.all().order_by(Booking.guest_name),
        lambda: Booking.all().order_by(Booking.guest_name.desc()),
        lambda: matching(Booking.guests.contains("ann")),
        lambda: Booking.where(Booking.price > 10),
        lambda: Booking.all().order_by(Booking.price),
    ],
)
def test_a_query_over_such_an_attribute_is_refused_by_name(ask: Any) -> None:
    with pytest.raises(InvalidCondition, match=r"Booking\.(guest_name|guests|price) .*boiler migrate"):
        ask()


def test_referrers_over_such_an_attribute_are_refused_where_they_are_declared() -> None:
    with pytest.raises(InvalidCondition, match=r"Booking\.guests is also read by its former names \(persons\)"):

        class GuestStore(Store):
            person = reference(Person)
            bookings = referrers(Booking.guests)


def test_names_that_cannot_be_former_ones_are_refused() -> None:
    with pytest.raises(InvalidAttribute, match=r"Twice\.b has the former name 'a', under which Twice\.a is stored"):

        class Twice(DomainModel):
            a = attrs.string()
            b = attrs.string(aliases=["a"])

    with pytest.raises(InvalidAttribute, match=r"aliases='a' is a single string"):
        attrs.string(aliases="a")

    with pytest.raises(InvalidAttribute, match=r"coerce=True: Bytes reads no values of other types"):
        attrs.bytes(coerce=True)

    with pytest.raises(InvalidAttribute, match=r"Form\.a has `aliases` or `coerce`.*DomainModel"):

        class Form(ViewModel[Store]):
            a = attrs.string(coerce=True)


def test_a_mixed_generation_is_read_in_one_query(database: MemoryDatabase) -> None:
    database.commit([Put("bookings/1", {"name": "Ann"}), Put("bookings/2", {"guestName": "Bob", "price": "3"})])
    with use(database):
        assert [(each.guest_name, each.price) for each in Booking.all()] == [("Ann", None), ("Bob", 3.0)]


class BookingStore(Store):
    booking = reference(Booking)
    guests = references(Booking.guests)


class BookingView(ViewModel[BookingStore]):
    class Meta:
        path = "bookingViews/{booking.doc_id}"

    @attrs.computed
    def told(self) -> str:
        return f"{self.store.booking.guest_name}, with {', '.join(each.name for each in self.store.guests)}"


def test_a_view_follows_documents_of_every_generation() -> None:
    app = Boiler("demo")
    app.query(BookingView)
    with memory_app(app) as testing:
        testing.write("people/ann", {"name": "Ann"})
        testing.write("people/bob", {"name": "Bob"})
        testing.write("bookings/b", {"name": "Cy", "persons": [Reference("people/ann")]})
        testing.deliver()
        testing.write("people/ann", {"name": "Anna"})
        testing.deliver()
        assert (testing.fields("bookingViews/b") or {})["told"] == "Cy, with Anna"
        testing.write("bookings/b", {"guest": "Cy", "guests": [Reference("people/bob")], "persons": []})
        testing.deliver()
        assert (testing.fields("bookingViews/b") or {})["told"] == "Cy, with Bob"
        assert_views_equal_rebuild(testing)
