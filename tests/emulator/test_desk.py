"""The desk in a browser: what is shown, by keyboard and on a narrow screen, and what axe finds."""

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Browser, Page, expect, sync_playwright
from werkzeug.serving import make_server

from boiler_functions.cli import staged
from boiler_functions.cli.context import Context
from boiler_functions.cli.desk.application import desk
from boiler_functions.cli.desk.commands import Commands
from boiler_functions.cli.desk.server import own
from boiler_functions.cli.project import Project
from boiler_functions.cli.registering import Registering
from boiler_functions.database import Put
from boiler_functions.database.firestore import FirestoreDatabase
from boiler_functions.database.variables import EMULATOR_HOST, PROJECT
from boiler_functions.local.loopback import LOOPBACK, free_port
from boiler_functions.testing import MemoryApp
from tests.emulator.chromium import chromium
from tests.emulator.running import Running
from tests.unit.cli.conftest import APP, LABEL, Start, Write, folder, module, start

__all__ = ["folder", "module", "start"]

BOILER = (sys.executable, "-m", "boiler_functions")
FORM = "users/ann/cityForms/OSA"
FAILING = APP.replace("City.new(", 'raise ValueError("SECRET")\n        City.new(') + LABEL


@pytest.fixture
def testing(start: Start) -> MemoryApp:
    """An app with a view that is right, one that was changed by hand, and a form that failed."""
    testing = start(FAILING)
    Registering.of(Project.find().load().declarations, testing.database, 7).now.write(testing.database)
    for name in ("PAR", "TOK"):
        testing.write(f"cities/{name}", {"name": f"City {name}"})
    testing.write(FORM, {"name": "Osaka"})
    testing.deliver()
    testing.write("cityView/TOK", {"title": "By hand", "obj_type": "CityView"})
    return testing


