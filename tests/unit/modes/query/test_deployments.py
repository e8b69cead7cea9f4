"""Changes of code are part of the protocol: a stored view is rebuilt, left to newer code, or held, but never lost."""

from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from boiler_functions import Boiler, DomainModel, Store, ViewModel, attrs, matching, reference, references, referrers
from boiler_functions.database import Database, Put, Query, Reading, Select
from boiler_functions.exceptions import InvalidRequest
from boiler_functions.modes.invocation import Outcome, Surroundings
from boiler_functions.modes.ledger import COLLECTION
from boiler_functions.modes.query.rebuild_all import RebuildAll
from boiler_functions.modes.release import ROLL_OUT
from boiler_functions.testing import Delivery, MemoryApp, VirtualClock, assert_views_equal_rebuild, memory_app
from boiler_functions.types import Instant, Reference
from tests.unit.modes.cities import City, app_of, put
from tests.unit.modes.hooked import Hooked


class PlaceStore(Store):
    city = reference(City)
    country = reference(City.country)


class TwinPlaceStore(Store):
    city = reference(City)
    country = reference(City.country)
    twin = reference(City.twin, via=city)


def place(schema: int = 1, says: str = "", store: Any = PlaceStore) -> Boiler:
    """An edition of one view: its schema_version, its content, and its fetch plan."""

    class PlaceView(ViewModel[store]):
        class Meta:
            path = "places/{city.doc_id}"
            schema_version = schema

        @attrs.computed
        def place(self) -> str:
            twin = getattr(self.store, "twin", None)
            store: Any = self.store
            names = [each.name for each in (store.city, store.country, twin) if each]
            return f"{says}{', '.join(names)}"

    return app_of(PlaceView)


def capitals(*, wanted: bool) -> Boiler:
    """A view of a country's cities that are a capital, or of those that are not."""

    class Cities(Store):
        home = reference(City, doc_id="HOME")
        found = matching(City.capital == wanted)

    class CitiesView(ViewModel[Cities]):
        class Meta:
            path = "lists/cities"

        @attrs.computed
        def names(self) -> list[str]:
            return [city.name for city in self.store.found]

    return app_of(CitiesView)


def tokyo(testing: MemoryApp) -> None:
    put(testing, "countries/JP", name="Japan")
    City.new(doc_id="TOK", name="Tokyo", country="JP", twin="KYO").save()
    City.new(doc_id="KYO", name="Kyoto").save()
    testing.deliver()


def said(testing: MemoryApp, city: str = "TOK") -> Any:
    return (testing.fields(f"places/{city}") or {}).get("place")


def rename(testing: MemoryApp, name: str) -> None:
    put(testing, "countries/JP", name=name)


def letters(testing: MemoryApp) -> list[dict[str, Any]]:
    return [dict(each.fields or {}) for each in testing.database.query(Query("boilerDeadLetters")).documents]


def test_a_source_that_new_code_adds_reaches_the_views_of_old_code_by_upkeep() -> None:
    with memory_app(place()) as testing:
        tokyo(testing)
        testing.deploy(place(store=TwinPlaceStore))
        City.new(doc_id="KYO", name="Kyo").save()
        testing.deliver()
        testing.upkeep()
        assert said(testing) == "Tokyo, Japan, Kyo"
        assert_views_equal_rebuild(testing)
        assert testing.upkeep() == {}


def test_another_condition_reaches_the_views_of_old_code_by_upkeep() -> None:
    with memory_app(capitals(wanted=True)) as testing:
        City.new(doc_id="TOK", name="Tokyo", capital=True).save()
        City.new(doc_id="KYO", name="Kyoto", capital=False).save()
        testing.deliver()
        testing.deploy(capitals(wanted=False))
        assert testing.upkeep() == {"built": 1}
        assert (testing.fields("lists/cities") or {})["names"] == ["Kyoto"]


def only(testing: MemoryApp) -> Delivery:
    (delivery,) = testing.take()
    return delivery


def by_the_code_of(delivery: Delivery, other: Delivery) -> Delivery:
    """The event, as the code that the other one goes to handles it."""
    return replace(delivery, function=other.function, release=other.release)


def test_any_event_that_finds_a_view_of_another_fetch_plan_builds_it() -> None:
    with memory_app(place()) as testing:
        tokyo(testing)
        rename(testing, "Nippon")
        event = only(testing)
        testing.handle(event)
        assert testing.handle(event).outcomes == {"covered": 1}
        testing.pending = [event]
        testing.deploy(place(store=TwinPlaceStore))
        assert testing.handle(only(testing)).outcomes == {"built": 1}
        assert said(testing) == "Tokyo, Nippon, Kyoto"


