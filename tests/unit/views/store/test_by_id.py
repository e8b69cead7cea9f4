"""One document by its id."""

import pytest

from boiler_functions import DomainModel, Store, attrs, reference
from boiler_functions.exceptions import DeclarationError, InvalidPath
from tests.unit.views.store.scene import Fetched, Note, User


class Settings(DomainModel):
    class Meta:
        collection_name = "settings"

    theme = attrs.string()


def test_a_document_of_a_fixed_id_is_read_with_the_root() -> None:
    class WithSettings(Store):
        user = reference(User)
        main = reference(Settings, doc_id="main")
        own = reference(Settings, doc_id="{doc_id}")

    found = Fetched(WithSettings, "users/a")
    assert (found.one("main").theme, found.one("own").theme) == ("dark", "light")
    assert found.metered.usage.rpcs == 1


def test_a_document_of_a_fixed_id_may_stand_without_a_root() -> None:
    class Dashboard(Store):
        main = reference(Settings, doc_id="main")
        absent = reference(Settings, doc_id="absent")

    found = Fetched(Dashboard)
    assert found.one("main").theme == "dark"
    assert found.one("absent") is None


def test_a_document_of_a_sub_collection_takes_its_parents_from_the_key() -> None:
    class NoteStore(Store):
        note = reference(Note)
        owner = reference(User, doc_id="{user_id}")
        other = reference(Note, doc_id="n")

    found = Fetched(NoteStore, "users/a/notes/n")
    assert found.one("note").text == "note"
    assert found.one("owner").name == "Ada"
    assert found.one("other") is found.one("note")


def test_a_doc_id_placeholder_that_the_root_does_not_have_is_refused() -> None:
    with pytest.raises(DeclarationError, match=r"Wrong\.settings.*\{nope\}"):

        class Wrong(Store):
            user = reference(User)
            settings = reference(Settings, doc_id="{nope}")


def test_a_fixed_document_whose_parents_the_root_does_not_have_is_refused() -> None:
    with pytest.raises(DeclarationError, match=r"Wrong\.note.*user_id"):

        class Wrong(Store):
            user = reference(User)
            note = reference(Note, doc_id="n")


@pytest.mark.parametrize("doc_id", ["", "a/b", "..", "{doc_id}/x", "{doc_id"])
def test_a_doc_id_that_is_not_an_id_is_refused_at_once(doc_id: str) -> None:
    with pytest.raises((DeclarationError, InvalidPath)):
        reference(Settings, doc_id=doc_id)
