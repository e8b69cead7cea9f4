"""A build that failed leaves a debt in the ledger: the next event that finds the view pays it, or else upkeep."""

from typing import Any

import pytest

from boiler_functions import Boiler, DomainModel, Store, ViewModel, attrs, matching, reference, referrers
from boiler_functions.database import Put, Query
from boiler_functions.database.faults import Faults
from boiler_functions.exceptions import InvalidRequest, Permanent, TooLarge
from boiler_functions.modes.ledger import COLLECTION, ledger_path
from boiler_functions.testing import MemoryApp, assert_views_equal_rebuild, memory_app
from boiler_functions.testing.steps import Crashed
from boiler_functions.types import to_datetime
from boiler_functions.views.build import Instance
from tests.unit.modes.cities import City, CityView, CountryView, PlaceView, app_of, put
from tests.unit.modes.hooked import Hooked, raises


class Room(DomainModel):
    class Meta:
        collection_name = "houses/{house_id}/rooms"

    name = attrs.string(required=True)
    city = attrs.relation(City)


class HousingStore(Store):
    city = reference(City)
    rooms = referrers(Room.city)


class HousingView(ViewModel[HousingStore]):
    """Asks a query over all collections of a name, which needs an index of its own."""

    class Meta:
        path = "housingViews/{city.doc_id}"

    @attrs.computed
    def rooms(self) -> list[str]:
        return [room.name for room in self.store.rooms]


class SettingsStore(Store):
    home = reference(City, doc_id="HOME")
    country = reference(City.country)
    capitals = matching(City.capital == True)  # noqa: E712


class DashboardView(ViewModel[SettingsStore]):
    """Has no root, and depends on one country, so that every event of a country may concern it."""

    class Meta:
        path = "dashboards/home"

    @attrs.computed
    def country(self) -> str | None:
        return self.store.country.name if self.store.country else None


def ledger(testing: MemoryApp, view: type[ViewModel[Any]], root: str) -> dict[str, Any] | None:
    found = testing.fields(ledger_path(f"demo/{view.__name__}", Instance(view, root)))
    return None if found is None else dict(found)


def crash() -> None:
    """Ends the handler where it stands."""
    raise Crashed


def letters(testing: MemoryApp) -> list[str]:
    found = testing.database.query(Query("boilerDeadLetters")).documents
    return [(each.fields or {})["reason"] for each in found]


def test_a_view_without_root_that_an_event_of_no_concern_registered_is_built_when_the_event_comes_again() -> None:
    with memory_app(app_of(DashboardView)) as testing:
        put(testing, "cities/HOME", name="Tokyo", country=None)
        put(testing, "countries/JP", name="Japan")
        testing.take()
        put(testing, "countries/KR", name="Korea")
        (stranger,) = testing.take()
        with pytest.raises(Crashed):
            testing.handle(stranger, Hooked(testing.database).before("commit", 2, crash))
        assert testing.fields("dashboards/home") is None
        assert testing.handle(stranger).outcomes == {"built": 1}
        assert_views_equal_rebuild(testing)
        assert testing.handle(stranger).outcomes == {"unaffected": 1}


def test_a_view_that_was_registered_and_never_built_is_built_by_upkeep() -> None:
    with memory_app(app_of(CityView)) as testing:
        City.new(doc_id="TOK", name="Tokyo").save()
        (created,) = testing.take()
        with pytest.raises(Crashed):
            testing.handle(created, Hooked(testing.database).before("commit", 2, crash))
        assert testing.upkeep() == {"built": 1}
        assert_views_equal_rebuild(testing)
        assert (ledger(testing, CityView, "cities/TOK") or {})["owed"] is None
        assert testing.upkeep() == {}


def test_an_index_that_is_being_built_delays_the_views_and_leaves_no_letter() -> None:
    with memory_app(app_of(HousingView)) as testing:
        City.new(doc_id="TOK", name="Tokyo").save()
        Room.new(doc_id="r", house_id="h", name="Hall", city="TOK").save()
        testing.deliver(shuffle=1, faults=Faults(index_building=3))
        assert letters(testing) == []
        assert_views_equal_rebuild(testing)


def test_a_view_whose_index_was_missing_is_found_by_the_next_change_of_what_the_query_would_find() -> None:
    with memory_app(app_of(HousingView)) as testing:
        City.new(doc_id="TOK", name="Tokyo").save()
        testing.deliver(shuffle=1, faults=Faults(index_missing=2))
        assert letters(testing) == ["InvalidRequest"]
        assert testing.fields("housingViews/TOK") is None
        Room.new(doc_id="r", house_id="h", name="Hall", city="TOK").save()
        testing.deliver()
        assert (testing.fields("housingViews/TOK") or {})["rooms"] == ["Hall"]
        assert_views_equal_rebuild(testing)


