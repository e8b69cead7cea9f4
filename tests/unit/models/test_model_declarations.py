"""A model that cannot work is refused when its class is made."""

from datetime import UTC, datetime
from typing import Any

import pytest

from boiler_functions import DomainModel, attrs
from boiler_functions.database.memory import MemoryDatabase
from boiler_functions.exceptions import (
    DeclarationError,
)
from tests.unit.models.cities import City, fields_of


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


@pytest.mark.parametrize("key", ["__x__", "__a\n__", "\ud800", "x" * 1501, ["x"]])
def test_a_name_of_a_field_that_firestore_cannot_hold_is_refused(key: Any) -> None:
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
