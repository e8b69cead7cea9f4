"""The options of `class Meta`."""

from typing import Any

import pytest
from marshmallow import INCLUDE, RAISE

from boiler_functions import DomainModel, attrs
from boiler_functions.database import Put
from boiler_functions.database.memory import MemoryDatabase
from boiler_functions.exceptions import (
    DeclarationError,
    InvalidDocument,
)
from tests.unit.models.cities import City, Country, fields_of


class Raw(DomainModel):
    class Meta:
        collection_name = "raws"
        case_conversion = False
        exclude = ("secret",)

    city_name = attrs.string()
    secret = attrs.string()


def test_without_case_conversion_fields_are_named_as_attributes(database: MemoryDatabase) -> None:
    Raw.new(doc_id="a", city_name="x").save()
    assert fields_of(database, "raws/a")["city_name"] == "x"
    assert Raw.where(Raw.city_name == "x").first() == Raw.get("a")


def test_an_excluded_attribute_is_neither_stored_nor_read_nor_shown(database: MemoryDatabase) -> None:
    raw = Raw.new(doc_id="a", city_name="x", secret="s")
    raw.save()
    assert raw.secret == "s"
    assert "secret" not in fields_of(database, "raws/a")
    assert "secret" not in raw.to_view_dict()
    database.commit([Put("raws/a", {"secret": "t"}, mask=("secret",))])
    again = Raw.get("a")
    assert again is not None
    assert again.secret is None


def test_excluding_an_unknown_attribute_is_refused() -> None:
    """A typo would leak the field that was meant."""
    with pytest.raises(DeclarationError, match=r"Typo.*pasword"):

        class Typo(DomainModel):
            class Meta:
                collection_name = "typos"
                exclude = ("pasword",)

            password = attrs.string()


class Open(DomainModel):
    class Meta:
        collection_name = "opens"
        unknown = INCLUDE

    city_name = attrs.string()


def test_with_unknown_included_undeclared_attributes_are_kept_under_their_own_names(database: MemoryDatabase) -> None:
    model = Open.new(doc_id="a", city_name="x", extra_field=[1])
    model.save()
    assert fields_of(database, "opens/a")["extra_field"] == [1]
    again: Any = Open.get("a")
    assert again == model
    assert again.extra_field == [1]
    assert again.to_view_dict() == {"cityName": "x", "extra_field": [1]}


def test_an_included_field_that_is_changed_in_place_is_saved(database: MemoryDatabase) -> None:
    Open.new(doc_id="a", tags=["a"]).save()
    model: Any = Open.get("a")
    model.tags.append("b")
    model.save()
    assert fields_of(database, "opens/a")["tags"] == ["a", "b"]


def test_an_undeclared_field_does_not_overwrite_an_attribute(database: MemoryDatabase) -> None:
    database.commit([Put("opens/a", {"cityName": "right", "city_name": "wrong"})])
    model = Open.get("a")
    assert model is not None
    assert model.city_name == "right"


def test_unknown_raise_refuses_undeclared_fields_and_takes_our_own(database: MemoryDatabase) -> None:
    class Closed(DomainModel):
        class Meta:
            collection_name = "closeds"
            unknown = RAISE

        name = attrs.string()

    Closed.new(doc_id="a", name="x").save()
    assert Closed.get("a") is not None
    database.commit([Put("closeds/b", {"other": 1})])
    with pytest.raises(InvalidDocument, match="closeds/b does not fit Closed: other"):
        Closed.get("b")


def test_undeclared_fields_of_a_stored_document_are_ignored(database: MemoryDatabase) -> None:
    database.commit([Put("countries/JP", {"name": "Japan", "note": 1})])
    country = Country.get("JP")
    assert country is not None
    assert country.to_view_dict() == {"name": "Japan"}


def test_a_document_that_does_not_fit_is_named_with_model_and_field(database: MemoryDatabase) -> None:
    database.commit([Put("cities/TOK", {"cityName": "Tokyo", "population": "many", "address": {}})])
    city = City.get("TOK")
    assert city is not None
    with pytest.raises(InvalidDocument) as raised:
        city.to_view_dict()
    assert raised.value.errors.keys() == {"population", "address.street"}
    assert str(raised.value).startswith("cities/TOK does not fit City: ")
