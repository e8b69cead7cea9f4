"""The kit for users' own tests: an app in memory, its events in any order, and the oracle."""

from random import Random

import pytest

from boiler_functions import Store, ViewModel, attrs, reference
from boiler_functions.database import Delete, Put
from boiler_functions.exceptions import Unavailable
from boiler_functions.modes.invocation import Surroundings
from boiler_functions.modes.ledger import COLLECTION
from boiler_functions.testing import MAX_DELIVERIES, MemoryApp, assert_views_equal_rebuild, memory_app
from tests.unit.modes.cities import CapitalsView, City, CityView, Country, PlaceView, app_of
from tests.unit.modes.hooked import Hooked, raises


def three_cities(testing: MemoryApp) -> None:
    for name in "abc":
        City.new(doc_id=name, name=name).save()


def faults(testing: MemoryApp) -> str:
    with pytest.raises(AssertionError) as raised:
        assert_views_equal_rebuild(testing)
    return str(raised.value)


def test_models_read_and_write_the_apps_database_inside_the_block() -> None:
    with memory_app(app_of(CityView)) as testing:
        City.new(doc_id="TOK", name="Tokyo").save()
        assert (testing.fields("cities/TOK") or {})["name"] == "Tokyo"
        city = City.get("TOK")
        assert city is not None
        assert city.name == "Tokyo"


def test_every_commit_leaves_an_event_for_each_function_that_it_triggers() -> None:
    with memory_app(app_of(CityView, PlaceView)) as testing:
        City.new(doc_id="TOK", name="Tokyo").save()
        Country.new(doc_id="JP", name="Japan").save()
        waiting = [(each.function.entry_point, each.change.path) for each in testing.pending]
        assert waiting == [
            ("city_view_on_cities", "cities/TOK"),
            ("place_view_on_cities", "cities/TOK"),
            ("place_view_on_countries", "countries/JP"),
        ]
        assert testing.pending[0].change.after.fields == testing.fields("cities/TOK")


def test_deliver_returns_a_report_of_each_delivery_and_leaves_nothing() -> None:
    with memory_app(app_of(CityView)) as testing:
        three_cities(testing)
        assert [each.document for each in testing.deliver()] == ["cities/a", "cities/b", "cities/c"]
        assert testing.pending == []
        assert testing.deliver() == []


def test_duplicates_come_after_the_others() -> None:
    with memory_app(app_of(CityView)) as testing:
        three_cities(testing)
        reports = testing.deliver(duplicates=1)
        assert [each.document[-1] for each in reports] == list("abcabc")
        assert [dict(each.outcomes) for each in reports] == [{"built": 1}] * 3 + [{"covered": 1}] * 3


def test_a_shuffle_is_another_order_and_the_same_for_the_same_seed() -> None:
    def order(seed: int) -> list[str]:
        with memory_app(app_of(CityView)) as testing:
            three_cities(testing)
            return [each.document for each in testing.deliver(duplicates=2, shuffle=seed)]

    assert order(1) == order(1)
    assert len({tuple(order(seed)) for seed in range(10)}) > 5


def test_a_failing_test_names_the_seed_of_its_order() -> None:
    def fail() -> None:
        with memory_app(app_of(CityView)) as testing:
            three_cities(testing)
            testing.deliver(shuffle=4711)
            raise AssertionError("as a test does")

    with pytest.raises(AssertionError) as raised:
        fail()
    assert raised.value.__notes__ == ["The events came in the random order of deliver(shuffle=4711)."]


def test_events_that_are_caused_are_delivered_too_unless_they_are_not_to_be_drained() -> None:
    class Copied(City):
        class Meta:
            collection_name = "cityViews"

    class CopyStore(Store):
        copied = reference(Copied)

    class CopyView(ViewModel[CopyStore]):
        class Meta:
            path = "copyViews/{copied.doc_id}"

        @attrs.computed
        def id(self) -> str:
            return self.store.copied.doc_id

    with memory_app(app_of(CityView, CopyView)) as testing:
        City.new(doc_id="TOK", name="Tokyo").save()
        testing.deliver(drain=False)
        assert [each.change.path for each in testing.pending] == ["cityViews/TOK"]
        testing.deliver()
        assert testing.pending == []


