"""Each shape of view equals a fresh build, alone and beside others in one function."""

import pytest

from boiler_functions import Boiler, DomainModel, Store, ViewModel, attrs, reference
from boiler_functions.database import Delete, Put
from boiler_functions.database.metered import Usage
from boiler_functions.testing import assert_views_equal_rebuild, memory_app
from tests.unit.modes.cities import (
    QUERIES,
    CapitalsView,
    City,
    CityView,
    Country,
    CountryView,
    LargeView,
    Meeting,
    MeetingStore,
    MeetingView,
    PlaceView,
    TwinView,
    User,
    app_of,
    put,
)
from tests.unit.modes.query.scenes import changed, deleted, meeting, place, tokyo


def test_a_view_is_stored_for_a_created_root_follows_its_changes_and_goes_with_it() -> None:
    with memory_app(app_of(CityView)) as testing:
        City.new(doc_id="TOK", name="Tokyo").save()
        testing.deliver()
        assert testing.fields("cityViews/TOK") == {"title": "TOKYO", "obj_type": "CityView", "doc_ref": "cityViews/TOK"}
        changed(City, "TOK", name="Edo")
        testing.deliver()
        assert (testing.fields("cityViews/TOK") or {})["title"] == "EDO"
        deleted(City, "TOK")
        testing.deliver()
        assert testing.documents() == {}


def test_a_change_of_a_document_that_a_relation_names_rebuilds_the_view() -> None:
    with memory_app(app_of(PlaceView)) as testing:
        tokyo(testing)
        changed(Country, "JP", name="Nippon")
        testing.deliver()
        assert place(testing) == "Tokyo, Nippon"


def test_a_named_document_that_did_not_exist_wakes_the_view_when_it_appears() -> None:
    with memory_app(app_of(PlaceView)) as testing:
        City.new(doc_id="TOK", name="Tokyo", country="JP").save()
        testing.deliver()
        assert place(testing) == "Tokyo"
        Country.new(doc_id="JP", name="Japan").save()
        testing.deliver()
        assert place(testing) == "Tokyo, Japan"


def test_a_deleted_dependency_leaves_the_view_without_it_and_its_return_restores_it() -> None:
    with memory_app(app_of(PlaceView)) as testing:
        tokyo(testing)
        deleted(Country, "JP")
        testing.deliver()
        assert place(testing) == "Tokyo"
        Country.new(doc_id="JP", name="Japan").save()
        testing.deliver()
        assert place(testing) == "Tokyo, Japan"


def test_a_view_no_longer_follows_a_document_that_its_relation_left() -> None:
    with memory_app(app_of(PlaceView)) as testing:
        tokyo(testing)
        changed(City, "TOK", country=None)
        testing.deliver()
        changed(Country, "JP", name="Nippon")
        (report,) = testing.deliver()
        assert report.outcomes == {}
        assert place(testing) == "Tokyo"


def test_a_view_has_every_document_that_refers_to_its_root() -> None:
    with memory_app(app_of(CountryView)) as testing:
        tokyo(testing)
        City.new(doc_id="KYO", name="Kyoto", country="JP").save()
        testing.deliver()
        assert (testing.fields("countryViews/JP") or {})["cities"] == ["Kyoto", "Tokyo"]


def test_a_document_that_leaves_a_predicate_is_found_by_its_before_image() -> None:
    with memory_app(app_of(CountryView, CapitalsView)) as testing:
        tokyo(testing)
        changed(City, "TOK", capital=True)
        testing.deliver()
        changed(City, "TOK", capital=False, country=None)
        testing.deliver()
        assert (testing.fields("countryViews/JP") or {})["cities"] == []
        assert (testing.fields("dashboards/capitals") or {})["names"] == []


def test_a_deleted_document_leaves_the_predicate_that_found_it() -> None:
    with memory_app(app_of(CountryView)) as testing:
        tokyo(testing)
        deleted(City, "TOK")
        testing.deliver()
        assert (testing.fields("countryViews/JP") or {})["cities"] == []


def test_a_document_that_moves_between_two_roots_changes_both_views() -> None:
    with memory_app(app_of(CountryView)) as testing:
        tokyo(testing)
        Country.new(doc_id="KR", name="Korea").save()
        changed(City, "TOK", country="KR")
        testing.deliver()
        assert (testing.fields("countryViews/JP") or {})["cities"] == []
        assert (testing.fields("countryViews/KR") or {})["cities"] == ["Tokyo"]


def test_a_range_with_order_and_limit_keeps_the_first_in_its_order() -> None:
    with memory_app(app_of(LargeView)) as testing:
        for name, population in (("A", 2_000_000), ("B", 3_000_000), ("C", 4_000_000), ("D", 10)):
            City.new(doc_id=name, name=name, population=population).save()
        testing.deliver()
        assert (testing.fields("dashboards/large") or {})["names"] == ["C", "B"]
        changed(City, "C", population=1)
        testing.deliver()
        assert (testing.fields("dashboards/large") or {})["names"] == ["B", "A"]
        changed(City, "D", population=9_000_000)
        testing.deliver()
        assert (testing.fields("dashboards/large") or {})["names"] == ["D", "B"]


def test_a_view_without_a_root_follows_its_predicate() -> None:
    with memory_app(app_of(CapitalsView)) as testing:
        City.new(doc_id="TOK", name="Tokyo", capital=True).save()
        testing.deliver()
        City.new(doc_id="ROM", name="Rome", capital=True).save()
        testing.deliver()
        assert (testing.fields("dashboards/capitals") or {})["names"] == ["Rome", "Tokyo"]


