"""Models: declared attributes and their values; DomainModel is a document, Embedded an object inside one."""

import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import partial
from itertools import count
from typing import Any
from uuid import uuid4

import pytest
from marshmallow import EXCLUDE, INCLUDE, RAISE

from boiler_functions import DomainModel, Embedded, GeoPoint, Rejected, attrs, use
from boiler_functions.database import Document, Put
from boiler_functions.database.memory import MemoryDatabase
from boiler_functions.database.metered import Metered
from boiler_functions.exceptions import (
    Conflict,
    DeclarationError,
    InvalidAttribute,
    InvalidDocument,
    InvalidPath,
    InvalidValue,
    NameCollision,
)
from boiler_functions.models.model import differs
from boiler_functions.types import Reference


class Address(Embedded):
    street = attrs.string(required=True)
    city_name = attrs.string()


class Country(DomainModel):
    class Meta:
        collection_name = "countries"

    name = attrs.string(required=True)


class City(DomainModel):
    class Meta:
        collection_name = "cities"

    city_name = attrs.string(required=True)
    population = attrs.integer()
    area = attrs.float()
    regions = attrs.list(str)
    scores = attrs.mapping(int)
    rows = attrs.list(dict[str, Any])
    anything = attrs.mapping(Any)
    address = attrs.embedded(Address)
    place = attrs.geopoint()
    country = attrs.relation(Country)
    twins = attrs.relation("City", many=True)


class Municipality(City):
    mayor = attrs.string()


class Ward(Municipality):
    number = attrs.integer()


class CityForm(DomainModel):
    class Meta:
        collection_name = "users/{user_id}/cityForms"

    name = attrs.string()


@pytest.fixture
def database() -> Iterator[MemoryDatabase]:
    memory = MemoryDatabase()
    with use(memory):
        yield memory


def fields_of(database: MemoryDatabase, path: str) -> dict[str, Any]:
    return dict(database.read([path]).documents[0].fields or {})


def written(database: MemoryDatabase) -> list[Document]:
    """The documents that are changed from here on, as they are after each change."""
    changes: list[Document] = []
    database.subscribe(lambda before, after: changes.append(after))
    return changes


def tokyo(**values: Any) -> City:
    city = City.new(doc_id="TOK", **{"city_name": "Tokyo", **values})
    city.save()
    return city


def read(doc_id: str = "TOK") -> City:
    city = City.get(doc_id)
    assert city is not None
    return city


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


# What a save writes.


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


# Meta.


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
    with pytest.raises(InvalidDocument) as raised:
        City.get("TOK")
    assert raised.value.errors.keys() == {"population", "address.street"}
    assert str(raised.value).startswith("cities/TOK does not fit City: ")


# Inheritance.


def test_a_subclass_shares_the_collection_and_is_told_apart(database: MemoryDatabase) -> None:
    Municipality.new(doc_id="a", city_name="A", mayor="M").save()
    Ward.new(doc_id="b", city_name="B", number=1).save()
    City.new(doc_id="c", city_name="C").save()
    assert [type(city) for city in City.all()] == [Municipality, Ward, City]
    assert [city.doc_id for city in Municipality.all()] == ["a", "b"]
    assert [city.doc_id for city in Ward.all()] == ["b"]


def test_getting_by_a_class_gives_only_its_own_kind(database: MemoryDatabase) -> None:
    tokyo()
    Ward.new(doc_id="b", city_name="B", number=1).save()
    assert Municipality.get("TOK") is None
    assert type(Municipality.get("b")) is Ward
    assert type(City.get("b")) is Ward
    assert [city.doc_id for city in Municipality.get_many(["TOK", "b"])] == ["b"]


def test_a_relation_to_a_subclass_leaves_out_other_kinds(database: MemoryDatabase) -> None:
    class Office(DomainModel):
        class Meta:
            collection_name = "offices"

        seat = attrs.relation(Municipality)

    tokyo()
    assert Office.new(seat="TOK").seat is None


def test_a_document_of_an_unknown_subclass_reads_as_the_class_that_has_the_collection(database: MemoryDatabase) -> None:
    """Newer code may have written it; saving must not take its kind away."""
    database.commit([Put("cities/TOK", {"cityName": "Tokyo", "obj_type": "Prefecture", "chief": "x"})])
    city = read()
    assert type(city) is City
    city.population = 1
    city.save()
    assert fields_of(database, "cities/TOK")["obj_type"] == "Prefecture"
    assert fields_of(database, "cities/TOK")["chief"] == "x"


