"""Tokens: whatever could change a view shares a token with what the view depends on."""

from typing import Any

import pytest

from boiler_functions import DomainModel, Store, ViewModel, attrs, children, reference, referrers
from boiler_functions.database import Document, Put
from boiler_functions.database.change import Change
from boiler_functions.database.memory import MemoryDatabase
from boiler_functions.types import Fields, Reference
from boiler_functions.views.build import Instance, Reader
from boiler_functions.views.dependencies import depends_on_document, sources_of, tokens_of, tokens_of_change
from tests.unit.modes.cities import (
    CapitalsStore,
    CapitalsView,
    City,
    Country,
    CountryStore,
    CountryView,
    LargeStore,
    LargeView,
    PlaceStore,
    PlaceView,
)

JAPAN = Reference("countries/JP")
ITALY = Reference("countries/IT")


def tokens(view: type[ViewModel[Any]], root: str, scope: str = "demo", /, **documents: Fields) -> frozenset[str]:
    """Returns the tokens of the view when the database holds the documents: `TOK` is a city."""
    database = MemoryDatabase()
    database.commit([Put("countries/JP", {"name": "Japan"})])
    database.commit([Put(f"cities/{name}", fields) for name, fields in documents.items()])
    instance = Instance(view, root)
    return tokens_of(scope, Reader(database).resolve([instance])[instance], root)


def change(path: str, before: Fields | None = None, after: Fields | None = None) -> Change:
    old = Document(path, before, 1) if before else Document(path)
    new = Document(path, after, 2) if after else Document(path)
    return Change("e", "s", path, old, new, 2)


def wakes(store: type[Store], depends_on: frozenset[str], event: Change, scope: str = "demo") -> bool:
    return bool(tokens_of_change(scope, store, event) & depends_on)


def test_a_named_document_gives_one_token_and_the_root_none() -> None:
    found = tokens(PlaceView, "cities/TOK", TOK={"name": "Tokyo", "country": JAPAN})
    assert len(found) == 1
    assert depends_on_document(found, "demo", "countries/JP")
    assert not depends_on_document(found, "demo", "cities/TOK")


def test_a_named_document_that_does_not_exist_gives_a_token_too() -> None:
    found = tokens(PlaceView, "cities/TOK", TOK={"name": "Tokyo", "country": ITALY})
    assert wakes(PlaceStore, found, change("countries/IT", after={"name": "Italy"}))


def test_an_exact_query_gives_a_token_of_its_own_and_one_of_its_collection() -> None:
    found = tokens(CountryView, "countries/JP", TOK={"name": "Tokyo", "country": JAPAN})
    assert len(found) == 2
    assert not depends_on_document(found, "demo", "cities/TOK"), "a document that a query returned gives no token"


@pytest.mark.parametrize(
    ("before", "after"),
    [(None, JAPAN), (JAPAN, None), (JAPAN, ITALY), (ITALY, JAPAN), (JAPAN, JAPAN)],
    ids=["created", "deleted", "leaves", "enters", "stays"],
)
def test_a_document_that_enters_leaves_or_stays_in_a_predicate_wakes_the_view(before: Any, after: Any) -> None:
    found = tokens(CountryView, "countries/JP")
    images = [{"name": "x", "country": value} if value else None for value in (before, after)]
    assert wakes(CountryStore, found, change("cities/X", *images))


def test_a_document_outside_of_the_predicate_wakes_no_view() -> None:
    found = tokens(CountryView, "countries/JP")
    assert not wakes(CountryStore, found, change("cities/X", {"country": ITALY}, {"country": None}))


@pytest.mark.parametrize(("before", "after"), [(None, 2), (2, None), (1, 2), (2, 1), (2, 3)])
def test_a_document_that_enters_leaves_or_stays_in_a_range_wakes_the_view(
    before: int | None, after: int | None
) -> None:
    found = tokens(LargeView, "", **{name: {"name": name, "population": 9_000_000} for name in ("A", "B", "C")})
    images = [{"population": number * 1_000_000} if number else None for number in (before, after)]
    assert wakes(LargeStore, found, change("cities/X", *images)), "though the limit leaves it out"


def test_a_document_outside_of_a_range_wakes_no_view() -> None:
    found = tokens(LargeView, "")
    assert not wakes(LargeStore, found, change("cities/X", {"population": 1}, {"population": 1_000_000}))
    assert not wakes(LargeStore, found, change("cities/X", {"population": "9000000"}, {"name": "X"}))
    assert wakes(LargeStore, found, change("cities/X")), "an event without images"


