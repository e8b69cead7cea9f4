"""firebase-tools runs the meeting room from the files that `boiler compile` writes: every mode of a function."""

import json
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from boiler_functions import use
from boiler_functions.database import Query
from boiler_functions.database.firestore import FirestoreDatabase
from boiler_functions.local.firebase import FirebaseEmulators
from boiler_functions.local.loopback import request
from boiler_functions.modes.ledger import COLLECTION
from boiler_functions.modes.query.continuation import Continuation
from boiler_functions.plan.indexes import (
    AUTOMATIC,
    BOOKKEEPING_OVERRIDES,
    Index,
    IndexedField,
    Indexes,
    Override,
    SingleField,
)
from boiler_functions.runtime.queues import firebase_enqueuer
from functions.meeting_room import Location, Meeting, Ticket, User
from functions.meeting_room import app as meeting_room
from tests.emulator.test_rules import Client

ROOT = Path(__file__).parent.parent.parent
FIREBASE = ROOT / "node_modules" / "firebase-tools"
PROJECT = f"demo-{secrets.token_hex(6)}"
JSON = {"Content-Type": "application/json"}

# The sample with a form of the participants' own, mutations beside the copies, and somebody who is told of changes.
REPLIES = """
import json

from boiler_functions import Changed, Rejected, ViewModel, attrs
from meeting_room import MeetingSession, Ticket, app

app.document()(MeetingSession)


@app.on_change(MeetingSession)
def tell(change: Changed[MeetingSession]) -> None:
    before, after = (each and each.to_view_dict()["inSession"] for each in (change.before, change.after))
    with open("TOLD", "a") as told:
        told.write(json.dumps([change.key, before, after]) + "\\n")


@app.task("users/{user_id}/replies/{ticket_id}", writes=[Ticket])
class Reply(ViewModel):
    attendance = attrs.boolean(required=True)

    def propagate_change(self) -> None:
        ticket = Ticket.get(self.params["ticket_id"])
        if ticket is None or ticket.user is None or ticket.user.doc_id != self.params["user_id"]:
            raise Rejected("that is not your ticket")
        ticket.attendance = self.attendance
        ticket.save()
"""

# One suite of emulators is enough for a small machine.
pytestmark = pytest.mark.xdist_group("firebase")


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with a line for each change of a view that was told: its key, and `inSession` before and after."""
    return tmp_path_factory.mktemp("told") / "changes"


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory, told: Path) -> Path:
    """A project as a user has it, with all that firebase-tools reads written by `boiler compile`."""
    top = tmp_path_factory.mktemp("meeting-room")
    functions = top / "functions"
    functions.mkdir()
    shutil.copy(ROOT / "firestore.rules", top)
    shutil.copy(ROOT / "functions" / "meeting_room.py", functions)
    shutil.copy(ROOT / "functions" / "requirements.txt", functions)
    (functions / "replies.py").write_text(REPLIES.replace("TOLD", str(told)))
    (functions / "main.py").write_text("from replies import app\n\napp.export(globals())\n")
    (top / "pyproject.toml").write_text('[tool.boiler_functions]\napp = "replies:app"\n')
    subprocess.run([Path(sys.executable).with_name("boiler"), "compile"], cwd=top, check=True, capture_output=True)
    return functions


@pytest.fixture(scope="module")
def emulators(source: Path) -> Iterator[FirebaseEmulators]:
    with FirebaseEmulators(source, PROJECT) as running:
        yield running


@pytest.fixture(scope="module")
def database(emulators: FirebaseEmulators) -> FirestoreDatabase:
    return FirestoreDatabase(PROJECT, emulator=emulators.firestore_host)


@pytest.fixture(scope="module")
def signed_in(emulators: FirebaseEmulators) -> tuple[str, str]:
    return sign_up(emulators)


def sign_up(emulators: FirebaseEmulators) -> tuple[str, str]:
    """A new user of the Auth emulator: the id, and a token."""
    path = "/identitytoolkit.googleapis.com/v1/accounts:signUp?key=any"
    answer = request(emulators.auth_host, "POST", path, json.dumps({"returnSecureToken": True}).encode(), JSON)
    assert answer.status == 200, answer.text
    signed_up = json.loads(answer.text)
    return signed_up["localId"], signed_up["idToken"]


@pytest.fixture(scope="module")
def meeting(database: FirestoreDatabase, signed_in: tuple[str, str]) -> str:
    """A meeting of the user who signed in, and one more; the path of the user's copy."""
    uid, _ = signed_in
    with use(database):
        Location.new(doc_id="ucsd", latitude=32.88, longitude=-117.24, address="La Jolla").save()
        User.new(doc_id=uid, first_name="Ada", last_name="Lovelace").save()
        User.new(doc_id="grace", first_name="Grace", last_name="Hopper").save()
        Ticket.new(doc_id="t-ada", user=uid, attendance=True).save()
        Ticket.new(doc_id="t-grace", user="grace", attendance=True).save()
        Meeting.new(doc_id="m1", status="in-session", location="ucsd", tickets=["t-ada", "t-grace"]).save()
    return f"users/{uid}/meetingSessions/m1"


