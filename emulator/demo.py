"""Shows what the package does, end to end, on the real emulator: `make demo`.

Documents change, and every view that depends on them follows; a form is delivered five times and takes effect once.
The demo checks what it claims, and ends with status 1 when a claim does not hold.
"""

import json
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from typing import Any, TypeVar
from urllib.parse import urlsplit

from boiler_functions import Boiler, BoilerError, use
from boiler_functions.database import Filter, Put, Query
from boiler_functions.local.events import EventServer
from boiler_functions.local.firestore_emulator import FirestoreEmulator
from boiler_functions.local.loopback import Response, request
from boiler_functions.local.stack import LocalStack
from boiler_functions.modes.marker import COLLECTION as MARKERS
from boiler_functions.modes.query.rebuild import PAGE
from boiler_functions.testing import unsigned_token
from boiler_functions.types import Fields
from emulator import geonames
from emulator.listeners import Listeners
from emulator.narrator import (
    ClaimFailed,
    Claims,
    Journal,
    cost_of,
    heading,
    priced,
    say,
    shortened,
    tell_documents,
    tell_functions,
)
from functions import meeting_room, world
from functions.meeting_room import Location, Meeting, Ticket, User

T = TypeVar("T")

CITIES = 2000
DELIVERIES = 5
LOAD_SECONDS = 150.0

USERS = {
    "joshua": ("Joshua", "Pendergrast", "SDSU", True),
    "thomasina": ("Thomasina", "Manes", "UCSD", False),
    "tijuana": ("Tijuana", "Furlong", "UCSD", True),
}
MEETING = "meeting_1"
COPIES = {user: f"users/{user}/meetingSessions/{MEETING}" for user in USERS}
PROFILES = {user: f"userViews/{user}" for user in USERS}
FORM = "users/uid1/newCities/request1"


class Scene:
    """An app on its stack, with a journal of what was delivered to it."""

    def __init__(self, stack: LocalStack, journal: Journal, claims: Claims) -> None:
        self.stack = stack
        self.journal = journal
        self.claims = claims

    def documents(self, paths: Iterable[str]) -> dict[str, Fields | None]:
        """Returns the stored documents at the paths."""
        return {each.path: each.fields for each in self.stack.database.read(list(paths)).documents}

    def found(self, collection: str, *filters: Filter) -> dict[str, Fields | None]:
        """Returns the stored documents of a collection that pass the filters."""
        found = self.stack.database.query(Query(collection, filters=filters)).documents
        return {each.path: each.fields for each in found}