def test_a_view_whose_index_was_missing_is_built_by_upkeep_without_any_event() -> None:
    with memory_app(app_of(HousingView)) as testing:
        City.new(doc_id="TOK", name="Tokyo").save()
        testing.deliver(shuffle=1, faults=Faults(index_missing=2))
        assert testing.upkeep() == {"built": 1}
        assert_views_equal_rebuild(testing)


def test_a_reference_that_no_query_takes_is_a_letter_and_the_view_is_owed() -> None:
    long = "i" * 1490
    with memory_app(app_of(CountryView)) as testing:
        put(testing, f"countries/{long}", name="Long")
        put(testing, "countries/JP", name="Japan")
        testing.deliver()
        assert letters(testing) == ["InvalidRequest"]
        owed = (ledger(testing, CountryView, f"countries/{long}") or {})["owed"]
        assert (owed["why"], owed["tries"]) == ("InvalidRequest", 0)
        assert testing.fields("countryViews/JP") is not None


FAILURES: dict[str, tuple[str, int, Permanent]] = {
    "the look-up is refused": ("read", 1, InvalidRequest("no")),
    "the read after the registration is refused": ("read", 2, InvalidRequest("no")),
    "the registration is refused": ("commit", 1, TooLarge("no")),
    "the commit is refused": ("commit", 2, TooLarge("no")),
    "a query is refused": ("query", 1, InvalidRequest("no")),
}


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("repair", ["event", "upkeep"])
def test_a_permanent_failure_before_the_first_build_leaves_tokens_that_find_the_view(failure: str, repair: str) -> None:
    kind, nth, error = FAILURES[failure]
    with memory_app(app_of(CountryView)) as testing:
        put(testing, "countries/JP", name="Japan")
        (created,) = testing.take()
        hooked = Hooked(testing.database).before(kind, nth, raises(error))  # type: ignore[arg-type]
        assert testing.handle(created, hooked).outcomes == {"dead letter": 1}
        assert (ledger(testing, CountryView, "countries/JP") or {})["owed"]["why"] == type(error).__name__
        City.new(doc_id="TOK", name="Tokyo", country="JP").save()
        if repair == "upkeep":
            testing.take()
            testing.upkeep()
        else:
            testing.deliver()
        assert (testing.fields("countryViews/JP") or {})["cities"] == ["Tokyo"]
        assert_views_equal_rebuild(testing)


@pytest.mark.parametrize("failure", FAILURES)
def test_a_later_permanent_failure_leaves_the_previous_view_and_tokens_that_find_it(failure: str) -> None:
    kind, nth, error = FAILURES[failure]
    nth = 1 if kind == "commit" else nth
    with memory_app(app_of(CountryView)) as testing:
        put(testing, "countries/JP", name="Japan")
        City.new(doc_id="TOK", name="Tokyo", country="JP").save()
        testing.deliver()
        before = ledger(testing, CountryView, "countries/JP") or {}
        put(testing, "countries/JP", name="Nippon", obj_type="Country")
        hooked = Hooked(testing.database).before(kind, nth, raises(error))  # type: ignore[arg-type]
        (changed,) = testing.take()
        report = testing.handle(changed, hooked)
        if "registration" in failure and kind == "read":
            assert report.outcomes == {"unchanged": 1}  # There is nothing to register.
            return
        after = ledger(testing, CountryView, "countries/JP") or {}
        assert report.outcomes == {"dead letter": 1}
        assert after["depends_on"] == before["depends_on"]
        assert (after["versions"], after["destinations"]) == (before["versions"], before["destinations"])
        assert after["owed"] is not None
        assert testing.handle(changed).outcomes == {"unchanged": 1}
        assert (ledger(testing, CountryView, "countries/JP") or {})["owed"] is None


def test_an_owed_view_is_never_covered() -> None:
    with memory_app(app_of(PlaceView)) as testing:
        put(testing, "countries/JP", name="Japan")
        put(testing, "cities/TOK", name="Tokyo")
        testing.deliver()
        put(testing, "countries/JP", name="Nippon")
        testing.deliver()
        put(testing, "cities/TOK", name="Edo")
        (changed,) = testing.take()
        testing.handle(changed)
        path = ledger_path("demo/PlaceView", Instance(PlaceView, "cities/TOK"))
        assert testing.handle(changed).outcomes == {"covered": 1}
        owed = {"since": to_datetime(0), "why": "GetterFailed", "tries": 1}
        testing.database.commit([Put(path, {"owed": owed}, mask=("owed",))])
        assert testing.handle(changed).outcomes == {"unchanged": 1}
        assert testing.handle(changed).outcomes == {"covered": 1}


