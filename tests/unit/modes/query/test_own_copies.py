"""Copies that differ: a getter asks for whom the copy is, and a copy is written only when its own content changed."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest

from boiler_functions import (
    Boiler,
    Copy,
    HttpSettings,
    Store,
    ViewModel,
    access,
    attrs,
    matching,
    one_of,
    reference,
    references,
)
from boiler_functions.exceptions import InvalidPattern, InvalidReference
from boiler_functions.modes.ledger import COLLECTION
from boiler_functions.testing import MemoryApp, assert_views_equal_rebuild, memory_app
from tests.unit.modes.hooked import Hooked
from tests.unit.modes.seats import Room, RoomCopy, RoomStore, User, shown, sit

app = Boiler("rooms", http=HttpSettings(rate=None))
asked: list[str] = []


@app.query
class RoomView(ViewModel[RoomStore, RoomCopy]):
    class Meta:
        path = "users/{seats.doc_id}/rooms/{room.doc_id}"
        read = access.owner("seats.doc_id")
        versioned = True

    @attrs.computed
    def title(self) -> str:
        asked.append("title")
        return self.store.room.title

    @attrs.computed
    def unread(self) -> int:
        return self.copy.seats.unread

    @attrs.computed
    def everybody(self) -> list[str]:
        return [each.doc_id for each in self.store.seats] if self.copy.seats.role == "host" else []


@contextmanager
def seated() -> Iterator[MemoryApp]:
    """Yields the app with a room in which ada is the host, and eve has not read all."""
    with memory_app(app) as memory:
        Room.new(doc_id="r", title="Standup").save()
        sit("ada", role="host")
        sit("eve", unread=3)
        memory.deliver()
        asked.clear()
        yield memory


@pytest.fixture
def testing() -> Iterator[MemoryApp]:
    with seated() as memory:
        yield memory


def ledger(testing: MemoryApp) -> Any:
    return next(each.fields for each in testing.documents().values() if each.collection == COLLECTION)


def writes(testing: MemoryApp) -> list[int]:
    """Returns how many documents each event wrote."""
    return [report.usage.writes for report in testing.deliver()]


def test_each_participant_sees_what_is_theirs(testing: MemoryApp) -> None:
    assert (shown(testing, "ada")["unread"], shown(testing, "ada")["everybody"]) == (0, ["ada", "eve"])
    assert (shown(testing, "eve")["unread"], shown(testing, "eve")["everybody"]) == (3, [])
    assert shown(testing, "ada")["title"] == shown(testing, "eve")["title"] == "Standup"
    assert_views_equal_rebuild(testing)


def test_a_change_that_one_copy_shows_writes_that_copy_and_the_ledger() -> None:
    with seated() as testing:
        before = [shown(testing, uid)["doc_version"] for uid in ("ada", "eve")]
        sit("eve", unread=0)
        assert writes(testing) == [2]
        assert shown(testing, "eve")["unread"] == 0
        after = [shown(testing, uid)["doc_version"] for uid in ("ada", "eve")]
        assert [one == other for one, other in zip(before, after, strict=True)] == [True, False]
        assert_views_equal_rebuild(testing)


def test_a_change_that_all_copies_show_writes_all(testing: MemoryApp) -> None:
    Room.new(doc_id="r", title="Retro").save()
    assert writes(testing) == [3]
    assert shown(testing, "ada")["title"] == shown(testing, "eve")["title"] == "Retro"


def test_a_getter_that_does_not_ask_is_worked_out_once(testing: MemoryApp) -> None:
    sit("eve", unread=0)
    testing.deliver()
    assert asked == ["title"]


def test_who_joins_gets_a_copy_and_who_leaves_loses_it(testing: MemoryApp) -> None:
    sit("bob", unread=5)
    # The ledger is registered first; eve's copy stays as it is.
    assert writes(testing) == [3]
    assert shown(testing, "bob")["unread"] == 5
    assert shown(testing, "ada")["everybody"] == ["ada", "bob", "eve"]
    testing.write("rooms/r/seats/bob", None)
    testing.deliver()
    assert shown(testing, "bob") is None
    sit("bob", unread=5)
    testing.deliver()
    assert shown(testing, "bob")["unread"] == 5
    assert_views_equal_rebuild(testing)


def test_the_ledger_has_a_digest_for_each_destination_only_if_copies_differ(testing: MemoryApp) -> None:
    assert len(ledger(testing)["digests"]) == 2
    assert len({*ledger(testing)["digests"]}) == 2


def test_a_getter_that_catches_everything_still_counts_as_asking() -> None:
    own = Boiler("catching")

    @own.query
    class Catching(ViewModel[RoomStore, RoomCopy]):
        class Meta:
            path = "users/{seats.doc_id}/catching/{room.doc_id}"

        @attrs.computed
        def unread(self) -> int:
            try:
                return self.copy.seats.unread
            except BaseException:  # as careless user code does
                return -1

        @attrs.computed
        def title(self) -> str:
            return self.store.room.title

    with memory_app(own) as testing:
        Room.new(doc_id="r", title="Standup").save()
        sit("eve", unread=3)
        testing.deliver()
        assert (testing.fields("users/eve/catching/r") or {})["unread"] == 3
        assert_views_equal_rebuild(testing)


class UserStore(Store):
    room = reference(Room)
    owner = reference(Room.owner)
    users = references(Room.users)
    people = matching(User.all())


def test_one_of_takes_a_reference_to_many() -> None:
    with pytest.raises(InvalidReference, match=r"one_of\(owner\): give a reference to many"):
        one_of(UserStore.owner)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def test_a_copy_says_for_whom_it_is() -> None:
    with pytest.raises(InvalidReference, match=r"Nobody does not say for whom a copy is; add `users = one_of"):

        class Nobody(Copy):
            pass


def test_a_copy_is_for_one_of_a_reference_of_the_views_own_store() -> None:
    with pytest.raises(InvalidReference, match=r"RoomCopy.seats is one of a reference that UserStore does not have"):

        class Foreign(ViewModel[UserStore, RoomCopy]):
            class Meta:
                path = "users/{users.doc_id}/foreign/{room.doc_id}"


class UserCopy(Copy):
    users = one_of(UserStore.users)


@pytest.mark.parametrize("path", ["rooms/{room.doc_id}", "users/{users.name}/rooms/{room.doc_id}"])
def test_each_copy_is_for_exactly_one_document(path: str) -> None:
    def declare() -> None:
        named = path

        class Single(ViewModel[UserStore, UserCopy]):
            class Meta:
                path = named

    with pytest.raises(InvalidPattern, match=r"does not have a copy for each of them; add \{users.doc_id\}"):
        declare()


def test_a_view_that_asks_without_saying_who_fails_by_name() -> None:
    own = Boiler("asking")

    @own.query
    class Asking(ViewModel[RoomStore]):
        class Meta:
            path = "users/{seats.doc_id}/asking/{room.doc_id}"

        @attrs.computed
        def unread(self) -> int:
            return self.copy.seats.unread  # type: ignore[attr-defined,no-any-return]  # pyright: ignore

    with memory_app(own) as testing:
        Room.new(doc_id="r", title="Standup").save()
        sit("eve", unread=3)
        testing.deliver()
        (letter,) = [each.fields for each in testing.documents().values() if each.collection == "boilerDeadLetters"]
        assert letter is not None
        assert "Asking asks for whom a copy is, and does not say who that could be" in str(letter)


def test_a_commit_in_parts_that_ends_early_leaves_no_digest_of_a_copy_that_it_wrote() -> None:
    own = Boiler("large")

    @own.query
    class Large(ViewModel[RoomStore, RoomCopy]):
        class Meta:
            path = "users/{seats.doc_id}/large/{room.doc_id}"

        @attrs.computed
        def title(self) -> str:
            return self.store.room.title

        @attrs.computed
        def text(self) -> str:
            return self.copy.seats.doc_id * 900_000

    def ended(*_: object) -> None:
        raise KeyboardInterrupt

    with memory_app(own) as testing:
        Room.new(doc_id="r", title="before").save()
        for uid in "abcde":
            sit(uid)
        testing.deliver()
        Room.new(doc_id="r", title="after").save()
        (event,) = testing.take()
        with pytest.raises(KeyboardInterrupt):
            testing.handle(event, Hooked(testing.database).after("commit", 1, ended))
        titles = {(testing.fields(f"users/{uid}/large/r") or {})["title"] for uid in "abcde"}
        assert titles == {"before", "after"}
        Room.new(doc_id="r", title="before").save()
        testing.deliver()
        assert_views_equal_rebuild(testing)


def test_who_leaves_a_quiet_view_and_returns_within_its_period_has_a_copy_after_it() -> None:
    own = Boiler("quiet")

    @own.query(at_most_every=timedelta(seconds=10))
    class Quiet(ViewModel[RoomStore, RoomCopy]):
        class Meta:
            path = "users/{seats.doc_id}/quiet/{room.doc_id}"

        @attrs.computed
        def unread(self) -> int:
            return self.copy.seats.unread

    with memory_app(own) as testing:
        Room.new(doc_id="r", title="Standup").save()
        sit("ada")
        sit("eve", unread=3)
        testing.deliver()
        testing.advance(seconds=20)
        sit("ada", unread=1)
        testing.deliver()
        testing.write("rooms/r/seats/eve", None)
        testing.deliver()
        assert testing.fields("users/eve/quiet/r") is None
        sit("eve", unread=3)
        testing.deliver()
        testing.advance(seconds=20)
        assert (testing.fields("users/eve/quiet/r") or {})["unread"] == 3
        assert_views_equal_rebuild(testing)
