"""Access is decided before content: a user who loses the right to a copy loses it even if the view cannot be built."""

from collections.abc import Iterator
from typing import Any

import pytest

from boiler_functions import (
    Boiler,
    DomainModel,
    HttpSettings,
    Store,
    ViewModel,
    access,
    attrs,
    reference,
    references,
    referrers,
)
from boiler_functions.database.metered import Metered
from boiler_functions.modes.invocation import Invocation
from boiler_functions.modes.ledger import ledger_path
from boiler_functions.modes.query.rebuild import Rebuild
from boiler_functions.modes.query.rebuild_all import RebuildAll
from boiler_functions.testing import MemoryApp, assert_views_equal_rebuild, http_client, memory_app
from boiler_functions.types import Reference
from boiler_functions.views.build import Instance
from tests.unit.modes.cities import put
from tests.unit.modes.hooked import Hooked


class User(DomainModel):
    class Meta:
        collection_name = "users"

    name = attrs.string(required=True)


class Plan(DomainModel):
    class Meta:
        collection_name = "plans"

    title = attrs.string(required=True)


class Room(DomainModel):
    class Meta:
        collection_name = "rooms"

    title = attrs.string(required=True)
    owner = attrs.string()
    plan = attrs.relation(Plan)
    members = attrs.relation(User, many=True)


class Seat(DomainModel):
    class Meta:
        collection_name = "seats"

    room = attrs.relation(Room)
    user = attrs.string()
    number = attrs.integer()


class RoomStore(Store):
    room = reference(Room)
    plan = reference(Room.plan)
    seats = referrers(Seat.room)
    members = references(Room.members)


class Content(ViewModel[RoomStore]):
    @attrs.computed
    def title(self) -> str:
        plan = self.store.plan
        return f"{self.store.room.title}: {plan.title if plan else 'none'}"

    @title.setter
    def set_title(self, value: str) -> None:
        self.store.room.title = value


class Owned(Content):
    class Meta:
        path = "users/{room.owner}/rooms/{room.doc_id}"
        read = access.owner("room.owner")


class Shared(Content):
    class Meta:
        path = "users/{members.doc_id}/shared/{room.doc_id}"
        read = write = access.owner("members.doc_id")


class Seated(Content):
    class Meta:
        path = "users/{seats.user}/seated/{room.doc_id}"
        read = access.owner("seats.user")


@pytest.fixture
def testing() -> Iterator[MemoryApp]:
    app = Boiler("demo", http=HttpSettings(rate=None))
    for view in (Owned, Shared, Seated):
        app.query(view)
        app.rest(f"/{view.__name__.lower()}")(view)
    app.document()(Shared)
    with memory_app(app) as memory:
        put(memory, "users/ada", name="Ada")
        put(memory, "users/bob", name="Bob")
        put(memory, "plans/p", title="Paris")
        room(memory)
        seat(memory, "one", user="ada")
        seat(memory, "two", user="bob")
        memory.deliver()
        assert_views_equal_rebuild(memory)
        assert copies(memory) == {
            "users/ada/rooms/r": "Trip: Paris",
            **{f"users/{user}/{kind}/r": "Trip: Paris" for user in ("ada", "bob") for kind in ("shared", "seated")},
        }
        yield memory
        memory.deliver()
        assert_views_equal_rebuild(memory)


def room(testing: MemoryApp, **fields: object) -> None:
    members = [Reference("users/ada"), Reference("users/bob")]
    put(
        testing,
        "rooms/r",
        **{"title": "Trip", "owner": "ada", "plan": Reference("plans/p"), "members": members, **fields},
    )


def seat(testing: MemoryApp, seat: str, **fields: object) -> None:
    put(testing, f"seats/{seat}", **{"room": Reference("rooms/r"), "number": 1, **fields})


def copies(testing: MemoryApp, kind: str = "") -> dict[str, Any]:
    """The title of every copy by its path."""
    return {
        path: (each.fields or {})["title"]
        for path, each in testing.documents().items()
        if path.count("/") == 3 and path.startswith("users/") and kind in path
    }


def letters(testing: MemoryApp) -> dict[str, str]:
    """The message of each dead letter by its view."""
    found = [each.fields or {} for path, each in testing.documents().items() if path.startswith("boilerDeadLetters")]
    return {fields["view"]: fields["message"] for fields in found}


