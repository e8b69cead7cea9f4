"""Attributes that refer to documents."""

from collections.abc import Callable
from typing import Any

import pytest

from boiler_functions import DomainModel, Embedded, attrs, use
from boiler_functions.database import Document, Put
from boiler_functions.database.memory import MemoryDatabase
from boiler_functions.exceptions import DeclarationError, InvalidDocument, InvalidValue
from boiler_functions.models.spelling import JsonSchema
from boiler_functions.types import Reference
from tests.unit.models.attributes.scene import Address, City, Country, Properties


def test_a_relation_takes_an_id_a_path_a_reference_and_a_model() -> None:
    country = Country.new("JP", name="Japan")
    with use(MemoryDatabase()):
        country.save()
        for value in ("JP", "countries/JP", Reference("countries/JP"), country):
            assert City.new(country=value).country == country
        assert City.new(country=None).country is None


def test_a_relation_to_a_missing_document_is_none_and_many_leaves_it_out() -> None:
    with use(MemoryDatabase()):
        there = City.new("LA")
        there.save()
        city = City.new(country="XX", twins=["gone", "LA"])
        assert city.country is None
        assert list(city.twins) == [there]


def test_a_relation_refuses_a_model_of_another_collection_by_class_and_attribute() -> None:
    with pytest.raises(InvalidValue, match=r"City refuses country: <City cities/TOK> is not a Country; give one"):
        City.new(country=City.new("TOK"))


@pytest.mark.parametrize("value", ["cities/TOK", Reference("cities/TOK")])
def test_a_reference_into_another_collection_is_refused_when_it_is_saved(value: Any) -> None:
    with (
        use(MemoryDatabase()),
        pytest.raises(InvalidValue, match=r"City refuses country: Not a reference into"),
    ):
        City.new(country=value).save()


class Postcard(DomainModel):
    class Meta:
        collection_name = "postcards"

    shows = attrs.relation(City)
    sent_from = attrs.relation(City, by="path")
    sent_to = attrs.relation(City, by="id")


@pytest.mark.parametrize("attribute", ["shows", "sent_from", "sent_to"])
@pytest.mark.parametrize("city_id", ["", ".", "..", "__x__", "x" * 1501])
def test_a_reference_to_what_no_document_can_be_called_is_refused_when_it_is_saved(
    attribute: str, city_id: str
) -> None:
    values: dict[str, Any] = {attribute: Reference(f"cities/{city_id}")}
    with use(MemoryDatabase()), pytest.raises(InvalidValue, match=r"Postcard refuses"):
        Postcard.new(**values).save()


def test_a_stored_reference_into_another_collection_does_not_fit() -> None:
    database = MemoryDatabase()
    database.commit([Put("cities/TOK", {"country": Reference("cities/LA")})])
    with (
        use(database),
        pytest.raises(InvalidDocument, match=r"cities/TOK does not fit City: country: Not a"),
    ):
        assert City.get("TOK").country  # type: ignore[union-attr]


def test_a_relation_by_name_finds_a_model_that_is_declared_later() -> None:
    class Early(DomainModel):
        class Meta:
            collection_name = "earlies"

        late = attrs.relation("LateModelOfThisTest")

    class LateModelOfThisTest(DomainModel):
        class Meta:
            collection_name = "lates"

    assert Early.new(late="x").values["late"] == Reference("lates/x")
    assert LateModelOfThisTest.pattern().text == "lates/{doc_id}"


def test_a_relation_to_a_name_that_no_model_has_is_refused_by_class_and_attribute() -> None:
    class Lost(DomainModel):
        class Meta:
            collection_name = "losts"

        there = attrs.relation("NoSuchModelAnywhere")

    with pytest.raises(DeclarationError, match=r"Lost\.there leads to 'NoSuchModelAnywhere', and no DomainModel"):
        Lost.new(there="x")


@pytest.mark.parametrize("target", [5, None, Address, Properties])
def test_a_relation_to_anything_but_a_domain_model_is_refused(target: Any) -> None:
    with pytest.raises(DeclarationError, match="relation"):
        attrs.relation(target)


