"""Bad data, documents and requests that are too large, and declarations that would loop forever."""

import logging
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from boiler_functions import Boiler, DomainModel, Rejected, Store, ViewModel, attrs, reference
from boiler_functions.database import Put
from boiler_functions.database.sizes import MAX_DOCUMENT_BYTES, MAX_REQUEST_BYTES, document_size
from boiler_functions.exceptions import DeclarationError, InvalidRequest, TooLarge
from boiler_functions.modes import marker
from boiler_functions.modes.query import rebuild as query_mode
from boiler_functions.modes.query.rebuild_all import RebuildAll
from boiler_functions.testing import MemoryApp, assert_views_equal_rebuild, memory_app
from boiler_functions.types import Reference
from tests.faults.scenes import JAPAN, content, fresh_seeds, letters, place, send, stored_tokyo, tokyo, world
from tests.unit.modes.cities import City, CityStore, CityView, PlaceStore, PlaceView, app_of, put
from tests.unit.modes.hooked import Hooked


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "boiler_functions")


POISONS: tuple[Any, ...] = (7, "", "x" * 1_048_400)
"""A name of another type, one at which a getter fails, and one that makes the view too large."""


class LongView(ViewModel[CityStore]):
    """A little longer than the name, and with a bug."""

    class Meta:
        path = "longViews/{city.doc_id}"

    @attrs.computed
    def text(self) -> str:
        return self.store.city.name[0] + self.store.city.name + "and a text of more than one hundred bytes " * 3


def test_each_poisoned_event_is_one_dead_letter_and_leaves_the_others_alone_and_the_repair_alone_mends_it() -> None:
    for seed in fresh_seeds(3):
        with memory_app(app_of(LongView)) as testing:
            for number in range(100):
                put(testing, f"cities/C{number}", name=f"City{number}")
            testing.deliver()
            for number, poison in enumerate(POISONS):
                put(testing, f"cities/C{number}", name=poison)
            for number in range(3, 100):
                put(testing, f"cities/C{number}", name=f"New{number}")
            testing.deliver(shuffle=seed, duplicates=2, at_once=3)
            found = letters(testing)
            assert sorted(letter["reason"] for letter in found) == ["GetterFailed", "InvalidDocument", "TooLarge"]
            assert {letter["attempts"] for letter in found} == {3}
            for number in range(100):
                text = content(testing, f"longViews/C{number}", "text")
                assert text.startswith("CCity" if number < 3 else "NNew")
            for number in range(3):
                put(testing, f"cities/C{number}", name="Healed")
            testing.deliver(shuffle=seed)
            assert content(testing, "longViews/C0", "text").startswith("HHealed")
            assert_views_equal_rebuild(testing)


def test_a_poisoned_dependency_is_mended_by_its_repair_alone_also_for_a_view_that_was_never_built() -> None:
    with world() as testing:
        put(testing, JAPAN.path, name=7)
        tokyo(testing)
        testing.deliver()
        assert place(testing) is None
        put(testing, JAPAN.path, name="Japan")
        testing.deliver()
        assert place(testing) == "Tokyo, Japan"


def test_a_task_with_bad_data_is_one_dead_letter_and_has_no_effect() -> None:
    with world() as testing:
        put(testing, "accounts/ann", balance="much")
        testing.pending = [send(testing)]
        testing.deliver(duplicates=2)
        (letter,) = letters(testing)
        assert (letter["reason"], letter["attempts"]) == ("InvalidDocument", 3)
        assert testing.fields("accounts/ann") == {"balance": "much"}
        assert not [path for path in testing.documents() if path.startswith(marker.COLLECTION)]


@pytest.mark.parametrize("excess", [-1, 0, 1])
def test_a_view_of_one_mebibyte_is_stored_and_one_of_a_byte_more_is_refused_before_a_write(
    excess: int,
) -> None:
    class SizedView(ViewModel[CityStore]):
        class Meta:
            path = "sizedViews/{city.doc_id}"

        @attrs.computed
        def text(self) -> str:
            return "x" * (self.store.city.population or 0)

    with memory_app(app_of(SizedView)) as testing:
        City.new(doc_id="a", name="a", population=1).save()
        testing.deliver()
        one = testing.fields("sizedViews/a") or {}
        size = MAX_DOCUMENT_BYTES - document_size("sizedViews/a", one) + 1 + excess
        put(testing, "cities/a", name="a", population=size)
        testing.deliver()
        stored = len(content(testing, "sizedViews/a", "text"))
        assert stored == (1 if excess > 0 else size)
        assert [letter["reason"] for letter in letters(testing)] == (["TooLarge"] if excess > 0 else [])


def test_a_fan_out_that_weighs_more_than_a_request_is_split() -> None:
    with memory_app(app_of(PlaceView)) as testing:
        for number in range(30):
            put(testing, f"cities/{number}", name="x" * 500_000, country=JAPAN)
        put(testing, JAPAN.path, name="Japan")
        testing.deliver()
        put(testing, JAPAN.path, name="Nippon")
        (delivery,) = testing.take()
        hooked = Hooked(testing.database)
        assert testing.handle(delivery, hooked).outcomes == {"built": 30}
        assert hooked.calls["commit"] > 1
        assert content(testing, "placeViews/29", "place").endswith("Nippon")