def test_two_classes_with_one_name_in_one_collection_are_refused() -> None:
    class Place(DomainModel):
        class Meta:
            collection_name = "places"

    class Town(Place): ...

    def elsewhere() -> None:
        class Town(Place):
            class Meta:
                collection_name = "towns"

    def beside() -> None:
        class Town(Place): ...

    elsewhere()
    told = r"<locals>\.Town and .*beside\.<locals>\.Town share the collection 'places' and the name Town, by"
    with pytest.raises(NameCollision, match=told):
        beside()


def test_a_class_that_is_declared_again_by_its_own_module_takes_the_place_of_the_first(
    database: MemoryDatabase,
) -> None:
    def load() -> type[City]:
        class Village(City):
            church = attrs.boolean()

        return Village

    first, again = load(), load()
    again.new(doc_id="a", city_name="A").save()
    assert type(City.get("a")) is again
    assert [type(village) for village in again.all()] == [again]
    assert first.get("a") is None


def test_a_document_without_a_kind_reads_as_the_class_that_has_the_collection(database: MemoryDatabase) -> None:
    database.commit([Put("cities/TOK", {"cityName": "Tokyo"})])
    assert type(read()) is City
    assert Municipality.get("TOK") is None


def test_a_subclass_may_have_a_collection_of_its_own(database: MemoryDatabase) -> None:
    class Town(City):
        class Meta:
            collection_name = "towns"

    Town.new(doc_id="a", city_name="A").save()
    assert City.get("a") is None
    assert [type(town) for town in Town.all()] == [Town]
    assert fields_of(database, "towns/a")["cityName"] == "A"


def test_attributes_come_from_models_without_a_collection(database: MemoryDatabase) -> None:
    class Named(DomainModel):
        name = attrs.string(required=True)

    class Dog(Named):
        class Meta:
            collection_name = "dogs"

    class Cat(Named):
        class Meta:
            collection_name = "cats"

    Dog.new(doc_id="a", name="Rex").save()
    assert Cat.get("a") is None
    assert [type(dog) for dog in Dog.all()] == [Dog]


def test_the_collection_may_come_from_a_base_of_meta(database: MemoryDatabase) -> None:
    class Shared:
        collection_name = "shareds"

    class Thing(DomainModel):
        class Meta(Shared): ...

        name = attrs.string()

    Thing.new(doc_id="a", name="x").save()
    assert [thing.doc_id for thing in Thing.all()] == ["a"]


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


# Declarations that cannot work.


def test_a_collection_name_that_is_a_document_is_refused() -> None:
    with pytest.raises(DeclarationError, match=r"Wrong\.Meta\.collection_name 'users/\{user_id\}' names a document"):

        class Wrong(DomainModel):
            class Meta:
                collection_name = "users/{user_id}"


@pytest.mark.parametrize("name", ["users//x", "", "users/{user_id", "users/{a}/x/{a}/y"])
def test_a_collection_name_that_is_not_a_path_is_refused(name: str) -> None:
    with pytest.raises(DeclarationError, match="path"):
        type("Wrong", (DomainModel,), {"Meta": type("Meta", (), {"collection_name": name})})


@pytest.mark.parametrize("name", ["{kind}", "users/{user_id}/{kind}", "users/{user.id}/forms", "users/{doc_id}/forms"])
def test_a_collection_name_whose_documents_could_not_be_found_is_refused(name: str) -> None:
    with pytest.raises(DeclarationError, match=r"Wrong\.Meta\.collection_name"):
        type("Wrong", (DomainModel,), {"Meta": type("Meta", (), {"collection_name": name})})


def test_a_placeholder_that_is_an_attribute_too_is_refused() -> None:
    with pytest.raises(DeclarationError, match=r"Wrong\.Meta\.collection_name has the placeholder \{user_id\}"):

        class Wrong(DomainModel):
            class Meta:
                collection_name = "users/{user_id}/forms"

            user_id = attrs.string()