def break_plan(testing: MemoryApp) -> None:
    """No content can be built from now on."""
    put(testing, "plans/p", title=5)
    testing.deliver()
    assert letters(testing).keys() == {"Owned", "Shared", "Seated"}


@pytest.mark.parametrize("nobody", [None, ""])
def test_a_missing_owner_has_no_copy_and_that_is_not_an_error(testing: MemoryApp, nobody: str | None) -> None:
    room(testing, owner=nobody)
    testing.deliver()
    assert copies(testing, "rooms") == {}
    assert letters(testing) == {}
    room(testing, owner="bob")
    testing.deliver()
    assert copies(testing, "rooms") == {"users/bob/rooms/r": "Trip: Paris"}


IMPOSSIBLE = [".", "..", "__x__", "a/b", "x" * 1501, " ada", "a\nb"]


@pytest.mark.parametrize("nobody", IMPOSSIBLE)
def test_an_owner_whose_id_no_path_can_contain_has_no_copy_but_a_letter(testing: MemoryApp, nobody: str) -> None:
    room(testing, owner=nobody)
    testing.deliver()
    assert copies(testing, "rooms") == {}
    assert letters(testing)["Owned"].startswith("Owned has no copy for {room.owner} of rooms/r.")


@pytest.mark.parametrize("nobody", [None, "", *IMPOSSIBLE])
def test_one_owner_of_many_whose_id_no_path_can_contain_leaves_the_other_copies_right(
    testing: MemoryApp, nobody: str | None
) -> None:
    seat(testing, "two", user=nobody)
    put(testing, "plans/p", title="Pisa")
    testing.deliver()
    assert copies(testing, "seated") == {"users/ada/seated/r": "Trip: Pisa"}


def test_a_member_who_is_removed_while_a_source_is_broken_loses_the_copy_and_the_others_keep_theirs(
    testing: MemoryApp,
) -> None:
    break_plan(testing)
    room(testing, members=[Reference("users/bob")])
    seat(testing, "one", user=None)
    testing.deliver()
    assert copies(testing, "shared") == {"users/bob/shared/r": "Trip: Paris"}
    assert copies(testing, "seated") == {"users/bob/seated/r": "Trip: Paris"}
    put(testing, "plans/p", title="Pisa")
    testing.deliver()
    assert copies(testing, "shared") == {"users/bob/shared/r": "Trip: Pisa"}


def test_a_member_who_is_removed_and_returns_while_a_source_is_broken_has_a_copy_once_it_is_repaired(
    testing: MemoryApp,
) -> None:
    break_plan(testing)
    for members in ([], [Reference("users/ada")]):
        room(testing, members=members)
        testing.deliver()
        assert copies(testing, "shared") == {}
    put(testing, "plans/p", title="Paris")
    testing.deliver()
    assert copies(testing, "shared") == {"users/ada/shared/r": "Trip: Paris"}


def test_a_new_owner_gets_no_copy_of_content_that_cannot_be_built_and_the_former_one_loses_theirs(
    testing: MemoryApp,
) -> None:
    break_plan(testing)
    room(testing, owner="bob")
    testing.deliver()
    assert copies(testing, "rooms") == {}
    put(testing, "plans/p", title="Pisa")
    testing.deliver()
    assert copies(testing, "rooms") == {"users/bob/rooms/r": "Trip: Pisa"}


def test_a_root_that_does_not_fit_still_names_its_owner(testing: MemoryApp) -> None:
    room(testing, title=5)
    testing.deliver()
    assert copies(testing, "rooms") == {"users/ada/rooms/r": "Trip: Paris"}
    room(testing, title=5, owner="bob")
    testing.deliver()
    assert copies(testing, "rooms") == {}


def test_a_root_whose_owner_does_not_fit_confirms_nobody(testing: MemoryApp) -> None:
    room(testing, owner=5)
    testing.deliver()
    assert copies(testing, "rooms") == {}


