"""Serves the live meeting room: `make live` starts the emulators, functions, API and page, and prints the URL."""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

from google.cloud import firestore

from boiler_functions import Boiler
from boiler_functions.cli.functions_yaml import functions_yaml
from boiler_functions.database import Database
from boiler_functions.database.firestore import FirestoreDatabase
from boiler_functions.database.variables import EMULATOR_HOST
from boiler_functions.exceptions import BoilerError, ConfigurationError
from boiler_functions.local.delivery import DeliveryHarness, LocalTrigger
from boiler_functions.local.events import EventServer
from boiler_functions.local.firebase import FirebaseEmulators
from boiler_functions.local.firestore_emulator import FirestoreEmulator
from boiler_functions.local.loopback import request
from boiler_functions.local.stack import Handled, LocalStack
from boiler_functions.models.session import use
from emulator.page import Costs, PageServer

ROOT = Path(__file__).parent.parent
FUNCTIONS = ROOT / "functions"
LIVE = ROOT / "live"
PAGE = LIVE / "dist"
RULES = LIVE / "firestore.rules"

ByHand = Callable[[firestore.Client], Sequence[LocalTrigger]]

AUTH_EMULATOR_HOST = "FIREBASE_AUTH_EMULATOR_HOST"
MEETING = "standup"
PROJECT = "demo-live"

_FILES = ("city.py", "live_room.py", "meeting_room.py", "poll.py", "requirements.txt")

_UPKEEP_SECONDS = 1.0

PARTICIPANTS: tuple[Mapping[str, Any], ...] = (
    {"uid": "ada", "name": "Ada Lovelace", "organization": "Analytical Engines", "organises": True},
    {"uid": "grace", "name": "Grace Hopper", "organization": "Harvard Mark I", "organises": False},
    {"uid": "alan", "name": "Alan Turing", "organization": "Bletchley Park", "organises": False},
)


def live_app() -> Boiler:
    """Returns the app of the page."""
    app: Boiler = _sample("live_room").app
    return app


def _sample(name: str) -> Any:
    """Imports a module of `functions/` by its bare name, as the modules import one another where they are deployed."""
    if str(FUNCTIONS) not in sys.path:
        sys.path.insert(0, str(FUNCTIONS))
    return import_module(name)


