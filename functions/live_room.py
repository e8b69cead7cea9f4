"""Live: what the page of the live meeting room needs: meeting and poll of the samples, forms for a city and a poll."""

from datetime import UTC, datetime, timedelta

from city import City
from meeting_room import MeetingSession
from poll import Poll, PollView

from boiler_functions import Boiler, Rejected, ViewModel, access, attrs

COUNTRIES = ("Denmark", "France", "Japan", "Kenya", "Peru", "United Kingdom")

app = Boiler("live")

app.query(MeetingSession)
app.rest("/meeting_sessions")(MeetingSession)
app.websocket("/meeting")(MeetingSession)
app.query(PollView)


@app.task("users/{user_id}/cityForms/{city_id}", writes=[City])
class CityForm(ViewModel):
    class Meta:
        write = access.owner("user_id")

    name = attrs.string(required=True)
    country = attrs.string(required=True)

    def propagate_change(self) -> None:
        errors: dict[str, list[str]] = {}
        if not 2 <= len(self.name.strip()) <= 60:
            errors["name"] = ["A name has 2 to 60 letters."]
        if self.country not in COUNTRIES:
            errors["country"] = [f"One of {', '.join(COUNTRIES)}."]
        if errors:
            raise Rejected("Correct what is marked, and send it again.", errors)
        City.new(doc_id=self.params["city_id"], city_name=self.name.strip(), country=self.country).save()


@app.task("users/{user_id}/pollForms/{poll_id}", writes=[Poll])
class PollForm(ViewModel):
    class Meta:
        write = access.owner("user_id")

    question = attrs.string(required=True)
    seconds = attrs.integer(required=True)

    def propagate_change(self) -> None:
        errors: dict[str, list[str]] = {}
        if not 2 <= len(self.question.strip()) <= 80:
            errors["question"] = ["A question has 2 to 80 letters."]
        if not 1 <= self.seconds <= 3600:
            errors["seconds"] = ["From 1 to 3600 seconds."]
        if errors:
            raise Rejected("Correct what is marked, and send it again.", errors)
        poll_id, owner = self.params["poll_id"], self.params["user_id"]
        if Poll.get(poll_id):
            raise Rejected("A poll with this id exists already.")
        closes_at = datetime.now(UTC) + timedelta(seconds=self.seconds)
        Poll.new(doc_id=poll_id, question=self.question.strip(), owner=owner, closes_at=closes_at).save()
