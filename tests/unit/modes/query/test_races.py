"""Changes between any two steps of a build are not lost."""

import pytest

from boiler_functions import DomainModel, Store, ViewModel, attrs, matching, reference
from boiler_functions.modes.ledger import Ledger
from boiler_functions.testing import assert_views_equal_rebuild, memory_app
from boiler_functions.views.build import Instance
from tests.unit.modes.cities import (
    QUERIES,
    City,
    CityView,
    Country,
    CountryView,
    Meeting,
    MeetingView,
    PlaceView,
    User,
    app_of,
)
from tests.unit.modes.hooked import Hooked
from tests.unit.modes.query.scenes import Writes, changed, deleted, meeting, only, place, saved, tokyo


def test_a_slow_builder_with_an_old_snapshot_does_not_overwrite_a_newer_view() -> None:
    with memory_app(app_of(CityView)) as testing:
        City.new(doc_id="TOK", name="Tokyo").save()
        testing.deliver()
        changed(City, "TOK", name="Edo")
        slow = only(testing)

        def newer() -> None:
            changed(City, "TOK", name="Tokio")
            testing.handle(only(testing), testing.database)

        report = testing.handle(slow, Hooked(testing.database).before("commit", 1, newer))
        assert report.outcomes == {"covered": 1}
        assert_views_equal_rebuild(testing)


def test_a_slow_builder_does_not_overwrite_a_newer_one_that_found_no_change() -> None:
    with memory_app(app_of(CityView)) as testing:
        City.new(doc_id="TOK", name="Tokyo").save()
        testing.deliver()
        changed(City, "TOK", name="Edo")
        slow = only(testing)

        def newer_but_as_before() -> None:
            changed(City, "TOK", name="Tokyo")
            assert testing.handle(only(testing), testing.database).outcomes == {"unchanged": 1}

        testing.handle(slow, Hooked(testing.database).before("commit", 1, newer_but_as_before))
        assert (testing.fields("cityViews/TOK") or {})["title"] == "TOKYO"
        assert_views_equal_rebuild(testing)


def test_a_source_that_changes_before_the_first_commit_of_a_view_is_in_the_view() -> None:
    with memory_app(app_of(PlaceView)) as testing:
        tokyo(testing, stored=False)
        created = testing.take()[-1]

        def change() -> None:
            changed(Country, "JP", name="Nippon")
            assert testing.handle(only(testing), testing.database).outcomes == {}, "nobody is registered yet"

        testing.handle(created, Hooked(testing.database).before("commit", 1, change))
        assert place(testing) == "Tokyo, Nippon"


def test_a_source_that_changes_before_a_new_dependency_is_registered_is_in_the_view() -> None:
    with memory_app(app_of(PlaceView)) as testing:
        tokyo(testing)
        Country.new(doc_id="KR", name="Korea").save()
        testing.deliver()
        changed(City, "TOK", country="KR")

        def change() -> None:
            changed(Country, "KR", name="Corea")
            testing.handle(only(testing), testing.database)

        testing.handle(only(testing), Hooked(testing.database).before("commit", 1, change))
        assert place(testing) == "Tokyo, Corea"


class Prize(DomainModel):
    class Meta:
        collection_name = "prizes"

    city = attrs.relation(City)


class PrizeStore(Store):
    prize = reference(Prize)
    city = reference(Prize.city)
    capitals = matching(City.name == "Capital")


class PrizeView(ViewModel[PrizeStore]):
    class Meta:
        path = "prizeViews/{prize.doc_id}"

    @attrs.computed
    def named(self) -> str:
        return self.store.city.name if self.store.city else "nobody"

    @attrs.computed
    def found(self) -> list[str]:
        return [each.doc_id for each in self.store.capitals]


@pytest.mark.parametrize("nth", [1, 2])
@pytest.mark.parametrize(("before", "after"), [("Town", "Capital"), ("Capital", "Town")])
@pytest.mark.parametrize("handled", [True, False])
def test_a_document_that_is_named_and_found_changes_as_one(nth: int, before: str, after: str, handled: bool) -> None:
    """The query is known; the name of the document is new, and is read once more after it is registered."""
    with memory_app(app_of(PrizeView)) as testing:
        Prize.new(doc_id="p").save()
        City.new(doc_id="OSA", name=before).save()
        testing.deliver()
        changed(Prize, "p", city="OSA")

        def change() -> None:
            changed(City, "OSA", name=after)
            for each in testing.take() if handled else ():
                testing.handle(each, testing.database)

        testing.handle(only(testing), Hooked(testing.database).before("commit", nth, change))
        testing.deliver()
        assert_views_equal_rebuild(testing)