def test_a_failing_event_is_delivered_again() -> None:
    with memory_app(app_of(CityView)) as testing:
        three_cities(testing)
        testing.through = Hooked(testing.database).before("read", 1, raises(Unavailable("down")))
        assert [each.document[-1] for each in testing.deliver()] == ["b", "c", "a"]
        assert_views_equal_rebuild(testing)


def test_an_event_that_fails_for_ever_reaches_the_test() -> None:
    with memory_app(app_of(CityView)) as testing:
        City.new(doc_id="TOK", name="Tokyo").save()
        testing.through = hooked = Hooked(testing.database)
        for nth in range(1, MAX_DELIVERIES + 1):
            hooked.before("read", nth, raises(Unavailable("down")))
        with pytest.raises(Unavailable, match="down"):
            testing.deliver()
        assert hooked.calls["read"] == MAX_DELIVERIES


def test_time_and_chance_are_those_that_were_passed_in() -> None:
    surroundings = Surroundings(lambda: 5_000_000_000, lambda seconds: None, Random(1))
    with memory_app(app_of(CityView), surroundings) as testing:
        City.new(doc_id="TOK", name="Tokyo").save()
        assert testing.pending[0].change.time == 5_000_000_000
        assert testing.pending[0].change.after.version == 5_000_000_000


def test_an_event_without_images_holds_neither() -> None:
    with memory_app(app_of(CityView)) as testing:
        City.new(doc_id="TOK", name="Tokyo").save()
        change = testing.pending[0].without_images().change
        assert (change.path, change.has_images) == ("cities/TOK", False)


# The oracle


def test_the_oracle_is_content_with_views_that_equal_a_rebuild() -> None:
    with memory_app(app_of(CityView, PlaceView, CapitalsView)) as testing:
        three_cities(testing)
        testing.deliver()
        assert_views_equal_rebuild(testing)


def test_the_oracle_sees_a_view_that_differs() -> None:
    with memory_app(app_of(CityView)) as testing:
        three_cities(testing)
        testing.deliver()
        testing.database.commit([Put("cityViews/a", {"title": "mine"})])
        assert "cityViews/a is {'title': 'mine'}, and should be {'title': 'A'" in faults(testing)


def test_the_oracle_sees_a_view_that_is_missing() -> None:
    with memory_app(app_of(CityView)) as testing:
        three_cities(testing)
        assert "cityViews/b is None" in faults(testing)


def test_the_oracle_sees_a_ghost_without_a_ledger() -> None:
    with memory_app(app_of(CityView)) as testing:
        testing.database.commit([Put("cityViews/x", {"title": "left"})])
        assert "cityViews/x should not exist; it is {'title': 'left'}" in faults(testing)


def test_the_oracle_sees_a_ghost_with_its_ledger() -> None:
    with memory_app(app_of(CityView)) as testing:
        three_cities(testing)
        testing.deliver()
        testing.database.commit([Delete("cities/a")])
        text = faults(testing)
        assert "cityViews/a should not exist" in text
        assert "the ledger of CityView of cities/a" in text


def test_the_oracle_sees_a_ledger_that_knows_other_copies() -> None:
    with memory_app(app_of(CityView)) as testing:
        three_cities(testing)
        testing.deliver()
        ledger = next(path for path in testing.documents() if path.startswith(COLLECTION))
        testing.database.commit([Put(ledger, {"destinations": []}, mask=("destinations",))])
        assert "knows the copies ()" in faults(testing)


def test_the_oracle_sees_an_event_that_was_never_delivered() -> None:
    with memory_app(app_of(PlaceView)) as testing:
        Country.new(doc_id="JP", name="Japan").save()
        City.new(doc_id="TOK", name="Tokyo", country="JP").save()
        testing.deliver()
        testing.database.commit([Put("countries/JP", {"name": "Nippon"})])
        testing.take()
        assert "Tokyo, Nippon" in faults(testing)


def test_the_oracle_cuts_what_is_long() -> None:
    with memory_app(app_of(CityView)) as testing:
        testing.database.commit([Put("cityViews/x", {"title": "x" * 100_000})])
        assert len(faults(testing)) < 2_000


def test_a_client_writes_and_deletes_whole_documents() -> None:
    with memory_app(app_of(CityView)) as testing:
        testing.write("somewhere/else", {"a": 1})
        assert testing.fields("somewhere/else") == {"a": 1}
        testing.write("somewhere/else", {"b": 2})
        assert testing.fields("somewhere/else") == {"b": 2}
        testing.write("somewhere/else", None)
        assert testing.fields("somewhere/else") is None
