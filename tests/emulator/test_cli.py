"""`boiler dev` and `boiler build` on the real emulator, as a user runs them."""

import asyncio
import json
import os
import re
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from google.cloud import firestore

from boiler_functions.cli.project import Project
from boiler_functions.database import Put, Query
from boiler_functions.database.firestore import FirestoreDatabase
from boiler_functions.database.variables import EMULATOR_HOST, PROJECT
from boiler_functions.local.firestore_emulator import FirestoreEmulator
from boiler_functions.local.loopback import answers, free_port, request
from boiler_functions.modes.ledger import COLLECTION, FORMAT
from tests.emulator.running import TIMEOUT, Running
from tests.unit.modes.websocket.rooms import Client

BOILER = (sys.executable, "-c", "from boiler_functions.cli import main; main()")
ROOT = Path(__file__).parent.parent.parent

APP = """
from boiler_functions import Boiler, DomainModel, Store, ViewModel, access, attrs, reference

app = Boiler("towns")

class City(DomainModel):
    class Meta:
        collection_name = "cities"
    name = attrs.string(required=True)

class CityStore(Store):
    city = reference(City)

@app.query
@app.rest("/cities")
class CityView(ViewModel[CityStore]):
    class Meta:
        path = "cityView/{city.doc_id}"
        read = access.public

    @attrs.computed
    def title(self) -> str:
        return self.store.city.name.upper()
"""

MORE = """
@app.query
class CityLabel(ViewModel[CityStore]):
    class Meta:
        path = "cityLabels/{city.doc_id}"

    @attrs.computed
    def label(self) -> str:
        return "* " + self.store.city.name
"""

# The views of another edition, which has a higher schema version than APP.
NEWER = APP.replace('path = "cityView', 'schema_version = 2\n        path = "cityView')


# Tests run side by side, and most need no accounts.
DEV = ("dev", "--free-ports", "--no-auth")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """The source of an app in a project of its own."""
    name = f"app_{secrets.token_hex(6)}"
    (tmp_path / "pyproject.toml").write_text(f'[tool.boiler_functions]\napp = "{name}:app"\n')
    (tmp_path / "functions").mkdir()
    source = tmp_path / "functions" / f"{name}.py"
    source.write_text(APP)
    return source


def environment(**variables: str) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if name not in (EMULATOR_HOST, PROJECT)}
    return {**inherited, **variables}


def running(source: Path, *arguments: str, **variables: str) -> Running:
    return Running([*BOILER, *arguments], source.parent.parent, environment(**variables))


