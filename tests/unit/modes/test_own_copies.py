"""Copies that differ, in the modes beside Query: each reads, changes or reports the copy of one participant."""

from collections.abc import Iterator

import pytest

from boiler_functions import (
    Boiler,
    Changed,
    Copy,
    Store,
    ViewModel,
    access,
    attrs,
    children,
    matching,
    one_of,
    reference,
)
from boiler_functions.exceptions import InvalidAccess, InvalidReference
from boiler_functions.modes.dead_letter import COLLECTION as LETTERS
from boiler_functions.testing import MemoryApp, assert_views_equal_rebuild, http_client, memory_app
from tests.unit.modes.seats import Room, RoomCopy, RoomStore, Seat, app, begin, received, shown, sit


@pytest.fixture
def testing() -> Iterator[MemoryApp]:
    with memory_app(app) as memory:
        begin(memory)
        yield memory


@pytest.mark.parametrize("headers", [{}, {"Cache-Control": "no-cache"}], ids=["stored", "built now"])
def test_each_caller_reads_their_own_copy_over_http(testing: MemoryApp, headers: dict[str, str]) -> None:
    ada, eve = (http_client(testing, each).get("/rooms/r", headers=headers) for each in ("ada", "eve"))
    assert (ada.json or {})["unread"] == 0
    assert (eve.json or {})["unread"] == 3
    assert ada.headers["ETag"] != eve.headers["ETag"]
    (listed,) = (http_client(testing, "eve").get("/rooms", headers=headers).json or {})["results"]
    assert listed == eve.json


def test_the_etag_is_the_same_stored_and_built_now(testing: MemoryApp) -> None:
    client = http_client(testing, "eve")
    built = client.get("/rooms/r", headers={"Cache-Control": "no-cache"})
    assert client.get("/rooms/r").headers["ETag"] == built.headers["ETag"]


def test_who_has_no_copy_finds_no_view(testing: MemoryApp) -> None:
    assert http_client(testing, "bob").get("/rooms/r").status_code == 404
    assert http_client(testing, "root", admin=True).get("/rooms/r").status_code == 404
    assert (http_client(testing, "root", admin=True).get("/rooms").json or {})["results"] == []


def test_a_patch_changes_what_is_the_callers(testing: MemoryApp) -> None:
    client = http_client(testing, "eve")
    before = client.get("/rooms/r").headers["ETag"]
    answer = client.patch("/rooms/r", json={"nickname": "Evy"}, headers={"If-Match": before})
    assert (answer.status_code, (answer.json or {})["nickname"]) == (200, "Evy")
    testing.deliver()
    assert shown(testing, "eve")["nickname"] == "Evy"
    assert shown(testing, "ada")["nickname"] == "ada"
    assert client.get("/rooms/r").headers["ETag"] == answer.headers["ETag"]
    assert_views_equal_rebuild(testing)


def test_a_change_of_another_copy_leaves_the_condition_of_a_patch_true(testing: MemoryApp) -> None:
    eve, ada = http_client(testing, "eve"), http_client(testing, "ada")
    before = eve.get("/rooms/r").headers["ETag"]
    ada.patch("/rooms/r", json={"nickname": "Countess"})
    assert eve.patch("/rooms/r", json={"nickname": "Evy"}, headers={"If-Match": before}).status_code == 200
    assert eve.patch("/rooms/r", json={"nickname": "Eva"}, headers={"If-Match": before}).status_code == 412


def test_an_operation_works_on_the_callers_copy(testing: MemoryApp) -> None:
    assert (http_client(testing, "eve").post("/rooms/r:readAll").json or {})["unread"] == 0
    assert http_client(testing, "bob").post("/rooms/r:readAll").status_code == 404


def test_a_new_root_has_no_copy_yet_for_its_setters(testing: MemoryApp) -> None:
    answer = http_client(testing, "eve").put("/rooms/new", json={"nickname": "Evy"})
    assert answer.status_code == 422
    assert "There is no Seat for whom users/eve/rooms/new could be." in (answer.json or {})["message"]