def test_two_attributes_of_one_field_are_refused() -> None:
    with pytest.raises(DeclarationError, match=r"Wrong\.cityName and Wrong\.city_name are both stored as 'cityName'"):

        class Wrong(DomainModel):
            city_name = attrs.string()
            cityName = attrs.string()  # noqa: N815


@pytest.mark.parametrize("key", ["obj_type", "doc_id", "doc_ref"])
def test_a_field_that_is_kept_for_bookkeeping_is_refused(key: str) -> None:
    with pytest.raises(
        DeclarationError, match=rf"Wrong\.name is stored as '{key}', a name that is reserved for bookkeeping"
    ):

        class Wrong(DomainModel):
            name = attrs.string(data_key=key)


@pytest.mark.parametrize("key", ["__x__", "__a\n__", "\ud800", "x" * 1501])
def test_a_name_of_a_field_that_firestore_cannot_hold_is_refused(key: str) -> None:
    with pytest.raises(DeclarationError, match=r"Wrong\.name is stored as .*The key"):

        class Wrong(DomainModel):
            name = attrs.string(data_key=key)


def test_an_unknown_option_of_meta_is_refused() -> None:
    with pytest.raises(DeclarationError, match=r"Wrong\.Meta.*colection_name"):

        class Wrong(DomainModel):
            class Meta:
                colection_name = "cities"


@pytest.mark.parametrize(
    "name",
    [
        *(
            "path",
            "values",
            "params",
            "doc_id",
            "attributes",
            "save",
            "get",
            "all",
            "new",
            "where",
            "delete",
            "schema",
            "meta",
        )
    ],
)
def test_an_attribute_may_not_hide_a_member_of_the_model(name: str) -> None:
    with pytest.raises(DeclarationError, match=rf"Wrong\.{name}"):
        type("Wrong", (DomainModel,), {name: attrs.string()})


@pytest.mark.parametrize("name", ["fields", "load", "dump", "json", "context", "items", "name"])
def test_an_attribute_may_be_named_as_a_member_of_marshmallow(database: MemoryDatabase, name: str) -> None:
    meta = type("Meta", (), {"collection_name": "wides"})
    wide: Any = type("Wide", (DomainModel,), {name: attrs.string(), "Meta": meta})
    wide.new("a", **{name: "x"}).save()
    assert getattr(wide.get("a"), name) == "x"


def test_a_model_without_a_collection_tells_how_to_give_it_one() -> None:
    class Homeless(DomainModel):
        name = attrs.string()

    with pytest.raises(DeclarationError, match=r"Homeless has no collection; add `class Meta: collection_name"):
        Homeless.new()


def test_an_attribute_that_is_not_there_is_an_attribute_error() -> None:
    city: Any = City.new()
    with pytest.raises(AttributeError, match="City has no attribute 'popolation'"):
        _ = city.popolation


def test_a_mixin_that_is_not_a_model_contributes_its_attributes(database: MemoryDatabase) -> None:
    class Stamped:
        created_at = attrs.timestamp()

    class Note(Stamped, DomainModel):
        class Meta:
            collection_name = "notes"

    class Memo(Stamped, DomainModel):
        class Meta:
            collection_name = "memos"
            case_conversion = False

    moment = datetime(2026, 1, 1, tzinfo=UTC)
    Note.new("a", created_at=moment).save()
    Memo.new("a", created_at=moment).save()
    assert fields_of(database, "notes/a")["createdAt"] == moment
    assert fields_of(database, "memos/a")["created_at"] == moment


# Embedded.


def test_an_embedded_object_refuses_undeclared_attributes() -> None:
    with pytest.raises(InvalidValue, match="Address refuses stret: Undeclared"):
        Address(stret="x")


def test_an_embedded_object_may_hold_another(database: MemoryDatabase) -> None:
    class Inner(Embedded):
        city_name = attrs.string()

    class Outer(Embedded):
        inner_part = attrs.embedded(Inner)
        all_parts = attrs.list(Inner)

    class Nest(DomainModel):
        class Meta:
            collection_name = "nests"

        outer = attrs.embedded(Outer)

    nest = Nest.new("a", outer=Outer(inner_part=Inner(city_name="x"), all_parts=[Inner(city_name="y")]))
    nest.save()
    assert Nest.get("a") == nest
    assert fields_of(database, "nests/a")["outer"] == {"innerPart": {"cityName": "x"}, "allParts": [{"cityName": "y"}]}


