"""A view that cannot be built, or is large, harms no other."""

import logging
from typing import Any

import pytest

from boiler_functions import DomainModel, Store, ViewModel, attrs, reference, references
from boiler_functions.testing import MemoryApp, assert_views_equal_rebuild, memory_app
from boiler_functions.types import Reference
from tests.unit.modes.cities import (
    City,
    CityStore,
    CityView,
    Country,
    Meeting,
    PlaceView,
    Ticket,
    User,
    app_of,
    put,
)
from tests.unit.modes.hooked import Hooked
from tests.unit.modes.query.scenes import changed, meeting, only, place, tokyo


class SortedStore(Store):
    meeting = reference(Meeting)
    tickets = references(Meeting.tickets)
    users = references(Ticket.user)


class InitialView(ViewModel[SortedStore]):
    """Its getter raises for a user without a name."""

    class Meta:
        path = "initials/{meeting.doc_id}"

    @attrs.computed
    def initials(self) -> list[str]:
        return [user.name[0] for user in self.store.users]


def dead_letters(testing: MemoryApp) -> list[dict[str, Any]]:
    found = testing.documents().values()
    return [dict(each.fields or {}) for each in found if each.collection == "boilerDeadLetters"]


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "boiler_functions")


def test_a_failing_getter_is_dead_lettered_with_code_view_and_source_and_leaves_the_view() -> None:
    with memory_app(app_of(InitialView)) as testing:
        meeting(testing, "ab")
        changed(User, "a", name="")
        (report,) = testing.deliver()
        assert report.outcomes == {"dead letter": 1}
        (letter,) = dead_letters(testing)
        assert (letter["code"], letter["view"], letter["source"]) == ("BF505", "InitialView", "users/a")
        assert letter["subject"] == "meetings/m"
        assert "InitialView.initials raised IndexError" in letter["message"]
        assert (testing.fields("initials/m") or {})["initials"] == ["A", "B"]
        changed(User, "a", name="Ann")
        testing.deliver()
        assert (testing.fields("initials/m") or {})["initials"] == ["A", "B"]
        assert_views_equal_rebuild(testing)


def test_a_stored_document_that_does_not_fit_is_dead_lettered_and_its_repair_builds_the_view() -> None:
    with memory_app(app_of(PlaceView)) as testing:
        City.new(doc_id="TOK", name="Tokyo", country="JP").save()
        testing.deliver()
        put(testing, "countries/JP", name=7)
        testing.deliver()
        (letter,) = dead_letters(testing)
        assert (letter["code"], letter["reason"], letter["source"]) == ("BF501", "InvalidDocument", "countries/JP")
        assert "countries/JP does not fit Country" in letter["message"]
        put(testing, "countries/JP", name="Japan")
        testing.deliver()
        assert place(testing) == "Tokyo, Japan"


@pytest.mark.parametrize("stored", [True, False])
def test_the_repair_of_a_failing_new_dependency_alone_brings_the_view_up_to_date(stored: bool) -> None:
    """A build that fails has registered what it read."""
    with memory_app(app_of(PlaceView)) as testing:
        put(testing, "countries/BAD", name=7)
        if stored:
            tokyo(testing)
            changed(City, "TOK", country="BAD")
        else:
            City.new(doc_id="TOK", name="Tokyo", country="BAD").save()
        testing.deliver()
        assert place(testing) == ("Tokyo, Japan" if stored else None)
        put(testing, "countries/BAD", name="Good")
        testing.deliver()
        assert place(testing) == "Tokyo, Good"
        assert_views_equal_rebuild(testing)


def test_a_poisoned_view_does_not_touch_the_others_of_its_page() -> None:
    with memory_app(app_of(PlaceView)) as testing:
        tokyo(testing)
        put(testing, "cities/BAD", name=None, country=Reference("countries/JP"))
        for number in range(5):
            City.new(doc_id=f"C{number}", name="City", country="JP").save()
        testing.deliver()
        changed(Country, "JP", name="Nippon")
        (report,) = testing.deliver()
        assert report.outcomes == {"built": 6, "dead letter": 1}
        assert place(testing, "C3") == "City, Nippon"
        assert len(dead_letters(testing)) == 1


def test_a_view_that_fails_again_counts_in_its_one_dead_letter() -> None:
    with memory_app(app_of(CityView)) as testing:
        put(testing, "cities/BAD", name=7)
        testing.deliver(duplicates=2)
        (letter,) = dead_letters(testing)
        assert letter["attempts"] == 3
        assert letter["first_time"] <= letter["last_time"]


