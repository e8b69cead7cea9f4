"""The oracle builds each view again, and in another process, and reports the views that differ there."""

import itertools
import threading
from collections.abc import Callable
from typing import Any

import pytest

from boiler_functions import DomainModel, Store, ViewModel, attrs, matching, reference
from boiler_functions.database import Document
from boiler_functions.testing import assert_views_equal_rebuild, memory_app
from boiler_functions.testing.other_process import contents
from boiler_functions.testing.reached import Reached
from boiler_functions.types import Reference
from tests.unit.modes.cities import CityView, Country, app_of, put

WORDS = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta"]


class Page(DomainModel):
    class Meta:
        collection_name = "pages"

    words = attrs.list(str)


class PageStore(Store):
    page = reference(Page)


class JoinedView(ViewModel[PageStore]):
    class Meta:
        path = "joined/{page.doc_id}"

    @attrs.computed
    def words(self) -> str:
        return " ".join({*self.store.page.words})


class SortedView(ViewModel[PageStore]):
    class Meta:
        path = "sorted/{page.doc_id}"

    @attrs.computed
    def words(self) -> list[str]:
        return sorted(set(self.store.page.words))


def built(*views: type[ViewModel[Any]]) -> None:
    """The views, stored by an app and judged."""
    with memory_app(app_of(*views)) as testing:
        put(testing, "pages/p", words=WORDS)
        testing.deliver()
        assert_views_equal_rebuild(testing)


def test_a_view_that_depends_on_the_order_of_a_set_differs_in_another_process() -> None:
    with pytest.raises(AssertionError, match=r"JoinedView of pages/p differs when it is built in another"):
        built(JoinedView)


def test_a_view_that_sorts_a_set_is_the_same_everywhere() -> None:
    built(SortedView, CityView)


@pytest.mark.parametrize("order", [list, sorted])
def test_a_view_of_a_test_function_is_built_in_another_process_too(order: Callable[[Any], list[str]]) -> None:
    class Word(DomainModel):
        class Meta:
            collection_name = "words"

        text = attrs.string(required=True)
        page = attrs.relation(Page)

        @property
        def letters(self) -> set[str]:
            return {*self.text}

    class WordsStore(Store):
        page = reference(Page)
        words = matching(Word.text > "")

    class Base(ViewModel[WordsStore]):
        @attrs.computed
        def letters(self) -> list[str]:
            return order({letter for word in self.store.words for letter in word.letters})

    class Letters(Base):
        class Meta:
            path = "letters/{page.doc_id}"

        @attrs.computed
        def total(self) -> int:
            return len(super().letters)

    with memory_app(app_of(Letters)) as testing:
        put(testing, "pages/p", words=[])
        for number, text in enumerate(WORDS):
            put(testing, f"words/{number}", text=text, page=Reference("pages/p"))
        testing.deliver()
        if order is sorted:
            assert_views_equal_rebuild(testing)
        else:
            with pytest.raises(AssertionError, match=r"Letters of pages/p differs when it is built in another"):
                assert_views_equal_rebuild(testing)


def test_every_shape_of_a_view_goes_to_another_process() -> None:
    class Local(ViewModel[PageStore]):
        class Meta:
            path = "locals/{page.doc_id}"

        suffix = "!"

        @attrs.computed
        def words(self) -> dict[str, int]:
            return {f"{word}{self.suffix}": len(word) for word in self.store.page.words}

    page = Document("pages/p", {"words": WORDS}, 1)
    views = [Reached(Local, {"doc_id": "p"}, {"page": ("pages/p",)}, {"pages/p": page}, 0, {}, {})]
    assert list(contents(views)) == [[{"words": {f"{word}!": len(word) for word in WORDS}}]]


def test_a_view_that_differs_in_each_build_is_reported() -> None:
    numbers = itertools.count()

    class Counting(ViewModel[PageStore]):
        class Meta:
            path = "countings/{page.doc_id}"

        @attrs.computed
        def number(self) -> int:
            return next(numbers)

    with pytest.raises(AssertionError, match=r"Counting of pages/p differs when it is built a second time"):
        built(Counting)


def test_a_view_that_cannot_be_sent_to_another_process_is_judged_here_only() -> None:
    lock = threading.Lock()

    class Locked(ViewModel[PageStore]):
        class Meta:
            path = "lockeds/{page.doc_id}"

        @attrs.computed
        def words(self) -> list[str]:
            with lock:
                return self.store.page.words

    built(Locked)


def test_a_view_of_several_models_goes_to_another_process_with_them() -> None:
    class PlaceStore(Store):
        country = reference(Country)

    class PlaceView(ViewModel[PlaceStore]):
        class Meta:
            path = "places/{country.doc_id}"

        @attrs.computed
        def name(self) -> str:
            return self.store.country.name

    with memory_app(app_of(PlaceView)) as testing:
        put(testing, "countries/JP", name="Japan")
        testing.deliver()
        assert_views_equal_rebuild(testing)