def test_views_of_other_code_with_the_same_plan_are_covered_and_rebuilt_when_woken() -> None:
    with memory_app(place()) as testing:
        tokyo(testing)
        testing.deploy(place(says="in "))
        assert testing.upkeep() == {}
        assert said(testing) == "Tokyo, Japan"
        rename(testing, "Nippon")
        testing.deliver()
        assert (said(testing), said(testing, "KYO")) == ("in Tokyo, Nippon", "Kyoto")


CHANGES: list[dict[str, Any]] = [{"schema": 2}, {"says": "new: "}, {"store": TwinPlaceStore}]


@pytest.mark.parametrize("change", CHANGES)
def test_old_code_beside_new_leaves_its_views_alone_and_the_debt_brings_them_up_to_date(change: Any) -> None:
    with memory_app(place()) as testing:
        tokyo(testing)
        rename(testing, "Nippon")
        old = only(testing)
        testing.deploy(place(**change))
        rename(testing, "Nihon")
        testing.deliver()
        by_new = said(testing)
        rename(testing, "Yamato")
        late = by_the_code_of(only(testing), old)
        assert testing.handle(old).outcomes == {"covered": 1}
        assert testing.handle(late).outcomes == {"left to newer code": 1}
        assert testing.handle(late).outcomes == {"left to newer code": 1}
        assert said(testing) == by_new
        testing.upkeep()
        assert said(testing) == by_new.replace("Nihon", "Yamato")


def test_the_debt_that_old_code_leaves_stops_a_newer_builder_that_had_read_before_the_event() -> None:
    with memory_app(place()) as testing:
        tokyo(testing)
        rename(testing, "Nippon")
        old = only(testing)
        testing.deploy(place(says="new: "))
        rename(testing, "Nihon")
        testing.deliver()
        for name in ("first", "second"):
            # The debt stands already at the second: a write that equals it would stop nobody.
            City.new(doc_id="TOK", name=f"Tokyo the {name}", country="JP").save()
            slow = only(testing)

            def overtake() -> None:
                rename(testing, f"Land {name}")  # noqa: B023
                testing.handle(by_the_code_of(only(testing), old))

            testing.handle(slow, Hooked(testing.database).before("commit", 1, overtake))
            assert said(testing) == f"new: Tokyo the {name}, Land {name}"


def test_what_old_code_could_not_find_during_the_roll_out_is_built_once_it_is_over() -> None:
    with memory_app(place()) as testing:
        tokyo(testing)
        functions, release = testing.compiled.functions, testing.release
        testing.deploy(place(store=TwinPlaceStore))
        rename(testing, "Nihon")
        testing.deliver()
        assert said(testing) == "Tokyo, Nihon, Kyoto"
        City.new(doc_id="KYO", name="Kyo").save()
        event = only(testing)
        # To the code before, a twin is nothing that a view could depend on.
        old = replace(event, function=functions[event.function.entry_point], release=release)
        assert testing.handle(old).outcomes == {"built": 1}
        assert testing.upkeep() == {"built": 1, "unchanged": 1}
        assert said(testing) == "Tokyo, Nihon, Kyo"
        assert_views_equal_rebuild(testing)
        assert testing.upkeep() == {}


def test_what_a_builder_reads_before_the_end_of_the_roll_out_and_builds_after_it_is_built_once_more() -> None:
    clock = VirtualClock()
    with memory_app(place(), Surroundings(clock.now, clock.sleep, Random(0))) as testing:
        tokyo(testing)
        functions, release = testing.compiled.functions, testing.release
        testing.deploy(place(store=TwinPlaceStore))
        rename(testing, "Nihon")
        slow = only(testing)

        def ends() -> None:
            City.new(doc_id="KYO", name="Kyo").save()
            event = only(testing)
            testing.handle(replace(event, function=functions[event.function.entry_point], release=release))
            clock.sleep(ROLL_OUT.total_seconds() + 1)

        # After the registrations: of the twin, and of the field that leads there.
        testing.handle(slow, Hooked(testing.database).after("read", 4, ends))
        assert said(testing) == "Tokyo, Nihon, Kyoto"
        testing.upkeep()
        assert said(testing) == "Tokyo, Nihon, Kyo"
        assert_views_equal_rebuild(testing)