def test_a_getter_that_reads_the_database_is_dead_lettered_as_impure() -> None:
    class ImpureView(ViewModel[CityStore]):
        class Meta:
            path = "impure/{city.doc_id}"

        @attrs.computed
        def country(self) -> str:
            found = Country.get("JP")
            return found.name if found else ""

    with memory_app(app_of(ImpureView)) as testing:
        City.new(doc_id="TOK", name="Tokyo").save()
        testing.deliver()
        (letter,) = dead_letters(testing)
        assert (letter["code"], letter["reason"]) == ("BF506", "ImpureGetter")


class LongView(ViewModel[CityStore]):
    """As many kilobytes as the city has inhabitants."""

    class Meta:
        path = "longViews/{city.doc_id}"

    @attrs.computed
    def text(self) -> str:
        return "x" * 1000 * (self.store.city.population or 0)


class CrowdStore(Store):
    city = reference(City)
    country = reference(City.country)


class CrowdView(ViewModel[CrowdStore]):
    """As many kilobytes as its country's name says."""

    class Meta:
        path = "crowdViews/{city.doc_id}"

    @attrs.computed
    def text(self) -> str:
        return "x" * 1000 * int(self.store.country.name if self.store.country else 0)


def test_a_view_over_one_mebibyte_is_dead_lettered_and_the_previous_one_stays() -> None:
    with memory_app(app_of(LongView)) as testing:
        City.new(doc_id="TOK", name="Tokyo", population=1).save()
        testing.deliver()
        changed(City, "TOK", population=1100)
        testing.deliver()
        (letter,) = dead_letters(testing)
        assert (letter["code"], letter["reason"]) == ("BF504", "TooLarge")
        assert len((testing.fields("longViews/TOK") or {})["text"]) == 1000
        changed(City, "TOK", population=2)
        testing.deliver()
        assert_views_equal_rebuild(testing)


def test_a_page_that_is_larger_than_a_commit_is_committed_in_parts() -> None:
    with memory_app(app_of(CrowdView)) as testing:
        Country.new(doc_id="JP", name="1").save()
        for number in range(10):
            City.new(doc_id=f"C{number}", name="City", country="JP").save()
        testing.deliver()
        changed(Country, "JP", name="900")
        hooked = Hooked(testing.database)
        assert testing.handle(only(testing), hooked).outcomes == {"built": 10}
        assert hooked.calls["commit"] == 4
        assert_views_equal_rebuild(testing)


def test_one_view_that_is_too_large_does_not_touch_the_others_of_its_page() -> None:
    class SumView(ViewModel[CrowdStore]):
        class Meta:
            path = "sumViews/{city.doc_id}"

        @attrs.computed
        def text(self) -> str:
            country = self.store.country
            return "x" * 1000 * (int(country.name if country else 0) + (self.store.city.population or 0))

    with memory_app(app_of(SumView)) as testing:
        Country.new(doc_id="JP", name="1").save()
        for number in range(3):
            City.new(doc_id=f"C{number}", name="City", country="JP", population=number * 500).save()
        testing.deliver()
        changed(Country, "JP", name="100")
        (report,) = testing.deliver()
        assert report.outcomes == {"built": 2, "dead letter": 1}
        assert_views_equal_rebuild(testing)


class Group(DomainModel):
    class Meta:
        collection_name = "groups"

    country = attrs.relation(Country)
    members = attrs.relation(City, many=True)


class GroupStore(Store):
    group = reference(Group)
    country = reference(Group.country)
    members = references(Group.members)


class GroupView(ViewModel[GroupStore]):
    class Meta:
        path = "groupViews/{group.doc_id}"

    @attrs.computed
    def country(self) -> str:
        return self.store.country.name if self.store.country else ""


def test_a_view_whose_dependencies_no_plain_ledger_could_list_is_built_with_the_others_of_its_page() -> None:
    """Old and new dependencies together exceed the size of a document, at the registration already."""
    with memory_app(app_of(GroupView)) as testing:
        Country.new(doc_id="JP", name="Japan").save()
        Group.new(doc_id="a", country="JP", members=[f"a{number:04}".ljust(1400, "x") for number in range(725)]).save()
        Group.new(doc_id="b", country="JP").save()
        testing.deliver()
        changed(Group, "a", members=[f"b{number:04}".ljust(1400, "x") for number in range(725)])
        testing.take()
        changed(Country, "JP", name="Nippon")
        testing.deliver()
        assert dead_letters(testing) == []
        assert [(testing.fields(f"groupViews/{group}") or {})["country"] for group in "ab"] == ["Nippon", "Nippon"]