def test_a_relation_to_many_reads_as_a_tuple_which_cannot_change_in_place() -> None:
    with use(MemoryDatabase()):
        there = City.new("LA")
        there.save()
        city = City.new("TOK")
        try:
            city.twins.append(there)
        except AttributeError:
            return
        assert list(city.twins) == [there]


def test_a_relation_to_many_refuses_a_single_string() -> None:
    with pytest.raises(InvalidValue, match="City refuses twins"):
        City.new(twins="abc")


def test_a_relation_into_a_sub_collection_takes_a_path_and_not_a_bare_id() -> None:
    class Room(DomainModel):
        class Meta:
            collection_name = "houses/{house}/rooms"

    class Key(DomainModel):
        class Meta:
            collection_name = "keys"

        room = attrs.relation(Room)

    assert Key.new(room="houses/h/rooms/r").values["room"] == Reference("houses/h/rooms/r")
    with pytest.raises(InvalidValue, match=r"house: needed to find houses/\{house\}/rooms"):
        Key.new(room="r")


class Visit(DomainModel):
    class Meta:
        collection_name = "visits"

    country = attrs.relation(Country, by="id")
    stops = attrs.relation(City, many=True, by="path")
    hosts = attrs.relation("Country", many=True, by="id")


def test_a_relation_by_id_or_by_path_is_stored_as_a_string_and_read_as_the_model() -> None:
    database = MemoryDatabase()
    with use(database):
        japan, tokyo = Country.new("JP", name="Japan"), City.new("TOK")
        japan.save()
        tokyo.save()
        Visit.new("v", country=japan, stops=[tokyo, "gone"], hosts=["JP"]).save()
    with use(database):
        visit = Visit.get("v")
        assert visit is not None
        before = database.read(["visits/v"]).documents[0].fields or {}
        stored = {name: before[name] for name in ("country", "stops", "hosts")}
        assert stored == {"country": "JP", "stops": ["cities/TOK", "cities/gone"], "hosts": ["JP"]}
        assert visit.country == japan
        assert list(visit.stops) == [tokyo]
        assert not visit.is_changed
        visit.country = None
        visit.save()
        assert database.read(["visits/v"]).documents[0].fields == {**before, "country": None}


def test_a_condition_on_a_relation_by_id_or_by_path_compares_with_the_string() -> None:
    with use(MemoryDatabase()):
        Visit.new("v", country="JP", stops=["TOK"], hosts=["JP", "FR"]).save()
        Visit.new("w", country="FR").save()
        japan = Country.new("JP", name="Japan")

        def found(*conditions: Any) -> list[str]:
            return [each.doc_id for each in Visit.where(*conditions)]

        assert found(Visit.country == japan) == ["v"]
        assert found(Visit.country.in_([japan, "FR"])) == ["v", "w"]
        assert found(Visit.stops.contains(City.new("TOK"))) == ["v"]
        assert found(Visit.hosts.contains_any([japan])) == ["v"]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"country": "a/b"}, r"country: Not the id of a document of countries/\{doc_id\}"),
        ({"country": ""}, "country: Not the id"),
        ({"country": 7}, "country: Not the id"),
        ({"country": Reference("countries/JP")}, "country: Not the id"),
        ({"stops": ["countries/JP"]}, r"stops\.0: Not the path of a document of cities/\{doc_id\}"),
        ({"stops": ["/cities/TOK"]}, r"stops\.0: Not the path"),
        ({"stops": ["TOK"]}, r"stops\.0: Not the path"),
    ],
)
def test_a_stored_string_that_names_no_document_of_the_relation_is_refused_by_name(
    fields: dict[str, Any], reason: str
) -> None:
    document = Document("visits/v", fields)
    assert Visit.country.attribute.paths(fields) == Visit.stops.attribute.paths(fields) == []  # type: ignore[attr-defined]
    with pytest.raises(InvalidDocument, match=reason):
        Visit.from_document(document).to_view_dict()


