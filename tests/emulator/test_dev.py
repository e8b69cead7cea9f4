"""`boiler dev` is the whole project: what `boiler init` writes works from a browser at once, and keeps its data."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask, Response
from playwright.sync_api import Page, expect, sync_playwright
from werkzeug.serving import make_server

from boiler_functions.local.exported import Exported
from boiler_functions.local.loopback import LOOPBACK, free_port, free_ports, is_free, request
from boiler_functions.testing.tokens import unsigned_token
from tests.emulator.chromium import chromium
from tests.emulator.running import Running

ROOT = Path(__file__).parents[2]
FIREBASE = ROOT / "live" / "node_modules" / "firebase"
BOILER = (sys.executable, "-m", "boiler_functions")
PROJECT = "demo-library"
FLAGS = ["--no-sandbox", f"--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE {LOOPBACK}"]
SLOW = 240.0  # firebase-tools starts

TOOLS = ROOT / "node_modules" / "firebase-tools"

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """The project that `boiler init` writes, on ports of its own."""
    subprocess.run([*BOILER, "init", "library"], cwd=tmp_path, check=True, capture_output=True)
    folder = tmp_path / "library"
    firebase = json.loads((folder / "firebase.json").read_text())
    taken = free_ports(2)
    # The sockets are next to the functions.
    functions = next(port for port in iter(free_port, None) if is_free(port + 1) and not {port, port + 1} & {*taken})
    for name, port in zip(("firestore", "auth", "functions"), (*taken, functions), strict=True):
        firebase["emulators"][name] = {"port": port}
    (folder / "firebase.json").write_text(json.dumps(firebase))
    return folder


def dev(folder: Path, *options: str) -> Running:
    return Running([*BOILER, "dev", f"--project={PROJECT}", *options], folder, dict(os.environ))


@pytest.fixture
def site() -> Iterator[str]:
    """A page of a front end, with the web SDK from this machine."""
    server = Flask("site", static_folder=None)

    @server.get("/")
    def page() -> str:
        return (Path(__file__).parent / "form.html").read_text()

    @server.get("/<name>.js")
    def script(name: str) -> Response:
        # The files of the package name one another by the address that they are published at.
        text = re.sub(r'https://[^"]+/(firebase-\w+\.js)', r"/\1", (FIREBASE / f"{name}.js").read_text())
        return Response(text, mimetype="text/javascript")

    running = make_server(LOOPBACK, 0, server, threaded=True)
    thread = threading.Thread(target=running.serve_forever)
    thread.start()
    yield f"http://{LOOPBACK}:{running.port}"
    running.shutdown()
    thread.join()
    running.server_close()


@pytest.fixture
def browser() -> Iterator[Page]:
    found = chromium()
    with sync_playwright() as playwright:
        environment: dict[str, str | float | bool] = {**os.environ, **found.env}
        opened = playwright.chromium.launch(executable_path=found.path, args=FLAGS, env=environment)
        yield opened.new_page()
        opened.close()


def status(host: str, method: str, path: str, uid: str | None = None, fields: object = None) -> int:
    """The status of a client's request to Firestore."""
    headers = {"Content-Type": "application/json"}
    if uid:
        headers["Authorization"] = f"Bearer {unsigned_token(uid, project=PROJECT)}"
    body = None if fields is None else json.dumps({"fields": fields}).encode()
    documents = f"/v1/projects/{PROJECT}/databases/(default)/documents"
    return request(host, method, f"{documents}/{path}", body, headers).status


