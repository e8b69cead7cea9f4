"""A room whose participants have a seat each: a view whose copies differ, in every mode that knows copies."""

from typing import Any

from boiler_functions import (
    Boiler,
    Changed,
    Copy,
    DomainModel,
    HttpSettings,
    Rejected,
    Store,
    ViewModel,
    access,
    attrs,
    children,
    one_of,
    operation,
    reference,
)
from boiler_functions.testing import MemoryApp


class User(DomainModel):
    class Meta:
        collection_name = "users"

    name = attrs.string(required=True)


class Room(DomainModel):
    class Meta:
        collection_name = "rooms"

    title = attrs.string(required=True)
    owner = attrs.relation(User)
    users = attrs.relation(User, many=True)


class Seat(DomainModel):
    class Meta:
        collection_name = "rooms/{room_id}/seats"

    unread = attrs.integer(default=0)
    nickname = attrs.string()
    role = attrs.string(default="guest")


class RoomStore(Store):
    room = reference(Room)
    seats = children(Seat)


class RoomCopy(Copy):
    seats = one_of(RoomStore.seats)


app = Boiler("seats", http=HttpSettings(rate=None))
received: list[tuple[str, Any, Any]] = []


@app.query
@app.rest("/rooms", create=True)
@app.websocket("/rooms")
@app.document(writes=[Seat])
class RoomView(ViewModel[RoomStore, RoomCopy]):
    class Meta:
        path = "users/{seats.doc_id}/rooms/{room.doc_id}"
        read = access.owner("seats.doc_id") | access.claim("admin")
        write = access.owner("seats.doc_id")
        versioned = True

    @attrs.computed
    def title(self) -> str:
        return self.store.room.title

    @attrs.computed
    def unread(self) -> int:
        return self.copy.seats.unread

    @attrs.computed
    def nickname(self) -> str:
        return self.copy.seats.nickname or self.copy.seats.doc_id

    @nickname.setter
    def set_nickname(self, value: str) -> None:
        if value == self.store.room.title:
            raise Rejected("That is the room.")
        self.copy.seats.nickname = value

    @operation
    def read_all(self) -> None:
        self.copy.seats.unread = 0


@app.on_change(RoomView)
def hear(change: Changed[RoomView]) -> None:
    before, after = (each and each.unread for each in (change.before, change.after))
    assert len(change.copies) == 1
    received.append((change.copies[0], before, after))


def sit(uid: str, unread: int = 0, room: str = "r", role: str = "guest") -> None:
    Seat.new(room_id=room, doc_id=uid, unread=unread, role=role).save()


def begin(testing: MemoryApp) -> None:
    """Stores a room in which ada has read all, and eve has not; nothing of it counts as received."""
    Room.new(doc_id="r", title="Standup").save()
    sit("ada")
    sit("eve", unread=3)
    testing.deliver()
    received.clear()


def shown(testing: MemoryApp, uid: str) -> Any:
    return testing.fields(f"users/{uid}/rooms/r")