@pytest.fixture
def address(testing: MemoryApp) -> Iterator[str]:
    """A desk that shows contents and may change something."""
    port = free_port()
    application = desk(own(Commands(Context(project="demo-towns"), contents=True)), port, changes=True)
    server = make_server(LOOPBACK, port, application, threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://{LOOPBACK}:{port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium."""
    found = chromium()
    environment: dict[str, str | float | bool] = {**os.environ, **found.env}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found.path, args=["--no-sandbox"], env=environment)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page that shares nothing with others; what it complains of fails the test."""
    said: list[str] = []
    with browser.new_context() as context:
        page = context.new_page()
        page.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: said.append(f"error: {error}"))
        yield page
    # While the app is loaded again, the desk has nothing to ask.
    assert [each for each in said if "503" not in each and "403" not in each] == []


SCHEMES: tuple[tuple[Literal["light", "dark"], dict[str, list[str]]], ...] = (
    ("light", {}),
    ("dark", {"runOnly": ["cat.color"]}),
)


def faults(page: Page) -> list[str]:
    """What axe finds, by rule and element; in the dark by its rules of colour, as nothing else depends on the light."""
    page.evaluate(AXE_SCRIPT)
    found = []
    for scheme, rules in SCHEMES:
        page.emulate_media(color_scheme=scheme)
        violations = page.evaluate("rules => axe.run(rules)", {"resultTypes": ["violations"], **rules})["violations"]
        found += [f"{scheme} {each['id']}: {node['html']}" for each in violations for node in each["nodes"]]
    return found


def test_what_is_wrong_is_seen_found_and_mended(address: str, page: Page, testing: MemoryApp, tmp_path: Path) -> None:
    page.goto(address)
    row = page.get_by_role("row").filter(has=page.get_by_role("rowheader", name="CityForm"))
    expect(row.locator(".state")).to_have_text("failing")
    expect(page.locator(".map .node").filter(has_text="CityLabel").locator(".state")).to_have_text("ok")
    expect(page.locator(".map path").first).to_be_attached()
    assert faults(page) == []

    page.get_by_label("A document's path").fill("cityView/TOK")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_role("heading", name="cityView/TOK")).to_be_visible()
    expect(page.locator("main .state")).to_have_text("wrong")
    content = page.get_by_role("region", name="Content").get_by_role("row").filter(has_text="title")
    expect(content).to_contain_text("By hand")
    expect(content).to_contain_text("City TOK")
    assert faults(page) == []
    page.get_by_role("button", name="Build again").click()
    expect(page.locator("main .state")).to_have_text("right")
    assert (testing.fields("cityView/TOK") or {})["title"] == "City TOK"

    page.get_by_role("link", name="cities/TOK").first.click()
    expect(page.get_by_text("1 of CityLabel")).to_be_visible()

    page.get_by_role("link", name="Letters").click()
    expect(page.get_by_role("link", name=FORM)).to_be_visible()
    assert faults(page) == []
    page.get_by_role("button", name="Retry").click()
    expect(page.get_by_role("alert")).to_have_text("failed again")


def test_a_change_is_seen_without_a_click_and_keeps_the_place_of_the_reader(
    address: str, page: Page, testing: MemoryApp
) -> None:
    page.goto(f"{address}/#/document/cities%2FPAR")
    stored = page.get_by_role("region", name="Content")
    expect(stored).to_contain_text("City PAR")
    testing.write("cities/PAR", {"name": "Lutetia"})
    expect(stored).to_contain_text("Lutetia")


def test_the_desk_is_used_by_keyboard_and_on_a_narrow_screen(address: str, page: Page) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    page.goto(address)
    expect(page.locator(".map .node").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert faults(page) == []
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    for _ in range(4):
        page.keyboard.press("Tab")
    page.keyboard.type("cityView/PAR")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="cityView/PAR")).to_be_visible()
    expect(page.locator("main")).to_be_focused()


@pytest.mark.timeout(600)
def test_the_desk_of_dev_shows_each_delivery_and_a_saved_file_without_a_click(page: Page, tmp_path: Path) -> None:
    (tmp_path / "functions").mkdir()
    source = tmp_path / "functions" / "towns.py"
    source.write_text(APP)
    (tmp_path / "pyproject.toml").write_text('[tool.boiler_functions]\napp = "towns:app"\n')
    command = [sys.executable, "-m", "boiler_functions", "dev", "--free-ports", "--no-auth", "--project=demo-towns"]
    with Running(command, tmp_path, dict(os.environ)) as running:
        host = running.line(r"^Firestore +(\S+)$")[1]
        database = FirestoreDatabase("demo-towns", emulator=host)
        page.goto(running.line(r"^Desk +(http\S+)$")[1])
        page.get_by_role("link", name="Deliveries").click()
        database.commit([Put("cities/TOK", {"name": "Tokyo"})])
        delivered = page.get_by_role("row").filter(has_text="city_view_on_cities")
        expect(delivered.first).to_contain_text("cities/TOK")
        expect(delivered.first.locator(".state")).to_have_text("built")
        delivered.get_by_role("button", name="Again").click()
        expect(delivered).to_have_count(2)
        expect(delivered.first.locator(".state")).to_have_text("covered")
        assert faults(page) == []
        delivered.first.get_by_role("link").first.click()
        expect(page.get_by_role("heading", name="One event, with its retries")).to_be_visible()
        expect(delivered).to_have_count(2)

        for number in range(0, 300, 100):
            database.commit([Put(f"cities/{each}", {"name": "x"}) for each in range(number, number + 100)])
        page.get_by_role("link", name="All events").click()
        expect(page.get_by_text("302 of 302 deliveries")).to_be_visible()
        page.get_by_label("Function, view or document").fill("cities/TOK")
        expect(page.get_by_text("2 of 302 deliveries")).to_be_visible()

        page.get_by_role("link", name="Costs").click()
        expect(page.get_by_role("region", name="Costs by view")).to_contain_text("CityView")
        by_source = page.get_by_role("region", name="Costs by source")
        expect(by_source.get_by_role("rowheader", name="cities")).to_be_visible()
        expect(page.locator(".plot polyline")).to_be_attached()
        assert faults(page) == []
        page.get_by_role("link", name="Overview").click()
        name = page.get_by_text("city_view_on_cities", exact=True)
        busy = page.locator(".map .node").filter(has=name).locator(".rate")
        expect(busy).to_contain_text("a second")
        page.locator(".map .node").get_by_role("link", name="city_view_on_cities").click()
        expect(page.get_by_text("302 of 302 deliveries")).to_be_visible()
        page.go_back()

        page.get_by_role("link", name="Faults").click()
        expect(page.get_by_role("row").filter(has_text="CityView").locator(".state")).to_have_text("200 right")
        assert faults(page) == []
        page.get_by_role("button", name="A bad day").click()
        expect(page.get_by_role("alert")).to_have_text("A bad day begins.")
        database.commit([Put(f"cities/{each}", {"name": "y"}) for each in range(100)])
        page.get_by_role("button", name="Kill the app").click()
        expect(page.get_by_role("alert")).to_have_text("the app was killed and started again")
        page.get_by_role("button", name="No faults").click()
        expect(page.get_by_role("row").filter(has_text="CityView").locator(".state")).to_have_text("200 right")
        copies = [f"cityView/{each}" for each in range(100)]
        while {(each.fields or {})["title"] for each in database.read(copies).documents} != {"y"}:
            page.wait_for_timeout(100)
        page.get_by_role("link", name="Deliveries").click()
        page.get_by_label("Function, view or document").fill("cities/")
        expect(page.get_by_text("fault: the answer was lost").first).to_be_visible()

        page.get_by_label("A document's path").fill("cityView/TOK")
        page.get_by_role("button", name="Show").click()
        content = page.get_by_role("region", name="Content")
        expect(content).to_contain_text("Tokyo")
        source.write_text(APP.replace("return self.store.city.name", 'return f"{self.store.city.name}!"'))
        expect(content).to_contain_text("Tokyo!")
        expect(page.locator("main .state")).to_have_text("right")
        running.line("towns.py changed")

        def boiler(*arguments: str) -> None:
            variables = {**os.environ, EMULATOR_HOST: host, PROJECT: "demo-towns"}
            subprocess.run([*BOILER, *arguments], cwd=tmp_path, env=variables, check=True, capture_output=True)

        def says(name: str, mark: str) -> None:
            """Both what is shown, and what follows a change, say so."""
            database.commit([Put("cities/TOK", {"name": name})])
            while (database.read(["cityView/TOK"]).documents[0].fields or {})["title"] != f"{name}{mark}":
                page.wait_for_timeout(50)

        # What is saved while a view is staged is seen only once it is promoted.
        boiler("stage", "CityView", "--yes")
        running.line("CityView is staged")
        source.write_text(APP.replace("return self.store.city.name", 'return f"{self.store.city.name}?"'))
        running.line("towns.py changed; the staged version of CityView reloaded")
        page.get_by_role("link", name="Versions").click()
        expect(page.locator("main .state")).to_have_text("ready")
        expect(page.get_by_text("built; 301 of 301 built. Of 20 compared, 20 will change.")).to_be_visible()
        expect(page.get_by_role("region", name="What CityView will change")).to_contain_text(": title")
        assert faults(page) == []
        says("Edo", "!")
        page.get_by_role("button", name="Promote").click()
        expect(page.get_by_role("button", name="Roll back")).to_be_visible(timeout=60_000)
        says("Tokyo", "?")
        page.get_by_role("button", name="Roll back").click()
        expect(page.get_by_role("button", name="Promote")).to_be_visible(timeout=60_000)
        says("Edo", "!")
        page.get_by_role("button", name="Promote").click()
        page.get_by_role("button", name="Finish").click(timeout=60_000)
        expect(page.get_by_text("No view has a staged version.")).to_be_visible(timeout=60_000)
        says("Tokyo", "?")
        source.write_text(APP)
        running.line("towns.py changed; towns with")
        says("Kyoto", "")
        # A page that looks on complains of the end of its stream.
        page.goto("about:blank")
        assert running.end() == 0
        assert not (tmp_path / ".boiler" / "dev.json").exists()


def test_a_staged_version_is_compared_and_promoted(
    address: str, page: Page, testing: MemoryApp, module: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(staged, "deploy_functions", lambda *_: None)
    module(FAILING.replace("return self.store.city.name", 'return "new " + self.store.city.name'))
    staged.stage(Context(project="demo-towns"), "CityView", yes=True)
    page.goto(f"{address}/#/versions")
    expect(page.locator("main .state")).to_have_text("ready")
    expect(page.get_by_role("region", name="What CityView will change")).to_contain_text("cityView/PAR: title")
    assert faults(page) == []
    page.get_by_role("button", name="Promote").click()
    expect(page.get_by_role("button", name="Roll back")).to_be_visible()
    assert (testing.fields("cityView/PAR") or {})["title"] == "new City PAR"


RULES = """rules_version = '2';
service cloud.firestore {
  match /databases/{database}/documents {
    match /users/{user}/cityForms/{form} {
      allow create: if request.auth.uid == user;
    }
    match /cityView/{city} {
      allow read;
    }
  }
}
"""


@pytest.mark.timeout(300)
def test_what_a_client_tries_is_allowed_or_denied_by_a_line_of_the_rules(page: Page, tmp_path: Path) -> None:
    (tmp_path / "functions").mkdir()
    (tmp_path / "functions" / "towns.py").write_text(APP)
    (tmp_path / "firestore.rules").write_text(RULES)
    (tmp_path / "pyproject.toml").write_text('[tool.boiler_functions]\napp = "towns:app"\n')
    command = [sys.executable, "-m", "boiler_functions", "dev", "--free-ports", "--no-auth", "--project=demo-towns"]
    with Running(command, tmp_path, dict(os.environ)) as running:
        page.goto(running.line(r"^Desk +(http\S+)$")[1])
        page.get_by_role("link", name="Try it").click()
        page.get_by_role("combobox", name="What").select_option("Send CityForm users/{user_id}/cityForms/{city_id}")
        page.get_by_role("textbox", name="Path").fill(FORM)
        page.get_by_label("Content").fill('{"name": {"stringValue": "Osaka"}}')
        page.get_by_label("User id").fill("bob")
        page.get_by_role("button", name="Try").click()
        expect(page.get_by_text("answered 403", exact=True)).to_be_visible()
        expect(page.get_by_role("listitem").filter(has_text="line 5")).to_contain_text("request.auth.uid == user")
        assert faults(page) == []
        page.get_by_label("User id").fill("ann")
        page.get_by_role("button", name="Try").click()
        expect(page.get_by_text("allowed", exact=True)).to_be_visible()
        page.get_by_role("link", name=FORM).click()
        expect(page.get_by_role("heading", name=FORM)).to_be_visible()
        page.goto("about:blank")
        assert running.end() == 0


@pytest.mark.timeout(300)
@pytest.mark.parametrize("app", ["meeting_room:app", "helpdesk:app"])
def test_every_page_of_the_desk_shows_a_sample_without_a_fault(page: Page, app: str) -> None:
    checkout = Path(__file__).parents[2]
    options = ["dev", "--free-ports", "--no-auth", "--project=demo-samples"]
    command = [sys.executable, "-m", "boiler_functions", "--app", app, *options]
    with Running(command, checkout, dict(os.environ)) as running:
        page.goto(running.line(r"^Desk +(http\S+)$")[1])
        for name in ("Deliveries", "Costs", "Letters", "Versions", "Try it", "Faults", "Overview"):
            page.get_by_role("link", name=name).click()
            expect(page.get_by_role("heading", level=2, name=name)).to_be_visible()
            assert faults(page) == []
        page.get_by_role("link", name="Try it").click()
        page.get_by_role("textbox", name="Path").fill("nobody/knows")
        page.get_by_role("button", name="Try").click()
        expect(page.get_by_text(re.compile("^answered 40[34]$|^allowed$"))).to_be_visible()
        page.goto("about:blank")
        assert running.end() == 0
