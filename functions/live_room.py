"""Live: what the page of the live meeting room needs: the meeting of the sample, and a form that founds a city."""

from city import City
from meeting_room import MeetingSession

from boiler_functions import Boiler, Rejected, ViewModel, access, attrs

COUNTRIES = ("Denmark", "France", "Japan", "Kenya", "Peru", "United Kingdom")

app = Boiler("live")

app.query(MeetingSession)
app.rest("/meeting_sessions")(MeetingSession)
app.websocket("/meeting")(MeetingSession)


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
