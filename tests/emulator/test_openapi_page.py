"""A browser without a network shows the page of the API, and tries it out."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright
from werkzeug.serving import make_server

from boiler_functions import Boiler, DomainModel, Store, ViewModel, access, attrs, reference, use
from boiler_functions.database.memory import MemoryDatabase
from boiler_functions.local.loopback import LOOPBACK
from boiler_functions.modes.rest.application import create_app
from tests.emulator.chromium import chromium

# Whatever is not on this machine cannot be found.
_FLAGS = ["--no-sandbox", f"--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE {LOOPBACK}"]


class City(DomainModel):
    class Meta:
        collection_name = "cities"

    name = attrs.string(required=True)


class CityStore(Store):
    city = reference(City)


app = Boiler("towns")


@app.rest("/cities")
class CityView(ViewModel[CityStore]):
    """A city as everybody may see it."""

    class Meta:
        read = access.public

    @attrs.computed
    def title(self) -> str:
        """How a sign would spell it."""
        return self.store.city.name.upper()


@pytest.fixture
def address() -> Iterator[str]:
    """The API over HTTP, with one city."""
    database = MemoryDatabase()
    with use(database):
        City.new(doc_id="TOK", name="Tokyo").save()
    server = make_server(LOOPBACK, 0, create_app(app.declarations, lambda: database), threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://{LOOPBACK}:{server.port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def page() -> Iterator[Page]:
    """A page of a headless Chromium."""
    found = chromium()
    with sync_playwright() as playwright:
        environment: dict[str, str | float | bool] = {**os.environ, **found.env}
        browser = playwright.chromium.launch(executable_path=found.path, args=_FLAGS, env=environment)
        yield browser.new_page()
        browser.close()


def test_the_page_renders_without_a_network_and_try_it_out_answers(address: str, page: Page, tmp_path: Path) -> None:
    asked: list[str] = []
    told: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: told.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: told.append(f"error: {error}"))
    page.goto(f"{address}/apidocs")
    expect(page.locator(".title")).to_contain_text("towns")
    expect(page.locator("#operations-CityView-getCityView")).to_contain_text("/cities/{doc_id}")

    operation = page.locator("#operations-CityView-getCityView")
    operation.locator(".opblock-summary-control").click()
    expect(operation).to_contain_text("A city as everybody may see it.")
    operation.get_by_text("Try it out").click()
    operation.get_by_placeholder("doc_id").fill("TOK")
    operation.get_by_text("Execute").click()
    answer = operation.locator(".live-responses-table")
    expect(answer.locator(".response-col_status").last).to_contain_text("200")
    expect(answer).to_contain_text("TOKYO")

    picture = tmp_path / "apidocs.png"
    page.screenshot(path=picture, full_page=True)
    assert picture.stat().st_size > 20_000, "a page that did not render is a white picture"
    assert [each for each in asked if not each.startswith((f"{address}/", "data:"))] == []
    assert f"{address}/cities/TOK" in [each.partition("?")[0] for each in asked]
    assert told == []