def test_a_relation_by_id_into_a_sub_collection_is_refused_as_the_id_does_not_say_where() -> None:
    class Room(DomainModel):
        class Meta:
            collection_name = "houses/{house}/rooms"

    with pytest.raises(DeclarationError, match=r'Room, by="id"\): an id does not say which house .* `by="path"`'):
        attrs.relation(Room, by="id")
    with pytest.raises(DeclarationError, match=r"by=.name.\): a document holds a relation as a \"reference\", a"):
        attrs.relation(Country, by="name")  # type: ignore[call-overload]


def test_json_spells_a_relation_by_id_or_by_path_as_it_is_stored() -> None:
    schema = Visit.schema(JsonSchema)
    sent = {"country": "JP", "stops": ["cities/TOK"], "hosts": ["FR"]}
    loaded = schema.load(sent)
    assert loaded["country"] == Reference("countries/JP")
    assert schema.dump(loaded) == sent


class Account(DomainModel):
    class Meta:
        collection_name = "accounts"

    email = attrs.string()
    number = attrs.integer()
    score = attrs.float()
    former = attrs.string(aliases=["old"])
    chief = attrs.relation("Account", by=email)


class Party(DomainModel):
    class Meta:
        collection_name = "parties"

    host = attrs.relation(Account, by=Account.email)
    guests = attrs.relation(Account, many=True, by=Account.number)
    members = attrs.relation("Account", many=True, by="keys", data_key="m b")


def test_a_relation_by_another_field_is_stored_as_its_value_and_read_as_the_model_that_has_it() -> None:
    database = MemoryDatabase()
    with use(database):
        ada, bob = Account.new("a", email="ada@x", number=1), Account.new("b", number=2, chief="ada@x")
        ada.save()
        bob.save()
        Party.new("p", host=ada, guests=[bob, 3, 1]).save()
    with use(database):
        party = Party.get("p")
        assert party is not None
        before = database.read(["parties/p"]).documents[0].fields or {}
        assert (before["host"], before["guests"]) == ("ada@x", [2, 3, 1])
        assert (party.host, list(party.guests)) == (ada, [bob, ada])
        assert party.guests[0].chief == ada
        assert not party.is_changed
        ada.email = "ada@y"
        ada.save()
        assert party.host is None
        party.host = ada
        assert party.host == ada


def test_a_relation_by_another_field_refuses_a_model_that_has_no_value_there_and_one_of_another_class() -> None:
    with pytest.raises(InvalidValue, match=r"Party refuses host: <Account accounts/a> has no email, by which"):
        Party.new(host=Account.new("a"))
    with pytest.raises(InvalidValue, match=r"Party refuses host: <City cities/TOK> is not a Account; give one, or its"):
        Party.new(host=City.new("TOK"))
    with pytest.raises(InvalidValue, match=r"Party refuses guests: '12' is a single string"):
        Party.new(guests="12")
    with use(MemoryDatabase()), pytest.raises(InvalidValue, match=r"Party refuses host"):
        Party.new(host=5).save()


def test_a_value_that_two_documents_have_leads_to_neither_and_the_error_names_both() -> None:
    with use(MemoryDatabase()):
        Account.new("b", email="ada@x").save()
        Account.new("a", email="ada@x").save()
        with pytest.raises(
            InvalidDocument, match=r"'ada@x' is the email of accounts/a and accounts/b, and leads to one"
        ):
            _ = Party.new("p", host="ada@x").host


@pytest.mark.parametrize("by", [Account.score, Account.former, Account.chief, City.city_name])
def test_a_relation_by_a_field_that_no_query_finds_a_document_by_is_refused_by_name(by: Any) -> None:
    with pytest.raises(DeclarationError, match=r"attrs\.relation\(Account, by=(Account|City)\."):
        attrs.relation(Account, by=by)


class Table(Embedded):
    host = attrs.relation(Account, by=Account.email)
    guests = attrs.relation(Account, many=True, by="keys")


class Banquet(DomainModel):
    class Meta:
        collection_name = "banquets"

    tables = attrs.list(Table)