def until(emulators: FirebaseEmulators, wanted: Callable[[], Any]) -> Any:
    """What is wanted, once it is there; each function starts a process of its own, which takes its time."""
    deadline = time.monotonic() + 240
    while not (found := wanted()):
        assert time.monotonic() < deadline, emulators.log()
        time.sleep(0.2)
    return found


def fields(database: FirestoreDatabase, path: str) -> dict[str, Any]:
    return dict(database.read([path]).documents[0].fields or {})


def attending(database: FirestoreDatabase, path: str) -> list[str]:
    return [each["name"] for each in fields(database, path).get("attending", ())]


def send(emulators: FirebaseEmulators, path: str, field: str, value: bool) -> None:
    """Writes a document, as a client does."""
    emulator = f"/v1/projects/{PROJECT}/databases/(default)/documents/{path}"
    body = json.dumps({"fields": {field: {"booleanValue": value}}}).encode()
    assert request(emulators.firestore_host, "PATCH", emulator, body, {"Authorization": "Bearer owner"}).status == 200


def lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_every_declared_function_is_loaded(emulators: FirebaseEmulators) -> None:
    names = {function.name for function in meeting_room.manifest.functions}
    added = {"reply-task", "meeting-session-document", "tell-on-meeting-session"}
    assert set(emulators.functions()) == {*names, *(f"meeting-room-{each}" for each in added)}


def test_a_view_follows_its_sources(emulators: FirebaseEmulators, database: FirestoreDatabase, meeting: str) -> None:
    until(emulators, lambda: attending(database, meeting) == ["Ada Lovelace", "Grace Hopper"])


def test_a_form_takes_effect_and_is_stamped(
    emulators: FirebaseEmulators, database: FirestoreDatabase, meeting: str
) -> None:
    path = "users/grace/replies/t-grace"
    send(emulators, path, "attendance", False)
    stamped = until(emulators, lambda: fields(database, path).get("outcome"))
    assert stamped["status"] == "done"
    until(emulators, lambda: attending(database, meeting) == ["Ada Lovelace"])


def test_a_mutation_beside_a_copy_takes_effect_and_the_change_is_delivered(
    emulators: FirebaseEmulators, database: FirestoreDatabase, meeting: str, told: Path
) -> None:
    until(emulators, lambda: attending(database, meeting))
    path = f"{meeting}/_PATCH_MeetingSession/close"
    send(emulators, path, "inSession", False)
    stamped = until(emulators, lambda: fields(database, path).get("outcome"))
    assert stamped["status"] == "done"
    until(emulators, lambda: fields(database, meeting)["inSession"] is False)
    until(emulators, lambda: [True, False] in [change for _, *change in lines(told)])
    keys = {key for key, *change in lines(told) if change == [True, False]}
    assert len(keys) == 1


def test_auth_signs_each_user_up_as_another(emulators: FirebaseEmulators, signed_in: tuple[str, str]) -> None:
    other, token = sign_up(emulators)
    assert token
    assert other != signed_in[0]


