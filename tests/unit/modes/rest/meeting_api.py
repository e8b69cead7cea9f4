"""A small meeting room over HTTP, on the memory database."""

import json
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from marshmallow import validate

from boiler_functions import (
    Boiler,
    DomainModel,
    GeoPoint,
    Rejected,
    Store,
    ViewModel,
    access,
    attrs,
    reference,
    references,
    use,
)
from boiler_functions.database import (
    Committed,
    Delete,
    Verified,
    Write,
)
from boiler_functions.database.memory import MemoryDatabase
from boiler_functions.database.metered import Metered
from boiler_functions.exceptions import BoilerError
from boiler_functions.models.session import current
from boiler_functions.modes.invocation import Surroundings
from boiler_functions.modes.rest.application import create_app
from boiler_functions.modes.tokens import InvalidToken
from boiler_functions.views.references import matching, referrers


class Kind(Enum):
    TALK = "talk"
    PARTY = "party"


class Floor(Enum):
    GROUND = 0
    FIRST = 1


class User(DomainModel):
    class Meta:
        collection_name = "users"

    name = attrs.string(required=True)


class Room(DomainModel):
    class Meta:
        collection_name = "rooms"

    place = attrs.geopoint()
    key_code = attrs.string()


class Ticket(DomainModel):
    class Meta:
        collection_name = "tickets"

    user = attrs.relation(User)
    attendance = attrs.boolean(default=False)


class Meeting(DomainModel):
    class Meta:
        collection_name = "meetings"

    status = attrs.string(default="closed")
    seats = attrs.integer(default=1, validate=validate.Range(max=999))
    price = attrs.float()
    public = attrs.boolean()
    start = attrs.timestamp()
    kind = attrs.enum(Kind)
    floor = attrs.enum(Floor)
    tags = attrs.list(str)
    scores = attrs.mapping(int)
    notes = attrs.string()
    limit = attrs.integer()
    room = attrs.relation(Room)
    tickets = attrs.relation(Ticket, many=True)


class Conference(Meeting):
    """A subclass of meeting, in the same collection."""


class Form(DomainModel):
    class Meta:
        collection_name = "users/{user_id}/forms"

    text = attrs.string()


class MeetingStore(Store):
    meeting = reference(Meeting)
    tickets = references(Meeting.tickets)
    users = references(Ticket.user)
    room = reference(Meeting.room, verify=False)
    neighbours = referrers(Meeting.room, via=room)
    running = matching(Meeting.status == "in-session")


class MeetingView(ViewModel[MeetingStore]):
    """Stored once for each participant."""

    class Meta:
        path = "users/{users.doc_id}/meetings/{meeting.doc_id}"
        read = access.public | access.owner("users.doc_id")
        write = access.public

    @attrs.computed
    def in_session(self) -> bool:
        return self.store.meeting.status == "in-session"

    @in_session.setter
    def set_in_session(self, value: bool) -> None:
        if value == self.in_session:
            raise Rejected(f"the meeting is already {self.store.meeting.status}", {"inSession": ["no change"]})
        self.store.meeting.status = "in-session" if value else "closed"

    @attrs.computed
    def seats(self) -> int:
        return self.store.meeting.seats

    @seats.setter
    def set_seats(self, value: int) -> None:
        self.store.meeting.seats = value
        self.store.meeting.notes = f"{self.store.meeting.notes or ''}seats,"

    @attrs.computed
    def notes(self) -> str | None:
        return self.store.meeting.notes

    @notes.setter
    def set_notes(self, value: str | None) -> None:
        self.store.meeting.notes = f"{self.store.meeting.notes or ''}{value},"

    @attrs.computed
    def start(self) -> datetime | None:
        return self.store.meeting.start

    @attrs.computed
    def place(self) -> GeoPoint | None:
        return self.store.room.place if self.store.room else None

    @attrs.computed
    def attending(self) -> list[str]:
        return sorted(ticket.user.name for ticket in self.store.tickets if ticket.attendance and ticket.user)

    @attrs.computed
    def neighbours(self) -> list[str]:
        return [meeting.doc_id for meeting in self.store.neighbours]

    @attrs.computed
    def running(self) -> list[str]:
        return [meeting.doc_id for meeting in self.store.running]

    room = attrs.bproperty()

    @room.getter
    def get_room(self) -> Any:
        return self.store.room.doc_id if self.store.room else None

    @room.setter
    def set_room(self, value: Any) -> None:
        self.store.meeting.room = value

    guest = attrs.bproperty()

    @guest.getter
    def get_guest(self) -> Any:
        return None

    @guest.setter
    def set_guest(self, value: Any) -> None:
        """Invites a new user, or fails in the way that a test asks for."""
        if value == "bug":
            raise ZeroDivisionError("secret detail")
        guest = User.new(doc_id=value, name=value)
        guest.save()
        ticket = Ticket.new(doc_id=f"t-{value}", user=guest, attendance=True)
        ticket.save()
        self.store.meeting.tickets = [*self.store.meeting.tickets, ticket]

    deleted = attrs.bproperty()

    @deleted.getter
    def get_deleted(self) -> Any:
        return False

    @deleted.setter
    def set_deleted(self, value: Any) -> None:
        current().write(Delete(self.store.meeting.path))


