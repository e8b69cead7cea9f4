"""An operator's story with all cities of the world, on the real emulator and by the commands that a user runs.

A getter changes: the view is staged, compared, promoted and rolled back, while writers write and clients listen. Then
things break: copies are edited by hand, ledgers are deleted, events are lost or given up, documents do not fit, and a
receiver is down. What the commands name is compared with what was broken, and in the end every copy with plain Python.
"""

import json
import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

from boiler_functions import Boiler
from boiler_functions.cli.project import Project
from boiler_functions.cli.pubsub import EMULATOR_HOST as PUBSUB
from boiler_functions.cli.registering import Registering
from boiler_functions.database import Database, Delete, Put, Query, Write
from boiler_functions.database.firestore import FirestoreDatabase
from boiler_functions.database.variables import EMULATOR_HOST, PROJECT
from boiler_functions.local.events import EventServer
from boiler_functions.local.firestore_emulator import FirestoreEmulator
from boiler_functions.modes.dead_letter import letters_of
from boiler_functions.modes.edition import scope_of
from boiler_functions.modes.ledger import COPIES, ledger_path
from boiler_functions.modes.query.paging import pages
from boiler_functions.modes.staged import StagedVersion
from boiler_functions.types import Fields
from boiler_functions.views.build import Instance, chunks
from emulator import geonames
from tests.torture.figures import Figure
from tests.torture.story_cloud import Cloud, KeptEvents
from tests.torture.story_people import Listeners, Writers
from tests.torture.unlogged import unlogged

ROOT = Path(__file__).parents[2]
BOILER = (sys.executable, "-c", "from boiler_functions.cli import main; main()")

APP = (
    (ROOT / "functions" / "world.py").read_text("utf-8")
    + '''

class CountryStore(Store):
    country = reference(Country)


@app.query
class CountryView(ViewModel[CountryStore]):
    class Meta:
        path = "countryViews/{country.doc_id}"

    @attrs.computed
    def currency(self) -> str:
        return self.store.country.currency


@app.on_change(CountryView)
def tell(change: Changed[CountryView]) -> None:
    """Tells others of a new currency."""
'''
)
OLD = APP.replace("import Boiler,", "import Boiler, Changed,", 1)
NEW = OLD.replace("return self.store.city.name", 'return f"City of {self.store.city.name}"').replace(
    "return self.store.country.continent if", 'return f"in {self.store.country.continent}" if'
)
"""Two getters are other ones, so that a copy that is of both versions would show."""

VIEW = "CityView"
ON_CITIES, TELL = "city_view_on_cities", "tell_on_country_view"

WELL: dict[str, str] = dict.fromkeys((VIEW, "CountryView", "NewCity", "tell"), "ok")

NOBODY = "cities/nobody"
"""No such city exists, but a copy of it does."""

LOST = 0.01
"""The part of the events that are lost."""


@dataclass(frozen=True)
class Volume:
    """How much of it happens: of all cities, or of the largest."""

    cities: int | None = None
    listeners: int = 1_000
    calm: int = 30
    """Changes a second while versions are swapped, each of which two functions follow."""
    rate: int = 100
    """Changes a second while the commands look for what is broken, and mend it."""
    ahead: int = 3_000
    """The most changes by which writers are ahead of the functions."""
    changes: int = 2_000
    """Of which some events are lost."""
    broken: int = 40
    """Things that are broken of each other kind."""
    late: int = 60
    """Seconds from which an event that has not come counts as lost."""


SHORT = Volume(cities=200, calm=20, rate=40, ahead=10, changes=100, broken=3, late=5)


class Seen:
    """What a reader has seen, copy by copy, and must never see."""

    def __init__(self) -> None:
        self.gaps: list[str] = []
        self.mixtures: list[str] = []
        self.older: list[str] = []
        self.number = 0
        self._population: dict[str, int] = {}

    def note(self, path: str, copy: Fields | None) -> None:
        self.number += 1
        if copy is None:
            self.gaps.append(path)
            return
        if len({copy["name"].startswith("City of "), copy["continent"].startswith("in ")}) == 2:
            self.mixtures.append(f"{path}: {copy['name']!r}, {copy['continent']!r}")
        if copy["population"] < self._population.get(path, 0):
            self.older.append(f"{path}: {copy['population']} after {self._population[path]}")
        self._population[path] = copy["population"]