def test_a_signed_in_user_reads_their_own_copies_and_no_others(emulators: FirebaseEmulators) -> None:
    mine, token = sign_up(emulators)
    other, _ = sign_up(emulators)
    client = Client(emulators.firestore_host, PROJECT)
    for user in (mine, other):
        client.put(f"users/{user}/meetingSessions/m2", {"inSession": True})
    bearer = {"Authorization": f"Bearer {token}"}
    assert client.send("get", f"users/{mine}/meetingSessions/m2", {}, bearer) == 200
    assert client.send("list", f"users/{mine}/meetingSessions", {}, bearer) == 200
    assert client.send("get", f"users/{other}/meetingSessions/m2", {}, bearer) == 403
    assert client.send("get", f"users/{mine}/meetingSessions/m2", {}, {}) == 403
    assert client.send("update", f"users/{mine}/meetingSessions/m2", {"inSession": False}, bearer) == 403


def test_the_http_function_serves_the_view(
    emulators: FirebaseEmulators, database: FirestoreDatabase, meeting: str, signed_in: tuple[str, str]
) -> None:
    until(emulators, lambda: attending(database, meeting))
    path = f"/{PROJECT}/us-central1/meeting-room-api/meeting_sessions/m1"
    answer = request(emulators.functions_host, "GET", path, headers={"Authorization": f"Bearer {signed_in[1]}"})
    assert answer.status == 200, answer.text
    assert "Ada Lovelace" in [each["name"] for each in json.loads(answer.text)["attending"]]


def test_the_queue_takes_the_rest_of_a_fan_out_and_hands_it_to_its_function_once(
    emulators: FirebaseEmulators, database: FirestoreDatabase, meeting: str, signed_in: tuple[str, str]
) -> None:
    until(emulators, lambda: attending(database, meeting))
    ledger = f"{COLLECTION}/{ledger_of(database, meeting)}"
    tokens = tuple(fields(database, ledger)["depends_on"])
    now = time.time_ns()
    rest = Continuation(
        "meeting_session_on_users", tokens, "", "", "rest-of-it", "test", f"users/{signed_in[0]}", now, 0, now
    )
    enqueue = firebase_enqueuer(meeting_room.manifest.queues[0], environment(emulators))
    enqueue(rest)
    enqueue(rest)
    until(emulators, lambda: fields(database, ledger)["cause"] == "rest-of-it")
    stats = json.loads(request(emulators.tasks_host, "GET", "/queueStats").text)
    added = [round(each["tasksAdded"] * 5) for each in stats.values()]  # of the last five minutes, a minute
    assert added == [1]


def test_firebase_tools_accepts_every_kind_of_index(tmp_path: Path) -> None:
    fields = (IndexedField("open"), IndexedField("depth", descending=True))
    lists = (IndexedField("open"), IndexedField("fleets", contains=True))
    indexes = Indexes(
        (Index("ports", "COLLECTION", fields), Index("ports", "COLLECTION_GROUP", lists)),
        (*BOOKKEEPING_OVERRIDES, Override("ships", "`a b`", (*AUTOMATIC, SingleField("COLLECTION_GROUP")))),
    )
    (tmp_path / "indexes.json").write_text(json.dumps(indexes.to_wire()))
    script = (
        f"const {{FirestoreApi}} = require({json.dumps(str(FIREBASE / 'lib' / 'firestore' / 'api'))});"
        "const spec = JSON.parse(require('fs').readFileSync('indexes.json'));"
        "const api = new FirestoreApi(); api.validateSpec(api.upgradeOldSpec(spec)); console.log('accepted')"
    )
    done = subprocess.run(["node", "-e", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("accepted\n", "")


def environment(emulators: FirebaseEmulators) -> dict[str, str]:
    """What firebase-tools tells its functions of the queue."""
    return {
        "FUNCTIONS_EMULATOR": "true",
        "CLOUD_TASKS_EMULATOR_HOST": emulators.tasks_host,
        "FIREBASE_CONFIG": json.dumps({"projectId": PROJECT}),
    }


def ledger_of(database: FirestoreDatabase, copy: str) -> str:
    """The id of the ledger of the view that is stored there."""
    ledgers = database.query(Query(COLLECTION)).documents
    return next(each.id for each in ledgers if copy in (each.fields or {})["destinations"])