class TalkStore(Store):
    meeting = reference(Meeting)


class TalkView(ViewModel[TalkStore]):
    """Not stored; shows some attributes of a meeting unchanged, and others changed."""

    class Meta:
        read = access.public

    @attrs.computed
    def status(self) -> str:
        return self.store.meeting.status

    @attrs.computed
    def seats(self) -> int:
        return self.store.meeting.seats

    @attrs.computed
    def price(self) -> float | None:
        return self.store.meeting.price

    @attrs.computed
    def is_public(self) -> bool | None:
        return self.store.meeting.public

    @attrs.computed
    def start(self) -> datetime | None:
        return self.store.meeting.start

    @attrs.computed
    def kind(self) -> Kind | None:
        return self.store.meeting.kind

    @attrs.computed
    def floor(self) -> Floor | None:
        return self.store.meeting.floor

    @attrs.computed
    def tags(self) -> list[str]:
        """Returns the part of it that the view shows."""
        return self.store.meeting.tags

    @attrs.computed
    def limit(self) -> int | None:
        return self.store.meeting.limit

    @attrs.computed
    def notes(self) -> str | None:
        # The name and type are the meeting's, but the value is not.
        return self.store.meeting.notes if self.store.meeting.public else None


class RoomStore(Store):
    room = reference(Room)


class RoomView(ViewModel[RoomStore]):
    """Stored once, and read-only."""

    class Meta:
        path = "roomViews/{room.doc_id}"
        read = access.public

    @attrs.computed
    def place(self) -> GeoPoint | None:
        return self.store.room.place

    @attrs.computed
    def key_length(self) -> int:
        return len(self.store.room.key_code)  # type: ignore[arg-type]  # a bug that some data meets


class HallView(RoomView):
    """The same, and not stored."""


class FormStore(Store):
    form = reference(Form)


class FormView(ViewModel[FormStore]):
    class Meta:
        path = "formViews/{form.user_id}/forms/{form.doc_id}"
        read = access.public

    @attrs.computed
    def text(self) -> str | None:
        return self.store.form.text


class ConferenceStore(Store):
    conference = reference(Conference)


class ConferenceView(ViewModel[ConferenceStore]):
    class Meta:
        path = "conferenceViews/{conference.doc_id}"
        read = access.public

    @attrs.computed
    def seats(self) -> int:
        return self.store.conference.seats


app = Boiler("room")
app.query(app.rest("/meetings", filtered_orders=["seats", "-seats"])(MeetingView))
app.query(app.rest("/rooms")(RoomView))
app.rest("/halls")(HallView)
app.rest("/talks", filtered_orders=["seats", "-seats", "-seats,price"])(TalkView)
app.rest("/v1/forms")(FormView)
app.rest("/conferences")(ConferenceView)