def test_an_event_outside_the_predicate_of_a_view_without_a_root_costs_nothing() -> None:
    with memory_app(app_of(CapitalsView)) as testing:
        City.new(doc_id="TOK", name="Tokyo", capital=True).save()
        testing.deliver()
        City.new(doc_id="KYO", name="Kyoto").save()
        (report,) = testing.deliver()
        assert report.usage == Usage()


def test_a_relation_of_a_model_to_itself_wakes_the_view_of_the_other_document_too() -> None:
    with memory_app(app_of(TwinView)) as testing:
        City.new(doc_id="A", name="Ann", twin="B").save()
        City.new(doc_id="B", name="Bob", twin="B").save()
        testing.deliver()
        changed(City, "B", name="Bill")
        testing.deliver()
        assert [(testing.fields(f"twinViews/{each}") or {})["twin"] for each in "AB"] == ["Bill", "Bill"]
        assert_views_equal_rebuild(testing)


def test_each_user_has_a_copy_and_copies_follow_the_users() -> None:
    with memory_app(app_of(MeetingView)) as testing:
        meeting(testing, "ab")
        changed(Meeting, "m", tickets=["tb", "tc"])
        testing.deliver()
        copies = [path for path in testing.documents() if "meetingViews" in path]
        assert sorted(copies) == ["users/b/meetingViews/m", "users/c/meetingViews/m"]
        assert (testing.fields("users/c/meetingViews/m") or {})["attending"] == ["B", "C"]
        assert_views_equal_rebuild(testing)


def test_a_copy_goes_with_its_user_and_comes_back_with_the_same_content() -> None:
    with memory_app(app_of(MeetingView)) as testing:
        meeting(testing, "ab")
        deleted(User, "b")
        testing.deliver()
        assert testing.fields("users/b/meetingViews/m") is None
        User.new(doc_id="b", name="B").save()
        testing.deliver()
        assert (testing.fields("users/b/meetingViews/m") or {})["attending"] == ["A", "B"]
        assert_views_equal_rebuild(testing)


def test_a_copy_for_a_new_user_is_written_when_the_content_stays_the_same() -> None:
    class TitleView(ViewModel[MeetingStore]):
        class Meta:
            path = "users/{users.doc_id}/titles/{meeting.doc_id}"

        @attrs.computed
        def title(self) -> str:
            return self.store.meeting.title

    with memory_app(app_of(TitleView)) as testing:
        meeting(testing, "a")
        changed(Meeting, "m", tickets=["ta", "tb"])
        testing.deliver()
        assert (testing.fields("users/b/titles/m") or {})["title"] == "Monday"
        assert_views_equal_rebuild(testing)


def test_one_function_for_a_source_serves_all_views_that_read_it() -> None:
    app = Boiler("demo", group_by="source")
    for view in QUERIES:
        app.query(view)
    with memory_app(app) as testing:
        tokyo(testing)
        meeting(testing, "ab")
        changed(City, "TOK", capital=True, population=2_000_000)
        (report,) = testing.deliver()
        assert report.function == "on_cities"
        assert_views_equal_rebuild(testing)


def test_a_document_that_is_no_longer_a_city_has_no_view() -> None:
    class Animal(DomainModel):
        class Meta:
            collection_name = "animals"

        name = attrs.string(required=True)

    class Cat(Animal):
        pass

    class CatStore(Store):
        cat = reference(Cat)

    class CatView(ViewModel[CatStore]):
        class Meta:
            path = "catViews/{cat.doc_id}"

        @attrs.computed
        def name(self) -> str:
            return self.store.cat.name

    with memory_app(app_of(CatView)) as testing:
        Cat.new(doc_id="tom", name="Tom").save()
        testing.deliver()
        assert testing.fields("catViews/tom") is not None
        put(testing, "animals/tom", name="Tom", obj_type="Animal")
        testing.deliver()
        assert testing.fields("catViews/tom") is None
        put(testing, "animals/tom", name="Tommy", obj_type="Animal")
        (report,) = testing.deliver()
        assert report.usage.writes == 0
        assert_views_equal_rebuild(testing)


def test_deleting_the_sources_deletes_views_and_ledgers() -> None:
    with memory_app(app_of(PlaceView, CountryView, MeetingView)) as testing:
        tokyo(testing)
        meeting(testing, "ab")
        paths = ["countries/JP", "cities/TOK", "meetings/m", *(f"users/{each}" for each in "abc")]
        testing.database.commit([Delete(path) for path in paths])
        testing.deliver(shuffle=1)
        assert {path.split("/")[0] for path in testing.documents()} == {"tickets"}


def test_the_oracle_sees_a_changed_a_missing_and_a_left_over_view() -> None:
    with memory_app(app_of(CityView)) as testing:
        City.new(doc_id="A", name="a").save()
        City.new(doc_id="B", name="b").save()
        testing.deliver()
        put(testing, "cityViews/A", title="mine")
        testing.database.commit([Delete("cityViews/B"), Put("cityViews/C", {"title": "left"})])
        with pytest.raises(AssertionError) as raised:
            assert_views_equal_rebuild(testing)
        text = str(raised.value)
        assert "cityViews/A is" in text
        assert "cityViews/B is None" in text
        assert "cityViews/C should not exist" in text
