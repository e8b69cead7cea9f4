"""Building: what is read for a view, level by level, and the result."""

from typing import Any

import pytest

from boiler_functions import DomainModel, Store, ViewModel, attrs, reference, referrers
from boiler_functions.database import Put
from boiler_functions.database.memory import MemoryDatabase
from boiler_functions.exceptions import GetterFailed, ImpureGetter, InvalidDocument
from boiler_functions.models.session import use
from boiler_functions.types import MISSING
from boiler_functions.views.build import Built, Instance, Reader, build, build_to_store, chunks
from tests.unit.modes.cities import (
    City,
    CityStore,
    CityView,
    Country,
    CountryView,
    Meeting,
    MeetingView,
    PlaceView,
    Ticket,
    User,
)
from tests.unit.modes.hooked import Hooked


def filled() -> MemoryDatabase:
    """Two cities of Japan, and a meeting of two users."""
    database = MemoryDatabase()
    with use(database):
        Country.new(doc_id="JP", name="Japan").save()
        City.new(doc_id="TOK", name="Tokyo", country="JP").save()
        City.new(doc_id="KYO", name="Kyoto", country="JP").save()
        for user in "ab":
            User.new(doc_id=user, name=user.upper()).save()
            Ticket.new(doc_id=f"t{user}", user=user).save()
        Meeting.new(doc_id="m", title="Monday", tickets=["ta", "tb", "gone"]).save()
    return database


def built(view: type[ViewModel[Any]], root: str, database: MemoryDatabase) -> Built:
    reader = Reader(database)
    instance = Instance(view, root)
    return build(instance, reader, reader.resolve([instance])[instance], f"demo/{view.__name__}")


def test_a_view_is_built_with_its_content_and_every_version_that_it_read() -> None:
    database = filled()
    result = built(PlaceView, "cities/TOK", database)
    assert result.content == {"place": "Tokyo, Japan", "obj_type": "PlaceView"}
    assert result.document("placeViews/TOK") == {**result.content, "doc_ref": "placeViews/TOK"}
    documents = database.read(["cities/TOK", "countries/JP"]).documents
    assert result.versions == {each.path: each.version for each in documents}


def test_a_missing_document_has_a_version_that_says_so() -> None:
    result = built(MeetingView, "meetings/m", filled())
    assert result.versions["tickets/gone"] == MISSING
    assert result.destinations == ("users/a/meetingViews/m", "users/b/meetingViews/m")


def test_documents_that_a_query_returned_have_versions() -> None:
    assert set(built(CountryView, "countries/JP", filled()).versions) == {"countries/JP", "cities/KYO", "cities/TOK"}


def test_a_view_whose_root_is_missing_has_no_content() -> None:
    result = built(PlaceView, "cities/NONE", filled())
    assert (result.content, result.destinations, result.content_hash) == (None, (), None)


def test_the_hash_of_equal_contents_is_equal_and_of_others_is_not() -> None:
    database = filled()

    def content_hash() -> str | None:
        reader, instance = Reader(database), Instance(CityView, "cities/TOK")
        return build_to_store(instance, reader, reader.resolve([instance])[instance], "demo/CityView").content_hash

    before = content_hash()
    database.commit([Put("cities/TOK", {"name": "tokyo"})])
    assert content_hash() == before
    database.commit([Put("cities/TOK", {"name": "Edo"})])
    assert content_hash() != before


def test_each_level_is_one_read_for_all_instances_and_reads_a_shared_document_once() -> None:
    hooked = Hooked(filled())
    reader = Reader(hooked)
    reader.resolve([Instance(PlaceView, "cities/TOK"), Instance(PlaceView, "cities/KYO")])
    assert hooked.calls == {"read": 2}
    assert len(reader.documents) == 3


def test_all_reads_of_a_build_aim_at_one_time() -> None:
    database = filled()
    hooked = Hooked(database).after("read", 1, lambda: database.commit([Put("countries/JP", {"name": "Nippon"})]))
    reader = Reader(hooked)
    instance = Instance(PlaceView, "cities/TOK")
    resolution = reader.resolve([instance])[instance]
    content = build(instance, reader, resolution, "demo/PlaceView").content or {}
    assert content["place"] == "Tokyo, Japan"


def test_queries_reuse_the_time_of_the_reads_before_them() -> None:
    database = filled()
    hooked = Hooked(database).before("query", 1, lambda: database.commit([Put("cities/NEW", {"name": "New"})]))
    reader = Reader(hooked)
    instance = Instance(CountryView, "countries/JP")
    reader.resolve([instance])
    assert "cities/NEW" not in reader.documents


def test_referrers_of_several_roots_are_found_by_one_query_and_told_apart() -> None:
    database = filled()
    with use(database):
        Country.new(doc_id="IT", name="Italy").save()
        City.new(doc_id="ROM", name="Rome", country="IT").save()
    hooked = Hooked(database)
    reader = Reader(hooked)
    instances = [Instance(CountryView, "countries/JP"), Instance(CountryView, "countries/IT")]
    resolved = reader.resolve(instances)
    assert hooked.calls == {"read": 1, "query": 1}
    contents = [build(each, reader, resolved[each], "demo/CountryView").content for each in instances]
    assert [(content or {})["cities"] for content in contents] == [["Kyoto", "Tokyo"], ["Rome"]]