def test_a_request_over_ten_mebibytes_and_a_map_twenty_one_deep_are_refused_by_type() -> None:
    deep: Any = 1
    for _ in range(21):
        deep = {"m": deep}
    with world() as testing:
        writes = [Put(f"users/{number}", {"text": "x" * 1_000_000}) for number in range(1 + MAX_REQUEST_BYTES // 10**6)]
        with pytest.raises(TooLarge):
            testing.database.commit(writes)
        with pytest.raises(InvalidRequest):
            put(testing, "users/deep", v=deep)
        assert testing.documents() == {}


def test_five_thousand_dependents_are_all_rebuilt_page_by_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query_mode, "PAGE", 1000)  # The database in memory looks at every ledger for each page.

    class Numbered(DomainModel):
        class Meta:
            collection_name = "numbers"

        shared = attrs.relation(City)

    class NumberedStore(Store):
        number = reference(Numbered)
        shared = reference(Numbered.shared)

    class NumberedView(ViewModel[NumberedStore]):
        class Meta:
            path = "numberedViews/{number.doc_id}"

        @attrs.computed
        def name(self) -> str:
            return self.store.shared.name if self.store.shared else ""

    def named(testing: MemoryApp, name: str) -> int:
        return sum((each.fields or {}).get("name") == name for each in testing.documents().values())

    with memory_app(app_of(NumberedView)) as testing:
        put(testing, "cities/one", name="old")
        testing.take()
        Numbered.new(doc_id="0", shared="one").save()
        shared = (testing.fields("numbers/0") or {})["shared"]
        for start in range(1, 5000, 500):
            numbers = range(start, min(start + 500, 5000))
            testing.database.commit([Put(f"numbers/{number}", {"shared": shared}) for number in numbers])
        testing.take()
        for _ in RebuildAll("demo", NumberedView, testing.database).run():
            pass
        assert named(testing, "old") == 5001
        put(testing, "cities/one", name="new")
        (delivery,) = testing.take()
        assert testing.handle(delivery).outcomes == {"built": 5000}
        assert named(testing, "new") == 5001


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (date(1603, 1, 1), "A date is not a value that a document can hold."),
        ({"red"}, "A set is not a value that a document can hold."),
        (Decimal(1), "A Decimal is not a value that a document can hold."),
        ("\ud800", "Not valid Unicode."),
        (2**63, "Not a 64-bit integer."),
        ([[1]], "A list in a list; put a mapping between."),
        ({1: 2}, "The key is of type int; it must be a string."),
    ],
)
def test_a_getter_that_gives_what_no_document_holds_is_a_dead_letter_and_starves_no_other_view(
    value: object, said: str
) -> None:
    class LooseView(ViewModel[PlaceStore]):
        class Meta:
            path = "looseViews/{city.doc_id}"

        @attrs.computed
        def shown(self) -> dict[str, object]:
            name = self.store.country.name if self.store.country else ""
            return {"country": name, "odd": value if self.store.city.name == "Edo" else 1}

    with memory_app(app_of(LooseView)) as testing:
        put(testing, "countries/JP", name="Japan")
        for doc_id, name in (("EDO", "Edo"), ("TOK", "Tokyo")):
            put(testing, f"cities/{doc_id}", name=name, country=Reference("countries/JP"))
        put(testing, "countries/JP", name="Nippon")
        testing.deliver()
        (letter,) = letters(testing)
        assert (letter["reason"], letter["subject"]) == ("InvalidValue", "cities/EDO")
        assert said in letter["message"]
        assert content(testing, "looseViews/TOK", "shown") == {"country": "Nippon", "odd": 1}
        assert testing.fields("looseViews/EDO") is None


def test_an_error_of_another_place_is_a_getters_failure_and_leaves_a_dead_letter() -> None:
    class Refusing(ViewModel[CityStore]):
        class Meta:
            path = "refusingViews/{city.doc_id}"

        @attrs.computed
        def name(self) -> str:
            raise Rejected("not here")

    with memory_app(app_of(Refusing)) as testing:
        put(testing, "cities/TOK", name="Tokyo")
        testing.deliver()
        assert [letter["reason"] for letter in letters(testing)] == ["GetterFailed"]


def test_a_view_at_a_path_that_triggers_it_is_refused() -> None:
    class Echo(ViewModel[CityStore]):
        class Meta:
            path = "cities/{city.doc_id}"

        @attrs.computed
        def name(self) -> str:
            return self.store.city.name

    with pytest.raises(DeclarationError, match="Echo would trigger itself for ever"):
        app_of(Echo).compiled  # noqa: B018


def test_a_view_in_the_bookkeeping_is_refused() -> None:
    class Ledgers(ViewModel[CityStore]):
        class Meta:
            path = "boilerLedgers/{city.doc_id}"

        @attrs.computed
        def name(self) -> str:
            return self.store.city.name

    with pytest.raises(DeclarationError, match="the bookkeeping of this package"):
        app_of(Ledgers).compiled  # noqa: B018


def test_two_functions_that_would_trigger_each_other_for_ever_are_refused() -> None:
    app = Boiler("loop")

    class Copied(DomainModel):
        class Meta:
            collection_name = "cityViews"

        title = attrs.string()

    app.query(CityView)

    @app.task("cityViews/{city_id}", writes=[City])
    class Back(ViewModel[Store]):
        def propagate_change(self) -> None:
            City.new(doc_id=self.params["city_id"], name="again").save()

    with pytest.raises(DeclarationError, match=r"would trigger itself for ever: .* → .* → "):
        app.compiled  # noqa: B018


def test_the_previous_view_stays_as_it_is_when_a_build_fails() -> None:
    with world() as testing:
        stored_tokyo(testing)
        put(testing, JAPAN.path, name=7)
        testing.deliver()
        assert place(testing) == "Tokyo, Japan"
        assert [letter["subject"] for letter in letters(testing)].count("cities/TOK") == 1