def test_an_embedded_attribute_takes_its_own_class_only(database: MemoryDatabase) -> None:
    class Other(Embedded):
        street = attrs.string()

    city: Any = City.new("TOK", city_name="Tokyo")
    for wrong in (Other(street="a"), {"street": "a"}, "a"):
        city.address = wrong
        with pytest.raises(InvalidValue, match=r"City refuses .*address"):
            city.save()


def test_an_embedded_object_of_a_subclass_is_refused_as_it_would_lose_its_own_attributes(
    database: MemoryDatabase,
) -> None:
    class Flat(Address):
        floor_number = attrs.integer()

    with pytest.raises(InvalidValue, match="refuses address: Flat would read back as Address"):
        City.new("TOK", city_name="Tokyo", address=Flat(street="a", floor_number=3)).save()


def test_an_embedded_object_has_its_default_where_a_null_is_stored(database: MemoryDatabase) -> None:
    class Shelf(Embedded):
        label_text = attrs.string(default="none")
        books = attrs.list(str)

    class Library(DomainModel):
        class Meta:
            collection_name = "libraries"

        shelf = attrs.embedded(Shelf)

    database.commit([Put("libraries/a", {"shelf": {"labelText": None, "books": None}})])
    library = Library.get("a")
    assert library is not None
    assert library.shelf == Shelf(label_text="none", books=[])
    assert not library.is_changed


def test_a_computed_attribute_of_an_embedded_object_is_refused() -> None:
    with pytest.raises(InvalidAttribute, match=r"Place\.label is computed, and an Embedded stores given values only"):

        class Place(Embedded):
            @attrs.computed
            def label(self) -> str:
                return "x"


def test_an_embedded_object_with_unknown_included_keeps_its_extras(database: MemoryDatabase) -> None:
    class Loose(Embedded):
        class Meta:
            unknown = INCLUDE

        street = attrs.string()

    class House(DomainModel):
        class Meta:
            collection_name = "houses"

        loose = attrs.embedded(Loose)

    House.new("a", loose=Loose(street="a", extra=[1])).save()
    assert fields_of(database, "houses/a")["loose"] == {"street": "a", "extra": [1]}
    house = House.get("a")
    assert house is not None
    assert house.loose is not None
    assert getattr(house.loose, "extra") == [1]  # noqa: B009
    house.loose = Loose(street="b")
    house.save()
    assert fields_of(database, "houses/a")["loose"] == {"street": "b"}


def test_an_included_undeclared_field_never_reads_as_the_attribute_of_that_name(database: MemoryDatabase) -> None:
    class Loose(Embedded):
        class Meta:
            unknown = INCLUDE

        street_name = attrs.string()

    class House(DomainModel):
        class Meta:
            collection_name = "houses"
            unknown = INCLUDE

        owner_name = attrs.string()
        loose = attrs.embedded(Loose)

    database.commit([Put("houses/a", {"ownerName": "right", "owner_name": 1, "loose": {"street_name": 2}})])
    house = House.get("a")
    assert house is not None
    assert house.loose is not None
    assert (house.owner_name, house.loose.street_name) == ("right", None)
    house.loose.street_name = "Elm"
    house.save()
    stored = {"ownerName": "right", "owner_name": 1, "loose": {"street_name": 2, "streetName": "Elm"}}
    assert stored.items() <= fields_of(database, "houses/a").items()
    database.commit([Put("houses/b", {"loose": "text"})])
    with pytest.raises(InvalidDocument, match=r"loose.*Invalid"):
        House.get("b")


@pytest.mark.parametrize("how", [INCLUDE, EXCLUDE, RAISE])
def test_a_stored_computed_value_reads_back_unchanged(database: MemoryDatabase, how: str) -> None:
    class House(DomainModel):
        class Meta:
            collection_name = "houses"
            unknown = how

        @attrs.computed
        def label(self) -> str:
            return f"house {self.doc_id}"

    House.new("a").save()
    assert fields_of(database, "houses/a")["label"] == "house a"
    house = House.get("a")
    assert house is not None
    assert (house.label, house.is_changed) == ("house a", False)
