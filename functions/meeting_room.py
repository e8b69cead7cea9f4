"""Meeting room: who attends a meeting, kept in a copy for each participant; and a profile of each user."""

from typing import TypedDict

from boiler_functions import (
    Boiler,
    DomainModel,
    Rejected,
    Store,
    ViewModel,
    access,
    attrs,
    reference,
    references,
    referrers,
)


class User(DomainModel):
    class Meta:
        collection_name = "users"

    first_name = attrs.string(required=True)
    last_name = attrs.string(required=True)
    organization = attrs.string()
    hearing_aid_requested = attrs.boolean(default=False)

    @property
    def name(self) -> str:
        return f"{self.first_name} {self.last_name}"


class Ticket(DomainModel):
    class Meta:
        collection_name = "tickets"

    user = attrs.relation(User)
    role = attrs.string()
    attendance = attrs.boolean(default=False)


class Location(DomainModel):
    class Meta:
        collection_name = "locations"

    latitude = attrs.float()
    longitude = attrs.float()
    address = attrs.string()


class Meeting(DomainModel):
    class Meta:
        collection_name = "meetings"

    status = attrs.string(default="closed")
    location = attrs.relation(Location)
    tickets = attrs.relation(Ticket, many=True)


app = Boiler("meeting-room")


class Participant(TypedDict):
    name: str
    organization: str | None
    hearing_aid_requested: bool


class MeetingStore(Store):
    meeting = reference(Meeting)
    location = reference(Meeting.location)
    tickets = references(Meeting.tickets)
    users = references(Ticket.user)


@app.query
@app.rest("/meeting_sessions")
class MeetingSession(ViewModel[MeetingStore]):
    class Meta:
        path = "users/{users.doc_id}/meetingSessions/{meeting.doc_id}"
        read = access.owner("users.doc_id")
        write = access.owner("users.doc_id")  # whoever takes part

    @attrs.computed
    def in_session(self) -> bool:
        return self.store.meeting.status == "in-session"

    @in_session.setter
    def set_in_session(self, value: bool) -> None:
        if value == self.in_session:
            raise Rejected(f"the meeting is already {self.store.meeting.status}")
        self.store.meeting.status = "in-session" if value else "closed"

    @attrs.computed
    def latitude(self) -> float | None:
        return self.store.location.latitude if self.store.location else None

    @attrs.computed
    def longitude(self) -> float | None:
        return self.store.location.longitude if self.store.location else None

    @attrs.computed
    def address(self) -> str | None:
        return self.store.location.address if self.store.location else None

    @attrs.computed
    def attending(self) -> list[Participant]:
        users = [ticket.user for ticket in self.store.tickets if ticket.attendance and ticket.user]
        return [
            {
                "name": user.name,
                "organization": user.organization,
                "hearing_aid_requested": user.hearing_aid_requested,
            }
            for user in sorted(users, key=lambda user: user.name)
        ]

    @attrs.computed
    def num_hearing_aid_requested(self) -> int:
        return sum(participant["hearing_aid_requested"] for participant in self.attending)


class Appointment(TypedDict):
    meeting: str
    status: str
    address: str | None


class UserStore(Store):
    user = reference(User)
    tickets = referrers(Ticket.user)
    meetings = referrers(Meeting.tickets)
    locations = references(Meeting.location)


@app.query
class UserView(ViewModel[UserStore]):
    class Meta:
        path = "userViews/{user.doc_id}"
        read = access.owner("user.doc_id")

    @attrs.computed
    def name(self) -> str:
        return self.store.user.name

    @attrs.computed
    def organization(self) -> str | None:
        return self.store.user.organization

    @attrs.computed
    def meetings(self) -> list[Appointment]:
        return [
            {
                "meeting": meeting.doc_id,
                "status": meeting.status,
                "address": meeting.location.address if meeting.location else None,
            }
            for meeting in self.store.meetings
        ]
