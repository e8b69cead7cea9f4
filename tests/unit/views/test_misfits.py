"""A value that does not fit spoils the views that read it, and no other."""

import logging
from collections.abc import Iterator

import pytest

from boiler_functions import Boiler, DomainModel, Store, ViewModel, attrs, reference, references
from boiler_functions.testing import MemoryApp, assert_views_equal_rebuild, memory_app
from boiler_functions.types import Reference
from tests.unit.modes.cities import put


class Guest(DomainModel):
    class Meta:
        collection_name = "guests"

    name = attrs.string(required=True)


class Dinner(DomainModel):
    class Meta:
        collection_name = "dinners"

    title = attrs.string(required=True)
    price = attrs.float()
    host = attrs.relation(Guest)
    guests = attrs.relation(Guest, many=True)


class DinnerStore(Store):
    dinner = reference(Dinner)
    host = reference(Dinner.host)
    guests = references(Dinner.guests)


class Titles(ViewModel[DinnerStore]):
    class Meta:
        path = "titles/{dinner.doc_id}"

    @attrs.computed
    def title(self) -> str:
        return self.store.dinner.title


class Places(ViewModel[DinnerStore]):
    class Meta:
        path = "places/{dinner.doc_id}"

    @attrs.computed
    def guests(self) -> int:
        return len(self.store.guests)


class Hosts(ViewModel[DinnerStore]):
    class Meta:
        path = "hosts/{dinner.doc_id}"

    @attrs.computed
    def host(self) -> str | None:
        return self.store.host.name if self.store.host else None


@pytest.fixture
def testing(caplog: pytest.LogCaptureFixture) -> Iterator[MemoryApp]:
    caplog.set_level(logging.CRITICAL, "boiler_functions")
    app = Boiler("demo")
    for view in (Titles, Places, Hosts):
        app.query(view)
    with memory_app(app) as memory:
        yield memory


def letters(testing: MemoryApp) -> dict[str, str]:
    found = [each.fields or {} for each in testing.documents().values() if each.collection == "boilerDeadLetters"]
    return {each["view"]: each["message"] for each in found}


def test_a_value_that_nobody_reads_spoils_no_view(testing: MemoryApp) -> None:
    put(testing, "guests/ann", name=7)
    put(testing, "dinners/d", title="Ramen", price="cheap", guests=[Reference("guests/ann")])
    testing.deliver()
    assert not letters(testing)
    assert (testing.fields("titles/d") or {})["title"] == "Ramen"
    assert (testing.fields("places/d") or {})["guests"] == 1
    assert_views_equal_rebuild(testing)


def test_a_view_that_reads_the_value_keeps_its_content_and_names_document_and_attribute(testing: MemoryApp) -> None:
    put(testing, "dinners/d", title="Ramen")
    testing.deliver()
    put(testing, "dinners/d", title=7)
    testing.deliver()
    assert letters(testing).keys() == {"Titles"}
    assert "dinners/d does not fit Dinner: title: Not a valid string." in letters(testing)["Titles"]
    assert (testing.fields("titles/d") or {})["title"] == "Ramen"
    put(testing, "dinners/d", title="Soba")
    testing.deliver()
    assert (testing.fields("titles/d") or {})["title"] == "Soba"
    assert_views_equal_rebuild(testing)


def test_documents_behind_a_relation_that_does_not_fit_are_never_silently_missing(testing: MemoryApp) -> None:
    put(testing, "guests/ann", name="Ann")
    put(testing, "dinners/d", title="Ramen", guests=[Reference("guests/ann"), "guests/bob"], host="guests/ann")
    testing.deliver()
    assert letters(testing).keys() == {"Places", "Hosts"}
    assert "guests.1: Not a reference to a document." in letters(testing)["Places"]
    assert "host: Not a reference to a document." in letters(testing)["Hosts"]
    assert_views_equal_rebuild(testing)