def test_a_seat_whose_user_does_not_fit_is_not_confirmed_and_the_others_copies_are_right(testing: MemoryApp) -> None:
    put(testing, "users/ada", name=5)  # Nobody reads the name, so Ada keeps her copy.
    seat(testing, "two", user=7, number="first")
    put(testing, "plans/p", title="Pisa")
    testing.deliver()
    assert copies(testing, "shared") == {f"users/{user}/shared/r": "Trip: Pisa" for user in ("ada", "bob")}
    assert copies(testing, "seated") == {"users/ada/seated/r": "Trip: Pisa"}
    assert letters(testing).keys() == {"Seated"}
    assert "seats/two does not fit Seat: user" in letters(testing)["Seated"]


def test_content_that_no_document_can_hold_keeps_no_copy_from_being_withdrawn(testing: MemoryApp) -> None:
    room(testing, title="x" * 1_040_000, members=[Reference("users/bob")])
    put(testing, "plans/p", title="y" * 20_000)
    testing.deliver()
    assert copies(testing, "shared") == {"users/bob/shared/r": "Trip: Paris"}
    assert letters(testing).keys() == {"Owned", "Shared", "Seated"}


def test_a_view_that_is_built_by_hand_while_a_source_is_broken_withdraws_too(testing: MemoryApp) -> None:
    break_plan(testing)
    room(testing, members=[])
    testing.take()
    rebuild_all(testing, Shared)
    assert copies(testing, "shared") == {}


def rebuild_all(testing: MemoryApp, view: type[ViewModel[Any]]) -> None:
    for _ in RebuildAll("demo", view, testing.database, testing.surroundings).run():
        pass


def test_a_withdrawal_keeps_the_ledger_as_it_was_so_that_the_event_is_not_taken_for_covered(testing: MemoryApp) -> None:
    break_plan(testing)
    path = ledger_path("demo/Shared", Instance(Shared, "rooms/r"))
    before = dict(testing.fields(path) or {})
    room(testing, members=[])
    testing.deliver()
    after = dict(testing.fields(path) or {})
    assert after["destinations"] == []
    kept = before.keys() - {"destinations", "owed", "due"}
    assert {name: after[name] for name in kept} == {name: before[name] for name in kept}


def test_a_user_who_lost_the_right_is_not_served_and_changes_nothing_while_a_source_is_broken(
    testing: MemoryApp,
) -> None:
    break_plan(testing)
    room(testing, owner="bob", members=[Reference("users/bob")])
    seat(testing, "one", user="")
    testing.deliver()
    ada = http_client(testing, "ada")
    for kind in ("owned", "shared", "seated"):
        assert ada.get(f"/{kind}/r").status_code == 404
        assert ada.get(f"/{kind}").json == {"results": []}
    assert ada.patch("/shared/r", json={"title": "Mine"}).status_code == 404
    put(testing, "users/ada/shared/r/_PATCH_Shared/one", title="Mine")
    testing.deliver()
    assert (testing.fields("rooms/r") or {})["title"] == "Trip"
    outcome = (testing.fields("users/ada/shared/r/_PATCH_Shared/one") or {})["outcome"]
    assert (outcome["status"], outcome["reason"]) == ("rejected", "There is no Shared at users/ada/shared/r.")


def test_a_member_whose_document_does_not_fit_does_not_break_the_requests_of_others(testing: MemoryApp) -> None:
    put(testing, "users/ada", name=5)
    testing.deliver()
    bob, ada = http_client(testing, "bob"), http_client(testing, "ada")
    shown = bob.get("/shared/r", headers={"Cache-Control": "no-cache"}).json or {}
    assert shown["title"] == "Trip: Paris"
    assert bob.patch("/shared/r", json={"title": "Tour"}).status_code == 200
    assert ada.get("/shared/r").status_code == 200  # Nobody reads her name.


def test_a_torn_read_after_a_withdrawal_gives_nothing_back(testing: MemoryApp) -> None:
    """The ledger is read as the failed build left it, and the root beside it from before: with the former owner."""
    break_plan(testing)
    old = testing.database.read(["rooms/r"]).read_time
    room(testing, owner="bob")
    testing.deliver()
    put(testing, "plans/p", title="Pisa")
    waiting = testing.take()
    torn = Hooked(testing.database).tear("rooms/r", old)
    invocation = Invocation("demo", "by_hand", Metered(torn), testing.surroundings)
    Rebuild(invocation, (Owned,)).rebuild([Instance(Owned, "rooms/r")])
    assert copies(testing, "rooms") == {"users/bob/rooms/r": "Trip: Pisa"}
    testing.pending += waiting