def test_a_view_that_is_to_be_built_once_more_is_covered_meanwhile_as_any_other() -> None:
    with memory_app(place()) as testing:
        testing.deploy(place(says="in "))
        tokyo(testing)
        rename(testing, "Nippon")
        event = only(testing)
        testing.handle(event)
        assert testing.handle(event).outcomes == {"covered": 1}


def test_old_code_on_a_page_builds_the_neighbours_of_a_view_that_newer_code_built() -> None:
    with memory_app(place()) as testing:
        tokyo(testing)
        City.new(doc_id="OSA", name="Osaka", country="JP").save()
        testing.deliver()
        rename(testing, "Nippon")
        old = only(testing)
        testing.deploy(place(schema=2, says="new: "))
        City.new(doc_id="TOK", name="Edo", country="JP").save()
        testing.deliver()
        assert testing.handle(old).outcomes == {"covered": 1, "built": 1}
        assert (said(testing), said(testing, "OSA")) == ("new: Edo, Nippon", "Osaka, Nippon")


@pytest.mark.parametrize("change", CHANGES)
def test_a_rollback_is_a_later_deployment_of_older_code_and_rebuilds(change: Any) -> None:
    with memory_app(place()) as testing:
        tokyo(testing)
        testing.deploy(place(**change))
        rename(testing, "Nippon")
        testing.deliver()
        testing.deploy(place())
        rename(testing, "Nihon")
        testing.deliver()
        testing.upkeep()
        assert said(testing) == "Tokyo, Nihon"
        assert_views_equal_rebuild(testing)


def test_a_rollback_without_numbers_of_deployments_refuses_nothing_and_a_build_by_hand_brings_it_about() -> None:
    with memory_app(place(schema=2)) as testing:
        tokyo(testing)
        rename(testing, "Nippon")
        new = only(testing)
        old = place().compiled.functions[new.function.entry_point]
        unknown = testing.surroundings
        report = old.handle(new.change, testing.database, unknown)
        assert report.outcomes == {"left to newer code": 1}
        (view,) = place(says="old: ").compiled.declarations.stored
        steps = list(RebuildAll("demo", view, testing.database).run())
        assert [step.outcomes for step in steps] == [{"built": 2}]
        assert said(testing) == "old: Tokyo, Nippon"


def test_a_raised_schema_version_rebuilds_every_view_by_upkeep() -> None:
    with memory_app(place()) as testing:
        tokyo(testing)
        testing.deploy(place(schema=2, says="new: "))
        assert testing.upkeep() == {"built": 2}
        assert said(testing) == "new: Tokyo, Japan"


# Withdrawal


class User(DomainModel):
    class Meta:
        collection_name = "users"

    name = attrs.string(required=True)


class Seat(DomainModel):
    class Meta:
        collection_name = "seats"

    meeting = attrs.relation("Meeting")
    held_for = attrs.relation("Meeting")
    user = attrs.relation(User)


class Meeting(DomainModel):
    class Meta:
        collection_name = "meetings"

    title = attrs.string(required=True)


def seated(relation: Any) -> Boiler:
    """A view with a copy for each user whom this relation gives a seat."""

    class Seats(Store):
        meeting = reference(Meeting)
        seats = referrers(relation)
        users = references(Seat.user)

    class SeatView(ViewModel[Seats]):
        class Meta:
            path = "users/{users.doc_id}/seats/{meeting.doc_id}"

        @attrs.computed
        def title(self) -> str:
            return self.store.meeting.title

    return app_of(SeatView)


@pytest.fixture
def renamed() -> Iterator[MemoryApp]:
    """A meeting of two, whose seats new code looks for by a relation that no document has."""
    with memory_app(seated(Seat.meeting)) as testing:
        for user in ("ada", "bob"):
            User.new(doc_id=user, name=user).save()
            Seat.new(doc_id=user, user=user, meeting="m").save()
        Meeting.new(doc_id="m", title="Monday").save()
        testing.deliver()
        assert copies(testing) == ["users/ada/seats/m", "users/bob/seats/m"]
        testing.deploy(seated(Seat.held_for))
        yield testing


def copies(testing: MemoryApp) -> list[str]:
    return sorted(path for path in testing.documents() if path.startswith("users/") and "/seats/" in path)


def build_by_hand(testing: MemoryApp, *, withdraw: bool = False) -> Counter[Outcome]:
    (view,) = testing.compiled.declarations.stored
    work = RebuildAll("demo", view, testing.database, withdraw=withdraw)
    return sum((step.outcomes for step in work.run()), start=Counter[Outcome]())