def test_referrers_by_a_list_are_merged_too() -> None:
    class Club(DomainModel):
        class Meta:
            collection_name = "clubs"

        members = attrs.relation(User, many=True)

    class UserStore(Store):
        user = reference(User)
        clubs = referrers(Club.members)

    class UserView(ViewModel[UserStore]):
        class Meta:
            path = "userViews/{user.doc_id}"

        @attrs.computed
        def clubs(self) -> list[str]:
            return [club.doc_id for club in self.store.clubs]

    database = filled()
    with use(database):
        Club.new(doc_id="chess", members=["a", "b"]).save()
        Club.new(doc_id="golf", members=["b"]).save()
    hooked = Hooked(database)
    reader = Reader(hooked)
    instances = [Instance(UserView, "users/a"), Instance(UserView, "users/b")]
    resolved = reader.resolve(instances)
    assert hooked.calls == {"read": 1, "query": 1}
    contents = [build(each, reader, resolved[each], "demo/UserView").content for each in instances]
    assert [(content or {})["clubs"] for content in contents] == [["chess"], ["chess", "golf"]]


def test_the_older_version_counts_for_a_document_that_was_read_twice() -> None:
    """A torn read: the query saw the city newer than the read by name, or the other way round."""

    class TwiceStore(Store):
        city = reference(City)
        country = reference(City.country)
        cities = referrers(City.country)

    class TwiceView(ViewModel[TwiceStore]):
        class Meta:
            path = "twiceViews/{city.doc_id}"

        @attrs.computed
        def names(self) -> list[str]:
            return [city.name for city in self.store.cities]

    database = filled()
    old = database.read(["cities/TOK"])
    database.commit([Put("cities/TOK", {"name": "Edo"}, mask=("name",))])
    hooked = Hooked(database).tear("cities/TOK", old.read_time)
    reader = Reader(hooked)
    instance = Instance(TwiceView, "cities/TOK")
    result = build(instance, reader, reader.resolve([instance])[instance], "demo/TwiceView")
    assert result.versions["cities/TOK"] == old.documents[0].version


def test_a_getter_that_raises_is_named_with_its_view() -> None:
    class FailingView(ViewModel[CityStore]):
        class Meta:
            path = "failing/{city.doc_id}"

        @attrs.computed
        def title(self) -> str:
            return {"a": "b"}[self.store.city.name]

    with pytest.raises(GetterFailed, match=r"FailingView\.title raised KeyError: 'Tokyo'"):
        built(FailingView, "cities/TOK", filled())


def test_a_document_that_does_not_fit_is_named_with_its_errors() -> None:
    database = filled()
    database.commit([Put("cities/TOK", {"name": 5})])
    with pytest.raises(InvalidDocument, match="cities/TOK does not fit City: name: Not a valid string"):
        built(CityView, "cities/TOK", database)


def test_a_getter_that_follows_a_relation_outside_of_its_store_is_impure() -> None:
    class StrayView(ViewModel[CityStore]):
        class Meta:
            path = "stray/{city.doc_id}"

        @attrs.computed
        def country(self) -> str:
            return self.store.city.country.name if self.store.city.country else ""

    with pytest.raises(ImpureGetter, match=r"StrayView follows a relation to countries/JP, .* add `reference"):
        built(StrayView, "cities/TOK", filled())


def test_a_getter_sees_no_document_that_another_view_of_its_page_read() -> None:
    class StrayView(ViewModel[CityStore]):
        class Meta:
            path = "stray2/{city.doc_id}"

        @attrs.computed
        def country(self) -> str:
            return self.store.city.country.name if self.store.city.country else ""

    reader = Reader(filled())
    place, stray = Instance(PlaceView, "cities/TOK"), Instance(StrayView, "cities/TOK")
    resolved = reader.resolve([place, stray])
    assert "countries/JP" in reader.documents
    with pytest.raises(ImpureGetter):
        build(stray, reader, resolved[stray], "demo/StrayView")


def test_a_getter_that_writes_is_impure() -> None:
    class WritingView(ViewModel[CityStore]):
        class Meta:
            path = "writing/{city.doc_id}"

        @attrs.computed
        def title(self) -> str:
            self.store.city.name = "Edo"
            self.store.city.save()
            return self.store.city.name

    database = filled()
    with pytest.raises(ImpureGetter, match="writes cities/TOK"):
        built(WritingView, "cities/TOK", database)
    assert (database.read(["cities/TOK"]).documents[0].fields or {})["name"] == "Tokyo"


def test_an_instance_names_its_root_and_the_key_that_it_stands_for() -> None:
    assert repr(Instance(CityView, "cities/TOK")) == "CityView of cities/TOK"
    assert Instance(CityView, "cities/TOK").key == {"doc_id": "TOK"}


def test_all_chunks_except_the_last_are_full() -> None:
    assert list(chunks(range(5), 2)) == [[0, 1], [2, 3], [4]]