def test_a_mutation_beside_a_copy_changes_what_that_copy_is_for(testing: MemoryApp) -> None:
    seen = shown(testing, "eve")["doc_version"]
    sit("ada", unread=9)
    testing.deliver()
    form = "users/eve/rooms/r/_PATCH_RoomView/1"
    testing.write(form, {"nickname": "Evy", "if_version": seen})
    testing.deliver()
    assert (testing.fields(form) or {})["outcome"]["status"] == "done"
    assert shown(testing, "eve")["nickname"] == "Evy"
    testing.write("users/eve/rooms/r/_PATCH_RoomView/2", {"nickname": "Eva", "if_version": seen})
    testing.deliver()
    assert (testing.fields("users/eve/rooms/r/_PATCH_RoomView/2") or {})["outcome"]["status"] == "rejected"
    assert_views_equal_rebuild(testing)


def test_a_receiver_has_the_change_of_each_copy_that_changed(testing: MemoryApp) -> None:
    sit("eve", unread=0)
    testing.deliver()
    assert received == [("users/eve/rooms/r", 3, 0)]
    received.clear()
    sit("bob", unread=2)
    testing.deliver()
    testing.write("rooms/r/seats/bob", None)
    testing.deliver()
    assert received == [("users/bob/rooms/r", None, 2), ("users/bob/rooms/r", 2, None)]


def test_a_receiver_has_the_end_of_every_copy_of_a_root_that_is_gone(testing: MemoryApp) -> None:
    testing.write("rooms/r", None)
    testing.deliver()
    assert sorted(received) == [("users/ada/rooms/r", 0, None), ("users/eve/rooms/r", 3, None)]


def test_a_receiver_has_the_end_of_a_copy_that_is_withdrawn_while_the_view_cannot_be_built(testing: MemoryApp) -> None:
    testing.write("rooms/r", {"title": 7})
    testing.deliver()
    testing.write("rooms/r/seats/eve", None)
    testing.deliver()
    assert received == [("users/eve/rooms/r", 3, None)]
    assert shown(testing, "eve") is None
    Room.new(doc_id="r", title="Standup").save()
    testing.deliver()
    assert received == [("users/eve/rooms/r", 3, None)]
    assert_views_equal_rebuild(testing)


def test_copies_that_a_ledger_cannot_keep_for_a_receiver_become_a_dead_letter_that_says_so() -> None:
    own = Boiler("much")

    @own.query
    class Much(ViewModel[RoomStore, RoomCopy]):
        class Meta:
            path = "users/{seats.doc_id}/much/{room.doc_id}"

        @attrs.computed
        def text(self) -> str:
            return self.copy.seats.doc_id * self.copy.seats.unread

    heard: list[Changed[Much]] = []

    @own.on_change(Much)
    def hear(change: Changed[Much]) -> None:
        heard.append(change)

    with memory_app(own) as testing:
        Room.new(doc_id="r", title="Standup").save()
        for uid in "ab":
            sit(uid, unread=600_000)
        testing.deliver()
        (letter,) = [each.fields or {} for each in testing.documents().values() if each.collection == LETTERS]
        assert "For `@app.on_change` its ledger keeps all of them" in letter["message"]
        sit("b", unread=1)
        testing.deliver()
        assert_views_equal_rebuild(testing)
        assert [each.copies for each in heard] == [("users/a/much/r",), ("users/b/much/r",)]


def test_a_holder_of_a_claim_who_takes_part_lists_what_is_theirs(testing: MemoryApp) -> None:
    results = (http_client(testing, "eve", admin=True).get("/rooms").json or {})["results"]
    assert [each["unread"] for each in results] == [3]


def test_a_task_has_no_copy_to_ask_for() -> None:
    own = Boiler("forms")

    @own.task("users/{user_id}/forms/{doc_id}", writes=[Seat])
    class Form(ViewModel[RoomStore, RoomCopy]):
        text = attrs.string()

        def propagate_change(self) -> None:
            pass

    with pytest.raises(
        InvalidReference, match=r"@app.task of Form has no copies, and the getters of Form .* \(RoomCopy\)"
    ):
        _ = own.compiled