def test_a_document_that_is_found_and_read_before_its_name_is_registered_is_read_again() -> None:
    """One BatchGet is torn: the document from before its last change, the ledger from after its registration."""
    with memory_app(app_of(PrizeView)) as testing:
        Prize.new(doc_id="p").save()
        City.new(doc_id="OSA", name="Capital").save()
        testing.deliver()
        changed(Prize, "p", city="OSA")
        named = only(testing)
        changed(City, "OSA", name="Town")
        found = only(testing)
        before = testing.database.read(["cities/OSA"]).read_time

        def delete() -> None:
            deleted(City, "OSA")
            assert testing.handle(only(testing), testing.database).outcomes == {}, "nobody is registered yet"

        def commit_torn() -> None:
            testing.handle(named, Hooked(testing.database).tear("cities/OSA", before))

        hooked = Hooked(testing.database).before("commit", 1, delete).before("commit", 2, commit_torn)
        testing.handle(found, hooked)
        testing.deliver()
        assert_views_equal_rebuild(testing)


def test_a_document_that_is_read_before_a_new_query_finds_it_is_of_one_version() -> None:
    """The first reading is torn: it has the document from before its change, and the query's result from after."""
    with memory_app(app_of(PrizeView)) as testing:
        City.new(doc_id="OSA", name="Capital").save()
        testing.take()
        Prize.new(doc_id="p", city="OSA").save()
        created = only(testing)
        changed(Prize, "p", city=None)
        testing.take()
        before = testing.database.read(["cities/OSA"]).read_time
        City.new(doc_id="OSA", name="Capital", country="JP").save()
        testing.take()
        hooked = Hooked(testing.database).tear("cities/OSA", before)
        testing.handle(created, hooked)
        (ledger,) = [each for path, each in testing.documents().items() if path.startswith("boilerLedgers")]
        found = testing.database.read(["cities/OSA"]).documents[0].version
        assert Ledger.of(Instance(PrizeView, "prizes/p"), ledger).versions["cities/OSA"] == found


@pytest.mark.parametrize("nth", [1, 2])
def test_a_known_source_that_changes_before_or_after_a_new_dependency_is_registered_is_in_the_view(nth: int) -> None:
    """Its event finds the view, so that one of the two builders meets a conflict."""
    with memory_app(app_of(MeetingView)) as testing:
        meeting(testing, "a")
        changed(Meeting, "m", tickets=["ta", "tb"])

        def change() -> None:
            changed(User, "a", name="Ada")
            testing.handle(only(testing), testing.database)

        testing.handle(only(testing), Hooked(testing.database).before("commit", nth, change))
        assert_views_equal_rebuild(testing)


def test_a_root_whose_deletion_removed_the_ledger_before_a_torn_read_of_both_leaves_no_ghost() -> None:
    with memory_app(app_of(PlaceView)) as testing:
        tokyo(testing, stored=False)
        created = testing.take()[-1]
        old = testing.database.read(["cities/TOK"]).read_time
        testing.handle(created)
        deleted(City, "TOK")
        testing.handle(only(testing))
        testing.handle(created, Hooked(testing.database).tear("cities/TOK", old))
        assert place(testing) is None
        assert_views_equal_rebuild(testing)


def test_a_source_that_changes_between_registration_and_commit_is_in_the_view() -> None:
    with memory_app(app_of(PlaceView)) as testing:
        tokyo(testing, stored=False)
        created = testing.take()[-1]

        def change() -> None:
            changed(Country, "JP", name="Nippon")
            testing.handle(only(testing), testing.database)

        testing.handle(created, Hooked(testing.database).before("commit", 2, change))
        assert place(testing) == "Tokyo, Nippon"


def test_a_document_that_enters_a_query_before_the_first_commit_is_in_the_view() -> None:
    with memory_app(app_of(CountryView)) as testing:
        Country.new(doc_id="JP", name="Japan").save()
        created = only(testing)

        def enter() -> None:
            City.new(doc_id="TOK", name="Tokyo", country="JP").save()
            testing.handle(only(testing), testing.database)

        testing.handle(created, Hooked(testing.database).before("commit", 1, enter))
        assert (testing.fields("countryViews/JP") or {})["cities"] == ["Tokyo"]


def test_a_root_alone_that_is_deleted_while_its_first_view_is_built_leaves_no_ghost() -> None:
    with memory_app(app_of(CityView)) as testing:
        City.new(doc_id="TOK", name="Tokyo").save()
        created = only(testing)

        def delete() -> None:
            deleted(City, "TOK")
            testing.handle(only(testing), testing.database)

        testing.handle(created, Hooked(testing.database).before("commit", 1, delete))
        assert_views_equal_rebuild(testing)


