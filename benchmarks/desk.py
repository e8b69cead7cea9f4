"""The desk's timeline with 200 deliveries a second for ten minutes: frames and memory of the page that shows them."""

import os
import time
from collections.abc import Iterator, Mapping
from statistics import median
from typing import Any

from flask import Response
from playwright.sync_api import Page, sync_playwright

from benchmarks.results import Row, at_least, at_most, ratio_at_most
from benchmarks.stage import Stage
from boiler_functions.cli.desk.application import Live
from boiler_functions.cli.desk.application import desk as desk_of
from boiler_functions.cli.desk.faults import FaultSwitch
from boiler_functions.cli.desk.timeline import LONGEST, Timeline
from boiler_functions.cli.desk.trial import Trial
from boiler_functions.local.delivery import Delivered
from boiler_functions.local.loopback import free_port
from boiler_functions.local.serving import served
from emulator.chromium import installed

SECONDS = 600
A_SECOND = 200
LOOK_EVERY = 30

_REPORT: Mapping[str, Any] = {
    "outcome": "built",
    "reads": 3,
    "writes": 2,
    "rpcs": 3,
    "lag_milliseconds": 20.0,
    "views": ["CityView"],
}

# The frames that the page draws in a second.
_FRAMES = """() => new Promise((resolve) => {
  let count = 0;
  const start = performance.now();
  const next = (now) => (now - start > 1000 ? resolve(count) : (count += 1, requestAnimationFrame(next)));
  requestAnimationFrame(next);
})"""


def desk(_: Stage) -> Iterator[Row]:
    """Adds deliveries as `boiler dev` does, while a browser shows them, and looks at the page every half minute."""
    timeline = Timeline(lambda function, event: None)
    live = Live(timeline, FaultSwitch(lambda faults: None, lambda: None), Trial("", "", "demo-desk", lambda: ""))
    port = free_port()
    found = installed()
    assert found is not None, "The desk is measured in Chromium; install it, or set CHROMIUM."
    environment: dict[str, str | float | bool] = {**os.environ, **found.env}
    api = {"/about": '{"app": "towns", "place": "project demo-desk", "contents": true}'}
    page_of = desk_of(
        lambda path, _: Response(api[path], content_type="application/json"), port, changes=True, live=live
    )
    with served(page_of, port) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=found.path, args=["--no-sandbox", "--enable-precise-memory-info"], env=environment
        )
        page = browser.new_page()
        page.goto(f"http://{address}/#/deliveries")
        frames, memory, added = _watch(page, timeline)
        assert page.get_by_text(f"of {LONGEST} deliveries").is_visible()
        browser.close()
    yield Row(f"desk, {A_SECOND} deliveries a second", median(frames), None, None, "frames a second", at_least(20))
    first, last = (median(each) for each in (memory[:4], memory[-4:]))
    yield Row(f"desk after {SECONDS // 60} minutes", last, first, "its memory at first", "MiB", ratio_at_most(2))
    yield Row("desk, a delivery is noted", median(added) * 1000, None, None, "ms", at_most(1))


def _watch(page: Page, timeline: Timeline) -> tuple[list[int], list[float], list[float]]:
    """Returns frames, the page's memory in MiB, and the seconds that adding a delivery took."""
    frames: list[int] = []
    memory: list[float] = []
    added: list[float] = []
    started = time.perf_counter()
    number = looks = 0
    while (passed := time.perf_counter() - started) < SECONDS:
        while number < passed * A_SECOND:
            number += 1
            delivery = Delivered("city_view_on_cities", f"event{number}", f"cities/{number % 1000}", 1, 200, 4.0)
            before = time.perf_counter()
            timeline.add(delivery, None, _REPORT)
            added.append(time.perf_counter() - before)
        if passed > looks * LOOK_EVERY:
            looks += 1
            frames.append(page.evaluate(_FRAMES))
            memory.append(page.evaluate("performance.memory.usedJSHeapSize") / 2**20)
        time.sleep(0.01)
    return frames, memory, added
