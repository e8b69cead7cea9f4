"""One of each declaration in one app; type checkers read it, nothing runs it."""

from boiler_functions import Boiler, DomainModel, Rejected, Store, ViewModel, access, attrs, reference, references


class User(DomainModel):
    class Meta:
        collection_name = "users"

    name = attrs.string(required=True)
    organization = attrs.string()


class Ticket(DomainModel):
    class Meta:
        collection_name = "tickets"

    user = attrs.relation(User)
    attendance = attrs.boolean()


class Meeting(DomainModel):
    class Meta:
        collection_name = "meetings"

    status = attrs.string(required=True)
    tickets = attrs.relation(Ticket, many=True)


class City(DomainModel):
    class Meta:
        collection_name = "cities"

    city_name = attrs.string(required=True)
    country = attrs.string(required=True)


class MeetingStore(Store):
    meeting = reference(Meeting)
    tickets = references(Meeting.tickets)
    users = references(Ticket.user)


app = Boiler("meeting-room", region="europe-west1", memory="512Mi", functions={"api": {"min_instances": 1}})


@app.query(timeout_sec=120, labels={"team": "rooms"}, retry=True)
@app.rest("/meeting_sessions", invoker="private")
class MeetingSession(ViewModel[MeetingStore]):
    class Meta:
        path = "users/{users.doc_id}/meetingSessions/{meeting.doc_id}"
        read = access.signed_in | access.claim("role", "editor")
        write = access.any_of(access.owner("users.doc_id"), access.claim("admin"), access.public)

    @attrs.computed
    def in_session(self) -> bool:
        return self.store.meeting.status == "in-session"

    @in_session.setter
    def set_in_session(self, value: bool) -> None:
        if value == self.in_session:
            raise Rejected("the meeting is already " + self.store.meeting.status)
        self.store.meeting.status = "in-session" if value else "closed"

    @attrs.computed
    def attending(self) -> list[str]:
        return sorted(t.user.name for t in self.store.tickets if t.attendance and t.user)


@app.task("users/{user_id}/cityForms/{city_id}", writes=[City])
class CityForm(ViewModel):
    name = attrs.string(required=True)
    country = attrs.string(required=True)

    def propagate_change(self) -> None:
        City.new(doc_id=self.params["city_id"], city_name=self.name, country=self.country).save()


app.export(globals())
