"""What the tests of this folder share."""

from collections.abc import Mapping
from typing import Any

from boiler_functions import DomainModel, Store, ViewModel, attrs, reference, references
from boiler_functions.database import Put
from boiler_functions.database.memory import MemoryDatabase
from boiler_functions.database.metered import Metered
from boiler_functions.models.session import Snapshot, active
from boiler_functions.types import Reference
from boiler_functions.views.build import Instance, Reader
from boiler_functions.views.store import Resolution


class User(DomainModel):
    class Meta:
        collection_name = "users"

    name = attrs.string()
    boss = attrs.relation("User")
    reports = attrs.relation("User", many=True)


class Ticket(DomainModel):
    class Meta:
        collection_name = "tickets"

    user = attrs.relation(User)
    sponsor = attrs.relation(User)
    meeting = attrs.relation("Meeting")
    attendance = attrs.boolean()


class SeasonTicket(Ticket):
    season = attrs.string()


class Location(DomainModel):
    class Meta:
        collection_name = "locations"

    address = attrs.string()


class Meeting(DomainModel):
    class Meta:
        collection_name = "meetings"

    status = attrs.string()
    location = attrs.relation(Location)
    tickets = attrs.relation(Ticket, many=True)


class Note(DomainModel):
    class Meta:
        collection_name = "users/{user_id}/notes"

    about = attrs.relation(Meeting)
    tags = attrs.relation(Meeting, many=True)
    text = attrs.string()


class MeetingStore(Store):
    meeting = reference(Meeting)
    location = reference(Meeting.location)
    tickets = references(Meeting.tickets)
    users = references(Ticket.user)


def database_with(documents: Mapping[str, Mapping[str, Any]]) -> MemoryDatabase:
    database = MemoryDatabase()
    database.commit([Put(path, fields) for path, fields in documents.items()])
    return database


MEETING: dict[str, dict[str, Any]] = {
    "meetings/m": {
        "status": "open",
        "location": Reference("locations/l"),
        "tickets": [Reference("tickets/t2"), Reference("tickets/t1"), Reference("tickets/gone")],
    },
    "locations/l": {"address": "Gilman Drive"},
    "tickets/t1": {"user": Reference("users/b"), "meeting": Reference("meetings/m")},
    "tickets/t2": {"user": Reference("users/a"), "meeting": Reference("meetings/m")},
    "tickets/t3": {"user": Reference("users/gone"), "meeting": Reference("meetings/other")},
    "users/a": {"name": "Ada", "boss": Reference("users/c")},
    "users/b": {"name": "Bob"},
    "users/c": {"name": "Carl", "reports": [Reference("users/a"), Reference("users/a")]},
    "users/a/notes/n": {"about": Reference("meetings/m"), "text": "note"},
    "users/b/notes/o": {"tags": [Reference("meetings/m")], "text": "tagged"},
    "aaa/x/notes/foreign": {"about": Reference("meetings/m"), "text": "foreign"},
    "settings/main": {"theme": "dark"},
    "settings/a": {"theme": "light"},
}


class Fetched:
    """A Store, filled from a database as a build fills it."""

    def __init__(self, store: type[Store], root: str = "", documents: Mapping[str, Any] = MEETING) -> None:
        view: Any = type("TheView", (ViewModel,), {"store_class": store})
        self.metered = Metered(database_with(documents))
        self.reader = Reader(self.metered)
        instance = Instance(view, root)
        self.resolution: Resolution = self.reader.resolve([instance])[instance]
        self.session = Snapshot(self.reader.documents, "TheView", looked_up=self.resolution.looked_up)
        self.store: Any = store(self.resolution.paths, self.reader.documents, self.reader.time)

    def ids(self, name: str) -> list[str]:
        with active(self.session):
            return [model.doc_id for model in getattr(self.store, name)]

    def one(self, name: str) -> Any:
        with active(self.session):
            return getattr(self.store, name)
