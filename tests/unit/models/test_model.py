"""Models: declared attributes and their values; DomainModel is a document."""

from typing import Any

import pytest

from boiler_functions import DomainModel, GeoPoint, Rejected, attrs, use
from boiler_functions.database import Put
from boiler_functions.database.memory import MemoryDatabase
from boiler_functions.database.metered import Metered
from boiler_functions.exceptions import (
    Conflict,
    InvalidPath,
    InvalidValue,
)
from tests.unit.models.cities import Address, City, CityForm, Country, Municipality, fields_of, read, tokyo

# new, save, get.


def test_a_saved_model_is_a_document_with_camel_case_fields_and_bookkeeping(database: MemoryDatabase) -> None:
    tokyo(population=3)
    assert fields_of(database, "cities/TOK") == {
        "cityName": "Tokyo",
        "population": 3,
        "regions": [],
        "scores": {},
        "rows": [],
        "anything": {},
        "twins": [],
        "obj_type": "City",
        "doc_id": "TOK",
        "doc_ref": "cities/TOK",
    }


def test_new_without_an_id_makes_a_random_one_as_firestore_does() -> None:
    ids = {City.new().doc_id for _ in range(50)}
    assert len(ids) == 50
    assert all(len(each) == 20 and each.isalnum() for each in ids)


@pytest.mark.parametrize("doc_id", ["", "a/b", "..", "__x__", "a "])
def test_an_id_that_firestore_or_a_trigger_cannot_hold_is_refused(doc_id: str) -> None:
    with pytest.raises(InvalidPath, match="is not a document id"):
        City.new(doc_id=doc_id)
    with pytest.raises(InvalidPath, match="is not a document id"):
        City.get(doc_id)


def test_new_writes_nothing_until_it_is_saved(database: MemoryDatabase) -> None:
    City.new(doc_id="TOK", city_name="Tokyo")
    assert City.get("TOK") is None


def test_new_with_an_undeclared_attribute_is_refused_with_those_that_are_declared() -> None:
    with pytest.raises(InvalidValue, match=r"Country refuses nmae: Undeclared; the declared attributes are name\."):
        Country.new(nmae="Japan")


def test_a_model_is_made_with_new_and_not_by_its_class() -> None:
    with pytest.raises((TypeError, InvalidValue), match=r"new"):
        City()


def test_get_gives_none_for_a_missing_document(database: MemoryDatabase) -> None:
    assert City.get("TOK") is None


def test_get_many_keeps_the_order_of_the_ids_and_leaves_missing_ones_out(database: MemoryDatabase) -> None:
    for doc_id in "abc":
        City.new(doc_id=doc_id, city_name=doc_id).save()
    assert [city.doc_id for city in City.get_many(["c", "x", "a"])] == ["c", "a"]
    assert City.get_many([]) == []


def test_get_many_is_one_read() -> None:
    metered = Metered(MemoryDatabase())
    with use(metered):
        City.get_many(["a", "b", "c"])
    assert metered.usage.rpcs == 1


def test_a_saved_model_can_be_read_and_is_equal(database: MemoryDatabase) -> None:
    city = tokyo(address=Address(street="Ginza"), place=GeoPoint(1, 2))
    assert read() == city


def test_a_new_model_over_an_old_document_replaces_the_declared_fields_and_keeps_the_others(
    database: MemoryDatabase,
) -> None:
    database.commit([Put("cities/TOK", {"cityName": "Edo", "population": 5, "note": "kept"})])
    tokyo()
    assert fields_of(database, "cities/TOK")["note"] == "kept"
    assert "population" not in fields_of(database, "cities/TOK")


def test_saving_a_model_that_was_deleted_meanwhile_is_a_conflict(database: MemoryDatabase) -> None:
    city = tokyo()
    read().delete()
    city.population = 5
    with pytest.raises(Conflict, match="cities/TOK"):
        city.save()


def test_delete_deletes_and_may_be_repeated(database: MemoryDatabase) -> None:
    city = tokyo()
    city.delete()
    city.delete()
    assert City.get("TOK") is None