class Faulty(Metered):
    """A database that calls a test's function before commits, and fails as many commits as the test asks for."""

    def __init__(self, database: MemoryDatabase) -> None:
        super().__init__(database)
        self.faults: list[BoilerError] = []
        self.before_commit: Callable[[], None] = lambda: None
        self.commits = 0

    def commit(self, writes: Sequence[Write], *, verify: Sequence[Verified] = ()) -> Committed:
        self.commits += 1
        self.before_commit()
        if self.faults:
            raise self.faults.pop(0)
        return super().commit(writes, verify=verify)


class NamedTokens:
    """Tokens that are names: `ada`, or `ada:admin` with a claim; `expired` is invalid."""

    def claims(self, token: str) -> Mapping[str, Any]:
        if token == "expired":
            raise InvalidToken
        uid, _, claim = token.partition(":")
        return {"uid": uid, **({claim: True} if claim else {})}

    def check_app(self, token: str) -> None:
        if token != "our app":
            raise InvalidToken


@dataclass
class Api:
    """The API with one database; `pauses` are those between attempts."""

    memory: MemoryDatabase
    database: Faulty
    pauses: list[float] = field(default_factory=list)
    app: Boiler = app

    def __post_init__(self) -> None:
        self.now = time.time_ns()
        self.on_pause: Callable[[], None] = lambda: None
        surroundings = Surroundings(clock=lambda: self.now, sleep=self.pause, random=random.Random(1))
        secret = b"a secret of exactly 32 bytes ..."
        self.flask: Flask = create_app(
            self.app.declarations, lambda: self.database, surroundings, NamedTokens(), secret
        )
        self.client: FlaskClient = self.flask.test_client()

    def pause(self, seconds: float) -> None:
        """Advances the clock instead of sleeping, and runs what a test does meanwhile."""
        self.pauses.append(seconds)
        self.now += int(seconds * 1e9)
        self.on_pause()

    def ask(self, method: str, path: str, by: str | None = None, body: Any = None, **headers: str) -> Any:
        """Returns the answer to a request; `by` is the caller, as NamedTokens knows them."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if by is not None:
            sent["Authorization"] = f"Bearer {by}"
        return self.client.open(path, method=method, json=body, headers=sent)

    def get(self, path: str, by: str | None = None, **query: str) -> Any:
        headers = {} if by is None else {"Authorization": f"Bearer {by}"}
        return self.client.get(path, query_string=query, headers=headers)

    def patch(self, path: str, body: Any) -> Any:
        return self.client.patch(path, data=json.dumps(body), content_type="application/json")

    def send(self, body: bytes | str, headers: Mapping[str, str] | None = None) -> Any:
        """PATCHes meeting m1 with a raw body."""
        return self.client.patch(
            "/meetings/m1", data=body, headers={"Content-Type": "application/json", **(headers or {})}
        )

    def document(self, path: str) -> Any:
        return self.memory.read([path]).documents[0].fields


def meeting_api() -> Api:
    """Stores two meetings in one room: m1 with two tickets, of which Ada's attends; m2 without."""
    memory = MemoryDatabase()
    with use(memory):
        for name in ("Ada", "Bob"):
            User.new(doc_id=name.lower(), name=name).save()
            Ticket.new(doc_id=f"t{name[0]}", user=name.lower(), attendance=name == "Ada").save()
        Room.new(doc_id="r1", place=GeoPoint(32.5, -117.0), key_code="1234").save()
        start = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
        tickets = [Ticket.path_of("tA"), Ticket.path_of("tB")]
        Meeting.new(
            doc_id="m1", status="in-session", start=start, room="r1", tickets=tickets, kind=Kind.TALK, tags=["a", "b"]
        ).save()
        Conference.new(doc_id="m2", room="r1", public=True, price=1.5, floor=Floor.FIRST, tags=["b"]).save()
        Form.new(doc_id="f1", user_id="ada", text="hello").save()
        Form.new(doc_id="f2", user_id="bob", text="hi").save()
    return Api(memory, Faulty(memory))