@dataclass
class Broken:
    """What is broken, as it will be named."""

    faults: set[tuple[str, str]]
    bad: tuple[str, ...]
    given_up: tuple[str, ...]


class Story:
    """The project on disk, its database on the emulator, and what was wrong at each point; `wrong` must stay empty."""

    def __init__(
        self,
        volume: Volume,
        seed: int,
        folder: Path,
        emulator: FirestoreEmulator,
        server: EventServer,
        kept: KeptEvents,
        project: str,
    ) -> None:
        self.volume, self.chance = volume, Random(seed)
        self.folder, self.kept, self.project = folder, kept, project
        self.emulator, self.server = emulator, server
        self.database = FirestoreDatabase(project, emulator=emulator.host)
        self.wrong: dict[str, list[str]] = {name: [] for name in FIGURES}
        self.numbers: dict[str, float] = {}
        self.transcript: list[tuple[str, str]] = []
        """Each command, and what it printed."""
        self._opened = ExitStack()

    def happen(self) -> None:
        """Lets all of it happen."""
        with self._opened:
            self._load()
            self._deploy()
            self._change_a_getter()
            self._break_things()

    # The first version

    def _load(self) -> None:
        """Saves the documents before there is any function, as they would be in a project that exists."""
        models = [*geonames.countries(), *geonames.cities(self.volume.cities)]
        for _ in geonames.save_all(self.database, models):
            pass
        self.countries = _all(self.database, "countries")
        self.cities = _all(self.database, "cities")
        self.numbers["cities"] = len(self.cities)

    def _deploy(self) -> None:
        app = self._use("old", OLD)
        self.cloud = self._opened.enter_context(Cloud(app, self.project, self.emulator, self.server, self.kept))
        declared = app.compiled.declarations
        Registering.of(declared, self.database, 1).write(self.database)
        self.run("build --all --yes")
        self.cloud.drain(900)
        self._compare("first_version", is_new=False)

    def _use(self, version: str, text: str) -> Boiler:
        """Writes and imports a version of the app, which the commands find from now on."""
        # A name of its own in this process, which imports it.
        module = f"world_{version}_{self.project.rpartition('-')[2]}"
        (self.folder / "functions").mkdir(exist_ok=True)
        (self.folder / "functions" / f"{module}.py").write_text(text)
        (self.folder / "pyproject.toml").write_text(f'[tool.boiler_functions]\napp = "{module}:app"\n')
        return Project.find(start=self.folder).load()

    # A getter changes

    def _change_a_getter(self) -> None:
        newer, number = self._use("new", NEW), len(self.cities)
        self.run("diff CityView --sample 3", status=1)
        self.cloud.stage(newer, VIEW, 1 << 40)  # Later than what the command gives what it builds.
        seen = Seen()
        followed = self.chance.sample([_copy(each) for each in self.cities], min(number, self.volume.listeners))
        listeners = Listeners(self.emulator.host, self.project, followed, seen.note)
        with self._writers(list(self.cities), self.volume.calm, functions=2) as writers:
            self.run("stage CityView --yes")
            self.run("wait CityView")
            found = self.ask("diff CityView", status=1)["views"][VIEW]
            self._expect("diff", (found["changed"], found["staged"]), (number, True))
        self._settle(writers)
        self._move("promote", is_new=True)
        self._move("rollback", is_new=False)
        listeners.stop()
        self.cloud.unstage()
        self.run("abort CityView --yes")
        self.wrong |= {"gaps": seen.gaps, "mixtures": seen.mixtures, "older_after_newer": seen.older}
        self.numbers["copies_seen"] = seen.number
        self._expect("left_on_the_shelf", len(_all(self.database, COPIES)), 0)
        self._expect("left_on_the_shelf", StagedVersion.of(self.database, "world", VIEW).exists, False)
        self._use("old", OLD)

    def _move(self, command: str, *, is_new: bool) -> None:
        """Swaps the two versions while writers write, and once more if something was behind."""
        moved = Counter[str]()
        with self._writers(list(self.cities), self.volume.calm, functions=2) as writers:
            moved += self._moved(command)
        self._settle(writers)
        if moved.pop("behind", 0):
            moved += self._moved(command)
        self._expect("not_moved", dict(moved), {"moved": len(self.cities)})
        self._compare(f"after the {command}", is_new=is_new)

    def _moved(self, command: str) -> Counter[str]:
        printed = self.run(f"{command} CityView --yes", status=None)
        return Counter({what: int(number) for number, what in re.findall(r"(\d+) (moved|behind|too large)", printed)})

    def _writers(self, cities: Sequence[str], rate: float, functions: int = 1) -> Writers:
        """Returns writers who let cities grow; so many functions follow each change."""
        before = self._handled()

        def behind(written: int) -> int:
            return written - (self._handled() - before) // functions

        documents = {each: self.cities[each] for each in cities}
        return Writers(self.database, documents, _grown, rate, behind, self.volume.ahead)

    def _handled(self) -> int:
        return sum(number for name, number in self.cloud.acknowledged.items() if name.endswith(ON_CITIES))

    def _settle(self, writers: Writers) -> None:
        """Waits until the functions have followed what the writers have written."""
        self.cities |= writers.documents
        self.numbers["changes"] = self.numbers.get("changes", 0) + writers.written
        self.cloud.drain(900)

    # Things break

    def _break_things(self) -> None:
        late = f"--late {self.volume.late}s"
        broken, others = self._broken()
        broken_at = time.monotonic()
        with self._writers(others, self.volume.rate) as writers:
            self._look_for_letters(broken)
            time.sleep(max(0.0, broken_at + self.volume.late + 1 - time.monotonic()))
            self._look_for_faults(broken, late)
            self._mend(broken, late)
        self.numbers["changes_a_second"] = round(writers.written / writers.seconds)
        self._settle(writers)
        self._expect_states(WELL, late, status=0)
        for found in self.ask(f"audit {late}")["views"].values():
            self._expect("left_unrepaired", found["verdicts"], {"right": found["compared"]})
        self._expect("left_unrepaired", len(self.kept.waiting), 0)
        self._expect("left_unrepaired", list(letters_of(self.database, "world")), [])
        self._compare("in the end", is_new=False)

    def _broken(self) -> tuple[Broken, list[str]]:
        """Breaks things of each kind; returns them, and the cities that are left in peace."""
        volume = self.volume
        drawn = iter(self.chance.sample(sorted(self.cities), len(self.cities)))
        edited, unledgered, bad, given_up = ([next(drawn) for _ in range(volume.broken)] for _ in range(4))
        changed, others = [next(drawn) for _ in range(volume.changes)], list(drawn)
        lost = self._lose(changed)
        with unlogged():
            self._spoil(bad)
            self.cloud.drain(900)
        self._edit(edited)
        self._forget(unledgered)
        self._take_down(given_up)
        self.numbers["events_lost"] = len(lost)
        faults = {
            *(("wrong", each) for each in edited),
            *(("lost", each) for each in (*lost, *unledgered, *given_up)),
            *(("no ledger", _copy(each)) for each in (*unledgered, NOBODY)),
        }
        self.numbers["broken"] = len(faults) + len(bad)
        return Broken(faults, tuple(bad), tuple(given_up)), others

    def _lose(self, changed: Sequence[str]) -> list[str]:
        """Changes cities, one of which is deleted and one is new; the events of some are lost."""
        new, gone = "cities/new", changed[0]
        lost = {new, gone, *self.chance.sample(changed[1:], max(1, int(len(changed) * LOST)))}
        self.cloud.losing = frozenset(lost)
        self._grow(changed[1:])
        self.cities[new] = {**self.cities[changed[1]], "doc_id": "new"}
        del self.cities[gone]
        self.database.commit([Put(new, self.cities[new]), Delete(gone)])
        return sorted(lost)

    def _spoil(self, bad: Sequence[str]) -> None:
        self.database.commit(
            [Put(each, {name: value for name, value in self.cities[each].items() if name != "name"}) for each in bad]
        )

    def _edit(self, edited: Sequence[str]) -> None:
        """Changes a field, adds one, or deletes the copy; and adds a copy of nothing."""
        copies = self.database.read([_copy(each) for each in edited]).documents
        fields = [each.fields or {} for each in copies]
        writes: list[Write] = [Put(_copy(NOBODY), {**fields[0], "doc_ref": _copy(NOBODY)})]
        for number, (copy, found) in enumerate(zip(copies, fields, strict=True)):
            kinds: list[Write] = [Put(copy.path, {**found, each: "by hand"}) for each in ("name", "note")]
            writes.append([*kinds, Delete(copy.path)][number % 3])
        self.database.commit(writes)

    def _forget(self, cities: Iterable[str]) -> None:
        """Deletes the ledgers of their views."""
        (view,) = (each for each in self.cloud.app.compiled.declarations.stored if each.__name__ == VIEW)
        scope = scope_of("world", view)
        self.database.commit([Delete(ledger_path(scope, Instance(view, each))) for each in cities])

    def _take_down(self, cities: Sequence[str]) -> None:
        """Takes two functions down: one comes back once its events are given up, the other only later."""
        self.cloud.given_up, self.cloud.down = frozenset({ON_CITIES}), frozenset({ON_CITIES, TELL})
        self._grow(cities)
        for each in WITHOUT_CITIES:
            self.countries[each] = {**self.countries[each], "currency": "Thaler"}
        self.database.commit([Put(each, self.countries[each]) for each in WITHOUT_CITIES])
        deadline = time.monotonic() + 60
        while len(self.kept.waiting) < len(cities):
            assert time.monotonic() < deadline, "The events are not given up."
            time.sleep(0.05)
        self.cloud.down = frozenset({TELL})

    def _grow(self, cities: Sequence[str]) -> None:
        self.cities |= {each: _grown(self.cities[each]) for each in cities}
        for page in chunks(cities, 100):
            self.database.commit([Put(each, self.cities[each]) for each in page])

    def _look_for_letters(self, broken: Broken) -> None:
        """Asks what could not be done, and compares it with what was broken."""
        letters = self.ask("letters list")["letters"]
        self._expect_set("letters", {each["subject"] for each in letters}, {*broken.bad})
        kept = self.ask("letters list --undelivered")["undelivered"]
        self._expect_set("undelivered_events", {each["path"] for each in kept}, {*broken.given_up})

    def _look_for_faults(self, broken: Broken, late: str) -> None:
        """Asks what is not as it should be, and compares it with what was broken."""
        self._expect_states({**WELL, VIEW: "failing", "tell": "late"}, late, status=1)
        self.run(f"status {late}", status=1)
        started = time.monotonic()
        found = self.ask(f"audit CityView {late}", status=1)["views"][VIEW]
        self.numbers["audited_a_second"] = round(found["compared"] / (time.monotonic() - started))
        self._expect_set("faults", {(each["verdict"], each["root"]) for each in found["faults"]}, broken.faults)
        self._expect("bad_documents_not_owed", found["verdicts"].get("owed", 0), len(broken.bad))

    def _mend(self, broken: Broken, late: str) -> None:
        """Mends the documents, and lets the commands heal the views; the events of the mending are lost, too."""
        self.cloud.losing |= {*broken.bad}
        self.cloud.down = frozenset()
        self._grow(broken.bad)
        self.run("letters retry --all")
        self.run("letters retry --undelivered --all")
        self.run(f"audit CityView {late} --repair --yes")

    def _expect_states(self, states: Mapping[str, str], late: str, *, status: int) -> None:
        parts = self.ask(f"status {late}", status=status)["parts"]
        self._expect("wrong_states", {each["name"]: each["state"] for each in parts}, states)

    # What was found, compared with what is true

    def _compare(self, when: str, *, is_new: bool) -> None:
        """Compares every copy with what plain Python makes of the documents."""
        stored = _all(self.database, "cityViews")
        wanted = {_copy(path): self._expected(city, is_new=is_new) for path, city in self.cities.items()}
        differing = [each for each in {*stored, *wanted} if not _shows(stored.get(each), wanted.get(each))]
        self.wrong["views_unlike_plain_python"] += [f"{when}: {each}" for each in differing]

    def _expected(self, city: Fields, *, is_new: bool) -> Fields:
        country = self.countries[city["country"].path]
        name, continent = city["name"], country["continent"]
        shown = (f"City of {name}", f"in {continent}") if is_new else (name, continent)
        known = {"country": country["name"], "currency": country["currency"], "population": city["population"]}
        return {**known, "name": shown[0], "continent": shown[1]}

    def _expect(self, figure: str, found: object, wanted: object) -> None:
        if found != wanted:
            self.wrong[figure].append(f"{found!r}, not {wanted!r}")

    def _expect_set(self, what: str, named: set[Any], true: set[Any]) -> None:
        self.wrong[f"{what}_missed"] += [repr(each) for each in sorted(true - named)]
        self.wrong[f"{what}_falsely_named"] += [repr(each) for each in sorted(named - true)]

    # Commands

    def ask(self, command: str, status: int | None = 0) -> dict[str, Any]:
        """Returns what the command says with --json."""
        result: dict[str, Any] = json.loads(self._done(f"{command} --json", status))["result"]
        return result

    def run(self, command: str, status: int | None = 0) -> str:
        """Returns what the command prints, and keeps it."""
        self.transcript.append((command, self._done(command, status)))
        return self.transcript[-1][1]

    def _done(self, command: str, status: int | None) -> str:
        environment = {
            **os.environ,
            EMULATOR_HOST: self.emulator.host,
            PROJECT: self.project,
            PUBSUB: self.kept.host,
            "COLUMNS": "120",
        }
        started = time.monotonic()
        done = subprocess.run(
            [*BOILER, *command.split()],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=1800,
        )
        print(f"    {time.monotonic() - started:6.1f} s  boiler {command}", flush=True)
        assert status in (None, done.returncode), f"boiler {command}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout


FIGURES = (
    "gaps",
    "mixtures",
    "older_after_newer",
    "diff",
    "not_moved",
    "left_on_the_shelf",
    "views_unlike_plain_python",
    "wrong_states",
    "letters_missed",
    "letters_falsely_named",
    "undelivered_events_missed",
    "undelivered_events_falsely_named",
    "faults_missed",
    "faults_falsely_named",
    "bad_documents_not_owed",
    "left_unrepaired",
)

WITHOUT_CITIES = ("countries/AQ", "countries/BV")
"""Countries whose change reaches no city's view."""


def _grown(city: Fields) -> Fields:
    return {**city, "population": city["population"] + 1}


def _copy(city: str) -> str:
    return city.replace("cities/", "cityViews/")


def _shows(copy: Fields | None, wanted: Fields | None) -> bool:
    if copy is None or wanted is None:
        return copy is wanted
    return {name: copy.get(name) for name in wanted} == wanted


def _all(database: Database, collection: str) -> dict[str, Fields]:
    found = pages(database, Query(collection, limit=3000))
    return {each.path: each.fields or {} for page in found for each in page}


def figures(story: Story) -> Iterator[Figure]:
    """Yields what the story has found, after it was told."""
    for name, number in story.numbers.items():
        yield Figure(name, number)
    for name in FIGURES:
        for detail in story.wrong[name][:10]:
            print(f"    {name}: {detail}")
        yield Figure(name, len(story.wrong[name]), "=", 0)


def run(short: bool, seed: int) -> Iterator[Figure]:
    """Yields the figures of the story."""
    with (
        TemporaryDirectory() as folder,
        EventServer() as server,
        FirestoreEmulator(functions=server.host) as emulator,
        KeptEvents() as kept,
    ):
        story = Story(SHORT if short else Volume(), seed, Path(folder), emulator, server, kept, "demo-world")
        story.happen()
        for command, printed in story.transcript:
            print(f"$ boiler {command}\n{printed}")
        yield from figures(story)
