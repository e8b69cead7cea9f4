"""The ancestor's "Meeting room": one copy of the session for each participant, changed over HTTP and by documents."""

import json
from typing import Any
from urllib.parse import urlsplit

import pytest

from boiler_functions.local.loopback import request
from boiler_functions.testing import unsigned_token
from boiler_functions.types import Fields
from functions.meeting_room import Location, Meeting, Ticket, User
from tests.acceptance.conftest import Sample

JOSHUA: Fields = {"name": "Joshua Pendergrast", "organization": "SDSU", "hearing_aid_requested": True}
THOMASINA: Fields = {"name": "Thomasina Manes", "organization": "UCSD", "hearing_aid_requested": False}
TIJUANA: Fields = {"name": "Tijuana Furlong", "organization": "UCSD", "hearing_aid_requested": True}

PARTICIPANTS = {"joshua": JOSHUA, "thomasina": THOMASINA, "tijuana": TIJUANA}
COPIES = [f"users/{user}/meetingSessions/meeting_1" for user in PARTICIPANTS]


@pytest.fixture(autouse=True)
def saved(meeting_app: Sample) -> None:
    for user, participant in PARTICIPANTS.items():
        first, last = participant["name"].split()
        User.new(
            doc_id=user,
            first_name=first,
            last_name=last,
            organization=participant["organization"],
            hearing_aid_requested=participant["hearing_aid_requested"],
        ).save()
        Ticket.new(doc_id=f"ticket_{user}", user=user, role="Participant", attendance=True).save()
    Location.new(
        doc_id="gilman", latitude=32.880361, longitude=-117.242929, address="9500 Gilman Drive, La Jolla, CA"
    ).save()
    tickets = [f"ticket_{user}" for user in reversed(PARTICIPANTS)]
    Meeting.new(doc_id="meeting_1", status="in-session", location="gilman", tickets=tickets).save()
    meeting_app.stack.drain()


def session(path: str, **changed: Any) -> Fields:
    """The documented copy of the session at the path, but for what changed."""
    return {
        "latitude": 32.880361,
        "longitude": -117.242929,
        "address": "9500 Gilman Drive, La Jolla, CA",
        "attending": [JOSHUA, THOMASINA, TIJUANA],
        "inSession": True,
        "numHearingAidRequested": 2,
        "obj_type": "MeetingSession",
        "doc_ref": path,
        **changed,
    }


def api(meeting_app: Sample, method: str, **body: Any) -> tuple[int, Any]:
    """What Joshua is answered about the meeting, which must be JSON."""
    assert meeting_app.stack.api_url is not None
    host = urlsplit(meeting_app.stack.api_url).netloc
    headers = {"Authorization": f"Bearer {unsigned_token('joshua', project=meeting_app.stack.project)}"}
    content = json.dumps(body).encode() if body else None
    headers |= {"Content-Type": "application/json"} if body else {}
    answer = request(host, method, "/meeting_sessions/meeting_1", content, headers)
    return answer.status, json.loads(answer.text)


def copies(meeting_app: Sample) -> list[Fields | None]:
    return [meeting_app.fields(path) for path in COPIES]


def status(meeting_app: Sample) -> str:
    fields = meeting_app.fields("meetings/meeting_1")
    assert fields is not None
    return str(fields["status"])


def test_every_participant_has_the_documented_copy(meeting_app: Sample) -> None:
    assert copies(meeting_app) == [session(path) for path in COPIES]


def test_a_participant_who_does_not_attend_leaves_every_copy_and_the_count(meeting_app: Sample) -> None:
    ticket = Ticket.get("ticket_tijuana")
    assert ticket is not None
    ticket.attendance = False
    ticket.save()
    without = [session(path, attending=[JOSHUA, THOMASINA], numHearingAidRequested=1) for path in COPIES]
    assert copies(meeting_app) == without


def test_a_patch_closes_the_meeting_and_every_copy_follows(meeting_app: Sample) -> None:
    answered, _ = api(meeting_app, "PATCH", inSession=False)
    assert answered == 200
    assert status(meeting_app) == "closed"
    assert copies(meeting_app) == [session(path, inSession=False) for path in COPIES]


def test_the_same_patch_again_is_refused_and_changes_nothing(meeting_app: Sample) -> None:
    api(meeting_app, "PATCH", inSession=False)
    paths = ["meetings/meeting_1", *COPIES]
    before = [meeting_app.document(path) for path in paths]
    answered, error = api(meeting_app, "PATCH", inSession=False)
    assert answered == 422
    assert "the meeting is already closed" in json.dumps(error)
    assert [meeting_app.document(path) for path in paths] == before


def test_a_patch_opens_the_meeting_again(meeting_app: Sample) -> None:
    api(meeting_app, "PATCH", inSession=False)
    answered, _ = api(meeting_app, "PATCH", inSession=True)
    assert answered == 200
    assert status(meeting_app) == "in-session"
    assert copies(meeting_app) == [session(path) for path in COPIES]


def test_the_session_is_got_over_http(meeting_app: Sample) -> None:
    answered, found = api(meeting_app, "GET")
    assert answered == 200
    expected = {name: value for name, value in session("").items() if name not in ("obj_type", "doc_ref")}
    assert {name: found.get(name) for name in expected} == expected


def test_a_user_who_joins_gets_a_copy_and_one_who_leaves_loses_it(meeting_app: Sample) -> None:
    meeting = Meeting.get("meeting_1")
    assert meeting is not None
    meeting.tickets = [ticket for ticket in meeting.tickets if ticket.doc_id != "ticket_thomasina"]
    meeting.save()
    assert meeting_app.fields("users/thomasina/meetingSessions/meeting_1") is None
    joshuas = meeting_app.fields("users/joshua/meetingSessions/meeting_1")
    assert joshuas is not None
    assert joshuas["attending"] == [JOSHUA, TIJUANA]


def test_every_user_has_a_profile_with_the_meetings(meeting_app: Sample) -> None:
    assert meeting_app.fields("userViews/tijuana") == {
        "name": "Tijuana Furlong",
        "organization": "UCSD",
        "meetings": [
            {"meeting": "meeting_1", "status": "in-session", "address": "9500 Gilman Drive, La Jolla, CA"},
        ],
        "obj_type": "UserView",
        "doc_ref": "userViews/tijuana",
    }