@pytest.mark.parametrize("by", ["event", "upkeep", "build"])
def test_new_code_that_would_withdraw_every_copy_keeps_them_and_says_how_to_confirm(
    renamed: MemoryApp, by: str
) -> None:
    if by == "event":
        Meeting.new(doc_id="m", title="Tuesday").save()
        renamed.deliver()
    elif by == "upkeep":
        assert renamed.upkeep() == {"dead letter": 1}
    else:
        assert build_by_hand(renamed) == {"dead letter": 1}
    assert copies(renamed) == ["users/ada/seats/m", "users/bob/seats/m"]
    (letter,) = letters(renamed)
    assert letter["code"] == "BF513"
    assert "withdraw every copy of SeatView of meetings/m (2, the first is users/ada/seats/m)" in letter["message"]
    assert "`boiler build SeatView --withdraw`" in letter["message"]


@pytest.mark.parametrize("taken", ["one after the other", "all at once", "with those who sat there"])
@pytest.mark.parametrize("upkeep_first", [True, False])
def test_a_change_of_data_that_takes_the_last_right_away_takes_effect_under_new_code(
    taken: str, upkeep_first: bool
) -> None:
    with memory_app(seated(Seat.meeting)) as testing:
        for user in ("ada", "bob"):
            User.new(doc_id=user, name=user).save()
            Seat.new(doc_id=user, user=user, meeting="m", held_for="m").save()
        Meeting.new(doc_id="m", title="Monday").save()
        testing.deliver()
        testing.deploy(seated(Seat.held_for))
        for user in ("ada", "bob"):
            if taken == "with those who sat there":
                testing.write(f"users/{user}", None)
            testing.write(f"seats/{user}", None)
            if taken == "one after the other":
                testing.deliver(duplicates=1)
        for step in (testing.upkeep, testing.deliver)[:: 1 if upkeep_first else -1]:
            step()
        assert copies(testing) == []
        assert letters(testing) == []


def test_an_owner_who_is_removed_loses_the_copy_under_new_code() -> None:
    with memory_app(owned_by(attrs.string())) as testing:
        testing.write("notes/n", {"owner": "ada", "ownerId": "ada"})
        testing.deliver()
        testing.deploy(owned_by(attrs.string(data_key="ownerId")))
        testing.write("notes/n", {})
        testing.deliver(duplicates=1)
        assert testing.fields("users/ada/notes/n") is None
        assert letters(testing) == []


@pytest.mark.parametrize("step", ["event", "upkeep"])
@pytest.mark.parametrize("end", ["changed", "deleted", "changed twice"])
def test_a_right_that_an_event_without_images_takes_away_ends_under_new_code(step: str, end: str) -> None:
    with memory_app(seated(Seat.meeting)) as testing:
        User.new(doc_id="ada", name="Ada").save()
        Seat.new(doc_id="ada", user="ada", meeting="m", held_for="m").save()
        Meeting.new(doc_id="m", title="Monday").save()
        testing.deliver()
        testing.deploy(seated(Seat.held_for))
        testing.write("seats/ada", None if end == "deleted" else {"meeting": Reference("meetings/m")})
        if end == "changed twice":
            testing.write("seats/ada", {"meeting": Reference("meetings/m"), "user": Reference("users/ada")})
        if step == "upkeep":
            testing.take()
            testing.upkeep()
        for each in testing.take():
            testing.handle(each.without_images())
        assert copies(testing) == []
        assert letters(testing) == []


def test_a_right_that_two_changes_together_take_away_ends_under_new_code() -> None:
    """The former state of either document alone would give no copy."""
    with memory_app(filed(reviewed=False)) as testing:
        testing.write("folders/private", {"owner": "ada"})
        testing.write("folders/lost", {"owner": ""})
        testing.write("pages/p", {"folder": Reference("folders/private")})
        testing.deliver()
        assert testing.fields("users/ada/pages/p")
        testing.deploy(filed(reviewed=True))
        moved = Put("pages/p", {"folder": Reference("folders/lost")})
        testing.database.commit([moved, Put("folders/private", {"owner": ""})])
        testing.deliver(duplicates=1)
        assert testing.fields("users/ada/pages/p") is None
        assert letters(testing) == []