def test_a_choice_among_referrers_wakes_only_for_documents_that_meet_it() -> None:
    class FewStore(Store):
        country = reference(Country)
        cities = referrers(City.country).where(City.population > 5, twin=None).order_by(City.name).limit(1)

    class FewView(ViewModel[FewStore]):
        @attrs.computed
        def cities(self) -> int:
            return len(self.store.cities)

    def city(population: int, name: Any = "X", **more: Any) -> Fields:
        return {"name": name, "population": population, "country": JAPAN, "twin": None, **more}

    found = tokens(FewView, "countries/JP", A=city(9, "A"))
    assert wakes(FewStore, found, change("cities/X", city(1), city(9))), "though the limit leaves it out"
    assert wakes(FewStore, found, change("cities/X", city(9), None))
    assert not wakes(FewStore, found, change("cities/X", city(1), city(2)))
    assert not wakes(FewStore, found, change("cities/X", None, city(9, country=ITALY)))
    assert not wakes(FewStore, found, change("cities/X", None, city(9, twin=Reference("cities/A"))))
    assert not wakes(FewStore, found, change("cities/X", None, {"country": JAPAN, "population": 9, "twin": None}))
    assert wakes(FewStore, found, change("cities/X"))


def test_a_predicate_distinguishes_true_from_one() -> None:
    found = tokens(CapitalsView, "")
    assert wakes(CapitalsStore, found, change("cities/X", None, {"capital": True}))
    assert not wakes(CapitalsStore, found, change("cities/X", None, {"capital": 1}))


@pytest.mark.parametrize(
    ("view", "store", "root", "path"),
    [
        (PlaceView, PlaceStore, "cities/TOK", "countries/JP"),
        (CountryView, CountryStore, "countries/JP", "cities/X"),
        (CapitalsView, CapitalsStore, "", "cities/X"),
        (LargeView, LargeStore, "", "cities/X"),
    ],
)
def test_an_event_without_images_wakes_by_document_and_collection(
    view: type[ViewModel[Any]], store: type[Store], root: str, path: str
) -> None:
    assert wakes(store, tokens(view, root, TOK={"name": "Tokyo", "country": JAPAN}), change(path))


def test_neither_another_app_nor_another_view_is_woken() -> None:
    found = tokens(CountryView, "countries/JP", "demo/CountryView")
    event = change("cities/X", None, {"country": JAPAN})
    assert wakes(CountryStore, found, event, "demo/CountryView")
    assert not wakes(CountryStore, found, event, "demo/OtherView")
    assert not wakes(CountryStore, found, event, "other/CountryView")


def test_a_list_that_refers_wakes_every_document_that_it_names_before_or_after() -> None:
    class Route(City):
        stops = attrs.relation("City", many=True)

    class StopStore(Store):
        city = reference(City)
        routes = referrers(Route.stops)

    class StopView(ViewModel[StopStore]):
        @attrs.computed
        def routes(self) -> int:
            return len(self.store.routes)

    def stops(*names: str) -> Fields:
        return {"obj_type": "Route", "stops": [Reference(f"cities/{name}") for name in names]}

    event = change("cities/R", stops("A", "B"), stops("B", "C"))
    cities: dict[str, Fields] = {name: {"name": name} for name in "ABCD"}
    woken = [name for name in cities if wakes(StopStore, tokens(StopView, f"cities/{name}", **cities), event)]
    assert woken == ["A", "B", "C"]


def test_the_sources_of_a_path_are_the_references_that_can_reach_it_besides_the_root() -> None:
    assert [each.name for each in sources_of(PlaceStore, "countries/JP")] == ["country"]
    assert sources_of(PlaceStore, "cities/TOK") == []
    assert sources_of(PlaceStore, "elsewhere/x") == []


class Remark(DomainModel):
    class Meta:
        collection_name = "cities/{city_id}/remarks"


class RemarkStore(Store):
    city = reference(City)
    remarks = children(Remark)


class RemarkView(ViewModel[RemarkStore]):
    class Meta:
        path = "remarkViews/{city.doc_id}"


def test_a_child_wakes_the_views_of_the_document_that_it_lies_below_and_no_others() -> None:
    found, some = tokens(RemarkView, "cities/TOK", TOK={"name": "Tokyo"}), {"text": "x"}
    assert wakes(RemarkStore, found, change("cities/TOK/remarks/1", after=some))
    assert wakes(RemarkStore, found, change("cities/TOK/remarks/1", before=some))
    assert not wakes(RemarkStore, found, change("cities/LA/remarks/1", after=some))
    assert not wakes(RemarkStore, found, change("towns/TOK/remarks/1", after=some))
    assert wakes(RemarkStore, found, change("cities/LA/remarks/1"))  # Without images, as of a document too large.