class MeetingRoom(Scene):
    """Three participants, each with a copy of the session, which is listened to."""

    def play(self) -> None:
        """Shows that every copy follows every change."""
        heading("Meeting room: three participants, each with a copy of the session")
        load_meeting_room()
        self.stack.drain()
        path = COPIES["joshua"]
        say(f"  {path}")
        for name, value in (self.documents([path])[path] or {}).items():
            say(f"    {name}: {shortened(value)}")
        self.claims.check("every participant has a copy", self.copied("numHearingAidRequested"), [2, 2, 2])
        with Listeners(self.stack.client(), COPIES.values()) as self.listeners:
            self.listeners.await_all(self.documents(COPIES.values()))
            self.show_absence()
            self.show_patches()
            self.show_rename()

    def show_absence(self) -> None:
        def act() -> None:
            ticket = existing(Ticket.get("ticket_tijuana"))
            ticket.attendance = False
            ticket.save()

        self.change("Tijuana's ticket says attendance: false", act)
        self.claims.check("every copy lost her", [len(each) for each in self.copied("attending")], [2, 2, 2])
        self.claims.check("every copy counts one hearing aid", self.copied("numHearingAidRequested"), [1, 1, 1])

    def show_patches(self) -> None:
        answers: list[Response] = []
        self.change("The meeting is closed over HTTP", lambda: answers.append(self.patch(inSession=False)))
        self.claims.check("the PATCH was taken", answers.pop().status, 200)
        self.claims.check("the meeting is closed", existing(Meeting.get(MEETING)).status, "closed")
        self.claims.check("every copy says so", self.copied("inSession"), [False] * 3)
        before = self.views()
        self.change("It is closed once more", lambda: answers.append(self.patch(inSession=False)))
        self.claims.check("the PATCH was refused", answers.pop().status, 422)
        self.claims.check("nothing changed", self.views(), before)

    def show_rename(self) -> None:
        def act() -> None:
            user = existing(User.get("thomasina"))
            user.last_name = "Okafor"
            user.save()

        self.change("Thomasina Manes is now called Thomasina Okafor", act)
        names = [[each["name"] for each in attending] for attending in self.copied("attending")]
        self.claims.check("every copy has her new name", names, [["Joshua Pendergrast", "Thomasina Okafor"]] * 3)
        profile = self.views()[PROFILES["thomasina"]] or {}
        self.claims.check("and so has her profile", profile.get("name"), "Thomasina Okafor")

    def change(self, title: str, act: Callable[[], None]) -> None:
        """Makes the change; prints what the listeners saw, which functions ran and what they wrote."""
        heading(title)
        before = self.views()
        self.listeners.forget()
        self.journal.take()
        started = time.monotonic()
        act()
        self.stack.drain()
        after = self.views()
        self.listeners.await_all({path: after[path] for path in COPIES.values()})
        self.tell_listeners(started)
        tell_functions(self.journal.take())
        tell_documents(before, after)

    def tell_listeners(self, started: float) -> None:
        say("  listeners")
        for user, path in COPIES.items():
            seen = self.listeners.since(path)
            if not seen:
                say(f"    {user:<10} saw nothing")
            for each in seen:
                say(f"    {user:<10} saw after {(each.at - started) * 1000:4.0f} ms: {summary(each.fields)}")

    def patch(self, **changes: object) -> Response:
        """Sends a PATCH of the meeting to `api`, and returns the answer."""
        assert self.stack.api_url is not None
        host, path = urlsplit(self.stack.api_url).netloc, f"/meeting_sessions/{MEETING}"
        token = unsigned_token("joshua", project=self.stack.project)
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
        answer = request(host, "PATCH", path, json.dumps(changes).encode(), headers)
        assert self.stack.last_request is not None
        say(f"  Joshua: PATCH {path} {json.dumps(changes)} → {answer.status}; {priced(self.stack.last_request.usage)}")
        return answer

    def views(self) -> dict[str, Fields | None]:
        """Returns the copies and the profiles."""
        return self.documents([*COPIES.values(), *PROFILES.values()])

    def copied(self, attribute: str) -> list[Any]:
        """Returns the attribute of each participant's copy."""
        return [(fields or {}).get(attribute) for fields in self.documents(COPIES.values()).values()]


