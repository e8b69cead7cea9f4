"""What the tests of this folder share."""

from typing import Any

from boiler_functions import DomainModel, Rejected, Store, ViewModel, attrs, reference, references
from boiler_functions.database import Put
from boiler_functions.database.memory import MemoryDatabase
from boiler_functions.types import Reference
from boiler_functions.views.build import Instance, Reader, build


class User(DomainModel):
    class Meta:
        collection_name = "users"

    name = attrs.string(required=True)
    email = attrs.string()
    age = attrs.integer()


class Ticket(DomainModel):
    class Meta:
        collection_name = "tickets"

    user = attrs.relation(User)
    attendance = attrs.boolean()


class Meeting(DomainModel):
    class Meta:
        collection_name = "meetings"

    status = attrs.string(required=True)
    slug = attrs.string()
    owner = attrs.relation(User)
    tickets = attrs.relation(Ticket, many=True)


class MeetingStore(Store):
    meeting = reference(Meeting)
    tickets = references(Meeting.tickets)
    users = references(Ticket.user)


class MeetingSession(ViewModel[MeetingStore]):
    class Meta:
        path = "users/{users.doc_id}/meetingSessions/{meeting.doc_id}"

    @attrs.computed
    def in_session(self) -> bool:
        return self.store.meeting.status == "in-session"

    @in_session.setter
    def set_in_session(self, value: bool) -> None:
        if value == self.in_session:
            raise Rejected(f"the meeting is already {self.store.meeting.status}")
        self.store.meeting.status = "in-session" if value else "closed"

    @attrs.computed
    def attending(self) -> list[str]:
        return sorted(ticket.user.name for ticket in self.store.tickets if ticket.attendance and ticket.user)


DOCUMENTS: dict[str, dict[str, Any]] = {
    "meetings/m": {"status": "in-session", "tickets": [Reference("tickets/t1"), Reference("tickets/t2")]},
    "tickets/t1": {"user": Reference("users/a"), "attendance": True},
    "tickets/t2": {"user": Reference("users/b"), "attendance": True},
    "users/a": {"name": "Ada"},
    "users/b": {"name": "Bob"},
}


def database_with(documents: dict[str, dict[str, Any]]) -> MemoryDatabase:
    database = MemoryDatabase()
    database.commit([Put(path, fields) for path, fields in documents.items()])
    return database


def built(view: type[ViewModel[Any]], root: str, documents: dict[str, dict[str, Any]]) -> Any:
    reader = Reader(database_with(documents))
    instance = Instance(view, root)
    return build(instance, reader, reader.resolve([instance])[instance], "app")


def bare(view: type[ViewModel[Any]]) -> Any:
    return view.of(None, {})