class LiveRoom:
    """Serves the page, with all that it needs, until it is stopped.

    with LiveRoom() as room:
        webbrowser.open(room.url)

    With `firebase`, firebase-tools runs the functions, as `firebase emulators:start` does; otherwise the local stack
    does, which also reports the cost of each update. `by_hand` makes other functions from a Firestore client, to be run
    in place of the app's.
    """

    def __init__(
        self, port: int = 0, *, firebase: bool = False, by_hand: ByHand | None = None, workers: int = 4
    ) -> None:
        if not (PAGE / "index.html").is_file():
            raise ConfigurationError("The page is not built. Run 'make live', or 'npx vite build' in live/.")
        with ExitStack() as opened:
            if firebase:
                start = _on_firebase()
            elif by_hand is not None:
                start = _on_triggers(by_hand, workers)
            else:
                start = _on_harness(workers)
            backend = opened.enter_context(start)
            self.database = backend["database"]
            self.firestore_host = backend["firestore"]
            self.auth_host = backend["auth"]
            if by_hand is None:
                opened.enter_context(_upkeep(self.database))
            settings = _settings(backend, costs=not firebase and by_hand is None)
            page = PageServer(PAGE, settings, backend["api"], backend["costs"], port)
            self.url = opened.enter_context(page).url
            self._opened = opened.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Stops all that it started; does nothing if it is stopped."""
        self._opened.close()


@contextmanager
def _on_harness(workers: int) -> Iterator[dict[str, Any]]:
    costs = Costs()

    def observe(handled: Handled) -> None:
        if handled.report is not None:
            usage = handled.report.usage
            costs.tell({"function": handled.report.function, "reads": usage.reads, "writes": usage.writes})

    with _emulators() as (auth, server, emulator):
        app = live_app()
        with LocalStack(app, PROJECT, emulator=emulator, server=server, observer=observe, workers=workers) as stack:
            seed(stack.database)
            stack.drain()
            yield {
                "database": stack.database,
                "firestore": emulator.host,
                "auth": auth,
                "api": stack.api_url,
                "costs": costs,
            }


@contextmanager
def _on_triggers(by_hand: ByHand, workers: int) -> Iterator[dict[str, Any]]:
    with _emulators() as (auth, server, emulator), _environment(EMULATOR_HOST, emulator.host):
        triggers = by_hand(firestore.Client(project=PROJECT))
        with DeliveryHarness(server, emulator, PROJECT, triggers, workers=workers) as harness:
            database = FirestoreDatabase(PROJECT, emulator=emulator.host)
            seed(database)
            harness.drain()
            yield {
                "database": database,
                "firestore": emulator.host,
                "auth": auth,
                "api": f"http://{auth}",  # unused: functions written by hand have no API
                "costs": Costs(),
            }


@contextmanager
def _emulators() -> Iterator[tuple[str, EventServer, FirestoreEmulator]]:
    """Yields the host of an Auth emulator with the participants, and a Firestore emulator with the rules."""
    with (
        FirebaseEmulators(FUNCTIONS, PROJECT, only=("auth",)) as auth,
        _environment(AUTH_EMULATOR_HOST, auth.auth_host),
        EventServer() as server,
        FirestoreEmulator(functions=server.host, rules=RULES) as emulator,
    ):
        _sign_up(auth.auth_host)
        yield auth.auth_host, server, emulator


@contextmanager
def _on_firebase() -> Iterator[dict[str, Any]]:
    with ExitStack() as opened:
        folder = Path(opened.enter_context(TemporaryDirectory(prefix="boiler-live-")))
        emulators = opened.enter_context(FirebaseEmulators(_laid_out(folder), PROJECT))
        database = FirestoreDatabase(PROJECT, emulator=emulators.firestore_host)
        _sign_up(emulators.auth_host)
        with emulators.without_events():
            _seed_parts(database)
        _store_copies(database)
        name = next(each.name for each in live_app().manifest.functions if each.entry_point == "api")
        yield {
            "database": database,
            "firestore": emulators.firestore_host,
            "auth": emulators.auth_host,
            "api": f"http://{emulators.functions_host}/{PROJECT}/us-central1/{name}",
            "costs": Costs(),
        }


@contextmanager
def _upkeep(database: Database) -> Iterator[None]:
    """Runs the app's upkeep once a second, as nobody who looks at the page should wait a minute for a poll to close.

    It does so for firebase-tools, too, which runs no schedules.
    """
    functions = live_app().compiled.scheduled.values()
    ended = threading.Event()

    def run() -> None:
        while not ended.wait(_UPKEEP_SECONDS):
            for each in functions:
                report = each.attempt(database)
                if report.error:
                    print(report, file=sys.stderr)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _store_copies(database: Database, seconds: float = 480.0, again: float = 60.0) -> None:
    """Saves the meeting, and returns once the functions have stored it for all.

    firebase-tools starts a process for each function, slowly on a busy machine, and does not deliver an event again
    that such a process failed to take: so the meeting is written again, which its emulator tells of although it is
    equal.
    """
    paths = [f"users/{each['uid']}/meetingSessions/{MEETING}" for each in PARTICIPANTS]
    deadline = time.monotonic() + seconds
    written = float("-inf")
    while not all(document.exists for document in database.read(paths).documents):
        if time.monotonic() > deadline:
            raise ConfigurationError(f"After {seconds:g} s the functions have not stored the meeting.")
        if time.monotonic() > written + again:
            _seed_meeting(database)
            written = time.monotonic()
        time.sleep(0.2)


def _laid_out(folder: Path) -> Path:
    """Writes a project for firebase-tools: the functions with functions.yaml, and the rules; returns the functions."""
    source = folder / "functions"
    source.mkdir()
    for name in _FILES:
        shutil.copy(FUNCTIONS / name, source / name)
    (source / "main.py").write_text("from live_room import app\n\napp.export(globals())\n")
    (source / "functions.yaml").write_text(functions_yaml(live_app().manifest))
    shutil.copy(RULES, folder / RULES.name)
    (folder / "firebase.json").write_text(json.dumps({"firestore": {"rules": RULES.name}}))
    return source


def _settings(backend: Mapping[str, Any], *, costs: bool) -> dict[str, Any]:
    host, _, port = backend["firestore"].partition(":")
    return {
        "project": PROJECT,
        "auth": f"http://{backend['auth']}",
        "firestore": {"host": host, "port": int(port)},
        "meeting": MEETING,
        "costs": costs,
        "participants": [
            {**each, "email": _email(each), "password": _password(each), "ticket": f"ticket-{each['uid']}"}
            for each in PARTICIPANTS
        ],
    }


def _sign_up(auth_host: str) -> None:
    """Creates the participants' accounts in the Auth emulator, with the ids of their documents."""
    for each in PARTICIPANTS:
        account = {"localId": each["uid"], "email": _email(each), "password": _password(each)}
        answer = request(
            auth_host,
            "POST",
            f"/identitytoolkit.googleapis.com/v1/projects/{PROJECT}/accounts",
            json.dumps(account).encode(),
            {"Authorization": "Bearer owner", "Content-Type": "application/json"},
        )
        if answer.status != 200:
            raise ConfigurationError(f"The Auth emulator refused the account of {each['uid']}: {answer.text}")


