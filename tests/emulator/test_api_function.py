"""The HTTP function of the meeting room, served by functions-framework, on the Firestore emulator."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from boiler_functions import use
from boiler_functions.database import Database, Document
from boiler_functions.database.firestore import FirestoreDatabase
from boiler_functions.local.firestore_emulator import FirestoreEmulator
from boiler_functions.local.functions_process import FunctionsProcess
from boiler_functions.local.loopback import request
from boiler_functions.modes.query.rebuild_all import RebuildAll
from boiler_functions.testing import unsigned_token
from functions.meeting_room import Location, Meeting, MeetingSession, Ticket, User, app

MAIN = Path(__file__).parent.parent.parent / "functions" / "main.py"
JSON = "application/json"

PEOPLE = {
    "joshua": ("Joshua", "Pendergrast", "SDSU", True),
    "thomasina": ("Thomasina", "Manes", "UCSD", False),
    "tijuana": ("Tijuana", "Furlong", "UCSD", True),
}

SESSION = {
    "id": "meeting_1",
    "inSession": True,
    "latitude": 32.880361,
    "longitude": -117.242929,
    "address": "9500 Gilman Drive, La Jolla, CA",
    "attending": [
        {"name": "Joshua Pendergrast", "organization": "SDSU", "hearing_aid_requested": True},
        {"name": "Thomasina Manes", "organization": "UCSD", "hearing_aid_requested": False},
        {"name": "Tijuana Furlong", "organization": "UCSD", "hearing_aid_requested": True},
    ],
    "numHearingAidRequested": 2,
}


class Api:
    """A running API function, and the database behind it."""

    def __init__(self, host: str, project: str, database: Database) -> None:
        self.host = host
        self.project = project
        self.database = database

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        content_type: str = JSON,
        uid: str | None = "joshua",
    ) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {unsigned_token(uid, project=self.project)}"} if uid else {}
        answer = request(self.host, method, path, body, {**headers, **({"Content-Type": content_type} if body else {})})
        return answer.status, json.loads(answer.body)

    def patch(self, **values: Any) -> tuple[int, Any]:
        return self.ask("PATCH", "/meeting_sessions/meeting_1", json.dumps(values).encode())

    def meeting(self) -> Document:
        return self.database.read(["meetings/meeting_1"]).documents[0]


def save_meeting() -> None:
    Location.new(doc_id="ucsd", latitude=32.880361, longitude=-117.242929, address=SESSION["address"]).save()
    for uid, (first, last, organization, hearing_aid) in PEOPLE.items():
        User.new(
            doc_id=uid, first_name=first, last_name=last, organization=organization, hearing_aid_requested=hearing_aid
        ).save()
        Ticket.new(doc_id=f"ticket_{uid}", user=uid, role="Participant", attendance=True).save()
    tickets = [f"ticket_{uid}" for uid in PEOPLE]
    Meeting.new(doc_id="meeting_1", status="in-session", location="ucsd", tickets=tickets).save()
    Meeting.new(doc_id="meeting_2", status="closed", tickets=tickets[:1]).save()


@pytest.fixture
def api(firestore_emulator: FirestoreEmulator, project: str) -> Iterator[Api]:
    """The function `api` of the sample, with one full and one empty meeting."""
    database = FirestoreDatabase(project, emulator=firestore_emulator.host)
    with use(database):
        save_meeting()
        for _ in RebuildAll(app.name, MeetingSession, database).run():
            """Stores what Query mode's functions would."""
    env = {
        "FIRESTORE_EMULATOR_HOST": firestore_emulator.host,
        # Never asked: it makes firebase-admin take unsigned tokens.
        "FIREBASE_AUTH_EMULATOR_HOST": "127.0.0.1:9099",
        "GOOGLE_CLOUD_PROJECT": project,
    }
    with FunctionsProcess(MAIN, "api", "http", env={**env, "FUNCTION_TARGET": "api"}) as function:
        yield Api(function.host, project, database)


def test_a_meeting_is_read_listed_and_patched_over_http(api: Api) -> None:
    assert api.ask("GET", "/meeting_sessions/meeting_1") == (200, SESSION)
    status, listed = api.ask("GET", "/meeting_sessions")
    assert (status, [view["id"] for view in listed["results"]]) == (200, ["meeting_1", "meeting_2"])
    assert listed["results"][0] == SESSION
    assert api.ask("GET", "/meeting_sessions?inSession=true") == (200, {"results": [SESSION]})

    first = api.ask("GET", "/meeting_sessions?limit=1")[1]
    rest = api.ask("GET", f"/meeting_sessions?limit=1&pageToken={first['nextPageToken']}")[1]
    assert first["results"] + rest["results"] == listed["results"]

    assert api.patch(inSession=False) == (200, {**SESSION, "inSession": False})
    closed = api.meeting()
    assert closed.fields is not None
    assert closed.fields["status"] == "closed"

    status, refused = api.patch(inSession=False)
    assert (status, refused["message"]) == (422, "the meeting is already closed")
    assert api.meeting() == closed

    assert api.patch(inSession=True) == (200, SESSION)
    assert (api.meeting().fields or {})["status"] == "in-session"


def test_only_participants_can_read_a_meeting(api: Api) -> None:
    one = "/meeting_sessions/meeting_1"
    status, error = api.ask("GET", one, uid=None)
    assert (status, error["status"]) == (401, "Unauthorized")
    missing = api.ask("GET", "/meeting_sessions/nowhere", uid="eve")
    assert missing[0] == 404
    assert api.ask("GET", one, uid="eve") == missing
    assert api.ask("PATCH", one, b'{"inSession": false}', uid="eve") == missing
    assert api.ask("GET", "/meeting_sessions", uid="eve") == (200, {"results": []})
    assert api.ask("GET", one, uid="tijuana") == (200, SESSION)


def test_bad_requests_are_answered_in_json_through_functions_framework(api: Api) -> None:
    one = "/meeting_sessions/meeting_1"
    before = api.meeting()
    asked: dict[tuple[str, str, bytes | None, str], int] = {
        ("GET", "/", None, JSON): 404,
        ("GET", "/meeting_sessions/meeting_9", None, JSON): 404,
        ("GET", "/meeting_sessions/a%2Fb%2Fc", None, JSON): 404,
        ("GET", "/meeting_sessions/__x__", None, JSON): 404,
        ("GET", "/meeting_sessions/a%0Ab", None, JSON): 404,
        ("GET", "/meeting_sessions/..", None, JSON): 404,
        ("DELETE", one, None, JSON): 405,
        ("GET", "/meeting_sessions?color=red", None, JSON): 422,
        ("GET", "/meeting_sessions?pageToken=forged", None, JSON): 422,
        ("PATCH", one, b"{", JSON): 400,
        ("PATCH", one, b"{}", "text/plain"): 415,
        ("PATCH", one, b"[]", JSON): 422,
        ("PATCH", one, b'{"inSession": NaN}', JSON): 422,
        ("PATCH", one, b'{"attending": []}', JSON): 422,
        ("PATCH", one, b'{"inSession":"' + b"x" * 1024 * 1024 + b'"}', JSON): 413,
        ("PATCH", one, b"[" * 100_000, JSON): 400,
    }
    for sent, expected in asked.items():
        status, error = api.ask(*sent)
        assert (sent[:2], status, error["code"]) == (sent[:2], expected, expected)
        assert error.keys() == {"code", "status", "message", "errors"}
    assert api.meeting() == before