@pytest.mark.parametrize("nth", [1, 2])
@pytest.mark.parametrize("again", [False, True])
def test_a_root_that_is_deleted_and_perhaps_recreated_while_a_builder_runs_converges(nth: int, again: bool) -> None:
    with memory_app(app_of(PlaceView)) as testing:
        tokyo(testing, stored=False)
        created = testing.take()[-1]

        def race() -> None:
            deleted(City, "TOK")
            if again:
                City.new(doc_id="TOK", name="Edo").save()
            for delivery in testing.take():
                testing.handle(delivery, testing.database)

        testing.handle(created, Hooked(testing.database).before("commit", nth, race))
        assert place(testing) == ("Edo" if again else None)
        assert_views_equal_rebuild(testing)


def test_a_deletion_that_the_return_of_its_root_overtakes_leaves_the_new_view() -> None:
    with memory_app(app_of(PlaceView)) as testing:
        tokyo(testing)
        deleted(City, "TOK")
        gone = only(testing)

        def come_back() -> None:
            City.new(doc_id="TOK", name="Edo").save()
            testing.handle(only(testing), testing.database)

        testing.handle(gone, Hooked(testing.database).before("commit", 1, come_back))
        assert place(testing) == "Edo"
        assert_views_equal_rebuild(testing)


def test_a_ledger_that_came_and_went_while_a_builder_ran_does_not_let_it_write() -> None:
    with memory_app(app_of(PlaceView)) as testing:
        City.new(doc_id="TOK", name="Tokyo").save()
        created = only(testing)

        def race() -> None:
            testing.handle(created, testing.database)
            deleted(City, "TOK")
            testing.handle(only(testing), testing.database)

        testing.handle(created, Hooked(testing.database).before("commit", 1, race))
        assert_views_equal_rebuild(testing)


def test_a_root_that_is_read_older_than_its_ledger_knows_it_is_read_again() -> None:
    """One BatchGet may be torn: the root before another builder's commit, its ledger after."""
    with memory_app(app_of(PlaceView)) as testing:
        tokyo(testing)
        changed(City, "TOK", name="Edo")
        old = testing.database.read(["cities/TOK"]).read_time
        waiting = only(testing)
        changed(City, "TOK", name="Tokio")
        changed(Country, "JP", name="Nippon")
        for newer in testing.take():
            testing.handle(newer)
        testing.handle(waiting.without_images(), Hooked(testing.database).tear("cities/TOK", old))
        assert place(testing) == "Tokio, Nippon"
        assert_views_equal_rebuild(testing)


def test_a_document_that_its_ledger_knows_as_missing_and_that_is_read_existing_is_read_again() -> None:
    with memory_app(app_of(PlaceView)) as testing:
        tokyo(testing)
        old = testing.database.read(["countries/JP"]).read_time
        deleted(Country, "JP")
        gone = only(testing)
        testing.handle(gone)
        changed(City, "TOK", name="Edo")
        testing.handle(only(testing), Hooked(testing.database).tear("countries/JP", old))
        assert place(testing) == "Edo"


def test_a_torn_read_that_the_ledger_does_not_know_of_is_caught_by_the_versions() -> None:
    """The view holds an old source, and its event is not covered, however new the ledger is."""
    with memory_app(app_of(PlaceView)) as testing:
        tokyo(testing)
        old = testing.database.read(["countries/JP"]).read_time
        changed(Country, "JP", name="Nippon")
        missed = only(testing)
        changed(City, "TOK", name="Edo")
        testing.handle(only(testing), Hooked(testing.database).tear("countries/JP", old))
        assert place(testing) == "Edo, Japan"
        assert testing.handle(missed).outcomes == {"built": 1}
        assert place(testing) == "Edo, Nippon"


@pytest.mark.parametrize("seed", range(20))
def test_all_shapes_of_views_converge_under_duplicates_in_random_order(seed: int) -> None:
    with memory_app(app_of(*QUERIES)) as testing:
        tokyo(testing, stored=False)
        meeting(testing, "ab")
        writes: Writes = (
            lambda: changed(City, "TOK", capital=True, population=9_000_000, twin="KYO"),
            lambda: saved(City.new(doc_id="KYO", name="Kyoto", country="JP", population=1_500_000, capital=True)),
            lambda: changed(Country, "JP", name="Nippon"),
            lambda: deleted(City, "TOK"),
            lambda: changed(Meeting, "m", tickets=["tb", "tc"]),
            lambda: deleted(User, "c"),
            lambda: saved(City.new(doc_id="TOK", name="Edo", country="JP", population=2_000_000)),
            lambda: deleted(Country, "JP"),
            lambda: changed(City, "KYO", capital=None, twin="TOK"),
        )
        for number, write in enumerate(writes):
            write()
            if number % 3 == seed % 3:
                testing.deliver(duplicates=1, shuffle=seed, drain=False)
        testing.deliver(duplicates=2, shuffle=seed)
        assert_views_equal_rebuild(testing)
        assert (testing.fields("dashboards/large") or {})["names"] == ["Edo", "Kyoto"]
        assert sorted(path for path in testing.documents() if "meetingViews" in path) == ["users/b/meetingViews/m"]
