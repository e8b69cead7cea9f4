"""Every type of an attribute, in documents and in JSON."""

import math
from datetime import UTC
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from boiler_functions import GeoPoint, use
from boiler_functions.database.memory import MemoryDatabase
from boiler_functions.types import Reference
from tests.unit.models.attributes.scene import NOON, Address, City, Status

TEXT = st.text(max_size=8)


ADDRESSES = st.builds(Address, street_name=TEXT, zip_code=st.none() | st.text(max_size=5))


# Firestore keeps microseconds, and so do Python's datetimes.
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "city_name": st.none() | TEXT,
    "population": st.none() | st.integers(-(2**63), 2**63 - 1),
    "area": st.none() | st.floats(allow_nan=False),
    "capital": st.none() | st.booleans(),
    "founded": st.none() | st.datetimes(timezones=st.just(UTC)),
    "seal": st.none() | st.binary(max_size=8),
    "place": st.none() | st.builds(GeoPoint, st.floats(-90, 90), st.floats(-180, 180)),
    "status": st.none() | st.sampled_from(Status),
    "regions": st.lists(TEXT, max_size=3),
    "scores": st.dictionaries(st.text("abc.` é", min_size=1, max_size=4), st.integers(-9, 9), max_size=3),
    "address": st.none() | ADDRESSES,
    "former": st.lists(ADDRESSES, max_size=2),
    "country": st.none() | st.sampled_from(["JP", "US"]),
    "twins": st.lists(st.sampled_from(["TOK", "LA"]), max_size=2),
    "anything": st.none() | TEXT | st.integers(-9, 9) | st.lists(TEXT, max_size=2),
}


@settings(deadline=None)
@given(st.fixed_dictionaries({}, optional=VALUES))
def test_what_is_saved_is_what_is_read_for_every_type(values: dict[str, Any]) -> None:
    with use(MemoryDatabase()):
        city = City.new(doc_id="TOK", **values)
        city.save()
        read = City.get("TOK")
        assert read == city
        assert read is not None
        assert not read.is_changed
        assert not city.is_changed


def test_nan_survives_too() -> None:
    with use(MemoryDatabase()):
        City.new(doc_id="TOK", area=math.nan).save()
        read = City.get("TOK")
        assert read is not None
        assert read.area is not None
        assert math.isnan(read.area)
        assert not read.is_changed


def test_every_type_is_stored_as_firestore_has_it() -> None:
    database = MemoryDatabase()
    with use(database):
        City.new(
            doc_id="TOK",
            city_name="Tokyo",
            population=1,
            area=2,
            capital=True,
            founded=NOON,
            seal=b"x",
            place=GeoPoint(1, 2),
            status=Status.OPEN,
            regions=["a"],
            scores={"x": 1},
            address=Address(street_name="Ginza"),
            former=[Address(street_name="Edo", zip_code="1")],
            country="JP",
            twins=["LA"],
            anything={"a": None},
        ).save()
    fields = dict(database.read(["cities/TOK"]).documents[0].fields or {})
    assert fields == {
        "cityName": "Tokyo",
        "population": 1,
        "area": 2.0,
        "capital": True,
        "founded": NOON,
        "seal": b"x",
        "place": GeoPoint(1, 2),
        "status": "open",
        "regions": ["a"],
        "scores": {"x": 1},
        "address": {"streetName": "Ginza"},
        "former": [{"streetName": "Edo", "zipCode": "1"}],
        "country": Reference("countries/JP"),
        "twins": [Reference("cities/LA")],
        "anything": {"a": None},
        "obj_type": "City",
        "doc_id": "TOK",
        "doc_ref": "cities/TOK",
    }
    assert type(fields["area"]) is float


def test_an_attribute_that_was_never_set_reads_as_none() -> None:
    city = City.new(doc_id="TOK")
    single = ("city_name", "population", "area", "capital", "founded", "seal", "place", "status", "address", "country")
    assert [getattr(city, name) for name in single] == [None] * len(single)


def test_lists_and_mappings_are_empty_unless_given_and_never_shared() -> None:
    one, other = City.new(), City.new()
    one.regions.append("a")
    one.scores["x"] = 1
    assert (other.regions, other.scores, other.former) == ([], {}, [])