def test_what_init_writes_works_from_a_browser_and_is_there_after_the_next_start(
    site: str, browser: Page, library: Path
) -> None:
    emulators = json.loads((library / "firebase.json").read_text())["emulators"]
    ports = {name: emulators[name]["port"] for name in ("firestore", "auth", "functions")}
    firestore, auth = (f"{LOOPBACK}:{ports[name]}" for name in ("firestore", "auth"))
    with dev(library, "--seed=seed.py", "--import=data", "--export-on-exit") as running:
        for step in ("Starting the Firestore emulator", "Waiting for the Auth emulator", "Starting", "Running seed.py"):
            running.line(rf"^{step}.* …$", SLOW)
        running.line(rf"^Firestore +{firestore}$")
        running.line(rf"^Auth +{auth}, and unsigned tokens$")
        running.line(r"^Rules +.*firestore\.rules$")
        running.line(r"^Data +of seed\.py; data holds no export yet$")
        running.line(rf"^API +http://{LOOPBACK}:{ports['functions']}$")

        browser.goto(f"{site}/?project={PROJECT}&firestore={ports['firestore']}&auth={ports['auth']}")
        expect(browser.locator("#available")).to_have_text("Emma, Persuasion")
        browser.fill("input", "emma")
        browser.click("text=Lend")
        expect(browser.locator("#refused")).to_have_text("permission-denied")
        browser.click("text=Sign in")
        expect(browser.locator("#user")).not_to_have_text("")
        browser.click("text=Lend")
        expect(browser.locator("#outcome")).to_have_text("done")
        expect(browser.locator("#available")).to_have_text("Persuasion")
        user = browser.locator("#user").text_content()

        # What the README says, and nothing else.
        book = {"book": {"stringValue": "emma"}}
        assert status(firestore, "GET", "shelfViews/novels") == 200
        assert status(firestore, "PATCH", "shelfViews/novels", "ada", {}) == 403
        assert status(firestore, "PATCH", "users/ada/loanForms/1", "ada", book) == 200
        assert status(firestore, "PATCH", "users/ada/loanForms/2", "grace", book) == 403
        assert status(firestore, "GET", "books/emma", "ada") == 403

        rules = library / "firestore.rules"
        rules.write_text(rules.read_text().replace("allow read: if true;", "allow read: if false;"))
        running.line(r"firestore\.rules changed; its rules are enforced\.$")
        assert status(firestore, "GET", "shelfViews/novels") == 403
        rules.write_text("service {")
        running.line(r"firestore\.rules has errors:$")
        assert status(firestore, "GET", "shelfViews/novels") == 403
        assert running.end(signal.SIGINT) == 0
        assert running.lines[-2:] == ["The data is in data.", "Stopped."]

    logged = [json.loads(line) for line in (library / ".boiler" / "log.jsonl").read_text().splitlines()]
    events = [each for each in logged if "outcomes" in each]
    assert {each["app"] for each in events} == {"library"}
    assert all(each["time"] for each in events)

    exported = Exported.find(library / "data")
    assert exported
    assert exported.has_users
    # As firebase-tools finds it for its own `--import`.
    read = f"require('{TOOLS}/lib/emulator/hubExport').HubExport.readMetadata('{library / 'data'}')"
    printed = subprocess.run(["node", "-p", f"JSON.stringify({read})"], check=True, capture_output=True, text=True)
    metadata = json.loads(printed.stdout)
    assert (library / "data" / metadata["firestore"]["metadata_file"]).is_file()
    accounts = json.loads((library / "data" / metadata["auth"]["path"] / "accounts.json").read_text())
    assert [each["localId"] for each in accounts["users"]] == [user]
    rules.unlink()
    with dev(library, "--seed=seed.py", "--import=data", "--no-auth") as running:
        running.line(rf"^Firestore +{firestore}$", SLOW)
        running.line(r"^Auth +unsigned tokens only")
        running.line(r"^Rules +none: clients may do everything, as .*firestore\.rules does not exist")
        running.line(r"^Data +of data$")
        running.line(r"^Stop")
        documents = f"/v1/projects/{PROJECT}/databases/(default)/documents"
        view = json.loads(request(firestore, "GET", f"{documents}/shelfViews/novels").body)["fields"]
        assert view["available"]["arrayValue"]["values"] == [{"stringValue": "Persuasion"}]
        assert running.end(signal.SIGTERM) == 0


RECEIVER = """

from boiler_functions import Changed


@app.on_change(ShelfView)
def tell(change: Changed[ShelfView]) -> None:
    if change.after:
        # In one piece with its end, as `boiler dev` prints lines of its own between those of the app.
        print(f"told: {', '.join(change.after.available)}\\n", end="", flush=True)
"""


def test_a_receiver_is_called_for_each_change_of_a_view(library: Path) -> None:
    app = library / "functions" / "library.py"
    app.write_text(app.read_text() + RECEIVER)
    with dev(library, "--seed=seed.py", "--no-auth", "--free-ports") as running:
        # The events of the seed may come while `boiler dev` still starts.
        wanted = (r"^Firestore +(\S+)$", r"^Auth +(.*)$", r"^told: Emma, Persuasion$")
        firestore, auth = (each[1] for each in running.each(*wanted, seconds=SLOW)[:2])
        assert auth == "unsigned tokens only, as of `boiler token`"
        assert status(firestore, "PATCH", "users/ada/loanForms/1", "ada", {"book": {"stringValue": "emma"}}) == 200
        running.line(r"^told: Persuasion$")
        assert running.end() == 0