def test_of_a_page_the_view_at_fault_is_owed_and_its_neighbours_are_built() -> None:
    with memory_app(app_of(PlaceView)) as testing:
        put(testing, "countries/JP", name="Japan")
        for city in ("TOK", "KYO", "OSA"):
            put(testing, f"cities/{city}", name=city, country=None)
            City.new(doc_id=city, name=city, country="JP").save()
        testing.deliver()
        put(testing, "cities/KYO", name=7)
        testing.take()
        put(testing, "countries/JP", name="Nippon")
        (report,) = testing.deliver()
        assert report.outcomes == {"built": 2, "dead letter": 1}
        assert (testing.fields("placeViews/KYO") or {})["place"] == "KYO, Japan"
        assert (ledger(testing, PlaceView, "cities/KYO") or {})["owed"]["why"] == "InvalidDocument"
        City.new(doc_id="KYO", name="Kyoto", country="JP").save()
        testing.take()
        assert testing.upkeep() == {"built": 1}
        assert_views_equal_rebuild(testing)


def test_a_failure_that_a_faster_builder_overtook_leaves_no_debt() -> None:
    with memory_app(app_of(CityView)) as testing:
        put(testing, "cities/TOK", name=7)
        testing.deliver()
        put(testing, "cities/TOK", name=8)
        (bad,) = testing.take()

        def repair() -> None:
            put(testing, "cities/TOK", name="Tokyo")
            (repaired,) = testing.take()
            testing.handle(repaired)

        report = testing.handle(bad, Hooked(testing.database).before("commit", 1, repair))
        assert report.outcomes == {"covered": 1}
        assert (ledger(testing, CityView, "cities/TOK") or {})["owed"] is None
        assert_views_equal_rebuild(testing)


def test_every_failure_of_upkeep_waits_longer_and_counts_in_one_letter() -> None:
    with memory_app(app_of(CityView)) as testing:
        put(testing, "cities/TOK", name=7)
        testing.deliver()
        assert testing.upkeep() == {"dead letter": 1}
        assert testing.upkeep() == {"dead letter": 1}
        found = ledger(testing, CityView, "cities/TOK") or {}
        assert found["owed"]["tries"] == 3  # the registration, the event, and upkeep twice
        (letter,) = testing.database.query(Query("boilerDeadLetters")).documents
        assert (letter.fields or {})["attempts"] == 3


def test_a_deletion_that_is_refused_for_good_withdraws_the_copies_and_owes_the_end_of_the_ledger() -> None:
    with memory_app(app_of(CountryView)) as testing:
        put(testing, "countries/JP", name="Japan")
        testing.deliver()
        testing.write("countries/JP", None)
        hooked = Hooked(testing.database).before("commit", 1, raises(InvalidRequest("no")))
        (deleted,) = testing.take()
        assert testing.handle(deleted, hooked).outcomes == {"withdrawn": 1, "dead letter": 1}
        assert testing.fields("countryViews/JP") is None
        assert testing.upkeep() == {"deleted": 1}
        assert testing.database.query(Query(COLLECTION)).documents == ()


def test_debts_of_another_app_and_of_a_dropped_view_are_left_alone() -> None:
    other = Boiler("other")
    other.query(CityView)
    with memory_app(app_of(CityView)) as testing:
        put(testing, "cities/TOK", name=7)
        testing.deliver()
        put(testing, "cities/TOK", name="Tokyo")
        testing.take()
        testing.deploy(other)
        assert testing.upkeep() == {}
        testing.deploy(app_of(PlaceView))
        assert testing.upkeep() == {}
        testing.deploy(app_of(CityView))
        assert testing.upkeep() == {"built": 1}


def test_a_torn_read_from_before_a_debt_does_not_pay_it() -> None:
    with memory_app(app_of(CityView)) as testing:
        put(testing, "cities/TOK", name="Tokyo")
        testing.deliver()
        before = testing.database.read(["cities/TOK"]).read_time
        put(testing, "cities/TOK", name=7)
        testing.deliver()
        assert (ledger(testing, CityView, "cities/TOK") or {})["owed"] is not None
        put(testing, "cities/TOK", name="Edo")
        (changed,) = testing.take()
        hooked = Hooked(testing.database).tear("cities/TOK", before)
        testing.handle(changed, hooked)
        assert_views_equal_rebuild(testing)


def test_a_torn_read_from_before_a_registration_does_not_stand_for_what_was_registered() -> None:
    with memory_app(app_of(PlaceView)) as testing:
        put(testing, "countries/JP", name="Japan")
        put(testing, "cities/TOK", name="Tokyo")
        testing.deliver()
        City.new(doc_id="TOK", name="Tokyo", country="JP").save()
        (related,) = testing.take()
        at = testing.database.read(["cities/TOK"]).read_time
        with pytest.raises(Crashed):
            testing.handle(related, Hooked(testing.database).before("read", 2, crash))
        put(testing, "countries/JP", name="Nippon")
        testing.take()  # It came before the registration, and found nobody.
        hooked = Hooked(testing.database).tear("countries/JP", at)
        testing.handle(related, hooked)
        assert_views_equal_rebuild(testing)