def processes_of(source: Path) -> list[str]:
    """The command lines of the processes that work on the project, or that such a one started."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            text = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue  # it has ended meanwhile
        if str(source.parent) in text:
            found.append(text)
    return found


@pytest.fixture
def dev(source: Path) -> Iterator[Running]:
    with running(source, *DEV) as command:
        yield command


def client_of(dev: Running, monkeypatch: pytest.MonkeyPatch) -> firestore.Client:
    """A client by the line that `boiler dev` prints to copy."""
    exported = dev.line(rf"export {EMULATOR_HOST}=(\S+) {PROJECT}=(\S+)")
    monkeypatch.setenv(EMULATOR_HOST, exported[1])
    return firestore.Client(project=exported[2])


def content(client: firestore.Client, path: str) -> dict[str, Any]:
    fields: dict[str, Any] | None = client.document(path).get().to_dict()
    return fields or {}


def test_dev_delivers_reloads_keeps_its_data_and_stops_cleanly(
    dev: Running, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = client_of(dev, monkeypatch)
    host = str(client._emulator_host)
    dev.line(r"^App +towns with 4 functions$")
    api = dev.line(r"^API +http://(\S+)$")[1]

    client.document("cities/TOK").set({"name": "Tokyo"})
    assert "1 built; " in dev.line(r"^city_view_on_cities ← cities/TOK: (.*)$")[1]
    assert content(client, "cityView/TOK")["title"] == "TOKYO"
    assert json.loads(request(api, "GET", "/cities/TOK").body)["title"] == "TOKYO"

    source.write_text(APP.replace("upper", "lower"))
    dev.line(rf"^{source.name} changed; towns with 4 functions reloaded\.$")
    while content(client, "cityView/TOK")["title"] != "tokyo":
        dev.line(r"^reload: 1 built")
    client.document("cities/PAR").set({"name": "Paris"})
    dev.line(r"^city_view_on_cities ← cities/PAR: 1 built")
    assert content(client, "cityView/PAR")["title"] == "paris"
    assert json.loads(request(api, "GET", "/cities/PAR").body)["title"] == "paris"

    assert dev.end() == 0
    assert dev.lines[-1] == "Stopped."
    assert not answers(host)
    assert not answers(api)
    assert processes_of(source) == []


def test_dev_waits_with_the_events_while_the_app_does_not_start(
    dev: Running, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = client_of(dev, monkeypatch)
    client.document("cities/TOK").set({"name": "Tokyo"})
    dev.line(r"← cities/TOK: 1 built")

    source.write_text("app = \n")
    dev.line(r"SyntaxError: invalid syntax")
    dev.line(r"changed; the app does not start")
    client.document("cities/PAR").set({"name": "Paris"})

    source.write_text(APP + MORE)
    dev.line(r"changed; towns with 5 functions reloaded")
    dev.line(r"^city_view_on_cities ← cities/PAR: 1 built")
    client.document("cities/LA").set({"name": "Los Angeles"})
    dev.line(r"^city_label_on_cities ← cities/LA: 1 built")
    assert content(client, "cityLabels/LA")["label"] == "* Los Angeles"

    source.write_text(APP)
    dev.line(r"changed; towns with 4 functions reloaded")
    client.document("cities/ROM").set({"name": "Rome"})
    dev.line(r"^city_view_on_cities ← cities/ROM: 1 built")
    assert content(client, "cityLabels/ROM") == {}
    assert dev.end(signal.SIGTERM) == 0


def test_dev_takes_every_reload_for_a_later_deployment_also_one_of_a_lower_schema_version(
    dev: Running, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = client_of(dev, monkeypatch)
    for code, name in ((APP, "Tokyo"), (NEWER, "Tokio"), (APP, "Edo")):
        if code != source.read_text():
            source.write_text(code)
            dev.line(r"reloaded")
        client.document("cities/TOK").set({"name": name})
        # What follows each reload may be faster than the event.
        while content(client, "cityView/TOK").get("title") != name.upper():
            dev.line(r"(← cities/TOK|^upkeep|^reload): 1 built")


def test_dev_reports_a_failed_delivery_and_repeats_it(
    dev: Running, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = client_of(dev, monkeypatch)
    client.document("cities/TOK").set({"name": "Tokyo"})
    dev.line(r"← cities/TOK: 1 built")
    (ledger,) = client.collection(COLLECTION).stream()
    ledger.reference.update({"format": FORMAT + 1})
    client.document("cities/TOK").set({"name": "Edo"})
    dev.line(r"^city_view_on_cities ← cities/TOK: attempt 1 failed, BF404 The ledger .*; again in 0\.5 s$")
    ledger.reference.update({"format": 1})
    dev.line(r"^city_view_on_cities ← cities/TOK: 1 built")
    assert content(client, "cityView/TOK")["title"] == "EDO"


def test_dev_serves_the_sockets_beside_the_functions_also_after_a_reload(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source.write_text(APP.replace("@app.query\n", '@app.query\n@app.websocket("/cities")\n'))

    async def follow(url: str, name: str) -> None:
        follower = Client("/cities")
        await follower.connect(f"http://{url}", None)
        assert (await follower.subscribe("TOK"))["code"] == 200
        assert (await follower.view())["id"] == "TOK"
        client.document("cities/TOK").set({"name": name})
        assert await follower.view() == {"id": "TOK", "title": name.upper()}
        await follower.socket.disconnect()

    with running(source, *DEV) as dev:
        client = client_of(dev, monkeypatch)
        sockets = dev.line(r"^Sockets +ws://(\S+)/cities$")[1]
        client.document("cities/TOK").set({"name": "Tokyo"})
        dev.line(r"← cities/TOK: 1 built")
        asyncio.run(follow(sockets, "Edo"))
        source.write_text(source.read_text() + "\n")
        dev.line(r"reloaded")
        asyncio.run(follow(sockets, "Tokio"))
        assert dev.end() == 0
    assert not answers(sockets)


def test_what_dev_started_ends_even_when_dev_is_killed(
    dev: Running, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = str(client_of(dev, monkeypatch)._emulator_host)
    dev.line(r"^Stop +Ctrl-C$")
    dev.end(signal.SIGKILL)
    deadline = time.monotonic() + TIMEOUT
    while time.monotonic() < deadline and (answers(host) or processes_of(source)):
        time.sleep(0.05)
    assert not answers(host)
    assert processes_of(source) == []


def test_dev_that_cannot_begin_says_why_and_leaves_nothing(source: Path, firestore_emulator: FirestoreEmulator) -> None:
    port = firestore_emulator.host.partition(":")[2]
    ports = {"firestore": {"port": int(port)}, "auth": {"port": free_port()}, "functions": {"port": free_port()}}
    (source.parent.parent / "firebase.json").write_text(json.dumps({"emulators": ports}))
    cases: Mapping[str, tuple[tuple[str, ...], dict[str, str]]] = {
        f"error BF200 The port {port} of 'firestore' is taken.": (("dev", "--no-auth"), {}),
        "error BF200 FIRESTORE_EMULATOR_BINARY_PATH names nowhere.jar": (
            DEV,
            {"FIRESTORE_EMULATOR_BINARY_PATH": "nowhere.jar"},
        ),
    }
    for told, (arguments, variables) in cases.items():
        with running(source, *arguments, **variables) as command:
            assert command.wait() == 2
            assert command.lines[-2].startswith(told)
    source.write_text("app = 1\n")
    with running(source, *DEV) as command:
        assert command.wait() == 2
        assert command.lines[-2].startswith("error BF200 'app' in ")
    assert processes_of(source) == []


def test_firebase_tools_reads_the_functions_yaml_that_compile_writes(source: Path) -> None:
    with running(source, "compile") as command:
        assert command.wait() == 0
    # The parser that firebase-tools reads the file with.
    script = "process.stdout.write(JSON.stringify(require('yaml').parse(require('fs').readFileSync(0, 'utf8'))))"
    text = (source.parent / "functions.yaml").read_text()
    read = subprocess.run(["node", "-e", script], cwd=ROOT, input=text, capture_output=True, text=True, check=True)
    app = Project.find(start=source.parent).load()
    assert json.loads(read.stdout) == app.manifest.to_functions_yaml()


class Built:
    """The project on the shared emulator, and what a build made of it."""

    def __init__(self, emulator: FirestoreEmulator, project: str) -> None:
        self.variables = {EMULATOR_HOST: emulator.host, PROJECT: project}
        self.database = FirestoreDatabase(project, emulator=emulator.host)

    def cities(self, number: int) -> None:
        for start in range(0, number, 500):
            numbers = range(start, min(number, start + 500))
            self.database.commit([Put(f"cities/c{at:05}", {"name": f"n{at}"}) for at in numbers])

    def titles(self, *ids: str) -> list[str | None]:
        views = self.database.read([f"cityView/{each}" for each in ids]).documents
        return [(view.fields or {}).get("title") for view in views]

    def boiler(self, source: Path, *arguments: str) -> tuple[int, str]:
        with running(source, "build", *arguments, **self.variables) as command:
            return command.wait(), "\n".join(command.lines)


@pytest.fixture
def built(firestore_emulator: FirestoreEmulator, project: str) -> Built:
    return Built(firestore_emulator, project)


def test_build_makes_every_view_and_reports_the_usage(built: Built, source: Path) -> None:
    built.cities(3)
    status, told = built.boiler(source, "CityView")
    assert status == 0
    assert re.fullmatch(r"CityView: 3 built; \d+ views/s; \d+ reads, \d+ writes, \d+ RPCs", told.splitlines()[-1])
    assert built.titles("c00000", "c00001", "c00002") == ["N0", "N1", "N2"]
    assert list((source.parent.parent / ".boiler").glob("*.json")) == []


def test_build_of_one_root_heals_that_view_alone(built: Built, source: Path) -> None:
    built.cities(2)
    built.boiler(source, "CityView")
    built.database.commit([Put(f"cityView/{each}", {"title": "edited"}) for each in ("c00000", "c00001")])
    for root in ("c00000", "cities/c00000"):
        status, told = built.boiler(source, "CityView", "--root", root)
        assert (status, told.splitlines()[-1].partition(";")[0]) == (0, "CityView: 1 built")
    assert built.titles("c00000", "c00001") == ["N0", "edited"]


def test_build_with_a_document_that_does_not_fit_ends_with_1_and_builds_the_others(built: Built, source: Path) -> None:
    built.cities(2)
    built.database.commit([Put("cities/c00000", {"name": 7})])
    status, told = built.boiler(source, "CityView")
    assert status == 1
    assert "1 could not be built and are unchanged; boilerDeadLetters says why." in told
    assert built.titles("c00000", "c00001") == [None, "N1"]


def test_build_that_is_interrupted_goes_on_where_it_stopped(built: Built, source: Path) -> None:
    built.cities(2000)
    position = source.parent.parent / ".boiler" / "build-CityView.json"
    with running(source, "build", "CityView", **built.variables) as command:
        while not position.is_file() or not json.loads(position.read_text())["after"]:
            assert command.process.poll() is None
            time.sleep(0.002)
        assert command.end() == 130
        assert command.lines[-1] == "Stopped; continue with `boiler build CityView --resume`."
    done = int(json.loads(position.read_text())["after"].removeprefix("cities/c")) + 1
    assert 0 < done < 2000

    status, told = built.boiler(source, "CityView", "--resume")
    assert status == 0
    assert told.splitlines()[-1].startswith("CityView: 2000 built")
    assert built.titles("c00000", "c01999", f"c{done:05}") == ["N0", "N1999", f"N{done}"]
    assert not position.exists()


def test_a_build_that_fails_for_now_says_how_to_go_on(source: Path, built: Built) -> None:
    built.cities(1)
    built.boiler(source, "CityView")
    (ledger,) = built.database.query(Query(COLLECTION)).documents
    built.database.commit([Put(ledger.path, {"format": FORMAT + 1}, mask=("format",))])
    status, told = built.boiler(source, "CityView")
    assert status == 2
    *_, error, hint, see = told.splitlines()
    assert error.startswith(f"error BF404 The ledger of CityView of cities/c00000 has the format {FORMAT + 1}")
    assert hint == "  What was built is kept; continue with `boiler build CityView --resume`."
    assert see == "see: boiler check --explain BF404"
    built.database.commit([Put(ledger.path, {"format": 1}, mask=("format",))])
    assert built.boiler(source, "CityView", "--resume")[0] == 0


def test_a_build_by_older_code_rebuilds_what_newer_code_stored(source: Path, built: Built) -> None:
    built.cities(1)
    source.write_text(NEWER)
    built.boiler(source, "CityView")
    source.write_text(APP)
    status, told = built.boiler(source, "CityView")
    assert status == 0, told
    assert "CityView: 1 built" in told


def test_a_dead_letter_of_an_earlier_run_still_counts(built: Built, source: Path) -> None:
    built.cities(1)
    folder = source.parent.parent / ".boiler"
    folder.mkdir()
    place = {**{name: built.variables[name] for name in (PROJECT, EMULATOR_HOST)}, "app": "towns"}
    outcomes = {"built": 4, "dead letter": 1}
    content = {"after": "cities/a", "outcomes": outcomes, "database": {**place, "database": "(default)"}}
    (folder / "build-CityView.json").write_text(json.dumps(content))
    status, told = built.boiler(source, "CityView", "--resume")
    assert status == 1
    assert "\nCityView: 5 built, 1 dead letter; " in f"\n{told}"


def test_a_build_is_not_resumed_in_another_database(built: Built, source: Path) -> None:
    folder = source.parent.parent / ".boiler"
    folder.mkdir()
    place = {PROJECT: "demo-other", EMULATOR_HOST: None, "app": "towns", "database": "(default)"}
    (folder / "build-CityView.json").write_text(json.dumps({"after": "", "outcomes": {}, "database": place}))
    status, told = built.boiler(source, "CityView", "--resume")
    assert status == 2
    assert f"The build to resume was of {PROJECT} demo-other" in told


def test_build_without_credentials_says_what_to_set(source: Path, tmp_path: Path) -> None:
    with running(source, "build", "CityView", HOME=str(tmp_path), NO_GCE_CHECK="true") as command:
        assert command.wait() == 2
        assert command.lines[-2].startswith("error BF200 No credentials for Firestore")
