"""Conditions from attributes: each operator that Firestore has, with the value as a document holds it."""

from datetime import UTC, datetime
from enum import Enum
from typing import Any

import pytest

from boiler_functions import DomainModel, Embedded, GeoPoint, attrs
from boiler_functions.database import Filter, Order
from boiler_functions.exceptions import DeclarationError, InvalidCondition, InvalidValue
from boiler_functions.models.conditions import Condition
from boiler_functions.types import Reference

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


class Status(Enum):
    OPEN = "open"
    SHUT = "shut"


class Address(Embedded):
    street_name = attrs.string()


class Country(DomainModel):
    class Meta:
        collection_name = "countries"

    name = attrs.string()


class City(DomainModel):
    class Meta:
        collection_name = "cities"

    city_name = attrs.string()
    population = attrs.integer()
    area = attrs.float()
    capital = attrs.boolean()
    founded = attrs.timestamp()
    seal = attrs.bytes()
    place = attrs.geopoint()
    status = attrs.enum(Status)
    regions = attrs.list(str)
    states = attrs.list(Status)
    country = attrs.relation(Country)
    twins = attrs.relation("City", many=True)
    postal = attrs.string(data_key="postal code")
    address = attrs.embedded(Address)
    former = attrs.list(Address)


@pytest.mark.parametrize(
    ("condition", "field", "op", "value"),
    [
        (City.population == 1, "population", "==", 1),
        (City.population != 1, "population", "!=", 1),
        (City.population < 1, "population", "<", 1),
        (City.population <= 1, "population", "<=", 1),
        (City.population > 1, "population", ">", 1),
        (City.population >= 1, "population", ">=", 1),
        (City.population.in_([1, 2]), "population", "in", (1, 2)),
        (City.population.not_in([1, 2]), "population", "not-in", (1, 2)),
        (City.regions.contains("a"), "regions", "array-contains", "a"),
        (City.regions.contains_any(["a", "b"]), "regions", "array-contains-any", ("a", "b")),
        (City.city_name == None, "cityName", "==", None),  # noqa: E711
        (City.city_name.is_null(), "cityName", "==", None),
        (City.country.is_null(), "country", "==", None),
        (City.country.is_not_null(), "country", "!=", None),
        (City.city_name == "Tokyo", "cityName", "==", "Tokyo"),
        (City.area > 1, "area", ">", 1.0),
        (City.capital == True, "capital", "==", True),  # noqa: E712
        (City.founded < NOON, "founded", "<", NOON),
        (City.seal == b"x", "seal", "==", b"x"),
        (City.place == GeoPoint(1, 2), "place", "==", GeoPoint(1, 2)),
        (City.status == Status.OPEN, "status", "==", "open"),
        (City.status.in_(Status), "status", "in", ("open", "shut")),
        (City.states.contains(Status.SHUT), "states", "array-contains", "shut"),
        (City.regions == ["a"], "regions", "==", ["a"]),
        (City.country == "JP", "country", "==", Reference("countries/JP")),
        (City.country == "countries/JP", "country", "==", Reference("countries/JP")),
        (City.country == Reference("countries/JP"), "country", "==", Reference("countries/JP")),
        (City.country.in_(["JP"]), "country", "in", (Reference("countries/JP"),)),
        (City.twins.contains("LA"), "twins", "array-contains", Reference("cities/LA")),
        (City.postal == "9", "`postal code`", "==", "9"),
    ],
)
def test_a_comparison_is_a_condition_with_the_stored_field_and_value(
    condition: Condition[City], field: str, op: Any, value: Any
) -> None:
    assert condition == Condition(City, Filter(field, op, value))
    assert type(condition.filter.value) is type(value)


def test_a_relation_is_compared_with_a_model() -> None:
    assert (City.country == Country.new("JP")).filter.value == Reference("countries/JP")


def test_a_relation_is_not_compared_with_a_model_of_another_collection() -> None:
    with pytest.raises(InvalidValue, match=r"City refuses country: .*is not a Country"):
        City.country == City.new("TOK")  # noqa: B015


def test_an_embedded_object_is_compared_as_it_is_stored() -> None:
    assert (City.address == Address(street_name="Ginza")).filter.value == {"streetName": "Ginza"}
    assert City.former.contains(Address(street_name="Edo")).filter.value == {"streetName": "Edo"}


@pytest.mark.parametrize(
    "compared",
    [
        lambda: City.population < None,
        lambda: City.population >= None,
        lambda: City.country.in_(["JP", None]),
        lambda: City.country.not_in([None]),
        lambda: City.twins.contains(None),
        lambda: City.regions.contains_any([None, "a"]),
    ],
)
def test_null_is_refused_where_firestore_would_find_nothing(compared: Any) -> None:
    with pytest.raises(DeclarationError, match=r"City\.\w+ is compared with None .*; use `is_null\(\)`"):
        compared()


@pytest.mark.parametrize("count", [0, 31])
def test_a_membership_takes_1_to_30_values(count: int) -> None:
    with pytest.raises(DeclarationError, match=rf"City\.population .*{count} values"):
        City.population.in_(range(count))
    with pytest.raises(DeclarationError, match=r"City\.regions"):
        City.regions.contains_any(map(str, range(count)))


def test_an_exclusion_takes_1_to_10_values() -> None:
    """https://firebase.google.com/docs/firestore/query-data/queries#not-in."""
    assert len(City.population.not_in(range(10)).filter.value) == 10
    with pytest.raises(DeclarationError, match=r"City\.population"):
        City.population.not_in(range(11))


def test_only_lists_contain() -> None:
    with pytest.raises(DeclarationError, match=r"City.population is not a list"):
        City.population.contains(1)
    with pytest.raises(DeclarationError, match=r"City.country is not a list"):
        City.country.contains("JP")


def test_contains_takes_an_item_and_not_a_list_of_another_type() -> None:
    with pytest.raises((DeclarationError, InvalidValue), match="regions"):
        City.regions.contains(5)


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        (City.population, 10.5),
        (City.population, "1000"),
        (City.population, "many"),
        (City.population, True),
        (City.city_name, 5),
        (City.city_name, City.postal),
        (City.capital, "yes"),
        (City.status, "open"),
        (City.founded, "2026-01-01"),
        (City.regions, "abc"),
    ],
)
def test_a_value_of_another_type_is_refused(attribute: Any, value: Any) -> None:
    """Coerced, `population < 10.5` would be `< 10` and miss a city of ten."""
    with pytest.raises((DeclarationError, InvalidValue), match=f"City.*{attribute.attribute.name}"):
        attribute == value  # noqa: B015


def test_orders_go_up_and_down_by_the_stored_field() -> None:
    assert City.city_name.asc() == Order("cityName")
    assert City.city_name.desc() == Order("cityName", descending=True)


def test_an_attribute_of_a_class_is_shown_by_its_name_and_can_be_a_key() -> None:
    bound = City.population
    assert repr(bound) == "City.population"
    assert {bound: 1}[bound] == 1


def test_an_inherited_attribute_belongs_to_the_class_that_it_is_asked_of() -> None:
    class Municipality(City): ...

    assert (Municipality.population > 1).owner is Municipality


def test_a_value_that_is_no_member_is_refused_with_the_members() -> None:
    with pytest.raises(InvalidCondition, match=r"City\.status cannot be compared with 'open': Not a member of"):
        City.where(status="open")