class World(Scene):
    """Real cities, each shown with its country."""

    def play(self) -> None:
        """Shows that a country's new name reaches every city there, and that a form takes effect once."""
        heading(f"World: {CITIES:,} real cities and all countries")
        self.countries = {country.path: country for country in geonames.countries()}
        self.cities = geonames.cities(CITIES)
        self.load()
        self.claims.check(f"there are {CITIES:,} city views", len(self.found("cityViews")), CITIES)
        self.claims.check("each is as the data say", self.found("cityViews") == self.expected())
        self.show_rename()
        self.show_form()

    def load(self) -> None:
        models = [*self.countries.values(), *self.cities]
        started = time.monotonic()
        for saved in geonames.save_all(self.stack.database, models):
            say(f"  … {saved:,} of {len(models):,} documents written")
        self.stack.drain(LOAD_SECONDS)
        say(f"  all events handled after {time.monotonic() - started:.0f} s")

    def expected(self) -> dict[str, Fields | None]:
        """Returns the view of each city, computed from the source data only."""
        return {f"cityViews/{city.doc_id}": self.expected_view(city) for city in self.cities}

    def expected_view(self, city: world.City) -> Fields:
        country = self.countries[country_path(city)]
        return {
            "name": city.name,
            "population": city.population,
            "country": country.name,
            "currency": country.currency,
            "continent": country.continent,
            "obj_type": "CityView",
            "doc_ref": f"cityViews/{city.doc_id}",
        }

    def show_rename(self) -> None:
        path, count = Counter(map(country_path, self.cities)).most_common(1)[0]
        country = self.countries[path]
        former, country.name = country.name, f"{country.name} (renamed)"
        heading(f"{former} is renamed; {count} of the cities are there")
        sample = next(f"cityViews/{city.doc_id}" for city in self.cities if country_path(city) == path)
        before = self.documents([sample])
        self.journal.take()
        started = time.monotonic()
        country.save()
        self.stack.drain()
        say(f"  all events handled after {time.monotonic() - started:.1f} s")
        handled = self.journal.take()
        tell_functions(handled)
        tell_documents(before, self.documents([sample]))
        there = len(list(world.City.where(country=country)))
        renamed = self.found("cityViews", Filter("country", "==", country.name))
        self.claims.check(
            f"the database has {there} cities there, and as many views with the new name", len(renamed), there
        )
        self.claims.check("none has the old one", self.found("cityViews", Filter("country", "==", former)), {})
        self.claims.check(f"all {CITIES:,} views are as the data say", self.found("cityViews") == self.expected())
        cost = cost_of(handled)
        self.claims.check(f"it took at most 3 RPCs a page of {PAGE} views", cost.rpcs <= 3 * (there // PAGE + 1))
        self.claims.check("and at most 2 writes a view", cost.writes <= 2 * there)

    def show_form(self) -> None:
        heading(f"One form, delivered {DELIVERIES} times")
        self.journal.take()
        self.stack.database.commit([Put(FORM, {"name": "New Atlantis", "countryCode": "PT"})])
        self.stack.drain()
        first = next(each for each in self.journal.take() if each.report and "done" in each.report.outcomes)
        for _ in range(DELIVERIES - 1):
            self.stack.deliver(first.delivery.function, existing(first.event))
        self.stack.drain()
        handled = [first, *self.journal.take()]
        tell_functions(handled)
        outcomes = sum((Counter(each.report.outcomes) for each in handled if each.report), Counter[str]())
        self.claims.check("all deliveries were of one event", len({each.delivery.event_id for each in handled}), 1)
        self.claims.check("one took effect", outcomes, {"done": 1, "duplicate": DELIVERIES - 1})
        self.claims.check("there is one new city", len(list(world.City.where(name="New Atlantis"))), 1)
        self.claims.check("with one view", len(self.found("cityViews", Filter("name", "==", "New Atlantis"))), 1)
        self.claims.check("and one marker", len(self.found(MARKERS)), 1)
        form = self.documents([FORM])[FORM] or {}
        self.claims.check("the form says that it is done", form["outcome"]["status"], "done")


def load_meeting_room() -> None:
    """Saves the users with their tickets, the place and the meeting."""
    for user, (first, last, organization, hearing_aid) in USERS.items():
        User.new(
            doc_id=user,
            first_name=first,
            last_name=last,
            organization=organization,
            hearing_aid_requested=hearing_aid,
        ).save()
        Ticket.new(doc_id=f"ticket_{user}", user=user, role="Participant", attendance=True).save()
    address = "9500 Gilman Drive, La Jolla, CA"
    Location.new(doc_id="gilman", latitude=32.880361, longitude=-117.242929, address=address).save()
    tickets = [f"ticket_{user}" for user in USERS]
    Meeting.new(doc_id=MEETING, status="in-session", location="gilman", tickets=tickets).save()


def summary(session: Fields | None) -> str:
    """Describes a session in one line."""
    if session is None:
        return "no document"
    names = ", ".join(each["name"] for each in session["attending"])
    state = "in session" if session["inSession"] else "closed"
    return f"{state}; attending {names}; hearing aids {session['numHearingAidRequested']}"


def country_path(city: world.City) -> str:
    """Returns the path of a city's country, without reading the database."""
    path: str = city.values["country"].path
    return path


def existing(value: T | None) -> T:
    """Returns the value; raises ClaimFailed if it is None."""
    if value is None:
        raise ClaimFailed("A document that was saved is missing.")
    return value


def run(scenes: Mapping[type[MeetingRoom | World], Boiler]) -> int:
    """Plays every scene on one emulator, each in a project of its own; returns how many claims were checked."""
    claims = Claims()
    with ExitStack() as opened:
        say("The Firestore emulator is started …")
        server = opened.enter_context(EventServer())
        emulator = opened.enter_context(FirestoreEmulator(functions=server.host))
        for scene, app in scenes.items():
            journal = Journal()
            project = f"demo-{app.name}"
            stack = LocalStack(app, project, emulator=emulator, server=server, observer=journal.note)
            with stack, use(stack.database):
                scene(stack, journal, claims).play()
    return claims.held


def main() -> int:
    """Runs the demo, and returns its exit status."""
    # Set explicitly, because a shell starts background jobs with SIGINT ignored, and the emulator must be stopped.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    started = time.monotonic()
    try:
        held = run({MeetingRoom: meeting_room.app, World: world.app})
    except KeyboardInterrupt:
        print("\nInterrupted; all that was started is stopped.", file=sys.stderr)
        return 130
    except (ClaimFailed, BoilerError) as error:
        print(f"\nThe demo failed: {error}", file=sys.stderr)
        return 1
    say(f"\nAll {held} claims hold; {time.monotonic() - started:.0f} s.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