class AllStore(Store):
    people = matching(Room.all())


class AllCopy(Copy):
    people = one_of(AllStore.people)


@pytest.mark.parametrize("mode", ["rest", "websocket"])
def test_a_mode_with_callers_must_know_which_copy_is_theirs(mode: str) -> None:
    own = Boiler("unknown")

    @getattr(own, mode)("/views")
    class Unknown(ViewModel[RoomStore, RoomCopy]):
        class Meta:
            path = "users/{seats.doc_id}/unknown/{room.doc_id}"
            read = access.signed_in

        @attrs.computed
        def unread(self) -> int:
            return self.copy.seats.unread

    with pytest.raises(InvalidAccess, match=r"fills \{seats.doc_id\} in its path, so it is not known which copy is"):
        _ = own.compiled


def test_a_view_of_copies_that_differ_follows_those_that_it_reads_alone() -> None:
    own = Boiler("chained")

    @own.query
    class Unread(ViewModel[RoomStore, RoomCopy]):
        class Meta:
            path = "users/{seats.doc_id}/unread/{room.doc_id}"

        @attrs.computed
        def number(self) -> int:
            return self.copy.seats.unread

    class AlarmStore(Store):
        unread = matching(Unread.where(Unread.number > 0))

    class AlarmCopy(Copy):
        unread = one_of(AlarmStore.unread)

    @own.query
    class Alarm(ViewModel[AlarmStore, AlarmCopy]):
        class Meta:
            path = "alarms/{unread.seats_id}/of/{unread.doc_id}"

        @attrs.computed
        def number(self) -> int:
            return self.copy.unread.number

    with memory_app(own) as testing:
        Room.new(doc_id="r", title="Standup").save()
        sit("ada", unread=1)
        sit("eve", unread=3)
        testing.deliver()
        sit("eve", unread=4)
        assert [report.usage.writes for report in testing.deliver()] == [2, 2]
        assert [(testing.fields(f"alarms/{uid}/of/r") or {})["number"] for uid in ("ada", "eve")] == [1, 4]
        assert_views_equal_rebuild(testing)


def test_a_participant_whose_document_does_not_fit_is_left_out_if_the_view_says_so() -> None:
    own = Boiler("skipping")

    class SkippingStore(Store):
        room = reference(Room)
        seats = children(Seat, on_invalid="skip")

    class SkippingCopy(Copy):
        seats = one_of(SkippingStore.seats)

    @own.query
    class Skipping(ViewModel[SkippingStore, SkippingCopy]):
        class Meta:
            path = "users/{seats.doc_id}/skipping/{room.doc_id}"

        @attrs.computed
        def unread(self) -> int:
            return self.copy.seats.unread

    with memory_app(own) as testing:
        Room.new(doc_id="r", title="Standup").save()
        sit("ada", unread=1)
        testing.write("rooms/r/seats/eve", {"unread": "many"})
        testing.deliver()
        assert (testing.fields("users/ada/skipping/r") or {})["unread"] == 1
        assert testing.fields("users/eve/skipping/r") is None
        sit("eve", unread=2)
        testing.deliver()
        assert (testing.fields("users/eve/skipping/r") or {})["unread"] == 2
        assert_views_equal_rebuild(testing)


def test_a_view_without_a_root_may_have_a_copy_for_each_document() -> None:
    own = Boiler("rootless")

    @own.query
    class Board(ViewModel[AllStore, AllCopy]):
        class Meta:
            path = "rooms/{people.doc_id}/boards/main"

        @attrs.computed
        def others(self) -> list[str]:
            return [each.doc_id for each in self.store.people if each is not self.copy.people]

    with memory_app(own) as testing:
        for each in ("a", "b"):
            Room.new(doc_id=each, title=each).save()
        testing.deliver()
        assert (testing.fields("rooms/a/boards/main") or {})["others"] == ["b"]
        assert_views_equal_rebuild(testing)