def test_a_relation_by_another_field_or_by_keys_is_stored_and_read_in_a_list_of_embedded_objects() -> None:
    database = MemoryDatabase()
    with use(database):
        ada = Account.new("a", email="ada@x")
        ada.save()
        Banquet.new("b", tables=[Table(host=ada, guests=[ada, "gone"]), Table(host="gone@x")]).save()
        stored = (database.read(["banquets/b"]).documents[0].fields or {})["tables"]
        assert stored == [{"host": "ada@x", "guests": {"a": True, "gone": True}}, {"host": "gone@x", "guests": {}}]
        banquet = Banquet.get("b")
        assert banquet is not None
        first, second = banquet.tables
        assert (first.host, list(first.guests), second.host) == (ada, [ada], None)
        Account.new("z", email="ada@x").save()
        with pytest.raises(InvalidValue, match=r"Table refuses host: 'ada@x' is the email of accounts/a and"):
            _ = first.host


def test_the_keys_of_a_map_are_read_as_models_and_what_stands_beside_them_survives() -> None:
    database = MemoryDatabase()
    with use(database):
        ada, bob = Account.new("a"), Account.new("b")
        ada.save()
        bob.save()
        database.commit([Put("parties/p", {"m b": {"b": "host", "a": None, "gone": False}})])
        party = Party.get("p")
        assert party is not None
        assert list(party.members) == [bob]
        assert not party.is_changed
        party.members = [ada, "b"]
        party.save()
        assert (database.read(["parties/p"]).documents[0].fields or {})["m b"] == {"a": True, "b": "host"}
        party.members = {"a": {"role": "guest"}}
        assert list(party.members) == [ada]
        assert Party.new().values["members"] == {}


@pytest.mark.parametrize(
    ("stored", "reason"),
    [
        (["a"], r"m b: Not a map whose keys are ids of documents of accounts/\{doc_id\}"),
        ("a", "m b: Not a map"),
        ({"a/b": True}, r"m b\.a/b: Not the id of a document of accounts/\{doc_id\}"),
    ],
)
def test_a_stored_map_whose_keys_name_no_documents_is_refused_by_name(stored: Any, reason: str) -> None:
    relation: Any = Party.members.attribute
    assert relation.paths({"m b": stored}) == []
    with pytest.raises(InvalidDocument, match=reason):
        Party.from_document(Document("parties/p", {"m b": stored})).to_view_dict()


def test_a_relation_by_keys_takes_many_and_no_condition_compares_it() -> None:
    with pytest.raises(DeclarationError, match=r'by="keys"\): a map has many keys; add `many=True`'):
        attrs.relation(Account, by="keys")
    compares: list[Callable[[], object]] = [lambda: Party.members == ["a"], lambda: Party.members.contains("a")]
    for compare in compares:
        with pytest.raises(DeclarationError, match=r"Party\.members holds documents by the keys .*referrers\(Party"):
            compare()
    assert Party.members.is_null().filter.value is None


def test_a_condition_on_a_relation_by_another_field_compares_with_the_value() -> None:
    with use(MemoryDatabase()):
        ada = Account.new("a", email="ada@x", number=1)
        Party.new("v", host=ada, guests=[1, 2]).save()
        Party.new("w", host="bob@x").save()
        assert [each.doc_id for each in Party.where(Party.host == ada)] == ["v"]
        assert [each.doc_id for each in Party.where(Party.host.in_([ada, "bob@x"]))] == ["v", "w"]
        assert [each.doc_id for each in Party.where(Party.guests.contains(ada))] == ["v"]


def test_json_spells_a_relation_by_another_field_or_by_keys_as_it_is_stored() -> None:
    schema = Party.schema(JsonSchema)
    sent = {"host": "ada@x", "guests": [1], "m b": {"a": True, "b": {"since": 3}}}
    assert schema.dump(schema.load(sent)) == sent
    assert schema.validate({"m b": {"a/b": True}, "host": 3}).keys() == {"m b", "host"}


def test_the_module_lists_its_factories_sorted() -> None:
    assert attrs.__all__ == sorted(attrs.__all__)
    assert all(hasattr(attrs, name) for name in attrs.__all__)