def seed(database: Database) -> None:
    """Saves the participants, their tickets and the meeting."""
    _seed_parts(database)
    _seed_meeting(database)


def _seed_parts(database: Database) -> None:
    """Saves all that the meeting names."""
    sample = _sample("meeting_room")
    with use(database):
        for each in PARTICIPANTS:
            first_name, _, last_name = each["name"].partition(" ")
            sample.User.new(
                doc_id=each["uid"], first_name=first_name, last_name=last_name, organization=each["organization"]
            ).save()
            sample.Ticket.new(doc_id=f"ticket-{each['uid']}", user=each["uid"], attendance=each["organises"]).save()
        sample.Location.new(doc_id="hall", address="Great Hall", latitude=51.5, longitude=-0.1).save()


def _seed_meeting(database: Database) -> None:
    sample = _sample("meeting_room")
    with use(database):
        tickets = [f"ticket-{each['uid']}" for each in PARTICIPANTS]
        sample.Meeting.new(doc_id=MEETING, status="in-session", location="hall", tickets=tickets).save()


def _email(person: Mapping[str, Any]) -> str:
    return f"{person['uid']}@example.com"


def _password(person: Mapping[str, Any]) -> str:
    return f"{person['uid']}-in-the-emulator"


@contextmanager
def _environment(name: str, value: str) -> Iterator[None]:
    """Sets the variable inside the block."""
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        os.environ.pop(name)
        if before is not None:
            os.environ[name] = before


def build_page() -> None:
    """Builds the page, as `make live` does."""
    vite = LIVE / "node_modules" / ".bin" / "vite"
    if not vite.exists():
        raise ConfigurationError("The page's packages are not installed. Run 'make live'.")
    subprocess.run([str(vite), "build", "--logLevel", "warn"], cwd=LIVE, check=True)


def main() -> int:
    """Runs until Ctrl-C or SIGTERM; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m emulator.live", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="of the page; free by default")
    parser.add_argument("--firebase", action="store_true", help="let firebase-tools run the functions")
    options = parser.parse_args()
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    try:
        build_page()
        print("Starting the emulators and the functions …", flush=True)
        with LiveRoom(options.port, firebase=options.firebase) as room:
            print(f"The live meeting room is at {room.url}  (Ctrl-C ends it)", flush=True)
            stopped.wait()
            print("Stopping …", flush=True)
    except BoilerError as error:
        print(f"{error.code} {error}", file=sys.stderr)
        return 2
    print("Stopped.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