def test_a_deleted_model_has_nothing_to_save_by_itself(database: MemoryDatabase) -> None:
    city = tokyo()
    city.delete()
    assert not city.is_changed


def test_a_deleted_model_that_is_saved_is_whole_again(database: MemoryDatabase) -> None:
    city = tokyo(population=5)
    city.delete()
    city.save()
    assert read() == city


# Equality.


def test_models_are_equal_when_class_path_and_values_are() -> None:
    assert City.new("a", city_name="x") == City.new("a", city_name="x")
    assert City.new("a", city_name="x") != City.new("a", city_name="y")
    assert City.new("a", city_name="x") != City.new("b", city_name="x")
    assert City.new("a", city_name="x") != Municipality.new("a", city_name="x")
    assert Country.new("a", name="x") != "countries/a"
    assert Address(street="a") == Address(street="a")
    assert Address(street="a") != Address(street="b")


def test_a_model_is_shown_by_class_and_path() -> None:
    assert repr(City.new("TOK")) == "<City cities/TOK>"


# to_view_dict, propagate_change.


def test_to_view_dict_spells_the_attributes_as_documents_do_and_relations_as_paths() -> None:
    city = City.new(
        "TOK", city_name="Tokyo", address=Address(street="a"), country="JP", twins=["LA"], place=GeoPoint(1, 2)
    )
    assert city.to_view_dict() == {
        "cityName": "Tokyo",
        "regions": [],
        "scores": {},
        "rows": [],
        "anything": {},
        "address": {"street": "a"},
        "place": GeoPoint(1, 2),
        "country": "countries/JP",
        "twins": ["cities/LA"],
    }


# Sub-collections.


def test_a_model_of_a_sub_collection_takes_the_placeholders(database: MemoryDatabase) -> None:
    form = CityForm.new(doc_id="LA", user_id="uid1", name="Los Angeles")
    form.save()
    assert form.path == "users/uid1/cityForms/LA"
    assert form.params == {"user_id": "uid1"}
    assert CityForm.get("LA", user_id="uid1") == form
    assert CityForm.get("LA", user_id="uid2") is None
    assert CityForm.get_many(["LA"], user_id="uid1") == [form]


def test_a_placeholder_reads_as_an_attribute() -> None:
    form: Any = CityForm.new(doc_id="LA", user_id="uid1")
    assert form.user_id == "uid1"


def test_a_missing_placeholder_is_reported_with_the_collection() -> None:
    with pytest.raises(InvalidValue, match=r"CityForm refuses user_id: needed to find users/\{user_id\}/cityForms"):
        CityForm.new(doc_id="LA")
    with pytest.raises(InvalidValue, match="CityForm refuses user_id: needed"):
        CityForm.get("LA")


def test_a_placeholder_that_the_collection_does_not_have_is_refused() -> None:
    with pytest.raises(InvalidValue, match="CityForm refuses uid: no placeholder"):
        CityForm.get("LA", user_id="uid1", uid="uid1")


def test_a_placeholder_that_reaches_another_collection_is_refused() -> None:
    with pytest.raises(InvalidPath, match="'uid1/x'"):
        CityForm.get("LA", user_id="uid1/x")


# Computed attributes of domain models.


class Door(DomainModel):
    class Meta:
        collection_name = "doors"

    state = attrs.string(default="shut")

    @attrs.computed
    def is_open(self) -> bool:
        return self.state == "open"

    @is_open.setter
    def set_open(self, value: bool) -> None:
        if value == self.is_open:
            raise Rejected("it is so already")
        self.state = "open" if value else "shut"


def test_reading_a_document_runs_no_setter(database: MemoryDatabase) -> None:
    Door.new(doc_id="a").save()
    door = Door.get("a")
    assert door is not None
    assert door.is_open is False


def test_a_computed_field_is_saved_with_the_values_that_it_is_computed_from(database: MemoryDatabase) -> None:
    door = Door.new(doc_id="a")
    door.save()
    door.is_open = True
    door.save()
    assert fields_of(database, "doors/a")["isOpen"] is True