def filed(*, reviewed: bool) -> Boiler:
    """A view that is stored for the owner of its root's folder; newer code reads a reviewer, too."""

    class Folder(DomainModel):
        class Meta:
            collection_name = "folders"

        owner = attrs.string()

    class Page(DomainModel):
        class Meta:
            collection_name = "pages"

        folder = attrs.relation(Folder)
        reviewer = attrs.relation(User)

    class Pages(Store):
        page = reference(Page)
        folder = reference(Page.folder)
        if reviewed:
            reviewer = reference(Page.reviewer)

    class PageView(ViewModel[Pages]):
        class Meta:
            path = "users/{folder.owner}/pages/{page.doc_id}"

        @attrs.computed
        def title(self) -> str:
            return "a page"

    return app_of(PageView)


class Forgetful(Hooked):
    """A database that no longer knows the times before it was made, as Firestore after an hour."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._since = database.read(["nothing/now"]).read_time

    def read(self, paths: Collection[str], *, at: Instant | None = None, select: Select = None) -> Reading:
        if at is not None and at < self._since:
            raise InvalidRequest("The requested snapshot version is too old.")
        return super().read(paths, at=at, select=select)


def test_a_change_whose_time_the_database_no_longer_knows_is_held() -> None:
    with memory_app(seated(Seat.meeting)) as testing:
        User.new(doc_id="ada", name="Ada").save()
        Seat.new(doc_id="ada", user="ada", meeting="m", held_for="m").save()
        Meeting.new(doc_id="m", title="Monday").save()
        testing.deliver()
        testing.deploy(seated(Seat.held_for))
        testing.write("seats/ada", {"meeting": Reference("meetings/m")})
        testing.write("cities/TOK", {})
        for each in testing.take():
            testing.handle(each.without_images(), Forgetful(testing.database))
        assert copies(testing) == ["users/ada/seats/m"]
        assert [each["code"] for each in letters(testing)] == ["BF513"]


def nobody(_: Any) -> str:
    return ""


def owned_by(attribute: Any) -> Boiler:
    """A view that is stored for the owner of its root, whom an attribute names."""

    class Note(DomainModel):
        class Meta:
            collection_name = "notes"

        owner = attribute

    class Notes(Store):
        note = reference(Note)

    class NoteView(ViewModel[Notes]):
        class Meta:
            path = "users/{note.owner}/notes/{note.doc_id}"

        @attrs.computed
        def title(self) -> str:
            return "a note"

    return app_of(NoteView)


@pytest.mark.parametrize(
    "owner",
    [
        pytest.param(lambda: attrs.string(data_key="ownerId"), id="the field is renamed"),
        pytest.param(lambda: attrs.computed(nobody), id="it is computed"),
    ],
)
def test_another_attribute_of_the_same_name_in_the_path_withdraws_nothing(owner: Callable[[], Any]) -> None:
    with memory_app(owned_by(attrs.string())) as testing:
        testing.write("notes/n", {"owner": "ada"})
        testing.deliver()
        testing.deploy(owned_by(owner()))
        testing.write("notes/n", {"owner": "ada", "text": "new"})
        testing.deliver()
        assert testing.fields("users/ada/notes/n")
        assert [each["code"] for each in letters(testing)] == ["BF513"]


def test_a_ledger_of_an_earlier_version_of_the_package_lets_no_copy_go_unasked_either(renamed: MemoryApp) -> None:
    for ledger in renamed.database.query(Query(COLLECTION)).documents:
        later = ("plan", "code", "deployment", "owed", "due")
        renamed.write(ledger.path, {name: each for name, each in (ledger.fields or {}).items() if name not in later})
    Meeting.new(doc_id="m", title="Tuesday").save()
    renamed.deliver()
    assert copies(renamed) == ["users/ada/seats/m", "users/bob/seats/m"]
    assert [each["code"] for each in letters(renamed)] == ["BF513"]


def test_a_withdrawal_that_is_confirmed_takes_place(renamed: MemoryApp) -> None:
    assert renamed.upkeep() == {"dead letter": 1}
    assert build_by_hand(renamed, withdraw=True) == {"built": 1}
    assert copies(renamed) == []
    assert_views_equal_rebuild(renamed)


def test_copies_that_are_held_follow_the_data_once_it_is_migrated(renamed: MemoryApp) -> None:
    renamed.upkeep()
    Seat.new(doc_id="bob", user="bob", held_for="m").save()
    renamed.deliver()
    assert copies(renamed) == ["users/bob/seats/m"]
    assert_views_equal_rebuild(renamed)


def test_copies_that_are_held_go_with_their_root(renamed: MemoryApp) -> None:
    renamed.upkeep()
    renamed.write("meetings/m", None)
    renamed.deliver()
    assert copies(renamed) == []
    assert renamed.database.query(Query(COLLECTION)).documents == ()


def test_under_one_fetch_plan_the_last_copy_is_withdrawn_at_once() -> None:
    with memory_app(seated(Seat.meeting)) as testing:
        User.new(doc_id="ada", name="Ada").save()
        Seat.new(doc_id="ada", user="ada", meeting="m").save()
        Meeting.new(doc_id="m", title="Monday").save()
        testing.deliver()
        testing.write("seats/ada", None)
        testing.deliver()
        assert copies(testing) == []
        assert letters(testing) == []


def moved(collection: str) -> Boiler:
    """The same view over a root collection of another name."""

    class Town(DomainModel):
        class Meta:
            collection_name = collection

        name = attrs.string(required=True)

    class TownStore(Store):
        town = reference(Town)

    class TownView(ViewModel[TownStore]):
        class Meta:
            path = "townViews/{town.doc_id}"

        @attrs.computed
        def name(self) -> str:
            return self.store.town.name

    return app_of(TownView)


@pytest.mark.parametrize("by", ["upkeep", "build"])
def test_a_root_collection_that_moved_is_held_while_the_old_documents_stand_and_ends_with_them(by: str) -> None:
    build: Callable[[MemoryApp], object] = build_by_hand if by == "build" else MemoryApp.upkeep
    with memory_app(moved("towns")) as testing:
        put(testing, "towns/a", name="A")
        testing.deliver()
        testing.deploy(moved("places"))
        build(testing)
        assert testing.fields("townViews/a") is not None
        assert [letter["code"] for letter in letters(testing)] == ["BF513"]
        put(testing, "places/a", name="Moved")
        testing.write("towns/a", None)
        testing.deliver()
        build(testing)
        build_by_hand(testing)
        assert (testing.fields("townViews/a") or {})["name"] == "Moved"
        assert len(testing.database.query(Query(COLLECTION)).documents) == 1


@pytest.mark.parametrize("root_is_back_first", [True, False])
def test_the_end_of_a_root_that_moved_leaves_the_copy_of_the_one_in_its_place(root_is_back_first: bool) -> None:
    with memory_app(moved("towns")) as testing:
        put(testing, "towns/a", name="A")
        testing.deliver()
        testing.deploy(moved("places"))
        if root_is_back_first:
            put(testing, "places/a", name="A")
            testing.deliver()
        testing.upkeep()
        testing.write("towns/a", None)
        put(testing, "places/a", name="A")
        testing.deliver()
        testing.upkeep()
        assert testing.fields("townViews/a") is not None
        assert_views_equal_rebuild(testing)


def exchanged(first: str, second: str) -> Boiler:
    """Two views of cities, stored in collections of these names."""

    class Names(ViewModel[PlaceStore]):
        class Meta:
            path = f"{first}/{{city.doc_id}}"

        @attrs.computed
        def name(self) -> str:
            return self.store.city.name

    class Lengths(ViewModel[PlaceStore]):
        class Meta:
            path = f"{second}/{{city.doc_id}}"

        @attrs.computed
        def length(self) -> int:
            return len(self.store.city.name)

    return app_of(Names, Lengths)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("first", "second"), [("b", "a"), ("new", "a"), ("b", "new")])
def test_a_view_that_takes_the_path_of_another_keeps_its_copies(first: str, second: str, seed: int) -> None:
    with memory_app(exchanged("a", "b")) as testing:
        put(testing, "cities/x", name="Xanten")
        testing.deliver()
        testing.deploy(exchanged(first, second))
        if seed % 2:
            put(testing, "cities/x", name="Xanten", extra=1)
        testing.deliver(shuffle=seed, duplicates=1)
        testing.upkeep()
        assert_views_equal_rebuild(testing)


@pytest.mark.parametrize(
    ("says", "outcome"), [({}, "built"), ({"says": "new: "}, "left to newer code")], ids=("same code", "other code")
)
def test_a_former_revision_follows_changes_if_it_builds_as_the_later_deployment_does_and_only_then(
    says: dict[str, Any], outcome: str
) -> None:
    with memory_app(place()) as testing:
        tokyo(testing)
        rename(testing, "Nippon")
        former = only(testing)
        testing.deploy(place(**says))
        rename(testing, "Nihon")
        testing.deliver()
        rename(testing, "Yamato")
        assert testing.handle(by_the_code_of(only(testing), former)).outcomes == {outcome: 1}
